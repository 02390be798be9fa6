//! Problem details (RFC 9457): the one shape of every answer that is not a success.
//!
//! Owns the table of codes and how a problem looks on the wire. Never decides *when* something is a
//! problem: handlers and extractors do, and `http::error` turns the errors of other modules into these.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::request_id::RequestId;

/// The media type of every problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What `Retry-After` says on 429 and 503 unless the problem knows better.
const RETRY_AFTER_SECONDS_DEFAULT: u32 = 1;

/// A first guess at the size of a problem's body, so that writing one rarely grows its buffer.
const BODY_BYTES_USUAL: usize = 512;

macro_rules! codes {
    ($($name:ident $status:literal $code:literal $title:literal;)*) => {
        /// The stable reason of a problem. Clients branch on it, so a code is never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code there is, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        status: $status,
                        code: $code,
                        kind: concat!("urn:holdfast:problem:", $code),
                        title: $title,
                    },)*
                }
            }
        }
    };
}

// The table of API.md section 1, and `internal` for what is a fault of ours.
codes! {
    MalformedJson 400 "malformed_json" "The body is not well-formed JSON";
    MalformedRequest 400 "malformed_request" "The request is malformed";
    Unauthenticated 401 "unauthenticated" "The request needs a valid access token";
    InvalidCredentials 401 "invalid_credentials" "Email or password is wrong";
    TokenExpired 401 "token_expired" "The access token has expired";
    PaymentFailed 402 "payment_failed" "The payment failed";
    Forbidden 403 "forbidden" "The caller may not do this";
    NotFound 404 "not_found" "There is no such resource";
    MethodNotAllowed 405 "method_not_allowed" "The resource does not know this method";
    NotAcceptable 406 "not_acceptable" "No acceptable representation exists";
    InsufficientStock 409 "insufficient_stock" "There is not enough stock";
    ReservationExpired 409 "reservation_expired" "The reservation has expired";
    InvalidState 409 "invalid_state" "The resource's state does not allow this";
    LimitExceeded 409 "limit_exceeded" "A limit would be exceeded";
    PriceChanged 409 "price_changed" "The price has changed";
    ExpectedMismatch 409 "expected_mismatch" "The figure is not the expected one";
    DuplicateSku 409 "duplicate_sku" "The SKU is taken";
    EmailTaken 409 "email_taken" "The email address is taken";
    CartEmpty 409 "cart_empty" "The cart is empty";
    InUse 409 "in_use" "The resource is in use";
    VersionMismatch 412 "version_mismatch" "The resource has another version";
    BodyTooLarge 413 "body_too_large" "The body is too large";
    UnsupportedMediaType 415 "unsupported_media_type" "The media type of the body is not supported";
    ValidationFailed 422 "validation_failed" "The request is not valid";
    IdempotencyKeyReused 422 "idempotency_key_reused" "The idempotency key belongs to another request";
    RateLimited 429 "rate_limited" "Too many requests";
    Internal 500 "internal" "The server failed";
    Overloaded 503 "overloaded" "The server has too much to do";
    NotReady 503 "not_ready" "The server is not ready";
}

struct Row {
    status: u16,
    code: &'static str,
    kind: &'static str,
    title: &'static str,
}

impl Code {
    /// The word clients see, such as `insufficient_stock`.
    pub const fn as_str(self) -> &'static str {
        self.row().code
    }

    /// The status that answers with this code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).expect("the table holds valid statuses only")
    }

    /// The title: one sentence, the same for every problem of this code.
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// The code that fits a bare status, for answers that were not made by us.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            406 => Self::NotAcceptable,
            413 => Self::BodyTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::ValidationFailed,
            429 => Self::RateLimited,
            503 => Self::Overloaded,
            400..500 => Self::MalformedRequest,
            _ => Self::Internal,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build().into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        "ProblemCode".into()
    }
}

/// One field of a request that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where it is in the body, such as `lines[2].quantity`; empty for the body itself.
    pub field: String,
    /// What is wrong, as a stable word: `required`, `wrong_type`, `out_of_range`, ….
    pub code: &'static str,
    /// What is wrong, as a sentence.
    pub detail: Cow<'static, str>,
}

