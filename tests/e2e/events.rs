//! The facts of the journal, page by page: all of them, once, in order, and no longer waited for than need be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, expect_members, expect_moment};
use crate::event_streams::place;
use crate::person::{Person, at, until};
use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

/// More pages than any test reads.
const PAGES_MAX: usize = 10_000;

pub(crate) async fn page(shop: &Shop, query: &str) -> Answer {
    shop.client.get(&format!("/events?{query}")).token(&shop.admin).send().await
}

/// All events from a position on, or from the oldest; and where the next come.
pub(crate) async fn pull(shop: &Shop, query: &str, after: Option<&str>) -> (Vec<Value>, String) {
    let mut events = Vec::new();
    let mut after = after.map(str::to_owned);
    for _ in 0..PAGES_MAX {
        let from = after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        let page = page(shop, &format!("{query}{from}")).await.expect(200).body;
        let next = page["next"].as_str().expect("there is always a next").to_owned();
        events.extend(page["data"].as_array().expect("a page has data").iter().cloned());
        if after.as_ref() == Some(&next) {
            return (events, next);
        }
        after = Some(next);
    }
    panic!("{query}: no end");
}

fn texts<'e>(events: &'e [Value], member: &str) -> Vec<&'e str> {
    events.iter().map(|event| event[member].as_str().expect("text")).collect()
}

/// Writes of all kinds; the positions that were answered.
async fn trade(shop: &Shop) -> Vec<String> {
    let mug = shop.product("MUG", 50).await;
    let cup = shop.product("CUP", 50).await;
    let (guest, customer, admin) = (Person::guest(shop, 1), Person::customer(shop, 1), Person::admin(shop));
    let mut answers = Vec::new();
    answers.push(guest.purchase(&mug, 2).await);
    answers.push(admin.post("/categories", &json!({ "name": "Cups", "slug": "cups" })).send().await);
    answers.push(
        admin.post("/inventory/CUP/adjustments", &json!({ "delta": -1, "reason": "damaged" })).send().await,
    );
    answers.push(guest.post("/cart/items", &json!({ "sku": "CUP", "quantity": 1 })).send().await);
    answers.push(guest.post("/cart/items", &json!({ "sku": "MUG", "quantity": 2 })).send().await);
    answers.push(guest.delete("/cart/items/CUP").send().await);
    let held = guest.reserve(&[("MUG", 1), ("CUP", 2)], 600).await;
    answers.push(guest.tell(&format!("{}/release", at(&held))).send().await);
    let ordered = customer.order(&[("CUP", 3), ("MUG", 1)], 600).await;
    answers.push(customer.pay(&ordered, "tok_ok").send().await);
    answers.push(admin.tell(&format!("{}/fulfill", at(&ordered))).send().await);
    let bought = customer.purchase(&cup, 1).await;
    let canceled = json!({ "id": bought.body["order_id"] });
    answers.push(bought);
    answers.push(admin.tell(&format!("{}/cancel", at(&canceled))).send().await);
    let rule = json!({ "name": "Sale", "kind": "seasonal", "percent_off": 1000, "skus": ["MUG"], "starts_at": "2026-01-01T00:00:00Z" });
    answers.push(admin.post("/price-rules", &rule).send().await);
    let person = json!({ "email": "new@people.test", "password": "correct horse battery" });
    shop.client.post("/auth/register", &person).send().await.expect(201);
    shop.client.post("/auth/login", &person).send().await.expect(200);
    answers
        .iter()
        .map(|answer| {
            assert!(answer.status < 300, "{}", answer.text);
            answer.header("journal-position").to_owned()
        })
        .collect()
}

/// Waits until nothing more comes.
async fn settle(shop: &Shop) -> (Vec<Value>, String) {
    until("the journal is quiet", async || {
        let (events, next) = pull(shop, "limit=200", None).await;
        let later = page(shop, &format!("after={next}&wait_seconds=1")).await.expect(200).body;
        (later["data"] == json!([])).then_some((events, next))
    })
    .await
}

#[tokio::test]
async fn every_fact_is_told_once_in_order_whatever_the_page() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let positions = trade(&shop).await;
    let (all, next) = settle(&shop).await;

    for event in &all {
        expect_members(event, &["position", "type", "at", "resource", "data"]);
        expect_moment(&event["at"]);
        assert!(event["data"].is_object() && event["resource"]["type"].is_string(), "{event}");
    }
    let mut told = texts(&all, "position");
    for position in &positions {
        assert_eq!(told.iter().filter(|it| *it == position).count(), 1, "{position}");
    }
    assert_eq!(place(told.last().copied()), place(Some(&next)));
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), all.len(), "each event has a position of its own");
    let types = texts(&all, "type");
    for kind in [
        "product.created",
        "stock.received",
        "stock.purchased",
        "category.created",
        "stock.adjusted",
        "cart.line_set",
        "cart.line_removed",
        "reservation.created",
        "reservation.released",
        "order.placed",
        "order.confirmed",
        "order.fulfilled",
        "order.canceled",
        "price_rule.created",
        "account.created",
        "session.opened",
    ] {
        assert!(types.contains(&kind), "{kind}: {types:?}");
    }
    let text = Value::from(all.clone()).to_string();
    for secret in ["argon2", "password", "hash", tokens::SECRET] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(
        told.iter().any(|token| token.len() > positions[0].len()),
        "a record of several facts has places within"
    );
    for limit in [1, 3, 7] {
        assert_eq!(
            pull(&shop, &format!("limit={limit}"), None).await,
            (all.clone(), next.clone()),
            "limit {limit}"
        );
    }
    for index in (0..all.len()).step_by(5) {
        let after = all[index]["position"].as_str();
        assert_eq!(pull(&shop, "limit=50", after).await.0, all[index + 1..], "after {index}");
    }
    server.kill();
    let server = folder.start();
    let (again, _) = pull(&Shop::of(&server), "limit=100", None).await;
    assert_eq!(again[..all.len()], all, "history stays");
}

