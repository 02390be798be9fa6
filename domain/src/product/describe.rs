//! What a product is called and costs, how it is sold, and changing that.

use std::sync::Arc;

use crate::{CategoryId, Currency, Millis, Money, Quantity, Sku};

use super::{Event, Product, Refusal};

/// Whether a product is sold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// Being prepared: only admins see it.
    Draft,
    /// Sold.
    Active,
    /// No longer sold.
    Archived,
}

/// When a cart holds units of the product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReserveOn {
    /// When they are added.
    Cart,
    /// Not before the order.
    Checkout,
}

/// The part of a product that an admin edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Shown to buyers.
    pub name: Box<str>,
    /// Shown to buyers.
    pub text: Option<Box<str>>,
    /// Whether it is sold.
    pub status: Status,
    /// Of one unit, before the variant's adjustment; 0 to [`Money::PRICE_MAX`].
    pub price: Money,
    /// Of every price of the product.
    pub currency: Currency,
    /// Where it is listed.
    pub category_ids: Vec<CategoryId>,
    /// A JSON object as text, checked by the edge; the core does not look inside.
    pub attributes: Box<str>,
    /// When a cart holds units.
    pub reserve_on: ReserveOn,
    /// How long; the server's default where absent.
    pub reservation_ttl: Option<Millis>,
    /// Units of this product in one order.
    pub per_order_limit: Option<Quantity>,
    /// Units of this product held or bought by one customer.
    pub per_customer_limit: Option<Quantity>,
}

/// The part of a variant that an admin edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantDescription {
    /// Unique among all variants of all products.
    pub sku: Sku,
    /// Shown to buyers.
    pub name: Option<Box<str>>,
    /// A JSON object as text, as for the product.
    pub attributes: Box<str>,
    /// Added to the product's price.
    pub price_adjustment: Money,
}

/// How many bytes all texts of one product may have, so that its record always fits into a frame.
pub const TEXT_BYTES_MAX: u32 = 32 * 1024;

impl Description {
    /// What is sold under this name and price, in no category, without limits, and held by carts for the usual time.
    #[must_use]
    pub fn plain(name: &str, price: Money, currency: Currency) -> Self {
        Self {
            name: name.into(),
            text: None,
            status: Status::Active,
            price,
            currency,
            category_ids: Vec::new(),
            attributes: "{}".into(),
            reserve_on: ReserveOn::Cart,
            reservation_ttl: None,
            per_order_limit: None,
            per_customer_limit: None,
        }
    }

    /// The bytes of all texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.name.len()
            + self.text.as_ref().map_or(0, |text| text.len())
            + self.attributes.len()
            + self.category_ids.len() * size_of::<CategoryId>()
    }
}

impl VariantDescription {
    /// The variant of a product that has only one: it is named and priced as the product.
    #[must_use]
    pub fn plain(sku: Sku) -> Self {
        Self { sku, name: None, attributes: "{}".into(), price_adjustment: Money(0) }
    }

    /// The bytes of all texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.sku.as_str().len() + self.name.as_ref().map_or(0, |name| name.len()) + self.attributes.len()
    }
}

/// Whether the price is one that [`Money::times`] can bear.
pub(super) fn check_price(description: &Description) -> Result<(), Refusal> {
    let is_in_bounds = (0..=Money::PRICE_MAX).contains(&description.price.0);
    if is_in_bounds { Ok(()) } else { Err(Refusal::OutOfBounds) }
}

/// Whether a product's texts fit, all in all.
pub(super) fn check_size(
    description: &Description,
    variants: &mut dyn Iterator<Item = &VariantDescription>,
) -> Result<(), Refusal> {
    let bytes = description.text_bytes() + variants.map(VariantDescription::text_bytes).sum::<usize>();
    match u32::try_from(bytes) {
        Ok(bytes) if bytes <= TEXT_BYTES_MAX => Ok(()),
        _ => Err(Refusal::TooLarge { bytes_max: TEXT_BYTES_MAX }),
    }
}

impl Product {
    pub(super) fn decide_describe(
        &self,
        description: &Arc<Description>,
        version: Option<u32>,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_version(version)?;
        if *description == self.description {
            return Ok(Vec::new());
        }
        check_price(description)?;
        check_size(description, &mut self.live_variants().map(|(_, variant)| &*variant.description))?;
        Ok(vec![Event::Described { description: description.clone() }])
    }

    pub(super) fn decide_delete(&self, version: Option<u32>) -> Result<Vec<Event>, Refusal> {
        self.check_version(version)?;
        let is_free = |levels: &super::Levels| levels.reserved.0 == 0 && levels.committed.0 == 0;
        if !self.variants.iter().all(|variant| is_free(&variant.levels)) {
            return Err(Refusal::InUse);
        }
        Ok(vec![Event::Deleted])
    }

    pub(super) fn check_version(&self, expected: Option<u32>) -> Result<(), Refusal> {
        match expected {
            Some(expected) if expected != self.version => {
                Err(Refusal::VersionMismatch { expected, actual: self.version })
            }
            _ => Ok(()),
        }
    }
}
