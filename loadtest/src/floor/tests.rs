//! Measuring the floor server in this process, and judging rows.

use std::net::SocketAddr;

use super::*;
use crate::floor_server::serve_in_test;
use crate::series::FLOOR;

fn row(address: SocketAddr, is_sold_out: bool) -> Row {
    let style = Style { host: address.to_string(), run: "00000000".into() };
    let ids = vec!["prod_1".into(), "prod_2".into()];
    let workload = if is_sold_out {
        Workload::refusals(&style, ids)
    } else {
        Workload::purchases(&style, ids, Choice::Uniform)
    };
    Row {
        name: "a row".into(),
        must: 0.5,
        aim: 0.8,
        connections: 6,
        workload: workload.expect("two products"),
        floor: Endpoint { name: FLOOR.into(), address, processes: vec![std::process::id()] },
    }
}

fn measured(answers_per_second: f64, unexpected: u64) -> Measured {
    let cpu = Some(5.0);
    Measured {
        answers_per_second,
        server_cpu_us: cpu,
        generator_cpu_us: cpu,
        unexpected,
        body_bytes_mean: 1.0,
    }
}

fn report_of(ratios: &[f64], unexpected: u64) -> RowReport {
    let address = "127.0.0.1:1".parse().expect("an address");
    let rounds = ratios
        .iter()
        .map(|ratio| Round { floor: measured(1_000.0, 0), server: measured(1_000.0 * ratio, unexpected) });
    row(address, false).report(rounds.collect())
}

#[test]
fn floor_server_is_measured_with_the_sample_bytes() {
    let body = "a body of 20 bytes..";
    let address = serve_in_test(Sample { status: 201, headers: Vec::new(), body: body.into() });
    let plan = FloorPlan { rounds: 1, seconds: 0.2, spread_products: 2, generator_threads: 2 };
    let right = row(address, false);
    let measured = measure(&plan, &right, &right.floor, 1).expect("the floor answers");
    assert!(measured.answers_per_second > 100.0, "{measured:?}");
    assert_eq!((measured.unexpected, measured.body_bytes_mean), (0, 20.0));
    let wrong = row(address, true);
    let measured = measure(&plan, &wrong, &wrong.floor, 2).expect("the floor answers");
    assert!(measured.unexpected > 0);
}

#[test]
fn sample_keeps_all_but_what_actix_writes_itself() {
    let line = |name: &str| (name.to_owned(), "value".to_owned());
    let reply = Reply {
        status: 201,
        headers: vec![line("Content-Length"), line("date"), line("X-Request-Id"), line("content-type")],
        body: b"{}".to_vec(),
    };
    let sample = sample_of(&reply).expect("it is UTF-8");
    assert_eq!(sample.headers, [line("X-Request-Id"), line("content-type")]);
    assert_eq!((sample.status, sample.body.as_str()), (201, "{}"));
}

#[test]
fn row_is_judged_by_its_middle_round() {
    for (ratios, is_met, verdict) in [
        ([0.9, 0.1, 0.85], true, "aim reached"),
        ([0.9, 0.6, 0.1], true, "met"),
        ([0.9, 0.4, 0.45], false, "BELOW MUST"),
    ] {
        let report = report_of(&ratios, 0);
        assert_eq!((report.is_met(), report.verdict().as_str()), (is_met, verdict), "{ratios:?}");
    }
}

#[test]
fn fast_wrong_answers_do_not_count() {
    let report = report_of(&[0.9], 7);
    assert!(!report.is_met());
    assert!(report.verdict().contains("VOID: 7"));
}

#[test]
fn table_marks_what_is_below_its_must() {
    let text = describe(&[report_of(&[0.2, 0.3, 0.4], 0)]);
    assert!(text.contains("0.20–0.30–0.40") && text.contains("BELOW MUST"), "{text}");
    assert!(text.contains("300") && text.contains("1 000"), "{text}");
}
