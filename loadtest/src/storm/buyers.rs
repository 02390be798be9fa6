//! Buyers: those who buy something else during the storm, each on one connection, at a fixed pace.
//!
//! A purchase is due whether or not the last one was answered, and its latency counts from then: a server that pauses
//! cannot hide behind buyers who wait politely.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::auditor::{self, Outcome};
use crate::caller::Caller;
use crate::numbers;
use crate::report::{Latencies, Percentiles};
use crate::sale::Target;
use crate::shop::Product;
use crate::wire::{Request, Style};

/// Each buyer buys so often: together they leave a machine of two cores idle for the most part, so that a pause is the
/// server's and not the crowd's.
const INTERVAL: Duration = Duration::from_millis(2);
/// Buyers number their sessions from ranges of their own.
const SESSIONS_EACH: u64 = 10_000_000;
const WRONG_MAX: usize = 5;

/// What one buyer bought.
#[derive(Debug, Default)]
pub(super) struct Bought {
    pub(super) units: u64,
    /// Purchases without an answer.
    pub(super) lost: u64,
    /// Answers that no purchase should get, a few of them.
    pub(super) wrong: Vec<String>,
    purchases: Vec<Purchase>,
}

#[derive(Debug, Clone, Copy)]
struct Purchase {
    due_at: Instant,
    answered_at: Instant,
}

/// What buyers saw within some time.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) latency: Percentiles,
    /// Between two answers on any one connection.
    pub(crate) longest_gap_ms: f64,
}

/// Buys one unit after the other until `is_over`.
pub(super) fn buy(
    number: usize,
    target: &Target,
    style: &Style,
    products: &[Product],
    is_over: &AtomicBool,
) -> Bought {
    let mut caller = Caller::new(target.address, target.host.clone());
    let mut request = Request::purchase(style, &products[0].id, false);
    let mut bought = Bought::default();
    let first_session = numbers::count(number + 1) * SESSIONS_EACH;
    // Each begins a little later than the one before: they do not all come at once.
    let mut due_at = Instant::now() + INTERVAL.mul_f64(numbers::float(numbers::count(number) % 16) / 16.0);
    while !is_over.load(Ordering::Acquire) {
        thread::sleep(due_at.saturating_duration_since(Instant::now()));
        let turn = bought.purchases.len();
        request.set_session(first_session + numbers::count(turn));
        request.set_product(&products[(turn + number) % products.len()].id);
        match caller.send(request.bytes()) {
            Ok(reply) => bought.hear(reply.status, &reply.body),
            Err(_) => bought.lost += 1,
        }
        bought.purchases.push(Purchase { due_at, answered_at: Instant::now() });
        due_at += INTERVAL;
    }
    bought
}

impl Bought {
    fn hear(&mut self, status: u16, body: &[u8]) {
        match auditor::read_answer(1, status, body) {
            Outcome::Sold { .. } => self.units += 1,
            Outcome::Shed => {}
            other if self.wrong.len() < WRONG_MAX => self.wrong.push(format!("a quiet purchase: {other:?}")),
            _ => {}
        }
    }
}

/// The purchases that were answered within `[from, to)`. A pause belongs to the time in which it ended: one that the
/// storm began may have begun with a purchase just before it.
pub(super) fn phase(bought: &[Bought], from: Instant, to: Instant) -> Phase {
    let mut latencies = Latencies::new();
    let mut longest_gap = Duration::ZERO;
    for one in bought {
        let mut last: Option<Instant> = None;
        for Purchase { due_at, answered_at } in &one.purchases {
            if (from..to).contains(answered_at) {
                latencies.record(*answered_at - *due_at);
                longest_gap = longest_gap.max(last.map_or(Duration::ZERO, |last| *answered_at - last));
            }
            last = Some(*answered_at);
        }
    }
    Phase { latency: latencies.percentiles(), longest_gap_ms: longest_gap.as_secs_f64() * 1e3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_counts_in_its_own_time_and_delays_all_that_was_due_meanwhile() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let purchase = |due: u64, answered: u64| Purchase { due_at: at(due), answered_at: at(answered) };
        let purchases =
            vec![purchase(0, 1), purchase(2, 3), purchase(4, 24), purchase(6, 25), purchase(8, 26)];
        let bought = [Bought { purchases, ..Bought::default() }];
        let before = phase(&bought, at(0), at(4));
        assert_eq!(before.latency.answers, 2);
        assert!((before.longest_gap_ms - 2.0).abs() < 0.01, "{before:?}");
        let during = phase(&bought, at(4), at(100));
        assert_eq!(during.latency.answers, 3);
        assert!((during.longest_gap_ms - 21.0).abs() < 0.01, "{during:?}");
        assert!((during.latency.p50_us - 19_000.0).abs() < 50.0, "{during:?}");
    }
}
