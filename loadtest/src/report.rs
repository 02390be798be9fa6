//! Report: figures as people read them, and as JSON.
//!
//! Owns latencies (an HDR histogram), number formats and tables; knows no scenario. Text goes to stdout.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::findings::Findings;
use crate::numbers;

const LATENCY_NS_MAX: u64 = 120_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies of one kind of answer, exact to three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// What is worth knowing about latencies, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) answers: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS);
        Self(histogram.expect("1 ns to 2 min with three digits is a valid range"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(numbers::nanos(latency));
    }

    /// Takes over what another thread recorded.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same range");
    }

    /// All of them, in nanoseconds.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| numbers::float(self.0.value_at_quantile(quantile)) / 1e3;
        Percentiles {
            answers: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: numbers::float(self.0.max()) / 1e3,
        }
    }
}

impl Percentiles {
    /// One row of a table: name, answers, percentiles.
    pub(crate) fn row(&self, name: &str) -> Vec<String> {
        let mut row = vec![name.to_owned(), count(self.answers)];
        let values = [self.p50_us, self.p90_us, self.p99_us, self.p999_us, self.max_us];
        row.extend(values.iter().map(|value| if self.answers == 0 { "-".into() } else { time(*value) }));
        row
    }

    pub(crate) fn heading() -> Vec<String> {
        ["latency", "answers", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned).to_vec()
    }
}

/// Microseconds with a fitting unit: `812 µs`, `1.24 ms`, `2.10 s`.
pub(crate) fn time(micros: f64) -> String {
    if micros < 999.5 {
        format!("{micros:.0} µs")
    } else if micros < 999_500.0 {
        format!("{:.2} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}

/// A count with its thousands set apart: `48 210`.
pub(crate) fn count(n: u64) -> String {
    group(&n.to_string())
}

/// A rate, rounded to a whole number.
pub(crate) fn rate(per_second: f64) -> String {
    group(&format!("{per_second:.0}"))
}

/// Microseconds with one decimal, or `?` when nobody knows.
pub(crate) fn micros(value: Option<f64>) -> String {
    value.map_or_else(|| "?".into(), |value| format!("{value:.1}"))
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Lines rows up: the first column to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            if column == 0 {
                line.push_str(&format!("{cell:<width$}"));
            } else {
                line.push_str(&format!("   {cell:>width$}"));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A line for answers that were 429, if there were any: then the server's limits were measured, and not its speed.
pub(crate) fn rate_limited(answers: u64) -> String {
    match answers {
        0 => String::new(),
        _ => format!(
            "RATE LIMITED: {} answers were 429; the figures are those of the server's limits, not of its speed\n",
            count(answers)
        ),
    }
}

/// The auditor's verdict in words.
pub(crate) fn verdict(findings: &Findings) -> String {
    if findings.is_clean() {
        return "audit: every invariant holds\n".into();
    }
    let mut text = String::new();
    for violation in findings.violations() {
        text.push_str(&format!("VIOLATION: {} ({} times)\n", violation.invariant, violation.times));
        for example in &violation.examples {
            text.push_str(&format!("    {example}\n"));
        }
    }
    text
}

/// Writes everything a run found out to `file`.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_json(file: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("write the report as JSON")?;
    text.push('\n');
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Invariant;

    #[test]
    fn percentiles_are_those_of_the_latencies() {
        let mut latencies = Latencies::new();
        for micros in 1..=1000 {
            latencies.record(Duration::from_micros(micros));
        }
        let found = latencies.percentiles();
        let expected =
            [(found.p50_us, 500.0), (found.p90_us, 900.0), (found.p99_us, 990.0), (found.max_us, 1000.0)];
        for (found, expected) in expected {
            assert!((found - expected).abs() / expected < 0.002, "{found} instead of {expected}");
        }
        assert_eq!(found.answers, 1000);
    }

    #[test]
    fn latency_beyond_the_range_is_kept_as_the_longest() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_secs(3600));
        assert!(latencies.percentiles().max_us >= 119e6);
    }

    #[test]
    fn no_answers_have_no_percentiles() {
        let row = Latencies::new().percentiles().row("sold");
        assert_eq!(row, ["sold", "0", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(time(812.3), "812 µs");
        assert_eq!(time(999.7), "1.00 ms");
        assert_eq!(time(1_240.0), "1.24 ms");
        assert_eq!(time(2_100_000.0), "2.10 s");
        assert_eq!(count(7), "7");
        assert_eq!(count(48_210), "48 210");
        assert_eq!(rate(1_234_567.4), "1 234 567");
        assert_eq!(micros(Some(7.25)), "7.2");
        assert_eq!(micros(None), "?");
    }

    #[test]
    fn rate_limited_answers_are_called_that() {
        assert_eq!(rate_limited(0), "");
        assert!(rate_limited(1_200).contains("1 200 answers were 429"));
    }

    #[test]
    fn table_lines_up() {
        let rows = [vec!["what".to_owned(), "n".to_owned()], vec!["a".to_owned(), "100".to_owned()]];
        assert_eq!(table(&rows), "what     n\na      100\n");
    }

    #[test]
    fn verdict_names_the_broken_invariant() {
        let mut findings = Findings::default();
        assert!(verdict(&findings).contains("every invariant holds"));
        findings.add(Invariant::NeverOversold, "4 sold of 3");
        let text = verdict(&findings);
        assert!(text.contains("VIOLATION: never oversold") && text.contains("4 sold of 3"), "{text}");
    }
}
