//! Command line: what may be asked of the load test, and who answers it.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgGroup, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;

use crate::checkout::{self, CheckoutPlan};
use crate::contenders::contest;
use crate::crash::{self, CrashPlan};
use crate::floor::{self, FloorPlan};
use crate::last_unit::{self, LastUnitPlan};
use crate::numbers::Chance;
use crate::sale::{self, SalePlan, Target};
use crate::server::{self, ServerPlan};
use crate::storm::{self, StormPlan};
use crate::victim::Process;
use crate::{budget, compare, contenders, floor_server, page, place, report, scenarios};

const CONNECTIONS: [usize; 2] = [64, 256];
const CONNECTIONS_MAX: usize = 10_000;
const CRASH_CONNECTIONS: usize = 32;
const CHECKOUT_CONNECTIONS: usize = 32;
const STORM_BUYERS: usize = 8;
const STORM_SAMPLES: usize = 20;
/// How long after the last deadline the last hold may take to end.
const PATIENCE_MS: u64 = 15_000;
const PRODUCTS_MAX: usize = 1_000_000;
const RESERVATIONS_MAX: usize = 10_000_000;
const GENERATOR_THREADS_MAX: usize = 64;

/// Scenarios that are flags, by the names under which they can be called as well.
const FLAGS_BY_NAME: [(&str, Option<&str>); 6] = [
    ("sale", None),
    ("crash", Some("--crash")),
    ("checkout", Some("--checkout")),
    ("last-unit", Some("--last-unit")),
    ("storm", Some("--expiry-storm")),
    ("floor", Some("--floor")),
];
const SCENARIOS_BY_NAME: &str = "`loadtest sale`, `crash`, `checkout`, `last-unit`, `storm` and `floor` are the same \
    as no flag, --crash, --checkout, --last-unit, --expiry-storm and --floor.";

