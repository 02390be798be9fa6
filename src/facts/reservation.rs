//! Facts of bare reservations.

use std::sync::Arc;

use holdfast_actors::domain::OrderId;
use holdfast_actors::domain::reservation::Event;
use serde::{Deserialize, Serialize};

use super::order::Placed;
use super::values::{Item, Moment, Object, Owner, all, all_back, id, number};
use crate::http::values::{Id, Order};

/// What happens to a reservation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum ReservationFact {
    #[serde(rename = "reservation.created")]
    Created {
        owner: Owner,
        lines: Vec<Item>,
        expires_at: Moment,
        reference: Option<Box<str>>,
        metadata: Option<Object>,
    },
    #[serde(rename = "reservation.extended")]
    Extended { expires_at: Moment },
    #[serde(rename = "reservation.confirmed")]
    Confirmed { order_id: Id<Order>, order: Placed },
    #[serde(rename = "reservation.released")]
    Released {},
    #[serde(rename = "reservation.expired")]
    Expired {},
}

impl ReservationFact {
    /// The fact that the event is.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Reserved { owner, items, deadline, reference, metadata } => Self::Created {
                owner: (*owner).into(),
                lines: all(items),
                expires_at: (*deadline).into(),
                reference: reference.clone(),
                metadata: metadata.clone().map(Object),
            },
            Event::Extended { deadline } => Self::Extended { expires_at: (*deadline).into() },
            Event::Confirmed { order, placed } => {
                Self::Confirmed { order_id: id(order.0), order: Placed::from(&**placed) }
            }
            Event::Released => Self::Released {},
            Event::Expired => Self::Expired {},
        }
    }

    pub(super) fn into_event(self) -> Event {
        match self {
            Self::Created { owner, lines, expires_at, reference, metadata } => Event::Reserved {
                owner: owner.into(),
                items: all_back(lines),
                deadline: expires_at.into(),
                reference,
                metadata: metadata.map(|metadata| metadata.0),
            },
            Self::Extended { expires_at } => Event::Extended { deadline: expires_at.into() },
            Self::Confirmed { order_id, order } => {
                Event::Confirmed { order: OrderId(number(order_id)), placed: Arc::new(order.into()) }
            }
            Self::Released {} => Event::Released,
            Self::Expired {} => Event::Expired,
        }
    }
}
