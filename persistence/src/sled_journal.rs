//! The journal on disk: frames as values of a sled tree, truly durable when `append` returns.
//!
//! Layout below the data folder: `journal/` is sled's; tree `journal` maps the big-endian batch number to the frame, tree
//! `meta` describes the journal: `about = format: u8 | id: [u8; 16] | partitions: u16 | crc: u32`, little endian.
//!
//! Three things about sled 0.34 shape this file, all read in its source and held by tests:
//! - Its `flush` hands the log to the disk with `sync_file_range` only, which commits neither the file's length nor the
//!   drive's cache. So `append` does `fdatasync` on a handle of its own: once, after all frames. (`tests/data_sync.rs`)
//! - A node larger than a quarter of a segment goes to a file of its own under `blobs/`, which sled never syncs. A leaf has up to 17
//!   values, so frames are bounded ([`FRAME_BYTES_LIMIT`]) such that a whole leaf stays inline. (`tests/sled_journal.rs`)
//! - There are reports of damage after hard stops (spacejam/sled#1509, #1533), and a store that lost its end opens without a
//!   word. So nothing read back is believed ([`replay()`](crate::replay())), and the last acknowledged batch is kept in a file beside
//!   sled's (`src/acknowledged.rs`).

use std::any::Any;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::acknowledged::{Acknowledged, Mark};
use crate::error::Error;
use crate::folder::{Folder, sync_folder};
use crate::frame::{EncodedFrame, FRAME_BYTES_LIMIT, JournalId};
use crate::index::SparseIndex;
use crate::journal::{AppendError, Cause, FrameBytes, FrameSource, Journal, Store, StoredFrame, Visit};
use crate::keepsake::Keepsake;
use crate::opening;
use crate::prefill;
use crate::reader::{JournalStat, Reader};
use crate::record::BatchNumber;
use crate::replay::{Head, Replayed, replay_frames};

/// The format this release creates, and the newest it opens.
pub const JOURNAL_FORMAT: u8 = 1;

const STORE_FOLDER: &str = "journal";
const DATA_FILE: &str = "db";
const CONFIG_FILE: &str = "conf";
const BLOB_FOLDER: &str = "blobs";
const FRAME_TREE: &str = "journal";
const META_TREE: &str = "meta";
const ABOUT_KEY: &str = "about";
const ABOUT_BYTES: usize = 1 + 16 + 2 + 4;

const PARTITIONS: u16 = 16;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// sled's own rule: a quarter of a segment less the headers stays in the log, more goes to a blob.
const INLINE_BYTES_MAX: usize = SEGMENT_BYTES / 4 - 20 - 32;
/// sled splits a leaf that has more than 16 values when it next passes by; one more for safety.
const LEAF_VALUES_MAX: usize = 18;
const LEAF_OVERHEAD_BYTES: usize = 4096;
const _: () = assert!(
    LEAF_VALUES_MAX * FRAME_BYTES_LIMIT + LEAF_OVERHEAD_BYTES <= INLINE_BYTES_MAX,
    "a leaf of the largest frames stays in the log"
);

/// How a journal is created and opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many partitions a new journal gets; an old one keeps its own.
    pub partitions: u16,
    /// How much memory sled may use for pages.
    pub cache_bytes: u64,
    /// The name a new journal gets; drawn from the system's randomness where nothing is given.
    pub id: Option<JournalId>,
}

/// A journal in a data folder.
#[derive(Debug)]
pub struct SledJournal {
    store: Arc<SledStore>,
    index: Arc<RwLock<SparseIndex>>,
    /// A handle of our own on sled's data file, for the sync that sled leaves out.
    data_file: File,
    acknowledged: Acknowledged,
    /// What the file `acknowledged` said at the opening.
    mark: Option<Mark>,
    next_batch: Option<BatchNumber>,
    has_failed: bool,
    /// The store as it was found, until the journal is proven; put back when it never is. Goes after the store.
    kept: Mutex<Option<Keepsake>>,
}

