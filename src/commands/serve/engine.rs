//! The engine's life: lock the folder, recover, run, stop. Blocking steps are off the request threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix::ArbiterHandle;
use actix_web::web;
use anyhow::{Context as _, anyhow};
use holdfast_actors::engine::stop_process;
use holdfast_actors::persistence::{self, CommitterOptions, Folder, SledJournal};
use holdfast_actors::{Engine, Options, SimulatedGateway, SystemClock, recovery};
use serde_json::json;

use crate::cli::{Exit, Failure};
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
        let recovered = recovery::recover(&mut journal)?;
        Ok((journal, recovered))
    };
    let (journal, recovered) =
        web::block(read).await.context("recover the journal")?.map_err(Failure::from)?;
    let report = &recovered.report;
    tracing::info!(
        "replayed {} events of {} products in {:.3?} ({} records in {} batches, {} active reservations, \
         {} orders, {} carts, {} accounts, {} idempotency keys); every invariant holds",
        report.events,
        report.products,
        report.elapsed,
        report.records,
        report.batches,
        report.reservations,
        report.orders,
        report.carts,
        report.accounts,
        report.keys,
    );
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
        checkpoints: None,
    };
    let reader = journal.reader();
    let engine = Engine::start(Box::new(journal), Some(reader), recovered, options);
    // Nobody is let in while units are held whose deadline passed during the downtime.
    engine.settle_due().await.context("expire what was due")?;
    Ok(engine)
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

/// Gives a journal's error its exit code.
pub(crate) fn explain(error: persistence::Error) -> Failure {
    let exit = match error {
        persistence::Error::Locked { .. } => Exit::Locked,
        _ => Exit::Failure,
    };
    Failure::new(exit, anyhow!(error))
}
