//! An answer that nobody can read before its fact is on disk (INV-8).

use holdfast_persistence::{Gate, Ticket};

/// The journal stopped: whether the fact survives is for recovery to find out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the journal stopped before the answer was durable")]
pub struct Stopped;

/// A sealed answer. Only awaiting durability opens it; the type makes a premature answer impossible.
#[derive(Debug)]
#[must_use = "a sealed answer is of no use until it is opened"]
pub struct Pending<T> {
    value: T,
    ticket: Ticket,
    gate: Gate,
}

impl<T> Pending<T> {
    pub(crate) const fn new(value: T, ticket: Ticket, gate: Gate) -> Self {
        Self { value, ticket, gate }
    }

    /// Waits until everything the answer rests on is durable, then gives it out.
    ///
    /// # Errors
    ///
    /// [`Stopped`], when that will never happen.
    pub async fn open(self) -> Result<T, Stopped> {
        durable(&self.gate, self.ticket).await?;
        Ok(self.value)
    }

    /// The answer for a saga, which answers nobody before a later record of its own is durable: one journal, one
    /// order, so everything it rests on is durable then.
    pub(crate) fn into_saga(self) -> T {
        self.value
    }

    /// The same with another answer.
    #[cfg(test)]
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> Pending<U> {
        Pending { value: map(self.value), ticket: self.ticket, gate: self.gate }
    }

    /// The same, resting on `ticket` as well.
    pub(crate) fn resting_on(self, ticket: Ticket) -> Self {
        Self { ticket: self.ticket.max(ticket), ..self }
    }

    /// Whether opening it would not wait: it is durable, or never will be.
    pub(crate) fn is_decided(&self) -> bool {
        self.ticket == never() || self.gate.is_durable(self.ticket)
    }

    /// Durable once this is.
    pub(crate) const fn ticket(&self) -> Ticket {
        self.ticket
    }
}

/// The ticket of a record that the journal did not take any more. It is never durable.
pub(crate) fn never() -> Ticket {
    Ticket::new(u64::MAX)
}

/// Waits until `ticket` is durable.
///
/// # Errors
///
/// [`Stopped`], when that will never happen. Of a journal that was closed in peace the gate does not tell.
pub(crate) async fn durable(gate: &Gate, ticket: Ticket) -> Result<(), Stopped> {
    if ticket == never() {
        return Err(Stopped);
    }
    if gate.is_durable(ticket) {
        return Ok(());
    }
    gate.wait(ticket).await.map_err(|_| Stopped)
}
