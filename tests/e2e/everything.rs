//! A day in which everything happens that a journal can tell of, and the books that such a day leaves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Ask;
use crate::person::{Person, at, to_lines};
use crate::shop::Shop;

/// Skus of the day that are sold at its end.
const SKUS: [&str; 6] = ["MUG", "TEE-S", "TEE-L", "FEW", "LATE", "POSTER"];

/// Has everything happen once, to the shop of an admin; ends with units held for a second.
pub(crate) async fn live_a_day(shop: &Shop) {
    let category = catalogue(shop).await;
    prices(shop, &category).await;
    stock(shop).await;
    reservations(shop).await;
    carts(shop).await;
    orders(shop).await;
    people(shop).await;
    // Last: what is held when the day ends.
    Person::guest(shop, 70).reserve(&[("MUG", 2), ("TEE-S", 1)], 1).await;
    Person::guest(shop, 71).order(&[("TEE-L", 1)], 1).await;
}

fn change(shop: &Shop, method: &str, path: &str, body: Value) -> Ask {
    shop.change(method, path, &body)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn catalogue(shop: &Shop) -> String {
    let made = |slug: &str, parent: Option<&str>| {
        change(shop, "POST", "/categories", json!({ "name": slug, "slug": slug, "parent_id": parent })).send()
    };
    let root = text(&made("home", None).await.expect(201).body["id"]);
    let kitchen = text(&made("kitchen", Some(&root)).await.expect(201).body["id"]);
    let empty = text(&made("empty", Some(&root)).await.expect(201).body["id"]);
    let renamed = json!({ "name": "Kitchen & table", "slug": "kitchen", "parent_id": root });
    change(shop, "PUT", &format!("/categories/{kitchen}"), renamed).send().await.expect(200);
    change(shop, "DELETE", &format!("/categories/{empty}"), Value::Null).send().await.expect(204);

    let mug = json!({
        "name": "Mug", "description": "Holds coffee.", "price": 1_299, "currency": "EUR", "sku": "MUG",
        "category_ids": [kitchen], "attributes": { "colour": "red" }, "initial_stock": 100,
    });
    let mug = shop.make(&mug).await;
    change(shop, "PATCH", &format!("/products/{}", mug.id), json!({ "price": 1_399 }))
        .send()
        .await
        .expect(200);
    let tee = json!({
        "name": "Tee", "price": 2_000, "currency": "EUR", "variants": [
            { "sku": "TEE-S", "name": "S", "initial_stock": 20 },
            { "sku": "TEE-M", "name": "M", "price_adjustment": 100 },
        ],
    });
    let tee = shop.make(&tee).await;
    let large = json!({ "sku": "TEE-L", "name": "L", "initial_stock": 30 });
    change(shop, "POST", &format!("/products/{}/variants", tee.id), large).send().await.expect(201);
    change(shop, "PATCH", "/variants/TEE-L", json!({ "price_adjustment": 200 })).send().await.expect(200);
    change(shop, "DELETE", "/variants/TEE-M", Value::Null).send().await.expect(204);
    shop.make(&json!({
        "name": "Few", "price": 500, "currency": "EUR", "sku": "FEW", "initial_stock": 9,
        "per_customer_limit": 5, "per_order_limit": 4,
    }))
    .await;
    shop.make(&json!({
        "name": "Late", "price": 900, "currency": "EUR", "sku": "LATE", "initial_stock": 40, "reserve_on": "checkout",
    }))
    .await;
    let gone = shop.product("GONE", 0).await;
    change(shop, "DELETE", &format!("/products/{}", gone.id), Value::Null).send().await.expect(204);
    shop.product("POSTER", 12).await;
    kitchen
}

async fn prices(shop: &Shop, category: &str) {
    let rule = |body: Value| change(shop, "POST", "/price-rules", body).send();
    let bulk = json!({ "name": "Three and more", "kind": "bulk", "percent_off": 1_000, "min_quantity": 3 });
    let bulk = rule(bulk).await.expect(201).body;
    let tier = json!({
        "name": "Gold", "kind": "tier", "tier": "gold", "amount_off": 50, "category_ids": [category],
    });
    rule(tier).await.expect(201);
    let season = json!({ "name": "Never", "kind": "seasonal", "percent_off": 1, "active": false, "skus": ["MUG"], "starts_at": "2026-01-01T00:00:00.000Z" });
    let season = rule(season).await.expect(201).body;
    let path = format!("/price-rules/{}", text(&bulk["id"]));
    let other = json!({ "name": "Five and more", "kind": "bulk", "percent_off": 1_000, "min_quantity": 5 });
    change(shop, "PUT", &path, other).send().await.expect(200);
    let path = format!("/price-rules/{}", text(&season["id"]));
    change(shop, "DELETE", &path, Value::Null).send().await.expect(204);
}

async fn stock(shop: &Shop) {
    for (delta, reason) in [(10, "received"), (-3, "damaged"), (2, "correction"), (-1, "shrinkage")] {
        let body = json!({ "delta": delta, "reason": reason, "reference": "PO-1", "note": "by hand" });
        let adjusted =
            change(shop, "POST", "/inventory/MUG/adjustments", body).key(&format!("adjust-{delta}"));
        adjusted.send().await.expect(201);
    }
    let counted = json!({ "on_hand": 11, "expected": 12 });
    change(shop, "POST", "/inventory/POSTER/counts", counted).send().await.expect(200);
    let operations = json!([
        { "sku": "MUG", "adjust": { "delta": 1, "reason": "restock" } },
        { "sku": "POSTER", "count": { "on_hand": 12 } },
    ]);
    let batch = json!({ "mode": "atomic", "operations": operations });
    change(shop, "POST", "/inventory/batch", batch).send().await.expect(200);
}

async fn reservations(shop: &Shop) {
    let customer = Person::customer(shop, 1);
    let body = json!({
        "lines": to_lines(&[("MUG", 3), ("TEE-S", 1)]), "ttl_seconds": 600, "reference": "R-1",
        "metadata": { "channel": "phone" },
    });
    let kept = customer.post("/reservations", &body).key("reserve-1").send().await.expect(201).body;
    let longer = json!({ "ttl_seconds": 900 });
    customer.post(&format!("{}/extend", at(&kept)), &longer).send().await.expect(200);
    customer.tell(&format!("{}/confirm", at(&kept))).send().await.expect(200);
    let released = customer.reserve(&[("FEW", 2)], 600).await;
    customer.tell(&format!("{}/release", at(&released))).send().await.expect(200);
    let expired = Person::guest(shop, 1).reserve(&[("MUG", 1)], 1).await;
    Person::guest(shop, 1).wait_for(&expired, "expired").await;
    let many = json!({ "reservations": [
        { "lines": to_lines(&[("LATE", 1)]), "ttl_seconds": 1 }, { "lines": to_lines(&[("LATE", 1_000)]) },
    ] });
    change(shop, "POST", "/reservations/batch", many).send().await.expect(200);
}

async fn carts(shop: &Shop) {
    let guest = Person::guest(shop, 2);
    guest.add("MUG", 1).await;
    guest.add("TEE-S", 2).await;
    guest.put("/cart/items/MUG", &json!({ "quantity": 4 })).send().await.expect(200);
    guest.delete("/cart/items/TEE-S").send().await.expect(200);
    let ordered =
        json!({ "payment": { "method": "simulated", "token": "tok_ok" }, "email": "guest@example.test" });
    guest.post("/orders", &ordered).send().await.expect(201);
    guest.add("POSTER", 2).await;
    guest.delete("/cart").send().await.expect(204);

    // A cart whose payment is declined has its lines back.
    let poor = Person::guest(shop, 3);
    poor.add("POSTER", 1).await;
    let declined = json!({ "payment": { "method": "simulated", "token": "tok_declined" } });
    poor.post("/orders", &declined).send().await.expect_problem(402, "payment_failed");
    poor.delete("/cart").send().await.expect(204);

    // One that is merged into a customer's.
    let body = json!({ "email": "ada@example.test", "password": "correct horse battery", "name": "Ada" });
    shop.client.post("/auth/register", &body).send().await.expect(201);
    Person::guest(shop, 4).add("LATE", 1).await;
    let login = json!({ "email": "ada@example.test", "password": "correct horse battery" });
    let session = "session-of-guest-00004";
    let pair = shop.client.post("/auth/login", &login).session(session).send().await.expect(200).body;
    let ada = Person::with_token(shop, &text(&pair["access_token"]));
    assert_eq!(ada.read("/cart").await["lines"][0]["sku"], "LATE");
    ada.post("/orders", &json!({ "ttl_seconds": 1 })).send().await.expect(201);
    let refresh = json!({ "refresh_token": pair["refresh_token"] });
    let next = shop.client.post("/auth/refresh", &refresh).send().await.expect(200).body;
    let logout = json!({ "refresh_token": next["refresh_token"] });
    shop.client.post("/auth/logout", &logout).send().await.expect(204);
}

async fn orders(shop: &Shop) {
    let (customer, admin) = (Person::customer(shop, 2), Person::admin(shop));
    let tell = async |order: &Value, verb: &str, body: Value| {
        admin.post(&format!("{}/{verb}", at(order)), &body).send().await.expect(200)
    };
    let shipped = customer.order(&[("MUG", 5), ("TEE-L", 1)], 600).await;
    customer.pay(&shipped, "tok_ok").send().await.expect(200);
    tell(&shipped, "fulfill", json!({})).await;
    let canceled = customer.order(&[("FEW", 1)], 600).await;
    tell(&canceled, "confirm", json!({ "payment_reference": "INV-1" })).await;
    tell(&canceled, "cancel", json!({ "reason": "came back" })).await;
    let unpaid = customer.order(&[("MUG", 1)], 600).await;
    customer.post(&format!("{}/cancel", at(&unpaid)), &json!({})).send().await.expect(200);
    let expired = customer.order(&[("MUG", 2)], 1).await;
    customer.wait_for(&expired, "expired").await;
    tell(&expired, "confirm", json!({ "payment_reference": "LATE-1" })).await;
    let refused = customer.order(&[("MUG", 1)], 600).await;
    customer.pay(&refused, "tok_declined").send().await.expect_problem(402, "payment_failed");
    let few = text(&shop.inventory("FEW").await["product_id"]);
    let few = crate::shop::Product { id: few, sku: "FEW".to_owned() };
    let bought = customer.purchase(&few, 2).await.expect(201);
    Person::guest(shop, 5).purchase(&few, 1).await.expect(201);
    let order = json!({ "id": bought.body["order_id"] });
    tell(&order, "fulfill", json!({})).await;
}

async fn people(shop: &Shop) {
    let path = format!("/users?limit=200&email={}", "ada%40example.test");
    let users = Person::admin(shop).read(&path).await;
    let path = format!("/users/{}", text(&users["data"][0]["id"]));
    change(shop, "PATCH", &path, json!({ "tier": "gold" })).send().await.expect(200);
}

/// All that a shop says of itself and that time alone does not change, once everything that was due has expired.
pub(crate) async fn books(shop: &Shop) -> Value {
    let admin = Person::admin(shop);
    let mut ledgers = BTreeMap::new();
    for sku in SKUS {
        let movements = shop.movements(sku).await;
        let inventory = shop.inventory(sku).await;
        Shop::expect_balanced(&movements, &inventory);
        let figures = crate::shop::figures(&inventory);
        // What expires with the end of the day expires when a server starts again.
        let told = |movement: &Value| {
            json!([movement["kind"], movement["delta"], movement["after"], movement["actor"]])
        };
        let rows: Vec<_> = movements.iter().map(told).collect();
        ledgers.insert(sku, json!({ "figures": figures, "movements": rows }));
    }
    // Of a day: whoever has more beside it takes them out.
    let mut orders =
        admin.read("/orders?limit=200").await["data"].as_array().expect("a page has data").clone();
    for order in &mut orders {
        if order["status"] == "expired" {
            strip(order, &["updated_at", "canceled_at", "expired_at"]);
        }
    }
    let users = admin.read("/users?limit=1").await["data"].clone();
    let mut products = all(&admin, "/products").await;
    products.sort_by_key(|product| text(&product["id"]));
    json!({
        "ledgers": ledgers, "orders": orders, "users": users, "products": products,
        "price_rules": all(&admin, "/price-rules").await, "categories": admin.read("/categories").await,
    })
}

fn strip(value: &mut Value, names: &[&str]) {
    let object = value.as_object_mut().expect("an object");
    object.retain(|name, _| !names.contains(&name.as_str()));
}

async fn all(admin: &Person, path: &str) -> Vec<Value> {
    let page = admin.read(&format!("{path}?limit=200")).await;
    assert_eq!(page["next_cursor"], Value::Null, "{path}: a day fits one page");
    page["data"].as_array().expect("a page has data").clone()
}
