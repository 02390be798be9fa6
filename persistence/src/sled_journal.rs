//! The journal on disk: frames as values of a sled tree, truly durable when `append` returns.
//!
//! Layout below the data folder: `journal/` is sled's; tree `journal` maps the big-endian batch number to the frame, tree
//! `meta` describes the journal (`src/about.rs`).
//!
//! Four things about sled 0.34 shape this file, all read in its source and held by tests:
//! - Its `flush` hands the log to the disk with `sync_file_range` only, which commits neither the file's length nor the
//!   drive's cache. So that function is ours and does `fdatasync` (`src/range_sync.rs`); where sled does not call it,
//!   `SledStore::flush` does one on a handle of its own. (`tests/data_sync.rs`)
//! - A node larger than a quarter of a segment goes to a file of its own under `blobs/`, which sled never syncs. A leaf has up to 17
//!   values, so frames are bounded ([`FRAME_BYTES_LIMIT`]) such that a whole leaf stays inline. (`tests/sled_journal.rs`)
//! - A leaf that splits is written whole. So it splits before its frames come. (`src/places.rs`)
//! - There are reports of damage after hard stops (spacejam/sled#1509, #1533), and a store that lost its end opens without a
//!   word. So nothing read back is believed ([`replay()`](crate::replay())), and the last acknowledged batch is kept in a file beside
//!   sled's (`src/acknowledged.rs`).

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::about::{self, About};
use crate::acknowledged::{ACKNOWLEDGED_FILE, Acknowledged, Mark, Said};
use crate::error::Error;
use crate::folder::{Folder, sync_folder};
use crate::frame::{EncodedFrame, FRAME_BYTES_LIMIT, JournalId};
use crate::index::{SharedIndex, SparseIndex};
use crate::journal::{AppendError, Cause, FrameBytes, FrameSource, Journal, Store, StoredFrame, Visit};
use crate::keepsake::Keepsake;
use crate::opening;
use crate::places::{Places, is_place};
use crate::prefill;
use crate::range_sync;
use crate::reader::{JournalStat, Reader, stored_bytes};
use crate::record::BatchNumber;
use crate::replay::{Damage, Head, Replayed, replay_frames};
use crate::sled_pool::{self, Watched};
use crate::trimmer::Trimmer;

pub use crate::about::JOURNAL_FORMAT;

pub(crate) const STORE_FOLDER: &str = "journal";
pub(crate) const DATA_FILE: &str = "db";
const CONFIG_FILE: &str = "conf";
const BLOB_FOLDER: &str = "blobs";
const FRAME_TREE: &str = "journal";
const META_TREE: &str = "meta";

const PARTITIONS: u16 = 16;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
pub(crate) const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

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
    pub(crate) store: Arc<SledStore>,
    index: SharedIndex,
    acknowledged: Acknowledged,
    /// What the file `acknowledged` said at the opening.
    mark: Option<Mark>,
    /// Whether that cannot be read.
    is_mark_damaged: bool,
    /// Where it goes on, once it is recovered.
    end: Option<End>,
    has_failed: bool,
    /// The store as it was found, until the journal is proven; put back when it never is. Goes after the store.
    kept: Mutex<Option<Keepsake>>,
}

/// Where a journal goes on.
#[derive(Debug)]
struct End {
    next_batch: BatchNumber,
    places: Places,
}

