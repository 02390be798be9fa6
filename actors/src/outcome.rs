//! What a turn answers. Outcomes of keyed requests travel in the journal beside their effect.

use std::sync::Arc;

use holdfast_domain::product::{
    Description, Levels, Line, MovementKind, Reason, Refusal, VariantDescription, VariantNo,
};
use holdfast_domain::{
    Account, Currency, Money, OrderId, ProductId, Quantity, ReservationId, Sku, Timestamp, Units,
};

use crate::Position;

/// Yes or no; both are answers.
pub type Answered = Result<Outcome, Refusal>;

/// A yes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Units were sold.
    Purchased(Purchased),
    /// Units came, went or were counted.
    StockChanged(StockChange),
    /// The product as it is now.
    Product(Box<ProductFacts>),
    /// The product is gone.
    Deleted,
    /// The hold as it is now.
    Reservation(ReservationFacts),
    /// The order's units moved on.
    OrderMoved(OrderId),
    /// Somebody can log in now.
    Account(Box<Account>),
}

/// A purchase.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purchased {
    /// The new order.
    pub order: OrderId,
    /// What was sold.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
    /// For one.
    pub unit_price: Money,
    /// Of the price.
    pub currency: Currency,
    /// What is left for others.
    pub available: Units,
}

/// The figures of one variant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inventory {
    /// Whose variant.
    pub product: ProductId,
    /// Which.
    pub sku: Sku,
    /// Where its units are.
    pub levels: Levels,
    /// Grows with each movement.
    pub version: u32,
    /// The time of the newest movement.
    pub updated_at: Timestamp,
}

/// An adjustment or a count, and the figures after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockChange {
    /// The figures now.
    pub inventory: Inventory,
    /// What moved.
    pub kind: MovementKind,
    /// How many more or fewer on hand.
    pub delta: i64,
    /// Why, for an adjustment.
    pub reason: Option<Reason>,
    /// A document's number.
    pub reference: Option<Box<str>>,
    /// For people.
    pub note: Option<Box<str>>,
    /// When.
    pub at: Timestamp,
    /// The place of its record.
    pub position: Position,
}

/// A product and its figures at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProductFacts {
    /// Identity.
    pub id: ProductId,
    /// What it is called and costs.
    pub description: Arc<Description>,
    /// Whether its only variant's sku is its own.
    pub is_simple: bool,
    /// In the order in which they were added.
    pub variants: Vec<VariantFacts>,
    /// Of the description.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the description last changed.
    pub updated_at: Timestamp,
}

/// A variant and its figures at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantFacts {
    /// What it is called and costs.
    pub description: Arc<VariantDescription>,
    /// Where its units are.
    pub levels: Levels,
    /// Grows with each movement.
    pub version: u32,
    /// The time of the newest movement.
    pub updated_at: Timestamp,
}

/// A hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReservationFacts {
    /// Identity.
    pub id: ReservationId,
    /// What it holds or held.
    pub lines: Vec<Line>,
    /// How it stands.
    pub status: ReservationStatus,
}

/// How a hold stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReservationStatus {
    /// Alive until then.
    Active {
        /// The first moment at which it is dead.
        deadline: Timestamp,
    },
    /// Sold.
    Confirmed {
        /// To which order.
        order: OrderId,
    },
    /// Given back.
    Released,
    /// Given back because the deadline passed.
    Expired,
}

impl ProductFacts {
    /// The product's own sku; none when it has options.
    #[must_use]
    pub fn sku(&self) -> Option<&Sku> {
        if self.is_simple { self.variants.first().map(|variant| &variant.description.sku) } else { None }
    }

    /// Units of all variants that anybody may buy.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.variants.iter().map(|variant| u64::from(variant.levels.available.0)).sum()
    }

    /// The place of the variant with that sku.
    #[must_use]
    pub fn find(&self, sku: &Sku) -> Option<VariantNo> {
        self.variants.iter().position(|variant| variant.description.sku == *sku).map(VariantNo::from_index)
    }
}
