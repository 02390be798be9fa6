//! Load: the part of a page about one load – side by side, over time, by percentile, refusals by code.

use std::collections::BTreeSet;

use anyhow::Context;
use hdrhistogram::Histogram;

use super::plot::{self, Axis, Lane, Line};
use super::rows::unknown;
use super::{Figure, Key, Plot, Section, Table, colour};
use crate::compare::side_by_side;
use crate::results::{Document, Latency, Measurement, Pace, Slice};
use crate::series::{self, Load, Series, Spread};
use crate::{document, numbers, report};

/// Outcomes that are no refusals.
const SERVED: [&str; 3] = ["sold", "read", "reserved"];
/// How finely a curve over percentiles is drawn: points for each nine.
const POINTS_PER_NINE: u32 = 20;
/// One answer in a million; beyond it is the longest, which the table tells.
const NINES_MAX: u32 = 6;
const PERCENTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
/// Rivals' slices that end within this are of one moment.
const MOMENT_SECONDS: f64 = 0.002;
const OVER_TIME: &str = "For each rival the round whose throughput is in the middle.";

/// One rival under the load, with its colour.
struct Shown<'a> {
    series: &'a Series<'a>,
    colour: &'static str,
    /// The round shown where only one can be.
    middle: &'a Measurement,
}

/// Everything about `load`.
pub(super) fn section(document: &Document, load: &Load, found: &[Series<'_>]) -> anyhow::Result<Section> {
    let shown: Vec<Shown<'_>> = found
        .iter()
        .filter_map(|series| {
            let colour = colour::of_rival(series.rival, series::place(&document.rivals, series.rival));
            Some(Shown { series, colour, middle: series.middle()? })
        })
        .collect();
    let mut figures = vec![
        side_by_side(found, &shown)?,
        refusals(&shown)?,
        throughput_over_time(&shown)?,
        latency_over_time(&shown)?,
        by_percentile(&shown, "Latency by percentile", |round| Some(&round.latency))?,
    ];
    if matches!(load.pace, Pace::Open { .. }) {
        let title = "The same from the moment a request was really sent";
        figures.push(by_percentile(&shown, title, |round| round.service_time.as_ref())?);
    }
    Ok(Section { title: load.name(), figures })
}

fn keys(shown: &[Shown<'_>]) -> Vec<Key> {
    if shown.len() < 2 {
        return Vec::new();
    }
    shown
        .iter()
        .map(|one| Key { name: one.series.rival.to_owned(), colour: one.colour, is_bar: false })
        .collect()
}

fn side_by_side(found: &[Series<'_>], shown: &[Shown<'_>]) -> anyhow::Result<Figure> {
    let lane = |one: &Shown<'_>, spread: Spread, value: String| Lane {
        label: one.series.rival.to_owned(),
        value,
        colour: one.colour,
        bar: (0.0, spread.median),
        whisker: (spread.rounds > 1).then_some((spread.min, spread.max)),
        mark: None,
    };
    let throughput = |one: &Shown<'_>| {
        let spread = one.series.spread(series::Figure::Throughput)?;
        Some(lane(one, spread, report::rate(spread.median)))
    };
    let floor = found.iter().find(|series| series.rival == series::FLOOR);
    let times = |one: &Shown<'_>| {
        let spread = one.series.times(floor?)?;
        Some(lane(one, spread, format!("{}×", series::ratio(spread.median))))
    };
    let mut plots = Vec::new();
    if shown.len() > 1 {
        let name = series::throughput_name(found);
        let lanes: Vec<Lane> = shown.iter().filter_map(throughput).collect();
        plots.extend(bars("Throughput", name, &lanes)?);
        let others = shown.iter().filter(|one| one.series.rival != series::FLOOR);
        plots.extend(bars("Against the floor", "× floor", &others.filter_map(times).collect::<Vec<_>>())?);
    }
    let mut head = vec!["Rival".to_owned()];
    head.extend(side_by_side::heading(found));
    let rows = found.iter().map(|series| {
        let mut row = vec![series.rival.to_owned()];
        row.extend(side_by_side::row(series, found));
        row
    });
    let note = match found.iter().map(|series| series.rounds.len()).max() {
        None | Some(0 | 1) => "Measured once: how far it would spread is not known.",
        Some(_) if plots.is_empty() => "",
        Some(_) => "The thin line reaches from the smallest to the largest round.",
    };
    let caption = "The middle of the rounds where not told otherwise; CPU for each answer".to_owned();
    Ok(Figure {
        title: "Side by side".to_owned(),
        note: note.to_owned(),
        plots,
        tables: vec![Table { caption, head, rows: rows.collect(), ..Table::default() }],
        ..Figure::default()
    })
}

