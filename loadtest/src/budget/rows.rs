//! Rows: what the budget demands, and how each figure is got out of what was measured.
//!
//! Pure: measurements and the figures of programs go in, rows come out. Measuring is the business of `market` and
//! `programs`.

use clap::ValueEnum;

use super::programs::{Program, Ran};
use crate::contenders::Kind;
use crate::numbers;
use crate::report;
use crate::results::{Better, BudgetRow, Measurement};
use crate::series::{FLOOR, HOLDFAST};

/// The code of an answer that sold nothing because too many wanted to buy.
pub(super) const OVERLOADED: &str = "overloaded";
/// Every strategy of theirs; the best of a round counts.
const POSTGRES: [Kind; 3] = [Kind::PostgresGuarded, Kind::PostgresForUpdate, Kind::PostgresOptimistic];
const REDIS: [Kind; 1] = [Kind::RedisAlways];

/// One row of the performance budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Row {
    Hot,
    Spread,
    SoldOut,
    Get,
    Steady,
    PostgresHot,
    PostgresSpread,
    RedisHot,
    RedisSpread,
    Batch,
    InProcess,
    MemoryPassive,
    MemoryActive,
    Recovery,
    Pause,
}

/// A load that servers are measured under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Flash,
    Spread,
    SoldOut,
    Read,
    Steady,
    Batch,
}

/// What a row demands.
struct Demand {
    what: &'static str,
    must: f64,
    aim: f64,
    better: Better,
    unit: &'static str,
}

/// Where a row's figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Holdfast's throughput, by that of the best of these rivals.
    Ratio(Scenario, Rivals),
    /// The 99th percentile of Holdfast's latencies, in milliseconds.
    Latency(Scenario),
    Operations(Scenario),
    /// A number that a program says of itself, by its path in the program's JSON.
    Program(Program, &'static str),
}

/// With whom Holdfast is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rivals {
    Floor,
    Postgres,
    Redis,
}

/// How a row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    AimReached,
    Met,
    BelowMust,
    /// Nothing was measured.
    Missing,
}

impl Row {
    fn demand(self) -> Demand {
        use Better::{Higher, Lower};
        let demand = |what, must, aim, better, unit| Demand { what, must, aim, better, unit };
        match self {
            Self::Hot => demand("purchase, one hot product", 0.45, 0.75, Higher, "× floor"),
            Self::Spread => demand("purchase, spread", 0.55, 0.85, Higher, "× floor"),
            Self::SoldOut => demand("refusal, sold out", 0.8, 1.0, Higher, "× floor"),
            Self::Get => demand("GET one product", 0.7, 0.95, Higher, "× floor"),
            Self::Steady => demand("p99 of a purchase, steady 20 000/s", 4.0, 1.5, Lower, "ms"),
            Self::PostgresHot => demand("hot, against PostgreSQL's best", 15.0, 35.0, Higher, "×"),
            Self::PostgresSpread => demand("spread, against PostgreSQL's best", 4.0, 8.0, Higher, "×"),
            Self::RedisHot => demand("hot, against Redis always", 1.3, 2.5, Higher, "×"),
            Self::RedisSpread => demand("spread, against Redis always", 1.3, 2.5, Higher, "×"),
            Self::Batch => demand("reservations in batches", 300_000.0, 1_000_000.0, Higher, "operations/s"),
            Self::InProcess => {
                demand("product actors in process, durable", 500_000.0, 2_000_000.0, Higher, "operations/s")
            }
            Self::MemoryPassive => demand("memory of a passive product", 600.0, 300.0, Lower, "bytes"),
            Self::MemoryActive => demand("memory of an active product", 2_000.0, 1_200.0, Lower, "bytes"),
            Self::Recovery => demand("recovery, 1 M products + 10 M events", 20.0, 5.0, Lower, "s"),
            Self::Pause => demand("longest pause of any shard", 20.0, 5.0, Lower, "ms"),
        }
    }

