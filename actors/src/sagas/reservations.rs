//! Bare reservations: made, extended, confirmed into an order, given back.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_domain::hold::{self, Hold, Verdict};
use holdfast_domain::order::{Placed, Source};
use holdfast_domain::product::Command;
use holdfast_domain::reservation::{Event, Reservation};
use holdfast_domain::saga::{self, Taking};
use holdfast_domain::{Item, Millis, Money, OrderId, Owner, ReservationId, Timestamp};

use super::{Due, Entry, Facts, OwnerReply, Priced, Request, Sagas, Who, check_placed};
use crate::Position;
use crate::outcome::{Outcome, ReservationFacts, ReservationMoment};
use crate::record::{Entity, Events};

/// A reservation to be made; its skus have been found.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) id: ReservationId,
    pub(crate) owner: Owner,
    pub(crate) items: Vec<Item>,
    pub(crate) ttl: Millis,
    pub(crate) reference: Option<Box<str>>,
    pub(crate) metadata: Option<Box<str>>,
}

/// How many bytes reference and metadata may have together.
const OWN_TEXT_BYTES_MAX: usize = 8 * 1024;

impl Wanted {
    /// Whether it asks for something, in few enough words.
    pub(super) fn check(&self) -> Result<(), saga::Refusal> {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        if self.items.is_empty() {
            return Err(saga::Refusal::CartEmpty);
        }
        if length(&self.reference) + length(&self.metadata) > OWN_TEXT_BYTES_MAX {
            let bytes_max = u32::try_from(OWN_TEXT_BYTES_MAX).expect("it is a few KiB");
            return Err(saga::Refusal::TooLarge { bytes_max });
        }
        Ok(())
    }
}

