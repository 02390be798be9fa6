//! What a browser is told: headers of every answer, whose pages may call, and the cookie of a guest.

use serde_json::json;

use crate::raw::ask;
use crate::server::{Folder, Server};
use crate::shop::Shop;

const ORIGIN: &str = "https://shop.example";
const FOR_BROWSERS: [(&str, &str); 6] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];

fn start(folder: &Folder, settings: &[(&str, &str)]) -> Server {
    let mut serve = folder.serve();
    serve.envs(settings.iter().copied());
    Server::start(serve)
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let found = shop.client.get("/health").send().await.expect(200);
    let missing = shop.client.ask_root("GET", "/nowhere").send().await.expect(404);
    let refused = shop.client.post("/cart/items", &json!({})).send().await.expect(422);
    for answer in [found, missing, refused] {
        for (name, value) in FOR_BROWSERS {
            assert_eq!(answer.header(name), value, "{name}: {}", answer.text);
        }
        for name in ["server", "x-powered-by", "strict-transport-security", "access-control-allow-origin"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
}

#[tokio::test]
async fn server_behind_tls_alone_says_so() {
    let folder = Folder::new();
    let server = start(&folder, &[("HOLDFAST_SECURE_COOKIES", "true")]);
    let shop = Shop::of(&server);
    let answer = shop.client.get("/cart").send().await.expect(200);
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    assert!(answer.header("set-cookie").contains("; Secure"), "{}", answer.header("set-cookie"));
}

#[tokio::test]
async fn cookie_of_a_guest_is_out_of_reach_of_scripts_and_other_sites() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let plain = shop.client.get("/cart").send().await.expect(200);
    let parts: Vec<&str> = plain.header("set-cookie").split("; ").collect();
    assert_eq!(parts[0], format!("session_id={}", plain.header("x-session-id")));
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(parts.contains(&part), "{part}: {parts:?}");
    }
    assert!(!parts.contains(&"Secure") && parts.iter().all(|part| !part.starts_with("Domain")), "{parts:?}");
    let tls = shop.client.get("/cart").header("X-Forwarded-Proto", "https").send().await.expect(200);
    assert!(tls.header("set-cookie").contains("; Secure"), "{}", tls.header("set-cookie"));
    assert_ne!(plain.header("x-session-id"), tls.header("x-session-id"), "each guest is another");
}

#[tokio::test]
async fn form_of_another_site_changes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let session = "a-guest-session-0001";
    // What a form can send: these media types, with the cookie. A browser sends it for a foreign page only when
    // the cookie is not SameSite=Lax; and then the media type gives it away.
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let ask = shop.client.ask("POST", "/cart/items").body(r#"{"sku":"MUG","quantity":1}"#);
        let ask = ask.header("Cookie", &format!("session_id={session}")).header("Content-Type", media);
        ask.header("Origin", "https://evil.example")
            .send()
            .await
            .expect_problem(415, "unsupported_media_type");
    }
    let cart = shop.client.get("/cart").session(session).send().await.expect(200);
    assert_eq!(cart.body["lines"], json!([]));
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
}

fn preflight(server: &Server, origin: &str, method: &str, headers: &str) -> crate::raw::RawAnswer {
    let headers = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {headers}\r\n"
    );
    ask(server, "OPTIONS", "/api/v1/cart/items", &headers)
}

#[test]
fn pages_of_other_origins_are_let_in_only_by_name() {
    let folder = Folder::new();
    let server = start(&folder, &[("HOLDFAST_CORS_ORIGINS", ORIGIN)]);
    let asked = "authorization,content-type,idempotency-key,if-match,x-session-id";
    let allowed = preflight(&server, ORIGIN, "POST", asked);
    assert_eq!(allowed.status, 200, "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"));
    assert!(allowed.header("access-control-allow-methods").is_some_and(|told| told.contains("PATCH")));
    assert!(allowed.header("x-request-id").is_some() && allowed.header("vary").is_some(), "{allowed:?}");
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:444",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "null",
    ] {
        let refused = preflight(&server, origin, "POST", asked);
        refused.expect_sound(origin);
        assert_eq!((refused.status, refused.code().as_str()), (400, "malformed_request"), "{origin}");
        assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}");
        let read = ask(&server, "GET", "/api/v1/products", &format!("Origin: {origin}\r\n"));
        assert_eq!(read.header("access-control-allow-origin"), None, "{origin}");
    }
    assert_eq!(preflight(&server, ORIGIN, "TRACE", asked).status, 400);
    assert_eq!(preflight(&server, ORIGIN, "POST", "x-anything").status, 400);
}

#[test]
fn page_that_is_let_in_can_read_every_answer() {
    let folder = Folder::new();
    let settings = [
        ("HOLDFAST_CORS_ORIGINS", ORIGIN),
        ("HOLDFAST_RATE_LIMIT_PER_SECOND", "1"),
        ("HOLDFAST_RATE_LIMIT_BURST", "1"),
        ("HOLDFAST_RATE_LIMIT_LOCAL_FACTOR", "1"),
    ];
    let server = start(&folder, &settings);
    let headers = format!("Origin: {ORIGIN}\r\nX-Session-ID: a-guest-session-0001\r\n");
    let answers: Vec<_> = (0..50).map(|_| ask(&server, "GET", "/api/v1/products", &headers)).collect();
    assert!(answers.iter().any(|answer| answer.status == 429), "too often is told to pages as well");
    let unrouted = ask(&server, "GET", "/api/v1/nowhere", &format!("Origin: {ORIGIN}\r\n"));
    for answer in answers.iter().chain([&unrouted]) {
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{answer:?}");
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        for name in [
            "etag",
            "location",
            "link",
            "journal-position",
            "idempotent-replayed",
            "x-request-id",
            "x-session-id",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
        ] {
            assert!(exposed.split(',').any(|told| told.trim() == name), "{name}: {exposed}");
        }
    }
}

#[test]
fn without_a_setting_no_foreign_page_is_let_in() {
    let folder = Folder::new();
    let server = folder.start();
    let answer = preflight(&server, ORIGIN, "POST", "content-type");
    assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"));
    let read = ask(&server, "GET", "/api/v1/products", &format!("Origin: {ORIGIN}\r\n"));
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
}
