//! Describe: one measurement as people read it in a terminal.

use super::outcomes::UNANSWERED;
use super::{Lateness, Measured};
use crate::report;
use crate::results::{Latency, Pace};

/// A generator that is later than this with one request in a hundred measures itself.
const LATE_US_MAX: f64 = 1_000.0;

/// The figures of one measurement: rate, outcomes, latencies, processor time.
pub(crate) fn describe(measured: &Measured) -> String {
    let it = &measured.measurement;
    let pace = match it.pace {
        Pace::Closed => "closed loop".to_owned(),
        Pace::Open { per_second } => format!("{}/s asked for", report::rate(per_second)),
    };
    let mut text = format!(
        "\n{}: {} connections, {} generator threads, {pace}, {:.1} s after {:.1} s of warm-up\n",
        it.scenario, it.connections, it.generator_threads, it.seconds, it.warm_up_seconds
    );
    text.push_str(&format!("throughput  {} answers/s", report::rate(it.answers_per_second)));
    if it.outcomes.contains_key("reserved") {
        text.push_str(&format!(", {} operations/s", report::rate(it.operations_per_second)));
    }
    text.push('\n');
    let outcomes: Vec<String> =
        it.outcomes.iter().map(|(name, times)| format!("{name} {}", report::count(*times))).collect();
    text.push_str(&format!("outcomes    {}\n", outcomes.join(", ")));
    if it.unexpected > 0 {
        text.push_str(&format!("UNEXPECTED  {} of them\n", report::count(it.unexpected)));
    }
    if let Some(times) = it.outcomes.get(UNANSWERED) {
        let times = report::count(*times);
        text.push_str(&format!(
            "            {times} were never answered, and the latencies below leave them out\n"
        ));
    }
    text.push_str(&report::rate_limited(it.outcomes.get("rate_limited").copied().unwrap_or(0)));
    text.push_str(&format!(
        "CPU         server {} µs, generator {} µs a request\n",
        report::micros(it.server_cpu_us),
        report::micros(it.generator_cpu_us)
    ));
    let mut table =
        vec![["latency", "answers", "mean", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned).to_vec()];
    match &it.service_time {
        None => table.push(row("from sending", &it.latency)),
        Some(service_time) => {
            table.push(row("from intended start", &it.latency));
            table.push(row("from sending", service_time));
        }
    }
    text.push_str(&report::table(&table));
    text.push_str(&measured.lateness.map(lateness).unwrap_or_default());
    text
}

fn row(name: &str, latency: &Latency) -> Vec<String> {
    let Latency { mean_us, p50_us, p90_us, p99_us, p999_us, max_us, .. } = *latency;
    let mut row = vec![name.to_owned(), report::count(latency.answers)];
    row.extend([mean_us, p50_us, p90_us, p99_us, p999_us, max_us].map(report::time));
    row
}

fn lateness(late: Lateness) -> String {
    let mut text = format!(
        "generator   late by p50 {}, p99 {}, max {} with a connection free\n",
        report::time(late.p50_us),
        report::time(late.p99_us),
        report::time(late.max_us)
    );
    if late.p99_us > LATE_US_MAX {
        text.push_str(
            "WARNING: the generator itself was late; latencies from the intended start are partly its own. \
             Give it more --threads, a lower --rate, or another machine\n",
        );
    }
    text
}
