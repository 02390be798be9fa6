//! Which foreign pages may call the API from a browser, and what of an answer they may read.
//!
//! None, unless the settings name their origins. A request from another origin is served as if it had none: what
//! keeps its page from reading the answer is the browser.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION,
    RETRY_AFTER,
};

use super::answer::IDEMPOTENT_REPLAYED;
use super::caller::X_SESSION_ID;
use super::limits::{RATE_LIMIT, RATE_LIMIT_POLICY};
use super::listing_cache::X_CACHE;
use super::position::{JOURNAL_POSITION, MIN_JOURNAL_POSITION};
use super::request_id::X_REQUEST_ID;
use crate::config::Origins;

/// How long a browser may remember what it was allowed.
const MAX_AGE_SECONDS: usize = 3_600;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Lets the pages of `origins` call, with their cookies.
pub fn of(origins: &Origins) -> Cors {
    let cors = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            IF_MATCH,
            IF_NONE_MATCH,
            MIN_JOURNAL_POSITION,
            X_REQUEST_ID,
            X_SESSION_ID,
        ])
        .expose_headers([
            ETAG,
            IDEMPOTENT_REPLAYED,
            JOURNAL_POSITION,
            LINK,
            LOCATION,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            RETRY_AFTER,
            X_CACHE,
            X_REQUEST_ID,
            X_SESSION_ID,
        ])
        .supports_credentials()
        .max_age(MAX_AGE_SECONDS);
    origins.iter().fold(cors, Cors::allowed_origin)
}
