//! Variants of a product, one at a time: added, read, changed, removed, and what refuses that.

use serde_json::{Value, json};

use crate::client::expect_members;
use crate::person::Person;
use crate::server::Folder;
use crate::shop::{Product, Shop};

const VARIANT: [&str; 7] =
    ["product_id", "sku", "name", "attributes", "price_adjustment", "price", "available"];

/// A tee in two sizes, with five and three units.
async fn tee(shop: &Shop) -> Product {
    let variants = json!([
        { "sku": "TEE-S", "name": "S", "initial_stock": 5 },
        { "sku": "TEE-L", "name": "L", "attributes": { "size": "L" }, "price_adjustment": 200, "initial_stock": 3 },
    ]);
    shop.make(&json!({ "name": "Tee", "price": 1_000, "currency": "EUR", "variants": variants })).await
}

fn at(product: &Product) -> String {
    format!("/products/{}/variants", product.id)
}

#[tokio::test]
async fn added_variant_is_sold_at_once_and_answers_at_its_location() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    let before = shop.read(&tee).await;

    let body = json!({
        "sku": "TEE-XL", "name": "XL", "attributes": { "size": "XL" }, "price_adjustment": -5_000, "initial_stock": 7,
    });
    let added = shop.change("POST", &at(&tee), &body).send().await.expect(201);

    expect_members(&added.body, &VARIANT);
    let expected = json!({
        "product_id": tee.id, "sku": "TEE-XL", "name": "XL", "attributes": { "size": "XL" }, "price_adjustment": -5_000,
        "price": 0, "available": 7,
    });
    assert_eq!(added.body, expected, "a price never falls below 0");
    assert_eq!(added.header("location"), "/api/v1/variants/TEE-XL");
    assert_ne!(added.header("journal-position"), "");
    let found = shop.client.ask_root("GET", added.header("location")).send().await.expect(200);
    assert_eq!((&found.body, found.header("etag")), (&added.body, added.header("etag")));

    let after = shop.read(&tee).await;
    assert_eq!(after.header("etag"), added.header("etag"), "the tag is the product's");
    assert_eq!(after.body["version"], before.body["version"].as_u64().expect("a number") + 1);
    assert_eq!(after.body["available"], 15);
    assert_eq!(Shop::stocks(&after.body), [("TEE-S", 5), ("TEE-L", 3), ("TEE-XL", 7)]);
    assert_eq!(shop.figures("TEE-XL").await, [7, 7, 0, 0]);
    let bought = json!({ "sku": "TEE-XL", "quantity": 2 });
    shop.client.post(&format!("/products/{}/purchase", tee.id), &bought).send().await.expect(201);
    Person::guest(&shop, 1).reserve(&[("TEE-XL", 1)], 60).await;
    assert_eq!(shop.figures("TEE-XL").await, [7, 4, 1, 2]);
    shop.expect_books("TEE-XL").await;
}

#[tokio::test]
async fn product_without_options_that_gets_a_second_variant_has_no_sku_of_its_own() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    shop.purchase(&mug, 1).send().await.expect(201);

    shop.change("POST", &at(&mug), &json!({ "sku": "MUG-2" })).send().await.expect(201);

    let read = shop.read(&mug).await.body;
    assert_eq!(read["sku"], Value::Null);
    assert_eq!(Shop::stocks(&read), [("MUG", 4), ("MUG-2", 0)]);
    let refused = shop.purchase(&mug, 1).send().await.expect_problem(422, "validation_failed");
    assert_eq!(refused.wrong_fields(), ["sku"]);
    shop.change("DELETE", "/variants/MUG-2", &Value::Null).send().await.expect(204);
    shop.purchase(&mug, 1).send().await.expect(201);
    assert_eq!(shop.read(&mug).await.body["sku"], Value::Null, "it keeps its options");
}

