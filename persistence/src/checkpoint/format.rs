//! A checkpoint file as bytes. No I/O; nothing read back is believed before its checksum is.
//!
//! Shape, little endian throughout; `crc` is CRC-32 (IEEE) of everything before it in its part, beginning with the part's first byte:
//!
//! ```text
//! file   = header | block* | index | foot
//! header = magic: [u8; 8] | format: u8 | kind: u8 | partitions: u16 | journal: [u8; 16] | number: u64 | base: u64 | crc: u32
//! block  = partition: u16 | count: u32 | length: u32 | entries: [u8; length] | crc: u32
//! entry  = key length: u16 | value length: u32 | key | value
//! index  = (partition: u16 | count: u32 | length: u32 | crc: u32)*
//! foot   = blocks: u64 | entries: u64 | index at: u64 | at_ms: u64 | next batch: u64 | last hash: [u8; 32]
//!        | (sequence: u64 | epoch: u32 | time_ms: u64 | reflects: u64)* | root: [u8; 32] | crc: u32
//! ```
//!
//! A value length of `u32::MAX` says that the key is gone; no value follows. `kind` is 0 of a whole file, whose `base` is 0, and 1 of an
//! increment. The index tells of each block, in order, what the block's own ends say; blocks follow each other without a gap from the
//! header to the index, so its entries need no offsets. The foot has one row for each partition and ends with the file: its length
//! follows from the header. `root` is the BLAKE3 hash of header and index, so no part can be exchanged for that of another file.
//!
//! The header keeps this shape in all formats to come, so that a newer one is told from damage.

use std::path::Path;

use super::{BLOCK_BYTES_MAX, Info, Kind, Mark};
use crate::frame::{FrameHash, JournalId};
use crate::record::{BatchNumber, Epoch, Partition, Sequence};
use crate::replay::{Head, PartitionHead};

/// The format this release writes, and the newest it reads.
pub const CHECKPOINT_FORMAT: u8 = 1;

/// The largest key of an entry.
pub const KEY_BYTES_MAX: usize = 4 * 1024;

/// The largest value of an entry.
pub const VALUE_BYTES_MAX: usize = 256 * 1024 * 1024;

pub(super) const HEADER_BYTES: usize = 8 + 1 + 1 + 2 + 16 + 8 + 8 + 4;
pub(super) const BLOCK_HEADER_BYTES: usize = 2 + 4 + 4;
pub(super) const CRC_BYTES: usize = 4;
pub(super) const INDEX_ENTRY_BYTES: usize = 2 + 4 + 4 + 4;

const MAGIC: [u8; 8] = *b"HFCHECKP";
const WHOLE: u8 = 0;
const INCREMENT: u8 = 1;
const NO_BASE: u64 = 0;
const GONE: u32 = u32::MAX;
const FOOT_FIXED_BYTES: usize = 8 + 8 + 8 + 8 + 8 + 32 + 32 + 4;
const FOOT_ROW_BYTES: usize = 8 + 4 + 8 + 8;

/// Entries of one partition, packed by whoever knows them, so that the writer only copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    partition: Partition,
    count: u32,
    bytes: Vec<u8>,
}

/// What a file says of itself before anything is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// Without one the file is whole.
    pub(super) base: Option<u64>,
    pub(super) id: JournalId,
    pub(super) partitions: u16,
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderDamage {
    /// Sound, of a format to come.
    Newer(u8),
    /// Anything else.
    What(&'static str),
}

/// Where a block lies, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: Partition,
    /// Of its first byte, from the file's start.
    pub(super) offset: u64,
    pub(super) count: u32,
    /// Of its entries alone.
    pub(super) length: u32,
    pub(super) crc: u32,
}

/// What a file says of itself when everything is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foot {
    pub(super) blocks: u64,
    pub(super) entries: u64,
    pub(super) index_at: u64,
    pub(super) mark: Mark,
    pub(super) root: [u8; 32],
}

/// The entries of one block, in order; an entry that does not fit is `None` and the last.
pub(super) struct Entries<'b> {
    rest: &'b [u8],
}

/// A key and its value; without one it is gone.
pub(super) type Entry<'b> = (&'b [u8], Option<&'b [u8]>);

impl Block {
    /// An empty block of a partition.
    pub fn new(partition: Partition) -> Block {
        Block { partition, count: 0, bytes: Vec::new() }
    }

