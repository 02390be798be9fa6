//! Whatever goes wrong is a problem in JSON with a code and a request id.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::server::{Folder, WAIT_MAX};
use crate::shop::Shop;

#[tokio::test]
async fn body_that_is_not_json_is_malformed() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let path = format!("/products/{}/purchase", mug.id);
    let deep = format!("{{\"quantity\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for body in [
        "",
        " ",
        "{",
        "{\"quantity\":1",
        "{\"quantity\":}",
        "{\"quantity\":1}x",
        "nul",
        "{'quantity':1}",
        &deep,
    ] {
        let refused = shop.client.ask("POST", &path).text(body.to_owned()).send().await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        refused.expect_problem(400, "malformed_json");
    }
    let latin = shop.client.ask("POST", &path).text(b"{\"sku\":\"\xe4\"}".to_vec()).send().await;
    latin.expect_problem(400, "malformed_json");
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
}

#[tokio::test]
async fn body_of_another_media_type_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let buy = || shop.client.ask("POST", &format!("/products/{}/purchase", mug.id)).body(r#"{"quantity":1}"#);

    buy().send().await.expect_problem(415, "unsupported_media_type");
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "",
    ] {
        let refused = buy().header("Content-Type", media).send().await;
        refused.expect_problem(415, "unsupported_media_type");
    }
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
    for media in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
    {
        buy().header("Content-Type", media).send().await.expect(201);
    }
}

#[tokio::test]
async fn body_that_is_too_large_is_refused_whether_announced_or_not() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let path = format!("/products/{}/purchase", mug.id);
    let padded = |bytes: usize| format!("{{\"quantity\":1}}{}", " ".repeat(bytes - 14));

    let refused = shop.client.ask("POST", &path).text(padded(65_537)).send().await;
    refused.expect_problem(413, "body_too_large");
    shop.client.ask("POST", &path).text(padded(65_536)).send().await.expect(201);

    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    socket.set_read_timeout(Some(WAIT_MAX)).expect("a socket takes a time-out");
    let head = format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("10002\r\n{}\r\n0\r\n\r\n", padded(0x10002));
    // The server may hang up while it is still being sent to.
    let _is_cut_off = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(chunk.as_bytes()));
    let mut status = [0; 12];
    socket.read_exact(&mut status).expect("it answers");
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(shop.figures("MUG").await, [5, 4, 0, 1]);
}

#[tokio::test]
async fn path_that_leads_nowhere_is_not_found() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    for path in
        ["/nowhere", "/api", "/api/v1", "/api/v2/products", "/api/v1/product", "/api/v1/products/", "/health"]
    {
        shop.client.ask_root("GET", path).send().await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn method_that_a_path_does_not_know_is_told_the_ones_it_does() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    for (method, path, allowed) in [
        ("DELETE", "/products", &["GET", "POST"][..]),
        ("POST", "/products/x", &["GET", "PATCH", "DELETE"]),
        ("GET", "/products/x/purchase", &["POST"]),
        ("PUT", "/inventory/MUG", &["GET"]),
        ("GET", "/inventory/MUG/adjustments", &["POST"]),
        ("GET", "/auth/login", &["POST"]),
        ("PUT", "/cart", &["GET", "HEAD", "DELETE"]),
        ("GET", "/cart/items", &["POST"]),
        ("POST", "/cart/items/MUG", &["PUT", "DELETE"]),
        ("DELETE", "/orders", &["GET", "POST"]),
        ("DELETE", "/orders/x", &["GET", "HEAD"]),
        ("GET", "/orders/x/pay", &["POST"]),
        ("POST", "/orders/x/history", &["GET"]),
        ("PATCH", "/reservations", &["GET", "POST"]),
        ("DELETE", "/reservations/x", &["GET", "HEAD"]),
        ("GET", "/reservations/batch", &["POST"]),
    ] {
        let refused = shop.client.ask(method, path).send().await.expect_problem(405, "method_not_allowed");
        let told: Vec<_> = refused.header("allow").split(',').map(str::trim).collect();
        for method in allowed {
            assert!(told.contains(method), "{path} knows {method}: {told:?}");
        }
        assert!(!told.contains(&method), "{path} does not know {method}: {told:?}");
    }
}

#[tokio::test]
async fn client_that_takes_no_json_is_refused_before_anything_is_done() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    for accept in ["text/html", "application/xml", "image/png, text/*", "application/json;q=0"] {
        let refused = shop.purchase(&mug, 1).header("Accept", accept).send().await;
        refused.expect_problem(406, "not_acceptable");
    }
    assert_eq!(shop.figures("MUG").await, [5, 5, 0, 0]);
    for accept in ["application/json", "text/html, */*;q=0.1", "application/*", "application/problem+json"] {
        shop.purchase(&mug, 1).header("Accept", accept).send().await.expect(201);
    }
}

