//! The breaker: whether Redis is asked at all, and when it is tried again.
//!
//! Owns a count, a state and two times. Reads no clock, draws no chance, knows no Redis: [`super::Link`] tells it
//! what happened and does what it says.

use std::time::{Duration, Instant};

/// So many calls in a row without an answer in time, and Redis is not asked any more. One alone may be a pause of
/// this process itself.
pub(super) const FAILURES_IN_ROW_MAX: u32 = 3;

/// A breaker that was closed for less than this goes on where its back-off was: what comes back only to fail
/// again is not tried ten times a second.
pub(super) const CALM_MIN: Duration = Duration::from_secs(10);

/// How long to wait before Redis is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackOff {
    /// After the first failure.
    pub(super) first: Duration,
    /// Each wait is twice the one before, up to this.
    pub(super) max: Duration,
}

/// How much a failure says about the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing: it was about one key.
    None,
    /// It may have been a moment's.
    Slow,
    /// The next call would fail as well.
    Broken,
}

/// Chance, as a number: 0 shortens a wait to its half, 255 leaves it nearly whole. Many processes that lost one Redis
/// must not come back to it in step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jitter(pub(super) u8);

impl Jitter {
    fn of(self, wait: Duration) -> Duration {
        wait / 2 + wait / 2 * u32::from(self.0) / 256
    }
}

/// Open: nobody asks. Closed: everybody may.
#[derive(Debug)]
pub(super) struct Breaker {
    back_off: BackOff,
    state: State,
    wait_next: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open { probe_at: Instant },
    Closed { since: Instant, failures_in_row: u32 },
}

impl Breaker {
    /// An open one, to be tried at once: nobody knows yet.
    pub(super) fn new(back_off: BackOff, at: Instant) -> Self {
        Self { back_off, state: State::Open { probe_at: at }, wait_next: back_off.first }
    }

    /// True when calls may be made.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// When to try again; none while it is closed.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Open { probe_at } => Some(probe_at),
            State::Closed { .. } => None,
        }
    }

    /// A call was answered.
    pub(super) fn succeeded(&mut self) {
        if let State::Closed { failures_in_row, .. } = &mut self.state {
            *failures_in_row = 0;
        }
    }

    /// A call failed; true when that opened it.
    pub(super) fn failed(&mut self, weight: Weight, at: Instant, jitter: Jitter) -> bool {
        let State::Closed { since, failures_in_row } = &mut self.state else { return false };
        match weight {
            Weight::None => return false,
            Weight::Slow => *failures_in_row += 1,
            Weight::Broken => *failures_in_row = FAILURES_IN_ROW_MAX,
        }
        if *failures_in_row < FAILURES_IN_ROW_MAX {
            return false;
        }
        if at.saturating_duration_since(*since) >= CALM_MIN {
            self.wait_next = self.back_off.first;
        }
        self.open(at, jitter);
        true
    }

    /// Trying again failed.
    pub(super) fn probe_failed(&mut self, at: Instant, jitter: Jitter) {
        assert!(!self.is_closed(), "only an open breaker is tried");
        self.open(at, jitter);
    }

    /// Trying again worked.
    pub(super) fn close(&mut self, at: Instant) {
        self.state = State::Closed { since: at, failures_in_row: 0 };
    }

    fn open(&mut self, at: Instant, jitter: Jitter) {
        self.state = State::Open { probe_at: at + jitter.of(self.wait_next) };
        self.wait_next = (self.wait_next * 2).min(self.back_off.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK_OFF: BackOff =
        BackOff { first: Duration::from_millis(100), max: Duration::from_millis(1_000) };
    const HALF: Jitter = Jitter(0);

    fn closed(at: Instant) -> Breaker {
        let mut breaker = Breaker::new(BACK_OFF, at);
        assert_eq!(breaker.probe_at(), Some(at), "a new one is tried at once");
        breaker.close(at);
        breaker
    }

    /// How long after `at` it is tried.
    fn wait_ms(breaker: &Breaker, at: Instant) -> u128 {
        breaker.probe_at().expect("it is open").duration_since(at).as_millis()
    }

    #[test]
    fn slow_calls_in_a_row_open_it() {
        let at = Instant::now();
        let mut breaker = closed(at);
        for _ in 1..FAILURES_IN_ROW_MAX {
            assert!(!breaker.failed(Weight::Slow, at, HALF));
        }
        breaker.succeeded();
        for _ in 1..FAILURES_IN_ROW_MAX {
            assert!(!breaker.failed(Weight::Slow, at, HALF), "an answer in between begins a new row");
        }
        assert!(breaker.is_closed());
        assert!(breaker.failed(Weight::Slow, at, HALF));
        assert!(!breaker.is_closed());
        assert!(!breaker.failed(Weight::Broken, at, HALF), "it opens once");
    }

    #[test]
    fn broken_one_opens_it_at_once_and_a_matter_of_one_key_never() {
        let at = Instant::now();
        let mut breaker = closed(at);
        for _ in 0..100 {
            assert!(!breaker.failed(Weight::None, at, HALF));
        }
        assert!(breaker.failed(Weight::Broken, at, HALF));
    }

    #[test]
    fn waits_grow_up_to_their_bound() {
        let at = Instant::now();
        let mut breaker = closed(at);
        assert!(breaker.failed(Weight::Broken, at, HALF));
        let mut waits = vec![wait_ms(&breaker, at)];
        for _ in 0..5 {
            breaker.probe_failed(at, HALF);
            waits.push(wait_ms(&breaker, at));
        }
        assert_eq!(waits, [50, 100, 200, 400, 500, 500]);
    }

    #[test]
    fn chance_moves_a_wait_between_its_half_and_its_whole() {
        let at = Instant::now();
        for (jitter, wait) in [(0, 50), (128, 75), (255, 99)] {
            let mut breaker = closed(at);
            assert!(breaker.failed(Weight::Broken, at, Jitter(jitter)));
            assert_eq!(wait_ms(&breaker, at), wait);
        }
    }

    #[test]
    fn waits_begin_anew_only_after_some_calm() {
        let at = Instant::now();
        let mut breaker = closed(at);
        for wait in [50, 100, 200] {
            assert!(breaker.failed(Weight::Broken, at, HALF));
            assert_eq!(wait_ms(&breaker, at), wait, "it came back only to fail again");
            breaker.close(at);
        }
        let later = at + CALM_MIN;
        assert!(breaker.failed(Weight::Broken, later, HALF));
        assert_eq!(wait_ms(&breaker, later), 50);
    }
}
