//! Orders, step by step: placed from lines or from the cart, confirmed, canceled, shipped, expired.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::{expect_id, expect_moment};
use crate::person::{Person, at, ms, to_lines, until};
use crate::server::Folder;
use crate::shop::Shop;

#[tokio::test]
async fn order_of_lines_holds_their_units_and_says_what_is_to_be_paid_until_when() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.product("CUP", 10).await;
    let guest = Person::guest(&shop, 1);
    let body = json!({
        "lines": to_lines(&[("MUG", 3), ("CUP", 1)]), "email": "buyer@example.test", "expected_total": 7_996,
        "shipping_address": { "street": "Main St 1", "city": "Köln" }, "ttl_seconds": 60,
    });

    let placed = guest.post("/orders", &body).send().await.expect(201);

    expect_id(&placed.body["id"], "ord_");
    expect_number(&placed.body);
    assert_eq!(placed.header("location"), format!("/api/v1{}", at(&placed.body)));
    assert_eq!(placed.header("etag"), "\"1\"");
    assert_ne!(placed.header("journal-position"), "");
    let first = json!({
        "sku": "MUG", "product_id": mug.id, "name": "MUG", "quantity": 3, "unit_price": 1_999, "total": 5_997,
        "breakdown": [{ "step": "base", "rule_id": null, "rule": null, "amount": 1_999 }],
    });
    assert_eq!(placed.body["lines"][0], first);
    let mut rest = placed.body.clone();
    for member in ["id", "number", "lines", "created_at", "updated_at", "expires_at"] {
        rest.as_object_mut().expect("an order is an object").remove(member);
    }
    let expected = json!({
        "status": "pending_payment", "payment_status": "pending", "subtotal": 7_996, "discount": 0, "total": 7_996,
        "currency": "EUR", "email": "buyer@example.test", "shipping_address": body["shipping_address"],
        "customer_id": null, "cart_id": null, "reservation_id": null, "payment_reference": null,
        "confirmed_at": null, "fulfilled_at": null, "canceled_at": null, "cancel_reason": null,
        "reacquired": false, "version": 1,
    });
    assert_eq!(rest, expected);
    expect_moment(&placed.body["updated_at"]);
    expect_life(&placed.body, 60);
    assert_eq!(guest.read(&at(&placed.body)).await, placed.body);
    assert_eq!(shop.figures("MUG").await, [10, 7, 3, 0]);

    let plain = json!({ "lines": to_lines(&[("MUG", 1)]) });
    let customer = Person::customer(&shop, 1);
    let plain = customer.post("/orders", &plain).send().await.expect(201).body;
    expect_life(&plain, 300);
    expect_id_of_customer(&plain["customer_id"]);
    assert_ne!(plain["number"], placed.body["number"]);
}

/// Customer number 1 of these tests, which is no UUIDv7.
fn expect_id_of_customer(value: &Value) {
    assert_eq!(*value, json!("usr_00000000-0000-0000-0000-0000000003e9"));
}

/// Checks the form of an order's number: the day, and twelve letters in groups of four.
fn expect_number(order: &Value) {
    let number = order["number"].as_str().expect("an order has a number");
    let shape: String = number.chars().map(|it| if it.is_ascii_alphanumeric() { 'x' } else { it }).collect();
    assert_eq!(shape, "xxxxxx-xxxx-xxxx-xxxx", "{number}");
    let day = order["created_at"].as_str().expect("a moment")[2..10].replace('-', "");
    assert!(number.starts_with(&day) && !number.contains(['I', 'L', 'O', 'U']), "{number} of {day}");
}

#[track_caller]
fn expect_life(order: &Value, seconds: i64) {
    let life = ms(&order["expires_at"]) - ms(&order["created_at"]);
    assert!((1_000 * (seconds - 1)..=1_000 * seconds).contains(&life), "{life} ms: {order}");
}

