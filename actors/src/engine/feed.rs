//! What is new in the journal: for those who follow it, and never on the way of a turn.

use holdfast_persistence::Ticket;

use super::Engine;
use crate::pending::Stopped;

impl Engine {
    /// How much is durable. Whoever reads the journal after this sees at least that.
    #[must_use]
    pub fn durable_now(&self) -> Ticket {
        self.inner.queue.gate().durable()
    }

    /// Waits until more is durable than there was at `seen`.
    ///
    /// # Errors
    ///
    /// [`Stopped`], when the journal failed.
    pub async fn more_than(&self, seen: Ticket) -> Result<(), Stopped> {
        self.durable(Ticket::new(seen.number().saturating_add(1))).await
    }
}
