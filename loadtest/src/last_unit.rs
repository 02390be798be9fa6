//! Last unit: two buyers, released together, and one unit. One gets it, the other is told why not; every time.
//!
//! Two connections, two threads, one product for each round; purchase, reservation, cart and order take turns. Judged
//! after the last round. Called by `main`.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::Serialize;
use serde_json::json;

use crate::caller::{Caller, Reply};
use crate::findings::{Findings, Invariant, Violation};
use crate::numbers;
use crate::report::{self, Latencies, Percentiles};
use crate::sale::{Target, run_id};
use crate::shop::{Figures, Problem, Product, Shop};
use crate::wire::{Call, Request, Sender, Style};

const READY_S_MAX: u64 = 120;
const BUYERS: usize = 2;
/// A few milliseconds: whoever has not come by then was put off the processor.
const SPINS_MAX: u32 = 1_000_000;
const WAYS: [Way; 4] = [Way::Purchase, Way::Reservation, Way::Cart, Way::Order];

/// How a buyer gets hold of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Purchase,
    Reservation,
    Cart,
    Order,
}

/// How often to try.
#[derive(Debug, Serialize)]
pub(crate) struct LastUnitPlan {
    pub(crate) rounds: usize,
}

/// What all rounds came to.
#[derive(Debug, Serialize)]
pub(crate) struct LastUnitReport {
    pub(crate) rounds: u64,
    pub(crate) ways: Vec<WayReport>,
    pub(crate) latency_won: Percentiles,
    pub(crate) latency_lost: Percentiles,
    pub(crate) violations: Vec<Violation>,
    #[serde(skip)]
    pub(crate) findings: Findings,
}

/// The rounds of one way.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct WayReport {
    pub(crate) way: &'static str,
    pub(crate) rounds: u64,
    /// Rounds with exactly one winner and a loser who was told why.
    pub(crate) fair: u64,
    /// Won by the first buyer; the others were won by the second.
    pub(crate) won_by_first: u64,
}

/// One buyer's answer; why there is none, otherwise.
type Heard = anyhow::Result<(Reply, Duration)>;

/// Plays every round and judges them.
///
/// # Errors
///
/// When the server cannot be reached or set up. Broken invariants are not errors but part of the report.
pub(crate) fn run(plan: &LastUnitPlan, target: &Target) -> anyhow::Result<LastUnitReport> {
    let mut shop = Shop::enter(target, Duration::from_secs(READY_S_MAX))?;
    let style = Style { host: target.host.clone(), run: run_id() };
    let skus: Vec<String> = (0..plan.rounds).map(|round| format!("last-{}-{round}", style.run)).collect();
    let products = shop.create_products(&skus, 1).context("make the products")?;
    let heard = play(target, &style, &products)?;
    let figures = shop.all_figures(&skus)?;
    let report = judge(&products, &heard, &figures);
    print!("{}", describe(&report));
    Ok(report)
}

/// Lets both buyers ask for each product in turn, and returns what each heard, round by round.
fn play(target: &Target, style: &Style, products: &[Product]) -> anyhow::Result<[Vec<Heard>; BUYERS]> {
    let (starting_line, arrived) = (Barrier::new(BUYERS), AtomicUsize::new(0));
    let buyer = |buyer: usize| {
        let mut caller = Caller::new(target.address, target.host.clone());
        let mut heard = Vec::with_capacity(products.len());
        for (round, product) in products.iter().enumerate() {
            let request = request(style, way(round), product, numbers::count(round * BUYERS + buyer));
            // Nobody leaves early, whatever was heard: the other would wait for ever.
            starting_line.wait();
            meet(&arrived, BUYERS * (round + 1));
            let sent_at = Instant::now();
            let reply = caller.send(request.bytes());
            heard.push(reply.map(|reply| (reply, sent_at.elapsed())));
        }
        heard
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| buyer(0));
        let second = scope.spawn(|| buyer(1));
        let join = |heard: thread::ScopedJoinHandle<'_, Vec<Heard>>| {
            heard.join().map_err(|_| anyhow!("a buyer's thread panicked"))
        };
        Ok([join(first)?, join(second)?])
    })
}

/// Spins until `wanted` arrivals were counted: a barrier alone lets its last go well before the one that it wakes.
fn meet(arrived: &AtomicUsize, wanted: usize) {
    arrived.fetch_add(1, Ordering::AcqRel);
    for _ in 0..SPINS_MAX {
        if arrived.load(Ordering::Acquire) >= wanted {
            return;
        }
        std::hint::spin_loop();
    }
}

