//! How the small values look in the OpenAPI document: with the very bounds that their checks use.

use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::{EMAIL_BYTES_MAX, Email, Id, JsonText, Kind, SKU_BYTES_MAX, Sku, Text, Whole};
use crate::http::openapi::inline::{self, value_schemas};

/// A string.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Any JSON object.
pub(crate) fn object() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

/// A whole number within its bounds.
pub(crate) fn whole(min: i64, max: i64) -> ObjectBuilder {
    let number = |number: i64| isize::try_from(number).expect("an address has 64 bits");
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(number(min)))
        .maximum(Some(number(max)))
}

/// What an id with this prefix looks like.
pub(crate) fn id_pattern(prefix: &str) -> String {
    format!("^{prefix}[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}}$")
}

value_schemas! {
    impl[const MIN: i64, const MAX: i64] Whole<MIN, MAX> as format!("whole.{MIN}.{MAX}") => whole(MIN, MAX);
    impl[] Sku as "sku" => text()
        .min_length(Some(1))
        .max_length(Some(SKU_BYTES_MAX))
        .pattern(Some(r"^[A-Za-z0-9._-]+$"))
        .examples(["PICO-3"]);
    impl[const MIN: usize, const MAX: usize] Text<MIN, MAX> as format!("text.{MIN}.{MAX}") => text()
        .min_length(Some(MIN))
        .max_length(Some(MAX))
        // No control characters but tab, line feed and carriage return.
        .pattern(Some(r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"));
    impl[] Email as "email" => text()
        .max_length(Some(EMAIL_BYTES_MAX))
        .pattern(Some(r"^[^@\s\u0000-\u001f\u007f-\u009f]+@[^@\s\u0000-\u001f\u007f-\u009f]+$"));
    impl[const BYTES_MAX: usize] JsonText<BYTES_MAX> as format!("object.{BYTES_MAX}") =>
        object().description(Some(format!("Any object of at most {BYTES_MAX} bytes as JSON.")));
    impl[K: Kind + ToSchema] Id<K> as format!("id.{}", K::PREFIX) => text().pattern(Some(id_pattern(K::PREFIX)));
}

/// The kinds themselves are never on the wire; the document's generator asks for a name all the same.
macro_rules! kind_schemas {
    ($($kind:ident)*) => {$(
        impl utoipa::PartialSchema for super::$kind {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                ObjectBuilder::new().build().into()
            }
        }

        impl ToSchema for super::$kind {
            fn name() -> std::borrow::Cow<'static, str> {
                inline::name(super::$kind::PREFIX)
            }
        }
    )*};
}

kind_schemas! { Product Reservation Cart Order User Category Movement Rule }