/// A flash sale against Holdfast over HTTP, measured and audited.
///
/// Without arguments: starts the release server on a fresh folder and sells 10 000 units to 30 000 buyers, at 64
/// and at 256 connections. Exits 1 when an invariant breaks.
#[derive(Debug, Parser)]
#[command(version, after_help = SCENARIOS_BY_NAME)]
#[command(group(ArgGroup::new("scenario").args(["crash", "floor", "checkout", "last_unit", "expiry_storm"])))]
// An option asks for a group and not for one flag: what a flag conflicts with would cancel the demand for it.
#[command(group(ArgGroup::new("comparing").args(["floor"])))]
#[command(group(ArgGroup::new("visiting").args(["checkout"])))]
#[command(group(ArgGroup::new("storming").args(["expiry_storm"])))]
#[command(group(ArgGroup::new("killing").args(["crash", "checkout"])))]
#[command(group(ArgGroup::new("in_rounds").args(["floor", "last_unit"])))]
#[command(group(ArgGroup::new("spread").args(["checkout", "expiry_storm"])))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Kill the server under load, again and again, and audit what it remembers
    #[arg(long, conflicts_with = "url")]
    crash: bool,
    /// How often to kill it [default: 20; 3 with --short; checkout: 0]
    #[arg(long, requires = "killing", conflicts_with = "url")]
    kills: Option<u32>,
    /// Repeat a crash or checkout run: the seed it printed
    #[arg(long, requires = "killing")]
    seed: Option<u64>,

    /// Whole visits: carts, orders, payments, reservations, all soon to lapse; with --kills the server dies meanwhile
    #[arg(long)]
    checkout: bool,
    /// Customers of a checkout run, after the last kill [default: 20000; 1000 with --short]
    #[arg(long, requires = "visiting")]
    customers: Option<u64>,

    /// Two buyers, one unit, again and again: exactly one may get it
    #[arg(long)]
    last_unit: bool,

    /// Very many reservations lapse within one second, while others buy
    #[arg(long)]
    expiry_storm: bool,
    /// How many reservations [default: 100000; 5000 with --short]
    #[arg(long, requires = "storming")]
    reservations: Option<usize>,
    /// Seconds from the first batch of reservations to the storm [default: 15; 5 with --short]
    #[arg(long, requires = "storming")]
    lapse_after: Option<u32>,

    /// Products [default: checkout 10000, 500 with --short; expiry storm: 1000]
    #[arg(long, requires = "spread")]
    products: Option<usize>,

    /// Compare with a bare actix-web endpoint, row by row
    #[arg(long, conflicts_with = "url")]
    floor: bool,
    /// Rounds of the comparison [default: 5; 2 with --short], or of the last unit [default: 1000; 50 with --short]
    #[arg(long, requires = "in_rounds")]
    rounds: Option<u32>,
    /// Seconds of each measurement, after half a second of warm-up [default: 3; 0.5 with --short]
    #[arg(long, requires = "comparing")]
    seconds: Option<f64>,
    /// Exit 1 when a row is below its must
    #[arg(long, requires = "comparing")]
    enforce: bool,

    /// Sell at a running server instead of starting one
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

    /// Open connections; one sale for each [default: 64,256; crash, checkout: 32; expiry storm: 8]
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// Units for sale [default: 10000; 1000 with --short]
    #[arg(long)]
    units: Option<u32>,
    /// Purchase requests of one unit each [default: three for each unit]
    #[arg(long)]
    buyers: Option<u64>,
    /// Send an Idempotency-Key with each purchase
    #[arg(long)]
    keys: bool,
    /// A few seconds in all, for CI
    #[arg(long)]
    short: bool,
    /// Threads of the generator [default: 1; 2 with --floor]
    #[arg(long)]
    generator_threads: Option<usize>,

    /// Make the server's folder in here instead of the temporary folder
    #[arg(long, conflicts_with = "url")]
    data_parent: Option<PathBuf>,
    /// Start this server instead of the release build beside this program
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    server_binary: Option<PathBuf>,
    /// Set a variable of the server's environment, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "url")]
    server_env: Vec<String>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// What was done about the rate limits of a server of ours
    #[arg(skip)]
    rate_limits: OnceCell<&'static str>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole performance budget: must, aim and measured
    Budget(budget::Request),
    #[command(flatten)]
    Measured(scenarios::Scenario),
    /// The bare endpoint of --floor, in a process of its own
    #[command(hide = true)]
    FloorServer,
    /// Floor, Holdfast, PostgreSQL and Redis side by side: the same purchases, the same HTTP, in turn; books audited
    Contenders(contest::Options),
    /// The front of a contender, in a process of its own
    #[command(hide = true)]
    ContenderServer,
    /// Drive the bare endpoint alone, to see how fast the generator is
    #[command(hide = true)]
    FloorOnly,
    /// Compare two results figure by figure, or the rivals of one side by side
    Compare(compare::Request),
    /// Make a page of results that were kept
    Page(page::Request),
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Document<'a, Plan, Report> {
    scenario: &'a str,
    plan: &'a Plan,
    report: &'a Report,
    rate_limits: &'a str,
    is_passed: bool,
}

/// Reads the arguments and does what they say; false when a check failed.
///
/// # Errors
///
/// When the checks could not be made at all.
pub(crate) fn run() -> anyhow::Result<bool> {
    let cli = parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    ensure!(
        cli.connections.iter().all(|connections| (1..=CONNECTIONS_MAX).contains(connections)),
        "--connections takes 1 to {CONNECTIONS_MAX}"
    );
    ensure!(
        cli.generator_threads.is_none_or(|threads| (1..=GENERATOR_THREADS_MAX).contains(&threads)),
        "--generator-threads takes 1 to {GENERATOR_THREADS_MAX}"
    );
    match &cli.command {
        Some(Command::Compare(request)) => compare::run(request),
        Some(Command::Page(request)) => page::run(request).map(|()| true),
        Some(Command::Budget(request)) => budget::run(request),
        Some(Command::Measured(scenario)) => scenarios::run(scenario),
        Some(Command::FloorServer) => floor_server::serve_standard_input().map(|()| true),
        Some(Command::Contenders(options)) => contest::run(options),
        Some(Command::ContenderServer) => contenders::serve_standard_input().map(|()| true),
        Some(Command::FloorOnly) => floor::drive_floor_only(&cli.floor_plan()?).map(|()| true),
        None if cli.crash => cli.crash(),
        None if cli.floor => cli.floor(),
        None if cli.checkout => cli.checkout(),
        None if cli.last_unit => cli.last_unit(),
        None if cli.expiry_storm => cli.expiry_storm(),
        None => cli.sale(),
    }
}

