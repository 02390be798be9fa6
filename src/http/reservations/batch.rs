//! `POST /reservations/batch`: up to ten thousand reservations in one request, each on its own.
//!
//! The form of all is checked before any is tried. The answer is written in one go, straight into its buffer.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use holdfast_actors::{Engine, Failure, ReservationFacts};
use serde::{Deserialize, Serialize, Serializer};

use super::body::{NewReservationBody, RawReservation};
use super::view;
use crate::http::caller::{AdminCaller, Caller};
use crate::http::check::Check;
use crate::http::field::{Field, Objects};
use crate::http::json::{Body, Json};
use crate::http::problem::{Code, LineProblem, Problem};
use crate::http::refusal::{self, Asked};
use crate::http::shop::Shop;
use crate::http::{answer, context};

/// How many reservations one request may have.
const RESERVATIONS_MAX: usize = 10_000;

/// The largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A first guess at the bytes of one result, so that the answer's buffer rarely grows.
const RESULT_BYTES_USUAL: usize = 448;

/// Many reservations to be made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReservationBatch)]
pub struct Batch {
    #[schema(value_type = Reservations)]
    reservations: Vec<NewReservationBody>,
}

type Reservations = Objects<NewReservationBody, RESERVATIONS_MAX>;

/// As they came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawBatch {
    reservations: Field<Objects<RawReservation, RESERVATIONS_MAX>>,
}

impl Body for Batch {
    type Raw = RawBatch;

    fn check(raw: RawBatch, check: &mut Check) -> Option<Self> {
        let reservations = check.objects("reservations", raw.reservations, NewReservationBody::check);
        Some(Self { reservations: reservations? })
    }
}

/// What became of all, in their order.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ReservationBatchAnswer)]
struct Answered<'a> {
    #[schema(value_type = Vec<One<'static>>)]
    results: Results<'a>,
    succeeded: usize,
    failed: usize,
}

struct Results<'a> {
    asked: &'a [NewReservationBody],
    made: &'a [Result<ReservationFacts, Failure>],
    engine: &'a Engine,
}

/// What became of one.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = ReservationResult)]
enum One<'a> {
    Made {
        index: usize,
        status: u16,
        reservation: view::Reservation<'a>,
    },
    Failed {
        index: usize,
        status: u16,
        code: Code,
        detail: Cow<'static, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        lines: Vec<LineProblem>,
    },
}

/// Makes many reservations, each or none of its lines.
///
/// # Errors
///
/// `malformed_request` for a malformed key.
#[utoipa::path(
    post, path = "/api/v1/reservations/batch", tag = "Reservations", operation_id = "batch_reservations",
    security(("admin" = [])),
    request_body = Batch,
    responses(
        (status = 200, description = "What became of each, in their order.", body = Answered),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    body: Json<Batch>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let asked = &body.reservations;
    let new = asked.iter().map(NewReservationBody::to_actors);
    let batch = match engine.reserve_batch(&context, context.actor.owner(), new).await {
        Ok(made) => made,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    let made = &batch.value;
    let succeeded = made.iter().filter(|made| made.is_ok()).count();
    let answered = Answered {
        results: Results { asked, made, engine: &engine },
        succeeded,
        failed: made.len() - succeeded,
    };
    let response = answer::large_json(StatusCode::OK, &answered, made.len() * RESULT_BYTES_USUAL);
    Ok(answer::written(response, &batch))
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.made.iter().zip(self.asked).enumerate();
        serializer.collect_seq(all.map(|(index, (made, asked))| match made {
            Ok(facts) => {
                let reservation = view::Reservation::as_asked(facts, &asked.lines);
                One::Made { index, status: StatusCode::CREATED.as_u16(), reservation }
            }
            Err(failure) => {
                let problem = refusal::problem(failure, self.engine, Asked::Lines(&asked.lines));
                let (status, code) = (problem.code().status().as_u16(), problem.code());
                let (detail, lines) = problem.into_detail_and_lines();
                One::Failed { index, status, code, detail, lines }
            }
        }))
    }
}
