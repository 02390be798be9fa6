//! The outermost middleware: what is true of every answer, whoever made it.
//!
//! Owns the request id, the headers every answer carries, the shape of errors that actix makes itself, and the
//! log line of failures; what is refused before it is routed is [`super::gate`]'s. One hand-written future and
//! no tracing span, as this is on the path of every purchase.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY,
    HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use pin_project_lite::pin_project;

use super::problem::{Code, PROBLEM_JSON, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::{caller, events};
use crate::metering::{HTTP_FAILURES, HTTP_SLOW_REQUESTS};

/// Requests that take longer are logged.
const SLOW_REQUEST: Duration = Duration::from_secs(1);

/// What every answer says to browsers, unless it says otherwise itself: an answer is data, never a page to be run,
/// framed or guessed at, and its address is nobody's business.
const FOR_BROWSERS: [(HeaderName, HeaderValue); 6] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// A year: browsers that came by TLS once never try without.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether the server is known to be reached by TLS alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Perhaps not.
    Any,
    /// It is, and browsers are told so.
    TlsOnly,
}

/// Wraps the whole app; must be its last `wrap`.
#[derive(Clone, Copy)]
pub struct Edge {
    transport: Transport,
}

impl Edge {
    /// `transport` decides on `Strict-Transport-Security`.
    pub fn new(transport: Transport) -> Self {
        Self { transport }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service, transport: self.transport }))
    }
}

/// What [`Edge`] makes of the service it wraps.
pub struct EdgeService<S> {
    service: S,
    transport: Transport,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&self, ctx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(ctx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let id = RequestId::of(request.headers());
        let started_at = Instant::now();
        let served = id.enter(|| self.service.call(request));
        EdgeFuture { served, id, started_at, transport: self.transport }
    }
}

pin_project! {
    /// The answer to come, with the request's id set while it is worked on.
    pub struct EdgeFuture<F> {
        #[pin]
        served: F,
        id: RequestId,
        started_at: Instant,
        transport: Transport,
    }
}

impl<F, B> Future for EdgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (id, transport, started_at) = (*this.id, *this.transport, *this.started_at);
        let answer = poll_ready!(id.enter(|| this.served.poll(ctx)));
        let finish = |answer: ServiceResponse<B>| {
            let answer = finish(answer.map_into_boxed_body(), id, transport);
            log_if_notable(&answer, id, started_at.elapsed());
            answer
        };
        Poll::Ready(answer.map(finish).map_err(|mut error| {
            // Only a middleware that fails comes here. It took the request with it, so the answer is
            // completed when actix makes one of the error.
            error.add_response_mapper(move |mut answer| {
                complete_headers(answer.headers_mut(), id, transport);
                answer
            });
            error
        }))
    }
}

fn finish(answer: ServiceResponse<BoxBody>, id: RequestId, transport: Transport) -> ServiceResponse<BoxBody> {
    let mut answer = if is_foreign_error(&answer) { to_problem(answer, id) } else { answer };
    caller::announce_new_session(&mut answer);
    complete_headers(answer.headers_mut(), id, transport);
    answer
}

fn complete_headers(headers: &mut HeaderMap, id: RequestId, transport: Transport) {
    headers.insert(X_REQUEST_ID, id.to_header());
    for (name, value) in FOR_BROWSERS {
        // Nearly no answer has its own, so that is not looked up but put back.
        let own = headers.insert(name.clone(), value).next();
        if let Some(own) = own {
            headers.insert(name, own);
        }
    }
    if transport == Transport::TlsOnly {
        headers.insert(STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
}

/// An error that says nothing in JSON was made by actix: no route, no such method, a failed middleware.
fn is_foreign_error(answer: &ServiceResponse<BoxBody>) -> bool {
    let status = answer.status();
    if !status.is_client_error() && !status.is_server_error() {
        return false;
    }
    let content_type = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    !content_type.starts_with(b"application/")
}

/// Says the same in our words, keeping headers such as `Allow`.
fn to_problem(answer: ServiceResponse<BoxBody>, id: RequestId) -> ServiceResponse<BoxBody> {
    let code = Code::of_status(answer.status());
    let detail = match code {
        Code::NotFound => "There is nothing at this path.".to_owned(),
        Code::MethodNotAllowed => {
            format!("This path does not know {}; see Allow.", answer.request().method())
        }
        Code::Internal => "The server failed to do this; its log knows more under the request id.".to_owned(),
        _ => format!("{}.", answer.status().canonical_reason().unwrap_or("The request failed")),
    };
    let problem = Problem::new(code, detail);
    let mut answer = answer.map_body(|head, _| {
        head.status = code.status();
        head.headers.remove(CONTENT_LENGTH);
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        BoxBody::new(id.enter(|| problem.to_json()))
    });
    for (name, value) in problem.respond().headers() {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
    }
    answer
}

fn log_if_notable(answer: &ServiceResponse<BoxBody>, id: RequestId, elapsed: Duration) {
    let status = answer.status();
    // 503 is how the server sheds load: a line for each would be load of its own.
    let has_failed = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
    // Nor is a client that did not finish its body slowness of ours.
    let is_late = elapsed >= SLOW_REQUEST && status != StatusCode::REQUEST_TIMEOUT;
    // Whoever waits for events is not kept waiting by us.
    let is_slow = is_late && answer.request().path() != events::PATH;
    if status.is_server_error() {
        // Looked up by name: no answer that sells anything comes here.
        metrics::counter!(HTTP_FAILURES, "status" => status.as_u16().to_string()).increment(1);
    }
    if !has_failed && !is_slow {
        return;
    }
    let request = answer.request();
    let route = request.match_pattern().unwrap_or_default();
    let (method, status, ms, request_id) =
        (request.method().as_str(), status.as_u16(), elapsed.as_millis(), id.as_str());
    if has_failed {
        tracing::error!(method, route, status, ms, request_id, "request failed");
    } else {
        metrics::counter!(HTTP_SLOW_REQUESTS).increment(1);
        tracing::warn!(method, route, status, ms, request_id, "request was slow");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_that_has_its_own_policy_keeps_it() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        complete_headers(&mut headers, RequestId::make(), Transport::TlsOnly);
        assert_eq!(headers.get(CONTENT_SECURITY_POLICY).unwrap(), "default-src 'self'");
        assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).count(), 1);
        for (name, value) in FOR_BROWSERS.iter().filter(|(name, _)| name != CONTENT_SECURITY_POLICY) {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
        assert_eq!(headers.get(STRICT_TRANSPORT_SECURITY).unwrap(), TLS_ONLY);
    }
}
