//! Telling the ledger that a hold lives longer: its owner decides that, and no unit moves.

use crate::{ReservationId, Timestamp};

use super::{Event, Product, Refusal};

impl Product {
    pub(super) fn decide_extend(
        &self,
        reservation: ReservationId,
        deadline: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let hold = self.reservations.get(&reservation).ok_or(Refusal::UnknownReservation)?;
        Ok(vec![Event::Extended { reservation, lines: hold.lines.clone(), deadline }])
    }
}
