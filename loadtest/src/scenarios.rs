//! Scenarios: one kind of load against Holdfast for a while, measured, audited and reported.
//!
//! `flash`, `spread`, `sold-out`, `browse`, `mixed` and `batch`: the subcommands that share their options. What each
//! needs is made in `preparation`, measured by `load`, judged in `audit`. Called by `cli`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use crate::findings::{Findings, Invariant};
use crate::load::{self, Endpoint, Load, Measured};
use crate::results::{Document, Pace};
use crate::sale::{Target, run_id};
use crate::series::HOLDFAST;
use crate::shop::Shop;
use crate::wire::Style;
use crate::{document, page, place, report, server};

mod audit;
mod preparation;

use preparation::Preparation;

const READY_S_MAX: u64 = 60;
/// Outcomes that may come unasked for and break nothing: the server had no time, or the answer got lost.
const HARMLESS: [&str; 6] =
    ["overloaded", "not_ready", "rate_limited", "insufficient_stock", "lost", "unanswered"];

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Everybody buys one product
    Flash(Flash),
    /// Purchases of many products, few of them hot
    Spread(Spread),
    /// Everybody wants a product that is gone: refusals only
    SoldOut(SoldOut),
    /// Pages of lists, filtered, sorted and leafed through, and single products
    Browse(Browse),
    /// Single products are looked at, and now and then bought
    Mixed(Mixed),
    /// Very many reservations in one request
    Batch(Batch),
}

#[derive(Debug, Args)]
pub(crate) struct Flash {
    /// Units for sale; when they are gone, the rest is refusals [default: more than can be sold]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub(crate) units: Option<u32>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Spread {
    /// Products [default: 10000; 1000 with --short]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) products: Option<u32>,
    /// The n-th product is wanted n^-ZIPF times as often as the first
    #[arg(long, default_value_t = 1.1, value_parser = exponent)]
    pub(crate) zipf: f64,
    /// All products are wanted alike
    #[arg(long, conflicts_with = "zipf")]
    pub(crate) uniform: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct SoldOut {
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Browse {
    /// Products [default: 10000; 500 with --short]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) products: Option<u32>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Mixed {
    /// Products [default: 1000; 100 with --short]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) products: Option<u32>,
    /// Products looked at for each one that is bought, on the average
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) reads_per_purchase: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Args)]
pub(crate) struct Batch {
    /// Products [default: 10000; 1000 with --short]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) products: Option<u32>,
    /// Reservations of one unit in each request
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) batch: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// The options that all of them take.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Measure a running server instead of starting one
    #[arg(long, requires_all = ["email", "password"])]
    url: Option<String>,
    /// Its administrator
    #[arg(long, requires = "url")]
    email: Option<String>,
    /// The administrator's password
    #[arg(long, env = "LOADTEST_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Allow a --url that is not this machine
    #[arg(long, requires = "url")]
    i_own_this_server: bool,

    /// Open connections [default: 64; batch: 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: Option<u32>,
    /// Threads of the generator
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Requests a second, at fixed times whatever the answers do; without it each connection asks when it is answered
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// Seconds before the measured time [default: 1; 0.5 with --short]
    #[arg(long, value_name = "SECONDS", value_parser = warm_up)]
    warm_up: Option<f64>,
    /// Seconds that are measured [default: 10; 2 with --short]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    duration: Option<f64>,
    /// A few seconds in all, for CI
    #[arg(long)]
    pub(crate) short: bool,
    /// Compare the server's books with the answers afterwards
    #[arg(long, value_enum, default_value_t = Audit::Yes)]
    audit: Audit,

    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Make the server's folder in here instead of the temporary folder
    #[arg(long, conflicts_with = "url")]
    data_parent: Option<PathBuf>,
    /// Start this server instead of the release build beside this program
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    server_binary: Option<PathBuf>,
    /// Set a variable of the server's environment, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "url")]
    server_env: Vec<String>,
}

/// Whether the server's books are read at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Audit {
    Yes,
    No,
}

/// Everything one run found out.
#[derive(Debug)]
struct Outcome {
    measured: Measured,
    findings: Findings,
    version: String,
}

/// Does what `scenario` says; false when an invariant broke.
///
/// # Errors
///
/// When the server cannot be started, reached or set up, or a report cannot be written.
pub(crate) fn run(scenario: &Scenario) -> anyhow::Result<bool> {
    let common = scenario.common();
    let mut document = document::begin(std::env::args().collect());
    if let Some(url) = &common.url {
        let (address, host) = place::resolve(url, common.i_own_this_server)?;
        let email = common.email.clone().context("--url needs --email")?;
        let password = common.password.clone().context("--url needs --password")?;
        let target = Target { address, host, email, password, process: None };
        let outcome = measure(scenario, &target)?;
        return finish(common, document, outcome, vec![format!("a running server at {url}")]);
    }
    let (program, parent) = (common.server_binary.as_deref(), common.data_parent.as_deref());
    let plan = place::prepare(program, parent, &common.server_env)?;
    document.machine.file_system = document::file_system(plan.folder());
    let server = plan.start(0)?;
    let outcome = measure(scenario, &server::target(&server));
    place::keeping(&plan, outcome.and_then(|outcome| finish(common, document, outcome, plan.settings())))
}

