//! `holdfast journal import`: a new data folder of what `export` wrote: the same batches, the same chain, to the bit.
//!
//! Nothing that is read is believed: each line is checked as it comes, the hash of the last frame must be the one that the
//! last line tells, and what was written is proven as `verify` does.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use holdfast_actors::persistence::{
    BatchNumber, Block, CheckpointWriter, Checkpoints, EncodedFrame, Folder, FrameBuilder, Head,
    Journal as _, Mark, OwnedRecord, Partition, SledJournal, Store as _,
    checkpoint::{KEY_BYTES_MAX, Kind, VALUE_BYTES_MAX},
};
use indicatif::ProgressBar;
use serde_json::json;

use super::newdir::NewDir;
use super::{explain, print, progress, source, verify};
use crate::cli::{Exit, Failure};
use crate::facts::Fault;
use crate::facts::file::{CheckpointHasher, CheckpointLine, End, Entry, Header, Line, ReadError, Reader};

/// Frames are made durable in groups of about so many bytes.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A folder in the making.
struct Filling {
    partitions: u16,
    checkpoints: Checkpoints,
    journal: SledJournal,
    /// Where the finished frames end, and the records of the open one.
    head: Head,
    /// The batch that is being filled.
    open: FrameBuilder,
    group: Vec<EncodedFrame>,
    group_bytes: usize,
    /// The checkpoint that is being filled, of a journal whose beginning was trimmed.
    checkpoint: Option<Checkpointing>,
    done: End,
}

/// A checkpoint in the making.
struct Checkpointing {
    writer: CheckpointWriter,
    mark: Mark,
    block: Block,
    hasher: CheckpointHasher,
}

/// Makes a new data folder of an export in a file, or on stdin where none is named.
///
/// # Errors
///
/// [`Exit::Failure`] when the folder is there already or cannot be written, [`Exit::NotFound`] when there is no such
/// file, [`Exit::VerificationFailed`] with the line that is wrong; nothing is left then.
pub fn run(from: Option<&Path>, into: &Path, as_json: bool) -> Result<(), Failure> {
    let new = NewDir::begin(into)?;
    let (mut input, bar) = opened(from)?;
    let folder = Folder::open(new.path()).map_err(explain)?;
    let (header, end) = fill(&folder, &mut input, &mut |bytes| bar.inc(bytes)).map_err(verdict)?;
    bar.finish_and_clear();
    verify::prove(&folder)?;
    drop(folder);
    new.finish()?;
    print(
        &json!({
            "folder": into.display().to_string(),
            "journal_id": header.id().to_string(),
            "batches": end.batches,
            "records": end.records,
            "events": end.events,
            "checkpoint_entries": header.is_trimmed().then_some(end.entries),
            "last_hash": end.hash().to_string(),
            "verified": true,
        }),
        as_json,
    )
}

fn opened(from: Option<&Path>) -> Result<(Box<dyn BufRead>, ProgressBar), Failure> {
    let Some(path) = from else {
        return Ok((Box::new(io::stdin().lock()), progress::spinner("importing")));
    };
    let doing = || format!("read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(Exit::NotFound, anyhow!("there is no {}", path.display())));
        }
        opened => opened.with_context(doing)?,
    };
    let bytes = file.metadata().with_context(doing)?.len();
    let input = BufReader::with_capacity(source::STREAM_BYTES, file);
    Ok((Box::new(input), progress::bytes("importing", bytes)))
}

/// A line that is wrong is a verdict; everything else is a reason why there is none.
fn verdict(error: anyhow::Error) -> Failure {
    let is_of_line = matches!(error.downcast_ref(), Some(ReadError::Line { .. }));
    Failure::new(if is_of_line { Exit::VerificationFailed } else { Exit::Failure }, error)
}

