//! Mails as `.eml` files, which every mail program opens.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Fault;
use crate::ids;
use crate::mail::message::Letter;

/// Mails have addresses and orders: they are their owner's alone, as the folder is.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder of mails.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn describe(&self) -> String {
        format!("{}/*.eml", self.folder.display())
    }

    /// Writes `letter` to a file of its name, unless that is there already.
    pub(super) async fn keep(&self, letter: &Letter) -> Result<(), Fault> {
        let (folder, letter) = (self.folder.clone(), letter.clone());
        let kept = tokio::task::spawn_blocking(move || keep(&folder, &letter)).await;
        let kept = kept.map_err(io::Error::other).and_then(|kept| kept);
        kept.map_err(|error| Fault::Passing(format!("write to {}: {error}", self.folder.display())))
    }
}

fn keep(folder: &Path, letter: &Letter) -> io::Result<()> {
    let path = folder.join(format!("{}.eml", letter.id));
    if path.try_exists()? {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    // Whole or not at all, for whoever watches the folder. The name is nobody else's: two workers may be at it.
    let unfinished = folder.join(format!(".{}.{}", letter.id, ids::make().simple()));
    let written = write(&unfinished, &letter.bytes).and_then(|()| fs::rename(&unfinished, &path));
    if written.is_err() {
        let _is_gone_already = fs::remove_file(&unfinished);
    }
    written
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use lettre::address::Envelope;

    fn letter(text: &str) -> Letter {
        let to = vec!["ada@example.org".parse().unwrap()];
        let envelope = Envelope::new(None, to).unwrap();
        Letter { id: "usr_1.welcome".to_owned(), envelope, bytes: text.into() }
    }

    #[tokio::test]
    async fn mail_is_written_once_and_nothing_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("outbox");
        let outbox = Outbox::at(folder.clone());
        outbox.keep(&letter("first")).await.unwrap();
        outbox.keep(&letter("second")).await.unwrap();
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["usr_1.welcome.eml"]);
        let path = folder.join("usr_1.welcome.eml");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (FOLDER_MODE, FILE_MODE));
    }

    #[tokio::test]
    async fn folder_that_cannot_be_written_is_a_passing_fault() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("outbox");
        fs::write(&folder, "a file").unwrap();
        let fault = Outbox::at(folder).keep(&letter("x")).await.unwrap_err();
        assert!(matches!(&fault, Fault::Passing(why) if why.contains("outbox")), "{fault:?}");
    }
}
