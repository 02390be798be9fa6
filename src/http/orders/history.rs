//! `GET /orders/{id}/history`: what happened to an order, oldest first, read from the journal.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use holdfast_actors::domain::order::{Event, Placed};
use holdfast_actors::domain::product::Line;
use holdfast_actors::domain::{Currency, Money};
use holdfast_actors::history::{self, Bookmark, Fact, Row};
use holdfast_actors::{Engine, Failure, Who};
use serde::Serialize;

use super::{parse, view};
use crate::http::caller::Caller;
use crate::http::position::{self, AtLeast};
use crate::http::problem::Problem;
use crate::http::query::NoQuery;
use crate::http::shop::Shop;
use crate::http::values::{self, Id};
use crate::http::view::{Moment, Named, actor};
use crate::http::{answer, context};

/// The whole history: an order has few facts.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OrderHistory)]
struct History<'a> {
    data: Vec<Entry<'a>>,
}

/// One fact.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = OrderHistoryEntry)]
struct Entry<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    at: Moment,
    position: String,
    actor: Named,
}

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schema(as = OrderFact)]
enum Told<'a> {
    Placed { total: i64, currency: &'a str, expires_at: Option<Moment> },
    Purchased { quantity: u32, unit_price: i64, total: i64, currency: &'a str },
    Confirmed { payment_reference: Option<&'a str>, reacquired: bool },
    Expired {},
    Canceled { cancel_reason: Option<&'a str> },
    Fulfilled {},
    RefundRequired { payment_reference: Option<&'a str> },
    Refunded {},
}

/// Answers the history of an order to its owner, or to an admin.
///
/// # Errors
///
/// `internal` when the journal cannot be read.
#[utoipa::path(
    get, path = "/api/v1/orders/{id}/history", tag = "Orders", operation_id = "get_order_history",
    security(("caller" = [])),
    params(("id" = Id<values::Order>, Path, description = "The order.")),
    responses(
        (status = 200, description = "What happened, oldest first.", body = History),
    ),
)]
pub async fn history(
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    let start = match start(&engine, context::who(&caller), &path).await {
        Ok(start) => start,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    let reader = engine.reader().expect("a server's journal is on disk");
    // The journal is on the disk: not on a thread that serves requests.
    let rows = web::block(move || history::read(&reader, start)).await;
    let rows = rows.map_err(Problem::internal)?.map_err(Problem::internal)?;
    Ok(answer::json(StatusCode::OK, &History { data: rows.iter().map(Entry::of).collect() }))
}

async fn start(engine: &Engine, who: Who, path: &str) -> Result<Bookmark, Failure> {
    engine.history_start(who, parse(path)?).await
}

impl<'a> Entry<'a> {
    fn of(row: &'a Row) -> Self {
        let told = match &row.fact {
            Fact::Placed(placed) => Told::placed(placed),
            Fact::Bought { unit_price, currency, item_line } => {
                Told::purchased(*unit_price, currency, item_line)
            }
            Fact::Changed(event) => Told::changed(event),
        };
        Self { told, at: Moment(row.at), position: position::token(row.position), actor: actor(row.actor) }
    }
}

impl<'a> Told<'a> {
    fn placed(placed: &'a Placed) -> Self {
        Self::Placed {
            total: placed.total.0,
            currency: placed.currency.as_str(),
            expires_at: placed.deadline.map(Moment),
        }
    }

    fn purchased(unit_price: Money, currency: &'a Currency, line: &Line) -> Self {
        Self::Purchased {
            quantity: line.quantity.get(),
            unit_price: unit_price.0,
            total: unit_price.times(line.quantity).0,
            currency: currency.as_str(),
        }
    }

    fn changed(event: &'a Event) -> Self {
        match event {
            Event::Confirmed { reference, is_reacquired, .. } => {
                Self::Confirmed { payment_reference: reference.as_deref(), reacquired: *is_reacquired }
            }
            Event::Expired => Self::Expired {},
            Event::Canceled { why, reason } => {
                Self::Canceled { cancel_reason: view::cancel_reason(*why, reason.as_deref()) }
            }
            Event::Fulfilled => Self::Fulfilled {},
            Event::RefundRequired { reference, .. } => {
                Self::RefundRequired { payment_reference: reference.as_deref() }
            }
            Event::Refunded => Self::Refunded {},
        }
    }
}
