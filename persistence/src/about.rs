//! What a journal knows of itself: its name, its partitions, and where it begins. Kept in sled's tree `meta`.
//!
//! Little endian: `about = format: u8 | id: [u8; 16] | partitions: u16 | crc: u32`; and, once something was trimmed, the head before the
//! first frame, `start = format: u8 | batch: u64 | previous: [u8; 32] | (sequence: u64 | epoch: u32 | time_ms: u64) of each
//! partition | crc: u32`. Without it the journal begins at its genesis.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::acknowledged::Mark;
use crate::error::Error;
use crate::frame::{FrameHash, JournalId};
use crate::record::{BatchNumber, Epoch, Sequence};
use crate::replay::{Head, PartitionHead};
use crate::sled_journal::store_error;

/// The format this release creates, and the newest it opens.
pub const JOURNAL_FORMAT: u8 = 1;

const START_FORMAT: u8 = 1;
const ABOUT_KEY: &str = "about";
const START_KEY: &str = "start";
const ABOUT_BYTES: usize = 1 + 16 + 2 + 4;
const PARTITION_BYTES: usize = 8 + 4 + 8;

/// What a journal is called, and how many partitions it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) id: JournalId,
    pub(crate) partitions: u16,
}

impl About {
    /// Reads what a store says of itself; nothing of one that was never written to.
    pub(crate) fn read(
        meta: &sled::Tree,
        frames: &sled::Tree,
        path: &Path,
        mark: Option<Mark>,
    ) -> Result<Option<About>, Error> {
        let failed = |error: sled::Error| store_error("describe", path, error);
        if let Some(stored) = meta.get(ABOUT_KEY).map_err(failed)? {
            let about = About::decode(&stored, path)?;
            if mark.is_some_and(|mark| mark.id != about.id) {
                let what = "its file `acknowledged` is that of another journal";
                return Err(Error::NoDescription { path: path.to_owned(), what });
            }
            return Ok(Some(about));
        }
        if mark.is_some() || frames.first().map_err(failed)?.is_some() {
            return Err(Error::NoDescription { path: path.to_owned(), what: "it is missing" });
        }
        Ok(None)
    }

    pub(crate) fn write(self, meta: &sled::Tree, path: &Path) -> Result<(), Error> {
        let written = meta.insert(ABOUT_KEY, self.encode().as_slice());
        written.map(drop).map_err(|error| store_error("describe", path, error))
    }

    fn encode(self) -> [u8; ABOUT_BYTES] {
        let mut bytes = [0; ABOUT_BYTES];
        bytes[0] = JOURNAL_FORMAT;
        bytes[1..17].copy_from_slice(&self.id.0);
        bytes[17..19].copy_from_slice(&self.partitions.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..19]);
        bytes[19..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The format comes first, at the same place in all formats to come, so that a newer one is told from damage.
    fn decode(bytes: &[u8], path: &Path) -> Result<About, Error> {
        let body = checked(bytes, JOURNAL_FORMAT, path)?;
        let unreadable = |what| Error::NoDescription { path: path.to_owned(), what };
        let (id, body) = body.split_first_chunk::<16>().ok_or_else(|| unreadable("it is cut short"))?;
        let partitions = body.try_into().map_err(|_| unreadable("it has a wrong length"))?;
        Ok(About { id: JournalId(*id), partitions: u16::from_le_bytes(partitions) })
    }
}

/// Reads where a journal begins.
pub(crate) fn read_start(meta: &sled::Tree, about: About, path: &Path) -> Result<Head, Error> {
    let stored = meta.get(START_KEY).map_err(|error| store_error("describe", path, error))?;
    stored.map_or_else(
        || Ok(Head::genesis(about.id, about.partitions)),
        |stored| decode_start(&stored, about.partitions, path),
    )
}

/// Writes where it begins from now on.
pub(crate) fn write_start(meta: &sled::Tree, start: &Head) -> sled::Result<()> {
    meta.insert(START_KEY, encode_start(start)).map(drop)
}

fn encode_start(start: &Head) -> Vec<u8> {
    let mut bytes = vec![START_FORMAT];
    bytes.extend_from_slice(&start.next_batch().0.to_le_bytes());
    bytes.extend_from_slice(&start.last_hash().0);
    for partition in start.partitions() {
        bytes.extend_from_slice(&partition.sequence.0.to_le_bytes());
        bytes.extend_from_slice(&partition.epoch.0.to_le_bytes());
        bytes.extend_from_slice(&partition.time_ms.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode_start(bytes: &[u8], partitions: u16, path: &Path) -> Result<Head, Error> {
    let body = checked(bytes, START_FORMAT, path)?;
    let unreadable = || Error::NoDescription { path: path.to_owned(), what: "where it begins is unreadable" };
    let (batch, body) = body.split_first_chunk::<8>().ok_or_else(unreadable)?;
    let (hash, body) = body.split_first_chunk::<32>().ok_or_else(unreadable)?;
    if body.len() != usize::from(partitions) * PARTITION_BYTES {
        return Err(unreadable());
    }
    let heads = body.chunks_exact(PARTITION_BYTES).map(|chunk| {
        let (sequence, rest) = chunk.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        Some(PartitionHead {
            sequence: Sequence(u64::from_le_bytes(*sequence)),
            epoch: Epoch(u32::from_le_bytes(*epoch)),
            time_ms: u64::from_le_bytes(rest.try_into().ok()?),
        })
    });
    let heads = heads.collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
    Ok(Head::new(BatchNumber(u64::from_le_bytes(*batch)), FrameHash(*hash), heads))
}

/// What is between the format, which must be known, and the checksum, which must be right.
fn checked<'b>(bytes: &'b [u8], known: u8, path: &Path) -> Result<&'b [u8], Error> {
    let unreadable = |what| Error::NoDescription { path: path.to_owned(), what };
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| unreadable("it is cut short"))?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(unreadable("its checksum is wrong"));
    }
    let (format, body) = body.split_first().ok_or_else(|| unreadable("it is empty"))?;
    if *format != known {
        return Err(Error::NewerFormat { path: path.to_owned(), found: *format, known });
    }
    Ok(body)
}

/// A name that no other journal has.
pub(crate) fn random_id() -> Result<JournalId, Error> {
    let path = PathBuf::from("/dev/urandom");
    let mut id = [0; 16];
    File::open(&path).and_then(|mut source| source.read_exact(&mut id)).map_err(|source| Error::Io {
        doing: "draw a name from",
        path,
        source,
    })?;
    Ok(JournalId(id))
}
