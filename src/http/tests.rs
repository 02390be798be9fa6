//! The edge as a client meets it: the real app, two toy routes, no socket.

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{HttpResponse, web};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::caller::{AdminCaller, Caller, SecureCookies};
use super::check::Check;
use super::cursor::Cursors;
use super::field::{Field, Objects};
use super::health::{HealthSource, Readiness};
use super::idempotency::{IdempotencyKey, fingerprint};
use super::json::{Body, BodyLimit, Json, Nothing};
use super::problem::{Code, LineProblem, Problem};
use super::query::{Limit, Query};
use super::routes::{Protection, Shared, app};
use super::values::{Id, Product, Sku, Text, Units, User};
use crate::auth::password::Passwords;
use crate::auth::refresh::RefreshTokens;
use crate::auth::secret::Secrets;
use crate::auth::token::{Keys, Role};

mod accounts;
mod answers;
mod bodies;
mod callers;
mod direct;
mod idempotency;
mod lists;
mod metrics;
mod problems;
mod refusals;

/// The toy body: what a purchase and a reservation have between them.
#[derive(Debug, Serialize)]
struct Toy {
    quantity: Units,
    sku: Option<Sku>,
    note: Option<Text<1, 10>>,
    lines: Vec<ToyLine>,
    tags: Vec<Sku>,
}

#[derive(Debug, Serialize)]
struct ToyLine {
    sku: Sku,
    quantity: Units,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawToy {
    quantity: Field<Units>,
    sku: Field<Sku>,
    note: Field<Text<1, 10>>,
    lines: Field<Objects<RawToyLine, 3>>,
    tags: Field<Vec<Field<Sku>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawToyLine {
    sku: Field<Sku>,
    quantity: Field<Units>,
}

impl Body for Toy {
    type Raw = RawToy;

    fn check(raw: RawToy, check: &mut Check) -> Option<Self> {
        let quantity = check.required("quantity", raw.quantity);
        let sku = check.optional("sku", raw.sku);
        let note = check.optional("note", raw.note);
        let lines = match raw.lines {
            Field::Absent => Some(Vec::new()),
            lines => check.objects("lines", lines, |raw, check| {
                let sku = check.required("sku", raw.sku);
                let quantity = check.required("quantity", raw.quantity);
                Some(ToyLine { sku: sku?, quantity: quantity? })
            }),
        };
        let tags = match raw.tags {
            Field::Absent => Some(Vec::new()),
            tags => check.values("tags", tags, 0..=3),
        };
        Some(Self { quantity: quantity?, sku: sku?, note: note?, lines: lines?, tags: tags? })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ToyQuery {
    limit: Limit,
    q: Option<String>,
    in_stock: Option<bool>,
}

async fn buy(caller: Caller, key: IdempotencyKey, body: Json<Toy>) -> HttpResponse {
    HttpResponse::Created().json(json!({
        "caller": caller.scope(),
        "key": key.as_str(),
        "quantity": body.quantity.count(),
    }))
}

async fn list(query: Query<ToyQuery>) -> HttpResponse {
    let Query(query) = query;
    HttpResponse::Ok().json(json!({ "limit": query.limit.get(), "q": query.q, "in_stock": query.in_stock }))
}

async fn administer(admin: AdminCaller) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "admin": admin.0.to_string() }))
}

async fn sold_out(_caller: Caller) -> Problem {
    let line = LineProblem {
        index: 0,
        sku: "HOT-1".to_owned(),
        code: Code::InsufficientStock,
        requested: 3,
        available: 2,
        reserved: 1,
    };
    Problem::new(Code::InsufficientStock, "2 available.").with_lines(vec![line]).with("retryable", true)
}

fn toys(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/api/toy")
                .route(web::post().to(buy))
                .route(web::patch().to(buy))
                .route(web::get().to(list)),
        )
        .service(web::resource("/api/small").app_data(BodyLimit(20)).route(web::post().to(buy)))
        .service(
            web::resource("/api/quiet")
                .route(web::post().to(async |_nothing: Json<Nothing>| HttpResponse::NoContent().finish())),
        )
        .service(web::resource("/api/admin").route(web::get().to(administer)))
        .service(web::resource("/api/sold-out").route(web::post().to(sold_out)))
        .service(
            web::resource("/api/products/{id}").route(
                web::get().to(async |id: web::Path<Id<Product>>| HttpResponse::Ok().body(id.to_string())),
            ),
        )
        .service(web::resource("/api/broken").route(
            web::get().to(async || Problem::internal(std::io::Error::other("the secret of the disk"))),
        ));
}

pub(super) fn shared() -> Shared {
    let secret: SecretString = "0123456789abcdef0123456789abcdef".into();
    let health = HealthSource::default();
    health.set_readiness(Readiness::Ready);
    Shared {
        health: web::Data::new(health),
        keys: web::Data::new(Keys::new(&secret)),
        passwords: web::Data::new(Passwords::new(1)),
        refresh_tokens: web::Data::new(RefreshTokens::new(&Secrets::only(secret.clone()))),
        throttle: web::Data::default(),
        cursors: web::Data::new(Cursors::new(b"a secret")),
        listing_cache: web::Data::default(),
        engine: web::Data::default(),
        mails: web::Data::default(),
        dispatched: web::Data::default(),
        listeners: web::Data::default(),
        secure_cookies: SecureCookies(false),
        protection: Protection::default(),
    }
}

/// One answer, read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that this is a whole problem of `code`.
    #[track_caller]
    fn is_problem(&self, code: Code) -> &Self {
        assert_eq!(self.status, code.status().as_u16(), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        assert_eq!(self.body["code"], code.as_str(), "{}", self.body);
        assert_eq!(self.body["type"], format!("urn:holdfast:problem:{}", code.as_str()));
        assert_eq!(self.body["status"], self.status);
        assert_eq!(self.body["title"], code.title());
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{}", self.body);
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        self
    }

    /// The fields that are wrong, with the word for each.
    fn wrong_fields(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect()
    }
}

async fn send(shared: &Shared, request: TestRequest) -> Answer {
    let service = init_service(app(shared, toys)).await;
    let answer = call_service(&service, request.to_request()).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = actix_web::test::read_body(answer).await;
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    for name in ["x-request-id", "cache-control"] {
        assert!(headers.contains_key(name), "every answer has {name}");
    }
    assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
    Answer { status, headers, body }
}

/// A purchase by a guest with this body.
fn post(body: &str) -> TestRequest {
    TestRequest::post()
        .uri("/api/toy")
        .insert_header(("x-session-id", "guest-0123456789abcdef"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .set_payload(body.to_owned())
}

fn get(uri: &str) -> TestRequest {
    TestRequest::get().uri(uri)
}
