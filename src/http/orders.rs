//! `/orders`: placed from the cart or from lines, paid, confirmed, canceled, shipped, read.

mod body;
pub(super) mod history;
mod number;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::OrderId;
use holdfast_actors::domain::order::Status;
use holdfast_actors::engine::OrderFilter;
use holdfast_actors::{Answer, Engine, Failure, OrderFacts, Stopped, Who};
use serde::{Deserialize, Serialize};

use super::caller::{AdminCaller, Caller, UserId};
use super::cursor::Cursors;
use super::json::{Json, Nothing};
use super::page::{self, List, Sort};
use super::position::AtLeast;
use super::problem::Problem;
use super::query::{Limit, NoQuery, Query};
use super::shop::Shop;
use super::values::{self, Id};
use super::view::order_id;
use super::{answer, context};

pub use body::{Cancelation, Confirmation, NewOrderBody, Payment};
pub use history::history;
pub(crate) use number::number;
pub(crate) use view::payment_status;

/// The query of the list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    status: Option<StatusWord>,
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

/// Where an order is, as a word.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub enum StatusWord {
    /// Its units are held, and money is awaited.
    PendingPayment,
    /// Its units are sold.
    Confirmed,
    /// Its units were shipped.
    Fulfilled,
    /// It came to nothing, by somebody's will.
    Canceled,
    /// It came to nothing, as nobody paid in time.
    Expired,
}

/// Places an order and, where the body says how, pays it.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "Orders", operation_id = "create_order",
    security(("caller" = [])),
    request_body = NewOrderBody,
    responses(
        (status = 201, description = "The order.", body = view::Order, headers(("Location"))),
        (status = 402, description = "payment_failed"),
        (status = 404, description = "not_found"),
        (status = 409, description = "insufficient_stock, cart_empty, price_changed, limit_exceeded, invalid_state"),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    body: Json<NewOrderBody>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    Ok(match engine.place(&context, context.actor.owner(), body.to_actors()).await {
        Ok(answer) => {
            let path = format!("/api/v1/orders/{}", order_id(answer.value.id));
            answer::located(respond(StatusCode::CREATED, &answer), &path)
        }
        Err(failure) => match &body.lines {
            Some(lines) => answer::refused_lines(&failure, &engine, lines),
            None => answer::refused(failure, &engine, None),
        },
    })
}

