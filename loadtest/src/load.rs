//! Load: one endpoint under one workload for a while, measured.
//!
//! What `floor`, `budget`, `contenders` and the scenarios measure with. It owns warm-up, threads, the pace and what is
//! counted; what is asked is the [`Workload`]'s, and the sockets are the engine's. It starts no server and makes no
//! product. Below: `workload` and `hand` (what is asked), `crowd` and `outcomes` (what is counted), `gauge` (what is
//! shown meanwhile), `describe` (what is printed at the end).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use crate::cpu;
use crate::document;
use crate::engine::open::Schedule;
use crate::engine::{Answer, Engine};
use crate::numbers;
use crate::report::Latencies;
use crate::results::{Measurement, Pace, Slice};
use crate::sale::difference;

mod crowd;
mod describe;
mod gauge;
mod hand;
mod outcomes;
mod workload;

pub(crate) use describe::describe;
pub(crate) use workload::{Choice, Workload};

use crowd::{Counts, Crowd};
use gauge::{Display, Gauge};

/// A run that is measured has at most so many slices, and none shorter than that.
const SLICES: u32 = 100;
const SLICE_MS_MIN: u128 = 10;
/// How long after the end answers are waited for, and what is overdue is still sent.
const DRAIN_S_MAX: u64 = 10;
/// From the start of the threads to the first request: all of them must be there.
const LEAD_MS: u64 = 20;
/// Each generator thread of each measurement numbers its buyers from a range of its own.
const BUYERS_PER_THREAD: u64 = 100_000_000;
const SEEDS_PER_ROUND: u64 = 1_000;

/// A server that is there to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The rival's name in the results.
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// Their processor time and that of all their descendants counts as the server's; empty when they are elsewhere.
    pub(crate) processes: Vec<u32>,
}

/// How hard, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The scenario's name in the results.
    pub(crate) scenario: String,
    pub(crate) connections: usize,
    pub(crate) generator_threads: usize,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Live figures on standard error, when that is a terminal.
    pub(crate) shows_progress: bool,
}

/// One measurement, and what the audit needs to know of it.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) measurement: Measurement,
    pub(crate) tally: Tally,
    /// Under an open pace only.
    pub(crate) lateness: Option<Lateness>,
}

/// What became of every request from the first to the last, warm-up and tail included.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Units of each product, in the order of the workload's ids.
    pub(crate) products: Vec<ProductTally>,
    /// Requests that may have taken units: sent and never answered, or answered in a way that tells nothing.
    pub(crate) unknown: u64,
}

/// What buyers know about one product.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProductTally {
    /// Units of all purchases, or reservations, that were acknowledged.
    pub(crate) taken: u64,
    /// Units of requests with an effect that nobody knows: between none and all of them were taken.
    pub(crate) unknown: u64,
    /// Requests that were refused because too few units were left.
    pub(crate) refused: u64,
}

impl Tally {
    /// What a buyer of one unit of the first product heard.
    pub(crate) fn of_one_unit() -> Self {
        Self { products: vec![ProductTally { taken: 1, ..ProductTally::default() }], unknown: 0 }
    }
}

/// How late the generator itself was: with requests whose time had come and for which a connection was free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lateness {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// The measured time.
#[derive(Debug)]
struct Window {
    from: Instant,
    until: Instant,
    /// When late answers are given up.
    deadline: Instant,
    slices: usize,
    is_open: bool,
}

/// Drives `endpoint` for the warm-up and the measured time.
///
/// `round` is counted from 1 and seeds what is drawn, so that all rivals of a round get the same requests.
///
/// Under a closed pace everything answered within the measured time is counted. Under an open one everything that was
/// due in it, answered then or later; its rate is over the time that this really took.
///
/// # Errors
///
/// When the endpoint cannot be connected, or gives no answer at all in the measured time.
pub(crate) fn measure(
    load: &Load,
    workload: &Workload,
    endpoint: &Endpoint,
    round: u32,
) -> anyhow::Result<Measured> {
    measure_and_drain(load, workload, endpoint, round, Duration::from_secs(DRAIN_S_MAX))
}

