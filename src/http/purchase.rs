//! `POST /products/{id}/purchase`: reserved and committed in one turn of the product's actor.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use holdfast_actors::{Answer, Failure};
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::check::Check;
use super::direct::Named;
use super::field::Field;
use super::idempotency::IDEMPOTENCY_KEY;
use super::json::{Body, Json};
use super::problem::Problem;
use super::shop::Shop;
use super::values::{self, Id};
use super::{answer, context, view};

/// What is bought.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPurchase)]
pub struct Purchase {
    quantity: values::Units,
    sku: Option<values::Sku>,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawPurchase {
    quantity: Field<values::Units>,
    sku: Field<values::Sku>,
}

impl Body for Purchase {
    type Raw = RawPurchase;

    fn check(raw: RawPurchase, check: &mut Check) -> Option<Self> {
        let quantity = check.required("quantity", raw.quantity);
        let sku = check.optional("sku", raw.sku);
        Some(Self { quantity: quantity?, sku: sku? })
    }
}

/// Sells some units of a product.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/products/{id}/purchase", tag = "Purchase", operation_id = "purchase",
    security(("caller" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    request_body = Purchase,
    responses(
        (status = 201, description = "The units are sold.", body = view::Purchase),
        (status = 409, description = "insufficient_stock, limit_exceeded, invalid_state"),
    ),
)]
pub async fn purchase(
    request: HttpRequest,
    engine: Shop,
    product: Named,
    caller: Caller,
    body: Json<Purchase>,
) -> Result<HttpResponse, Problem> {
    let Some(product) = product.0 else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let sku = body.sku.as_ref().map(values::Sku::to_domain);
    let quantity = body.quantity.to_domain();
    let sold = if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let context = context::of_write(&request, &caller, &body.0)?;
        // In a box, as all that is rare: what waits for the usual answer is to be small.
        Box::pin(engine.purchase(&context, product, sku.as_ref(), quantity)).await
    } else {
        // A refusal from the product's card needs no context: that is the answer a flash sale consists of.
        match engine.offer(product, sku.as_ref(), quantity) {
            Ok(offer) => match engine.check_available(&offer, || context::owner(&caller)).await {
                Ok(()) => engine.buy(&context::of_write(&request, &caller, &body.0)?, offer).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    };
    Ok(match sold {
        Ok(answer) => created(&answer),
        Err(failure) => answer::refused(failure, &engine, Some(product)),
    })
}

fn created(answer: &Answer<holdfast_actors::Purchased>) -> HttpResponse {
    let body = view::Purchase::of(&answer.value);
    answer::written(answer::json(StatusCode::CREATED, &body), answer)
}
