//! Which orders are whose: an index that costs a purchase next to nothing.
//!
//! New entries wait in a short unsorted tail; full, it is sorted and becomes a run, and runs of equal length are merged
//! as long as that is quick. A tree would do it too, but each new buyer of a flash sale lands somewhere else in it,
//! and in a large tree that is a miss of every cache.

use crate::{Buyer, OrderId};

/// How many entries wait unsorted.
const TAIL_COUNT_MAX: usize = 1024;

/// Longer runs are not merged: a merge must pause nobody.
const MERGED_COUNT_MAX: usize = 32 * TAIL_COUNT_MAX;

/// The orders of every owner. Entries are never taken out.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnerIndex {
    /// Each sorted.
    runs: Vec<Vec<(Buyer, OrderId)>>,
    tail: Vec<(Buyer, OrderId)>,
}

impl OwnerIndex {
    pub(super) fn insert(&mut self, owner: Buyer, order: OrderId) {
        self.tail.push((owner, order));
        if self.tail.len() < TAIL_COUNT_MAX {
            return;
        }
        let mut run = std::mem::take(&mut self.tail);
        run.sort_unstable();
        while self.runs.last().is_some_and(|last| last.len() == run.len() && run.len() <= MERGED_COUNT_MAX) {
            run = merged(&self.runs.pop().expect("there is a last one"), &run);
        }
        self.runs.push(run);
    }

    /// Up to `count_max` orders of `owner` before `before` that are `wanted`, newest first.
    pub(super) fn before(
        &self,
        owner: Buyer,
        before: OrderId,
        count_max: usize,
        wanted: impl Fn(OrderId) -> bool,
    ) -> Vec<OrderId> {
        let mut found = Vec::new();
        for run in &self.runs {
            let from = run.partition_point(|entry| *entry < (owner, OrderId(0)));
            let to = run.partition_point(|entry| *entry < (owner, before));
            let own = run[from..to].iter().rev().map(|(_, order)| *order);
            found.extend(own.filter(|order| wanted(*order)).take(count_max));
        }
        let own = self.tail.iter().filter(|(of, order)| *of == owner && *order < before);
        found.extend(own.map(|(_, order)| *order).filter(|order| wanted(*order)));
        super::book::newest(found, count_max)
    }

    fn sorted(&self) -> Vec<(Buyer, OrderId)> {
        let mut all: Vec<_> = self.runs.iter().flatten().chain(&self.tail).copied().collect();
        all.sort_unstable();
        all
    }
}

/// What is in it counts, not how it came in.
impl PartialEq for OwnerIndex {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for OwnerIndex {}

fn merged(first: &[(Buyer, OrderId)], second: &[(Buyer, OrderId)]) -> Vec<(Buyer, OrderId)> {
    let mut all = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    while let (Some(one), Some(other)) = (first.peek(), second.peek()) {
        let next = if one <= other { first.next() } else { second.next() };
        all.extend(next);
    }
    all.extend(first);
    all.extend(second);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn index_answers_as_a_sorted_set_does() {
        let mut index = OwnerIndex::default();
        let mut model = BTreeSet::new();
        let mut state = 1_u64;
        for number in 0..20_000_u64 {
            // A generator that everybody can repeat: the seed is the 1 above.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (owner, order) = (Buyer(u128::from(state >> 60)), OrderId(u128::from(state >> 20)));
            if model.insert((owner, order)) {
                index.insert(owner, order);
            }
            if number % 997 == 0 {
                let before = OrderId(u128::from(state >> 21));
                let is_wanted = |order: OrderId| !order.0.is_multiple_of(3);
                let own = model.range((owner, OrderId(0))..(owner, before)).rev().map(|(_, order)| *order);
                let expected: Vec<_> = own.filter(|order| is_wanted(*order)).take(7).collect();
                assert_eq!(index.before(owner, before, 7, is_wanted), expected);
            }
        }
        assert_eq!(index.sorted(), model.into_iter().collect::<Vec<_>>());
        assert!(index.runs.len() <= 6, "equal runs are merged: {}", index.runs.len());
    }

    #[test]
    fn order_of_entry_does_not_matter() {
        let entries = (0..3_000_u32).map(|number| (Buyer(u128::from(number % 7)), OrderId(number.into())));
        let (mut forth, mut back) = (OwnerIndex::default(), OwnerIndex::default());
        entries.clone().for_each(|(owner, order)| forth.insert(owner, order));
        entries.rev().for_each(|(owner, order)| back.insert(owner, order));
        assert_eq!(forth, back);
        back.insert(Buyer(1), OrderId(9_999));
        assert_ne!(forth, back);
    }
}
