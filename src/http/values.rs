//! The small values of request bodies, paths and queries, each valid by construction.
//!
//! Form only: whether a SKU exists or a quantity is in stock is for the actors. Converted to domain types
//! by the handlers.

pub(crate) mod schema;

use std::fmt;

use holdfast_actors::domain::{self, Millis, Quantity};
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::field::{Fault, Value};

/// The longest SKU.
pub const SKU_BYTES_MAX: usize = 64;

/// The longest email address.
const EMAIL_BYTES_MAX: usize = 254;

/// The most units one line can ask for.
pub const UNITS_MAX: i64 = 1_000_000;

/// A whole number from `MIN` to `MAX`: a JSON integer and nothing that merely looks like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<const MIN: i64, const MAX: i64> TryFrom<i64> for Whole<MIN, MAX> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        if (MIN..=MAX).contains(&number) {
            Ok(Self(number))
        } else {
            Err(format!("Must be a whole number from {MIN} to {MAX}."))
        }
    }
}

impl<const MIN: i64, const MAX: i64> Value<'_> for Whole<MIN, MAX> {
    const EXPECTED: &'static str = "a whole number";

    fn from_integer(number: i64) -> Result<Self, Fault> {
        Self::try_from(number).map_err(|detail| Fault::new("out_of_range", detail))
    }
}

/// How many units one line asks for: 1 to 1 000 000.
pub type Units = Whole<1, UNITS_MAX>;

impl Units {
    /// The number of units.
    pub fn count(self) -> u32 {
        u32::try_from(self.0).expect("at most a million units pass the check")
    }

    /// The same for the actors.
    ///
    /// # Panics
    ///
    /// Never: both check the same bounds.
    pub fn to_domain(self) -> Quantity {
        Quantity::new(self.count()).expect("both check the same bounds")
    }
}

/// The name of a sellable unit: 1 to 64 characters of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Sku(Box<str>);

impl Sku {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for the actors.
    ///
    /// # Panics
    ///
    /// Never: both check the same form.
    pub fn to_domain(&self) -> domain::Sku {
        domain::Sku::new(&self.0).expect("both check the same form")
    }

    fn check(text: &str) -> Result<(), &'static str> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || text.len() > SKU_BYTES_MAX || !text.bytes().all(is_allowed) {
            return Err("Must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_` and `-`.");
        }
        Ok(())
    }
}

impl TryFrom<String> for Sku {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::check(&text)?;
        Ok(Self(text.into()))
    }
}

impl Value<'_> for Sku {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        Self::check(text).map_err(|detail| Fault::new("malformed", detail))?;
        Ok(Self(text.into()))
    }
}

/// Free text of `MIN` to `MAX` characters, without control characters other than line breaks and tabs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Text<const MIN: usize, const MAX: usize>(Box<str>);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> Value<'_> for Text<MIN, MAX> {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        let len = text.chars().count();
        if !(MIN..=MAX).contains(&len) {
            let detail = format!("Must have {MIN} to {MAX} characters, not {len}.");
            return Err(Fault::new("out_of_range", detail));
        }
        if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
            return Err(Fault::new("malformed", "Must not have control characters."));
        }
        Ok(Self(text.into()))
    }
}

/// Where mail goes: one `@` with something on both sides, and nothing that no address has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Email(Box<str>);

impl Email {
    /// The address, as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value<'_> for Email {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        if text.len() > EMAIL_BYTES_MAX {
            return Err(Fault::new("out_of_range", format!("Must have at most {EMAIL_BYTES_MAX} bytes.")));
        }
        let has_name_and_host = text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
        if !has_name_and_host || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(Fault::new("malformed", "Must be an email address such as `name@host.example`."));
        }
        Ok(Self(text.into()))
    }
}

/// Any JSON object of at most `BYTES_MAX` bytes, kept as text: names sorted, no spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonText<const BYTES_MAX: usize>(Box<str>);

impl<const BYTES_MAX: usize> JsonText<BYTES_MAX> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const BYTES_MAX: usize> Value<'de> for JsonText<BYTES_MAX> {
    const EXPECTED: &'static str = "an object";

    fn from_object<A: MapAccess<'de>>(object: A) -> Result<Result<Self, Fault>, A::Error> {
        let map = serde_json::Map::deserialize(MapAccessDeserializer::new(object))?;
        let text = serde_json::to_string(&map).expect("a JSON object can be written");
        if text.len() > BYTES_MAX {
            let detail = format!("Must have at most {BYTES_MAX} bytes as JSON.");
            return Ok(Err(Fault::new("too_large", detail)));
        }
        Ok(Ok(Self(text.into())))
    }
}

/// How long units are held: 1 to 3600 seconds.
pub type TtlSeconds = Whole<1, 3600>;

impl TtlSeconds {
    /// The same for the actors.
    ///
    /// # Panics
    ///
    /// Never: the number is above zero.
    pub fn to_domain(self) -> Millis {
        Millis::from_secs(u64::try_from(self.0).expect("at least 1"))
    }
}

/// What kind of thing an [`Id`] names. An enum of markers rather than strings, so that they cannot be mixed.
pub trait Kind {
    /// What its ids start with, underscore included, such as `prod_`.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($name:ident $prefix:literal $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name;

        impl Kind for $name {
            const PREFIX: &'static str = $prefix;
        }
    )*};
}

kinds! {
    Product "prod_" "Ids of products.";
    Reservation "res_" "Ids of reservations.";
    Cart "cart_" "Ids of carts.";
    Order "ord_" "Ids of orders.";
    User "usr_" "Ids of users.";
    Category "cat_" "Ids of categories.";
    Movement "mov_" "Ids of movements.";
    Rule "rule_" "Ids of price rules.";
}

/// The longest prefix and the 36 letters of a UUID, with some room.
const ID_BYTES_MAX: usize = 48;

/// A prefixed UUID, such as `prod_0193…`, read and written in its canonical lower-case form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id<K>(Uuid, std::marker::PhantomData<K>);

impl<K: Kind> Id<K> {
    /// The id with this UUID.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid, std::marker::PhantomData)
    }

    /// The UUID behind the prefix.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// Reads an id; `None` when it is not one of this kind.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(K::PREFIX)?;
        let is_canonical = digits.len() == 36 && !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_canonical {
            return None;
        }
        Uuid::try_parse(digits).ok().map(Self::new)
    }

    fn expected() -> String {
        format!("Must be an id such as `{}01936f5e-7a5c-7000-8000-000000000000`.", K::PREFIX)
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", K::PREFIX, self.0.as_hyphenated())
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // On the stack, without the machinery of `fmt`: answers to many reservations have many ids.
        let mut bytes = [0; ID_BYTES_MAX];
        let (prefix, rest) = bytes.split_at_mut(K::PREFIX.len());
        prefix.copy_from_slice(K::PREFIX.as_bytes());
        let len = K::PREFIX.len() + self.0.as_hyphenated().encode_lower(rest).len();
        serializer.serialize_str(str::from_utf8(&bytes[..len]).expect("an id is ASCII"))
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(Self::expected()))
    }
}

impl<K: Kind> Value<'_> for Id<K> {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        Self::parse(text).ok_or_else(|| Fault::new("malformed", Self::expected()))
    }
}
