//! Many purchases of one product in one turn: each decided, answered and journaled on its own.
//!
//! One message, one stamp and one look of everybody at the card for all of them; the records are those of single
//! purchases, next to each other in the partition. So replay, ledger and events know nothing of it.

use holdfast_domain::product::{self, Command, Event, Line, Refusal};
use holdfast_domain::{OrderId, Timestamp};

use super::{Live, Reply, TurnContext, bought};
use crate::Position;
use crate::context::Context;
use crate::image::{Key, touch};
use crate::listing::Relisting;
use crate::outcome::{Outcome, Purchased};
use crate::pending::Pending;
use crate::pricing::Pricing;
use crate::record::{Entity, Events, Turn};

/// One purchase of many; each has a buyer and a request of its own.
pub(crate) struct Sale {
    pub(crate) context: Context,
    /// In the partition of its product.
    pub(crate) order: OrderId,
    pub(crate) line: Line,
}

impl Live {
    /// Sells one after the other. The reply's position is the first sale's; those of the others follow it without a gap.
    pub(super) fn sell(&mut self, shared: &TurnContext, sales: Vec<Sale>) -> Pending<Reply> {
        let now = shared.clock.stamp();
        let mut first = None;
        let mut answers = Vec::with_capacity(sales.len());
        for sale in sales {
            let sold = self.sell_one(shared, sale, now);
            answers.push(sold.map(|(purchased, position)| {
                first.get_or_insert(position);
                Outcome::Purchased(purchased)
            }));
        }
        if first.is_some() {
            let relisting = Relisting::of(self.card.as_ref(), self.product.as_ref());
            if let Some(card) = &self.card {
                card.publish(self.product.as_ref(), self.ticket, self.last_sequence);
            }
            shared.directory.relist(relisting, self.card.as_ref(), self.ticket);
        }
        self.seal(shared, Ok(Outcome::Each(answers)), first)
    }

    fn sell_one(
        &mut self,
        shared: &TurnContext,
        sale: Sale,
        now: Timestamp,
    ) -> Result<(Purchased, Position), Refusal> {
        let Sale { context, order, line } = sale;
        let owner = context.actor.owner();
        let product = self.product.as_ref().ok_or(Refusal::UnknownProduct)?;
        let pricing = Pricing::of(&shared.directory, owner, now);
        let occasion = pricing.as_ref().map(Pricing::occasion);
        let command = Command::Purchase { order, buyer: owner.buyer(), line };
        let events = product.decide_at(&command, occasion.as_ref())?;
        let [event @ Event::Purchased { unit_price, currency, .. }] = events.as_slice() else {
            unreachable!("a new order's purchase is one event")
        };
        let (unit_price, currency) = (*unit_price, *currency);
        let state = shared.partition(self.partition);
        if state.changes.is_kept() {
            touch::product_event(self.product.as_ref(), self.id, event, |key| self.touch(shared, key));
        }
        product::apply(&mut self.product, event, now);
        let position = shared.next_position(self.partition);
        let entry = bought(self, event, owner, now, position.sequence);
        let mut books = state.books.borrow_mut();
        state.touch_books(&books, touch::bought(order));
        books.apply_bought(order, entry);
        drop(books);
        self.touch(shared, Key::Product(self.id));
        let turn = Turn {
            request_id: context.request_id,
            actor: context.actor,
            entity: Entity::Product(self.id),
            previous: self.last_sequence.0,
            key: None,
            events: Events::Product(events),
        };
        self.ticket = shared.push(position, now, &turn);
        self.last_sequence = position.sequence;
        let product = self.product.as_ref().expect("what was bought exists");
        let variant = &product.variants()[line.variant.index()];
        let purchased = Purchased {
            order,
            sku: variant.description.sku.clone(),
            quantity: line.quantity,
            unit_price,
            currency,
            available: variant.levels.available,
        };
        Ok((purchased, position))
    }
}
