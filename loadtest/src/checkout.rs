//! Checkout: whole visits under load. Customers browse, fill carts, order, pay, change their minds and forget.
//!
//! Everything they hold lapses within seconds. With kills the server dies under this load and whoever lost an answer
//! asks again with the same key. When all deadlines have passed the auditor compares what is left with what the
//! customers were told. Called by `main`.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use crate::auditor::orders as order_auditor;
use crate::engine::Engine;
use crate::findings::{Findings, Violation};
use crate::numbers::{self, Chance};
use crate::report::{self, Percentiles};
use crate::sale::{Target, run_id};
use crate::shop::{Product, Shop, Wanted};
use crate::victim::{self, Restart, Victim};
use crate::wall_clock;
use crate::wire::Style;

mod catalogue;
mod customer;
mod drain;
mod hear;
mod journey;
mod keepsakes;
mod reply;
mod shoppers;
mod tally;
mod timing;

use catalogue::Catalogue;
use drain::Drained;
use shoppers::Shoppers;
use tally::Tally;

/// Few enough that popular products sell out, and many enough that most of the others do not.
const STOCK: u32 = 60;
/// A cart holds units for one to so many seconds, by product.
const HOLD_SECONDS_MAX: usize = 3;
/// One product in so many is held from the order on, and not from the cart on.
const CHECKOUT_HELD_EACH: usize = 4;
const ANSWERS_BEFORE_KILL: std::ops::Range<u64> = 500..4_000;
const KILL_DELAY_US_MAX: u64 = 3_000;
/// Stops a server that survives its kill from filling our memory.
const CUSTOMERS_PER_KILL_MAX: u64 = 100_000;
/// Answered requests that are asked once more after each restart.
const REPEATS: usize = 50;
const LOAD_S_MAX: u64 = 300;
const KILL_S_MAX: u64 = 60;
const READY_S_MAX: u64 = 120;

/// The size of a checkout run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckoutPlan {
    pub(crate) products: usize,
    /// After the last kill; before it, as many as come.
    pub(crate) customers: u64,
    pub(crate) connections: usize,
    pub(crate) kills: u32,
    pub(crate) seed: u64,
    /// How long after the load the last hold may take to end.
    pub(crate) patience_ms: u64,
}

/// What a checkout run was like.
#[derive(Debug, Serialize)]
pub(crate) struct CheckoutReport {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) answers_per_second: f64,
    pub(crate) tally: Tally,
    pub(crate) latencies: Vec<(&'static str, Percentiles)>,
    pub(crate) kills: Vec<Outage>,
    pub(crate) drained: Drained,
    pub(crate) audited: Audited,
    pub(crate) violations: Vec<Violation>,
    #[serde(skip)]
    pub(crate) findings: Findings,
}

/// One kill. Counts are of the time since the one before.
#[derive(Debug, Serialize)]
pub(crate) struct Outage {
    pub(crate) answers: u64,
    pub(crate) confirmed: u64,
    /// Without an answer at the kill.
    pub(crate) lost: u64,
    /// Of these, to be asked again with their key.
    pub(crate) asked_again: u64,
    pub(crate) recovery_kills: u32,
    pub(crate) ready_ms: f64,
}

/// How much was compared.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Audited {
    pub(crate) products: u64,
    pub(crate) orders_listed: u64,
    pub(crate) orders_claimed: u64,
    pub(crate) reservations_listed: u64,
    pub(crate) reservations_claimed: u64,
    /// Requests without key whose answer was lost, and that may have made something.
    pub(crate) unknown: u64,
    pub(crate) ledgers: u64,
    pub(crate) movements: u64,
}

