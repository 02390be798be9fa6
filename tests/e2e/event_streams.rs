//! The facts of the journal as a stream: the same events, through every kind of interruption.

use std::time::{Duration, Instant};

use holdfast::http::position::Mark;
use holdfast_actors::Position;
use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::buyers::Buyers;
use crate::events::pull;
use crate::person::Person;
use crate::server::{Folder, Server, WAIT_MAX};
use crate::shop::Shop;
use crate::tokens;

/// What orchestrators give.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// One block of a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    event: Option<String>,
    pub(crate) data: Option<Value>,
    comment: Option<String>,
}

/// A connection that events come from.
pub(crate) struct Stream {
    response: Response,
    text: String,
    /// Whether it ended, and not broke off.
    is_whole: bool,
}

impl Stream {
    pub(crate) async fn open(server: &Server, query: &str, last_id: Option<&str>) -> Self {
        let response = Self::try_open(server, query, last_id).await;
        assert_eq!(response.status(), 200);
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store, no-transform");
        Self::of(response)
    }

    fn of(response: Response) -> Self {
        Self { response, text: String::new(), is_whole: false }
    }

    async fn try_open(server: &Server, query: &str, last_id: Option<&str>) -> Response {
        Self::open_with(server, query, last_id, &tokens::admin()).await
    }

    async fn open_with(server: &Server, query: &str, last_id: Option<&str>, token: &str) -> Response {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client needs nothing");
        let url = format!("{}/api/v1/events?{query}", server.url());
        let mut ask = http.get(url).bearer_auth(token).header("Accept", "text/event-stream");
        if let Some(id) = last_id {
            ask = ask.header("Last-Event-ID", id);
        }
        timeout(WAIT_MAX, ask.send()).await.expect("in time").expect("it answers")
    }

    /// The next block; none when the stream ends.
    pub(crate) async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut found = Block::default();
                for line in block.lines() {
                    match line.split_once(": ").expect("a line is a name and a value") {
                        ("id", id) => found.id = Some(id.to_owned()),
                        ("event", event) => found.event = Some(event.to_owned()),
                        ("data", data) => found.data = Some(serde_json::from_str(data).expect("JSON")),
                        ("", comment) => found.comment = Some(comment.to_owned()),
                        ("retry", ms) => assert_eq!(ms, "1000"),
                        other => panic!("{other:?}"),
                    }
                }
                self.text = rest.to_owned();
                return Some(found);
            }
            let chunk = timeout(WAIT_MAX, self.response.chunk()).await.expect("something comes in time");
            self.is_whole = matches!(chunk, Ok(None));
            let chunk = chunk.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }

    /// The next event; none when the stream ends.
    pub(crate) async fn event(&mut self) -> Option<Value> {
        loop {
            let Block { id, event, data, .. } = self.block().await?;
            if let Some(data) = data {
                assert_eq!(event.as_deref(), data["type"].as_str());
                assert_eq!(place(id.as_deref()), place(data["position"].as_str()));
                return Some(data);
            }
        }
    }
}

/// What a token names: an id is a position, and more.
pub(crate) fn place(token: Option<&str>) -> Option<(Position, Option<u16>)> {
    token.and_then(Mark::parse).map(|mark| (mark.position, mark.shown))
}

fn position(event: &Value) -> &str {
    event["position"].as_str().expect("an event has a position")
}

#[tokio::test]
async fn stream_that_is_cut_anywhere_tells_every_fact_once_also_across_a_crash() {
    let folder = Folder::new();
    let mut server = folder.start();
    let mut buyers = Buyers::at(&Shop::of(&server)).await;
    let mut told: Vec<Value> = Vec::new();
    for round in 0..3 {
        buyers.open(&server);
        // A consumer that is cut off after every few events, within records and between them.
        for cut in 0..20 {
            if cut == 10 {
                let tee = serde_json::json!({ "name": "T", "price": 1, "currency": "EUR", "variants": [
                    { "sku": format!("A{round}"), "initial_stock": 1 }, { "sku": format!("B{round}"), "initial_stock": 2 },
                ] });
                Shop::of(&server).make(&tee).await;
            }
            let last = told.last().map(|event| position(event).to_owned());
            let mut stream = Stream::open(&server, "", last.as_deref()).await;
            for _ in 0..=cut * 7 {
                told.push(stream.event().await.expect("it goes on"));
            }
        }
        buyers.wait_for_answers(50).await;
        server.kill();
        buyers.go_home().await;
        server = folder.start();
    }
    let shop = Shop::of(&server);
    buyers.ask_again(&shop).await;
    buyers.audit(&shop).await;
    let (all, next) = pull(&shop, "limit=200", None).await;
    let last = position(told.last().expect("there are")).to_owned();
    let mut stream = Stream::open(&server, "", Some(&last)).await;
    while told.len() < all.len() {
        told.push(stream.event().await.expect("it goes on"));
    }
    assert_eq!(told.len(), all.len());
    for (told, all) in told.iter().zip(&all) {
        assert_eq!(told, all);
    }
    assert_eq!(place(Some(position(told.last().expect("there are")))), place(Some(&next)));
}

