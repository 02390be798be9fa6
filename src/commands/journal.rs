//! `holdfast journal`: looks into the journal of a stopped server. Changes nothing.

use std::path::Path;

use anyhow::anyhow;
use holdfast_actors::persistence::{self, Folder, FrameSource as _, Head, SledJournal};
use holdfast_actors::recovery::{self, Proof, Report};
use serde_json::{Value, json};

use super::serve::engine::explain;
use crate::cli::{Exit, Failure};

/// Tells how much is in the journal of `data_dir`.
///
/// # Errors
///
/// [`Exit::NotFound`] when there is none, [`Exit::Locked`] when a server holds it.
pub fn stat(data_dir: &Path, as_json: bool) -> Result<(), Failure> {
    let journal = open(data_dir)?;
    let mut first_ms = None;
    let head = Head::before(&journal);
    let replayed = persistence::replay(&journal, head, |record| {
        first_ms.get_or_insert(record.header.time_ms);
        Ok(())
    })
    .and_then(|replayed| journal.accept(&replayed).map(|()| replayed))
    .map_err(verdict)?;
    let last_ms = replayed.head.partitions().iter().map(|partition| partition.time_ms).max();
    let document = json!({
        "journal_id": journal.id().to_string(),
        "partitions": journal.partitions(),
        "batches": replayed.batches,
        "records": replayed.records,
        "frame_bytes": replayed.bytes,
        "disk_bytes": journal.stat().map_err(explain)?.disk_bytes,
        "first_at": first_ms.map(moment),
        "last_at": last_ms.filter(|_| first_ms.is_some()).map(moment),
    });
    print(&document, as_json);
    Ok(())
}

/// Proves frames, chain and invariants of the journal of `data_dir`.
///
/// # Errors
///
/// [`Exit::VerificationFailed`] with what is wrong, [`Exit::NotFound`] when there is none, [`Exit::Locked`]
/// when a server holds it.
pub fn verify(data_dir: &Path, as_json: bool) -> Result<(), Failure> {
    let journal = open(data_dir)?;
    let report = recovery::verify(&journal, &Proof::default(), |replayed| journal.accept(replayed)).map_err(
        |error| match error {
            recovery::Error::Journal(error) => verdict(error),
            other => Failure::new(Exit::VerificationFailed, anyhow!(other)),
        },
    )?;
    print(&document(&report.report), as_json);
    Ok(())
}

fn open(data_dir: &Path) -> Result<SledJournal, Failure> {
    if !SledJournal::exists(data_dir).is_ok_and(|is_there| is_there) {
        return Err(Failure::new(Exit::NotFound, anyhow!("there is no journal in {}", data_dir.display())));
    }
    let folder = Folder::open(data_dir).map_err(explain)?;
    SledJournal::open(&folder, persistence::Options::default()).map_err(verdict)
}

/// Damage is a verdict; everything else is a reason why there is none.
fn verdict(error: persistence::Error) -> Failure {
    match error {
        persistence::Error::Corrupt { .. }
        | persistence::Error::Visit { .. }
        | persistence::Error::Lost { .. }
        | persistence::Error::NoDescription { .. } => Failure::new(Exit::VerificationFailed, anyhow!(error)),
        other => explain(other),
    }
}

fn document(report: &Report) -> Value {
    json!({
        "verdict": "every frame, the chain, the sequences and every invariant hold",
        "batches": report.batches,
        "records": report.records,
        "events": report.events,
        "bytes": report.bytes,
        "products": report.products,
        "active_reservations": report.reservations,
        "orders": report.orders,
        "carts": report.carts,
        "accounts": report.accounts,
        "idempotency_keys": report.keys,
        "torn_tail": report.cut.as_ref().map(|cut| json!({
            "first_batch": cut.first.0,
            "frames": cut.frames,
            "bytes": cut.bytes,
            "damage": cut.damage.to_string(),
        })),
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

fn moment(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| ms.to_string(), |moment| format!("{moment:.3}"))
}

/// One line a figure for people, one document for machines.
fn print(document: &Value, as_json: bool) {
    if as_json {
        println!("{document:#}");
        return;
    }
    for (name, value) in document.as_object().expect("a document is an object") {
        match value {
            Value::String(text) => println!("{name:20} {text}"),
            Value::Null => println!("{name:20} none"),
            value => println!("{name:20} {value}"),
        }
    }
}
