//! Stored forms of what happens to a product.

use std::sync::Arc;

use holdfast_domain::price::Applied;
use holdfast_domain::product::{Event, VariantNo};
use holdfast_domain::{Buyer, Money, OrderId, ReservationId, Timestamp, Units};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::order::StoredStep;
use super::values::{
    Id, StoredDescription, StoredEnding, StoredLine, StoredReason, StoredVariant, currency, domain_lines,
    stored_lines,
};
use super::variant::{self, VariantRemoved, VariantShaped};

/// A stored fact about a product. Every variant names its location: `main` until there are several.
#[derive(Serialize, Deserialize)]
pub enum ProductEvent {
    /// See [`Event::Created`].
    Created(Created),
    /// See [`Event::Described`].
    Described(Described),
    /// See [`Event::Deleted`].
    Deleted,
    /// See [`Event::Adjusted`].
    Adjusted(Adjusted),
    /// See [`Event::Counted`].
    Counted(Counted),
    /// See [`Event::Reserved`].
    Reserved(Reserved),
    /// See [`Event::Extended`].
    Extended(Extended),
    /// See [`Event::Confirmed`].
    Confirmed(Confirmed),
    /// See [`Event::Released`].
    Released(Closed),
    /// See [`Event::Expired`].
    Expired(Closed),
    /// See [`Event::Purchased`].
    Purchased(Purchased),
    /// See [`Event::Fulfilled`].
    Fulfilled(Shipped),
    /// See [`Event::Canceled`].
    Canceled(Shipped),
    /// See [`Event::Reheld`].
    Reheld(Reheld),
    /// See [`Event::Purchased`]: one whose price rules made.
    PurchasedByRules(PurchasedByRules),
    /// See [`Event::VariantAdded`].
    VariantAdded(VariantShaped),
    /// See [`Event::VariantDescribed`].
    VariantDescribed(VariantShaped),
    /// See [`Event::VariantRemoved`].
    VariantRemoved(VariantRemoved),
}

