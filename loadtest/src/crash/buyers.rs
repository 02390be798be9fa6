//! Buyers of a crash run: the rush before the kill, and the second questions after the restart.
//!
//! Scripts for the engine; what an answer means is the market's to say.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::time::Instant;

use crate::engine::{AfterLoss, Answer, Loss, Script};
use crate::findings::Invariant;
use crate::numbers::Chance;
use crate::wire::Request;

use super::market::Market;

/// Stops a server that survives its kill from filling our memory.
const ROUND_ATTEMPTS_MAX: usize = 200_000;
const QUANTITY_MAX: u64 = 3;
const KEYED_PERCENT: u64 = 50;
/// Half of all want what is scarce in this round; a few ask for what was scarce before.
const SCARCE_PERCENT: u64 = 50;
const ANY_PERCENT: u64 = 10;
/// After a restart so many 429 and 503 in all are put up with.
const SHED_MAX: u32 = 10_000;
const LOST_MAX: u32 = 500;

/// Buys at random until the connections break.
#[derive(Debug)]
pub(crate) struct Rush<'a> {
    market: &'a mut Market,
    chance: &'a mut Chance,
    answers_until_kill: u64,
    kill: Sender<()>,
}

impl<'a> Rush<'a> {
    /// Sends on `kill` when `answers_until_kill` answers have come.
    pub(crate) fn new(
        market: &'a mut Market,
        chance: &'a mut Chance,
        answers_until_kill: u64,
        kill: Sender<()>,
    ) -> Self {
        Self { market, chance, answers_until_kill, kill }
    }

    fn choose_product(&mut self) -> usize {
        let last = self.market.products.len().saturating_sub(1);
        if self.chance.happens(SCARCE_PERCENT) {
            last
        } else if self.chance.happens(ANY_PERCENT) {
            self.chance.index(last + 1)
        } else {
            self.chance.index(super::PLENTIFUL_PRODUCTS.min(last + 1))
        }
    }
}

impl Script for Rush<'_> {
    fn next(&mut self, request: &mut Request, now: Instant) -> Option<u64> {
        if self.market.round_attempts() >= ROUND_ATTEMPTS_MAX {
            return None;
        }
        let product = self.choose_product();
        let quantity = u32::try_from(self.chance.between(1, QUANTITY_MAX + 1)).expect("at most three");
        let ticket = self.market.attempt(product, quantity, self.chance.happens(KEYED_PERCENT), now);
        self.market.write(ticket, request);
        Some(ticket)
    }

    fn answered(&mut self, ticket: u64, answer: &Answer<'_>) {
        if !self.market.hear(ticket, answer, false) {
            self.market.drop_shed(ticket);
        }
        self.answers_until_kill = self.answers_until_kill.saturating_sub(1);
        if self.answers_until_kill == 0 {
            // Sent again with each later answer; the killer listens to the first and is gone after the last.
            let _ = self.kill.send(());
        }
    }

    fn lost(&mut self, _ticket: u64, _why: Loss) -> AfterLoss {
        // Stays open: after the restart the market decides who may ask again.
        AfterLoss::GiveUp
    }
}

/// Asks again with the same keys, each ticket as often as it is queued.
#[derive(Debug)]
pub(crate) struct Retry<'a> {
    market: &'a mut Market,
    queue: VecDeque<u64>,
    shed_left: u32,
    lost_left: u32,
}

impl<'a> Retry<'a> {
    pub(crate) fn new(market: &'a mut Market, queue: Vec<u64>) -> Self {
        Self { market, queue: queue.into(), shed_left: SHED_MAX, lost_left: LOST_MAX }
    }

    /// Whoever has no answer by now will not get one.
    pub(crate) fn finish(self) {
        for ticket in self.queue {
            if !self.market.is_answered(ticket) {
                let detail = format_args!("key {ticket} got no answer after the restart");
                self.market.findings.add(Invariant::OneKeyOneOutcome, detail);
                self.market.give_up(ticket);
            }
        }
    }
}

impl Script for Retry<'_> {
    fn next(&mut self, request: &mut Request, _now: Instant) -> Option<u64> {
        if self.shed_left == 0 || self.lost_left == 0 {
            return None;
        }
        let ticket = self.queue.pop_front()?;
        self.market.write(ticket, request);
        Some(mark(ticket, self.market.is_answered(ticket)))
    }

    fn answered(&mut self, marked: u64, answer: &Answer<'_>) {
        let (ticket, is_repeat) = unmark(marked);
        if !self.market.hear(ticket, answer, is_repeat) {
            self.shed_left = self.shed_left.saturating_sub(1);
            self.queue.push_back(ticket);
        }
    }

    fn lost(&mut self, marked: u64, _why: Loss) -> AfterLoss {
        let (ticket, _) = unmark(marked);
        self.lost_left = self.lost_left.saturating_sub(1);
        self.queue.push_back(ticket);
        AfterLoss::Reconnect
    }
}

/// A ticket that remembers whether an answer was known when it was sent.
fn mark(ticket: u64, is_repeat: bool) -> u64 {
    ticket * 2 + u64::from(is_repeat)
}

fn unmark(marked: u64) -> (u64, bool) {
    (marked / 2, marked % 2 == 1)
}
