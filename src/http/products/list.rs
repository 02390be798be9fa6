//! `GET /products`: a plain list by age, with a cursor that stays where it is under writes.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::ProductId;
use holdfast_actors::domain::product::Status;
use holdfast_actors::{Engine, Failure, ProductFacts};
use serde::{Deserialize, Serialize};

use super::body::StatusWord;
use crate::http::caller::is_admin;
use crate::http::cursor::Cursors;
use crate::http::position::AtLeast;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Limit, Query};
use crate::http::shop::Shop;
use crate::http::{answer, view};

/// Tells whether a listing came from a cache; there is none yet.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Products that one request looks at, however few of them it shows; its cursor goes on from there.
const LOOK_COUNT_MAX: usize = 10_000;

/// Products looked at in one go.
const CHUNK: usize = 500;

/// The query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    in_stock: Option<bool>,
    status: Option<StatusWord>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Page<'a> {
    data: Vec<view::Product<'a>>,
    next_cursor: Option<String>,
}

/// Answers a page of the catalogue, oldest first. Buyers see what is active.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list; `forbidden` for a `status` that is not an
/// admin's to ask.
pub async fn list(
    request: HttpRequest,
    engine: Shop,
    cursors: web::Data<Cursors>,
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let is_admin = is_admin(&request)?;
    if filter.status.is_some_and(|status| status != StatusWord::Active) && !is_admin {
        return Err(Problem::new(Code::Forbidden, "Only an admin may list what is not active."));
    }
    let status = match (filter.status, is_admin) {
        (Some(status), _) => Some(Status::from(status)),
        (None, true) => None,
        (None, false) => Some(Status::Active),
    };
    let wants = |facts: &ProductFacts| {
        status.is_none_or(|status| facts.description.status == status)
            && filter.in_stock.is_none_or(|in_stock| (facts.available() > 0) == in_stock)
    };
    let list = format!("products?status={status:?}&in_stock={:?}", filter.in_stock);
    let after = filter.cursor.as_ref().map(|cursor| unpack(&cursors, &list, cursor)).transpose()?;
    let (found, next) = match collect(&engine, after, filter.limit.get(), wants).await {
        Ok(found) => found,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    let body = Page {
        data: found.iter().map(view::Product::of).collect(),
        next_cursor: next.map(|ProductId(id)| cursors.encode(&list, &id.to_be_bytes())),
    };
    Ok(finish(&request, &body))
}

/// Up to `limit` products that `wants` accepts, and where to go on if there may be more.
async fn collect(
    engine: &Engine,
    after: Option<ProductId>,
    limit: usize,
    wants: impl Fn(&ProductFacts) -> bool,
) -> Result<(Vec<ProductFacts>, Option<ProductId>), Failure> {
    let mut found: Vec<ProductFacts> = Vec::new();
    let mut last = after;
    for _ in 0..LOOK_COUNT_MAX / CHUNK {
        let chunk = engine.products(last, CHUNK).await?;
        if chunk.is_empty() {
            return Ok((found, None));
        }
        for facts in chunk {
            last = Some(facts.id);
            if !wants(&facts) {
                continue;
            }
            if found.len() == limit {
                let next = found.last().map(|facts| facts.id);
                return Ok((found, next));
            }
            found.push(facts);
        }
    }
    Ok((found, last))
}

fn unpack(cursors: &Cursors, list: &str, cursor: &str) -> Result<ProductId, Problem> {
    let payload = cursors.decode(list, cursor)?;
    let id = payload.try_into().expect("a cursor that passed its check was packed here");
    Ok(ProductId(u128::from_be_bytes(id)))
}

fn finish(request: &HttpRequest, body: &Page<'_>) -> HttpResponse {
    let bytes = serde_json::to_vec(body).expect("a view has string keys and plain values");
    let tag = &blake3::hash(&bytes).to_hex()[..32];
    let whole = || HttpResponse::build(StatusCode::OK).content_type("application/json").body(bytes);
    let mut response = answer::unless_unchanged(request, tag, whole);
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static("bypass"));
    response
}
