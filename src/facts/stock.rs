//! Facts of a product's units: where they came from and went, who holds them, who bought them.

use std::sync::Arc;

use holdfast_actors::domain::hold;
use holdfast_actors::domain::price::Applied;
use holdfast_actors::domain::product::{self, Event, VariantNo};
use holdfast_actors::domain::{Buyer, Money, OrderId, ReservationId, Units};
use serde::{Deserialize, Serialize};

use super::price::Step;
use super::values::{Code, Count, Digest, Line, Moment, all, all_back, id, number, words};
use crate::http::values::{Id, Order, Reservation};

/// What happens to the units of a product.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum StockFact {
    #[serde(rename = "stock.received")]
    Received(Adjustment),
    #[serde(rename = "stock.adjusted")]
    Adjusted(Adjustment),
    #[serde(rename = "stock.counted")]
    Counted { variant: u16, on_hand: u32, delta: i64 },
    #[serde(rename = "stock.reserved")]
    Reserved { reservation_id: Id<Reservation>, buyer: Digest, lines: Vec<Line>, expires_at: Moment },
    #[serde(rename = "stock.extended")]
    Extended { reservation_id: Id<Reservation>, lines: Vec<Line>, expires_at: Moment },
    #[serde(rename = "stock.confirmed")]
    Confirmed { reservation_id: Id<Reservation>, order_id: Id<Order>, lines: Vec<Line> },
    #[serde(rename = "stock.released")]
    Released { reservation_id: Id<Reservation>, lines: Vec<Line> },
    #[serde(rename = "stock.expired")]
    Expired { reservation_id: Id<Reservation>, lines: Vec<Line> },
    #[serde(rename = "stock.purchased")]
    Purchased(Purchase),
    #[serde(rename = "stock.fulfilled")]
    Fulfilled { order_id: Id<Order>, lines: Vec<Line> },
    #[serde(rename = "stock.canceled")]
    Canceled { order_id: Id<Order>, lines: Vec<Line> },
    #[serde(rename = "stock.reheld")]
    Reheld(Rehold),
}

/// Units that came or went; `received` for those that came to be sold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adjustment {
    variant: u16,
    delta: i32,
    reason: Reason,
    reference: Option<Box<str>>,
    note: Option<Box<str>>,
}

/// Units that were sold in one turn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Purchase {
    order_id: Id<Order>,
    buyer: Digest,
    variant: u16,
    quantity: Count,
    unit_price: i64,
    currency: Code,
    /// The steps that rules made; null where no rule applied.
    rules: Option<Vec<Step>>,
}

/// A hold that holds something else now, or goes by another name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rehold {
    reservation_id: Id<Reservation>,
    previous_reservation_id: Id<Reservation>,
    buyer: Digest,
    previous_lines: Vec<Line>,
    lines: Vec<Line>,
    expires_at: Moment,
    /// How the units that are not held any more came back.
    ending: Ending,
}

words! {
    /// Why units came or went.
    Reason = product::Reason { Received, Correction, Damaged, Shrinkage, Restock, CycleCount, Other }
    /// How units come back.
    Ending = hold::Ending { Released, Expired }
}

