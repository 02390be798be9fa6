//! Retries of everything that reservations, carts and orders can be told: done once, answered the same, after a crash
//! and while the first is still running.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::{Answer, Ask};
use crate::person::{Person, at, to_lines};
use crate::server::Folder;
use crate::shop::Shop;

/// Something that was asked with a key: how to ask it again, and what was answered.
struct Asked {
    method: &'static str,
    path: String,
    body: Option<Value>,
    is_admin: bool,
    key: String,
    answer: Answer,
}

/// Everything that was asked.
#[derive(Default)]
struct Diary(Vec<Asked>);

impl Diary {
    /// Asks something with a key of its own, and notes the answer.
    async fn ask(&mut self, shop: &Shop, method: &'static str, path: &str, body: Option<Value>) -> Value {
        self.ask_as(shop, false, method, path, body).await
    }

    async fn ask_as(
        &mut self,
        shop: &Shop,
        is_admin: bool,
        method: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let key = format!("key {}", self.0.len());
        let answer = ask(shop, is_admin, method, path, body.as_ref()).key(&key).send().await;
        assert!(!answer.is_replayed(), "{method} {path}");
        let told = answer.body.clone();
        self.0.push(Asked { method, path: path.to_owned(), body, is_admin, key, answer });
        told
    }

    /// Asks everything again: the same answers, and nothing is done.
    async fn ask_all_again(&self, shop: &Shop) {
        for asked in &self.0 {
            let Asked { method, path, body, is_admin, key, answer } = asked;
            let again = ask(shop, *is_admin, method, path, body.as_ref()).key(key).send().await;
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
                first["request_id"] = Value::Null;
                second["request_id"] = Value::Null;
            }
            assert_eq!(second, first, "{method} {path}");
        }
    }

    /// The same keys with other requests.
    async fn misuse_all(&self, shop: &Shop) {
        for Asked { is_admin, key, .. } in &self.0 {
            let body = json!({ "sku": "MUG", "quantity": 9 });
            let misused = ask(shop, *is_admin, "POST", "/cart/items", Some(&body)).key(key).send().await;
            misused.expect_problem(422, "idempotency_key_reused");
        }
    }
}

fn ask(shop: &Shop, is_admin: bool, method: &str, path: &str, body: Option<&Value>) -> Ask {
    let person = if is_admin { Person::admin(shop) } else { Person::customer(shop, 1) };
    match (method, body) {
        ("POST", Some(body)) => person.post(path, body),
        ("POST", None) => person.tell(path),
        ("PUT", Some(body)) => person.put(path, body),
        ("DELETE", None) => person.delete(path),
        other => panic!("no write here is {other:?}"),
    }
}

async fn fill(diary: &mut Diary, shop: &Shop) {
    let lines = |quantity: u32| json!({ "lines": to_lines(&[("MUG", quantity)]), "ttl_seconds": 600 });
    let held = diary.ask(shop, "POST", "/reservations", Some(lines(2))).await;
    let extend = format!("{}/extend", at(&held));
    diary.ask(shop, "POST", &extend, Some(json!({ "ttl_seconds": 900 }))).await;
    diary.ask(shop, "POST", &format!("{}/confirm", at(&held)), None).await;
    diary.ask(shop, "POST", &extend, Some(json!({ "ttl_seconds": 900 }))).await;
    let held = diary.ask(shop, "POST", "/reservations", Some(lines(3))).await;
    diary.ask(shop, "POST", &format!("{}/release", at(&held)), Some(json!({}))).await;
    diary.ask(shop, "POST", "/reservations", Some(lines(1_000))).await;

    diary.ask(shop, "POST", "/cart/items", Some(json!({ "sku": "MUG", "quantity": 2 }))).await;
    diary.ask(shop, "POST", "/cart/items", Some(json!({ "sku": "MUG", "quantity": 1_000 }))).await;
    diary.ask(shop, "PUT", "/cart/items/CUP", Some(json!({ "quantity": 4 }))).await;
    diary.ask(shop, "DELETE", "/cart/items/MUG", None).await;
    diary.ask(shop, "DELETE", "/cart", None).await;
    diary.ask(shop, "POST", "/cart/items", Some(json!({ "sku": "CUP", "quantity": 1 }))).await;
    let placed = diary.ask(shop, "POST", "/orders", Some(json!({ "ttl_seconds": 600 }))).await;
    diary.ask(shop, "POST", "/orders", Some(json!({}))).await;
    let token = |token: &str| json!({ "method": "simulated", "token": token });
    diary.ask(shop, "POST", &format!("{}/pay", at(&placed)), Some(token("tok_ok"))).await;
    diary.ask_as(shop, true, "POST", &format!("{}/fulfill", at(&placed)), None).await;
    let placed = diary.ask(shop, "POST", "/orders", Some(lines(1))).await;
    let reference = json!({ "payment_reference": "wire" });
    diary.ask_as(shop, true, "POST", &format!("{}/confirm", at(&placed)), Some(reference)).await;
    diary.ask(shop, "POST", &format!("{}/cancel", at(&placed)), None).await;
    diary
        .ask_as(shop, true, "POST", &format!("{}/cancel", at(&placed)), Some(json!({ "reason": "lost" })))
        .await;
    let mut at_once = lines(1);
    at_once["payment"] = token("tok_declined");
    diary.ask(shop, "POST", "/orders", Some(at_once)).await;
}

