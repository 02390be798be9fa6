//! Compare: two documents figure by figure, or the rivals of one side by side.
//!
//! Says that something changed only where the rounds of the two do not overlap; what was measured once has no such
//! range, and that is said too. Measures nothing; called by the command line, and `page` shows what it finds.

pub(crate) mod side_by_side;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::results::{Better, BudgetRow, Document};
use crate::series::{self, Figure, Load, Series, Spread};
use crate::{document, page, report};

pub(crate) use side_by_side::describe;

/// What `loadtest compare` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// Results as written by --json; the earlier ones, or the only ones
    #[arg(value_name = "A.json")]
    a: PathBuf,
    /// The later ones; without them, the rivals of A.json are set side by side
    #[arg(value_name = "B.json")]
    b: Option<PathBuf>,
    /// Also make a page of it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the comparison as JSON instead of tables
    #[arg(long, requires = "b")]
    json: bool,
    /// Exit 1 when a throughput of B.json is lower than that of A.json by more than so many per cent, beyond the noise
    #[arg(long, value_name = "PERCENT", requires = "b", value_parser = percent)]
    fail_below: Option<f64>,
}

/// What is different between two documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Why the figures may not be comparable, or not be figures of the rivals at all; one sentence each.
    pub(crate) warnings: Vec<String>,
    pub(crate) matches: Vec<Match>,
    pub(crate) budget: Vec<Difference>,
}

/// One rival under one load, in both documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Match {
    pub(crate) rival: String,
    pub(crate) load: Load,
    pub(crate) differences: Vec<Difference>,
}

/// One figure in both documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Difference {
    pub(crate) what: String,
    /// None for a row of the budget, whose unit is in its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) figure: Option<Figure>,
    pub(crate) a: Spread,
    pub(crate) b: Spread,
    /// Of the medians, in per cent of A's; none where A's is zero.
    pub(crate) change_percent: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Better,
    Worse,
    /// The ranges of the rounds overlap.
    WithinNoise,
}

/// Does what `request` says; false when B is worse than it may be.
///
/// # Errors
///
/// When a file is no document, the two have nothing in common, or the page cannot be written.
pub(crate) fn run(request: &Request) -> anyhow::Result<bool> {
    let a = document::read(&request.a)?;
    let Some(b) = &request.b else {
        show(&describe(&a))?;
        if let Some(file) = &request.html {
            page::write(&a, file)?;
        }
        return Ok(true);
    };
    let b = document::read(b)?;
    let comparison = between(&a, &b);
    ensure!(
        !comparison.matches.is_empty() || !comparison.budget.is_empty(),
        "the two have no measurement in common: no rival under the same scenario, connections and pace"
    );
    if request.json {
        show(&format!("{}\n", serde_json::to_string_pretty(&comparison)?))?;
    } else {
        show(&in_words(&comparison))?;
    }
    if let Some(file) = &request.html {
        page::write_comparison(&a, &b, &comparison, file)?;
    }
    let Some(percent) = request.fail_below else { return Ok(true) };
    let fallen = fallen(&comparison, percent);
    for fall in &fallen {
        eprintln!("loadtest: {fall}");
    }
    Ok(fallen.is_empty())
}

/// Prints `text`; a reader who has seen enough, such as `head`, is no error.
fn show(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("print the comparison"),
        _ => Ok(()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("a percentage is 0 to 100".to_owned()) }
}

