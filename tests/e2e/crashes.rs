//! `kill -9` under load, again and again, on one folder: what was answered is in the books, and nothing else is.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::buyers::Buyers;
use crate::server::{Folder, WAIT_MAX};
use crate::shop::Shop;

const ROUNDS: usize = 20;

/// Purchases that are answered before the first kill; each round has another number.
const ANSWERS_MIN: usize = 20;

#[tokio::test]
async fn twenty_kills_lose_nothing_that_was_answered_and_invent_nothing() {
    let folder = Folder::new();
    let mut server = folder.start();
    let mut buyers = Buyers::at(&Shop::of(&server)).await;
    for round in 0..ROUNDS {
        buyers.open(&server);
        buyers.wait_for_answers(ANSWERS_MIN + round * 7 % 41).await;
        server.kill();
        buyers.go_home().await;
        server = folder.start();
        let shop = Shop::of(&server);
        buyers.audit(&shop).await;
        buyers.ask_again(&shop).await;
        buyers.audit(&shop).await;
    }
    server.kill();
    let verified = folder.run(&["journal", "verify", "--json"]).expect_code(0);
    let report: Value = serde_json::from_str(&verified.stdout).expect("it is JSON");
    assert_eq!(report["products"], 1);
}

#[tokio::test]
async fn kill_while_products_are_made_and_changed_leaves_whole_products() {
    let folder = Folder::new();
    let mut server = folder.start();
    let mut made: BTreeMap<String, u64> = BTreeMap::new();
    for round in 0..5 {
        let shop = Shop::of(&server);
        let mut makers = JoinSet::new();
        for maker in 0..4 {
            let shop = Shop::of(&server);
            makers.spawn(async move {
                let mut made = Vec::new();
                for number in 0..u64::MAX {
                    let sku = format!("P-{round}-{maker}-{number}");
                    let body = json!({
                        "name": "P", "price": 1, "currency": "EUR", "sku": sku, "initial_stock": 1 + number % 9,
                    });
                    let made_it = shop.client.post("/products", &body).token(&shop.admin).try_send().await;
                    match made_it {
                        Some(answer) => made.push((answer.expect(201).body["sku"].clone(), 1 + number % 9)),
                        None => break,
                    }
                }
                made
            });
        }
        timeout(WAIT_MAX, wait_for_records(&shop, 30)).await.expect("products are made");
        server.kill();
        while let Some(ended) = makers.join_next().await {
            let skus = ended.expect("a maker does not panic");
            made.extend(
                skus.into_iter().map(|(sku, stock)| (sku.as_str().unwrap_or_default().to_owned(), stock)),
            );
        }
        server = folder.start();
        let shop = Shop::of(&server);
        for (sku, stock) in &made {
            assert_eq!(shop.figures(sku).await, [*stock, *stock, 0, 0], "{sku}");
        }
    }
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

async fn wait_for_records(shop: &Shop, count: u64) {
    let mut written = 0;
    while written < count {
        let health = shop.client.get("/health").send().await.expect(200).body;
        written = health["journal"]["records_written"].as_u64().expect("health counts records");
    }
}
