//! What was asked and what was answered: no crash may take back what somebody was told (INV-8), no key may have two
//! outcomes (INV-5), and nothing may happen that nobody asked for, or at the wrong time.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::hold::State;
use holdfast_domain::idempotency::{KEY_KEPT, Key};
use holdfast_domain::order::{Cancelation, Event, Source};
use holdfast_domain::reservation::CLOSED_KEPT;
use holdfast_domain::saga::{self, Books, Why};
use holdfast_domain::{CartId, Order, OrderId, Owner, Reservation, ReservationId, Timestamp, cart};
use holdfast_persistence::{Head, Partition, Sequence};

use crate::keys::Claim;
use crate::outcome::{Answered, CartFacts, OrderFacts, Outcome, Refused, ReservationFacts};
use crate::sagas::Facts;

use super::ask::{Ask, AskWish, Said};
use super::process::{Around, Door};

#[derive(Default)]
pub(super) struct Promises {
    /// The newest that somebody was told.
    pub(super) orders: BTreeMap<OrderId, OrderFacts>,
    pub(super) reservations: BTreeMap<ReservationId, ReservationFacts>,
    carts: BTreeMap<CartId, (Owner, CartFacts)>,
    acknowledged: BTreeMap<Partition, Sequence>,
    /// Of each key the first answer.
    outcomes: BTreeMap<Key, (Ask, Answered)>,
    asked: Asked,
}

/// What somebody wished for, so that it may have happened.
#[derive(Default)]
struct Asked {
    /// When each request was sent first, and how often in all.
    sent: BTreeMap<u64, (Timestamp, u32)>,
    paying: BTreeSet<u64>,
    paid: BTreeSet<OrderId>,
    canceled: BTreeSet<OrderId>,
    fulfilled: BTreeSet<OrderId>,
    confirmed: BTreeSet<ReservationId>,
    released: BTreeSet<ReservationId>,
    merged: BTreeSet<Owner>,
    /// Owners who ordered lines of their own, for which their carts may have lost units.
    ordered: BTreeSet<Owner>,
}

/// What a cart was like when it was ordered.
#[derive(Clone, Debug)]
pub(super) struct Checkout {
    pub(super) owner: Owner,
    pub(super) cart: CartId,
    pub(super) version: u32,
}

impl Promises {
    /// A request is sent, perhaps again.
    pub(super) fn note_ask(&mut self, ask: &Ask) {
        self.asked.sent.entry(ask.number).or_insert((ask.sent_at, 0)).1 += 1;
        match &ask.wish {
            AskWish::Place { is_paid: true, .. } => drop(self.asked.paying.insert(ask.number)),
            AskWish::Pay(_, order) | AskWish::ConfirmOrder(order) => drop(self.asked.paid.insert(*order)),
            AskWish::Cancel(_, order) => drop(self.asked.canceled.insert(*order)),
            AskWish::Fulfil(order) => drop(self.asked.fulfilled.insert(*order)),
            AskWish::ConfirmReservation(_, id) => drop(self.asked.confirmed.insert(*id)),
            AskWish::Release(_, id) => drop(self.asked.released.insert(*id)),
            AskWish::Merge { guest, customer } => self.asked.merged.extend([*guest, *customer]),
            _ => {}
        }
        if let AskWish::Place { owner, items: Some(_), .. } | AskWish::Purchase { owner, .. } = &ask.wish {
            self.asked.ordered.insert(*owner);
        }
    }

