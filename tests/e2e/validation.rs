//! Strictness: what is not exactly right is refused, names its field, and changes nothing.

use serde_json::{Value, json};

use crate::server::Folder;
use crate::shop::Shop;

/// Everything that is no quantity, as JSON text.
const NO_QUANTITIES: [&str; 24] = [
    "0",
    "-1",
    "-0",
    "1.0",
    "1.5",
    "1e2",
    "1E0",
    "1e-1",
    "0.1",
    "\"1\"",
    "\"\"",
    "true",
    "false",
    "null",
    "[]",
    "[1]",
    "{}",
    "1000001",
    "4294967296",
    "4294967297",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551617",
    "1e999",
];

#[tokio::test]
async fn quantity_is_a_whole_number_from_1_to_a_million() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1_000_000).await;
    let path = format!("/products/{}/purchase", mug.id);
    let buy = |body: String| shop.client.ask("POST", &path).text(body).send();

    for quantity in NO_QUANTITIES {
        let refused = buy(format!("{{\"quantity\":{quantity}}}")).await;
        // A number beyond every float is no JSON to the parser; either way it is not sold.
        if quantity == "1e999" && refused.status == 400 {
            refused.expect_problem(400, "malformed_json");
            continue;
        }
        assert_eq!(refused.status, 422, "{quantity}: {}", refused.text);
        assert_eq!(
            refused.expect_problem(422, "validation_failed").wrong_fields(),
            ["quantity"],
            "{quantity}"
        );
    }
    assert_eq!(
        buy("{}".to_owned()).await.expect_problem(422, "validation_failed").wrong_fields(),
        ["quantity"]
    );
    assert_eq!(shop.figures("MUG").await, [1_000_000, 1_000_000, 0, 0]);
    assert_eq!(shop.movements("MUG").await.len(), 1, "nothing but the receipt");

    buy("{\"quantity\":1000000}".to_owned()).await.expect(201);
    assert_eq!(shop.figures("MUG").await, [1_000_000, 0, 0, 1_000_000]);
}

