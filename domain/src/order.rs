//! An order: what was sold to whom at what price, and how it went on.
//!
//! `pending_payment → confirmed → fulfilled`, `pending_payment → canceled | expired`, `confirmed → canceled`; the
//! payment's standing apart from that. Lines and prices are as they were when it was placed, for ever. An order
//! keeps its events, so that a retry meets the answer of its own moment ([`Order::as_of`]).

pub mod book;

mod decide;
mod owners;

use std::sync::Arc;

use crate::price::Step;
use crate::{CartId, Currency, Item, Money, OrderId, Owner, ProductId, ReservationId, Sku, Timestamp};

pub use book::{Bought, Orders};
pub use decide::{By, Charge, Next, Refusal};

/// How many bytes all texts of one order may have, so that its record always fits into a frame.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;

/// The version of an order as it begins.
pub const FIRST_VERSION: u32 = 1;

/// One order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Identity.
    pub id: OrderId,
    /// As it was placed.
    pub placed: Arc<Placed>,
    /// When.
    pub placed_at: Timestamp,
    /// As it stands.
    pub standing: Standing,
    /// What happened since, oldest first.
    pub history: Vec<(Timestamp, Event)>,
    /// A number that the shell keeps with it: the sequence of its newest record.
    pub mark: u64,
}

/// The part of an order that never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Whose.
    pub owner: Owner,
    /// How it came about.
    pub source: Source,
    /// Under which name products hold its units until it is confirmed.
    pub hold: ReservationId,
    /// What, at least one.
    pub lines: Vec<OrderLine>,
    /// Of all its money.
    pub currency: Currency,
    /// Before discounts.
    pub subtotal: Money,
    /// What rules took off.
    pub discount: Money,
    /// What is to be paid.
    pub total: Money,
    /// Where mails go; an account's own address where absent.
    pub email: Option<Box<str>>,
    /// A JSON object as text, checked by the edge; the core does not look inside.
    pub shipping_address: Option<Box<str>>,
    /// When it expires unpaid; none where it was confirmed as it was placed.
    pub deadline: Option<Timestamp>,
    /// Products of which the owner's cart held the units that the order has now.
    pub taken_over: Vec<ProductId>,
}

/// How an order came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// A purchase in one turn of the product.
    Purchase,
    /// Lines in the request.
    Lines,
    /// The owner's cart.
    Cart(CartId),
    /// A reservation that was confirmed.
    Reservation(ReservationId),
}

/// A line of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderLine {
    /// What, and how many.
    pub item: Item,
    /// As it was called.
    pub sku: Sku,
    /// As it was called.
    pub name: Box<str>,
    /// For one unit.
    pub unit_price: Money,
    /// For all units.
    pub total: Money,
    /// How the price came about.
    pub breakdown: Vec<Step>,
}

/// Where an order is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// Its units are held, and money is awaited.
    PendingPayment,
    /// Its units are sold.
    Confirmed,
    /// Its units were shipped.
    Fulfilled,
    /// It came to nothing, by somebody's will.
    Canceled,
    /// It came to nothing, as nobody paid in time.
    Expired,
}

/// Where its money is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Payment {
    /// Not here.
    Pending,
    /// Here.
    Paid,
    /// Refused by the bank.
    Failed,
    /// Here, and not ours: somebody must give it back.
    RefundRequired,
    /// Given back.
    Refunded,
}

/// Who took the money.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Through {
    /// Our payment gateway, which can give it back.
    Gateway,
    /// Somebody else; an admin told us.
    Elsewhere,
}

/// Why an order was canceled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cancelation {
    /// The bank said no.
    Declined,
    /// Its owner wished so.
    ByOwner,
    /// An admin wished so.
    ByAdmin,
}

/// What happened to an order after it was placed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It is paid, its units are sold.
    Confirmed {
        /// The payment's name.
        reference: Option<Box<str>>,
        /// Who took the money.
        through: Through,
        /// Under which name products hold the units.
        hold: ReservationId,
        /// The first hold had expired, and the units were taken again.
        is_reacquired: bool,
    },
    /// Nobody paid in time.
    Expired,
    /// It came to nothing.
    Canceled {
        /// Why.
        why: Cancelation,
        /// For people.
        reason: Option<Box<str>>,
    },
    /// Its units were shipped.
    Fulfilled,
    /// Money came when there were no units any more.
    RefundRequired {
        /// The payment's name.
        reference: Option<Box<str>>,
        /// Who took the money.
        through: Through,
    },
    /// Money was given back.
    Refunded,
}