/// Where units are. Locations get numbers when there are several.
#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum Location {
    Main,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Created {
    description: StoredDescription,
    is_simple: bool,
    variants: Vec<StoredVariant>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Described {
    description: StoredDescription,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Adjusted {
    location: Location,
    variant: u16,
    delta: i32,
    reason: StoredReason,
    reference: Option<Box<str>>,
    note: Option<Box<str>>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Counted {
    location: Location,
    variant: u16,
    on_hand: u32,
    delta: i64,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Reserved {
    location: Location,
    reservation: Id,
    buyer: Id,
    lines: Vec<StoredLine>,
    deadline: u64,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Extended {
    location: Location,
    reservation: Id,
    lines: Vec<StoredLine>,
    deadline: u64,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Confirmed {
    location: Location,
    reservation: Id,
    order: Id,
    lines: Vec<StoredLine>,
}

/// Stored form of a release and of an expiry.
#[derive(Serialize, Deserialize)]
pub struct Closed {
    location: Location,
    reservation: Id,
    lines: Vec<StoredLine>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Purchased {
    location: Location,
    order: Id,
    buyer: Id,
    line: StoredLine,
    unit_price: i64,
    currency: [u8; 3],
}

/// Stored form of a purchase with the steps that rules made.
#[derive(Serialize, Deserialize)]
pub struct PurchasedByRules {
    purchased: Purchased,
    rules: Vec<StoredStep>,
}

/// Stored form of a fulfilment and of a cancelation.
#[derive(Serialize, Deserialize)]
pub struct Shipped {
    location: Location,
    order: Id,
    lines: Vec<StoredLine>,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct Reheld {
    location: Location,
    from: Id,
    to: Id,
    buyer: Id,
    before: Vec<StoredLine>,
    lines: Vec<StoredLine>,
    deadline: u64,
    ending: StoredEnding,
}

impl ProductEvent {
    pub(super) fn from_domain(event: &Event) -> Self {
        let location = Location::Main;
        match event {
            Event::Created { description, is_simple, variants } => Self::Created(Created {
                description: StoredDescription::from_domain(description),
                is_simple: *is_simple,
                variants: variants.iter().map(|variant| StoredVariant::from_domain(variant)).collect(),
            }),
            Event::Described { description } => {
                Self::Described(Described { description: StoredDescription::from_domain(description) })
            }
            Event::Deleted => Self::Deleted,
            Event::Adjusted { variant, delta, reason, reference, note } => Self::Adjusted(Adjusted {
                location,
                variant: variant.0,
                delta: *delta,
                reason: StoredReason::from_domain(*reason),
                reference: reference.clone(),
                note: note.clone(),
            }),
            Event::Counted { variant, on_hand, delta } => {
                Self::Counted(Counted { location, variant: variant.0, on_hand: on_hand.0, delta: *delta })
            }
            Event::Reserved { reservation, buyer, lines, deadline } => Self::Reserved(Reserved {
                location,
                reservation: reservation.0.to_be_bytes(),
                buyer: buyer.0.to_be_bytes(),
                lines: stored_lines(lines),
                deadline: deadline.0,
            }),
            Event::Extended { reservation, lines, deadline } => Self::Extended(Extended {
                location,
                reservation: reservation.0.to_be_bytes(),
                lines: stored_lines(lines),
                deadline: deadline.0,
            }),
            Event::Confirmed { reservation, order, lines } => Self::Confirmed(Confirmed {
                location,
                reservation: reservation.0.to_be_bytes(),
                order: order.0.to_be_bytes(),
                lines: stored_lines(lines),
            }),
            Event::Released { reservation, lines } => Self::Released(Closed::new(*reservation, lines)),
            Event::Expired { reservation, lines } => Self::Expired(Closed::new(*reservation, lines)),
            Event::Purchased { .. } => Self::purchased(event),
            Event::Fulfilled { order, lines } => Self::Fulfilled(Shipped::new(*order, lines)),
            Event::Canceled { order, lines } => Self::Canceled(Shipped::new(*order, lines)),
            Event::Reheld { from, to, buyer, before, lines, deadline, ending } => Self::Reheld(Reheld {
                location,
                from: from.0.to_be_bytes(),
                to: to.0.to_be_bytes(),
                buyer: buyer.0.to_be_bytes(),
                before: stored_lines(before),
                lines: stored_lines(lines),
                deadline: deadline.0,
                ending: StoredEnding::from_domain(*ending),
            }),
            Event::VariantAdded { .. } | Event::VariantDescribed { .. } | Event::VariantRemoved { .. } => {
                variant::stored(event)
            }
        }
    }

    /// A purchase without rules is what it was before there were any, byte for byte.
    fn purchased(event: &Event) -> Self {
        let Event::Purchased { order, buyer, line, unit_price, currency, rules } = event else {
            unreachable!("only purchases are stored as purchases")
        };
        let purchased = Purchased {
            location: Location::Main,
            order: order.0.to_be_bytes(),
            buyer: buyer.0.to_be_bytes(),
            line: StoredLine::from_domain(line),
            unit_price: unit_price.0,
            currency: currency.bytes(),
        };
        match rules {
            None => Self::Purchased(purchased),
            Some(steps) => {
                let rules = steps.iter().map(StoredStep::from_domain).collect();
                Self::PurchasedByRules(PurchasedByRules { purchased, rules })
            }
        }
    }

    pub(super) fn into_domain(self) -> Result<Event, DecodeError> {
        Ok(match self {
            Self::Created(stored) => Event::Created {
                description: stored.description.into_domain()?,
                is_simple: stored.is_simple,
                variants: stored
                    .variants
                    .into_iter()
                    .map(StoredVariant::into_domain)
                    .collect::<Result<_, _>>()?,
            },
            Self::Described(stored) => Event::Described { description: stored.description.into_domain()? },
            Self::Deleted => Event::Deleted,
            Self::Adjusted(stored) => Event::Adjusted {
                variant: VariantNo(stored.variant),
                delta: stored.delta,
                reason: stored.reason.into_domain(),
                reference: stored.reference,
                note: stored.note,
            },
            Self::Counted(stored) => Event::Counted {
                variant: VariantNo(stored.variant),
                on_hand: Units(stored.on_hand),
                delta: stored.delta,
            },
            Self::Reserved(stored) => Event::Reserved {
                reservation: reservation(stored.reservation),
                buyer: Buyer(u128::from_be_bytes(stored.buyer)),
                lines: domain_lines(stored.lines)?,
                deadline: Timestamp(stored.deadline),
            },
            Self::Extended(stored) => Event::Extended {
                reservation: reservation(stored.reservation),
                lines: domain_lines(stored.lines)?,
                deadline: Timestamp(stored.deadline),
            },
            Self::Confirmed(stored) => Event::Confirmed {
                reservation: reservation(stored.reservation),
                order: order(stored.order),
                lines: domain_lines(stored.lines)?,
            },
            Self::Released(stored) => Event::Released {
                reservation: reservation(stored.reservation),
                lines: domain_lines(stored.lines)?,
            },
            Self::Expired(stored) => Event::Expired {
                reservation: reservation(stored.reservation),
                lines: domain_lines(stored.lines)?,
            },
            Self::Purchased(stored) => stored.into_domain(None)?,
            Self::PurchasedByRules(stored) => {
                let steps = stored.rules.into_iter().map(StoredStep::into_domain).collect();
                stored.purchased.into_domain(Some(Arc::new(steps)))?
            }
            Self::Fulfilled(stored) => {
                Event::Fulfilled { order: order(stored.order), lines: domain_lines(stored.lines)? }
            }
            Self::Canceled(stored) => {
                Event::Canceled { order: order(stored.order), lines: domain_lines(stored.lines)? }
            }
            Self::Reheld(stored) => stored.into_domain()?,
            Self::VariantAdded(stored) => stored.added()?,
            Self::VariantDescribed(stored) => stored.described()?,
            Self::VariantRemoved(stored) => stored.into_domain(),
        })
    }
}

impl Purchased {
    fn into_domain(self, rules: Applied) -> Result<Event, DecodeError> {
        Ok(Event::Purchased {
            order: order(self.order),
            buyer: Buyer(u128::from_be_bytes(self.buyer)),
            line: self.line.into_domain()?,
            unit_price: Money(self.unit_price),
            currency: currency(self.currency)?,
            rules,
        })
    }
}

impl Closed {
    fn new(reservation: ReservationId, lines: &[holdfast_domain::product::Line]) -> Self {
        Self {
            location: Location::Main,
            reservation: reservation.0.to_be_bytes(),
            lines: stored_lines(lines),
        }
    }
}

impl Shipped {
    fn new(order: OrderId, lines: &[holdfast_domain::product::Line]) -> Self {
        Self { location: Location::Main, order: order.0.to_be_bytes(), lines: stored_lines(lines) }
    }
}

impl Reheld {
    fn into_domain(self) -> Result<Event, DecodeError> {
        Ok(Event::Reheld {
            from: reservation(self.from),
            to: reservation(self.to),
            buyer: Buyer(u128::from_be_bytes(self.buyer)),
            before: domain_lines(self.before)?,
            lines: domain_lines(self.lines)?,
            deadline: Timestamp(self.deadline),
            ending: self.ending.into_domain(),
        })
    }
}

fn reservation(id: Id) -> ReservationId {
    ReservationId(u128::from_be_bytes(id))
}

fn order(id: Id) -> OrderId {
    OrderId(u128::from_be_bytes(id))
}