/// The store as the journal and its readers share it. The folder's lock goes last.
#[derive(Debug)]
pub(crate) struct SledStore {
    frames: sled::Tree,
    db: sled::Db,
    path: PathBuf,
    about: About,
    _folder: Folder,
}

/// What a journal knows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) id: JournalId,
    pub(crate) partitions: u16,
}

impl Default for Options {
    fn default() -> Options {
        Options { partitions: PARTITIONS, cache_bytes: CACHE_BYTES, id: None }
    }
}

impl SledJournal {
    /// Opens the journal of a data folder, or creates it. Next comes [`Store::recover`].
    ///
    /// # Errors
    ///
    /// [`Error::Store`] and [`Error::Io`] when it cannot be read, [`Error::NewerFormat`] and [`Error::NoDescription`] when it cannot
    /// be understood.
    ///
    /// # Panics
    ///
    /// When `options` ask for no partition at all.
    pub fn open(folder: &Folder, options: Options) -> Result<SledJournal, Error> {
        assert!(options.partitions > 0, "a journal has a partition");
        let path = folder.subfolder(STORE_FOLDER)?;
        let at = |doing: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Error::Io { doing, path, source }
        };
        let kept = Keepsake::take(folder.path(), &path).map_err(at("copy, before it is opened,", &path))?;
        let db = open_sled(&path, options.cache_bytes)?;
        let data_path = path.join(DATA_FILE);
        let data_file = OpenOptions::new().read(true).write(true).open(&data_path);
        let data_file = data_file.map_err(at("open data file", &data_path))?;
        let frames = db.open_tree(FRAME_TREE).map_err(|error| store_error("open frames", &path, error))?;
        let (acknowledged, mark) = Acknowledged::open(&path).map_err(at("open `acknowledged` in", &path))?;
        let about = read_or_create_about(&db, &frames, &path, options, mark)?;
        // sled syncs neither the files it creates nor their folder. Done at each open: a crash may have come before the first.
        db.flush().map_err(|error| store_error("flush", &path, error))?;
        data_file.sync_all().map_err(at("sync data file", &data_path))?;
        let config_path = path.join(CONFIG_FILE);
        File::open(&config_path).and_then(|file| file.sync_all()).map_err(at("sync", &config_path))?;
        acknowledged.sync().map_err(at("sync `acknowledged` in", &path))?;
        sync_folder(&path.join(BLOB_FOLDER))?;
        sync_folder(&path)?;
        let index = SparseIndex::behind(&Head::genesis(about.id, about.partitions));
        let store = Arc::new(SledStore { frames, db, path, about, _folder: folder.clone() });
        let index = Arc::new(RwLock::new(index));
        let kept = Mutex::new(Some(kept));
        Ok(SledJournal {
            store,
            index,
            data_file,
            acknowledged,
            mark,
            next_batch: None,
            has_failed: false,
            kept,
        })
    }

    /// Whether there is a journal in a data folder: asked by those who must not create one.
    pub fn exists(folder: &Path) -> bool {
        folder.join(STORE_FOLDER).join(DATA_FILE).is_file()
    }

    /// A reader of what is durable; usable from any thread while the journal is written. It sees what recovery went
    /// through and what was appended since.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.store), Arc::clone(&self.index))
    }

    /// Tells what the journal holds.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::stat`].
    pub fn stat(&self) -> Result<JournalStat, Error> {
        self.reader().stat()
    }

    /// The last batch known to have been acknowledged before this opening; recovery refuses a journal that ends before it.
    pub fn acknowledged(&self) -> Option<BatchNumber> {
        self.mark.map(|mark| mark.batch)
    }

    fn write(&self, frames: &[EncodedFrame]) -> Result<(), Cause> {
        for frame in frames {
            let replaced = self.store.frames.insert(frame.batch().0.to_be_bytes(), frame.bytes())?;
            assert!(replaced.is_none(), "history is not overwritten");
        }
        self.store.db.flush()?;
        prefill::fill(&self.data_file, u64::try_from(SEGMENT_BYTES).expect("it fits"))?;
        self.data_file.sync_data()?;
        if let Some(last) = frames.last() {
            self.acknowledged.note(Mark { id: self.store.about.id, batch: last.batch() })?;
        }
        Ok(())
    }

    /// Accepts a journal that was replayed: it ends where it may, and the copy of before its opening can go.
    ///
    /// A journal that is dropped without this is put back as it was found.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`], and [`Error::Io`] when the copy cannot be removed.
    pub fn accept(&self, replayed: &Replayed) -> Result<(), Error> {
        self.check_end(replayed)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let path = self.store.path.clone();
        let released = kept.map_or(Ok(()), Keepsake::release);
        released.map_err(|source| Error::Io { doing: "remove the copy of", path, source })
    }

    /// Refuses a journal whose good part ends before what was acknowledged: a torn tail was never answered for, so a
    /// damaged frame that was is no torn tail.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`].
    fn check_end(&self, replayed: &Replayed) -> Result<(), Error> {
        let found = BatchNumber(replayed.head.next_batch().0 - 1);
        match self.acknowledged() {
            Some(acknowledged) if acknowledged > found => {
                Err(Error::Lost { path: self.store.path.clone(), acknowledged, found })
            }
            _ => Ok(()),
        }
    }

    fn remove_from(&self, first: BatchNumber) -> Result<(), Error> {
        let failed = |error: sled::Error| store_error("cut the torn tail", &self.store.path, error);
        for key in self.store.frames.range(first.0.to_be_bytes()..).keys() {
            self.store.frames.remove(key.map_err(failed)?).map_err(failed)?;
        }
        self.store.db.flush().map_err(failed)?;
        self.data_file.sync_data().map_err(|source| Error::Io {
            doing: "sync data file",
            path: self.store.path.join(DATA_FILE),
            source,
        })
    }
}

