//! Watch: how long after its deadline a hold's units can be bought again.
//!
//! A few buyers try to purchase the whole stock of each sampled product, in turn, from just before its last deadline on.
//! The first success is when the expiry was visible; one before the deadline broke a hold.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use serde::Serialize;

use crate::auditor::{self, Outcome};
use crate::caller::Caller;
use crate::findings::{Findings, Invariant};
use crate::numbers;
use crate::sale::Target;
use crate::shop::Product;
use crate::wall_clock::{self, UnixMs};
use crate::wire::{Call, Request, Sender, Style};

use super::StormPlan;
use super::holds::Holds;

/// Begins a little early: a purchase before the deadline must be refused.
const LEAD_MS: u64 = 10;
/// Each tries for its share of the sample, over a connection of its own: the fewer in a share, the finer the figure.
const WATCHERS: usize = 4;
/// With nobody to try for, looks again after so long.
const IDLE_US: u64 = 200;
/// Of the sessions, those that no other buyer has.
const SESSION_FIRST: u64 = 1_000_000;

/// Deadline to first success, over a sample of products.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Lateness {
    pub(crate) samples: u64,
    pub(crate) p50_ms: f64,
    pub(crate) max_ms: f64,
    /// The longest time between a success and the try before it: the lateness is known no better than that.
    pub(crate) resolution_ms: f64,
    /// Products that never came back.
    pub(crate) missing: u64,
}

/// A product to be bought back.
#[derive(Debug)]
struct Sample {
    product: usize,
    deadline: UnixMs,
    deadline_at: Instant,
    request: Request,
    units: u32,
    tried_at: Option<Instant>,
}

/// What one watcher saw.
#[derive(Debug, Default)]
struct Watched {
    late_ms: Vec<f64>,
    resolution: Duration,
    /// Products that were bought, and those that were not.
    bought: Vec<usize>,
    missing: Vec<usize>,
    findings: Findings,
}

/// Buys the samples back; returns how late each was, and of every product whether it was bought.
///
/// # Errors
///
/// When a watcher panics.
pub(super) fn buy_back(
    plan: &StormPlan,
    target: &Target,
    style: &Style,
    products: &[Product],
    holds: &Holds,
    findings: &mut Findings,
) -> anyhow::Result<(Lateness, Vec<bool>)> {
    let mut rounds: Vec<Vec<Sample>> = (0..WATCHERS).map(|_| Vec::new()).collect();
    for (at, sample) in samples(plan, style, products, holds).into_iter().enumerate() {
        rounds[at % WATCHERS].push(sample);
    }
    let until = wall_clock::instant(holds.last()) + Duration::from_millis(plan.patience_ms);
    let mut watched = thread::scope(|scope| {
        let watchers: Vec<_> =
            rounds.into_iter().map(|open| scope.spawn(move || watch(open, target, until))).collect();
        let mut all = Watched::default();
        for watcher in watchers {
            all.absorb(watcher.join().map_err(|_| anyhow!("a watcher's thread panicked"))?);
        }
        anyhow::Ok(all)
    })?;
    findings.absorb(std::mem::take(&mut watched.findings));
    let mut is_bought = vec![false; products.len()];
    for product in &watched.bought {
        is_bought[*product] = true;
    }
    for product in &watched.missing {
        let Product { sku, stock, .. } = &products[*product];
        findings
            .add(Invariant::EveryUnitIsBack, format_args!("{sku}: {stock} units could not be bought again"));
    }
    let (_, p50_ms, max_ms) = numbers::spread(&watched.late_ms).unwrap_or_default();
    let lateness = Lateness {
        samples: numbers::count(watched.bought.len()),
        p50_ms,
        max_ms,
        resolution_ms: watched.resolution.as_secs_f64() * 1e3,
        missing: numbers::count(watched.missing.len()),
    };
    Ok((lateness, is_bought))
}

/// Tries for each of `open` in turn until it has them all.
fn watch(mut open: Vec<Sample>, target: &Target, until: Instant) -> Watched {
    let mut caller = Caller::new(target.address, target.host.clone());
    let mut watched = Watched::default();
    while !open.is_empty() && Instant::now() < until {
        let mut has_tried = false;
        open.retain_mut(|sample| {
            if sample.deadline_at > Instant::now() + Duration::from_millis(LEAD_MS) {
                return true;
            }
            has_tried = true;
            let Some(bought_at) = sample.buy(&mut caller, &mut watched.findings) else { return true };
            let late = bought_at.saturating_duration_since(sample.deadline_at);
            watched.late_ms.push(late.as_secs_f64() * 1e3);
            let since_last_try = sample.tried_at.map_or(late, |tried_at| bought_at - tried_at);
            watched.resolution = watched.resolution.max(since_last_try);
            watched.bought.push(sample.product);
            false
        });
        if !has_tried {
            thread::sleep(Duration::from_micros(IDLE_US));
        }
    }
    watched.missing = open.iter().map(|sample| sample.product).collect();
    watched
}

impl Watched {
    fn absorb(&mut self, other: Self) {
        self.late_ms.extend(other.late_ms);
        self.resolution = self.resolution.max(other.resolution);
        self.bought.extend(other.bought);
        self.missing.extend(other.missing);
        self.findings.absorb(other.findings);
    }
}

/// Products from everywhere in the list, evenly.
fn samples(plan: &StormPlan, style: &Style, products: &[Product], holds: &Holds) -> Vec<Sample> {
    let step = products.len().div_ceil(plan.samples.max(1)).max(1);
    let held = holds.deadlines.iter().zip(products).enumerate().step_by(step);
    held.filter(|(_, ((_, last), _))| *last > 0)
        .map(|(at, ((_, deadline), product))| {
            let body = serde_json::json!({ "quantity": product.stock });
            let path = format!("/api/v1/products/{}/purchase", product.id);
            let sender = Sender::Guest(SESSION_FIRST + numbers::count(at));
            let call = Call { method: "POST", path: &path, sender, key: None, body: Some(&body) };
            Sample {
                product: at,
                deadline: *deadline,
                deadline_at: wall_clock::instant(*deadline),
                request: Request::of(style, &call),
                units: product.stock,
                tried_at: None,
            }
        })
        .collect()
}

impl Sample {
    /// Tries once; the moment of the answer when it was a success.
    fn buy(&mut self, caller: &mut Caller, findings: &mut Findings) -> Option<Instant> {
        let sent_at = Instant::now();
        let reply = caller.send(self.request.bytes());
        let (answered_at, now) = (Instant::now(), wall_clock::now());
        let outcome = reply.map(|reply| auditor::read_answer(self.units, reply.status, &reply.body));
        match outcome {
            Ok(Outcome::Sold { .. }) => {
                let Self { deadline, units, .. } = self;
                findings.check(
                    Invariant::DeadlineIsKept,
                    now >= *deadline,
                    format_args!("{units} units were bought at {now}, held until {deadline}"),
                );
                return Some(answered_at);
            }
            Ok(Outcome::Refused { .. } | Outcome::Shed) => self.tried_at = Some(sent_at),
            Ok(Outcome::Wrong { invariant, detail }) => findings.add(invariant, detail),
            Err(error) => findings.add(Invariant::AnswerIsExpected, format_args!("{error:#}")),
        }
        None
    }
}
