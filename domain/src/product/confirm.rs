//! Selling what is held.

use crate::{OrderId, ReservationId, Timestamp};

use super::{Closing, Event, Product, Refusal};

impl Product {
    pub(super) fn decide_confirm(
        &self,
        reservation: ReservationId,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        // A repeated confirm for the same order meets its own answer; for another order it is too late.
        if let Some(Closing::Confirmed { order: owner }) = self.closed.get(&reservation)
            && *owner == order
        {
            return Ok(Vec::new());
        }
        let hold = self.active(reservation, now)?;
        Ok(vec![Event::Confirmed { reservation, order, lines: hold.lines.clone() }])
    }
}
