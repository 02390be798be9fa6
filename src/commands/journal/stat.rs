//! `holdfast journal stat`: how much is in the journal, and how far back it reaches.

use holdfast_actors::persistence::checkpoint::{Info, Kind};
use holdfast_actors::persistence::{
    self, BatchNumber, Checkpoints, Folder, FrameSource as _, Head, JournalId, Reader,
};
use serde_json::{Value, json};

use super::{Holder, ask, explain, moment, now_ms, open, print, verdict};
use crate::cli::Failure;
use crate::config::Settings;

/// Tells how much is in the journal of a stopped folder or of a running server.
///
/// # Errors
///
/// [`Exit::NotFound`](crate::cli::Exit::NotFound) when there is none,
/// [`Exit::VerificationFailed`](crate::cli::Exit::VerificationFailed) when a stopped one is damaged.
pub fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let document = match Holder::of(settings)? {
        Holder::Us(folder) => of_stopped(&folder)?,
        Holder::Server(socket) => ask(&socket, "GET", "/journal/stat", None)?,
    };
    print(&document, as_json)
}

/// What is told, wherever it comes from.
struct Figures {
    state: &'static str,
    id: JournalId,
    start: Head,
    next_batch: BatchNumber,
    /// Those that are stored.
    records: u64,
    frame_bytes: u64,
    disk_bytes: u64,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
    checkpoints: Vec<Info>,
}

fn of_stopped(folder: &Folder) -> Result<Value, Failure> {
    let journal = open(folder)?;
    let start = journal.start();
    let mut first_ms = None;
    let replayed = persistence::replay(&journal, start.clone(), |record| {
        first_ms.get_or_insert(record.header.time_ms);
        Ok(())
    })
    .and_then(|replayed| journal.check_end(&replayed).map(|()| replayed))
    .map_err(verdict)?;
    journal.check_mark().and_then(|()| journal.accept()).map_err(verdict)?;
    let last_ms = replayed.head.partitions().iter().map(|partition| partition.time_ms).max();
    let checkpoints = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
    let figures = Figures {
        state: "stopped",
        id: journal.id(),
        start,
        next_batch: replayed.head.next_batch(),
        records: replayed.records,
        frame_bytes: replayed.bytes,
        disk_bytes: journal.stat().map_err(explain)?.disk_bytes,
        first_ms,
        last_ms: last_ms.filter(|_| first_ms.is_some()),
        checkpoints: checkpoints.list().map_err(verdict)?,
    };
    Ok(figures.document())
}

/// The figures of a running server.
pub(crate) fn of_running(reader: &Reader, files: Option<&Checkpoints>) -> Result<Value, Failure> {
    let stat = reader.stat().map_err(verdict)?;
    let figures = Figures {
        state: "running",
        id: reader.id(),
        start: reader.start(),
        next_batch: stat.last_batch.map_or_else(|| reader.start().next_batch(), BatchNumber::next),
        records: stat.records.saturating_sub(stat.records_trimmed),
        frame_bytes: stat.frame_bytes,
        disk_bytes: stat.disk_bytes,
        first_ms: stat.first_time_ms,
        last_ms: stat.last_time_ms,
        checkpoints: files.map_or(Ok(Vec::new()), Checkpoints::list).map_err(verdict)?,
    };
    Ok(figures.document())
}

impl Figures {
    fn document(&self) -> Value {
        let now_ms = now_ms();
        let first_batch = self.start.next_batch();
        let is_trimmed = first_batch > BatchNumber::FIRST;
        let records_trimmed: u64 = self.start.partitions().iter().map(|partition| partition.sequence.0).sum();
        let last_batch = self.next_batch.0 - 1;
        // Of a trimmed journal the oldest state is that of the oldest checkpoint that its frames go on from.
        let begins = self.checkpoints.iter().find(|it| it.mark.head.next_batch() >= first_batch);
        let oldest_ms = if is_trimmed { begins.map(|it| it.mark.at_ms) } else { self.first_ms };
        let checkpoint = |it: &Info| {
            json!({
                "number": it.number,
                "kind": match it.kind { Kind::Whole => "whole", Kind::Increment => "increment" },
                "at": moment(it.mark.at_ms),
                "age_seconds": now_ms.saturating_sub(it.mark.at_ms) / 1000,
                "entries": it.entries,
                "bytes": it.bytes,
            })
        };
        json!({
            "state": self.state,
            "journal_id": self.id.to_string(),
            "partitions": self.start.partitions().len(),
            "batches": (last_batch + 1).saturating_sub(first_batch.0),
            "first_batch": first_batch.0,
            "last_batch": last_batch,
            "records": self.records,
            "records_trimmed": records_trimmed,
            "frame_bytes": self.frame_bytes,
            "disk_bytes": self.disk_bytes,
            "first_at": self.first_ms.map(moment),
            "last_at": self.last_ms.map(moment),
            "restorable_since": oldest_ms.map(moment),
            "checkpoint_bytes": self.checkpoints.iter().map(|it| it.bytes).sum::<u64>(),
            "checkpoints": self.checkpoints.iter().map(checkpoint).collect::<Vec<_>>(),
        })
    }
}
