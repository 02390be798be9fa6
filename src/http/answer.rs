//! Answers to writes and reads: JSON, the place in the journal, versions. What a refusal says is in [`super::refusal`].

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_TYPE, ETAG, EntityTag, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION,
};
use actix_web::{HttpRequest, HttpResponse};
use holdfast_actors::domain::ProductId;
use holdfast_actors::{Answer, Engine, Failure};
use serde::Serialize;

use super::lines::Line;
use super::position::{self, JOURNAL_POSITION};
use super::refusal::{self, Asked};

/// Tells that an answer is the first one to its key again.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A first guess at the size of a body, so that writing one rarely grows its buffer.
const BODY_BYTES_USUAL: usize = 512;

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    large_json(status, body, BODY_BYTES_USUAL)
}

/// The same, of about so many bytes.
pub fn large_json(status: StatusCode, body: &impl Serialize, bytes_usual: usize) -> HttpResponse {
    let mut bytes = Vec::with_capacity(bytes_usual);
    serde_json::to_writer(&mut bytes, body).expect("a view has string keys and plain values");
    json_bytes(status, bytes)
}

/// JSON that was written already.
pub fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    response.body(bytes)
}

/// The answer to a write: with the place of its record, and whether it is a replay.
pub fn written<T>(mut response: HttpResponse, answer: &Answer<T>) -> HttpResponse {
    let headers = response.headers_mut();
    if let Some(position) = answer.position {
        headers.insert(JOURNAL_POSITION, position::header(position));
    }
    if answer.is_replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The answer to a write that leaves nothing to show. `product` helps to name the skus of short lines.
pub fn gone<T>(
    done: Result<Answer<T>, Failure>,
    engine: &Engine,
    product: Option<ProductId>,
) -> HttpResponse {
    match done {
        Ok(answer) => written(HttpResponse::NoContent().finish(), &answer),
        Err(failure) => refused(failure, engine, product),
    }
}

/// Adds the path of what was made.
pub fn located(mut response: HttpResponse, path: &str) -> HttpResponse {
    let path = HeaderValue::from_str(path).expect("an id is plain ASCII");
    response.headers_mut().insert(LOCATION, path);
    response
}

/// Adds an `ETag`.
pub fn tagged(mut response: HttpResponse, tag: &str) -> HttpResponse {
    let tag = format!("\"{tag}\"");
    response.headers_mut().insert(ETAG, HeaderValue::from_str(&tag).expect("a tag is plain ASCII"));
    response
}

/// The answer to a read with its `ETag`: `whole`, or 304 when the client has this version already.
pub fn unless_unchanged(
    request: &HttpRequest,
    tag: &str,
    whole: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    let response = if is_unchanged(request, tag) { HttpResponse::NotModified().finish() } else { whole() };
    tagged(response, tag)
}

/// `If-None-Match`, compared weakly as RFC 9110 says.
fn is_unchanged(request: &HttpRequest, tag: &str) -> bool {
    entity_tags(request, &IF_NONE_MATCH).is_some_and(|tags| match tags {
        Tags::Any => true,
        Tags::Some(tags) => tags.iter().any(|known| known.tag() == tag),
    })
}

/// What a tag that is none of ours stands for. Versions count from 0 and never come near.
const VERSION_OF_NONE: u32 = u32::MAX;

/// What a header of entity tags says.
enum Tags {
    /// `*`.
    Any,
    /// These.
    Some(Vec<EntityTag>),
}

/// The version that a write insists on: `If-Match`.
///
/// The first part of a tag is the version, and that alone is compared: a purchase between a read and an
/// edit changes the figures and must not fail the edit. A tag that is none of ours matches nothing.
pub fn version_wanted(request: &HttpRequest, current: Option<u32>) -> Option<u32> {
    let Tags::Some(tags) = entity_tags(request, &IF_MATCH)? else { return None };
    let version = |tag: &EntityTag| {
        // A weak tag never matches here (RFC 9110, section 13.1.1).
        let text = if tag.weak { "" } else { tag.tag() };
        text.split('-').next().and_then(|version| version.parse().ok()).unwrap_or(VERSION_OF_NONE)
    };
    let wanted: Vec<u32> = tags.iter().map(version).collect();
    let is_current = |version: &&u32| Some(**version) == current;
    Some(wanted.iter().find(is_current).or(wanted.first()).copied().unwrap_or(VERSION_OF_NONE))
}

fn entity_tags(request: &HttpRequest, name: &HeaderName) -> Option<Tags> {
    let values: Vec<&str> =
        request.headers().get_all(name).map(|value| value.to_str().unwrap_or_default()).collect();
    if values.is_empty() {
        return None;
    }
    let parts: Vec<&str> = values.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
    if parts == ["*"] {
        return Some(Tags::Any);
    }
    // Some clients send the bare version; a tag that cannot be read is kept as one that matches nothing.
    let tag = |part: &&str| part.parse().unwrap_or_else(|_| EntityTag::new_strong(bare(part)));
    Some(Tags::Some(parts.iter().map(tag).collect()))
}

fn bare(part: &str) -> String {
    part.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The answer to what the engine did not do. `product` helps to name the skus of short lines.
pub fn refused(failure: Failure, engine: &Engine, product: Option<ProductId>) -> HttpResponse {
    refused_as(&failure, engine, product.map_or(Asked::Nothing, Asked::Product))
}

/// The same for a request with lines of its own.
pub fn refused_lines(failure: &Failure, engine: &Engine, lines: &[Line]) -> HttpResponse {
    refused_as(failure, engine, Asked::Lines(lines))
}

fn refused_as(failure: &Failure, engine: &Engine, asked: Asked<'_>) -> HttpResponse {
    let response = refusal::problem(failure, engine, asked).respond();
    match failure {
        Failure::Refused(answer) => written(response, answer),
        _ => response,
    }
}
