//! Inventory: figures, adjustments, counts and the ledger, field by field.

use serde_json::{Value, json};

use crate::client::{Answer, expect_id, expect_members, expect_moment};
use crate::server::Folder;
use crate::shop::{Shop, figures};
use crate::tokens;

const INVENTORY: [&str; 8] =
    ["sku", "product_id", "on_hand", "available", "reserved", "committed", "version", "updated_at"];
const MOVEMENT: [&str; 11] =
    ["id", "kind", "delta", "after", "reason", "reference", "note", "cause", "actor", "at", "position"];

async fn change(shop: &Shop, what: &str, body: Value) -> Answer {
    shop.client.post(&format!("/inventory/MUG/{what}"), &body).token(&shop.admin).send().await
}

fn expect_movement(movement: &Value) {
    expect_members(movement, &MOVEMENT);
    expect_members(&movement["after"], &["on_hand", "available", "reserved", "committed"]);
    expect_id(&movement["id"], "mov_");
    expect_moment(&movement["at"]);
    expect_members(&movement["cause"], &["type", "id"]);
    expect_members(&movement["actor"], &["type", "id"]);
    assert!(movement["position"].as_str().is_some_and(|position| !position.is_empty()), "{movement}");
}

#[tokio::test]
async fn figures_of_a_sku_are_told_with_their_version() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 4).send().await.expect(201);

    let found = shop.client.get("/inventory/MUG").send().await.expect(200);

    expect_members(&found.body, &INVENTORY);
    assert_eq!(
        (found.body["sku"].as_str(), found.body["product_id"].as_str()),
        (Some("MUG"), Some(mug.id.as_str()))
    );
    assert_eq!(figures(&found.body), [10, 6, 0, 4]);
    expect_moment(&found.body["updated_at"]);
    assert_eq!(found.header("etag"), format!("\"{}\"", found.body["version"]));
    for path in ["/inventory/CUP", "/inventory/a%20b", "/inventory/CUP/movements"] {
        shop.client.get(path).token(&shop.admin).send().await.expect_problem(404, "not_found");
    }
    for what in ["adjustments", "counts"] {
        let body =
            if what == "counts" { json!({ "on_hand": 1 }) } else { json!({ "delta": 1, "reason": "other" }) };
        let unknown = shop.client.post(&format!("/inventory/CUP/{what}"), &body).token(&shop.admin).send();
        unknown.await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn adjustment_answers_the_movement_and_the_figures() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;

    let body = json!({ "delta": -3, "reason": "damaged", "reference": "RMA-7", "note": "Dropped.\nTwice." });
    let made = change(&shop, "adjustments", body).await.expect(201);

    expect_members(&made.body, &["movement", "inventory"]);
    let (movement, inventory) = (&made.body["movement"], &made.body["inventory"]);
    expect_members(inventory, &INVENTORY);
    expect_movement(movement);
    assert_eq!(figures(inventory), [7, 7, 0, 0]);
    assert_eq!(figures(&movement["after"]), [7, 7, 0, 0]);
    let told = ["kind", "delta", "reason", "reference", "note"].map(|member| movement[member].clone());
    assert_eq!(
        told,
        [json!("adjusted"), json!(-3), json!("damaged"), json!("RMA-7"), json!("Dropped.\nTwice.")]
    );
    assert_eq!(movement["cause"], json!({ "type": "adjustment", "id": movement["id"] }));
    assert_eq!(movement["actor"]["type"], "admin");
    expect_id_of_user(&movement["actor"]["id"]);
    assert_eq!(movement["position"], made.header("journal-position"));
    assert_eq!(*inventory, shop.inventory("MUG").await);
    assert_eq!(*movement, shop.movements("MUG").await[0], "the ledger says the same");
}

/// The admin of these tests is number 1, which is no UUIDv7.
fn expect_id_of_user(value: &Value) {
    assert_eq!(*value, json!("usr_00000000-0000-0000-0000-000000000001"));
}

