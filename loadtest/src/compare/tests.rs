//! Tests of comparing: what counts as a difference, and what is said about the two documents.

use super::*;
use crate::document::sample;
use crate::results::Measurement;

fn measured(document: &Document, per_second: &[f64]) -> Document {
    let round = |(round, per_second): (u32, &f64)| Measurement {
        round,
        operations_per_second: *per_second,
        ..document.measurements[0].clone()
    };
    Document {
        measurements: (1..).zip(per_second).map(round).collect(),
        budget: Vec::new(),
        ..document.clone()
    }
}

/// Compares the throughputs of two runs: verdict, change, and whether 5 per cent less is too much.
fn throughput(a: &[f64], b: &[f64]) -> (Verdict, Option<f64>, bool) {
    let document = sample::document();
    let comparison = between(&measured(&document, a), &measured(&document, b));
    let differences = &comparison.matches.first().expect("one match").differences;
    let found =
        differences.iter().find(|one| one.figure == Some(Figure::Throughput)).expect("each has a throughput");
    (found.verdict, found.change_percent, !fallen(&comparison, 5.0).is_empty())
}

#[test]
fn ranges_that_overlap_are_noise() {
    let (verdict, change, is_fallen) = throughput(&[90.0, 100.0, 110.0], &[70.0, 80.0, 91.0]);
    assert_eq!((verdict, is_fallen), (Verdict::WithinNoise, false));
    assert!(change.is_some_and(|change| (change + 20.0).abs() < 1e-9), "{change:?}");
}

#[test]
fn ranges_apart_are_a_difference() {
    assert_eq!(throughput(&[90.0, 100.0, 110.0], &[70.0, 80.0, 89.0]).0, Verdict::Worse);
    assert!(throughput(&[90.0, 100.0, 110.0], &[70.0, 80.0, 89.0]).2);
    assert_eq!(throughput(&[90.0, 100.0], &[120.0, 130.0]).0, Verdict::Better);
    assert!(!throughput(&[90.0, 100.0], &[120.0, 130.0]).2);
}

#[test]
fn small_fall_is_allowed_and_a_fall_to_nothing_is_not() {
    assert_eq!(throughput(&[100.0], &[96.0]), (Verdict::Worse, Some((0.96_f64 - 1.0) * 100.0), false));
    assert!(throughput(&[100.0], &[0.0]).2);
    assert_eq!(throughput(&[0.0], &[100.0]), (Verdict::Better, None, false));
    assert_eq!(throughput(&[0.0], &[0.0]), (Verdict::WithinNoise, None, false));
}

#[test]
fn lower_latency_and_lower_cpu_are_better() {
    let spread = |value| Spread::of(&[value]).expect("a number");
    for figure in [Figure::P50, Figure::P99, Figure::P999, Figure::ServerCpu] {
        let difference = Difference::new(String::new(), spread(10.0), spread(9.0), figure.better());
        assert_eq!(difference.verdict, Verdict::Better, "{figure:?}");
    }
}

#[test]
fn document_compared_with_itself_has_no_difference() {
    let document = sample::document();
    let comparison = between(&document, &document);
    assert_eq!(comparison.warnings, Vec::<String>::new());
    assert_eq!((comparison.matches.len(), comparison.budget.len()), (15, 5));
    let mut differences =
        comparison.matches.iter().flat_map(|one| &one.differences).chain(&comparison.budget);
    assert!(differences.all(|one| one.verdict == Verdict::WithinNoise && one.change() == "+0.0 %"));
    let text = in_words(&comparison);
    assert!(text.contains("flash, 64 connections: holdfast"), "{text}");
    assert!(text.contains("no difference beyond the noise"), "{text}");
}

#[test]
fn other_machine_other_settings_and_other_lengths_are_told() {
    let a = sample::document();
    let mut b = a.clone();
    b.machine.cores = 64;
    b.rivals[2].settings.push("fsync = off".to_owned());
    b.rivals[5].version = "8.0".to_owned();
    for measurement in &mut b.measurements {
        measurement.seconds = 1.0;
        measurement.generator_threads = 1;
    }
    b.measurements.retain(|measurement| measurement.rival != "floor");
    let warnings = between(&a, &b).warnings.join("\n");
    for told in [
        "different numbers of cores: A 2, B 64",
        "different settings of postgres-guarded",
        "fsync = off",
        "different versions of redis-always",
        "A 10.0, B 1.0 seconds",
        "threads of the generator",
        "only A has floor under flash, 64 connections",
    ] {
        assert!(warnings.contains(told), "{told}: {warnings}");
    }
}

#[test]
fn what_was_not_measured_properly_is_told() {
    let mut document = sample::document();
    assert_eq!(document_warnings(&document), Vec::<String>::new());
    document.violations.push("never oversold: 4 sold of 3".to_owned());
    document.measurements[0].unexpected = 12;
    document.measurements[1].outcomes.insert("rate_limited".to_owned(), 1_300);
    let warnings = document_warnings(&document);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let text = describe(&document);
    for told in ["VIOLATION: never oversold", ": 12 answers", "1 300 answers were rate limited"] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

#[test]
fn rivals_stand_side_by_side() {
    let text = describe(&sample::document());
    let rows = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!((rows("floor"), rows("holdfast"), rows("postgres-optimistic")), (2, 3, 2), "{text}");
    assert!(text.contains("× floor") && text.contains("× holdfast"), "{text}");
    let unknown = text.lines().find(|line| line.starts_with("postgres-optimistic")).expect("a row");
    assert!(unknown.ends_with('–'), "nobody knows its generator's CPU: {unknown}");
}

#[test]
fn budget_rows_are_judged_by_the_middle_round() {
    let document = sample::document();
    let verdicts: Vec<&str> = document.budget.iter().map(side_by_side::verdict).collect();
    let keeps = "keeps the must";
    assert_eq!(verdicts, [keeps, keeps, "reaches the aim", "MISSES THE MUST", keeps]);
    let nothing = BudgetRow { measured: Vec::new(), ..document.budget[0].clone() };
    assert_eq!(side_by_side::verdict(&nothing), "not measured");
    let text = describe(&document);
    assert!(text.contains("MISSES THE MUST"), "{text}");
}

#[test]
fn documents_without_anything_in_common_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a.json", "b.json"].map(|name| folder.path().join(name));
    let one = sample::document();
    let mut other = one.clone();
    other.measurements.iter_mut().for_each(|measurement| measurement.connections += 1);
    other.budget.clear();
    document::write(&one, &a).expect("written");
    document::write(&other, &b).expect("written");
    let request = |b: &PathBuf| Request {
        a: a.clone(),
        b: Some(b.clone()),
        html: None,
        json: false,
        fail_below: Some(5.0),
    };
    let error = run(&request(&b)).expect_err("nothing to compare");
    assert!(error.to_string().contains("no measurement in common"), "{error:#}");
    assert!(run(&request(&a)).expect("the same"));
}

#[test]
fn only_percentages_are_taken() {
    assert_eq!(percent("7.5"), Ok(7.5));
    for text in ["-1", "101", "NaN", "much", ""] {
        assert!(percent(text).is_err(), "{text}");
    }
}
