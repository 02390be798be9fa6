//! Random access to stored records, beside the writer and without disturbing it.
//!
//! A [`Reader`] sees what is durable and nothing else. Each clone keeps the frame it read last, so that walking through
//! neighbouring records, forwards or backwards, costs one search per frame and not per record.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::error::Error;
use crate::frame::Frame;
use crate::index::{Place, SparseIndex};
use crate::journal::FrameBytes;
use crate::record::{BatchNumber, OwnedRecord, Partition, Record, Sequence};
use crate::replay::{Damage, Head};
use crate::sled_journal::SledStore;

/// Reads single records of a [`SledJournal`](crate::SledJournal). Holds the folder open for as long as it lives.
#[derive(Debug)]
pub struct Reader {
    store: Arc<SledStore>,
    index: Arc<RwLock<SparseIndex>>,
    /// The frame read last; known to be good.
    last_frame: Mutex<Option<FrameBytes>>,
}

/// What a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalStat {
    /// The oldest frame stored; nothing in an empty journal.
    pub first_batch: Option<BatchNumber>,
    /// The newest durable frame.
    pub last_batch: Option<BatchNumber>,
    /// Durable frames stored.
    pub batches: u64,
    /// Records written since the journal was created.
    pub records: u64,
    /// What the store takes on disk.
    pub disk_bytes: u64,
    /// The time of the oldest record, in milliseconds since the Unix epoch.
    pub first_time_ms: Option<u64>,
    /// The time of the newest record.
    pub last_time_ms: Option<u64>,
}

impl Reader {
    pub(crate) fn new(store: Arc<SledStore>, index: Arc<RwLock<SparseIndex>>) -> Reader {
        Reader { store, index, last_frame: Mutex::new(None) }
    }

    /// Reads one durable record; nothing when there is none with this number.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when the frame that must hold it is damaged, [`Error::Store`] when the store cannot read.
    pub fn read(&self, partition: Partition, sequence: Sequence) -> Result<Option<OwnedRecord>, Error> {
        if let Some(record) = self.read_again(partition, sequence) {
            return Ok(Some(record));
        }
        let place = self.index().place(partition, sequence);
        let place = match place {
            Place::Earlier => {
                self.index_earlier_frames()?;
                self.index().place(partition, sequence)
            }
            place => place,
        };
        let (first, end) = match place {
            Place::Nowhere | Place::Earlier => return Ok(None),
            Place::Within { first, end } => (first, end),
        };
        for batch in (first.0..end.0).map(BatchNumber) {
            let missing = || Error::Corrupt { batch, what: Damage::Record { partition, sequence } };
            let bytes = self.store.frame_bytes(batch)?.ok_or_else(missing)?;
            let frame =
                Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
            if let Some(record) = find(&frame, partition, sequence) {
                let record = record.to_owned();
                *self.last_frame.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
                return Ok(Some(record));
            }
        }
        Err(Error::Corrupt { batch: first, what: Damage::Record { partition, sequence } })
    }

    /// Tells what the journal holds.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot read, [`Error::Corrupt`] when its first or last frame is damaged.
    pub fn stat(&self) -> Result<JournalStat, Error> {
        let (next_batch, records) = {
            let index = self.index();
            (index.next_batch(), index.records())
        };
        let disk_bytes = self.store.disk_bytes()?;
        let first_batch = self.store.first_batch()?.filter(|first| *first < next_batch);
        let Some(first) = first_batch else {
            return Ok(JournalStat { records, disk_bytes, ..JournalStat::default() });
        };
        let last = BatchNumber(next_batch.0 - 1);
        Ok(JournalStat {
            first_batch,
            last_batch: Some(last),
            batches: next_batch.0 - first.0,
            records,
            disk_bytes,
            first_time_ms: self.times_of(first)?.map(|(first, _)| first),
            last_time_ms: self.times_of(last)?.map(|(_, last)| last),
        })
    }

    fn read_again(&self, partition: Partition, sequence: Sequence) -> Option<OwnedRecord> {
        let last_frame = self.last_frame.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = Frame::parse(last_frame.as_ref()?).ok()?;
        find(&frame, partition, sequence).map(|record| record.to_owned())
    }

    /// Indexes the frames before those the recovery went through. Once, for the first who asks for so old a record.
    fn index_earlier_frames(&self) -> Result<(), Error> {
        let (end, partitions) = {
            let index = self.index();
            (index.first_batch(), index.partitions())
        };
        let partitions = u16::try_from(partitions).expect("a journal counts its partitions in 16 bits");
        let Some(first) = self.store.first_batch()?.filter(|first| *first < end) else { return Ok(()) };
        let mut earlier =
            SparseIndex::behind(&Head::genesis(self.store.about().id, partitions).moved_to(first));
        for stored in
            self.store.frames(first).take_while(|stored| !matches!(stored, Ok(it) if it.batch >= end))
        {
            let stored = stored?;
            let frame = Frame::decode(&stored.bytes)
                .map_err(|damage| Error::Corrupt { batch: stored.batch, what: damage.into() })?;
            earlier.observe(&frame);
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.first_batch() == end {
            index.prepend(earlier);
        }
        Ok(())
    }

    fn times_of(&self, batch: BatchNumber) -> Result<Option<(u64, u64)>, Error> {
        let Some(bytes) = self.store.frame_bytes(batch)? else { return Ok(None) };
        let frame = Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
        let mut times = frame.records().map(|record| record.header.time_ms);
        let first = times.next();
        Ok(first.map(|first| (first, times.last().unwrap_or(first))))
    }

    fn index(&self) -> RwLockReadGuard<'_, SparseIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Reader {
    fn clone(&self) -> Reader {
        Reader::new(Arc::clone(&self.store), Arc::clone(&self.index))
    }
}

fn find<'f>(frame: &Frame<'f>, partition: Partition, sequence: Sequence) -> Option<Record<'f>> {
    frame.records().find(|record| record.header.partition == partition && record.header.sequence == sequence)
}
