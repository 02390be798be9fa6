//! Storm: very many reservations lapse within the same second, while others go on buying something else.
//!
//! Three questions: do the other buyers notice, how long after its deadline can a unit be bought again, and does every
//! unit come back. Called by `main`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::Serialize;

use crate::findings::{Findings, Invariant, Violation};
use crate::numbers;
use crate::report::{self, Percentiles};
use crate::sale::{Target, run_id};
use crate::shop::{Figures, Product, Shop};
use crate::wall_clock::{self, UnixMs};
use crate::wire::Style;

mod buyers;
mod holds;
mod watch;

use buyers::{Bought, Phase};
use holds::Holds;
use watch::Lateness;

const READY_S_MAX: u64 = 120;
/// What the other buyers buy.
const QUIET_PRODUCTS: usize = 100;
const QUIET_STOCK: u32 = 1_000_000;
/// After the batches the server may still be at work; it must not count as the time before the storm.
const SETTLE_MS: u64 = 200;
/// The storm counts as over so long after the last deadline, or the last unit that was watched for.
const AFTERMATH_MS: u64 = 250;
const POLL_MS: u64 = 20;

/// The size of a storm.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StormPlan {
    pub(crate) reservations: usize,
    /// At most; fewer when there are fewer reservations.
    pub(crate) products: usize,
    pub(crate) buyers: usize,
    /// From the first batch to the storm.
    pub(crate) lapse_seconds: u32,
    /// The least time between the last batch and the storm.
    pub(crate) before_ms_min: u64,
    /// How many products are bought back as soon as they can be.
    pub(crate) samples: usize,
    /// How long after the last deadline the last unit may take to come back.
    pub(crate) patience_ms: u64,
}

/// What a storm was like.
#[derive(Debug, Serialize)]
pub(crate) struct StormReport {
    pub(crate) reservations: u64,
    pub(crate) products: u64,
    pub(crate) batch_seconds: f64,
    pub(crate) reservations_per_second: f64,
    /// From the first deadline to the last.
    pub(crate) deadlines_ms: u64,
    pub(crate) before: Phase,
    pub(crate) during: Phase,
    pub(crate) lateness: Lateness,
    /// From the last deadline until the server's figures were seen to hold nothing: at most this long.
    pub(crate) all_back_ms: u64,
    pub(crate) violations: Vec<Violation>,
    #[serde(skip)]
    pub(crate) findings: Findings,
}

/// Makes the reservations, buys before and during the storm, and looks whether everything came back.
///
/// # Errors
///
/// When the server cannot be reached or set up, or takes so long to reserve that there is no time before the storm.
pub(crate) fn run(plan: &StormPlan, target: &Target) -> anyhow::Result<StormReport> {
    let mut shop = Shop::enter(target, Duration::from_secs(READY_S_MAX))?;
    let style = Style { host: target.host.clone(), run: run_id() };
    let quiet = stock_quiet(&style, &mut shop)?;
    let products = holds::stock_up(plan, &style, &mut shop)?;
    let mut findings = Findings::default();
    let holds = holds::reserve(plan, &products, &mut shop, &mut findings)?;
    let weather = watch_weather(plan, target, &style, &quiet, &products, &holds, &mut findings)?;
    let all_back_ms = wait_until_empty(plan, &mut shop, &products, holds.last())?;
    audit_storm(&shop, &products, &weather.bought_back, &mut findings)?;
    audit_quiet(&shop, &quiet, &weather.bought, &mut findings)?;
    let phase = |from, to| buyers::phase(&weather.bought, from, to);
    let report = StormReport {
        reservations: holds.made,
        products: numbers::count(products.len()),
        batch_seconds: holds.took.as_secs_f64(),
        reservations_per_second: numbers::per_second(holds.made, holds.took),
        deadlines_ms: holds.last().saturating_sub(holds.first()),
        before: phase(weather.calm_from, weather.storm_from),
        during: phase(weather.storm_from, weather.storm_to),
        lateness: weather.lateness,
        all_back_ms,
        violations: findings.violations(),
        findings,
    };
    print!("{}", describe(&report));
    Ok(report)
}

fn stock_quiet(style: &Style, shop: &mut Shop) -> anyhow::Result<Vec<Product>> {
    let skus: Vec<String> =
        (0..QUIET_PRODUCTS).map(|number| format!("quiet-{}-{number}", style.run)).collect();
    shop.create_products(&skus, QUIET_STOCK).context("make what others buy")
}

/// What was seen around the storm.
struct Weather {
    bought: Vec<Bought>,
    lateness: Lateness,
    /// Of each storm product, whether its whole stock was bought back.
    bought_back: Vec<bool>,
    calm_from: Instant,
    storm_from: Instant,
    storm_to: Instant,
}