/// The same, waiting `drain` for late answers.
fn measure_and_drain(
    load: &Load,
    workload: &Workload,
    endpoint: &Endpoint,
    round: u32,
    drain: Duration,
) -> anyhow::Result<Measured> {
    static MEASUREMENTS: AtomicU64 = AtomicU64::new(0);
    let threads = load.generator_threads.clamp(1, load.connections.max(1));
    let mut engines = Vec::with_capacity(threads);
    for thread in 0..threads {
        let share = load.connections / threads + usize::from(thread < load.connections % threads);
        engines.push(Engine::connect(endpoint.address, share, workload.template())?);
    }
    let gauges: Vec<Gauge> = (0..threads).map(|_| Gauge::new()).collect();
    let start = Instant::now() + Duration::from_millis(LEAD_MS);
    let window = Window::new(load, start, drain);
    let schedules = schedules(load, &window, start, threads)?;
    // Buyers of two measurements are never the same: a limit for each of them would be another load.
    let first = MEASUREMENTS.fetch_add(numbers::count(threads), Ordering::Relaxed);
    thread::scope(|scope| {
        let mut generators = Vec::with_capacity(threads);
        for (thread, (engine, gauge)) in engines.into_iter().zip(&gauges).enumerate() {
            let number = numbers::count(thread);
            let seed = u64::from(round) * SEEDS_PER_ROUND + number;
            let crowd = Crowd::new(workload, &window, gauge, seed, (first + number) * BUYERS_PER_THREAD);
            let (window, schedule) = (&window, schedules.get(thread).copied());
            generators.push(scope.spawn(move || generate(engine, crowd, window, start, schedule)));
        }
        let title = format!("{} {}", endpoint.name, load.scenario);
        let display =
            load.shows_progress.then(|| Display::new(&gauges, title, start, window.until)).flatten();
        let cpu = watch(&window, endpoint, display);
        let mut counts = Counts::new(&window);
        for generator in generators {
            counts.absorb(generator.join().map_err(|_| anyhow!("a generator thread panicked"))??);
        }
        assemble(load, workload, endpoint, round, &window, counts, &cpu)
    })
}

/// One generator thread from start to end.
fn generate(
    mut engine: Engine,
    mut crowd: Crowd<'_>,
    window: &Window,
    start: Instant,
    schedule: Option<Schedule>,
) -> anyhow::Result<Counts> {
    let Some(schedule) = schedule else {
        thread::sleep(start.saturating_duration_since(Instant::now()));
        engine.run(&mut crowd, window.deadline)?;
        return Ok(crowd.finish(0));
    };
    let sent = engine.run_open(&mut crowd, &schedule, window.deadline)?;
    Ok(crowd.finish(schedule.count_from(sent, window.from)))
}

/// One for each thread under an open pace, none under a closed one.
fn schedules(load: &Load, window: &Window, start: Instant, threads: usize) -> anyhow::Result<Vec<Schedule>> {
    let Pace::Open { per_second } = load.pace else { return Ok(Vec::new()) };
    ensure!(per_second.is_finite() && per_second > 0.0, "a rate of {per_second}/s");
    let threads = u32::try_from(threads).context("too many threads")?;
    let share = |thread| Schedule::share(start, window.until, per_second, thread, threads);
    Ok((0..threads).map(share).collect())
}

/// Processor time over about the measured time.
struct CpuSpan {
    span: Duration,
    server: Option<Duration>,
    generator: Option<Duration>,
}

/// Waits until the measured time is over, shows what goes on, and reads the processor time.
fn watch(window: &Window, endpoint: &Endpoint, mut display: Option<Display<'_>>) -> CpuSpan {
    let read = || (Instant::now(), cpu::used_by_trees(&endpoint.processes), cpu::used_by_us());
    let mut wait_until = |end: Instant| {
        loop {
            let now = Instant::now();
            if now >= end {
                return;
            }
            let step = match &mut display {
                Some(display) => {
                    display.refresh(now);
                    Duration::from_millis(gauge::READING_MS)
                }
                None => end - now,
            };
            thread::sleep(step.min(end - now));
        }
    };
    wait_until(window.from);
    let before = read();
    wait_until(window.until);
    let after = read();
    if let Some(display) = display {
        display.clear();
    }
    CpuSpan {
        span: after.0 - before.0,
        server: difference(before.1, after.1),
        generator: difference(before.2, after.2),
    }
}