/// Answers one order to its owner, or to an admin.
///
/// # Errors
///
/// Whatever is wrong with a token or a session.
#[utoipa::path(
    get, path = "/api/v1/orders/{id}", tag = "Orders", operation_id = "get_order",
    security(("caller" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    responses(
        (status = 200, description = "The order.", body = view::Order),
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
            let whole = || answer::json(StatusCode::OK, &view::Order::of(&facts));
            answer::unless_unchanged(&request, &facts.standing.version.to_string(), whole)
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers a page of the caller's orders, newest first; for an admin of everybody's.
///
/// # Errors
///
/// `malformed_request` for a cursor that is none of this list; `forbidden` for a filter that is an admin's.
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "Orders", operation_id = "list_orders",
    security(("caller" = [])),
    params(Filter),
    responses(
        (status = 200, description = "A page of orders, newest first.", body = page::Page<view::Order<'static>>),
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
    let Filter { status, customer_id, sort: Sort::NewestFirst, include, limit, cursor } = &*filter;
    let owner = page::scope(&caller, *customer_id)?;
    let list = List::new(&cursors, format!("orders?status={status:?}&of={customer_id:?}"));
    let before = list.last(cursor.as_deref())?;
    let filter = OrderFilter { owner, status: status.map(Status::from) };
    let find = async |before: Option<u128>, count| engine.orders(filter, before.map(OrderId), count).await;
    let id = |facts: &OrderFacts| facts.id.0;
    let told = async {
        let total = page::total(*include, id, find).await?;
        let found = find(before, limit.get() + 1).await?;
        let page = list.page(&found, limit.get(), id, view::Order::of).with_total(total);
        Ok(answer::json(StatusCode::OK, &page))
    };
    Ok(told.await.unwrap_or_else(|stopped: Stopped| answer::refused(stopped.into(), &engine, None)))
}

/// Charges the buyer and confirms the order.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/pay", tag = "Orders", operation_id = "pay_order",
    security(("caller" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    request_body = Payment,
    responses(
        (status = 200, description = "The order.", body = view::Order),
        (status = 402, description = "payment_failed"),
        (status = 409, description = "invalid_state, reservation_expired"),
    ),
)]
pub async fn pay(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<Payment>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    // Its owner alone: whoever else has the money confirms the order.
    let who = Who::Owner(context.actor.owner());
    let done = async { engine.pay(&context, who, parse(&path)?, body.to_actors()).await };
    Ok(finish(done.await, &engine))
}

/// Confirms an order whose money somebody else took.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/confirm", tag = "Orders", operation_id = "confirm_order",
    security(("admin" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    request_body = Confirmation,
    responses(
        (status = 200, description = "The order.", body = view::Order),
        (status = 409, description = "invalid_state, reservation_expired"),
    ),
)]
pub async fn confirm(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<Confirmation>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let done = async { engine.confirm_order(&context, parse(&path)?, body.reference()).await };
    Ok(finish(done.await, &engine))
}

/// Cancels an order: its owner as long as it is unpaid, an admin also later.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/cancel", tag = "Orders", operation_id = "cancel_order",
    security(("caller" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    request_body = Cancelation,
    responses(
        (status = 200, description = "The order.", body = view::Order),
        (status = 409, description = "invalid_state"),
    ),
)]
pub async fn cancel(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<Cancelation>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    let who = context::who(&caller);
    let done = async { engine.cancel_order(&context, who, parse(&path)?, body.reason()).await };
    Ok(finish(done.await, &engine))
}

/// Ships an order.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/orders/{id}/fulfill", tag = "Orders", operation_id = "fulfill_order",
    security(("admin" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    request_body = Nothing,
    responses(
        (status = 200, description = "The order.", body = view::Order),
        (status = 409, description = "invalid_state"),
    ),
)]
pub async fn fulfil(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<Nothing>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &Caller::Admin(admin.0), &body.0)?;
    let done = async { engine.fulfil(&context, parse(&path)?).await };
    Ok(finish(done.await, &engine))
}

async fn find(engine: &Engine, who: Who, path: &str) -> Result<OrderFacts, Failure> {
    engine.order(who, parse(path)?).await
}

/// The order that a path names; text that is no id names nothing.
fn parse(path: &str) -> Result<OrderId, Failure> {
    let id = Id::<values::Order>::parse(path).ok_or(Failure::NotFound)?;
    Ok(OrderId(id.uuid().as_u128()))
}

fn finish(done: Result<Answer<OrderFacts>, Failure>, engine: &Engine) -> HttpResponse {
    match done {
        Ok(answer) => respond(StatusCode::OK, &answer),
        Err(failure) => answer::refused(failure, engine, None),
    }
}

fn respond(status: StatusCode, answer: &Answer<OrderFacts>) -> HttpResponse {
    let response = answer::json(status, &view::Order::of(&answer.value));
    answer::tagged(answer::written(response, answer), &answer.value.standing.version.to_string())
}

impl From<StatusWord> for Status {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::PendingPayment => Self::PendingPayment,
            StatusWord::Confirmed => Self::Confirmed,
            StatusWord::Fulfilled => Self::Fulfilled,
            StatusWord::Canceled => Self::Canceled,
            StatusWord::Expired => Self::Expired,
        }
    }
}

impl From<Status> for StatusWord {
    fn from(status: Status) -> Self {
        match status {
            Status::PendingPayment => Self::PendingPayment,
            Status::Confirmed => Self::Confirmed,
            Status::Fulfilled => Self::Fulfilled,
            Status::Canceled => Self::Canceled,
            Status::Expired => Self::Expired,
        }
    }
}
