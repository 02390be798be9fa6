//! The steps between those who own holds and the products that hold: which step follows which fact, forward and
//! backward. Data only; the shell carries the steps out and says what came of them.
//!
//! Units are taken before the owner says so, and given back after: the owner's record is the commit point. A crash
//! before it leaves units that nobody claims, a crash after it units that are due; [`mend`] finds both.

mod books;
mod mend;
mod taking;

use crate::hold::{self, Ending};
use crate::order::{Order, Status};
use crate::product::{self, Command, LimitKind};
use crate::{Item, Money, OrderId, ProductId, Timestamp, Units, product::VariantNo};

pub use books::Books;
pub use mend::{Unmet, mend};
pub use taking::{Leg, Step, Taking};

/// Why a cart, a reservation or an order said no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Products said no. Every failing line is named.
    Lines(Vec<LineRefusal>),
    /// The deadline passed.
    Expired {
        /// When.
        deadline: Timestamp,
    },
    /// Its state does not allow this.
    InvalidState,
    /// A deadline that has passed already, or lies too far ahead.
    DeadlineOutOfRange,
    /// Extended too often, or alive too long.
    ExtensionExceeded,
    /// No such thing, or somebody else's.
    NotFound,
    /// There is nothing to order.
    CartEmpty,
    /// The total is not what the caller expected.
    PriceChanged {
        /// What it is.
        total: Money,
    },
    /// The bank said no; the order is canceled.
    PaymentDeclined {
        /// Which.
        order: OrderId,
    },
    /// The bank said nothing; the order still waits for its money.
    PaymentUnknown {
        /// Which.
        order: OrderId,
    },
    /// Money came too late and must be given back.
    RefundRequired {
        /// Whether the order expired; else it was canceled.
        is_expired: bool,
    },
    /// Lines of different currencies.
    MixedCurrencies,
    /// More lines than there may be.
    TooManyLines,
    /// A line of more units than there may be.
    QuantityOutOfRange,
    /// The texts are too long in all.
    TooLarge {
        /// How many bytes they may have.
        bytes_max: u32,
    },
    /// It changed meanwhile.
    VersionMismatch {
        /// What the caller expected.
        expected: u32,
        /// What it is.
        actual: u32,
    },
}

/// A line that cannot be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineRefusal {
    /// Its place in the request.
    pub index: usize,
    /// Of what.
    pub product: ProductId,
    /// Of what.
    pub variant: VariantNo,
    /// How many were asked for.
    pub requested: Units,
    /// Why not.
    pub why: Why,
}

/// Why a line cannot be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Too few units.
    Short {
        /// How many there are for this caller.
        available: Units,
        /// How many are only held by others and may come back.
        reserved: Units,
    },
    /// More than one order or one customer may have.
    Limit {
        /// Which limit.
        kind: LimitKind,
        /// How many units it allows.
        limit: Units,
        /// How many the customer holds or bought already.
        counted: u64,
    },
    /// The product is not sold at present.
    NotSellable,
    /// There is no such product or variant any more.
    Unknown,
}

impl From<hold::Refusal> for Refusal {
    fn from(refusal: hold::Refusal) -> Self {
        match refusal {
            hold::Refusal::Expired { deadline } => Self::Expired { deadline },
            hold::Refusal::InvalidState => Self::InvalidState,
            hold::Refusal::DeadlineOutOfRange => Self::DeadlineOutOfRange,
            hold::Refusal::ExtensionExceeded => Self::ExtensionExceeded,
        }
    }
}

/// What each product is told after an order's newest fact. Each may be told again: it then changes nothing.
#[must_use]
pub fn duties(order: &Order) -> Vec<(ProductId, Command)> {
    let (id, hold) = (order.id, order.standing.hold);
    let command = match order.standing.status {
        Status::PendingPayment => return Vec::new(),
        Status::Confirmed => Command::Confirm { reservation: hold, order: id },
        Status::Fulfilled => Command::Fulfil { order: id },
        Status::Expired => Command::Release { reservation: hold, ending: Ending::Expired },
        Status::Canceled if order.standing.confirmed_at.is_some() => Command::Cancel { order: id },
        Status::Canceled => Command::Release { reservation: hold, ending: Ending::Released },
    };
    to_each_product(order.items(), &command)
}

/// The same command for every product of `items`, products in ascending order.
#[must_use]
pub fn to_each_product<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    command: &Command,
) -> Vec<(ProductId, Command)> {
    let mut products: Vec<_> = items.into_iter().map(|item| item.product).collect();
    products.sort_unstable();
    products.dedup();
    products.into_iter().map(|product| (product, command.clone())).collect()
}

/// The failing lines that a product's refusal stands for; `lines` are those it was asked for, each with its place in
/// the request.
#[must_use]
pub fn explain(
    product: ProductId,
    lines: &[(usize, product::Line)],
    refusal: &product::Refusal,
) -> Vec<LineRefusal> {
    let line = |(index, line): (usize, product::Line), why| LineRefusal {
        index,
        product,
        variant: line.variant,
        requested: line.quantity.units(),
        why,
    };
    let all = |why| lines.iter().map(|asked| line(*asked, why)).collect();
    match refusal {
        product::Refusal::InsufficientStock { lines: short } => short
            .iter()
            .map(|short| {
                let why = Why::Short { available: short.available, reserved: short.reserved };
                line(lines[short.index], why)
            })
            .collect(),
        product::Refusal::LimitExceeded { kind, limit, counted } => {
            all(Why::Limit { kind: *kind, limit: *limit, counted: *counted })
        }
        product::Refusal::NotSellable { .. } => all(Why::NotSellable),
        product::Refusal::UnknownVariant { variant } => {
            let gone = lines.iter().filter(|(_, asked)| asked.variant == *variant);
            gone.map(|asked| line(*asked, Why::Unknown)).collect()
        }
        _ => all(Why::Unknown),
    }
}
