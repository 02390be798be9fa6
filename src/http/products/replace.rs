//! `PUT /products/{id}`, and the part of PATCH that changes skus and variants: description and variants together.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::Failure;
use holdfast_actors::domain::product::{
    NewProduct, Product, Refusal, Replacement, VariantDescription, WantedVariant,
};
use holdfast_actors::domain::{ProductId, Sku, Units};
use serde::Serialize;

use super::body::{NewProductBody, NewVariantBody, ProductPatch, RawProduct, Stock, WantedSku};
use super::{changed, id_sku, new_product, product_id};
use crate::http::caller::{AdminCaller, Caller};
use crate::http::check::Check;
use crate::http::field::{Field, Objects};
use crate::http::json::{Body, Json};
use crate::http::problem::Problem;
use crate::http::shop::Shop;
use crate::http::values::{self, Id};
use crate::http::{answer, context, view};

/// What a product shall be instead. No variants, or an empty list of them, is a product without options.
#[derive(Debug, Serialize)]
pub struct ProductReplacement(NewProductBody);

impl Body for ProductReplacement {
    type Raw = RawProduct;

    fn check(mut raw: RawProduct, check: &mut Check) -> Option<Self> {
        if matches!(&raw.variants, Field::Good(Objects(variants)) if variants.is_empty()) {
            raw.variants = Field::Absent;
        }
        NewProductBody::check(raw, check).map(Self)
    }
}

/// Replaces a product.
///
/// Fields that are absent take their defaults; only the sku of a product without options stays where none is given.
/// Variants are matched by sku: present ones are described anew, new ones are added, missing ones are removed.
///
/// # Errors
///
/// `malformed_request` for a malformed key; refusals of the rules are answers.
#[utoipa::path(
    put, path = "/api/v1/products/{id}", tag = "Catalogue", operation_id = "replace_product",
    security(("admin" = [])),
    params(("id" = Id<values::Product>, Path, description = "The product.")),
    request_body = ProductReplacement,
    responses(
        (status = 200, description = "The product as it is now.", body = view::Product),
        (status = 409, description = "duplicate_sku, in_use, limit_exceeded"),
        (status = 412, description = "version_mismatch"),
    ),
)]
pub async fn put(
    request: HttpRequest,
    engine: Shop,
    admin: AdminCaller,
    path: web::Path<String>,
    body: Json<ProductReplacement>,
) -> Result<HttpResponse, Problem> {
    let caller = Caller::Admin(admin.0);
    let context = context::of_write(&request, &caller, &body.0)?;
    let Some(id) = product_id(&path) else {
        return Ok(answer::refused(Failure::NotFound, &engine, None));
    };
    // Of several tags in `If-Match` the present one is insisted on; the turn compares it again.
    let version = answer::version_wanted(&request, engine.version(id));
    let Json(ProductReplacement(body)) = body;
    let answer = engine.replace(&context, id, move |product| Ok(replacement(&body, id, version, product)));
    Ok(changed(answer.await, &engine, id))
}

/// What a whole new body makes of the present product; runs in its turn.
fn replacement(body: &NewProductBody, id: ProductId, version: Option<u32>, present: &Product) -> Replacement {
    let NewProduct { description, is_simple, variants } = new_product(body, id);
    let variants = if is_simple {
        let sku = body.sku.as_ref().map_or_else(|| kept_sku(id, present), |sku| sku.to_domain());
        vec![plain(sku, body.initial_stock)]
    } else {
        variants
            .into_iter()
            .zip(&body.variants)
            .map(|(new, raw)| wanted(new.description, raw.stock()))
            .collect()
    };
    Replacement { description, is_simple, variants, version }
}

/// What a patch that names a sku or variants makes of the present product; runs in its turn.
///
/// # Errors
///
/// [`Refusal::InvalidState`], when a product with options shall have a sku of its own.
pub(super) fn patched(
    patch: &ProductPatch,
    id: ProductId,
    version: Option<u32>,
    present: &Product,
) -> Result<Replacement, Refusal> {
    let description = Arc::new(patch.apply(present.description()));
    let sku = |patch: &ProductPatch| match patch.sku() {
        WantedSku::Present => kept_sku(id, present),
        WantedSku::Default => id_sku(id),
        WantedSku::This(sku) => sku,
    };
    let (is_simple, variants) = match patch.variants() {
        Some([]) => (true, vec![plain(sku(patch), None)]),
        Some(list) => (false, list.iter().map(wanted_variant).collect()),
        None => {
            let only = present.only_variant().filter(|_| present.sku().is_some());
            let only = only.and_then(|only| present.variant(only)).ok_or(Refusal::InvalidState)?;
            let only = VariantDescription { sku: sku(patch), ..(*only.description).clone() };
            (true, vec![wanted(Arc::new(only), None)])
        }
    };
    Ok(Replacement { description, is_simple, variants, version })
}

/// The sku of a product's only variant; of one with several, the default.
fn kept_sku(id: ProductId, present: &Product) -> Sku {
    let only = present.only_variant().and_then(|only| present.variant(only));
    only.map_or_else(|| id_sku(id), |only| only.description.sku.clone())
}

fn plain(sku: Sku, stock: Option<Stock>) -> WantedVariant {
    let description = VariantDescription::plain(sku);
    wanted(Arc::new(description), stock)
}

fn wanted_variant(body: &NewVariantBody) -> WantedVariant {
    wanted(body.domain().description, body.stock())
}

fn wanted(description: Arc<VariantDescription>, stock: Option<Stock>) -> WantedVariant {
    let initial_stock = stock.map(|stock| Units(u32::try_from(stock.get()).expect("at least 0")));
    WantedVariant { description, initial_stock }
}
