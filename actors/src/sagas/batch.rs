//! Many reservations in one request: each on its own, all with as few turns and records as they fit in.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use holdfast_domain::hold::Hold;
use holdfast_domain::product::Command;
use holdfast_domain::reservation::Event;
use holdfast_domain::saga::{self, Taking};
use holdfast_domain::{ProductId, ReservationId, Timestamp};
use holdfast_persistence::Partition;

use super::reservations::Wanted;
use super::{Due, Entry, Facts, OwnerReply, Request, Sagas, Who};
use crate::Position;
use crate::context::Context;
use crate::outcome::{Outcome, ReservationFacts};
use crate::record::{Entity, Events};
use crate::turn::COMMANDS_MAX;

/// How many reservations of several products are under way at once.
const ABREAST_MAX: usize = 256;

/// About how many bytes of facts go into one record; a record holds three times as much.
const RECORD_WEIGHT_MAX: usize = 32 * 1024;

/// What became of one of many.
pub(crate) type Made = Result<ReservationFacts, saga::Refusal>;

impl Sagas {
    /// Journals that a request with a key has begun. Each of its steps has a key of its own, so a retry goes on where
    /// the first was cut off, and meets what was done.
    pub(crate) fn begin(&self, mut request: Request, partition: Partition) -> OwnerReply {
        let (now, entity, events) =
            (self.now(&request), Entity::Reservations, Events::Reservations(Vec::new()));
        let answered = Ok(Outcome::Begun(now));
        let position = self
            .push(&mut request, Entry { partition, entity, previous: 0, events, now, answered: &answered });
        OwnerReply { answered, position: Some(position), facts: Facts::None }
    }

    /// Holds units for each of `wanted`, and answers in their order. One whose id is known already is answered as it
    /// is: a retry meets what it made.
    pub(crate) async fn reserve_many(
        &self,
        context: &Context,
        wanted: Vec<Wanted>,
    ) -> (Vec<Made>, Option<Position>) {
        // The same request twice at once would make the same reservations twice.
        let _lane = match context.key {
            Some(request) => Some(self.batch_lanes.enter(request.key).await),
            None => None,
        };
        let now = self.turns.clock.stamp();
        let mut made: Vec<Option<Made>> = wanted.iter().map(|it| self.known(it, now)).collect();
        let mut single: BTreeMap<ProductId, Vec<usize>> = BTreeMap::new();
        let mut several = Vec::new();
        for (index, wanted) in wanted.iter().enumerate().filter(|(index, _)| made[*index].is_none()) {
            let product = wanted.items[0].product;
            match wanted.items.iter().all(|item| item.product == product) {
                true => single.entry(product).or_default().push(index),
                false => several.push(index),
            }
        }
        let mut taken = self.take_single(context, &wanted, &single, now).await;
        for abreast in several.chunks(ABREAST_MAX) {
            let takings = abreast.iter().map(|index| async {
                let it = &wanted[*index];
                if let Err(refusal) = self.check_confirmable(&it.items) {
                    return (*index, Err(refusal));
                }
                let buyer = it.owner.buyer();
                let taking = Taking::new(it.id, buyer, now.after(it.ttl), &it.items, |_| None);
                (*index, self.take(context, taking).await.map(drop))
            });
            taken.extend(join_all(takings).await);
        }
        let mut held = Vec::new();
        for (index, result) in taken {
            match result {
                Ok(()) => held.push(index),
                Err(refusal) => made[index] = Some(Err(refusal)),
            }
        }
        held.sort_unstable();
        let position = self.commit_many(context, &wanted, &held, now);
        for index in held {
            let id = wanted[index].id;
            let reservation = self.find_reservation(Who::Admin, id).expect("it was just made");
            made[index] = Some(Ok(ReservationFacts { id, reservation }));
        }
        (made.into_iter().map(|made| made.expect("each was answered")).collect(), position)
    }

