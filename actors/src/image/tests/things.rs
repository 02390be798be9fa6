//! Histories of single products, whose turns are everything that the rules allow, and of their orders.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_domain::order::Cancelation;
use holdfast_domain::product::{Command, Description, Event, decide_create};
use holdfast_domain::{Millis, OrderId, Product, ProductId, Quantity, Timestamp, order, product};
use holdfast_persistence::Sequence;

use super::loaded::Loaded;
use super::replica::Replica;
use crate::Position;
use crate::context::{Actor, RequestId};
use crate::image::pack_all;
use crate::record::{Entity, Events, OrderFact, StoredTurn, Turn};
use crate::simulation::wishes::{self, AskedWish};
use crate::simulation::{PARTITIONS, Rng};
use crate::slots::Slots;

/// Histories, and turns that each has. A release build sees more in the same time.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 2_000 };
const TURNS: u64 = 150;
const PRODUCTS: u64 = 3;

#[test]
fn every_entry_that_an_event_of_a_product_changes_is_named_before() {
    let mut met = BTreeSet::new();
    for seed in 1..=SEEDS {
        let mut history = History::new(seed);
        (0..TURNS).for_each(|_| history.turn());
        history.comes_back();
        met.append(&mut history.replica.met);
    }
    let all = [
        "Adjusted",
        "Canceled",
        "Confirmed",
        "Counted",
        "Created",
        "Deleted",
        "Described",
        "Expired",
        "Extended",
        "Fulfilled",
        "Purchased",
        "Reheld",
        "Released",
        "Reserved",
        "VariantAdded",
        "VariantDescribed",
        "VariantRemoved",
    ];
    for event in all {
        assert!(met.contains(&format!("product {event}")), "no history has {event}");
    }
}

/// Products and their orders, and what is to happen to them.
struct History {
    seed: u64,
    rng: Rng,
    replica: Replica,
    sequence: Sequence,
    now: Timestamp,
}

impl History {
    fn new(seed: u64) -> Self {
        let (rng, replica) = (Rng::new(seed), Replica::new(PARTITIONS));
        Self { seed, rng, replica, sequence: Sequence(0), now: Timestamp(1_700_000_000_000) }
    }

    fn turn(&mut self) {
        self.now = self.now.after(Millis(self.rng.below(60 * 1000)));
        self.sequence = self.sequence.next();
        let id = ProductId(u128::from(self.rng.below(PRODUCTS)));
        let mut state = self.replica.products.get(&id).and_then(|live| live.product.clone());
        let mut events = Vec::new();
        for wish in self.wishes(id, state.as_ref()) {
            let decided = self.decided(wish, state.as_ref());
            decided.iter().for_each(|event| product::apply(&mut state, event, self.now));
            events.extend(decided);
        }
        let stored = self.stored(id, events);
        let Events::Product(events) = &stored.turn.events else { unreachable!("it was just made") };
        for (order, change) in events.iter().filter_map(ended) {
            // As it goes in a shop: first the order ends, then its product is told.
            let books = &self.replica.books[usize::from(stored.position.partition.0)];
            if books.orders.bought(order).is_some() {
                self.replica.order(order, &OrderFact::Changed(change), &stored);
                self.replica.check(stored.position.partition);
            }
        }
        self.replica.product(id, events, &stored);
        self.replica.check(stored.position.partition);
    }

    fn wishes(&mut self, id: ProductId, state: Option<&Product>) -> Vec<AskedWish> {
        match wishes::any(&mut self.rng, id, state, self.now) {
            AskedWish::Many { commands, .. } => commands.into_iter().map(AskedWish::Do).collect(),
            wish => vec![wish],
        }
    }

    fn decided(&mut self, wish: AskedWish, state: Option<&Product>) -> Vec<Event> {
        let decided = match (wish, state) {
            (AskedWish::Create { new }, None) => decide_create(&new),
            (AskedWish::Edit { version, price }, Some(product)) => {
                let limit = if self.rng.percent(50) { Quantity::new(6) } else { None };
                let description = wishes::repriced(product.description(), price);
                let description = Arc::new(Description { per_customer_limit: limit, ..description });
                product.decide(&Command::Describe { description, version })
            }
            // Units of a hold go to a new order, or to one that holds lived in before; never to a purchase.
            (AskedWish::Do(Command::Confirm { order, .. }), _) if self.is_bought(order) => return Vec::new(),
            (AskedWish::Do(command), Some(product)) => product.decide(&command),
            _ => return Vec::new(),
        };
        decided.unwrap_or_default()
    }

    fn is_bought(&self, order: OrderId) -> bool {
        self.replica.books.iter().any(|books| books.orders.bought(order).is_some())
    }

    fn stored(&self, id: ProductId, events: Vec<Event>) -> StoredTurn {
        // Who buys is who asks.
        let buyer = events.iter().find_map(|event| match event {
            Event::Purchased { buyer, .. } => Some(buyer.0),
            _ => None,
        });
        let turn = Turn {
            request_id: RequestId::Made(1),
            actor: Actor::Guest(buyer.unwrap_or_default()),
            entity: Entity::Product(id),
            previous: 0,
            key: None,
            events: Events::Product(events),
        };
        let partition = Slots::new(PARTITIONS, 1).partition(id.0);
        StoredTurn { turn, position: Position { partition, sequence: self.sequence }, at: self.now }
    }

    fn comes_back(&self) {
        let state = self.replica.state();
        let entries = pack_all(&state);
        let loaded = Loaded::from(&entries, state.times.clone());
        loaded.assert_is(&state);
        assert_eq!(pack_all(&loaded.state()), entries, "seed {}", self.seed);
    }
}

/// The end of an order that a product is told of.
fn ended(event: &Event) -> Option<(OrderId, order::Event)> {
    match event {
        Event::Fulfilled { order, .. } => Some((*order, order::Event::Fulfilled)),
        Event::Canceled { order, .. } => {
            Some((*order, order::Event::Canceled { why: Cancelation::ByAdmin, reason: None }))
        }
        _ => None,
    }
}
