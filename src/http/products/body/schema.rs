//! How the values of a product's body look in the OpenAPI document.

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{ATTRIBUTES_BYTES_MAX, Attributes, CurrencyCode};
use crate::http::openapi::inline::value_schemas;
use crate::http::values::schema;

value_schemas! {
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

/// Every code there is: iso_currency knows each, and lists none.
fn currencies() -> impl Iterator<Item = String> {
    let letters = || 'A'..='Z';
    let codes = letters()
        .flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c]))));
    codes.filter(|code| iso_currency::Currency::from_code(code).is_some())
}
