//! Where records lie: a sparse index from (partition, sequence) to the frame to start looking in.
//!
//! For each partition it keeps, in order, the first sequence that a frame holds and the frame's number. An entry is added when
//! since the partition's last entry [`SEQUENCES_MAX`] sequences or [`BATCHES_MAX`] batches have passed. So an entry
//! costs 16 bytes for at most that many records, and a search reads at most [`BATCHES_MAX`] frames. Replay builds
//! the index, each append extends it; it is never stored.

use crate::frame::Frame;
use crate::record::{BatchNumber, Partition, Sequence};
use crate::replay::Head;

/// How many sequences of a partition may pass without a new entry.
pub(crate) const SEQUENCES_MAX: u64 = 256;

/// How many batches may pass without a new entry, and how many frames a search reads at most.
pub(crate) const BATCHES_MAX: u64 = 64;

/// The index of a journal, from the frame on where its building began.
#[derive(Debug)]
pub(crate) struct SparseIndex {
    partitions: Vec<PartitionIndex>,
    first_batch: BatchNumber,
    next_batch: BatchNumber,
}

#[derive(Debug, Default)]
struct PartitionIndex {
    entries: Vec<Entry>,
    /// The last sequence known to be stored.
    last: Sequence,
    /// The last frame that held a record of the partition.
    seen_in: Option<BatchNumber>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    first: Sequence,
    batch: BatchNumber,
}

/// What the index knows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is no such record.
    Nowhere,
    /// It is in one of the frames from `first` to before `end`.
    Within {
        /// The first frame to look in.
        first: BatchNumber,
        /// The first frame not to look in.
        end: BatchNumber,
    },
    /// It was written before the first frame that the index has seen.
    Earlier,
}

impl SparseIndex {
    /// An index that will see every frame behind `head`, and knows of the records before it only that they are there.
    pub(crate) fn behind(head: &Head) -> SparseIndex {
        let partition_of = |last: Sequence| PartitionIndex { last, ..PartitionIndex::default() };
        SparseIndex {
            partitions: head.partitions().iter().map(|partition| partition_of(partition.sequence)).collect(),
            first_batch: head.next_batch(),
            next_batch: head.next_batch(),
        }
    }

    /// Takes in the next frame.
    pub(crate) fn observe(&mut self, frame: &Frame<'_>) {
        let batch = frame.batch();
        for record in frame.records() {
            let sequence = record.header.sequence;
            let partition = &mut self.partitions[usize::from(record.header.partition.0)];
            // An entry names the first record of its partition in a frame, so the rest of the frame adds none.
            let is_first_of_frame = partition.seen_in.replace(batch) != Some(batch);
            let is_due = partition.entries.last().is_none_or(|last| {
                batch.0 - last.batch.0 >= BATCHES_MAX || sequence.0 - last.first.0 >= SEQUENCES_MAX
            });
            if is_first_of_frame && is_due {
                partition.entries.push(Entry { first: sequence, batch });
            }
            partition.last = sequence;
        }
        self.next_batch = batch.next();
    }

    /// Tells where to look for a record.
    pub(crate) fn place(&self, partition: Partition, sequence: Sequence) -> Place {
        let Some(partition) = self.partitions.get(usize::from(partition.0)) else { return Place::Nowhere };
        if sequence == Sequence(0) || sequence > partition.last {
            return Place::Nowhere;
        }
        let after = partition.entries.partition_point(|entry| entry.first <= sequence);
        let Some(start) = after.checked_sub(1).map(|index| partition.entries[index].batch) else {
            return Place::Earlier;
        };
        let bound = BatchNumber(start.0.saturating_add(BATCHES_MAX)).min(self.next_batch);
        let end = partition.entries.get(after).map_or(bound, |next| next.batch.min(bound));
        Place::Within { first: start, end }
    }

    /// Puts the index of all earlier frames before this one.
    pub(crate) fn prepend(&mut self, earlier: SparseIndex) {
        assert_eq!(earlier.next_batch, self.first_batch, "the two indexes meet");
        for (partition, earlier) in self.partitions.iter_mut().zip(earlier.partitions) {
            partition.entries.splice(0..0, earlier.entries);
        }
        self.first_batch = earlier.first_batch;
    }

    /// The first frame it has seen.
    pub(crate) fn first_batch(&self) -> BatchNumber {
        self.first_batch
    }

    /// The frame it sees next.
    pub(crate) fn next_batch(&self) -> BatchNumber {
        self.next_batch
    }

    /// How many records were ever stored: sequences are dense.
    pub(crate) fn records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.last.0).sum()
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }
}
