//! Timing: how long the answers to each kind of request took.

use std::time::Duration;

use crate::report::{Latencies, Percentiles};

use super::journey::Step;

/// The kinds, in the order of a visit.
const KINDS: [&str; 7] = ["browse", "cart", "order", "pay", "follow-up", "reservation", "purchase"];

/// Latencies of each kind.
#[derive(Debug)]
pub(super) struct Timing([Latencies; KINDS.len()]);

impl Timing {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Latencies::new()))
    }

    pub(super) fn record(&mut self, step: Step, latency: Duration) {
        self.0[kind(step)].record(latency);
    }

    /// Each kind by name, with its percentiles.
    pub(super) fn percentiles(&self) -> Vec<(&'static str, Percentiles)> {
        KINDS.into_iter().zip(self.0.iter().map(Latencies::percentiles)).collect()
    }
}

fn kind(step: Step) -> usize {
    match step {
        Step::List | Step::View | Step::Dawdle | Step::Lapse => 0,
        Step::Add(_) | Step::Change(_) | Step::Remove | Step::Look => 1,
        Step::OrderCart(_) | Step::OrderLines(..) => 2,
        Step::Pay(_) => 3,
        Step::Cancel | Step::Check | Step::Settle | Step::Refund | Step::Fulfill => 4,
        Step::Reserve(..) | Step::Extend(_) | Step::Confirm | Step::Release => 5,
        Step::Purchase(_) => 6,
    }
}
