//! The metrics before there is an engine.

use std::net::SocketAddr;

use actix_web::test::read_body;
use secrecy::ExposeSecret as _;

use super::*;
use crate::config::Networks;
use crate::http::metrics::MetricsAllow;

const HERE: &str = "127.0.0.1:4711";
const ELSEWHERE: &str = "203.0.113.9:4711";

/// Status and text of what somebody reads while the server recovers.
async fn read_while_starting(peer: &str, token: Option<&str>) -> (u16, String) {
    let mut shared = shared();
    shared.health = web::Data::default();
    let here = Networks::parse("127.0.0.1").unwrap();
    shared.protection.metrics_allow = web::Data::new(MetricsAllow(here));
    let service = init_service(app(&shared, |_| {})).await;
    let mut request = TestRequest::get().uri("/metrics").peer_addr(peer.parse::<SocketAddr>().unwrap());
    if let Some(token) = token {
        request = request.insert_header(("authorization", format!("Bearer {token}")));
    }
    let response = call_service(&service, request.to_request()).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[actix_web::test]
async fn scraper_sees_a_server_that_recovers() {
    let (status, text) = read_while_starting(HERE, None).await;
    assert_eq!(status, 200);
    assert!(text.contains("\nholdfast_ready 0\n"), "{text}");
    assert!(!text.contains("\nholdfast_products"), "nobody knows them yet: {text}");
    // Whose a token is cannot be said yet; here that does not matter.
    let secret: SecretString = "0123456789abcdef0123456789abcdef".into();
    let token = Keys::new(&secret).sign(Id::new(Uuid::from_u128(7)), Role::Admin);
    let token = Some(token.expose_secret());
    assert_eq!(read_while_starting(HERE, token).await.0, 200);
    let (status, text) = read_while_starting(ELSEWHERE, token).await;
    assert!(status == 503 && text.contains("not_ready"), "{status}: {text}");
    assert_eq!(read_while_starting(ELSEWHERE, None).await.0, 401);
    assert_eq!(read_while_starting(HERE, Some("nonsense")).await.0, 401);
}
