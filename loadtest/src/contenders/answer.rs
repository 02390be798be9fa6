//! Answer: what a contender's front says, byte for byte as much as Holdfast says.
//!
//! The same fields in the same order and the same headers, so that the contenders are not ahead for having less to
//! write. What has no meaning here (position in a journal, rate limit) is constant. Called by `front`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use uuid::Uuid;

use super::store::Goods;

const CURRENCY: &str = "EUR";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Of every answer.
const COMMON: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("ratelimit-policy", "\"default\";q=2000000000;w=2"),
    ("ratelimit", "\"default\";r=1999999999;t=1"),
];
/// Of every purchase.
const POSITION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("journal-position"), HeaderValue::from_static("AA0AAAAAAAAAAg"));

#[derive(Debug, Serialize)]
struct Receipt<'a> {
    order_id: &'a str,
    sku: &'a str,
    quantity: u32,
    unit_price: i64,
    total: i64,
    currency: &'a str,
    available: i64,
}

#[derive(Debug, Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: String,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<[Line<'a>; 1]>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    index: u32,
    sku: &'a str,
    code: &'a str,
    requested: u32,
    available: i64,
    reserved: i64,
}

/// 201: `quantity` of `goods` are sold under `order_id`.
pub(super) fn sold(order_id: Uuid, quantity: u32, goods: &Goods) -> HttpResponse {
    let receipt = Receipt {
        order_id: &format!("ord_{order_id}"),
        sku: &goods.sku,
        quantity,
        unit_price: goods.price,
        total: goods.price * i64::from(quantity),
        currency: CURRENCY,
        available: goods.available,
    };
    let mut answer = HttpResponse::build(StatusCode::CREATED);
    complete(&mut answer, JSON, Uuid::now_v7()).insert_header(POSITION);
    answer.body(json(&receipt))
}

/// 409: there are too few.
pub(super) fn short(quantity: u32, goods: &Goods) -> HttpResponse {
    let code = "insufficient_stock";
    let available = goods.available;
    let line = Line { index: 0, sku: &goods.sku, code, requested: quantity, available, reserved: 0 };
    let detail = format!("{available} available, {quantity} requested.");
    problem(StatusCode::CONFLICT, code, "There is not enough stock", detail, Some([line]))
}

/// 503: too many others were faster, again and again.
pub(super) fn overloaded() -> HttpResponse {
    let detail = "Too many want the same at once; try again.".to_owned();
    let mut answer =
        problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "The server is overloaded", detail, None);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// A refusal of the front itself.
pub(super) fn refused(status: StatusCode, code: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("The request failed");
    problem(status, code, title, format!("{title}."), None)
}

fn problem(
    status: StatusCode,
    code: &str,
    title: &str,
    detail: String,
    lines: Option<[Line<'_>; 1]>,
) -> HttpResponse {
    let request_id = Uuid::now_v7();
    let problem = Problem {
        r#type: format!("urn:holdfast:problem:{code}"),
        title,
        status: status.as_u16(),
        code,
        detail,
        request_id: request_id.to_string(),
        lines,
    };
    let mut answer = HttpResponse::build(status);
    complete(&mut answer, PROBLEM_JSON, request_id);
    answer.body(json(&problem))
}

fn complete(
    answer: &mut HttpResponseBuilder,
    content_type: HeaderValue,
    request_id: Uuid,
) -> &mut HttpResponseBuilder {
    let mut text = Uuid::encode_buffer();
    let request_id = request_id.hyphenated().encode_lower(&mut text);
    answer.insert_header((CONTENT_TYPE, content_type)).insert_header((X_REQUEST_ID, &*request_id));
    for (name, value) in COMMON {
        answer.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    answer
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("strings and numbers have a JSON form")
}
