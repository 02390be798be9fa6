//! One purchase, field by field.

use serde_json::json;

use crate::client::{expect_id, expect_members};
use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

#[tokio::test]
async fn purchase_answers_the_order_and_what_is_left() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;

    let sold = shop.purchase(&mug, 3).token(&tokens::customer(1)).send().await.expect(201);

    let members = ["order_id", "sku", "quantity", "unit_price", "total", "currency", "available"];
    expect_members(&sold.body, &members);
    expect_id(&sold.body["order_id"], "ord_");
    let mut rest = sold.body.clone();
    rest["order_id"] = json!("");
    let expected = json!({
        "order_id": "", "sku": "MUG", "quantity": 3, "unit_price": 1_999, "total": 5_997, "currency": "EUR",
        "available": 7,
    });
    assert_eq!(rest, expected);
    assert_ne!(sold.header("journal-position"), "");
    assert_eq!(sold.header("x-session-id"), "", "a customer needs no session");
    assert!(!sold.is_replayed());
}

#[tokio::test]
async fn refusal_names_the_line_and_what_is_free_and_takes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 2).await;

    let refused = shop.purchase(&mug, 3).send().await.expect_problem(409, "insufficient_stock");

    let line = json!({
        "index": 0, "sku": "MUG", "code": "insufficient_stock", "requested": 3, "available": 2, "reserved": 0,
    });
    assert_eq!(refused.body["lines"], json!([line]));
    assert_eq!(shop.figures("MUG").await, [2, 2, 0, 0]);
}

#[tokio::test]
async fn product_with_several_variants_wants_to_know_which() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([{ "sku": "A", "initial_stock": 1 }, { "sku": "B", "initial_stock": 1 }]);
    let tee =
        shop.make(&json!({ "name": "Tee", "price": 100, "currency": "EUR", "variants": variants })).await;
    let path = format!("/products/{}/purchase", tee.id);
    let buy = |body| shop.client.post(&path, &body).send();

    let refused = buy(json!({ "quantity": 1 })).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.wrong_fields(), ["sku"]);
    buy(json!({ "quantity": 1, "sku": "C" })).await.expect_problem(404, "not_found");
    assert_eq!(buy(json!({ "quantity": 1, "sku": "B" })).await.expect(201).body["sku"], "B");
    assert_eq!(shop.figures("A").await, [1, 1, 0, 0]);
    assert_eq!(shop.figures("B").await, [1, 0, 0, 1]);
}

#[tokio::test]
async fn what_is_not_there_or_not_for_sale_is_not_sold() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let draft = json!({ "name": "D", "price": 1, "currency": "EUR", "initial_stock": 5, "status": "draft" });
    let archived =
        json!({ "name": "A", "price": 1, "currency": "EUR", "initial_stock": 5, "status": "archived" });
    let (draft, archived) = (shop.make(&draft).await, shop.make(&archived).await);

    shop.purchase(&draft, 1).send().await.expect_problem(404, "not_found");
    shop.purchase(&archived, 1).send().await.expect_problem(409, "invalid_state");
    for id in [
        "prod_01936f5e-7a5c-7000-8000-000000000000",
        "prod_1",
        "MUG",
        "ord_01936f5e-7a5c-7000-8000-000000000000",
    ] {
        let path = format!("/products/{id}/purchase");
        shop.client.post(&path, &json!({ "quantity": 1 })).send().await.expect_problem(404, "not_found");
    }
    assert_eq!(shop.figures(&draft.sku).await, [5, 5, 0, 0]);
    assert_eq!(shop.figures(&archived.sku).await, [5, 5, 0, 0]);
}

#[tokio::test]
async fn limits_count_what_an_order_and_a_customer_take() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({
        "name": "Few", "price": 1, "currency": "EUR", "initial_stock": 100, "sku": "FEW",
        "per_order_limit": 3, "per_customer_limit": 5,
    });
    let few = shop.make(&body).await;
    let (one, other) = (tokens::customer(1), tokens::customer(2));

    let refused = shop.purchase(&few, 4).token(&one).send().await.expect_problem(409, "limit_exceeded");
    assert_eq!(refused.body["limit"], 3);
    shop.purchase(&few, 3).token(&one).send().await.expect(201);
    let refused = shop.purchase(&few, 3).token(&one).send().await.expect_problem(409, "limit_exceeded");
    assert_eq!(refused.body["limit"], 5);
    shop.purchase(&few, 2).token(&one).send().await.expect(201);
    shop.purchase(&few, 3).token(&other).send().await.expect(201);
    let guest = "guest-session-0001";
    shop.purchase(&few, 3).session(guest).send().await.expect(201);
    shop.purchase(&few, 3).session(guest).send().await.expect_problem(409, "limit_exceeded");
    assert_eq!(shop.figures("FEW").await, [100, 89, 0, 11]);
}

#[tokio::test]
async fn guest_is_given_a_session_once_as_header_and_as_cookie() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;

    let sold = shop.purchase(&mug, 1).send().await.expect(201);
    let session = sold.header("x-session-id").to_owned();
    assert!((16..=128).contains(&session.len()), "{session}");
    let cookie = sold.header("set-cookie");
    for part in [&format!("session_id={session}"), "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Secure"), "there is no TLS here: {cookie}");

    let proxied = shop.purchase(&mug, 1).header("X-Forwarded-Proto", "https").send().await.expect(201);
    assert!(proxied.header("set-cookie").contains("Secure"));

    let by_header = shop.purchase(&mug, 1).session(&session).send().await.expect(201);
    let cookie = format!("session_id={session}");
    let by_cookie = shop.purchase(&mug, 1).header("Cookie", &cookie).send().await.expect(201);
    for answer in [by_header, by_cookie] {
        assert_eq!((answer.header("x-session-id"), answer.header("set-cookie")), ("", ""));
    }
    // The same guest both ways: the ledger tells them by one digest.
    let actors: Vec<_> = shop.movements("MUG").await.iter().map(|row| row["actor"].clone()).collect();
    assert_eq!(actors[0], actors[1]);
    assert_eq!(actors[0], actors[3]);
    assert_ne!(actors[0], actors[2], "a guest without a session is a new one");
    assert_eq!(actors[0]["type"], "guest");
    assert!(!actors[0]["id"].to_string().contains(&session), "a session is a secret");

    let refused = shop.purchase(&mug, 1).session("short").send().await;
    refused.expect_problem(400, "malformed_request");
}
