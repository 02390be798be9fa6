//! Figures for operators: one recorder for the process, kept small, and what is only looked up when somebody asks.
//!
//! Whoever counts uses the `metrics` facade, and takes its handles after [`start`]. Nothing is counted on the way of a
//! purchase: what the journal and the engine know of themselves is read when the figures are.

use std::sync::OnceLock;
use std::time::Duration;

use holdfast_actors::checkpoint::Figures;
use holdfast_actors::engine::Stats;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tokio::time::{MissedTickBehavior, interval};

use crate::mail::dispatch;

/// Histograms keep every value until they are told to add them up, whether or not somebody asks for them.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// All our histograms are of times, in seconds: from a cache that answers to a mail server that does not.
const BUCKETS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Answers with 5xx by status, those included that shed load.
pub const HTTP_FAILURES: &str = "holdfast_http_failures_total";
/// Answers that took so long that the log names them.
pub const HTTP_SLOW_REQUESTS: &str = "holdfast_http_slow_requests_total";
/// Callers who were told to wait.
pub const HTTP_RATE_LIMITED: &str = "holdfast_http_rate_limited_total";

struct Meters {
    recorder: PrometheusHandle,
    process: Collector,
}

/// How the server is when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    /// What the engine tells; none before it has recovered.
    pub engine: Option<Stats>,
    /// What the checkpoints were like; none before it has recovered, or where none are taken.
    pub checkpoints: Option<Figures>,
    /// The oldest frame of the journal that is kept; 0 before the engine has recovered.
    pub first_batch: u64,
    /// Whether requests are welcome.
    pub is_ready: bool,
    /// Connections that are open.
    pub connections: u64,
    /// Streams of events, and polls that wait for some.
    pub event_listeners: u64,
    /// What became of mails that are due.
    pub mails: dispatch::Figures,
    /// Mails that are due and not known to be sent, however the queue does.
    pub mails_unsent: u64,
}

/// Begins to record. What was counted before is lost; a second call does nothing.
pub fn start() {
    let _meters = meters();
}

/// Keeps the recorder from growing. Ends with the process.
pub async fn keep() {
    let mut ticks = interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        meters().recorder.run_upkeep();
    }
}

/// All figures in Prometheus's text format. Blocks: it reads files of the kernel's.
#[must_use]
pub fn render(now: &Snapshot) -> String {
    let meters = meters();
    set(now);
    meters.process.collect();
    meters.recorder.render()
}

fn meters() -> &'static Meters {
    static METERS: OnceLock<Meters> = OnceLock::new();
    METERS.get_or_init(|| {
        let builder = PrometheusBuilder::new().with_recommended_naming(true);
        let builder = builder.set_buckets(&BUCKETS).expect("there are buckets");
        let recorder = builder.install_recorder().expect("nobody else installs one");
        describe();
        let process = Collector::default();
        process.describe();
        Meters { recorder, process }
    })
}

fn describe() {
    describe_gauge!("holdfast_build_info", "1, and the version that runs.");
    describe_gauge!("holdfast_ready", "1 while requests are welcome, 0 while recovering or going down.");
    describe_gauge!("holdfast_http_connections", "Connections that are open.");
    describe_gauge!("holdfast_event_listeners", "Streams of events, and polls that wait for some.");
    describe_counter!(HTTP_FAILURES, Unit::Count, "Answers with 5xx since the start.");
    describe_counter!(HTTP_SLOW_REQUESTS, Unit::Count, "Answers that took over a second.");
    describe_counter!(HTTP_RATE_LIMITED, Unit::Count, "Callers who were told to wait: 429.");
    // There from the start: what never happened is zero, not unknown.
    counter!(HTTP_SLOW_REQUESTS).absolute(0);
    counter!(HTTP_RATE_LIMITED).absolute(0);
    describe_gauge!("holdfast_products", "Products that exist.");
    describe_counter!("holdfast_journal_records_total", Unit::Count, "Records made durable since the start.");
    describe_counter!("holdfast_journal_batches_total", Unit::Count, "Frames made durable since the start.");
    describe_counter!("holdfast_journal_syncs_total", Unit::Count, "Appends, each with one sync.");
    describe_counter!("holdfast_journal_written_bytes_total", Unit::Bytes, "Bytes of the frames.");
    describe_counter!(
        "holdfast_journal_append_nanoseconds_total",
        Unit::Nanoseconds,
        "Time spent in appends, sync included."
    );
    describe_gauge!("holdfast_journal_backlog_bytes", Unit::Bytes, "Bytes on their way to the disk.");
    describe_counter!(
        "holdfast_mails_queued_total",
        Unit::Count,
        "Mails put into the queue since the start."
    );
    describe_counter!(
        "holdfast_mails_settled_total",
        Unit::Count,
        "Mails that the journal was told are sent."
    );
    describe_counter!("holdfast_mail_queue_failures_total", Unit::Count, "Times that the mail queue failed.");
    describe_gauge!("holdfast_mails_unsent", "Mails that are due and not known to be sent.");
    describe_counter!("holdfast_mail_sent_total", Unit::Count, "Mails that this server's worker sent.");
    describe_counter!("holdfast_mail_failed_total", Unit::Count, "Attempts at a mail that failed.");
    describe_counter!("holdfast_mail_dead_total", Unit::Count, "Mails that were given up.");
    describe_histogram!("holdfast_mail_send_seconds", Unit::Seconds, "How long a mail took that was sent.");
    describe_gauge!("holdfast_disk_low", "1 while writes are refused for want of space.");
    describe_checkpoints();
}

