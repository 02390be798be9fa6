//! The data folder: created once, durably, and worked in by one process at a time.
//!
//! Everything this crate stores lies below a [`Folder`]. The lock is an exclusive `flock` on the file `LOCK`; the operating
//! system releases it when the process ends, however it ends, so a stale lock cannot exist.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;

use crate::error::Error;

const LOCK_FILE: &str = "LOCK";
const HOLDER_BYTES_MAX: u64 = 512;

/// An open data folder. Clones share the lock; the last one gone releases it.
#[derive(Debug, Clone)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Open for as long as the folder is ours: closing it releases the lock.
    _lock: File,
}

/// Who holds a folder, as its lock file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process, if it had time to write it down.
    pub pid: Option<u32>,
    /// The program and its verb; nothing else of the command line, which may hold secrets.
    pub command: String,
}

impl Folder {
    /// Opens the folder for this process alone; creates it, for this user alone, where it is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] naming the holder when another process (or this one) has it open; [`Error::Io`] when the operating
    /// system says no.
    pub fn open(path: impl Into<PathBuf>) -> Result<Folder, Error> {
        let path = path.into();
        create(&path)?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|source| Error::Io { doing: "open lock file", path: lock_path.clone(), source })?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Locked { path, holder: Holder::read(&mut lock) });
            }
            Err(errno) => return Err(Error::Io { doing: "lock", path: lock_path, source: errno.into() }),
        }
        Holder::this_process().write(&mut lock).map_err(|source| Error::Io {
            doing: "write lock file",
            path: lock_path,
            source,
        })?;
        sync_folder(&path)?;
        Ok(Folder { inner: Arc::new(Inner { path, _lock: lock }) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Creates a folder within this one, durably, and returns where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the operating system says no.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path().join(name);
        create(&path)?;
        Ok(path)
    }
}

/// Creates what is missing of a path, each folder synced into its parent before the next.
fn create(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => {
            return Err(Error::Io { doing: "create folder", path: path.to_owned(), source });
        }
        _ => {}
    }
    sync_folder(path)?;
    sync_folder(parent)
}

/// [`sync_names`], with an error that says where.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    sync_names(path).map_err(|source| Error::Io { doing: "sync folder", path: path.to_owned(), source })
}

/// Makes the names in a folder durable. Without it a crash may lose a file whose bytes were synced.
pub(crate) fn sync_names(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

impl Holder {
    fn this_process() -> Holder {
        let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let program = words.next().unwrap_or_default();
        let program = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned());
        let verb = words.next().filter(|word| !word.starts_with('-'));
        let command = program.into_iter().chain(verb).collect::<Vec<_>>().join(" ");
        Holder { pid: Some(std::process::id()), command }
    }

    fn write(&self, lock: &mut File) -> io::Result<()> {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{} {}", self.pid.unwrap_or_default(), self.command)
    }

    /// What the lock file says. A holder caught before it wrote its name stays unknown, which is no error.
    fn read(lock: &mut File) -> Holder {
        let mut text = String::new();
        let _unreadable_means_unknown = lock.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
        let line = text.lines().next().unwrap_or_default();
        let (pid, command) = line.split_once(' ').unwrap_or((line, ""));
        Holder { pid: pid.parse().ok(), command: command.to_owned() }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(formatter, "process {pid} ({})", self.command),
            None => write!(formatter, "another process"),
        }
    }
}