    /// An answer was given out.
    pub(super) fn note_said(&mut self, ask: &Ask, said: &Said, latest: Timestamp) {
        let kept = match said {
            Said::Owner(reply) => reply.position.map(|position| (position, &reply.answered)),
            Said::Product(reply) => reply.position.map(|position| (position, &reply.answered)),
            Said::Again(kept) => Some((kept.position, &kept.answered)),
            _ => None,
        };
        // Only what left a record is kept for the key.
        if let Some((position, answered)) = kept {
            let newest = self.acknowledged.entry(position.partition).or_default();
            *newest = position.sequence.max(*newest);
            if latest.since(ask.sent_at) < KEY_KEPT {
                self.note_outcome(ask, answered);
            }
        }
        match said {
            Said::Owner(reply) => self.note_facts(ask, &reply.facts),
            Said::Made(made) => {
                for facts in made.iter().filter_map(|(_, made)| made.as_ref().ok()) {
                    self.note_reservation(facts);
                }
            }
            Said::Product(_) | Said::Again(_) | Said::Merged | Said::Nothing => {}
        }
    }

    fn note_outcome(&mut self, ask: &Ask, answered: &Answered) {
        let Some(key) = ask.key else { return };
        let (_, first) = self.outcomes.entry(key.key).or_insert_with(|| (ask.clone(), answered.clone()));
        assert_eq!(first, answered, "INV-5: one idempotency key, one outcome: {ask:?}");
    }

    fn note_facts(&mut self, ask: &Ask, facts: &Facts) {
        match facts {
            Facts::None => {}
            Facts::Order(order) => {
                let newest = self.orders.entry(order.id).or_insert_with(|| (**order).clone());
                if order.standing.version > newest.standing.version {
                    *newest = (**order).clone();
                }
            }
            Facts::Reservation(reservation) => self.note_reservation(reservation),
            Facts::Cart(cart) => {
                let (AskWish::Change(owner, ..) | AskWish::Clear(owner, _)) = &ask.wish else { return };
                let Some(id) = cart.id else { return };
                let newest = self.carts.entry(id).or_insert_with(|| (*owner, (**cart).clone()));
                if cart.version > newest.1.version {
                    newest.1 = (**cart).clone();
                }
            }
        }
    }

    fn note_reservation(&mut self, facts: &ReservationFacts) {
        let newest = self.reservations.entry(facts.id).or_insert_with(|| facts.clone());
        if facts.reservation.version > newest.reservation.version {
            *newest = facts.clone();
        }
    }

    /// Nobody is refused because of their own hold: what the cart held was not short for its order.
    pub(super) fn check_checkout(door: &Door, checkout: &Checkout, said: &Said) {
        let Said::Owner(reply) = said else { return };
        let Err(Refused::Owner(saga::Refusal::Lines(lines))) = &reply.answered else { return };
        let Checkout { owner, cart, version } = *checkout;
        door.look(owner.buyer().0, |books| {
            let Some(cart) = books.carts.get(cart).filter(|cart| cart.version == version) else { return };
            for line in lines.iter().filter(|line| matches!(line.why, Why::Short { .. })) {
                let own = cart.line(line.product, line.variant);
                let is_held = own.is_some_and(cart::CartLine::is_held);
                assert!(!is_held, "{owner:?} was refused because of their own hold: {line:?}");
            }
        });
    }

    /// What the journal gave back has every record that somebody was told of.
    pub(super) fn check_head(&self, head: &Head) {
        for (partition, acknowledged) in &self.acknowledged {
            let newest = head.partition(*partition).expect("it is one of ours").sequence;
            assert!(newest >= *acknowledged, "INV-8: an answer was given for a lost record");
        }
    }

    /// Every key has the outcome that was acknowledged.
    pub(super) fn check_keys(&self, door: &Door) {
        let (now, latest) = (door.around.wall.time(), door.around.wall.latest());
        for (ask, answered) in self.outcomes.values() {
            if latest.since(ask.sent_at) >= KEY_KEPT {
                continue;
            }
            let key = ask.key.expect("only keyed ones are listed");
            let is_paying = matches!(ask.wish, AskWish::Place { is_paid: true, .. });
            match door.keys.claim(key, now) {
                // The payment has a key of its own.
                Claim::Kept(kept) if is_paying => {
                    assert!(order_of(&kept.answered) == order_of(answered) || answered.is_err());
                }
                Claim::Kept(kept) => assert_eq!(kept.answered, *answered, "INV-5: {ask:?}"),
                other => panic!("INV-5: {ask:?} was forgotten, it was {answered:?}: {other:?}"),
            }
        }
    }

