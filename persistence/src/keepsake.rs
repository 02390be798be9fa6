//! The store as it was before sled opened it, until its journal is proven sound.
//!
//! sled cuts its log at the first damage when it opens, and zeroes everything behind: one flipped byte would cost
//! all that follows, before anybody could say no. So the opener works beside a copy. Proven, the copy is removed;
//! dropped unproven, it takes the store's place again, and nothing was changed. A copy that is found at an
//! opening is of one that ended in an abort, and is put back first.
//!
//! Where the file system can share blocks the copy is whole and costs nothing. Elsewhere of the data file only what an opening may
//! change is copied: see `src/keepsake/parts.rs`. That is what was written since the last opening, and not all there ever was.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::folder::sync_names;
use crate::sled_journal::DATA_FILE;

mod parts;

use parts::{PARTS_FILE, Parts};

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
        if !store.join(DATA_FILE).is_file() {
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
        paths.let_go()
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
        copy_files(&self.store, &partial, &|| copy_data(&self.store, &partial))?;
        fs::rename(&partial, self.kept())?;
        sync_names(&self.data)
    }

    /// The store becomes what it was; what sled made of it goes.
    fn put_back(&self) -> io::Result<()> {
        match Parts::read(&self.kept())? {
            Some(parts) => self.put_parts_back(&parts),
            None => self.put_all_back(),
        }
    }

    fn put_all_back(&self) -> io::Result<()> {
        match fs::rename(&self.store, self.partial()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(self.kept(), &self.store)?;
        sync_names(&self.data)?;
        remove(&self.partial())
    }

    /// In place. Cut short, it is begun again at the next opening: the copy goes last.
    fn put_parts_back(&self, parts: &Parts) -> io::Result<()> {
        let kept = self.kept();
        parts.put_back(&kept.join(DATA_FILE), &self.store.join(DATA_FILE))?;
        for entry in fs::read_dir(&self.store)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && !kept.join(entry.file_name()).exists() {
                fs::remove_file(entry.path())?;
            }
        }
        for entry in fs::read_dir(&kept)? {
            let entry = entry?;
            let is_beside_the_data = entry.file_name() != DATA_FILE && entry.file_name() != PARTS_FILE;
            if entry.file_type()?.is_file() && is_beside_the_data {
                copy_file(&entry.path(), &self.store.join(entry.file_name()))?;
            }
        }
        sync_names(&self.store)?;
        self.let_go()
    }

    /// Removes the copy. Renamed first: one that is removed in part must not be put back.
    fn let_go(&self) -> io::Result<()> {
        fs::rename(self.kept(), self.partial())?;
        sync_names(&self.data)?;
        remove(&self.partial())
    }
}

/// Copies a whole store beside itself, durably, under a name of its own.
pub(crate) fn copy_whole(data: &Path, store: &Path, copy: &Path) -> io::Result<()> {
    let partial = Paths { data: data.to_owned(), store: store.to_owned() }.partial();
    remove(&partial)?;
    let copied = copy_files(store, &partial, &|| copy_file(&store.join(DATA_FILE), &partial.join(DATA_FILE)));
    if let Err(error) = copied {
        remove(&partial)?;
        return Err(error);
    }
    fs::rename(&partial, copy)?;
    sync_names(data)
}

/// Copies the files of a store into a new folder, durably but for the folder's name; the data file as `copy_data` does.
fn copy_files(store: &Path, copy: &Path, copy_data: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    fs::create_dir(copy)?;
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        let target = copy.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            // sled's folder for large values: frames are kept small enough that it stays empty.
            fs::create_dir(&target)?;
            sync_names(&target)?;
        } else if entry.file_name() == DATA_FILE {
            copy_data()?;
        } else {
            copy_file(&entry.path(), &target)?;
        }
    }
    sync_names(copy)
}

fn copy_data(store: &Path, copy: &Path) -> io::Result<()> {
    let (source, target) = (File::open(store.join(DATA_FILE))?, File::create_new(copy.join(DATA_FILE))?);
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return target.sync_all();
    }
    let parts = Parts::at_risk(store, &source)?;
    parts.copy(&source, &target)?;
    parts.write(copy)
}

fn copy_file(source: &Path, target: &Path) -> io::Result<()> {
    fs::copy(source, target)?;
    File::open(target)?.sync_all()
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
