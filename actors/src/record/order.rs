//! Stored forms of what happens to orders.

use std::sync::Arc;

use holdfast_domain::order::{Cancelation, Event, OrderLine, Placed, Source, Through};
use holdfast_domain::price::{Step, StepKind};
use holdfast_domain::{CartId, Money, ProductId, ReservationId, RuleId, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{Id, StoredItem, StoredOwner, currency, sku};
use super::{DecodeError, OrderFact};

/// A stored fact about an order.
#[derive(Serialize, Deserialize)]
pub(crate) enum OrderEvent {
    /// See [`OrderFact::Placed`].
    Placed(StoredPlaced),
    /// See [`Event::Confirmed`].
    Confirmed(Confirmed),
    /// See [`Event::Expired`].
    Expired,
    /// See [`Event::Canceled`].
    Canceled(Canceled),
    /// See [`Event::Fulfilled`].
    Fulfilled,
    /// See [`Event::RefundRequired`].
    RefundRequired(RefundRequired),
    /// See [`Event::Refunded`].
    Refunded,
}

/// Stored form of an order as it begins; a confirmed reservation holds one, too.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredPlaced {
    owner: StoredOwner,
    source: StoredSource,
    hold: Id,
    lines: Vec<StoredOrderLine>,
    currency: [u8; 3],
    subtotal: i64,
    discount: i64,
    total: i64,
    email: Option<Box<str>>,
    shipping_address: Option<Box<str>>,
    deadline: Option<u64>,
    taken_over: Vec<Id>,
}

#[derive(Serialize, Deserialize)]
enum StoredSource {
    Purchase,
    Lines,
    Cart(Id),
    Reservation(Id),
}

#[derive(Serialize, Deserialize)]
struct StoredOrderLine {
    item: StoredItem,
    sku: Box<str>,
    name: Box<str>,
    unit_price: i64,
    total: i64,
    breakdown: Vec<StoredStep>,
}

/// Stored form of a step on the way to a price.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredStep {
    kind: StoredStepKind,
    rule: Option<Id>,
    name: Option<Box<str>>,
    amount: i64,
}

