//! Products: made, read, changed and taken away, field by field.

use serde_json::{Value, json};

use crate::client::{expect_id, expect_members, expect_moment};
use crate::server::Folder;
use crate::shop::Shop;

const PRODUCT: [&str; 18] = [
    "id",
    "sku",
    "name",
    "description",
    "status",
    "price",
    "currency",
    "category_ids",
    "attributes",
    "reserve_on",
    "reservation_ttl_seconds",
    "per_order_limit",
    "per_customer_limit",
    "available",
    "variants",
    "version",
    "created_at",
    "updated_at",
];
const VARIANT: [&str; 6] = ["sku", "name", "attributes", "price_adjustment", "price", "available"];

/// What a client may know beforehand: all but the id and the moments.
fn known(product: &Value) -> Value {
    let mut known = product.clone();
    for member in ["id", "created_at", "updated_at"] {
        known.as_object_mut().expect("a product is an object").remove(member);
    }
    known
}

#[tokio::test]
async fn product_of_three_fields_gets_the_defaults_and_a_sku_of_its_own() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);

    let body = json!({ "name": "Mug", "price": 0, "currency": "JPY" });
    let made = shop.client.post("/products", &body).token(&shop.admin).send().await.expect(201);

    expect_members(&made.body, &PRODUCT);
    expect_members(&made.body["variants"][0], &VARIANT);
    expect_id(&made.body["id"], "prod_");
    expect_moment(&made.body["created_at"]);
    assert_eq!(made.body["updated_at"], made.body["created_at"]);
    let id = made.body["id"].as_str().expect("it is an id").to_owned();
    let variant = json!({ "sku": id, "name": null, "attributes": {}, "price_adjustment": 0, "price": 0, "available": 0 });
    let expected = json!({
        "sku": id, "name": "Mug", "description": null, "status": "active", "price": 0, "currency": "JPY",
        "category_ids": [], "attributes": {}, "reserve_on": "cart", "reservation_ttl_seconds": null,
        "per_order_limit": null, "per_customer_limit": null, "available": 0, "variants": [variant], "version": 1,
    });
    assert_eq!(known(&made.body), expected);
    assert_eq!(made.header("location"), format!("/api/v1/products/{id}"));
    assert_ne!(made.header("etag"), "");
    assert_ne!(made.header("journal-position"), "");

    let found = shop.client.ask_root("GET", made.header("location")).send().await.expect(200);
    assert_eq!((&found.body, found.header("etag")), (&made.body, made.header("etag")));
    assert_eq!(shop.figures(&id).await, [0; 4]);
}

#[tokio::test]
async fn product_of_all_fields_reads_as_it_was_made() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({
        "name": "Jacke „Fjord“ 🧥", "price": 14_900, "currency": "EUR", "description": "Drei Lagen.\nDicht.",
        "attributes": { "material": "wool", "care": ["cold", { "iron": false }], "weight": 1.5 },
        "status": "active", "reserve_on": "checkout", "reservation_ttl_seconds": 3600, "per_order_limit": 5,
        "per_customer_limit": 1_000_000, "category_ids": [],
        "variants": [
            { "sku": "F.S_1-a", "name": "S", "attributes": { "size": "S" }, "price_adjustment": -100, "initial_stock": 3 },
            { "sku": "F.L", "initial_stock": 4 },
        ],
    });

    let made = shop.client.post("/products", &body).token(&shop.admin).send().await.expect(201);

    let mut expected = body.clone();
    expected["sku"] = Value::Null;
    expected["available"] = json!(7);
    expected["version"] = json!(1);
    expected["variants"] = json!([
        { "sku": "F.S_1-a", "name": "S", "attributes": { "size": "S" }, "price_adjustment": -100, "price": 14_800,
          "available": 3 },
        { "sku": "F.L", "name": null, "attributes": {}, "price_adjustment": 0, "price": 14_900, "available": 4 },
    ]);
    assert_eq!(known(&made.body), expected);
    let id = made.body["id"].clone();
    assert_eq!(shop.inventory("F.L").await["product_id"], id);
    shop.expect_books("F.S_1-a").await;
}

#[tokio::test]
async fn taken_sku_is_refused_until_its_product_is_deleted() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let first = shop.product("ONE", 0).await;
    let variants = json!([{ "sku": "TWO" }, { "sku": "ONE" }]);
    let body = json!({ "name": "Other", "price": 1, "currency": "EUR", "variants": variants });

    let make = || shop.client.post("/products", &body).token(&shop.admin).send();
    let refused = make().await.expect_problem(409, "duplicate_sku");
    assert_eq!(refused.body["sku"], "ONE");
    shop.client.get("/inventory/TWO").send().await.expect_problem(404, "not_found");

    shop.client.delete(&format!("/products/{}", first.id)).token(&shop.admin).send().await.expect(204);
    make().await.expect(201);
}

