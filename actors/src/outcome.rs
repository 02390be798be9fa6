//! What a turn answers. Outcomes of keyed requests travel in the journal beside their effect.

use std::sync::Arc;

use holdfast_domain::cart::CartLine;
use holdfast_domain::order::{Placed, Standing};
use holdfast_domain::price::{self, Rule};
use holdfast_domain::product::{self, Description, Levels, MovementKind, Reason, VariantDescription};
use holdfast_domain::{
    Account, Cart, CartId, Category, Currency, Hold, Money, Order, OrderId, ProductId, Quantity, Reservation,
    ReservationId, Sku, Timestamp, Units, account, category, saga,
};

use crate::Position;
use crate::directory::Directory;

/// Yes or no; both are answers.
pub type Answered = Result<Outcome, Refused>;

/// A no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// By a product.
    Product(product::Refusal),
    /// By a reservation, a cart or an order.
    Owner(saga::Refusal),
    /// By the price list.
    Prices(price::Refusal),
    /// By the categories.
    Category(category::Refusal),
    /// By the accounts.
    Account(account::Refusal),
}

/// A yes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is so now, and there is nothing to tell.
    Done,
    /// A request began whose steps have keys of their own; this is when.
    Begun(Timestamp),
    /// Units were sold.
    Purchased(Purchased),
    /// Units came, went or were counted.
    StockChanged(StockChange),
    /// The product as it is now.
    Product(Box<ProductFacts>),
    /// The product is gone.
    Deleted,
    /// The account as it is now, without the hash of its password.
    Account(Box<Account>),
    /// Many commands, each with its own answer.
    Each(Vec<Result<Outcome, product::Refusal>>),
    /// The order as it was at that version.
    Order {
        /// Which.
        order: OrderId,
        /// From 1.
        version: u32,
    },
    /// The reservation as it was then.
    Reservation(ReservationMoment),
    /// The cart as it was then.
    Cart(Box<CartFacts>),
    /// The price rule as it was then.
    Rule(Arc<Rule>),
    /// The category as it is now.
    Category(Box<Category>),
}

/// The part of a reservation that changes, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservationMoment {
    /// Which.
    pub id: ReservationId,
    /// How it stood.
    pub hold: Hold,
    /// What it had become.
    pub order: Option<OrderId>,
    /// When it had last changed.
    pub updated_at: Timestamp,
    /// Its version.
    pub version: u32,
}

/// A reservation at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReservationFacts {
    /// Identity.
    pub id: ReservationId,
    /// As it was.
    pub reservation: Arc<Reservation>,
}

/// A cart at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CartFacts {
    /// Identity; none for somebody who has no cart.
    pub id: Option<CartId>,
    /// In the order in which they were added.
    pub lines: Vec<CartLine>,
    /// The first moment at which it is gone.
    pub expires_at: Option<Timestamp>,
    /// Grows with each change; 0 where there is no cart.
    pub version: u32,
}

/// An order at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderFacts {
    /// Identity.
    pub id: OrderId,
    /// The part that never changes.
    pub placed: Arc<Placed>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// The part that changes, at that moment.
    pub standing: Standing,
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

impl Purchased {
    /// An order of one line as a purchase; what is left is as it is now.
    pub(crate) fn of_order(order: OrderId, placed: &Placed, directory: &Directory) -> Self {
        let line = &placed.lines[0];
        let figures = directory.card(line.item.product).map(|card| card.snapshot());
        let figures = figures.and_then(|it| it.variants.get(line.item.variant.index()).copied());
        Self {
            order,
            sku: line.sku.clone(),
            quantity: line.item.quantity,
            unit_price: line.unit_price,
            currency: placed.currency,
            available: figures.map(|it| it.levels.available).unwrap_or_default(),
        }
    }
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
    /// In the order in which they were added, without those that were removed: a place here is no number.
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

impl ReservationMoment {
    /// The moment of a reservation as it is.
    #[must_use]
    pub const fn of(id: ReservationId, reservation: &Reservation) -> Self {
        Self {
            id,
            hold: reservation.hold,
            order: reservation.order,
            updated_at: reservation.updated_at,
            version: reservation.version,
        }
    }

    /// The whole reservation at this moment; the rest of it never changes.
    #[must_use]
    pub fn facts(&self, reservation: &Reservation) -> ReservationFacts {
        let reservation = Reservation {
            hold: self.hold,
            order: self.order,
            updated_at: self.updated_at,
            version: self.version,
            ..reservation.clone()
        };
        ReservationFacts { id: self.id, reservation: Arc::new(reservation) }
    }
}

impl CartFacts {
    /// A cart as it is.
    #[must_use]
    pub fn of(id: CartId, cart: &Cart) -> Self {
        Self {
            id: Some(id),
            lines: cart.lines.clone(),
            expires_at: Some(cart.expires_at()),
            version: cart.version,
        }
    }
}

impl OrderFacts {
    /// An order at `version`.
    #[must_use]
    pub fn of(order: &Order, version: u32) -> Self {
        let standing =
            if version == order.standing.version { order.standing.clone() } else { order.as_of(version) };
        Self { id: order.id, placed: Arc::clone(&order.placed), placed_at: order.placed_at, standing }
    }
}

impl From<product::Refusal> for Refused {
    fn from(refusal: product::Refusal) -> Self {
        Self::Product(refusal)
    }
}

impl From<category::Refusal> for Refused {
    fn from(refusal: category::Refusal) -> Self {
        Self::Category(refusal)
    }
}

impl From<saga::Refusal> for Refused {
    fn from(refusal: saga::Refusal) -> Self {
        Self::Owner(refusal)
    }
}

impl From<price::Refusal> for Refused {
    fn from(refusal: price::Refusal) -> Self {
        Self::Prices(refusal)
    }
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

    /// The variant with that sku.
    #[must_use]
    pub fn variant(&self, sku: &Sku) -> Option<&VariantFacts> {
        self.variants.iter().find(|variant| variant.description.sku == *sku)
    }
}
