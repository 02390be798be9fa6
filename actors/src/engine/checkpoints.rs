//! Checkpoints, for whoever asks for one.

use std::time::Duration;

use holdfast_persistence::Checkpoints;

use super::Engine;
use crate::checkpoint::{Error, Figures, Taken};

pub use holdfast_persistence::checkpoint::Kind;

impl Engine {
    /// Takes a checkpoint while everybody goes on, and waits until it is durable. [`Kind::Whole`] leaves the chain as one file.
    ///
    /// One is taken at a time; all who ask meanwhile get the next.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is lost, and the next one holds what this should have held.
    pub async fn checkpoint(&self, kind: Kind) -> Result<Taken, Error> {
        let keeper = self.inner.keeper.as_ref().ok_or(Error::Off)?;
        keeper.take(kind == Kind::Whole, false).await
    }

    /// The same with all the time that its shards have, for an engine that is about to stop: the next start is quicker then.
    /// Gives up after `wait_max`.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn checkpoint_before_stop(&self, wait_max: Duration) -> Result<Taken, Error> {
        let keeper = self.inner.keeper.as_ref().ok_or(Error::Off)?;
        tokio::time::timeout(wait_max, keeper.take(false, true)).await.unwrap_or(Err(Error::Stopped))
    }

    /// What the checkpoints of this process were like; nothing where none are taken.
    #[must_use]
    pub fn checkpoint_figures(&self) -> Option<Figures> {
        self.inner.keeper.as_ref().map(crate::checkpoint::Keeper::figures)
    }

    /// The number of the oldest frame that is kept; nothing where the journal cannot be read.
    #[must_use]
    pub fn first_batch(&self) -> Option<u64> {
        self.inner.reader.as_ref().map(|reader| reader.first_place().batch.0)
    }

    /// The files of the checkpoints; nothing where none are taken.
    #[must_use]
    pub fn checkpoint_files(&self) -> Option<Checkpoints> {
        self.inner.checkpoint_files.clone()
    }
}
