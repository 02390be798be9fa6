//! Refresh tokens over HTTP, kill -9 included; and that secrets are nowhere to be found.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::client::{Answer, Client};
use crate::server::{Folder, Server};

const EMAIL: &str = "ada@example.test";
const PASSWORD: &str = "correct horse battery";

async fn register(client: &Client) {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    client.post("/auth/register", &body).send().await.expect(201);
}

/// A refresh token of a new session.
async fn log_in(client: &Client) -> String {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    refresh_token(&client.post("/auth/login", &body).send().await.expect(200))
}

fn refresh_token(answer: &Answer) -> String {
    answer.body["refresh_token"].as_str().expect("it is text").to_owned()
}

async fn refresh(client: &Client, token: &str, key: Option<&str>) -> Answer {
    let ask = client.post("/auth/refresh", &json!({ "refresh_token": token }));
    match key {
        Some(key) => ask.key(key).send().await,
        None => ask.send().await,
    }
}

#[tokio::test]
async fn each_refresh_gives_a_new_pair_and_reuse_ends_the_session_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    register(&client).await;
    let first = log_in(&client).await;
    let other = log_in(&client).await;
    let pair = refresh(&client, &first, None).await.expect(200);
    let second = refresh_token(&pair);
    assert_ne!(second, first);
    let access = pair.body["access_token"].as_str().expect("it is text");
    client.get("/auth/me").token(access).send().await.expect(200);
    server.kill();

    let server = folder.start();
    let client = Client::of(&server);
    let third = refresh_token(&refresh(&client, &second, None).await.expect(200));
    let reused = refresh(&client, &first, None).await.expect_problem(401, "unauthenticated");
    assert_ne!(reused.header("journal-position"), "", "the end of the session is a fact");
    server.kill();

    let server = folder.start();
    let client = Client::of(&server);
    refresh(&client, &third, None).await.expect_problem(401, "unauthenticated");
    refresh(&client, &other, None).await.expect(200);
}

#[tokio::test]
async fn retry_with_a_key_gets_the_same_refresh_token_also_after_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    register(&client).await;
    let first = log_in(&client).await;
    let pair = refresh(&client, &first, Some("k")).await.expect(200);
    assert!(!pair.is_replayed());
    server.kill();

    let server = folder.start();
    let client = Client::of(&server);
    let again = refresh(&client, &first, Some("k")).await.expect(200);
    assert!(again.is_replayed());
    assert_eq!(refresh_token(&again), refresh_token(&pair));
    let third = refresh_token(&refresh(&client, &refresh_token(&again), None).await.expect(200));
    // Its answer was used: now the same is a copy in somebody else's hands.
    refresh(&client, &first, Some("k")).await.expect_problem(401, "unauthenticated");
    refresh(&client, &third, None).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn retry_with_another_key_is_reuse() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    register(&client).await;
    let first = log_in(&client).await;
    refresh(&client, &first, Some("k")).await.expect(200);
    refresh(&client, &first, Some("another")).await.expect_problem(401, "unauthenticated");
    refresh(&client, &first, Some("k")).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn logout_ends_the_session_and_may_be_said_again() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    register(&client).await;
    let token = log_in(&client).await;
    let logout =
        async |token: &str| client.post("/auth/logout", &json!({ "refresh_token": token })).send().await;
    logout(&token).await.expect(204);
    refresh(&client, &token, None).await.expect_problem(401, "unauthenticated");
    logout(&token).await.expect(204);
    logout("hfr_nonsense").await.expect(204);
    for path in ["/auth/logout", "/auth/refresh"] {
        for body in [json!({}), json!({ "refresh_token": 1 }), json!({ "refresh_token": "" })] {
            let refused = client.post(path, &body).send().await.expect_problem(422, "validation_failed");
            assert_eq!(refused.wrong_fields(), ["refresh_token"]);
        }
    }
    let refused = refresh(&client, "hfr_nonsense", None).await.expect_problem(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn no_password_and_no_token_is_in_the_journal_or_the_log() {
    let folder = Folder::new();
    let mut serve = folder.serve();
    serve.env("RUST_LOG", "trace");
    let server = Server::start(serve);
    let client = Client::of(&server);
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    client.post("/auth/register", &body).key("k").send().await.expect(201);
    let pair = client.post("/auth/login", &body).send().await.expect(200);
    let first = refresh_token(&pair);
    let second = refresh_token(&refresh(&client, &first, Some("k")).await.expect(200));
    refresh(&client, &first, None).await.expect_problem(401, "unauthenticated");
    let access = pair.body["access_token"].as_str().expect("it is text").to_owned();
    client.get("/auth/me").token(&access).send().await.expect(200);
    let ended = server.terminate().expect_code(0);
    let mut kept = ended.stderr.into_bytes();
    kept.extend(ended.stdout.into_bytes());
    read_all(&folder.data(), &mut kept);
    assert!(contains(&kept, EMAIL), "the account is in the journal");
    for secret in [PASSWORD, &first, &second, &access] {
        assert!(!contains(&kept, secret), "{secret}");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn read_all(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).expect("it is ours") {
        let path = entry.expect("it is ours").path();
        if path.is_dir() {
            read_all(&path, bytes);
        } else if path.is_file() {
            bytes.extend(fs::read(&path).expect("it is ours"));
        }
    }
}
