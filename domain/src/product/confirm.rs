//! Selling what is held.

use crate::{OrderId, ReservationId};

use super::{Event, Product, Refusal};

impl Product {
    pub(super) fn decide_confirm(
        &self,
        reservation: ReservationId,
        order: OrderId,
    ) -> Result<Vec<Event>, Refusal> {
        match self.reservations.get(&reservation) {
            Some(hold) => Ok(vec![Event::Confirmed { reservation, order, lines: hold.lines.clone() }]),
            // A repeated confirm meets its own answer.
            None if self.orders.contains_key(&order) => Ok(Vec::new()),
            None => Err(Refusal::UnknownReservation),
        }
    }
}
