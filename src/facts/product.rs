//! Facts of a product's description and of its variants.

use std::sync::Arc;

use holdfast_actors::domain::product::{self, Event, VariantNo};
use holdfast_actors::domain::{CategoryId, Millis, Money, Quantity, Units};
use serde::{Deserialize, Serialize};

use super::values::{Code, Count, Object, Sku, id, number, words};
use crate::http::values::{Category, Id};

/// What happens to a product as a whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum ProductFact {
    #[serde(rename = "product.created")]
    Created { product: Description, simple: bool, variants: Vec<Variant> },
    #[serde(rename = "product.described")]
    Described { product: Description },
    #[serde(rename = "product.deleted")]
    Deleted {},
}

/// What happens to one of its variants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum VariantFact {
    #[serde(rename = "variant.added")]
    Added { variant: u16, description: Variant, simple: bool, version: u32 },
    #[serde(rename = "variant.described")]
    Described { variant: u16, description: Variant, simple: bool, version: u32 },
    #[serde(rename = "variant.removed")]
    Removed { variant: u16, units: u32, version: u32 },
}

/// The part of a product that an admin edits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    name: Box<str>,
    description: Option<Box<str>>,
    status: Status,
    price: i64,
    currency: Code,
    category_ids: Vec<Id<Category>>,
    attributes: Object,
    reserve_on: ReserveOn,
    reservation_ttl_ms: Option<u64>,
    per_order_limit: Option<Count>,
    per_customer_limit: Option<Count>,
}

/// The part of a variant that an admin edits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    sku: Sku,
    name: Option<Box<str>>,
    attributes: Object,
    price_adjustment: i64,
}

words! {
    /// Whether a product is sold.
    Status = product::Status { Draft, Active, Archived }
    /// When a cart holds its units.
    ReserveOn = product::ReserveOn { Cart, Checkout }
}

impl ProductFact {
    /// The fact that the event is; none when it is one of variants or stock.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Created { description, is_simple, variants } => Self::Created {
                product: Description::from(&**description),
                simple: *is_simple,
                variants: variants.iter().map(|variant| Variant::from(&**variant)).collect(),
            },
            Event::Described { description } => {
                Self::Described { product: Description::from(&**description) }
            }
            Event::Deleted => Self::Deleted {},
            _ => return None,
        })
    }

    pub(super) fn into_event(self) -> Event {
        match self {
            Self::Created { product, simple, variants } => Event::Created {
                description: Arc::new(product.into()),
                is_simple: simple,
                variants: variants.into_iter().map(|variant| Arc::new(variant.into())).collect(),
            },
            Self::Described { product } => Event::Described { description: Arc::new(product.into()) },
            Self::Deleted {} => Event::Deleted,
        }
    }
}

impl VariantFact {
    /// The fact that the event is; none when it is none of variants.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::VariantAdded { variant, description, is_simple, version } => Self::Added {
                variant: variant.0,
                description: Variant::from(&**description),
                simple: *is_simple,
                version: *version,
            },
            Event::VariantDescribed { variant, description, is_simple, version } => Self::Described {
                variant: variant.0,
                description: Variant::from(&**description),
                simple: *is_simple,
                version: *version,
            },
            Event::VariantRemoved { variant, units, version } => {
                Self::Removed { variant: variant.0, units: units.0, version: *version }
            }
            _ => return None,
        })
    }

    pub(super) fn into_event(self) -> Event {
        match self {
            Self::Added { variant, description, simple, version } => Event::VariantAdded {
                variant: VariantNo(variant),
                description: Arc::new(description.into()),
                is_simple: simple,
                version,
            },
            Self::Described { variant, description, simple, version } => Event::VariantDescribed {
                variant: VariantNo(variant),
                description: Arc::new(description.into()),
                is_simple: simple,
                version,
            },
            Self::Removed { variant, units, version } => {
                Event::VariantRemoved { variant: VariantNo(variant), units: Units(units), version }
            }
        }
    }
}

impl From<&product::Description> for Description {
    fn from(description: &product::Description) -> Self {
        let count = |limit: Quantity| Count(limit);
        Self {
            name: description.name.clone(),
            description: description.text.clone(),
            status: description.status.into(),
            price: description.price.0,
            currency: Code(description.currency),
            category_ids: description.category_ids.iter().map(|category| id(category.0)).collect(),
            attributes: Object(description.attributes.clone()),
            reserve_on: description.reserve_on.into(),
            reservation_ttl_ms: description.reservation_ttl.map(|Millis(ms)| ms),
            per_order_limit: description.per_order_limit.map(count),
            per_customer_limit: description.per_customer_limit.map(count),
        }
    }
}

impl From<Description> for product::Description {
    fn from(description: Description) -> Self {
        let category_ids = description.category_ids.into_iter();
        Self {
            name: description.name,
            text: description.description,
            status: description.status.into(),
            price: Money(description.price),
            currency: description.currency.0,
            category_ids: category_ids.map(|category| CategoryId(number(category))).collect(),
            attributes: description.attributes.0,
            reserve_on: description.reserve_on.into(),
            reservation_ttl: description.reservation_ttl_ms.map(Millis),
            per_order_limit: description.per_order_limit.map(|limit| limit.0),
            per_customer_limit: description.per_customer_limit.map(|limit| limit.0),
        }
    }
}

impl From<&product::VariantDescription> for Variant {
    fn from(variant: &product::VariantDescription) -> Self {
        Self {
            sku: Sku(variant.sku.clone()),
            name: variant.name.clone(),
            attributes: Object(variant.attributes.clone()),
            price_adjustment: variant.price_adjustment.0,
        }
    }
}

impl From<Variant> for product::VariantDescription {
    fn from(variant: Variant) -> Self {
        Self {
            sku: variant.sku.0,
            name: variant.name,
            attributes: variant.attributes.0,
            price_adjustment: Money(variant.price_adjustment),
        }
    }
}
