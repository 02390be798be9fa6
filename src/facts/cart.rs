//! Facts of carts.

use holdfast_actors::domain::cart::Event;
use holdfast_actors::domain::product::VariantNo;
use holdfast_actors::domain::{self, CartId, ProductId, ReservationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::{Count, Moment, Owner, id, number};
use crate::http::values::{Cart, Id, Product, Reservation};

/// What happens to a cart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum CartFact {
    #[serde(rename = "cart.opened")]
    Opened { owner: Owner },
    #[serde(rename = "cart.line_set")]
    LineSet { product_id: Id<Product>, variant: u16, quantity: Count, held: Option<Held> },
    #[serde(rename = "cart.line_removed")]
    LineRemoved { product_id: Id<Product>, variant: u16 },
    #[serde(rename = "cart.renewed")]
    Renewed { lines: Vec<RenewedLine> },
    #[serde(rename = "cart.lapsed")]
    Lapsed { lines: Vec<LapsedLine> },
    #[serde(rename = "cart.emptied")]
    Emptied {},
    #[serde(rename = "cart.absorbed")]
    Absorbed { cart_id: Id<Cart> },
    #[serde(rename = "cart.closed")]
    Closed { absorbed_by: Option<Id<Cart>> },
}

/// Under which name and until when units are held.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Held {
    reservation_id: Id<Reservation>,
    expires_at: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewedLine {
    product_id: Id<Product>,
    variant: u16,
    expires_at: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LapsedLine {
    product_id: Id<Product>,
    variant: u16,
}

impl CartFact {
    /// The fact that the event is.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Opened { owner } => Self::Opened { owner: (*owner).into() },
            Event::LineSet { item, held } => Self::LineSet {
                product_id: id(item.product.0),
                variant: item.variant.0,
                quantity: Count(item.quantity),
                held: held.map(|(reservation, until)| Held {
                    reservation_id: id(reservation.0),
                    expires_at: until.into(),
                }),
            },
            Event::LineRemoved { product, variant } => {
                Self::LineRemoved { product_id: id(product.0), variant: variant.0 }
            }
            Event::Renewed { lines } => Self::Renewed {
                lines: lines
                    .iter()
                    .map(|(product, variant, until)| renewed(*product, *variant, *until))
                    .collect(),
            },
            Event::Lapsed { lines } => Self::Lapsed {
                lines: lines.iter().map(|(product, variant)| lapsed(*product, *variant)).collect(),
            },
            Event::Emptied => Self::Emptied {},
            Event::Absorbed { from } => Self::Absorbed { cart_id: id(from.0) },
            Event::Closed { to } => Self::Closed { absorbed_by: to.map(|cart| id(cart.0)) },
        }
    }

    pub(super) fn into_event(self) -> Event {
        let product = |id| ProductId(number(id));
        match self {
            Self::Opened { owner } => Event::Opened { owner: owner.into() },
            Self::LineSet { product_id, variant, quantity, held } => Event::LineSet {
                item: domain::Item {
                    product: product(product_id),
                    variant: VariantNo(variant),
                    quantity: quantity.0,
                },
                held: held.map(|held| (ReservationId(number(held.reservation_id)), held.expires_at.into())),
            },
            Self::LineRemoved { product_id, variant } => {
                Event::LineRemoved { product: product(product_id), variant: VariantNo(variant) }
            }
            Self::Renewed { lines } => Event::Renewed {
                lines: lines
                    .into_iter()
                    .map(|line| (product(line.product_id), VariantNo(line.variant), line.expires_at.into()))
                    .collect(),
            },
            Self::Lapsed { lines } => Event::Lapsed {
                lines: lines
                    .into_iter()
                    .map(|line| (product(line.product_id), VariantNo(line.variant)))
                    .collect(),
            },
            Self::Emptied {} => Event::Emptied,
            Self::Absorbed { cart_id } => Event::Absorbed { from: CartId(number(cart_id)) },
            Self::Closed { absorbed_by } => {
                Event::Closed { to: absorbed_by.map(|cart| CartId(number(cart))) }
            }
        }
    }
}

fn renewed(product: ProductId, variant: VariantNo, until: Timestamp) -> RenewedLine {
    RenewedLine { product_id: id(product.0), variant: variant.0, expires_at: until.into() }
}

fn lapsed(product: ProductId, variant: VariantNo) -> LapsedLine {
    LapsedLine { product_id: id(product.0), variant: variant.0 }
}