    /// Everything that somebody was told still holds, and what happened since was wished for and in time.
    pub(super) fn check(&self, door: &Door) {
        let latest = door.around.wall.latest();
        for facts in self.orders.values() {
            let order = door.look(facts.id.0, |books| books.orders.get(facts.id));
            let order = order.unwrap_or_else(|| panic!("INV-8: {:?} is lost", facts.id));
            let then = order.as_of(facts.standing.version);
            assert_eq!(then, facts.standing, "INV-8: {:?} was acknowledged", facts.id);
            assert_eq!(order.placed, facts.placed, "INV-8: {:?} was acknowledged", facts.id);
        }
        for facts in self.reservations.values() {
            let found = door.look(facts.id.0, |books| books.reservations.get(facts.id).cloned());
            check_reservation_kept(facts, found.as_ref(), latest);
        }
        for (id, (owner, facts)) in &self.carts {
            self.check_cart_kept(door, *id, *owner, facts, latest);
        }
        let mut effects = Effects::default();
        for books in door.books() {
            self.check_orders(&door.around, &books, &mut effects);
            self.check_reservations(&books, &mut effects);
            self.check_carts(&books, latest);
        }
        for ((number, _), count) in effects.0 {
            let (sent_at, sent) = self.asked.sent[&number];
            // A key is kept for a day; after that it may be another request.
            let allowed = if latest.since(sent_at) < KEY_KEPT { 1 } else { sent };
            assert!(count <= allowed, "INV-5: request {number} took effect {count} times");
        }
    }

    fn check_cart_kept(&self, door: &Door, id: CartId, owner: Owner, facts: &CartFacts, latest: Timestamp) {
        let found = door.look(owner.buyer().0, |books| books.carts.get(id).cloned());
        let Some(cart) = found else {
            let end = facts.expires_at.expect("a cart ends some day");
            let is_over = end <= latest || self.asked.merged.contains(&owner);
            assert!(is_over, "INV-8: the cart {id:?} of {owner:?} is lost");
            return;
        };
        assert!(cart.version >= facts.version, "INV-8: {id:?} was acknowledged as {facts:?}");
        if cart.version == facts.version {
            assert_eq!(cart.lines, facts.lines, "INV-8: {id:?} was acknowledged");
        }
    }

    fn check_orders(&self, around: &Around, books: &Books, effects: &mut Effects) {
        let ids = books.orders.ids_before(None, None, OrderId(u128::MAX), usize::MAX);
        for id in ids {
            let order = books.orders.get(id).expect("it was just listed");
            let number = match order.placed.source {
                Source::Purchase => around.purchases.borrow().get(&id).copied(),
                Source::Lines | Source::Cart(_) => number_of(order.placed.email.as_deref()),
                Source::Reservation(id) => {
                    assert!(self.asked.confirmed.contains(&id), "nobody confirmed {id:?}");
                    continue;
                }
            };
            let number = number.unwrap_or_else(|| panic!("nobody wished for {id:?}"));
            effects.add(number, 0);
            self.check_history(&order, number);
        }
    }

