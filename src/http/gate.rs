//! The inner of the two middlewares: what is not even routed.
//!
//! Refuses targets that are too long, requests before the server is ready, callers who ask too often, and clients
//! that take no answer of ours; tells the others how they stand. Answers pass [`super::edge`], which completes
//! them, and between the two the headers for foreign pages are added: a browser must be able to read a 429.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::{Error, web};
use pin_project_lite::pin_project;

use super::accept;
use super::connection::Serving;
use super::health::{HealthSource, Readiness};
use super::limits::{Counted, Limits, TooMany};
use super::problem::{Code, Problem};
use crate::metering::HTTP_RATE_LIMITED;

/// The longest target of a request: a page of the longest list has less than a tenth.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

const API_PREFIX: &str = "/api/";

/// Wraps the routes; [`super::edge::Edge`] goes around it.
#[derive(Clone)]
pub struct Gate {
    health: web::Data<HealthSource>,
    limits: web::Data<Limits>,
}

impl Gate {
    /// `health` says whether the API may be served yet, `limits` how much of it one caller may have.
    pub fn new(health: web::Data<HealthSource>, limits: web::Data<Limits>) -> Self {
        Self { health, limits }
    }

    /// Why a request is not even routed, if so; else how its caller stands, if that is counted.
    fn judge(&self, request: &ServiceRequest) -> Result<Option<Counted>, Refusal> {
        target_fits(request)?;
        // The path as the routes see it: `/%61pi/` leads to the API as well.
        let path = request.match_info().as_str();
        let Some(within_api) = path.strip_prefix(API_PREFIX) else { return Ok(None) };
        if self.health.readiness() == Readiness::Starting && within_api != "v1/health" {
            return Err(Problem::new(Code::NotReady, "The server is still recovering its journal.").into());
        }
        let counted = self.limits.count(request.request(), within_api)?;
        if accept::takes_our_answers(request.headers(), path) {
            return Ok(counted);
        }
        let problem = Problem::new(Code::NotAcceptable, "Answers are application/json; accept that.");
        Err(Refusal { problem, counted })
    }
}

struct Refusal {
    problem: Problem,
    counted: Option<Counted>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, counted: None }
    }
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        metrics::counter!(HTTP_RATE_LIMITED).increment(1);
        Self { problem: too_many.problem(), counted: Some(too_many.counted) }
    }
}

fn target_fits(request: &ServiceRequest) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        let detail = format!("The target must have at most {TARGET_BYTES_MAX} bytes.");
        return Err(Problem::new(Code::MalformedRequest, detail).with_status(StatusCode::URI_TOO_LONG));
    }
    Ok(())
}

impl<S> Transform<S, ServiceRequest> for Gate
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = GateService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GateService { service, gate: self.clone() }))
    }
}

/// What [`Gate`] makes of the service it wraps.
pub struct GateService<S> {
    service: S,
    gate: Gate,
}

impl<S> Service<ServiceRequest> for GateService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&self, ctx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(ctx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let serving = Serving::begin(request.request());
        match self.gate.judge(&request) {
            Ok(counted) => {
                GateFuture { served: Some(self.service.call(request)), refused: None, counted, serving }
            }
            Err(Refusal { problem, counted }) => {
                let refused = Some(request.into_response(problem.respond()));
                GateFuture { served: None, refused, counted, serving }
            }
        }
    }
}

pin_project! {
    /// The answer to come.
    pub struct GateFuture<F> {
        // The routes' own future; absent when the gate refused.
        #[pin]
        served: Option<F>,
        refused: Option<ServiceResponse<BoxBody>>,
        counted: Option<Counted>,
        serving: Serving,
    }
}

impl<F> Future for GateFuture<F>
where
    F: Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = match this.served.as_pin_mut() {
            Some(served) => poll_ready!(served.poll(ctx))?,
            None => this.refused.take().expect("a future is not polled after it was ready"),
        };
        if let Some(counted) = this.counted.take() {
            counted.tell(answer.headers_mut());
        }
        this.serving.answered(&answer);
        Poll::Ready(Ok(answer))
    }
}
