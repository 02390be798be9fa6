//! Schemas that stand where they are used: an integer with its bounds is no component of its own.
//!
//! A value type implements `ToSchema` with a [`name`] of this module; [`dissolve`] then puts its schema in the
//! place of every reference to it.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

/// What the names of such schemas start with.
const PREFIX: &str = "inline.";

/// Such a schema may have another one within it, and that one more; nothing of ours is deeper.
const DEPTH_MAX: usize = 2;

const REFERENCE: &str = "#/components/schemas/";

/// The name of a schema that is not to become a component. It must tell all its kinds apart: bounds belong in it.
pub(crate) fn name(distinct: impl std::fmt::Display) -> Cow<'static, str> {
    Cow::Owned(format!("{PREFIX}{distinct}"))
}

/// Implements the schema of value types: each with its name among values, and its schema.
macro_rules! value_schemas {
    ($($(#[$meta:meta])* impl[$($generics:tt)*] $type:ty as $name:expr => $schema:expr;)*) => {$(
        // Not `PartialSchema`, which follows from it: utoipa asks for this where a type has arguments.
        impl<$($generics)*> utoipa::__dev::ComposeSchema for $type {
            fn compose(
                _of_its_arguments: Vec<utoipa::openapi::RefOr<utoipa::openapi::Schema>>,
            ) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::Schema::from($schema.build()).into()
            }
        }

        impl<$($generics)*> utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $crate::http::openapi::inline::name($name)
            }
        }
    )*};
}

pub(crate) use value_schemas;

/// Puts every schema that is to stand where it is used there, and takes it from the components.
pub(super) fn dissolve(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("a document has schemas");
    let (mut inline, components): (Map<_, _>, Map<_, _>) =
        std::mem::take(schemas).into_iter().partition(|(name, _)| name.starts_with(PREFIX));
    *schemas = components;
    // They refer to each other as well: one into another, into a component.
    for _ in 0..DEPTH_MAX {
        let known = inline.clone();
        inline.values_mut().for_each(|schema| walk(schema, &known));
    }
    walk(document, &inline);
}

fn walk(value: &mut Value, inline: &Map<String, Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, inline)),
        Value::Object(object) => {
            object.values_mut().for_each(|member| walk(member, inline));
            if let Some(schema) = referred(object, inline) {
                object.remove("$ref");
                for (name, member) in schema {
                    object.entry(name).or_insert(member);
                }
            }
            unite_with_null(object);
        }
        _ => {}
    }
}

fn referred(object: &Map<String, Value>, inline: &Map<String, Value>) -> Option<Map<String, Value>> {
    let name = object.get("$ref")?.as_str()?.strip_prefix(REFERENCE)?;
    if !name.starts_with(PREFIX) {
        return None;
    }
    let schema = inline
        .get(name)
        .unwrap_or_else(|| panic!("{name} is used, but nowhere collected: list it in `openapi.rs`"));
    Some(schema.as_object().expect("a schema is an object").clone())
}

/// `oneOf: [null, integer …]` says the same as `type: [integer, null] …`, in fewer words.
fn unite_with_null(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else { return };
    let null = json!({ "type": "null" });
    if choices.len() != 2 || !choices.contains(&null) {
        return;
    }
    let Some(Value::Object(other)) = choices.iter().find(|choice| **choice != null) else { return };
    // An enum would have to list null as well.
    if !other.get("type").is_some_and(Value::is_string) || other.contains_key("enum") {
        return;
    }
    let mut united = other.clone();
    united["type"] = json!([other["type"], "null"]);
    object.remove("oneOf");
    for (name, member) in united {
        object.entry(name).or_insert(member);
    }
}