/// Reads the arguments, a scenario's name among them taken for its flag.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let named = arguments.get(1).and_then(|name| FLAGS_BY_NAME.iter().find(|(known, _)| name == known));
    if let Some((_, flag)) = named {
        arguments.splice(1..2, flag.map(OsString::from));
    }
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    if matches!(cli.command, Some(Command::Measured(_))) && has_options(&matches) {
        let why = "the options of a scenario stand behind its name";
        return Err(Cli::command().error(ErrorKind::ArgumentConflict, why));
    }
    Ok(cli)
}

/// Whether something was said before the subcommand: it would have no effect, and nobody would notice.
fn has_options(matches: &ArgMatches) -> bool {
    matches.ids().any(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine))
}

impl Cli {
    fn sale(&self) -> anyhow::Result<bool> {
        let units = self.units.unwrap_or(if self.short { 1_000 } else { 10_000 });
        let plan = SalePlan {
            units,
            buyers: self.buyers.unwrap_or(u64::from(units) * 3),
            connections: if self.connections.is_empty() {
                CONNECTIONS.to_vec()
            } else {
                self.connections.clone()
            },
            has_keys: self.keys,
            generator_threads: self.generator_threads.unwrap_or(1),
        };
        ensure!(plan.units > 0 && plan.buyers > 0, "a sale needs units and buyers");
        self.with_server(|target| {
            let reports = sale::run(&plan, target)?;
            let is_passed = reports.iter().all(|report| report.findings.is_clean());
            self.finish("sale", &plan, &reports, is_passed)
        })
    }

    fn crash(&self) -> anyhow::Result<bool> {
        let plan = CrashPlan {
            kills: self.kills.unwrap_or(if self.short { 3 } else { 20 }),
            seed: self.seed.unwrap_or_else(crash::fresh_seed),
            connections: self.connections.first().copied().unwrap_or(CRASH_CONNECTIONS),
        };
        let server_plan = self.server_plan()?;
        let crash_report = crash::run(&plan, &server_plan)?;
        let is_passed = crash_report.findings.is_clean();
        place::keeping(&server_plan, self.finish("crash", &plan, &crash_report, is_passed))
    }

    fn checkout(&self) -> anyhow::Result<bool> {
        let plan = CheckoutPlan {
            products: self.products.unwrap_or(if self.short { 500 } else { 10_000 }),
            customers: self.customers.unwrap_or(if self.short { 1_000 } else { 20_000 }),
            connections: self.connections.first().copied().unwrap_or(CHECKOUT_CONNECTIONS),
            kills: self.kills.unwrap_or(0),
            seed: self.seed.unwrap_or_else(crash::fresh_seed),
            patience_ms: PATIENCE_MS,
        };
        ensure!((1..=PRODUCTS_MAX).contains(&plan.products), "--products takes 1 to {PRODUCTS_MAX}");
        let finish = |report: &checkout::CheckoutReport| {
            self.finish("checkout", &plan, report, report.findings.is_clean())
        };
        if plan.kills == 0 {
            let nobody: Option<&mut Process<'_>> = None;
            return self.with_server(|target| finish(&checkout::run(&plan, target, nobody)?));
        }
        let server_plan = self.server_plan()?;
        let mut victim = Process::start(&server_plan, &mut Chance::new(plan.seed))?;
        let target = victim.target();
        place::keeping(&server_plan, finish(&checkout::run(&plan, &target, Some(&mut victim))?))
    }

