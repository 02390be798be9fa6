//! A journal in memory whose disk fails on command: for simulation and for tests of whoever uses a journal.
//!
//! A [`MemoryDisk`] outlives the journals on it, as a disk outlives processes. Faults are scripted by the number of the append
//! they hit, counted from 1 over the disk's life, so a seed reproduces a run. After a failed append the journal is dead, as the
//! real one is; [`MemoryDisk::crash`] yields the disk that the next start finds.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::frame::{EncodedFrame, JournalId};
use crate::journal::{AppendError, FrameBytes, FrameSource, Journal, Store, StoredFrame, Visit};
use crate::record::BatchNumber;
use crate::replay::{Head, Replayed, replay_frames};

/// What happens to one append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing is written, [`AppendError::Rejected`].
    NoSpace,
    /// The disk errs: [`AppendError::Unknown`], and this many frames of the append survive.
    Io {
        /// How many of the append's frames are on disk for good.
        frames_kept: usize,
    },
    /// The sync fails: [`AppendError::Unknown`]; the frames can be read until the crash loses them.
    LoseUnsynced,
    /// Power fails in the middle of the append: [`AppendError::Unknown`]; after the crash the last frame has only
    /// this many bytes, those before it are whole.
    TornTail {
        /// How many bytes of the last frame survive.
        bytes_kept: usize,
    },
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// A journal on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryJournal {
    disk: MemoryDisk,
    next_batch: Option<BatchNumber>,
    has_failed: bool,
}

#[derive(Debug, Clone)]
struct State {
    id: JournalId,
    /// Before the first frame.
    start: Head,
    frames: BTreeMap<BatchNumber, Slot>,
    faults: BTreeMap<u64, Fault>,
    appends: u64,
}

/// A frame as it is now, and as a crash leaves it.
#[derive(Debug, Clone)]
struct Slot {
    bytes: Arc<[u8]>,
    after_crash: Option<Arc<[u8]>>,
}

