//! Many reservations in one request, each on its own.

use serde_json::{Value, json};

use crate::client::{Answer, expect_members};
use crate::person::{Person, at, to_lines};
use crate::server::Folder;
use crate::shop::Shop;

async fn send(person: &Person, reservations: &Value) -> Answer {
    person.post("/reservations/batch", &json!({ "reservations": reservations })).send().await
}

fn hold(sku: &str, quantity: u32) -> Value {
    json!({ "lines": to_lines(&[(sku, quantity)]), "ttl_seconds": 60 })
}

#[tokio::test]
async fn each_reservation_of_a_batch_is_made_or_refused_by_itself() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    shop.product("CUP", 5).await;
    let admin = Person::admin(&shop);
    let batch = json!([
        hold("MUG", 2),
        hold("MUG", 6),
        { "lines": to_lines(&[("CUP", 1), ("NONE", 2)]) },
        { "lines": to_lines(&[("CUP", 5), ("MUG", 3)]), "reference": "b", "metadata": { "a": 1 } },
        hold("CUP", 6),
    ]);

    let done = send(&admin, &batch).await.expect(200);

    expect_members(&done.body, &["results", "succeeded", "failed"]);
    assert_eq!((&done.body["succeeded"], &done.body["failed"]), (&json!(2), &json!(3)));
    let results = done.body["results"].as_array().expect("a result for each");
    let told: Vec<_> =
        results.iter().map(|it| [it["index"].clone(), it["status"].clone(), it["code"].clone()]).collect();
    let refused = |index: u32, status: u32, code: &str| [json!(index), json!(status), json!(code)];
    let made = |index: u32| [json!(index), json!(201), Value::Null];
    let expected = [
        made(0),
        refused(1, 409, "insufficient_stock"),
        refused(2, 404, "not_found"),
        made(3),
        refused(4, 409, "insufficient_stock"),
    ];
    assert_eq!(told, expected);
    expect_members(&results[1], &["index", "status", "code", "detail", "lines"]);
    let line =
        |result: &Value| ["index", "sku", "code", "requested"].map(|it| result["lines"][0][it].clone());
    assert_eq!(line(&results[1]), [json!(0), json!("MUG"), json!("insufficient_stock"), json!(6)]);
    assert_eq!(line(&results[2]), [json!(1), json!("NONE"), json!("not_found"), json!(2)]);
    for index in [0, 3] {
        let reservation = &results[index]["reservation"];
        assert_eq!(admin.read(&at(reservation)).await, *reservation, "it is a reservation like any other");
    }
    assert_eq!(results[3]["reservation"]["metadata"], json!({ "a": 1 }));
    assert_eq!(shop.figures("MUG").await, [5, 0, 5, 0]);
    assert_eq!(shop.figures("CUP").await, [5, 0, 5, 0]);
    assert_ne!(done.header("journal-position"), "");
    admin.tell(&format!("{}/release", at(&results[3]["reservation"]))).send().await.expect(200);
    assert_eq!(shop.figures("CUP").await, [5, 5, 0, 0]);
    for sku in ["MUG", "CUP"] {
        shop.expect_books(sku).await;
    }
}

