//! Side by side: the rivals of one document under each load, against the floor and against Holdfast.

use crate::compare;
use crate::report;
use crate::results::{Better, BudgetRow, Document};
use crate::series::{self, Figure, Load, Series, Spread};

/// The columns of a table of rivals, after the rival's name.
pub(crate) fn heading(found: &[Series<'_>]) -> Vec<String> {
    let throughput = format!("{}, min–median–max", series::throughput_name(found));
    let mut heading = vec![throughput];
    let references = [series::FLOOR, series::HOLDFAST];
    heading.extend(references.iter().filter(|name| is_there(found, name)).map(|name| format!("× {name}")));
    heading.extend(["p50", "p99", "p99.9", "CPU server", "CPU generator"].map(str::to_owned));
    heading
}

/// The figures of `series` under the same heads, each the middle of its rounds.
pub(crate) fn row(series: &Series<'_>, found: &[Series<'_>]) -> Vec<String> {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let throughput = series.spread(Figure::Throughput);
    let mut row = vec![or_unknown(throughput.map(|spread| spread.in_words(report::rate)))];
    for name in [series::FLOOR, series::HOLDFAST] {
        let Some(reference) = found.iter().find(|one| one.rival == name) else { continue };
        row.push(or_unknown(series.times(reference).map(|times| series::ratio(times.median))));
    }
    for figure in [Figure::P50, Figure::P99, Figure::P999, Figure::ServerCpu, Figure::GeneratorCpu] {
        row.push(or_unknown(series.spread(figure).map(|spread| figure.write(spread.median))));
    }
    row
}

fn is_there(found: &[Series<'_>], name: &str) -> bool {
    found.iter().any(|series| series.rival == name)
}

/// The whole document as a terminal shows it: what casts doubt on it, then a table for each load and the budget.
pub(crate) fn describe(document: &Document) -> String {
    let mut text = String::new();
    for warning in compare::document_warnings(document) {
        text.push_str(&format!("NOTE: {warning}\n"));
    }
    for note in &document.notes {
        text.push_str(&format!("{note}\n"));
    }
    for (load, found) in series::by_load(document) {
        text.push_str(&table(&load, &found));
    }
    text.push_str(&budget(document));
    text
}

fn table(load: &Load, found: &[Series<'_>]) -> String {
    let mut head = vec![load.name()];
    head.extend(heading(found));
    let mut rows = vec![head];
    for series in found {
        let mut line = vec![series.rival.to_owned()];
        line.extend(row(series, found));
        rows.push(line);
    }
    format!("\n{}", report::table(&rows))
}

/// What the middle of the rounds says about `row`.
pub(crate) fn verdict(row: &BudgetRow) -> &'static str {
    let reaches = |middle: f64, figure: f64| match row.better {
        Better::Higher => middle >= figure,
        Better::Lower => middle <= figure,
    };
    match Spread::of(&row.measured) {
        None => "not measured",
        Some(spread) if !reaches(spread.median, row.must) => "MISSES THE MUST",
        Some(spread) if reaches(spread.median, row.aim) => "reaches the aim",
        Some(_) => "keeps the must",
    }
}

fn budget(document: &Document) -> String {
    if document.budget.is_empty() {
        return String::new();
    }
    let mut rows = vec![["budget", "must", "aim", "measured", "unit", ""].map(str::to_owned).to_vec()];
    for row in &document.budget {
        let measured = Spread::of(&row.measured).map(|spread| spread.in_words(series::plain));
        rows.push(vec![
            row.what.clone(),
            series::plain(row.must),
            series::plain(row.aim),
            measured.unwrap_or_else(|| "–".to_owned()),
            row.unit.clone(),
            verdict(row).to_owned(),
        ]);
    }
    format!("\n{}", report::table(&rows))
}