/// Runs the load, with kills if there is somebody to kill, waits until everything has lapsed, and audits.
///
/// # Errors
///
/// When the server cannot be reached or set up, dies by itself or does not come back. Broken invariants are not
/// errors but part of the report.
pub(crate) fn run(
    plan: &CheckoutPlan,
    target: &Target,
    victim: Option<&mut impl Victim>,
) -> anyhow::Result<CheckoutReport> {
    println!(
        "checkout: {} products, {} customers, {} connections, {} kills, --seed {}",
        plan.products, plan.customers, plan.connections, plan.kills, plan.seed
    );
    let mut chance = Chance::new(plan.seed);
    let style = Style { host: target.host.clone(), run: run_id() };
    let mut shop = enter(target)?;
    let catalogue = Catalogue::new(stock_up(plan, &style, &mut shop)?);
    let token = shop.token()?.to_owned();
    // Customers draw from a chance of their own: how many do so depends on the server's speed, and the kills must not.
    let customers = Chance::new(chance.between(0, u64::MAX));
    let mut shoppers = Shoppers::new(catalogue, style.clone(), token, customers);
    let started_at = Instant::now();
    let mut kills = Vec::new();
    if let Some(victim) = victim {
        for number in 0..plan.kills {
            let outage = kill_once(plan, target, &mut shoppers, victim, &mut chance)?;
            println!("{}", outage.line(number + 1));
            kills.push(outage);
        }
    }
    shoppers.let_in(plan.customers);
    shop_until_all_have_left(plan, target, &mut shoppers)?;
    let loaded_for = started_at.elapsed();
    let mut shop = enter(target)?;
    let (drained, audited) = audit(plan, &style, &mut shop, &mut shoppers, &mut chance)?;
    let Shoppers { tally, timing, findings, .. } = shoppers;
    let report = CheckoutReport {
        seed: plan.seed,
        seconds: loaded_for.as_secs_f64(),
        answers_per_second: numbers::per_second(tally.answers, loaded_for),
        tally,
        latencies: timing.percentiles(),
        kills,
        drained,
        audited,
        violations: findings.violations(),
        findings,
    };
    print!("{}", describe(&report));
    Ok(report)
}

fn enter(target: &Target) -> anyhow::Result<Shop> {
    Shop::enter(target, Duration::from_secs(READY_S_MAX))
}

fn stock_up(plan: &CheckoutPlan, style: &Style, shop: &mut Shop) -> anyhow::Result<Vec<Product>> {
    let wanted: Vec<Wanted> = (0..plan.products)
        .map(|number| Wanted {
            sku: format!("{}{number:06}", prefix(style)),
            stock: STOCK,
            hold_seconds: u32::try_from(1 + number % HOLD_SECONDS_MAX).ok(),
            is_held_at_checkout: number % CHECKOUT_HELD_EACH == CHECKOUT_HELD_EACH - 1,
        })
        .collect();
    shop.create_all(&wanted).context("stock up")
}

/// What the skus of this run begin with.
fn prefix(style: &Style) -> String {
    format!("co{}-", style.run)
}

/// Lets customers in until the seeded number of answers has come, kills the server a moment later and starts it again.
fn kill_once(
    plan: &CheckoutPlan,
    target: &Target,
    shoppers: &mut Shoppers,
    victim: &mut impl Victim,
    chance: &mut Chance,
) -> anyhow::Result<Outage> {
    let before = shoppers.tally;
    let answers = chance.between(ANSWERS_BEFORE_KILL.start, ANSWERS_BEFORE_KILL.end);
    let delay = Duration::from_micros(chance.between(0, KILL_DELAY_US_MAX));
    let patience = Duration::from_secs(KILL_S_MAX);
    let mut engine = Engine::connect(target.address, plan.connections, &shoppers.template())?;
    shoppers.let_in(CUSTOMERS_PER_KILL_MAX);
    victim::kill_under_load(victim, delay, patience, |trigger| {
        shoppers.kill_after(answers, trigger);
        engine.run(shoppers, Instant::now() + patience)
    })?;
    shoppers.recover(REPEATS);
    let Restart { recovery_kills, ready_in } = victim.restart(chance)?;
    let after = shoppers.tally;
    Ok(Outage {
        answers: after.answers - before.answers,
        confirmed: after.confirmed - before.confirmed,
        lost: after.lost - before.lost,
        asked_again: after.asked_again - before.asked_again,
        recovery_kills,
        ready_ms: ready_in.as_secs_f64() * 1e3,
    })
}