#[tokio::test]
async fn every_reason_is_taken_and_goods_that_come_in_are_received() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    for (reason, kind) in [
        ("received", "received"),
        ("restock", "received"),
        ("correction", "adjusted"),
        ("damaged", "adjusted"),
        ("shrinkage", "adjusted"),
        ("cycle_count", "adjusted"),
        ("other", "adjusted"),
    ] {
        let made = change(&shop, "adjustments", json!({ "delta": 2, "reason": reason })).await.expect(201);
        assert_eq!(
            (&made.body["movement"]["kind"], &made.body["movement"]["reason"]),
            (&json!(kind), &json!(reason))
        );
    }
    assert_eq!(shop.figures("MUG").await, [24, 24, 0, 0]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn adjustment_cannot_take_what_was_sold() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 4).send().await.expect(201);

    let refused = change(&shop, "adjustments", json!({ "delta": -7, "reason": "shrinkage" })).await;

    let line = &refused.expect_problem(409, "insufficient_stock").body["lines"][0];
    assert_eq!((&line["sku"], &line["requested"], &line["available"]), (&json!("MUG"), &json!(7), &json!(6)));
    assert_eq!(shop.figures("MUG").await, [10, 6, 0, 4]);
    change(&shop, "adjustments", json!({ "delta": -6, "reason": "shrinkage" })).await.expect(201);
    assert_eq!(shop.figures("MUG").await, [4, 0, 0, 4]);
}

#[tokio::test]
async fn count_sets_what_is_on_hand() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 4).send().await.expect(201);

    let counted = change(&shop, "counts", json!({ "on_hand": 9, "expected": 10 })).await.expect(200);
    expect_members(&counted.body, &["movement", "inventory"]);
    expect_movement(&counted.body["movement"]);
    assert_eq!(figures(&counted.body["inventory"]), [9, 5, 0, 4]);
    assert_eq!(
        (&counted.body["movement"]["kind"], &counted.body["movement"]["delta"]),
        (&json!("counted"), &json!(-1))
    );
    assert_ne!(counted.header("journal-position"), "");

    let refused = change(&shop, "counts", json!({ "on_hand": 8, "expected": 10 })).await;
    let refused = refused.expect_problem(409, "expected_mismatch");
    assert_eq!((&refused.body["expected"], &refused.body["on_hand"]), (&json!(10), &json!(9)));
    let refused = change(&shop, "counts", json!({ "on_hand": 3 })).await;
    refused.expect_problem(409, "insufficient_stock");
    assert_eq!(shop.figures("MUG").await, [9, 5, 0, 4]);
    change(&shop, "counts", json!({ "on_hand": 4 })).await.expect(200);
    change(&shop, "counts", json!({ "on_hand": 4_000_000 })).await.expect(200);
    assert_eq!(shop.figures("MUG").await, [4_000_000, 3_999_996, 0, 4]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn ledger_tells_who_did_what_newest_first() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let sold = shop.purchase(&mug, 2).token(&tokens::customer(5)).send().await.expect(201);
    change(&shop, "counts", json!({ "on_hand": 12 })).await.expect(200);

    let movements = shop.movements("MUG").await;

    movements.iter().for_each(expect_movement);
    let told: Vec<_> =
        movements.iter().map(|row| [&row["kind"], &row["delta"], &row["actor"]["type"]]).collect();
    assert_eq!(
        told,
        [
            [&json!("counted"), &json!(2), &json!("admin")],
            [&json!("committed"), &json!(2), &json!("customer")],
            [&json!("received"), &json!(10), &json!("admin")],
        ]
    );
    assert_eq!(movements[1]["cause"], json!({ "type": "order", "id": sold.body["order_id"] }));
    assert_eq!(movements[1]["position"], sold.header("journal-position"));
    Shop::expect_balanced(&movements, &shop.inventory("MUG").await);
}