/// Fills a folder, in which there is no journal yet, with what `input` has; tells `passed` how many bytes of it each
/// line was.
fn fill(folder: &Folder, input: impl BufRead, passed: &mut dyn FnMut(u64)) -> anyhow::Result<(Header, End)> {
    let mut reader = Reader::new(input);
    let header = match reader.line()? {
        Some(Line::Header(header)) => header,
        Some(_) => return Err(reader.wrong(Fault::new("", "the first line must be a header")).into()),
        None => return Err(reader.wrong(Fault::new("", "there is nothing")).into()),
    };
    let head = header.head().map_err(|fault| reader.wrong(fault))?;
    let mut filling = Filling::begin(folder, &header, head)?;
    loop {
        passed(reader.line_bytes());
        let Some(line) = reader.line()? else {
            return Err(reader.wrong(Fault::new("", "the file ends without an end line")).into());
        };
        let end = match line {
            Line::End(end) => Some(end),
            _ => None,
        };
        if let Err(fault) = filling.take(line, &header)? {
            return Err(reader.wrong(fault).into());
        }
        if let Some(end) = end {
            nothing_follows(&mut reader)?;
            filling.finish()?;
            return Ok((header, end));
        }
    }
}

fn nothing_follows<R: BufRead>(reader: &mut Reader<R>) -> Result<(), ReadError> {
    match reader.line()? {
        None => Ok(()),
        Some(_) => Err(reader.wrong(Fault::new("", "nothing may follow the end line"))),
    }
}

impl Filling {
    fn begin(folder: &Folder, header: &Header, head: Head) -> anyhow::Result<Self> {
        let mut journal = SledJournal::create(folder, header.id(), &head)?;
        journal.recover(head.clone(), &mut |_| Ok(()))?;
        Ok(Self {
            partitions: header.partitions(),
            checkpoints: Checkpoints::open(folder, header.id(), header.partitions())?,
            journal,
            done: End::behind(&head),
            head,
            open: FrameBuilder::new(),
            group: Vec::new(),
            group_bytes: 0,
            checkpoint: None,
        })
    }

    /// Takes the next line, or says what is wrong with it.
    fn take(&mut self, line: Line, header: &Header) -> anyhow::Result<Result<(), Fault>> {
        let taken = match line {
            Line::Header(_) => Err(Fault::new("", "there is one header, and it comes first")),
            Line::Record(_) if self.checkpoint.is_some() => {
                Err(Fault::new("", "records come before the checkpoint"))
            }
            Line::Record(line) => {
                let events = line.events();
                let taken = line.record().and_then(|(batch, record)| self.record(batch, &record, events));
                taken.map_err(|fault| fault.within("record"))
            }
            Line::Checkpoint(_) if !header.is_trimmed() || self.checkpoint.is_some() => {
                Err(Fault::new("", "a journal that was trimmed has one checkpoint, others have none"))
            }
            Line::Checkpoint(line) => return self.checkpoint(line),
            Line::Entry(entry) => return self.entry(entry),
            Line::End(_) if header.is_trimmed() && self.checkpoint.is_none() => {
                Err(Fault::new("", "the journal was trimmed, and there is no checkpoint"))
            }
            Line::End(end) => {
                self.finish_frame();
                if let Some(checkpoint) = &self.checkpoint {
                    self.done.pass_checkpoint(&checkpoint.hasher);
                }
                self.check_end(&end).map_err(|fault| fault.within("end"))
            }
        };
        self.write_full_group()?;
        Ok(taken)
    }

    fn record(&mut self, batch: BatchNumber, record: &OwnedRecord, events: usize) -> Result<(), Fault> {
        if self.open.count() > 0 && batch == self.head.next_batch().next() {
            self.finish_frame();
        }
        let expected = self.head.next_batch();
        if batch != expected {
            let what = match self.open.count() {
                0 => format!("expected {expected}"),
                _ => format!("expected {expected} or {}", expected.next()),
            };
            return Err(Fault::new("batch", what));
        }
        if self.open.count() > 0 && !self.open.has_room(record.payload.len()) {
            return Err(Fault::new("batch", "no batch is that large"));
        }
        self.head.admit(&record.header).map_err(|damage| Fault::new("", damage.to_string()))?;
        self.open.push(&record.header, &record.payload);
        self.done.records += 1;
        self.done.events += u64::try_from(events).expect("a length fits 64 bits");
        Ok(())
    }

