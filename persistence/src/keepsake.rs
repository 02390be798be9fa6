//! The store as it was before sled opened it, until its journal is proven sound.
//!
//! sled cuts its log at the first damage when it opens, and zeroes everything behind: one flipped byte would cost
//! all that follows, before anybody could say no. So the opener works beside a copy. Proven, the copy is removed;
//! dropped unproven, it takes the store's place again, and nothing was changed. A copy that is found at an
//! opening is of one that ended in an abort, and is put back first.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::folder::sync_names;

const KEPT_FOLDER: &str = "journal.before-open";

/// A copy, or the remains of a store, that is not whole: of no use to anybody.
const PARTIAL_FOLDER: &str = "journal.partial";

/// The copy of one opening.
#[derive(Debug)]
pub(crate) struct Keepsake {
    /// None where there was nothing to keep, or no room to keep it.
    paths: Option<Paths>,
}

#[derive(Debug)]
struct Paths {
    data: PathBuf,
    store: PathBuf,
}

impl Keepsake {
    /// Puts back what an aborted opening left, then copies the store of a data folder, durably.
    ///
    /// Without room for a copy there is none, and the log says so.
    pub(crate) fn take(data: &Path, store: &Path) -> io::Result<Keepsake> {
        let paths = Paths { data: data.to_owned(), store: store.to_owned() };
        remove(&paths.partial())?;
        if paths.kept().is_dir() {
            tracing::warn!("an earlier opening of the journal was cut short: putting back what it found");
            paths.put_back()?;
        }
        if !store.join("db").is_file() {
            return Ok(Keepsake { paths: None });
        }
        match paths.copy() {
            Ok(()) => Ok(Keepsake { paths: Some(paths) }),
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                tracing::warn!(
                    "no room to copy the journal before it is opened: a damaged one cannot be put back"
                );
                remove(&paths.partial())?;
                Ok(Keepsake { paths: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the copy: the journal is sound.
    pub(crate) fn release(mut self) -> io::Result<()> {
        let Some(paths) = self.paths.take() else { return Ok(()) };
        // Renamed first: a copy that is removed in part must not be put back.
        fs::rename(paths.kept(), paths.partial())?;
        sync_names(&paths.data)?;
        remove(&paths.partial())
    }
}

impl Drop for Keepsake {
    fn drop(&mut self) {
        if let Some(paths) = self.paths.take()
            && let Err(error) = paths.put_back()
        {
            tracing::error!(
                "{} is the journal as it was found, and could not be put back: {error}",
                KEPT_FOLDER
            );
        }
    }
}

impl Paths {
    fn kept(&self) -> PathBuf {
        self.data.join(KEPT_FOLDER)
    }

    fn partial(&self) -> PathBuf {
        self.data.join(PARTIAL_FOLDER)
    }

    fn copy(&self) -> io::Result<()> {
        let partial = self.partial();
        fs::create_dir(&partial)?;
        for entry in fs::read_dir(&self.store)? {
            let entry = entry?;
            let copy = partial.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                // sled's folder for large values: frames are kept small enough that it stays empty.
                fs::create_dir(&copy)?;
                sync_names(&copy)?;
            } else {
                fs::copy(entry.path(), &copy)?;
                File::open(&copy)?.sync_all()?;
            }
        }
        sync_names(&partial)?;
        fs::rename(&partial, self.kept())?;
        sync_names(&self.data)
    }

    /// The copy becomes the store; what sled made of the store goes.
    fn put_back(&self) -> io::Result<()> {
        match fs::rename(&self.store, self.partial()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(self.kept(), &self.store)?;
        sync_names(&self.data)?;
        remove(&self.partial())
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_with_a_store() -> (tempfile::TempDir, PathBuf) {
        let data = tempfile::tempdir().expect("a temporary folder");
        let store = data.path().join("journal");
        fs::create_dir_all(store.join("blobs")).expect("it can be made");
        fs::write(store.join("db"), "as it was").expect("it writes");
        (data, store)
    }

    fn folders(data: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("it reads").file_name();
        let mut names: Vec<_> = fs::read_dir(data).expect("it is there").map(name).collect();
        names.sort();
        names.into_iter().map(|name| name.into_string().expect("plain names")).collect()
    }

    #[test]
    fn released_copy_leaves_no_trace() {
        let (data, store) = data_with_a_store();
        let kept = Keepsake::take(data.path(), &store).expect("it copies");
        fs::write(store.join("db"), "changed").expect("it writes");
        kept.release().expect("it goes");
        assert_eq!(fs::read(store.join("db")).expect("it reads"), b"changed");
        assert_eq!(folders(data.path()), ["journal"]);
    }

    #[test]
    fn dropped_copy_takes_the_place_of_what_was_changed() {
        let (data, store) = data_with_a_store();
        let kept = Keepsake::take(data.path(), &store).expect("it copies");
        fs::write(store.join("db"), "cut").expect("it writes");
        drop(kept);
        assert_eq!(fs::read(store.join("db")).expect("it reads"), b"as it was");
        assert!(store.join("blobs").is_dir());
        assert_eq!(folders(data.path()), ["journal"]);
    }

    #[test]
    fn copy_of_an_aborted_opening_is_put_back_by_the_next() {
        let (data, store) = data_with_a_store();
        std::mem::forget(Keepsake::take(data.path(), &store).expect("it copies"));
        fs::write(store.join("db"), "cut").expect("it writes");
        Keepsake::take(data.path(), &store).expect("it copies").release().expect("it goes");
        assert_eq!(fs::read(store.join("db")).expect("it reads"), b"as it was");
    }
}
