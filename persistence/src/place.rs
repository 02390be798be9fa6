//! Places in the journal's order: that of its frames, and within a frame that of its records.
//!
//! A position of the API is a partition and a sequence, which say nothing about the order between partitions. A [`Place`] does, and
//! belongs to one journal: a restore may put the same record elsewhere, so nobody tells it to a client.

use crate::record::BatchNumber;

/// The place before one record of the journal. Places compare in the journal's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The frame.
    pub batch: BatchNumber,
    /// How many records of the frame come before.
    pub record: u32,
}

impl Place {
    /// The place before the first record of a frame: also the one behind all frames before it.
    pub fn before(batch: BatchNumber) -> Place {
        Place { batch, record: 0 }
    }

    /// The place behind the record that this one is before.
    #[must_use]
    pub fn behind(self) -> Place {
        Place { batch: self.batch, record: self.record.saturating_add(1) }
    }
}
