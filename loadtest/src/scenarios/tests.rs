//! Each scenario over real HTTP, at an honest shop and at some that cheat.

use clap::Parser;

use super::*;
use crate::fake_shop::{self, Cheat};

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    scenario: Scenario,
}

fn run_at(cheat: Cheat, line: &str) -> Outcome {
    let options = "--connections 4 --threads 2 --warm-up 0.1 --duration 0.4";
    let line = Line::parse_from(format!("loadtest {line} {options}").split(' '));
    measure(&line.scenario, &fake_shop::open(cheat)).expect("the shop answers")
}

#[test]
fn honest_shop_is_clean_in_every_scenario() {
    for (line, outcome, wanted) in [
        ("flash", "sold", true),
        ("flash --units 50", "insufficient_stock", false),
        ("spread --products 20 --rate 300", "sold", true),
        ("spread --products 20 --uniform", "sold", true),
        ("sold-out", "insufficient_stock", true),
        ("browse --products 20", "read", true),
        ("mixed --products 20 --reads-per-purchase 5", "sold", true),
        ("batch --products 20 --batch 10", "reserved", true),
    ] {
        let Outcome { measured, findings, .. } = run_at(Cheat::Honest, line);
        assert_eq!(findings.broken(), [], "{line}");
        let it = &measured.measurement;
        assert!(it.outcomes.get(outcome).is_some_and(|times| *times > 0), "{line}: {:?}", it.outcomes);
        assert_eq!(it.unexpected, 0, "{line}: {:?}", it.outcomes);
        assert_eq!(it.timeline.iter().any(|slice| slice.wanted > 0), wanted, "{line}");
        assert_eq!(measured.tally.taken() > 0, !matches!(outcome, "read") && line != "sold-out", "{line}");
        if outcome == "reserved" {
            let ratio = it.operations_per_second / it.answers_per_second;
            assert!((ratio - 10.0).abs() < 1e-6, "{ratio}");
        }
    }
}

#[test]
fn cheats_are_seen_through() {
    for (cheat, line, expected) in [
        (Cheat::Oversells, "flash --units 50", Invariant::NeverOversold),
        (Cheat::Forgets, "flash", Invariant::CommittedIsWhatWasSold),
        (Cheat::Forgets, "mixed --products 3 --reads-per-purchase 1", Invariant::MovementsAddUp),
        (Cheat::Invents, "browse --products 3", Invariant::CommittedIsWhatWasSold),
        (Cheat::Fails, "spread --products 3", Invariant::AnswerIsExpected),
        (Cheat::HoldsBack, "flash --units 50", Invariant::RefusalIsJustified),
        (Cheat::RepeatsOrderIds, "flash", Invariant::OrderIsBookedOnce),
    ] {
        let broken = run_at(cheat, line).findings.broken();
        assert!(broken.contains(&expected), "{cheat:?}, {line}: {broken:?}");
    }
}

#[test]
fn document_and_page_hold_what_was_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (json, html) = (folder.path().join("a.json"), folder.path().join("a.html"));
    let line = format!("loadtest flash --json {} --html {}", json.display(), html.display());
    let common = Line::parse_from(line.split(' ')).scenario.common().clone();
    let outcome = run_at(Cheat::Forgets, "flash");
    let measurement = outcome.measured.measurement.clone();
    let is_passed =
        finish(&common, document::begin(vec!["loadtest".into()]), outcome, vec!["a setting".into()]);
    assert!(!is_passed.expect("both are written"));
    let kept = document::read(&json).expect("our own");
    assert_eq!(kept.measurements.len(), 1);
    let found = &kept.measurements[0];
    assert_eq!((&found.scenario, &found.outcomes), (&measurement.scenario, &measurement.outcomes));
    assert_eq!(found.latency.histogram, measurement.latency.histogram);
    assert!(!kept.violations.is_empty() && kept.rivals[0].name == "holdfast");
    assert!(std::fs::read_to_string(&html).expect("a page").contains("a setting"));
}