impl MemoryDisk {
    /// An empty disk for a journal of this name.
    pub fn new(id: JournalId, partitions: u16) -> MemoryDisk {
        let start = Head::genesis(id, partitions);
        let state = State { id, start, frames: BTreeMap::new(), faults: BTreeMap::new(), appends: 0 };
        MemoryDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Opens the journal on this disk. [`Store::recover`] before the first append.
    pub fn journal(&self) -> MemoryJournal {
        MemoryJournal { disk: self.clone(), next_batch: None, has_failed: false }
    }

    /// Lets a fault hit the append of this number, counted from 1 over the disk's life.
    pub fn script(&self, append: u64, fault: Fault) {
        self.lock().faults.insert(append, fault);
    }

    /// How many appends the disk has seen, failed ones included.
    pub fn appends(&self) -> u64 {
        self.lock().appends
    }

    /// The disk that a start after a crash at this moment finds. Journals on the old one no longer matter.
    #[must_use]
    pub fn crash(&self) -> MemoryDisk {
        let mut state = self.lock().clone();
        state.frames.retain(|_, slot| slot.after_crash.is_some());
        for slot in state.frames.values_mut() {
            slot.bytes = slot.after_crash.clone().expect("the others are gone");
        }
        MemoryDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// Removes the frames before `end`, as [`Trimmer`](crate::Trimmer) does; those that are not there stay missing.
    ///
    /// # Panics
    ///
    /// When one of them is damaged.
    pub fn trim_before(&self, end: BatchNumber) {
        let mut state = self.lock();
        while let Some(slot) = state.frames.get(&state.start.next_batch())
            && state.start.next_batch() < end
        {
            let bytes = Arc::clone(&slot.bytes);
            let first = state.start.next_batch();
            state.start.pass_frame(first, &bytes).expect("only a sound frame is trimmed");
            state.frames.remove(&first);
        }
    }

    /// Damages a stored frame by hand, as a bad sector or an editor would. An emptied frame is removed.
    ///
    /// # Panics
    ///
    /// When there is no such frame.
    pub fn damage(&self, batch: BatchNumber, deed: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let slot = state.frames.get_mut(&batch).expect("only a stored frame can be damaged");
        let mut bytes = slot.bytes.to_vec();
        deed(&mut bytes);
        if bytes.is_empty() {
            state.frames.remove(&batch);
        } else {
            *slot = Slot::durable(&bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn durable(bytes: &[u8]) -> Slot {
        let bytes: Arc<[u8]> = Arc::from(bytes);
        Slot { bytes: Arc::clone(&bytes), after_crash: Some(bytes) }
    }

    fn torn(bytes: &[u8], bytes_kept: Option<usize>) -> Slot {
        let after_crash = bytes_kept.map(|kept| Arc::from(&bytes[..kept.min(bytes.len())]));
        Slot { bytes: Arc::from(bytes), after_crash }
    }
}

impl State {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        self.appends += 1;
        let Some(first) = frames.first().map(EncodedFrame::batch) else { return Ok(()) };
        match self.faults.remove(&self.appends) {
            None => {
                self.keep(frames, |_, bytes| Slot::durable(bytes));
                Ok(())
            }
            Some(Fault::NoSpace) => {
                Err(AppendError::rejected(first, io::Error::from(io::ErrorKind::StorageFull)))
            }
            Some(Fault::Io { frames_kept }) => {
                let kept = &frames[..frames_kept.min(frames.len())];
                self.keep(kept, |_, bytes| Slot::durable(bytes));
                Err(AppendError::unknown(first, io::Error::other("input/output error")))
            }
            Some(Fault::LoseUnsynced) => {
                self.keep(frames, |_, bytes| Slot::torn(bytes, None));
                Err(AppendError::unknown(first, io::Error::other("the sync failed")))
            }
            Some(Fault::TornTail { bytes_kept }) => {
                self.keep(frames, |is_last, bytes| {
                    if is_last { Slot::torn(bytes, Some(bytes_kept)) } else { Slot::durable(bytes) }
                });
                Err(AppendError::unknown(first, io::Error::other("power failed")))
            }
        }
    }

    fn keep(&mut self, frames: &[EncodedFrame], slot_of: impl Fn(bool, &[u8]) -> Slot) {
        let last = frames.last().map(EncodedFrame::batch);
        for frame in frames {
            let slot = slot_of(Some(frame.batch()) == last, frame.bytes());
            self.frames.insert(frame.batch(), slot);
        }
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        let mut next_batch = self.next_batch.expect("a journal is recovered before it is written to");
        let first = frames.first().map_or(next_batch, EncodedFrame::batch);
        if self.has_failed {
            return Err(AppendError::rejected(first, "an earlier append failed"));
        }
        for frame in frames {
            assert_eq!(frame.batch(), next_batch, "batches follow each other");
            next_batch = next_batch.next();
        }
        let outcome = self.disk.lock().append(frames);
        self.has_failed = outcome.is_err();
        self.next_batch = Some(next_batch);
        outcome
    }
}

impl FrameSource for MemoryJournal {
    fn id(&self) -> JournalId {
        self.disk.lock().id
    }

    fn partitions(&self) -> u16 {
        let partitions = self.disk.lock().start.partitions().len();
        u16::try_from(partitions).expect("partitions are counted in 16 bits")
    }

    fn start(&self) -> Head {
        self.disk.lock().start.clone()
    }

    fn frames(&self, first: BatchNumber) -> Box<dyn Iterator<Item = Result<StoredFrame, Error>> + '_> {
        let stored = |(batch, slot): (&BatchNumber, &Slot)| {
            Ok(StoredFrame { batch: *batch, bytes: FrameBytes::from_memory(Arc::clone(&slot.bytes)) })
        };
        let frames: Vec<_> = self.disk.lock().frames.range(first..).map(stored).collect();
        Box::new(frames.into_iter())
    }

    fn frame(&self, batch: BatchNumber) -> Result<Option<StoredFrame>, Error> {
        let state = self.disk.lock();
        let bytes = state.frames.get(&batch).map(|slot| FrameBytes::from_memory(Arc::clone(&slot.bytes)));
        Ok(bytes.map(|bytes| StoredFrame { batch, bytes }))
    }
}

impl Store for MemoryJournal {
    fn recover(&mut self, from: Head, visit: &mut Visit<'_>) -> Result<Replayed, Error> {
        let replayed = replay_frames(self, from, &mut |_, _, _| {}, visit)?;
        if let Some(cut) = &replayed.cut {
            cut.log();
            self.disk.lock().frames.retain(|batch, _| *batch < cut.first);
        }
        self.next_batch = Some(replayed.head.next_batch());
        Ok(replayed)
    }
}