/// The store as the journal, its readers and its trimmer share it. The folder's lock goes last.
#[derive(Debug)]
pub(crate) struct SledStore {
    pub(crate) frames: sled::Tree,
    pub(crate) meta: sled::Tree,
    pub(crate) db: sled::Db,
    /// A handle of our own on sled's data file, for the sync that sled leaves out.
    pub(crate) data_file: File,
    /// Held by whoever makes sled write beside the writer, and while zeros are written ahead of sled: see `src/prefill.rs`.
    pub(crate) beside_writer: Mutex<()>,
    pub(crate) path: PathBuf,
    pub(crate) about: About,
    pub(crate) folder: Folder,
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
        SledJournal::open_from(folder, options.cache_bytes, || {
            let id = options.id.map_or_else(about::random_id, Ok)?;
            let about = About { id, partitions: options.partitions };
            Ok((about, Head::genesis(id, options.partitions)))
        })
    }

    /// Creates a journal that begins behind `start`, in a data folder that has none: to it come the frames that follow `start` in
    /// another journal of this name. Next comes [`Store::recover`].
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], otherwise those of [`SledJournal::open`].
    ///
    /// # Panics
    ///
    /// When `start` has no partition at all.
    pub fn create(folder: &Folder, id: JournalId, start: &Head) -> Result<SledJournal, Error> {
        if folder.path().join(STORE_FOLDER).exists() {
            return Err(Error::Exists { path: folder.path().to_owned() });
        }
        let partitions = u16::try_from(start.partitions().len()).expect("partitions are counted in 16 bits");
        assert!(partitions > 0, "a journal has a partition");
        SledJournal::open_from(folder, CACHE_BYTES, || Ok((About { id, partitions }, start.clone())))
    }

    /// Opens a journal, or creates it as `new` says.
    fn open_from(
        folder: &Folder,
        cache_bytes: u64,
        new: impl FnOnce() -> Result<(About, Head), Error>,
    ) -> Result<SledJournal, Error> {
        let path = folder.subfolder(STORE_FOLDER)?;
        let at = |doing: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Error::Io { doing, path, source }
        };
        let kept = Keepsake::take(folder.path(), &path).map_err(at("copy, before it is opened,", &path))?;
        let db = open_sled(&path, cache_bytes)?;
        let data_path = path.join(DATA_FILE);
        let data_file = OpenOptions::new().read(true).write(true).open(&data_path);
        let data_file = data_file.map_err(at("open data file", &data_path))?;
        let frames = db.open_tree(FRAME_TREE).map_err(|error| store_error("open frames", &path, error))?;
        let meta = db.open_tree(META_TREE).map_err(|error| store_error("describe", &path, error))?;
        let (acknowledged, said) = Acknowledged::open(&path).map_err(at("open `acknowledged` in", &path))?;
        let mark = if let Said::UpTo(mark) = said { Some(mark) } else { None };
        let is_mark_damaged = said == Said::Damage;
        let (about, start) = match About::read(&meta, &frames, &path, mark)? {
            Some(about) => (about, about::read_start(&meta, about, &path)?),
            None => new_description(&meta, &path, new()?)?,
        };
        // sled syncs neither the files it creates nor their folder. Done at each open: a crash may have come before the first.
        db.flush().map_err(|error| store_error("flush", &path, error))?;
        sled_pool::rest(&db).map_err(|error| store_error("rest the pool of", &path, error))?;
        data_file.sync_all().map_err(at("sync data file", &data_path))?;
        let config_path = path.join(CONFIG_FILE);
        File::open(&config_path).and_then(|file| file.sync_all()).map_err(at("sync", &config_path))?;
        acknowledged.sync().map_err(at("sync `acknowledged` in", &path))?;
        sync_folder(&path.join(BLOB_FOLDER))?;
        sync_folder(&path)?;
        let index = SharedIndex::new(SparseIndex::behind(start.clone(), start));
        let beside_writer = Mutex::new(());
        let folder = folder.clone();
        let store = Arc::new(SledStore { frames, meta, db, data_file, beside_writer, path, about, folder });
        let kept = Mutex::new(Some(kept));
        let (end, has_failed) = (None, false);
        Ok(SledJournal { store, index, acknowledged, mark, is_mark_damaged, end, has_failed, kept })
    }

    /// Whether there is a journal in a data folder: asked by those who must not create one.
    ///
    /// # Errors
    ///
    /// What keeps one from looking, such as a folder of somebody else.
    pub fn exists(folder: &Path) -> io::Result<bool> {
        match fs::metadata(folder.join(STORE_FOLDER).join(DATA_FILE)) {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// A reader of what is durable; usable from any thread while the journal is written. It sees what recovery went
    /// through and what was appended since.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.store), self.index.clone())
    }

    /// Takes old frames out; usable from any thread while the journal is written and read.
    pub fn trimmer(&self) -> Trimmer {
        Trimmer::new(Arc::clone(&self.store), self.index.clone())
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

    /// Refuses a journal of which nobody can tell whether its end is there. A start goes on with what is there.
    ///
    /// # Errors
    ///
    /// [`Error::DamagedMark`].
    pub fn check_mark(&self) -> Result<(), Error> {
        if self.is_mark_damaged {
            return Err(Error::DamagedMark { path: self.store.path.join(ACKNOWLEDGED_FILE) });
        }
        Ok(())
    }

    /// Writes what the file `acknowledged` should say, where it is damaged: from here on the journal is what was found.
    fn mend_mark(&mut self, head: &Head) -> Result<(), Error> {
        if let Err(damage) = self.check_mark() {
            tracing::warn!("{damage}");
            self.acknowledge(BatchNumber(head.next_batch().0 - 1))?;
            self.is_mark_damaged = false;
        }
        Ok(())
    }

    fn write(&mut self, frames: &[EncodedFrame]) -> Result<(), Cause> {
        // Not while something else makes sled write. Then this commit only takes a little longer to sync.
        if let Ok(_alone) = self.store.beside_writer.try_lock() {
            prefill::fill(&self.store.data_file, u64::try_from(SEGMENT_BYTES).expect("it fits"))?;
        }
        let watched = Watched::begin();
        for frame in frames {
            let replaced = self.store.frames.insert(frame.batch().0.to_be_bytes(), frame.bytes())?;
            assert!(replaced.as_ref().is_none_or(is_place), "history is not overwritten");
        }
        if let (Some(end), Some(newest)) = (&mut self.end, frames.last()) {
            end.places.follow(&self.store.frames, newest.batch())?;
        }
        self.store.flush()?;
        drop(watched);
        if let Some(last) = frames.last() {
            self.acknowledged.note(Mark { id: self.store.about.id, batch: last.batch() })?;
        }
        Ok(())
    }

    /// Accepts the journal: the copy of before its opening goes.
    ///
    /// A journal that is dropped without this is put back as it was found.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the copy cannot be removed.
    pub fn accept(&self) -> Result<(), Error> {
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
    pub fn check_end(&self, replayed: &Replayed) -> Result<(), Error> {
        let found = BatchNumber(replayed.head.next_batch().0 - 1);
        match self.acknowledged() {
            Some(acknowledged) if acknowledged > found => {
                Err(Error::Lost { path: self.store.path.clone(), acknowledged, found })
            }
            _ => Ok(()),
        }
    }

    /// Notes, durably, a batch as the last that is acknowledged.
    pub(crate) fn acknowledge(&self, batch: BatchNumber) -> Result<(), Error> {
        let noted = self.acknowledged.note(Mark { id: self.store.about.id, batch });
        noted.and_then(|()| self.acknowledged.sync()).map_err(|source| Error::Io {
            doing: "write `acknowledged` in",
            path: self.store.path.clone(),
            source,
        })
    }

    pub(crate) fn remove_from(&self, first: BatchNumber) -> Result<(), Error> {
        let failed = |error: sled::Error| store_error("cut the torn tail", &self.store.path, error);
        let _watched = Watched::begin();
        // The last first: where it is cut short, the rest is still in order.
        for key in self.store.frames.range(first.0.to_be_bytes()..).keys().rev() {
            self.store.frames.remove(key.map_err(failed)?).map_err(failed)?;
        }
        self.store.flush().map_err(|cause| store_error("cut the torn tail", &self.store.path, cause))
    }
}

impl Journal for SledJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        let end = self.end.as_ref().expect("a journal is recovered before it is written to");
        let mut next_batch = end.next_batch;
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
        if let Some(end) = &mut self.end {
            end.next_batch = next_batch;
        }
        let mut index = self.index.write();
        for frame in frames {
            index.observe(&frame.frame(), frame.hash(), stored_bytes(frame.bytes()));
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

    fn start(&self) -> Head {
        self.index.read().start().clone()
    }

    fn frames(&self, first: BatchNumber) -> Box<dyn Iterator<Item = Result<StoredFrame, Error>> + '_> {
        // A trim that a crash cut short leaves frames before the beginning.
        let first = first.max(self.index.read().start().next_batch());
        Box::new(self.store.frames(first))
    }

    fn frame(&self, batch: BatchNumber) -> Result<Option<StoredFrame>, Error> {
        Ok(self.store.frame_bytes(batch)?.map(|bytes| StoredFrame { batch, bytes }))
    }
}

impl Store for SledJournal {
    fn recover(&mut self, from: Head, visit: &mut Visit<'_>) -> Result<Replayed, Error> {
        let mut index = SparseIndex::behind(self.start(), from.clone());
        let replayed =
            replay_frames(self, from, &mut |frame, hash, bytes| index.observe(frame, hash, bytes), visit)?;
        // Before a torn tail goes: what the opening kept could not undo that any more.
        self.check_end(&replayed)?;
        self.accept()?;
        if let Some(cut) = &replayed.cut {
            cut.log();
            self.remove_from(cut.first)?;
        }
        self.mend_mark(&replayed.head)?;
        *self.index.write() = index;
        let next_batch = replayed.head.next_batch();
        let places = Places::of(&self.store.frames, next_batch);
        let places = places.map_err(|error| store_error("read", &self.store.path, error))?;
        self.end = Some(End { next_batch, places });
        Ok(replayed)
    }
}

impl SledStore {
    pub(crate) fn frames(&self, first: BatchNumber) -> impl Iterator<Item = Result<StoredFrame, Error>> + '_ {
        let entries = self.frames.range(first.0.to_be_bytes()..);
        let stored = entries.filter(|entry| !entry.as_ref().is_ok_and(|(_, value)| is_place(value)));
        stored.map(|entry| {
            let (key, bytes) = entry.map_err(|error| store_error("read", &self.path, error))?;
            Ok(StoredFrame { batch: self.batch_of(&key)?, bytes: FrameBytes::from_sled(bytes) })
        })
    }

    pub(crate) fn frame_bytes(&self, batch: BatchNumber) -> Result<Option<FrameBytes>, Error> {
        let bytes = self.frames.get(batch.0.to_be_bytes());
        let bytes = bytes.map_err(|error| store_error("read", &self.path, error))?;
        Ok(bytes.filter(|bytes| !is_place(bytes)).map(FrameBytes::from_sled))
    }

    /// A frame that is there unless it was trimmed.
    pub(crate) fn frame_needed(&self, batch: BatchNumber, index: &SharedIndex) -> Result<FrameBytes, Error> {
        if let Some(bytes) = self.frame_bytes(batch)? {
            return Ok(bytes);
        }
        let first = index.read().start().next_batch();
        if batch < first {
            Err(Error::Trimmed { first })
        } else {
            Err(Error::Corrupt { batch, what: Damage::Gone })
        }
    }

    /// Has sled write what it has, and comes back when that is durable.
    pub(crate) fn flush(&self) -> Result<(), Cause> {
        self.db.flush()?;
        if !range_sync::is_in_force() {
            self.data_file.sync_data()?;
        }
        Ok(())
    }

    pub(crate) fn disk_bytes(&self) -> Result<u64, Error> {
        self.db.size_on_disk().map_err(|error| store_error("measure", &self.path, error))
    }

    fn batch_of(&self, key: &[u8]) -> Result<BatchNumber, Error> {
        let key = key.try_into().map_err(|_| store_error("read", &self.path, "a key is no batch number"))?;
        Ok(BatchNumber(u64::from_be_bytes(key)))
    }
}

pub(crate) fn store_error(doing: &'static str, path: &Path, source: impl Into<Cause>) -> Error {
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

/// Writes down what a new journal is; its name last, as it tells that the rest is there.
fn new_description(meta: &sled::Tree, path: &Path, new: (About, Head)) -> Result<(About, Head), Error> {
    let (about, start) = new;
    if start != Head::genesis(about.id, about.partitions) {
        about::write_start(meta, &start).map_err(|error| store_error("describe", path, error))?;
    }
    about.write(meta, path)?;
    Ok((about, start))
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the store panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
}
