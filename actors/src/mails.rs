//! Who must be written to, and about what: facts of the journal that nobody was told of yet.
//!
//! That a mail is due follows from the very fact that it is about, by one function for live turns and for replay; that
//! it was sent is a fact of its own. So a crash loses none, whatever becomes of the queue that carries them, and none
//! is due twice: what it is about happens once.
//!
//! Knows no address's form, no text and no queue; those are in `src/mail.rs`. Used by every turn
//! (`TurnContext::push`), by recovery, and by the door.

#[cfg(test)]
mod tests;
pub(crate) mod unsents;

use std::collections::BTreeMap;

use actix::{Handler, Message};
use holdfast_domain::{AccountId, OrderId, Timestamp, account, order, product, reservation};
use holdfast_persistence::{Epoch, Partition, PartitionHead, Queue, RecordHeader, Ticket};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::context::{Actor, Context};
use crate::image::{Key, Packer};
use crate::outcome::OrderFacts;
use crate::pending::{self, Pending};
use crate::record::{self, Entity, Events, OrderFact, Turn};
use crate::shard::Shard;
use crate::slots::{ACCOUNTS_PARTITION, Slots};
use crate::turn::TurnContext;

pub(crate) use unsents::Unsents;

/// The partition that keeps from where on mails are due.
pub(crate) const MAILS_PARTITION: Partition = Partition(0);

/// How many mails one record says that they were sent: some 18 bytes each.
const SENT_COUNT_MAX: usize = 1_024;

/// Why somebody is written to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum About {
    /// They registered.
    Registered(AccountId),
    /// Their order is sold to them.
    Confirmed(OrderId),
    /// Their order came to nothing, by somebody's will.
    Canceled(OrderId),
    /// Their order came to nothing, as nobody paid in time.
    Expired(OrderId),
}

/// A mail that is not known to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsent {
    /// What it is about; there is never a second one about the same.
    pub about: About,
    /// When that happened.
    pub at: Timestamp,
}

/// What happens to mails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact {
    /// From the epoch of this record on they are due: what happened before happened unnoticed.
    Begun,
    /// One was sent.
    Sent(About),
}

/// What a mail tells, as it was in the moment that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailFacts {
    /// The address.
    pub to: Box<str>,
    /// What they are called, if they said.
    pub name: Option<Box<str>>,
    /// The order, where it is about one.
    pub order: Option<OrderFacts>,
}

/// Notes that mails of a partition were sent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SettleMails {
    pub(crate) partition: Partition,
    pub(crate) about: Vec<About>,
    pub(crate) reply: oneshot::Sender<Pending<()>>,
}

/// What a journal, or one partition of it, says of mails, while it is read.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// From where on they are due; one partition knows.
    begun: Option<Epoch>,
    /// With the epoch of the record that says so: whether it counts may be known by another partition only.
    unsent: BTreeMap<About, (Epoch, Timestamp)>,
    /// What was sent and is not due here: once, an order could be in another partition than the record of its purchase.
    sent_elsewhere: Vec<About>,
}

/// What a journal said of mails.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Recovered {
    /// From where on they are due, if it says so.
    pub(crate) begun: Option<Epoch>,
    /// What is due and not known to be sent.
    pub(crate) unsent: BTreeMap<About, Timestamp>,
}

impl About {
    /// The partition whose record says that it was sent: that of the order, or of the accounts.
    pub(crate) fn partition(self, slots: &Slots) -> Partition {
        match self {
            Self::Registered(_) => ACCOUNTS_PARTITION,
            Self::Confirmed(OrderId(id)) | Self::Canceled(OrderId(id)) | Self::Expired(OrderId(id)) => {
                slots.partition(id)
            }
        }
    }

