//! Health: is the process alive, may it be sent requests, how is it.
//!
//! Owns the readiness flag that [`super::edge`] and the shutdown look at. Knows journal and Redis only as
//! closures that describe them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

/// Whether the server may be sent requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Readiness {
    /// Recovering; the API is closed.
    Starting = 0,
    /// Open.
    Ready = 1,
    /// Going down; what was begun is finished, nothing new should be sent.
    Draining = 2,
}

/// Describes one part of the server for the health answer, as a JSON object. Must not block.
pub type Describe = Box<dyn Fn() -> Value + Send + Sync>;

/// What the health answers are made of.
pub struct HealthSource {
    readiness: AtomicU8,
    started_at: Instant,
    journal: OnceLock<Describe>,
    redis: OnceLock<Describe>,
}

impl Default for HealthSource {
    fn default() -> Self {
        Self {
            readiness: AtomicU8::new(0),
            started_at: Instant::now(),
            journal: OnceLock::new(),
            redis: OnceLock::new(),
        }
    }
}

impl HealthSource {
    /// Where the server stands.
    pub fn readiness(&self) -> Readiness {
        match self.readiness.load(Ordering::Acquire) {
            0 => Readiness::Starting,
            1 => Readiness::Ready,
            _ => Readiness::Draining,
        }
    }

    /// Moves on to `readiness`.
    pub fn set_readiness(&self, readiness: Readiness) {
        let number = match readiness {
            Readiness::Starting => 0,
            Readiness::Ready => 1,
            Readiness::Draining => 2,
        };
        self.readiness.store(number, Ordering::Release);
    }

    /// Sets who describes the journal; the first call wins.
    pub fn describe_journal(&self, describe: impl Fn() -> Value + Send + Sync + 'static) {
        let _ = self.journal.set(Box::new(describe));
    }

    /// Sets who describes Redis; the first call wins.
    pub fn describe_redis(&self, describe: impl Fn() -> Value + Send + Sync + 'static) {
        let _ = self.redis.set(Box::new(describe));
    }

    fn document(&self) -> Value {
        let describe = |part: &OnceLock<Describe>, absent: &str| {
            part.get().map_or_else(|| json!({ "status": absent }), |describe| describe())
        };
        json!({
            "status": match self.readiness() {
                Readiness::Starting => "starting",
                Readiness::Ready => "ok",
                Readiness::Draining => "draining",
            },
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started_at.elapsed().as_secs(),
            "journal": describe(&self.journal, "starting"),
            "redis": describe(&self.redis, "not_configured"),
        })
    }
}

/// How the server is.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
struct Health {
    status: Status,
    version: &'static str,
    uptime_seconds: u64,
    /// How far the journal is, and how it does.
    #[schema(value_type = Object)]
    journal: Value,
    /// Whether Redis is there.
    #[schema(value_type = Object)]
    redis: Value,
    /// `not_ready`, in answers with 503 only.
    #[schema(required = false)]
    code: &'static str,
}

/// Where it stands.
#[derive(utoipa::ToSchema)]
#[schema(as = HealthStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
enum Status {
    Starting,
    Ok,
    Draining,
}

/// Tells that the process is alive: 200 as long as the process answers at all.
#[utoipa::path(
    get, path = "/health/live", tag = "Operation", operation_id = "get_liveness",
    responses((status = 200, description = "The process answers.", body = Health)),
)]
pub(super) async fn live(health: web::Data<HealthSource>) -> HttpResponse {
    HttpResponse::Ok().json(health.document())
}

/// Tells whether requests are welcome: 200, else 503.
///
/// The 503 is this document and not a problem: API.md section 9 says so, and both have a `status`.
#[utoipa::path(
    get, path = "/health/ready", tag = "Operation", operation_id = "get_readiness",
    responses(
        (status = 200, description = "Requests are welcome.", body = Health),
        (status = 503, description = "Not now.", body = Health, headers(("Retry-After"))),
    ),
)]
pub(super) async fn ready(health: web::Data<HealthSource>) -> HttpResponse {
    let mut document = health.document();
    if health.readiness() == Readiness::Ready {
        return HttpResponse::Ok().json(document);
    }
    document["code"] = json!("not_ready");
    HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE).insert_header((RETRY_AFTER, "1")).json(document)
}

/// The same within the API.
#[utoipa::path(
    get, path = "/api/v1/health", tag = "Operation", operation_id = "get_health",
    responses(
        (status = 200, description = "Requests are welcome.", body = Health),
        (status = 503, description = "Not now.", body = Health, headers(("Retry-After"))),
    ),
)]
pub(super) async fn api(health: web::Data<HealthSource>) -> HttpResponse {
    ready(health).await
}