impl Journal for SledJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        let mut next_batch = self.next_batch.expect("a journal is recovered before it is written to");
        let first = frames.first().map_or(next_batch, EncodedFrame::batch);
        if self.has_failed {
            return Err(AppendError::rejected(first, "an earlier append failed"));
        }
        for frame in frames {
            assert_eq!(frame.batch(), next_batch, "batches follow each other");
            assert!(frame.bytes().len() <= FRAME_BYTES_LIMIT, "a frame fits a leaf");
            next_batch = next_batch.next();
        }
        // sled asserts a good deal while it flushes. Where panics unwind, one must not take the answer with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| self.write(frames)))
            .unwrap_or_else(|panic| Err(panic_message(panic.as_ref()).into()));
        if let Err(cause) = outcome {
            self.has_failed = true;
            return Err(AppendError::unknown(first, cause));
        }
        self.next_batch = Some(next_batch);
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            index.observe(&frame.frame());
        }
        Ok(())
    }
}

impl FrameSource for SledJournal {
    fn id(&self) -> JournalId {
        self.store.about.id
    }

    fn partitions(&self) -> u16 {
        self.store.about.partitions
    }

    fn frames(&self, first: BatchNumber) -> Box<dyn Iterator<Item = Result<StoredFrame, Error>> + '_> {
        Box::new(self.store.frames(first))
    }

    fn frame(&self, batch: BatchNumber) -> Result<Option<StoredFrame>, Error> {
        Ok(self.store.frame_bytes(batch)?.map(|bytes| StoredFrame { batch, bytes }))
    }
}

impl Store for SledJournal {
    fn recover(&mut self, from: Head, visit: &mut Visit<'_>) -> Result<Replayed, Error> {
        let mut index = SparseIndex::behind(&from);
        let replayed = replay_frames(self, from, &mut |frame| index.observe(frame), visit)?;
        self.check_end(&replayed)?;
        if let Some(cut) = &replayed.cut {
            cut.log();
            self.remove_from(cut.first)?;
        }
        self.accept(&replayed)?;
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        self.next_batch = Some(replayed.head.next_batch());
        Ok(replayed)
    }
}

