//! What a journal can do, whoever keeps its bytes: take frames for good, and give them back in order.
//!
//! [`SledJournal`](crate::SledJournal) keeps them on disk, [`MemoryJournal`](crate::MemoryJournal) in memory
//! with faults to order. The writer thread sees [`Journal`] alone; replay and verify see [`FrameSource`] alone.

use std::error::Error as StdError;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::Error;
use crate::frame::{EncodedFrame, JournalId};
use crate::record::{BatchNumber, Record};
use crate::replay::{Head, Replayed};

/// The reason behind an error of this crate, whatever made it.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Takes one record during replay, or says why it cannot; an `Err` stops the replay.
pub type Visit<'v> = dyn FnMut(Record<'_>) -> Result<(), Cause> + 'v;

/// Keeps frames for good.
pub trait Journal: Send {
    /// Appends frames in order and returns when all of them are durable: one sync, however many frames.
    ///
    /// The frames follow the last one appended without a gap; an implementation may panic when not.
    ///
    /// # Errors
    ///
    /// After any error the journal takes nothing more; what is really on disk only a reopening tells.
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError>;
}

/// Gives stored frames back, unchecked.
pub trait FrameSource {
    /// The journal's name, from which its chain begins.
    fn id(&self) -> JournalId;

    /// How many partitions it was created with.
    fn partitions(&self) -> u16;

    /// The head before the first frame that is stored: that of an empty journal, where nothing was trimmed.
    fn start(&self) -> Head {
        Head::genesis(self.id(), self.partitions())
    }

    /// The stored frames from `first` on, in order of the number they are stored under.
    fn frames(&self, first: BatchNumber) -> Box<dyn Iterator<Item = Result<StoredFrame, Error>> + '_>;

    /// The frame stored under this number.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot read.
    fn frame(&self, batch: BatchNumber) -> Result<Option<StoredFrame>, Error>;
}

/// A journal that can be reopened: what both implementations have in common.
pub trait Store: Journal + FrameSource {
    /// Replays from `from`, cuts a torn tail off, and makes the journal ready for `append`.
    ///
    /// The cut is logged here, once. Must be called before the first append.
    ///
    /// # Errors
    ///
    /// Those of [`replay`](fn@crate::replay), and [`Error::Store`] or [`Error::Io`] when the cut cannot be written.
    fn recover(&mut self, from: Head, visit: &mut Visit<'_>) -> Result<Replayed, Error>;
}

/// One frame as the store had it: perhaps damaged.
#[derive(Debug, Clone)]
pub struct StoredFrame {
    /// The number it is stored under.
    pub batch: BatchNumber,
    /// What is stored.
    pub bytes: FrameBytes,
}

/// The bytes of a stored frame, shared with the store's cache.
#[derive(Debug, Clone)]
pub struct FrameBytes(Kept);

#[derive(Debug, Clone)]
enum Kept {
    Sled(sled::IVec),
    Memory(Arc<[u8]>),
}

/// A commit failed. It is never retried: after a failed sync nobody knows what the page cache holds.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing of the batch is in the journal.
    #[error("the journal refused batch {batch}; nothing of it was written")]
    Rejected {
        /// The first frame refused.
        batch: BatchNumber,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The batch may be in the journal, in part or in whole, or not. Only a restart tells.
    #[error("batch {batch} may or may not be in the journal: stop, check the disk and start again")]
    Unknown {
        /// The first frame of unknown fate.
        batch: BatchNumber,
        /// Why.
        #[source]
        source: Cause,
    },
}

impl AppendError {
    /// Nothing was written, because of `source`.
    pub fn rejected(batch: BatchNumber, source: impl Into<Cause>) -> AppendError {
        AppendError::Rejected { batch, source: source.into() }
    }

    /// Nobody knows what was written, because of `source`.
    pub fn unknown(batch: BatchNumber, source: impl Into<Cause>) -> AppendError {
        AppendError::Unknown { batch, source: source.into() }
    }
}

impl FrameBytes {
    pub(crate) fn from_sled(bytes: sled::IVec) -> FrameBytes {
        FrameBytes(Kept::Sled(bytes))
    }

    pub(crate) fn from_memory(bytes: Arc<[u8]>) -> FrameBytes {
        FrameBytes(Kept::Memory(bytes))
    }
}

impl Deref for FrameBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Sled(bytes) => bytes,
            Kept::Memory(bytes) => bytes,
        }
    }
}
