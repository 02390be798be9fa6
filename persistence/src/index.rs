//! Where records lie: a sparse index from (partition, sequence) and from time to the frame to start looking in.
//!
//! For each partition it keeps, in order, the first sequence that a frame holds and the frame's number. An entry is added when
//! since the partition's last entry [`SEQUENCES_MAX`] sequences or [`BATCHES_MAX`] batches have passed. So an entry
//! costs 16 bytes for at most that many records, and a search reads at most [`BATCHES_MAX`] frames. For times it keeps every
//! [`BATCHES_MAX`] frames the latest time before them: clocks of partitions may differ, so a frame's own times are in no order,
//! but the latest so far never falls. Replay builds the index, each append extends it, a trim shortens it; it is never stored.
//!
//! With it goes what the same frames tell: where the journal begins and where it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::frame::{Frame, FrameHash};
use crate::pin::Pins;
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
    times: Vec<TimeEntry>,
    /// Of the frames it has seen and that are not trimmed.
    frame_bytes: u64,
    first_batch: BatchNumber,
    /// Before the first frame stored.
    start: Head,
    /// Behind the last.
    head: Head,
    /// The latest time before the head.
    latest_ms: u64,
}

#[derive(Debug, Default)]
struct PartitionIndex {
    entries: Vec<Entry>,
    /// The last frame that held a record of the partition.
    seen_in: Option<BatchNumber>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    first: Sequence,
    batch: BatchNumber,
}

#[derive(Debug, Clone, Copy)]
struct TimeEntry {
    batch: BatchNumber,
    /// The latest time of the records before the frame.
    latest_before_ms: u64,
}

/// The index as the journal, its readers and its trimmer share it.
#[derive(Debug, Clone)]
pub(crate) struct SharedIndex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    index: RwLock<SparseIndex>,
    /// Held by the one who indexes frames that the recovery did not go through, or removes some.
    earlier: Mutex<()>,
    /// What is not removed.
    pins: Pins,
}

/// What the index knows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// There is no such record yet.
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
    /// It was written before the first frame that is stored.
    Trimmed,
}

impl SparseIndex {
    /// An index that will see every frame behind `head`, and knows of those between `start` and it only that they are there.
    pub(crate) fn behind(start: Head, head: Head) -> SparseIndex {
        SparseIndex {
            partitions: head.partitions().iter().map(|_| PartitionIndex::default()).collect(),
            times: Vec::new(),
            frame_bytes: 0,
            first_batch: head.next_batch(),
            start,
            latest_ms: head.latest_ms(),
            head,
        }
    }

    /// Takes in the next frame, of so many bytes.
    pub(crate) fn observe(&mut self, frame: &Frame<'_>, hash: FrameHash, bytes: u64) {
        let batch = frame.batch();
        if self.times.last().is_none_or(|last| batch.0 - last.batch.0 >= BATCHES_MAX) {
            self.times.push(TimeEntry { batch, latest_before_ms: self.latest_ms });
        }
        for record in frame.records() {
            let header = record.header;
            let partition = &mut self.partitions[usize::from(header.partition.0)];
            // An entry names the first record of its partition in a frame, so the rest of the frame adds none.
            let is_first_of_frame = partition.seen_in.replace(batch) != Some(batch);
            let is_due = partition.entries.last().is_none_or(|last| {
                batch.0 - last.batch.0 >= BATCHES_MAX || header.sequence.0 - last.first.0 >= SEQUENCES_MAX
            });
            if is_first_of_frame && is_due {
                partition.entries.push(Entry { first: header.sequence, batch });
            }
            self.latest_ms = self.latest_ms.max(header.time_ms);
            self.head.note(&header);
        }
        self.frame_bytes += bytes;
        self.head.pass(hash);
    }

    /// Tells where to look for a record.
    pub(crate) fn find(&self, partition: Partition, sequence: Sequence) -> Whereabouts {
        let (Some(before), Some(last)) = (self.start.partition(partition), self.head.partition(partition))
        else {
            return Whereabouts::Nowhere;
        };
        if sequence == Sequence(0) || sequence > last.sequence {
            return Whereabouts::Nowhere;
        }
        if sequence <= before.sequence {
            return Whereabouts::Trimmed;
        }
        let entries = &self.partitions[usize::from(partition.0)].entries;
        let after = entries.partition_point(|entry| entry.first <= sequence);
        let Some(start) = after.checked_sub(1).map(|index| entries[index].batch) else {
            return self.before_all_entries();
        };
        let bound = BatchNumber(start.0.saturating_add(BATCHES_MAX)).min(self.next_batch());
        let end = entries.get(after).map_or(bound, |next| next.batch.min(bound));
        Whereabouts::Within { first: start.max(self.start.next_batch()), end }
    }

    /// Tells where to look for the first record that is younger than a moment.
    pub(crate) fn find_younger(&self, time_ms: u64) -> Whereabouts {
        if self.latest_ms <= time_ms {
            return Whereabouts::Nowhere;
        }
        if self.start.latest_ms() > time_ms {
            return Whereabouts::Trimmed;
        }
        let after = self.times.partition_point(|entry| entry.latest_before_ms <= time_ms);
        let Some(first) = after.checked_sub(1).map(|index| self.times[index].batch) else {
            return self.before_all_entries();
        };
        let end = self.times.get(after).map_or(self.next_batch(), |next| next.batch);
        Whereabouts::Within { first: first.max(self.start.next_batch()), end }
    }

