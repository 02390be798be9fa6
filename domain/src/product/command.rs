//! What can be asked of a product.

use std::sync::Arc;

use crate::{Buyer, OrderId, Quantity, ReservationId, Timestamp, Units};

use super::{Description, Line, VariantDescription, VariantNo};

/// A wish; [`super::Product::decide`] says what follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Change the description, if it still has that version.
    Describe {
        /// As it shall be.
        description: Arc<Description>,
        /// The version it must have, where that matters.
        version: Option<u32>,
    },
    /// Take the product out of the catalogue.
    Delete {
        /// The version it must have, where that matters.
        version: Option<u32>,
    },
    /// Add or remove units that nobody holds.
    Adjust {
        /// Of what.
        variant: VariantNo,
        /// Not 0, at most [`Quantity::MAX`] either way.
        delta: i32,
        /// Why.
        reason: Reason,
        /// A document's number.
        reference: Option<Box<str>>,
        /// For people.
        note: Option<Box<str>>,
    },
    /// State how many units are on hand.
    Count {
        /// Of what.
        variant: VariantNo,
        /// What was counted.
        on_hand: Units,
        /// What the books must say, where that matters.
        expected: Option<Units>,
    },
    /// Hold units until `deadline`: all lines or none.
    Reserve {
        /// A new identity; the same again is answered with yes.
        reservation: ReservationId,
        /// For whom.
        buyer: Buyer,
        /// At least one, at most [`super::LINES_MAX`], no variant twice.
        lines: Vec<Line>,
        /// The first moment at which the hold is dead.
        deadline: Timestamp,
    },
    /// Move the deadline of a hold.
    Extend {
        /// Which.
        reservation: ReservationId,
        /// Where to.
        deadline: Timestamp,
    },
    /// Sell what is held.
    Confirm {
        /// Which.
        reservation: ReservationId,
        /// To whose order.
        order: OrderId,
    },
    /// Give back what is held.
    Release {
        /// Which.
        reservation: ReservationId,
    },
    /// Reserve and confirm in one turn.
    Purchase {
        /// A new identity; the same again is answered with yes while the order is open.
        order: OrderId,
        /// Who buys.
        buyer: Buyer,
        /// What.
        line: Line,
    },
    /// Ship the committed units of an order.
    Fulfil {
        /// Which.
        order: OrderId,
    },
    /// Give back the committed units of an order.
    Cancel {
        /// Which.
        order: OrderId,
    },
}

/// Why units were added or removed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Goods came in.
    Received,
    /// The books were wrong.
    Correction,
    /// Broken.
    Damaged,
    /// Gone.
    Shrinkage,
    /// Came back to be sold.
    Restock,
    /// A count in passing.
    CycleCount,
    /// See the note.
    Other,
}

/// A product to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewProduct {
    /// As it shall be.
    pub description: Arc<Description>,
    /// Whether its only variant's sku is its own.
    pub is_simple: bool,
    /// At least one, at most [`super::VARIANTS_MAX`], no sku twice.
    pub variants: Vec<NewVariant>,
}

/// A variant of a product to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVariant {
    /// As it shall be.
    pub description: Arc<VariantDescription>,
    /// Received at once.
    pub initial_stock: Option<Quantity>,
}
