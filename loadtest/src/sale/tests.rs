//! The whole sale over real HTTP, at an honest shop and at six that cheat.

use super::*;
use crate::fake_shop::{Cheat, open};
use crate::findings::Invariant;

fn sell(cheat: Cheat, units: u32, buyers: u64) -> Vec<SaleReport> {
    let plan = SalePlan { units, buyers, connections: vec![4, 9], has_keys: true, generator_threads: 2 };
    run(&plan, &open(cheat)).expect("the shop answers")
}

#[test]
fn honest_sale_sells_every_unit_once() {
    let reports = sell(Cheat::Honest, 450, 1_000);
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert_eq!(report.findings.broken(), []);
        assert_eq!((report.sold, report.refused, report.oversold, report.errors), (450, 550, 0, 0));
        assert_eq!((report.movements, report.server_errors), (450, 0));
        assert_eq!((report.latency_sold.answers, report.latency_refused.answers), (450, 550));
        assert!(report.answers_per_second > 0.0 && report.purchases_per_second > 0.0);
        assert!(describe(&report).contains("every invariant holds"));
    }
}

#[test]
fn sale_with_fewer_buyers_than_units_leaves_the_rest() {
    for report in sell(Cheat::Honest, 500, 120) {
        assert_eq!((report.sold, report.refused), (120, 0));
        assert_eq!(report.findings.broken(), []);
    }
}

#[test]
fn every_cheat_is_seen_through() {
    for (cheat, expected) in [
        (Cheat::Oversells, Invariant::NeverOversold),
        (Cheat::Forgets, Invariant::AcknowledgedIsBooked),
        (Cheat::Invents, Invariant::NothingElseIsBooked),
        (Cheat::RepeatsOrderIds, Invariant::OrderIdIsUnique),
        (Cheat::Fails, Invariant::AnswerIsExpected),
        (Cheat::HoldsBack, Invariant::AvailableNeverRises),
    ] {
        for report in sell(cheat, 100, 300) {
            let broken = report.findings.broken();
            assert!(broken.contains(&expected), "{cheat:?}: {broken:?}");
            assert!(describe(&report).contains("VIOLATION"), "{cheat:?}");
        }
    }
}

#[test]
fn oversold_units_and_server_errors_are_counted() {
    let oversold = sell(Cheat::Oversells, 100, 300).remove(0);
    assert_eq!((oversold.sold, oversold.oversold), (110, 10));
    let failing = sell(Cheat::Fails, 100, 300).remove(0);
    assert_eq!((failing.server_errors, failing.errors), (3, 3));
}