#[tokio::test]
async fn body_has_the_fields_it_may_have_and_each_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let path = format!("/products/{}/purchase", mug.id);
    for (body, field) in [
        (r#"{"quantity":1,"price":1}"#, "price"),
        (r#"{"quantity":1,"Quantity":1}"#, "Quantity"),
        (r#"{"quantity":1,"quantity":2}"#, "quantity"),
        (r#"{"quantity":1,"sku":7}"#, "sku"),
        (r#"{"quantity":1,"sku":""}"#, "sku"),
        (r#"{"quantity":1,"sku":"a b"}"#, "sku"),
        (r#"{"quantity":1,"sku":"ä"}"#, "sku"),
        (&format!(r#"{{"quantity":1,"sku":"{}"}}"#, "a".repeat(65)), "sku"),
        ("[1]", ""),
        ("[]", ""),
        ("1", ""),
        ("null", ""),
        ("\"quantity\"", ""),
    ] {
        let refused = shop.client.ask("POST", &path).text(body.to_owned()).send().await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{body}");
    }
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
    let sold = shop.client.ask("POST", &path).text(r#"{"quantity":1,"sku":null}"#).send().await;
    sold.expect(201);
}

#[tokio::test]
async fn one_answer_names_every_wrong_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({
        "name": "", "price": -1, "currency": "EURO", "sku": "a b", "status": "new", "reserve_on": "never",
        "reservation_ttl_seconds": 3601, "per_order_limit": 0, "per_customer_limit": "2", "initial_stock": -1,
        "attributes": [], "description": 5, "category_ids": ["cat_1"],
    });
    let refused = shop.client.post("/products", &body).token(&shop.admin).send().await;
    let refused = refused.expect_problem(422, "validation_failed");
    let mut fields = refused.wrong_fields();
    fields.sort_unstable();
    let expected = [
        "attributes",
        "category_ids[0]",
        "currency",
        "description",
        "initial_stock",
        "name",
        "per_customer_limit",
        "per_order_limit",
        "price",
        "reservation_ttl_seconds",
        "reserve_on",
        "sku",
        "status",
    ];
    assert_eq!(fields, expected);
}

fn product_with(member: &str, value: Value) -> Value {
    let mut body = json!({ "name": "Mug", "price": 1, "currency": "EUR" });
    body[member] = value;
    body
}

#[tokio::test]
async fn product_is_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (long_name, long_text) = ("n".repeat(201), "t".repeat(10_001));
    let big = json!({ "blob": "b".repeat(9_000) });
    let cases = [
        ("name", json!(null), "name"),
        ("name", json!(long_name), "name"),
        ("name", json!("a\u{0}b"), "name"),
        ("price", json!(1.5), "price"),
        ("price", json!("1"), "price"),
        ("price", json!(9_007_199_254_740_993_i64), "price"),
        ("currency", json!("eur"), "currency"),
        ("currency", json!("XXQ"), "currency"),
        ("description", json!(long_text), "description"),
        ("attributes", big, "attributes"),
        ("initial_stock", json!(1_000_001), "initial_stock"),
        ("initial_stock", json!(1.0), "initial_stock"),
        ("reservation_ttl_seconds", json!(0), "reservation_ttl_seconds"),
        ("per_order_limit", json!(1_000_001), "per_order_limit"),
        ("variants", json!([]), "variants"),
        ("variants", json!([{}]), "variants[0].sku"),
        ("variants", json!([{ "sku": "A" }, { "sku": "A" }]), "variants[1].sku"),
        ("variants", json!([{ "sku": "A", "initial_stock": -1 }]), "variants[0].initial_stock"),
        ("variants", json!([{ "sku": "A", "stock": 1 }]), "variants[0].stock"),
        ("variants", json!([[]]), "variants[0]"),
        ("id", json!("prod_01936f5e-7a5c-7000-8000-000000000000"), "id"),
        ("version", json!(1), "version"),
        ("category_ids", json!(["cat_01936f5e-7a5c-7000-8000-000000000000"]), "category_ids[0]"),
    ];
    for (member, value, field) in cases {
        let body = product_with(member, value);
        let refused = shop.client.post("/products", &body).token(&shop.admin).send().await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{body}");
    }
    let listed = shop.client.get("/products").token(&shop.admin).send().await.expect(200);
    assert_eq!(listed.body["data"], json!([]), "none was made");
}

#[tokio::test]
async fn patch_is_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let before = shop.read(&mug).await;
    for (patch, field) in [
        (json!({ "name": null }), "name"),
        (json!({ "price": -1 }), "price"),
        (json!({ "status": "sold" }), "status"),
        (json!({ "per_order_limit": 0 }), "per_order_limit"),
        (json!({ "available": 9 }), "available"),
        (json!({ "attributes": 1 }), "attributes"),
    ] {
        let ask = shop.client.patch(&format!("/products/{}", mug.id), &patch).token(&shop.admin);
        let refused = ask.send().await.expect_problem(422, "validation_failed");
        assert_eq!(refused.wrong_fields(), [field], "{patch}");
    }
    assert_eq!(shop.read(&mug).await.text, before.text);
}

#[tokio::test]
async fn adjustments_and_counts_are_checked_field_by_field() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let cases = [
        ("adjustments", json!({ "delta": 0, "reason": "other" }), "delta"),
        ("adjustments", json!({ "delta": 1.0, "reason": "other" }), "delta"),
        ("adjustments", json!({ "delta": "1", "reason": "other" }), "delta"),
        ("adjustments", json!({ "delta": 1_000_001, "reason": "other" }), "delta"),
        ("adjustments", json!({ "reason": "other" }), "delta"),
        ("adjustments", json!({ "delta": 1 }), "reason"),
        ("adjustments", json!({ "delta": 1, "reason": "theft" }), "reason"),
        ("adjustments", json!({ "delta": 1, "reason": "other", "note": "" }), "note"),
        ("adjustments", json!({ "delta": 1, "reason": "other", "by": "me" }), "by"),
        ("counts", json!({}), "on_hand"),
        ("counts", json!({ "on_hand": -1 }), "on_hand"),
        ("counts", json!({ "on_hand": 1.5 }), "on_hand"),
        ("counts", json!({ "on_hand": 4_294_967_296_i64 }), "on_hand"),
        ("counts", json!({ "on_hand": 1, "expected": "5" }), "expected"),
    ];
    for (what, body, field) in cases {
        let path = format!("/inventory/MUG/{what}");
        let refused = shop.client.post(&path, &body).token(&shop.admin).send().await;
        assert_eq!(refused.status, 422, "{what} {body}: {}", refused.text);
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field], "{what} {body}");
    }
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
    assert_eq!(shop.movements("MUG").await.len(), 1);
}

#[tokio::test]
async fn stock_cannot_grow_beyond_what_the_books_hold() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let post = |what: &str, body: Value| {
        shop.client.post(&format!("/inventory/MUG/{what}"), &body).token(&shop.admin).send()
    };
    post("counts", json!({ "on_hand": 4_294_967_295_u32 })).await.expect(200);
    let refused = post("adjustments", json!({ "delta": 1, "reason": "received" })).await;
    refused.expect_problem(422, "validation_failed");
    assert_eq!(shop.figures("MUG").await, [4_294_967_295, 4_294_967_295, 0, 0]);
    shop.expect_books("MUG").await;
}