#[tokio::test]
async fn last_event_id_wins_over_after_and_filters_hold() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(shop.purchase(&mug, 1).send().await.expect(201).header("journal-position").to_owned());
    }
    let mut stream = Stream::open(&server, "after=latest&types=stock.purchased", Some(&orders[0])).await;
    let greeting = stream.block().await.expect("it begins");
    assert_eq!((place(greeting.id.as_deref()), &greeting.data), (place(Some(&orders[0])), &None));
    assert_eq!(position(&stream.event().await.expect("the second")), orders[1]);
    assert_eq!(position(&stream.event().await.expect("the third")), orders[2]);
    shop.product("CUP", 1).await;
    let sold = shop.purchase(&mug, 1).send().await.expect(201);
    let event = stream.event().await.expect("the fourth");
    assert_eq!(position(&event), sold.header("journal-position"));
    assert_eq!(event["data"]["order_id"], sold.body["order_id"], "{event}");

    let mut stream = Stream::open(&server, "after=latest", None).await;
    Person::guest(&shop, 1).reserve(&[("MUG", 1)], 600).await;
    assert_eq!(stream.event().await.expect("what came after")["type"], "stock.reserved");
    let mut stream = Stream::open(&server, "", Some("AAMAAAEAAAAAAA")).await;
    assert_eq!(stream.event().await.expect("a beginning")["type"], "reset");
    assert_eq!(stream.event().await.expect("the oldest")["type"], "account.created");
    assert_eq!(Stream::try_open(&server, "", Some("x")).await.status(), 400);
    assert_eq!(Stream::try_open(&server, "after=x", None).await.status(), 400);
}

#[tokio::test]
async fn silence_is_broken_by_a_heartbeat_that_moves_on() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    let mut stream = Stream::open(&server, "after=latest&types=variant.removed", None).await;
    let start = stream.block().await.expect("it begins");
    let sold = shop.purchase(&mug, 1).send().await.expect(201);
    let beat = stream.block().await.expect("a heartbeat");
    assert_eq!(beat.comment.as_deref(), Some("heartbeat"));
    assert_eq!((beat.data, place(beat.id.as_deref())), (None, place(Some(sold.header("journal-position")))));
    assert_ne!(start.id, beat.id);
}

#[tokio::test]
async fn stream_ends_with_the_access_token_and_with_the_role() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 50).await;
    let answer = Stream::open_with(&server, "after=latest", None, &tokens::admin_for(3)).await;
    assert_eq!(answer.status(), 200);
    let mut stream = Stream::of(answer);
    assert_eq!(stream.event().await, None, "nothing came");
    assert!(stream.is_whole, "it ends in order");

    let id = tokens::customer_id(7);
    let role = async |role: &str| {
        let body = serde_json::json!({ "role": role });
        shop.client.patch(&format!("/users/{id}"), &body).token(&shop.admin).send().await.expect(200);
    };
    role("admin").await;
    let answer = Stream::open_with(&server, "after=latest", None, &tokens::customer(7)).await;
    assert_eq!(answer.status(), 200);
    let mut stream = Stream::of(answer);
    assert!(stream.block().await.expect("it begins").id.is_some());
    role("customer").await;
    shop.product("CUP", 50).await;
    while let Some(event) = stream.event().await {
        assert_eq!(event["type"], "account.changed", "what came before she was none any more: {event}");
    }
    assert!(stream.is_whole, "it ends in order");
}

#[tokio::test]
async fn a_hundred_streams_do_not_hold_up_the_end() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(Stream::open(&server, "after=latest", None).await);
    }
    let sold = shop.purchase(&mug, 1).send().await.expect(201);
    for stream in &mut streams {
        assert_eq!(position(&stream.event().await.expect("each is told")), sold.header("journal-position"));
    }
    let metrics = shop.client.ask_root("GET", "/metrics").send().await.expect(200).text;
    assert!(metrics.lines().any(|line| line == "holdfast_event_listeners 100"), "{metrics}");
    let started = Instant::now();
    server.signal("TERM");
    for stream in &mut streams {
        assert_eq!(stream.event().await, None);
        assert!(stream.is_whole, "it ends in order");
    }
    server.wait().expect_code(0);
    assert!(started.elapsed() < SHUTDOWN_MAX, "{:?}", started.elapsed());
}
