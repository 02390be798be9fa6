//! Giving back what was held too long.

use crate::Timestamp;

use super::{EXPIRE_COUNT_MAX, Event, Product};

impl Product {
    /// The expiries that are due at `now`, earliest first, at most [`EXPIRE_COUNT_MAX`].
    #[must_use]
    pub fn decide_expire(&self, now: Timestamp) -> Vec<Event> {
        let due = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).take(EXPIRE_COUNT_MAX);
        let expired = |(_, reservation): &(Timestamp, crate::ReservationId)| {
            let lines = self.reservations[reservation].lines.clone();
            Event::Expired { reservation: *reservation, lines }
        };
        due.map(expired).collect()
    }
}