#[tokio::test]
async fn order_of_the_cart_has_its_units_without_a_moment_in_which_another_could_take_them() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let hot = shop.product("HOT", 4).await;
    let buyer = Person::customer(&shop, 1);
    let hammer = async |number: u32| {
        let other = Person::guest(&shop, number);
        let mut statuses = Vec::new();
        for _ in 0..10 {
            statuses.push(other.purchase(&hot, 1).await.status);
        }
        statuses
    };
    for _ in 0..10 {
        let cart = buyer.add("HOT", 4).await;
        let place = buyer.post("/orders", &json!({ "expected_total": 4 * 1_999 })).send();
        let (placed, others) = tokio::join!(place, join_all((0..8).map(hammer)));
        let order = placed.expect(201).body;
        assert!(others.iter().flatten().all(|status| *status == 409), "{others:?}");
        assert_eq!((&order["cart_id"], &order["total"]), (&cart["id"], &json!(4 * 1_999)));
        assert_eq!(buyer.read("/cart").await["lines"], json!([]), "the order has what was in the cart");
        assert_eq!(shop.figures("HOT").await, [4, 0, 4, 0]);
        buyer.tell(&format!("{}/cancel", at(&order))).send().await.expect(200);
        assert_eq!(shop.figures("HOT").await, [4, 4, 0, 0]);
    }
    shop.expect_books("HOT").await;
}

#[tokio::test]
async fn lapsed_lines_of_a_cart_are_tried_again_at_checkout() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let hot = json!({
        "name": "Hot", "price": 100, "currency": "EUR", "sku": "HOT", "initial_stock": 3, "reservation_ttl_seconds": 1,
    });
    let hot = shop.make(&hot).await;
    let book = json!({
        "name": "Book", "price": 5, "currency": "EUR", "sku": "BOOK", "initial_stock": 9, "reserve_on": "checkout",
    });
    shop.make(&book).await;
    let (one, other) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    one.add("BOOK", 2).await;
    one.add("HOT", 3).await;
    until("the line lapses", async || (shop.figures("HOT").await == [3, 3, 0, 0]).then_some(())).await;

    assert_eq!(other.purchase(&hot, 1).await.status, 201);
    let refused = one.post("/orders", &json!({})).send().await.expect_problem(409, "insufficient_stock");
    let line = json!({
        "index": 1, "sku": "HOT", "code": "insufficient_stock", "requested": 3, "available": 2, "reserved": 0,
    });
    assert_eq!(refused.body["lines"], json!([line]));
    assert_eq!(one.read("/cart").await["lines"].as_array().map(Vec::len), Some(2), "the cart is as it was");
    assert_eq!(shop.figures("BOOK").await, [9, 9, 0, 0]);
    one.put("/cart/items/HOT", &json!({ "quantity": 2 })).send().await.expect(200);
    until("it lapses again", async || (shop.figures("HOT").await == [3, 2, 0, 1]).then_some(())).await;
    let order = one.post("/orders", &json!({})).send().await.expect(201).body;
    assert_eq!((&order["status"], &order["total"]), (&json!("pending_payment"), &json!(210)));
    assert_eq!(shop.figures("HOT").await, [3, 0, 2, 1]);
    assert_eq!(shop.figures("BOOK").await, [9, 7, 2, 0]);
}

#[tokio::test]
async fn lines_of_an_order_are_not_refused_because_of_the_own_cart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("HOT", 3).await;
    shop.product("MUG", 9).await;
    let buyer = Person::guest(&shop, 1);
    buyer.add("HOT", 3).await;
    buyer.add("MUG", 1).await;
    let order = buyer.order(&[("HOT", 2), ("MUG", 2)], 60).await;
    assert_eq!(order["cart_id"], Value::Null);
    let [on_hand, available, reserved, committed] = shop.figures("HOT").await;
    assert_eq!((on_hand, available + reserved, committed), (3, 3, 0));
    assert!(reserved >= 2, "the order has its units");
    assert_eq!(
        buyer.read("/cart").await["lines"].as_array().map(Vec::len),
        Some(2),
        "the cart keeps its lines"
    );
    buyer.pay(&order, "tok_ok").send().await.expect(200);
    assert_eq!(shop.figures("HOT").await[3], 2);
    shop.expect_books("HOT").await;
}