    fn finish_frame(&mut self) {
        if self.open.count() == 0 {
            return;
        }
        let open = std::mem::take(&mut self.open);
        let frame = open.finish(self.head.next_batch(), self.head.last_hash());
        self.head.pass(frame.hash());
        self.done.pass(frame.hash());
        self.group_bytes += frame.bytes().len();
        self.group.push(frame);
    }

    fn checkpoint(&mut self, line: CheckpointLine) -> anyhow::Result<Result<(), Fault>> {
        let mut hasher = CheckpointHasher::default();
        hasher.take(&Line::Checkpoint(line.clone()));
        let mark = match line.mark(self.partitions) {
            Ok(mark) => mark,
            Err(fault) => return Ok(Err(fault)),
        };
        let writer = self.checkpoints.begin(Kind::Whole)?;
        self.checkpoint = Some(Checkpointing { writer, mark, block: Block::new(Partition(0)), hasher });
        Ok(Ok(()))
    }

    fn entry(&mut self, entry: Entry) -> anyhow::Result<Result<(), Fault>> {
        let (partition, key, value) = entry.parts();
        let Some(Checkpointing { writer, block, hasher, .. }) = &mut self.checkpoint else {
            return Ok(Err(Fault::new("", "entries follow their checkpoint")));
        };
        for (field, found, max) in
            [("key", key.len(), KEY_BYTES_MAX), ("value", value.len(), VALUE_BYTES_MAX)]
        {
            if found > max {
                let what = format!("it has {found} bytes, and {max} at the most");
                return Ok(Err(Fault::new(format!("entry.{field}"), what)));
            }
        }
        if partition.0 >= self.partitions || partition < block.partition() {
            let what = format!("there are {}, and their entries come in their order", self.partitions);
            return Ok(Err(Fault::new("entry.partition", what)));
        }
        if block.partition() != partition || block.is_full() {
            writer.put(block)?;
            *block = Block::new(partition);
        }
        block.push(key, Some(value));
        hasher.take(&Line::Entry(entry));
        self.done.entries += 1;
        Ok(Ok(()))
    }

    fn check_end(&self, end: &End) -> Result<(), Fault> {
        let counts = [
            ("entries", end.entries, self.done.entries),
            ("batches", end.batches, self.done.batches),
            ("records", end.records, self.done.records),
            ("events", end.events, self.done.events),
        ];
        if let Some((field, told, found)) = counts.into_iter().find(|(_, told, found)| told != found) {
            return Err(Fault::new(field, format!("it tells {told}, and there were {found}")));
        }
        if end.hash() != self.done.hash() {
            let what = format!("the last batch has the hash {}: a line was changed", self.done.hash());
            return Err(Fault::new("hash", what));
        }
        if !end.has_checkpoint_of(&self.done) {
            return Err(Fault::new("checkpoint_hash", "a line of the checkpoint was changed"));
        }
        Ok(())
    }

    fn write_full_group(&mut self) -> anyhow::Result<()> {
        if self.group_bytes < GROUP_BYTES { Ok(()) } else { self.write_group() }
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        if !self.group.is_empty() {
            self.journal.append(&self.group).context("write the journal")?;
        }
        self.group.clear();
        self.group_bytes = 0;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.write_group()?;
        if let Some(Checkpointing { mut writer, mark, block, .. }) = self.checkpoint {
            writer.put(&block)?;
            writer.finish(&mark)?;
        }
        Ok(())
    }
}
