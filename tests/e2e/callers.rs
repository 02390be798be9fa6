//! Who may do what: tokens, roles, passwords.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Ask};
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::tokens;

const EMAIL: &str = "Admin@Example.test";
const PASSWORD: &str = "correct horse battery";

/// Every call that only an admin may make.
fn admin_calls(shop: &Shop, product: &str) -> Vec<(String, Ask)> {
    let new = json!({ "name": "New", "price": 1, "currency": "EUR" });
    let product = format!("/products/{product}");
    let order = "/orders/ord_01936f5e-7a5c-7000-8000-000000000000";
    let hold = json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let adjust = json!({ "sku": "MUG", "adjust": { "delta": 5, "reason": "other" } });
    [
        (Method::POST, "/products", new),
        (Method::PATCH, &product, json!({ "name": "Taken" })),
        (Method::DELETE, &product, Value::Null),
        (Method::POST, "/inventory/MUG/adjustments", json!({ "delta": 5, "reason": "other" })),
        (Method::POST, "/inventory/MUG/counts", json!({ "on_hand": 5 })),
        (Method::GET, "/inventory/MUG/movements", Value::Null),
        (Method::POST, "/inventory/batch", json!({ "mode": "atomic", "operations": [adjust] })),
        (Method::POST, "/reservations/batch", json!({ "reservations": [hold] })),
        (Method::POST, &format!("{order}/confirm"), json!({})),
        (Method::POST, &format!("{order}/fulfill"), json!({})),
    ]
    .into_iter()
    .map(|(method, path, body)| {
        let ask = shop.client.ask(method.as_str(), path);
        (format!("{method} {path}"), if body.is_null() { ask } else { ask.json(&body) })
    })
    .collect()
}

#[tokio::test]
async fn admins_routes_are_closed_to_everybody_else() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let before = (shop.read(&mug).await.body, shop.inventory("MUG").await, shop.movements("MUG").await);

    for (call, ask) in admin_calls(&shop, &mug.id) {
        let refused = ask.send().await.expect_problem(401, "unauthenticated");
        assert_eq!(refused.header("www-authenticate"), "Bearer", "{call}");
    }
    for (_, ask) in admin_calls(&shop, &mug.id) {
        ask.session("a-guest-session-0001").send().await.expect_problem(401, "unauthenticated");
    }
    for (_, ask) in admin_calls(&shop, &mug.id) {
        ask.token(&tokens::customer(1)).send().await.expect_problem(403, "forbidden");
    }
    for (_, ask) in admin_calls(&shop, &mug.id) {
        ask.token(&tokens::foreign()).send().await.expect_problem(401, "unauthenticated");
    }
    for (_, ask) in admin_calls(&shop, &mug.id) {
        ask.token(&tokens::expired()).send().await.expect_problem(401, "token_expired");
    }
    let after = (shop.read(&mug).await.body, shop.inventory("MUG").await, shop.movements("MUG").await);
    assert_eq!(before, after);
}

#[tokio::test]
async fn token_that_was_tampered_with_is_believed_nowhere() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;

    for (what, token) in tokens::forged() {
        for path in ["/products", "/variants/MUG", "/categories", "/cart"] {
            let open = shop.client.get(path).token(&token).send().await;
            assert_eq!(open.status, 401, "{what} at {path}: {}", open.text);
        }
        let open = shop.client.get("/inventory/MUG").token(&token).send().await;
        assert_eq!(open.status, 401, "{what} at an open route: {}", open.text);
        open.expect_problem(401, "unauthenticated");
        let body = json!({ "delta": 5, "reason": "other" });
        let closed = shop.client.post("/inventory/MUG/adjustments", &body).token(&token).send().await;
        closed.expect_problem(401, "unauthenticated");
        let sold = shop.purchase(&mug, 1).token(&token).session("a-guest-session-0001").send().await;
        sold.expect_problem(401, "unauthenticated");
    }
    for scheme in ["Basic YTpi", "Bearer", "Bearer ", &tokens::admin(), "bearer"] {
        let refused = shop.client.get("/inventory/MUG").header("Authorization", scheme).send().await;
        refused.expect_problem(401, "unauthenticated");
    }
    let lower = format!("bearer {}", tokens::admin());
    shop.client.get("/inventory/MUG").header("Authorization", &lower).send().await.expect(200);
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
}

