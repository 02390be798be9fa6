//! A bare reservation: units of one or more products, held for somebody until a deadline.
//!
//! It owns its hold; confirmed, it becomes an order, which then owns the units.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::hold::{Ending, Hold, Refusal, State, Verdict};
use crate::order::Placed;
use crate::{Buyer, Item, Millis, OrderId, Owner, ReservationId, Timestamp};

/// How long a closed reservation can be read, and a repeated confirm or release meets its own answer.
pub const CLOSED_KEPT: Millis = Millis::from_secs(24 * 60 * 60);
/// How many closed reservations one event forgets at the most; the rest go with the next events.
const FORGET_COUNT_MAX: usize = 16;

/// One reservation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// Whose.
    pub owner: Owner,
    /// What, at least one line.
    pub items: Vec<Item>,
    /// How it stands.
    pub hold: Hold,
    /// What it became.
    pub order: Option<OrderId>,
    /// The owner's own name for it.
    pub reference: Option<Box<str>>,
    /// A JSON object as text, checked by the edge; the core does not look inside.
    pub metadata: Option<Box<str>>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows with each event, from 1.
    pub version: u32,
}

/// What happened to a reservation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Its units are held.
    Reserved {
        /// For whom.
        owner: Owner,
        /// What.
        items: Vec<Item>,
        /// Until when.
        deadline: Timestamp,
        /// See [`Reservation::reference`].
        reference: Option<Box<str>>,
        /// See [`Reservation::metadata`].
        metadata: Option<Box<str>>,
    },
    /// It lives longer (or shorter).
    Extended {
        /// Until when.
        deadline: Timestamp,
    },
    /// It is an order now.
    Confirmed {
        /// Which.
        order: OrderId,
        /// The order as it begins.
        placed: Arc<Placed>,
    },
    /// Its owner gave it back.
    Released,
    /// Its deadline passed.
    Expired,
}

impl Reservation {
    /// What follows when its owner moves its deadline.
    ///
    /// # Errors
    ///
    /// Those of [`Hold::decide_extend`].
    pub fn decide_extend(&self, deadline: Timestamp, now: Timestamp) -> Result<Event, Refusal> {
        self.hold.decide_extend(deadline, now).map(|()| Event::Extended { deadline })
    }

    /// What follows when its owner gives it back.
    ///
    /// # Errors
    ///
    /// Those of [`Hold::decide_release`].
    pub fn decide_release(&self, now: Timestamp) -> Result<Verdict<Event>, Refusal> {
        Ok(match self.hold.decide_release(now)? {
            Verdict::Already => Verdict::Already,
            Verdict::Go(Ending::Released) => Verdict::Go(Event::Released),
            Verdict::Go(Ending::Expired) => Verdict::Go(Event::Expired),
        })
    }

    /// What follows when its deadline comes.
    #[must_use]
    pub fn decide_expire(&self, now: Timestamp) -> Option<Event> {
        self.hold.is_due(now).then_some(Event::Expired)
    }

    /// Takes what happened to an existing reservation into the books.
    ///
    /// # Panics
    ///
    /// When the event does not fit (INV-3).
    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Reserved { .. } => panic!("a reservation is made once"),
            Event::Extended { deadline } => {
                self.hold.deadline = *deadline;
                self.hold.extensions += 1;
            }
            Event::Confirmed { order, .. } => {
                self.hold.close(State::Confirmed);
                self.order = Some(*order);
            }
            Event::Released => self.hold.close(State::Released),
            Event::Expired => self.hold.close(State::Expired),
        }
        self.updated_at = at;
        self.version += 1;
    }
}

/// All reservations of one partition: the active ones, and those that closed within [`CLOSED_KEPT`].
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// Shared with the answers that show them, and small in the map: there may be millions.
    by_id: BTreeMap<ReservationId, Arc<Reservation>>,
    by_owner: BTreeSet<(Buyer, ReservationId)>,
    closed_by_age: VecDeque<(Timestamp, ReservationId)>,
}

/// The indexes follow from what is in it, and in which order reservations closed within one millisecond does not matter.
impl PartialEq for Reservations {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id
    }
}

impl Eq for Reservations {}

impl Reservations {
    /// Puts back a reservation, as a checkpoint keeps it. After the last one, see [`Reservations::restored`].
    pub fn restore(&mut self, id: ReservationId, reservation: Reservation) {
        self.by_owner.insert((reservation.owner.buyer(), id));
        if reservation.hold.state != State::Active {
            // Nothing happens to it after it closes.
            self.closed_by_age.push_back((reservation.updated_at, id));
        }
        self.by_id.insert(id, Arc::new(reservation));
    }