/// Serves everybody who is inside or still comes. At the end only those are left who wait for a deadline.
fn shop_until_all_have_left(
    plan: &CheckoutPlan,
    target: &Target,
    shoppers: &mut Shoppers,
) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(LOAD_S_MAX);
    while !shoppers.is_over() && Instant::now() < until {
        if let Some(moment) = shoppers.wakes_at() {
            thread::sleep(wall_clock::instant(moment).saturating_duration_since(Instant::now()));
        }
        let before = shoppers.progress();
        Engine::connect(target.address, plan.connections, &shoppers.template())?.run(shoppers, until)?;
        // Shed or lost too often: the script does not go on, and neither do we.
        if shoppers.progress() == before {
            break;
        }
    }
    shoppers.finish();
    Ok(())
}

/// Waits until everything has lapsed, and compares.
fn audit(
    plan: &CheckoutPlan,
    style: &Style,
    shop: &mut Shop,
    shoppers: &mut Shoppers,
    chance: &mut Chance,
) -> anyhow::Result<(Drained, Audited)> {
    let products = shoppers.catalogue.products();
    let drained = drain::wait(shop, products, &prefix(style), Duration::from_millis(plan.patience_ms))?;
    let facts = drain::collect(shop, products, &prefix(style), chance)?;
    let claims = &shoppers.claims;
    let mark_of = |text: &str| style.number(text.split_once('@').map_or(text, |(name, _)| name));
    order_auditor::audit(claims, &facts, &mark_of, &mut shoppers.findings);
    let movements = facts.ledgers.iter().map(|(_, movements)| movements.len()).sum();
    let audited = Audited {
        products: numbers::count(facts.stock.len()),
        orders_listed: numbers::count(facts.orders.len()),
        orders_claimed: numbers::count(claims.orders.len()),
        reservations_listed: numbers::count(facts.reservations.len()),
        reservations_claimed: numbers::count(claims.reservations.len()),
        unknown: numbers::count(claims.lost.count()),
        ledgers: numbers::count(facts.ledgers.len()),
        movements: numbers::count(movements),
    };
    Ok((drained, audited))
}

impl Outage {
    fn line(&self, number: u32) -> String {
        format!(
            "kill {number}: {} answers, {} confirmed, {} lost, {} to ask again, {} more kills in recovery, ready in {:.0} ms",
            report::count(self.answers),
            report::count(self.confirmed),
            self.lost,
            self.asked_again,
            self.recovery_kills,
            self.ready_ms
        )
    }
}

fn describe(report: &CheckoutReport) -> String {
    let CheckoutReport { tally, drained, audited, .. } = report;
    let count = report::count;
    let mut text = format!(
        "\ncheckout: {} customers, {} answers in {:.2} s, {} answers/s\n",
        count(tally.customers),
        count(tally.answers),
        report.seconds,
        report::rate(report.answers_per_second)
    );
    text.push_str(&format!(
        "outcomes    confirmed {}, held {}, declined {}, timed out {}, canceled {}, fulfilled {}, released {}\n",
        count(tally.confirmed),
        count(tally.held),
        count(tally.declined),
        count(tally.timed_out),
        count(tally.canceled),
        count(tally.fulfilled),
        count(tally.released)
    ));
    text.push_str(&format!(
        "refusals    no stock {}, too late {}, empty cart {}, shed {}\n",
        count(tally.refused),
        count(tally.too_late),
        count(tally.empty_carts),
        count(tally.shed)
    ));
    text.push_str(&report::rate_limited(tally.rate_limited));
    text.push_str(&format!(
        "keys        lost answers {}, asked again {}, answered ones repeated {}\n",
        count(tally.lost),
        count(tally.asked_again),
        count(tally.repeated)
    ));
    let mut rows = vec![Percentiles::heading()];
    rows.extend(report.latencies.iter().map(|(name, percentiles)| percentiles.row(name)));
    text.push_str(&report::table(&rows));
    text.push_str(&format!(
        "lapse       nothing held {:.0} ms after the load{}\n",
        drained.waited_ms,
        if drained.is_empty { "" } else { ": GIVEN UP" }
    ));
    text.push_str(&format!(
        "books       {} products; {} orders, {} claimed; {} reservations, {} claimed; {} unknown; {} movements of {} skus\n",
        count(audited.products),
        count(audited.orders_listed),
        count(audited.orders_claimed),
        count(audited.reservations_listed),
        count(audited.reservations_claimed),
        count(audited.unknown),
        count(audited.movements),
        count(audited.ledgers)
    ));
    text.push_str(&report::verdict(&report.findings));
    text
}

#[cfg(test)]
mod tests;
