//! Takes old frames out of the journal, beside the writer and the readers, for good.
//!
//! The head before the first frame that stays is written before the frames go, in chunks. So a trim that a crash cuts short leaves
//! frames before the beginning, which nobody looks at and the next trim removes; and the frame that is then the first can still be
//! checked: its place in the chain, and the sequences and times of its records.

use std::sync::{Arc, PoisonError};

use crate::about::write_start;
use crate::error::Error;
use crate::frame::Frame;
use crate::index::SharedIndex;
use crate::reader::stored_bytes;
use crate::record::{BatchNumber, RecordHeader, Sequence};
use crate::replay::{Head, PartitionHead};
use crate::sled_journal::{SledStore, store_error};
use crate::sled_pool::Watched;

/// How many frames go at once.
const CHUNK_FRAMES: u64 = 64;

/// How many at once where more have to: after a trim that was cut short, and where damage lies before the new beginning.
const CHUNK_KEYS: usize = 256;

/// Removes frames from the beginning. May be used on any thread; of several, one works at a time.
///
/// A damaged frame goes with the others, and the log says so: whoever trims needs none of them any more.
#[derive(Debug)]
pub struct Trimmer {
    store: Arc<SledStore>,
    index: SharedIndex,
}

/// What a trim removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// How many frames.
    pub batches: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Trimmer {
    pub(crate) fn new(store: Arc<SledStore>, index: SharedIndex) -> Trimmer {
        Trimmer { store, index }
    }

    /// The first frame stored.
    pub fn first(&self) -> BatchNumber {
        self.index.read().start().next_batch()
    }

    /// Removes the frames before `end`, as far as they are durable and nobody pins them, and returns when they are gone for good.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when one of them is damaged and the first that would stay is as well, [`Error::Store`] and [`Error::Io`]
    /// when the disk says no. What was removed until then stays removed, and a later trim goes on there.
    pub fn remove_before(&self, end: BatchNumber) -> Result<Trimmed, Error> {
        let mut removed = Trimmed::default();
        while let Some(chunk) = self.remove_some_before(end)? {
            removed.batches += chunk.batches;
            removed.bytes += chunk.bytes;
        }
        Ok(removed)
    }

    /// Removes one chunk of the frames before `end`; nothing when there are none. For a caller who must be able to stop in between.
    ///
    /// # Errors
    ///
    /// Those of [`Trimmer::remove_before`].
    pub fn remove_some_before(&self, end: BatchNumber) -> Result<Option<Trimmed>, Error> {
        let _alone = self.index.lock_earlier();
        let end = self.index.pins().limit(end);
        let (mut start, indexed_from, end) = {
            let index = self.index.read();
            (index.start().clone(), index.first_batch(), end.min(index.next_batch()))
        };
        let first = start.next_batch();
        let chunk_end = end.min(BatchNumber(first.0.saturating_add(CHUNK_FRAMES)));
        if first >= chunk_end {
            return Ok(None);
        }
        start = match self.head_behind(start, chunk_end) {
            Err(error @ Error::Corrupt { .. }) => {
                let start = self.head_by_what_follows(end)?;
                tracing::warn!(first_batch = %first, end_batch = %end, "trimmed frames that could not be read: {error}");
                start
            }
            found => found?,
        };
        let mut removed = Trimmed { batches: start.next_batch().0 - first.0, bytes: 0 };
        let mut indexed_bytes = 0;
        for batch in (first.0..start.next_batch().0).map(BatchNumber) {
            let bytes = self.store.frame_bytes(batch)?.map_or(0, |frame| stored_bytes(&frame));
            removed.bytes += bytes;
            indexed_bytes += if batch >= indexed_from { bytes } else { 0 };
        }
        // Told first: who does not find a frame from now on knows that it was trimmed.
        self.index.write().forget_before(start.clone(), indexed_bytes);
        self.remove_stored(&start)?;
        Ok(Some(removed))
    }

    /// The head before `end`, by the frames from `head` up to there.
    fn head_behind(&self, mut head: Head, end: BatchNumber) -> Result<Head, Error> {
        while head.next_batch() < end {
            let batch = head.next_batch();
            let frame = self.store.frame_needed(batch, &self.index)?;
            head.pass_frame(batch, &frame).map_err(|what| Error::Corrupt { batch, what })?;
        }
        Ok(head)
    }

    /// The head before `end`, by what follows it: the first frame names the hash, the first record of each partition the one before.
    /// Its epoch and time are taken for those of the one before, which had no later ones.
    fn head_by_what_follows(&self, end: BatchNumber) -> Result<Head, Error> {
        let live = self.index.read().head().clone();
        let (mut hash, mut partitions) = (live.last_hash(), live.partitions().to_vec());
        let mut is_found = vec![false; partitions.len()];
        for batch in (end.0..live.next_batch().0).map(BatchNumber) {
            let bytes = self.store.frame_needed(batch, &self.index)?;
            let frame =
                Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
            if batch == end {
                hash = frame.previous();
            }
            for RecordHeader { partition, epoch, sequence, time_ms } in
                frame.records().map(|record| record.header)
            {
                let number = usize::from(partition.0);
                if let Some(is_found) = is_found.get_mut(number)
                    && !std::mem::replace(is_found, true)
                {
                    let sequence = Sequence(sequence.0.saturating_sub(1));
                    partitions[number] = PartitionHead { sequence, epoch, time_ms };
                }
            }
            if is_found.iter().all(|is_found| *is_found) {
                break;
            }
        }
        Ok(Head::new(end, hash, partitions))
    }

    /// Removes all frames before the new beginning, those that an earlier trim left there as well.
    fn remove_stored(&self, start: &Head) -> Result<(), Error> {
        let failed = |error: sled::Error| store_error("trim", &self.store.path, error);
        loop {
            let _alone = self.store.beside_writer.lock().unwrap_or_else(PoisonError::into_inner);
            let _watched = Watched::begin();
            // sled keeps the order of its writes: a crash cannot lose this one and keep a removal.
            write_start(&self.store.meta, start).map_err(failed)?;
            let mut count = 0;
            for key in self.store.frames.range(..start.next_batch().0.to_be_bytes()).keys().take(CHUNK_KEYS) {
                self.store.frames.remove(key.map_err(failed)?).map_err(failed)?;
                count += 1;
            }
            // sled writes over segments whose contents it has moved, and believes that a flush made the move durable.
            self.store.flush().map_err(|cause| store_error("trim", &self.store.path, cause))?;
            if count < CHUNK_KEYS {
                return Ok(());
            }
        }
    }
}
