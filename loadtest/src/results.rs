//! Results: what a run of the load test leaves behind, as data.
//!
//! `--json` writes a [`Document`], `compare` reads two, and the page shows one; so everything here goes both ways
//! through serde, and a document keeps what it needs to be understood elsewhere: machine, settings, commands.
//! Filled by `load`, `budget` and `contenders`; knows no server.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Raised when an older program could no longer read the documents of a newer one.
pub(crate) const FORMAT: u32 = 1;

/// Everything one call of the load test found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) format: u32,
    /// The program's name and its arguments, so that a reader can do it again.
    pub(crate) command: Vec<String>,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) machine: Machine,
    /// Who was measured, in the order of the tables.
    pub(crate) rivals: Vec<Rival>,
    /// Every measurement, in the order in which it was taken.
    pub(crate) measurements: Vec<Measurement>,
    /// Rows of the performance budget; empty unless it was asked for.
    #[serde(default)]
    pub(crate) budget: Vec<BudgetRow>,
    /// What was done for all rivals alike and a reader must know, one sentence each.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// What the auditor found, one sentence each; empty when every invariant holds.
    pub(crate) violations: Vec<String>,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// As the processor calls itself.
    pub(crate) processor: String,
    pub(crate) cores: u64,
    pub(crate) memory_bytes: u64,
    /// Name and version of the operating system, and of its kernel.
    pub(crate) system: String,
    pub(crate) kernel: String,
    /// The kind of file system under the servers' folders.
    pub(crate) file_system: String,
}

/// One server that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rival {
    /// The key by which measurements name it: `holdfast`, `floor`, `postgres-guarded`.
    pub(crate) name: String,
    /// A sentence: what it does with a purchase.
    pub(crate) description: String,
    /// As the server tells it.
    pub(crate) version: String,
    /// The settings that are not the package's own, and those that decide on durability.
    pub(crate) settings: Vec<String>,
}

/// One rival under one load, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) rival: String,
    /// The kind of load: `flash`, `spread`, `sold-out`, …
    pub(crate) scenario: String,
    /// Counted from 1.
    pub(crate) round: u32,
    pub(crate) connections: usize,
    pub(crate) generator_threads: usize,
    pub(crate) pace: Pace,
    pub(crate) warm_up_seconds: f64,
    pub(crate) seconds: f64,
    /// Answers within the measured time, warm-up left out.
    pub(crate) answers: u64,
    pub(crate) answers_per_second: f64,
    /// Operations inside batches count each; as many as the answers elsewhere.
    pub(crate) operations_per_second: f64,
    /// How many answers of each kind: `sold`, `read`, the code of a refusal, `status 500`, `lost`.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Those of the outcomes that the scenario is not about.
    pub(crate) unexpected: u64,
    /// From the intended start of a request to the last byte of its answer.
    pub(crate) latency: Latency,
    /// From the moment it was really sent; only under an open pace, where the two differ.
    pub(crate) service_time: Option<Latency>,
    /// The measured time in equal slices; answers that came after its end are in none of them.
    pub(crate) timeline: Vec<Slice>,
    /// Processor time of all of the rival's processes for each answer, in microseconds.
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) generator_cpu_us: Option<f64>,
    pub(crate) body_bytes_mean: f64,
}

/// When requests start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pace {
    /// Each connection sends its next request when it has its answer.
    Closed,
    /// Requests start at this rate, whatever the answers do.
    Open { per_second: f64 },
}

/// Latencies, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) answers: u64,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// All of them, in nanoseconds: an HdrHistogram in its V2 form with deflate, in base64.
    pub(crate) histogram: String,
}

/// One slice of the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// From the beginning of the measured time to the end of the slice.
    pub(crate) until_seconds: f64,
    pub(crate) answers: u64,
    /// Of those, the ones that the scenario is about: purchases and not refusals in a flash sale.
    pub(crate) wanted: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

/// One row of the performance budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BudgetRow {
    pub(crate) what: String,
    pub(crate) must: f64,
    pub(crate) aim: f64,
    pub(crate) better: Better,
    /// `× floor`, `ms`, `operations/s`, `bytes`, `s`.
    pub(crate) unit: String,
    /// One value for each round.
    pub(crate) measured: Vec<f64>,
    /// Processor time for each request where there are requests, in microseconds: the middle round's.
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) generator_cpu_us: Option<f64>,
    /// What else a reader must know, such as the rival's own figure.
    pub(crate) note: String,
}

/// Which way of a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    Higher,
    Lower,
}
