//! The mails of the whole process that are not known to be sent: filled by turns of all shards, handed out to whoever
//! sends them.
//!
//! One mutex, held for one look-up or for a page of them, never across an await. Of a million each takes 103 bytes, and
//! 32 more until it is handed out.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, OnceLock};

use holdfast_domain::Timestamp;
use holdfast_persistence::{Epoch, Ticket};
use tokio::sync::Notify;

use super::{About, Unsent};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Unsents {
    /// From where on mails are due.
    begun: OnceLock<Epoch>,
    shelf: Mutex<Shelf>,
    /// Somebody may wait for the first of the fresh ones.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Shelf {
    waiting: BTreeMap<About, Waiting>,
    /// Not handed out yet, about in the order of their tickets. Some may be settled all the same: the queue knew them
    /// from before the start.
    fresh: VecDeque<About>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    at: Timestamp,
    /// Of its fact. Nobody may be written to before that is durable.
    ticket: Ticket,
    /// By this process.
    is_handed_out: bool,
}

/// What is next to be handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Nothing; wait for [`Unsents::arrived`].
    Nothing,
    /// Something, when this is durable.
    After(Ticket),
}

impl Unsents {
    /// Takes what recovery found; the oldest are handed out first.
    pub(crate) fn restore(&self, found: &BTreeMap<About, Timestamp>, begun: Epoch) {
        self.begun.get_or_init(|| begun);
        let mut found: Vec<(Timestamp, About)> = found.iter().map(|(about, at)| (*at, *about)).collect();
        found.sort_unstable();
        for (at, about) in found {
            self.note(Unsent { about, at }, Ticket::ZERO);
        }
    }

    /// Keeps a mail that is due.
    pub(crate) fn note(&self, Unsent { about, at }: Unsent, ticket: Ticket) {
        let mut shelf = self.shelf();
        let before = shelf.waiting.insert(about, Waiting { at, ticket, is_handed_out: false });
        debug_assert!(before.is_none(), "what a mail is about happens once: {about:?}");
        shelf.fresh.push_back(about);
        drop(shelf);
        self.arrived.notify_one();
    }

    /// Takes out those that are kept, each once.
    pub(crate) fn settle(&self, about: &[About]) -> Vec<About> {
        let mut shelf = self.shelf();
        about.iter().copied().filter(|about| shelf.waiting.remove(about).is_some()).collect()
    }

    /// What the next to be handed out waits for.
    pub(crate) fn next(&self) -> Next {
        let mut shelf = self.shelf();
        while let Some(about) = shelf.fresh.front().copied() {
            if let Some(waiting) = shelf.waiting.get(&about).filter(|waiting| !waiting.is_handed_out) {
                return Next::After(waiting.ticket);
            }
            shelf.fresh.pop_front();
        }
        Next::Nothing
    }

    /// Waits until something was kept since the last wait.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Hands out up to `count_max` that are durable, each once.
    pub(crate) fn hand_out(&self, count_max: usize, durable: Ticket) -> Vec<Unsent> {
        let mut shelf = self.shelf();
        let Shelf { waiting, fresh } = &mut *shelf;
        let mut found = Vec::new();
        while found.len() < count_max {
            let Some(about) = fresh.front().copied() else { break };
            match waiting.get_mut(&about) {
                Some(waiting) if waiting.ticket > durable => break,
                Some(waiting) if !waiting.is_handed_out => {
                    waiting.is_handed_out = true;
                    found.push(Unsent { about, at: waiting.at });
                }
                _ => {}
            }
            fresh.pop_front();
        }
        found
    }

    /// Hands out up to `count_max` durable ones after `after`, those too that were handed out before.
    pub(crate) fn hand_out_again(
        &self,
        after: Option<About>,
        count_max: usize,
        durable: Ticket,
    ) -> Vec<Unsent> {
        let mut shelf = self.shelf();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = shelf.waiting.range_mut((from, Bound::Unbounded));
        let durable = all.filter(|(_, waiting)| waiting.ticket <= durable).take(count_max);
        let hand_out = |(about, waiting): (&About, &mut Waiting)| {
            waiting.is_handed_out = true;
            Unsent { about: *about, at: waiting.at }
        };
        durable.map(hand_out).collect()
    }

    /// Up to `count_max` durable ones after `after`, handed out or not.
    pub(crate) fn page(&self, after: Option<About>, count_max: usize, durable: Ticket) -> Vec<Unsent> {
        let shelf = self.shelf();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = shelf.waiting.range((from, Bound::Unbounded));
        let durable = all.filter(|(_, waiting)| waiting.ticket <= durable);
        durable.take(count_max).map(|(about, waiting)| Unsent { about: *about, at: waiting.at }).collect()
    }

    /// Since when one is due.
    pub(crate) fn since(&self, about: About) -> Option<Timestamp> {
        self.shelf().waiting.get(&about).map(|waiting| waiting.at)
    }

    /// From where on mails are due.
    pub(crate) fn begun(&self) -> Option<Epoch> {
        self.begun.get().copied()
    }

    /// Whether one is kept.
    pub(crate) fn contains(&self, about: About) -> bool {
        self.shelf().waiting.contains_key(&about)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.shelf().waiting.len()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("a panic aborts the process")
    }
}
