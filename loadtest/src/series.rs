//! Series: the measurements of a document, put together as they are compared.
//!
//! A load is what is asked of everybody (scenario, connections, pace); a series is what one rival did under it, round
//! by round. Owns the figures that tables and plots show, and how they are written. Called by `compare` and `page`.

use serde::Serialize;

use crate::results::{Better, Document, Measurement, Pace, Rival};
use crate::{numbers, report};

/// The rival against which others are set: a bare endpoint without state.
pub(crate) const FLOOR: &str = "floor";
/// Ourselves.
pub(crate) const HOLDFAST: &str = "holdfast";

/// What is asked of every rival.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Load {
    pub(crate) scenario: String,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
}

/// What one rival did under one load: never without a round.
#[derive(Debug, Clone)]
pub(crate) struct Series<'a> {
    pub(crate) rival: &'a str,
    pub(crate) rounds: Vec<&'a Measurement>,
}

/// Smallest, middle and largest of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
    pub(crate) rounds: usize,
}

/// A figure that every measurement has, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Answers, or inside batches operations, a second.
    Throughput,
    P50,
    P99,
    P999,
    ServerCpu,
    GeneratorCpu,
}

impl Load {
    fn of(measurement: &Measurement) -> Self {
        Self {
            scenario: measurement.scenario.clone(),
            connections: measurement.connections,
            pace: measurement.pace,
        }
    }

    /// In words: `flash, 64 connections`, and the rate where it is given.
    pub(crate) fn name(&self) -> String {
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            connections => format!("{} connections", report::count(numbers::count(connections))),
        };
        match self.pace {
            Pace::Closed => format!("{}, {connections}", self.scenario),
            Pace::Open { per_second } => {
                format!("{}, {connections}, {} a second", self.scenario, report::rate(per_second))
            }
        }
    }
}

/// The loads of `document` in the order in which they came, each with its rivals in the order of the tables.
pub(crate) fn by_load(document: &Document) -> Vec<(Load, Vec<Series<'_>>)> {
    let mut loads: Vec<(Load, Vec<Series<'_>>)> = Vec::new();
    for measurement in &document.measurements {
        let load = Load::of(measurement);
        let at = loads.iter().position(|(known, _)| *known == load).unwrap_or_else(|| {
            loads.push((load, Vec::new()));
            loads.len() - 1
        });
        let found = &mut loads[at].1;
        match found.iter_mut().find(|series| series.rival == measurement.rival) {
            Some(series) => series.rounds.push(measurement),
            None => found.push(Series { rival: &measurement.rival, rounds: vec![measurement] }),
        }
    }
    for (_, found) in &mut loads {
        found.sort_by_key(|series| place(&document.rivals, series.rival));
    }
    loads
}

/// Where `rival` stands in the tables; who is not among them stands behind.
pub(crate) fn place(rivals: &[Rival], rival: &str) -> usize {
    rivals.iter().position(|known| known.name == rival).unwrap_or(rivals.len())
}

impl<'a> Series<'a> {
    /// The values of `figure`, one for each round that has it.
    pub(crate) fn values(&self, figure: Figure) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| figure.of(round)).collect()
    }

    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(&self.values(figure))
    }

    /// How many times the throughput of `other` this is: round by round where both have the round, since what
    /// disturbs the machine disturbs both.
    pub(crate) fn times(&self, other: &Series<'_>) -> Option<Spread> {
        let throughput = |round: &Measurement| Figure::Throughput.of(round).filter(|value| *value > 0.0);
        let ratio = |ours: &&'a Measurement| {
            let theirs = other.rounds.iter().find(|theirs| theirs.round == ours.round)?;
            Some(Figure::Throughput.of(ours)? / throughput(theirs)?)
        };
        let paired: Vec<f64> = self.rounds.iter().filter_map(ratio).collect();
        Spread::of(&paired).or_else(|| {
            let theirs = other.spread(Figure::Throughput)?.median;
            Spread::of(&[self.spread(Figure::Throughput)?.median / theirs])
        })
    }

    /// The round whose throughput is in the middle; of two, the lower.
    pub(crate) fn middle(&self) -> Option<&'a Measurement> {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(|one, other| one.operations_per_second.total_cmp(&other.operations_per_second));
        rounds.get(rounds.len().checked_sub(1)? / 2).copied()
    }

    /// Whether an answer is about more than one operation.
    pub(crate) fn is_batched(&self) -> bool {
        self.rounds.iter().any(|round| round.operations_per_second > round.answers_per_second * 1.001)
    }
}