impl SledStore {
    pub(crate) fn about(&self) -> About {
        self.about
    }

    pub(crate) fn frames(&self, first: BatchNumber) -> impl Iterator<Item = Result<StoredFrame, Error>> + '_ {
        self.frames.range(first.0.to_be_bytes()..).map(|entry| {
            let (key, bytes) = entry.map_err(|error| store_error("read", &self.path, error))?;
            Ok(StoredFrame { batch: self.batch_of(&key)?, bytes: FrameBytes::from_sled(bytes) })
        })
    }

    pub(crate) fn frame_bytes(&self, batch: BatchNumber) -> Result<Option<FrameBytes>, Error> {
        let bytes = self.frames.get(batch.0.to_be_bytes());
        let bytes = bytes.map_err(|error| store_error("read", &self.path, error))?;
        Ok(bytes.map(FrameBytes::from_sled))
    }

    pub(crate) fn first_batch(&self) -> Result<Option<BatchNumber>, Error> {
        let first = self.frames.first().map_err(|error| store_error("read", &self.path, error))?;
        first.map(|(key, _)| self.batch_of(&key)).transpose()
    }

    pub(crate) fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.size_on_disk().map_err(|error| store_error("measure", &self.path, error))
    }

    fn batch_of(&self, key: &[u8]) -> Result<BatchNumber, Error> {
        let key = key.try_into().map_err(|_| store_error("read", &self.path, "a key is no batch number"))?;
        Ok(BatchNumber(u64::from_be_bytes(key)))
    }
}

fn store_error(doing: &'static str, path: &Path, source: impl Into<Cause>) -> Error {
    Error::Store { doing, path: path.to_owned(), source: source.into() }
}

fn open_sled(path: &Path, cache_bytes: u64) -> Result<sled::Db, Error> {
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(None)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(cache_bytes);
    opening::open(&config).map_err(|error| store_error("open", path, error))
}

fn read_or_create_about(
    db: &sled::Db,
    frames: &sled::Tree,
    path: &Path,
    options: Options,
    mark: Option<Mark>,
) -> Result<About, Error> {
    let failed = |error: sled::Error| store_error("describe", path, error);
    let meta = db.open_tree(META_TREE).map_err(failed)?;
    if let Some(stored) = meta.get(ABOUT_KEY).map_err(failed)? {
        let about = About::decode(&stored, path)?;
        if mark.is_some_and(|mark| mark.id != about.id) {
            let what = "its file `acknowledged` is that of another journal";
            return Err(Error::NoDescription { path: path.to_owned(), what });
        }
        return Ok(about);
    }
    if mark.is_some() || frames.first().map_err(failed)?.is_some() {
        return Err(Error::NoDescription { path: path.to_owned(), what: "it is missing" });
    }
    let id = match options.id {
        Some(id) => id,
        None => random_id()?,
    };
    let about = About { id, partitions: options.partitions };
    meta.insert(ABOUT_KEY, about.encode().as_slice()).map_err(failed)?;
    Ok(about)
}

impl About {
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
        let unreadable = |what| Error::NoDescription { path: path.to_owned(), what };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| unreadable("it is cut short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(unreadable("its checksum is wrong"));
        }
        let (format, body) = body.split_first().ok_or_else(|| unreadable("it is empty"))?;
        if *format != JOURNAL_FORMAT {
            return Err(Error::NewerFormat { path: path.to_owned(), found: *format, known: JOURNAL_FORMAT });
        }
        let (id, body) = body.split_first_chunk::<16>().ok_or_else(|| unreadable("it is cut short"))?;
        let partitions = body.try_into().map_err(|_| unreadable("it has a wrong length"))?;
        Ok(About { id: JournalId(*id), partitions: u16::from_le_bytes(partitions) })
    }
}

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

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the store panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
}