    /// What was written before all that it knows. Where it knows all there is, no frame can hold it.
    fn before_all_entries(&self) -> Whereabouts {
        let first = self.start.next_batch();
        if self.first_batch > first {
            Whereabouts::Earlier
        } else {
            Whereabouts::Within { first, end: first }
        }
    }

    /// Puts the index of all earlier frames before this one.
    pub(crate) fn prepend(&mut self, earlier: SparseIndex) {
        assert_eq!(earlier.next_batch(), self.first_batch, "the two indexes meet");
        for (partition, earlier) in self.partitions.iter_mut().zip(earlier.partitions) {
            partition.entries.splice(0..0, earlier.entries);
        }
        self.times.splice(0..0, earlier.times);
        self.frame_bytes += earlier.frame_bytes;
        self.first_batch = earlier.first_batch;
    }

    /// Forgets the frames before `start`, which are no longer stored. Those of them that it had seen had so many bytes.
    pub(crate) fn forget_before(&mut self, start: Head, bytes: u64) {
        let batch = start.next_batch();
        for partition in &mut self.partitions {
            // The last entry before it leads to records behind it.
            let passed = partition.entries.partition_point(|entry| entry.batch <= batch);
            partition.entries.drain(..passed.saturating_sub(1));
        }
        let passed = self.times.partition_point(|entry| entry.batch <= batch);
        self.times.drain(..passed.saturating_sub(1));
        self.frame_bytes = self.frame_bytes.saturating_sub(bytes);
        self.first_batch = self.first_batch.max(batch);
        self.start = start;
    }

    /// The first frame it has seen of those that are stored.
    pub(crate) fn first_batch(&self) -> BatchNumber {
        self.first_batch
    }

    /// The frame it sees next.
    pub(crate) fn next_batch(&self) -> BatchNumber {
        self.head.next_batch()
    }

    /// Where the journal begins.
    pub(crate) fn start(&self) -> &Head {
        &self.start
    }

    /// Where it ends.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// How many bytes the frames have that it has seen and that are stored.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.frame_bytes
    }

    /// How many records were ever stored: sequences are dense.
    pub(crate) fn records(&self) -> u64 {
        self.head.partitions().iter().map(|partition| partition.sequence.0).sum()
    }

    /// How many entries it has.
    #[cfg(test)]
    fn entries(&self) -> usize {
        self.times.len() + self.partitions.iter().map(|partition| partition.entries.len()).sum::<usize>()
    }
}

impl SharedIndex {
    pub(crate) fn new(index: SparseIndex) -> SharedIndex {
        SharedIndex(Arc::new(Inner {
            index: RwLock::new(index),
            earlier: Mutex::new(()),
            pins: Pins::default(),
        }))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, SparseIndex> {
        self.0.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, SparseIndex> {
        self.0.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pins(&self) -> &Pins {
        &self.0.pins
    }

    /// Waits until nobody else indexes earlier frames or removes them.
    pub(crate) fn lock_earlier(&self) -> MutexGuard<'_, ()> {
        self.0.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameBuilder, JournalId};
    use crate::record::{Epoch, RecordHeader};

    const PARTITIONS: u16 = 2;

    fn observe(index: &mut SparseIndex) {
        let head = index.head().clone();
        let batch = head.next_batch();
        let partition = Partition(u16::from(batch.0.is_multiple_of(3)));
        let sequence = head.partition(partition).expect("it exists").sequence.next();
        let mut builder = FrameBuilder::new();
        builder.push(&RecordHeader { partition, epoch: Epoch(1), sequence, time_ms: batch.0 }, b"payload");
        let frame = builder.finish(batch, head.last_hash());
        index.observe(&frame.frame(), frame.hash(), 100);
    }

    #[test]
    fn index_of_a_trimmed_journal_does_not_grow() {
        let genesis = Head::genesis(JournalId([1; 16]), PARTITIONS);
        let mut index = SparseIndex::behind(genesis.clone(), genesis);
        let mut heads = std::collections::VecDeque::new();
        let mut entries_max = 0;
        for _ in 0..20_000 {
            heads.push_back(index.head().clone());
            observe(&mut index);
            if heads.len() > 1_000 {
                let start = heads.drain(..500).next_back().expect("there are some");
                let bytes = 100 * (start.next_batch().0 - index.first_batch().0);
                index.forget_before(start, bytes);
            }
            entries_max = entries_max.max(index.entries());
        }
        // One for each partition and one of time for each BATCHES_MAX frames, and one more of each.
        assert!(entries_max <= 3 * (1_000 / 64 + 2), "{entries_max} entries for 1 000 frames");
        assert_eq!(index.frame_bytes(), 100 * (index.next_batch().0 - index.first_batch().0));
    }

    #[test]
    fn what_no_frame_can_hold_is_not_looked_for_again_and_again() {
        let genesis = Head::genesis(JournalId([1; 16]), PARTITIONS);
        let mut lying = genesis.clone();
        observe_head(&mut lying);
        let index = SparseIndex::behind(genesis.clone(), lying);
        assert_eq!(index.find(Partition(0), Sequence(1)), Whereabouts::Earlier);
        let mut index = SparseIndex::behind(genesis.clone(), genesis);
        observe_head(&mut index.head);
        let first = BatchNumber::FIRST;
        assert_eq!(index.find(Partition(0), Sequence(1)), Whereabouts::Within { first, end: first });
    }

    fn observe_head(head: &mut Head) {
        let header =
            RecordHeader { partition: Partition(0), epoch: Epoch(1), sequence: Sequence(1), time_ms: 1 };
        head.note(&header);
        head.pass(FrameHash([0; 32]));
    }
}
