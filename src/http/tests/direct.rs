//! Routes that are found without a pattern answer as the table does, and what they do not recognize goes there.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use holdfast_actors::domain::product::{Description, NewProduct, NewVariant, VariantDescription};
use holdfast_actors::domain::{Currency, Money, ProductId, Quantity, Sku};
use holdfast_actors::{Context, Engine};

use super::*;

const LAMP: u128 = 0x0193_6f5e_7a5c_7000_8000_0000_0000_00ab;

/// What an answer consists of, but for what is another in each.
type Parts = (u16, BTreeMap<String, String>, Value);

async fn shop() -> Shared {
    let (shared, engine) = (shared(), refusals::engine());
    make_lamp(&engine).await;
    assert!(shared.engine.set(engine).is_ok());
    shared
}

async fn make_lamp(engine: &Engine) {
    let description = Description::plain("Lamp", Money(1_999), Currency::new("EUR").expect("three capitals"));
    let sku = Sku::new("LAMP").expect("well formed");
    let variant = VariantDescription::plain(sku);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(500) }];
    let new = NewProduct { description: Arc::new(description), is_simple: true, variants };
    engine.create(&Context::system(), ProductId(LAMP), new).await.expect("nobody has the sku");
}

fn request(method: &str, path: &str, body: Option<&str>, header: Option<(&str, &str)>) -> TestRequest {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = TestRequest::with_uri(path).method(method);
    request = request.insert_header(("x-session-id", "guest-0123456789abcdef"));
    if let Some(header) = header {
        request = request.insert_header(header);
    }
    match body {
        Some(body) => request.insert_header((CONTENT_TYPE, "application/json")).set_payload(body.to_owned()),
        None => request,
    }
}

async fn parts(answer: ServiceResponse) -> Parts {
    let own = ["x-request-id", "journal-position"];
    let headers =
        answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), format!("{value:?}")));
    let headers = headers.filter(|(name, _)| !own.contains(&name.as_str())).collect();
    let status = answer.status().as_u16();
    let body = actix_web::test::read_body(answer).await;
    let mut body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    if let Some(body) = body.as_object_mut() {
        ["request_id", "order_id", "available"].iter().for_each(|name| drop(body.remove(*name)));
    }
    (status, headers, body)
}

#[actix_web::test]
async fn route_without_a_pattern_answers_as_the_table_does() {
    let shared = shop().await;
    let service = init_service(app(&shared, |_| {})).await;
    let lamp = Id::<Product>::new(Uuid::from_u128(LAMP)).to_string();
    let nothing = Id::<Product>::new(Uuid::from_u128(LAMP + 1)).to_string();
    let upper = lamp.replace("ab", "AB");
    let bought = |quantity: u32| Some(format!(r#"{{"quantity":{quantity}}}"#));
    let (tag, key) = (("if-none-match", "*"), ("idempotency-key", "a-key-of-its-own"));
    for (method, rest, body, header, status) in [
        ("GET", format!("/{lamp}"), None, None, 200),
        ("GET", format!("/{lamp}"), None, Some(tag), 304),
        ("GET", format!("/{lamp}?x=1"), None, None, 400),
        ("GET", format!("/{lamp}?"), None, None, 200),
        ("GET", format!("/{nothing}"), None, None, 404),
        ("GET", format!("/{upper}"), None, None, 404),
        ("GET", "/x".to_owned(), None, None, 404),
        ("GET", "/a.b~c".to_owned(), None, None, 404),
        ("GET", "/purchase".to_owned(), None, None, 404),
        ("GET", "/purchase/purchase".to_owned(), None, None, 405),
        ("GET", format!("/{lamp}/"), None, None, 404),
        ("GET", format!("//{lamp}"), None, None, 404),
        ("GET", format!("/{lamp}/price"), None, None, 200),
        ("GET", format!("/{lamp}/purchase"), None, None, 405),
        ("HEAD", format!("/{lamp}"), None, None, 200),
        ("OPTIONS", format!("/{lamp}"), None, None, 405),
        ("DELETE", format!("/{lamp}"), None, None, 401),
        ("POST", format!("/{lamp}"), bought(1), None, 405),
        ("POST", format!("/{lamp}/purchase"), bought(1), None, 201),
        ("POST", format!("/{lamp}/purchase?x=1"), bought(1), None, 400),
        ("POST", format!("/{lamp}/purchase"), bought(501), None, 409),
        ("POST", format!("/{lamp}/purchase"), bought(0), None, 422),
        ("POST", format!("/{lamp}/purchase"), None, None, 415),
        ("POST", format!("/{lamp}/purchase"), Some(r#"{"quantity":1,"sku":"MUG"}"#.to_owned()), None, 404),
        ("POST", format!("/{lamp}/purchase"), bought(2), Some(key), 201),
        ("POST", format!("/{nothing}/purchase"), bought(1), None, 404),
        ("POST", format!("/{upper}/purchase"), bought(1), None, 404),
        ("POST", format!("/{lamp}/purchase/"), bought(1), None, 404),
        ("POST", format!("/{lamp}//purchase"), bought(1), None, 404),
        ("POST", "/purchase".to_owned(), bought(1), None, 405),
        ("POST", "//purchase".to_owned(), bought(1), None, 404),
        ("PUT", format!("/{lamp}/purchase"), bought(1), None, 405),
        ("HEAD", format!("/{lamp}/purchase"), None, None, 405),
    ] {
        let ask = async |path: String| {
            let request = request(method, &path, body.as_deref(), header).to_request();
            parts(call_service(&service, request).await).await
        };
        let found = ask(format!("/api/v1/products{rest}")).await;
        assert_eq!(found.0, status, "{method} {rest} {body:?}: {found:?}");
        // A percent sign is for the table, and means the same there.
        let expected = ask(format!("/api/v1/%70roducts{rest}")).await;
        if header != Some(key) {
            assert_eq!(found, expected, "{method} {rest} {body:?}");
        }
    }
}

#[actix_web::test]
async fn route_without_a_pattern_has_the_name_of_its_pattern() {
    let shared = shop().await;
    let service = init_service(app(&shared, |_| {})).await;
    let lamp = Id::<Product>::new(Uuid::from_u128(LAMP)).to_string();
    for (method, path, name) in [
        ("GET", format!("/api/v1/products/{lamp}"), Some("/api/v1/products/{id}")),
        ("HEAD", format!("/api/v1/products/{lamp}"), Some("/api/v1/products/{id}")),
        ("POST", format!("/api/v1/products/{lamp}/purchase"), Some("/api/v1/products/{id}/purchase")),
        ("POST", format!("/api/v1/%70roducts/{lamp}/purchase"), Some("/api/v1/products/{id}/purchase")),
        ("GET", format!("/api/v1/products/{lamp}/price"), Some("/api/v1/products/{id}/price")),
        ("GET", "/api/v1/products".to_owned(), Some("/api/v1/products")),
        ("GET", format!("/api/v1/products/{lamp}/nothing"), None),
    ] {
        let answer = call_service(&service, request(method, &path, None, None).to_request()).await;
        assert_eq!(answer.request().match_pattern().as_deref(), name, "{method} {path}");
    }
}
