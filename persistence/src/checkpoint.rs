//! Checkpoints: what the journal leads to, written down, so that a start need not read all of it and old frames can go.
//!
//! A checkpoint is a chain of files below `checkpoints/`: one that is whole, then increments. Each file is written beside its name,
//! synced and renamed, and never changed afterwards, so that an older chain can be kept for a restore to a moment while a newer one
//! is used. Knows partitions, keys and values; what they mean is the caller's business.
//!
//! The bytes are told in `checkpoint/format.rs`, reading them in `checkpoint/file.rs` and `checkpoint/chain.rs`, writing in
//! `checkpoint/writer.rs`, what can go in `checkpoint/retain.rs`. Every file ends one chain: the one that leads to it over the bases.
//! A file is in the making by one writer at a time, in all processes: its name beside the real one is the claim.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::error::Error;
use crate::folder::{Folder, sync_folder};
use crate::frame::JournalId;
use crate::journal::Cause;
use crate::record::{BatchNumber, Partition, Sequence};
use crate::replay::Head;

mod chain;
mod file;
mod format;
mod retain;
mod writer;

use file::OpenFile;
use format::Header;

pub use chain::Checkpoint;
pub use format::{Block, CHECKPOINT_FORMAT, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use retain::BytesFrom;
pub use writer::CheckpointWriter;

/// The bytes at which a [`Block`] is full; the last entry may pass it.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

const FOLDER: &str = "checkpoints";
const FINISHED: &str = "checkpoint";
const PARTIAL: &str = "partial";
/// The digits of the highest number there is: names sort as numbers do.
const NUMBER_DIGITS: usize = 20;

/// What a checkpoint reflects, and where reading goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where frames are read from. Every record before it is reflected.
    pub head: Head,
    /// By partition, the last record that is reflected: of the records behind `head`, those up to it are left out.
    pub reflects: Vec<Sequence>,
    /// When it was taken, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How much a checkpoint file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Whole,
    /// What changed since the file before it.
    Increment,
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// Everything since this long ago.
    Age(std::time::Duration),
    /// Frames and checkpoints of this many bytes; the newest checkpoint and what follows it always.
    Bytes(u64),
    /// All of it.
    All,
}

/// One file of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its number; the newest has the highest.
    pub number: u64,
    /// How much it holds.
    pub kind: Kind,
    /// The file that it builds on, of an increment.
    pub base: Option<u64>,
    /// What the chain up to it reflects.
    pub mark: Mark,
    /// Its entries, those that say that something is gone included.
    pub entries: u64,
    /// Its size.
    pub bytes: u64,
    /// Where it is.
    pub path: PathBuf,
}

/// The checkpoints of one journal.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    path: PathBuf,
    id: JournalId,
    partitions: u16,
    /// Whoever works in the folder keeps it from others for as long.
    _folder: Folder,
}

/// What [`Checkpoints::retain`] finds that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unneeded {
    /// The first frame that is still needed.
    pub first_needed: BatchNumber,
    /// Files that can go.
    pub files: Vec<PathBuf>,
}

/// Takes one entry of a checkpoint: partition, key, value.
pub type Take<'t> = dyn FnMut(Partition, &[u8], &[u8]) -> Result<(), Cause> + 't;

