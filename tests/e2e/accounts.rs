//! Accounts over HTTP: registration, login, who one is, and what an admin may change.

use serde_json::{Value, json};

use crate::client::{Answer, expect_id, expect_members, expect_moment};
use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

const EMAIL: &str = "ada@example.test";
const PASSWORD: &str = "correct horse battery";
const MEMBERS: [&str; 6] = ["id", "email", "name", "role", "tier", "created_at"];

async fn register(shop: &Shop, body: &Value) -> Answer {
    shop.client.post("/auth/register", body).send().await
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Answer {
    shop.client.post("/auth/login", &json!({ "email": email, "password": password })).send().await
}

async fn me(shop: &Shop, token: &str) -> Answer {
    shop.client.get("/auth/me").token(token).send().await
}

fn token(answer: &Answer) -> String {
    answer.body["access_token"].as_str().expect("it is text").to_owned()
}

#[tokio::test]
async fn customer_registers_logs_in_and_is_who_they_are_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({ "email": "  Ada@Example.TEST ", "password": PASSWORD, "name": "Ada" });
    let made = register(&shop, &body).await.expect(201);
    expect_members(&made.body, &["user"]);
    let user = &made.body["user"];
    expect_members(user, &MEMBERS);
    expect_id(&user["id"], "usr_");
    expect_moment(&user["created_at"]);
    assert_ne!(made.header("journal-position"), "");
    let told = (&user["email"], &user["name"], &user["role"], &user["tier"]);
    assert_eq!(told, (&json!(EMAIL), &json!("Ada"), &json!("customer"), &json!("standard")));
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    let pair = log_in(&shop, "ADA@example.test", PASSWORD).await.expect(200);
    expect_members(&pair.body, &["access_token", "token_type", "expires_in", "refresh_token"]);
    assert_ne!(pair.header("journal-position"), "");
    let shown = me(&shop, &token(&pair)).await.expect(200);
    assert_eq!(shown.body, *user);
    let taken = register(&shop, &json!({ "email": EMAIL, "password": "another password" })).await;
    taken.expect_problem(409, "email_taken");
    shop.client.get("/auth/me").send().await.expect_problem(401, "unauthenticated");
    let guest = shop.client.get("/auth/me").session("a-guest-session-0001").send().await;
    guest.expect_problem(401, "unauthenticated");
    // Who one is comes before what one wants to know.
    let beyond = shop.client.get("/auth/me").header("Min-Journal-Position", "AAD_________8A").send().await;
    beyond.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn registration_checks_its_form_and_nobody_makes_themselves_an_admin() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let with = |name: &str, value: Value| {
        let mut body = json!({ "email": EMAIL, "password": PASSWORD });
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("role", json!("admin")), "role"),
        (with("tier", json!("gold")), "tier"),
        (with("is_admin", json!(true)), "is_admin"),
        (with("email", Value::Null), "email"),
        (with("email", json!("a@b@c")), "email"),
        (with("email", json!("a@b.test\r\nBcc: x@b.test")), "email"),
        (with("email", json!("a b@c.test")), "email"),
        (with("password", json!("short12")), "password"),
        (with("password", json!("x".repeat(129))), "password"),
        (with("password", json!(12_345_678)), "password"),
        (with("name", json!("")), "name"),
    ] {
        let refused = register(&shop, &body).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.wrong_fields(), [field], "{body}");
    }
    log_in(&shop, EMAIL, PASSWORD).await.expect_problem(401, "invalid_credentials");
    // Characters, not bytes.
    register(&shop, &with("password", json!("å".repeat(128)))).await.expect(201);
    let body = json!({ "email": "eight@example.test", "password": "å".repeat(8) });
    register(&shop, &body).await.expect(201);
}

