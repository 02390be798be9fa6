//! Giving back what is held.

use crate::ReservationId;
use crate::hold::Ending;

use super::{Event, Product};

impl Product {
    /// Nothing where nothing is held: the units are back, and that is what the owner wants.
    pub(super) fn decide_release(&self, reservation: ReservationId, ending: Ending) -> Vec<Event> {
        let Some(hold) = self.reservations.get(&reservation) else { return Vec::new() };
        let lines = hold.lines.clone();
        vec![match ending {
            Ending::Released => Event::Released { reservation, lines },
            Ending::Expired => Event::Expired { reservation, lines },
        }]
    }
}
