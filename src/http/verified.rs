//! The verdict on a request's token, reached once: verifying costs more than all else an edge does.

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest};

use crate::auth::token::{Keys, Rejected, Verified};

/// Kept in the request's extensions.
#[derive(Clone, Copy)]
struct Verdict(Result<Verified, Rejected>);

/// Who the request's token speaks for. A request has one token, so the first verdict holds for all who ask.
///
/// # Errors
///
/// Those of [`Keys::verify`].
pub(super) fn once(request: &HttpRequest, keys: &Keys, token: &str) -> Result<Verified, Rejected> {
    if let Some(Verdict(verdict)) = request.extensions().get() {
        return *verdict;
    }
    let verdict = keys.verify(token);
    request.extensions_mut().insert(Verdict(verdict));
    verdict
}

/// How long the token is good for with which the request came; no time where it has no good one.
pub(super) fn ends_in(request: &HttpRequest) -> Duration {
    match request.extensions().get() {
        Some(Verdict(Ok(verified))) => verified.ends_in(),
        _ => Duration::ZERO,
    }
}
