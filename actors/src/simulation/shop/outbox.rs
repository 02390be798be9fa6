//! Mails of a simulated shop: somebody is handed what is due and says what was sent, at any moment and not always to
//! its end. What is due is found here once more, from the orders as they are, so that a mistake of the turns shows.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context as TaskContext, Poll, Waker};

use holdfast_domain::OrderId;
use holdfast_domain::order::{Event, Order};
use holdfast_persistence::Partition;

use crate::mails::About;
use crate::pending::Pending;

use super::super::Rng;
use super::process::Process;

/// Who sends mails, and what they know.
#[derive(Default)]
pub(super) struct Outbox {
    /// Said to be sent: a crash may have taken it back.
    said: BTreeSet<About>,
    /// Told that this is on disk, for ever.
    settled: BTreeSet<About>,
    sealed: Vec<Pending<Vec<About>>>,
    /// By this process.
    handed: BTreeSet<About>,
}

impl Outbox {
    /// Is handed what is durable, and says of some of all that is due that it was sent; of others once more.
    pub(super) fn send(&mut self, rng: &mut Rng, process: &Process) {
        self.open();
        let gate = process.door.queue.gate();
        let unsents = process.door.directory().unsents();
        let count = usize::try_from(1 + rng.below(4)).expect("it is small");
        for unsent in unsents.hand_out(count, gate.durable()) {
            assert!(self.handed.insert(unsent.about), "{:?} is handed out twice", unsent.about);
        }
        let due = unsents.page(None, usize::MAX, gate.durable()).into_iter().map(|unsent| unsent.about);
        let known = self.settled.iter().copied();
        let sent: BTreeSet<About> = due.chain(known).filter(|_| rng.percent(40)).collect();
        let mut partitions: BTreeMap<Partition, Vec<About>> = BTreeMap::new();
        for about in &sent {
            partitions.entry(about.partition(&process.door.slots)).or_default().push(*about);
        }
        for (partition, about) in partitions {
            let shard = &process.door.shards[process.door.slots.shard(partition)];
            let sealed = shard.turns.settle_mails(partition, &about);
            self.sealed.push(sealed.map(|()| about));
        }
        self.said.extend(sent);
        self.open();
    }

    /// What is durable is said to be.
    fn open(&mut self) {
        let (open, sealed) = self.sealed.drain(..).partition(Pending::is_decided);
        self.sealed = sealed;
        let mut task = TaskContext::from_waker(Waker::noop());
        let open: Vec<Pending<Vec<About>>> = open;
        for pending in open {
            match std::pin::pin!(pending.open()).poll(&mut task) {
                Poll::Ready(Ok(about)) => self.settled.extend(about),
                other => panic!("it is durable: {other:?}"),
            }
        }
    }

    /// What was not said to be durable by now never is.
    pub(super) fn crash(&mut self) {
        self.open();
        self.sealed.clear();
        self.handed.clear();
    }

    /// After a start everything is handed out once more, and nothing that was settled.
    pub(super) fn check_start(&mut self, process: &Process) {
        self.check(process);
        let unsents = process.door.directory().unsents();
        // What was taken back by the crash is not sent for all we know.
        let unsent: BTreeSet<About> = about(process);
        self.said.retain(|about| !unsent.contains(about));
        assert_eq!(unsents.len(), unsent.len(), "all that recovery found is durable");
    }

    /// What is due and not settled is kept, each order and kind once; what is settled is not.
    pub(super) fn check(&self, process: &Process) {
        let unsent = about(process);
        let due = due(process);
        assert!(unsent.is_subset(&due), "mails about nothing: {:?}", unsent.difference(&due));
        assert!(unsent.is_disjoint(&self.settled), "sent twice: {:?}", unsent.intersection(&self.settled));
        let missing = due.difference(&unsent).find(|about| !self.said.contains(about));
        assert_eq!(missing, None, "nobody is told of it");
    }
}

/// What is kept as unsent, durable or not.
fn about(process: &Process) -> BTreeSet<About> {
    let unsents = process.door.directory().unsents();
    let all = unsents.page(None, usize::MAX, process.door.queue.last_ticket());
    all.into_iter().map(|unsent| unsent.about).collect()
}

/// What orders make due, from their histories.
fn due(process: &Process) -> BTreeSet<About> {
    let mut found = BTreeSet::new();
    for books in process.door.books() {
        for id in books.orders.ids_before(None, None, OrderId(u128::MAX), usize::MAX) {
            let order: Order = books.orders.get(id).expect("it was just listed");
            if order.placed.email.is_none() && order.placed.owner.account().is_none() {
                continue;
            }
            if order.standing.confirmed_at.is_some() {
                found.insert(About::Confirmed(id));
            }
            if order.standing.canceled_at.is_some() {
                found.insert(About::Canceled(id));
            }
            if order.history.iter().any(|(_, event)| *event == Event::Expired) {
                found.insert(About::Expired(id));
            }
        }
    }
    found
}
