//! A journal as text: one JSON object a line, from a header to an end that tells the hash of the last frame.
//!
//! ```text
//! {"header": {…}}      once: the journal's name, and the place behind which it begins
//! {"record": {…}}      all records, in the journal's order
//! {"checkpoint": {…}}  once, of a journal whose beginning was trimmed: the checkpoint that stands for it
//! {"entry": {…}}       all entries of that
//! {"end": {…}}         once: how many there were, and the hash of the last frame
//! ```
//!
//! Lines are read one at a time and are bounded; nothing here knows files or folders.

use std::io::{self, BufRead, Read as _};

use holdfast_actors::persistence::{
    BatchNumber, Epoch, FrameHash, Head, JournalId, Mark, Partition, PartitionHead, Sequence,
};
use serde::{Deserialize, Serialize};

use super::line::RecordLine;
use super::read::{self, Fault};
use super::values::{Base64, Hex, Moment, all, all_back};

/// What the first line says that the file is.
pub const FORMAT: &str = "holdfast-journal";

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// The longest line. A record of the largest payload, each byte of it a fact of its own, stays far below.
pub const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first.
    Header(Header),
    /// One of the journal.
    Record(Box<RecordLine>),
    /// What comes before the first record.
    Checkpoint(CheckpointLine),
    /// One of the checkpoint.
    Entry(Entry),
    /// The last.
    End(End),
}

/// What the export is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: Box<str>,
    version: u32,
    journal_id: Hex<16>,
    partitions: u16,
    /// The number of the first batch.
    first_batch: u64,
    /// The hash that it carries: of the batch before it, or of the journal's name.
    previous_hash: Hex<32>,
    /// Each partition as the first batch finds it, where the beginning was trimmed.
    trimmed: Option<Vec<PartitionLine>>,
}

/// A checkpoint: what it reflects, and where reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointLine {
    at: Moment,
    next_batch: u64,
    previous_hash: Hex<32>,
    partitions: Vec<PartitionLine>,
    /// By partition, the last record that it reflects.
    reflects: Vec<u64>,
}

/// The last record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionLine {
    sequence: u64,
    epoch: u32,
    at: Moment,
}

/// An entry of the checkpoint, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    partition: u16,
    key: Base64,
    value: Base64,
}

/// What went before, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Of the checkpoint.
    pub entries: u64,
    /// How many batches.
    pub batches: u64,
    /// How many records.
    pub records: u64,
    /// How many facts.
    pub events: u64,
    /// Of the last batch; of a journal without any what the header says.
    hash: Hex<32>,
    /// BLAKE3 of the checkpoint and its entries, each as its line is written here; none where there is no checkpoint.
    checkpoint_hash: Option<Hex<32>>,
}

/// Makes the hash of a checkpoint's lines: unlike frames, they are not chained.
#[derive(Debug, Default)]
pub struct CheckpointHasher(blake3::Hasher);

/// A line that cannot be read, and why.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not what it should be.
    #[error("line {number}: {fault}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The file cannot be read.
    #[error("read line {number}")]
    Io {
        /// Counted from 1.
        number: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads an export line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the first line.
    pub fn new(input: R) -> Self {
        Self { input, number: 0, text: Vec::new() }
    }

    /// The next line; none at the end of the file.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn line(&mut self) -> Result<Option<Line>, ReadError> {
        self.number += 1;
        self.text.clear();
        let mut bounded = self.input.by_ref().take(LINE_BYTES_MAX);
        let count = bounded
            .read_until(b'\n', &mut self.text)
            .map_err(|source| ReadError::Io { number: self.number, source })?;
        if count == 0 {
            return Ok(None);
        }
        if self.text.pop() != Some(b'\n') {
            return Err(self.wrong(Fault::new("", "it is cut short")));
        }
        let Ok(text) = str::from_utf8(&self.text) else {
            return Err(self.wrong(Fault::new("", "it is not UTF-8")));
        };
        read::parse(text).map(Some).map_err(|fault| self.wrong(fault))
    }

    /// The error of the line that was read last.
    pub fn wrong(&self, fault: Fault) -> ReadError {
        ReadError::Line { number: self.number, fault }
    }

    /// How many bytes the line that was read last has.
    pub fn line_bytes(&self) -> u64 {
        u64::try_from(self.text.len() + 1).expect("a length fits 64 bits")
    }
}

impl Header {
    /// The header of a journal that begins behind `head`.
    ///
    /// # Panics
    ///
    /// When the head has more partitions than any journal.
    pub fn new(id: JournalId, head: &Head) -> Self {
        let is_trimmed = head.next_batch() != BatchNumber::FIRST;
        Self {
            format: FORMAT.into(),
            version: VERSION,
            journal_id: Hex(id.0),
            partitions: u16::try_from(head.partitions().len()).expect("partitions are counted in 16 bits"),
            first_batch: head.next_batch().0,
            previous_hash: Hex(head.last_hash().0),
            trimmed: is_trimmed.then(|| all(head.partitions())),
        }
    }

