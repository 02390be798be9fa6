//! Crash: the server is killed under load, again and again, and must remember every answer it gave.
//!
//! SIGKILL at seeded moments; restart on the same folder and port; those who know their key ask again; then
//! the auditor compares every answer since the first round with the books. Called by `main`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::engine::Engine;
use crate::findings::{Findings, Violation};
use crate::numbers::{self, Chance};
use crate::report;
use crate::sale::run_id;
use crate::server::ServerPlan;
use crate::shop::Shop;
use crate::victim::{self, Process, Restart, Victim};
use crate::wire::Style;

pub(crate) mod buyers;
pub(crate) mod market;

use buyers::{Retry, Rush};
use market::Market;

const PLENTIFUL_PRODUCTS: usize = 4;
const PLENTIFUL_STOCK: u32 = 200_000;
/// A round's scarce product sells out in some rounds and not in others.
const SCARCE_STOCK: std::ops::Range<u64> = 100..2_500;
const ANSWERS_BEFORE_KILL: std::ops::Range<u64> = 200..4_000;
const KILL_DELAY_US_MAX: u64 = 3_000;
/// Keyed purchases answered earlier that are asked again after each restart.
const REPLAYS: usize = 50;
const LOAD_S_MAX: u64 = 60;
const RETRY_S_MAX: u64 = 60;
const READY_S_MAX: u64 = 120;

/// How often to kill.
#[derive(Debug, Serialize)]
pub(crate) struct CrashPlan {
    pub(crate) kills: u32,
    pub(crate) seed: u64,
    pub(crate) connections: usize,
}

/// What all rounds came to.
#[derive(Debug, Serialize)]
pub(crate) struct CrashReport {
    pub(crate) seed: u64,
    pub(crate) kills: Vec<Kill>,
    pub(crate) violations: Vec<Violation>,
    #[serde(skip)]
    pub(crate) findings: Findings,
}

/// One kill and what the restart showed. Counts are of the round, but for `movements` and `unknown_booked`.
#[derive(Debug, Serialize)]
pub(crate) struct Kill {
    pub(crate) answers: u64,
    pub(crate) sold: u64,
    pub(crate) refused: u64,
    pub(crate) shed: u64,
    /// Without an answer at the kill and without a key: bought or not, nobody may ask.
    pub(crate) unknown: u64,
    /// Without an answer at the kill, and asked again with their key.
    pub(crate) retried: u64,
    pub(crate) replayed: u64,
    pub(crate) recovery_kills: u32,
    pub(crate) ready_ms: f64,
    /// Unknown requests of all rounds that turned out to be on the books.
    pub(crate) unknown_booked: u64,
    pub(crate) movements: u64,
    pub(crate) is_clean: bool,
}

/// A seed from the clock, small enough to type.
pub(crate) fn fresh_seed() -> u64 {
    u64::from(std::process::id()) * 100_000
        + u64::from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().subsec_micros() % 100_000)
}

/// Runs until the last kill, or the first round that breaks an invariant.
///
/// # Errors
///
/// When the server dies by itself or does not come back.
pub(crate) fn run(plan: &CrashPlan, server_plan: &ServerPlan) -> anyhow::Result<CrashReport> {
    println!("crash: {} kills, {} connections, --seed {}", plan.kills, plan.connections, plan.seed);
    let mut chance = Chance::new(plan.seed);
    let mut victim = Process::start(server_plan, &mut chance)?;
    let mut shop = enter(&victim)?;
    let style = Style { host: victim.address().to_string(), run: run_id() };
    let mut market = Market::new(&style);
    for number in 0..PLENTIFUL_PRODUCTS {
        market.offer(shop.create_product(&format!("plenty-{}-{number}", style.run), PLENTIFUL_STOCK)?);
    }
    let mut kills = Vec::new();
    println!("{}", heading());
    for number in 0..plan.kills {
        let stock = u32::try_from(chance.between(SCARCE_STOCK.start, SCARCE_STOCK.end)).context("stock")?;
        market.offer(shop.create_product(&format!("scarce-{}-{number}", style.run), stock)?);
        let before = market.tally();
        load_and_kill(plan, &mut victim, &mut market, &mut chance)?;
        let load = market.tally();
        let (unknown, keyed) = market.close_round();
        let Restart { recovery_kills, ready_in } = victim.restart(&mut chance)?;
        shop = enter(&victim)?;
        let replays = market.choose_replays(REPLAYS, &mut chance);
        retry(plan, victim.address(), &mut market, &keyed, &replays)?;
        let movements = audit(&mut market, &mut shop)?;
        let kill = Kill {
            answers: load.answers - before.answers,
            sold: load.sold - before.sold,
            refused: load.refused - before.refused,
            shed: load.shed - before.shed,
            unknown: numbers::count(unknown),
            retried: numbers::count(keyed.len()),
            replayed: numbers::count(replays.len()),
            recovery_kills,
            ready_ms: ready_in.as_secs_f64() * 1e3,
            unknown_booked: market.unknown_booked(),
            movements,
            is_clean: market.findings.is_clean(),
        };
        println!("{}", kill.line(number + 1));
        kills.push(kill);
        if !market.findings.is_clean() {
            break;
        }
    }
    print!("{}", report::verdict(&market.findings));
    victim.kill()?;
    let violations = market.findings.violations();
    Ok(CrashReport { seed: plan.seed, kills, violations, findings: market.findings })
}

