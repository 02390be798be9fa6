//! Rows made of measurements and of what programs print.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::results::{Latency, Pace};

/// A measurement of so many answers a second.
fn measured(scenario: Scenario, rival: &str, round: u32, per_second: f64) -> Measurement {
    Measurement {
        rival: rival.to_owned(),
        scenario: scenario.name().to_owned(),
        round,
        connections: 64,
        generator_threads: 2,
        pace: Pace::Closed,
        warm_up_seconds: 0.5,
        seconds: 1.0,
        answers: 1,
        answers_per_second: per_second,
        operations_per_second: per_second * 100.0,
        outcomes: BTreeMap::new(),
        unexpected: 0,
        latency: latency(per_second),
        service_time: None,
        timeline: Vec::new(),
        server_cpu_us: Some(per_second / 10.0),
        generator_cpu_us: None,
        body_bytes_mean: 0.0,
    }
}

fn latency(p99_us: f64) -> Latency {
    let histogram = String::new();
    Latency {
        answers: 1,
        mean_us: 0.0,
        p50_us: 0.0,
        p90_us: 0.0,
        p99_us,
        p999_us: 0.0,
        max_us: 0.0,
        histogram,
    }
}

fn row(better: Better, measured: &[f64]) -> BudgetRow {
    let (must, aim) = if better == Better::Higher { (2.0, 4.0) } else { (4.0, 2.0) };
    BudgetRow {
        what: "it".into(),
        must,
        aim,
        better,
        unit: "ms".into(),
        measured: measured.to_vec(),
        server_cpu_us: None,
        generator_cpu_us: None,
        note: String::new(),
    }
}

#[test]
fn middle_round_decides_whichever_way_is_good() {
    for (better, figures) in [(Better::Higher, [4.0, 2.0, 1.9]), (Better::Lower, [2.0, 4.0, 4.1])] {
        let [aim, must, below] = figures;
        assert_eq!(Verdict::of(&row(better, &[below, aim, aim])), Verdict::AimReached, "{better:?}");
        assert_eq!(Verdict::of(&row(better, &[aim, must, below])), Verdict::Met, "{better:?}");
        assert_eq!(Verdict::of(&row(better, &[below, below, aim])), Verdict::BelowMust, "{better:?}");
        assert_eq!(Verdict::of(&row(better, &[])), Verdict::Missing, "{better:?}");
    }
    assert!(Verdict::Met.is_met() && !Verdict::Missing.is_met() && !Verdict::BelowMust.is_met());
}

#[test]
fn share_of_the_aim_is_a_hundred_where_it_is_reached() {
    assert_eq!(share_of_aim(&row(Better::Higher, &[1.0, 2.0, 9.0])), Some(50.0));
    assert_eq!(share_of_aim(&row(Better::Lower, &[8.0])), Some(25.0));
    assert_eq!(share_of_aim(&row(Better::Lower, &[1.0])), Some(200.0));
    assert_eq!(share_of_aim(&row(Better::Lower, &[])), None);
}

#[test]
fn rival_of_the_same_round_counts_and_the_best_of_several() {
    let flash = |rival: &str, round, rate| measured(Scenario::Flash, rival, round, rate);
    let measurements = [
        flash(FLOOR, 1, 200.0),
        flash(HOLDFAST, 1, 100.0),
        flash(HOLDFAST, 2, 120.0),
        flash(FLOOR, 2, 150.0),
        flash("postgres-guarded", 1, 5.0),
        flash("postgres-for-update", 1, 10.0),
        flash("postgres-optimistic", 1, 1.0),
        flash("redis-always", 2, 60.0),
        measured(Scenario::Spread, FLOOR, 1, 1_000.0),
    ];
    let hot = Row::Hot.fill(&measurements, &[]);
    assert_eq!(hot.measured, [0.5, 0.8]);
    assert_eq!((hot.server_cpu_us, hot.generator_cpu_us), (Some(11.0), None));
    assert_eq!(hot.note, "holdfast 110/s, floor 175/s");
    assert_eq!(Row::PostgresHot.fill(&measurements, &[]).measured, [10.0]);
    assert_eq!(Row::RedisHot.fill(&measurements, &[]).measured, [2.0]);
    assert!(Row::Spread.fill(&measurements, &[]).measured.is_empty(), "Holdfast was not measured there");
}

#[test]
fn whoever_is_only_sent_away_is_not_served() {
    let mut giving_up = measured(Scenario::Flash, "postgres-optimistic", 1, 40.0);
    giving_up.answers = 4;
    giving_up.outcomes = [("sold".to_owned(), 1), (OVERLOADED.to_owned(), 3)].into();
    let mut measurements = vec![measured(Scenario::Flash, HOLDFAST, 1, 100.0), giving_up];
    assert_eq!(Row::PostgresHot.fill(&measurements, &[]).measured, [10.0]);
    measurements[1].outcomes = [(OVERLOADED.to_owned(), 4)].into();
    assert!(Row::PostgresHot.fill(&measurements, &[]).measured.is_empty(), "nobody sold");
}

#[test]
fn tail_is_in_milliseconds_and_batches_count_their_operations() {
    let measurements =
        [measured(Scenario::Steady, HOLDFAST, 1, 2_500.0), measured(Scenario::Batch, HOLDFAST, 1, 3_000.0)];
    assert_eq!(Row::Steady.fill(&measurements, &[]).measured, [2.5]);
    assert_eq!(Row::Batch.fill(&measurements, &[]).measured, [300_000.0]);
}

#[test]
fn programs_say_their_figures_once_a_round() {
    let ran = |program, said| Ran { program, command: "it".into(), said };
    let ran = [
        ran(Program::Throughput, json!({ "hot_per_second": 600_000, "spread_per_second": 1 })),
        ran(Program::Recovery, json!({ "genesis_n": { "seconds": 7.5 } })),
        ran(Program::Throughput, json!({ "hot_per_second": 700_000 })),
        ran(Program::Memory, json!({ "passive_bytes": 512.5, "active_bytes": "many" })),
        ran(Program::Pauses, json!({})),
    ];
    let figures = |row: Row| row.fill(&[], &ran).measured;
    assert_eq!(figures(Row::InProcess), [600_000.0, 700_000.0]);
    assert_eq!(figures(Row::Recovery), [7.5]);
    assert_eq!(figures(Row::MemoryPassive), [512.5]);
    assert!(figures(Row::MemoryActive).is_empty() && figures(Row::Pause).is_empty());
}

#[test]
fn every_row_has_a_way_to_be_measured_and_an_aim_beyond_its_must() {
    let mut whats = BTreeSet::new();
    for kind in Row::value_variants() {
        let demand = kind.demand();
        assert!(kind.needs().is_some() != kind.program().is_some(), "{kind:?}");
        assert!(whats.insert(demand.what), "{kind:?}");
        let is_beyond = match demand.better {
            Better::Higher => demand.aim > demand.must,
            Better::Lower => demand.aim < demand.must,
        };
        assert!(is_beyond, "{kind:?}");
    }
}
