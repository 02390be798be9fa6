//! Price rules: kept by the shard that serves their partition, beside the accounts, one message at a time.

use actix::{Handler, Message};
use holdfast_domain::RuleId;
use holdfast_domain::price::{Event, PriceList, Refusal, Terms};
use holdfast_persistence::{Sequence, Ticket};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::directory::Directory;
use crate::image::Key;
use crate::keys::{Kept, KeyGuard};
use crate::outcome::{Answered, Outcome};
use crate::pending::Pending;
use crate::record::{Entity, Events, KeyedOutcome, Turn};
use crate::shard::Shard;
use crate::slots::PRICES_PARTITION;
use crate::turn::{Reply, TurnContext};

/// The rules, with what the shell knows of them; used on the shard that serves their partition.
#[derive(Default)]
pub(crate) struct PriceBook {
    pub(crate) list: PriceList,
    pub(crate) last_sequence: Sequence,
    pub(crate) ticket: Ticket,
}

/// Change the rules. Once it is in the mailbox it is carried out, whoever hangs up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct ChangePrices {
    pub(crate) change: Change,
    pub(crate) context: Context,
    pub(crate) key: Option<KeyGuard>,
    pub(crate) reply: oneshot::Sender<Pending<Reply>>,
}

/// What is wished.
pub(crate) enum Change {
    /// A new rule.
    Create(RuleId, Terms),
    /// Other terms for a rule of that version, where that matters.
    Revise(RuleId, Terms, Option<u32>),
    /// A rule less, of that version, where that matters.
    Delete(RuleId, Option<u32>),
}

impl Change {
    const fn id(&self) -> RuleId {
        match self {
            Self::Create(id, _) | Self::Revise(id, ..) | Self::Delete(id, _) => *id,
        }
    }
}

impl Handler<ChangePrices> for Shard {
    type Result = ();

    fn handle(&mut self, asked: ChangePrices, _: &mut Self::Context) {
        let core = self.core();
        let mut book = core.prices.borrow_mut();
        let reply = book.turn(&core.turns, asked.change, &asked.context, asked.key);
        // A refusal may rest on a category that was just removed.
        let rests_on = book.ticket.max(core.turns.directory.categories().ticket);
        let pending = Pending::new(reply, rests_on, core.turns.queue.gate().clone());
        // Whoever hung up does not want the answer.
        let _unwanted = asked.reply.send(pending);
    }
}

impl PriceBook {
    /// One turn: stamp, decide, apply, push to the journal, publish. A no is kept for a key, unless it speaks of a
    /// rule that does not exist.
    pub(crate) fn turn(
        &mut self,
        turns: &TurnContext,
        change: Change,
        context: &Context,
        key: Option<KeyGuard>,
    ) -> Reply {
        let now = turns.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        let id = change.id();
        let decided = self.decide(change, &turns.directory);
        if decided == Err(Refusal::Unknown) {
            return Reply { answered: Err(Refusal::Unknown.into()), position: None, is_replayed: false };
        }
        let changes = &turns.partition(PRICES_PARTITION).changes;
        changes.touch(Key::PriceRules, |packer| packer.price_rules(&self.list, self.last_sequence));
        let events: Vec<Event> = decided.iter().flatten().cloned().collect();
        events.iter().for_each(|event| self.list.apply(event, now));
        let answered: Answered = match decided {
            Err(refusal) => Err(refusal.into()),
            Ok(_) => Ok(self.list.get(id).map_or(Outcome::Done, |rule| Outcome::Rule(rule.clone()))),
        };
        if events.is_empty() && key.is_none() {
            return Reply { answered, position: None, is_replayed: false };
        }
        let position = turns.next_position(PRICES_PARTITION);
        let has_changed = !events.is_empty();
        let turn = Turn {
            request_id: context.request_id.clone(),
            actor: context.actor,
            entity: Entity::PriceRules,
            previous: self.last_sequence.0,
            key: key.as_ref().map(|key| KeyedOutcome { key: key.request(), answered: answered.clone() }),
            events: Events::PriceRules(events),
        };
        self.ticket = turns.push(position, now, &turn);
        self.last_sequence = position.sequence;
        if has_changed {
            turns.directory.publish_prices(self.list.clone(), self.ticket);
        }
        // After the list: whoever has the answer, even by a retry, is also priced by it.
        if let Some(key) = key {
            key.settle(Kept { answered: answered.clone(), position, ticket: self.ticket }, now);
        }
        Reply { answered, position: Some(position), is_replayed: false }
    }

    fn decide(&self, change: Change, directory: &Directory) -> Result<Option<Event>, Refusal> {
        let categories = directory.categories();
        match change {
            Change::Create(id, terms) => self.list.decide_create(id, terms, &categories.value).map(Some),
            Change::Revise(id, terms, version) => {
                self.list.decide_change(id, terms, version, &categories.value)
            }
            Change::Delete(id, version) => self.list.decide_delete(id, version).map(Some),
        }
    }
}