#[tokio::test]
async fn registration_with_a_key_is_one_also_after_kill_minus_9_and_asks_for_the_password() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let first = shop.client.post("/auth/register", &body).key("k").send().await.expect(201);
    assert!(!first.is_replayed());
    server.kill();
    let server = folder.start();
    let shop = Shop::of(&server);
    let again = shop.client.post("/auth/register", &body).key("k").send().await.expect(201);
    assert!(again.is_replayed());
    assert_eq!(again.body, first.body);
    let stranger = json!({ "email": EMAIL, "password": "a stranger's guess" });
    let refused = shop.client.post("/auth/register", &stranger).key("k").send().await;
    refused.expect_problem(422, "idempotency_key_reused");
    let renamed = json!({ "email": EMAIL, "password": PASSWORD, "name": "Eve" });
    let refused = shop.client.post("/auth/register", &renamed).key("k").send().await;
    refused.expect_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn demoted_admin_is_none_from_the_next_request_on() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let user = register(&shop, &body).await.expect(201).body["user"].clone();
    let path = format!("/users/{}", user["id"].as_str().expect("an id is text"));
    let pair = log_in(&shop, EMAIL, PASSWORD).await.expect(200);
    let hers = token(&pair);
    shop.client.get("/users").token(&hers).send().await.expect_problem(403, "forbidden");

    let patch = |body: Value| shop.client.patch(&path, &body).token(&shop.admin);
    let promoted = patch(json!({ "role": "admin", "tier": "gold" })).header("If-Match", "\"1\"").send().await;
    let promoted = promoted.expect(200);
    assert_eq!((promoted.header("etag"), &promoted.body["version"]), ("\"2\"", &json!(2)));
    shop.client.get("/users").token(&hers).send().await.expect(200);
    assert_eq!(me(&shop, &hers).await.expect(200).body["tier"], "gold");
    let stale = patch(json!({ "role": "customer" })).header("If-Match", "\"1\"").send().await;
    stale.expect_problem(412, "version_mismatch");

    let demoted = patch(json!({ "role": "customer" })).key("d").send().await.expect(200);
    shop.client.get("/users").token(&hers).send().await.expect_problem(403, "forbidden");
    let refresh = json!({ "refresh_token": pair.body["refresh_token"] });
    let ended = shop.client.post("/auth/refresh", &refresh).send().await;
    ended.expect_problem(401, "unauthenticated");
    server.kill();
    let server = folder.start();
    let shop = Shop::of(&server);
    let again = shop.client.patch(&path, &json!({ "role": "customer" })).token(&shop.admin).key("d");
    let again = again.send().await.expect(200);
    assert_eq!((again.is_replayed(), &again.body), (true, &demoted.body));
    shop.client.get("/users").token(&hers).send().await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn last_admin_keeps_the_role_and_wrong_changes_are_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let admin = me(&shop, &shop.admin).await.expect(200).body;
    let path = format!("/users/{}", admin["id"].as_str().expect("an id is text"));
    let patch = |body: Value| shop.client.patch(&path, &body).token(&shop.admin);
    patch(json!({ "role": "customer" })).send().await.expect_problem(409, "invalid_state");
    patch(json!({})).send().await.expect(200);
    for (body, field) in [
        (json!({ "role": "owner" }), "role"),
        (json!({ "tier": 3 }), "tier"),
        (json!({ "password": "x" }), "password"),
    ] {
        assert_eq!(patch(body).send().await.expect_problem(422, "validation_failed").wrong_fields(), [field]);
    }
    for path in ["/users/usr_01936f5e-7a5c-7000-8000-000000000000", "/users/somebody"] {
        let asked = shop.client.patch(path, &json!({ "tier": "gold" })).token(&shop.admin).send().await;
        asked.expect_problem(404, "not_found");
        shop.client.get(path).token(&shop.admin).send().await.expect_problem(404, "not_found");
    }
    let customer = shop.client.patch(&path, &json!({ "tier": "gold" })).token(&tokens::customer(1));
    customer.send().await.expect_problem(403, "forbidden");
    let nobody = tokens::customer(1_000_000);
    let refused = me(&shop, &nobody).await.expect_problem(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    shop.client.get("/products").token(&nobody).send().await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn accounts_are_listed_and_read() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let get = async |path: &str| shop.client.get(path).token(&shop.admin).send().await;
    let mut seen = Vec::new();
    let mut path = "/users?limit=200".to_owned();
    loop {
        let page = get(&path).await.expect(200).body;
        for user in page["data"].as_array().expect("a page has data") {
            expect_members(user, &[&MEMBERS[..], &["version"]].concat());
            seen.push(user["id"].clone());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/users?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 301, "everybody once");
    assert!(seen.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()), "newest first");
    let admins = get("/users?role=admin").await.expect(200).body;
    assert_eq!(admins["data"].as_array().map(Vec::len), Some(1));
    let one = get("/users?email=1007@people.test").await.expect(200).body;
    assert_eq!(one["data"][0]["email"], "1007@people.test");
    assert_eq!(get("/users?email=1007@people.test&role=admin").await.expect(200).body["data"], json!([]));
    let path = format!("/users/{}", one["data"][0]["id"].as_str().expect("an id is text"));
    let read = get(&path).await.expect(200);
    assert_eq!((&read.body, read.header("etag")), (&one["data"][0], "\"1\""));
    let ask = shop.client.get(&path).token(&shop.admin).header("If-None-Match", "\"1\"");
    assert_eq!(ask.send().await.status, 304);
    for query in ["?rolle=admin", "?role=owner", "?limit=0", "?cursor=x"] {
        get(&format!("/users{query}")).await.expect_problem(400, "malformed_request");
    }
    shop.client.get("/users").send().await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn guessing_is_throttled_also_for_the_right_password_and_for_nobody() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    register(&shop, &json!({ "email": EMAIL, "password": PASSWORD })).await.expect(201);
    for email in [EMAIL, "nobody@example.test"] {
        for _ in 0..10 {
            log_in(&shop, email, "a wrong password").await.expect_problem(401, "invalid_credentials");
        }
        let spelt = format!(" {} ", email.to_uppercase());
        for email in [email, &spelt] {
            let refused = log_in(&shop, email, PASSWORD).await.expect_problem(429, "rate_limited");
            let wait: u32 = refused.header("retry-after").parse().expect("it is a number of seconds");
            assert!((1..=901).contains(&wait), "{wait}");
        }
    }
    // Others are not held up.
    let body = json!({ "email": "bob@example.test", "password": PASSWORD });
    register(&shop, &body).await.expect(201);
    log_in(&shop, "bob@example.test", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn right_logins_that_come_together_are_all_let_in() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    register(&shop, &json!({ "email": EMAIL, "password": PASSWORD })).await.expect(201);
    let logins: Vec<_> = (0..15)
        .map(|_| {
            let shop = shop.clone();
            tokio::spawn(async move { log_in(&shop, EMAIL, PASSWORD).await.status })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.expect("a login does not panic"), 200);
    }
}

#[tokio::test]
async fn malformed_key_is_refused_by_every_call_of_auth() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let person = json!({ "email": EMAIL, "password": PASSWORD });
    let token = json!({ "refresh_token": "hfr_none" });
    let calls = [("register", &person), ("login", &person), ("refresh", &token), ("logout", &token)];
    for (call, body) in calls {
        let ask = shop.client.post(&format!("/auth/{call}"), body).key(&"k".repeat(256));
        ask.send().await.expect_problem(400, "malformed_request");
    }
}
