//! Many purchases of one product in one turn: each decided, answered and journaled on its own.
//!
//! One message, one stamp and one look of everybody at the card for all of them; the records are those of single
//! purchases, next to each other in the partition. So replay, ledger and events know nothing of it.

use holdfast_domain::product::{Command, Line, Refusal};
use holdfast_domain::{OrderId, Timestamp};

use super::entry::Entry;
use super::{Live, Reply, TurnContext};
use crate::Position;
use crate::context::Context;
use crate::outcome::Outcome;
use crate::pending::Pending;
use crate::pricing::Pricing;

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
            answers.push(sold.map(|(outcome, position)| {
                first.get_or_insert(position);
                outcome
            }));
        }
        if first.is_some() {
            self.publish(shared, false, false);
        }
        self.seal(shared, Ok(Outcome::Each(answers)), first)
    }

    fn sell_one(
        &mut self,
        shared: &TurnContext,
        sale: Sale,
        now: Timestamp,
    ) -> Result<(Outcome, Position), Refusal> {
        let Sale { context, order, line } = sale;
        let owner = context.actor.owner();
        let product = self.product.as_ref().ok_or(Refusal::UnknownProduct)?;
        let pricing = Pricing::of(&shared.directory, owner, now);
        let command = Command::Purchase { order, buyer: owner.buyer(), line };
        let events = product.decide_at(&command, pricing.as_ref().map(Pricing::occasion).as_ref())?;
        for event in &events {
            self.apply(shared, event, now);
        }
        let position = shared.next_position(self.partition);
        let outcome = self.outcome(&events, Some(&command), Some(position), now);
        self.push(shared, Entry { context: &context, events, key: None, position, now }, None);
        Ok((outcome, position))
    }
}
