//! How often one caller may ask, and who is one caller.

use crate::client::{Answer, Ask};
use crate::raw::ask;
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::tokens;

/// So few that a test gets there, and so slow that a slow machine does too.
const BURST: u32 = 5;

/// More requests than a limit of [`BURST`] lets through in the time they take.
const ASKS_MAX: u32 = 200;

/// A server that counts this machine's callers like all others, unless the settings say otherwise.
fn start(folder: &Folder, settings: &[(&str, &str)]) -> Server {
    let mut serve = folder.serve();
    serve.env("HOLDFAST_RATE_LIMIT_LOCAL_FACTOR", "1").envs(settings.iter().copied());
    Server::start(serve)
}

fn limited(folder: &Folder) -> Server {
    start(folder, &[("HOLDFAST_RATE_LIMIT_PER_SECOND", "1"), ("HOLDFAST_RATE_LIMIT_BURST", "5")])
}

/// Asks until that is refused. The first [`BURST`] answers are none.
async fn until_refused(ask: impl Fn() -> Ask) -> Answer {
    for asked in 0..ASKS_MAX {
        let answer = ask().send().await;
        if answer.status == 429 {
            assert!(asked >= BURST, "refused after {asked}");
            return answer.expect_problem(429, "rate_limited");
        }
        assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=5;w=5", "{}", answer.text);
    }
    panic!("{ASKS_MAX} requests were served");
}

#[tokio::test]
async fn caller_who_asks_too_often_is_told_when_to_come_again() {
    let folder = Folder::new();
    let server = limited(&folder);
    let shop = Shop::of(&server);
    let ask = |session: &str| shop.client.get("/products").session(session);

    let first = ask("a-guest-session-0001").send().await.expect(200);
    assert_eq!(first.header("ratelimit"), "\"default\";r=4;t=1");
    let refused = until_refused(|| ask("a-guest-session-0002")).await;
    assert_eq!(refused.header("ratelimit"), "\"default\";r=0;t=5");
    assert_eq!(refused.header("retry-after"), "1");
    ask("a-guest-session-0003").send().await.expect(200);
}

#[tokio::test]
async fn account_is_one_caller_whatever_session_it_comes_with() {
    let folder = Folder::new();
    let server = limited(&folder);
    let shop = Shop::of(&server);
    let number = std::cell::Cell::new(0);
    let asked = until_refused(|| {
        number.set(number.get() + 1);
        let session = format!("a-guest-session-{:04}", number.get());
        shop.client.get("/products").token(&tokens::customer(1)).session(&session)
    });
    asked.await;
    shop.client.get("/products").token(&tokens::customer(2)).send().await.expect(200);
}

#[tokio::test]
async fn session_in_a_cookie_is_counted_like_one_in_the_header() {
    let folder = Folder::new();
    let server = limited(&folder);
    let shop = Shop::of(&server);
    until_refused(|| shop.client.get("/products").header("Cookie", "session_id=a-guest-session-0001")).await;
    let same = shop.client.get("/products").session("a-guest-session-0001").send().await;
    same.expect_problem(429, "rate_limited");
}

#[tokio::test]
async fn path_written_otherwise_is_counted_and_gated_all_the_same() {
    let folder = Folder::new();
    let server = limited(&folder);
    let shop = Shop::of(&server);
    until_refused(|| shop.client.ask_root("GET", "/%61pi/v1/products").session("a-guest-session-0001")).await;
    let accept = shop.client.ask_root("GET", "/%61pi/v1/products").header("Accept", "text/html").send().await;
    accept.expect_problem(406, "not_acceptable");
}

#[tokio::test]
async fn login_is_counted_by_address_on_this_machine_as_well() {
    let folder = Folder::new();
    let settings = [("HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND", "1"), ("HOLDFAST_AUTH_RATE_LIMIT_BURST", "2")];
    let server = start(&folder, &settings);
    let shop = Shop::of(&server);
    let login = |number: u32| {
        let body = serde_json::json!({ "email": format!("user-{number}@example.test"), "password": "x" });
        let session = format!("a-guest-session-{number:04}");
        shop.client.post("/auth/login", &body).session(&session).token(&tokens::customer(1))
    };
    // Hashing takes its time, so they come at once.
    let asked: Vec<_> = (0..12).map(|number| tokio::spawn(login(number).send())).collect();
    let mut refused = 0;
    for answer in asked {
        let answer = answer.await.expect("a client does not panic");
        assert_eq!(answer.header("ratelimit-policy"), "\"auth\";q=2;w=2", "{}", answer.text);
        if answer.status == 429 {
            answer.expect_problem(429, "rate_limited");
            refused += 1;
        } else {
            answer.expect_problem(401, "invalid_credentials");
        }
    }
    assert!(refused > 0, "twelve at once are more than two");
    shop.client.get("/products").send().await.expect(200);
}

