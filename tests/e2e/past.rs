//! The figures of a sku as of a moment of the past: exactly what a reader saw then.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::person::{Person, until};
use crate::server::Folder;
use crate::shop::Shop;

/// Of several products, and so of several partitions; two are of one product.
const SKUS: [&str; 5] = ["P-0", "P-1", "P-2", "TEE-S", "TEE-L"];

async fn fill(shop: &Shop) {
    for sku in &SKUS[..3] {
        shop.product(sku, 500).await;
    }
    let variant = |sku| json!({ "sku": sku, "initial_stock": 500 });
    let tee = json!({ "name": "Tee", "price": 1, "currency": "EUR", "variants": [variant("TEE-S"), variant("TEE-L")] });
    shop.make(&tee).await;
}

async fn all(shop: &Shop) -> Vec<Value> {
    let mut all = Vec::new();
    for sku in SKUS {
        all.push(shop.inventory(sku).await);
    }
    all
}

async fn as_of(shop: &Shop, sku: &str, moment: &str) -> Answer {
    shop.client.get(&format!("/inventory/{sku}?as_of={moment}")).send().await
}

async fn all_as_of(shop: &Shop, moment: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for sku in SKUS {
        all.push(as_of(shop, sku, moment).await.expect(200).body);
    }
    all
}

/// One write of some kind; its position in the journal, once all that follows from it is done.
async fn step(shop: &Shop, number: usize) -> String {
    let sku = SKUS[number * 7 % SKUS.len()];
    let guest = Person::guest(shop, 1);
    let answer = match number % 5 {
        0 => guest.post("/reservations", &json!({ "lines": [{ "sku": sku, "quantity": 2 }] })).send().await,
        1 => {
            let lines = json!([{ "sku": sku, "quantity": 1 }, { "sku": "TEE-S", "quantity": 3 }]);
            guest.post("/orders", &json!({ "lines": lines })).send().await
        }
        2 => {
            let adjust = json!({ "delta": -1, "reason": "damaged" });
            shop.change("POST", &format!("/inventory/{sku}/adjustments"), &adjust).send().await
        }
        3 => {
            let held = guest.reserve(&[(sku, 1)], 600).await;
            let before = shop.figures(sku).await[2];
            let path = format!("/reservations/{}/release", held["id"].as_str().expect("an id"));
            guest.tell(&path).send().await.expect(200);
            until("it is back", async || (shop.figures(sku).await[2] < before).then_some(())).await;
            shop.change("PATCH", &format!("/variants/{sku}"), &json!({ "name": number.to_string() }))
                .send()
                .await
        }
        _ => {
            let count = json!({ "on_hand": 1_000 + number });
            shop.change("POST", &format!("/inventory/{sku}/counts"), &count).send().await
        }
    };
    assert!(answer.status < 300, "{}", answer.text);
    answer.header("journal-position").to_owned()
}

#[tokio::test]
async fn figures_of_the_past_are_what_was_read_then() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop).await;
    let mut by_position = Vec::new();
    let mut by_time = BTreeMap::new();
    for number in 0..40 {
        let position = step(&shop, number).await;
        let seen = all(&shop).await;
        let newest =
            seen.iter().map(|it| it["updated_at"].as_str().expect("a moment")).max().expect("there are");
        by_time.insert(newest.to_owned(), seen.clone());
        by_position.push((position, seen));
    }
    for (position, seen) in &by_position {
        assert_eq!(all_as_of(&shop, position).await, *seen, "as of {position}");
    }
    assert!(by_time.len() > 10, "time goes on");
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    for (time, seen) in &by_time {
        assert_eq!(all_as_of(&shop, time).await, *seen, "as of {time}");
    }
    for (position, seen) in &by_position {
        assert_eq!(all_as_of(&shop, position).await, *seen, "as of {position}, after a crash");
    }
}

#[tokio::test]
async fn moment_that_is_none_or_has_not_come_or_was_before_the_unit_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let first = shop.product("FIRST", 1).await;
    let before = shop.inventory("FIRST").await;
    let bought = shop.purchase(&first, 1).send().await.expect(201).header("journal-position").to_owned();
    let later =
        shop.client.post("/products", &json!({ "name": "L", "price": 1, "currency": "EUR", "sku": "LATER" }));
    let made = later.token(&shop.admin).send().await.expect(201).header("journal-position").to_owned();

    for bad in ["", "yesterday", "2026-11-20", "1969-01-01T00:00:00Z", "AAAA", "2999-01-01T00:00:00Z"] {
        as_of(&shop, "FIRST", bad).await.expect_problem(400, "malformed_request");
    }
    for position in ["AAD__________8", "____________8"] {
        as_of(&shop, "FIRST", position).await.expect_problem(400, "malformed_request");
    }
    as_of(&shop, "LATER", &bought).await.expect_problem(404, "not_found");
    as_of(&shop, "LATER", "2020-01-01T00:00:00Z").await.expect_problem(404, "not_found");
    as_of(&shop, "NONE", &bought).await.expect_problem(404, "not_found");
    assert_eq!(as_of(&shop, "LATER", &made).await.expect(200).body["on_hand"], 0);
    let at = before["updated_at"].as_str().expect("a moment");
    let then = as_of(&shop, "FIRST", at).await.expect(200);
    assert_eq!(then.body["product_id"], before["product_id"]);
    let ahead = at.replace('Z', "%2B00:00");
    assert_eq!(as_of(&shop, "FIRST", &ahead).await.expect(200).body, then.body, "an offset is understood");
    let path = format!("/inventory/FIRST?as_of={at}");
    let known = shop.client.get(&path).header("If-None-Match", then.header("etag")).send().await;
    known.expect(304);
}

#[tokio::test]
async fn sku_that_was_given_to_another_unit_says_so() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("OLD", 5).await;
    let adjust = json!({ "delta": 1, "reason": "received" });
    let moved = shop.change("POST", "/inventory/OLD/adjustments", &adjust).send().await.expect(201);
    let position = moved.header("journal-position").to_owned();
    shop.change("PATCH", "/variants/OLD", &json!({ "sku": "NEW" })).send().await.expect(200);
    shop.product("OLD", 7).await;

    let refused = as_of(&shop, "NEW", &position).await.expect_problem(404, "not_found");
    assert!(refused.body["detail"].as_str().expect("text").contains("`OLD`"), "{}", refused.text);
    as_of(&shop, "OLD", &position).await.expect_problem(404, "not_found");
    shop.change("PATCH", "/variants/NEW", &json!({ "name": "Mug" })).send().await.expect(200);
    as_of(&shop, "NEW", &position).await.expect_problem(404, "not_found");
    shop.change("PATCH", "/variants/OLD", &json!({ "sku": "OTHER" })).send().await.expect(200);
    shop.change("PATCH", "/variants/NEW", &json!({ "sku": "OLD" })).send().await.expect(200);
    assert_eq!(as_of(&shop, "OLD", &position).await.expect(200).body["on_hand"], 6, "it is called so again");
}