    /// The journal's name.
    pub fn id(&self) -> JournalId {
        JournalId(self.journal_id.0)
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// Whether a checkpoint must stand for the beginning.
    pub fn is_trimmed(&self) -> bool {
        self.trimmed.is_some()
    }

    /// Where the records begin.
    ///
    /// # Errors
    ///
    /// The [`Fault`] of a header that contradicts itself, or of another version.
    pub fn head(&self) -> Result<Head, Fault> {
        self.check()?;
        let genesis = Head::genesis(self.id(), self.partitions);
        let partitions = self.trimmed.clone().map_or_else(|| genesis.partitions().to_vec(), all_back);
        Ok(Head::new(BatchNumber(self.first_batch), FrameHash(self.previous_hash.0), partitions))
    }

    fn check(&self) -> Result<(), Fault> {
        let wrong = |field: &str, what: String| Err(Fault::new(format!("header.{field}"), what));
        if &*self.format != FORMAT {
            return wrong("format", format!("expected `{FORMAT}`"));
        }
        if self.version != VERSION {
            return wrong("version", format!("this program reads version {VERSION}, not {}", self.version));
        }
        if self.partitions == 0 {
            return wrong("partitions", "a journal has one at least".to_owned());
        }
        let count = usize::from(self.partitions);
        match &self.trimmed {
            Some(partitions) if partitions.len() != count => {
                wrong("trimmed", format!("there must be {count}"))
            }
            Some(_) if self.first_batch <= BatchNumber::FIRST.0 => {
                wrong("first_batch", "what begins with batch 1 was not trimmed".to_owned())
            }
            None if self.first_batch != BatchNumber::FIRST.0 => {
                wrong("first_batch", "what was not trimmed begins with batch 1".to_owned())
            }
            None if self.previous_hash.0 != FrameHash::genesis(self.id()).0 => {
                wrong("previous_hash", "it is not that of the journal's name".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl CheckpointLine {
    /// The line of a checkpoint that says this of itself.
    pub fn new(mark: &Mark) -> Self {
        Self {
            at: Moment(mark.at_ms),
            next_batch: mark.head.next_batch().0,
            previous_hash: Hex(mark.head.last_hash().0),
            partitions: all(mark.head.partitions()),
            reflects: mark.reflects.iter().map(|sequence| sequence.0).collect(),
        }
    }

    /// What it says of itself, in a journal that has so many partitions.
    ///
    /// # Errors
    ///
    /// The [`Fault`] of another number of them.
    pub fn mark(self, partitions: u16) -> Result<Mark, Fault> {
        for (field, found) in [("partitions", self.partitions.len()), ("reflects", self.reflects.len())] {
            if found != usize::from(partitions) {
                return Err(Fault::new(format!("checkpoint.{field}"), format!("there must be {partitions}")));
            }
        }
        let hash = FrameHash(self.previous_hash.0);
        Ok(Mark {
            head: Head::new(BatchNumber(self.next_batch), hash, all_back(self.partitions)),
            reflects: self.reflects.into_iter().map(Sequence).collect(),
            at_ms: self.at.0,
        })
    }
}

impl From<&PartitionHead> for PartitionLine {
    fn from(head: &PartitionHead) -> Self {
        Self { sequence: head.sequence.0, epoch: head.epoch.0, at: Moment(head.time_ms) }
    }
}

impl From<PartitionLine> for PartitionHead {
    fn from(line: PartitionLine) -> Self {
        Self { sequence: Sequence(line.sequence), epoch: Epoch(line.epoch), time_ms: line.at.0 }
    }
}

impl Entry {
    /// An entry of a partition.
    pub fn new(partition: Partition, key: &[u8], value: &[u8]) -> Self {
        Self { partition: partition.0, key: Base64(key.to_vec()), value: Base64(value.to_vec()) }
    }

    /// Its partition, key and value.
    pub fn parts(&self) -> (Partition, &[u8], &[u8]) {
        (Partition(self.partition), &self.key.0, &self.value.0)
    }
}

impl CheckpointHasher {
    /// Takes the next line.
    ///
    /// # Panics
    ///
    /// Never: every line can be written.
    pub fn take(&mut self, line: &Line) {
        let text = serde_json::to_vec(line).expect("a line can be written");
        self.0.update(&text);
    }
}

impl End {
    /// Nothing yet, behind `head`.
    pub fn behind(head: &Head) -> Self {
        Self {
            entries: 0,
            batches: 0,
            records: 0,
            events: 0,
            hash: Hex(head.last_hash().0),
            checkpoint_hash: None,
        }
    }

    /// All lines of the checkpoint were passed.
    pub fn pass_checkpoint(&mut self, hasher: &CheckpointHasher) {
        self.checkpoint_hash = Some(Hex(*hasher.0.finalize().as_bytes()));
    }

    /// Whether both have the same checkpoint, or none.
    pub fn has_checkpoint_of(&self, other: &Self) -> bool {
        self.checkpoint_hash == other.checkpoint_hash
    }

    /// The hash of the last frame.
    pub fn hash(&self) -> FrameHash {
        FrameHash(self.hash.0)
    }

    /// A frame was passed.
    pub fn pass(&mut self, hash: FrameHash) {
        self.batches += 1;
        self.hash = Hex(hash.0);
    }
}
