//! Bytes that stay: an append-only journal with group commit and true durability.
//!
//! The crate knows partitions, sequences, epochs, times and bytes; it knows no stock. A producer pushes
//! records into the [`Queue`]; the one writer thread of the [`Committer`] takes all there is, frames it,
//! appends it to a [`Journal`] with one sync, and only then opens the [`Gate`] for those who wait.
//!
//! ```text
//! push ─▶ Queue ─▶ Committer ─▶ frames ─▶ Journal (SledJournal | MemoryJournal) ─▶ Gate ─▶ waiters
//! ```
//!
//! Read in this order: [`record`], [`frame`], [`journal`], [`replay`](mod@replay), [`folder`], [`sled_journal`],
//! [`place`], [`reader`], [`scan`], [`trimmer`], [`survey`], [`gate`], [`queue`], [`committer`], [`memory_journal`]. Apart from all that stands [`work`]: a queue of tasks
//! that the journal can make again.

pub mod error;
pub mod record;

pub mod frame;
pub mod journal;
pub mod replay;

mod about;
mod acknowledged;
pub mod checkpoint;
pub mod folder;
mod index;
mod keepsake;
mod opening;
pub mod pin;
pub mod place;
mod places;
mod prefill;
mod range_sync;
pub mod reader;
pub mod scan;
pub mod sled_journal;
mod sled_pool;
pub mod survey;
pub mod trimmer;

pub mod committer;
mod disk;
pub mod gate;
pub mod queue;

pub mod memory_journal;

pub mod work;

pub use checkpoint::{Block, Checkpoint, CheckpointWriter, Checkpoints, Mark, Retain};
pub use committer::{Committer, CommitterOptions, Writer};
pub use error::Error;
pub use folder::{Folder, Holder};
pub use frame::{
    EncodedFrame, FRAME_BYTES_MAX, Frame, FrameBuilder, FrameDamage, FrameHash, JournalId, RECORD_BYTES_MAX,
};
pub use gate::{DurableFuture, Failed, Gate};
pub use journal::{AppendError, Cause, FrameSource, Journal, Store, StoredFrame};
pub use memory_journal::{Fault, MemoryDisk, MemoryJournal};
pub use pin::Pin;
pub use place::Place;
pub use queue::{Commits, PushError, Queue};
pub use reader::{JournalStat, Reader};
pub use record::{BatchNumber, Epoch, OwnedRecord, Partition, Record, RecordHeader, Sequence, Ticket};
pub use replay::{Cut, Damage, Head, PartitionHead, Replayed, replay};
pub use scan::{Frames, Scan};
pub use sled_journal::{Options, SledJournal};
pub use survey::{Cutting, Loss, LostFrame, LostRecords, Survey};
pub use trimmer::{Trimmed, Trimmer};
pub use work::WorkQueue;
