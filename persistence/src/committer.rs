//! The writer: takes all that is queued, frames it, appends it with one sync, and opens the gate.
//!
//! It commits at once when there is anything; while one commit is on its way to disk the next group gathers by itself. Only
//! when the last commit was one of a crowd does it wait a moment until as many are there again. A failed append is never
//! retried and never answered: `on_failure` is called once, and the process is expected to stop.
//!
//! [`Committer`] runs the [`Writer`] on a thread of its own. A simulation calls [`Writer::commit`] itself, whenever its
//! schedule says so.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::disk::{CHECK_INTERVAL, DiskWatch};
use crate::frame::{EncodedFrame, FrameBuilder, FrameHash};
use crate::gate::Failed;
use crate::journal::{AppendError, Journal};
use crate::queue::{Counters, Queue, Shared, Wake};
use crate::record::{BatchNumber, Ticket};
use crate::replay::Head;

const THREAD_NAME: &str = "journal-writer";

/// How many records of a commit are a crowd. Fewer clients would soon all be in one commit, and nobody served while it syncs.
const CROWD: u32 = 96;

/// How long the writer waits for a crowd to be there again.
const GATHER_TIME: Duration = Duration::from_micros(1_500);

/// How much may wait for the disk unless told otherwise.
const BACKLOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How much of the disk stays free unless told otherwise.
const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// How a committer behaves.
pub struct CommitterOptions {
    /// Called once, on the writer thread, when a commit fails. Whoever sets it stops the process.
    pub on_failure: Box<dyn FnOnce(AppendError) + Send>,
    /// Any path on the journal's disk; nothing where free space is of no concern.
    pub free_space_path: Option<PathBuf>,
    /// With less than this free, [`Queue::is_disk_low`] is true.
    pub disk_reserve_bytes: u64,
    /// With this much waiting for the disk, a push is refused.
    pub backlog_bytes_max: u64,
}

/// The running writer thread.
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Option<Box<dyn Journal>>>>,
}

/// The writer without a thread.
pub struct Writer {
    shared: Arc<Shared>,
    journal: Box<dyn Journal>,
    next_batch: BatchNumber,
    last_hash: FrameHash,
    disk: DiskWatch,
    has_failed: bool,
    /// Of the last commit.
    records: u32,
    taken: Vec<FrameBuilder>,
    frames: Vec<EncodedFrame>,
    spent: Vec<FrameBuilder>,
}

impl CommitterOptions {
    /// No watch over the disk, and the usual bounds.
    pub fn new(on_failure: impl FnOnce(AppendError) + Send + 'static) -> CommitterOptions {
        CommitterOptions {
            on_failure: Box::new(on_failure),
            free_space_path: None,
            disk_reserve_bytes: DISK_RESERVE_BYTES,
            backlog_bytes_max: BACKLOG_BYTES_MAX,
        }
    }
}

impl Committer {
    /// Starts the writer thread behind a recovered journal that ends at `head`.
    ///
    /// # Panics
    ///
    /// When the operating system gives no thread.
    pub fn start(journal: Box<dyn Journal>, head: Head, options: CommitterOptions) -> (Queue, Committer) {
        let disk = DiskWatch::new(options.free_space_path, options.disk_reserve_bytes);
        let (queue, writer) = Writer::build(journal, head, options.backlog_bytes_max, disk);
        (queue, Committer::run(writer, options.on_failure))
    }

    fn run(writer: Writer, on_failure: Box<dyn FnOnce(AppendError) + Send>) -> Committer {
        let shared = Arc::clone(&writer.shared);
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || writer.run(on_failure))
            .expect("a process that starts has a thread to spare");
        Committer { shared, thread: Some(thread) }
    }

    /// Commits everything pushed so far, ends the thread, and gives the journal back.
    ///
    /// # Errors
    ///
    /// [`Failed`] when a commit failed; `on_failure` was told why.
    pub fn close(mut self) -> Result<Box<dyn Journal>, Failed> {
        self.join().ok_or(Failed)
    }

    fn join(&mut self) -> Option<Box<dyn Journal>> {
        let thread = self.thread.take()?;
        self.shared.close();
        match thread.join() {
            Ok(journal) => journal,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.join();
        }
    }
}

impl Writer {
    /// A writer behind a recovered journal that ends at `head`, for a caller with a schedule of its own.
    pub fn new(journal: Box<dyn Journal>, head: Head) -> (Queue, Writer) {
        Writer::build(journal, head, BACKLOG_BYTES_MAX, DiskWatch::new(None, 0))
    }

    fn build(
        journal: Box<dyn Journal>,
        head: Head,
        backlog_bytes_max: u64,
        mut disk: DiskWatch,
    ) -> (Queue, Writer) {
        let (next_batch, last_hash) = (head.next_batch(), head.last_hash());
        let (queue, shared) = Queue::new(head, backlog_bytes_max);
        disk.measure(&shared.is_disk_low);
        let writer = Writer {
            shared,
            journal,
            next_batch,
            last_hash,
            disk,
            has_failed: false,
            records: 0,
            taken: Vec::new(),
            frames: Vec::new(),
            spent: Vec::new(),
        };
        (queue, writer)
    }

