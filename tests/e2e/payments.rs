//! Payments: what each token of the simulated provider brings about, at once and later, once and again.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::person::{Person, at, to_lines};
use crate::server::Folder;
use crate::shop::Shop;

fn payment(token: &str) -> Value {
    json!({ "method": "simulated", "token": token })
}

async fn place(person: &Person, lines: &[(&str, u32)], token: &str) -> Answer {
    let body = json!({ "lines": to_lines(lines), "payment": payment(token) });
    person.post("/orders", &body).send().await
}

/// Status and payment status.
fn told(order: &Value) -> [&str; 2] {
    ["status", "payment_status"].map(|member| order[member].as_str().expect("it is a word"))
}

#[tokio::test]
async fn order_paid_at_once_is_confirmed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let order = place(&guest, &[("MUG", 2)], "tok_ok").await.expect(201);
    assert_eq!(told(&order.body), ["confirmed", "paid"]);
    assert_eq!((&order.body["version"], &order.body["expires_at"]), (&json!(2), &Value::Null));
    assert!(order.body["payment_reference"].is_string(), "{}", order.text);
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
    let again = guest.pay(&order.body, "tok_declined").send().await.expect(200);
    assert_eq!(again.body, order.body, "it is paid, and nobody asks the bank again");
}

#[tokio::test]
async fn declined_payment_cancels_the_order_and_the_units_are_back() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let canceled = async |refused: Answer| {
        let refused = refused.expect_problem(402, "payment_failed");
        let order = guest.read(&at(&json!({ "id": refused.body["order_id"] }))).await;
        assert_eq!(
            (told(&order), &order["cancel_reason"]),
            (["canceled", "failed"], &json!("payment_failed"))
        );
        assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
        order
    };

    let order = canceled(place(&guest, &[("MUG", 2)], "tok_declined").await).await;
    guest.pay(&order, "tok_ok").send().await.expect_problem(409, "invalid_state");
    assert_eq!(guest.read("/cart").await["lines"], json!([]), "lines of its own do not get into the cart");
    let order = guest.order(&[("MUG", 3)], 60).await;
    canceled(guest.pay(&order, "tok_declined").send().await).await;
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn declined_payment_keeps_the_cart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    shop.product("CUP", 10).await;
    let guest = Person::guest(&shop, 1);
    guest.add("MUG", 2).await;
    guest.add("CUP", 1).await;
    let quantities = async || {
        let cart = guest.read("/cart").await;
        let lines = cart["lines"].as_array().expect("a cart has lines");
        lines.iter().map(|line| (line["sku"].clone(), line["quantity"].clone())).collect::<Vec<_>>()
    };
    let before = quantities().await;

    let at_once = guest.post("/orders", &json!({ "payment": payment("tok_declined") })).send().await;
    at_once.expect_problem(402, "payment_failed");
    assert_eq!(quantities().await, before);
    let order = guest.post("/orders", &json!({})).send().await.expect(201).body;
    assert_eq!(quantities().await, []);
    guest.pay(&order, "tok_declined").send().await.expect_problem(402, "payment_failed");
    assert_eq!(quantities().await, before, "also when the bank says no later");
    let paid = guest.post("/orders", &json!({ "payment": payment("tok_ok") })).send().await.expect(201).body;
    assert_eq!(told(&paid), ["confirmed", "paid"]);
    assert_eq!(quantities().await, []);
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
    assert_eq!(shop.figures("CUP").await, [10, 9, 0, 1]);
    for sku in ["MUG", "CUP"] {
        shop.expect_books(sku).await;
    }
}

