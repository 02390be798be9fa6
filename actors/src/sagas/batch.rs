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
use super::{Answers, Due, Entry, Facts, OwnerReply, Request, Sagas, Who};
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

/// What goes into one record.
#[derive(Default)]
struct Load {
    /// See [`weight`].
    weight: usize,
    /// The places in the request.
    indexes: Vec<usize>,
    events: Vec<(ReservationId, Event)>,
}

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
        let is_keyed = context.key.is_some();
        let mut made: Vec<Option<Made>> = wanted.iter().map(|it| self.known(it, is_keyed, now)).collect();
        let mut single = Vec::with_capacity(wanted.len());
        let mut several = Vec::new();
        for (index, wanted) in wanted.iter().enumerate().filter(|(index, _)| made[*index].is_none()) {
            let product = wanted.items[0].product;
            match wanted.items.iter().all(|item| item.product == product) {
                true => single.push((product, index)),
                false => several.push(index),
            }
        }
        single.sort_unstable();
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
        for (index, result) in taken {
            made[index] = result.err().map(Err);
        }
        let position = self.commit_many(context, wanted, &mut made, now).await;
        (made.into_iter().map(|made| made.expect("each was answered")).collect(), position)
    }

    /// What there is no need to ask for. Without a key all ids are new.
    fn known(&self, wanted: &Wanted, is_keyed: bool, now: Timestamp) -> Option<Made> {
        if let Err(refusal) = Hold::check_deadline(now.after(wanted.ttl), now) {
            return Some(Err(refusal.into()));
        }
        if let Err(refusal) = wanted.check() {
            return Some(Err(refusal));
        }
        if !is_keyed {
            return None;
        }
        let reservation = self.find_reservation(Who::Admin, wanted.id)?;
        Some(Ok(ReservationFacts { id: wanted.id, reservation }))
    }

    /// Takes the units of reservations of a single product each, sorted by it: one turn for many of them.
    async fn take_single(
        &self,
        context: &Context,
        wanted: &[Wanted],
        single: &[(ProductId, usize)],
        now: Timestamp,
    ) -> Vec<(usize, Result<(), saga::Refusal>)> {
        let context = context.without_key();
        let mut taken = Vec::with_capacity(single.len());
        let mut elsewhere = Vec::new();
        let mut commands = Vec::new();
        let mut since_rest = 0;
        let of_products = single.chunk_by(|one, next| one.0 == next.0);
        for of_product in of_products.flat_map(|of_product| of_product.chunks(COMMANDS_MAX)) {
            let (product, _) = of_product[0];
            commands.clear();
            commands.extend(of_product.iter().map(|(_, index)| reserve(&wanted[*index], now)));
            match self.peers.reserve_here(&context, product, &commands) {
                Some(answers) => note(&mut taken, wanted, of_product, answers),
                None => {
                    let answers = self.peers.tell(&context, product, std::mem::take(&mut commands));
                    elsewhere.push((of_product, answers));
                }
            }
            since_rest += of_product.len();
            if since_rest >= COMMANDS_MAX {
                since_rest = 0;
                // Others have their turns meanwhile: a large batch pauses nobody.
                tokio::task::yield_now().await;
            }
        }
        for (of_product, answers) in elsewhere {
            note(&mut taken, wanted, of_product, answers.await);
        }
        taken
    }

    /// Journals those that nobody has answered yet, as many in a record as fit, takes them into the books, and answers.
    async fn commit_many(
        &self,
        context: &Context,
        wanted: Vec<Wanted>,
        made: &mut [Option<Made>],
        started_at: Timestamp,
    ) -> Option<Position> {
        let mut newest = None;
        let mut loads: BTreeMap<Partition, Load> = BTreeMap::new();
        for (index, it) in wanted.into_iter().enumerate() {
            if made[index].is_some() {
                continue;
            }
            let partition = self.slots.partition(it.id.0);
            let load = loads.entry(partition).or_default();
            load.weight += weight(&it);
            load.indexes.push(index);
            let Wanted { id, owner, items, ttl, reference, metadata } = it;
            let deadline = started_at.after(ttl);
            load.events.push((id, Event::Reserved { owner, items, deadline, reference, metadata }));
            if load.weight > RECORD_WEIGHT_MAX {
                newest = Some(self.commit_load(context, partition, std::mem::take(load), made));
                // As above; until their record is there, units without an owner are only ours.
                tokio::task::yield_now().await;
            }
        }
        for (partition, load) in loads.into_iter().filter(|(_, load)| !load.indexes.is_empty()) {
            newest = Some(self.commit_load(context, partition, load, made));
        }
        newest
    }

    fn commit_load(
        &self,
        context: &Context,
        partition: Partition,
        load: Load,
        made: &mut [Option<Made>],
    ) -> Position {
        let Load { indexes, events, .. } = load;
        let now = self.turns.clock.stamp();
        let state = self.turns.partition(partition);
        let mut books = state.books.borrow_mut();
        for (index, (id, event)) in indexes.into_iter().zip(&events) {
            state.touch_reservation(&books, *id, event);
            books.apply_reservation(*id, event, now, 0);
            let reservation = books.reservations.shared(*id).expect("it was just made");
            self.order_deadlines.set(Due::Reservation(*id), None, reservation.hold.next_deadline());
            made[index] = Some(Ok(ReservationFacts { id: *id, reservation }));
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

/// Notes what a product answered to those of it.
fn note(
    taken: &mut Vec<(usize, Result<(), saga::Refusal>)>,
    wanted: &[Wanted],
    of_product: &[(ProductId, usize)],
    answers: Answers,
) {
    for ((product, index), answer) in of_product.iter().zip(answers) {
        let explained = |refusal| {
            let items = wanted[*index].items.iter().enumerate();
            let lines: Vec<_> = items.map(|(place, item)| (place, item.line())).collect();
            saga::Refusal::Lines(saga::explain(*product, &lines, &refusal))
        };
        taken.push((*index, answer.map(drop).map_err(explained)));
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