#[tokio::test]
async fn batch_of_the_wrong_form_names_every_wrong_field_and_makes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let admin = Person::admin(&shop);
    let wrong = json!([
        hold("MUG", 1),
        { "lines": [] },
        { "lines": to_lines(&[("MUG", 0), ("a b", 1)]), "ttl_seconds": 0 },
        { "reference": "", "metadata": 7 },
        { "lines": to_lines(&[("MUG", 1), ("MUG", 1)]) },
    ]);
    let refused = send(&admin, &wrong).await.expect_problem(422, "validation_failed");
    let expected = [
        "reservations[1].lines",
        "reservations[2].lines[0].quantity",
        "reservations[2].lines[1].sku",
        "reservations[2].ttl_seconds",
        "reservations[3].lines",
        "reservations[3].reference",
        "reservations[3].metadata",
        "reservations[4].lines[1].sku",
    ];
    assert_eq!(refused.wrong_fields(), expected);
    for (reservations, field) in [
        (json!([]), "reservations"),
        (json!({}), "reservations"),
        (Value::Null, "reservations"),
        (json!([{ "lines": to_lines(&[("MUG", 1)]), "owner": "me" }]), "reservations[0].owner"),
        (json!([hold("MUG", 1), [1]]), "reservations[1]"),
        ((0..10_001).map(|_| hold("MUG", 1)).collect(), "reservations"),
    ] {
        let refused = send(&admin, &reservations).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.wrong_fields(), [field]);
    }
    let strange =
        admin.post("/reservations/batch", &json!({ "reservations": [hold("MUG", 1)], "mode": "atomic" }));
    assert_eq!(strange.send().await.expect_problem(422, "validation_failed").wrong_fields(), ["mode"]);
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
}

#[tokio::test]
async fn batch_may_be_large_and_has_a_bound() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 9_999).await;
    let admin = Person::admin(&shop);
    let batch: Value = (0..10_000).map(|_| hold("MUG", 1)).collect();

    let done = send(&admin, &batch).await.expect(200).body;

    assert_eq!((&done["succeeded"], &done["failed"]), (&json!(9_999), &json!(1)));
    assert_eq!(done["results"][9_999]["code"], "insufficient_stock", "in their order");
    let indexes = done["results"].as_array().expect("results").iter().map(|it| it["index"].as_u64());
    assert!(indexes.eq((0..10_000).map(Some)));
    assert_eq!(shop.figures("MUG").await, [9_999, 0, 9_999, 0]);
    let padded = |bytes: usize| format!("{{\"reservations\":[]}}{}", " ".repeat(bytes - 19));
    let ask = |bytes: usize| admin.tell("/reservations/batch").text(padded(bytes)).send();
    ask(8 * 1024 * 1024).await.expect_problem(422, "validation_failed");
    ask(8 * 1024 * 1024 + 1).await.expect_problem(413, "body_too_large");
}

#[tokio::test]
async fn batch_is_for_admins() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let batch = json!([hold("MUG", 1)]);
    send(&Person::guest(&shop, 1), &batch).await.expect_problem(401, "unauthenticated");
    send(&Person::customer(&shop, 1), &batch).await.expect_problem(403, "forbidden");
    shop.client
        .get("/reservations/batch")
        .token(&shop.admin)
        .send()
        .await
        .expect_problem(405, "method_not_allowed");
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
}

#[tokio::test]
async fn retried_batch_meets_the_reservations_that_it_made_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    shop.product("CUP", 5).await;
    let batch = json!({ "reservations": [
        hold("MUG", 2), { "lines": to_lines(&[("CUP", 1), ("MUG", 1)]), "ttl_seconds": 60 }, hold("CUP", 1),
    ] });
    let ask = |shop: &Shop| Person::admin(shop).post("/reservations/batch", &batch).key("night run").send();
    let first = ask(&shop).await.expect(200).body;
    assert_eq!(first["succeeded"], 3);
    assert_eq!(ask(&shop).await.expect(200).body, first);
    let other = json!({ "reservations": [hold("MUG", 1)] });
    let other = |shop: &Shop| Person::admin(shop).post("/reservations/batch", &other).key("night run").send();
    other(&shop).await.expect_problem(422, "idempotency_key_reused");
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    assert_eq!(ask(&shop).await.expect(200).body, first);
    other(&shop).await.expect_problem(422, "idempotency_key_reused");
    assert_eq!(shop.figures("MUG").await, [5, 2, 3, 0]);
    assert_eq!(shop.figures("CUP").await, [5, 3, 2, 0]);
    let listed = Person::admin(&shop).read("/reservations").await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(3));
}
