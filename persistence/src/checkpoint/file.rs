//! One finished file, open: its ends are checked at the opening, each block when it is read.
//!
//! A file stays readable through its handle when it is removed. Nothing is cached but the index, and only by a chain.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Info;
use super::format::{Foot, HEADER_BYTES, Header, HeaderDamage, INDEX_ENTRY_BYTES, Place, root};
use crate::error::Error;
use crate::frame::JournalId;
use crate::journal::Cause;
use crate::record::Partition;

/// A file whose header and foot are good.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    header: [u8; HEADER_BYTES],
    foot: Foot,
    info: Info,
}

/// Reads a file from its beginning, without a place in common with others.
pub(super) struct Contents<'f> {
    file: &'f File,
    offset: u64,
}

/// Takes an entry: key, and value unless it is gone.
pub(super) type TakeEntry<'t> = dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), Error> + 't;

impl OpenFile {
    /// Opens a file that is to have this number, in this journal.
    pub(super) fn open(path: &Path, number: u64, id: JournalId, partitions: u16) -> Result<OpenFile, Error> {
        let failed = |source| Error::Io { doing: "open checkpoint", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut header_bytes = [0; HEADER_BYTES];
        read_at(&file, path, 0, &mut header_bytes)?;
        let header = Header::decode(&header_bytes).map_err(|damage| refusal(path, damage))?;
        if header.id != id {
            return Err(Error::ForeignCheckpoint { path: path.to_owned(), found: header.id, expected: id });
        }
        if header.partitions != partitions {
            return Err(damaged(path, 0, "it has another number of partitions than the journal"));
        }
        if header.number != number {
            return Err(damaged(path, 0, "it carries another number than its name"));
        }
        let mut foot = vec![0; Foot::bytes_of(partitions)];
        let Some(foot_at) = bytes.checked_sub(length(foot.len())).filter(|at| *at >= length(HEADER_BYTES))
        else {
            return Err(damaged(path, bytes, "it is cut short"));
        };
        read_at(&file, path, foot_at, &mut foot)?;
        let foot = Foot::decode(&foot, partitions)
            .ok_or_else(|| damaged(path, foot_at, "its end is damaged or cut off"))?;
        let index_bytes = foot.blocks.checked_mul(length(INDEX_ENTRY_BYTES));
        if index_bytes.and_then(|bytes| foot.index_at.checked_add(bytes)) != Some(foot_at) {
            return Err(damaged(path, foot_at, "its end does not lie where it says"));
        }
        let info = foot.clone().info(&header, path, bytes);
        Ok(OpenFile { file, header: header_bytes, foot, info })
    }

    pub(super) fn info(&self) -> &Info {
        &self.info
    }

    pub(super) fn into_info(self) -> Info {
        self.info
    }

    /// What tells it from any other file, as far as checksums do.
    pub(super) fn root(&self) -> [u8; 32] {
        self.foot.root
    }

    /// All of it as bytes.
    pub(super) fn contents(&self) -> Contents<'_> {
        Contents { file: &self.file, offset: 0 }
    }

    /// Where its blocks are, in order.
    pub(super) fn places(&self) -> Result<Vec<Place>, Error> {
        let path = &self.info.path;
        let bytes = self.foot.blocks.checked_mul(length(INDEX_ENTRY_BYTES));
        let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let mut index =
            vec![0; bytes.ok_or_else(|| damaged(path, self.foot.index_at, "its index does not fit"))?];
        read_at(&self.file, path, self.foot.index_at, &mut index)?;
        if root(&self.header, &index) != self.foot.root {
            return Err(damaged(path, self.foot.index_at, "the hash of its index is wrong"));
        }
        let partitions = u16::try_from(self.foot.mark.reflects.len()).unwrap_or(u16::MAX);
        Place::decode_all(&index, &self.foot, partitions)
            .ok_or_else(|| damaged(path, self.foot.index_at, "its index contradicts the rest"))
    }

    /// Reads one block and lends its entries, in order.
    pub(super) fn read_block(
        &self,
        place: &Place,
        buffer: &mut Vec<u8>,
        take: &mut TakeEntry<'_>,
    ) -> Result<(), Error> {
        let path = &self.info.path;
        let bad = |what| damaged(path, place.offset, what);
        buffer.resize(usize::try_from(place.block_bytes()).map_err(|_| bad("a block does not fit"))?, 0);
        read_at(&self.file, path, place.offset, buffer)?;
        let entries = place.entries(buffer).ok_or_else(|| bad("the checksum of a block is wrong"))?;
        let mut count = 0;
        for entry in entries {
            let (key, value) = entry.ok_or_else(|| bad("the lengths in a block contradict each other"))?;
            take(key, value)?;
            count += 1;
        }
        if count == place.count {
            Ok(())
        } else {
            Err(bad("a block has another number of entries than it says"))
        }
    }

    /// Reads all of it.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut buffer = Vec::new();
        for place in self.places()? {
            self.read_block(&place, &mut buffer, &mut |_, _| Ok(()))?;
        }
        Ok(())
    }

    /// What somebody said who could not take an entry of it.
    pub(super) fn not_taken(&self, partition: Partition, source: Cause) -> Error {
        Error::Take { path: self.info.path.clone(), partition, source }
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(buffer, self.offset)?;
        self.offset += length(bytes);
        Ok(bytes)
    }
}

fn refusal(path: &Path, damage: HeaderDamage) -> Error {
    match damage {
        HeaderDamage::Newer(found) => {
            let known = super::CHECKPOINT_FORMAT;
            Error::NewerCheckpoint { path: path.to_owned(), found, known }
        }
        HeaderDamage::What(what) => damaged(path, 0, what),
    }
}

fn damaged(path: &Path, offset: u64, what: &'static str) -> Error {
    Error::DamagedCheckpoint { path: path.to_owned(), offset, what }
}

/// Reads exactly so much. A file that ends before that was cut: it was whole when it got its name.
fn read_at(file: &File, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
    file.read_exact_at(buffer, offset).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path, offset, "it is cut short"),
        _ => Error::Io { doing: "read checkpoint", path: path.to_owned(), source },
    })
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits 64 bits")
}
