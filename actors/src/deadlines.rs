//! The one timer of a supervisor: it sleeps until the earliest deadline of all that it owns.
//!
//! Nothing is armed or cancelled on its own. An entry follows its owner's `next_deadline` after each step; a wake
//! that comes too early finds nothing due and costs a comparison.

use std::cell::RefCell;
use std::collections::BTreeSet;

use holdfast_domain::Timestamp;
use tokio::sync::Notify;

/// When whom to wake.
#[derive(Debug)]
pub(crate) struct Deadlines<K> {
    entries: RefCell<BTreeSet<(Timestamp, K)>>,
    changed: Notify,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { entries: RefCell::default(), changed: Notify::new() }
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    /// Moves an entry.
    pub(crate) fn set(&self, key: K, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        let earliest = entries.first().map(|(at, _)| *at);
        if let Some(before) = before {
            entries.remove(&(before, key));
        }
        if let Some(after) = after {
            entries.insert((after, key));
            if earliest.is_none_or(|earliest| after < earliest) {
                self.changed.notify_one();
            }
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.entries.borrow().first().map(|(at, _)| *at)
    }

    /// Takes out what is due first, if anything is.
    pub(crate) fn pop_due(&self, now: Timestamp) -> Option<K> {
        let mut entries = self.entries.borrow_mut();
        let is_due = entries.first().is_some_and(|(at, _)| *at <= now);
        if is_due { entries.pop_first().map(|(_, key)| key) } else { None }
    }

    /// Resolves when an earlier deadline than all others was set.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