fn way(round: usize) -> Way {
    WAYS[round % WAYS.len()]
}

fn request(style: &Style, way: Way, product: &Product, session: u64) -> Request {
    let Product { id, sku, .. } = product;
    let line = json!({ "sku": sku, "quantity": 1 });
    let (path, body) = match way {
        Way::Purchase => (format!("/api/v1/products/{id}/purchase"), json!({ "quantity": 1 })),
        Way::Reservation => ("/api/v1/reservations".to_owned(), json!({ "lines": [line] })),
        Way::Cart => ("/api/v1/cart/items".to_owned(), line),
        Way::Order => ("/api/v1/orders".to_owned(), json!({ "lines": [line] })),
    };
    let sender = Sender::Guest(session);
    Request::of(style, &Call { method: "POST", path: &path, sender, key: None, body: Some(&body) })
}

fn judge(products: &[Product], heard: &[Vec<Heard>; BUYERS], figures: &[Figures]) -> LastUnitReport {
    let mut findings = Findings::default();
    let mut ways = WAYS.map(|way| WayReport { way: way.name(), ..WayReport::default() });
    let [mut won, mut lost] = [Latencies::new(), Latencies::new()];
    let [first, second] = heard;
    for (round, (first, second)) in first.iter().zip(second).enumerate() {
        let report = &mut ways[round % WAYS.len()];
        let what = format!("round {round}, {}, {}", report.way, products[round].sku);
        report.rounds += 1;
        let mut is_won = [false; BUYERS];
        let mut is_told = [false; BUYERS];
        for (at, heard) in [first, second].into_iter().enumerate() {
            match heard {
                Ok((reply, latency)) if reply.status == 201 => {
                    is_won[at] = true;
                    won.record(*latency);
                }
                Ok((reply, latency)) if is_refusal(reply) => {
                    is_told[at] = true;
                    lost.record(*latency);
                }
                Ok((reply, _)) => {
                    let body = String::from_utf8_lossy(&reply.body);
                    findings
                        .add(Invariant::AnswerIsExpected, format_args!("{what}: {} {body}", reply.status));
                }
                Err(error) => findings.add(Invariant::AnswerIsExpected, format_args!("{what}: {error:#}")),
            }
        }
        let is_fair =
            matches!((is_won, is_told), ([true, false], [false, true]) | ([false, true], [true, false]));
        report.fair += u64::from(is_fair);
        report.won_by_first += u64::from(is_won[0]);
        findings.check(
            Invariant::OneWinsTheLastUnit,
            is_fair,
            format_args!("{what}: won {is_won:?}, refused for want of stock {is_told:?}"),
        );
        let expected = if way(round) == Way::Purchase { (0, 1) } else { (1, 0) };
        let Figures { on_hand, available, reserved, committed } = figures[round];
        findings.check(
            Invariant::BooksBalance,
            (on_hand, available) == (1, 0) && (reserved, committed) == expected,
            format_args!("{what}: {:?}", figures[round]),
        );
    }
    LastUnitReport {
        rounds: numbers::count(first.len()),
        ways: ways.to_vec(),
        latency_won: won.percentiles(),
        latency_lost: lost.percentiles(),
        violations: findings.violations(),
        findings,
    }
}

/// A 409 for want of stock that names the one line: one unit wanted, none there.
fn is_refusal(reply: &Reply) -> bool {
    let problem: Option<Problem> = serde_json::from_slice(&reply.body).ok();
    reply.status == 409
        && problem.is_some_and(|problem| {
            problem.code == "insufficient_stock"
                && matches!(problem.lines.as_slice(), [line] if (line.requested, line.available) == (1, 0))
        })
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Reservation => "reservation",
            Self::Cart => "cart",
            Self::Order => "order",
        }
    }
}

fn describe(report: &LastUnitReport) -> String {
    let mut text = format!("\nlast unit: two buyers, one unit, {} times\n", report::count(report.rounds));
    let mut rows = vec![["way", "rounds", "one winner", "won by the first"].map(str::to_owned).to_vec()];
    for way in &report.ways {
        let counts = [way.rounds, way.fair, way.won_by_first].map(report::count);
        rows.push([vec![way.way.to_owned()], counts.to_vec()].concat());
    }
    text.push_str(&report::table(&rows));
    text.push_str(&report::table(&[
        Percentiles::heading(),
        report.latency_won.row("won"),
        report.latency_lost.row("refused"),
    ]));
    text.push_str(&report::verdict(&report.findings));
    text
}

#[cfg(test)]
mod tests;
