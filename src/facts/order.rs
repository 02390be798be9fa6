//! Facts of orders, and an order as it begins.

use std::sync::Arc;

use holdfast_actors::domain::order::{self, Event, Source};
use holdfast_actors::domain::{CartId, Money, ProductId, ReservationId};
use holdfast_actors::record::OrderFact as Happened;
use serde::{Deserialize, Serialize};

use super::price::Step;
use super::values::{Code, Count, Moment, Object, Owner, Sku, all, all_back, id, number, words};
use crate::http::values::{Cart, Id, Product, Reservation};

/// What happens to an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum OrderFact {
    #[serde(rename = "order.placed")]
    Placed(Placed),
    #[serde(rename = "order.confirmed")]
    Confirmed {
        payment_reference: Option<Box<str>>,
        paid_through: Through,
        reservation_id: Id<Reservation>,
        reacquired: bool,
    },
    #[serde(rename = "order.expired")]
    Expired {},
    #[serde(rename = "order.canceled")]
    Canceled { why: Cancelation, reason: Option<Box<str>> },
    #[serde(rename = "order.fulfilled")]
    Fulfilled {},
    #[serde(rename = "order.refund_required")]
    RefundRequired { payment_reference: Option<Box<str>>, paid_through: Through },
    #[serde(rename = "order.refunded")]
    Refunded {},
}

/// An order as it begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placed {
    owner: Owner,
    source: Origin,
    /// Under which name products hold its units.
    reservation_id: Id<Reservation>,
    lines: Vec<OrderLine>,
    currency: Code,
    subtotal: i64,
    discount: i64,
    total: i64,
    email: Option<Box<str>>,
    shipping_address: Option<Object>,
    expires_at: Option<Moment>,
    /// Products whose units the owner's cart held.
    taken_over: Vec<Id<Product>>,
}

/// How an order came about.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case", deny_unknown_fields)]
enum Origin {
    Purchase,
    Lines,
    Cart(Id<Cart>),
    Reservation(Id<Reservation>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderLine {
    product_id: Id<Product>,
    variant: u16,
    sku: Sku,
    name: Box<str>,
    quantity: Count,
    unit_price: i64,
    total: i64,
    breakdown: Vec<Step>,
}

words! {
    /// Who took the money.
    Through = order::Through { Gateway, Elsewhere }
    /// Why an order was canceled.
    Cancelation = order::Cancelation { Declined, ByOwner, ByAdmin }
}

impl OrderFact {
    /// The fact that it is.
    pub(super) fn of(happened: &Happened) -> Self {
        let event = match happened {
            Happened::Placed(placed) => return Self::Placed(Placed::from(&**placed)),
            Happened::Changed(event) => event,
        };
        match event {
            Event::Confirmed { reference, through, hold, is_reacquired } => Self::Confirmed {
                payment_reference: reference.clone(),
                paid_through: (*through).into(),
                reservation_id: id(hold.0),
                reacquired: *is_reacquired,
            },
            Event::Expired => Self::Expired {},
            Event::Canceled { why, reason } => Self::Canceled { why: (*why).into(), reason: reason.clone() },
            Event::Fulfilled => Self::Fulfilled {},
            Event::RefundRequired { reference, through } => {
                Self::RefundRequired { payment_reference: reference.clone(), paid_through: (*through).into() }
            }
            Event::Refunded => Self::Refunded {},
        }
    }

    pub(super) fn into_event(self) -> Happened {
        Happened::Changed(match self {
            Self::Placed(placed) => return Happened::Placed(Arc::new(placed.into())),
            Self::Confirmed { payment_reference, paid_through, reservation_id, reacquired } => {
                Event::Confirmed {
                    reference: payment_reference,
                    through: paid_through.into(),
                    hold: ReservationId(number(reservation_id)),
                    is_reacquired: reacquired,
                }
            }
            Self::Expired {} => Event::Expired,
            Self::Canceled { why, reason } => Event::Canceled { why: why.into(), reason },
            Self::Fulfilled {} => Event::Fulfilled,
            Self::RefundRequired { payment_reference, paid_through } => {
                Event::RefundRequired { reference: payment_reference, through: paid_through.into() }
            }
            Self::Refunded {} => Event::Refunded,
        })
    }
}

impl From<&order::Placed> for Placed {
    fn from(placed: &order::Placed) -> Self {
        Self {
            owner: placed.owner.into(),
            source: placed.source.into(),
            reservation_id: id(placed.hold.0),
            lines: all(&placed.lines),
            currency: Code(placed.currency),
            subtotal: placed.subtotal.0,
            discount: placed.discount.0,
            total: placed.total.0,
            email: placed.email.clone(),
            shipping_address: placed.shipping_address.clone().map(Object),
            expires_at: placed.deadline.map(Moment::from),
            taken_over: placed.taken_over.iter().map(|product| id(product.0)).collect(),
        }
    }
}

impl From<Placed> for order::Placed {
    fn from(placed: Placed) -> Self {
        Self {
            owner: placed.owner.into(),
            source: placed.source.into(),
            hold: ReservationId(number(placed.reservation_id)),
            lines: all_back(placed.lines),
            currency: placed.currency.0,
            subtotal: Money(placed.subtotal),
            discount: Money(placed.discount),
            total: Money(placed.total),
            email: placed.email,
            shipping_address: placed.shipping_address.map(|address| address.0),
            deadline: placed.expires_at.map(Into::into),
            taken_over: placed.taken_over.into_iter().map(|product| ProductId(number(product))).collect(),
        }
    }
}

impl From<Source> for Origin {
    fn from(source: Source) -> Self {
        match source {
            Source::Purchase => Self::Purchase,
            Source::Lines => Self::Lines,
            Source::Cart(CartId(cart)) => Self::Cart(id(cart)),
            Source::Reservation(ReservationId(reservation)) => Self::Reservation(id(reservation)),
        }
    }
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Purchase => Self::Purchase,
            Origin::Lines => Self::Lines,
            Origin::Cart(cart) => Self::Cart(CartId(number(cart))),
            Origin::Reservation(reservation) => Self::Reservation(ReservationId(number(reservation))),
        }
    }
}

impl From<&order::OrderLine> for OrderLine {
    fn from(line: &order::OrderLine) -> Self {
        Self {
            product_id: id(line.item.product.0),
            variant: line.item.variant.0,
            sku: Sku(line.sku.clone()),
            name: line.name.clone(),
            quantity: Count(line.item.quantity),
            unit_price: line.unit_price.0,
            total: line.total.0,
            breakdown: all(&line.breakdown),
        }
    }
}

impl From<OrderLine> for order::OrderLine {
    fn from(line: OrderLine) -> Self {
        let item = holdfast_actors::domain::Item {
            product: ProductId(number(line.product_id)),
            variant: holdfast_actors::domain::product::VariantNo(line.variant),
            quantity: line.quantity.0,
        };
        Self {
            item,
            sku: line.sku.0,
            name: line.name,
            unit_price: Money(line.unit_price),
            total: Money(line.total),
            breakdown: all_back(line.breakdown),
        }
    }
}
