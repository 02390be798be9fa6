//! Requests that no honest client sends: targets that climb, headers that break lines, bodies with two ends.

use serde_json::json;

use crate::raw::{Raw, ask};
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::tokens;

const BODY: &str = r#"{"email":"nobody@example.test","password":"a password"}"#;
const POST: &str =
    "POST /api/v1/auth/login HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/json\r\n";

fn check_health(folder: &Folder, server: &Server) {
    folder.run(&["health", "--url", &server.url()]).expect_code(0);
    let said = server.stderr();
    assert!(!said.contains("ERROR") && !said.contains("panic"), "{said}");
}

#[test]
fn targets_that_climb_or_hide_lead_nowhere() {
    let folder = Folder::new();
    let server = folder.start();
    for (target, status) in [
        ("/api/v1/../v1/products", 404),
        ("/api/v1/products/..", 404),
        ("/api/v1/%2e%2e/products", 404),
        ("/../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/api/v1/products%2F..", 404),
        ("/api/v1/products/%00", 404),
        ("/api/v1/inventory/%00", 404),
        ("/api/v1/inventory/%0d%0aSet-Cookie:%20a=b", 404),
        ("/api/v1/inventory/%ff%fe", 404),
        ("/api/v1/inventory/%zz", 404),
        ("/api/v1/inventory/%", 404),
        ("/api/v1/inventory/A%2FB", 404),
        ("//api/v1/products", 404),
        ("/api//v1/products", 404),
        ("/api/v1/products//", 404),
        ("/api/v1/products;x=1", 404),
        ("//shop.test/api/v1/products", 404),
        ("x", 404),
        ("*", 404),
        ("\\api\\v1", 400),
        ("", 400),
        ("/api/v1/inventory/ä", 400),
        ("/api/v1/products?%ff", 400),
        ("/api/v1/products?limit=%ff", 400),
        ("/api/v1/products?limit=1&limit=2", 400),
        // An origin server takes the absolute form and looks at its path alone (RFC 9112, 3.2.2).
        ("http://elsewhere.test/api/v1/products", 200),
        ("http://elsewhere.test/nowhere", 404),
    ] {
        let answer = ask(&server, "GET", target, "");
        answer.expect_sound(target);
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None, "{target}: {answer:?}");
    }
    check_health(&folder, &server);
}

#[test]
fn target_and_headers_have_a_longest() {
    let folder = Folder::new();
    let server = folder.start();
    let target = |bytes: usize| format!("/api/v1/products?q={}", "a".repeat(bytes - 19));
    assert_eq!(
        ask(&server, "GET", &target(8 * 1024), "").code(),
        "malformed_request",
        "`q` is not that long"
    );
    let too_long = ask(&server, "GET", &target(8 * 1024 + 1), "");
    too_long.expect_sound("a long target");
    assert_eq!((too_long.status, too_long.code().as_str()), (414, "malformed_request"));

    let header = |bytes: usize| format!("X-Padding: {}\r\n", "a".repeat(bytes));
    assert_eq!(ask(&server, "GET", "/api/v1/products", &header(100_000)).status, 200);
    // Past what actix reads of a head it does not come to us, and the status is all there is.
    assert_eq!(ask(&server, "GET", "/api/v1/products", &header(200_000)).status, 431);
    let many: String = (0..100).map(|number| format!("X-{number}: 1\r\n")).collect();
    assert_eq!(ask(&server, "GET", "/api/v1/products", &many).status, 431);
    check_health(&folder, &server);
}

