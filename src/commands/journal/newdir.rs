//! A data folder in the making: it has its name when it is whole, and leaves nothing when it never is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use holdfast_actors::persistence::{
    Checkpoints, EncodedFrame, Folder, Journal as _, JournalId, SledJournal, Store as _,
};
use rustix::fs::RenameFlags;

use super::archive::{self, About, Contents, End, FileHead, Item, What};
use super::unfinished::Unfinished;
use super::{explain, progress, verdict};
use crate::auth::secret::SECRET_FILE;
use crate::cli::{Exit, Failure};

/// Frames are made durable in groups of about so many bytes.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A folder beside the one that is wanted, removed unless it gets that name.
#[derive(Debug)]
pub(super) struct NewDir {
    partial: Unfinished,
    wanted: PathBuf,
}

impl NewDir {
    /// Makes sure that there is nothing where the folder is wanted.
    ///
    /// # Errors
    ///
    /// [`Exit::Failure`] when there is something: nothing is overwritten, not even an empty folder.
    pub(super) fn begin(wanted: &Path) -> Result<Self, Failure> {
        refuse_existing(wanted)?;
        let name = wanted.file_name().ok_or_else(|| {
            Failure::new(Exit::Usage, anyhow!("{} is no name for a new folder", wanted.display()))
        })?;
        let mut partial = name.to_owned();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = wanted.with_file_name(partial);
        refuse_existing(&partial)?;
        Ok(Self { partial: Unfinished::begin(partial), wanted: wanted.to_owned() })
    }

    /// Where it is while it is made.
    pub(super) fn path(&self) -> &Path {
        self.partial.path()
    }

    /// Writes all that comes.
    ///
    /// # Errors
    ///
    /// What the sender says, what the disk says, or that the stream is not whole.
    pub(super) fn fill(&self, doing: &'static str, input: &mut impl Read) -> Result<(About, End), Failure> {
        let Item::About(about) = archive::receive(input)? else {
            return Err(anyhow!("the copy does not begin with what it is of").into());
        };
        let folder = Folder::open(self.path()).map_err(explain)?;
        let bar = progress::steps(doing, about.frames_max);
        let end = Filling::begin(&folder, &about)?.take_all(input, &bar)?;
        bar.finish_and_clear();
        Ok((about, end))
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    ///
    /// [`Exit::Failure`] when something came there meanwhile.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let cwd = rustix::fs::CWD;
        let renamed = self.partial.keep(|partial| {
            match rustix::fs::renameat_with(cwd, partial, cwd, &self.wanted, RenameFlags::NOREPLACE) {
                // Some file systems do not know how to.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !self.wanted.exists() => {
                    fs::rename(partial, &self.wanted)
                }
                renamed => renamed.map_err(io::Error::from),
            }
        });
        if renamed.is_err() {
            refuse_existing(&self.wanted)?;
        }
        renamed.with_context(|| format!("give {} its name", self.wanted.display()))?;
        let parent = self.wanted.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        sync(parent)
    }
}

/// What is written so far.
struct Filling {
    path: PathBuf,
    journal: SledJournal,
    checkpoints: Checkpoints,
    group: Vec<EncodedFrame>,
    group_bytes: usize,
    frames: u64,
    files: u64,
}

impl Filling {
    fn begin(folder: &Folder, about: &About) -> Result<Self, Failure> {
        let head = about.begin.head();
        let id = JournalId(about.journal_id);
        let mut journal = SledJournal::create(folder, id, &head).map_err(explain)?;
        journal.recover(head, &mut |_| Ok(())).map_err(explain)?;
        Ok(Self {
            path: folder.path().to_owned(),
            journal,
            checkpoints: Checkpoints::open(folder, id, about.partitions).map_err(explain)?,
            group: Vec::new(),
            group_bytes: 0,
            frames: 0,
            files: 0,
        })
    }

    fn take_all(mut self, input: &mut impl Read, bar: &indicatif::ProgressBar) -> Result<End, Failure> {
        loop {
            match archive::receive(input)? {
                Item::Frame(bytes) => {
                    self.frame(&bytes)?;
                    bar.set_position(self.frames);
                }
                Item::File(head) => self.file(head, input)?,
                Item::End(end) => {
                    self.write_group()?;
                    if (end.frames, end.files) != (self.frames, self.files) {
                        return Err(
                            anyhow!("the copy has {} frames, {} were sent", self.frames, end.frames).into()
                        );
                    }
                    return Ok(end);
                }
                Item::About(_) | Item::Bytes(_) => {
                    return Err(anyhow!("the parts of the copy are in a wrong order").into());
                }
            }
        }
    }

    fn frame(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.group_bytes += bytes.len();
        let frame = EncodedFrame::from_stored(bytes);
        self.group.push(frame.map_err(|damage| anyhow!(damage).context("read a frame of the copy"))?);
        self.frames += 1;
        if self.group_bytes < GROUP_BYTES { Ok(()) } else { self.write_group() }
    }

    fn write_group(&mut self) -> Result<(), Failure> {
        if !self.group.is_empty() {
            self.journal.append(&self.group).map_err(anyhow::Error::from)?;
        }
        self.group.clear();
        self.group_bytes = 0;
        Ok(())
    }

    fn file(&mut self, head: FileHead, input: &mut impl Read) -> Result<(), Failure> {
        let mut contents = Contents::new(input, head);
        match head.what {
            What::Checkpoint(number) => {
                self.checkpoints.import(number, &mut contents).map_err(verdict)?;
            }
            What::Secret => {
                let path = self.path.join(SECRET_FILE);
                let doing = || format!("write {}", path.display());
                let mut file = OpenOptions::new();
                let mut file =
                    file.write(true).create_new(true).mode(0o600).open(&path).with_context(doing)?;
                io::copy(&mut contents, &mut file).with_context(doing)?;
                file.sync_all().with_context(doing)?;
                sync(&self.path)?;
            }
        }
        self.files += 1;
        Ok(())
    }
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(anyhow!(error).context(format!("look for {}", path.display())).into()),
        Ok(_) => {
            Err(anyhow!("{} is there already: nothing is overwritten, name another", path.display()).into())
        }
    }
}

fn sync(folder: &Path) -> Result<(), Failure> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(synced.with_context(|| format!("sync {}", folder.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_that_is_never_whole_leaves_nothing_and_none_is_overwritten() {
        let parent = tempfile::tempdir().unwrap();
        let wanted = parent.path().join("new");
        let begun = NewDir::begin(&wanted).unwrap();
        fs::create_dir(begun.path()).unwrap();
        drop(begun);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);

        let begun = NewDir::begin(&wanted).unwrap();
        fs::create_dir(begun.path()).unwrap();
        fs::create_dir(&wanted).unwrap();
        assert_eq!(begun.finish().expect_err("somebody was faster").exit, Exit::Failure);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        assert_eq!(NewDir::begin(&wanted).expect_err("it is there").exit, Exit::Failure);
        fs::remove_dir(&wanted).unwrap();
        let begun = NewDir::begin(&wanted).unwrap();
        fs::create_dir(begun.path()).unwrap();
        begun.finish().unwrap();
        assert!(wanted.is_dir());
    }
}
