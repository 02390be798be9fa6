//! What a product is made or changed with, field by field.

mod categories;
mod schema;
mod variants;

use std::sync::Arc;

use holdfast_actors::domain::product::{
    Description, NewVariant, ReserveOn, Status, VARIANTS_MAX, VariantDescription,
};
use holdfast_actors::domain::{self, Currency, Money, Quantity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::change::{AttributesPatch, Change, change, given, present};
use crate::http::check::Check;
use crate::http::field::{Fault, Field, Objects, Value};
use crate::http::json::Body;
use crate::http::values::{Category, Id, Sku, Text, TtlSeconds, Units, Whole};

use self::categories::check_categories;
use self::schema::{CategoryIds, WantedVariants};
use self::variants::{check_variants_patch, refuse_sku_beside, refuse_twins};

pub(super) use self::categories::domain_ids;

type Price = Whole<0, { Money::PRICE_MAX }>;
pub(in crate::http) type Adjustment = Whole<{ -Money::PRICE_MAX }, { Money::PRICE_MAX }>;
pub(in crate::http) type Stock = Whole<0, 1_000_000>;
pub(in crate::http) type Name = Text<1, 200>;
type LongText = Text<0, 10_000>;

/// The most bytes of the attributes of a product or a variant, as JSON.
const ATTRIBUTES_BYTES_MAX: usize = 8 * 1024;

/// A product to be made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProduct)]
pub struct NewProductBody {
    pub(super) name: Name,
    /// In minor units of the currency: cents of a euro.
    pub(super) price: Price,
    pub(super) currency: CurrencyCode,
    pub(super) description: Option<LongText>,
    /// Of a product without options, by default the product's id; not beside `variants`.
    pub(super) sku: Option<Sku>,
    /// Where it is listed; each has to exist.
    #[schema(required = false, value_type = Option<CategoryIds>)]
    // Left out where there are none: so requests of before there were categories have the same fingerprint still.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) category_ids: Vec<Id<Category>>,
    #[schema(required = false, value_type = Option<Attributes>)]
    pub(super) attributes: Attributes,
    /// By default `active`.
    pub(super) status: Option<StatusWord>,
    /// By default `cart`.
    pub(super) reserve_on: Option<ReserveOnWord>,
    /// How long a cart holds its units; by default 15 minutes.
    pub(super) reservation_ttl_seconds: Option<TtlSeconds>,
    /// The most units that one order may have of it, variants together.
    pub(super) per_order_limit: Option<Units>,
    /// The most units that one customer may hold and have bought, variants together.
    pub(super) per_customer_limit: Option<Units>,
    /// Units received at once, of a product without options; not beside `variants`.
    pub(super) initial_stock: Option<Stock>,
    /// Absent for a product without options.
    #[schema(required = false, value_type = Option<NewVariants>)]
    pub(super) variants: Vec<NewVariantBody>,
}

type NewVariants = Objects<NewVariantBody, VARIANTS_MAX>;

/// A variant of a product to be made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVariant)]
pub struct NewVariantBody {
    sku: Sku,
    name: Option<Name>,
    #[schema(required = false, value_type = Option<Attributes>)]
    attributes: Attributes,
    /// What it costs more than the product's `price`, or less; by default 0.
    price_adjustment: Option<Adjustment>,
    /// Units received at once; only for a variant that is new.
    initial_stock: Option<Stock>,
}

/// A change: what is absent stays.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    /// Of a product without options; null for its default, the product's id. Not beside `variants`.
    #[schema(required = false, value_type = Option<Sku>)]
    sku: Change<Sku>,
    /// All that there shall be, matched by sku: present ones are described anew, new ones are added, missing ones are
    /// removed. None at all, or null, makes it a product without options.
    #[schema(value_type = Option<WantedVariants>)]
    variants: Option<Vec<NewVariantBody>>,
    #[schema(required = false, value_type = Name)]
    name: Option<Name>,
    #[schema(required = false, value_type = Price)]
    price: Option<Price>,
    #[schema(required = false, value_type = CurrencyCode)]
    currency: Option<CurrencyCode>,
    #[schema(required = false, value_type = Option<LongText>)]
    description: Change<LongText>,
    /// All in which it shall be; null for none. Each has to exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<CategoryIds>)]
    category_ids: Option<Vec<Id<Category>>>,
    /// Merged into the present ones (RFC 7396): a member that is null goes. Null for none at all.
    #[schema(required = false, value_type = Option<Attributes>)]
    attributes: AttributesPatch,
    #[schema(required = false, value_type = StatusWord)]
    status: Option<StatusWord>,
    #[schema(required = false, value_type = ReserveOnWord)]
    reserve_on: Option<ReserveOnWord>,
    #[schema(required = false, value_type = Option<TtlSeconds>)]
    reservation_ttl_seconds: Change<TtlSeconds>,
    #[schema(required = false, value_type = Option<Units>)]
    per_order_limit: Change<Units>,
    #[schema(required = false, value_type = Option<Units>)]
    per_customer_limit: Change<Units>,
}