#[tokio::test]
async fn patched_variant_changes_what_it_names_and_its_sku_too() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;

    let patch = json!({ "sku": "TEE-LARGE", "name": null, "attributes": { "fit": "wide" } });
    let changed = shop.change("PATCH", "/variants/TEE-L", &patch).send().await.expect(200);

    let expected = json!({
        "product_id": tee.id, "sku": "TEE-LARGE", "name": null, "attributes": { "size": "L", "fit": "wide" },
        "price_adjustment": 200, "price": 1_200, "available": 3,
    });
    assert_eq!(changed.body, expected);
    for path in ["/variants/TEE-L", "/inventory/TEE-L"] {
        shop.client.get(path).send().await.expect_problem(404, "not_found");
    }
    shop.change("PATCH", "/variants/TEE-L", &patch).send().await.expect_problem(404, "not_found");
    assert_eq!(shop.figures("TEE-LARGE").await, [3, 3, 0, 0]);
    shop.expect_books("TEE-LARGE").await;
    let patch = json!({ "attributes": null, "price_adjustment": null });
    let cleared = shop.change("PATCH", "/variants/TEE-LARGE", &patch).send().await.expect(200).body;
    assert_eq!((&cleared["attributes"], &cleared["price"]), (&json!({}), &json!(1_000)));
    shop.product("TEE-L", 1).await;
}

#[tokio::test]
async fn simple_product_whose_variant_is_renamed_is_renamed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    shop.change("PATCH", "/variants/MUG", &json!({ "sku": "CUP" })).send().await.expect(200);
    assert_eq!(shop.read(&mug).await.body["sku"], "CUP");
    shop.purchase(&mug, 1).send().await.expect(201);
}

#[tokio::test]
async fn removed_variant_is_nowhere_and_its_sku_is_free() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;

    let removed = shop.change("DELETE", "/variants/TEE-S", &Value::Null).send().await.expect(204);

    assert_eq!((removed.text.as_str(), removed.header("journal-position").is_empty()), ("", false));
    assert_eq!(Shop::stocks(&shop.read(&tee).await.body), [("TEE-L", 3)]);
    let movements = "/inventory/TEE-S/movements";
    for path in ["/variants/TEE-S", "/inventory/TEE-S", movements] {
        shop.client.get(path).token(&shop.admin).send().await.expect_problem(404, "not_found");
    }
    shop.change("DELETE", "/variants/TEE-S", &Value::Null).send().await.expect_problem(404, "not_found");
    let adjust = json!({ "delta": 1, "reason": "received" });
    shop.change("POST", "/inventory/TEE-S/adjustments", &adjust)
        .send()
        .await
        .expect_problem(404, "not_found");
    let path = format!("/products/{}/purchase", tee.id);
    let buy = |body: Value| shop.client.post(&path, &body).send();
    buy(json!({ "sku": "TEE-S", "quantity": 1 })).await.expect_problem(404, "not_found");
    buy(json!({ "quantity": 1 })).await.expect(201);

    let other = shop.product("TEE-S", 9).await;
    assert_eq!(shop.inventory("TEE-S").await["product_id"], other.id);
    shop.change("DELETE", &format!("/products/{}", other.id), &Value::Null).send().await.expect(204);
    let again = json!({ "sku": "TEE-S", "initial_stock": 2 });
    shop.change("POST", &at(&tee), &again).send().await.expect(201);
    assert_eq!(Shop::stocks(&shop.read(&tee).await.body), [("TEE-L", 2), ("TEE-S", 2)]);
    shop.expect_books("TEE-S").await;
}

