//! What happened to a product. Events are facts: they carry lines, prices and deadlines, never durations.
//!
//! An event that closes something repeats its lines, so that the ledger can be read from the events alone.

use std::sync::Arc;

use crate::hold::Ending;
use crate::price::Applied;
use crate::{Buyer, Currency, Money, OrderId, Quantity, ReservationId, Timestamp, Units};

use super::{Description, Reason, VariantDescription};

/// The place of a variant in its product; never given to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct VariantNo(pub u16);

/// So many units of one variant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Line {
    /// Of what.
    pub variant: VariantNo,
    /// How many.
    pub quantity: Quantity,
}

/// A fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The product exists, with no units yet.
    Created {
        /// As it is.
        description: Arc<Description>,
        /// Whether its only variant's sku is its own.
        is_simple: bool,
        /// In the order of their numbers.
        variants: Vec<Arc<VariantDescription>>,
    },
    /// The description changed to this.
    Described {
        /// As it is now.
        description: Arc<Description>,
    },
    /// The product is gone, and with it the units that nobody held.
    Deleted,
    /// Units came or went that nobody held.
    Adjusted {
        /// Of what.
        variant: VariantNo,
        /// How many more (or fewer).
        delta: i32,
        /// Why.
        reason: Reason,
        /// A document's number.
        reference: Option<Box<str>>,
        /// For people.
        note: Option<Box<str>>,
    },
    /// Somebody counted.
    Counted {
        /// Of what.
        variant: VariantNo,
        /// What they found.
        on_hand: Units,
        /// How many more (or fewer) than the books said.
        delta: i64,
    },
    /// Units are held.
    Reserved {
        /// The hold.
        reservation: ReservationId,
        /// For whom.
        buyer: Buyer,
        /// What.
        lines: Vec<Line>,
        /// Until when.
        deadline: Timestamp,
    },
    /// A hold lives longer (or shorter).
    Extended {
        /// The hold.
        reservation: ReservationId,
        /// What it holds.
        lines: Vec<Line>,
        /// Until when.
        deadline: Timestamp,
    },
    /// What was held is sold.
    Confirmed {
        /// The hold that ended.
        reservation: ReservationId,
        /// Whose the units are now.
        order: OrderId,
        /// What.
        lines: Vec<Line>,
    },
    /// What was held is available again.
    Released {
        /// The hold that ended.
        reservation: ReservationId,
        /// What.
        lines: Vec<Line>,
    },
    /// The deadline passed: what was held is available again.
    Expired {
        /// The hold that ended.
        reservation: ReservationId,
        /// What.
        lines: Vec<Line>,
    },
    /// Available units were sold in one turn.
    Purchased {
        /// Whose the units are.
        order: OrderId,
        /// Who bought.
        buyer: Buyer,
        /// What.
        line: Line,
        /// For one unit, in minor units of `currency`.
        unit_price: Money,
        /// Of the price.
        currency: Currency,
        /// How rules made it of the base price.
        rules: Applied,
    },
    /// The committed units of an order left the house.
    Fulfilled {
        /// Which.
        order: OrderId,
        /// What.
        lines: Vec<Line>,
    },
    /// The committed units of an order are available again.
    Canceled {
        /// Which.
        order: OrderId,
        /// What.
        lines: Vec<Line>,
    },
    /// A hold holds something else now, or goes by another name.
    Reheld {
        /// As it was called.
        from: ReservationId,
        /// As it is called.
        to: ReservationId,
        /// For whom.
        buyer: Buyer,
        /// What both names held.
        before: Vec<Line>,
        /// What is held now.
        lines: Vec<Line>,
        /// Until when, as the owner said.
        deadline: Timestamp,
        /// How the units that are not held any more came back.
        ending: Ending,
    },
    /// The product has another variant, with no units yet.
    VariantAdded {
        /// Its number; never another's.
        variant: VariantNo,
        /// As it is.
        description: Arc<VariantDescription>,
        /// Whether the product has no options now, and this sku is its own.
        is_simple: bool,
        /// Of the product now.
        version: u32,
    },
    /// A variant is described like this now.
    VariantDescribed {
        /// Which.
        variant: VariantNo,
        /// As it is now.
        description: Arc<VariantDescription>,
        /// Whether the product has no options now, and this sku is its own.
        is_simple: bool,
        /// Of the product now.
        version: u32,
    },
    /// A variant is gone, and with it the units that nobody held.
    VariantRemoved {
        /// Which.
        variant: VariantNo,
        /// How many units went with it.
        units: Units,
        /// Of the product now.
        version: u32,
    },
}

impl Event {
    /// Whether it changes what variants there are, or what they are called.
    #[must_use]
    pub const fn is_of_variants(&self) -> bool {
        matches!(
            self,
            Self::VariantAdded { .. } | Self::VariantDescribed { .. } | Self::VariantRemoved { .. }
        )
    }
}

impl VariantNo {
    /// The place in the product's list.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The number of the variant at that place.
    ///
    /// # Panics
    ///
    /// Beyond `u16`; products have at most [`super::VARIANTS_MAX`] variants.
    #[must_use]
    pub fn from_index(index: usize) -> Self {
        Self(u16::try_from(index).expect("a product has at most VARIANTS_MAX variants"))
    }
}