/// One line of a request that cannot be served from stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LineProblem {
    /// Which line, counted from 0.
    pub index: usize,
    /// The unit that was asked for.
    pub sku: String,
    /// Why this line fails.
    pub code: Code,
    /// How many units were asked for.
    pub requested: u32,
    /// How many units there are for this caller: those that are free, or those that a limit still leaves.
    pub available: u32,
    /// How many units are only held and may come back.
    pub reserved: u32,
}

/// An answer that is not a success. Boxed, so that a `Result` with it stays small.
#[derive(Clone)]
pub struct Problem(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    lines: Vec<LineProblem>,
    extension: Vec<(&'static str, serde_json::Value)>,
    retry_after_seconds: u32,
    /// Absent: the status of the code.
    status: Option<StatusCode>,
    is_of_bad_token: bool,
}

impl Problem {
    /// A problem of this code; `detail` is one sentence about this very case, fit for the client's eyes.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            lines: Vec::new(),
            extension: Vec::new(),
            retry_after_seconds: RETRY_AFTER_SECONDS_DEFAULT,
            status: None,
            is_of_bad_token: code == Code::TokenExpired,
        }))
    }

    /// Answers with another status than that of its code, where HTTP has one that says more: 408, 414.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    /// `validation_failed` with every field that is wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.field.is_empty() => Cow::Owned(format!("The body: {}", only.detail)),
            [only] => Cow::Owned(format!("`{}`: {}", only.field, only.detail)),
            _ => Cow::Borrowed("Several fields are not valid; see errors."),
        };
        let mut problem = Self::new(Code::ValidationFailed, detail);
        problem.0.errors = errors;
        problem
    }

    /// `internal`. The log gets the chain of `error`, here and once; the client gets a request id to ask with.
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let request_id = RequestId::current();
        tracing::error!(request_id = request_id.as_str(), "internal error: {error:#}");
        Self::new(Code::Internal, "The server failed to do this; its log knows more under the request id.")
    }

    /// Adds the lines that cannot be served.
    #[must_use]
    pub fn with_lines(mut self, lines: Vec<LineProblem>) -> Self {
        self.0.lines = lines;
        self
    }

    /// Adds a member of its own, such as `refund_required`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.0.extension.push((name, value.into()));
        self
    }

    /// Sets `Retry-After`, which only 429 and 503 send.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = seconds;
        self
    }

    /// Says that a token came and is not good, as RFC 6750 has it.
    #[must_use]
    pub fn of_bad_token(mut self) -> Self {
        self.0.is_of_bad_token = true;
        self
    }

    /// The stable reason.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status it answers with.
    pub fn status(&self) -> StatusCode {
        self.0.status.unwrap_or_else(|| self.0.code.status())
    }

    /// The sentence about this very case, and the lines that cannot be served.
    pub fn into_detail_and_lines(self) -> (Cow<'static, str>, Vec<LineProblem>) {
        (self.0.detail, self.0.lines)
    }

    /// The body: what [`Problem::respond`] sends.
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(BODY_BYTES_USUAL);
        serde_json::to_writer(&mut body, self).expect("a problem has string keys and plain values");
        body
    }

    /// The whole answer, with the headers its status asks for.
    ///
    /// A hot refusal should return this rather than an `Err`: it spares actix' boxed error.
    pub fn respond(&self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status());
        builder.insert_header((CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON)));
        match self.status().as_u16() {
            // The rest of the request is not waited for.
            408 => {
                builder.force_close();
            }
            401 => {
                let challenge =
                    if self.0.is_of_bad_token { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                builder.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
            }
            429 | 503 => {
                builder.insert_header((RETRY_AFTER, HeaderValue::from(self.0.retry_after_seconds)));
            }
            _ => {}
        }
        builder.body(self.to_json())
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &*self.0;
        let row = parts.code.row();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", row.kind)?;
        map.serialize_entry("title", row.title)?;
        map.serialize_entry("status", &self.status().as_u16())?;
        map.serialize_entry("code", row.code)?;
        map.serialize_entry("detail", &parts.detail)?;
        map.serialize_entry("request_id", RequestId::current().as_str())?;
        if !parts.errors.is_empty() {
            map.serialize_entry("errors", &parts.errors)?;
        }
        if !parts.lines.is_empty() {
            map.serialize_entry("lines", &parts.lines)?;
        }
        for (name, value) in &parts.extension {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.respond()
    }
}

impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        self.respond()
    }
}
