//! One batch as bytes: how records are packed for the disk, chained and checked. No I/O.
//!
//! Shape, little endian throughout; `crc` is CRC-32 (IEEE) of everything before it:
//!
//! ```text
//! frame  = format: u8 | batch: u64 | previous: [u8; 32] | count: u32 | length: u32 | records | crc: u32
//! record = len: u32 | partition: u16 | epoch: u32 | sequence: u64 | time_ms: u64 | payload: [u8; len]
//! ```
//!
//! `previous` is the BLAKE3 hash of the whole frame before (of the journal's id for the first), so history
//! cannot be edited unnoticed. `count` and `length` are the number of records and of their bytes together.
//! The golden bytes are in `persistence/tests/golden/`; changing them is a decision, with a page.
//!
//! The queue fills a [`FrameBuilder`], the writer finishes it to an [`EncodedFrame`], and whoever reads
//! goes through [`Frame::decode`], which trusts nothing.

use std::fmt;

use crate::record::{BatchNumber, Epoch, Partition, Record, RecordHeader, Sequence};

/// The format this release writes, and the newest it reads.
pub const FRAME_FORMAT: u8 = 1;

/// The size beyond which the queue starts a new frame. Only a frame with a single record is larger.
///
/// It is small because of the store underneath: see [`crate::sled_journal`].
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

/// The largest payload a record may carry.
pub const RECORD_BYTES_MAX: usize = 96 * 1024;

/// The largest frame there is: one record with the largest payload.
pub const FRAME_BYTES_LIMIT: usize =
    FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + RECORD_BYTES_MAX + FRAME_TRAILER_BYTES;

pub(crate) const FRAME_HEADER_BYTES: usize = 1 + 8 + 32 + 4 + 4;
pub(crate) const FRAME_TRAILER_BYTES: usize = 4;
pub(crate) const RECORD_HEADER_BYTES: usize = 4 + 2 + 4 + 8 + 8;

const GENESIS_CONTEXT: &str = "holdfast 2026-11 journal genesis v1";

/// The name of one journal, drawn at random when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JournalId(pub [u8; 16]);

/// The BLAKE3 hash of a whole frame, trailer included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameHash(pub [u8; 32]);

/// A frame in the making: the records of one batch, packed as they come.
#[derive(Debug)]
pub struct FrameBuilder {
    bytes: Vec<u8>,
    count: u32,
}

/// A finished frame, as it goes to disk.
#[derive(Debug)]
pub struct EncodedFrame {
    batch: BatchNumber,
    count: u32,
    hash: FrameHash,
    bytes: Vec<u8>,
}

/// A frame read back, checked, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    batch: BatchNumber,
    previous: FrameHash,
    count: u32,
    records: &'a [u8],
}

/// The records of one frame, in order.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
}

/// Why some bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameDamage {
    /// There are fewer bytes than an empty frame has.
    #[error("it is cut short at {bytes} bytes")]
    Short {
        /// How many there are.
        bytes: usize,
    },
    /// The bytes are not those the checksum was made for.
    #[error("its checksum is {stored:08x} but its bytes give {computed:08x}")]
    Checksum {
        /// The checksum the frame carries.
        stored: u32,
        /// The checksum of what is there.
        computed: u32,
    },
    /// Sound bytes of a format this release does not know.
    #[error("it has format {found}, this release knows up to {FRAME_FORMAT}")]
    Format {
        /// The format it says it has.
        found: u8,
    },
    /// Sound bytes whose lengths contradict each other; a bug wrote them.
    #[error("its lengths contradict each other")]
    Shape,
}

impl FrameBuilder {
    /// An empty frame with room for [`FRAME_BYTES_MAX`] bytes.
    pub fn new() -> FrameBuilder {
        let mut bytes = Vec::with_capacity(FRAME_BYTES_MAX);
        bytes.resize(FRAME_HEADER_BYTES, 0);
        FrameBuilder { bytes, count: 0 }
    }