#[tokio::test]
async fn variant_in_use_or_the_last_one_is_not_removed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    let admin = Person::admin(&shop);
    let held = Person::guest(&shop, 1).reserve(&[("TEE-S", 1)], 600).await;
    let delete = || shop.change("DELETE", "/variants/TEE-S", &Value::Null).send();

    delete().await.expect_problem(409, "in_use");
    let confirmed =
        admin.tell(&format!("{}/confirm", crate::person::at(&held))).send().await.expect(200).body;
    delete().await.expect_problem(409, "in_use");
    let order = confirmed["order_id"].as_str().expect("a confirmed reservation is an order").to_owned();
    admin.tell(&format!("/orders/{order}/fulfill")).send().await.expect(200);
    delete().await.expect(204);

    let last = shop.change("DELETE", "/variants/TEE-L", &Value::Null).send().await;
    last.expect_problem(409, "invalid_state");
    assert_eq!(Shop::stocks(&shop.read(&tee).await.body), [("TEE-L", 3)]);
    let order = admin.read(&format!("/orders/{order}")).await;
    assert_eq!(order["lines"][0]["sku"], "TEE-S", "an order keeps its own words");
}

#[tokio::test]
async fn taken_sku_is_refused_whoever_has_it() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    shop.product("MUG", 1).await;
    for taken in ["MUG", "TEE-L", "TEE-S"] {
        let refused = shop.change("POST", &at(&tee), &json!({ "sku": taken })).send().await;
        assert_eq!(refused.expect_problem(409, "duplicate_sku").body["sku"], taken);
    }
    for taken in ["MUG", "TEE-L"] {
        let refused = shop.change("PATCH", "/variants/TEE-S", &json!({ "sku": taken })).send().await;
        assert_eq!(refused.expect_problem(409, "duplicate_sku").body["sku"], taken);
    }
    assert_eq!(shop.read(&tee).await.body["version"], 1, "a refusal changes nothing");
    assert_eq!(shop.figures("TEE-S").await, [5, 5, 0, 0]);
    shop.change("PATCH", "/variants/TEE-S", &json!({ "sku": "TEE-S" })).send().await.expect(200);
}

#[tokio::test]
async fn hundred_variants_are_enough() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants: Vec<Value> = (0..100).map(|number| json!({ "sku": format!("V-{number}") })).collect();
    let body = json!({ "name": "Tee", "price": 1, "currency": "EUR", "variants": variants });
    let tee = shop.make(&body).await;
    let refused = shop.change("POST", &at(&tee), &json!({ "sku": "V-100" })).send().await;
    refused.expect_problem(409, "limit_exceeded");
    shop.change("DELETE", "/variants/V-7", &Value::Null).send().await.expect(204);
    shop.change("POST", &at(&tee), &json!({ "sku": "V-100" })).send().await.expect(201);
}

#[tokio::test]
async fn variants_are_changed_only_at_the_version_that_was_read() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    let stale = shop.read(&tee).await.header("etag").to_owned();
    let added =
        shop.change("POST", &at(&tee), &json!({ "sku": "A" })).header("If-Match", &stale).send().await;
    let fresh = added.expect(201).header("etag").to_owned();

    for (method, path, body) in [
        ("POST", at(&tee), json!({ "sku": "B" })),
        ("PATCH", "/variants/A".to_owned(), json!({ "name": "A" })),
        ("DELETE", "/variants/A".to_owned(), Value::Null),
    ] {
        let refused = shop.change(method, &path, &body).header("If-Match", &stale).send().await;
        assert_eq!(refused.expect_problem(412, "version_mismatch").body["version"], 2);
    }
    shop.change("DELETE", "/variants/A", &Value::Null).header("If-Match", &fresh).send().await.expect(204);
    let read = || shop.client.get("/variants/TEE-S");
    let tag = read().send().await.expect(200).header("etag").to_owned();
    read().header("If-None-Match", &tag).send().await.expect(304);
}