    /// What there is no need to ask for.
    fn known(&self, wanted: &Wanted, now: Timestamp) -> Option<Made> {
        if let Err(refusal) = Hold::check_deadline(now.after(wanted.ttl), now) {
            return Some(Err(refusal.into()));
        }
        if let Err(refusal) = wanted.check() {
            return Some(Err(refusal));
        }
        let reservation = self.find_reservation(Who::Admin, wanted.id)?;
        Some(Ok(ReservationFacts { id: wanted.id, reservation }))
    }

    /// Takes the units of reservations of a single product: one message for many of them.
    async fn take_single(
        &self,
        context: &Context,
        wanted: &[Wanted],
        single: &BTreeMap<ProductId, Vec<usize>>,
        now: Timestamp,
    ) -> Vec<(usize, Result<(), saga::Refusal>)> {
        let chunks = single.iter().flat_map(|(product, indexes)| {
            indexes.chunks(COMMANDS_MAX).map(move |indexes| (*product, indexes))
        });
        let told = chunks.map(|(product, indexes)| async move {
            let commands = indexes.iter().map(|index| reserve(&wanted[*index], now)).collect();
            let answers = self.peers.tell(context, product, commands).await;
            (product, indexes, answers)
        });
        let mut taken = Vec::new();
        for (product, indexes, answers) in join_all(told).await {
            for (index, answer) in indexes.iter().zip(answers) {
                let explained = |refusal| {
                    let items = wanted[*index].items.iter().enumerate();
                    let lines: Vec<_> = items.map(|(place, item)| (place, item.line())).collect();
                    saga::Refusal::Lines(saga::explain(product, &lines, &refusal))
                };
                taken.push((*index, answer.map(drop).map_err(explained)));
            }
        }
        taken
    }

    /// Journals the new reservations, as many in a record as fit, and takes them into the books.
    fn commit_many(
        &self,
        context: &Context,
        wanted: &[Wanted],
        held: &[usize],
        started_at: Timestamp,
    ) -> Option<Position> {
        let mut newest = None;
        let mut facts: BTreeMap<Partition, (usize, Vec<(ReservationId, Event)>)> = BTreeMap::new();
        for index in held {
            let it = &wanted[*index];
            let deadline = started_at.after(it.ttl);
            let event = Event::Reserved {
                owner: it.owner,
                items: it.items.clone(),
                deadline,
                reference: it.reference.clone(),
                metadata: it.metadata.clone(),
            };
            let partition = self.slots.partition(it.id.0);
            let (heavy, events) = facts.entry(partition).or_default();
            *heavy += weight(it);
            events.push((it.id, event));
            if *heavy > RECORD_WEIGHT_MAX {
                let (_, events) = facts.remove(&partition).expect("it was just filled");
                newest = Some(self.commit_reservations(context, partition, events));
            }
        }
        for (partition, (_, events)) in facts {
            newest = Some(self.commit_reservations(context, partition, events));
        }
        newest
    }

    fn commit_reservations(
        &self,
        context: &Context,
        partition: Partition,
        events: Vec<(ReservationId, Event)>,
    ) -> Position {
        let now = self.turns.clock.stamp();
        let state = self.turns.partition(partition);
        let mut books = state.books.borrow_mut();
        for (id, event) in &events {
            state.touch_reservation(&books, *id, event);
            books.apply_reservation(*id, event, now, 0);
            let deadline = books.reservations.get(*id).and_then(|it| it.hold.next_deadline());
            self.order_deadlines.set(Due::Reservation(*id), None, deadline);
        }
        drop(books);
        let entry = Entry {
            partition,
            entity: Entity::Reservations,
            previous: 0,
            events: Events::Reservations(events),
            now,
            answered: &Ok(Outcome::Done),
        };
        self.push(&mut Request { context: context.without_key(), key: None }, entry)
    }
}

fn reserve(wanted: &Wanted, now: Timestamp) -> Command {
    Command::Reserve {
        reservation: wanted.id,
        buyer: wanted.owner.buyer(),
        lines: wanted.items.iter().map(holdfast_domain::Item::line).collect(),
        deadline: now.after(wanted.ttl),
    }
}

/// About how many bytes the fact of it takes, from above.
fn weight(wanted: &Wanted) -> usize {
    let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    80 + wanted.items.len() * 26 + length(&wanted.reference) + length(&wanted.metadata)
}
