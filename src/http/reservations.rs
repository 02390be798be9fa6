//! `/reservations`: units held for somebody until a deadline, one hold at a time; many at once are in [`batch`].

pub mod batch;
mod body;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::ReservationId;
use holdfast_actors::domain::hold::State;
use holdfast_actors::engine::ReservationFilter;
use holdfast_actors::{Answer, Engine, Failure, ReservationFacts, Stopped, Who};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, UserId};
use super::cursor::Cursors;
use super::json::{Json, Nothing};
use super::page::{self, List, Sort};
use super::position::AtLeast;
use super::problem::Problem;
use super::query::{Limit, NoQuery, Query};
use super::shop::Shop;
use super::values::{self, Id, Sku};
use super::{answer, context};

pub use body::{Extension, NewReservationBody};

/// The query of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    status: Option<StatusWord>,
    sku: Option<Sku>,
    customer_id: Option<UserId>,
    /// In which order; there is one.
    #[serde(default)]
    #[param(required = false)]
    sort: Sort,
    /// Whether to count what is on all pages.
    include: Option<page::Include>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

/// How a reservation stands, as a word.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReservationStatus)]
pub enum StatusWord {
    /// Its units are held.
    Active,
    /// It became an order.
    Confirmed,
    /// Its units were given back.
    Released,
    /// The same, because the deadline passed.
    Expired,
}

/// Holds units: all lines or none.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/reservations", tag = "Reservations", operation_id = "create_reservation",
    security(("caller" = [])),
    request_body = NewReservationBody,
    responses(
        (status = 201, description = "The reservation.", body = view::Reservation, headers(("Location"))),
        (status = 404, description = "not_found"),
        (status = 409, description = "insufficient_stock, limit_exceeded, invalid_state"),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    body: Json<NewReservationBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    Ok(match engine.reserve(&context, context.actor.owner(), body.to_actors()).await {
        Ok(answer) => {
            let path = format!("/api/v1/reservations/{}", view::reservation_id(answer.value.id));
            answer::located(respond(StatusCode::CREATED, &answer, &engine), &path)
        }
        Err(failure) => answer::refused_lines(&failure, &engine, &body.lines),
    })
}