fn bars(title: &str, axis: &str, lanes: &[Lane]) -> anyhow::Result<Option<Plot>> {
    let reach = |lane: &Lane| [lane.bar.1, lane.whisker.map_or(0.0, |(_, most)| most)];
    let axis = Axis::linear(axis, lanes.iter().flat_map(reach), plot::short);
    let drawn = plot::lanes(&format!("{title}, one bar for each rival"), &axis, lanes, None)?;
    Ok(drawn.map(|svg| Plot { title: title.to_owned(), svg }))
}

fn refusals(shown: &[Shown<'_>]) -> anyhow::Result<Figure> {
    let times = |one: &Shown<'_>, outcome: &str| -> u64 {
        one.series.rounds.iter().filter_map(|round| round.outcomes.get(outcome)).sum()
    };
    let outcomes: BTreeSet<&String> =
        shown.iter().flat_map(|one| &one.series.rounds).flat_map(|round| round.outcomes.keys()).collect();
    let mut lanes = Vec::new();
    for one in shown {
        let all: u64 = one.series.rounds.iter().flat_map(|round| round.outcomes.values()).sum();
        for outcome in outcomes.iter().filter(|outcome| !SERVED.contains(&outcome.as_str())) {
            let times = times(one, outcome);
            if times == 0 {
                continue;
            }
            let share = numbers::float(times) / numbers::float(all) * 100.0;
            let label = match shown.len() {
                1 => (*outcome).clone(),
                _ => format!("{}: {outcome}", one.series.rival),
            };
            let value = format!("{share:.1} %");
            let (bar, colour) = ((0.0, share), one.colour);
            lanes.push(Lane { label, value, colour, bar, whisker: None, mark: None });
        }
    }
    let axis = Axis::linear("% of its answers", lanes.iter().map(|lane| lane.bar.1), plot::short);
    let drawn = plot::lanes("Refusals by code, as shares of the answers", &axis, &lanes, None)?;
    let mut head = vec!["Rival".to_owned()];
    head.extend(outcomes.iter().map(|outcome| (*outcome).clone()));
    head.push("not of the scenario".to_owned());
    let rows = shown.iter().map(|one| {
        let mut row = vec![one.series.rival.to_owned()];
        row.extend(outcomes.iter().map(|outcome| report::count(times(one, outcome))));
        row.push(report::count(one.series.rounds.iter().map(|round| round.unexpected).sum()));
        row
    });
    let caption = "Answers of each kind, all rounds together".to_owned();
    Ok(Figure {
        title: "Refusals by code".to_owned(),
        note: if drawn.is_none() { "Nothing was refused.".to_owned() } else { String::new() },
        plots: drawn.map(|svg| Plot { title: String::new(), svg }).into_iter().collect(),
        tables: vec![Table { caption, head, rows: rows.collect(), ..Table::default() }],
        ..Figure::default()
    })
}

/// Each slice with its length.
fn slices(round: &Measurement) -> impl Iterator<Item = (&Slice, f64)> {
    let starts = std::iter::once(0.0).chain(round.timeline.iter().map(|slice| slice.until_seconds));
    round.timeline.iter().zip(starts).map(|(slice, start)| (slice, slice.until_seconds - start))
}

