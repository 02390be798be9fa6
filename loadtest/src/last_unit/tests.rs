//! Two buyers at an honest shop and at shops that serve both, or neither.

use super::*;
use crate::fake_shop::{Cheat, open};

fn play_at(cheat: Cheat) -> LastUnitReport {
    run(&LastUnitPlan { rounds: 24 }, &open(cheat)).expect("the shop answers")
}

#[test]
fn honest_shop_serves_one_of_two_every_time() {
    let report = play_at(Cheat::Honest);
    assert_eq!(report.findings.broken(), []);
    let counts: Vec<_> = report.ways.iter().map(|way| (way.way, way.rounds, way.fair)).collect();
    assert_eq!(counts, [("purchase", 6, 6), ("reservation", 6, 6), ("cart", 6, 6), ("order", 6, 6)]);
    assert_eq!((report.latency_won.answers, report.latency_lost.answers), (24, 24));
    assert!(describe(&report).contains("every invariant holds"));
}

#[test]
fn shop_that_serves_both_is_found_in_every_way() {
    let report = play_at(Cheat::Oversells);
    assert!(report.findings.broken().contains(&Invariant::OneWinsTheLastUnit));
    assert!(report.findings.broken().contains(&Invariant::BooksBalance));
    assert!(report.ways.iter().all(|way| way.rounds == 6 && way.fair == 0), "{:?}", report.ways);
    assert!(describe(&report).contains("VIOLATION"));
}

#[test]
fn shop_that_serves_neither_is_found() {
    let report = play_at(Cheat::RefusesEverybody);
    assert!(report.findings.broken().contains(&Invariant::OneWinsTheLastUnit));
    assert!(report.ways.iter().all(|way| way.fair == 0), "{:?}", report.ways);
}