/// What the throughput of `found` counts.
pub(crate) fn throughput_name(found: &[Series<'_>]) -> &'static str {
    if found.iter().any(Series::is_batched) { "operations/s" } else { "answers/s" }
}

impl Spread {
    /// `None` without values, or when there is one that is no number.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let (min, median, max) = numbers::spread(values)?;
        let is_finite = [min, median, max].iter().all(|value| value.is_finite());
        is_finite.then_some(Self { min, median, max, rounds: values.len() })
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }

    /// `48 000–50 000–51 000` as `write` writes one value; a single value alone when there is only one round.
    pub(crate) fn in_words(&self, write: impl Fn(f64) -> String) -> String {
        if self.rounds == 1 {
            return write(self.median);
        }
        format!("{}–{}–{}", write(self.min), write(self.median), write(self.max))
    }
}

impl Figure {
    pub(crate) const ALL: [Self; 6] =
        [Self::Throughput, Self::P50, Self::P99, Self::P999, Self::ServerCpu, Self::GeneratorCpu];

    fn of(self, round: &Measurement) -> Option<f64> {
        let latency = (round.latency.answers > 0).then_some(&round.latency);
        let value = match self {
            Self::Throughput => Some(round.operations_per_second),
            Self::P50 => latency.map(|latency| latency.p50_us),
            Self::P99 => latency.map(|latency| latency.p99_us),
            Self::P999 => latency.map(|latency| latency.p999_us),
            Self::ServerCpu => round.server_cpu_us,
            Self::GeneratorCpu => round.generator_cpu_us,
        };
        value.filter(|value| value.is_finite())
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::ServerCpu => "server CPU per answer",
            Self::GeneratorCpu => "generator CPU per answer",
        }
    }

    pub(crate) fn better(self) -> Better {
        if self == Self::Throughput { Better::Higher } else { Better::Lower }
    }

    pub(crate) fn write(self, value: f64) -> String {
        match self {
            Self::Throughput => format!("{}/s", report::rate(value)),
            Self::P50 | Self::P99 | Self::P999 => report::time(value),
            Self::ServerCpu | Self::GeneratorCpu => format!("{value:.1} µs"),
        }
    }
}

/// A figure whose unit stands elsewhere: thousands set apart, decimals where it is small.
pub(crate) fn plain(value: f64) -> String {
    if value.abs() < 1_000.0 && value.fract() != 0.0 { ratio(value) } else { report::rate(value) }
}

/// A ratio with as many decimals as tell something: `0.004`, `0.62`, `15.3`.
pub(crate) fn ratio(value: f64) -> String {
    if value < 0.095 {
        format!("{value:.3}")
    } else if value < 9.95 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::sample;

    #[test]
    fn measurements_are_put_together_by_load_and_rival() {
        let document = sample::document();
        let loads = by_load(&document);
        let names: Vec<String> = loads.iter().map(|(load, _)| load.name()).collect();
        assert_eq!(
            names,
            ["flash, 64 connections", "spread, 256 connections", "flash, 64 connections, 20 000 a second"]
        );
        for (load, found) in &loads {
            assert!(found.iter().all(|series| series.rounds.len() == 3), "{}", load.name());
        }
        let rivals: Vec<&str> = loads[0].1.iter().map(|series| series.rival).collect();
        assert_eq!(rivals, document.rivals.iter().map(|rival| rival.name.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let document = sample::document();
        let measured = |per_second: [f64; 2]| {
            let round = |(number, per_second): (u32, f64)| Measurement {
                round: number,
                operations_per_second: per_second,
                ..document.measurements[0].clone()
            };
            (1..).zip(per_second).map(round).collect()
        };
        // The machine was twice as slow in the second round, for both.
        let (ours, theirs): (Vec<Measurement>, Vec<Measurement>) =
            (measured([50.0, 25.0]), measured([100.0, 50.0]));
        let ours = Series { rival: "ours", rounds: ours.iter().collect() };
        let mut theirs = Series { rival: "theirs", rounds: theirs.iter().collect() };
        assert_eq!(ours.times(&theirs), Some(Spread { min: 0.5, median: 0.5, max: 0.5, rounds: 2 }));
        theirs.rounds.truncate(1);
        assert_eq!(ours.times(&theirs), Some(Spread { min: 0.5, median: 0.5, max: 0.5, rounds: 1 }));
        assert_eq!(theirs.times(&Series { rival: "nobody", rounds: Vec::new() }), None);
    }

    #[test]
    fn figures_that_are_no_numbers_are_left_out() {
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of(&[]), None);
        let mut document = sample::document();
        document.measurements.truncate(1);
        document.measurements[0].latency.answers = 0;
        document.measurements[0].operations_per_second = f64::INFINITY;
        let loads = by_load(&document);
        assert_eq!(loads[0].1[0].spread(Figure::P99), None);
        assert_eq!(loads[0].1[0].spread(Figure::Throughput), None);
    }

    #[test]
    fn spreads_and_ratios_read_well() {
        let spread = Spread::of(&[51_000.0, 48_000.0, 50_000.0]).expect("numbers");
        assert_eq!(spread.in_words(report::rate), "48 000–50 000–51 000");
        assert_eq!(Spread::of(&[7.0]).expect("one").in_words(report::rate), "7");
        assert_eq!([0.45, 20.0, 1_210_000.0].map(plain), ["0.45", "20", "1 210 000"]);
        assert_eq!([0.0041, 0.62, 15.26].map(ratio), ["0.004", "0.62", "15.3"]);
        assert!(spread.overlaps(&Spread::of(&[51_000.0, 60_000.0]).expect("numbers")));
        assert!(!spread.overlaps(&Spread::of(&[51_001.0]).expect("one")));
    }
}