impl Checkpoints {
    /// The checkpoints in a data folder; files that were never finished are removed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(folder: &Folder, id: JournalId, partitions: u16) -> Result<Checkpoints, Error> {
        let path = folder.subfolder(FOLDER)?;
        remove_leftovers(&path)?;
        Ok(Checkpoints { path, id, partitions, _folder: folder.clone() })
    }

    /// The numbers of all files, oldest first, as their names say; what is in them is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn numbers(&self) -> Result<Vec<u64>, Error> {
        let mut numbers = numbers_in(&self.path, FINISHED)?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// All files, oldest first. Reads and checks the beginning and the end of each, not what is between.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::DamagedCheckpoint`] with path and place, [`Error::NewerCheckpoint`] and [`Error::ForeignCheckpoint`].
    pub fn list(&self) -> Result<Vec<Info>, Error> {
        loop {
            let numbers = self.numbers()?;
            let infos =
                numbers.into_iter().map(|number| Ok(self.file_if_there(number)?.map(OpenFile::into_info)));
            // Without one that was removed meanwhile, what replaced it would be missing as well. Each round needs such a one.
            if let Some(infos) = infos.collect::<Result<Option<Vec<_>>, _>>()? {
                return Ok(infos);
            }
        }
    }

    /// Reads and checks all of a file.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::list`].
    pub fn check(&self, info: &Info) -> Result<(), Error> {
        self.file(info.number)?.check()
    }

    /// The chain that ends with a file.
    ///
    /// With [`Checkpoints::numbers`], this is how to go on with an older chain where a newer one is damaged.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::list`] for its files alone; [`Error::NoBase`] when one of them is missing.
    pub fn chain(&self, number: u64) -> Result<Checkpoint, Error> {
        let mut files = vec![self.file(number)?];
        while let Some(base) = files.last().and_then(|file| file.info().base) {
            let missing = || Error::NoBase {
                path: files.last().map(|file| file.info().path.clone()).unwrap_or_default(),
                base: self.path_of(base),
            };
            let file = self.file_if_there(base)?.ok_or_else(missing)?;
            files.push(file);
        }
        files.reverse();
        Checkpoint::new(files, self.partitions)
    }

    /// The newest chain.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::chain`].
    pub fn newest(&self) -> Result<Option<Checkpoint>, Error> {
        let mut newest = self.numbers()?.last().copied();
        while let Some(number) = newest {
            let error = match self.chain(number) {
                Ok(chain) => return Ok(Some(chain)),
                Err(error) => error,
            };
            // Another may have been finished since, and this one removed. Each round needs a newer one.
            newest = self.numbers()?.last().copied().filter(|newest| *newest > number);
            if newest.is_none() {
                return Err(error);
            }
        }
        Ok(None)
    }

    /// The newest chain that reflects no record beyond `ends` (by partition): where a restore to a moment begins.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::chain`], for that chain and each file that is newer.
    pub fn newest_within(&self, ends: &[Sequence]) -> Result<Option<Checkpoint>, Error> {
        for number in self.numbers()?.into_iter().rev() {
            let Some(file) = self.file_if_there(number)? else { continue };
            let end_of = |partition: usize| ends.get(partition).copied().unwrap_or_default();
            let mut reflects = file.info().mark.reflects.iter().enumerate();
            if !reflects.all(|(partition, last)| *last <= end_of(partition)) {
                continue;
            }
            match self.chain(number) {
                // Removed meanwhile: a chain goes before what it builds on.
                Err(_) if self.file_if_there(number)?.is_none() => {}
                chain => return chain.map(Some),
            }
        }
        Ok(None)
    }

    /// How many bytes of the disk that they are on are free.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let measured = crate::disk::free_bytes(&self.path);
        measured.map_err(|source| Error::Io { doing: "measure the disk of", path: self.path.clone(), source })
    }

    /// Begins a file. An increment needs a newest chain to build on; without a sound one the file is whole, and
    /// [`CheckpointWriter::kind`] says so.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::CheckpointBusy`] while another file is in the making.
    pub fn begin(&self, kind: Kind) -> Result<CheckpointWriter, Error> {
        let newest = self.numbers()?.last().copied();
        let base = match (kind, newest) {
            (Kind::Increment, Some(newest)) => self.sound_base(newest)?,
            _ => None,
        };
        let number = newest.unwrap_or_default().checked_add(1).expect("2^64 checkpoints outlast the disk");
        let header = Header { number, base, id: self.id, partitions: self.partitions };
        CheckpointWriter::begin(self.path_of(number), header)
    }

    /// Makes one whole file of the newest chain, without what `keep` says no to (it gets key and value); nothing when the
    /// chain has one file. The old files stay until [`Checkpoints::retain`] lets them go.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::begin`], and that of a damaged file.
    pub fn merge(&self, keep: &dyn Fn(&[u8], &[u8]) -> bool) -> Result<Option<Info>, Error> {
        if self.newest()?.is_none_or(|chain| chain.files().len() == 1) {
            return Ok(None);
        }
        // Looked for again behind the claim: a file that was finished in between belongs to what is merged.
        let mut writer = self.begin(Kind::Whole)?;
        let Some(chain) = self.newest()? else { return Ok(None) };
        for partition in (0..self.partitions).map(Partition) {
            let mut block = Block::new(partition);
            chain.walk(partition, &mut |_, key, value| {
                if !keep(key, value) {
                    return Ok(());
                }
                block.push(key, Some(value));
                if block.is_full() {
                    writer.put(&block)?;
                    block.clear();
                }
                Ok(())
            })?;
            writer.put(&block)?;
        }
        writer.finish(chain.mark()).map(Some)
    }

    /// Takes a file as it was written for the same journal, in this folder or in another: all of it is checked before it gets its name.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also when there is a file of this number; those of [`Checkpoints::list`] when it is no sound file.
    pub fn import(&self, number: u64, source: &mut dyn Read) -> Result<Info, Error> {
        let copied = writer::copy(self.path_of(number), source)?;
        let file = OpenFile::open(copied.path(), number, self.id, self.partitions)?;
        file.check()?;
        copied.finish()?;
        Ok(Info { path: self.path_of(number), ..file.into_info() })
    }

    /// Copies the files of a chain into another data folder, which has the same journal. Durable when it returns; files that are
    /// there already stay, as chains share files. The chain may lose its names meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::import`]; [`Error::Io`] when there is another file of the same number.
    pub fn copy_into(&self, folder: &Folder, chain: &Checkpoint) -> Result<(), Error> {
        let target = Checkpoints::open(folder, self.id, self.partitions)?;
        let numbers = target.numbers()?;
        for file in chain.opened() {
            let number = file.info().number;
            if !numbers.contains(&number) {
                target.import(number, &mut file.contents())?;
            } else if target.file(number)?.root() != file.root() {
                let source = io::Error::from(io::ErrorKind::AlreadyExists);
                return Err(Error::Io { doing: "copy checkpoint to", path: target.path_of(number), source });
            }
        }
        Ok(())
    }

    /// The newest file, if an increment can build on it. A chain that is damaged costs a whole file, no more.
    fn sound_base(&self, newest: u64) -> Result<Option<u64>, Error> {
        match self.chain(newest) {
            Ok(_) => Ok(Some(newest)),
            Err(error) if error.is_of_checkpoint() => {
                tracing::warn!(%error, "no increment can build on the newest checkpoint: the next one is whole");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn file(&self, number: u64) -> Result<OpenFile, Error> {
        OpenFile::open(&self.path_of(number), number, self.id, self.partitions)
    }

    fn file_if_there(&self, number: u64) -> Result<Option<OpenFile>, Error> {
        match self.file(number) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            file => file.map(Some),
        }
    }

    fn path_of(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:0NUMBER_DIGITS$}.{FINISHED}"))
    }
}

