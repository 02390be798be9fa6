//! `PUT /products/{id}`: the whole product, its variants with it.

use serde_json::{Value, json};

use crate::person::Person;
use crate::server::Folder;
use crate::shop::{Product, Shop};

fn at(product: &Product) -> String {
    format!("/products/{}", product.id)
}

fn body(variants: &Value) -> Value {
    json!({ "name": "Tee", "price": 1_000, "currency": "EUR", "variants": variants })
}

#[tokio::test]
async fn put_replaces_everything_and_what_is_absent_takes_its_default() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let whole = json!({
        "name": "Mug", "price": 100, "currency": "EUR", "sku": "MUG", "description": "Blue.", "initial_stock": 5,
        "attributes": { "glaze": "ash" }, "per_order_limit": 2, "per_customer_limit": 3, "status": "archived",
        "reserve_on": "checkout", "reservation_ttl_seconds": 60,
    });
    let mug = shop.make(&whole).await;
    let before = shop.read(&mug).await.body;

    let body = json!({ "name": "Cup", "price": 120, "currency": "USD" });
    let put = shop.change("PUT", &at(&mug), &body).send().await.expect(200);

    let mut expected = before.clone();
    for (member, value) in [
        ("name", json!("Cup")),
        ("price", json!(120)),
        ("currency", json!("USD")),
        ("description", Value::Null),
        ("attributes", json!({})),
        ("per_order_limit", Value::Null),
        ("per_customer_limit", Value::Null),
        ("status", json!("active")),
        ("reserve_on", json!("cart")),
        ("reservation_ttl_seconds", Value::Null),
        ("version", json!(2)),
        ("updated_at", put.body["updated_at"].clone()),
    ] {
        expected[member] = value;
    }
    expected["variants"][0]["price"] = json!(120);
    assert_eq!(put.body, expected, "sku, units and age stay");
    assert_ne!(put.header("journal-position"), "");
    let read = shop.read(&mug).await;
    assert_eq!((&read.body, read.header("etag")), (&put.body, put.header("etag")));
    shop.change("PUT", &at(&mug), &body).send().await.expect(200);
    assert_eq!(shop.read(&mug).await.body["version"], 2, "the same again changes nothing");
    let mut renamed = body.clone();
    renamed["sku"] = json!("CUP");
    assert_eq!(shop.change("PUT", &at(&mug), &renamed).send().await.expect(200).body["sku"], "CUP");
    assert_eq!(shop.figures("CUP").await, [5, 5, 0, 0]);
    shop.client.get("/inventory/MUG").send().await.expect_problem(404, "not_found");
    shop.product("MUG", 1).await;
}

#[tokio::test]
async fn variants_are_matched_by_sku_in_one_version() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([
        { "sku": "S", "name": "S", "attributes": { "a": 1 }, "initial_stock": 5 },
        { "sku": "M", "initial_stock": 4 },
    ]);
    let tee = shop.make(&body(&variants)).await;

    let variants = json!([{ "sku": "XL", "price_adjustment": 5, "initial_stock": 7 }, { "sku": "S" }, { "sku": "L", "initial_stock": 0 }]);
    let put = shop.change("PUT", &at(&tee), &body(&variants)).send().await.expect(200).body;

    assert_eq!(Shop::stocks(&put), [("S", 5), ("XL", 7), ("L", 0)]);
    assert_eq!((&put["version"], &put["variants"][0]["name"]), (&json!(2), &Value::Null));
    assert_eq!(put["variants"][0]["attributes"], json!({}));
    shop.client.get("/inventory/M").send().await.expect_problem(404, "not_found");
    shop.expect_books("XL").await;
    shop.product("M", 1).await;
}

