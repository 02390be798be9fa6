//! Whole visits over real HTTP, at an honest shop, at one that loses answers and dies, and at shops that cheat.

use super::*;
use crate::fake_shop::{Cheat, FakeShop, open, open_losing};
use crate::findings::Invariant;

fn plan(kills: u32) -> CheckoutPlan {
    CheckoutPlan { products: 24, customers: 400, connections: 6, kills, seed: 7, patience_ms: 1_000 }
}

fn check_out(cheat: Cheat) -> CheckoutReport {
    run(&plan(0), &open(cheat), None::<&mut FakeShop>).expect("the shop answers")
}

#[test]
fn honest_shop_passes_and_everything_happened() {
    let report = check_out(Cheat::Honest);
    assert_eq!(report.findings.broken(), [], "{:?}", report.violations);
    let Tally { customers, confirmed, held, declined, timed_out, canceled, fulfilled, .. } = report.tally;
    assert_eq!(customers, 400);
    for happened in [confirmed, held, declined, timed_out, canceled, fulfilled] {
        assert!(happened > 0, "{:?}", report.tally);
    }
    assert!(report.tally.refused > 0 && report.tally.too_late > 0 && report.tally.repeated > 0);
    assert!(report.drained.is_empty);
    let Audited { products, orders_listed, orders_claimed, unknown, movements, .. } = report.audited;
    assert_eq!((products, orders_listed, unknown), (24, orders_claimed, 0));
    assert!(movements > 500 && report.audited.reservations_claimed > 0);
    assert!(report.latencies.iter().all(|(_, percentiles)| percentiles.answers > 0));
    assert!(describe(&report).contains("every invariant holds"));
}

#[test]
fn lost_answers_are_asked_again_and_give_one_outcome() {
    let mut shop = open_losing(Cheat::Honest, 10);
    let target = shop.target.clone();
    let report = run(&plan(0), &target, Some(&mut shop)).expect("the shop answers");
    assert_eq!(report.findings.broken(), [], "{:?}", report.violations);
    let Tally { lost, asked_again, .. } = report.tally;
    assert!(asked_again > 50 && lost > asked_again, "some had no key: {:?}", report.tally);
}

#[test]
fn load_goes_on_after_each_kill() {
    let mut shop = open_losing(Cheat::Honest, 0);
    let target = shop.target.clone();
    let report = run(&plan(2), &target, Some(&mut shop)).expect("the shop comes back");
    assert_eq!(report.findings.broken(), [], "{:?}", report.violations);
    assert_eq!(report.kills.len(), 2);
    assert!(report.kills.iter().all(|kill| kill.answers >= ANSWERS_BEFORE_KILL.start && kill.lost > 0));
    assert!(report.tally.asked_again > 0 && report.tally.customers > 400);
}

#[test]
fn every_cheat_is_seen_through() {
    for (cheat, expected) in [
        (Cheat::Oversells, vec![Invariant::NeverOversold, Invariant::BooksBalance]),
        (Cheat::LeaksHolds, vec![Invariant::HoldsEnd]),
        (Cheat::LosesOrders, vec![Invariant::AcknowledgedOrderIsThere, Invariant::CommittedIsWhatOrdersSay]),
        (Cheat::SellsAir, vec![Invariant::OrderHasItsUnits, Invariant::CommittedIsWhatBuyersWereTold]),
        (Cheat::Invents, vec![Invariant::NothingElseIsBooked, Invariant::CommittedIsWhatOrdersSay]),
        (Cheat::DoublesOrders, vec![Invariant::OneKeyOneOutcome]),
        (Cheat::BreaksHolds, vec![Invariant::DeadlineIsKept]),
        (Cheat::IsLate, vec![Invariant::DeadlineIsKept]),
    ] {
        let report = check_out(cheat);
        let broken = report.findings.broken();
        assert!(expected.iter().all(|invariant| broken.contains(invariant)), "{cheat:?}: {broken:?}");
        assert!(describe(&report).contains("VIOLATION"), "{cheat:?}");
    }
}

#[test]
fn order_made_twice_for_a_lost_answer_is_found() {
    let mut shop = open_losing(Cheat::DoublesOrders, 10);
    let target = shop.target.clone();
    let report = run(&plan(0), &target, Some(&mut shop)).expect("the shop answers");
    let broken = report.findings.broken();
    assert!(broken.contains(&Invariant::OrderIsMadeOnce), "{broken:?}");
}
