//! What a turn leaves behind: its record, the order that a purchase is, and the card that everybody reads.

use std::sync::Arc;

use holdfast_domain::order::Bought;
use holdfast_domain::product::Event;
use holdfast_domain::{Item, Owner, Timestamp};
use holdfast_persistence::Sequence;

use super::{Answered, Live, TurnContext};
use crate::Position;
use crate::card::Card;
use crate::context::Context;
use crate::image::{Key, touch};
use crate::keys::{Kept, KeyGuard};
use crate::listing::Relisting;
use crate::record::{Entity, Events, KeyedOutcome, Turn};

/// What a turn leaves behind.
pub(super) struct Entry<'a> {
    pub(super) context: &'a Context,
    pub(super) events: Vec<Event>,
    /// The key to settle, with its answer.
    pub(super) key: Option<(KeyGuard, &'a Answered)>,
    pub(super) position: Position,
    pub(super) now: Timestamp,
}

impl Live {
    /// Pushes one record and publishes what it changed.
    pub(super) fn record(&mut self, shared: &TurnContext, mut entry: Entry<'_>) {
        let (key, position, now) = (entry.key.take(), entry.position, entry.now);
        let is_unlisted = entry.events.iter().any(|event| matches!(event, Event::Deleted));
        let is_reshaped = entry.events.iter().any(Event::is_of_variants);
        let outcome = key
            .as_ref()
            .map(|(key, answered)| KeyedOutcome { key: key.request(), answered: (*answered).clone() });
        self.push(shared, entry, outcome);
        self.publish(shared, is_reshaped, is_unlisted);
        // After the card: whoever has the answer, even by a retry, also sees what it speaks of.
        if let Some((key, answered)) = key {
            key.settle(Kept { answered: answered.clone(), position, ticket: self.ticket }, now);
        }
    }

    /// Enters a purchase into the books and pushes the record of what was applied. Nobody sees it before it is published.
    pub(super) fn push(&mut self, shared: &TurnContext, entry: Entry<'_>, key: Option<KeyedOutcome>) {
        let Entry { context, events, position, now, .. } = entry;
        if let [event @ Event::Purchased { order, .. }] = events.as_slice() {
            let bought = bought(self, event, context.actor.owner(), now, position.sequence);
            let state = shared.partition(self.partition);
            let mut books = state.books.borrow_mut();
            state.touch_books(&books, touch::bought(*order));
            books.apply_bought(*order, bought);
        }
        // Also without events: the entry of a product names its newest record.
        self.touch(shared, Key::Product(self.id));
        let turn = Turn {
            request_id: context.request_id.clone(),
            actor: context.actor,
            entity: Entity::Product(self.id),
            previous: self.last_sequence.0,
            key,
            events: Events::Product(events),
        };
        self.ticket = shared.push(position, now, &turn);
        self.last_sequence = position.sequence;
    }

    /// Shows everybody the product as it is after what was pushed last.
    pub(super) fn publish(&mut self, shared: &TurnContext, is_reshaped: bool, is_unlisted: bool) {
        let relisting = Relisting::of(self.card.as_ref(), self.product.as_ref());
        match (&self.card, &self.product) {
            (Some(_), Some(product)) if is_reshaped => {
                let card = Card::new(self.id, self.partition, product, self.ticket, self.last_sequence);
                let card = Arc::new(card);
                shared.directory.renew(Arc::clone(&card));
                self.card = Some(card);
            }
            (Some(card), product) => {
                card.publish(product.as_ref(), self.ticket, self.last_sequence);
                if is_unlisted {
                    shared.directory.unlist(card);
                    // Should the same id be made again, it gets a card of its own.
                    self.card = None;
                }
            }
            (None, Some(product)) => {
                let card = Card::new(self.id, self.partition, product, self.ticket, self.last_sequence);
                let card = Arc::new(card);
                shared.directory.enter(Arc::clone(&card));
                self.card = Some(card);
            }
            (None, None) => {}
        }
        shared.directory.relist(relisting, self.card.as_ref(), self.ticket);
    }
}

/// The order that a purchase is, from the state that its event led to.
///
/// # Panics
///
/// When the event is none of a purchase, or its product is gone.
pub(crate) fn bought(live: &Live, event: &Event, owner: Owner, at: Timestamp, sequence: Sequence) -> Bought {
    let Event::Purchased { line, unit_price, rules, .. } = event else {
        unreachable!("only purchases are bought")
    };
    let product = live.product.as_ref().expect("what was bought exists");
    Bought {
        owner,
        item: Item { product: live.id, variant: line.variant, quantity: line.quantity },
        unit_price: *unit_price,
        rules: rules.clone(),
        description: Arc::clone(product.description()),
        variant: Arc::clone(&product.variants()[line.variant.index()].description),
        at,
        mark: sequence.0,
    }
}
