//! The request id: one name for a request in the answer, the problem and the log.
//!
//! Taken from `X-Request-Id` when well-formed, else made here. [`super::edge`] sets it around every poll of
//! a request, so that whoever runs on behalf of one finds its id without being handed it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest};

use super::problem::Problem;
use crate::ids;

/// The header that carries a request id both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that is taken over.
pub const REQUEST_ID_BYTES_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// 1 to 64 characters of `[A-Za-z0-9._-]`. Held inline: no allocation until it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; REQUEST_ID_BYTES_MAX],
    len: u8,
}

impl RequestId {
    /// The id the request came with, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(X_REQUEST_ID).and_then(|value| Self::parse(value.as_bytes())).unwrap_or_else(Self::make)
    }

    /// The id of the request this task is working for; a new one outside of any.
    pub fn current() -> Self {
        CURRENT.try_with(|id| *id).unwrap_or_else(|_| Self::make())
    }

    /// Takes `bytes` as an id if they are well-formed.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let len = u8::try_from(bytes.len()).ok()?;
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if bytes.is_empty() || bytes.len() > REQUEST_ID_BYTES_MAX || !bytes.iter().all(is_allowed) {
            return None;
        }
        let mut id = Self { bytes: [0; REQUEST_ID_BYTES_MAX], len };
        id.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(id)
    }

    /// A new UUIDv7.
    pub fn make() -> Self {
        let mut id = Self { bytes: [0; REQUEST_ID_BYTES_MAX], len: 36 };
        ids::make().hyphenated().encode_lower(&mut id.bytes);
        id
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("only ASCII is taken in")
    }

    /// The id as a header.
    pub fn to_header(self) -> HeaderValue {
        HeaderValue::from_str(self.as_str()).expect("no character of an id needs escaping in a header")
    }

    /// Runs `work` as part of this request.
    pub(super) fn enter<R>(self, work: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, work)
    }
}

impl FromRequest for RequestId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(_request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self::current()))
    }
}