#[test]
fn header_that_breaks_lines_never_comes_back() {
    let folder = Folder::new();
    let server = folder.start();
    let session = "a-guest-session-0001";
    for name in ["X-Request-Id", "X-Session-ID", "Idempotency-Key", "Cookie", "Authorization", "If-Match"] {
        for value in [
            format!("{session}\rSet-Cookie: planted=1"),
            format!("{session}\nSet-Cookie: planted=1"),
            format!("{session}\r\n Set-Cookie: planted=1"),
            format!("{session}\0"),
            format!("{session}\u{7f}"),
            format!("{session}%0d%0aSet-Cookie: planted=1"),
            "ä\u{2028}".to_owned(),
            "\u{e5}\u{98}\u{8d}\u{e5}\u{98}\u{8a}Set-Cookie: planted=1".to_owned(),
        ] {
            let answer = ask(&server, "GET", "/api/v1/cart", &format!("{name}: {value}\r\n"));
            answer.expect_sound(name);
            assert!(!answer.head.contains("planted"), "{name}: {value:?}: {answer:?}");
        }
    }
    check_health(&folder, &server);
}

/// A second request that hides in the body of the first one.
const SMUGGLED: &str = "0\r\n\r\nGET /api/v1/smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n";

#[test]
fn request_with_two_ends_is_refused_and_its_connection_closed() {
    let folder = Folder::new();
    let server = folder.start();
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: \u{b}chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
    ] {
        let text = Raw::to(&server).send(format!("{POST}{headers}\r\n{SMUGGLED}")).read_to_end();
        assert!(text.starts_with("HTTP/1.1 400"), "{headers:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{headers:?}: {text}");
    }
    let old = POST.replace("HTTP/1.1", "HTTP/1.0");
    let text =
        Raw::to(&server).send(format!("{old}Transfer-Encoding: chunked\r\n\r\n{SMUGGLED}")).read_to_end();
    assert!(text.starts_with("HTTP/1.0 400") || text.starts_with("HTTP/1.1 400"), "{text}");
    assert_eq!(text.matches("HTTP/1.").count(), 1, "{text}");
    for chunk in ["zz\r\n", "ffffffffffffffffff\r\n", "-1\r\n", "5\n"] {
        let head = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
        let answer = Raw::to(&server).send(format!("{head}{chunk}{SMUGGLED}")).answer();
        answer.expect_sound(chunk);
        assert_eq!(answer.status, 400, "{chunk:?}: {answer:?}");
    }
    for head in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"] {
        let text = Raw::to(&server).send(head).read_to_end();
        assert!(text.starts_with("HTTP/1.1 400"), "{head:?}: {text}");
    }
    check_health(&folder, &server);
}

#[test]
fn methods_do_what_they_are_and_nothing_else() {
    let folder = Folder::new();
    let server = folder.start();
    for method in ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "DELETE"] {
        let answer = ask(&server, method, "/api/v1/products", "Cookie: session_id=a-guest-session-0001\r\n");
        answer.expect_sound(method);
        assert_eq!((answer.status, answer.code().as_str()), (405, "method_not_allowed"), "{method}");
        assert!(!answer.body.contains("a-guest-session"), "{method} echoes nothing: {answer:?}");
    }
    assert_eq!(ask(&server, "CONNECT", "elsewhere.test:443", "").status, 404);
    assert_eq!(ask(&server, "OPTIONS", "*", "").status, 404);
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        let answer = ask(&server, "GET", "/api/v1/products", &format!("{header}: POST\r\n"));
        assert_eq!(answer.status, 200, "{header} is not listened to");
    }
    for header in ["Connection: upgrade\r\nUpgrade: websocket\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"]
    {
        assert_eq!(ask(&server, "GET", "/api/v1/products", header).status, 200, "{header}");
    }
    let mut head = Raw::to(&server);
    head.send("HEAD /api/v1/products HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n");
    let text = head.read_to_end();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "no body: {text}");
    check_health(&folder, &server);
}

#[test]
fn older_and_cautious_clients_are_served() {
    let folder = Folder::new();
    let server = folder.start();
    let text = Raw::to(&server).send("GET /api/v1/products HTTP/1.0\r\n\r\n").read_to_end();
    assert!(text.starts_with("HTTP/1.0 200") && text.contains("\"data\":[]"), "{text}");

    let length = BODY.len();
    let mut cautious = Raw::to(&server);
    cautious.send(format!("{POST}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"));
    assert_eq!(cautious.answer().status, 100);
    assert_eq!(cautious.send(BODY).answer().code(), "invalid_credentials");

    let mut pipelined = Raw::to(&server);
    pipelined.send("GET /api/v1/products HTTP/1.1\r\nHost: shop.test\r\n\r\n".repeat(20));
    for _ in 0..20 {
        assert_eq!(pipelined.answer().status, 200);
    }
    check_health(&folder, &server);
}

