//! Gauge: what a generator thread shows of itself while it runs, and the line on the terminal made of it.
//!
//! Each thread is the only writer of its gauge, so counting is a load and a store, without a lock on the bus.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{numbers, report};

/// Each doubling of the latency is split into so many steps: within 6 % is near enough for a glance.
const STEPS: usize = 16;
const STEP_BITS: u32 = 4;
const BUCKETS: usize = 64 * STEPS;
/// Figures shown are those of the last second, in so many readings.
const READINGS: usize = 5;
pub(super) const READING_MS: u64 = 200;

/// Counts of one generator thread, from its start.
#[derive(Debug)]
pub(super) struct Gauge {
    answers: AtomicU64,
    refusals: AtomicU64,
    errors: AtomicU64,
    latencies: Vec<AtomicU64>,
}

impl Gauge {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            answers: zero(),
            refusals: zero(),
            errors: zero(),
            latencies: (0..BUCKETS).map(|_| zero()).collect(),
        }
    }

    pub(super) fn answered(&self, latency: Duration, is_success: bool, is_expected: bool) {
        raise(&self.answers);
        raise(&self.latencies[bucket(latency)]);
        if !is_expected {
            raise(&self.errors);
        } else if !is_success {
            raise(&self.refusals);
        }
    }

    pub(super) fn failed(&self) {
        raise(&self.errors);
    }
}

/// Not `fetch_add`: there is one writer.
fn raise(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

fn bucket(latency: Duration) -> usize {
    let nanos = numbers::nanos(latency).max(1 << STEP_BITS);
    let power = 63 - nanos.leading_zeros();
    let step = (nanos >> (power - STEP_BITS)) & ((1 << STEP_BITS) - 1);
    let power = usize::try_from(power).expect("at most 63");
    power * STEPS + usize::try_from(step).expect("less than the steps")
}

/// The lower end of a bucket, in microseconds.
fn micros_of(bucket: usize) -> f64 {
    let step = numbers::float(numbers::count(bucket % STEPS)) / numbers::float(numbers::count(STEPS));
    let power = i32::try_from(bucket / STEPS).expect("at most 63");
    2_f64.powi(power) * (1.0 + step) / 1e3
}

/// All gauges at one moment.
#[derive(Debug)]
struct Reading {
    at: Instant,
    answers: u64,
    refusals: u64,
    errors: u64,
    latencies: Vec<u64>,
}

/// The line on the terminal; nothing where there is none.
#[derive(Debug)]
pub(super) struct Display<'a> {
    gauges: &'a [Gauge],
    bar: ProgressBar,
    started_at: Instant,
    until: Instant,
    readings: VecDeque<Reading>,
}

impl<'a> Display<'a> {
    /// None when nobody would see it.
    pub(super) fn new(
        gauges: &'a [Gauge],
        title: String,
        started_at: Instant,
        until: Instant,
    ) -> Option<Self> {
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            return None;
        }
        let style = ProgressStyle::with_template("{prefix}  {msg}").expect("the template is a constant");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.set_prefix(title);
        Some(Self { gauges, bar, started_at, until, readings: VecDeque::with_capacity(READINGS + 1) })
    }

    pub(super) fn refresh(&mut self, now: Instant) {
        let reading = Reading::take(self.gauges, now);
        if let Some(first) = self.readings.front() {
            let text = reading.since(first, self.started_at, self.until);
            self.bar.set_message(text);
            self.bar.tick();
        }
        self.readings.push_back(reading);
        if self.readings.len() > READINGS {
            self.readings.pop_front();
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Reading {
    fn take(gauges: &[Gauge], at: Instant) -> Self {
        let sum = |pick: fn(&Gauge) -> &AtomicU64| {
            gauges.iter().map(|gauge| pick(gauge).load(Ordering::Relaxed)).sum()
        };
        let bucket = |index: usize| {
            gauges.iter().map(|gauge| gauge.latencies[index].load(Ordering::Relaxed)).sum::<u64>()
        };
        Self {
            at,
            answers: sum(|gauge| &gauge.answers),
            refusals: sum(|gauge| &gauge.refusals),
            errors: sum(|gauge| &gauge.errors),
            latencies: (0..BUCKETS).map(bucket).collect(),
        }
    }

    fn since(&self, first: &Self, started_at: Instant, until: Instant) -> String {
        let span = self.at.saturating_duration_since(first.at);
        let mut latencies = self.latencies.clone();
        for (now, before) in latencies.iter_mut().zip(&first.latencies) {
            *now -= before;
        }
        format!(
            "{} answers/s  p50 {}  p99 {}  refused {}  errors {}  {:.0} of {:.0} s",
            report::rate(numbers::per_second(self.answers - first.answers, span)),
            report::time(quantile(&latencies, 0.5)),
            report::time(quantile(&latencies, 0.99)),
            report::count(self.refusals),
            report::count(self.errors),
            self.at.saturating_duration_since(started_at).as_secs_f64(),
            until.saturating_duration_since(started_at).as_secs_f64(),
        )
    }
}

/// In microseconds; 0 when there are no latencies.
fn quantile(latencies: &[u64], quantile: f64) -> f64 {
    let rank = numbers::float(latencies.iter().sum()) * quantile;
    let mut seen = 0;
    for (index, times) in latencies.iter().enumerate() {
        seen += times;
        if *times > 0 && numbers::float(seen) >= rank {
            return micros_of(index);
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_within_six_percent() {
        for nanos in [16, 17, 100, 999, 1_000, 123_456, 1_000_000, 987_654_321, 60_000_000_000] {
            let low = micros_of(bucket(Duration::from_nanos(nanos))) * 1e3;
            let nanos = numbers::float(nanos);
            assert!(low <= nanos * 1.0001 && nanos <= low * 1.0626, "{nanos} in the bucket of {low}");
        }
        assert_eq!(bucket(Duration::ZERO), bucket(Duration::from_nanos(16)));
        assert!(bucket(Duration::MAX) < BUCKETS);
    }

    #[test]
    fn line_shows_the_figures_since_the_first_reading() {
        let gauges = [Gauge::new(), Gauge::new()];
        let start = Instant::now();
        gauges[0].answered(Duration::from_secs(9), true, true);
        let first = Reading::take(&gauges, start);
        for _ in 0..98 {
            gauges[0].answered(Duration::from_micros(800), true, true);
        }
        gauges[1].answered(Duration::from_millis(20), false, true);
        gauges[1].answered(Duration::from_millis(20), false, false);
        gauges[1].failed();
        let second = Reading::take(&gauges, start + Duration::from_secs(1));
        let text = second.since(&first, start, start + Duration::from_secs(10));
        for part in ["100 answers/s", "p50 7", "p99 1", "refused 1", "errors 2", "1 of 10 s"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