/// Answers one reservation to its owner, or to an admin.
///
/// # Errors
///
/// Whatever is wrong with a token or a session.
#[utoipa::path(
    get, path = "/api/v1/reservations/{id}", tag = "Reservations", operation_id = "get_reservation",
    security(("caller" = [])),
    params(("id" = Id<values::Reservation>, Path, description = "The reservation.")),
    responses(
        (status = 200, description = "The reservation.", body = view::Reservation),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    Ok(match find(&engine, context::who(&caller), &path).await {
        Ok(facts) => {
            let tag = facts.reservation.version.to_string();
            let whole = || answer::json(StatusCode::OK, &view::Reservation::of(&facts, &engine));
            answer::unless_unchanged(&request, &tag, whole)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers a page of the caller's reservations, newest first; for an admin of everybody's.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list; `forbidden` for a filter that is an admin's.
#[utoipa::path(
    get, path = "/api/v1/reservations", tag = "Reservations", operation_id = "list_reservations",
    security(("caller" = [])),
    params(Filter),
    responses(
        (status = 200, description = "A page of reservations, newest first.", body = page::Page<view::Reservation<'static>>),
        (status = 403, description = "forbidden"),
    ),
)]
pub async fn list(
    engine: Shop,
    cursors: web::Data<Cursors>,
    caller: Caller,
    filter: Query<Filter>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let Filter { status, sku, customer_id, sort: Sort::NewestFirst, include, limit, cursor } = &*filter;
    let owner = page::scope(&caller, *customer_id)?;
    page::only_for_admins("sku", sku.is_some() && !caller.is_admin())?;
    let list = List::new(&cursors, format!("reservations?status={status:?}&sku={sku:?}&of={customer_id:?}"));
    let before = list.last(cursor.as_deref())?;
    let item = sku.as_ref().map(|sku| engine.find(&sku.to_domain()));
    let filter = ReservationFilter { owner, status: status.map(State::from), item: item.flatten() };
    let find = async |before: Option<u128>, count| match item {
        // Nobody can have reserved what there is not.
        Some(None) => Ok(Vec::new()),
        _ => engine.reservations(filter, before.map(ReservationId), count).await,
    };
    let id = |facts: &ReservationFacts| facts.id.0;
    let told = async {
        let total = page::total(*include, id, find).await?;
        let found = find(before, limit.get() + 1).await?;
        let view = |facts| view::Reservation::of(facts, &engine);
        Ok(answer::json(StatusCode::OK, &list.page(&found, limit.get(), id, view).with_total(total)))
    };
    Ok(told.await.unwrap_or_else(|stopped: Stopped| answer::refused(stopped.into(), &engine, None)))
}

/// Moves the deadline to so many seconds from now.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/reservations/{id}/extend", tag = "Reservations", operation_id = "extend_reservation",
    security(("caller" = [])),
    params(("id" = Id<values::Reservation>, Path, description = "The reservation.")),
    request_body = Extension,
    responses(
        (status = 200, description = "The reservation.", body = view::Reservation),
        (status = 409, description = "reservation_expired, limit_exceeded, invalid_state"),
    ),
)]
pub async fn extend(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<Extension>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    // Its owner alone: an admin may end a hold, and has no reason to prolong one.
    let who = Who::Owner(context.actor.owner());
    let done = async { engine.extend(&context, who, parse(&path)?, body.span()).await };
    Ok(finish(done.await, &engine))
}

/// Makes it an order.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/reservations/{id}/confirm", tag = "Reservations", operation_id = "confirm_reservation",
    security(("caller" = [])),
    params(("id" = Id<values::Reservation>, Path, description = "The reservation.")),
    request_body = Nothing,
    responses(
        (status = 200, description = "The reservation, with its order.", body = view::Reservation),
        (status = 409, description = "reservation_expired, invalid_state, limit_exceeded"),
    ),
)]
pub async fn confirm(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<Nothing>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    let done = async { engine.confirm_reservation(&context, context::who(&caller), parse(&path)?).await };
    Ok(finish(done.await, &engine))
}

/// Gives its units back.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/reservations/{id}/release", tag = "Reservations", operation_id = "release_reservation",
    security(("caller" = [])),
    params(("id" = Id<values::Reservation>, Path, description = "The reservation.")),
    request_body = Nothing,
    responses(
        (status = 200, description = "The reservation.", body = view::Reservation),
        (status = 409, description = "invalid_state"),
    ),
)]
pub async fn release(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<Nothing>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    let done = async { engine.release(&context, context::who(&caller), parse(&path)?).await };
    Ok(finish(done.await, &engine))
}

async fn find(engine: &Engine, who: Who, path: &str) -> Result<ReservationFacts, Failure> {
    engine.reservation(who, parse(path)?).await
}

/// The reservation that a path names; text that is no id names nothing.
fn parse(path: &str) -> Result<ReservationId, Failure> {
    let id = Id::<values::Reservation>::parse(path).ok_or(Failure::NotFound)?;
    Ok(ReservationId(id.uuid().as_u128()))
}

fn finish(done: Result<Answer<ReservationFacts>, Failure>, engine: &Engine) -> HttpResponse {
    match done {
        Ok(answer) => respond(StatusCode::OK, &answer, engine),
        Err(failure) => answer::refused(failure, engine, None),
    }
}

fn respond(status: StatusCode, answer: &Answer<ReservationFacts>, engine: &Engine) -> HttpResponse {
    let response = answer::json(status, &view::Reservation::of(&answer.value, engine));
    answer::tagged(answer::written(response, answer), &answer.value.reservation.version.to_string())
}

impl From<StatusWord> for State {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Active => Self::Active,
            StatusWord::Confirmed => Self::Confirmed,
            StatusWord::Released => Self::Released,
            StatusWord::Expired => Self::Expired,
        }
    }
}

impl From<State> for StatusWord {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Confirmed => Self::Confirmed,
            State::Released => Self::Released,
            State::Expired => Self::Expired,
        }
    }
}