    /// Packs an entry at the end; no value says that it is gone. A key is put once into a file.
    ///
    /// # Panics
    ///
    /// When the key is larger than [`KEY_BYTES_MAX`] or the value larger than [`VALUE_BYTES_MAX`].
    pub fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        assert!(key.len() <= KEY_BYTES_MAX, "a key fits its bound");
        let value_length = match value {
            Some(value) => {
                assert!(value.len() <= VALUE_BYTES_MAX, "a value fits its bound");
                length(value.len())
            }
            None => GONE,
        };
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(BLOCK_BYTES_MAX);
        }
        let key_length = u16::try_from(key.len()).expect("a key is far below 64 KiB");
        self.bytes.extend_from_slice(&key_length.to_le_bytes());
        self.bytes.extend_from_slice(&value_length.to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.count += 1;
    }

    /// Whose entries it has.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// How many entries it holds.
    pub fn entries(&self) -> u32 {
        self.count
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it is time to write it.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES_MAX
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }

    /// What comes before the entries in the file.
    pub(super) fn header(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[0..2].copy_from_slice(&self.partition.0.to_le_bytes());
        bytes[2..6].copy_from_slice(&self.count.to_le_bytes());
        bytes[6..10].copy_from_slice(&length(self.bytes.len()).to_le_bytes());
        bytes
    }

    /// The entries as they are in the file.
    pub(super) fn packed(&self) -> &[u8] {
        &self.bytes
    }
}

impl Header {
    pub(super) fn kind(&self) -> Kind {
        if self.base.is_some() { Kind::Increment } else { Kind::Whole }
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(CHECKPOINT_FORMAT);
        bytes.push(if self.base.is_some() { INCREMENT } else { WHOLE });
        bytes.extend_from_slice(&self.partitions.to_le_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.base.unwrap_or(NO_BASE).to_le_bytes());
        seal(&mut bytes);
        bytes.try_into().expect("a header has one length")
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, HeaderDamage> {
        let mut rest = unseal(bytes).ok_or(HeaderDamage::What("the checksum of its header is wrong"))?;
        let short = HeaderDamage::What("its header is cut short");
        if take::<8>(&mut rest).ok_or(short)? != MAGIC {
            return Err(HeaderDamage::What("it is no checkpoint"));
        }
        let [format, kind] = take(&mut rest).ok_or(short)?;
        if format != CHECKPOINT_FORMAT {
            return Err(HeaderDamage::Newer(format));
        }
        let partitions = u16::from_le_bytes(take(&mut rest).ok_or(short)?);
        let id = JournalId(take(&mut rest).ok_or(short)?);
        let number = u64::from_le_bytes(take(&mut rest).ok_or(short)?);
        let base = match (kind, u64::from_le_bytes(take(&mut rest).ok_or(short)?)) {
            (WHOLE, NO_BASE) => None,
            (INCREMENT, base) if base != NO_BASE && base < number => Some(base),
            _ => return Err(HeaderDamage::What("its kind and its base contradict each other")),
        };
        Ok(Header { number, base, id, partitions })
    }
}

impl Place {
    /// Of the whole block, with its ends.
    pub(super) fn block_bytes(&self) -> u64 {
        let ends = BLOCK_HEADER_BYTES + CRC_BYTES;
        u64::from(self.length) + u64::try_from(ends).expect("a length fits 64 bits")
    }

    /// Appends what the index says of it.
    pub(super) fn encode(&self, index: &mut Vec<u8>) {
        index.extend_from_slice(&self.partition.0.to_le_bytes());
        index.extend_from_slice(&self.count.to_le_bytes());
        index.extend_from_slice(&self.length.to_le_bytes());
        index.extend_from_slice(&self.crc.to_le_bytes());
    }

    /// Reads an index whose hash is known to be good; nothing when it does not tell of exactly what lies before it.
    pub(super) fn decode_all(index: &[u8], foot: &Foot, partitions: u16) -> Option<Vec<Place>> {
        let mut places = Vec::with_capacity(index.len() / INDEX_ENTRY_BYTES);
        let (mut rest, mut offset, mut entries) = (index, u64::try_from(HEADER_BYTES).ok()?, 0_u64);
        while !rest.is_empty() {
            let partition = Partition(u16::from_le_bytes(take(&mut rest)?));
            let count = u32::from_le_bytes(take(&mut rest)?);
            let length = u32::from_le_bytes(take(&mut rest)?);
            let crc = u32::from_le_bytes(take(&mut rest)?);
            let place = Place { partition, offset, count, length, crc };
            offset = offset.checked_add(place.block_bytes())?;
            entries = entries.checked_add(u64::from(count))?;
            if partition.0 >= partitions {
                return None;
            }
            places.push(place);
        }
        (offset == foot.index_at && entries == foot.entries).then_some(places)
    }

