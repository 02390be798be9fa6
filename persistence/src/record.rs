//! What the journal keeps, and the numbers that order it. Pure values: no I/O, no format.
//!
//! A record is a header this crate understands and a payload it never looks into. How both become bytes
//! is the business of [`crate::frame`].

use std::fmt;

/// A slice of the journal with its own gap-free [`Sequence`]. Counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Partition(pub u16);

/// The place of a record within its partition. Dense; the first record has 1, so 0 says "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

/// The term of a partition's owner. Raised at every start; never falls along a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u32);

/// The place of a frame within the journal. Dense; the first frame has 1. Internal to one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BatchNumber(pub u64);

/// The place of a push within this process. Never stored.
///
/// A ticket is durable when everything pushed up to it is. [`Ticket::ZERO`] is durable from the start: it is
/// what an answer without a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticket(u64);

/// What the journal knows of a record without looking into its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// The slice of the journal it belongs to.
    pub partition: Partition,
    /// The term of the partition's owner who wrote it.
    pub epoch: Epoch,
    /// Its place within the partition: one more than its predecessor's.
    pub sequence: Sequence,
    /// Milliseconds since the Unix epoch, as the writer stamped them; never falls along a partition.
    pub time_ms: u64,
}

/// One record, borrowed from the frame it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Who wrote it where and when.
    pub header: RecordHeader,
    /// What was written; this crate never looks inside.
    pub payload: &'a [u8],
}

/// The twin of [`Record`] that outlives its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    /// Who wrote it where and when.
    pub header: RecordHeader,
    /// What was written; this crate never looks inside.
    pub payload: Vec<u8>,
}

impl BatchNumber {
    /// The number of the first frame of every journal.
    pub const FIRST: BatchNumber = BatchNumber(1);

    /// The number after this one.
    pub fn next(self) -> BatchNumber {
        BatchNumber(self.0.checked_add(1).expect("2^64 batches outlast the disk"))
    }
}

impl Sequence {
    /// The sequence after this one.
    pub fn next(self) -> Sequence {
        Sequence(self.0.checked_add(1).expect("2^64 records outlast the disk"))
    }
}

impl Ticket {
    /// Durable before anything was pushed.
    pub const ZERO: Ticket = Ticket(0);

    /// The ticket of that number; numbers go from ticket to ticket of one process only.
    pub fn new(number: u64) -> Ticket {
        Ticket(number)
    }

    /// The number, for keeping a ticket in an atomic.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Record<'_> {
    /// A digest of term, time and payload: tells the record from another one that has its partition and sequence, as after a
    /// restore to an earlier moment.
    pub fn check(&self) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.header.epoch.0.to_le_bytes());
        hasher.update(&self.header.time_ms.to_le_bytes());
        hasher.update(self.payload);
        let mut check = [0; size_of::<u32>()];
        hasher.finalize_xof().fill(&mut check);
        u32::from_le_bytes(check)
    }

    /// Copies the record out of its frame.
    pub fn to_owned(&self) -> OwnedRecord {
        OwnedRecord { header: self.header, payload: self.payload.to_vec() }
    }
}

impl OwnedRecord {
    /// Lends the record in its borrowed form.
    pub fn as_record(&self) -> Record<'_> {
        Record { header: self.header, payload: &self.payload }
    }
}

macro_rules! display_as_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    )*};
}

display_as_number!(Partition, Sequence, Epoch, BatchNumber, Ticket);
