//! `/products/{id}/variants` and `/variants/{sku}`: the variants of a product, one at a time.
//!
//! A variant has no version of its own: `ETag` and `If-Match` are those of its product.

mod body;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::Sku;
use holdfast_actors::{Engine, Failure, ProductFacts};
use serde::Serialize;

use super::caller::{AdminCaller, Caller, is_admin};
use super::json::Json;
use super::position::AtLeast;
use super::problem::Problem;
use super::products::NewVariantBody;
use super::products::{product_id, tag, visible};
use super::query::NoQuery;
use super::shop::Shop;
use super::values::{self, Id};
use super::{answer, context, view};

pub use body::VariantPatch;

/// A variant by itself.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ProductVariant)]
struct View<'a> {
    product_id: Id<values::Product>,
    #[serde(flatten)]
    variant: view::Variant<'a>,
}

/// Adds a variant to a product.
///
/// The answer is the variant as in the product's `variants`, and `product_id`.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/products/{id}/variants", tag = "Catalogue", operation_id = "create_variant",
    security(("admin" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    request_body = NewVariantBody,
    responses(
        (status = 201, description = "The variant.", body = View, headers(("Location"), ("ETag"))),
        (status = 409, description = "duplicate_sku, limit_exceeded"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<NewVariantBody>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &body.0)?;
    let Some(id) = product_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let version = answer::version_wanted(&request, engine.version(id));
    let new = body.domain();
    let sku = new.description.sku.clone();
    Ok(match engine.add_variant(&context, id, version, new).await {
        Ok(answer) => {
            let response = answer::written(shown(StatusCode::CREATED, &answer.value, &sku), &answer);
            answer::located(response, &format!("/api/v1/variants/{sku}"))
        }
        Err(failure) => answer::refused(failure, &engine, Some(id)),
    })
}

/// Answers one variant, as in the product's `variants`, and `product_id`.
///
/// Those of drafts are for admins. It has no version of its own: its `ETag` is that of its product.
///
/// # Errors
///
/// Whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/variants/{sku}", tag = "Catalogue", operation_id = "get_variant",
    security(("anyone" = [])),
    params(("sku" = values::Sku, Path, description = "The variant.")),
    responses(
        (status = 200, description = "The variant.", body = View),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    path: web::Path<String>,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    let is_admin = is_admin(&request)?;
    Ok(match find(&engine, &path, is_admin).await {
        Ok((facts, sku)) => {
            answer::unless_unchanged(&request, &tag(&facts), || shown(StatusCode::OK, &facts, &sku))
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Changes what the body names of a variant and nothing else.
///
/// `If-Match` takes the `ETag` of the product, which is the variant's.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    patch, path = "/api/v1/variants/{sku}", tag = "Catalogue", operation_id = "patch_variant",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The variant.")),
    request_body = VariantPatch,
    responses(
        (status = 200, description = "The variant as it is now.", body = View, headers(("ETag"))),
        (status = 409, description = "duplicate_sku"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<VariantPatch>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &body.0)?;
    let Some(sku) = Sku::new(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let version = version_wanted(&request, &engine, &sku);
    let Json(patch) = body;
    let renamed = patch.sku().unwrap_or_else(|| sku.clone());
    let answer = engine.describe_variant(&context, &sku, version, move |present| patch.apply(present));
    Ok(match answer.await {
        Ok(answer) => answer::written(shown(StatusCode::OK, &answer.value, &renamed), &answer),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Takes a variant out of its product, with the units that nobody holds.
///
/// The last one stays: delete the product. `If-Match` takes the `ETag` of the product, which is the variant's.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/variants/{sku}", tag = "Catalogue", operation_id = "delete_variant",
    security(("admin" = [])),
    params(("sku" = values::Sku, Path, description = "The variant.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "in_use, invalid_state"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn delete(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &())?;
    let Some(sku) = Sku::new(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    let version = version_wanted(&request, &engine, &sku);
    Ok(answer::gone(engine.remove_variant(&context, &sku, version).await, &engine, None))
}

/// The version that the write insists on of the product that has the sku.
fn version_wanted(request: &HttpRequest, engine: &Engine, sku: &Sku) -> Option<u32> {
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    answer::version_wanted(request, engine.find(sku).and_then(|(product, _)| engine.version(product)))
}

async fn find(engine: &Engine, path: &str, is_admin: bool) -> Result<(ProductFacts, Sku), Failure> {
    let sku = Sku::new(path).ok_or(Failure::NotFound)?;
    let product = engine.find(&sku).map(|(product, _)| product);
    let facts = visible(engine, product, is_admin).await?;
    // It may have got another name since it was found.
    if facts.variant(&sku).is_some() { Ok((facts, sku)) } else { Err(Failure::NotFound) }
}

/// The answer that shows the variant of that sku, which the product has.
fn shown(status: StatusCode, facts: &ProductFacts, sku: &Sku) -> HttpResponse {
    let variant = facts.variant(sku).expect("the answer is of a moment at which the product had it");
    let variant = view::Variant::of(variant, facts.description.price);
    let view = View { product_id: view::product_id(facts.id), variant };
    answer::tagged(answer::json(status, &view), &tag(facts))
}
