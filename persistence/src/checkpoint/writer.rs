//! Makes a file: beside its name until it is whole and synced, then renamed. Nothing else ever writes below `checkpoints/`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::format::{Block, Foot, HEADER_BYTES, Header, Place, root};
use super::{Info, Kind, Mark, PARTIAL, create_partial};
use crate::error::Error;
use crate::folder::sync_folder;

const BUFFER_BYTES: usize = 256 * 1024;

/// How much is written between two syncs. One sync of a large file at its end would hold up those of the journal beside it.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// A file in the making, for a thread that may block. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct CheckpointWriter {
    file: BufWriter<File>,
    partial: Partial,
    header: Header,
    index: Vec<u8>,
    blocks: u64,
    entries: u64,
    /// Where the next block goes.
    offset: u64,
    unsynced_bytes: u64,
}

/// A file that has no name yet; it goes when it never gets one.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
    is_named: bool,
}

impl CheckpointWriter {
    pub(super) fn begin(target: PathBuf, header: Header) -> Result<CheckpointWriter, Error> {
        let (partial, file) = Partial::create(target)?;
        let mut writer = CheckpointWriter {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            partial,
            header,
            index: Vec::new(),
            blocks: 0,
            entries: 0,
            offset: 0,
            unsynced_bytes: 0,
        };
        writer.write(&header.encode())?;
        Ok(writer)
    }

    /// How much the file is to hold: everything, where there was nothing to build on.
    pub fn kind(&self) -> Kind {
        self.header.kind()
    }

    /// The number that the file will have.
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// The file that it builds on, of an increment.
    pub fn base(&self) -> Option<u64> {
        self.header.base
    }

    /// How much was written so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Appends a block; an empty one leaves nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    ///
    /// # Panics
    ///
    /// When the journal does not have the block's partition.
    pub fn put(&mut self, block: &Block) -> Result<(), Error> {
        assert!(block.partition().0 < self.header.partitions, "a block is of a partition of the journal");
        if block.is_empty() {
            return Ok(());
        }
        let header = block.header();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header);
        hasher.update(block.packed());
        let crc = hasher.finalize();
        let place = Place {
            partition: block.partition(),
            offset: self.offset,
            count: block.entries(),
            length: u32::try_from(block.bytes()).expect("a block is far below 4 GiB"),
            crc,
        };
        self.write(&header)?;
        self.write(block.packed())?;
        self.write(&crc.to_le_bytes())?;
        place.encode(&mut self.index);
        self.blocks += 1;
        self.entries += u64::from(block.entries());
        self.unsynced_bytes += place.block_bytes();
        if self.unsynced_bytes >= SYNC_BYTES {
            self.unsynced_bytes = 0;
            self.file
                .flush()
                .and_then(|()| self.file.get_ref().sync_data())
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Writes what the chain reflects, syncs, and gives the file its name.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; then there is no such file.
    ///
    /// # Panics
    ///
    /// When `mark` does not tell of each of the journal's partitions.
    pub fn finish(mut self, mark: &Mark) -> Result<Info, Error> {
        let partitions = usize::from(self.header.partitions);
        assert_eq!(mark.reflects.len(), partitions, "a mark tells of each partition");
        assert_eq!(mark.head.partitions().len(), partitions, "a head tells of each partition");
        let header: [u8; HEADER_BYTES] = self.header.encode();
        let foot = Foot {
            blocks: self.blocks,
            entries: self.entries,
            index_at: self.offset,
            mark: mark.clone(),
            root: root(&header, &self.index),
        };
        let index = std::mem::take(&mut self.index);
        self.write(&index)?;
        self.write(&foot.encode())?;
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|source| self.failed(source))?;
        let info = foot.info(&self.header, &self.partial.target, self.offset);
        self.partial.finish()?;
        Ok(info)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| self.failed(source))?;
        self.offset += u64::try_from(bytes.len()).expect("a length fits 64 bits");
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io { doing: "write checkpoint", path: self.partial.path.clone(), source }
    }
}

/// Copies and syncs a file that may be anything; it has no name yet.
pub(super) fn copy(target: PathBuf, source: &mut dyn Read) -> Result<Partial, Error> {
    let (partial, mut file) = Partial::create(target)?;
    io::copy(source, &mut file).and_then(|_| file.sync_all()).map_err(|source| Error::Io {
        doing: "copy checkpoint to",
        path: partial.path.clone(),
        source,
    })?;
    Ok(partial)
}

impl Partial {
    /// Claims a name.
    fn create(target: PathBuf) -> Result<(Partial, File), Error> {
        let path = target.with_extension(PARTIAL);
        let file = create_partial(&path)?;
        let partial = Partial { path, target, is_named: false };
        partial.check_is_free()?;
        Ok((partial, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, for good.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.check_is_free()?;
        fs::rename(&self.path, &self.target).map_err(|source| Error::Io {
            doing: "give checkpoint its name",
            path: self.target.clone(),
            source,
        })?;
        self.is_named = true;
        let folder = self.target.parent().unwrap_or(Path::new("."));
        sync_folder(folder).inspect_err(|_| {
            // Whoever is told no must not find it: a file whose name may not last is not to be built on.
            let _stays_and_is_sound = fs::remove_file(&self.target);
        })
    }

    /// Nobody else names a file while the claim is held, so looking is enough.
    fn check_is_free(&self) -> Result<(), Error> {
        let is_taken = self.target.try_exists().and_then(|is_taken| {
            if is_taken { Err(io::Error::from(io::ErrorKind::AlreadyExists)) } else { Ok(()) }
        });
        is_taken.map_err(|source| Error::Io {
            doing: "give checkpoint its name",
            path: self.target.clone(),
            source,
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_named {
            let _a_leftover_is_removed_at_the_next_opening = fs::remove_file(&self.path);
        }
    }
}
