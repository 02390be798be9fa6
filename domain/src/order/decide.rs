//! What may become of an order, and what may not.

use crate::{ReservationId, Timestamp};

use super::{Cancelation, Event, Order, Payment, Status, Through};

/// Who wishes to cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Its owner.
    Owner,
    /// An admin.
    Admin,
}

/// What follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// It is so already: the same answer again.
    Already,
    /// This happened.
    Go(Event),
    /// It expired, and its units must be taken again first: then [`Order::confirmed`], else
    /// [`Event::RefundRequired`].
    TakeAgain,
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Its state does not allow this.
    InvalidState,
    /// It expired.
    Expired,
    /// Money came for an order that was canceled, and must be given back. The first time that is a fact.
    RefundRequired {
        /// Whether it is on the books already.
        is_known: bool,
    },
    /// The same for one that expired and whose units are gone; on the books already.
    ExpiredAndGone,
}

impl Order {
    /// What follows when its money came, whoever took it.
    ///
    /// # Errors
    ///
    /// [`Refusal::RefundRequired`], [`Refusal::ExpiredAndGone`].
    pub fn decide_confirm(
        &self,
        reference: Option<Box<str>>,
        through: Through,
        now: Timestamp,
    ) -> Result<Next, Refusal> {
        let is_known = matches!(self.standing.payment, Payment::RefundRequired | Payment::Refunded);
        match self.standing.status {
            Status::Confirmed | Status::Fulfilled => Ok(Next::Already),
            Status::PendingPayment if self.is_due(now) => Ok(Next::TakeAgain),
            Status::PendingPayment => Ok(Next::Go(self.confirmed(reference, through, self.standing.hold))),
            Status::Expired if is_known => Err(Refusal::ExpiredAndGone),
            Status::Expired => Ok(Next::TakeAgain),
            Status::Canceled => Err(Refusal::RefundRequired { is_known }),
        }
    }

    /// The fact that it is paid, its units being held as `hold`.
    #[must_use]
    pub fn confirmed(&self, reference: Option<Box<str>>, through: Through, hold: ReservationId) -> Event {
        Event::Confirmed { reference, through, hold, is_reacquired: hold != self.placed.hold }
    }

    /// Whether money may be asked for now; it may not be asked for twice.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::InvalidState`].
    pub fn decide_charge(&self, now: Timestamp) -> Result<Charge, Refusal> {
        match self.standing.status {
            Status::Confirmed | Status::Fulfilled => Ok(Charge::Paid),
            Status::PendingPayment if self.is_due(now) => Err(Refusal::Expired),
            Status::PendingPayment => Ok(Charge::Open),
            Status::Expired => Err(Refusal::Expired),
            Status::Canceled => Err(Refusal::InvalidState),
        }
    }

    /// What follows when the bank said no. What was paid otherwise meanwhile stays paid.
    #[must_use]
    pub fn decide_decline(&self) -> Option<Event> {
        let is_pending = self.standing.status == Status::PendingPayment;
        is_pending.then_some(Event::Canceled { why: Cancelation::Declined, reason: None })
    }

    /// What follows when somebody wants it no more.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidState`]: an owner may not cancel what is paid, nobody what is shipped or expired.
    pub fn decide_cancel(&self, by: By, reason: Option<Box<str>>, now: Timestamp) -> Result<Next, Refusal> {
        let why = match by {
            By::Owner => Cancelation::ByOwner,
            By::Admin => Cancelation::ByAdmin,
        };
        match (self.standing.status, by) {
            (Status::Canceled, _) => Ok(Next::Already),
            (Status::PendingPayment, _) if self.is_due(now) => Err(Refusal::InvalidState),
            (Status::PendingPayment, _) | (Status::Confirmed, By::Admin) => {
                Ok(Next::Go(Event::Canceled { why, reason }))
            }
            _ => Err(Refusal::InvalidState),
        }
    }

    /// What follows when its units are shipped.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidState`], unless it is confirmed.
    pub fn decide_fulfil(&self) -> Result<Next, Refusal> {
        match self.standing.status {
            Status::Confirmed => Ok(Next::Go(Event::Fulfilled)),
            Status::Fulfilled => Ok(Next::Already),
            _ => Err(Refusal::InvalidState),
        }
    }

    /// What follows when its deadline comes.
    #[must_use]
    pub fn decide_expire(&self, now: Timestamp) -> Option<Event> {
        self.is_due(now).then_some(Event::Expired)
    }

    /// Whether our gateway has money of it that it must give back.
    #[must_use]
    pub fn owes_refund(&self) -> bool {
        self.standing.payment == Payment::RefundRequired && self.standing.through == Some(Through::Gateway)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= now)
    }
}

/// Whether money may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// Yes.
    Open,
    /// It is paid already.
    Paid,
}
