//! Sale: the flash sale. One product, more buyers than units, all at once.
//!
//! Sends, stores every answer as it came, and reads them only after the measured time; then the auditor
//! judges. Called by `main` for the run without arguments and for `--url`.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::auditor::{self, Books, Outcome, Refusal, Sale, Span};
use crate::caller::Caller;
use crate::engine::{AfterLoss, Answer, Engine, Loss, Script};
use crate::findings::{Findings, Violation};
use crate::report::{self, Latencies, Percentiles};
use crate::shop::{Product, Shop};
use crate::wire::{Request, Style};
use crate::{cpu, numbers};

const RUN_S_MAX: u64 = 300;
const PROGRESS_MS: u64 = 20;
/// Answers to purchases are smaller than this as a rule; storing them must not allocate in the loop.
const ANSWER_BYTES_USUAL: usize = 384;

/// The size of a sale.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SalePlan {
    pub(crate) units: u32,
    pub(crate) buyers: u64,
    pub(crate) connections: Vec<usize>,
    pub(crate) has_keys: bool,
    pub(crate) generator_threads: usize,
}

/// The server to buy from, and its administrator.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) email: String,
    pub(crate) password: String,
    /// Known when we started it ourselves.
    pub(crate) process: Option<u32>,
}

/// What one sale was like.
#[derive(Debug, Serialize)]
pub(crate) struct SaleReport {
    pub(crate) connections: usize,
    pub(crate) units: u32,
    pub(crate) buyers: u64,
    pub(crate) seconds: f64,
    pub(crate) answers_per_second: f64,
    pub(crate) purchases_per_second: f64,
    pub(crate) sold: u64,
    pub(crate) refused: u64,
    pub(crate) oversold: u64,
    /// Requests without a usable answer, and those shed with 429 or 503.
    pub(crate) errors: u64,
    pub(crate) server_errors: u64,
    /// Answered with 429: the server's limits were in the way.
    pub(crate) rate_limited: u64,
    pub(crate) latency_all: Percentiles,
    pub(crate) latency_sold: Percentiles,
    pub(crate) latency_refused: Percentiles,
    pub(crate) server_cpu_us_per_request: Option<f64>,
    pub(crate) generator_cpu_us_per_request: Option<f64>,
    pub(crate) movements: u64,
    pub(crate) violations: Vec<Violation>,
    #[serde(skip)]
    pub(crate) findings: Findings,
}

/// Runs one sale for each number of connections, each of a fresh product.
///
/// # Errors
///
/// When the server cannot be reached or set up. Broken invariants are not errors but part of the report.
pub(crate) fn run(plan: &SalePlan, target: &Target) -> anyhow::Result<Vec<SaleReport>> {
    let mut shop = Shop::new(Caller::new(target.address, target.host.clone()));
    shop.wait_ready(Duration::from_secs(RUN_S_MAX))?;
    shop.log_in(&target.email, &target.password)?;
    let style = Style { host: target.host.clone(), run: run_id() };
    let mut reports = Vec::with_capacity(plan.connections.len());
    for (index, connections) in plan.connections.iter().enumerate() {
        let product = shop.create_product(&format!("loadtest-{}-{index}", style.run), plan.units)?;
        // Sessions and keys of the second sale go on where those of the first ended.
        let first_buyer = plan.buyers * numbers::count(index);
        let rush = rush(plan, target, *connections, &product, &style, first_buyer)?;
        let report = assess(plan, *connections, &product, rush, &mut shop)?;
        print!("{}", describe(&report));
        reports.push(report);
    }
    Ok(reports)
}

/// Eight hexadecimal digits that tell this run from others against the same server.
pub(crate) fn run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{:08x}", (numbers::nanos(now) / 1_000_000) & u64::from(u32::MAX))
}

/// Everything a rush left behind, unread.
struct Rush {
    started_at: Instant,
    records: Vec<Record>,
    bodies: Vec<Vec<u8>>,
    lost: u64,
    server_cpu: Option<Duration>,
    generator_cpu: Option<Duration>,
}

/// One answer as it came.
struct Record {
    status: u16,
    /// Which thread's bodies, and where in them.
    thread: usize,
    body: std::ops::Range<usize>,
    sent_at: Instant,
    answered_at: Instant,
}