    fn check_history(&self, order: &Order, number: u64) {
        let (id, deadline) = (order.id, order.placed.deadline);
        let is_wanted = self.asked.paying.contains(&number) || self.asked.paid.contains(&id);
        let mut is_pending = deadline.is_some();
        for (at, event) in &order.history {
            let is_late = deadline.is_some_and(|deadline| *at >= deadline);
            match event {
                Event::Confirmed { hold, is_reacquired, .. } => {
                    assert!(is_wanted, "nobody paid {id:?}");
                    assert_eq!(*is_reacquired, *hold != order.placed.hold);
                    assert!(*is_reacquired || !is_late, "{id:?} was confirmed at {at:?}, {deadline:?}");
                }
                Event::Expired => assert!(is_late, "{id:?} expired at {at:?}, before {deadline:?}"),
                Event::Canceled { why: Cancelation::Declined, .. } | Event::RefundRequired { .. } => {
                    assert!(is_wanted, "nobody paid {id:?}");
                }
                Event::Canceled { .. } => {
                    assert!(self.asked.canceled.contains(&id), "nobody canceled {id:?}");
                    assert!(!is_pending || !is_late, "{id:?} was canceled at {at:?}, {deadline:?}");
                }
                Event::Fulfilled => {
                    assert!(self.asked.fulfilled.contains(&id), "nobody shipped {id:?}");
                }
                Event::Refunded => {}
            }
            is_pending = false;
        }
    }

    fn check_reservations(&self, books: &Books, effects: &mut Effects) {
        for (id, reservation) in books.reservations.iter() {
            let number = number_of(reservation.reference.as_deref());
            let number = number.unwrap_or_else(|| panic!("nobody wished for {id:?}"));
            let place = reservation.reference.as_deref().and_then(|mark| mark.split('.').nth(1));
            let place = place.and_then(|place| place.parse().ok()).expect("marks have two numbers");
            effects.add(number, place);
            let (at, deadline) = (reservation.updated_at, reservation.hold.deadline);
            match reservation.hold.state {
                State::Active => {}
                State::Confirmed => {
                    assert!(self.asked.confirmed.contains(&id), "nobody confirmed {id:?}");
                    assert!(at < deadline, "{id:?} was confirmed at {at:?}, due at {deadline:?}");
                }
                State::Released => {
                    assert!(self.asked.released.contains(&id), "nobody released {id:?}");
                    assert!(at < deadline, "{id:?} was released at {at:?}, due at {deadline:?}");
                }
                State::Expired => {
                    assert!(at >= deadline, "{id:?} expired at {at:?}, before {deadline:?}");
                }
            }
        }
    }

    /// No line lapsed before its time, unless its units went somewhere by its owner's doing.
    fn check_carts(&self, books: &Books, latest: Timestamp) {
        for (id, cart) in books.carts.iter() {
            let is_moved =
                self.asked.merged.contains(&cart.owner) || self.asked.ordered.contains(&cart.owner);
            for hold in cart.lines.iter().filter_map(|line| line.hold).filter(|_| !is_moved) {
                let is_lapsed = hold.state == State::Expired;
                assert!(!is_lapsed || hold.deadline <= latest, "{id:?} lapsed before its time");
            }
        }
    }
}

/// How often each part of each request took effect.
#[derive(Default)]
struct Effects(BTreeMap<(u64, u64), u32>);

impl Effects {
    fn add(&mut self, number: u64, part: u64) {
        *self.0.entry((number, part)).or_default() += 1;
    }
}

/// An active hold is held until its deadline, unless its owner did something else; a closed one can be read for a day.
fn check_reservation_kept(facts: &ReservationFacts, found: Option<&Reservation>, latest: Timestamp) {
    let ReservationFacts { id, reservation: told } = facts;
    let Some(found) = found else {
        assert!(latest.since(told.updated_at) >= CLOSED_KEPT, "INV-8: {id:?} is lost");
        return;
    };
    assert!(found.version >= told.version, "INV-8: {id:?} was acknowledged as {told:?}");
    if found.version == told.version {
        assert_eq!(found, &**told, "INV-8: {id:?} was acknowledged");
    }
}

fn order_of(answered: &Answered) -> Option<OrderId> {
    match answered {
        Ok(Outcome::Order { order, .. }) => Some(*order),
        Ok(Outcome::Purchased(purchased)) => Some(purchased.order),
        _ => None,
    }
}

/// The number of the request in a mark.
fn number_of(mark: Option<&str>) -> Option<u64> {
    mark?.split('.').next()?.parse().ok()
}
