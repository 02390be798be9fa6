//! `GET /metrics`: the figures, for scrapers and admins.
//!
//! A scraper is known by its address, as it has no account. So an address must not be taken for the scraper's only
//! because a proxy in between has it.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use super::address;
use super::caller::{self, Caller};
use super::connection;
use super::events::Listeners;
use super::health::{HealthSource, Readiness};
use super::problem::{Code, Problem};
use super::shop::EngineSlot;
use crate::config::Networks;
use crate::mail::dispatch::Counters;
use crate::metering::{self, Snapshot};

/// Of the format, as Prometheus asks for it.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Put into the app's data: from where the figures may be read without a token.
#[derive(Clone, Debug, Default)]
pub struct MetricsAllow(pub Networks);

/// Tells the figures of server and process in Prometheus's text format, also while the server recovers.
///
/// For callers from the addresses that the setting `metrics_allow` names, by default this machine's own, and for admins.
#[utoipa::path(
    get, path = "/metrics", tag = "Operation", operation_id = "get_metrics", security(("anyone" = [])),
    responses(
        (status = 200, description = "The figures.", body = String, content_type = "text/plain"),
        (status = 403, description = "forbidden"),
        (status = 503, description = "not_ready", headers(("Retry-After"))),
    ),
)]
pub(super) async fn read(
    request: HttpRequest,
    health: web::Data<HealthSource>,
    engine: web::Data<EngineSlot>,
    dispatched: web::Data<Counters>,
    listeners: web::Data<Listeners>,
    allow: web::Data<MetricsAllow>,
) -> Result<HttpResponse, Problem> {
    expect_allowed(&request, &allow.0)?;
    let engine = engine.get();
    let now = Snapshot {
        engine: engine.map(holdfast_actors::Engine::stats),
        checkpoints: engine.and_then(holdfast_actors::Engine::checkpoint_figures),
        first_batch: engine.and_then(holdfast_actors::Engine::first_batch).unwrap_or_default(),
        is_ready: health.readiness() == Readiness::Ready,
        connections: connection::watched(),
        event_listeners: u64::try_from(listeners.count()).unwrap_or(u64::MAX),
        mails: dispatched.read(),
        // Asked of the engine and not of the dispatcher, who has nothing to tell while it waits for its queue.
        mails_unsent: engine.map_or(0, |engine| u64::try_from(engine.unsent_count()).unwrap_or(u64::MAX)),
    };
    // It reads what the kernel knows of the process, open files one by one: not on a thread that sells.
    let text = web::block(move || metering::render(&now)).await;
    let text =
        text.map_err(|error| Problem::internal(anyhow::Error::new(error).context("read the figures")))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_FORMAT)).body(text))
}

fn expect_allowed(request: &HttpRequest, allow: &Networks) -> Result<(), Problem> {
    let is_near = address::undisputed(request).is_some_and(|address| allow.contains(address));
    match caller::signed_in(request) {
        Ok(Some(Caller::Admin(_))) => Ok(()),
        Ok(_) if is_near => Ok(()),
        // Nobody can say yet whose the token is, and whoever is near needs none.
        Err(problem) if is_near && problem.code() == Code::NotReady => Ok(()),
        Ok(Some(_)) => Err(Problem::new(Code::Forbidden, "Only an admin may read the metrics.")),
        Ok(None) => {
            let detail = "This needs an access token of an admin, or an address that `metrics_allow` names.";
            Err(Problem::new(Code::Unauthenticated, detail))
        }
        Err(problem) => Err(problem),
    }
}