    /// The version of the order in which it is what the mail tells; none when that never happened.
    pub(crate) fn version(self, order: &holdfast_domain::Order) -> Option<u32> {
        if matches!(self, Self::Confirmed(_)) && order.placed.is_settled() {
            return Some(order::FIRST_VERSION);
        }
        let mut versions = order::FIRST_VERSION + 1..;
        order.history.iter().find_map(|(_, event)| {
            let version = versions.next().expect("versions are counted in 32 bits");
            (changed(order.id, event) == Some(self)).then_some(version)
        })
    }
}

/// Tells `note` of each mail that the facts of a turn make due and that somebody can get; `has_address` says this of an
/// order that is in the books already.
///
/// The hot path of a flash sale comes through here: what guests buy costs one comparison.
pub(crate) fn due(turn: &Turn, has_address: impl Fn(OrderId) -> bool, mut note: impl FnMut(About)) {
    match (&turn.events, turn.entity) {
        (Events::Product(events), _) if turn.actor.owner().account().is_some() => {
            let bought = events.iter().filter_map(|event| match event {
                product::Event::Purchased { order, .. } => Some(About::Confirmed(*order)),
                _ => None,
            });
            bought.for_each(note);
        }
        (Events::Order(facts), Entity::Order(id)) => {
            let mut is_reachable = None;
            for fact in facts {
                let about = match fact {
                    OrderFact::Placed(placed) => {
                        is_reachable = Some(placed.has_address());
                        placed.is_settled().then_some(About::Confirmed(id))
                    }
                    OrderFact::Changed(event) => changed(id, event),
                };
                about.filter(|_| *is_reachable.get_or_insert_with(|| has_address(id))).map(&mut note);
            }
        }
        (Events::Reservations(facts), _) => {
            for (_, event) in facts {
                if let reservation::Event::Confirmed { order, placed } = event
                    && placed.has_address()
                {
                    note(About::Confirmed(*order));
                }
            }
        }
        (Events::Accounts(events), _) => {
            for event in events {
                // Whom an operator made an account for did not ask for a mail.
                if let account::Event::Created(account) = event
                    && turn.actor == Actor::Customer(account.id)
                {
                    note(About::Registered(account.id));
                }
            }
        }
        _ => {}
    }
}

/// What its buyer is told of a change of an order.
const fn changed(id: OrderId, event: &order::Event) -> Option<About> {
    match event {
        order::Event::Confirmed { .. } => Some(About::Confirmed(id)),
        order::Event::Canceled { .. } => Some(About::Canceled(id)),
        order::Event::Expired => Some(About::Expired(id)),
        order::Event::Fulfilled | order::Event::RefundRequired { .. } | order::Event::Refunded => None,
    }
}

impl TurnContext {
    /// Keeps what a turn makes due, which rests on the ticket of its record.
    pub(crate) fn note_mails(&self, partition: Partition, now: Timestamp, ticket: Ticket, turn: &Turn) {
        let has_address = |id| self.partition(partition).books.borrow().orders.has_address(id);
        due(turn, has_address, |about| {
            let key = Key::Unsent(about);
            self.partition(partition).changes.touch(key, |packer| packer.gone(key));
            self.directory.unsents().note(Unsent { about, at: now }, ticket);
        });
    }

    /// Journals that mails of a partition were sent. What is not due, or was said before, leaves no record.
    pub(crate) fn settle_mails(&self, partition: Partition, about: &[About]) -> Pending<()> {
        let unsents = self.directory.unsents();
        for about in about {
            if let Some(at) = unsents.since(*about) {
                let touch = |packer: &mut Packer| packer.unsent(*about, at);
                self.partition(partition).changes.touch(Key::Unsent(*about), touch);
            }
        }
        let sent = unsents.settle(about);
        for sent in sent.chunks(SENT_COUNT_MAX) {
            let position = self.next_position(partition);
            let turn = turn(sent.iter().copied().map(Fact::Sent).collect());
            self.push(position, self.clock.stamp(), &turn);
        }
        // Of the partition's newest record: somebody may have said the same, and it is not durable yet.
        Pending::new((), self.partition(partition).ticket.get(), self.queue.gate().clone())
    }
}

impl Handler<SettleMails> for Shard {
    type Result = ();