fn assemble(
    load: &Load,
    workload: &Workload,
    endpoint: &Endpoint,
    round: u32,
    window: &Window,
    counts: Counts,
    cpu: &CpuSpan,
) -> anyhow::Result<Measured> {
    let mut all = Latencies::new();
    counts.slices.iter().for_each(|slice| all.absorb(&slice.latencies));
    let latency = document::latency(all.histogram());
    let answers = latency.answers;
    ensure!(answers > 0, "{}, {}: no answer in the measured time", endpoint.name, load.scenario);
    let end = counts.last_answer.map_or(window.until, |last| last.max(window.until));
    // Under a closed pace nothing after the end is counted, so this is the measured time.
    let seconds = (end - window.from).as_secs_f64();
    let answers_per_second = numbers::float(answers) / seconds;
    let operations_per_second = if workload.is_of_batches() {
        numbers::float(counts.operations) / seconds
    } else {
        answers_per_second
    };
    // Read over a slightly different span than the answers were counted in.
    let each = |time: Duration| time.as_secs_f64() * 1e6 / cpu.span.as_secs_f64() / answers_per_second;
    let measurement = Measurement {
        rival: endpoint.name.clone(),
        scenario: load.scenario.clone(),
        round,
        connections: load.connections,
        generator_threads: load.generator_threads.clamp(1, load.connections.max(1)),
        pace: load.pace,
        warm_up_seconds: load.warm_up.as_secs_f64(),
        seconds: load.duration.as_secs_f64(),
        answers,
        answers_per_second,
        operations_per_second,
        outcomes: counts.outcomes,
        unexpected: counts.unexpected,
        latency,
        service_time: counts.service.map(|service| document::latency(service.histogram())),
        timeline: timeline(window, &counts.slices),
        server_cpu_us: cpu.server.map(each),
        generator_cpu_us: cpu.generator.map(each),
        body_bytes_mean: numbers::float(counts.body_bytes) / numbers::float(answers),
    };
    let lateness = counts.lateness.map(|lateness| {
        let late = lateness.percentiles();
        Lateness { p50_us: late.p50_us, p99_us: late.p99_us, max_us: late.max_us }
    });
    Ok(Measured { measurement, tally: counts.tally, lateness })
}

/// What came after the end is not on it: seconds of late answers would look like the rate of one slice.
fn timeline(window: &Window, slices: &[crowd::SliceCounts]) -> Vec<Slice> {
    let length = (window.until - window.from).as_secs_f64() / numbers::float(numbers::count(window.slices));
    let ends = (1..).map(|number| numbers::float(number) * length);
    let slices = ends.zip(slices).take(window.slices).map(|(until_seconds, slice)| {
        let found = slice.latencies.percentiles();
        Slice {
            until_seconds,
            answers: found.answers,
            wanted: slice.wanted,
            p50_us: found.p50_us,
            p99_us: found.p99_us,
            max_us: found.max_us,
        }
    });
    slices.collect()
}

impl Window {
    fn new(load: &Load, start: Instant, drain: Duration) -> Self {
        let from = start + load.warm_up;
        let fitting = (load.duration.as_millis() / SLICE_MS_MIN).clamp(1, u128::from(SLICES));
        Self {
            from,
            until: from + load.duration,
            deadline: from + load.duration + drain,
            slices: usize::try_from(fitting).expect("at most SLICES"),
            is_open: matches!(load.pace, Pace::Open { .. }),
        }
    }

    fn counts(&self, answer: &Answer<'_>) -> bool {
        let at = if self.is_open { answer.due_at } else { answer.answered_at };
        self.from <= at && at < self.until
    }

    /// The slice in which `at` lies; one more, behind the last, has what came after the end.
    fn slice_of(&self, at: Instant) -> usize {
        let passed = at.saturating_duration_since(self.from).as_nanos();
        let whole = (self.until - self.from).as_nanos().max(1);
        let slices = u128::from(numbers::count(self.slices));
        usize::try_from(passed * slices / whole).unwrap_or(self.slices).min(self.slices)
    }
}

impl Tally {
    /// Takes over what another thread, or another measurement of the same workload, found.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.products.resize(self.products.len().max(other.products.len()), ProductTally::default());
        for (mine, theirs) in self.products.iter_mut().zip(other.products) {
            mine.taken += theirs.taken;
            mine.unknown += theirs.unknown;
            mine.refused += theirs.refused;
        }
        self.unknown += other.unknown;
    }

    /// Units that were taken for sure.
    pub(crate) fn taken(&self) -> u64 {
        self.products.iter().map(|product| product.taken).sum()
    }
}

#[cfg(test)]
mod tests;
