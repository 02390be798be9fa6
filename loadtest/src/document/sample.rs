//! Sample: a document with the shape of a real one, from invented figures; for tests only.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::results::{
    Better, BudgetRow, Document, FORMAT, Latency, Machine, Measurement, Pace, Rival, Slice,
};
use crate::{document, numbers};

const ROUNDS: u32 = 3;
const SLICES: u32 = 20;
const SECONDS: f64 = 10.0;

/// Name, answers a second under `flash` and under `spread`, middle latency in microseconds.
const RIVALS: [(&str, f64, f64, u64); 7] = [
    ("holdfast", 71_000.0, 84_000.0, 820),
    ("floor", 118_000.0, 121_000.0, 480),
    ("postgres-guarded", 2_360.0, 11_900.0, 26_000),
    ("postgres-for-update", 1_540.0, 6_600.0, 41_000),
    ("postgres-optimistic", 480.0, 9_700.0, 130_000),
    ("redis-always", 33_000.0, 33_900.0, 1_900),
    ("redis-everysec", 53_000.0, 55_500.0, 1_150),
];

/// Three loads, three interleaved rounds, seven rivals in the first two, and a budget.
pub(crate) fn document() -> Document {
    let rival = |(name, ..): (&str, f64, f64, u64)| Rival {
        name: name.to_owned(),
        description: format!("What {name} does with a purchase, in one sentence"),
        version: format!("{name} 15.9 (Debian 15.9-0+deb12u1) <x86_64> & \"more\""),
        settings: vec!["synchronous_commit = on".to_owned(), "shared_buffers = 128MB".to_owned()],
    };
    let mut measurements = Vec::new();
    for round in 1..=ROUNDS {
        for (name, flash, spread, p50_us) in RIVALS {
            measurements.push(measurement(name, "flash", round, (64, Pace::Closed), flash, p50_us));
            measurements.push(measurement(name, "spread", round, (256, Pace::Closed), spread, p50_us * 3));
        }
    }
    for round in 1..=ROUNDS {
        let open = Pace::Open { per_second: 20_000.0 };
        measurements.push(measurement("holdfast", "flash", round, (64, open), 20_000.0, 310));
    }
    Document {
        format: FORMAT,
        command: ["loadtest", "compete", "--rounds", "3", "--data-parent", "/srv/load test"]
            .map(str::to_owned)
            .to_vec(),
        started_at: "2026-11-20T12:00:00.000Z".to_owned(),
        machine: Machine {
            processor: "AMD EPYC".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
            system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-27-amd64".to_owned(),
            file_system: "ext4".to_owned(),
        },
        rivals: RIVALS.map(rival).to_vec(),
        measurements,
        budget: budget(),
        notes: vec!["it was measured on a Sunday".to_owned()],
        violations: Vec::new(),
    }
}

/// Waves so that lines do not lie on each other, the same in each run.
fn wave(round: u32, slice: u32, height: f64) -> f64 {
    1.0 + height * (f64::from(slice) * 0.9 + f64::from(round) * 2.1).sin()
}

fn measurement(
    rival: &str,
    scenario: &str,
    round: u32,
    (connections, pace): (usize, Pace),
    per_second: f64,
    p50_us: u64,
) -> Measurement {
    let per_second = per_second * wave(round, 0, 0.04);
    let latency = latency(p50_us, round);
    let slice = |slice: u32| {
        let here = wave(round, slice, 0.08);
        // Sold out at two thirds of the time.
        let share = if slice * 3 > SLICES * 2 { 0.05 } else { 0.97 };
        let answers = whole(per_second * here * SECONDS / f64::from(SLICES));
        Slice {
            until_seconds: f64::from(slice) * SECONDS / f64::from(SLICES),
            answers,
            wanted: whole(numbers::float(answers) * share),
            p50_us: latency.p50_us / here,
            p99_us: latency.p99_us / here,
            max_us: latency.max_us * here,
        }
    };
    let timeline: Vec<Slice> = (1..=SLICES).map(slice).collect();
    let answers: u64 = timeline.iter().map(|slice| slice.answers).sum();
    let sold: u64 = timeline.iter().map(|slice| slice.wanted).sum();
    let busy = (answers - sold) / 10;
    Measurement {
        rival: rival.to_owned(),
        scenario: scenario.to_owned(),
        round,
        connections,
        generator_threads: 2,
        pace,
        warm_up_seconds: 2.0,
        seconds: SECONDS,
        answers,
        answers_per_second: numbers::float(answers) / SECONDS,
        operations_per_second: numbers::float(answers) / SECONDS,
        outcomes: BTreeMap::from([
            ("sold".to_owned(), sold),
            ("insufficient_stock".to_owned(), answers - sold - busy),
            ("overloaded".to_owned(), busy),
        ]),
        unexpected: 0,
        service_time: matches!(pace, Pace::Open { .. }).then(|| latency.clone()),
        latency,
        timeline,
        server_cpu_us: Some(600_000.0 / per_second),
        generator_cpu_us: (rival != "postgres-optimistic").then_some(3.1),
        body_bytes_mean: 181.0,
    }
}

fn latency(p50_us: u64, round: u32) -> Latency {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 120_000_000_000, 3).expect("valid");
    for rank in 1..=20_000_u32 {
        // A long tail: 1 at the middle, 10 at the 99.9th.
        let tail = (1.0 / (1.0 - f64::from(rank) / 20_001.0)).log2();
        let nanos = numbers::float(p50_us * 1_000) * (0.4 + 0.6 * tail.powf(1.3)) * wave(round, 1, 0.05);
        histogram.saturating_record(whole(nanos));
    }
    document::latency(&histogram)
}

/// The whole number next to `value`, for invented figures.
fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().expect("a small positive figure")
}

fn budget() -> Vec<BudgetRow> {
    let row = |what: &str, (must, aim), better, unit: &str, measured: [f64; 3]| BudgetRow {
        what: what.to_owned(),
        must,
        aim,
        better,
        unit: unit.to_owned(),
        measured: measured.to_vec(),
        server_cpu_us: Some(8.9),
        generator_cpu_us: None,
        note: "beside the generator on the same cores".to_owned(),
    };
    vec![
        row(
            "durable purchase of one hot SKU over HTTP, throughput / floor",
            (0.45, 0.75),
            Better::Higher,
            "× floor",
            [0.58, 0.61, 0.6],
        ),
        row(
            "p99 of a durable purchase at a steady 20 000/s (open loop)",
            (4.0, 1.5),
            Better::Lower,
            "ms",
            [1.2, 2.2, 1.9],
        ),
        row(
            "reserve operations through the batch endpoint, durable",
            (300_000.0, 1_000_000.0),
            Better::Higher,
            "operations/s",
            [1_210_000.0, 1_180_000.0, 1_240_000.0],
        ),
        row("memory for each active product", (2_048.0, 1_229.0), Better::Lower, "bytes", [2_300.0; 3]),
        row(
            "recovery: 1 000 000 products + 10 000 000 events",
            (20.0, 5.0),
            Better::Lower,
            "s",
            [9.1, 8.8, 9.9],
        ),
    ]
}
