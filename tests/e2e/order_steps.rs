//! What becomes of an order: confirmed, canceled, shipped, expired, and what its history tells.

use serde_json::{Value, json};

use crate::client::{Ask, expect_id, expect_members, expect_moment};
use crate::person::{Person, at, ms, until};
use crate::server::Folder;
use crate::shop::Shop;

/// A step of an order, without a body.
fn step(person: &Person, order: &Value, verb: &str) -> Ask {
    person.tell(&format!("{}/{verb}", at(order)))
}

/// Status, payment status and version.
fn told(order: &Value) -> [Value; 3] {
    ["status", "payment_status", "version"].map(|member| order[member].clone())
}

fn events(history: &Value) -> Vec<&str> {
    let rows = history["data"].as_array().expect("a history has data");
    rows.iter().map(|row| row["event"].as_str().expect("a row has an event")).collect()
}

#[tokio::test]
async fn admin_confirms_and_ships_an_order() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let (customer, admin) = (Person::customer(&shop, 1), Person::admin(&shop));
    let order = customer.order(&[("MUG", 4)], 60).await;

    step(&admin, &order, "fulfill").send().await.expect_problem(409, "invalid_state");
    for verb in ["confirm", "fulfill"] {
        step(&customer, &order, verb).send().await.expect_problem(403, "forbidden");
        shop.client
            .ask("POST", &format!("{}/{verb}", at(&order)))
            .send()
            .await
            .expect_problem(401, "unauthenticated");
    }
    let reference = json!({ "payment_reference": "wire 77" });
    let confirmed = admin.post(&format!("{}/confirm", at(&order)), &reference).send().await.expect(200);
    assert_eq!(told(&confirmed.body), [json!("confirmed"), json!("paid"), json!(2)]);
    assert_eq!(
        (confirmed.header("etag"), &confirmed.body["payment_reference"]),
        ("\"2\"", &json!("wire 77"))
    );
    assert_eq!((&confirmed.body["expires_at"], &confirmed.body["reacquired"]), (&Value::Null, &json!(false)));
    expect_moment(&confirmed.body["confirmed_at"]);
    assert_eq!(shop.figures("MUG").await, [10, 6, 0, 4]);
    assert_eq!(
        step(&admin, &order, "confirm").send().await.expect(200).body,
        confirmed.body,
        "again: the same"
    );

    let shipped = step(&admin, &order, "fulfill").text("{}").send().await.expect(200);
    assert_eq!(told(&shipped.body), [json!("fulfilled"), json!("paid"), json!(3)]);
    expect_moment(&shipped.body["fulfilled_at"]);
    assert_eq!(shop.figures("MUG").await, [6, 6, 0, 0], "what is shipped is not on hand any more");
    assert_eq!(
        step(&admin, &order, "fulfill").send().await.expect(200).body,
        shipped.body,
        "again: the same"
    );
    step(&admin, &order, "cancel").send().await.expect_problem(409, "invalid_state");
    assert_eq!(step(&admin, &order, "confirm").send().await.expect(200).body, shipped.body);
    assert_eq!(customer.read(&at(&order)).await, shipped.body);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn owner_cancels_what_is_unpaid_and_an_admin_also_what_is_paid() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let (customer, admin) = (Person::customer(&shop, 1), Person::admin(&shop));
    let cancel = |person: &Person, order: &Value, reason: Value| {
        person.post(&format!("{}/cancel", at(order)), &json!({ "reason": reason })).send()
    };

    let unpaid = customer.order(&[("MUG", 4)], 60).await;
    let canceled = cancel(&customer, &unpaid, json!("changed my mind")).await.expect(200).body;
    assert_eq!(told(&canceled), [json!("canceled"), json!("pending"), json!(2)]);
    assert_eq!(canceled["cancel_reason"], "changed my mind");
    expect_moment(&canceled["canceled_at"]);
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    assert_eq!(
        cancel(&customer, &unpaid, json!("again")).await.expect(200).body,
        canceled,
        "again: the same"
    );
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0], "and the units are back once");
    customer.pay(&unpaid, "tok_ok").send().await.expect_problem(409, "invalid_state");
    let late = step(&admin, &unpaid, "confirm").send().await.expect_problem(409, "invalid_state");
    assert_eq!(late.body["refund_required"], true);
    assert_eq!(customer.read(&at(&unpaid)).await["payment_status"], "refund_required");

    let paid = customer.order(&[("MUG", 3)], 60).await;
    customer.pay(&paid, "tok_ok").send().await.expect(200);
    cancel(&customer, &paid, Value::Null).await.expect_problem(409, "invalid_state");
    let canceled = cancel(&admin, &paid, json!("damaged")).await.expect(200).body;
    assert_eq!([&canceled["status"], &canceled["payment_status"]], ["canceled", "refunded"]);
    let elsewhere = customer.order(&[("MUG", 2)], 60).await;
    step(&admin, &elsewhere, "confirm").send().await.expect(200);
    let canceled = step(&admin, &elsewhere, "cancel").send().await.expect(200).body;
    assert_eq!([&canceled["status"], &canceled["payment_status"]], ["canceled", "refund_required"]);
    assert_eq!(canceled["cancel_reason"], Value::Null);
    for reason in [json!(""), json!(7), json!("r".repeat(501))] {
        let refused = cancel(&customer, &unpaid, reason).await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), ["reason"]);
    }
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn unpaid_order_expires_and_its_units_are_back() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let customer = Person::customer(&shop, 1);
    let order = customer.order(&[("MUG", 4)], 1).await;

    let expired = customer.wait_for(&order, "expired").await;

    assert!(ms(&expired["updated_at"]) >= ms(&order["expires_at"]), "{expired}");
    assert_eq!(told(&expired), [json!("expired"), json!("pending"), json!(2)]);
    assert_eq!(expired["expires_at"], order["expires_at"]);
    until("its units are back", async || (shop.figures("MUG").await == [10, 10, 0, 0]).then_some(())).await;
    customer.pay(&order, "tok_ok").send().await.expect_problem(409, "reservation_expired");
    step(&customer, &order, "cancel").send().await.expect_problem(409, "invalid_state");
    step(&Person::admin(&shop), &order, "fulfill").send().await.expect_problem(409, "invalid_state");
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn late_payment_takes_the_units_again_if_they_are_all_there() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 4).await;
    shop.product("CUP", 4).await;
    let (customer, other, admin) =
        (Person::customer(&shop, 1), Person::guest(&shop, 1), Person::admin(&shop));
    let lucky = customer.order(&[("MUG", 2), ("CUP", 1)], 1).await;
    let unlucky = customer.order(&[("CUP", 1), ("MUG", 2)], 1).await;
    customer.wait_for(&lucky, "expired").await;
    customer.wait_for(&unlucky, "expired").await;

    let confirmed = step(&admin, &lucky, "confirm").send().await.expect(200).body;
    assert_eq!([&confirmed["status"], &confirmed["payment_status"]], ["confirmed", "paid"]);
    assert_eq!(confirmed["reacquired"], true);
    assert_eq!(step(&admin, &lucky, "confirm").send().await.expect(200).body, confirmed, "again: the same");
    assert_eq!(shop.figures("MUG").await, [4, 2, 0, 2]);
    assert_eq!(other.purchase(&mug, 1).await.status, 201);
    for _ in 0..2 {
        let refused =
            step(&admin, &unlucky, "confirm").send().await.expect_problem(409, "reservation_expired");
        assert_eq!(refused.body["refund_required"], true);
        let left = customer.read(&at(&unlucky)).await;
        assert_eq!([&left["status"], &left["payment_status"]], ["expired", "refund_required"]);
    }
    assert_eq!(shop.figures("CUP").await, [4, 3, 0, 1], "not a part of what it needs is taken");
    assert_eq!(shop.figures("MUG").await, [4, 1, 0, 3]);
    for sku in ["MUG", "CUP"] {
        shop.expect_books(sku).await;
    }
}

