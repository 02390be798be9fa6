//! Random access to stored records, beside the writer and the trimmer and without disturbing them.
//!
//! A [`Reader`] sees what is durable and nothing else. Each clone keeps the frame it read last, so that walking through
//! neighbouring records, forwards or backwards, costs one search per frame and not per record. A record that was trimmed is told
//! from one that is not there yet.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::frame::{Frame, FrameHash, JournalId};
use crate::index::{SharedIndex, SparseIndex, Whereabouts};
use crate::journal::FrameBytes;
use crate::pin::Pin;
use crate::place::Place;
use crate::record::{BatchNumber, OwnedRecord, Partition, Record, Sequence};
use crate::replay::{Damage, Head};
use crate::scan::{Frames, Scan};
use crate::sled_journal::SledStore;
use crate::trimmer::Trimmer;

/// Reads single records of a [`SledJournal`](crate::SledJournal). Holds the folder open for as long as it lives.
#[derive(Debug)]
pub struct Reader {
    store: Arc<SledStore>,
    index: SharedIndex,
    /// The frame read last; known to be good.
    last_frame: Mutex<Option<FrameBytes>>,
}

/// What a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalStat {
    /// The oldest frame stored; nothing in an empty journal. Those before it were trimmed.
    pub first_batch: Option<BatchNumber>,
    /// The newest durable frame.
    pub last_batch: Option<BatchNumber>,
    /// Durable frames stored.
    pub batches: u64,
    /// Records written since the journal was created, trimmed ones included.
    pub records: u64,
    /// Of them, those that were trimmed.
    pub records_trimmed: u64,
    /// Bytes of the frames stored.
    pub frame_bytes: u64,
    /// What the store takes on disk.
    pub disk_bytes: u64,
    /// The time of the oldest record, in milliseconds since the Unix epoch.
    pub first_time_ms: Option<u64>,
    /// The time of the newest record.
    pub last_time_ms: Option<u64>,
}

impl Reader {
    pub(crate) fn new(store: Arc<SledStore>, index: SharedIndex) -> Reader {
        Reader { store, index, last_frame: Mutex::new(None) }
    }

    /// Reads one durable record; nothing when there is none with this number yet.
    ///
    /// # Errors
    ///
    /// [`Error::Trimmed`] when it is gone, [`Error::Corrupt`] when the frame that must hold it is damaged, [`Error::Store`] when
    /// the store cannot read.
    pub fn read(&self, partition: Partition, sequence: Sequence) -> Result<Option<OwnedRecord>, Error> {
        if let Some(record) = self.read_again(partition, sequence) {
            return Ok(Some(record));
        }
        let Some((_, bytes)) = self.search(partition, sequence)? else { return Ok(None) };
        let frame = Frame::parse(&bytes).expect("it was checked");
        let record = frame.records().find(|record| is_named(record, partition, sequence));
        let record = record.map(|record| record.to_owned());
        *self.last_frame.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        Ok(record)
    }

    /// The journal's name.
    pub fn id(&self) -> JournalId {
        self.store.about.id
    }

    /// Takes old frames away; see [`Trimmer`].
    pub fn trimmer(&self) -> Trimmer {
        Trimmer::new(Arc::clone(&self.store), self.index.clone())
    }

    /// Keeps what there is from being trimmed for as long as the pin lives.
    pub fn pin(&self) -> Pin {
        Pin::new(self.index.clone())
    }

    /// Where the journal ends, durably, at this moment.
    pub fn head(&self) -> Head {
        self.index.read().head().clone()
    }

    /// Where the journal begins: the head before the first frame stored.
    pub fn start(&self) -> Head {
        self.index.read().start().clone()
    }

    /// The place before the first record stored.
    pub fn first_place(&self) -> Place {
        Place::before(self.index.read().start().next_batch())
    }

    /// The place behind the last durable record.
    pub fn end(&self) -> Place {
        Place::before(self.index.read().next_batch())
    }

    /// The place before a durable record; nothing when there is none with this number yet.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::read`].
    pub fn place_of(&self, partition: Partition, sequence: Sequence) -> Result<Option<Place>, Error> {
        Ok(self.search(partition, sequence)?.map(|(place, _)| place))
    }

    /// The place before the first record, in the journal's order, that is younger than a moment; the end when none is.
    ///
    /// What was written up to a moment is what lies before this place. Times never fall along a partition, but the clocks
    /// of two partitions may differ a little: what lies before it is then as old as the moment or older, and of what lies behind
    /// it a little may be as well.
    ///
    /// # Errors
    ///
    /// [`Error::Trimmed`] when such a record is gone, otherwise those of [`Reader::read`].
    pub fn place_at_time(&self, time_ms: u64) -> Result<Place, Error> {
        let (first, end) = loop {
            let (found, end) = {
                let index = self.index.read();
                (index.find_younger(time_ms), index.next_batch())
            };
            match found {
                Whereabouts::Nowhere => return Ok(Place::before(end)),
                Whereabouts::Trimmed => return Err(self.trimmed()),
                Whereabouts::Earlier => self.index_earlier_frames()?,
                Whereabouts::Within { first, end } => break (first, end),
            }
        };
        let mut scan = self.scan(Place::before(first));
        while let Some((place, record)) = scan.next_record()?
            && place.batch < end
        {
            if record.header.time_ms > time_ms {
                return Ok(place);
            }
        }
        // The index says that it is there.
        Err(Error::Corrupt { batch: first, what: Damage::NoYounger { time_ms } })
    }