/// Buys until the seeded number of answers has come, and kills the server a moment later.
fn load_and_kill(
    plan: &CrashPlan,
    victim: &mut Process<'_>,
    market: &mut Market,
    chance: &mut Chance,
) -> anyhow::Result<()> {
    let answers = chance.between(ANSWERS_BEFORE_KILL.start, ANSWERS_BEFORE_KILL.end);
    let delay = Duration::from_micros(chance.between(0, KILL_DELAY_US_MAX));
    let mut engine = Engine::connect(victim.address(), plan.connections, market.template())?;
    let patience = Duration::from_secs(LOAD_S_MAX);
    victim::kill_under_load(victim, delay, patience, |trigger| {
        let mut rush = Rush::new(market, chance, answers, trigger);
        engine.run(&mut rush, Instant::now() + patience)
    })
    .with_context(|| format!("kill the server at {answers} answers"))
}

fn enter(victim: &Process<'_>) -> anyhow::Result<Shop> {
    Shop::enter(&victim.target(), Duration::from_secs(READY_S_MAX))
}

/// Asks again, with the same keys: what was in flight twice, and some of what was answered once more.
fn retry(
    plan: &CrashPlan,
    address: SocketAddr,
    market: &mut Market,
    keyed: &[u64],
    replays: &[u64],
) -> anyhow::Result<()> {
    let queue: Vec<u64> = [keyed, replays, keyed].concat();
    if queue.is_empty() {
        return Ok(());
    }
    let mut engine = Engine::connect(address, plan.connections, market.template())?;
    let mut retry = Retry::new(market, queue);
    engine.run(&mut retry, Instant::now() + Duration::from_secs(RETRY_S_MAX))?;
    retry.finish();
    Ok(())
}

/// Audits every product and returns the number of movements read.
fn audit(market: &mut Market, shop: &mut Shop) -> anyhow::Result<u64> {
    let mut movements_read = 0;
    for (product, books) in market.products.iter().zip(&mut market.books) {
        books.audit_answers(&mut market.findings);
        let rows_max = usize::try_from(product.stock).unwrap_or(usize::MAX);
        let movements = shop.committed_movements(&product.sku, rows_max)?;
        books.audit_server(&shop.figures(&product.sku)?, &movements, &mut market.findings);
        movements_read += numbers::count(movements.len());
    }
    Ok(movements_read)
}

const COLUMNS: [&str; 13] = [
    "kill",
    "answers",
    "sold",
    "refused",
    "shed",
    "unknown",
    "retried",
    "replayed",
    "rec.kills",
    "ready ms",
    "unk.booked",
    "movements",
    "audit",
];

fn heading() -> String {
    line(&COLUMNS.map(str::to_owned))
}

fn line(cells: &[String; COLUMNS.len()]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(COLUMNS)
        .map(|(cell, name)| format!("{cell:>width$}", width = name.len().max(6)))
        .collect();
    padded.join("  ")
}

impl Kill {
    fn line(&self, number: u32) -> String {
        line(&[
            number.to_string(),
            self.answers.to_string(),
            self.sold.to_string(),
            self.refused.to_string(),
            self.shed.to_string(),
            self.unknown.to_string(),
            self.retried.to_string(),
            self.replayed.to_string(),
            self.recovery_kills.to_string(),
            format!("{:.0}", self.ready_ms),
            self.unknown_booked.to_string(),
            self.movements.to_string(),
            if self.is_clean { "ok".into() } else { "BROKEN".into() },
        ])
    }
}