impl StockFact {
    /// The fact that the event is; none when it is none of stock.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Adjusted { variant, delta, reason, reference, note } => {
                let is_received =
                    *delta > 0 && matches!(reason, product::Reason::Received | product::Reason::Restock);
                let adjustment = Adjustment {
                    variant: variant.0,
                    delta: *delta,
                    reason: (*reason).into(),
                    reference: reference.clone(),
                    note: note.clone(),
                };
                if is_received { Self::Received(adjustment) } else { Self::Adjusted(adjustment) }
            }
            Event::Counted { variant, on_hand, delta } => {
                Self::Counted { variant: variant.0, on_hand: on_hand.0, delta: *delta }
            }
            Event::Purchased { .. } => Self::Purchased(Purchase::of(event)?),
            Event::Fulfilled { order, lines } => Self::Fulfilled { order_id: id(order.0), lines: all(lines) },
            Event::Canceled { order, lines } => Self::Canceled { order_id: id(order.0), lines: all(lines) },
            held => return Self::of_hold(held),
        })
    }

    fn of_hold(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Reserved { reservation, buyer, lines, deadline } => Self::Reserved {
                reservation_id: id(reservation.0),
                buyer: buyer.0.into(),
                lines: all(lines),
                expires_at: (*deadline).into(),
            },
            Event::Extended { reservation, lines, deadline } => Self::Extended {
                reservation_id: id(reservation.0),
                lines: all(lines),
                expires_at: (*deadline).into(),
            },
            Event::Confirmed { reservation, order, lines } => Self::Confirmed {
                reservation_id: id(reservation.0),
                order_id: id(order.0),
                lines: all(lines),
            },
            Event::Released { reservation, lines } => {
                Self::Released { reservation_id: id(reservation.0), lines: all(lines) }
            }
            Event::Expired { reservation, lines } => {
                Self::Expired { reservation_id: id(reservation.0), lines: all(lines) }
            }
            Event::Reheld { from, to, buyer, before, lines, deadline, ending } => Self::Reheld(Rehold {
                reservation_id: id(to.0),
                previous_reservation_id: id(from.0),
                buyer: buyer.0.into(),
                previous_lines: all(before),
                lines: all(lines),
                expires_at: (*deadline).into(),
                ending: (*ending).into(),
            }),
            _ => return None,
        })
    }

    pub(super) fn into_event(self) -> Event {
        let reservation = |id| ReservationId(number(id));
        let order = |id| OrderId(number(id));
        match self {
            Self::Received(adjustment) | Self::Adjusted(adjustment) => Event::Adjusted {
                variant: VariantNo(adjustment.variant),
                delta: adjustment.delta,
                reason: adjustment.reason.into(),
                reference: adjustment.reference,
                note: adjustment.note,
            },
            Self::Counted { variant, on_hand, delta } => {
                Event::Counted { variant: VariantNo(variant), on_hand: Units(on_hand), delta }
            }
            Self::Reserved { reservation_id, buyer, lines, expires_at } => Event::Reserved {
                reservation: reservation(reservation_id),
                buyer: Buyer(buyer.into()),
                lines: all_back(lines),
                deadline: expires_at.into(),
            },
            Self::Extended { reservation_id, lines, expires_at } => Event::Extended {
                reservation: reservation(reservation_id),
                lines: all_back(lines),
                deadline: expires_at.into(),
            },
            Self::Confirmed { reservation_id, order_id, lines } => Event::Confirmed {
                reservation: reservation(reservation_id),
                order: order(order_id),
                lines: all_back(lines),
            },
            Self::Released { reservation_id, lines } => {
                Event::Released { reservation: reservation(reservation_id), lines: all_back(lines) }
            }
            Self::Expired { reservation_id, lines } => {
                Event::Expired { reservation: reservation(reservation_id), lines: all_back(lines) }
            }
            Self::Purchased(purchase) => purchase.into_event(),
            Self::Fulfilled { order_id, lines } => {
                Event::Fulfilled { order: order(order_id), lines: all_back(lines) }
            }
            Self::Canceled { order_id, lines } => {
                Event::Canceled { order: order(order_id), lines: all_back(lines) }
            }
            Self::Reheld(rehold) => rehold.into_event(),
        }
    }
}

impl Purchase {
    fn of(event: &Event) -> Option<Self> {
        let Event::Purchased { order, buyer, line, unit_price, currency, rules } = event else { return None };
        Some(Self {
            order_id: id(order.0),
            buyer: buyer.0.into(),
            variant: line.variant.0,
            quantity: Count(line.quantity),
            unit_price: unit_price.0,
            currency: Code(*currency),
            rules: rules.as_ref().map(|steps| all(steps)),
        })
    }

    fn into_event(self) -> Event {
        let rules: Applied = self.rules.map(|steps| Arc::new(all_back(steps)));
        Event::Purchased {
            order: OrderId(number(self.order_id)),
            buyer: Buyer(self.buyer.into()),
            line: product::Line { variant: VariantNo(self.variant), quantity: self.quantity.0 },
            unit_price: Money(self.unit_price),
            currency: self.currency.0,
            rules,
        }
    }
}

impl Rehold {
    fn into_event(self) -> Event {
        Event::Reheld {
            from: ReservationId(number(self.previous_reservation_id)),
            to: ReservationId(number(self.reservation_id)),
            buyer: Buyer(self.buyer.into()),
            before: all_back(self.previous_lines),
            lines: all_back(self.lines),
            deadline: self.expires_at.into(),
            ending: self.ending.into(),
        }
    }
}