    /// Yields durable records from a place on, in the journal's order.
    pub fn scan(&self, from: Place) -> Scan {
        Scan::new(Arc::clone(&self.store), self.index.clone(), from)
    }

    /// Yields durable frames from a batch on, as they are stored.
    pub fn frames_from(&self, first: BatchNumber) -> Frames {
        Frames::new(Arc::clone(&self.store), self.index.clone(), first)
    }

    /// Tells what the journal holds. The first time it may read frames that the recovery did not go through.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot read, [`Error::Corrupt`] when one of the frames it reads is damaged.
    pub fn stat(&self) -> Result<JournalStat, Error> {
        self.index_earlier_frames()?;
        let disk_bytes = self.store.disk_bytes()?;
        let index = self.index.read();
        let (first, next) = (index.start().next_batch(), index.next_batch());
        let records_trimmed = index.start().partitions().iter().map(|partition| partition.sequence.0).sum();
        let stat = JournalStat {
            records: index.records(),
            records_trimmed,
            frame_bytes: index.frame_bytes(),
            disk_bytes,
            batches: next.0 - first.0,
            ..JournalStat::default()
        };
        drop(index);
        if stat.batches == 0 {
            return Ok(stat);
        }
        let last = BatchNumber(next.0 - 1);
        Ok(JournalStat {
            first_batch: Some(first),
            last_batch: Some(last),
            first_time_ms: self.times_of(first)?.map(|(first, _)| first),
            last_time_ms: self.times_of(last)?.map(|(_, last)| last),
            ..stat
        })
    }

    /// About how many bytes the frames from one on take: their share of all, by their number.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::stat`].
    pub fn frame_bytes_from(&self, first: BatchNumber) -> Result<u64, Error> {
        let stat = self.stat()?;
        let (Some(oldest), Some(newest)) = (stat.first_batch, stat.last_batch) else { return Ok(0) };
        let all = u128::from(newest.0.saturating_sub(oldest.0)) + 1;
        let some = u128::from((newest.0 + 1).saturating_sub(first.0)).min(all);
        Ok(u64::try_from(u128::from(stat.frame_bytes) * some / all).expect("a part is less than the whole"))
    }

    fn read_again(&self, partition: Partition, sequence: Sequence) -> Option<OwnedRecord> {
        let last_frame = self.last_frame.lock().unwrap_or_else(PoisonError::into_inner);
        let frame = Frame::parse(last_frame.as_ref()?).ok()?;
        let record = frame.records().find(|record| is_named(record, partition, sequence))?;
        Some(record.to_owned())
    }

    /// Finds the frame of a record, and checks it.
    fn search(&self, partition: Partition, sequence: Sequence) -> Result<Option<(Place, FrameBytes)>, Error> {
        let (first, end) = loop {
            let found = self.index.read().find(partition, sequence);
            match found {
                Whereabouts::Nowhere => return Ok(None),
                Whereabouts::Trimmed => return Err(self.trimmed()),
                Whereabouts::Earlier => self.index_earlier_frames()?,
                Whereabouts::Within { first, end } => break (first, end),
            }
        };
        for batch in (first.0..end.0).map(BatchNumber) {
            let bytes = self.store.frame_needed(batch, &self.index)?;
            let frame =
                Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
            let before = frame.records().position(|record| is_named(&record, partition, sequence));
            if let Some(before) = before {
                let record = u32::try_from(before).expect("a frame counts its records in 32 bits");
                return Ok(Some((Place { batch, record }, bytes)));
            }
        }
        Err(Error::Corrupt { batch: first, what: Damage::Record { partition, sequence } })
    }

    /// Indexes the frames before those the recovery went through. Once, for the first who asks for so old a record; nothing is
    /// trimmed meanwhile.
    fn index_earlier_frames(&self) -> Result<(), Error> {
        let _alone = self.index.lock_earlier();
        let (start, end) = {
            let index = self.index.read();
            (index.start().clone(), index.first_batch())
        };
        let first = start.next_batch();
        if first >= end {
            return Ok(());
        }
        let mut earlier = SparseIndex::behind(start.clone(), start);
        for batch in (first.0..end.0).map(BatchNumber) {
            let bytes = self.store.frame_needed(batch, &self.index)?;
            let frame =
                Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
            earlier.observe(&frame, FrameHash::of(&bytes), stored_bytes(&bytes));
        }
        self.index.write().prepend(earlier);
        Ok(())
    }

    fn times_of(&self, batch: BatchNumber) -> Result<Option<(u64, u64)>, Error> {
        let bytes = match self.store.frame_needed(batch, &self.index) {
            Err(Error::Trimmed { .. }) => return Ok(None),
            found => found?,
        };
        let frame = Frame::decode(&bytes).map_err(|damage| Error::Corrupt { batch, what: damage.into() })?;
        let mut times = frame.records().map(|record| record.header.time_ms);
        let first = times.next();
        Ok(first.map(|first| (first, times.last().unwrap_or(first))))
    }

    fn trimmed(&self) -> Error {
        Error::Trimmed { first: self.index.read().start().next_batch() }
    }
}

impl Clone for Reader {
    fn clone(&self) -> Reader {
        Reader::new(Arc::clone(&self.store), self.index.clone())
    }
}

/// How many bytes a frame has, as a number of bytes on disk.
pub(crate) fn stored_bytes(frame: &[u8]) -> u64 {
    u64::try_from(frame.len()).expect("a length fits 64 bits")
}

fn is_named(record: &Record<'_>, partition: Partition, sequence: Sequence) -> bool {
    record.header.partition == partition && record.header.sequence == sequence
}
