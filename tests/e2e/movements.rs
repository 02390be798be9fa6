//! The ledger: every kind of movement with what brought it about and who, its orders, its total.

use serde_json::{Value, json};

use crate::client::{Answer, expect_id};
use crate::person::{Person, at, until};
use crate::server::Folder;
use crate::shop::Shop;

async fn page(shop: &Shop, query: &str) -> Answer {
    shop.client.get(&format!("/inventory/MUG/movements?{query}")).token(&shop.admin).send().await
}

/// The rows of all pages.
async fn walk(shop: &Shop, query: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    for _ in 0..100 {
        let page = page(shop, &format!("{query}{cursor}")).await.expect(200).body;
        rows.extend(page["data"].as_array().expect("a page has data").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
    panic!("{query}: no end");
}

#[tokio::test]
async fn every_kind_tells_its_cause_and_its_actor() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    let (guest, customer, admin) =
        (Person::guest(&shop, 1), Person::customer(&shop, 1), Person::admin(&shop));
    let adjust = json!({ "delta": -1, "reason": "damaged", "reference": "RMA-7", "note": "Dropped." });
    admin.post("/inventory/MUG/adjustments", &adjust).send().await.expect(201);
    admin.post("/inventory/MUG/counts", &json!({ "on_hand": 98 })).send().await.expect(200);
    let lapsing = guest.reserve(&[("MUG", 3)], 1).await;
    guest.wait_for(&lapsing, "expired").await;
    until("its units are back", async || (shop.figures("MUG").await[2] == 0).then_some(())).await;
    let held = guest.reserve(&[("MUG", 2)], 600).await;
    guest.post(&format!("{}/extend", at(&held)), &json!({ "ttl_seconds": 900 })).send().await.expect(200);
    guest.tell(&format!("{}/release", at(&held))).send().await.expect(200);
    until("its units are back", async || (shop.figures("MUG").await[2] == 0).then_some(())).await;
    let ordered = customer.order(&[("MUG", 4)], 600).await;
    customer.pay(&ordered, "tok_ok").send().await.expect(200);
    until("it is sold", async || (shop.figures("MUG").await[3] == 4).then_some(())).await;
    admin.tell(&format!("{}/fulfill", at(&ordered))).send().await.expect(200);
    until("it is gone", async || (shop.figures("MUG").await[3] == 0).then_some(())).await;
    let bought = customer.purchase(&mug, 5).await.expect(201).body;
    let bought = json!({ "id": bought["order_id"] });
    admin.tell(&format!("{}/cancel", at(&bought))).send().await.expect(200);
    until("it is back", async || (shop.figures("MUG").await[3] == 0).then_some(())).await;

    let rows = walk(&shop, "sort=at").await;

    let told: Vec<_> = rows
        .iter()
        .map(|row| json!([row["kind"], row["delta"], row["cause"]["type"], row["actor"]["type"]]))
        .collect();
    let expected = [
        json!(["received", 100, "adjustment", "admin"]),
        json!(["adjusted", -1, "adjustment", "admin"]),
        json!(["counted", -1, "count", "admin"]),
        json!(["reserved", 3, "reservation", "guest"]),
        json!(["expired", -3, "reservation", "system"]),
        json!(["reserved", 2, "reservation", "guest"]),
        json!(["extended", 0, "reservation", "guest"]),
        json!(["released", -2, "reservation", "guest"]),
        json!(["reserved", 4, "reservation", "customer"]),
        json!(["committed", 4, "order", "customer"]),
        json!(["fulfilled", -4, "order", "admin"]),
        json!(["committed", 5, "order", "customer"]),
        json!(["canceled", -5, "order", "admin"]),
    ];
    assert_eq!(told, expected);
    let own = ["reason", "reference", "note"].map(|member| &rows[1][member]);
    assert_eq!(own, ["damaged", "RMA-7", "Dropped."]);
    for (row, cause) in [(3, &lapsing), (4, &lapsing), (5, &held), (7, &held), (9, &ordered), (12, &bought)] {
        assert_eq!(rows[row]["cause"]["id"], cause["id"], "{}", rows[row]);
    }
    rows.iter().for_each(|row| expect_id(&row["id"], "mov_"));
    shop.expect_books("MUG").await;
    for row in &rows {
        let kind = row["kind"].as_str().expect("a kind");
        let of_kind: Vec<_> = rows.iter().filter(|row| row["kind"] == kind).cloned().collect();
        assert_eq!(walk(&shop, &format!("sort=at&limit=1&kind={kind}")).await, of_kind);
    }
}

#[tokio::test]
async fn ledger_is_read_from_either_end_and_counted() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    for _ in 0..3 {
        shop.purchase(&mug, 1).send().await.expect(201);
        Person::guest(&shop, 1).reserve(&[("MUG", 1)], 600).await;
    }
    let mut newest = walk(&shop, "sort=-at&limit=2").await;
    assert_eq!(newest, shop.movements("MUG").await);
    newest.reverse();
    for limit in [1, 2, 3, 7, 200] {
        assert_eq!(walk(&shop, &format!("sort=at&limit={limit}")).await, newest, "limit {limit}");
    }
    let first = page(&shop, "sort=at&limit=2&kind=reserved&include=total").await.expect(200).body;
    assert_eq!((&first["total"], first["data"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    let cursor = first["next_cursor"].as_str().expect("there is more").to_owned();
    // What comes later is at the end, and disturbs no page.
    Person::guest(&shop, 1).reserve(&[("MUG", 7)], 600).await;
    let second =
        page(&shop, &format!("sort=at&limit=2&kind=reserved&cursor={cursor}")).await.expect(200).body;
    let deltas: Vec<_> =
        second["data"].as_array().expect("data").iter().map(|row| row["delta"].clone()).collect();
    assert_eq!((deltas, &second["next_cursor"]), (vec![json!(1), json!(7)], &Value::Null));
    assert_eq!(second.get("total"), None);
    assert_eq!(page(&shop, "include=total&limit=1").await.expect(200).body["total"], 8);
    for query in [
        "sort=",
        "sort=kind",
        "include=all",
        &format!("cursor={cursor}"),
        &format!("sort=at&cursor={cursor}"),
    ] {
        page(&shop, query).await.expect_problem(400, "malformed_request");
    }
}

#[tokio::test]
async fn ledger_of_a_unit_follows_it_through_its_names_and_past_removed_siblings() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variant = |sku| json!({ "sku": sku, "initial_stock": 3 });
    let tee =
        json!({ "name": "Tee", "price": 1, "currency": "EUR", "variants": [variant("S"), variant("L")] });
    shop.make(&tee).await;
    let adjust = json!({ "delta": 1, "reason": "received" });
    shop.change("POST", "/inventory/S/adjustments", &adjust).send().await.expect(201);
    shop.change("PATCH", "/variants/S", &json!({ "sku": "MUG" })).send().await.expect(200);
    shop.change("DELETE", "/variants/L", &Value::Null).send().await.expect(204);
    shop.change("POST", "/inventory/MUG/adjustments", &adjust).send().await.expect(201);
    // Another unit gets the old name, and begins its own ledger.
    shop.product("S", 9).await;

    let deltas =
        |rows: &[Value]| rows.iter().map(|row| row["delta"].as_i64().expect("a delta")).collect::<Vec<_>>();
    assert_eq!(deltas(&walk(&shop, "sort=at").await), [3, 1, 1]);
    assert_eq!(deltas(&shop.movements("S").await), [9]);
    shop.expect_books("MUG").await;
}
