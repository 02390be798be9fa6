//! Frames that stay while somebody copies them: a trim takes nothing from the first of them on.

use std::sync::{Mutex, PoisonError};

use crate::index::SharedIndex;
use crate::record::BatchNumber;
use crate::replay::Head;

/// The first frame that each pin keeps.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    kept: Mutex<Vec<BatchNumber>>,
}

/// Keeps all frames that there are from being trimmed, until it is dropped.
#[derive(Debug)]
pub struct Pin {
    index: SharedIndex,
    start: Head,
}

impl Pin {
    pub(crate) fn new(index: SharedIndex) -> Pin {
        let start = {
            // No chunk is on its way out meanwhile.
            let _alone = index.lock_earlier();
            let start = index.read().start().clone();
            index.pins().add(start.next_batch());
            start
        };
        Pin { index, start }
    }

    /// The head before the first frame that stays.
    pub fn start(&self) -> &Head {
        &self.start
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.index.pins().remove(self.start.next_batch());
    }
}

impl Pins {
    /// The first frame that somebody keeps, or `end`, whichever comes first.
    pub(crate) fn limit(&self, end: BatchNumber) -> BatchNumber {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().copied().min().map_or(end, |first| first.min(end))
    }

    fn add(&self, first: BatchNumber) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(first);
    }

    fn remove(&self, first: BatchNumber) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = kept.iter().position(|it| *it == first) {
            kept.swap_remove(index);
        }
    }
}