#[tokio::test]
async fn types_and_skus_choose_and_what_is_not_chosen_moves_on_as_well() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    trade(&shop).await;
    let (all, next) = settle(&shop).await;
    let of = |wants: &dyn Fn(&str) -> bool| {
        let wanted = |event: &&Value| wants(event["type"].as_str().expect("text"));
        all.iter().filter(wanted).cloned().collect::<Vec<_>>()
    };

    for limit in [1, 200] {
        let get = async |query: &str| pull(&shop, &format!("{query}&limit={limit}"), None).await;
        assert_eq!(get("types=order.*").await, (of(&|kind| kind.starts_with("order.")), next.clone()));
        let two = of(&|kind| kind == "stock.purchased" || kind.starts_with("cart."));
        assert_eq!(get("types=cart.*,stock.purchased").await, (two, next.clone()));
        assert_eq!(get("types=variant.removed").await, (vec![], next.clone()), "nothing, and yet moved on");
    }
    let (mugs, _) = pull(&shop, "sku=MUG", None).await;
    let rows = shop.movements("MUG").await;
    let moved = pull(&shop, "sku=MUG&types=stock.*", None).await.0;
    for row in &rows {
        assert!(moved.iter().any(|event| event["at"] == row["at"]), "{row}");
    }
    assert!(mugs.len() > moved.len() && mugs.iter().any(|event| event["type"] == "price_rule.created"));
    assert!(mugs.iter().all(|event| !event["data"].to_string().contains("damaged")), "that was of CUP");
    assert_eq!(pull(&shop, "sku=NONE", None).await.0, [json!(null); 0]);
    for query in [
        "limit=0",
        "limit=201",
        "wait_seconds=31",
        "wait_seconds=-1",
        "types=",
        "types=order",
        "types=order.gone",
        "sku=",
        "sku=a%20b",
        "after=",
        "after=x",
        "cursor=x",
        "after=AAAA",
    ] {
        page(&shop, query).await.expect_problem(400, "malformed_request");
    }
    shop.client.get("/events").send().await.expect_problem(401, "unauthenticated");
    shop.client.get("/events").token(&tokens::customer(1)).send().await.expect_problem(403, "forbidden");
    shop.client.ask("HEAD", "/events").token(&shop.admin).send().await.expect(200);
    shop.client
        .post("/events", &json!({}))
        .token(&shop.admin)
        .send()
        .await
        .expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn poll_waits_for_what_is_wanted_and_no_longer() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    let next = page(&shop, "after=latest").await.expect(200).body;
    assert_eq!(next["data"], json!([]));
    let next = next["next"].as_str().expect("a position").to_owned();

    let started = Instant::now();
    let quiet = page(&shop, &format!("after={next}&wait_seconds=1")).await.expect(200).body;
    assert_eq!(quiet, json!({ "data": [], "next": next }));
    assert!(started.elapsed() >= Duration::from_secs(1), "it waited");

    let query = format!("after={next}&types=stock.purchased&wait_seconds=30");
    let waiting = page(&shop, &query);
    let buying = async {
        // It is passed over, and does not end the waiting.
        shop.product("CUP", 1).await;
        shop.purchase(&mug, 1).send().await.expect(201).header("journal-position").to_owned()
    };
    let (woken, position) = tokio::join!(waiting, buying);
    let woken = woken.expect(200).body;
    assert_eq!(woken["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(woken["data"][0]["position"], json!(position));
    assert!(started.elapsed() < Duration::from_secs(28), "woken, not run out");

    let next = woken["next"].as_str().expect("a position").to_owned();
    let waiting = {
        let (shop, query) = (shop.clone(), format!("after={next}&wait_seconds=30"));
        tokio::spawn(async move { page(&shop, &query).await.expect(200).body })
    };
    // By the time that a second one ran out, the first is being waited for.
    page(&shop, &format!("after={next}&wait_seconds=1")).await.expect(200);
    let ended = server.terminate().expect_code(0);
    assert_eq!(
        waiting.await.expect("it is answered"),
        json!({ "data": [], "next": next }),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("request was slow"), "{}", ended.stderr);
}

#[tokio::test]
async fn position_of_another_journal_begins_anew_and_says_so() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 50).await;
    let (all, _) = settle(&shop).await;
    // Partition 3, record 2^40.
    let foreign = "AAMAAAEAAAAAAA";
    let first = page(&shop, &format!("after={foreign}&limit=2")).await.expect(200).body;
    let reset = &first["data"][0];
    expect_members(reset, &["position", "type", "at", "resource", "data"]);
    assert_eq!((&reset["type"], &reset["resource"]), (&json!("reset"), &json!({ "type": "journal" })));
    assert_eq!(
        (&reset["data"]["reason"], &reset["data"]["oldest"]),
        (&json!("unknown_position"), &reset["position"])
    );
    assert_eq!(first["data"][1], all[0]);
    let after = reset["position"].as_str();
    assert_eq!(pull(&shop, "limit=3", after).await.0, all, "once: whoever goes on from it has it all");
    let alone = page(&shop, &format!("after={foreign}&limit=1&types=variant.removed")).await.expect(200).body;
    assert_eq!((&alone["data"][0]["type"], &alone["next"]), (&json!("reset"), &reset["position"]));
}
