//! Other people's things: to whoever does not own them, they are not there.

use serde_json::{Value, json};

use crate::client::Ask;
use crate::person::{Person, at};
use crate::server::Folder;
use crate::shop::Shop;

/// Every call that names a reservation or an order and is not for admins alone.
fn calls(person: &Person, reservation: &str, order: &str) -> Vec<(String, Ask)> {
    let pay = json!({ "method": "simulated", "token": "tok_ok" });
    let get = |path: String| (format!("GET {path}"), person.get(&path));
    let tell = |path: String, body: Value| (format!("POST {path}"), person.post(&path, &body));
    vec![
        get(reservation.to_owned()),
        tell(format!("{reservation}/extend"), json!({ "ttl_seconds": 60 })),
        tell(format!("{reservation}/confirm"), json!({})),
        tell(format!("{reservation}/release"), json!({})),
        get(order.to_owned()),
        get(format!("{order}/history")),
        tell(format!("{order}/pay"), pay),
        tell(format!("{order}/cancel"), json!({})),
    ]
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_not_found() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let people = [
        Person::customer(&shop, 1),
        Person::customer(&shop, 2),
        Person::guest(&shop, 1),
        Person::guest(&shop, 2),
    ];
    let mut things = Vec::new();
    for person in &people {
        let reservation = person.reserve(&[("MUG", 2)], 600).await;
        let order = person.order(&[("MUG", 3)], 600).await;
        things.push((at(&reservation), at(&order)));
    }
    let before = shop.figures("MUG").await;
    assert_eq!(before, [100, 80, 20, 0]);
    let unknown = (
        "/reservations/res_01936f5e-7a5c-7000-8000-000000000000".to_owned(),
        "/orders/ord_01936f5e-7a5c-7000-8000-000000000000".to_owned(),
    );

    for (number, person) in people.iter().enumerate() {
        // What is not there reads the same as what is somebody else's.
        for (call, ask) in calls(person, &unknown.0, &unknown.1) {
            let answer = ask.send().await;
            assert_eq!(answer.status, 404, "{call}: {}", answer.text);
        }
        for (owner, (reservation, order)) in things.iter().enumerate() {
            if owner == number {
                person.get(reservation).send().await.expect(200);
                person.get(order).send().await.expect(200);
                continue;
            }
            for (call, ask) in calls(person, reservation, order) {
                let answer = ask.send().await;
                assert_eq!(answer.status, 404, "{call} of {owner} by {number}: {}", answer.text);
                answer.expect_problem(404, "not_found");
            }
        }
    }
    assert_eq!(shop.figures("MUG").await, before, "nothing was done");
}

#[tokio::test]
async fn lists_show_ones_own_things_alone_and_carts_cannot_be_named() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let people = [Person::customer(&shop, 1), Person::customer(&shop, 2), Person::guest(&shop, 1)];
    let mut own = Vec::new();
    for (number, person) in (1..).zip(&people) {
        let order = person.order(&[("MUG", 1)], 600).await;
        let reservation = person.reserve(&[("MUG", 1)], 600).await;
        person.add("MUG", number).await;
        own.push((order["id"].clone(), reservation["id"].clone()));
    }
    for ((number, person), (order, reservation)) in (1..).zip(&people).zip(&own) {
        for (path, id) in [("/orders", order), ("/reservations", reservation)] {
            let list = person.read(path).await;
            let ids: Vec<&Value> =
                list["data"].as_array().expect("a list has data").iter().map(|thing| &thing["id"]).collect();
            assert_eq!(ids, [id], "{path} of {number}");
        }
        let cart = person.read("/cart").await;
        assert_eq!(cart["lines"][0]["quantity"], number, "{cart}");
        // Nobody's cart is named but by coming with their session.
        let named = person.get("/cart?session_id=session-of-guest-00001").send().await;
        named.expect_problem(400, "malformed_request");
        let refused = person.get("/orders?customer_id=usr_01936f5e-7a5c-7000-8000-000000000000").send().await;
        assert!((400..404).contains(&refused.status), "{}", refused.text);
    }
}

#[tokio::test]
async fn role_in_a_body_or_a_header_makes_nobody_an_admin() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 1).await;
    let customer = Person::customer(&shop, 1);
    let adjust = json!({ "delta": 5, "reason": "other" });
    for (name, value) in
        [("X-Role", "admin"), ("X-User-Role", "admin"), ("X-Admin", "true"), ("Cookie", "role=admin")]
    {
        let refused = customer.post("/inventory/MUG/adjustments", &adjust).header(name, value).send().await;
        refused.expect_problem(403, "forbidden");
    }
    let body = json!({ "delta": 5, "reason": "other", "role": "admin" });
    customer.post("/inventory/MUG/adjustments", &body).send().await.expect_problem(403, "forbidden");
    let refused = customer.post("/cart/items", &json!({ "sku": "MUG", "quantity": 1, "role": "admin" }));
    assert_eq!(refused.send().await.expect_problem(422, "validation_failed").wrong_fields(), ["role"]);
    assert_eq!(shop.figures("MUG").await, [1, 1, 0, 0]);
}
