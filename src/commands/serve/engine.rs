//! The engine's life: lock the folder, recover, run, stop. Blocking steps are off the request threads.

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use actix_web::web;
use anyhow::{Context as _, anyhow};
use holdfast_actors::checkpoint::{self, CheckpointOptions};
use holdfast_actors::engine::stop_process;
use holdfast_actors::persistence::{
    self, Checkpoints, CommitterOptions, Folder, FrameSource as _, SledJournal,
};
use holdfast_actors::recovery::{Progress, Report};
use holdfast_actors::{Clock as _, Engine, Options, SimulatedGateway, SystemClock, recovery};
use indicatif::ProgressBar;
use serde_json::json;

use crate::cli::{Exit, Failure};
use crate::commands::journal::{moment, progress};
use crate::config::Settings;
use crate::http::health::HealthSource;

/// After how long without a message a product gives up its actor.
const IDLE: Duration = Duration::from_secs(60);

/// Requests that may wait in one shard: at 100 000 a second, some 160 ms.
const ADMITTED_MAX: usize = 16 * 1024;

/// Makes the data folder if need be and holds it for this process alone.
///
/// # Errors
///
/// [`Exit::Locked`], naming the process that has it.
pub(crate) fn lock(data_dir: &Path) -> Result<Folder, Failure> {
    Folder::open(data_dir).map_err(explain)
}

/// Recovers the journal and starts the actors.
///
/// # Errors
///
/// What is wrong with the journal, and what to do.
pub(crate) async fn open(
    settings: &Settings,
    folder: Folder,
    hosts: Vec<ArbiterHandle>,
) -> Result<Engine, Failure> {
    let read = move || -> Result<_, anyhow::Error> {
        let mut journal = SledJournal::open(&folder, persistence::Options::default())?;
        let checkpoints = Checkpoints::open(&folder, journal.id(), journal.partitions())?;
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let bar = progress::spinner("recovering");
        let recovered = recovery::recover_newest(&mut journal, &checkpoints, threads, &|at| show(&bar, at));
        bar.finish_and_clear();
        let mut recovered = recovered?;
        // Here it is in nobody's way. What fails the engine tells, when it has tried once more.
        let _tried_again = checkpoint::write_first(&checkpoints, &mut recovered, SystemClock.now());
        Ok((journal, checkpoints, recovered))
    };
    let (journal, checkpoints, recovered) =
        web::block(read).await.context("recover the journal")?.map_err(Failure::from)?;
    log(&recovered.report);
    let mut committer = CommitterOptions::new(|error| stop_process(error));
    committer.free_space_path = Some(settings.data_dir.clone());
    committer.disk_reserve_bytes = settings.disk_reserve_bytes;
    let options = Options {
        shards: settings.shards,
        hosts,
        idle: IDLE,
        admitted_max: ADMITTED_MAX,
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| crate::ids::make().as_u128()),
        gateway: Arc::new(SimulatedGateway),
        committer,
        checkpoints: Some(CheckpointOptions {
            files: checkpoints,
            every: (settings.checkpoint_seconds > 0)
                .then(|| Duration::from_secs(settings.checkpoint_seconds)),
            journal_bytes_max: settings.checkpoint_bytes,
            disk_reserve_bytes: settings.disk_reserve_bytes,
            retain: settings.retain.0,
            trimmer: Some(journal.trimmer()),
        }),
    };
    let reader = journal.reader();
    let engine = Engine::start(Box::new(journal), Some(reader), recovered, options);
    // Nobody is let in while units are held whose deadline passed during the downtime.
    engine.settle_due().await.context("expire what was due")?;
    Ok(engine)
}

/// Only on a terminal: elsewhere the bar is not drawn.
fn show(bar: &ProgressBar, at: Progress) {
    bar.set_message(match at {
        Progress::Loading { entries } => format!("loading the checkpoint: {entries} entries"),
        Progress::Replaying { records } => format!("replaying the journal: {records} records"),
        Progress::Checking => String::from("checking every invariant"),
    });
}

/// Says what the start rests on, in one line.
fn log(report: &Report) {
    let loaded = report.checkpoint.map_or_else(String::new, |number| {
        format!("loaded {} entries of checkpoint {number} in {:.3?}, ", report.loaded, report.loading)
    });
    tracing::info!(
        "{loaded}replayed {} events of {} products in {:.3?} ({} records in {} batches, {} of them in the checkpoint; \
         {} active reservations, {} orders, {} carts, {} accounts, {} idempotency keys; {:.3?} in all); every invariant holds",
        report.events,
        report.products,
        report.replaying,
        report.records,
        report.batches,
        report.left_out,
        report.reservations,
        report.orders,
        report.carts,
        report.accounts,
        report.keys,
        report.elapsed,
    );
}

/// Lets the health answers tell of the journal.
pub(super) fn describe(engine: &Engine, health: &HealthSource) {
    let engine = engine.clone();
    health.describe_journal(move || {
        let stats = engine.stats();
        json!({
            "status": if stats.is_disk_low { "disk_low" } else { "ok" },
            "products": stats.products,
            "records_written": stats.commits.records,
            "batches_written": stats.commits.batches,
            "syncs": stats.commits.syncs,
            "backlog_bytes": stats.backlog_bytes,
            "checkpoints": engine.checkpoint_figures().map(|figures| json!({
                "taken": figures.taken,
                "failed": figures.failed,
                "newest_at": figures.newest_at_ms.map(moment),
                "pause_max_us": u64::try_from(figures.pause_max.as_micros()).unwrap_or(u64::MAX),
            })),
        })
    });
}

/// Writes what is queued and closes the journal. No request is running any more.
///
/// # Errors
///
/// The journal failed before.
pub(crate) async fn close(engine: Engine) -> Result<(), Failure> {
    let journal = web::block(move || engine.stop().map(drop)).await.context("stop the journal")?;
    Ok(journal.context("stop the journal")?)
}

/// Takes a last checkpoint where that is possible within `wait_max`. Nothing is lost without: the next start replays more.
pub(crate) async fn last_checkpoint(engine: &Engine, wait_max: Duration) {
    match engine.checkpoint_before_stop(wait_max).await {
        Ok(taken) => tracing::info!("checkpoint {} is of the end", taken.info.number),
        Err(error) => tracing::warn!("no checkpoint of the end, the next start takes longer: {error}"),
    }
}

/// Gives a journal's error its exit code.
pub(crate) fn explain(error: persistence::Error) -> Failure {
    let exit = match error {
        persistence::Error::Locked { .. } => Exit::Locked,
        _ => Exit::Failure,
    };
    Failure::new(exit, anyhow!(error))
}