    /// All are back: orders those that are closed by age, and forgets those that `now` are too old to be kept.
    pub fn restored(&mut self, now: Timestamp) {
        self.closed_by_age.make_contiguous().sort_unstable();
        while let Some((at, id)) = self.closed_by_age.front().copied()
            && now.since(at) >= CLOSED_KEPT
        {
            self.forget(id);
        }
    }

    /// The reservation of that id.
    #[must_use]
    pub fn get(&self, id: ReservationId) -> Option<&Reservation> {
        self.by_id.get(&id).map(|reservation| &**reservation)
    }

    /// The same as it is now, whatever happens to it later.
    #[must_use]
    pub fn shared(&self, id: ReservationId) -> Option<Arc<Reservation>> {
        self.by_id.get(&id).cloned()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (ReservationId, &Reservation)> {
        self.by_id.iter().map(|(id, reservation)| (*id, &**reservation))
    }

    /// Those before `before`, newest first.
    pub fn before(&self, before: ReservationId) -> impl Iterator<Item = (ReservationId, &Reservation)> {
        self.by_id.range(..before).rev().map(|(id, reservation)| (*id, &**reservation))
    }

    /// Those of `owner` before `before`, newest first.
    pub fn of_owner_before(
        &self,
        owner: Buyer,
        before: ReservationId,
    ) -> impl Iterator<Item = (ReservationId, &Reservation)> {
        let range = self.by_owner.range((owner, ReservationId(0))..(owner, before)).rev();
        range
            .filter_map(|(_, id)| self.by_id.get_key_value(id))
            .map(|(id, reservation)| (*id, &**reservation))
    }

    /// Takes what happened into the books.
    ///
    /// # Panics
    ///
    /// When the event does not fit the state: we do not run on wrong books.
    pub fn apply(&mut self, id: ReservationId, event: &Event, at: Timestamp) {
        self.forget_closed(at);
        if let Event::Reserved { owner, items, deadline, reference, metadata } = event {
            let reservation = Reservation {
                owner: *owner,
                items: items.clone(),
                hold: Hold::new(*deadline, at),
                order: None,
                reference: reference.clone(),
                metadata: metadata.clone(),
                updated_at: at,
                version: 1,
            };
            assert!(self.by_id.insert(id, Arc::new(reservation)).is_none(), "a reservation is made once");
            self.by_owner.insert((owner.buyer(), id));
            return;
        }
        // An answer that still shows it keeps what it was.
        let reservation = Arc::make_mut(self.by_id.get_mut(&id).expect("only what was made changes"));
        reservation.apply(event, at);
        if reservation.hold.state != State::Active {
            self.closed_by_age.push_back((at, id));
        }
    }

    /// How many there are, closed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// At most [`FORGET_COUNT_MAX`], so that the first event of a day does not pause for a whole sale. An event
    /// closes one reservation at most, so forgetting keeps up.
    fn forget_closed(&mut self, now: Timestamp) {
        for _ in 0..FORGET_COUNT_MAX {
            let Some((at, id)) = self.closed_by_age.front().copied() else { return };
            if now.since(at) < CLOSED_KEPT {
                return;
            }
            self.forget(id);
        }
    }

    /// Forgets the one that has been closed for the longest time.
    fn forget(&mut self, id: ReservationId) {
        self.closed_by_age.pop_front();
        if let Some(reservation) = self.by_id.remove(&id) {
            self.by_owner.remove(&(reservation.owner.buyer(), id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_stays_as_it_was() {
        let (id, at) = (ReservationId(1), Timestamp(1_000));
        let mut reservations = Reservations::default();
        let reserved = Event::Reserved {
            owner: Owner::Guest(7),
            items: Vec::new(),
            deadline: at.after(Millis(60_000)),
            reference: None,
            metadata: None,
        };
        reservations.apply(id, &reserved, at);
        let shown = reservations.shared(id).expect("it was made");
        reservations.apply(id, &Event::Released, at.after(Millis(1)));
        assert_eq!((shown.version, shown.hold.state), (1, State::Active));
        let now = reservations.get(id).expect("it is kept for a day");
        assert_eq!((now.version, now.hold.state), (2, State::Released));
        assert_eq!(reservations.shared(ReservationId(2)), None);
    }
}
