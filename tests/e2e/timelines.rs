//! A journal that was put back to an earlier moment and went on from there: whoever knows the other past is told, and harms nobody.

use serde_json::{Value, json};

use crate::event_streams::Stream;
use crate::events::{page, pull};
use crate::journal_desk::{Desk, position, receive, text};
use crate::server::Server;
use crate::shop::Shop;

/// What is written after the moment to which the journal is put back.
const STEPS: usize = 8;

/// Puts the journal back to a position, and serves that.
fn back_to(desk: &Desk, position: &str) -> (Server, Shop) {
    let into = desk.new_folder("back");
    desk.run(&["restore", "--to-position", position, "--into", text(&into)], 0);
    desk.serve(&into)
}

async fn next(shop: &Shop) -> String {
    let latest = page(shop, "after=latest").await.expect(200).body;
    latest["next"].as_str().expect("there is always a next").to_owned()
}

/// Where the movements go on behind the newest.
async fn cursor(shop: &Shop, query: &str) -> String {
    let page = shop.client.get(&format!("/inventory/MUG/movements?limit=1&{query}")).token(&shop.admin);
    let page = page.send().await.expect(200).body;
    page["next_cursor"].as_str().expect("there is more").to_owned()
}

async fn first(shop: &Shop, after: &str) -> Value {
    page(shop, &format!("after={after}")).await.expect(200).body["data"][0].clone()
}

#[tokio::test]
async fn consumer_of_another_past_is_told_to_begin_anew() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    let kept = position(&receive(&shop, "MUG", 1).await);
    let of_both = next(&shop).await;
    for _ in 0..STEPS / 2 {
        receive(&shop, "MUG", 1).await;
    }
    let of_one = next(&shop).await;
    let mut stream = Stream::open(&server, "", Some(&of_both)).await;
    let id = loop {
        let block = stream.block().await.expect("it goes on");
        if block.data.is_some() {
            break block.id.expect("an event has an id");
        }
    };
    let (server, shop) = (drop(server), back_to(&desk, &kept)).1;
    for _ in 0..STEPS {
        receive(&shop, "MUG", 100).await;
    }
    for token in [&of_one, &id] {
        let reset = first(&shop, token).await;
        assert_eq!((&reset["type"], &reset["data"]["reason"]), (&json!("reset"), &json!("unknown_position")));
        let mut stream = Stream::open(&server, "", Some(token)).await;
        assert_eq!(stream.event().await.expect("it begins")["type"], "reset");
    }
    let (since, _) = pull(&shop, "types=stock.received", Some(&of_both)).await;
    assert_eq!(since.len(), STEPS, "what both pasts have is no reason to begin anew: {since:?}");
    assert!(since.iter().all(|event| event["data"]["delta"] == 100), "{since:?}");
}

#[tokio::test]
async fn cursor_of_another_past_is_refused_and_stops_nobody() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    let kept = position(&receive(&shop, "MUG", 1).await);
    let of_both = cursor(&shop, "kind=received").await;
    for _ in 0..STEPS / 2 {
        receive(&shop, "MUG", 1).await;
    }
    let of_one = cursor(&shop, "").await;
    let behind = next(&shop).await;
    let (server, shop) = (drop(server), back_to(&desk, &kept)).1;
    let list = |query: String| {
        shop.client.get(&format!("/inventory/MUG/movements?{query}")).token(&shop.admin).send()
    };
    // There is no such record yet; then there is another one, and more came with it than there was then.
    for _ in 0..2 {
        list(format!("limit=1&cursor={of_one}")).await.expect_problem(400, "malformed_request");
        for _ in 0..STEPS {
            receive(&shop, "MUG", 1_000).await;
        }
    }
    let rest = list(format!("kind=received&cursor={of_both}")).await.expect(200).body;
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(1), "what both pasts have: {rest}");
    let read = shop.client.get("/inventory/MUG").header("Min-Journal-Position", &behind);
    read.send().await.expect(200);
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn consumer_at_the_end_of_a_journal_that_was_trimmed_to_its_end_goes_on() {
    let desk = Desk::new();
    let (server, shop) = desk.start();
    shop.product("MUG", 10).await;
    desk.json(&["checkpoint"]);
    assert!(desk.json(&["trim", "--retain", "0s"])["batches"].as_u64() > Some(0));
    for start in ["after=latest", "limit=1"] {
        let begun = page(&shop, start).await.expect(200).body;
        assert_eq!(begun["data"], json!([]), "{start}: there is nothing");
        let next = begun["next"].as_str().expect("there is always a next").to_owned();
        let again = page(&shop, &format!("after={next}")).await.expect(200).body;
        assert_eq!(again, begun, "{start}: and nothing came");
        let received = position(&receive(&shop, "MUG", 1).await);
        let came = page(&shop, &format!("after={next}")).await.expect(200).body;
        assert_eq!(came["data"][0]["position"], received.as_str(), "{start}: {came}");
        assert_eq!(came["data"].as_array().map(Vec::len), Some(1), "{start}: {came}");
        desk.json(&["checkpoint"]);
        desk.json(&["trim", "--retain", "0s"]);
        assert_eq!(first(&shop, &next).await["type"], "reset", "{start}: what came is gone");
    }
    server.terminate().expect_code(0);
}