    pub(super) fn source(self) -> Source {
        match self {
            Self::Hot => Source::Ratio(Scenario::Flash, Rivals::Floor),
            Self::Spread => Source::Ratio(Scenario::Spread, Rivals::Floor),
            Self::SoldOut => Source::Ratio(Scenario::SoldOut, Rivals::Floor),
            Self::Get => Source::Ratio(Scenario::Read, Rivals::Floor),
            Self::Steady => Source::Latency(Scenario::Steady),
            Self::PostgresHot => Source::Ratio(Scenario::Flash, Rivals::Postgres),
            Self::PostgresSpread => Source::Ratio(Scenario::Spread, Rivals::Postgres),
            Self::RedisHot => Source::Ratio(Scenario::Flash, Rivals::Redis),
            Self::RedisSpread => Source::Ratio(Scenario::Spread, Rivals::Redis),
            Self::Batch => Source::Operations(Scenario::Batch),
            Self::InProcess => Source::Program(Program::Throughput, "/hot_per_second"),
            Self::MemoryPassive => Source::Program(Program::Memory, "/passive_bytes"),
            Self::MemoryActive => Source::Program(Program::Memory, "/active_bytes"),
            Self::Recovery => Source::Program(Program::Recovery, "/genesis_n/seconds"),
            Self::Pause => Source::Program(Program::Pauses, "/longest_ms"),
        }
    }

    /// The scenario and the rivals, beside Holdfast, that the row needs measured.
    pub(super) fn needs(self) -> Option<(Scenario, Option<Rivals>)> {
        match self.source() {
            Source::Ratio(scenario, rivals) => Some((scenario, Some(rivals))),
            Source::Latency(scenario) | Source::Operations(scenario) => Some((scenario, None)),
            Source::Program(..) => None,
        }
    }

    /// The program that the row needs run.
    pub(super) fn program(self) -> Option<Program> {
        match self.source() {
            Source::Program(program, _) => Some(program),
            _ => None,
        }
    }

    /// The row, with a value for each round in which everything was measured that it needs.
    pub(super) fn fill(self, measurements: &[Measurement], ran: &[Ran]) -> BudgetRow {
        let Demand { what, must, aim, better, unit } = self.demand();
        let own = self.own(measurements);
        let measured = match self.source() {
            Source::Program(program, path) => {
                let ran = ran.iter().filter(|it| it.program == program);
                ran.filter_map(|it| it.said.pointer(path)?.as_f64()).collect()
            }
            source => own.iter().filter_map(|it| figure(source, it, measurements)).collect(),
        };
        BudgetRow {
            what: what.to_owned(),
            must,
            aim,
            better,
            unit: unit.to_owned(),
            measured,
            server_cpu_us: middle(own.iter().map(|it| it.server_cpu_us)),
            generator_cpu_us: middle(own.iter().map(|it| it.generator_cpu_us)),
            note: self.note(measurements, ran),
        }
    }

    /// Holdfast's own measurements for the row.
    fn own(self, measurements: &[Measurement]) -> Vec<&Measurement> {
        let Some((scenario, _)) = self.needs() else { return Vec::new() };
        of(measurements, scenario, HOLDFAST).collect()
    }

    fn note(self, measurements: &[Measurement], ran: &[Ran]) -> String {
        match self.source() {
            Source::Ratio(scenario, rivals) => {
                let names = [HOLDFAST].into_iter().chain(rivals.names());
                let rate = |name| {
                    let rates = of(measurements, scenario, name).map(|it| Some(it.answers_per_second));
                    Some(format!("{name} {}/s", report::rate(middle(rates)?)))
                };
                names.filter_map(rate).collect::<Vec<_>>().join(", ")
            }
            Source::Latency(scenario) => {
                let own = || of(measurements, scenario, HOLDFAST);
                let time = |pick: fn(&Measurement) -> f64| {
                    middle(own().map(|it| Some(pick(it)))).map_or_else(String::new, report::time)
                };
                let rate = middle(own().map(|it| Some(it.answers_per_second))).unwrap_or_default();
                let (median, tail) = (time(|it| it.latency.p50_us), time(|it| it.latency.p999_us));
                // What is left without the wait for a connection and for the generator.
                let sent = time(|it| it.service_time.as_ref().map_or(it.latency.p99_us, |time| time.p99_us));
                let rate = report::rate(rate);
                format!("{rate}/s answered, p50 {median}, p99.9 {tail}; from its sending p99 {sent}")
            }
            Source::Operations(scenario) => {
                let rates = of(measurements, scenario, HOLDFAST).map(|it| Some(it.answers_per_second));
                middle(rates).map_or_else(String::new, |rate| format!("{} batches/s", report::rate(rate)))
            }
            Source::Program(program, _) => {
                let last = ran.iter().rfind(|it| it.program == program);
                last.map_or_else(String::new, |it| format!("{}: {}", it.command, it.said))
            }
        }
    }
}