#[tokio::test]
async fn order_waits_when_nobody_knows_whether_it_is_paid() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);

    let order = place(&guest, &[("MUG", 2)], "tok_timeout").await.expect(201).body;
    assert_eq!(told(&order), ["pending_payment", "pending"]);
    let unknown = guest.pay(&order, "tok_timeout").send().await.expect_problem(402, "payment_failed");
    assert_eq!(unknown.body["order_id"], order["id"]);
    assert_eq!(guest.read(&at(&order)).await, order, "nothing happened to it");
    let keyed = || guest.pay(&order, "tok_timeout").key("k").send();
    let first = keyed().await.expect_problem(402, "payment_failed");
    let again = keyed().await.expect_problem(402, "payment_failed");
    assert_eq!(
        (first.is_replayed(), again.is_replayed()),
        (false, true),
        "nobody is asked again for the same key"
    );
    assert_eq!(shop.figures("MUG").await, [10, 8, 2, 0]);
    let paid = guest.pay(&order, "tok_ok").send().await.expect(200).body;
    assert_eq!(told(&paid), ["confirmed", "paid"]);
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
}

#[tokio::test]
async fn payment_is_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let guest = Person::guest(&shop, 1);
    let order = guest.order(&[("MUG", 2)], 60).await;
    for (body, fields) in [
        (json!({}), vec!["method", "token"]),
        (json!({ "method": "card", "token": "tok_free" }), vec!["method", "token"]),
        (json!({ "method": "simulated", "token": "TOK_OK" }), vec!["token"]),
        (json!({ "method": "simulated", "token": "tok_ok", "amount": 1 }), vec!["amount"]),
        (json!({ "method": null, "token": "tok_ok" }), vec!["method"]),
    ] {
        let refused = guest.post(&format!("{}/pay", at(&order)), &body).send().await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), fields, "{body}");
    }
    guest.tell(&format!("{}/pay", at(&order))).send().await.expect_problem(415, "unsupported_media_type");
    assert_eq!(guest.read(&at(&order)).await, order);
}

#[tokio::test]
async fn many_payments_of_one_order_charge_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let customer = Person::customer(&shop, 1);
    let order = customer.order(&[("MUG", 2)], 60).await;

    let paid = join_all((0..20).map(|_| customer.pay(&order, "tok_ok").send())).await;

    let first = paid[0].clone().expect(200).body;
    assert_eq!(told(&first), ["confirmed", "paid"]);
    for answer in paid {
        assert_eq!(answer.expect(200).body, first);
    }
    let history = customer.read(&format!("{}/history", at(&order))).await;
    assert_eq!(history["data"].as_array().map(Vec::len), Some(2), "placed, confirmed, and nothing else");
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
}

#[tokio::test]
async fn payment_with_a_key_is_answered_the_same_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let customer = |shop: &Shop| Person::customer(shop, 1);
    let pay =
        |shop: &Shop, order: &Value, token: &str, key: &str| customer(shop).pay(order, token).key(key).send();
    let lines = json!({ "lines": to_lines(&[("MUG", 1)]), "payment": payment("tok_declined") });
    let at_once = |shop: &Shop| customer(shop).post("/orders", &lines).key("at once").send();
    let (good, bad) =
        (customer(&shop).order(&[("MUG", 2)], 60).await, customer(&shop).order(&[("MUG", 3)], 60).await);
    let paid = pay(&shop, &good, "tok_ok", "good").await.expect(200);
    let declined = pay(&shop, &bad, "tok_declined", "bad").await.expect_problem(402, "payment_failed");
    let refused = at_once(&shop).await.expect_problem(402, "payment_failed");
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    let again = pay(&shop, &good, "tok_ok", "good").await.expect(200);
    assert_eq!((again.is_replayed(), &again.body), (true, &paid.body));
    let again = pay(&shop, &bad, "tok_declined", "bad").await.expect_problem(402, "payment_failed");
    assert_eq!((again.is_replayed(), &again.body["order_id"]), (true, &declined.body["order_id"]));
    pay(&shop, &bad, "tok_ok", "bad").await.expect_problem(422, "idempotency_key_reused");
    let again = at_once(&shop).await.expect_problem(402, "payment_failed");
    assert_eq!((again.is_replayed(), &again.body["order_id"]), (true, &refused.body["order_id"]));
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
    let all = customer(&shop).read("/orders").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(3), "one order for each key");
    shop.expect_books("MUG").await;
}