    /// Packs one record at the end.
    ///
    /// # Panics
    ///
    /// When the payload is larger than [`RECORD_BYTES_MAX`].
    pub fn push(&mut self, header: &RecordHeader, payload: &[u8]) {
        assert!(payload.len() <= RECORD_BYTES_MAX, "a payload fits its bound");
        let mut packed = [0; RECORD_HEADER_BYTES];
        packed[0..4].copy_from_slice(&length(payload.len()).to_le_bytes());
        packed[4..6].copy_from_slice(&header.partition.0.to_le_bytes());
        packed[6..10].copy_from_slice(&header.epoch.0.to_le_bytes());
        packed[10..18].copy_from_slice(&header.sequence.0.to_le_bytes());
        packed[18..26].copy_from_slice(&header.time_ms.to_le_bytes());
        self.bytes.reserve(RECORD_HEADER_BYTES + payload.len());
        self.bytes.extend_from_slice(&packed);
        self.bytes.extend_from_slice(payload);
        self.count += 1;
    }

    /// How many records it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Says whether records of `bytes` packed bytes can come in without passing [`FRAME_BYTES_MAX`].
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes + FRAME_TRAILER_BYTES <= FRAME_BYTES_MAX
    }

    /// Gives the frame its number, its place in the chain and its checksum.
    pub fn finish(mut self, batch: BatchNumber, previous: FrameHash) -> EncodedFrame {
        let records_length = length(self.bytes.len() - FRAME_HEADER_BYTES);
        self.bytes[0] = FRAME_FORMAT;
        self.bytes[1..9].copy_from_slice(&batch.0.to_le_bytes());
        self.bytes[9..41].copy_from_slice(&previous.0);
        self.bytes[41..45].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[45..49].copy_from_slice(&records_length.to_le_bytes());
        let crc = crc32fast::hash(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        let hash = FrameHash::of(&self.bytes);
        EncodedFrame { batch, count: self.count, hash, bytes: self.bytes }
    }
}

impl Default for FrameBuilder {
    fn default() -> FrameBuilder {
        FrameBuilder::new()
    }
}

impl EncodedFrame {
    /// Its place in the journal.
    pub fn batch(&self) -> BatchNumber {
        self.batch
    }

    /// How many records it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The hash the next frame must carry.
    pub fn hash(&self) -> FrameHash {
        self.hash
    }

    /// The frame as stored.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads back what was packed.
    pub fn frame(&self) -> Frame<'_> {
        Frame::parse(&self.bytes).expect("a frame we finished is a frame")
    }

    /// Takes a stored frame as it is, to write it to another journal that it follows.
    ///
    /// # Errors
    ///
    /// Those of [`Frame::decode`].
    pub fn from_stored(bytes: &[u8]) -> Result<EncodedFrame, FrameDamage> {
        let frame = Frame::decode(bytes)?;
        let (batch, count) = (frame.batch(), frame.count());
        Ok(EncodedFrame { batch, count, hash: FrameHash::of(bytes), bytes: bytes.to_vec() })
    }

    /// Empties the frame and gives its memory to the next.
    pub fn recycle(self) -> FrameBuilder {
        let mut bytes = self.bytes;
        bytes.truncate(FRAME_HEADER_BYTES);
        FrameBuilder { bytes, count: 0 }
    }
}

impl<'a> Frame<'a> {
    /// Reads one frame from bytes that may be anything.
    ///
    /// The checksum is compared before anything else is believed; afterwards the lengths are checked as well, so
    /// that [`Frame::records`] cannot fail.
    ///
    /// # Errors
    ///
    /// [`FrameDamage`], first what a crash can do ([`FrameDamage::is_torn`]), then the rest.
    pub fn decode(bytes: &'a [u8]) -> Result<Frame<'a>, FrameDamage> {
        if bytes.len() < FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES {
            return Err(FrameDamage::Short { bytes: bytes.len() });
        }
        let (body, trailer) = bytes.split_at(bytes.len() - FRAME_TRAILER_BYTES);
        let stored = u32::from_le_bytes(trailer.try_into().expect("the trailer has four bytes"));
        let computed = crc32fast::hash(body);
        if stored != computed {
            return Err(FrameDamage::Checksum { stored, computed });
        }
        Frame::parse(bytes)
    }

    /// Reads a frame whose checksum is known to be good.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, FrameDamage> {
        let mut rest = bytes;
        let format = u8::from_le_bytes(take(&mut rest).ok_or(FrameDamage::Shape)?);
        if format != FRAME_FORMAT {
            return Err(FrameDamage::Format { found: format });
        }
        let batch = BatchNumber(u64::from_le_bytes(take(&mut rest).ok_or(FrameDamage::Shape)?));
        let previous = FrameHash(take(&mut rest).ok_or(FrameDamage::Shape)?);
        let count = u32::from_le_bytes(take(&mut rest).ok_or(FrameDamage::Shape)?);
        let records_length = u32::from_le_bytes(take(&mut rest).ok_or(FrameDamage::Shape)?);
        let records_length = usize::try_from(records_length).map_err(|_| FrameDamage::Shape)?;
        if rest.len() != records_length.saturating_add(FRAME_TRAILER_BYTES) {
            return Err(FrameDamage::Shape);
        }
        let frame = Frame { batch, previous, count, records: &rest[..records_length] };
        if frame.has_sound_records() { Ok(frame) } else { Err(FrameDamage::Shape) }
    }