    fn last_unit(&self) -> anyhow::Result<bool> {
        let rounds = self.rounds.unwrap_or(if self.short { 50 } else { 1_000 });
        let plan = LastUnitPlan { rounds: usize::try_from(rounds).context("--rounds")? };
        ensure!((1..=PRODUCTS_MAX).contains(&plan.rounds), "--rounds takes 1 to {PRODUCTS_MAX}");
        self.with_server(|target| {
            let report = last_unit::run(&plan, target)?;
            self.finish("last unit", &plan, &report, report.findings.is_clean())
        })
    }

    fn expiry_storm(&self) -> anyhow::Result<bool> {
        let plan = StormPlan {
            reservations: self.reservations.unwrap_or(if self.short { 5_000 } else { 100_000 }),
            products: self.products.unwrap_or(1_000),
            buyers: self.connections.first().copied().unwrap_or(STORM_BUYERS),
            lapse_seconds: self.lapse_after.unwrap_or(if self.short { 5 } else { 15 }),
            before_ms_min: if self.short { 1_000 } else { 2_000 },
            samples: STORM_SAMPLES,
            patience_ms: PATIENCE_MS,
        };
        ensure!((1..=PRODUCTS_MAX).contains(&plan.products), "--products takes 1 to {PRODUCTS_MAX}");
        ensure!(
            (1..=RESERVATIONS_MAX).contains(&plan.reservations),
            "--reservations takes 1 to {RESERVATIONS_MAX}"
        );
        ensure!((2..=3_600).contains(&plan.lapse_seconds), "--lapse-after takes 2 to 3600");
        self.with_server(|target| {
            let report = storm::run(&plan, target)?;
            self.finish("expiry storm", &plan, &report, report.findings.is_clean())
        })
    }

    fn floor(&self) -> anyhow::Result<bool> {
        let plan = self.floor_plan()?;
        let server = self.server_plan()?.start(0)?;
        let rows = floor::run(&plan, &server)?;
        let is_passed = !self.enforce || rows.iter().all(floor::RowReport::is_met);
        self.finish("floor", &plan, &rows, is_passed)
    }

    fn floor_plan(&self) -> anyhow::Result<FloorPlan> {
        let plan = FloorPlan {
            rounds: self.rounds.unwrap_or(if self.short { 2 } else { 5 }),
            seconds: self.seconds.unwrap_or(if self.short { 0.5 } else { 3.0 }),
            spread_products: if self.short { 1_000 } else { 10_000 },
            // With one, a floor this fast leaves a tenth of two cores idle: it would look lower than it is.
            generator_threads: self.generator_threads.unwrap_or(2),
        };
        ensure!((1..=1_000).contains(&plan.rounds), "--rounds takes 1 to 1000");
        ensure!((0.1..=60.0).contains(&plan.seconds), "--seconds takes 0.1 to 60");
        Ok(plan)
    }

    fn finish<P: Serialize, R: Serialize>(
        &self,
        scenario: &str,
        plan: &P,
        report: &R,
        is_passed: bool,
    ) -> anyhow::Result<bool> {
        if let Some(file) = &self.json {
            let rate_limits = self.rate_limits.get().copied().unwrap_or("those of the server");
            report::write_json(file, &Document { scenario, plan, report, rate_limits, is_passed })?;
        }
        Ok(is_passed)
    }

    /// Runs `scenario` at the server of `--url`, or at one of ours; what that leaves behind is kept when it failed.
    fn with_server(&self, scenario: impl FnOnce(&Target) -> anyhow::Result<bool>) -> anyhow::Result<bool> {
        if let Some(url) = &self.url {
            return scenario(&self.running(url)?);
        }
        let server_plan = self.server_plan()?;
        let server = server_plan.start(0)?;
        place::keeping(&server_plan, scenario(&server::target(&server)))
    }