#[derive(Serialize, Deserialize)]
enum StoredStepKind {
    Base,
    Seasonal,
    Bulk,
    Tier,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(crate) struct Confirmed {
    reference: Option<Box<str>>,
    through: StoredThrough,
    hold: Id,
    is_reacquired: bool,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(crate) struct Canceled {
    why: StoredCancelation,
    reason: Option<Box<str>>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(crate) struct RefundRequired {
    reference: Option<Box<str>>,
    through: StoredThrough,
}

#[derive(Serialize, Deserialize)]
enum StoredThrough {
    Gateway,
    Elsewhere,
}

#[derive(Serialize, Deserialize)]
enum StoredCancelation {
    Declined,
    ByOwner,
    ByAdmin,
}

impl OrderEvent {
    pub(crate) fn from_domain(fact: &OrderFact) -> Self {
        match fact {
            OrderFact::Placed(placed) => Self::Placed(StoredPlaced::from_domain(placed)),
            OrderFact::Changed(event) => Self::from_change(event),
        }
    }

    pub(crate) fn from_change(event: &Event) -> Self {
        match event {
            Event::Confirmed { reference, through, hold, is_reacquired } => Self::Confirmed(Confirmed {
                reference: reference.clone(),
                through: StoredThrough::from_domain(*through),
                hold: hold.0.to_be_bytes(),
                is_reacquired: *is_reacquired,
            }),
            Event::Expired => Self::Expired,
            Event::Canceled { why, reason } => {
                Self::Canceled(Canceled { why: StoredCancelation::from_domain(*why), reason: reason.clone() })
            }
            Event::Fulfilled => Self::Fulfilled,
            Event::RefundRequired { reference, through } => Self::RefundRequired(RefundRequired {
                reference: reference.clone(),
                through: StoredThrough::from_domain(*through),
            }),
            Event::Refunded => Self::Refunded,
        }
    }

    pub(crate) fn into_domain(self) -> Result<OrderFact, DecodeError> {
        Ok(OrderFact::Changed(match self {
            Self::Placed(placed) => return Ok(OrderFact::Placed(placed.into_domain()?)),
            Self::Confirmed(stored) => Event::Confirmed {
                reference: stored.reference,
                through: stored.through.into_domain(),
                hold: ReservationId(u128::from_be_bytes(stored.hold)),
                is_reacquired: stored.is_reacquired,
            },
            Self::Expired => Event::Expired,
            Self::Canceled(stored) => {
                Event::Canceled { why: stored.why.into_domain(), reason: stored.reason }
            }
            Self::Fulfilled => Event::Fulfilled,
            Self::RefundRequired(stored) => {
                Event::RefundRequired { reference: stored.reference, through: stored.through.into_domain() }
            }
            Self::Refunded => Event::Refunded,
        }))
    }
}

impl StoredPlaced {
    pub(crate) fn from_domain(placed: &Placed) -> Self {
        Self {
            owner: StoredOwner::from_domain(placed.owner),
            source: StoredSource::from_domain(placed.source),
            hold: placed.hold.0.to_be_bytes(),
            lines: placed.lines.iter().map(StoredOrderLine::from_domain).collect(),
            currency: placed.currency.bytes(),
            subtotal: placed.subtotal.0,
            discount: placed.discount.0,
            total: placed.total.0,
            email: placed.email.clone(),
            shipping_address: placed.shipping_address.clone(),
            deadline: placed.deadline.map(|deadline| deadline.0),
            taken_over: placed.taken_over.iter().map(|product| product.0.to_be_bytes()).collect(),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Arc<Placed>, DecodeError> {
        let product = |id| ProductId(u128::from_be_bytes(id));
        Ok(Arc::new(Placed {
            owner: self.owner.into_domain(),
            source: self.source.into_domain(),
            hold: ReservationId(u128::from_be_bytes(self.hold)),
            lines: self.lines.into_iter().map(StoredOrderLine::into_domain).collect::<Result<_, _>>()?,
            currency: currency(self.currency)?,
            subtotal: Money(self.subtotal),
            discount: Money(self.discount),
            total: Money(self.total),
            email: self.email,
            shipping_address: self.shipping_address,
            deadline: self.deadline.map(Timestamp),
            taken_over: self.taken_over.into_iter().map(product).collect(),
        }))
    }
}

impl StoredSource {
    const fn from_domain(source: Source) -> Self {
        match source {
            Source::Purchase => Self::Purchase,
            Source::Lines => Self::Lines,
            Source::Cart(CartId(id)) => Self::Cart(id.to_be_bytes()),
            Source::Reservation(ReservationId(id)) => Self::Reservation(id.to_be_bytes()),
        }
    }

    const fn into_domain(self) -> Source {
        match self {
            Self::Purchase => Source::Purchase,
            Self::Lines => Source::Lines,
            Self::Cart(id) => Source::Cart(CartId(u128::from_be_bytes(id))),
            Self::Reservation(id) => Source::Reservation(ReservationId(u128::from_be_bytes(id))),
        }
    }
}

impl StoredOrderLine {
    fn from_domain(line: &OrderLine) -> Self {
        Self {
            item: StoredItem::from_domain(&line.item),
            sku: line.sku.as_str().into(),
            name: line.name.clone(),
            unit_price: line.unit_price.0,
            total: line.total.0,
            breakdown: line.breakdown.iter().map(StoredStep::from_domain).collect(),
        }
    }

    fn into_domain(self) -> Result<OrderLine, DecodeError> {
        Ok(OrderLine {
            item: self.item.into_domain()?,
            sku: sku(&self.sku)?,
            name: self.name,
            unit_price: Money(self.unit_price),
            total: Money(self.total),
            breakdown: self.breakdown.into_iter().map(StoredStep::into_domain).collect(),
        })
    }
}

impl StoredStep {
    pub(crate) fn from_domain(step: &Step) -> Self {
        Self {
            kind: match step.kind {
                StepKind::Base => StoredStepKind::Base,
                StepKind::Seasonal => StoredStepKind::Seasonal,
                StepKind::Bulk => StoredStepKind::Bulk,
                StepKind::Tier => StoredStepKind::Tier,
            },
            rule: step.rule.map(|rule| rule.0.to_be_bytes()),
            name: step.name.clone(),
            amount: step.amount.0,
        }
    }

    pub(crate) fn into_domain(self) -> Step {
        Step {
            kind: match self.kind {
                StoredStepKind::Base => StepKind::Base,
                StoredStepKind::Seasonal => StepKind::Seasonal,
                StoredStepKind::Bulk => StepKind::Bulk,
                StoredStepKind::Tier => StepKind::Tier,
            },
            rule: self.rule.map(|rule| RuleId(u128::from_be_bytes(rule))),
            name: self.name,
            amount: Money(self.amount),
        }
    }
}

impl StoredThrough {
    const fn from_domain(through: Through) -> Self {
        match through {
            Through::Gateway => Self::Gateway,
            Through::Elsewhere => Self::Elsewhere,
        }
    }

    const fn into_domain(self) -> Through {
        match self {
            Self::Gateway => Through::Gateway,
            Self::Elsewhere => Through::Elsewhere,
        }
    }
}

impl StoredCancelation {
    const fn from_domain(why: Cancelation) -> Self {
        match why {
            Cancelation::Declined => Self::Declined,
            Cancelation::ByOwner => Self::ByOwner,
            Cancelation::ByAdmin => Self::ByAdmin,
        }
    }

    const fn into_domain(self) -> Cancelation {
        match self {
            Self::Declined => Cancelation::Declined,
            Self::ByOwner => Cancelation::ByOwner,
            Self::ByAdmin => Cancelation::ByAdmin,
        }
    }
}
