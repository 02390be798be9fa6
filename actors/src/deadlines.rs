//! The one timer of a shard: it sleeps until the earliest deadline of all its products.
//!
//! Nothing is armed or cancelled for a single reservation. A product's entry follows its `next_deadline` after
//! each turn; a wake that comes too early finds nothing due and costs a comparison.

use std::cell::RefCell;
use std::collections::BTreeSet;

use holdfast_domain::{ProductId, Timestamp};
use tokio::sync::Notify;

/// When which product wants to be woken.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    entries: RefCell<BTreeSet<(Timestamp, ProductId)>>,
    changed: Notify,
}

impl Deadlines {
    /// Moves a product's entry.
    pub(crate) fn set(&self, product: ProductId, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        let earliest = entries.first().map(|(at, _)| *at);
        if let Some(before) = before {
            entries.remove(&(before, product));
        }
        if let Some(after) = after {
            entries.insert((after, product));
            if earliest.is_none_or(|earliest| after < earliest) {
                self.changed.notify_one();
            }
        }
    }

    /// The earliest deadline of all.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.entries.borrow().first().map(|(at, _)| *at)
    }

    /// Takes out the product that is due first, if one is due.
    pub(crate) fn pop_due(&self, now: Timestamp) -> Option<ProductId> {
        let mut entries = self.entries.borrow_mut();
        let (at, product) = entries.first().copied()?;
        if at > now {
            return None;
        }
        entries.remove(&(at, product));
        Some(product)
    }

    /// Resolves when an earlier deadline than all others was set.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
