//! One field of a request body, read without giving up on the rest of the body.
//!
//! serde stops at the first wrong value. [`Field`] never fails on a wrong one: it keeps what is wrong with
//! it, so that [`super::check::Check`] can name every wrong field in one answer. One pass over the bytes,
//! and nothing is allocated for a good value beyond the value.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::__dev::ComposeSchema;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};

use super::openapi::inline;

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A stable word: `wrong_type`, `out_of_range`, `malformed`, ….
    pub code: &'static str,
    /// A sentence.
    pub detail: Cow<'static, str>,
}

impl Fault {
    /// A fault with this word and sentence.
    pub fn new(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// `wrong_type`: another kind of JSON value was expected.
    pub fn wrong_type(expected: &str, found: &str) -> Self {
        Self::new("wrong_type", format!("Must be {expected}, not {found}."))
    }
}

/// A value that can be made of one JSON value of its own kind; every other kind is a fault.
pub trait Value<'de>: Sized {
    /// What to say is expected, such as `a whole number`.
    const EXPECTED: &'static str;

    /// From a JSON integer. `1.0` and `1e3` are not integers here.
    fn from_integer(_number: i64) -> Result<Self, Fault> {
        Err(Fault::wrong_type(Self::EXPECTED, "a number"))
    }

    /// From a JSON string.
    fn from_text(_text: &str) -> Result<Self, Fault> {
        Err(Fault::wrong_type(Self::EXPECTED, "a string"))
    }

    /// From `true` or `false`.
    fn from_bool(_is_true: bool) -> Result<Self, Fault> {
        Err(Fault::wrong_type(Self::EXPECTED, "a boolean"))
    }

    /// From a JSON array. An inner error ends the reading of the whole body.
    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Result<Self, Fault>, A::Error> {
        while array.next_element::<Skipped>()?.is_some() {}
        Ok(Err(Fault::wrong_type(Self::EXPECTED, "an array")))
    }

    /// From a JSON object. An inner error ends the reading of the whole body.
    fn from_object<A: MapAccess<'de>>(mut object: A) -> Result<Result<Self, Fault>, A::Error> {
        while object.next_entry::<IgnoredAny, Skipped>()?.is_some() {}
        Ok(Err(Fault::wrong_type(Self::EXPECTED, "an object")))
    }
}

impl Value<'_> for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_bool(is_true: bool) -> Result<Self, Fault> {
        Ok(is_true)
    }
}

/// An array of scalars, each of which may be wrong by itself.
impl<'de, T: Value<'de>> Value<'de> for Vec<Field<T>> {
    const EXPECTED: &'static str = "an array";

    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Result<Self, Fault>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = array.next_element()? {
            items.push(item);
        }
        Ok(Ok(items))
    }
}

/// An array of at most `COUNT_MAX` objects, each a struct of fields. Of a longer one the first too many is kept, as
/// the proof, and no more: else a large body of `{}` would be many times as large here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects<T, const COUNT_MAX: usize>(pub Vec<T>);

impl<T: ToSchema, const COUNT_MAX: usize> ComposeSchema for Objects<T, COUNT_MAX> {
    fn compose(_of_its_arguments: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let item = Ref::from_schema_name(T::name().into_owned());
        // None at all is refused: see `Check::objects`.
        Schema::Array(ArrayBuilder::new().items(item).min_items(Some(1)).max_items(Some(COUNT_MAX)).build())
            .into()
    }
}

impl<T: ToSchema, const COUNT_MAX: usize> ToSchema for Objects<T, COUNT_MAX> {
    fn name() -> Cow<'static, str> {
        inline::name(format_args!("objects.{COUNT_MAX}.{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<'de, T: Deserialize<'de>, const COUNT_MAX: usize> Value<'de> for Objects<T, COUNT_MAX> {
    const EXPECTED: &'static str = "an array of objects";

    fn from_array<A: SeqAccess<'de>>(mut array: A) -> Result<Result<Self, Fault>, A::Error> {
        // Most have one item, and the first push would make room for four.
        let mut items = Vec::with_capacity(1);
        while let Some(Object(item)) = array.next_element()? {
            if items.len() <= COUNT_MAX {
                items.push(item);
            }
        }
        Ok(Ok(Self(items)))
    }
}

/// A struct read from a JSON object and nothing else. serde's own structs take an array as well, by
/// position: `[5]` would buy five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Value<'de> for Object<T> {
    const EXPECTED: &'static str = "an object";

    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Result<Self, Fault>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Ok(Self(value)))
    }
}

/// A number, or a struct that has it and more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberOr<N, T> {
    /// The number alone.
    Number(N),
    /// The struct.
    Object(T),
}

impl<N: ToSchema, T: ToSchema> ComposeSchema for NumberOr<N, T> {
    fn compose(_of_its_arguments: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let object = Ref::from_schema_name(T::name().into_owned());
        Schema::OneOf(OneOfBuilder::new().item(N::schema()).item(object).build()).into()
    }
}

impl<N: ToSchema, T: ToSchema> ToSchema for NumberOr<N, T> {
    fn name() -> Cow<'static, str> {
        inline::name("number_or")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<'de, N: Value<'de>, T: Deserialize<'de>> Value<'de> for NumberOr<N, T> {
    const EXPECTED: &'static str = "a whole number or an object";

    fn from_integer(number: i64) -> Result<Self, Fault> {
        N::from_integer(number).map(Self::Number)
    }

    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Result<Self, Fault>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Ok(Self::Object(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Object)
    }
}

/// A value nobody wants. Not `IgnoredAny`, which serde_json skips to any depth: nesting has its bound here too.
type Skipped = serde_json::Value;

/// A field as it came. Use with `#[serde(default, deny_unknown_fields)]` on the struct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The body does not have it.
    #[default]
    Absent,
    /// It is `null`.
    Null,
    /// It is there and good.
    Good(T),
    /// It is there and wrong.
    Wrong(Fault),
}

impl<'de, T: Value<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<T> From<Result<T, Fault>> for Field<T> {
    fn from(result: Result<T, Fault>) -> Self {
        match result {
            Ok(value) => Self::Good(value),
            Err(fault) => Self::Wrong(fault),
        }
    }
}

impl<'de, T: Value<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(T::EXPECTED)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Field<T>, E> {
        Ok(T::from_integer(number).into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field<T>, E> {
        // No number of ours comes near; its range check refuses the largest as it would the true one.
        Ok(T::from_integer(i64::try_from(number).unwrap_or(i64::MAX)).into())
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Field<T>, E> {
        Ok(Field::Wrong(Fault::wrong_type(T::EXPECTED, "a number with a fraction or an exponent")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Field<T>, E> {
        Ok(T::from_text(text).into())
    }

    fn visit_bool<E>(self, is_true: bool) -> Result<Field<T>, E> {
        Ok(T::from_bool(is_true).into())
    }

    fn visit_unit<E>(self) -> Result<Field<T>, E> {
        Ok(Field::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<Field<T>, A::Error> {
        Ok(T::from_array(array)?.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Field<T>, A::Error> {
        Ok(T::from_object(object)?.into())
    }
}
