//! The outermost middleware: what is true of every answer, whoever made it.
//!
//! Owns the request id, the headers every answer carries, the refusal of what cannot be served at all (not
//! ready, not acceptable), the shape of errors that actix makes itself, and the log line of failures. One
//! hand-written future and no tracing span, as this is on the path of every purchase.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{Error, web};
use pin_project_lite::pin_project;

use super::accept;
use super::caller;
use super::health::{HealthSource, Readiness};
use super::problem::{Code, PROBLEM_JSON, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};

/// Requests that take longer are logged.
const SLOW_REQUEST: Duration = Duration::from_secs(1);

const API_PREFIX: &str = "/api/";

/// Wraps the whole app; must be its last `wrap`.
#[derive(Clone)]
pub struct Edge {
    health: web::Data<HealthSource>,
}

impl Edge {
    /// `health` says whether the API may be served yet.
    pub fn new(health: web::Data<HealthSource>) -> Self {
        Self { health }
    }
}

impl<S> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service, health: self.health.clone() }))
    }
}

/// What [`Edge`] makes of the service it wraps.
pub struct EdgeService<S> {
    service: S,
    health: web::Data<HealthSource>,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
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
        let refusal = id.enter(|| refuse(&request, &self.health).map(|problem| problem.respond()));
        let (served, refused) = match refusal {
            None => (Some(id.enter(|| self.service.call(request))), None),
            Some(refusal) => (None, Some(request.into_response(refusal))),
        };
        EdgeFuture { served, refused, id, started_at }
    }
}

pin_project! {
    /// The answer to come, with the request's id set while it is worked on.
    pub struct EdgeFuture<F> {
        // The app's own future; absent when the edge refused.
        #[pin]
        served: Option<F>,
        refused: Option<ServiceResponse<BoxBody>>,
        id: RequestId,
        started_at: Instant,
    }
}

impl<F> Future for EdgeFuture<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let id = *this.id;
        let Some(served) = this.served.as_pin_mut() else {
            let refusal = this.refused.take().expect("a future is not polled after it was ready");
            return Poll::Ready(Ok(finish(refusal, id, *this.started_at)));
        };
        let answer = poll_ready!(id.enter(|| served.poll(ctx)));
        Poll::Ready(answer.map(|answer| finish(answer, id, *this.started_at)).map_err(|mut error| {
            // Only a middleware that fails comes here. It took the request with it, so the answer is
            // completed when actix makes one of the error.
            error.add_response_mapper(move |mut answer| {
                complete_headers(answer.headers_mut(), id);
                answer
            });
            error
        }))
    }
}

/// Why a request is not even routed, if so.
fn refuse(request: &ServiceRequest, health: &HealthSource) -> Option<Problem> {
    let path = request.path();
    let within_api = path.strip_prefix(API_PREFIX)?;
    if health.readiness() == Readiness::Starting && within_api != "v1/health" {
        return Some(Problem::new(Code::NotReady, "The server is still recovering its journal."));
    }
    if !accept::takes_our_answers(request.headers(), path) {
        return Some(Problem::new(Code::NotAcceptable, "Answers are application/json; accept that."));
    }
    None
}

fn finish(answer: ServiceResponse<BoxBody>, id: RequestId, started_at: Instant) -> ServiceResponse<BoxBody> {
    let mut answer = if is_foreign_error(&answer) { to_problem(answer, id) } else { answer };
    caller::announce_new_session(&mut answer);
    complete_headers(answer.headers_mut(), id);
    log_if_notable(&answer, id, started_at.elapsed());
    answer
}

fn complete_headers(headers: &mut HeaderMap, id: RequestId) {
    headers.insert(X_REQUEST_ID, id.to_header());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
    if !has_failed && elapsed < SLOW_REQUEST {
        return;
    }
    let request = answer.request();
    let route = request.match_pattern().unwrap_or_default();
    let (method, status, ms, request_id) =
        (request.method().as_str(), status.as_u16(), elapsed.as_millis(), id.as_str());
    if has_failed {
        tracing::error!(method, route, status, ms, request_id, "request failed");
    } else {
        tracing::warn!(method, route, status, ms, request_id, "request was slow");
    }
}
