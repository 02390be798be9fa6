//! PATCH of a product's sku and variants: a merge patch, where a list is replaced as a whole.

use serde_json::{Value, json};

use crate::server::Folder;
use crate::shop::{Product, Shop};

fn at(product: &Product) -> String {
    format!("/products/{}", product.id)
}

#[tokio::test]
async fn sku_of_a_product_without_options_is_patched_and_the_rest_stays() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    shop.product("TAKEN", 1).await;
    shop.change("PATCH", "/variants/MUG", &json!({ "name": "one size" })).send().await.expect(200);
    let patch = |body: Value| shop.change("PATCH", &at(&mug), &body).send();

    let changed = patch(json!({ "sku": "CUP", "price": 7 })).await.expect(200).body;

    assert_eq!(
        (&changed["sku"], &changed["price"], &changed["version"]),
        (&json!("CUP"), &json!(7), &json!(3))
    );
    assert_eq!((&changed["name"], &changed["variants"][0]["name"]), (&json!("MUG"), &json!("one size")));
    assert_eq!(shop.figures("CUP").await, [5, 5, 0, 0]);
    assert_eq!(
        patch(json!({ "sku": "TAKEN" })).await.expect_problem(409, "duplicate_sku").body["sku"],
        "TAKEN"
    );
    assert_eq!(patch(json!({ "sku": null })).await.expect(200).body["sku"], mug.id);
    let beside = patch(json!({ "sku": "A", "variants": [{ "sku": "B" }] })).await;
    assert_eq!(beside.expect_problem(422, "validation_failed").wrong_fields(), ["sku"]);
}

#[tokio::test]
async fn list_of_variants_is_replaced_and_null_takes_the_options_away() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let tag = shop.read(&mug).await.header("etag").to_owned();
    let patch = |body: Value| shop.change("PATCH", &at(&mug), &body);

    let list =
        json!({ "variants": [{ "sku": "MUG", "name": "old" }, { "sku": "MUG-2", "initial_stock": 2 }] });
    let changed = patch(list.clone()).header("If-Match", &tag).send().await.expect(200).body;
    assert_eq!((&changed["sku"], Shop::stocks(&changed)), (&Value::Null, vec![("MUG", 5), ("MUG-2", 2)]));
    assert_eq!(changed["name"], "MUG");
    patch(list.clone()).header("If-Match", &tag).send().await.expect_problem(412, "version_mismatch");
    let fixed = patch(list).send().await.expect_problem(422, "validation_failed");
    assert_eq!(fixed.wrong_fields(), ["variants[1].initial_stock"]);
    patch(json!({ "sku": "NEW" })).send().await.expect_problem(409, "invalid_state");

    let one = patch(json!({ "variants": [{ "sku": "MUG" }] })).send().await.expect(200).body;
    assert_eq!((&one["sku"], Shop::stocks(&one)), (&Value::Null, vec![("MUG", 5)]));
    let plain = patch(json!({ "variants": null })).send().await.expect(200).body;
    assert_eq!((&plain["sku"], Shop::stocks(&plain)), (&json!("MUG"), vec![("MUG", 5)]));
    assert_eq!(plain["version"], 4);
    let wrong = patch(json!({ "variants": [{ "sku": "A" }, { "sku": "A", "price": 3 }] })).send().await;
    assert_eq!(wrong.expect_problem(422, "validation_failed").wrong_fields(), ["variants[1].price"]);
}

#[tokio::test]
async fn null_takes_all_attributes_away() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({ "name": "Mug", "price": 1, "currency": "EUR", "attributes": { "glaze": "ash" } });
    let mug = shop.make(&body).await;
    let patch = json!({ "attributes": null });
    assert_eq!(
        shop.change("PATCH", &at(&mug), &patch).send().await.expect(200).body["attributes"],
        json!({})
    );
    let whole = json!({ "name": "Mug", "price": 1, "currency": "EUR", "attributes": null });
    shop.change("PUT", &at(&mug), &whole).send().await.expect(200);
}
