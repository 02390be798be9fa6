//! Answers to writes and reads: JSON, the place in the journal, versions, and refusals by the rules.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_TYPE, ETAG, EntityTag, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use actix_web::{HttpRequest, HttpResponse};
use holdfast_actors::domain::ProductId;
use holdfast_actors::domain::product::{LimitKind, Refusal, Short};
use holdfast_actors::{Answer, Engine, Failure, Overload};
use serde::Serialize;

use super::position::{self, JOURNAL_POSITION};
use super::problem::{Code, FieldError, LineProblem, Problem};

/// Tells that an answer is the first one to its key again.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A first guess at the size of a body, so that writing one rarely grows its buffer.
const BODY_BYTES_USUAL: usize = 512;

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let mut bytes = Vec::with_capacity(BODY_BYTES_USUAL);
    serde_json::to_writer(&mut bytes, body).expect("a view has string keys and plain values");
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
        text.split('-').next().and_then(|version| version.parse().ok()).unwrap_or(0)
    };
    let wanted: Vec<u32> = tags.iter().map(version).collect();
    let is_current = |version: &&u32| Some(**version) == current;
    Some(wanted.iter().find(is_current).or(wanted.first()).copied().unwrap_or(0))
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
    match failure {
        Failure::Refused(answer) => {
            let problem = refusal(&answer.value, engine, product);
            written(problem.respond(), &answer)
        }
        other => unanswered(other).respond(),
    }
}

fn unanswered(failure: Failure) -> Problem {
    match failure {
        Failure::Refused(answer) => unreachable!("a refusal is an answer: {answer:?}"),
        Failure::NotFound => Problem::new(Code::NotFound, "There is no such product."),
        Failure::SkuRequired => Problem::invalid(vec![FieldError {
            field: "sku".to_owned(),
            code: "required",
            detail: "The product has several variants; name one of them.".into(),
        }]),
        Failure::DuplicateSku(sku) => {
            Problem::new(Code::DuplicateSku, format!("The sku {sku} belongs to another product."))
                .with("sku", sku.as_str())
        }
        Failure::KeyReused => {
            let detail = "The idempotency key came with another request before; use a new one.";
            Problem::new(Code::IdempotencyKeyReused, detail)
        }
        Failure::Overloaded(Overload::Requests) => {
            Problem::new(Code::Overloaded, "Too many requests at once; nothing was done. Try again.")
        }
        Failure::Overloaded(Overload::Disk) => {
            let detail = "The journal's disk is nearly full; nothing was done. Reads go on.";
            Problem::new(Code::Overloaded, detail).retry_after(RETRY_AFTER_SECONDS_DISK)
        }
        Failure::Stopped => {
            let detail = "The journal stopped; ask again after the restart whether this was done.";
            Problem::new(Code::NotReady, detail)
        }
    }
}

/// An operator has to make room first.
const RETRY_AFTER_SECONDS_DISK: u32 = 10;

fn refusal(refusal: &Refusal, engine: &Engine, product: Option<ProductId>) -> Problem {
    match refusal {
        Refusal::InsufficientStock { lines } => insufficient_stock(lines, engine, product),
        Refusal::LimitExceeded { kind, limit, counted } => {
            let detail = match kind {
                LimitKind::PerOrder => format!("One order may have at most {limit} units of this product."),
                LimitKind::PerCustomer => format!(
                    "One customer may have at most {limit} units of this product; {counted} are held or bought."
                ),
            };
            Problem::new(Code::LimitExceeded, detail).with("limit", limit.0)
        }
        Refusal::ExtensionExceeded => Problem::new(
            Code::LimitExceeded,
            "A reservation is extended at most 3 times and lives at most 1 h.",
        ),
        Refusal::ReservationExpired { .. } => {
            Problem::new(Code::ReservationExpired, "The reservation has expired.")
        }
        Refusal::UnknownProduct
        | Refusal::UnknownVariant { .. }
        | Refusal::UnknownReservation
        | Refusal::UnknownOrder => Problem::new(Code::NotFound, "There is no such thing, or not any more."),
        Refusal::InvalidState => Problem::new(Code::InvalidState, "Its state does not allow this."),
        Refusal::NotSellable { .. } => {
            Problem::new(Code::InvalidState, "The product is not sold at present.")
        }
        Refusal::ExpectedMismatch { expected, on_hand } => {
            let detail = format!("The books say {on_hand} on hand, not {expected}.");
            Problem::new(Code::ExpectedMismatch, detail)
                .with("expected", expected.0)
                .with("on_hand", on_hand.0)
        }
        Refusal::InUse => Problem::new(Code::InUse, "Units of it are reserved or committed."),
        Refusal::VersionMismatch { actual, .. } => {
            let detail = format!("The resource has version {actual}; read it again.");
            Problem::new(Code::VersionMismatch, detail).with("version", *actual)
        }
        Refusal::StockOverflow => invalid("More units than the books can hold."),
        Refusal::DeadlineOutOfRange => invalid("The deadline has passed already, or is too far ahead."),
        Refusal::OutOfBounds => invalid("A value is out of its bounds."),
        Refusal::TooLarge { bytes_max } => Problem::invalid(vec![FieldError {
            field: String::new(),
            code: "too_large",
            detail: format!("All texts of a product may have {bytes_max} bytes together.").into(),
        }]),
    }
}

fn invalid(detail: &'static str) -> Problem {
    Problem::invalid(vec![FieldError { field: String::new(), code: "out_of_range", detail: detail.into() }])
}

fn insufficient_stock(lines: &[Short], engine: &Engine, product: Option<ProductId>) -> Problem {
    let line = |short: &Short| LineProblem {
        index: short.index,
        sku: product
            .and_then(|product| engine.sku_of(product, short.variant))
            .map_or_else(String::new, |sku| sku.as_str().to_owned()),
        code: Code::InsufficientStock,
        requested: short.requested.0,
        available: short.available.0,
        reserved: short.reserved.0,
    };
    let detail = match lines {
        [only] => format!("{} available, {} requested.", only.available, only.requested),
        _ => format!("{} lines cannot be served; see lines.", lines.len()),
    };
    Problem::new(Code::InsufficientStock, detail).with_lines(lines.iter().map(line).collect())
}