#[tokio::test]
async fn variants_are_for_admins_and_wrong_fields_are_named() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    let customer = crate::tokens::customer(1);
    for (method, path, body) in [
        ("POST", at(&tee), json!({ "sku": "B" })),
        ("PATCH", "/variants/TEE-S".to_owned(), json!({ "name": "A" })),
        ("DELETE", "/variants/TEE-S".to_owned(), Value::Null),
        ("PUT", format!("/products/{}", tee.id), json!({ "name": "A", "price": 1, "currency": "EUR" })),
    ] {
        let ask = || {
            let ask = shop.client.ask(method, &path);
            if body.is_null() { ask } else { ask.json(&body) }
        };
        ask().send().await.expect_problem(401, "unauthenticated");
        ask().token(&customer).send().await.expect_problem(403, "forbidden");
    }

    let wrong = json!({ "sku": "with space", "name": "", "attributes": [], "price_adjustment": "1", "initial_stock": -1 });
    let refused =
        shop.change("POST", &at(&tee), &wrong).send().await.expect_problem(422, "validation_failed");
    let mut fields = refused.wrong_fields();
    fields.sort_unstable();
    assert_eq!(fields, ["attributes", "initial_stock", "name", "price_adjustment", "sku"]);
    let fixed = json!({ "initial_stock": 5, "sku": null });
    let refused =
        shop.change("PATCH", "/variants/TEE-S", &fixed).send().await.expect_problem(422, "validation_failed");
    let codes: Vec<_> =
        refused.body["errors"].as_array().expect("errors").iter().map(|it| &it["code"]).collect();
    assert_eq!(
        (refused.wrong_fields(), codes),
        (vec!["initial_stock", "sku"], vec![&json!("fixed"), &json!("required")])
    );
    let unknown = json!({ "version": 3 });
    shop.change("PATCH", "/variants/TEE-S", &unknown).send().await.expect_problem(422, "validation_failed");
    for path in ["/variants/NONE", "/variants/with%20space"] {
        shop.change("PATCH", path, &json!({})).send().await.expect_problem(404, "not_found");
        shop.change("DELETE", path, &Value::Null).send().await.expect_problem(404, "not_found");
        shop.client.get(path).send().await.expect_problem(404, "not_found");
    }
    let nowhere = "/products/prod_01936f5e-7a5c-7000-8000-000000000000/variants";
    shop.change("POST", nowhere, &json!({ "sku": "B" })).send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn variant_of_a_draft_is_for_admins() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.make(&json!({ "name": "A", "price": 1, "currency": "EUR", "status": "draft", "sku": "SOON" })).await;
    shop.client.get("/variants/SOON").send().await.expect_problem(404, "not_found");
    shop.client.get("/variants/SOON").token(&shop.admin).send().await.expect(200);
}

#[tokio::test]
async fn cart_line_of_a_removed_variant_is_not_sold_and_can_be_taken_out() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([{ "sku": "A", "initial_stock": 5 }, { "sku": "B", "initial_stock": 5 }]);
    let body = json!({ "name": "Tee", "price": 1, "currency": "EUR", "reserve_on": "checkout", "variants": variants });
    shop.make(&body).await;
    let guest = Person::guest(&shop, 1);
    guest.add("A", 1).await;
    guest.add("B", 2).await;
    shop.change("DELETE", "/variants/A", &Value::Null).send().await.expect(204);

    let refused = guest.post("/orders", &json!({ "email": "a@example.org" })).send().await;
    let refused = refused.expect_problem(404, "not_found");
    assert_eq!(
        (&refused.body["lines"][0]["index"], refused.body["lines"].as_array().map(Vec::len)),
        (&json!(0), Some(1))
    );
    let add = json!({ "sku": "A", "quantity": 1 });
    guest.post("/cart/items", &add).send().await.expect_problem(404, "not_found");
    let cart = guest.read("/cart").await;
    assert_eq!((&cart["lines"][0]["sku"], &cart["subtotal"]), (&Value::Null, &json!(2)));

    let cart = guest.delete("/cart/items/A").send().await.expect(200).body;
    let skus: Vec<_> = cart["lines"].as_array().expect("lines").iter().map(|line| &line["sku"]).collect();
    assert_eq!(skus, ["B"]);
    guest.post("/orders", &json!({ "email": "a@example.org" })).send().await.expect(201);
    assert_eq!(shop.figures("B").await, [5, 3, 2, 0]);
}

