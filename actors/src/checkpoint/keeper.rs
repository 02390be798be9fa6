//! The thread that takes checkpoints: says when, writes what the shards' walkers bring, and lets go of what nobody needs.
//!
//! It may block, on the disk and on the shards; nobody waits for it but who asked for a checkpoint. What goes wrong is logged
//! and counted here, and tried again later: the server goes on, and what was to be in the file will be in the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::Addr;
use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{CheckpointWriter, Head, Mark, Partition, Queue, Reader, Sequence, Ticket};
use tokio::sync::{mpsc as async_mpsc, oneshot};

use super::anew::NoteAll;
use super::walk::{Begin, Begun, Delivery, Pace};
use super::{CheckpointOptions, Error, Figures, Taken, chain_of, tidy};
use crate::clock::Clock;
use crate::pending;
use crate::shard::Shard;

const THREAD_NAME: &str = "checkpoints";

/// By how much others come first: with as many threads as cores, a shard would wait for whole slices of this one.
const NICENESS: i32 = 10;

/// How often the thread looks whether a checkpoint is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// After a checkpoint came to nothing, no other is begun by itself for so long.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Blocks that wait to be written; each is some 64 KiB.
const DELIVERIES_MAX: usize = 32;

/// The running thread.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    thread: Mutex<Option<(JoinHandle<()>, mpsc::Receiver<()>)>>,
}

/// What the thread and everybody else have in common.
#[derive(Default)]
struct Shared {
    figures: Mutex<Figures>,
    pace: Arc<Pace>,
    is_stopping: AtomicBool,
}

/// What somebody wants.
struct Order {
    is_whole: bool,
    is_hurried: bool,
    reply: oneshot::Sender<Result<Taken, Error>>,
}

/// What the thread works with.
pub(crate) struct Site {
    pub(crate) options: CheckpointOptions,
    pub(crate) reader: Reader,
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<dyn Clock>,
    /// Each shard with its partitions.
    pub(crate) shards: Vec<(Addr<Shard>, Vec<Partition>)>,
    /// The newest checkpoint: what the next builds on. Without it the next one is of everything.
    pub(crate) newest: Option<Info>,
}

struct Work {
    site: Site,
    shared: Arc<Shared>,
    last: Instant,
    /// What the journal had written then.
    last_bytes: u64,
    retry_after: Option<Instant>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Panics
    ///
    /// When the operating system gives no thread.
    pub(crate) fn start(site: Site) -> Self {
        let shared = Arc::<Shared>::default();
        if let Some(newest) = &site.newest {
            lock(&shared.figures).newest_at_ms = Some(newest.mark.at_ms);
        }
        let (orders, received) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let last_bytes = site.queue.commits().bytes;
        let last = Instant::now();
        // What kept the first from being written may be over by then.
        let retry_after = site.newest.is_none().then(|| last + RETRY_AFTER);
        let mut work = Work { site, shared: Arc::clone(&shared), last, last_bytes, retry_after };
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || {
                // Of this thread alone, on Linux: it has the time that no shard wants. Where that may not be, it is as the others are.
                let _priority = rustix::process::nice(NICENESS);
                work.run(&received);
                drop(work);
                // Nobody may wait for it any more.
                let _unheard = ended.send(());
            })
            .expect("a process that starts has a thread to spare");
        Self { orders, shared, thread: Mutex::new(Some((thread, end))) }
    }

    /// Takes a checkpoint; with `is_whole` the chain is one file afterwards. While one is being taken, whoever asks gets that
    /// one's successor, all of them the same.
    pub(crate) async fn take(&self, is_whole: bool, is_hurried: bool) -> Result<Taken, Error> {
        if is_hurried {
            self.shared.pace.is_hurried.store(true, Ordering::Relaxed);
        }
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order { is_whole, is_hurried, reply }).map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }

    pub(crate) fn figures(&self) -> Figures {
        let mut figures = *lock(&self.shared.figures);
        figures.pause_max = figures.pause_max.max(self.shared.pace.pause_max());
        figures
    }

    /// Ends the thread: what it is at comes to nothing, or is finished within `wait_max`. Blocks.
    pub(crate) fn stop(&self, wait_max: Duration) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.pace.is_hurried.store(true, Ordering::Relaxed);
        let Some((thread, end)) = lock(&self.thread).take() else { return };
        // One that does not end in time waits for shards that are gone, or for the disk: the process is about to end.
        if end.recv_timeout(wait_max).is_ok() && thread.join().is_err() {
            tracing::error!("the thread of the checkpoints panicked");
        }
    }
}