    fn handle(&mut self, settle: SettleMails, _: &mut Self::Context) {
        let SettleMails { partition, about, reply } = settle;
        // Whoever hung up does not want the answer.
        let _unwanted = reply.send(self.core().turns.settle_mails(partition, &about));
    }
}

/// Goes on from what recovery found, before there is any turn. A journal that says nothing of mails is told that they are
/// due from this epoch on, in its first record. `last` is the time of the newest record, then and now.
///
/// Returns the ticket on which all of this rests.
pub(crate) fn resume(
    recovered: &Recovered,
    unsents: &Unsents,
    queue: &Queue,
    epoch: Epoch,
    partitions: &mut [PartitionHead],
    last: &mut Timestamp,
    clock: &dyn Clock,
) -> Ticket {
    unsents.restore(&recovered.unsent, recovered.begun.unwrap_or(epoch));
    if recovered.begun.is_some() {
        return Ticket::ZERO;
    }
    *last = clock.now().max(*last);
    let head = &mut partitions[usize::from(MAILS_PARTITION.0)];
    let sequence = head.sequence.next();
    *head = PartitionHead { sequence, epoch, time_ms: last.0 };
    let header = RecordHeader { partition: MAILS_PARTITION, epoch, sequence, time_ms: last.0 };
    // A journal that takes nothing from the start takes nothing later either, and nobody is let in.
    queue
        .push(header, &record::encode(&turn(vec![Fact::Begun]), Vec::new()))
        .unwrap_or_else(|_| pending::never())
}

/// A record of mails names none before it: nobody walks them.
fn turn(facts: Vec<Fact>) -> Turn {
    let Context { request_id, actor, .. } = Context::system();
    Turn { request_id, actor, entity: Entity::Mails, previous: 0, key: None, events: Events::Mails(facts) }
}

impl Replay {
    /// Puts back from where on mails are due, as a checkpoint keeps it.
    pub(crate) const fn restore_begun(&mut self, begun: Epoch) {
        self.begun = Some(begun);
    }

    /// Puts back a mail that is due, as a checkpoint keeps it.
    pub(crate) fn restore(&mut self, about: About, at: Timestamp) {
        // Whatever begun says: it is due.
        self.unsent.insert(about, (Epoch(u32::MAX), at));
    }

    /// Takes what a record says. `has_address` is asked when the record is in the books.
    pub(crate) fn take(
        &mut self,
        epoch: Epoch,
        at: Timestamp,
        turn: &Turn,
        has_address: impl Fn(OrderId) -> bool,
    ) {
        if self.begun.is_some_and(|begun| epoch < begun) {
            return;
        }
        if let Events::Mails(facts) = &turn.events {
            return facts.iter().for_each(|fact| self.apply(fact, epoch));
        }
        due(turn, has_address, |about| {
            self.unsent.insert(about, (epoch, at));
        });
    }

    fn apply(&mut self, fact: &Fact, epoch: Epoch) {
        match fact {
            Fact::Begun => self.begun = self.begun.or(Some(epoch)),
            Fact::Sent(about) => {
                if self.unsent.remove(about).is_none() {
                    self.sent_elsewhere.push(*about);
                }
            }
        }
    }

    /// What all partitions together said; nothing is due where none says anything of mails.
    pub(crate) fn finish(partitions: impl Iterator<Item = Self>) -> Recovered {
        let (mut begun, mut unsent, mut sent) = (None, BTreeMap::new(), Vec::new());
        for partition in partitions {
            begun = begun.or(partition.begun);
            unsent.extend(partition.unsent);
            sent.extend(partition.sent_elsewhere);
        }
        let Some(begun) = begun else { return Recovered::default() };
        for about in sent {
            unsent.remove(&about);
        }
        unsent.retain(|_, (epoch, _)| *epoch >= begun);
        Recovered {
            begun: Some(begun),
            unsent: unsent.into_iter().map(|(about, (_, at))| (about, at)).collect(),
        }
    }
}