fn describe_checkpoints() {
    describe_counter!("holdfast_checkpoints_total", Unit::Count, "Checkpoints taken since the start.");
    describe_counter!("holdfast_checkpoint_failures_total", Unit::Count, "Checkpoints that came to nothing.");
    describe_counter!("holdfast_checkpoint_entries_total", Unit::Count, "Entries of all checkpoints taken.");
    describe_counter!(
        "holdfast_checkpoint_written_bytes_total",
        Unit::Bytes,
        "Bytes of all checkpoints taken."
    );
    describe_gauge!(
        "holdfast_checkpoint_newest_timestamp_seconds",
        Unit::Seconds,
        "When the newest was taken."
    );
    describe_gauge!("holdfast_checkpoint_seconds", Unit::Seconds, "How long the newest took.");
    describe_gauge!(
        "holdfast_checkpoint_pause_max_seconds",
        Unit::Seconds,
        "The longest that a shard did nothing else for a checkpoint."
    );
    describe_gauge!("holdfast_journal_first_batch", "The oldest frame that is kept.");
}

fn set(now: &Snapshot) {
    gauge!("holdfast_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("holdfast_ready").set(f64::from(u8::from(now.is_ready)));
    gauge!("holdfast_http_connections").set(real(now.connections));
    gauge!("holdfast_event_listeners").set(real(now.event_listeners));
    counter!("holdfast_mails_queued_total").absolute(now.mails.queued);
    counter!("holdfast_mails_settled_total").absolute(now.mails.settled);
    counter!("holdfast_mail_queue_failures_total").absolute(now.mails.failures);
    gauge!("holdfast_mails_unsent").set(real(now.mails_unsent));
    let Some(stats) = &now.engine else { return };
    gauge!("holdfast_products").set(real(u64::try_from(stats.products).unwrap_or(u64::MAX)));
    counter!("holdfast_journal_records_total").absolute(stats.commits.records);
    counter!("holdfast_journal_batches_total").absolute(stats.commits.batches);
    counter!("holdfast_journal_syncs_total").absolute(stats.commits.syncs);
    counter!("holdfast_journal_written_bytes_total").absolute(stats.commits.bytes);
    counter!("holdfast_journal_append_nanoseconds_total").absolute(stats.commits.append_ns);
    gauge!("holdfast_journal_backlog_bytes").set(real(stats.backlog_bytes));
    gauge!("holdfast_disk_low").set(f64::from(u8::from(stats.is_disk_low)));
    now.checkpoints.iter().for_each(set_checkpoints);
    gauge!("holdfast_journal_first_batch").set(real(now.first_batch));
}

fn set_checkpoints(figures: &Figures) {
    counter!("holdfast_checkpoints_total").absolute(figures.taken);
    counter!("holdfast_checkpoint_failures_total").absolute(figures.failed);
    counter!("holdfast_checkpoint_entries_total").absolute(figures.entries_total);
    counter!("holdfast_checkpoint_written_bytes_total").absolute(figures.bytes_total);
    if let Some(at_ms) = figures.newest_at_ms {
        gauge!("holdfast_checkpoint_newest_timestamp_seconds").set(real(at_ms) / 1_000.0);
    }
    gauge!("holdfast_checkpoint_seconds").set(figures.elapsed.as_secs_f64());
    gauge!("holdfast_checkpoint_pause_max_seconds").set(figures.pause_max.as_secs_f64());
}

/// The nearest floating-point number: what a gauge takes.
fn real(count: u64) -> f64 {
    const HALF: u32 = 32;
    let [high, low] = [count >> HALF, count & u64::from(u32::MAX)];
    let half = |bits: u64| f64::from(u32::try_from(bits).expect("half of the bits fit"));
    half(high) * 2_f64.powi(32) + half(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_the_nearest_number() {
        for (count, number) in [(0, 0.0), (1, 1.0), (u64::from(u32::MAX) + 2, 4_294_967_297.0)] {
            assert_eq!(real(count), number);
        }
        assert_eq!(real(u64::MAX), 2_f64.powi(64));
    }
}
