//! The small values that facts are made of, each read in the one form in which it is written.
//!
//! Ids are those of the API; what the API never shows (digests, hashes) is lower-case hex.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast_actors::domain::product::{self, VariantNo};
use holdfast_actors::domain::{self, AccountId, Currency, ProductId, Quantity, Timestamp};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::http::values::{Id, Kind, Product, User};

/// Ids of sessions; the API never shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session;

impl Kind for Session {
    const PREFIX: &'static str = "ses_";
}

/// The prefixed form of an id.
pub(super) fn id<K: Kind>(number: u128) -> Id<K> {
    Id::new(Uuid::from_u128(number))
}

/// What is behind the prefix.
pub(super) fn number<K: Kind>(id: Id<K>) -> u128 {
    id.uuid().as_u128()
}

/// A moment: RFC 3339, UTC, milliseconds; a whole number of them where no calendar reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    fn to_text(self) -> Option<String> {
        let moment = jiff::Timestamp::from_millisecond(i64::try_from(self.0).ok()?).ok()?;
        Some(format!("{moment:.3}"))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_text() {
            Some(text) => serializer.serialize_str(&text),
            None => serializer.serialize_u64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a moment such as 2026-11-20T12:00:00.000Z")]
        enum Form<'a> {
            Text(#[serde(borrow)] Cow<'a, str>),
            Number(u64),
        }
        let wrong = || D::Error::custom("expected a moment such as 2026-11-20T12:00:00.000Z");
        match Form::deserialize(deserializer)? {
            Form::Number(ms) if Self(ms).to_text().is_none() => Ok(Self(ms)),
            Form::Number(_) => Err(wrong()),
            Form::Text(text) => {
                let moment: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
                let ms = u64::try_from(moment.as_millisecond()).map_err(|_| wrong())?;
                let is_canonical = Self(ms).to_text().is_some_and(|canonical| canonical == text);
                if is_canonical { Ok(Self(ms)) } else { Err(wrong()) }
            }
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.0)
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self(moment.0)
    }
}

/// So many units: 1 to 1 000 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) Quantity);

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0.get())
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let units = u32::deserialize(deserializer)?;
        let wrong = || D::Error::invalid_value(Unexpected::Unsigned(units.into()), &"1 to 1000000 units");
        Quantity::new(units).map(Self).ok_or_else(wrong)
    }
}

/// The name of a sellable unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sku(pub(super) domain::Sku);

impl Serialize for Sku {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"a sku");
        domain::Sku::new(&text).map(Self).ok_or_else(wrong)
    }
}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) Currency);

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"three capital letters");
        Currency::new(&text).map(Self).ok_or_else(wrong)
    }
}

/// A JSON object of the client's own, exactly as it is kept: an object where it is one, else its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object(pub(super) Box<str>);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_one_line = !self.0.bytes().any(|byte| matches!(byte, b'\n' | b'\r'));
        let raw = || serde_json::from_str::<&RawValue>(&self.0).ok();
        match raw().filter(|raw| is_one_line && self.0.starts_with('{') && raw.get().len() == self.0.len()) {
            Some(object) => object.serialize(serializer),
            None => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') => Ok(Self(text.into())),
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(D::Error::custom),
            _ => Err(D::Error::custom("expected an object")),
        }
    }
}

/// So many bytes as lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex<const BYTES: usize>(pub(super) [u8; BYTES]);

impl<const BYTES: usize> fmt::Display for Hex<BYTES> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl<const BYTES: usize> Serialize for Hex<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const BYTES: usize> Deserialize<'de> for Hex<BYTES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format_args!("expected {} lower-case hex digits", BYTES * 2));
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != BYTES || !rest.is_empty() {
            return Err(wrong());
        }
        let mut bytes = [0; BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or_else(wrong)? << 4 | digit(*low).ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

/// A digest of 128 bits.
pub(super) type Digest = Hex<16>;

impl From<u128> for Digest {
    fn from(digest: u128) -> Self {
        Self(digest.to_be_bytes())
    }
}

impl From<Digest> for u128 {
    fn from(digest: Digest) -> Self {
        Self::from_be_bytes(digest.0)
    }
}

/// Bytes as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        STANDARD.decode(&*text).map(Self).map_err(|_| D::Error::custom("expected base64"))
    }
}

/// What goes into an export and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secret<T>(Option<T>);

impl<T> Secret<T> {
    pub(super) fn new(secret: T, secrets: super::Secrets) -> Self {
        Self((secrets == super::Secrets::Shown).then_some(secret))
    }

    pub(super) const fn is_hidden(&self) -> bool {
        self.0.is_none()
    }

    /// The secret.
    ///
    /// # Panics
    ///
    /// When it is hidden; one that was read never is.
    pub(super) fn reveal(self) -> T {
        self.0.expect("a fact that was read has its secrets")
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|secret| Self(Some(secret)))
    }
}

/// Units of one variant of the product that the fact is about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    variant: u16,
    quantity: Count,
}

impl From<&product::Line> for Line {
    fn from(line: &product::Line) -> Self {
        Self { variant: line.variant.0, quantity: Count(line.quantity) }
    }
}

impl From<Line> for product::Line {
    fn from(line: Line) -> Self {
        Self { variant: VariantNo(line.variant), quantity: line.quantity.0 }
    }
}

/// Units of one variant of one product.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    product_id: Id<Product>,
    variant: u16,
    quantity: Count,
}

impl From<&domain::Item> for Item {
    fn from(item: &domain::Item) -> Self {
        let product_id = id(item.product.0);
        Self { product_id, variant: item.variant.0, quantity: Count(item.quantity) }
    }
}

impl From<Item> for domain::Item {
    fn from(item: Item) -> Self {
        let product = ProductId(number(item.product_id));
        Self { product, variant: VariantNo(item.variant), quantity: item.quantity.0 }
    }
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Owner {
    Guest(Digest),
    Account(Id<User>),
}

impl From<domain::Owner> for Owner {
    fn from(owner: domain::Owner) -> Self {
        match owner {
            domain::Owner::Guest(digest) => Self::Guest(digest.into()),
            domain::Owner::Account(AccountId(account)) => Self::Account(id(account)),
        }
    }
}

impl From<Owner> for domain::Owner {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Guest(digest) => Self::Guest(digest.into()),
            Owner::Account(account) => Self::Account(AccountId(number(account))),
        }
    }
}

/// Every value of a list in its other form.
pub(super) fn all<'a, A: 'a, B: From<&'a A>>(list: &'a [A]) -> Vec<B> {
    list.iter().map(B::from).collect()
}

/// The way back.
pub(super) fn all_back<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}

/// Gives enums of the domain their words: the same names, in snake case.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $domain:ty { $($word:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $name { $($word),* }

        impl From<$domain> for $name {
            fn from(word: $domain) -> Self {
                match word { $(<$domain>::$word => Self::$word),* }
            }
        }

        impl From<$name> for $domain {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),* }
            }
        }
    )*};
}
pub(super) use words;
