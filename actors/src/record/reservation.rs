//! Stored forms of what happens to reservations.

use holdfast_domain::reservation::Event;
use holdfast_domain::{OrderId, ReservationId, Timestamp};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::order::StoredPlaced;
use super::values::{Id, StoredItem, StoredOwner, domain_items, stored_items};

/// A stored fact about one of the reservations that a record speaks of.
#[derive(Serialize, Deserialize)]
pub(super) struct ReservationFact {
    reservation: Id,
    event: ReservationEvent,
}

#[derive(Serialize, Deserialize)]
enum ReservationEvent {
    /// See [`Event::Reserved`].
    Reserved(Reserved),
    /// See [`Event::Extended`].
    Extended(Extended),
    /// See [`Event::Confirmed`].
    Confirmed(Confirmed),
    /// See [`Event::Released`].
    Released,
    /// See [`Event::Expired`].
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Reserved {
    owner: StoredOwner,
    items: Vec<StoredItem>,
    deadline: u64,
    reference: Option<Box<str>>,
    metadata: Option<Box<str>>,
}

#[derive(Serialize, Deserialize)]
struct Extended {
    deadline: u64,
}

#[derive(Serialize, Deserialize)]
struct Confirmed {
    order: Id,
    placed: StoredPlaced,
}

impl ReservationFact {
    pub(super) fn from_domain((reservation, event): &(ReservationId, Event)) -> Self {
        Self {
            reservation: reservation.0.to_be_bytes(),
            event: match event {
                Event::Reserved { owner, items, deadline, reference, metadata } => {
                    ReservationEvent::Reserved(Reserved {
                        owner: StoredOwner::from_domain(*owner),
                        items: stored_items(items),
                        deadline: deadline.0,
                        reference: reference.clone(),
                        metadata: metadata.clone(),
                    })
                }
                Event::Extended { deadline } => ReservationEvent::Extended(Extended { deadline: deadline.0 }),
                Event::Confirmed { order, placed } => ReservationEvent::Confirmed(Confirmed {
                    order: order.0.to_be_bytes(),
                    placed: StoredPlaced::from_domain(placed),
                }),
                Event::Released => ReservationEvent::Released,
                Event::Expired => ReservationEvent::Expired,
            },
        }
    }

    pub(super) fn into_domain(self) -> Result<(ReservationId, Event), DecodeError> {
        let event = match self.event {
            ReservationEvent::Reserved(stored) => Event::Reserved {
                owner: stored.owner.into_domain(),
                items: domain_items(stored.items)?,
                deadline: Timestamp(stored.deadline),
                reference: stored.reference,
                metadata: stored.metadata,
            },
            ReservationEvent::Extended(stored) => Event::Extended { deadline: Timestamp(stored.deadline) },
            ReservationEvent::Confirmed(stored) => Event::Confirmed {
                order: OrderId(u128::from_be_bytes(stored.order)),
                placed: stored.placed.into_domain()?,
            },
            ReservationEvent::Released => Event::Released,
            ReservationEvent::Expired => Event::Expired,
        };
        Ok((ReservationId(u128::from_be_bytes(self.reservation)), event))
    }
}