    fn server_plan(&self) -> anyhow::Result<ServerPlan> {
        let (program, parent) = (self.server_binary.as_deref(), self.data_parent.as_deref());
        let plan = place::prepare(program, parent, &self.server_env)?;
        let rate_limits = *self.rate_limits.get_or_init(|| plan.rate_limits());
        println!("rate limits of the server: {rate_limits}");
        Ok(plan)
    }

    fn running(&self, url: &str) -> anyhow::Result<Target> {
        let (address, host) = place::resolve(url, self.i_own_this_server)?;
        let email = self.email.clone().context("--url needs --email")?;
        let password = self.password.clone().context("--url needs --password")?;
        Ok(Target { address, host, email, password, process: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_one_scenario_are_refused_in_another() {
        for line in [
            "loadtest --kills 3",
            "loadtest --crash --floor",
            "loadtest --crash --url http://127.0.0.1:1 --email a --password b",
            "loadtest --url http://127.0.0.1:1",
            "loadtest --enforce",
            "loadtest --checkout --last-unit",
            "loadtest --expiry-storm --floor",
            "loadtest --expiry-storm --kills 3",
            "loadtest --checkout --kills 1 --url http://127.0.0.1:1 --email a --password b",
            "loadtest --crash --products 3",
            "loadtest --checkout --reservations 3",
            "loadtest --crash --customers 3",
            "loadtest --checkout --enforce",
            "loadtest compare",
            "loadtest compare a.json --fail-below 5",
            "loadtest compare a.json --json",
            "loadtest compare a.json b.json --fail-below much",
            "loadtest page a.json",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        for line in [
            "loadtest",
            "loadtest --crash --kills 3 --seed 7",
            "loadtest --floor --enforce",
            "loadtest floor-server",
            "loadtest --checkout --kills 3 --seed 7 --products 9 --customers 5 --short",
            "loadtest --checkout --url http://127.0.0.1:1 --email a --password b",
            "loadtest --last-unit --rounds 3",
            "loadtest compare a.json --html a.html",
            "loadtest compare a.json b.json --fail-below 5 --json",
            "loadtest page a.json --html a.html",
            "loadtest --expiry-storm --reservations 9 --products 3 --lapse-after 4",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    fn read(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn scenarios_that_are_flags_have_names_too() {
        assert!(read("loadtest checkout --kills 2 --short").is_ok_and(|cli| cli.checkout && cli.short));
        assert!(read("loadtest last-unit --rounds 3").is_ok_and(|cli| cli.last_unit));
        assert!(read("loadtest storm --reservations 3").is_ok_and(|cli| cli.expiry_storm));
        assert!(read("loadtest sale --units 3").is_ok_and(|cli| cli.units == Some(3) && !cli.crash));
        assert!(read("loadtest crash --floor").is_err());
    }

    #[test]
    fn measured_scenarios_take_their_options_behind_their_name() {
        for line in [
            "loadtest flash --short --units 30 --rate 200 --audit no",
            "loadtest spread --products 30 --zipf 0.9 --threads 4",
            "loadtest spread --uniform --json a.json --html a.html",
            "loadtest sold-out --connections 256",
            "loadtest browse --warm-up 0.5 --duration 2",
            "loadtest mixed --reads-per-purchase 10",
            "loadtest batch --batch 10000 --url http://127.0.0.1:1 --email a --password b",
        ] {
            assert!(read(line).is_ok_and(|cli| matches!(cli.command, Some(Command::Measured(_)))), "{line}");
        }
        for line in [
            "loadtest --short flash",
            "loadtest flash --zipf 1",
            "loadtest spread --zipf 1 --uniform",
            "loadtest flash --rate 0",
            "loadtest flash --rate many",
            "loadtest flash --connections 0",
            "loadtest flash --threads 65",
            "loadtest flash --duration 0",
            "loadtest flash --duration nan",
            "loadtest batch --batch 10001",
            "loadtest flash --url http://127.0.0.1:1",
            "loadtest mixed --reads-per-purchase 0",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