#[tokio::test]
async fn cart_line_of_a_removed_variant_goes_by_its_old_sku_whoever_has_that_now() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([{ "sku": "A", "initial_stock": 5 }, { "sku": "B", "initial_stock": 5 }]);
    let body = json!({ "name": "Tee", "price": 1, "currency": "EUR", "reserve_on": "checkout", "variants": variants });
    shop.make(&body).await;
    let guests = [1, 2, 3].map(|number| Person::guest(&shop, number));
    for guest in &guests {
        guest.add("A", 1).await;
    }
    shop.change("DELETE", "/variants/A", &Value::Null).send().await.expect(204);
    let [first, second, third] = &guests;

    let none = json!({ "quantity": 0 });
    let cart = first.put("/cart/items/A", &none).send().await.expect(200).body;
    assert_eq!(cart["lines"], json!([]));
    first.put("/cart/items/A", &none).send().await.expect_problem(404, "not_found");
    first.put("/cart/items/A", &json!({ "quantity": 1 })).send().await.expect_problem(404, "not_found");

    shop.product("A", 1).await;
    let cart = second.delete("/cart/items/A").send().await.expect(200).body;
    assert_eq!(cart["lines"], json!([]));
    second.delete("/cart/items/A").send().await.expect_problem(404, "not_found");
    let cart = third.put("/cart/items/A", &none).send().await.expect(200).body;
    assert_eq!(cart["lines"], json!([]));
    assert_eq!(third.put("/cart/items/A", &none).send().await.expect(200).body["lines"], json!([]));
}

#[tokio::test]
async fn held_cart_line_keeps_its_variant_and_a_renamed_one_is_found() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    tee(&shop).await;
    let guest = Person::guest(&shop, 1);
    guest.add("TEE-S", 2).await;
    shop.change("DELETE", "/variants/TEE-S", &Value::Null).send().await.expect_problem(409, "in_use");
    shop.change("PATCH", "/variants/TEE-S", &json!({ "sku": "SMALL" })).send().await.expect(200);
    assert_eq!(guest.read("/cart").await["lines"][0]["sku"], "SMALL");
    let cart = guest.put("/cart/items/SMALL", &json!({ "quantity": 1 })).send().await.expect(200).body;
    assert_eq!(cart["lines"][0]["quantity"], 1);
    assert_eq!(shop.figures("SMALL").await, [5, 4, 1, 0]);
    guest.delete("/cart/items/SMALL").send().await.expect(200);
    shop.change("DELETE", "/variants/SMALL", &Value::Null).send().await.expect(204);
}

#[tokio::test]
async fn cursor_of_a_ledger_does_not_lead_into_another() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = tee(&shop).await;
    let adjust = json!({ "delta": 9, "reason": "received" });
    for sku in ["TEE-S", "TEE-S", "TEE-L"] {
        shop.change("POST", &format!("/inventory/{sku}/adjustments"), &adjust).send().await.expect(201);
    }
    let page = |query: String| {
        let path = format!("/inventory/TEE-S/movements?limit=1{query}");
        shop.client.get(&path).token(&shop.admin).send()
    };
    let first = page(String::new()).await.expect(200).body;
    let cursor = format!("&cursor={}", first["next_cursor"].as_str().expect("there is more"));
    page(cursor.clone()).await.expect(200);

    shop.change("PATCH", "/variants/TEE-S", &json!({ "sku": "OTHER" })).send().await.expect(200);
    shop.change("PATCH", "/variants/TEE-L", &json!({ "sku": "TEE-S" })).send().await.expect(200);
    page(cursor).await.expect_problem(400, "malformed_request");
    page(String::new()).await.expect(200);
    let moved = shop.read(&tee).await.body;
    assert_eq!(Shop::stocks(&moved), [("OTHER", 23), ("TEE-S", 12)]);
    for sku in ["OTHER", "TEE-S"] {
        shop.expect_books(sku).await;
    }
}
