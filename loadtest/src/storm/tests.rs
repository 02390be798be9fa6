//! A storm over an honest shop, and over shops that leak, break or drag their holds.

use super::*;
use crate::fake_shop::{Cheat, SECOND_MS, open};

const LAPSE_SECONDS: u32 = 20;

fn storm_at(cheat: Cheat) -> StormReport {
    let plan = StormPlan {
        reservations: 403,
        products: 50,
        buyers: 3,
        lapse_seconds: LAPSE_SECONDS,
        before_ms_min: 50,
        samples: 10,
        patience_ms: 1_500,
    };
    run(&plan, &open(cheat)).expect("the shop answers")
}

#[test]
fn honest_shop_gives_every_unit_back_on_time() {
    let report = storm_at(Cheat::Honest);
    assert_eq!(report.findings.broken(), []);
    // 9 each would need 45 products, and 403 are 44 times 9 and 7.
    assert_eq!((report.reservations, report.products), (403, 45));
    assert!(report.deadlines_ms < u64::from(LAPSE_SECONDS) * SECOND_MS, "{report:?}");
    assert!(report.before.latency.answers > 0 && report.during.latency.answers > 0, "{report:?}");
    assert!(report.during.longest_gap_ms > 0.0);
    assert_eq!((report.lateness.samples, report.lateness.missing), (9, 0));
    assert!(report.lateness.p50_ms <= report.lateness.max_ms);
    assert!(describe(&report).contains("every invariant holds"));
}

#[test]
fn leaked_holds_are_found() {
    let report = storm_at(Cheat::LeaksHolds);
    let broken = report.findings.broken();
    assert!(
        broken.contains(&Invariant::HoldsEnd) && broken.contains(&Invariant::EveryUnitIsBack),
        "{broken:?}"
    );
    assert!(report.lateness.missing > 0);
    assert!(describe(&report).contains("VIOLATION"));
}

#[test]
fn broken_holds_are_found() {
    assert_eq!(storm_at(Cheat::BreaksHolds).findings.broken(), [Invariant::DeadlineIsKept]);
}

#[test]
fn late_expiry_is_measured() {
    let report = storm_at(Cheat::IsLate);
    assert_eq!(report.findings.broken(), []);
    assert!(report.lateness.p50_ms >= 490.0, "{:?}", report.lateness);
    assert!(report.all_back_ms >= 500, "{}", report.all_back_ms);
}

#[test]
fn storm_that_would_come_too_soon_is_refused() {
    let plan = StormPlan {
        reservations: 10,
        products: 10,
        buyers: 1,
        lapse_seconds: 1,
        before_ms_min: 10_000,
        samples: 1,
        patience_ms: 100,
    };
    let refused = run(&plan, &open(Cheat::Honest)).expect_err("a second is less than ten");
    assert!(refused.to_string().contains("--lapse-after"), "{refused}");
}
