//! Categories: one book, kept by the shard that serves the accounts' partition, one message at a time.
//!
//! A category is deleted only while nobody lists anything: see [`Directory::stop_listing`].

use actix::{Handler, Message};
use holdfast_domain::category::{Categories, Description, Event, Refusal};
use holdfast_domain::{CategoryId, Timestamp};
use holdfast_persistence::{Sequence, Ticket};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::directory::Directory;
use crate::image::Key;
use crate::keys::{Kept, KeyGuard};
use crate::outcome::{Answered, Outcome, Refused};
use crate::pending::Pending;
use crate::record::{Entity, Events, KeyedOutcome, Turn};
use crate::shard::Shard;
use crate::slots::ACCOUNTS_PARTITION;
use crate::turn::{Reply, TurnContext};

/// Where the categories' records are.
pub(crate) const CATEGORIES_PARTITION: holdfast_persistence::Partition = ACCOUNTS_PARTITION;

/// The categories, with what the shell knows of them; used on the shard that serves their partition.
#[derive(Default)]
pub(crate) struct CategoryBook {
    pub(crate) categories: Categories,
    pub(crate) last_sequence: Sequence,
    pub(crate) ticket: Ticket,
}

/// What is asked of the categories.
pub(crate) enum CategoryWish {
    /// Make one.
    Create { id: CategoryId, description: Description },
    /// Change one.
    Describe { id: CategoryId, description: Description, version: Option<u32> },
    /// Remove one that nobody uses.
    Delete { id: CategoryId, version: Option<u32> },
}

/// A wish on its way to the book.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AskCategories {
    pub(crate) wish: CategoryWish,
    pub(crate) context: Context,
    pub(crate) key: Option<KeyGuard>,
    pub(crate) reply: oneshot::Sender<Pending<Reply>>,
}

impl Handler<AskCategories> for Shard {
    type Result = ();

    fn handle(&mut self, ask: AskCategories, _: &mut Self::Context) {
        let core = self.core();
        let pending = core.categories.borrow_mut().turn(&core.turns, ask.wish, &ask.context, ask.key);
        // Whoever hung up does not want the answer.
        let _unwanted = ask.reply.send(pending);
    }
}

impl CategoryBook {
    /// Answers one wish.
    fn turn(
        &mut self,
        turns: &TurnContext,
        wish: CategoryWish,
        context: &Context,
        key: Option<KeyGuard>,
    ) -> Pending<Reply> {
        let now = turns.clock.stamp_from(key.as_ref().map(KeyGuard::claimed_at).unwrap_or_default());
        let is_deletion = matches!(wish, CategoryWish::Delete { .. });
        // Until the categories are published without it: nothing can be listed in what is going.
        let _nobody_lists = is_deletion.then(|| turns.directory.stop_listing());
        let (CategoryWish::Create { id, .. }
        | CategoryWish::Describe { id, .. }
        | CategoryWish::Delete { id, .. }) = wish;
        let user = if is_deletion { user_of(&turns.directory, id) } else { None };
        let (events, refusal) = match self.decide(wish, user.is_some()) {
            Ok(events) => (events, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        let changes = &turns.partition(CATEGORIES_PARTITION).changes;
        changes.touch(Key::Categories, |packer| packer.categories(&self.categories, self.last_sequence));
        events.iter().for_each(|event| self.categories.apply(event, now));
        let answered: Answered = match (refusal, self.categories.get(id)) {
            (Some(refusal), _) => Err(Refused::Category(refusal)),
            (None, Some(category)) => Ok(Outcome::Category(Box::new(category.clone()))),
            (None, None) => Ok(Outcome::Deleted),
        };
        let mut position = None;
        if !events.is_empty() || key.is_some() {
            position = Some(self.record(turns, events, context, key, (&answered, now)));
        }
        let reply = Reply { answered, position, is_replayed: false };
        let rests_on = self.ticket.max(user.unwrap_or_default());
        Pending::new(reply, rests_on, turns.queue.gate().clone())
    }

    fn decide(&self, wish: CategoryWish, is_used: bool) -> Result<Vec<Event>, Refusal> {
        match wish {
            CategoryWish::Create { id, description } => {
                self.categories.decide_create(id, description).map(|event| vec![event])
            }
            CategoryWish::Describe { id, description, version } => {
                self.categories.decide_describe(id, description, version).map(|it| it.into_iter().collect())
            }
            CategoryWish::Delete { id, version } => {
                self.categories.decide_delete(id, version, is_used).map(|event| vec![event])
            }
        }
    }

    /// Pushes one record and publishes what it changed.
    fn record(
        &mut self,
        turns: &TurnContext,
        events: Vec<Event>,
        context: &Context,
        key: Option<KeyGuard>,
        (answered, now): (&Answered, Timestamp),
    ) -> crate::Position {
        let position = turns.next_position(CATEGORIES_PARTITION);
        let keyed = key.as_ref().map(|key| KeyedOutcome { key: key.request(), answered: answered.clone() });
        let turn = Turn {
            request_id: context.request_id.clone(),
            actor: context.actor,
            entity: Entity::Categories,
            previous: self.last_sequence.0,
            key: keyed,
            events: Events::Categories(events),
        };
        self.ticket = turns.push(position, now, &turn);
        self.last_sequence = position.sequence;
        if let Events::Categories(events) = &turn.events
            && !events.is_empty()
        {
            turns.directory.publish_categories(self.categories.clone(), self.ticket);
        }
        // After publishing: whoever has the answer, even by a retry, also sees what it speaks of.
        if let Some(key) = key {
            key.settle(Kept { answered: answered.clone(), position, ticket: self.ticket }, now);
        }
        position
    }
}

/// What keeps a category besides its children, as the ticket that the answer rests on; none where nothing does.
///
/// The one place that knows who may name a category: whoever else does is asked here, after the products.
fn user_of(directory: &Directory, id: CategoryId) -> Option<Ticket> {
    let prices = directory.prices();
    directory.listed_in(id).or_else(|| prices.value.names_category(id).then_some(prices.ticket))
}
