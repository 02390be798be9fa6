//! `/products`: the catalogue, as far as one product at a time and a plain list go.

pub(super) mod body;
pub(super) mod change;
pub(super) mod list;
pub(super) mod replace;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::product::{
    Command, Description, NewProduct, NewVariant, Status, VariantDescription,
};
use holdfast_actors::domain::{Money, ProductId, Sku};
use holdfast_actors::{Answer, Engine, Failure, ProductFacts};

use super::caller::{AdminCaller, Caller, is_admin};
use super::direct::Named;
use super::json::Json;
use super::position::AtLeast;
use super::problem::Problem;
use super::query::NoQuery;
use super::shop::Shop;
use super::values::{self, Id};
use super::{answer, context, view};

pub use body::{NewProductBody, NewVariantBody, ProductPatch, ReserveOnWord, StatusWord};
pub use list::list;
pub use replace::{ProductReplacement, put};

/// Makes a product.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    post, path = "/api/v1/products", tag = "Catalogue", operation_id = "create_product",
    security(("admin" = [])),
    request_body = NewProductBody,
    responses(
        (status = 201, description = "The product.", body = view::Product, headers(("Location"))),
        (status = 409, description = "duplicate_sku"),
    ),
)]
pub async fn create(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    body: Json<NewProductBody>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &body.0)?;
    let id = ProductId(crate::ids::make().as_u128());
    let new = new_product(&body, id);
    Ok(match engine.create(&context, id, new).await {
        Ok(answer) => {
            let facts = &answer.value;
            let response = answer::json(StatusCode::CREATED, &view::Product::of(facts));
            let response = answer::tagged(answer::written(response, &answer), &tag(facts));
            answer::located(response, &format!("/api/v1/products/{}", view::product_id(facts.id)))
        }
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers one product. Drafts are for admins.
///
/// # Errors
///
/// Whatever is wrong with a token.
#[utoipa::path(
    get, path = "/api/v1/products/{id}", tag = "Catalogue", operation_id = "get_product",
    security(("anyone" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    responses(
        (status = 200, description = "The product.", body = view::Product),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn read(
    request: HttpRequest,
    engine: Shop,
    product: Named,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    Ok(match visible(&engine, product.0, is_admin(&request)?).await {
        Ok(facts) => answer::unless_unchanged(&request, &tag(&facts), || {
            answer::json(StatusCode::OK, &view::Product::of(&facts))
        }),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Changes what the body names and nothing else.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    patch, path = "/api/v1/products/{id}", tag = "Catalogue", operation_id = "patch_product",
    security(("admin" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    request_body = ProductPatch,
    responses(
        (status = 200, description = "The product as it is now.", body = view::Product),
        (status = 409, description = "duplicate_sku, in_use, invalid_state, limit_exceeded"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn patch(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<ProductPatch>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &body.0)?;
    let Some(id) = product_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, engine.version(id));
    let Json(patch) = body;
    let answer = if patch.is_of_variants() {
        engine.replace(&context, id, move |product| replace::patched(&patch, id, version, product)).await
    } else {
        engine.edit(&context, id, version, move |description| patch.apply(description)).await
    };
    Ok(changed(answer, &engine, id))
}

/// Takes a product out of the catalogue.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    delete, path = "/api/v1/products/{id}", tag = "Catalogue", operation_id = "delete_product",
    security(("admin" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "in_use"),
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
    let Some(id) = product_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, engine.version(id));
    Ok(answer::gone(engine.command(&context, id, Command::Delete { version }).await, &engine, Some(id)))
}

/// The answer to a change of a product: as it is now.
fn changed(done: Result<Answer<ProductFacts>, Failure>, engine: &Engine, id: ProductId) -> HttpResponse {
    match done {
        Ok(answer) => {
            let response = answer::json(StatusCode::OK, &view::Product::of(&answer.value));
            answer::tagged(answer::written(response, &answer), &tag(&answer.value))
        }
        Err(failure) => answer::refused(failure, engine, Some(id)),
    }
}

/// The product of that id, as far as the caller may see it: drafts are for admins.
pub(super) async fn visible(
    engine: &Engine,
    id: Option<ProductId>,
    is_admin: bool,
) -> Result<ProductFacts, Failure> {
    let Some(id) = id else {
        engine.until_absence_is_certain().await?;
        return Err(Failure::NotFound);
    };
    let facts = engine.product(id).await?;
    let is_hidden = facts.description.status == Status::Draft && !is_admin;
    if is_hidden { Err(Failure::NotFound) } else { Ok(facts) }
}

/// The product that a path names; text that is no id names nothing.
pub(super) fn product_id(path: &str) -> Option<ProductId> {
    Id::<values::Product>::parse(path).map(|id| ProductId(id.uuid().as_u128()))
}

/// The tag changes with the description and with every movement; the first part is the version alone.
pub(super) fn tag(facts: &ProductFacts) -> String {
    let movements: u64 = facts.variants.iter().map(|variant| u64::from(variant.version)).sum();
    format!("{}-{movements}", facts.version)
}

/// The sku of a product without options that was given none.
fn id_sku(id: ProductId) -> Sku {
    Sku::new(&view::product_id(id).to_string()).expect("an id has the form of a sku")
}

fn new_product(body: &NewProductBody, id: ProductId) -> NewProduct {
    let description = Description {
        name: body.name.as_str().into(),
        text: body.description.as_ref().map(|text| text.as_str().into()),
        status: body.status.map_or(Status::Active, Into::into),
        price: Money(body.price.get()),
        currency: body.currency.domain(),
        category_ids: body::domain_ids(&body.category_ids),
        attributes: body.attributes.text(),
        reserve_on: body.reserve_on.unwrap_or_default().into(),
        reservation_ttl: body.reservation_ttl_seconds.map(values::TtlSeconds::to_domain),
        per_order_limit: body.per_order_limit.map(values::Units::to_domain),
        per_customer_limit: body.per_customer_limit.map(values::Units::to_domain),
    };
    let is_simple = body.variants.is_empty();
    let variants = if is_simple {
        let sku = match &body.sku {
            Some(sku) => sku.to_domain(),
            None => id_sku(id),
        };
        let description = VariantDescription::plain(sku);
        vec![NewVariant {
            description: Arc::new(description),
            initial_stock: body::stock(body.initial_stock),
        }]
    } else {
        body.variants.iter().map(NewVariantBody::domain).collect()
    };
    NewProduct { description: Arc::new(description), is_simple, variants }
}
