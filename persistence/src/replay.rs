//! Reading a journal back from its frames, believing nothing: checksum, number, chain, sequence, epoch, time.
//!
//! Recovery and `holdfast journal verify` both go through [`replay`]. It never writes; the opener cuts a torn tail off
//! afterwards. What it arrives at is a [`Head`]: all that the next append must agree with.

use crate::error::Error;
use crate::frame::{Frame, FrameDamage, FrameHash, JournalId};
use crate::journal::{Cause, FrameSource};
use crate::record::{BatchNumber, Epoch, Partition, Record, RecordHeader, Sequence};

/// Where a journal ends: what the next frame and the next record of each partition must agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    next_batch: BatchNumber,
    last_hash: FrameHash,
    partitions: Vec<PartitionHead>,
}

/// Where one partition ends. All zero before its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionHead {
    /// The last record's place.
    pub sequence: Sequence,
    /// The last record's term.
    pub epoch: Epoch,
    /// The last record's time.
    pub time_ms: u64,
}

/// What a replay went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Frames read and found good.
    pub batches: u64,
    /// Records visited.
    pub records: u64,
    /// Bytes of the good frames.
    pub bytes: u64,
    /// Where the good part ends.
    pub head: Head,
    /// The torn tail, if a crash left one.
    pub cut: Option<Cut>,
}

/// A tail that a crash tore: frames that were on their way to disk and never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The first frame that does not belong to the journal any more.
    pub first: BatchNumber,
    /// How many frames are damaged; none of them is followed by a good one.
    pub frames: u64,
    /// How many bytes of them there are.
    pub bytes: u64,
    /// What is wrong with the first.
    pub damage: FrameDamage,
}

/// Why a frame cannot be part of the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its bytes are no frame.
    #[error("{0}")]
    Frame(#[from] FrameDamage),
    /// It is not there, and a later one is.
    #[error("it is missing, although batch {found} is there")]
    Missing {
        /// The frame that was found instead.
        found: BatchNumber,
    },
    /// It is stored under another number than it carries.
    #[error("it carries the number {found}")]
    Number {
        /// The number it carries.
        found: BatchNumber,
    },
    /// It does not follow the frame before it: one of the two was exchanged or edited.
    #[error("it does not follow the batch before it: one of the two was edited or exchanged")]
    Chain,
    /// It holds a record of a partition that the journal does not have.
    #[error("it holds a record of partition {partition}, the journal has {partitions}")]
    Partition {
        /// The partition the record names.
        partition: Partition,
        /// How many there are.
        partitions: usize,
    },
    /// A record is missing or there twice.
    #[error("partition {partition} goes on with record {found}, {expected} is next")]
    Sequence {
        /// The partition.
        partition: Partition,
        /// What should have come.
        expected: Sequence,
        /// What came.
        found: Sequence,
    },
    /// A record's owner had already been replaced when it wrote.
    #[error("epoch of partition {partition} falls from {last} to {found} at record {sequence}")]
    Epoch {
        /// The partition.
        partition: Partition,
        /// The record.
        sequence: Sequence,
        /// The epoch reached before.
        last: Epoch,
        /// The epoch found.
        found: Epoch,
    },
    /// Time runs back.
    #[error("time of partition {partition} falls from {last} to {found} ms at record {sequence}")]
    Time {
        /// The partition.
        partition: Partition,
        /// The record.
        sequence: Sequence,
        /// The time reached before, in milliseconds.
        last: u64,
        /// The time found.
        found: u64,
    },
    /// It is not there, and the journal goes on behind it.
    #[error("it is missing")]
    Gone,
    /// A record that is younger than a moment must be behind it, by what was read before, and is not.
    #[error("no record younger than {time_ms} ms follows it, and one should")]
    NoYounger {
        /// The moment.
        time_ms: u64,
    },
    /// The frame that must hold a record, by what was read before, does not hold it.
    #[error("it should lead to record {sequence} of partition {partition} and does not")]
    Record {
        /// The partition.
        partition: Partition,
        /// The record.
        sequence: Sequence,
    },
}