#[tokio::test]
async fn every_write_with_a_key_is_done_once_and_answered_the_same_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 50).await;
    shop.product("CUP", 50).await;
    let mut diary = Diary::default();
    fill(&mut diary, &shop).await;
    let statuses: Vec<u16> = diary.0.iter().map(|asked| asked.answer.status).collect();
    let expected = [
        201, 200, 200, 409, 201, 200, 409, 201, 409, 200, 200, 204, 201, 201, 409, 200, 200, 201, 200, 409,
        200, 402,
    ];
    assert_eq!(statuses, expected, "the diary is the one that was meant");
    let books = async |shop: &Shop| (shop.figures("MUG").await, shop.figures("CUP").await);
    let before = books(&shop).await;

    diary.ask_all_again(&shop).await;
    diary.misuse_all(&shop).await;
    assert_eq!(books(&shop).await, before);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    diary.ask_all_again(&shop).await;
    diary.misuse_all(&shop).await;
    assert_eq!(books(&shop).await, before);
    for sku in ["MUG", "CUP"] {
        shop.expect_books(sku).await;
    }
}

#[tokio::test]
async fn twenty_at_once_with_one_key_are_one() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let customer = Person::customer(&shop, 1);
    let order = customer.order(&[("MUG", 1)], 60).await;
    let held = customer.reserve(&[("MUG", 1)], 60).await;
    let payment = json!({ "method": "simulated", "token": "tok_ok" });
    let paid = json!({ "lines": to_lines(&[("MUG", 1)]), "payment": payment });
    for (path, body, status) in [
        ("/reservations".to_owned(), json!({ "lines": to_lines(&[("MUG", 1)]) }), 201),
        ("/cart/items".to_owned(), json!({ "sku": "MUG", "quantity": 1 }), 201),
        ("/orders".to_owned(), paid, 201),
        (format!("{}/pay", at(&order)), payment.clone(), 200),
        (format!("{}/confirm", at(&held)), json!({}), 200),
    ] {
        let answers = join_all((0..20).map(|_| customer.post(&path, &body).key(&path).send())).await;
        let texts: BTreeSet<_> = answers.iter().map(|answer| (answer.status, answer.text.clone())).collect();
        assert_eq!(texts.len(), 1, "{path}: {texts:?}");
        assert_eq!(answers[0].status, status, "{path}: {}", answers[0].text);
        assert_eq!(answers.iter().filter(|answer| !answer.is_replayed()).count(), 1, "{path}");
    }
    assert_eq!(shop.figures("MUG").await, [100, 95, 2, 3]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn key_belongs_to_its_caller() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 100).await;
    let people =
        [Person::guest(&shop, 1), Person::guest(&shop, 2), Person::customer(&shop, 1), Person::admin(&shop)];
    for person in &people {
        let body = json!({ "lines": to_lines(&[("MUG", 1)]) });
        let made = person.post("/reservations", &body).key("k").send().await.expect(201);
        assert!(!made.is_replayed());
    }
    assert_eq!(shop.figures("MUG").await, [100, 96, 4, 0]);
}
