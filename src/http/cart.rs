//! `/cart`: what the caller means to buy. Everybody has one, and nobody sees another's.

mod body;
mod view;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::{Owner, Sku};
use holdfast_actors::{Answer, CartFacts, Engine, Failure, Stopped};

use super::caller::Caller;
use super::json::Json;
use super::position::AtLeast;
use super::problem::Problem;
use super::query::NoQuery;
use super::shop::Shop;
use super::{answer, context, values};

pub use body::{Addition, NewQuantity};

/// Answers the cart, at the prices of now; an empty one to whoever has none.
///
/// # Errors
///
/// Whatever is wrong with a token or a session.
#[utoipa::path(
    get, path = "/api/v1/cart", tag = "Cart", operation_id = "get_cart",
    security(("caller" = [])),
    responses(
        (status = 200, description = "The cart.", body = view::Cart),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    let owner = context::owner(&caller);
    let written = async { view::write(&engine.cart(owner).await?, owner, &engine).await };
    Ok(match written.await {
        Ok((bytes, tag)) => {
            answer::unless_unchanged(&request, &tag, || answer::json_bytes(StatusCode::OK, bytes))
        }
        Err(stopped) => answer::refused(stopped.into(), &engine, None),
    })
}

/// Adds units to a line, or a line.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/cart/items", tag = "Cart", operation_id = "add_to_cart",
    security(("caller" = [])),
    request_body = body::RawAddition,
    responses(
        (status = 201, description = "The cart.", body = view::Cart),
        (status = 404, description = "not_found"),
        (status = 409, description = "insufficient_stock, limit_exceeded, invalid_state"),
    ),
)]
pub async fn add(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    body: Json<Addition>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    let (item, quantity) = body.to_actors();
    let added = engine.cart_add(&context, context.actor.owner(), item, quantity).await;
    Ok(finish(StatusCode::CREATED, added, context.actor.owner(), &engine).await)
}

/// Sets a line to so many units; none takes it out.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    put, path = "/api/v1/cart/items/{sku}", tag = "Cart", operation_id = "set_cart_item",
    security(("caller" = [])),
    params(("sku" = values::Sku, Path, description = "The unit.")),
    request_body = NewQuantity,
    responses(
        (status = 200, description = "The cart.", body = view::Cart),
        (status = 409, description = "insufficient_stock, limit_exceeded, invalid_state"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn set(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
    body: Json<NewQuantity>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &body.0)?;
    let version = version_wanted(&request, &engine, context.actor.owner()).await;
    let changed = match Sku::new(&path) {
        Some(sku) => engine.cart_set(&context, context.actor.owner(), &sku, body.to_domain(), version).await,
        None => Err(Failure::NotFound),
    };
    Ok(finish(StatusCode::OK, changed, context.actor.owner(), &engine).await)
}

/// Takes a line out.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/cart/items/{sku}", tag = "Cart", operation_id = "remove_cart_item",
    security(("caller" = [])),
    params(("sku" = values::Sku, Path, description = "The unit.")),
    responses(
        (status = 200, description = "The cart.", body = view::Cart),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn remove(
    request: HttpRequest,
    engine: Shop,
    caller: Caller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &())?;
    let version = version_wanted(&request, &engine, context.actor.owner()).await;
    let changed = match Sku::new(&path) {
        Some(sku) => engine.cart_remove(&context, context.actor.owner(), &sku, version).await,
        None => Err(Failure::NotFound),
    };
    Ok(finish(StatusCode::OK, changed, context.actor.owner(), &engine).await)
}

/// Takes everything out.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/cart", tag = "Cart", operation_id = "clear_cart",
    security(("caller" = [])),
    responses(
        (status = 204, description = "The cart is empty."),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn clear(request: HttpRequest, engine: Shop, caller: Caller) -> Result<HttpResponse, Problem> {
    let context = context::of_write(&request, &caller, &())?;
    let version = version_wanted(&request, &engine, context.actor.owner()).await;
    Ok(answer::gone(engine.cart_clear(&context, context.actor.owner(), version).await, &engine, None))
}

/// The version that a change insists on: of several tags in `If-Match` the present one, if it is among them; the change
/// compares it again.
async fn version_wanted(request: &HttpRequest, engine: &Engine, owner: Owner) -> Option<u32> {
    let first = answer::version_wanted(request, None)?;
    match engine.cart(owner).await {
        Ok(present) => answer::version_wanted(request, Some(present.version)),
        // Then nobody changes anything any more.
        Err(Stopped) => Some(first),
    }
}

async fn finish(
    status: StatusCode,
    done: Result<Answer<CartFacts>, Failure>,
    owner: Owner,
    engine: &Engine,
) -> HttpResponse {
    let shown = async {
        let answer = done?;
        let (bytes, tag) = view::write(&answer.value, owner, engine).await?;
        Ok(answer::tagged(answer::written(answer::json_bytes(status, bytes), &answer), &tag))
    };
    shown.await.unwrap_or_else(|failure| answer::refused(failure, engine, None))
}