/// The buyers of one generator thread.
struct Buyers<'a> {
    thread: usize,
    next: &'a AtomicU64,
    end: u64,
    records: Vec<Record>,
    bodies: Vec<u8>,
    lost: u64,
}

impl Script for Buyers<'_> {
    fn next(&mut self, request: &mut Request, _now: Instant) -> Option<u64> {
        let buyer = self.next.fetch_add(1, Ordering::Relaxed);
        if buyer >= self.end {
            return None;
        }
        request.set_session(buyer);
        request.set_key(buyer);
        Some(buyer)
    }

    fn answered(&mut self, _ticket: u64, answer: &Answer<'_>) {
        let start = self.bodies.len();
        self.bodies.extend_from_slice(answer.body);
        self.records.push(Record {
            status: answer.status,
            thread: self.thread,
            body: start..self.bodies.len(),
            sent_at: answer.sent_at,
            answered_at: answer.answered_at,
        });
    }

    fn lost(&mut self, _ticket: u64, _why: Loss) -> AfterLoss {
        self.lost += 1;
        AfterLoss::Reconnect
    }
}

/// Lets all buyers loose and measures until the last answer.
fn rush(
    plan: &SalePlan,
    target: &Target,
    connections: usize,
    product: &Product,
    style: &Style,
    first_buyer: u64,
) -> anyhow::Result<Rush> {
    let template = Request::purchase(style, &product.id, plan.has_keys);
    let threads = plan.generator_threads.clamp(1, connections);
    let next = AtomicU64::new(first_buyer);
    let end = first_buyer + plan.buyers;
    let starting_line = Barrier::new(threads + 1);
    let capacity = usize::try_from(plan.buyers).context("more buyers than memory")? / threads + 1;
    thread::scope(|scope| {
        let mut generators = Vec::with_capacity(threads);
        for thread in 0..threads {
            let share = connections / threads + usize::from(thread < connections % threads);
            // Connected before the start: a generator that failed here would leave the others waiting.
            let mut engine = Engine::connect(target.address, share, &template)?;
            let (next, starting_line) = (&next, &starting_line);
            generators.push(move || {
                let mut buyers = Buyers {
                    thread,
                    next,
                    end,
                    records: Vec::with_capacity(capacity),
                    bodies: Vec::with_capacity(capacity * ANSWER_BYTES_USUAL),
                    lost: 0,
                };
                starting_line.wait();
                engine.run(&mut buyers, Instant::now() + Duration::from_secs(RUN_S_MAX))?;
                anyhow::Ok(buyers)
            });
        }
        let generators: Vec<_> = generators.into_iter().map(|generator| scope.spawn(generator)).collect();
        let cpu_before = (target.process.and_then(cpu::used_by), cpu::used_by_us());
        // Read before anybody starts: the auditor compares moments, and none may lie before the beginning.
        let started_at = Instant::now();
        starting_line.wait();
        let bar = progress_bar(plan.buyers, connections);
        while !generators.iter().all(thread::ScopedJoinHandle::is_finished) {
            bar.set_position(next.load(Ordering::Relaxed).min(end) - first_buyer);
            thread::sleep(Duration::from_millis(PROGRESS_MS));
        }
        bar.finish_and_clear();
        let cpu_after = (target.process.and_then(cpu::used_by), cpu::used_by_us());
        let mut rush = Rush {
            started_at,
            records: Vec::new(),
            bodies: Vec::new(),
            lost: 0,
            server_cpu: difference(cpu_before.0, cpu_after.0),
            generator_cpu: difference(cpu_before.1, cpu_after.1),
        };
        for generator in generators {
            let buyers = generator.join().map_err(|_| anyhow!("a generator thread panicked"))??;
            rush.records.extend(buyers.records);
            rush.bodies.push(buyers.bodies);
            rush.lost += buyers.lost;
        }
        Ok(rush)
    })
}

/// The time between two readings, when both are known.
pub(crate) fn difference(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}

fn progress_bar(buyers: u64, connections: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {human_pos}/{human_len} {per_sec}")
        .expect("the template is a constant");
    // Draws nothing when stderr is not a terminal.
    let bar = ProgressBar::with_draw_target(Some(buyers), ProgressDrawTarget::stderr()).with_style(style);
    bar.set_prefix(format!("{connections} connections"));
    bar
}