/// Reads every frame from `from` on, checks it, and lends each record to `visit`.
///
/// Checked are the frame's checksum, that its number is the next, that it carries its predecessor's hash, and for each
/// partition that sequences are dense and that epoch and time never fall (INV-9). Damaged frames that no good one
/// follows are a torn tail: how a crash looks. They are reported in [`Replayed::cut`] and not visited.
///
/// # Errors
///
/// [`Error::Trimmed`] when the journal begins behind `from`, [`Error::Corrupt`] on any other damage, [`Error::Visit`] when `visit` says no, [`Error::Store`] when the disk does.
pub fn replay<S, V>(source: &S, from: Head, mut visit: V) -> Result<Replayed, Error>
where
    S: FrameSource + ?Sized,
    V: FnMut(Record<'_>) -> Result<(), Cause>,
{
    replay_frames(source, from, &mut |_, _, _| {}, &mut visit)
}

/// [`replay`] that shows each good frame to `observe`, after its records were visited.
pub(crate) fn replay_frames<S, V>(
    source: &S,
    from: Head,
    observe: &mut dyn FnMut(&Frame<'_>, FrameHash, u64),
    visit: &mut V,
) -> Result<Replayed, Error>
where
    S: FrameSource + ?Sized,
    V: FnMut(Record<'_>) -> Result<(), Cause> + ?Sized,
{
    let first = from.next_batch;
    let stored_first = source.start().next_batch;
    if first < stored_first {
        return Err(Error::Trimmed { first: stored_first });
    }
    let mut done = Replayed { batches: 0, records: 0, bytes: 0, head: from, cut: None };
    for stored in source.frames(first) {
        let stored = stored?;
        let bytes = u64::try_from(stored.bytes.len()).expect("a length fits 64 bits");
        let frame = match Frame::decode(&stored.bytes) {
            Ok(frame) => frame,
            Err(damage) if damage.is_torn() => {
                let cut =
                    done.cut.get_or_insert(Cut { first: done.head.next_batch, frames: 0, bytes: 0, damage });
                cut.frames += 1;
                cut.bytes += bytes;
                continue;
            }
            Err(damage) => return Err(Error::Corrupt { batch: stored.batch, what: damage.into() }),
        };
        if let Some(cut) = done.cut {
            return Err(Error::Corrupt { batch: cut.first, what: cut.damage.into() });
        }
        done.head.admit_frame(stored.batch, &frame)?;
        for record in frame.records() {
            done.head.admit(&record.header).map_err(|what| Error::Corrupt { batch: stored.batch, what })?;
            visit(record).map_err(|source| Error::Visit {
                batch: stored.batch,
                partition: record.header.partition,
                sequence: record.header.sequence,
                source,
            })?;
        }
        let hash = FrameHash::of(&stored.bytes);
        done.head.pass(hash);
        done.batches += 1;
        done.records += u64::from(frame.count());
        done.bytes += bytes;
        observe(&frame, hash, bytes);
    }
    Ok(done)
}

impl Cut {
    /// Tells the operator what the opener cuts off. Called once, by the opener.
    pub(crate) fn log(&self) {
        let Cut { first, frames, bytes, damage } = self;
        tracing::warn!(
            first_batch = %first, frames, bytes, %damage,
            "cut a torn tail off the journal: it was being written when the process or the machine stopped, \
             and was never acknowledged"
        );
    }
}

impl Head {
    /// The head of an empty journal.
    pub fn genesis(id: JournalId, partitions: u16) -> Head {
        Head {
            next_batch: BatchNumber::FIRST,
            last_hash: FrameHash::genesis(id),
            partitions: vec![PartitionHead::default(); usize::from(partitions)],
        }
    }

    /// The head from which all that a journal holds is replayed: its genesis, or what was trimmed up to.
    pub fn before<S: FrameSource + ?Sized>(source: &S) -> Head {
        source.start()
    }

    /// The head that a checkpoint or a journal's beginning wrote down.
    pub fn new(next_batch: BatchNumber, last_hash: FrameHash, partitions: Vec<PartitionHead>) -> Head {
        Head { next_batch, last_hash, partitions }
    }

    /// The number the next frame gets.
    pub fn next_batch(&self) -> BatchNumber {
        self.next_batch
    }

    /// The hash the next frame carries.
    pub fn last_hash(&self) -> FrameHash {
        self.last_hash
    }

    /// Where each partition ends, by number.
    pub fn partitions(&self) -> &[PartitionHead] {
        &self.partitions
    }

    /// Where one partition ends; nothing for a partition that the journal does not have.
    pub fn partition(&self, partition: Partition) -> Option<PartitionHead> {
        self.partitions.get(usize::from(partition.0)).copied()
    }

    /// Takes a record as the next of its partition; changes nothing when it is not.
    ///
    /// # Errors
    ///
    /// The [`Damage`] that the record would be.
    pub fn admit(&mut self, header: &RecordHeader) -> Result<(), Damage> {
        let RecordHeader { partition, epoch, sequence, time_ms } = *header;
        let partitions = self.partitions.len();
        let Some(last) = self.partitions.get_mut(usize::from(partition.0)) else {
            return Err(Damage::Partition { partition, partitions });
        };
        if last.sequence.0.checked_add(1) != Some(sequence.0) {
            return Err(Damage::Sequence { partition, expected: last.sequence.next(), found: sequence });
        }
        if epoch < last.epoch {
            return Err(Damage::Epoch { partition, sequence, last: last.epoch, found: epoch });
        }
        if time_ms < last.time_ms {
            return Err(Damage::Time { partition, sequence, last: last.time_ms, found: time_ms });
        }
        *last = PartitionHead { sequence, epoch, time_ms };
        Ok(())
    }

    /// Takes a record that is known to be the next of its partition.
    pub(crate) fn note(&mut self, header: &RecordHeader) {
        let RecordHeader { partition, epoch, sequence, time_ms } = *header;
        self.partitions[usize::from(partition.0)] = PartitionHead { sequence, epoch, time_ms };
    }

    /// The latest time of all partitions.
    pub(crate) fn latest_ms(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.time_ms).max().unwrap_or_default()
    }

    /// Moves behind a frame.
    pub fn pass(&mut self, hash: FrameHash) {
        self.next_batch = self.next_batch.next();
        self.last_hash = hash;
    }

    /// Moves behind a stored frame that is the next, with all its records; stays where it is when it is not.
    pub(crate) fn pass_frame(&mut self, stored_as: BatchNumber, bytes: &[u8]) -> Result<(), Damage> {
        let frame = Frame::decode(bytes)?;
        self.check_frame(stored_as, &frame)?;
        let mut behind = self.clone();
        for record in frame.records() {
            behind.admit(&record.header)?;
        }
        behind.pass(FrameHash::of(bytes));
        *self = behind;
        Ok(())
    }

    fn admit_frame(&self, stored_as: BatchNumber, frame: &Frame<'_>) -> Result<(), Error> {
        let batch = self.next_batch;
        self.check_frame(stored_as, frame).map_err(|what| Error::Corrupt { batch, what })
    }

    /// Whether a frame is the next, and follows the one before.
    fn check_frame(&self, stored_as: BatchNumber, frame: &Frame<'_>) -> Result<(), Damage> {
        if stored_as != self.next_batch {
            return Err(Damage::Missing { found: stored_as });
        }
        if frame.batch() != self.next_batch {
            return Err(Damage::Number { found: frame.batch() });
        }
        if frame.previous() != self.last_hash {
            return Err(Damage::Chain);
        }
        Ok(())
    }
}
