//! Rows: the parts of a page that are lists – rivals, the budget, what is different between two runs.

use super::plot::{self, Axis, Lane};
use super::{Figure, Key, Plot, Section, Table, TableText, colour};
use crate::compare::{self, Comparison, Match, side_by_side};
use crate::results::{Better, BudgetRow, Document};
use crate::series::{self, Spread};

/// Indices of colours: what is as it must be, and what is not; A and B of a comparison.
const GOOD: usize = 0;
const BAD: usize = 2;
const SIDES: [usize; 2] = [1, 0];

/// Who was measured: what it is, in which version, with which settings.
pub(super) fn rivals(title: &str, document: &Document) -> Section {
    let head = ["Name", "What it does", "Version", "Settings"].map(str::to_owned).to_vec();
    let rows = document.rivals.iter().map(|rival| {
        let settings = rival.settings.join("; ");
        vec![rival.name.clone(), rival.description.clone(), rival.version.clone(), settings]
    });
    let caption = "Each with the settings that decide on durability, or are not the package's own".to_owned();
    let table = Table { caption, head, rows: rows.collect(), text: TableText::Prose };
    Section { title: title.to_owned(), figures: vec![Figure { tables: vec![table], ..Figure::default() }] }
}

/// How the budget is kept.
pub(super) fn budget(document: &Document) -> anyhow::Result<Section> {
    let lanes: Vec<Lane> = document.budget.iter().filter_map(lane).collect();
    let reach = |lane: &Lane| {
        let (least, most) = lane.whisker.unwrap_or(lane.bar);
        [1.0, least, most, lane.mark.unwrap_or(1.0)]
    };
    let axis = Axis::log("times the must", lanes.iter().flat_map(reach), plot::short);
    let key = |name: &str, index| Key { name: name.to_owned(), colour: colour::nth(index), is_bar: true };
    let head = ["What", "Must", "Aim", "Measured", "Unit", "Verdict", "CPU server / generator", "Note"];
    let rows = document.budget.iter().map(|row| {
        let measured = Spread::of(&row.measured).map(|spread| spread.in_words(series::plain));
        let micros = |value: Option<f64>| value.map_or_else(unknown, |value| format!("{value:.1} µs"));
        vec![
            row.what.clone(),
            series::plain(row.must),
            series::plain(row.aim),
            measured.unwrap_or_else(unknown),
            row.unit.clone(),
            side_by_side::verdict(row).to_owned(),
            format!("{} / {}", micros(row.server_cpu_us), micros(row.generator_cpu_us)),
            row.note.clone(),
        ]
    });
    let caption = "Measured: smallest–middle–largest of the rounds".to_owned();
    let head = head.map(str::to_owned).to_vec();
    let table = Table { caption, head, rows: rows.collect(), text: TableText::Noted };
    let drawn = plot::lanes("Each row of the budget, as times its must", &axis, &lanes, Some(1.0))?;
    Ok(Section {
        title: "Performance budget".to_owned(),
        figures: vec![Figure {
            title: "How far above its must each figure is".to_owned(),
            note: "To the right is better in every row: where less is better, twice the must is half of it. \
                   The upright line at 1 is the must, the thick one the aim; the line along a bar reaches from \
                   the smallest to the largest round."
                .to_owned(),
            keys: vec![key("keeps the must", GOOD), key("misses it", BAD)],
            plots: drawn.map(|svg| Plot { title: String::new(), svg }).into_iter().collect(),
            tables: vec![table],
            ..Figure::default()
        }],
    })
}

/// The row as times its must, larger being better; none when one of the figures is not above zero.
fn lane(row: &BudgetRow) -> Option<Lane> {
    let spread = Spread::of(&row.measured)?;
    let times = |value: f64| {
        let times = match row.better {
            Better::Higher => value / row.must,
            Better::Lower => row.must / value,
        };
        Some(times).filter(|times| times.is_finite() && *times > 0.0)
    };
    let middle = times(spread.median)?;
    Some(Lane {
        label: row.what.clone(),
        value: format!("{}×", series::ratio(middle)),
        colour: colour::nth(if middle >= 1.0 { GOOD } else { BAD }),
        bar: (1.0, middle),
        whisker: times(spread.min).zip(times(spread.max)).filter(|_| spread.rounds > 1),
        mark: times(row.aim),
    })
}

/// What is different between two runs: bars of the throughputs, and every figure.
pub(super) fn comparison(comparison: &Comparison) -> anyhow::Result<Vec<Section>> {
    let mut sections = Vec::new();
    let head = |what: &str| [what, "A", "B", "Change", "What it means"].map(str::to_owned).to_vec();
    let caption = "A and B: smallest–middle–largest of the rounds; the change is that of the middle";
    let key = |name: &str, side: usize| Key {
        name: name.to_owned(),
        colour: colour::nth(SIDES[side]),
        is_bar: true,
    };
    let mut matches: Vec<&Match> = comparison.matches.iter().collect();
    while let Some(first) = matches.first() {
        let load = first.load.clone();
        let (here, others): (Vec<&Match>, Vec<&Match>) =
            matches.into_iter().partition(|one| one.load == load);
        matches = others;
        let drawn = throughputs(&load.name(), &here)?;
        let tables = here.iter().map(|one| Table {
            caption: format!("{}. {caption}", one.rival),
            head: head("Figure"),
            rows: one.differences.iter().map(compare::row).collect(),
            ..Table::default()
        });
        sections.push(Section {
            title: load.name(),
            figures: vec![Figure {
                title: "Throughput".to_owned(),
                note: "The thin line reaches from the smallest to the largest round.".to_owned(),
                keys: vec![key("A", 0), key("B", 1)],
                plots: drawn.map(|svg| Plot { title: String::new(), svg }).into_iter().collect(),
                tables: tables.collect(),
                ..Figure::default()
            }],
        });
    }
    if !comparison.budget.is_empty() {
        let rows = comparison.budget.iter().map(compare::row).collect();
        let table = Table { caption: caption.to_owned(), head: head("What"), rows, ..Table::default() };
        let figures = vec![Figure { tables: vec![table], ..Figure::default() }];
        sections.push(Section { title: "Performance budget".to_owned(), figures });
    }
    Ok(sections)
}

/// A and B of each rival under each other.
fn throughputs(name: &str, matches: &[&Match]) -> anyhow::Result<Option<minijinja::Value>> {
    let mut lanes = Vec::new();
    for one in matches {
        let throughput = Some(series::Figure::Throughput);
        let Some(found) = one.differences.iter().find(|found| found.figure == throughput) else { continue };
        for (side, spread, index) in [("A", found.a, SIDES[0]), ("B", found.b, SIDES[1])] {
            lanes.push(Lane {
                label: format!("{side}: {}", one.rival),
                value: found.write(spread.median),
                colour: colour::nth(index),
                bar: (0.0, spread.median),
                whisker: (spread.rounds > 1).then_some((spread.min, spread.max)),
                mark: None,
            });
        }
    }
    let reach = |lane: &Lane| [lane.bar.1, lane.whisker.map_or(0.0, |(_, most)| most)];
    let axis = Axis::linear("a second", lanes.iter().flat_map(reach), plot::short);
    plot::lanes(&format!("Throughput of A and B: {name}"), &axis, &lanes, None)
}

/// What stands where nothing is known.
pub(super) fn unknown() -> String {
    "–".to_owned()
}