/// Reads the answers, audits them and compares them with the server.
fn assess(
    plan: &SalePlan,
    connections: usize,
    product: &Product,
    rush: Rush,
    shop: &mut Shop,
) -> anyhow::Result<SaleReport> {
    let mut findings = Findings::default();
    let mut books = Books::new(product.stock);
    let [mut all, mut sold, mut refused] = [Latencies::new(), Latencies::new(), Latencies::new()];
    let (mut server_errors, mut rate_limited, mut errors) = (0, 0, rush.lost);
    let (mut last, mut last_sold) = (Duration::ZERO, Duration::ZERO);
    for record in &rush.records {
        let latency = record.answered_at - record.sent_at;
        let since_start = |at: Instant| at.saturating_duration_since(rush.started_at);
        let answered = since_start(record.answered_at);
        let span =
            Span { sent: numbers::nanos(since_start(record.sent_at)), answered: numbers::nanos(answered) };
        all.record(latency);
        last = last.max(answered);
        server_errors += u64::from(record.status >= 500);
        rate_limited += u64::from(record.status == 429);
        match auditor::read_answer(1, record.status, &rush.bodies[record.thread][record.body.clone()]) {
            Outcome::Sold { order_id, available } => {
                sold.record(latency);
                last_sold = last_sold.max(answered);
                books.sales.push(Sale { order_id, quantity: 1, available, span });
            }
            Outcome::Refused { available } => {
                refused.record(latency);
                books.refusals.push(Refusal { available, span });
            }
            Outcome::Shed => errors += 1,
            Outcome::Wrong { invariant, detail } => {
                errors += 1;
                books.unknown.push(1);
                findings.add(invariant, detail);
            }
        }
    }
    books.unknown.extend((0..rush.lost).map(|_| 1));
    books.audit_answers(&mut findings);
    let rows_max = usize::try_from(u64::from(plan.units) + plan.buyers).unwrap_or(usize::MAX);
    let movements = shop.committed_movements(&product.sku, rows_max)?;
    books.audit_server(&shop.figures(&product.sku)?, &movements, &mut findings);
    let answers = numbers::count(rush.records.len());
    let sold_count = numbers::count(books.sales.len());
    Ok(SaleReport {
        connections,
        units: plan.units,
        buyers: plan.buyers,
        seconds: last.as_secs_f64(),
        answers_per_second: numbers::per_second(answers, last),
        purchases_per_second: numbers::per_second(sold_count, last_sold),
        sold: sold_count,
        refused: numbers::count(books.refusals.len()),
        oversold: books.units_sold().saturating_sub(u64::from(product.stock)),
        errors,
        server_errors,
        rate_limited,
        latency_all: all.percentiles(),
        latency_sold: sold.percentiles(),
        latency_refused: refused.percentiles(),
        server_cpu_us_per_request: rush.server_cpu.map(|time| numbers::micros_each(time, answers)),
        generator_cpu_us_per_request: rush.generator_cpu.map(|time| numbers::micros_each(time, answers)),
        movements: numbers::count(movements.len()),
        violations: findings.violations(),
        findings,
    })
}

fn describe(report: &SaleReport) -> String {
    let mut text = format!(
        "\nflash sale: {} units, {} buyers, {} connections, {:.3} s\n",
        report::count(u64::from(report.units)),
        report::count(report.buyers),
        report.connections,
        report.seconds
    );
    text.push_str(&format!(
        "throughput  {} answers/s, {} purchases/s while units lasted\n",
        report::rate(report.answers_per_second),
        report::rate(report.purchases_per_second)
    ));
    text.push_str(&format!(
        "outcomes    sold {}, refused {}, oversold {}, errors {}, 5xx {}\n",
        report::count(report.sold),
        report::count(report.refused),
        report::count(report.oversold),
        report::count(report.errors),
        report::count(report.server_errors)
    ));
    text.push_str(&report::rate_limited(report.rate_limited));
    text.push_str(&format!(
        "CPU         server {} µs, generator {} µs a request\n",
        report::micros(report.server_cpu_us_per_request),
        report::micros(report.generator_cpu_us_per_request)
    ));
    text.push_str(&report::table(&[
        Percentiles::heading(),
        report.latency_all.row("all"),
        report.latency_sold.row("sold"),
        report.latency_refused.row("refused"),
    ]));
    text.push_str(&format!("books       {} committed movements read\n", report::count(report.movements)));
    text.push_str(&report::verdict(&report.findings));
    text
}

#[cfg(test)]
mod tests;
