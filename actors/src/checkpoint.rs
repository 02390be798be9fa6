//! Checkpoints of the running shop: what the journal led to, written down while everybody goes on selling.
//!
//! Each shard notes what its turns change (`changes`). A checkpoint begins on each shard in one instant; from then on a
//! walker packs what changed since the last one, a little at a time between messages (`walk`), and a turn that wants to
//! change what was not packed yet packs it first, as it was. So each checkpoint is of exactly one instant for each partition,
//! and nobody waits for it. A thread of its own writes the file and decides when (`keeper`).
//!
//! Without a checkpoint to build on the first is written from what recovery found, before anybody is let in (`whole`); later on,
//! from what the shards have (`anew`).

mod anew;
pub(crate) mod changes;
mod keeper;
pub(crate) mod things;
mod tidy;
pub(crate) mod walk;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use holdfast_persistence::checkpoint::Info;
use holdfast_persistence::{self as persistence, Checkpoints, Retain, Trimmer};

pub use whole::write_first;

pub(crate) use keeper::{Keeper, Site};
#[cfg(test)]
pub(crate) use tidy::merge;

/// How checkpoints are taken.
pub struct CheckpointOptions {
    /// Where they are.
    pub files: Checkpoints,
    /// The longest time between two while there is something new; none: only when the engine stops or is told to.
    pub every: Option<Duration>,
    /// The most that the journal grows between two.
    pub journal_bytes_max: u64,
    /// What has to stay free on the disk: it is the journal's, which cannot do without.
    pub disk_reserve_bytes: u64,
    /// How much of the past is kept.
    pub retain: Retain,
    /// Takes frames away that no kept chain needs.
    pub trimmer: Option<Trimmer>,
}

/// A checkpoint that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its newest file; the one before, where nothing had changed.
    pub info: Info,
    /// How long it took.
    pub elapsed: Duration,
    /// The longest that one shard did nothing else meanwhile.
    pub pause_max: Duration,
}

/// There is no checkpoint. The server goes on, and tries again later.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The engine runs without.
    #[error("this engine takes no checkpoints")]
    Off,
    /// The disk is nearly full.
    #[error("the disk is nearly full: no checkpoint is written")]
    DiskLow,
    /// A file could not be written.
    #[error("write a checkpoint")]
    Write(#[source] Arc<persistence::Error>),
    /// The engine stops.
    #[error("the engine stopped meanwhile")]
    Stopped,
}

/// What the checkpoints of this process were like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// How many were taken.
    pub taken: u64,
    /// How many came to nothing.
    pub failed: u64,
    /// When the newest was taken, by this process or one before, in milliseconds since the Unix epoch.
    pub newest_at_ms: Option<u64>,
    /// How long the newest took.
    pub elapsed: Duration,
    /// Its bytes.
    pub bytes: u64,
    /// Its entries.
    pub entries: u64,
    /// Entries of all that were taken.
    pub entries_total: u64,
    /// Bytes of all that were taken.
    pub bytes_total: u64,
    /// The longest that a shard did nothing else for the sake of a checkpoint, since the start.
    pub pause_max: Duration,
}

/// An error with its causes, for the log.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
