//! Budget: the whole table of what Holdfast must and aims to reach, measured in interleaved rounds on this machine.
//!
//! Owns the plan, the order of things and the table. In the order one should read it: what is demanded (`rows`), who is
//! measured over HTTP (`market`, `books`), and what is measured in process (`programs`).

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, ValueEnum};

use crate::results::{BudgetRow, Document};
use crate::stolen::Ticks;
use crate::{document, guard, numbers, page, place, report, server};

mod books;
mod market;
mod programs;
mod rows;

use market::Market;
use programs::{Program, Ran};
use rows::{Row, Verdict};

const ROUNDS_MAX: u32 = 100;
const SECONDS_MAX: f64 = 60.0;
const SECONDS_MIN: f64 = 0.1;
/// Before a program: what ended before it has given back gigabytes, and while the host of a virtual machine takes them, it
/// keeps processors for 30 ms at a time. That would be the longest pause of any shard.
const REST: Duration = Duration::from_secs(20);
/// Stands before every figure that a short run made.
const SHORT: &str = "a short run with small sizes, not the budget's figures";

/// What may be asked of `loadtest budget`.
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// Only these rows
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME")]
    rows: Vec<Row>,
    /// Rounds, in which everybody is measured once [default: 5; 1 with --short]
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds of each measurement, after half a second of warm-up [default: 3; 0.5 with --short]
    #[arg(long)]
    seconds: Option<f64>,
    /// Threads of the generator
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Small sizes and few seconds, for CI; the figures are not the budget's
    #[arg(long)]
    short: bool,
    /// Exit 1 when a row is below its must
    #[arg(long)]
    enforce: bool,
    /// Make the servers' folders in here instead of the temporary folder
    #[arg(long)]
    data_parent: Option<PathBuf>,
    /// Start this server instead of the release build beside this program
    #[arg(long, value_name = "FILE")]
    server_binary: Option<PathBuf>,
    /// Set a variable of the server's environment, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    server_env: Vec<String>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write everything as one page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What was asked, checked.
struct Plan {
    rows: Vec<Row>,
    rounds: u32,
    duration: Duration,
    generator_threads: usize,
    spread_products: usize,
    is_short: bool,
    data_parent: Option<PathBuf>,
    server_binary: Option<PathBuf>,
    server_env: Vec<(String, String)>,
}

/// Measures what was asked for, prints the table, and says whether every row is met, where that was demanded.
///
/// # Errors
///
/// When something cannot be measured at all.
pub(crate) fn run(request: &Request) -> anyhow::Result<bool> {
    let plan = Plan::of(request)?;
    let mut document = document::begin(std::env::args().collect());
    document.machine.file_system =
        document::file_system(&server::parent_of_folders(plan.data_parent.as_deref())?);
    let has_market = plan.rows.iter().any(|row| row.needs().is_some());
    let market = has_market.then(|| Market::open(&plan, &plan.rows, &mut document)).transpose()?;
    if let Some(mut market) = market {
        let began = Ticks::now();
        for round in 1..=plan.rounds {
            market.measure(&plan, round, &mut document)?;
        }
        document.notes.push(began.stolen().to_string());
        market.audit(&mut document)?;
        // What runs in process has the machine for itself.
        guard::release_all();
    }
    let ran = run_programs(&plan)?;
    document.budget = plan.rows.iter().map(|row| row.fill(&document.measurements, &ran)).collect();
    if plan.is_short {
        document.budget.iter_mut().for_each(|row| row.note = format!("{SHORT}; {}", row.note));
    }
    print!("{}", describe(&document));
    page::keep(&document, request.json.as_deref(), request.html.as_deref())?;
    let is_met = document.budget.iter().all(|row| Verdict::of(row).is_met());
    Ok(document.violations.is_empty() && (is_met || !request.enforce))
}

impl Plan {
    fn of(request: &Request) -> anyhow::Result<Self> {
        let is_short = request.short;
        let seconds = request.seconds.unwrap_or(if is_short { 0.5 } else { 3.0 });
        ensure!(
            (SECONDS_MIN..=SECONDS_MAX).contains(&seconds),
            "--seconds takes {SECONDS_MIN} to {SECONDS_MAX}"
        );
        let rounds = request.rounds.unwrap_or(if is_short { 1 } else { 5 });
        ensure!((1..=ROUNDS_MAX).contains(&rounds), "--rounds takes 1 to {ROUNDS_MAX}");
        let is_wanted = |row: &Row| request.rows.is_empty() || request.rows.contains(row);
        Ok(Self {
            rows: Row::value_variants().iter().copied().filter(is_wanted).collect(),
            rounds,
            duration: Duration::from_secs_f64(seconds),
            generator_threads: usize::from(request.threads),
            spread_products: if is_short { 500 } else { 10_000 },
            is_short,
            data_parent: request.data_parent.clone(),
            server_binary: request.server_binary.clone(),
            server_env: place::environment(&request.server_env)?,
        })
    }
}

/// One program after the other, round by round.
fn run_programs(plan: &Plan) -> anyhow::Result<Vec<Ran>> {
    let is_wanted = |program: &Program| plan.rows.iter().any(|row| row.program() == Some(*program));
    let wanted: Vec<Program> = Program::ALL.into_iter().filter(is_wanted).collect();
    let mut ran = Vec::new();
    if wanted.is_empty() {
        return Ok(ran);
    }
    let parent = server::parent_of_folders(plan.data_parent.as_deref())?;
    let folder = tempfile::Builder::new().prefix("holdfast-budget-").tempdir_in(parent)?.keep();
    guard::remove_at_end(folder.clone());
    for round in 1..=plan.rounds {
        for program in wanted.iter().filter(|program| round <= program.rounds_max()) {
            if !plan.is_short {
                thread::sleep(REST);
            }
            let it = program.run(plan.is_short, &folder)?;
            eprintln!("round {round} of {}: {}", plan.rounds, it.said);
            ran.push(it);
        }
    }
    Ok(ran)
}

fn describe(document: &Document) -> String {
    let heading = [
        "what",
        "must",
        "aim",
        "measured min–median–max",
        "unit",
        "of the aim",
        "CPU µs",
        "generator µs",
        "verdict",
    ];
    let mut table = vec![heading.map(str::to_owned).to_vec()];
    table.extend(document.budget.iter().map(line));
    let mut text = report::table(&table);
    for row in document.budget.iter().filter(|row| !row.note.is_empty()) {
        text.push_str(&format!("{}: {}\n", row.what, row.note));
    }
    for note in &document.notes {
        text.push_str(&format!("{note}\n"));
    }
    for violation in &document.violations {
        text.push_str(&format!("VIOLATION: {violation}\n"));
    }
    text
}

fn line(row: &BudgetRow) -> Vec<String> {
    let measured = match numbers::spread(&row.measured) {
        Some((min, median, max)) => format!("{}–{}–{}", figure(min), figure(median), figure(max)),
        None => "–".into(),
    };
    let share = rows::share_of_aim(row).map_or_else(|| "–".into(), |share| format!("{share:.0} %"));
    vec![
        row.what.clone(),
        figure(row.must),
        figure(row.aim),
        measured,
        row.unit.clone(),
        share,
        report::micros(row.server_cpu_us),
        report::micros(row.generator_cpu_us),
        Verdict::of(row).words().into(),
    ]
}

/// Small ones with two digits, large ones in groups.
fn figure(value: f64) -> String {
    if value.abs() < 1_000.0 { format!("{value:.2}") } else { report::rate(value) }
}

#[cfg(test)]
mod tests;
