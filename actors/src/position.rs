//! A place in the journal as callers see it.

use holdfast_persistence::{Partition, Sequence};

/// The place of a record: its partition and its number there. There is no order between partitions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The slice of the journal.
    pub partition: Partition,
    /// Gap-free from 1.
    pub sequence: Sequence,
}