/// The part of an order that changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Where it is.
    pub status: Status,
    /// Where its money is.
    pub payment: Payment,
    /// The payment's name.
    pub reference: Option<Box<str>>,
    /// Who took the money.
    pub through: Option<Through>,
    /// Under which name products hold its units, while they do.
    pub hold: ReservationId,
    /// Its units were taken a second time.
    pub is_reacquired: bool,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// When it was shipped.
    pub fulfilled_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
    /// Why.
    pub cancelation: Option<(Cancelation, Option<Box<str>>)>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows with each event, from 1.
    pub version: u32,
}

/// What products must have of an order's units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// Held under this name.
    Held(ReservationId),
    /// Committed.
    Committed,
    /// None.
    Nothing,
}

impl Order {
    /// An order as it begins.
    #[must_use]
    pub fn new(id: OrderId, placed: Arc<Placed>, at: Timestamp, mark: u64) -> Self {
        let standing = Standing::first(&placed, at);
        Self { id, placed, placed_at: at, standing, history: Vec::new(), mark }
    }

    /// An order with all that happened to it since, as a checkpoint keeps it.
    #[must_use]
    pub fn restored(
        id: OrderId,
        placed: Arc<Placed>,
        at: Timestamp,
        history: Vec<(Timestamp, Event)>,
        mark: u64,
    ) -> Self {
        let mut standing = Standing::first(&placed, at);
        for (at, event) in &history {
            standing.apply(event, *at);
        }
        Self { id, placed, placed_at: at, standing, history, mark }
    }

    /// The standing that it had at `version`; the present one beyond that.
    #[must_use]
    pub fn as_of(&self, version: u32) -> Standing {
        let mut standing = Standing::first(&self.placed, self.placed_at);
        let later = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
        for (at, event) in self.history.iter().take(later) {
            standing.apply(event, *at);
        }
        standing
    }

    /// When it expires, as long as it can.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let is_pending = self.standing.status == Status::PendingPayment;
        self.placed.deadline.filter(|_| is_pending)
    }

    /// What products must have of its units now.
    #[must_use]
    pub const fn claim(&self) -> Claim {
        match self.standing.status {
            Status::PendingPayment => Claim::Held(self.standing.hold),
            Status::Confirmed => Claim::Committed,
            Status::Fulfilled | Status::Canceled | Status::Expired => Claim::Nothing,
        }
    }

    /// Its lines as items.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.placed.lines.iter().map(|line| &line.item)
    }

    /// Takes what happened into the books.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        self.standing.apply(event, at);
        self.history.push((at, event.clone()));
    }
}

impl Placed {
    /// Whether it was confirmed as it was placed.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.deadline.is_none()
    }

    /// Whether mails about it have an address: its own, or that of its owner's account.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.email.is_some() || self.owner.account().is_some()
    }

    /// The bytes of all texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let rules = |line: &OrderLine| line.breakdown.iter().map(|step| length(&step.name)).sum::<usize>();
        let line = |line: &OrderLine| line.sku.as_str().len() + line.name.len() + rules(line);
        self.lines.iter().map(line).sum::<usize>() + length(&self.email) + length(&self.shipping_address)
    }
}

impl Standing {
    fn first(placed: &Placed, at: Timestamp) -> Self {
        // Purchases and confirmed reservations are settled between seller and buyer.
        let is_settled = placed.is_settled();
        Self {
            status: if is_settled { Status::Confirmed } else { Status::PendingPayment },
            payment: if is_settled { Payment::Paid } else { Payment::Pending },
            reference: None,
            through: is_settled.then_some(Through::Elsewhere),
            hold: placed.hold,
            is_reacquired: false,
            confirmed_at: is_settled.then_some(at),
            fulfilled_at: None,
            canceled_at: None,
            cancelation: None,
            updated_at: at,
            version: FIRST_VERSION,
        }
    }

    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Confirmed { reference, through, hold, is_reacquired } => {
                self.status = Status::Confirmed;
                self.payment = Payment::Paid;
                self.reference.clone_from(reference);
                self.through = Some(*through);
                self.hold = *hold;
                self.is_reacquired = *is_reacquired;
                self.confirmed_at = Some(at);
            }
            Event::Expired => self.status = Status::Expired,
            Event::Canceled { why, reason } => {
                self.status = Status::Canceled;
                self.canceled_at = Some(at);
                self.cancelation = Some((*why, reason.clone()));
                self.payment = match (why, self.payment) {
                    (Cancelation::Declined, _) => Payment::Failed,
                    (_, Payment::Paid) => Payment::RefundRequired,
                    (_, payment) => payment,
                };
            }
            Event::Fulfilled => {
                self.status = Status::Fulfilled;
                self.fulfilled_at = Some(at);
            }
            Event::RefundRequired { reference, through } => {
                self.payment = Payment::RefundRequired;
                self.reference.clone_from(reference);
                self.through = Some(*through);
            }
            Event::Refunded => self.payment = Payment::Refunded,
        }
        self.updated_at = at;
        self.version += 1;
    }
}
