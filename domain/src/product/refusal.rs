//! Why a product said no. A refusal is an answer, not an error; it carries what the caller needs.

use crate::{Sku, Timestamp, Units};

use super::{Status, VariantNo};

/// No, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not enough units that nobody holds. Every short line is named.
    InsufficientStock {
        /// In the order of the request.
        lines: Vec<Short>,
    },
    /// More than one order or one customer may have.
    LimitExceeded {
        /// Which limit.
        kind: LimitKind,
        /// How many units it allows.
        limit: Units,
        /// How many the customer holds or bought already.
        counted: u64,
    },
    /// A hold may not live that long, or not be extended again.
    ExtensionExceeded,
    /// The deadline passed; whether its expiry is on the books yet does not matter.
    ReservationExpired {
        /// When.
        deadline: Timestamp,
    },
    /// No such hold, or one that ended long ago.
    UnknownReservation,
    /// No units of that order are committed here.
    UnknownOrder,
    /// No such variant.
    UnknownVariant {
        /// The number asked for.
        variant: VariantNo,
    },
    /// A deadline that has passed already, or lies too far ahead.
    DeadlineOutOfRange,
    /// The hold ended otherwise, or the identity belongs to something else already.
    InvalidState,
    /// The product is not sold at present.
    NotSellable {
        /// What it is instead.
        status: Status,
    },
    /// The books say otherwise than the caller expected.
    ExpectedMismatch {
        /// What the caller expected.
        expected: Units,
        /// What the books say.
        on_hand: Units,
    },
    /// More units than the books can hold.
    StockOverflow,
    /// Units are reserved or committed.
    InUse,
    /// The description changed meanwhile.
    VersionMismatch {
        /// What the caller expected.
        expected: u32,
        /// What it is.
        actual: u32,
    },
    /// There is no such product, or not any more.
    UnknownProduct,
    /// A value outside the bounds that its command states; an edge that checks them never sees this.
    OutOfBounds,
    /// The texts of a product are too long in all.
    TooLarge {
        /// How many bytes they may have.
        bytes_max: u32,
    },
    /// Another variant has this sku, of this product or of another.
    SkuTaken {
        /// Which.
        sku: Sku,
    },
    /// An initial stock for variants that exist already.
    StockFixed {
        /// Their places in the request; none where it is of a product without options.
        indexes: Vec<usize>,
    },
    /// More variants than a product may have, or may ever have had.
    TooManyVariants {
        /// How many it may have.
        count_max: usize,
    },
}

/// A line for which there are not enough units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short {
    /// The line's place in the request.
    pub index: usize,
    /// Of what.
    pub variant: VariantNo,
    /// How many were asked for.
    pub requested: Units,
    /// How many there are.
    pub available: Units,
    /// How many are only held and may come back.
    pub reserved: Units,
}

/// Which limit was exceeded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LimitKind {
    /// Units of the product in one order.
    PerOrder,
    /// Units of the product held or bought by one customer.
    PerCustomer,
}
