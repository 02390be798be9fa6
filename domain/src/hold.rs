//! The reservation machine: `active → confirmed | released | expired`, an exact deadline, and its ceilings.
//!
//! A [`Hold`] is the part that a bare reservation, each line of a cart and an order have in common. It knows time,
//! and nothing of units: those are with the products, under the name of a [`crate::ReservationId`]. Whoever owns
//! the hold owns its deadline; a product never ends one by itself.

use crate::{Millis, Timestamp};

/// How often a reservation may be extended by its owner.
pub const EXTENSIONS_MAX: u8 = 3;
/// How long a hold may live in all, extensions and renewals included.
pub const LIFE_MAX: Millis = Millis::from_secs(60 * 60);

/// A promise of units until a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Since when.
    pub created_at: Timestamp,
    /// The first moment at which it is dead.
    pub deadline: Timestamp,
    /// How often it was extended.
    pub extensions: u8,
    /// How it stands.
    pub state: State,
}

/// How a hold stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Its units are held.
    Active,
    /// Its units are sold.
    Confirmed,
    /// Its units were given back.
    Released,
    /// The same, because the deadline passed.
    Expired,
}

/// How units come back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// Somebody gave them back.
    Released,
    /// The deadline passed.
    Expired,
}

/// What a yes comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<T> {
    /// It is so already: the same answer again.
    Already,
    /// This follows.
    Go(T),
}

/// Why a hold said no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The deadline passed; whether its expiry is on the books yet does not matter.
    Expired {
        /// When.
        deadline: Timestamp,
    },
    /// It ended otherwise.
    InvalidState,
    /// A deadline that has passed already, or lies too far ahead.
    DeadlineOutOfRange,
    /// Extended too often, or alive too long.
    ExtensionExceeded,
}

impl Hold {
    /// A new hold until `deadline`.
    #[must_use]
    pub const fn new(deadline: Timestamp, now: Timestamp) -> Self {
        Self { created_at: now, deadline, extensions: 0, state: State::Active }
    }

    /// Whether a hold may begin at `now` and last until `deadline`.
    ///
    /// # Errors
    ///
    /// [`Refusal::DeadlineOutOfRange`].
    pub fn check_deadline(deadline: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let is_in_range = now < deadline && deadline <= now.after(LIFE_MAX);
        if is_in_range { Ok(()) } else { Err(Refusal::DeadlineOutOfRange) }
    }

    /// Whether it can be sold at `now`: the deadline decides, whether its expiry is journaled or not.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::InvalidState`].
    pub fn decide_confirm(&self, now: Timestamp) -> Result<Verdict<()>, Refusal> {
        match self.state {
            State::Confirmed => Ok(Verdict::Already),
            _ => self.check_active(now).map(Verdict::Go),
        }
    }

    /// How it ends when its owner gives it back at `now`. That its units are back already is a yes, too.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidState`], when it was confirmed.
    pub fn decide_release(&self, now: Timestamp) -> Result<Verdict<Ending>, Refusal> {
        match self.state {
            State::Confirmed => Err(Refusal::InvalidState),
            State::Released | State::Expired => Ok(Verdict::Already),
            State::Active if self.is_due(now) => Ok(Verdict::Go(Ending::Expired)),
            State::Active => Ok(Verdict::Go(Ending::Released)),
        }
    }

    /// Whether its owner may move the deadline at `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::InvalidState`]; [`Refusal::DeadlineOutOfRange`] for a moment that has
    /// passed; [`Refusal::ExtensionExceeded`] beyond [`EXTENSIONS_MAX`] or [`LIFE_MAX`].
    pub fn decide_extend(&self, deadline: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        self.check_active(now)?;
        if deadline <= now {
            return Err(Refusal::DeadlineOutOfRange);
        }
        if self.extensions >= EXTENSIONS_MAX || deadline > self.created_at.after(LIFE_MAX) {
            return Err(Refusal::ExtensionExceeded);
        }
        Ok(())
    }

    /// The deadline after a change of the whole that it belongs to: `span` from now, but no later than
    /// [`LIFE_MAX`] from its beginning, and never earlier than it was.
    #[must_use]
    pub fn renewed(&self, span: Millis, now: Timestamp) -> Timestamp {
        now.after(span).min(self.created_at.after(LIFE_MAX)).max(self.deadline)
    }

    /// Whether it is active and its deadline has come.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Active && self.deadline <= now
    }

    /// When it next wants to be woken.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        (self.state == State::Active).then_some(self.deadline)
    }

    /// Ends it.
    ///
    /// # Panics
    ///
    /// When it has ended before (INV-3).
    pub fn close(&mut self, state: State) {
        assert!(self.state == State::Active, "INV-3: a reservation is closed at most once");
        self.state = state;
    }

    fn check_active(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.state {
            State::Active if self.is_due(now) => Err(Refusal::Expired { deadline: self.deadline }),
            State::Active => Ok(()),
            State::Expired => Err(Refusal::Expired { deadline: self.deadline }),
            State::Confirmed | State::Released => Err(Refusal::InvalidState),
        }
    }
}

impl Ending {
    /// The state that it leads to.
    #[must_use]
    pub const fn state(self) -> State {
        match self {
            Self::Released => State::Released,
            Self::Expired => State::Expired,
        }
    }
}