/// Which sku a product without options shall have.
pub(super) enum WantedSku {
    /// The one that it has.
    Present,
    /// The one of a product that was given none.
    Default,
    /// This.
    This(domain::Sku),
}

/// As it came, to be made or to be changed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawProduct {
    name: Field<Name>,
    price: Field<Price>,
    currency: Field<CurrencyCode>,
    description: Field<LongText>,
    sku: Field<Sku>,
    category_ids: Field<Vec<Field<Id<Category>>>>,
    #[serde(deserialize_with = "given")]
    attributes: Option<Json>,
    status: Field<StatusWord>,
    reserve_on: Field<ReserveOnWord>,
    reservation_ttl_seconds: Field<TtlSeconds>,
    per_order_limit: Field<Units>,
    per_customer_limit: Field<Units>,
    initial_stock: Field<Stock>,
    pub(super) variants: Field<Objects<RawVariant, VARIANTS_MAX>>,
}

/// As it came, to be made or to be changed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawVariant {
    pub(in crate::http) sku: Field<Sku>,
    pub(in crate::http) name: Field<Name>,
    #[serde(deserialize_with = "given")]
    pub(in crate::http) attributes: Option<Json>,
    pub(in crate::http) price_adjustment: Field<Adjustment>,
    pub(in crate::http) initial_stock: Field<Stock>,
}

/// A JSON object.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::http) struct Attributes(pub(super) Map<String, Json>);

/// A code of ISO 4217.
#[derive(Clone, Copy, Debug)]
pub(super) struct CurrencyCode(iso_currency::Currency);

impl Serialize for CurrencyCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code())
    }
}

/// Whether a product is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProductStatus)]
pub enum StatusWord {
    /// Being prepared.
    Draft,
    /// Sold.
    Active,
    /// No longer sold.
    Archived,
}

/// When a cart holds units.
#[derive(Clone, Copy, Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReserveOn)]
pub enum ReserveOnWord {
    /// As soon as they are in it.
    #[default]
    Cart,
    /// When it becomes an order.
    Checkout,
}

impl Body for NewProductBody {
    type Raw = RawProduct;

    fn check(raw: RawProduct, check: &mut Check) -> Option<Self> {
        let has_variants = !matches!(raw.variants, Field::Absent | Field::Null);
        refuse_sku_beside(has_variants, &raw.sku, check);
        if has_variants && matches!(raw.initial_stock, Field::Good(_)) {
            check.refuse("initial_stock", Fault::new("conflict", "Each variant has a stock of its own."));
        }
        let category_ids = check_categories(raw.category_ids, check);
        let variants = match raw.variants {
            Field::Absent | Field::Null => Some(Vec::new()),
            variants => check.objects("variants", variants, NewVariantBody::check),
        };
        if let Some(variants) = &variants {
            refuse_twins(variants, check);
        }
        let attributes = check_attributes(raw.attributes, check);
        let name = check.required("name", raw.name);
        let price = check.required("price", raw.price);
        let currency = check.required("currency", raw.currency);
        let description = check.optional("description", raw.description);
        let sku = check.optional("sku", raw.sku);
        let status = check.optional("status", raw.status);
        let reserve_on = check.optional("reserve_on", raw.reserve_on);
        let reservation_ttl_seconds = check.optional("reservation_ttl_seconds", raw.reservation_ttl_seconds);
        let per_order_limit = check.optional("per_order_limit", raw.per_order_limit);
        let per_customer_limit = check.optional("per_customer_limit", raw.per_customer_limit);
        let initial_stock = check.optional("initial_stock", raw.initial_stock);
        Some(Self {
            name: name?,
            price: price?,
            currency: currency?,
            description: description?,
            sku: sku?,
            category_ids: category_ids?.unwrap_or_default(),
            attributes: attributes?,
            status: status?,
            reserve_on: reserve_on?,
            reservation_ttl_seconds: reservation_ttl_seconds?,
            per_order_limit: per_order_limit?,
            per_customer_limit: per_customer_limit?,
            initial_stock: initial_stock?,
            variants: variants?,
        })
    }
}

