//! Moving the deadline of a hold, within its ceilings.

use crate::{ReservationId, Timestamp};

use super::{Closing, EXTENSIONS_MAX, Event, Product, RESERVATION_LIFE_MAX, Refusal, Reservation};

impl Product {
    pub(super) fn decide_extend(
        &self,
        reservation: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let hold = self.active(reservation, now)?;
        if deadline <= now {
            return Err(Refusal::DeadlineOutOfRange);
        }
        let is_too_long = deadline > hold.created_at.after(RESERVATION_LIFE_MAX);
        if hold.extensions >= EXTENSIONS_MAX || is_too_long {
            return Err(Refusal::ExtensionExceeded);
        }
        Ok(vec![Event::Extended { reservation, lines: hold.lines.clone(), deadline }])
    }

    /// The hold, if it is alive at `now`: the deadline decides, journaled or not.
    pub(super) fn active(&self, reservation: ReservationId, now: Timestamp) -> Result<&Reservation, Refusal> {
        let Some(hold) = self.reservations.get(&reservation) else {
            return Err(match self.closed.get(&reservation) {
                Some(Closing::Expired { deadline }) => Refusal::ReservationExpired { deadline: *deadline },
                Some(_) => Refusal::InvalidState,
                None => Refusal::UnknownReservation,
            });
        };
        if hold.deadline <= now {
            return Err(Refusal::ReservationExpired { deadline: hold.deadline });
        }
        Ok(hold)
    }
}