/// Lets the others buy until the storm is over, and buys some of what lapses back.
fn watch_weather(
    plan: &StormPlan,
    target: &Target,
    style: &Style,
    quiet: &[Product],
    products: &[Product],
    holds: &Holds,
    findings: &mut Findings,
) -> anyhow::Result<Weather> {
    let is_over = AtomicBool::new(false);
    let calm_from = Instant::now() + Duration::from_millis(SETTLE_MS);
    let storm_from = wall_clock::instant(holds.first());
    thread::scope(|scope| {
        let others: Vec<_> = (0..plan.buyers)
            .map(|number| {
                let is_over = &is_over;
                scope.spawn(move || buyers::buy(number, target, style, quiet, is_over))
            })
            .collect();
        let watched = watch::buy_back(plan, target, style, products, holds, findings);
        let aftermath = Duration::from_millis(AFTERMATH_MS);
        let over_at = Instant::now().max(wall_clock::instant(holds.last())) + aftermath;
        thread::sleep(over_at.saturating_duration_since(Instant::now()));
        // Before anything can fail: the others buy until they are told.
        is_over.store(true, Ordering::Release);
        let mut bought = Vec::with_capacity(plan.buyers);
        for other in others {
            bought.push(other.join().map_err(|_| anyhow!("a buyer's thread panicked"))?);
        }
        let storm_to = Instant::now();
        let (lateness, bought_back) = watched?;
        Ok(Weather { bought, lateness, bought_back, calm_from, storm_from, storm_to })
    })
}

/// Polls until nothing is held, and returns how long after the last deadline that was seen.
fn wait_until_empty(
    plan: &StormPlan,
    shop: &mut Shop,
    products: &[Product],
    last_deadline: UnixMs,
) -> anyhow::Result<u64> {
    let mut held: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
    loop {
        let figures = shop.all_figures(&held)?;
        let since = wall_clock::now().saturating_sub(last_deadline);
        let mut reserved = figures.iter().map(|figures| figures.reserved != 0);
        held.retain(|_| reserved.next().unwrap_or(false));
        if held.is_empty() || since > plan.patience_ms {
            return Ok(since);
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}

/// Whatever lapsed can be sold again, or was.
fn audit_storm(
    shop: &Shop,
    products: &[Product],
    bought_back: &[bool],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let skus: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
    for ((figures, product), is_bought) in shop.all_figures(&skus)?.into_iter().zip(products).zip(bought_back)
    {
        let Figures { on_hand, available, reserved, committed } = figures;
        let (sku, stock) = (&product.sku, i64::from(product.stock));
        findings.check(Invariant::HoldsEnd, reserved == 0, format_args!("{sku}: reserved {reserved}"));
        let sold = if *is_bought { stock } else { 0 };
        let is_back = (on_hand, available, committed) == (stock, stock - sold, sold);
        findings.check(
            Invariant::EveryUnitIsBack,
            is_back,
            format_args!("{sku} of {stock}: {figures:?}, {sold} were bought back"),
        );
    }
    Ok(())
}

/// What the others were told they bought is what was sold.
fn audit_quiet(
    shop: &Shop,
    quiet: &[Product],
    bought: &[Bought],
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let skus: Vec<String> = quiet.iter().map(|product| product.sku.clone()).collect();
    let told: u64 = bought.iter().map(|bought| bought.units).sum();
    let lost: u64 = bought.iter().map(|bought| bought.lost).sum();
    let committed: i64 = shop.all_figures(&skus)?.iter().map(|figures| figures.committed).sum();
    let is_told = u64::try_from(committed).is_ok_and(|committed| (told..=told + lost).contains(&committed));
    findings.check(
        Invariant::CommittedIsWhatBuyersWereTold,
        is_told,
        format_args!("the others bought {told} and lost {lost} answers, committed {committed}"),
    );
    for wrong in bought.iter().flat_map(|bought| &bought.wrong) {
        findings.add(Invariant::AnswerIsExpected, wrong);
    }
    Ok(())
}

fn describe(report: &StormReport) -> String {
    let mut text = format!(
        "\nexpiry storm: {} reservations over {} products, made in {:.2} s ({}/s), lapsing within {} ms\n",
        report::count(report.reservations),
        report::count(report.products),
        report.batch_seconds,
        report::rate(report.reservations_per_second),
        report.deadlines_ms
    );
    text.push_str(&report::table(&[
        Percentiles::heading(),
        report.before.latency.row("others, before"),
        report.during.latency.row("others, during"),
    ]));
    text.push_str(&format!(
        "pause       longest gap on any of the others' connections: {} before, {} during\n",
        report::time(report.before.longest_gap_ms * 1e3),
        report::time(report.during.longest_gap_ms * 1e3)
    ));
    let Lateness { samples, p50_ms, max_ms, resolution_ms, .. } = report.lateness;
    text.push_str(&format!(
        "lateness    p50 {p50_ms:.1} ms, max {max_ms:.1} ms after the deadline, over {samples} products; resolution {resolution_ms:.1} ms\n"
    ));
    text.push_str(&format!(
        "lapse       last look at the figures {} ms after the last deadline, the first after {AFTERMATH_MS} ms\n",
        report.all_back_ms
    ));
    text.push_str(&report::verdict(&report.findings));
    text
}

#[cfg(test)]
mod tests;
