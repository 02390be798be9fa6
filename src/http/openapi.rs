//! The OpenAPI document: made of the handlers' and types' own attributes, completed by rules, cached as bytes.
//!
//! A handler says in `#[utoipa::path]` what it takes and gives, and in one word who may call it; headers, shared
//! parameters and the problems that every handler of its kind has are added by `complete`. Examples are in
//! `openapi/examples/`. `docs/openapi.json` is this document, committed.

mod complete;
mod examples;
pub(crate) mod inline;
mod shared;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use utoipa::OpenApi;

use super::problem::{Code, FieldError, LineProblem};
use super::{
    answer, auth, caller, cart, categories, events, health, inventory, metrics, movements, orders, page,
    prices, products, purchase, query, reservations, users, values, variants,
};

/// Letters of the document's hash that are its tag.
const TAG_LETTERS: usize = 32;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "An inventory that never sells a unit twice. Answers are durable: a write is answered after its \
                       journal record is on disk. Retries are safe: send an `Idempotency-Key`. Money is in minor \
                       units, moments are RFC 3339 in UTC.",
    ),
    servers((url = "/", description = "The server that this document came from.")),
    tags(
        (name = "Accounts", description = "Who somebody is."),
        (name = "Catalogue", description = "What there is to buy."),
        (name = "Prices", description = "What it costs, and why."),
        (name = "Inventory", description = "Where units are: available, reserved, committed."),
        (name = "Purchase", description = "One product, bought in one step."),
        (name = "Cart", description = "What the caller means to buy."),
        (name = "Reservations", description = "Units held for somebody until a deadline."),
        (name = "Orders", description = "Placed, paid, confirmed, shipped, canceled."),
        (name = "Operation", description = "How the server is."),
    ),
    paths(
        auth::register, auth::login, auth::refresh, auth::logout, auth::me,
        users::list, users::read, users::patch,
        products::replace::put,
        variants::create, variants::read, variants::patch, variants::delete,
        products::list::list, products::create, products::read, products::patch, products::delete,
        purchase::purchase,
        categories::list, categories::create, categories::read, categories::replace, categories::delete,
        prices::quotes::of_product, prices::quotes::of_lines,
        prices::rules::list, prices::rules::create, prices::rules::read, prices::rules::change,
        prices::rules::delete,
        inventory::read, inventory::adjust, inventory::count, inventory::batch::create, movements::list,
        cart::read, cart::clear, cart::add, cart::set, cart::remove,
        orders::list, orders::create, orders::read, orders::pay, orders::confirm, orders::cancel, orders::fulfil,
        orders::history::history,
        reservations::list, reservations::create, reservations::batch::create, reservations::read,
        reservations::extend, reservations::confirm, reservations::release,
        events::list,
        health::live, health::ready, health::api, metrics::read,
        read,
    ),
    // What a path or a query alone names, and what problems are made of: utoipa finds the rest by itself.
    components(schemas(
        values::Sku, values::Id<values::Product>, values::Id<values::Reservation>, values::Id<values::Order>,
        caller::UserId, values::Id<values::Category>, values::Id<values::Rule>,
        page::Sort, page::Include, products::list::SearchFor, products::list::SortWord, products::list::Include,
        prices::rules::Sort,
        query::Limit, inventory::past::AsOf, events::After, events::WaitSeconds,
        events::Types, movements::Kind, movements::Sort, orders::StatusWord, reservations::StatusWord, products::StatusWord,
        FieldError, LineProblem, Code,
    )),
)]
struct Api;

/// The document, as it is sent and as `holdfast openapi` prints it: pretty, with a line break at its end.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let pretty = serde_json::to_string_pretty(&document()).expect("a value can be written");
        pretty + "\n"
    })
}

fn document() -> Value {
    let generated = serde_json::to_value(Api::openapi()).expect("a document can be written");
    complete::complete(generated)
}

/// Answers this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Operation", operation_id = "get_openapi",
    responses(
        (status = 200, description = "The document.", body = Object),
        (status = 304, description = "The client has this version."),
    ),
)]
pub(super) async fn read(request: HttpRequest) -> HttpResponse {
    static TAG: OnceLock<String> = OnceLock::new();
    let tag = TAG.get_or_init(|| blake3::hash(text().as_bytes()).to_hex()[..TAG_LETTERS].to_owned());
    let whole = || answer::json_bytes(StatusCode::OK, text().into());
    let mut response = answer::unless_unchanged(&request, tag, whole);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