#[tokio::test]
async fn history_tells_who_did_what_when_oldest_first() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    let (customer, admin) = (Person::customer(&shop, 1), Person::admin(&shop));
    let history = async |person: &Person, order: &Value| person.read(&format!("{}/history", at(order))).await;

    let order = customer.order(&[("MUG", 2)], 60).await;
    customer.pay(&order, "tok_ok").send().await.expect(200);
    let canceled = step(&admin, &order, "cancel").text(r#"{"reason":"damaged"}"#).send().await.expect(200);
    let told = history(&customer, &order).await;
    assert_eq!(events(&told), ["placed", "confirmed", "canceled", "refunded"]);
    let rows = told["data"].as_array().expect("rows");
    let members = [
        &["total", "currency", "expires_at"][..],
        &["payment_reference", "reacquired"],
        &["cancel_reason"],
        &[],
    ];
    for (row, own) in rows.iter().zip(members) {
        expect_members(row, &[&["event", "at", "position", "actor"][..], own].concat());
        expect_moment(&row["at"]);
    }
    assert_eq!((&rows[0]["total"], &rows[0]["expires_at"]), (&json!(3_998), &order["expires_at"]));
    assert_eq!(rows[2]["cancel_reason"], "damaged");
    assert_eq!(rows[2]["position"], canceled.header("journal-position"));
    let actors: Vec<_> = rows.iter().map(|row| row["actor"]["type"].as_str().expect("a type")).collect();
    assert_eq!(actors, ["customer", "customer", "admin", "system"]);
    assert_eq!(history(&admin, &order).await, told);

    let bought = customer.purchase(&mug, 3).await.expect(201).body;
    let bought = json!({ "id": bought["order_id"] });
    let row = history(&customer, &bought).await["data"][0].clone();
    let facts = ["event", "quantity", "unit_price", "total", "currency"].map(|member| row[member].clone());
    assert_eq!(facts, [json!("purchased"), json!(3), json!(1_999), json!(5_997), json!("EUR")]);
    step(&admin, &bought, "fulfill").send().await.expect(200);
    assert_eq!(events(&history(&customer, &bought).await), ["purchased", "fulfilled"]);
    let held = customer.reserve(&[("MUG", 1)], 60).await;
    let sold = step(&customer, &held, "confirm").send().await.expect(200).body;
    let sold = json!({ "id": sold["order_id"] });
    step(&admin, &sold, "cancel").send().await.expect(200);
    assert_eq!(events(&history(&customer, &sold).await), ["placed", "canceled"]);
    let expired = customer.order(&[("MUG", 1)], 1).await;
    customer.wait_for(&expired, "expired").await;
    assert_eq!(events(&history(&customer, &expired).await), ["placed", "expired"]);
    let path = format!("{}/history", at(&order));
    Person::guest(&shop, 1).get(&path).send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn purchase_is_an_order_like_any_other() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let (guest, admin) = (Person::guest(&shop, 1), Person::admin(&shop));
    let sold = guest.purchase(&mug, 3).await.expect(201);
    let bought = json!({ "id": sold.body["order_id"] });

    let order = guest.get(&at(&bought)).send().await.expect(200);
    assert_eq!(told(&order.body), [json!("confirmed"), json!("paid"), json!(1)]);
    expect_id(&order.body["id"], "ord_");
    assert_eq!((&order.body["total"], &order.body["lines"][0]["sku"]), (&json!(5_997), &json!("MUG")));
    assert_eq!(guest.read("/orders").await["data"], json!([order.body]));
    let known = guest.get(&at(&bought)).header("If-None-Match", order.header("etag")).send().await;
    known.expect(304);
    let newer = guest.get(&at(&bought)).header("Min-Journal-Position", sold.header("journal-position"));
    newer.send().await.expect(200);
    let dearer = json!({ "price": 1, "name": "Cheap" });
    shop.client.patch(&format!("/products/{}", mug.id), &dearer).token(&shop.admin).send().await.expect(200);
    assert_eq!(guest.read(&at(&bought)).await, order.body, "an order keeps what it was");
    step(&guest, &bought, "cancel").send().await.expect_problem(409, "invalid_state");
    guest.pay(&bought, "tok_ok").send().await.expect(200);
    step(&admin, &bought, "cancel").send().await.expect(200);
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn order_is_there_for_its_owner_and_for_admins_only() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 10).await;
    let owners = [Person::guest(&shop, 1), Person::customer(&shop, 1)];
    let others = [Person::guest(&shop, 2), Person::customer(&shop, 2)];
    let admin = Person::admin(&shop);
    for owner in &owners {
        let order = owner.order(&[("MUG", 1)], 60).await;
        for other in &others {
            other.get(&at(&order)).send().await.expect_problem(404, "not_found");
            other.get(&format!("{}/history", at(&order))).send().await.expect_problem(404, "not_found");
            other.pay(&order, "tok_ok").send().await.expect_problem(404, "not_found");
            step(other, &order, "cancel").send().await.expect_problem(404, "not_found");
            assert_eq!(other.read("/orders").await["data"], json!([]));
        }
        assert_eq!(admin.read(&at(&order)).await, order);
        admin.pay(&order, "tok_ok").send().await.expect_problem(404, "not_found");
        assert_eq!(owner.read(&at(&order)).await, order);
    }
    for id in
        ["ord_01936f5e-7a5c-7000-8000-000000000000", "ord_1", "res_01936f5e-7a5c-7000-8000-000000000000"]
    {
        for path in [format!("/orders/{id}"), format!("/orders/{id}/history")] {
            admin.get(&path).send().await.expect_problem(404, "not_found");
        }
        for verb in ["confirm", "cancel", "fulfill"] {
            admin.tell(&format!("/orders/{id}/{verb}")).send().await.expect_problem(404, "not_found");
        }
    }
    assert_eq!(shop.figures("MUG").await, [10, 8, 2, 0]);
}