/// `count` a second in each slice, at its end; slices without length are left out.
fn rates(round: &Measurement, count: impl Fn(&Slice) -> u64) -> Vec<(f64, f64)> {
    let rate =
        |(slice, seconds): (&Slice, f64)| (slice.until_seconds, numbers::float(count(slice)) / seconds);
    slices(round).filter(|(_, seconds)| *seconds > 0.0).map(rate).collect()
}

fn throughput_over_time(shown: &[Shown<'_>]) -> anyhow::Result<Figure> {
    let wanted = |slice: &Slice| slice.wanted;
    let others = |slice: &Slice| slice.answers.saturating_sub(slice.wanted);
    let line = |one: &Shown<'_>, count: &dyn Fn(&Slice) -> u64| Line {
        colour: one.colour,
        points: rates(one.middle, count),
    };
    let mut keys = keys(shown);
    let panels = match shown {
        // One alone has room for both in one plot.
        [one] => {
            let other = Line { colour: colour::nth(2), ..line(one, &others) };
            let key = |name: &str, colour| Key { name: name.to_owned(), colour, is_bar: false };
            keys =
                vec![key("what the scenario is about", one.colour), key("refused or other", colour::nth(2))];
            vec![("", vec![line(one, &wanted), other])]
        }
        _ => vec![
            ("What the scenario is about", shown.iter().map(|one| line(one, &wanted)).collect()),
            ("Refused or other", shown.iter().map(|one| line(one, &others)).collect()),
        ],
    };
    let mut plots = Vec::new();
    for (title, lines) in panels {
        // Lines along the bottom say no more than a missing plot.
        if !plots.is_empty() && lines.iter().flat_map(ups).all(|up| up == 0.0) {
            continue;
        }
        let y = Axis::linear("answers/s", lines.iter().flat_map(ups), plot::short);
        plots.extend(over_time(title, "Throughput over time", &y, &lines)?);
    }
    let columns = shown.iter().flat_map(|one| {
        let column = |name: &str, points: Vec<(f64, f64)>| Column {
            head: format!("{}: {name}", one.series.rival),
            points,
            write: report::rate,
        };
        [column("wanted/s", rates(one.middle, wanted)), column("other/s", rates(one.middle, others))]
    });
    Ok(Figure {
        title: "Throughput over time".to_owned(),
        note: OVER_TIME.to_owned(),
        keys,
        plots,
        tables: vec![timetable("Answers a second in each slice", &columns.collect::<Vec<_>>())],
        is_folded: true,
    })
}

fn latency_over_time(shown: &[Shown<'_>]) -> anyhow::Result<Figure> {
    type Pick = fn(&Slice) -> f64;
    let kinds: [(&str, Pick); 3] =
        [("p50", |slice| slice.p50_us), ("p99", |slice| slice.p99_us), ("Longest", |slice| slice.max_us)];
    let points = |one: &Shown<'_>, pick: Pick| -> Vec<(f64, f64)> {
        let busy = one.middle.timeline.iter().filter(|slice| slice.answers > 0);
        busy.map(|slice| (slice.until_seconds, pick(slice))).collect()
    };
    let mut keys = keys(shown);
    let panels: Vec<(&str, Vec<Line>)> = match shown {
        [one] => {
            let colours = [0, 2, 4].map(colour::nth);
            keys = kinds
                .iter()
                .zip(colours)
                .map(|((name, _), colour)| Key { name: (*name).to_owned(), colour, is_bar: false })
                .collect();
            let lines = kinds.iter().zip(colours);
            vec![("", lines.map(|((_, pick), colour)| Line { colour, points: points(one, *pick) }).collect())]
        }
        _ => {
            let panel = |(name, pick): (&'static str, Pick)| {
                let lines = shown.iter().map(|one| Line { colour: one.colour, points: points(one, pick) });
                (name, lines.collect())
            };
            kinds.into_iter().map(panel).collect()
        }
    };
    let all: Vec<f64> = panels.iter().flat_map(|(_, lines)| lines).flat_map(ups).collect();
    let mut plots = Vec::new();
    for (title, lines) in panels {
        // One axis for all of them, so that they can be compared by eye.
        let y = Axis::log("", all.iter().copied(), tick_time);
        plots.extend(over_time(title, "Latency over time", &y, &lines)?);
    }
    let columns = shown.iter().flat_map(|one| {
        kinds.map(|(name, pick)| Column {
            head: format!("{}: {name}", one.series.rival),
            points: points(one, pick),
            write: report::time,
        })
    });
    Ok(Figure {
        title: "Latency over time".to_owned(),
        note: OVER_TIME.to_owned(),
        keys,
        plots,
        tables: vec![timetable("Latency of each slice's answers", &columns.collect::<Vec<_>>())],
        is_folded: true,
    })
}

