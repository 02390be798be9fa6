//! Places for the frames to come: keys with empty values, which no reader sees.
//!
//! sled splits a leaf of more than sixteen values in its middle and writes both halves whole: frames that are always put at
//! the end were written three times. To a value whose key is there already sled writes a link, and the leaf whole only behind
//! the tenth. A leaf that was split while it was empty has eight places, so each frame is written once.

use sled::{IVec, Tree};

use crate::record::BatchNumber;

/// How many places follow the newest frame at least: more than the last leaf has, which is still to be split.
const AHEAD_MIN: u64 = 32;

/// How many are made at once.
const MADE: u64 = 32;

/// Which batches have a place or a frame.
#[derive(Debug)]
pub(crate) struct Places {
    end: BatchNumber,
}

impl Places {
    /// Those of a journal that goes on with `next`.
    pub(crate) fn of(frames: &Tree, next: BatchNumber) -> sled::Result<Places> {
        let last = frames.last()?.and_then(|(key, _)| key.as_ref().try_into().ok().map(u64::from_be_bytes));
        let end = last.map_or(next, |last| BatchNumber(last).next().max(next));
        Ok(Places { end })
    }

    /// Sees to it that enough follow the frame `newest`.
    pub(crate) fn follow(&mut self, frames: &Tree, newest: BatchNumber) -> sled::Result<()> {
        let next = newest.next().max(self.end);
        if next.0 - newest.0 > AHEAD_MIN {
            return Ok(());
        }
        for batch in next.0..=newest.0 + AHEAD_MIN + MADE {
            frames.insert(batch.to_be_bytes(), IVec::default())?;
            self.end = BatchNumber(batch).next();
        }
        Ok(())
    }
}

/// Whether a value is only a place.
pub(crate) fn is_place(value: &IVec) -> bool {
    value.is_empty()
}