/// Prepares, measures and audits.
fn measure(scenario: &Scenario, target: &Target) -> anyhow::Result<Outcome> {
    let common = scenario.common();
    let mut shop = Shop::enter(target, Duration::from_secs(READY_S_MAX))?;
    let version = shop.version()?;
    let style = Style { host: target.host.clone(), run: run_id() };
    let load = scenario.load();
    let preparation = Preparation::make(scenario, &load, &style, &mut shop)?;
    let endpoint = Endpoint {
        name: HOLDFAST.into(),
        address: target.address,
        processes: target.process.into_iter().collect(),
    };
    let measured = load::measure(&load, &preparation.workload, &endpoint, 1)?;
    print!("{}", load::describe(&measured));
    let mut findings = Findings::default();
    judge_outcomes(&measured, &preparation, &mut findings);
    if common.audit == Audit::Yes {
        // The token of the beginning has run out after a long load.
        shop.log_in(&target.email, &target.password)?;
        let audited = audit::audit(&preparation, &measured.tally, &mut shop, &mut findings)?;
        println!("{audited}");
        print!("{}", report::verdict(&findings));
    } else if findings.is_clean() {
        println!("audit: none was asked for");
    } else {
        print!("{}", report::verdict(&findings));
    }
    Ok(Outcome { measured, findings, version })
}

/// A business case is never another answer than those that the scenario knows.
fn judge_outcomes(measured: &Measured, preparation: &Preparation, findings: &mut Findings) {
    for (name, times) in &measured.measurement.outcomes {
        let is_fine = preparation.workload.expects(name) || HARMLESS.contains(&name.as_str());
        findings.check(Invariant::AnswerIsExpected, is_fine, format_args!("{name}, {times} times"));
    }
}

/// Writes the reports that were asked for.
fn finish(
    common: &Common,
    mut document: Document,
    outcome: Outcome,
    settings: Vec<String>,
) -> anyhow::Result<bool> {
    document.rivals.push(server::rival(outcome.version, settings));
    document.measurements.push(outcome.measured.measurement);
    for violation in outcome.findings.violations() {
        let examples = violation.examples.join("; ");
        document.violations.push(format!("{} ({} times): {examples}", violation.invariant, violation.times));
    }
    page::keep(&document, common.json.as_deref(), common.html.as_deref())?;
    Ok(document.violations.is_empty())
}

impl Scenario {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Flash(_) => "flash",
            Self::Spread(_) => "spread",
            Self::SoldOut(_) => "sold-out",
            Self::Browse(_) => "browse",
            Self::Mixed(_) => "mixed",
            Self::Batch(_) => "batch",
        }
    }

    fn common(&self) -> &Common {
        match self {
            Self::Flash(flash) => &flash.common,
            Self::Spread(spread) => &spread.common,
            Self::SoldOut(sold_out) => &sold_out.common,
            Self::Browse(browse) => &browse.common,
            Self::Mixed(mixed) => &mixed.common,
            Self::Batch(batch) => &batch.common,
        }
    }

    fn load(&self) -> Load {
        let common = self.common();
        let usual = |long: f64, short: f64| if common.short { short } else { long };
        // A batch is as much work as a thousand requests: more of them at once would only wait for each other.
        let connections = common.connections.unwrap_or(if matches!(self, Self::Batch(_)) { 8 } else { 64 });
        Load {
            scenario: self.name().into(),
            connections: usize::try_from(connections).expect("at most 10 000"),
            generator_threads: usize::try_from(common.threads).expect("at most 64"),
            pace: common.rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
            warm_up: Duration::from_secs_f64(common.warm_up.unwrap_or(usual(1.0, 0.5))),
            duration: Duration::from_secs_f64(common.duration.unwrap_or(usual(10.0, 2.0))),
            shows_progress: true,
        }
    }
}

/// A number in `[least, most]`; neither NaN nor infinity is.
fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("takes {least} to {most}")) }
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.1, 10_000_000.0)
}

fn warm_up(text: &str) -> Result<f64, String> {
    number(text, 0.0, 3_600.0)
}

fn duration(text: &str) -> Result<f64, String> {
    number(text, 0.1, 3_600.0)
}

fn exponent(text: &str) -> Result<f64, String> {
    number(text, 0.01, 10.0)
}

#[cfg(test)]
mod tests;