fn ups(line: &Line) -> impl Iterator<Item = f64> {
    line.points.iter().map(|(_, up)| *up)
}

fn over_time(title: &str, name: &str, y: &Axis, lines: &[Line]) -> anyhow::Result<Option<Plot>> {
    let seconds = lines.iter().flat_map(|line| &line.points).map(|(at, _)| *at);
    let x = Axis::linear("seconds", seconds, plot::short);
    let drawn = plot::lines(&format!("{name} {title}"), &x, y, lines)?;
    Ok(drawn.map(|svg| Plot { title: title.to_owned(), svg }))
}

/// Ticks of a logarithmic axis are round: `1 ms` and not `1.00 ms`.
fn tick_time(micros: f64) -> String {
    let (value, unit) = match micros {
        micros if micros < 999.5 => (micros, "µs"),
        micros if micros < 999_500.0 => (micros / 1e3, "ms"),
        micros => (micros / 1e6, "s"),
    };
    format!("{} {unit}", plot::short(value))
}

/// One column of a table whose rows are moments.
struct Column {
    head: String,
    points: Vec<(f64, f64)>,
    write: fn(f64) -> String,
}

/// A row for each moment that a column has.
fn timetable(caption: &str, columns: &[Column]) -> Table {
    let mut moments: Vec<f64> = columns.iter().flat_map(|column| &column.points).map(|(at, _)| *at).collect();
    moments.sort_by(f64::total_cmp);
    let is_same = |one: f64, other: f64| (one - other).abs() < MOMENT_SECONDS;
    moments.dedup_by(|next, one| is_same(*next, *one));
    let rows = moments.iter().map(|moment| {
        let cell = |column: &Column| {
            let found = column.points.iter().find(|(at, _)| is_same(*at, *moment));
            found.map_or_else(unknown, |(_, up)| (column.write)(*up))
        };
        let mut row = vec![format!("{moment:.2}")];
        row.extend(columns.iter().map(cell));
        row
    });
    let rows = rows.collect();
    let mut head = vec!["Until second".to_owned()];
    head.extend(columns.iter().map(|column| column.head.clone()));
    Table { caption: caption.to_owned(), head, rows, ..Table::default() }
}

fn by_percentile(
    shown: &[Shown<'_>],
    title: &str,
    pick: impl Fn(&Measurement) -> Option<&Latency>,
) -> anyhow::Result<Figure> {
    let mut merged = Vec::new();
    for one in shown {
        merged.push((one, all_rounds(one.series, &pick).with_context(|| one.series.rival.to_owned())?));
    }
    let line = |(one, latencies): &(&Shown<'_>, Histogram<u64>)| Line {
        colour: one.colour,
        points: curve(latencies),
    };
    let lines: Vec<Line> = merged.iter().map(line).collect();
    let nines = lines.iter().flat_map(|line| &line.points).map(|(nines, _)| *nines).fold(1.0, f64::max);
    let x = Axis::whole("percentile, %", nines.ceil(), percentile);
    let y = Axis::log("", lines.iter().flat_map(ups), tick_time);
    let drawn = plot::lines(title, &x, &y, &lines)?;
    let mut head = vec!["Rival".to_owned(), "answers".to_owned()];
    head.extend(PERCENTILES.map(|quantile| format!("p{}", plot::short(quantile * 100.0))));
    head.push("longest".to_owned());
    let rows = merged.iter().map(|(one, latencies)| {
        let time = |nanos: u64| match latencies.is_empty() {
            true => unknown(),
            false => report::time(numbers::float(nanos) / 1e3),
        };
        let mut row = vec![one.series.rival.to_owned(), report::count(latencies.len())];
        row.extend(PERCENTILES.map(|quantile| time(latencies.value_at_quantile(quantile))));
        row.push(time(latencies.max()));
        row
    });
    let caption = "Latencies of all rounds together".to_owned();
    let table = Table { caption, head, rows: rows.collect(), ..Table::default() };
    Ok(Figure {
        title: title.to_owned(),
        note: "All rounds together; each step to the right is another nine.".to_owned(),
        keys: keys(shown),
        plots: drawn.map(|svg| Plot { title: String::new(), svg }).into_iter().collect(),
        tables: vec![table],
        is_folded: false,
    })
}

fn all_rounds(
    series: &Series<'_>,
    pick: &impl Fn(&Measurement) -> Option<&Latency>,
) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3).context("three digits are valid")?;
    for latency in series.rounds.iter().filter_map(|round| pick(round)) {
        all.add(document::histogram(latency)?).context("add a histogram")?;
    }
    Ok(all)
}

