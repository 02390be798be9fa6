//! What the world was told and what it saw, to be compared with what the journal gives back.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::idempotency::Key;
use holdfast_domain::product::Command;
use holdfast_domain::{OrderId, Product, ProductId, ReservationId};
use holdfast_persistence::{Partition, Sequence};

use crate::outcome::Answered;
use crate::recovery::Recovered;
use crate::slots::Slots;
use crate::turn::{Live, Reply};

use super::PARTITIONS;
use super::wishes::{Asked, AskedWish};

#[derive(Default)]
pub(super) struct Books {
    /// Every state of every product, by the record that led to it.
    history: BTreeMap<ProductId, Vec<(Sequence, Option<Product>)>>,
    /// The newest record of each partition whose answer was given.
    acknowledged: BTreeMap<Partition, Sequence>,
    /// Requests with a key, to be repeated.
    pub(super) keyed: Vec<Asked>,
    /// What the answer to each key was, once it was given.
    pub(super) outcomes: BTreeMap<Key, Answered>,
    /// Orders whose purchase was acknowledged.
    sold: BTreeSet<(ProductId, OrderId)>,
    /// Orders that somebody wanted.
    orders: BTreeSet<(ProductId, OrderId)>,
    /// Orders that somebody wanted to be fulfilled or canceled.
    moved_on: BTreeSet<(ProductId, OrderId)>,
    /// Holds that somebody wanted.
    holds: BTreeSet<(ProductId, ReservationId)>,
}

impl Books {
    pub(super) fn note_asked(&mut self, asked: &Asked) {
        if asked.key.is_some() && !self.keyed.iter().any(|earlier| earlier.key == asked.key) {
            self.keyed.push(asked.clone());
        }
        match &asked.wish {
            AskedWish::Do(command) => self.note_command(asked.product, command),
            AskedWish::Many { commands, .. } => {
                commands.iter().for_each(|command| self.note_command(asked.product, command));
            }
            AskedWish::Create { .. } | AskedWish::Edit { .. } => {}
        }
    }

    fn note_command(&mut self, product: ProductId, command: &Command) {
        match command {
            Command::Purchase { order, .. } | Command::Confirm { order, .. } => {
                self.orders.insert((product, *order));
            }
            Command::Fulfil { order } | Command::Cancel { order } => {
                self.moved_on.insert((product, *order));
            }
            Command::Reserve { reservation, .. } => {
                self.holds.insert((product, *reservation));
            }
            Command::Rehold(rehold) | Command::Take(rehold) => {
                self.holds.insert((product, rehold.to));
            }
            _ => {}
        }
    }

    /// The state after a turn, where it left a record.
    pub(super) fn note_state(&mut self, live: &Live) {
        let states = self.history.entry(live.id).or_default();
        if live.last_sequence > states.last().map(|(last, _)| *last).unwrap_or_default() {
            states.push((live.last_sequence, live.product.clone()));
        }
    }

    /// An answer that was given out.
    pub(super) fn note_reply(&mut self, asked: &Asked, reply: &Reply) {
        if let Some(position) = reply.position {
            let newest = self.acknowledged.entry(position.partition).or_default();
            *newest = position.sequence.max(*newest);
        }
        if let Some(key) = asked.key {
            self.note_outcome(key.key, &reply.answered);
        }
        if let (AskedWish::Do(Command::Purchase { order, .. }), Ok(_)) = (&asked.wish, &reply.answered) {
            self.sold.insert((asked.product, *order));
        }
    }

    pub(super) fn note_outcome(&mut self, key: Key, answered: &Answered) {
        let first = self.outcomes.entry(key).or_insert_with(|| answered.clone());
        assert_eq!(first, answered, "INV-5: one idempotency key, one outcome");
    }

    /// Compares with what a recovery found, and goes on from there.
    pub(super) fn compare(&mut self, recovered: &Recovered) {
        let head = &recovered.head;
        let newest = |partition| head.partition(partition).expect("it is one of ours").sequence;
        for (partition, acknowledged) in &self.acknowledged {
            assert!(newest(*partition) >= *acknowledged, "INV-8: an answer was given for a lost record");
        }
        let mut found = recovered.state();
        let slots = Slots::new(PARTITIONS, 1);
        for (id, states) in &mut self.history {
            let last = newest(slots.partition(id.0));
            states.retain(|(sequence, _)| *sequence <= last);
            let expected = states.last().and_then(|(_, state)| state.clone());
            assert_eq!(found.remove(id), expected, "INV-7: replay gives the state in memory");
        }
        recovered.state().iter().for_each(|(id, product)| self.check_owners(*id, product));
        assert!(found.is_empty(), "products that nobody made: {found:?}");
        for (id, order) in self.sold.difference(&self.moved_on) {
            let state = self.history.get(id).and_then(|states| states.last()?.1.as_ref());
            let commitment = state.and_then(|product| product.commitment(*order));
            assert!(commitment.is_some(), "INV-8: {order:?} was acknowledged and is lost");
            let books = &recovered.owners()[usize::from(slots.partition(order.0).0)];
            assert!(books.orders.get(*order).is_some(), "a purchase is an order: {order:?}");
        }
    }

    /// Nothing is held or sold that nobody asked for.
    fn check_owners(&self, id: ProductId, product: &Product) {
        for reservation in product.reservations().keys() {
            assert!(self.holds.contains(&(id, *reservation)), "INV-10: nobody asked for {reservation:?}");
        }
        let known = self.orders.iter().filter(|(product, _)| *product == id);
        let asked: u64 = known
            .filter_map(|(_, order)| product.commitment(*order))
            .flat_map(|order| &order.lines)
            .map(|line| u64::from(line.quantity.get()))
            .sum();
        let committed =
            product.variants().iter().map(|variant| u64::from(variant.levels.committed.0)).sum::<u64>();
        assert_eq!(asked, committed, "INV-10: units are committed to orders that nobody asked for");
    }
}
