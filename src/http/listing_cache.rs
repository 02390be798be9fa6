//! The listing cache as the handlers find it, and the header that tells of it.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web;

use crate::cache::{ListingCache, Verdict};

/// The cache of the process; none where lists are not kept.
pub type Cache = web::Data<Option<ListingCache>>;

/// Tells whether a list came from the cache.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Tells where the answer came from.
pub fn marked(mut response: HttpResponse, verdict: Verdict) -> HttpResponse {
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(verdict.as_str()));
    response
}
