//! Every write on products and variants with a key, asked again after `kill -9`; and what a restart brings back.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::person::Person;
use crate::server::Folder;
use crate::shop::Shop;

/// Something that was asked with a key, and what was answered.
struct Asked {
    method: &'static str,
    path: String,
    body: Value,
    answer: Answer,
}

async fn fill(shop: &Shop) -> (String, Vec<Asked>) {
    let product = shop.product("MUG", 5).await.id;
    let (product_at, variants_at) = (format!("/products/{product}"), format!("/products/{product}/variants"));
    let put = |variants: Value| json!({ "name": "Mug", "price": 9, "currency": "EUR", "variants": variants });
    let asks = [
        ("POST", variants_at.clone(), json!({ "sku": "B", "initial_stock": 3 }), 201),
        ("POST", variants_at, json!({ "sku": "MUG" }), 409),
        ("POST", "/inventory/B/adjustments".to_owned(), json!({ "delta": 2, "reason": "received" }), 201),
        ("POST", "/inventory/B/counts".to_owned(), json!({ "on_hand": 4 }), 200),
        ("PATCH", "/variants/B".to_owned(), json!({ "sku": "C", "name": "C" }), 200),
        ("DELETE", "/variants/MUG".to_owned(), Value::Null, 204),
        ("DELETE", "/variants/C".to_owned(), Value::Null, 409),
        ("PUT", product_at.clone(), put(json!([{ "sku": "D", "initial_stock": 4 }, { "sku": "C" }])), 200),
        ("PUT", product_at.clone(), put(json!([{ "sku": "D", "initial_stock": 4 }])), 422),
        ("PATCH", product_at.clone(), json!({ "variants": [{ "sku": "D" }, { "sku": "E" }] }), 200),
        ("PATCH", product_at.clone(), json!({ "sku": "F" }), 409),
        ("PUT", product_at.clone(), put(Value::Null), 200),
        ("PATCH", product_at, json!({ "sku": "F" }), 200),
    ];
    let mut diary = Vec::new();
    for (number, (method, path, body, status)) in asks.into_iter().enumerate() {
        let answer = shop.change(method, &path, &body).key(&format!("key {number}")).send().await;
        assert_eq!(
            (answer.status, answer.is_replayed()),
            (status, false),
            "{method} {path}: {}",
            answer.text
        );
        diary.push(Asked { method, path, body, answer });
    }
    (product, diary)
}

async fn ask_all_again(shop: &Shop, diary: &[Asked]) {
    for (number, Asked { method, path, body, answer }) in diary.iter().enumerate() {
        let again = shop.change(method, path, body).key(&format!("key {number}")).send().await;
        assert_eq!(
            (again.status, again.is_replayed()),
            (answer.status, true),
            "{method} {path}: {}",
            again.text
        );
        for header in ["etag", "location", "journal-position"] {
            assert_eq!(again.header(header), answer.header(header), "{method} {path}: {header}");
        }
        let (mut first, mut second) = (answer.body.clone(), again.body);
        if answer.status >= 400 {
            (first["request_id"], second["request_id"]) = (Value::Null, Value::Null);
        }
        assert_eq!(second, first, "{method} {path}");
        let other = shop.change("POST", "/products", &json!({ "name": "A", "price": 1, "currency": "EUR" }));
        other.key(&format!("key {number}")).send().await.expect_problem(422, "idempotency_key_reused");
    }
}

#[tokio::test]
async fn writes_on_variants_are_done_once_and_answered_the_same_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (product, diary) = fill(&shop).await;
    let path = format!("/products/{product}");
    let before = shop.client.get(&path).send().await.expect(200);
    ask_all_again(&shop, &diary).await;
    assert_eq!(shop.client.get(&path).send().await.expect(200).text, before.text);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    ask_all_again(&shop, &diary).await;
    let after = shop.client.get(&path).send().await.expect(200);
    assert_eq!((&after.text, after.header("etag")), (&before.text, before.header("etag")));
    shop.expect_books("F").await;
    for sku in ["MUG", "B", "C", "D", "E", &product] {
        shop.client.get(&format!("/variants/{sku}")).send().await.expect_problem(404, "not_found");
    }
    shop.product("MUG", 1).await;
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn variants_and_what_is_held_of_them_come_back_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([{ "sku": "A", "initial_stock": 5 }, { "sku": "B", "initial_stock": 5 }]);
    let body = json!({ "name": "Tee", "price": 1, "currency": "EUR", "variants": variants });
    let tee = shop.make(&body).await;
    let guest = Person::guest(&shop, 1);
    let order = guest.order(&[("A", 1)], 600).await;
    guest.pay(&order, "tok_ok").send().await.expect(200);
    Person::admin(&shop).tell(&format!("{}/fulfill", crate::person::at(&order))).send().await.expect(200);
    shop.change("DELETE", "/variants/A", &Value::Null).send().await.expect(204);
    let added = json!({ "sku": "A", "initial_stock": 9 });
    shop.change("POST", &format!("/products/{}/variants", tee.id), &added).send().await.expect(201);
    guest.reserve(&[("A", 2), ("B", 1)], 600).await;
    let before = shop.read(&tee).await;
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    let after = shop.read(&tee).await;
    assert_eq!((&after.text, after.header("etag")), (&before.text, before.header("etag")));
    assert_eq!(shop.figures("A").await, [9, 7, 2, 0]);
    assert_eq!(shop.figures("B").await, [5, 4, 1, 0]);
    shop.expect_books("A").await;
    shop.change("DELETE", "/variants/A", &Value::Null).send().await.expect_problem(409, "in_use");
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}