    /// Its place in the journal, as it says itself.
    pub fn batch(&self) -> BatchNumber {
        self.batch
    }

    /// The hash of the frame before it.
    pub fn previous(&self) -> FrameHash {
        self.previous
    }

    /// How many records it holds.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Its records, in the order they were pushed.
    pub fn records(&self) -> Records<'a> {
        Records { rest: self.records }
    }

    /// Packs its first records alone, all of them where there are fewer: a journal that is cut within this frame ends with these.
    pub fn first_records(&self, count: u32) -> FrameBuilder {
        let mut builder = FrameBuilder::new();
        for record in self.records().take(usize::try_from(count).unwrap_or(usize::MAX)) {
            builder.push(&record.header, record.payload);
        }
        builder
    }

    fn has_sound_records(&self) -> bool {
        let mut records = self.records();
        let mut count = 0_u32;
        while records.next().is_some() {
            count += 1;
        }
        records.rest.is_empty() && count == self.count
    }
}

impl<'a> Records<'a> {
    /// The records of a checked frame that begin behind so many bytes of its records, where one of them ends.
    pub(crate) fn behind(frame: &'a [u8], bytes: usize) -> Records<'a> {
        Records { rest: &frame[FRAME_HEADER_BYTES + bytes..frame.len() - FRAME_TRAILER_BYTES] }
    }

    /// The records that the bytes of a damaged frame still show, as far as their lengths lead on. Any of it may be wrong.
    pub(crate) fn guess(frame: &'a [u8]) -> Records<'a> {
        Records { rest: frame.get(FRAME_HEADER_BYTES..).unwrap_or_default() }
    }

    /// How many bytes the records have that are still to come.
    pub(crate) fn bytes_left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut rest = self.rest;
        let length = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        let header = RecordHeader {
            partition: Partition(u16::from_le_bytes(take(&mut rest)?)),
            epoch: Epoch(u32::from_le_bytes(take(&mut rest)?)),
            sequence: Sequence(u64::from_le_bytes(take(&mut rest)?)),
            time_ms: u64::from_le_bytes(take(&mut rest)?),
        };
        let (payload, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Record { header, payload })
    }
}

impl FrameDamage {
    /// Says whether a crash in the middle of a write can leave this behind.
    pub fn is_torn(self) -> bool {
        matches!(self, FrameDamage::Short { .. } | FrameDamage::Checksum { .. })
    }
}

impl FrameHash {
    /// What the first frame of a journal carries in place of a predecessor's hash.
    pub fn genesis(id: JournalId) -> FrameHash {
        FrameHash(blake3::derive_key(GENESIS_CONTEXT, &id.0))
    }

    /// The hash of a whole frame.
    pub fn of(frame: &[u8]) -> FrameHash {
        FrameHash(*blake3::hash(frame).as_bytes())
    }
}

impl fmt::Display for FrameHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for FrameHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// How many bytes a record with this payload takes within a frame.
pub(crate) fn packed_bytes(payload: &[u8]) -> usize {
    RECORD_HEADER_BYTES + payload.len()
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a frame is far below 4 GiB")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