/// What changed from `a` to `b`, for each rival and load that both have, in the order of `b`.
pub(crate) fn between(a: &Document, b: &Document) -> Comparison {
    let (before, after) = (series::by_load(a), series::by_load(b));
    let mut warnings = machine_warnings(a, b);
    warnings.extend(rival_warnings(a, b));
    for (document, name) in [(a, "A"), (b, "B")] {
        warnings.extend(document_warnings(document).into_iter().map(|warning| format!("{name}: {warning}")));
    }
    let mut matches = Vec::new();
    for (load, found) in &after {
        for ours in found {
            let known = before.iter().find(|(known, _)| known == load);
            let Some(theirs) = known.and_then(|(_, known)| known.iter().find(|one| one.rival == ours.rival))
            else {
                warnings.push(format!("only B has {} under {}", ours.rival, load.name()));
                continue;
            };
            warnings.extend(setting_warnings(load, theirs, ours));
            let difference = |figure: Figure| {
                let (a, b) = (theirs.spread(figure)?, ours.spread(figure)?);
                let name = figure.name().to_owned();
                Some(Difference { figure: Some(figure), ..Difference::new(name, a, b, figure.better()) })
            };
            let differences = Figure::ALL.into_iter().filter_map(difference).collect();
            matches.push(Match { rival: ours.rival.to_owned(), load: load.clone(), differences });
        }
    }
    for (load, found) in &before {
        let is_matched = |rival: &str| matches.iter().any(|one| one.rival == rival && one.load == *load);
        let lost = found.iter().filter(|series| !is_matched(series.rival));
        warnings.extend(lost.map(|series| format!("only A has {} under {}", series.rival, load.name())));
    }
    let row = |row: &BudgetRow| {
        let before = a.budget.iter().find(|before| before.what == row.what && before.unit == row.unit)?;
        let (a, b) = (Spread::of(&before.measured)?, Spread::of(&row.measured)?);
        Some(Difference::new(format!("{}, {}", row.what, row.unit), a, b, row.better))
    };
    Comparison { warnings, matches, budget: b.budget.iter().filter_map(row).collect() }
}

impl Difference {
    fn new(what: String, a: Spread, b: Spread, better: Better) -> Self {
        let verdict = if a.overlaps(&b) {
            Verdict::WithinNoise
        } else if (b.median > a.median) == (better == Better::Higher) {
            Verdict::Better
        } else {
            Verdict::Worse
        };
        let change_percent = (a.median != 0.0).then_some((b.median / a.median - 1.0) * 100.0);
        Self { what, figure: None, a, b, change_percent, verdict }
    }

    /// Whether a range of rounds stands behind both sides.
    pub(crate) fn has_rounds(&self) -> bool {
        self.a.rounds > 1 && self.b.rounds > 1
    }

    pub(crate) fn write(&self, value: f64) -> String {
        self.figure.map_or_else(|| series::plain(value), |figure| figure.write(value))
    }

    /// `+3.1 %`, or a dash where nothing can be said.
    pub(crate) fn change(&self) -> String {
        self.change_percent.map_or_else(|| "–".to_owned(), |change| format!("{change:+.1} %"))
    }

    pub(crate) fn verdict_in_words(&self) -> &'static str {
        match (self.verdict, self.has_rounds()) {
            (Verdict::WithinNoise, true) => "no difference beyond the noise",
            (Verdict::WithinNoise, false) => "no difference; too few rounds to know the noise",
            (Verdict::Better, true) => "better, beyond the noise",
            (Verdict::Better, false) => "better; too few rounds to know the noise",
            (Verdict::Worse, true) => "worse, beyond the noise",
            (Verdict::Worse, false) => "worse; too few rounds to know the noise",
        }
    }
}

/// The throughputs that fell by more than `percent`, in words.
fn fallen(comparison: &Comparison, percent: f64) -> Vec<String> {
    let mut fallen = Vec::new();
    for one in &comparison.matches {
        for difference in &one.differences {
            let is_throughput = difference.figure == Some(Figure::Throughput);
            let change = difference.change_percent.unwrap_or(0.0);
            if is_throughput && difference.verdict == Verdict::Worse && change < -percent {
                let name = one.load.name();
                fallen.push(format!("the throughput of {} under {name} fell by {:.1} %", one.rival, -change));
            }
        }
    }
    fallen
}

fn machine_warnings(a: &Document, b: &Document) -> Vec<String> {
    let (one, other) = (&a.machine, &b.machine);
    let pairs = [
        ("processors", one.processor.clone(), other.processor.clone()),
        ("numbers of cores", one.cores.to_string(), other.cores.to_string()),
        ("memories", report::count(one.memory_bytes), report::count(other.memory_bytes)),
        ("systems", one.system.clone(), other.system.clone()),
        ("kernels", one.kernel.clone(), other.kernel.clone()),
        ("file systems", one.file_system.clone(), other.file_system.clone()),
    ];
    let different = pairs.into_iter().filter(|(_, one, other)| one != other);
    different.map(|(what, one, other)| format!("different {what}: A {one}, B {other}")).collect()
}

