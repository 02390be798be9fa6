//! How the values of a product's body look in the OpenAPI document.

use utoipa::openapi::schema::{ArrayBuilder, Ref, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::categories::CATEGORIES_MAX;
use super::{ATTRIBUTES_BYTES_MAX, Attributes, CurrencyCode, NewProductBody, NewVariantBody};
use crate::http::openapi::inline::value_schemas;
use crate::http::products::ProductReplacement;
use crate::http::products::body::VARIANTS_MAX;
use crate::http::values::{Category, Id, schema};

/// The categories of a product.
pub(super) struct CategoryIds;

/// The variants that a product shall have, which may be none.
pub(super) struct WantedVariants;

fn wanted_variants() -> ArrayBuilder {
    let item = Ref::from_schema_name(NewVariantBody::name().into_owned());
    ArrayBuilder::new().items(item).max_items(Some(VARIANTS_MAX))
}

value_schemas! {
    impl[] CategoryIds as "category_ids" => ArrayBuilder::new()
        .items(Id::<Category>::schema())
        .max_items(Some(CATEGORIES_MAX))
        .unique_items(true);
    impl[] WantedVariants as "wanted_variants" => wanted_variants();
    impl[] Attributes as "attributes" =>
        schema::object().description(Some(format!("Any object of at most {ATTRIBUTES_BYTES_MAX} bytes as JSON.")));
}

impl PartialSchema for CurrencyCode {
    fn schema() -> RefOr<Schema> {
        let description = "A code of ISO 4217.";
        schema::text().enum_values(Some(currencies())).description(Some(description)).build().into()
    }
}

impl ToSchema for CurrencyCode {
    fn name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
}

impl PartialSchema for ProductReplacement {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut product)) = NewProductBody::schema() else {
            unreachable!("a struct of named fields is an object");
        };
        product.description = Some("What a product shall be instead.".to_owned());
        let variants = wanted_variants()
            .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
            .description(Some(
                "Matched by sku: present ones are described anew, new ones are added, missing ones are removed. None \
                 at all makes it a product without options.",
            ));
        product.properties.insert("variants".to_owned(), Schema::Array(variants.build()).into());
        Schema::Object(product).into()
    }
}

impl ToSchema for ProductReplacement {
    fn name() -> std::borrow::Cow<'static, str> {
        "ProductReplacement".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NewProductBody::schemas(schemas);
    }
}

/// Every code there is: iso_currency knows each, and lists none.
fn currencies() -> impl Iterator<Item = String> {
    let letters = || 'A'..='Z';
    let codes = letters()
        .flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c]))));
    codes.filter(|code| iso_currency::Currency::from_code(code).is_some())
}
