//! Giving back what is held.

use crate::{ReservationId, Timestamp};

use super::{Closing, Event, Product, Refusal};

impl Product {
    pub(super) fn decide_release(
        &self,
        reservation: ReservationId,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        match self.closed.get(&reservation) {
            // The units are back: that is what the caller wants, however it came about.
            Some(Closing::Released | Closing::Expired { .. }) => return Ok(Vec::new()),
            Some(Closing::Confirmed { .. }) => return Err(Refusal::InvalidState),
            None => {}
        }
        let hold = self.reservations.get(&reservation).ok_or(Refusal::UnknownReservation)?;
        let lines = hold.lines.clone();
        if hold.deadline <= now {
            return Ok(vec![Event::Expired { reservation, lines }]);
        }
        Ok(vec![Event::Released { reservation, lines }])
    }
}