impl Rivals {
    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Floor => &[],
            Self::Postgres => &POSTGRES,
            Self::Redis => &REDIS,
        }
    }

    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Floor => vec![FLOOR],
            Self::Postgres | Self::Redis => self.kinds().iter().map(|kind| kind.name()).collect(),
        }
    }
}

impl Scenario {
    pub(super) const ALL: [Self; 6] =
        [Self::Flash, Self::Spread, Self::SoldOut, Self::Read, Self::Steady, Self::Batch];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Flash => "flash",
            Self::Spread => "spread",
            Self::SoldOut => "sold-out",
            Self::Read => "read",
            Self::Steady => "steady",
            Self::Batch => "batch",
        }
    }
}

impl Verdict {
    /// The middle round decides.
    pub(super) fn of(row: &BudgetRow) -> Self {
        let Some((_, median, _)) = numbers::spread(&row.measured) else { return Self::Missing };
        let reaches = |bound: f64| match row.better {
            Better::Higher => median >= bound,
            Better::Lower => median <= bound,
        };
        match (reaches(row.aim), reaches(row.must)) {
            (true, _) => Self::AimReached,
            (false, true) => Self::Met,
            (false, false) => Self::BelowMust,
        }
    }

    pub(super) const fn is_met(self) -> bool {
        matches!(self, Self::AimReached | Self::Met)
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::AimReached => "aim reached",
            Self::Met => "met",
            Self::BelowMust => "BELOW MUST",
            Self::Missing => "NOT MEASURED",
        }
    }
}

/// How much of the way to the aim the middle round has come, in percent: 100 is there.
pub(super) fn share_of_aim(row: &BudgetRow) -> Option<f64> {
    let (_, median, _) = numbers::spread(&row.measured)?;
    let share = match row.better {
        Better::Higher => median / row.aim,
        Better::Lower => row.aim / median,
    };
    share.is_finite().then_some(share * 100.0)
}

/// The figure of the round that Holdfast's own measurement is of.
fn figure(source: Source, own: &Measurement, measurements: &[Measurement]) -> Option<f64> {
    match source {
        Source::Ratio(scenario, rivals) => {
            let rates = rivals.names().into_iter().flat_map(|name| of(measurements, scenario, name));
            let rates = rates.filter(|it| it.round == own.round).map(served_per_second);
            let best = rates.max_by(f64::total_cmp).filter(|rate| *rate > 0.0)?;
            Some(served_per_second(own) / best)
        }
        Source::Latency(_) => Some(own.latency.p99_us / 1e3),
        Source::Operations(_) => Some(own.operations_per_second),
        Source::Program(..) => None,
    }
}

/// Answers a second without those that only sent somebody away: to give up is fast, and no sale.
fn served_per_second(it: &Measurement) -> f64 {
    let sent_away = it.outcomes.get(OVERLOADED).copied().unwrap_or(0).min(it.answers);
    it.answers_per_second * (1.0 - numbers::float(sent_away) / numbers::float(it.answers.max(1)))
}

fn of<'a>(
    measurements: &'a [Measurement],
    scenario: Scenario,
    rival: &'a str,
) -> impl Iterator<Item = &'a Measurement> {
    measurements.iter().filter(move |it| it.scenario == scenario.name() && it.rival == rival)
}

fn middle(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Option<Vec<f64>> = values.collect();
    numbers::spread(&values?).map(|(_, median, _)| median)
}

#[cfg(test)]
mod tests;