/// Microseconds over the number of nines: 1 is the 90th percentile, 2 the 99th.
fn curve(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    if latencies.is_empty() {
        return Vec::new();
    }
    // With a thousand answers there is nothing to be seen beyond three nines: there is the longest.
    let last = numbers::float(latencies.len()).log10();
    let nines = (0..=NINES_MAX * POINTS_PER_NINE).map(|point| f64::from(point) / f64::from(POINTS_PER_NINE));
    let at = |nines: f64| {
        let nanos = latencies.value_at_quantile(1.0 - 10_f64.powf(-nines));
        (nines, numbers::float(nanos) / 1e3)
    };
    let mut points: Vec<(f64, f64)> = nines.take_while(|nines| *nines < last).map(at).collect();
    if last <= f64::from(NINES_MAX) {
        points.push((last, numbers::float(latencies.max()) / 1e3));
    }
    points
}

/// What so many nines are in per cent: `90`, `99.9`.
fn percentile(nines: f64) -> String {
    // Not by powers of ten: 100 - 1e-7 has no short form.
    match (2..=NINES_MAX).filter(|nine| f64::from(*nine) < nines - 0.5).count() {
        0 if nines < 0.5 => "0".to_owned(),
        0 if nines < 1.5 => "90".to_owned(),
        0 => "99".to_owned(),
        decimals => format!("99.{}", "9".repeat(decimals)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nines_are_named() {
        let names: Vec<String> = (0..7).map(|nines| percentile(f64::from(nines))).collect();
        assert_eq!(names, ["0", "90", "99", "99.9", "99.99", "99.999", "99.9999"]);
    }

    #[test]
    fn curve_rises_to_the_longest() {
        let mut latencies = Histogram::<u64>::new(3).expect("valid");
        (1..=10_000_u64).for_each(|micros| latencies.record(micros * 1_000).expect("in range"));
        let points = curve(&latencies);
        assert!(points.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{points:?}");
        assert_eq!(points.last().map(|(nines, _)| *nines), Some(4.0));
        let at_p90 = points.iter().find(|(nines, _)| *nines == 1.0).expect("a tick").1;
        assert!((at_p90 - 9_000.0).abs() < 20.0, "{at_p90}");
        assert!(curve(&Histogram::new(3).expect("valid")).is_empty());
    }

    #[test]
    fn moments_of_several_rivals_share_their_rows() {
        let column = |points: &[(f64, f64)]| Column {
            head: String::new(),
            points: points.to_vec(),
            write: report::rate,
        };
        let table = timetable("", &[column(&[(0.5, 7.0), (1.0, 8.0)]), column(&[(0.500_1, 9.0)])]);
        assert_eq!(table.rows, [["0.50", "7", "9"], ["1.00", "8", "–"]]);
    }

    #[test]
    fn ticks_of_time_are_round() {
        assert_eq!([500.0, 1_000.0, 2e6].map(tick_time), ["500 µs", "1 ms", "2 s"]);
    }
}
