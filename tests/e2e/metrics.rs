//! The metrics: who may read them, and that they tell what happened.

use serde_json::json;

use crate::client::Client;
use crate::redis_server::free_port;
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::tokens;

/// The values of one series, or of all with this name.
fn values(text: &str, series: &str) -> Vec<f64> {
    let of = |line: &str| line.strip_prefix(series)?.rsplit(' ').next()?.parse().ok();
    text.lines().filter(|line| !line.starts_with('#')).filter_map(of).collect()
}

#[track_caller]
pub(crate) fn value(text: &str, series: &str) -> f64 {
    let [value] = values(text, series)[..] else { panic!("{series} is there once:\n{text}") };
    value
}

pub(crate) async fn read(client: &Client) -> String {
    client.ask_root("GET", "/metrics").send().await.expect(200).text
}

#[tokio::test]
async fn metrics_tell_what_the_shop_did() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let before = read(&shop.client).await;
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 1).send().await.expect(201);
    let answer = shop.client.ask_root("GET", "/metrics").send().await.expect(200);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let after = answer.text;
    assert_eq!(value(&before, "holdfast_products "), 0.0);
    assert_eq!(value(&after, "holdfast_products "), 1.0);
    for series in [
        "holdfast_journal_records_total ",
        "holdfast_journal_batches_total ",
        "holdfast_journal_syncs_total ",
        "holdfast_journal_written_bytes_total ",
        "holdfast_journal_append_nanoseconds_total ",
    ] {
        assert!(value(&after, series) >= value(&before, series) + 2.0, "{series}:\n{after}");
    }
    assert_eq!(value(&after, "holdfast_ready "), 1.0);
    assert_eq!(value(&after, "holdfast_disk_low "), 0.0);
    assert!(value(&after, "holdfast_http_connections ") >= 1.0);
    let version = format!("holdfast_build_info{{version=\"{}\"}} ", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&after, &version), 1.0);
    assert!(value(&after, "process_resident_memory_bytes ") > 1e6);
    assert!(value(&after, "process_open_fds ") > 3.0);
    for line in after.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().expect("a line has a beginning");
        assert!(name.starts_with("holdfast_") || name.starts_with("process_"), "{line}");
        assert!(after.contains(&format!("# TYPE {name} ")), "{name} has a type");
        assert!(after.contains(&format!("# HELP {name} ")), "{name} is explained");
    }
}

/// The figure that tells of an outage of the queue must not be the queue's.
#[tokio::test]
async fn mails_that_are_due_are_told_while_their_queue_was_never_there() {
    let folder = Folder::new();
    let mut serve = folder.serve();
    serve.env("REDIS_URL", format!("redis://127.0.0.1:{}", free_port()));
    let server = Server::start(serve);
    let client = Client::of(&server);
    let before = value(&read(&client).await, "holdfast_mails_unsent ");
    let body = json!({ "email": "ada@example.com", "password": "a long way to go" });
    client.post("/auth/register", &body).send().await.expect(201);
    let after = read(&client).await;
    assert_eq!(value(&after, "holdfast_mails_unsent "), before + 1.0, "{after}");
    assert_eq!(value(&after, "holdfast_mails_queued_total "), 0.0);
}

#[tokio::test]
async fn metrics_are_for_named_addresses_and_admins() {
    let folder = Folder::new();
    folder.move_in();
    let mut elsewhere = folder.serve();
    elsewhere.env("HOLDFAST_METRICS_ALLOW", "203.0.113.9").env("HOLDFAST_TRUSTED_PROXIES", "");
    let server = Server::start(elsewhere);
    let shop = Shop::of(&server);
    let client = &shop.client;
    let ask = || client.ask_root("GET", "/metrics");
    ask().send().await.expect_problem(401, "unauthenticated");
    ask().token("nonsense").send().await.expect_problem(401, "unauthenticated");
    ask().token(&tokens::customer(1)).send().await.expect_problem(403, "forbidden");
    ask().token(&shop.admin).send().await.expect(200);
    client.ask_root("HEAD", "/metrics").send().await;
    let claimed = ask().header("X-Forwarded-For", "203.0.113.9");
    claimed.send().await.expect_problem(401, "unauthenticated");
    server.terminate().expect_code(0);
}

#[tokio::test]
async fn proxy_on_this_machine_does_not_open_the_metrics_to_everybody() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    let ask = || client.ask_root("GET", "/metrics");
    ask().send().await.expect(200);
    // A proxy that nobody told the server of, and that says whom it speaks for.
    let unknown = ask().header("X-Forwarded-For", "198.51.100.7");
    unknown.send().await.expect_problem(401, "unauthenticated");
    ask().token("nonsense").send().await.expect_problem(401, "unauthenticated");
    server.terminate().expect_code(0);

    let mut behind = folder.serve();
    behind
        .env("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1")
        .env("HOLDFAST_METRICS_ALLOW", "127.0.0.0/8,203.0.113.9");
    let server = Server::start(behind);
    let client = Client::of(&server);
    let ask = || client.ask_root("GET", "/metrics");
    ask().send().await.expect_problem(401, "unauthenticated");
    ask().header("X-Forwarded-For", "203.0.113.9").send().await.expect(200);
    let others = ask().header("X-Forwarded-For", "198.51.100.7");
    others.send().await.expect_problem(401, "unauthenticated");
    let forged = ask().header("X-Forwarded-For", "198.51.100.7").header("Forwarded", "for=203.0.113.9");
    forged.send().await.expect_problem(401, "unauthenticated");
}

/// A scraper that is sent away when the shop is busy sees nothing when there is most to see.
#[tokio::test]
async fn scraper_is_not_counted() {
    let folder = Folder::new();
    folder.move_in();
    let mut strict = folder.serve();
    strict.env("HOLDFAST_RATE_LIMIT_PER_SECOND", "1").env("HOLDFAST_RATE_LIMIT_BURST", "1");
    strict.env("HOLDFAST_RATE_LIMIT_LOCAL_FACTOR", "1");
    let server = Server::start(strict);
    let client = Client::of(&server);
    for _ in 0..20 {
        let answer = client.ask_root("GET", "/metrics").send().await.expect(200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    let person = client.get("/products").session("a-guest-session-0001");
    person.send().await.expect(200);
    let again = client.get("/products").session("a-guest-session-0001");
    again.send().await.expect_problem(429, "rate_limited");
    assert_eq!(value(&read(&client).await, "holdfast_http_rate_limited_total "), 1.0);
}