#[tokio::test]
async fn well_formed_request_id_is_taken_over_and_another_is_replaced() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let longest = "a".repeat(64);
    for id in ["checkout-1", "A.b_c-9", &longest] {
        let sold = shop.purchase(&mug, 1).header("X-Request-Id", id).send().await.expect(201);
        assert_eq!(sold.header("x-request-id"), id);
        let refused = shop.purchase(&mug, 9).header("X-Request-Id", id).send().await;
        assert_eq!(refused.expect_problem(409, "insufficient_stock").body["request_id"], id);
        let unknown = shop.client.ask_root("GET", "/nowhere").header("X-Request-Id", id).send().await;
        assert_eq!(unknown.expect_problem(404, "not_found").body["request_id"], id);
    }
    let too_long = "a".repeat(65);
    for id in ["", "with space", "ä", "a/b", &too_long] {
        let found = shop.client.get("/inventory/MUG").header("X-Request-Id", id).send().await.expect(200);
        let made = found.header("x-request-id");
        assert_ne!(made, id);
        assert!(uuid::Uuid::try_parse(made).is_ok(), "{made}");
    }
}

#[tokio::test]
async fn health_is_told_to_everybody() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    for path in ["/health/live", "/health/ready", "/api/v1/health"] {
        let found = shop.client.ask_root("GET", path).send().await.expect(200);
        assert_eq!(found.body["status"], "ok");
        assert_eq!(found.body["version"], env!("CARGO_PKG_VERSION"));
        assert!(found.body["uptime_seconds"].is_u64(), "{}", found.text);
        assert_eq!(found.body["journal"]["status"], "ok");
        assert_eq!(found.body["journal"]["products"], 1);
        assert_eq!(found.body["redis"], json!({ "status": "not_configured" }));
    }
}

#[test]
fn bytes_that_are_no_http_get_a_400_and_do_no_harm() {
    let folder = Folder::new();
    let server = folder.start();
    for bytes in
        [&b"\x00\x01\x02\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"]
    {
        let mut socket = TcpStream::connect(server.address()).expect("it listens");
        socket.set_read_timeout(Some(WAIT_MAX)).expect("a socket takes a time-out");
        socket.write_all(bytes).expect("it reads");
        let mut answer = Vec::new();
        let _is_cut_off = socket.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
    }
    folder.run(&["health", "--url", &server.url()]).expect_code(0);
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1).await;
    for path in
        ["/products", &format!("/products/{}", mug.id), "/inventory/MUG", "/cart", "/orders", "/reservations"]
    {
        let answer = shop.client.ask("HEAD", path).send().await.expect(200);
        assert!(answer.body.is_null(), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn unknown_query_parameter_is_refused_by_reads_and_writes_alike() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let me = shop.client.get("/auth/me").token(&shop.admin).send().await.expect(200).body;
    let (product, user) = (format!("/products/{}", mug.id), format!("/users/{}", me["id"].as_str().unwrap()));
    let nothing = "01936f5e-7a5c-7000-8000-000000000000";
    let (order, held) = (format!("/orders/ord_{nothing}"), format!("/reservations/res_{nothing}"));
    let (rule, history) = (format!("/price-rules/rule_{nothing}"), format!("{order}/history"));
    let before = (shop.read(&mug).await.body, shop.inventory("MUG").await);
    let reads = [
        "/products",
        &product,
        "/variants/MUG",
        "/inventory/MUG",
        "/inventory/MUG/movements",
        "/cart",
        "/orders",
        &order,
        &history,
        "/reservations",
        &held,
        "/price-rules",
        &rule,
        "/categories",
        "/auth/me",
        "/users",
        &user,
    ];
    for path in reads {
        let asked = shop.client.get(&format!("{path}?colour=red")).token(&shop.admin).send().await;
        let refused = asked.expect_problem(400, "malformed_request");
        assert!(refused.body["detail"].as_str().unwrap().contains("`colour`"), "{path}: {}", refused.text);
    }
    let lines = json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let person = json!({ "email": "a@b.test", "password": "correct horse" });
    let token = json!({ "refresh_token": "hfr_none" });
    let writes = [
        ("POST", format!("{product}/purchase"), json!({ "quantity": 1 })),
        ("PATCH", product, json!({ "name": "Cup" })),
        ("PATCH", user, json!({ "tier": "gold" })),
        ("POST", "/inventory/MUG/adjustments".to_owned(), json!({ "delta": 1, "reason": "other" })),
        ("POST", "/cart/items".to_owned(), json!({ "sku": "MUG", "quantity": 1 })),
        ("POST", "/reservations".to_owned(), lines.clone()),
        ("POST", "/orders".to_owned(), lines.clone()),
        ("POST", "/quotes".to_owned(), lines),
        ("POST", "/auth/register".to_owned(), person.clone()),
        ("POST", "/auth/login".to_owned(), person),
        ("POST", "/auth/refresh".to_owned(), token.clone()),
        ("POST", "/auth/logout".to_owned(), token),
    ];
    for (method, path, body) in writes {
        let ask = shop.client.ask(method, &format!("{path}?colour=red")).token(&shop.admin).json(&body);
        ask.send().await.expect_problem(400, "malformed_request");
    }
    assert_eq!((shop.read(&mug).await.body, shop.inventory("MUG").await), before);
}
