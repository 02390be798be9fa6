//! What can be asked of a product.

use std::sync::Arc;

use crate::hold::Ending;
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
    /// Hold units: all lines or none. How long is for the owner of the reservation to say.
    Reserve {
        /// A new identity; the same again is answered with yes.
        reservation: ReservationId,
        /// For whom.
        buyer: Buyer,
        /// At least one, at most [`super::LINES_MAX`], no variant twice.
        lines: Vec<Line>,
        /// As the owner said when it was made; the ledger's readers see it.
        deadline: Timestamp,
    },
    /// Change what is held, or under which name: all lines or nothing changes.
    Rehold(Box<Rehold>),
    /// The same as the first half of a saga: for the time being, what was held beyond the new lines stays held with
    /// them. Refused exactly as the rehold would be.
    Take(Box<Rehold>),
    /// Say what a [`Command::Rehold`] would meet, and change nothing.
    Check(Box<Rehold>),
    /// Tell the ledger that a hold lives longer.
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
    /// Give back what is held; nothing happens where nothing is held.
    Release {
        /// Which.
        reservation: ReservationId,
        /// Why.
        ending: Ending,
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
    /// Ship the committed units of an order; nothing happens where it has none.
    Fulfil {
        /// Which.
        order: OrderId,
    },
    /// Give back the committed units of an order; nothing happens where it has none.
    Cancel {
        /// Which.
        order: OrderId,
    },
    /// Change description and variants together: all of it or nothing.
    Replace(Box<Replacement>),
    /// Add a variant.
    AddVariant {
        /// As it shall be.
        variant: NewVariant,
        /// The version that the product must have, where that matters.
        version: Option<u32>,
    },
    /// Describe a variant anew; its sku may change as well.
    DescribeVariant {
        /// Which.
        variant: VariantNo,
        /// As it shall be.
        description: Arc<VariantDescription>,
        /// The version that the product must have, where that matters.
        version: Option<u32>,
    },
    /// Take a variant out of its product, with the units that nobody holds.
    RemoveVariant {
        /// Which.
        variant: VariantNo,
        /// The version that the product must have, where that matters.
        version: Option<u32>,
    },
}

impl Command {
    /// Whether it changes what the catalogue says of the product, rather than where its units are.
    #[must_use]
    pub const fn is_of_catalogue(&self) -> bool {
        matches!(
            self,
            Self::Describe { .. }
                | Self::Delete { .. }
                | Self::Replace(_)
                | Self::AddVariant { .. }
                | Self::DescribeVariant { .. }
                | Self::RemoveVariant { .. }
        )
    }
}

/// What a product shall be instead. Its variants are matched by sku: those that it has are described anew, the rest
/// is added, and what is not named is removed. The only variant of a product stays itself when the product shall have
/// no options, whatever its sku becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// As it shall be.
    pub description: Arc<Description>,
    /// Whether its only variant's sku shall be its own.
    pub is_simple: bool,
    /// At least one, at most [`super::VARIANTS_MAX`], no sku twice.
    pub variants: Vec<WantedVariant>,
    /// The version it must have, where that matters.
    pub version: Option<u32>,
}

/// A variant that a product shall have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedVariant {
    /// As it shall be.
    pub description: Arc<VariantDescription>,
    /// Received at once; only for one that is new.
    pub initial_stock: Option<Units>,
}

/// What a hold shall be instead. Units that were held under either name count as free for it, so nobody is refused
/// because of their own hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rehold {
    /// The hold as it is called now; it need not exist.
    pub from: ReservationId,
    /// As it shall be called; may be the same.
    pub to: ReservationId,
    /// For whom.
    pub buyer: Buyer,
    /// What `to` holds afterwards: at least one line, at most [`super::LINES_MAX`], no variant twice.
    pub lines: Vec<Line>,
    /// As in [`Command::Reserve`].
    pub deadline: Timestamp,
    /// How units come back that are not held any more.
    pub ending: Ending,
    /// They were promised before: only the units must be there, whatever limits and status say now.
    pub is_owed: bool,
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