#[tokio::test]
async fn put_is_all_or_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = shop
        .make(&body(&json!([{ "sku": "S", "initial_stock": 5 }, { "sku": "M", "initial_stock": 4 }])))
        .await;
    shop.product("MUG", 1).await;
    Person::guest(&shop, 1).reserve(&[("M", 1)], 600).await;
    let before = shop.read(&tee).await;
    let put = |body: Value| shop.change("PUT", &at(&tee), &body).send();

    put(body(&json!([{ "sku": "S", "name": "other" }, { "sku": "L" }]))).await.expect_problem(409, "in_use");
    put(body(&Value::Null)).await.expect_problem(409, "in_use");
    let taken = put(body(&json!([{ "sku": "S" }, { "sku": "M" }, { "sku": "NEW" }, { "sku": "MUG" }]))).await;
    assert_eq!(taken.expect_problem(409, "duplicate_sku").body["sku"], "MUG");
    let stocked = json!([{ "sku": "S", "initial_stock": 0 }, { "sku": "NEW", "initial_stock": 1 }, { "sku": "M", "initial_stock": 9 }]);
    let fixed = put(body(&stocked)).await.expect_problem(422, "validation_failed");
    assert_eq!(fixed.wrong_fields(), ["variants[0].initial_stock", "variants[2].initial_stock"]);
    assert_eq!(fixed.body["errors"][0]["code"], "fixed");
    let twins =
        put(body(&json!([{ "sku": "S" }, { "sku": "S" }]))).await.expect_problem(422, "validation_failed");
    assert_eq!(twins.wrong_fields(), ["variants[1].sku"]);
    let bare = put(json!({ "variants": [{}], "color": 1 })).await.expect_problem(422, "validation_failed");
    assert_eq!(bare.wrong_fields(), ["color"]);
    let bare = put(json!({ "variants": [{}] })).await.expect_problem(422, "validation_failed");
    assert_eq!(bare.wrong_fields(), ["variants[0].sku", "name", "price", "currency"]);

    let after = shop.read(&tee).await;
    assert_eq!((&after.body, after.header("etag")), (&before.body, before.header("etag")));
    shop.client.get("/inventory/NEW").send().await.expect_problem(404, "not_found");
    shop.product("NEW", 1).await;
}

#[tokio::test]
async fn product_loses_its_options_and_gets_them_back() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let tee = shop
        .make(&body(&json!([{ "sku": "S", "initial_stock": 5 }, { "sku": "M", "initial_stock": 4 }])))
        .await;

    let mut plain = body(&json!([]));
    plain["sku"] = json!("M");
    let put = shop.change("PUT", &at(&tee), &plain).send().await.expect(200).body;
    assert_eq!((&put["sku"], Shop::stocks(&put)), (&json!("M"), vec![("M", 4)]));

    plain["initial_stock"] = json!(3);
    let fixed = shop.change("PUT", &at(&tee), &plain).send().await.expect_problem(422, "validation_failed");
    assert_eq!(fixed.wrong_fields(), ["initial_stock"]);

    let variants = json!([{ "sku": "M" }, { "sku": "S", "initial_stock": 1 }]);
    let put = shop.change("PUT", &at(&tee), &body(&variants)).send().await.expect(200).body;
    assert_eq!((&put["sku"], Shop::stocks(&put)), (&Value::Null, vec![("M", 4), ("S", 1)]));

    let put = shop.change("PUT", &at(&tee), &body(&Value::Null)).send().await.expect(200).body;
    assert_eq!((&put["sku"], Shop::stocks(&put)), (&json!(tee.id), vec![(tee.id.as_str(), 0)]));
    shop.purchase(&tee, 1).send().await.expect_problem(409, "insufficient_stock");
}

#[tokio::test]
async fn put_insists_on_the_version_that_was_read() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let tag = shop.read(&mug).await.header("etag").to_owned();
    shop.purchase(&mug, 1).send().await.expect(201);
    let put = |name: &str, tag: &str| {
        let body = json!({ "name": name, "price": 1, "currency": "EUR" });
        shop.change("PUT", &at(&mug), &body).header("If-Match", tag).send()
    };
    put("Cup", &tag).await.expect(200);
    let refused = put("Bowl", &tag).await.expect_problem(412, "version_mismatch");
    assert_eq!(refused.body["version"], 2);
    put("Bowl", "*").await.expect(200);
    let delete = |tag: &str| shop.client.delete(&at(&mug)).token(&shop.admin).header("If-Match", tag).send();
    delete(&tag).await.expect_problem(412, "version_mismatch");
    delete("*").await.expect_problem(409, "in_use");
    let nowhere = "/products/prod_01936f5e-7a5c-7000-8000-000000000000";
    let body = json!({ "name": "A", "price": 1, "currency": "EUR" });
    shop.change("PUT", nowhere, &body).send().await.expect_problem(404, "not_found");
    shop.change("PUT", "/products/none", &body).send().await.expect_problem(404, "not_found");
}