#[tokio::test]
async fn patch_changes_what_it_names_and_nothing_else() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({
        "name": "Mug", "price": 100, "currency": "EUR", "sku": "MUG", "description": "Blue.", "initial_stock": 5,
        "attributes": { "glaze": "ash", "size": { "ml": 300, "oz": 10 } }, "per_order_limit": 2,
    });
    let mug = shop.make(&body).await;
    let before = shop.read(&mug).await.body;
    let path = format!("/products/{}", mug.id);

    let patch =
        json!({ "price": 120, "description": null, "attributes": { "glaze": null, "size": { "oz": null } } });
    let changed = shop.client.patch(&path, &patch).token(&shop.admin).send().await.expect(200);

    let mut expected = before.clone();
    expected["price"] = json!(120);
    expected["variants"][0]["price"] = json!(120);
    expected["description"] = Value::Null;
    expected["attributes"] = json!({ "size": { "ml": 300 } });
    expected["version"] = json!(2);
    expected["updated_at"] = changed.body["updated_at"].clone();
    assert_eq!(changed.body, expected);
    assert!(changed.body["updated_at"].as_str() >= before["updated_at"].as_str());
    assert_ne!(changed.header("journal-position"), "");
    assert_eq!(shop.read(&mug).await.body, changed.body);
    assert_eq!(shop.purchase(&mug, 1).send().await.expect(201).body["unit_price"], 120);

    let fixed = json!({ "sku": "NEW", "initial_stock": 9, "variants": [] });
    let refused = shop.client.patch(&path, &fixed).token(&shop.admin).send().await;
    let refused = refused.expect_problem(422, "validation_failed");
    assert_eq!(refused.wrong_fields(), ["initial_stock"]);
    assert_eq!(refused.body["errors"][0]["code"], "fixed");
}

#[tokio::test]
async fn merge_patch_media_type_is_understood() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 0).await;

    let ask = shop.client.ask("PATCH", &format!("/products/{}", mug.id)).token(&shop.admin);
    let ask = ask.header("Content-Type", "application/merge-patch+json").body(r#"{"name":"Cup"}"#);
    assert_eq!(ask.send().await.expect(200).body["name"], "Cup");
}

#[tokio::test]
async fn deleted_product_is_gone_and_a_sold_one_stays() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (idle, sold) = (shop.product("IDLE", 3).await, shop.product("SOLD", 3).await);
    shop.purchase(&sold, 1).send().await.expect(201);
    let delete = |id: &str| shop.client.delete(&format!("/products/{id}")).token(&shop.admin).send();

    delete(&sold.id).await.expect_problem(409, "in_use");
    assert_eq!(shop.figures("SOLD").await, [3, 2, 0, 1]);

    let gone = delete(&idle.id).await.expect(204);
    assert_eq!(gone.text, "");
    assert_ne!(gone.header("journal-position"), "");
    delete(&idle.id).await.expect_problem(404, "not_found");
    for path in [format!("/products/{}", idle.id), "/inventory/IDLE".to_owned()] {
        shop.client.get(&path).send().await.expect_problem(404, "not_found");
    }
    shop.purchase(&idle, 1).send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn draft_is_seen_by_admins_alone() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let draft = json!({ "name": "Soon", "price": 1, "currency": "EUR", "sku": "SOON", "status": "draft" });
    let draft = shop.make(&draft).await;
    let customer = crate::tokens::customer(1);

    for path in [format!("/products/{}", draft.id), "/inventory/SOON".to_owned()] {
        shop.client.get(&path).send().await.expect_problem(404, "not_found");
        shop.client.get(&path).token(&customer).send().await.expect_problem(404, "not_found");
        shop.client.get(&path).token(&shop.admin).send().await.expect(200);
    }
    let patch = json!({ "status": "active" });
    let path = format!("/products/{}", draft.id);
    shop.client.patch(&path, &patch).token(&shop.admin).send().await.expect(200);
    shop.client.get(&path).send().await.expect(200);
}

#[tokio::test]
async fn everything_reads_the_same_after_a_restart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (kept, gone) = (shop.product("KEPT", 9).await, shop.product("GONE", 1).await);
    shop.purchase(&kept, 2).send().await.expect(201);
    let patch = json!({ "name": "Renamed", "attributes": { "b": 1, "a": 2 } });
    shop.client.patch(&format!("/products/{}", kept.id), &patch).token(&shop.admin).send().await.expect(200);
    shop.client.delete(&format!("/products/{}", gone.id)).token(&shop.admin).send().await.expect(204);
    let before = (shop.read(&kept).await, shop.inventory("KEPT").await, shop.movements("KEPT").await);
    assert!(server.terminate().status.success());

    let server = folder.start();
    let shop = Shop::of(&server);

    let after = (shop.read(&kept).await, shop.inventory("KEPT").await, shop.movements("KEPT").await);
    assert_eq!((&before.0.text, before.0.header("etag")), (&after.0.text, after.0.header("etag")));
    assert_eq!((before.1, before.2), (after.1, after.2));
    shop.client.get(&format!("/products/{}", gone.id)).send().await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn query_parameter_of_a_route_that_has_none_is_refused_and_nothing_is_done() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1).await;
    let before = shop.read(&mug).await.text;
    let at = format!("/products/{}", mug.id);
    let all = json!({ "name": "Cup", "price": 1, "currency": "EUR" });
    for (method, path, body) in [
        ("GET", at.clone(), Value::Null),
        ("PUT", at.clone(), all.clone()),
        ("PATCH", at.clone(), json!({ "name": "Cup" })),
        ("DELETE", at.clone(), Value::Null),
        ("POST", "/products".to_owned(), all),
        ("POST", format!("{at}/variants"), json!({ "sku": "CUP" })),
        ("GET", "/variants/MUG".to_owned(), Value::Null),
        ("PATCH", "/variants/MUG".to_owned(), json!({ "sku": "CUP" })),
        ("DELETE", "/variants/MUG".to_owned(), Value::Null),
        ("POST", "/categories".to_owned(), json!({ "name": "Cups", "slug": "cups" })),
    ] {
        let refused = shop.change(method, &format!("{path}?force=true"), &body).send().await;
        assert_eq!(refused.status, 400, "{method} {path}: {}", refused.text);
        refused.expect_problem(400, "malformed_request");
    }
    assert_eq!(shop.read(&mug).await.text, before);
    shop.client.get("/products?include=total").send().await.expect(200);
    shop.client.get("/variants/CUP").send().await.expect_problem(404, "not_found");
    shop.client.get("/categories/cups").send().await.expect_problem(404, "not_found");
}
