//! `holdfast journal trim`: removes the past that need not be kept.

use std::path::PathBuf;

use holdfast_actors::persistence::{
    BatchNumber, Checkpoints, Folder, Frame, FrameSource as _, Reader, Store as _,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Holder, ask, moment, now_ms, open, print, progress, verdict};
use crate::cli::Failure;
use crate::config::{Retain, Settings};

/// What is asked of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// How much is kept; what is set, where nothing is said.
    pub(crate) retain: Option<String>,
    /// Only say what would go.
    pub(crate) is_dry_run: bool,
}

/// Removes frames and checkpoints that need not be kept, of a stopped folder or of a running server; or only says which.
///
/// # Errors
///
/// [`Exit::VerificationFailed`](crate::cli::Exit::VerificationFailed) when the newest checkpoint is not sound: without it nothing may
/// go.
pub fn run(
    settings: &Settings,
    retain: Option<&str>,
    is_dry_run: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let bar = progress::spinner("trimming");
    let document = match Holder::of(settings)? {
        Holder::Us(folder) => of_stopped(&folder, kept(settings.retain, retain)?, is_dry_run)?,
        Holder::Server(socket) => {
            let wanted = Wanted { retain: retain.map(str::to_owned), is_dry_run };
            ask(&socket, "POST", "/journal/trim", Some(&json!(wanted)))?
        }
    };
    bar.finish_and_clear();
    print(&document, as_json)
}

/// How much is kept: what is said, or else what is set.
pub(crate) fn kept(set: Retain, said: Option<&str>) -> Result<Retain, Failure> {
    let Some(text) = said else { return Ok(set) };
    Retain::parse(text).map_err(|error| Failure::new(crate::cli::Exit::Usage, anyhow::anyhow!(error)))
}

fn of_stopped(folder: &Folder, retain: Retain, is_dry_run: bool) -> Result<Value, Failure> {
    let mut journal = open(folder)?;
    let files = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
    // As a start does: what is damaged before that can go.
    let newest = files.newest().map_err(verdict)?;
    let from = newest.map_or_else(|| journal.start(), |newest| newest.mark().head.clone());
    journal.recover(from, &mut |_| Ok(())).map_err(verdict)?;
    trim(&journal.reader(), &files, retain, is_dry_run)
}

/// What goes.
struct Going {
    first_needed: BatchNumber,
    files: Vec<PathBuf>,
    file_bytes: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
}

/// Removes what need not be kept, or only says what would go.
pub(crate) fn trim(
    reader: &Reader,
    files: &Checkpoints,
    retain: Retain,
    is_dry_run: bool,
) -> Result<Value, Failure> {
    let unneeded =
        files.retain(retain.0, now_ms(), &|first| reader.frame_bytes_from(first)).map_err(verdict)?;
    let Some(unneeded) = unneeded else {
        return Ok(Going::nothing(reader.start().next_batch()).document(is_dry_run, 0));
    };
    let going = Going::of(reader, unneeded.first_needed, unneeded.files)?;
    let mut pinned = 0;
    if !is_dry_run {
        // First the files: no chain is left without what follows it.
        files.remove(&going.files).map_err(verdict)?;
        let trimmed = reader.trimmer().remove_before(going.first_needed).map_err(verdict)?;
        pinned = going.batches.saturating_sub(trimmed.batches);
    }
    Ok(going.document(is_dry_run, pinned))
}

impl Going {
    const fn nothing(first_needed: BatchNumber) -> Self {
        Self {
            first_needed,
            files: Vec::new(),
            file_bytes: 0,
            batches: 0,
            records: 0,
            bytes: 0,
            first_ms: None,
            last_ms: None,
        }
    }

    fn of(reader: &Reader, first_needed: BatchNumber, files: Vec<PathBuf>) -> Result<Self, Failure> {
        let bytes_of = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let mut going =
            Self { file_bytes: files.iter().map(bytes_of).sum(), files, ..Self::nothing(first_needed) };
        for stored in reader.frames_from(reader.start().next_batch()) {
            let stored = stored.map_err(verdict)?;
            if stored.batch >= first_needed {
                break;
            }
            // A damaged one goes as well; how many records it had nobody knows.
            for record in Frame::decode(&stored.bytes).iter().flat_map(Frame::records) {
                going.records += 1;
                going.first_ms.get_or_insert(record.header.time_ms);
                going.last_ms = Some(record.header.time_ms);
            }
            going.batches += 1;
            going.bytes += u64::try_from(stored.bytes.len()).expect("a length fits 64 bits");
        }
        Ok(going)
    }

    fn document(&self, is_dry_run: bool, pinned: u64) -> Value {
        json!({
            "trimmed": !is_dry_run,
            "batches": self.batches,
            "records": self.records,
            "frame_bytes": self.bytes,
            "first_at": self.first_ms.map(moment),
            "last_at": self.last_ms.map(moment),
            "checkpoints": self.files.len(),
            "checkpoint_bytes": self.file_bytes,
            "first_kept_batch": self.first_needed.0,
            // Somebody copies them just now; they go next time.
            "batches_pinned": pinned,
        })
    }
}

#[cfg(test)]
mod tests {
    use holdfast_actors::persistence::checkpoint::Kind;
    use holdfast_actors::persistence::{
        Epoch, FrameBuilder, FrameHash, Head, Journal as _, Mark, Partition, PartitionHead, RecordHeader,
        Sequence,
    };

    use super::*;

    /// `holdfast journal repair` says that this is what to do.
    #[test]
    fn damaged_frames_before_the_newest_checkpoint_can_go() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path()).unwrap();
        let mut journal = open(&folder).unwrap();
        let start = journal.start();
        journal.recover(start.clone(), &mut |_| Ok(())).unwrap();
        let mut heads = start.partitions().to_vec();
        let (mut last, mut mark) = (start.last_hash(), None);
        for number in 1..=4 {
            let header = RecordHeader {
                partition: Partition(0),
                epoch: Epoch(1),
                sequence: Sequence(number),
                time_ms: number,
            };
            let mut frame = FrameBuilder::new();
            frame.push(&header, b"whatever");
            // The second does not follow the first.
            let previous = if number == 2 { FrameHash([7; 32]) } else { last };
            let frame = frame.finish(BatchNumber(number), previous);
            last = frame.hash();
            journal.append(&[frame]).unwrap();
            heads[0] = PartitionHead { sequence: Sequence(number), epoch: Epoch(1), time_ms: number };
            if number == 3 {
                let reflects = heads.iter().map(|head| head.sequence).collect();
                mark =
                    Some(Mark { head: Head::new(BatchNumber(4), last, heads.clone()), reflects, at_ms: 1 });
            }
        }
        let files = Checkpoints::open(&folder, journal.id(), journal.partitions()).unwrap();
        files.begin(Kind::Whole).unwrap().finish(&mark.unwrap()).unwrap();
        drop(journal);
        let start = open(&folder).unwrap().start();
        let failed = open(&folder).unwrap().recover(start, &mut |_| Ok(())).unwrap_err();
        assert!(failed.to_string().contains("batch 2"), "{failed}");
        let told = of_stopped(&folder, Retain::parse("0s").unwrap(), false).unwrap();
        assert_eq!((&told["batches"], &told["first_kept_batch"]), (&json!(3), &json!(4)), "{told}");
        let mut journal = open(&folder).unwrap();
        let start = journal.start();
        assert_eq!(journal.recover(start, &mut |_| Ok(())).unwrap().records, 1);
    }
}