impl Work {
    fn run(&mut self, orders: &mpsc::Receiver<Order>) {
        while !self.is_stopping() {
            let first = match orders.recv_timeout(LOOK_INTERVAL) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let wanted: Vec<Order> = first.into_iter().chain(orders.try_iter()).collect();
            if wanted.is_empty() && !self.is_due() {
                continue;
            }
            let is_whole = wanted.iter().any(|order| order.is_whole);
            let is_hurried = wanted.iter().any(|order| order.is_hurried);
            self.shared.pace.is_hurried.store(is_hurried || self.is_stopping(), Ordering::Relaxed);
            let taken = self.take(is_whole, is_hurried);
            for order in wanted {
                // Whoever hung up does not want the answer.
                let _unwanted = order.reply.send(taken.clone());
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::SeqCst)
    }

    /// Whether it is time for one, and there is something new.
    fn is_due(&self) -> bool {
        if self.retry_after.is_some_and(|after| Instant::now() < after) || self.site.queue.is_disk_low() {
            return false;
        }
        let Some(newest) = &self.site.newest else { return true };
        let grown = self.site.queue.commits().bytes.saturating_sub(self.last_bytes);
        let is_late = self.site.options.every.is_some_and(|every| self.last.elapsed() >= every);
        (is_late || grown >= self.site.options.journal_bytes_max)
            && !is_reflected(newest, &self.site.reader.head())
    }

    /// Takes one, and tells the log and the figures of it.
    fn take(&mut self, is_whole: bool, is_hurried: bool) -> Result<Taken, Error> {
        let started = Instant::now();
        let taken = self.take_quietly(started);
        // Whoever is in a hurry has no time for that: it is made up for after the next one.
        let is_tidied = is_whole || !is_hurried;
        let taken = taken.and_then(|taken| if is_tidied { self.tidied(taken, is_whole) } else { Ok(taken) });
        match &taken {
            Ok(taken) => {
                self.retry_after = None;
                tracing::debug!(
                    "checkpoint {} has {} entries in {} bytes, in {:.3?}",
                    taken.info.number,
                    taken.info.entries,
                    taken.info.bytes,
                    taken.elapsed
                );
            }
            Err(error @ Error::Write(source)) => {
                self.retry_after = Some(Instant::now() + RETRY_AFTER);
                lock(&self.shared.figures).failed += 1;
                tracing::error!("{error}: {}; it is tried again later", chain_of(&**source));
            }
            // The journal's writer tells the log of the disk. What was written so far is gone, so there is room again.
            Err(Error::DiskLow | Error::Off | Error::Stopped) => {
                self.retry_after = Some(Instant::now() + RETRY_AFTER);
            }
        }
        taken
    }

    fn take_quietly(&mut self, started: Instant) -> Result<Taken, Error> {
        let head = self.site.reader.head();
        let newest = self.site.newest.as_ref().filter(|newest| is_reflected(newest, &head));
        if let Some(info) = newest.filter(|_| self.site.queue.backlog_bytes() == 0) {
            let info = info.clone();
            return Ok(Taken { info, elapsed: started.elapsed(), pause_max: Duration::ZERO });
        }
        {
            let earlier = self.shared.pace.take_pause_max();
            let mut figures = lock(&self.shared.figures);
            figures.pause_max = figures.pause_max.max(earlier);
        }
        let info = self.write()?;
        self.last = Instant::now();
        self.last_bytes = self.site.queue.commits().bytes;
        self.site.newest = Some(info.clone());
        let (elapsed, pause_max) = (started.elapsed(), self.shared.pace.pause_max());
        let mut figures = lock(&self.shared.figures);
        figures.pause_max = figures.pause_max.max(pause_max);
        figures.taken += 1;
        figures.newest_at_ms = Some(info.mark.at_ms);
        figures.elapsed = elapsed;
        (figures.bytes, figures.entries) = (info.bytes, info.entries);
        figures.bytes_total += info.bytes;
        figures.entries_total += info.entries;
        Ok(Taken { info, elapsed, pause_max })
    }

    /// Writes one file.
    fn write(&self) -> Result<Info, Error> {
        self.must_have_room_for(0)?;
        let mut writer = self.begin_file()?;
        // First: a record that is durable by now is reflected by every shard.
        let head = self.site.reader.head();
        let (deliveries, mut delivered) = async_mpsc::channel(DELIVERIES_MAX);
        let parts: Vec<Part> = self.site.shards.iter().map(|shard| self.begin(shard, &deliveries)).collect();
        drop(deliveries);
        let mut shards_done = 0;
        while let Some(delivery) = delivered.blocking_recv() {
            match delivery {
                Delivery::Block(block) => {
                    let bytes = u64::try_from(block.bytes()).expect("a length fits 64 bits");
                    self.must_have_room_for(bytes)?;
                    writer.put(&block).map_err(write_error)?;
                }
                Delivery::Done => shards_done += 1,
            }
        }
        if shards_done < self.site.shards.len() {
            return Err(Error::Stopped);
        }
        let mut reflects = vec![Sequence(0); head.partitions().len()];
        let mut ticket = Ticket::ZERO;
        let mut outcomes = Vec::with_capacity(parts.len());
        for Part { begun, outcome } in parts {
            let begun = begun.blocking_recv().map_err(|_| Error::Stopped)?;
            ticket = ticket.max(begun.ticket);
            for (partition, sequence) in begun.reflects {
                reflects[usize::from(partition.0)] = sequence;
            }
            outcomes.push(outcome);
        }
        if ticket == pending::never() || self.site.queue.gate().wait_blocking(ticket).is_err() {
            return Err(Error::Stopped);
        }
        // Not before: what it reflects is not younger.
        let at_ms = self.site.clock.now().0;
        let info = writer.finish(&Mark { head, reflects, at_ms }).map_err(write_error)?;
        for outcome in outcomes {
            // A shard that is gone has nothing to forget.
            let _gone = outcome.send(());
        }
        Ok(info)
    }

    /// Leaves the journal its reserve: it stops the server when the disk takes nothing any more.
    fn must_have_room_for(&self, bytes: u64) -> Result<(), Error> {
        let Site { options, queue, .. } = &self.site;
        let free = options.files.free_bytes().map_err(write_error)?;
        let has_room = !queue.is_disk_low() && free.saturating_sub(bytes) >= options.disk_reserve_bytes;
        if has_room { Ok(()) } else { Err(Error::DiskLow) }
    }

    /// Begins an increment of the newest checkpoint, the one since which changes are noted. Where there is none, or it is not to be
    /// built on any more, begins a whole file, and everything counts as changed.
    fn begin_file(&self) -> Result<CheckpointWriter, Error> {
        let files = &self.site.options.files;
        if let Some(newest) = &self.site.newest {
            let writer = files.begin(Kind::Increment).map_err(write_error)?;
            if writer.base() == Some(newest.number) {
                return Ok(writer);
            }
            tracing::warn!("checkpoint {} is damaged or gone: the next one is whole", newest.number);
        }
        let noted: Vec<_> = self.site.shards.iter().map(|shard| self.note_all(shard)).collect();
        for noted in noted {
            noted.blocking_recv().map_err(|_| Error::Stopped)?;
        }
        files.begin(Kind::Whole).map_err(write_error)
    }

    fn note_all(&self, (shard, partitions): &(Addr<Shard>, Vec<Partition>)) -> oneshot::Receiver<()> {
        let (noted, reply) = oneshot::channel();
        let pace = Arc::clone(&self.shared.pace);
        shard.do_send(NoteAll { partitions: partitions.clone(), noted, pace });
        reply
    }

    fn begin(
        &self,
        (shard, partitions): &(Addr<Shard>, Vec<Partition>),
        deliveries: &async_mpsc::Sender<Delivery>,
    ) -> Part {
        let (begun, reply) = oneshot::channel();
        let (outcome, told) = oneshot::channel();
        shard.do_send(Begin {
            partitions: partitions.clone(),
            begun,
            deliveries: deliveries.clone(),
            outcome: told,
            pace: Arc::clone(&self.shared.pace),
        });
        Part { begun: reply, outcome }
    }

    /// Merges files and lets go of old ones. What fails here is tried again after the next checkpoint.
    fn tidied(&mut self, taken: Taken, is_whole: bool) -> Result<Taken, Error> {
        let now = self.site.clock.now();
        let has_room = |bytes| self.must_have_room_for(bytes).is_ok();
        let merged = tidy::merge(&self.site.options.files, is_whole, &has_room).map_err(write_error);
        let taken = match merged {
            Ok(None) if is_whole && taken.info.kind != Kind::Whole => return Err(Error::DiskLow),
            Ok(None) => taken,
            Ok(Some(info)) => {
                self.site.newest = Some(info.clone());
                Taken { info, ..taken }
            }
            Err(error) if is_whole => return Err(error),
            Err(error) => {
                lock(&self.shared.figures).failed += 1;
                tracing::warn!("checkpoints are not merged: {}", chain_of(&error));
                taken
            }
        };
        if let Err(error) = tidy::let_go(&self.site.options, &self.site.reader, now) {
            lock(&self.shared.figures).failed += 1;
            tracing::warn!("nothing is trimmed: {}", chain_of(&error));
        }
        Ok(taken)
    }
}

/// One shard's part of a checkpoint under way.
struct Part {
    begun: oneshot::Receiver<Begun>,
    /// Dropped, it tells the shard that the checkpoint came to nothing.
    outcome: oneshot::Sender<()>,
}

/// Whether the journal has nothing that a checkpoint does not reflect.
fn is_reflected(newest: &Info, head: &Head) -> bool {
    let reached = head.partitions().iter().map(|partition| partition.sequence);
    reached.eq(newest.mark.reflects.iter().copied())
}

fn write_error(error: holdfast_persistence::Error) -> Error {
    Error::Write(Arc::new(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a panic aborts the process, so no lock is ever poisoned")
}