#[tokio::test]
async fn order_that_cannot_be_placed_changes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let yen = json!({ "name": "Yen", "price": 9, "currency": "JPY", "sku": "YEN", "initial_stock": 9 });
    shop.make(&yen).await;
    let few = json!({
        "name": "Few", "price": 1, "currency": "EUR", "sku": "FEW", "initial_stock": 9, "per_order_limit": 2,
    });
    shop.make(&few).await;
    let guest = Person::guest(&shop, 1);
    let place = async |body: Value| guest.post("/orders", &body).send().await;

    place(json!({})).await.expect_problem(409, "cart_empty");
    let short = place(json!({ "lines": to_lines(&[("FEW", 3), ("MUG", 6)]) })).await;
    let short = short.expect_problem(409, "insufficient_stock");
    let codes: Vec<_> =
        short.body["lines"].as_array().expect("lines").iter().map(|it| it["code"].clone()).collect();
    assert_eq!(codes, ["limit_exceeded", "insufficient_stock"]);
    let limit =
        place(json!({ "lines": to_lines(&[("FEW", 3)]) })).await.expect_problem(409, "limit_exceeded");
    assert_eq!(limit.body["limit"], 2);
    let unknown = place(json!({ "lines": to_lines(&[("MUG", 1), ("CUP", 2)]) })).await;
    assert_eq!(unknown.expect_problem(404, "not_found").body["lines"][0]["index"], 1);
    let mixed = place(json!({ "lines": to_lines(&[("MUG", 1), ("YEN", 1)]) })).await;
    assert_eq!(mixed.expect_problem(422, "validation_failed").body["errors"][0]["code"], "currency_mismatch");
    let dearer = place(json!({ "lines": to_lines(&[("MUG", 2)]), "expected_total": 3_997 })).await;
    assert_eq!(dearer.expect_problem(409, "price_changed").body["total"], 3_998);
    guest.add("MUG", 1).await;
    place(json!({ "expected_total": 1 })).await.expect_problem(409, "price_changed");
    assert_eq!(guest.read("/cart").await["lines"][0]["reservation"]["status"], "active");
    assert_eq!(guest.read("/orders").await["data"], json!([]));
    for (sku, figures) in [("MUG", [5, 4, 1, 0]), ("YEN", [9, 9, 0, 0]), ("FEW", [9, 9, 0, 0])] {
        assert_eq!(shop.figures(sku).await, figures);
    }
}

#[tokio::test]
async fn body_of_an_order_is_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let guest = Person::guest(&shop, 1);
    let pay = |method: Value, token: Value| json!({ "method": method, "token": token });
    for (member, value, field) in [
        ("lines", json!([]), "lines"),
        ("lines", json!("MUG"), "lines"),
        ("lines", json!([{ "sku": "MUG" }]), "lines[0].quantity"),
        ("lines", to_lines(&[("MUG", 1), ("MUG", 1)]), "lines[1].sku"),
        ("payment", json!("tok_ok"), "payment"),
        ("payment", json!([]), "payment"),
        ("payment", json!({ "token": "tok_ok" }), "payment.method"),
        ("payment", json!({ "method": "simulated" }), "payment.token"),
        ("payment", pay(json!("card"), json!("tok_ok")), "payment.method"),
        ("payment", pay(json!("simulated"), json!("tok_free")), "payment.token"),
        ("payment", pay(json!("simulated"), json!(1)), "payment.token"),
        ("payment", json!({ "method": "simulated", "token": "tok_ok", "amount": 1 }), "payment.amount"),
        ("shipping_address", json!("Main St 1"), "shipping_address"),
        ("shipping_address", json!({ "street": "s".repeat(4_096) }), "shipping_address"),
        ("email", json!("nobody"), "email"),
        ("email", json!("a@b@c"), "email"),
        ("email", json!("a b@example.test"), "email"),
        ("email", json!(format!("{}@example.test", "a".repeat(242))), "email"),
        ("expected_total", json!(-1), "expected_total"),
        ("expected_total", json!(1.0), "expected_total"),
        ("expected_total", json!(u64::MAX), "expected_total"),
        ("ttl_seconds", json!(0), "ttl_seconds"),
        ("ttl_seconds", json!(3_601), "ttl_seconds"),
        ("total", json!(1), "total"),
        ("customer_id", json!("usr_1"), "customer_id"),
    ] {
        let mut body = json!({ "lines": to_lines(&[("MUG", 1)]) });
        body[member] = value;
        let refused = guest.post("/orders", &body).send().await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{body}");
    }
    guest.tell("/orders").send().await.expect_problem(415, "unsupported_media_type");
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
    let nulls = json!({
        "lines": to_lines(&[("MUG", 1)]), "payment": null, "shipping_address": null, "email": null,
        "expected_total": null, "ttl_seconds": null,
    });
    guest.post("/orders", &nulls).send().await.expect(201);
}