#[tokio::test]
async fn customer_may_buy_and_so_may_an_admin() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 1).token(&tokens::customer(1)).send().await.expect(201);
    shop.purchase(&mug, 1).token(&shop.admin).send().await.expect(201);
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
}

fn with_admin(folder: &Folder) -> Server {
    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_ADMIN_EMAIL", EMAIL).env("HOLDFAST_ADMIN_PASSWORD", PASSWORD);
    Server::start(serve)
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    shop.client.post("/auth/login", &body).send().await
}

#[tokio::test]
async fn first_admin_logs_in_with_a_token_that_works() {
    let folder = Folder::new();
    let server = with_admin(&folder);
    let shop = Shop::of(&server);

    let tokens = log_in(&shop, EMAIL, PASSWORD).await.expect(200);

    assert_eq!((&tokens.body["token_type"], &tokens.body["expires_in"]), (&json!("Bearer"), &json!(900)));
    let token = tokens.body["access_token"].as_str().expect("it is text");
    let body = json!({ "name": "Mug", "price": 1, "currency": "EUR", "sku": "MUG", "initial_stock": 1 });
    shop.client.post("/products", &body).token(token).send().await.expect(201);
    log_in(&shop, "admin@EXAMPLE.test", PASSWORD).await.expect(200);
    drop(server);

    // With an admin there already, the settings make no second one and change no password.
    let mut serve = folder.serve_empty();
    serve
        .env("HOLDFAST_ADMIN_EMAIL", "other@example.test")
        .env("HOLDFAST_ADMIN_PASSWORD", "another password");
    let server = Server::start(serve);
    let shop = Shop::of(&server);
    log_in(&shop, EMAIL, PASSWORD).await.expect(200);
    let refused = log_in(&shop, "other@example.test", "another password").await;
    refused.expect_problem(401, "invalid_credentials");
    shop.client.get("/inventory/MUG/movements").token(token).send().await.expect(200);
}

#[tokio::test]
async fn customer_who_has_the_first_admins_address_stays_a_customer_and_the_log_says_so() {
    let folder = Folder::new();
    let server = Server::start(folder.serve_empty());
    let body = json!({ "email": EMAIL, "password": "a stranger's password" });
    Shop::of(&server).client.post("/auth/register", &body).send().await.expect(201);
    server.terminate().expect_code(0);

    let server = with_admin(&folder);
    server.wait_for_stderr("there is no admin");
    let shop = Shop::of(&server);
    log_in(&shop, EMAIL, PASSWORD).await.expect_problem(401, "invalid_credentials");
    let pair = log_in(&shop, EMAIL, "a stranger's password").await.expect(200);
    let token = pair.body["access_token"].as_str().expect("it is text");
    shop.client.get("/users").token(token).send().await.expect_problem(403, "forbidden");
    assert!(!server.stderr().contains("made the first admin"), "{}", server.stderr());
}

#[tokio::test]
async fn wrong_password_and_unknown_user_read_the_same() {
    let folder = Folder::new();
    let server = with_admin(&folder);
    let shop = Shop::of(&server);

    let wrong = log_in(&shop, EMAIL, "wrong horse battery").await.expect_problem(401, "invalid_credentials");
    let unknown =
        log_in(&shop, "nobody@example.test", PASSWORD).await.expect_problem(401, "invalid_credentials");

    let without_id = |answer: &Answer| {
        let mut body = answer.body.clone();
        body["request_id"] = Value::Null;
        body
    };
    assert_eq!(without_id(&wrong), without_id(&unknown));
    let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(names(&wrong), names(&unknown));
}

#[tokio::test]
async fn login_checks_its_form() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    for (body, field) in [
        (json!({ "password": "x" }), "email"),
        (json!({ "email": "a@b.test" }), "password"),
        (json!({ "email": 1, "password": "x" }), "email"),
        (json!({ "email": "a@b.test", "password": "" }), "password"),
        (json!({ "email": "a@b.test", "password": "x".repeat(513) }), "password"),
        (json!({ "email": "a@b.test", "password": "x", "role": "admin" }), "role"),
    ] {
        let refused = shop.client.post("/auth/login", &body).send().await;
        assert_eq!(refused.expect_problem(422, "validation_failed").wrong_fields(), [field]);
    }
    let body = json!({ "email": "a@b.test", "password": "x" });
    let refused = shop.client.post("/auth/login", &body).key(&"k".repeat(256)).send().await;
    refused.expect_problem(400, "malformed_request");
}
