//! A guest who logs in keeps their cart, with the units that are held for it.

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::person::Person;
use crate::server::{Folder, Server};
use crate::shop::Shop;

const EMAIL: &str = "buyer@example.test";
const PASSWORD: &str = "correct horse battery";

/// A server with a customer who can log in.
async fn with_account(folder: &Folder) -> Server {
    let server = folder.start();
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let made = Client::of(&server).post("/auth/register", &body).send().await;
    assert!([201, 409].contains(&made.status), "made, or there since before a restart: {}", made.text);
    server
}

async fn log_in(shop: &Shop, header: &str, session: &str, password: &str) -> Answer {
    let body = json!({ "email": EMAIL, "password": password });
    shop.client.post("/auth/login", &body).header(header, session).send().await
}

/// The caller that a login is answered for.
fn person(shop: &Shop, login: &Answer) -> Person {
    Person::with_token(shop, login.body["access_token"].as_str().expect("a login has a token"))
}

fn told(cart: &Value) -> Vec<(String, u64, Value)> {
    let line = |line: &Value| {
        let sku = line["sku"].as_str().expect("a line has a sku").to_owned();
        (sku, line["quantity"].as_u64().expect("and units"), line["reservation"]["status"].clone())
    };
    cart["lines"].as_array().expect("a cart has lines").iter().map(line).collect()
}

fn active(sku: &str, quantity: u64) -> (String, u64, Value) {
    (sku.to_owned(), quantity, json!("active"))
}

#[tokio::test]
async fn cart_of_the_session_becomes_the_customers_by_header_or_by_cookie() {
    let folder = Folder::new();
    let server = with_account(&folder).await;
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    shop.product("CUP", 5).await;
    let (by_header, by_cookie) = (Person::guest(&shop, 1), Person::guest(&shop, 2));
    by_header.add("MUG", 2).await;
    by_cookie.add("MUG", 3).await;
    by_cookie.add("CUP", 1).await;
    assert_eq!(shop.figures("MUG").await, [5, 0, 5, 0]);

    let wrong = log_in(&shop, "X-Session-ID", "session-of-guest-00001", "wrong horse battery").await;
    wrong.expect_problem(401, "invalid_credentials");
    assert_eq!(
        told(&by_header.read("/cart").await),
        [active("MUG", 2)],
        "who does not get in keeps their cart"
    );

    let login = log_in(&shop, "X-Session-ID", "session-of-guest-00001", PASSWORD).await.expect(200);
    let customer = person(&shop, &login);
    assert_eq!(told(&customer.read("/cart").await), [active("MUG", 2)]);
    assert_eq!(told(&by_header.read("/cart").await), []);
    assert_eq!(shop.figures("MUG").await, [5, 0, 5, 0], "the units were held all the time");

    log_in(&shop, "Cookie", "session_id=session-of-guest-00002", PASSWORD).await.expect(200);
    assert_eq!(
        told(&customer.read("/cart").await),
        [active("MUG", 5), active("CUP", 1)],
        "quantities add up"
    );
    assert_eq!(told(&by_cookie.read("/cart").await), []);
    assert_eq!(shop.figures("MUG").await, [5, 0, 5, 0]);

    log_in(&shop, "X-Session-ID", "session-of-guest-00001", PASSWORD).await.expect(200);
    assert_eq!(
        told(&customer.read("/cart").await),
        [active("MUG", 5), active("CUP", 1)],
        "an empty one adds nothing"
    );
    log_in(&shop, "X-Session-ID", "short", PASSWORD).await.expect_problem(400, "malformed_request");
    let order = customer.post("/orders", &json!({})).send().await.expect(201).body;
    assert_eq!(order["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(shop.figures("MUG").await, [5, 0, 5, 0]);
    customer.pay(&order, "tok_ok").send().await.expect(200);
    assert_eq!(shop.figures("MUG").await, [5, 0, 0, 5]);
    shop.expect_books("MUG").await;
}

#[tokio::test]
async fn merged_cart_outlives_kill_minus_9() {
    let folder = Folder::new();
    let server = with_account(&folder).await;
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    Person::guest(&shop, 1).add("MUG", 2).await;
    let login = log_in(&shop, "X-Session-ID", "session-of-guest-00001", PASSWORD).await.expect(200);
    let before = person(&shop, &login).read("/cart").await;
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    assert_eq!(person(&shop, &login).read("/cart").await, before);
    assert_eq!(told(&Person::guest(&shop, 1).read("/cart").await), []);
    assert_eq!(shop.figures("MUG").await, [5, 3, 2, 0]);
}

#[tokio::test]
async fn guest_goes_on_with_a_new_cart_after_the_merge() {
    let folder = Folder::new();
    let server = with_account(&folder).await;
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let guest = Person::guest(&shop, 1);
    let old = guest.add("MUG", 1).await;
    log_in(&shop, "X-Session-ID", "session-of-guest-00001", PASSWORD).await.expect(200);
    let new = guest.add("MUG", 2).await;
    assert_ne!(old["id"], new["id"]);
    assert_eq!(told(&new), [active("MUG", 2)]);
    assert_eq!(shop.figures("MUG").await, [5, 2, 3, 0]);
}