impl Body for ProductPatch {
    type Raw = RawProduct;

    fn check(raw: RawProduct, check: &mut Check) -> Option<Self> {
        refuse_fixed("initial_stock", &raw.initial_stock, check);
        let category_ids = check_categories(raw.category_ids, check);
        let variants = check_variants_patch(raw.variants, check);
        refuse_sku_beside(matches!(&variants, Some(Some(list)) if !list.is_empty()), &raw.sku, check);
        let sku = change("sku", raw.sku, check);
        let attributes = AttributesPatch::check(raw.attributes, check);
        let name = present("name", raw.name, check);
        let price = present("price", raw.price, check);
        let currency = present("currency", raw.currency, check);
        let description = change("description", raw.description, check);
        let status = present("status", raw.status, check);
        let reserve_on = present("reserve_on", raw.reserve_on, check);
        let reservation_ttl_seconds = change("reservation_ttl_seconds", raw.reservation_ttl_seconds, check);
        let per_order_limit = change("per_order_limit", raw.per_order_limit, check);
        let per_customer_limit = change("per_customer_limit", raw.per_customer_limit, check);
        Some(Self {
            sku: sku?,
            variants: variants?,
            name: name?,
            price: price?,
            currency: currency?,
            description: description?,
            category_ids: category_ids?,
            attributes: attributes?,
            status: status?,
            reserve_on: reserve_on?,
            reservation_ttl_seconds: reservation_ttl_seconds?,
            per_order_limit: per_order_limit?,
            per_customer_limit: per_customer_limit?,
        })
    }
}

impl ProductPatch {
    /// The description with the change; runs in the turn of the product's actor.
    pub(super) fn apply(&self, present: &Description) -> Description {
        let kept = |text: &Option<Name>| text.as_ref().map(|text| text.as_str().into());
        Description {
            name: kept(&self.name).unwrap_or_else(|| present.name.clone()),
            text: self.description.over(&present.text, |text| text.as_str().into()),
            status: self.status.map_or(present.status, Into::into),
            price: self.price.map_or(present.price, |price| Money(price.get())),
            currency: self.currency.map_or(present.currency, CurrencyCode::domain),
            category_ids: match &self.category_ids {
                Some(ids) => domain_ids(ids),
                None => present.category_ids.clone(),
            },
            attributes: self.attributes.over(&present.attributes),
            reserve_on: self.reserve_on.map_or(present.reserve_on, Into::into),
            reservation_ttl: self
                .reservation_ttl_seconds
                .over(&present.reservation_ttl, |ttl| ttl.to_domain()),
            per_order_limit: self.per_order_limit.over(&present.per_order_limit, |units| units.to_domain()),
            per_customer_limit: self
                .per_customer_limit
                .over(&present.per_customer_limit, |units| units.to_domain()),
        }
    }

    /// Whether it changes more than the description.
    pub(super) fn is_of_variants(&self) -> bool {
        self.variants.is_some() || !matches!(self.sku, Change::Keep)
    }

    /// The variants that the product shall have; an empty list for one without options.
    pub(super) fn variants(&self) -> Option<&[NewVariantBody]> {
        self.variants.as_deref()
    }

    /// The sku that the product shall have.
    pub(super) fn sku(&self) -> WantedSku {
        match &self.sku {
            Change::Keep => WantedSku::Present,
            Change::Clear => WantedSku::Default,
            Change::Set(sku) => WantedSku::This(sku.to_domain()),
        }
    }
}