    /// The entries of a block as it was read; nothing when it is not what the index tells of.
    pub(super) fn entries<'b>(&self, block: &'b [u8]) -> Option<Entries<'b>> {
        let mut rest = unseal(block)?;
        let crc = block.last_chunk().copied().map(u32::from_le_bytes)?;
        let partition = Partition(u16::from_le_bytes(take(&mut rest)?));
        let count = u32::from_le_bytes(take(&mut rest)?);
        let length = u32::from_le_bytes(take(&mut rest)?);
        let is_this = (partition, count, length, crc) == (self.partition, self.count, self.length, self.crc);
        is_this.then_some(Entries { rest })
    }
}

impl Foot {
    /// How long the foot of a file with so many partitions is.
    pub(super) fn bytes_of(partitions: u16) -> usize {
        FOOT_FIXED_BYTES + usize::from(partitions) * FOOT_ROW_BYTES
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let head = &self.mark.head;
        let mut bytes = Vec::new();
        for number in [self.blocks, self.entries, self.index_at, self.mark.at_ms, head.next_batch().0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&head.last_hash().0);
        for (partition, reflects) in head.partitions().iter().zip(&self.mark.reflects) {
            bytes.extend_from_slice(&partition.sequence.0.to_le_bytes());
            bytes.extend_from_slice(&partition.epoch.0.to_le_bytes());
            bytes.extend_from_slice(&partition.time_ms.to_le_bytes());
            bytes.extend_from_slice(&reflects.0.to_le_bytes());
        }
        bytes.extend_from_slice(&self.root);
        seal(&mut bytes);
        bytes
    }

    /// Reads a foot; nothing when its checksum is wrong.
    pub(super) fn decode(bytes: &[u8], partitions: u16) -> Option<Foot> {
        let mut rest = unseal(bytes)?;
        let blocks = u64::from_le_bytes(take(&mut rest)?);
        let entries = u64::from_le_bytes(take(&mut rest)?);
        let index_at = u64::from_le_bytes(take(&mut rest)?);
        let at_ms = u64::from_le_bytes(take(&mut rest)?);
        let next_batch = BatchNumber(u64::from_le_bytes(take(&mut rest)?));
        let last_hash = FrameHash(take(&mut rest)?);
        let mut heads = Vec::with_capacity(usize::from(partitions));
        let mut reflects = Vec::with_capacity(usize::from(partitions));
        for _ in 0..partitions {
            heads.push(PartitionHead {
                sequence: Sequence(u64::from_le_bytes(take(&mut rest)?)),
                epoch: Epoch(u32::from_le_bytes(take(&mut rest)?)),
                time_ms: u64::from_le_bytes(take(&mut rest)?),
            });
            reflects.push(Sequence(u64::from_le_bytes(take(&mut rest)?)));
        }
        let root = take(&mut rest)?;
        let mark = Mark { head: Head::new(next_batch, last_hash, heads), reflects, at_ms };
        Some(Foot { blocks, entries, index_at, mark, root })
    }

    /// What the file is, with what its header says.
    pub(super) fn info(self, header: &Header, path: &Path, bytes: u64) -> Info {
        Info {
            number: header.number,
            kind: header.kind(),
            base: header.base,
            mark: self.mark,
            entries: self.entries,
            bytes,
            path: path.to_owned(),
        }
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = Option<Entry<'b>>;

    fn next(&mut self) -> Option<Option<Entry<'b>>> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = next_entry(&mut self.rest);
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry)
    }
}

fn next_entry<'b>(rest: &mut &'b [u8]) -> Option<Entry<'b>> {
    let key_length = usize::from(u16::from_le_bytes(take(rest)?));
    let value_length = u32::from_le_bytes(take(rest)?);
    let key = rest.split_off(..key_length)?;
    if value_length == GONE {
        return Some((key, None));
    }
    let value = rest.split_off(..usize::try_from(value_length).ok()?)?;
    Some((key, Some(value)))
}

/// The hash of what ties the parts of a file together.
pub(super) fn root(header: &[u8; HEADER_BYTES], index: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header);
    hasher.update(index);
    *hasher.finalize().as_bytes()
}

fn seal(bytes: &mut Vec<u8>) {
    let crc = crc32fast::hash(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (body, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    (crc32fast::hash(body) == u32::from_le_bytes(*crc)).then_some(body)
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a block is far below 4 GiB")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