#[tokio::test]
async fn this_machine_and_health_are_not_counted() {
    let folder = Folder::new();
    let server = limited(&folder);
    let shop = Shop::of(&server);
    for _ in 0..4 * BURST {
        let answer = shop.client.get("/products").send().await.expect(200);
        assert_eq!(answer.header("ratelimit"), "");
        let health = shop.client.get("/health").session("a-guest-session-0001").send().await.expect(200);
        assert_eq!(health.header("ratelimit"), "");
        shop.client.ask_root("GET", "/health/live").send().await.expect(200);
    }
}

#[tokio::test]
async fn client_behind_a_trusted_proxy_is_counted_by_its_own_address() {
    let folder = Folder::new();
    let settings = [
        ("HOLDFAST_RATE_LIMIT_PER_SECOND", "1"),
        ("HOLDFAST_RATE_LIMIT_BURST", "5"),
        ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8"),
    ];
    let server = start(&folder, &settings);
    let shop = Shop::of(&server);
    let from = |line: &str| shop.client.get("/products").header("X-Forwarded-For", line);
    until_refused(|| from("203.0.113.9, 10.0.0.1")).await;
    // What the client claims itself, to the left, makes no other client of it.
    from("198.51.100.7, 203.0.113.9").send().await.expect_problem(429, "rate_limited");
    from("203.0.113.10").send().await.expect(200);
    // Two headers that do not agree: counted as the proxy itself, which is on this machine and counts all the same.
    until_refused(|| from("203.0.113.11").header("Forwarded", "for=198.51.100.8")).await;
}

#[tokio::test]
async fn stranger_who_claims_to_be_a_proxy_is_not_believed() {
    let folder = Folder::new();
    let settings = [
        ("HOLDFAST_RATE_LIMIT_PER_SECOND", "1"),
        ("HOLDFAST_RATE_LIMIT_BURST", "5"),
        ("HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND", "1"),
        ("HOLDFAST_AUTH_RATE_LIMIT_BURST", "1"),
    ];
    let server = start(&folder, &settings);
    let refused = (0..ASKS_MAX).find(|number| {
        let forged = format!("X-Forwarded-For: 203.0.113.{}\r\nForwarded: for=203.0.113.9\r\n", number % 250);
        ask(&server, "GET", "/api/v1/auth/login", &forged).status == 429
    });
    assert!(refused.is_some(), "each forged address was another client");
}

#[tokio::test]
async fn callers_on_this_machine_may_ask_many_times_as_much() {
    let folder = Folder::new();
    let settings = [
        ("HOLDFAST_RATE_LIMIT_PER_SECOND", "1"),
        ("HOLDFAST_RATE_LIMIT_BURST", "5"),
        ("HOLDFAST_RATE_LIMIT_LOCAL_FACTOR", "10"),
    ];
    let server = start(&folder, &settings);
    let shop = Shop::of(&server);
    let answer = shop.client.get("/products").session("a-guest-session-0001").send().await.expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"default\";q=50;w=5");
    assert_eq!(answer.header("ratelimit"), "\"default\";r=49;t=1");
}

#[tokio::test]
async fn zero_switches_a_limit_off() {
    let folder = Folder::new();
    let settings = [("HOLDFAST_RATE_LIMIT_PER_SECOND", "0"), ("HOLDFAST_RATE_LIMIT_BURST", "1")];
    let server = start(&folder, &settings);
    let shop = Shop::of(&server);
    for _ in 0..20 {
        let answer = shop.client.get("/products").session("a-guest-session-0001").send().await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "");
    }
}

#[test]
fn limits_are_settings_like_all_others() {
    let folder = Folder::new();
    let file = folder.parent().join("holdfast.toml");
    let text = "rate_limit_burst = 9\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nmax_connections = 7\n";
    std::fs::write(&file, text).expect("the folder can be written");
    let file = file.to_str().expect("our paths are UTF-8");
    let flags = ["--auth-rate-limit-burst", "3", "--cors-origins", "https://shop.example"];
    let shown =
        folder.run(&[&["config", "show", "--json", "--config", file][..], &flags].concat()).expect_code(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    for (name, value, source) in [
        ("rate_limit_per_second", "1000", "default"),
        ("rate_limit_burst", "9", "file "),
        ("auth_rate_limit_per_second", "5", "default"),
        ("auth_rate_limit_burst", "3", "flag --auth-rate-limit-burst"),
        ("trusted_proxies", "10.0.0.0/8,::1", "file "),
        ("cors_origins", "https://shop.example", "flag --cors-origins"),
        ("max_connections", "7", "file "),
    ] {
        assert_eq!(shown[name]["value"], value, "{name}");
        assert!(shown[name]["source"].as_str().is_some_and(|told| told.starts_with(source)), "{shown}");
    }
    for wrong in [
        ["--rate-limit-burst", "0"],
        ["--max-connections", "0"],
        ["--trusted-proxies", "localhost"],
        ["--cors-origins", "*"],
        ["--cors-origins", "https://shop.example/"],
    ] {
        let refused = folder.run(&["config", "show", wrong[0], wrong[1]]).expect_code(2);
        let name = wrong[0].trim_start_matches("--").replace('-', "_");
        assert!(refused.stderr.contains(&format!("`{name}`")), "{}", refused.stderr);
    }
}