    /// Commits all that is queued and returns the newest durable ticket. One append and one sync, or none when nothing is queued.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::append`]. From then on the queue refuses every push and the gate stays where it is.
    ///
    /// # Panics
    ///
    /// When called again after an error: a failed journal is not written to.
    pub fn commit(&mut self) -> Result<Ticket, AppendError> {
        assert!(!self.has_failed, "a failed journal is not written to");
        let taken = self.shared.take(&mut self.taken, &mut self.spent);
        if self.taken.is_empty() {
            return Ok(taken.last_ticket);
        }
        for builder in self.taken.drain(..) {
            let frame = builder.finish(self.next_batch, self.last_hash);
            self.next_batch = self.next_batch.next();
            self.last_hash = frame.hash();
            self.frames.push(frame);
        }
        let bytes = self.frames.iter().map(|frame| count(frame.bytes().len())).sum();
        self.disk.check(bytes, &self.shared.is_disk_low);
        let started = Instant::now();
        if let Err(error) = self.journal.append(&self.frames) {
            self.has_failed = true;
            self.shared.fail();
            return Err(error);
        }
        self.records = self.frames.iter().map(EncodedFrame::count).sum();
        self.shared.commits.add(count(self.frames.len()), self.records, bytes, started);
        self.shared.commit(taken);
        self.spent.extend(self.frames.drain(..).map(EncodedFrame::recycle));
        Ok(taken.last_ticket)
    }

    /// Gives the journal back; what is still queued is lost.
    pub fn into_journal(self) -> Box<dyn Journal> {
        self.journal
    }

    /// The answers of the last commit bring the next requests in a burst, and its first push woke us.
    ///
    /// A crowd keeps the processors busy until it is back; a commit for a half of it costs as much as one for all, and takes
    /// the processor from the other half. Of a few, those who are about to push go first on a busy machine; on an idle one this
    /// returns at once.
    fn let_others_join(&self) {
        if self.records >= CROWD {
            self.shared.gather(self.records, GATHER_TIME);
        } else {
            std::thread::yield_now();
        }
    }

    fn run(mut self, on_failure: Box<dyn FnOnce(AppendError) + Send>) -> Option<Box<dyn Journal>> {
        loop {
            let is_disk_low = self.shared.is_disk_low.load(Ordering::Relaxed);
            match self.shared.wait_for_work(is_disk_low.then_some(CHECK_INTERVAL)) {
                Wake::Tick => self.disk.measure(&self.shared.is_disk_low),
                Wake::Closed => return Some(self.journal),
                Wake::Work => {
                    self.let_others_join();
                    if let Err(error) = self.commit() {
                        on_failure(error);
                        self.shared.gate.fail();
                        return None;
                    }
                }
            }
        }
    }
}

impl Counters {
    fn add(&self, batches: u64, records: u32, bytes: u64, started: Instant) {
        let append_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let add = |counter: &AtomicU64, more: u64| counter.fetch_add(more, Ordering::Relaxed);
        add(&self.batches, batches);
        add(&self.records, u64::from(records));
        add(&self.syncs, 1);
        add(&self.bytes, bytes);
        add(&self.append_ns, append_ns);
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}

impl fmt::Debug for Committer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Committer").field("gate", &self.shared.gate).finish_non_exhaustive()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").field("next_batch", &self.next_batch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;
    use crate::frame::JournalId;
    use crate::memory_journal::MemoryDisk;

    #[test]
    fn low_disk_is_seen_at_the_start_and_service_resumes_by_itself_while_idle() {
        let disk = MemoryDisk::new(JournalId([1; 16]), 1);
        let free = Arc::new(Mutex::new(10_u64));
        let (measured, measurements) = mpsc::channel();
        let probe = {
            let free = Arc::clone(&free);
            Box::new(move || {
                let free_bytes = *free.lock().expect("the test holds it shortly");
                measured.send(free_bytes).expect("the test listens");
                Ok(free_bytes)
            })
        };
        let watch = DiskWatch::with_probe(Some(probe), 100);
        let head = Head::before(&disk.journal());
        let (queue, writer) = Writer::build(Box::new(disk.journal()), head, BACKLOG_BYTES_MAX, watch);
        assert!(queue.is_disk_low());
        let committer = Committer::run(writer, Box::new(|error| panic!("no commit fails: {error}")));
        *free.lock().expect("the probe holds it shortly") = 1_000;
        while measurements.recv().expect("a low disk is measured again and again") != 1_000 {}
        committer.close().expect("nothing failed");
        assert!(!queue.is_disk_low());
    }
}
