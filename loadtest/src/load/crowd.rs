//! Crowd: the buyers of one generator thread, and what they count. The hot loop's [`Script`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::gauge::Gauge;
use super::hand::{self, Hand};
use super::outcomes::{LOST, Outcomes, UNANSWERED};
use super::workload::Workload;
use super::{Tally, Window};
use crate::engine::{AfterLoss, Answer, Loss, Script};
use crate::numbers;
use crate::report::Latencies;
use crate::wire::Request;

/// Buyers without end.
#[derive(Debug)]
pub(super) struct Crowd<'a> {
    hand: Hand<'a>,
    window: &'a Window,
    gauge: &'a Gauge,
    outcomes: Outcomes<'a>,
    counts: Counts,
}

/// What one thread counted in the measured time, or all of them together.
#[derive(Debug)]
pub(super) struct Counts {
    /// The latencies of all slices together are those of the run: each is recorded once. The last slice has what came
    /// after the end.
    pub(super) slices: Vec<SliceCounts>,
    /// Only on a schedule.
    pub(super) service: Option<Latencies>,
    pub(super) lateness: Option<Latencies>,
    pub(super) operations: u64,
    pub(super) body_bytes: u64,
    pub(super) unexpected: u64,
    pub(super) last_answer: Option<Instant>,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) tally: Tally,
}

#[derive(Debug)]
pub(super) struct SliceCounts {
    pub(super) wanted: u64,
    pub(super) latencies: Latencies,
}

impl<'a> Crowd<'a> {
    pub(super) fn new(
        workload: &'a Workload,
        window: &'a Window,
        gauge: &'a Gauge,
        seed: u64,
        first_buyer: u64,
    ) -> Self {
        Self {
            hand: Hand::new(workload, seed, first_buyer),
            window,
            gauge,
            outcomes: Outcomes::new(&workload.judgement),
            counts: Counts::new(window),
        }
    }

    /// What was counted; `unsent` requests never found a free connection.
    pub(super) fn finish(mut self, unsent: u64) -> Counts {
        if unsent > 0 {
            self.outcomes.count_named(UNANSWERED, unsent);
            self.counts.unexpected += unsent;
        }
        self.outcomes.pour_into(&mut self.counts.outcomes);
        self.counts.tally = self.hand.into_tally();
        self.counts
    }
}

impl Script for Crowd<'_> {
    fn next(&mut self, request: &mut Request, now: Instant) -> Option<u64> {
        // A schedule ends by itself.
        if !self.window.is_open && now >= self.window.until {
            return None;
        }
        Some(self.hand.draw(request))
    }

    fn answered(&mut self, ticket: u64, answer: &Answer<'_>) {
        let latency = answer.answered_at - answer.due_at;
        let deed = hand::deed_of(ticket);
        let (kind, verdict) = self.outcomes.recognise(deed, answer.status, answer.body);
        let operations = self.hand.learn(ticket, answer.status, verdict.is_short, answer.body);
        self.gauge.answered(latency, (200..300).contains(&answer.status), verdict.is_expected);
        if !self.window.counts(answer) {
            return;
        }
        self.outcomes.count(kind);
        let counts = &mut self.counts;
        let slice = &mut counts.slices[self.window.slice_of(answer.answered_at)];
        slice.wanted += u64::from(verdict.is_wanted);
        slice.latencies.record(latency);
        if let Some(service) = &mut counts.service {
            service.record(answer.answered_at - answer.sent_at);
        }
        counts.operations += operations;
        counts.body_bytes += numbers::count(answer.body.len());
        counts.unexpected += u64::from(!verdict.is_expected);
        counts.last_answer = Some(answer.answered_at);
    }

    /// Counted whenever it happens, also in the warm-up: a lost request is never a matter of course.
    fn lost(&mut self, ticket: u64, why: Loss) -> AfterLoss {
        self.hand.learn_lost(ticket);
        self.gauge.failed();
        self.outcomes.count_named(if why == Loss::Deadline { UNANSWERED } else { LOST }, 1);
        self.counts.unexpected += 1;
        AfterLoss::Reconnect
    }

    fn sent(&mut self, due_at: Instant, late: Duration) {
        if due_at >= self.window.from
            && let Some(lateness) = &mut self.counts.lateness
        {
            lateness.record(late);
        }
    }
}

impl Counts {
    pub(super) fn new(window: &Window) -> Self {
        let slice = |_| SliceCounts { wanted: 0, latencies: Latencies::new() };
        Self {
            slices: (0..=window.slices).map(slice).collect(),
            service: window.is_open.then(Latencies::new),
            lateness: window.is_open.then(Latencies::new),
            operations: 0,
            body_bytes: 0,
            unexpected: 0,
            last_answer: None,
            outcomes: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// Takes over what another thread counted.
    pub(super) fn absorb(&mut self, other: Self) {
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.wanted += theirs.wanted;
            mine.latencies.absorb(&theirs.latencies);
        }
        for (mine, theirs) in [(&mut self.service, &other.service), (&mut self.lateness, &other.lateness)] {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                mine.absorb(theirs);
            }
        }
        self.operations += other.operations;
        self.body_bytes += other.body_bytes;
        self.unexpected += other.unexpected;
        self.last_answer = self.last_answer.max(other.last_answer);
        for (name, times) in other.outcomes {
            *self.outcomes.entry(name).or_default() += times;
        }
        self.tally.absorb(other.tally);
    }
}