fn rival_warnings(a: &Document, b: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    for rival in &b.rivals {
        let Some(before) = a.rivals.iter().find(|before| before.name == rival.name) else { continue };
        if before.version != rival.version {
            let name = &rival.name;
            warnings.push(format!("different versions of {name}: A {}, B {}", before.version, rival.version));
        }
        if before.settings != rival.settings {
            let settings = |settings: &[String]| settings.join("; ");
            let (one, other) = (settings(&before.settings), settings(&rival.settings));
            warnings.push(format!("different settings of {}: A {one}; B {other}", rival.name));
        }
    }
    warnings
}

fn setting_warnings(load: &Load, a: &Series<'_>, b: &Series<'_>) -> Vec<String> {
    let (Some(one), Some(other)) = (a.rounds.first(), b.rounds.first()) else { return Vec::new() };
    let pairs = [
        ("seconds", one.seconds, other.seconds),
        ("seconds of warm-up", one.warm_up_seconds, other.warm_up_seconds),
    ];
    let name = format!("{} under {}", b.rival, load.name());
    let different = pairs.into_iter().filter(|(_, one, other)| (one - other).abs() > 0.05 * one.max(*other));
    let mut warnings: Vec<String> =
        different.map(|(what, one, other)| format!("{name}: A {one:.1}, B {other:.1} {what}")).collect();
    let (one, other) = (one.generator_threads, other.generator_threads);
    if one != other {
        warnings.push(format!("{name}: A {one}, B {other} threads of the generator"));
    }
    warnings
}

/// Why the figures of `document` are not simply the speed of its rivals, one sentence each.
pub(crate) fn document_warnings(document: &Document) -> Vec<String> {
    let violations = document.violations.iter().map(|violation| format!("VIOLATION: {violation}"));
    let mut warnings: Vec<String> = violations.collect();
    for (load, found) in series::by_load(document) {
        for series in found {
            let name = format!("{} under {}", series.rival, load.name());
            let unexpected: u64 = series.rounds.iter().map(|round| round.unexpected).sum();
            if unexpected > 0 {
                let unexpected = report::count(unexpected);
                warnings.push(format!("{name}: {unexpected} answers were not those of the scenario"));
            }
            let limited: u64 = series
                .rounds
                .iter()
                .flat_map(|round| &round.outcomes)
                .filter(|(outcome, _)| RATE_LIMITED.contains(&outcome.as_str()))
                .map(|(_, times)| times)
                .sum();
            if limited > 0 {
                let limited = report::count(limited);
                warnings
                    .push(format!("{name}: {limited} answers were rate limited: its limits were measured"));
            }
        }
    }
    warnings
}

/// What an answer is called that the server's limits gave.
const RATE_LIMITED: [&str; 2] = ["rate_limited", "status 429"];

/// The comparison as a terminal shows it.
fn in_words(comparison: &Comparison) -> String {
    let mut text = String::new();
    for warning in &comparison.warnings {
        text.push_str(&format!("NOTE: {warning}\n"));
    }
    let heading = |name: &str| vec![name.to_owned(), "A".into(), "B".into(), "change".into(), String::new()];
    for one in &comparison.matches {
        let mut rows = vec![heading(&format!("{}: {}", one.load.name(), one.rival))];
        rows.extend(one.differences.iter().map(row));
        text.push_str(&format!("\n{}", report::table(&rows)));
    }
    if !comparison.budget.is_empty() {
        let mut rows = vec![heading("budget")];
        rows.extend(comparison.budget.iter().map(row));
        text.push_str(&format!("\n{}", report::table(&rows)));
    }
    text
}

/// What it is, both sides as min–median–max, the change of the medians, and what that means.
pub(crate) fn row(difference: &Difference) -> Vec<String> {
    let side = |spread: &Spread| spread.in_words(|value| difference.write(value));
    vec![
        difference.what.clone(),
        side(&difference.a),
        side(&difference.b),
        difference.change(),
        difference.verdict_in_words().to_owned(),
    ]
}