impl Body for NewVariantBody {
    type Raw = RawVariant;

    fn check(raw: RawVariant, check: &mut Check) -> Option<Self> {
        let sku = check.required("sku", raw.sku);
        let name = check.optional("name", raw.name);
        let attributes = check_attributes(raw.attributes, check);
        let price_adjustment = check.optional("price_adjustment", raw.price_adjustment);
        let initial_stock = check.optional("initial_stock", raw.initial_stock);
        Some(Self {
            sku: sku?,
            name: name?,
            attributes: attributes?,
            price_adjustment: price_adjustment?,
            initial_stock: initial_stock?,
        })
    }
}

impl NewVariantBody {
    /// As it was given, 0 included.
    pub(super) const fn stock(&self) -> Option<Stock> {
        self.initial_stock
    }

    /// The variant to be made.
    pub(in crate::http) fn domain(&self) -> NewVariant {
        let description = VariantDescription {
            sku: self.sku.to_domain(),
            name: self.name.as_ref().map(|name| name.as_str().into()),
            attributes: self.attributes.text(),
            price_adjustment: Money(self.price_adjustment.map_or(0, Adjustment::get)),
        };
        NewVariant { description: Arc::new(description), initial_stock: stock(self.initial_stock) }
    }
}

impl Attributes {
    /// As they are kept.
    pub(super) fn text(&self) -> Box<str> {
        serde_json::to_string(&self.0).expect("a JSON object can be written").into()
    }
}

impl CurrencyCode {
    pub(super) fn domain(self) -> Currency {
        Currency::new(self.0.code()).expect("every code of ISO 4217 is three capital letters")
    }
}

impl Value<'_> for CurrencyCode {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        iso_currency::Currency::from_code(text)
            .map(Self)
            .ok_or_else(|| Fault::new("unknown_value", "Must be a currency code of ISO 4217, such as `EUR`."))
    }
}

impl Value<'_> for StatusWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "draft" => Ok(Self::Draft),
            "active" => Ok(Self::Active),
            "archived" => Ok(Self::Archived),
            _ => Err(Fault::new("unknown_value", "Must be draft, active or archived.")),
        }
    }
}

impl From<StatusWord> for Status {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Draft => Self::Draft,
            StatusWord::Active => Self::Active,
            StatusWord::Archived => Self::Archived,
        }
    }
}

impl Value<'_> for ReserveOnWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "cart" => Ok(Self::Cart),
            "checkout" => Ok(Self::Checkout),
            _ => Err(Fault::new("unknown_value", "Must be cart or checkout.")),
        }
    }
}

impl From<ReserveOnWord> for ReserveOn {
    fn from(word: ReserveOnWord) -> Self {
        match word {
            ReserveOnWord::Cart => Self::Cart,
            ReserveOnWord::Checkout => Self::Checkout,
        }
    }
}

pub(super) fn stock(stock: Option<Stock>) -> Option<Quantity> {
    // No stock is no receipt.
    stock.and_then(|stock| Quantity::new(u32::try_from(stock.get()).expect("at least 0")))
}

pub(super) fn check_attributes(raw: Option<Json>, check: &mut Check) -> Option<Attributes> {
    match raw {
        None | Some(Json::Null) => Some(Attributes::default()),
        Some(Json::Object(map)) => {
            let attributes = Attributes(map);
            if attributes.text().len() <= ATTRIBUTES_BYTES_MAX {
                return Some(attributes);
            }
            let detail = format!("Must have at most {ATTRIBUTES_BYTES_MAX} bytes as JSON.");
            check.refuse("attributes", Fault::new("too_large", detail));
            None
        }
        Some(_) => {
            check.refuse("attributes", Fault::new("wrong_type", "Must be an object."));
            None
        }
    }
}

pub(in crate::http) fn refuse_fixed<T>(name: &str, field: &Field<T>, check: &mut Check) {
    if !matches!(field, Field::Absent) {
        check.refuse(name, Fault::new("fixed", "It exists already; use adjustments to change its stock."));
    }
}