/// The numbers of files whose names end so. What is called otherwise is not ours.
fn numbers_in(folder: &Path, ending: &str) -> Result<Vec<u64>, Error> {
    let failed = |source| Error::Io { doing: "list folder", path: folder.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        numbers.extend(name.to_str().and_then(|name| number_of(name, ending)));
    }
    Ok(numbers)
}

fn number_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?.strip_suffix('.')?;
    let is_ours = digits.len() == NUMBER_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_ours { digits.parse().ok() } else { None }
}

/// Removes what a crash left unfinished. A file that is being written is locked by its writer and stays.
fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    let mut has_removed = false;
    for number in numbers_in(folder, PARTIAL)? {
        let path = folder.join(format!("{number:0NUMBER_DIGITS$}.{PARTIAL}"));
        let failed = |source| Error::Io { doing: "remove unfinished checkpoint", path: path.clone(), source };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(failed)?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => fs::remove_file(&path).map_err(failed)?,
            Err(rustix::io::Errno::WOULDBLOCK) => continue,
            Err(errno) => return Err(failed(errno.into())),
        }
        has_removed = true;
    }
    if has_removed { sync_folder(folder) } else { Ok(()) }
}

/// Creates a file that nobody has, for this user alone, and keeps it from being taken for a leftover.
fn create_partial(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::CheckpointBusy { path: path.to_owned() },
        _ => Error::Io { doing: "create checkpoint", path: path.to_owned(), source },
    })?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| Error::Io {
        doing: "lock checkpoint",
        path: path.to_owned(),
        source: errno.into(),
    })?;
    Ok(file)
}