impl Sagas {
    /// Holds units of one or more products.
    pub(crate) async fn reserve(&self, mut request: Request, wanted: Wanted) -> OwnerReply {
        let now = self.now(&request);
        let deadline = now.after(wanted.ttl);
        let partition = self.slots.partition(wanted.id.0);
        let is_sound = Hold::check_deadline(deadline, now).map_err(Into::into).and_then(|()| wanted.check());
        let taken = match is_sound.and_then(|()| self.check_confirmable(&wanted.items)) {
            Ok(()) => {
                let buyer = wanted.owner.buyer();
                let taking = Taking::new(wanted.id, buyer, deadline, &wanted.items, |_| None);
                self.take(&request.context, taking).await
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = taken {
            return self.refuse(&mut request, Entity::Reservations, partition, refusal);
        }
        let Wanted { id, owner, items, reference, metadata, .. } = wanted;
        let event = Event::Reserved { owner, items, deadline, reference, metadata };
        let now = self.now(&request);
        self.commit_reservation(&mut request, id, None, event, now)
    }

    /// Moves a deadline to `span` from now.
    pub(crate) async fn extend(
        &self,
        mut request: Request,
        who: Who,
        id: ReservationId,
        span: Millis,
    ) -> OwnerReply {
        let Some(reservation) = self.find_reservation(who, id) else {
            return self.refuse_reservation(&mut request, id, saga::Refusal::NotFound);
        };
        let now = self.now(&request);
        let event = match reservation.decide_extend(now.after(span), now) {
            Ok(event) => event,
            Err(refusal) => return self.refuse_reservation(&mut request, id, refusal.into()),
        };
        let deadline = now.after(span);
        let reply = self.commit_reservation(&mut request, id, Some(&reservation), event, now);
        // A row for the ledger. When it comes after the expiry there is nothing to tell any more.
        let command = Command::Extend { reservation: id, deadline };
        let rows = saga::to_each_product(&reservation.items, &command).into_iter();
        join_all(rows.map(|(product, row)| self.peers.tell(&request.context, product, vec![row]))).await;
        reply
    }

    /// Makes it an order: from then on the order owns the units.
    pub(crate) async fn confirm_reservation(
        &self,
        mut request: Request,
        who: Who,
        id: ReservationId,
    ) -> OwnerReply {
        let order = OrderId(self.id(self.slots.partition(id.0)));
        // Nobody may cancel the order before its products know of it.
        let _lane = self.order_lanes.enter(order).await;
        let Some(reservation) = self.find_reservation(who, id) else {
            return self.refuse_reservation(&mut request, id, saga::Refusal::NotFound);
        };
        let now = self.now(&request);
        match reservation.hold.decide_confirm(now) {
            Ok(Verdict::Go(())) => {}
            Ok(Verdict::Already) => return self.same(&mut request, id, &reservation),
            Err(refusal) => return self.refuse_reservation(&mut request, id, refusal.into()),
        }
        let placed = match self.sold(id, &reservation, now) {
            Ok(placed) => Arc::new(placed),
            Err(refusal) => return self.refuse_reservation(&mut request, id, refusal),
        };
        let event = Event::Confirmed { order, placed };
        let reply = self.commit_reservation(&mut request, id, Some(&reservation), event, now);
        self.settle_items(&request, &reservation, &Command::Confirm { reservation: id, order }).await;
        reply
    }

    /// Gives the units back.
    pub(crate) async fn release(&self, mut request: Request, who: Who, id: ReservationId) -> OwnerReply {
        let Some(reservation) = self.find_reservation(who, id) else {
            return self.refuse_reservation(&mut request, id, saga::Refusal::NotFound);
        };
        let now = self.now(&request);
        let event = match reservation.decide_release(now) {
            Ok(Verdict::Go(event)) => event,
            Ok(Verdict::Already) => return self.same(&mut request, id, &reservation),
            Err(refusal) => return self.refuse_reservation(&mut request, id, refusal.into()),
        };
        let ending = match event {
            Event::Expired => hold::Ending::Expired,
            _ => hold::Ending::Released,
        };
        let reply = self.commit_reservation(&mut request, id, Some(&reservation), event, now);
        self.settle_items(&request, &reservation, &Command::Release { reservation: id, ending }).await;
        reply
    }

    pub(super) fn find_reservation(&self, who: Who, id: ReservationId) -> Option<Arc<Reservation>> {
        let partition = self.turns.partition(self.slots.partition(id.0));
        let books = partition.books.borrow();
        books.reservations.shared(id).filter(|reservation| who.may_see(reservation.owner))
    }

    fn refuse_reservation(
        &self,
        request: &mut Request,
        id: ReservationId,
        refusal: saga::Refusal,
    ) -> OwnerReply {
        self.refuse(request, Entity::Reservations, self.slots.partition(id.0), refusal)
    }

    /// It is so already: the same answer again, journaled only for a new key.
    fn same(&self, request: &mut Request, id: ReservationId, reservation: &Arc<Reservation>) -> OwnerReply {
        let position = request.key.is_some().then(|| {
            let answered = Ok(Outcome::Reservation(ReservationMoment::of(id, reservation)));
            let entry = Entry {
                partition: self.slots.partition(id.0),
                entity: Entity::Reservations,
                previous: 0,
                events: Events::Reservations(Vec::new()),
                now: self.now(request),
                answered: &answered,
            };
            self.push(request, entry)
        });
        yes(id, Arc::clone(reservation), position)
    }

    /// Journals a fact of a reservation, takes it into the books and lets the timer follow. `now` is the stamp with
    /// which the fact was decided, as for an order.
    fn commit_reservation(
        &self,
        request: &mut Request,
        id: ReservationId,
        before: Option<&Reservation>,
        event: Event,
        now: Timestamp,
    ) -> OwnerReply {
        let partition = self.slots.partition(id.0);
        let state = self.turns.partition(partition);
        // The record's sequence is the order's mark, where the reservation becomes one.
        let mark = state.sequence.get().next().0;
        let mut books = state.books.borrow_mut();
        state.touch_reservation(&books, id, &event);
        books.apply_reservation(id, &event, now, mark);
        let after = books.reservations.shared(id).expect("it was just changed");
        drop(books);
        let answered = Ok(Outcome::Reservation(ReservationMoment::of(id, &after)));
        let entry = Entry {
            partition,
            entity: Entity::Reservations,
            previous: 0,
            events: Events::Reservations(vec![(id, event)]),
            now,
            answered: &answered,
        };
        let position = self.push(request, entry);
        debug_assert_eq!(position.sequence.0, mark, "one thread writes a partition");
        let deadline = |it: &Reservation| it.hold.next_deadline();
        self.order_deadlines.set(Due::Reservation(id), before.and_then(deadline), deadline(&after));
        yes(id, after, Some(position))
    }

    async fn settle_items(&self, request: &Request, reservation: &Reservation, command: &Command) {
        self.settle(&request.context, saga::to_each_product(&reservation.items, command)).await;
    }

    /// The order that a reservation becomes, at the prices that its owner meets now.
    fn sold(
        &self,
        id: ReservationId,
        reservation: &Reservation,
        now: Timestamp,
    ) -> Result<Placed, saga::Refusal> {
        let pricing = self.pricing(reservation.owner, now);
        let Priced { lines, currency, subtotal, total } = self.price(&reservation.items, pricing.as_ref())?;
        let mut placed = Placed {
            owner: reservation.owner,
            source: Source::Reservation(id),
            hold: id,
            lines,
            currency,
            subtotal,
            discount: Money(subtotal.0 - total.0),
            total,
            email: None,
            shipping_address: None,
            deadline: None,
            taken_over: Vec::new(),
        };
        // Names may have grown since the units were held.
        check_placed(&mut placed)?;
        Ok(placed)
    }

    /// Lets the timer know the reservations that recovery brought back.
    pub(crate) fn follow_reservation(&self, id: ReservationId, deadline: Option<Timestamp>) {
        self.order_deadlines.set(Due::Reservation(id), None, deadline);
    }
}

fn yes(id: ReservationId, reservation: Arc<Reservation>, position: Option<Position>) -> OwnerReply {
    let outcome = Outcome::Reservation(ReservationMoment::of(id, &reservation));
    OwnerReply::yes(outcome, position, Facts::Reservation(Box::new(ReservationFacts { id, reservation })))
}