#[test]
fn header_that_is_there_twice_does_no_harm() {
    let folder = Folder::new();
    let server = folder.start();
    let good = tokens::admin();
    let both = [
        format!("Authorization: Bearer {good}\r\nAuthorization: Bearer x\r\n"),
        format!("Authorization: Bearer x\r\nAuthorization: Bearer {good}\r\n"),
    ];
    for headers in both {
        let answer = ask(&server, "GET", "/api/v1/cart", &headers);
        answer.expect_sound(&headers);
    }
    for name in ["X-Session-ID", "Idempotency-Key", "If-Match", "X-Request-Id", "Accept", "Content-Type"] {
        let headers = format!("{name}: one-one-one-one-one\r\n{name}: two-two-two-two-two\r\n");
        ask(&server, "GET", "/api/v1/cart", &headers).expect_sound(name);
    }
    check_health(&folder, &server);
}

#[tokio::test]
async fn body_may_be_nested_so_deep_and_no_deeper() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let nested = |levels: usize| format!("{{\"x\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    for (levels, status, code) in
        [(31, 422, "validation_failed"), (32, 400, "malformed_json"), (20_000, 400, "malformed_json")]
    {
        let refused = shop.client.ask("POST", "/reservations").text(nested(levels)).send().await;
        refused.expect_problem(status, code);
    }
    // Brackets in a text are no levels.
    let reference = "[".repeat(60);
    let body = json!({ "lines": [{ "sku": "NONE", "quantity": 1 }], "reference": reference });
    shop.client.post("/reservations", &body).send().await.expect_problem(404, "not_found");
    // A batch is read no deeper than its form goes.
    let batch = format!("{{\"reservations\":[{}{}", " ".repeat(70_000), "[".repeat(100_000));
    let refused = shop.client.ask("POST", "/reservations/batch").token(&shop.admin).text(batch).send().await;
    refused.expect_problem(422, "validation_failed");
}

/// What somebody sends who never finishes.
const UNFINISHED: [(&str, &str); 3] = [
    ("a head", "GET /api/v1/products HTTP/1.1\r\n"),
    ("a body of known length", "Content-Length: 60\r\n\r\n{"),
    ("a body in chunks", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
];

#[test]
fn client_that_never_finishes_is_told_so_and_hung_up_on() {
    let folder = Folder::new();
    let server = folder.start();
    let mut slow = UNFINISHED.map(|(what, bytes)| {
        let head = if bytes.starts_with("GET") { "" } else { POST };
        let mut raw = Raw::to(&server);
        raw.send(format!("{head}{bytes}"));
        (what, raw, !head.is_empty())
    });
    for (what, raw, is_problem) in &mut slow {
        let text = raw.read_to_end();
        assert!(text.starts_with("HTTP/1.1 408"), "{what}: {text}");
        assert_eq!(text.contains("\"code\":\"malformed_request\""), *is_problem, "{what}: {text}");
    }
    check_health(&folder, &server);
}

#[test]
fn everybody_else_is_served_while_many_never_finish() {
    let folder = Folder::new();
    let server = folder.start();
    let mut slow: Vec<Raw> = (0..200).map(|_| Raw::to(&server)).collect();
    for (number, raw) in slow.iter_mut().enumerate() {
        let (_, bytes) = UNFINISHED[number % UNFINISHED.len()];
        raw.send(if bytes.starts_with("GET") { bytes.to_owned() } else { format!("{POST}{bytes}") });
    }
    for _ in 0..20 {
        assert_eq!(ask(&server, "GET", "/api/v1/products", "").status, 200);
    }
    check_health(&folder, &server);
}
