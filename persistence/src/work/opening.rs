//! Opens a queue's store, or moves a damaged one aside and begins anew.
//!
//! sled may panic over a damaged store, and a release build aborts then. So a file beside the store says how often it was
//! being opened without an end: after the second time it is taken for damaged. One such end may also be a kill at an
//! unlucky moment, so the first is forgiven.

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::Record;
use super::{Known, Store};
use crate::about::random_id;
use crate::error::Error;
use crate::folder::{Folder, sync_folder};
use crate::journal::Cause;
use crate::sled_journal::panic_message;

const TASK_TREE: &str = "tasks";
const ABOUT_TREE: &str = "about";
const LIFE_KEY: &str = "life";
const DATA_FILE: &str = "db";

/// The end of the name of the file that is there while the store is being opened; before it stands the queue's name.
const OPENING_ENDING: &str = ".opening";
/// Openings that may end in nothing, one after the other.
const UNENDED_MAX: u64 = 1;

const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Large enough that a leaf of ordinary tasks stays in the log, small enough for a queue that is mostly empty.
const SEGMENT_BYTES: usize = 2 * 1024 * 1024;

/// What a store that failed must find before it is opened again: some segments.
const ROOM_BYTES: u64 = 16 * 1024 * 1024;

/// Folders of damaged stores that are tried as names before giving up.
const ASIDE_MAX: u32 = 1000;

/// What a store had: its life, and all its tasks.
pub(super) type Opened = (Store, String, Vec<(Arc<str>, Known)>);

/// Why there is no store.
enum Failure {
    /// What is there is no queue of ours any more.
    Damaged(Cause),
    /// The operating system said no: another try may do.
    Refused(Cause),
}

pub(super) fn exists(folder: &Path, name: &str) -> bool {
    folder.join(name).join(DATA_FILE).is_file()
}

pub(super) fn open(folder: &Folder, name: &str) -> Result<Opened, Error> {
    let path = folder.path().join(name);
    let marker = folder.path().join(format!("{name}{OPENING_ENDING}"));
    let at = |source| Error::Io { doing: "note the opening in", path: marker.clone(), source };
    let unended = unended(&marker).map_err(at)?;
    if unended > UNENDED_MAX {
        set_aside(folder, &path, "it could not be opened twice in a row")?;
    }
    // One byte for each opening that did not end so far, this one included.
    let begun = if unended > UNENDED_MAX { 1 } else { unended + 1 };
    fs::write(&marker, ".".repeat(usize::try_from(begun).unwrap_or(1))).map_err(at)?;
    // sled begins a store anew without a word when it finds no sense in it. One that was not being made must be whole.
    let has_life = exists(folder.path(), name) && unended == 0;
    let opened = match attempt(folder, name, has_life) {
        Err(Failure::Damaged(why)) => {
            set_aside(folder, &path, &why.to_string())?;
            attempt(folder, name, false)
        }
        opened => opened,
    };
    fs::remove_file(&marker).map_err(at)?;
    opened.map_err(|failure| match failure {
        Failure::Damaged(source) | Failure::Refused(source) => Error::Work { doing: "open", path, source },
    })
}

/// Refuses where a disk is all but full: sled may panic when it is opened there.
pub(super) fn expect_room(folder: &Folder, name: &str) -> Result<(), Error> {
    let error = |source: Cause| Error::Work { doing: "open again", path: folder.path().join(name), source };
    let disk = rustix::fs::statvfs(folder.path()).map_err(|errno| error(io::Error::from(errno).into()))?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES {
        return Err(error(io::Error::from(ErrorKind::StorageFull).into()));
    }
    Ok(())
}

fn unended(marker: &Path) -> io::Result<u64> {
    match fs::metadata(marker) {
        Ok(marker) => Ok(marker.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn attempt(folder: &Folder, name: &str, has_life: bool) -> Result<Opened, Failure> {
    let path = folder.subfolder(name).map_err(|error| Failure::Refused(error.into()))?;
    let read = AssertUnwindSafe(|| read(folder, path, has_life));
    catch_unwind(read).unwrap_or_else(|panic| Err(Failure::Damaged(panic_message(&*panic).into())))
}

fn read(folder: &Folder, path: PathBuf, has_life: bool) -> Result<Opened, Failure> {
    let config = sled::Config::new()
        .path(&path)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES);
    let db = crate::opening::open(&config)?;
    let tasks = db.open_tree(TASK_TREE)?;
    let mut known = Vec::new();
    for entry in &tasks {
        let (name, stored) = entry?;
        let damaged = |what: &'static str| Failure::Damaged(what.into());
        let name = std::str::from_utf8(&name).map_err(|_| damaged("a task's name is no text"))?;
        let record = Record::decode(name, &stored).map_err(damaged)?;
        known.push((Arc::from(name), Known { place: record.place, attempts: record.attempts }));
    }
    let about = db.open_tree(ABOUT_TREE)?;
    let life = match about.get(LIFE_KEY)? {
        Some(life) => String::from_utf8(life.to_vec()).map_err(|error| Failure::Damaged(error.into()))?,
        None if known.is_empty() && !has_life => {
            let life = random_id().map_err(|error| Failure::Refused(error.into()))?.to_string();
            about.insert(LIFE_KEY, life.as_str())?;
            db.flush()?;
            life
        }
        None => return Err(Failure::Damaged("what it once held is gone".into())),
    };
    Ok((Store { tasks, db, path, _folder: folder.clone() }, life, known))
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Failure {
        let is_refusal = match &error {
            // What sled itself finds wrong with a file has no number of the operating system.
            // But of a full disk it makes an error of its own.
            sled::Error::Io(io) => {
                io.raw_os_error().is_some()
                    || matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
                    || crate::opening::is_still_locked(&error)
            }
            _ => false,
        };
        if is_refusal { Failure::Refused(error.into()) } else { Failure::Damaged(error.into()) }
    }
}

/// Renames the store to the first name that is free; what is in it may be of use to somebody.
fn set_aside(folder: &Folder, path: &Path, why: &str) -> Result<(), Error> {
    let aside = (1..=ASIDE_MAX)
        .map(|number| PathBuf::from(format!("{}.damaged-{number}", path.display())))
        .find(|aside| !aside.exists());
    let aside = aside.ok_or_else(|| Error::Work {
        doing: "move aside",
        path: path.to_owned(),
        source: "there are too many damaged ones beside it already".into(),
    })?;
    match fs::rename(path, &aside) {
        Ok(()) => {
            tracing::error!(
                "{} is damaged ({why}): moved to {} and begun anew; its tasks are put in again, those that were \
                 given up among them",
                path.display(),
                aside.display()
            );
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Io { doing: "move aside", path: path.to_owned(), source }),
    }
    sync_folder(folder.path())
}
