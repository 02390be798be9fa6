//! The queue between the producers and the writer thread: where a record becomes bytes and gets its ticket.
//!
//! A push is the hot path of the whole server: one short mutex, one copy of the payload straight into the open frame, no
//! allocation (the frames' memory goes round between producers and writer), a wake only if the writer sleeps. It touches no
//! file and never waits for one.
//!
//! A push out of order (a sequence not dense, an epoch or a time that falls) would make a journal that no start accepts.
//! It is a bug of the partition's owner and panics before anything is written.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::frame::{FrameBuilder, RECORD_BYTES_MAX, packed_bytes};
use crate::gate::Gate;
use crate::record::{Partition, RecordHeader, Sequence, Ticket};
use crate::replay::{Damage, Head};

/// How many empty frames are kept for the next commit.
const SPARE_FRAMES_MAX: usize = 64;

/// Takes records for the journal. Clones are the same queue; any thread may push.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

/// A push refused; nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The payload is larger than a record may be.
    #[error("record of {bytes} bytes is larger than {RECORD_BYTES_MAX}")]
    TooLarge {
        /// The payload's size.
        bytes: usize,
    },
    /// The writer is too far behind.
    #[error("{backlog_bytes} bytes wait for the disk already: try again later")]
    Full {
        /// What waits.
        backlog_bytes: u64,
    },
    /// The committer was closed.
    #[error("the journal is closed")]
    Closed,
    /// A commit failed; the process is about to stop.
    #[error("the journal failed")]
    Failed,
}

/// What was committed since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Commits {
    /// Frames made durable.
    pub batches: u64,
    /// Records made durable.
    pub records: u64,
    /// Appends, each with one sync: how many groups there were.
    pub syncs: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Time spent in appends, sync included.
    pub append_ns: u64,
}

/// What the queue's clones and the writer have in common.
pub(crate) struct Shared {
    open: Mutex<Open>,
    work: Condvar,
    pub(crate) gate: Gate,
    backlog_bytes_max: u64,
    last_ticket: AtomicU64,
    pushed_bytes: AtomicU64,
    committed_bytes: AtomicU64,
    pub(crate) is_disk_low: AtomicBool,
    pub(crate) commits: Counters,
}

/// [`Commits`] in the making; written by the writer thread alone.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) append_ns: AtomicU64,
}

/// What a push changes.
struct Open {
    state: State,
    /// Where each partition ends once all that is queued is written.
    head: Head,
    last_ticket: Ticket,
    pushed_bytes: u64,
    full: Vec<FrameBuilder>,
    filling: FrameBuilder,
    spare: Vec<FrameBuilder>,
    is_writer_asleep: bool,
    /// How many records it takes to wake the writer, where no frame is full before.
    wanted: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Failed,
}

/// Why the writer woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// There are records to commit.
    Work,
    /// The time to sleep is over.
    Tick,
    /// The committer was closed and all is committed.
    Closed,
}

/// All that was queued when the writer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) last_ticket: Ticket,
    pub(crate) pushed_bytes: u64,
}

/// Why a push was not taken.
enum Denial {
    Refused(PushError),
    Disorder(Damage),
}

impl Queue {
    pub(crate) fn new(head: Head, backlog_bytes_max: u64) -> (Queue, Arc<Shared>) {
        let shared = Arc::new(Shared {
            open: Mutex::new(Open {
                state: State::Open,
                head,
                last_ticket: Ticket::ZERO,
                pushed_bytes: 0,
                full: Vec::new(),
                filling: FrameBuilder::new(),
                spare: Vec::new(),
                is_writer_asleep: false,
                wanted: 0,
            }),
            work: Condvar::new(),
            gate: Gate::new(),
            backlog_bytes_max,
            last_ticket: AtomicU64::new(Ticket::ZERO.number()),
            pushed_bytes: AtomicU64::new(0),
            committed_bytes: AtomicU64::new(0),
            is_disk_low: AtomicBool::new(false),
            commits: Counters::default(),
        });
        (Queue { shared: Arc::clone(&shared) }, shared)
    }

    /// Queues one record and returns the ticket that is durable when the record is.
    ///
    /// # Errors
    ///
    /// [`PushError`], with nothing changed.
    ///
    /// # Panics
    ///
    /// When the record does not follow its partition's last: see the module's head.
    pub fn push(&self, header: RecordHeader, payload: &[u8]) -> Result<Ticket, PushError> {
        let mut open = self.shared.lock();
        let ticket = open.push(&self.shared, &header, payload);
        self.shared.publish(open, ticket)
    }

    /// Queues records next to each other, no other push between them, and returns the last one's ticket.
    ///
    /// Records that fit one frame together share one: a crash leaves all or none of them. Larger groups are spread over
    /// frames of one commit, of which a crash may leave the first ones. No records at all get the newest ticket.
    ///
    /// # Errors
    ///
    /// [`PushError`], with nothing changed.
    ///
    /// # Panics
    ///
    /// When a record does not follow its partition's last: see the module's head.
    pub fn push_all(&self, records: &[(RecordHeader, &[u8])]) -> Result<Ticket, PushError> {
        let mut open = self.shared.lock();
        let ticket = open.push_all(&self.shared, records);
        self.shared.publish(open, ticket)
    }

    /// The ticket of the newest push: who waits for it waits for all that was pushed before.
    pub fn last_ticket(&self) -> Ticket {
        Ticket::new(self.shared.last_ticket.load(Ordering::Acquire))
    }

    /// The newest sequence pushed to a partition; nothing for a partition that the journal does not have.
    pub fn newest(&self, partition: Partition) -> Option<Sequence> {
        self.shared.lock().head.partition(partition).map(|head| head.sequence)
    }

    /// The gate that opens as the tickets become durable.
    pub fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// How many bytes of records are pushed and not yet durable.
    pub fn backlog_bytes(&self) -> u64 {
        let committed = self.shared.committed_bytes.load(Ordering::Relaxed);
        self.shared.pushed_bytes.load(Ordering::Relaxed).saturating_sub(committed)
    }

    /// Says whether the journal's disk has less than its reserve free: refuse writes, keep reading.
    pub fn is_disk_low(&self) -> bool {
        self.shared.is_disk_low.load(Ordering::Relaxed)
    }

    /// What was committed since the start.
    pub fn commits(&self) -> Commits {
        let counters = &self.shared.commits;
        Commits {
            batches: counters.batches.load(Ordering::Relaxed),
            records: counters.records.load(Ordering::Relaxed),
            syncs: counters.syncs.load(Ordering::Relaxed),
            bytes: counters.bytes.load(Ordering::Relaxed),
            append_ns: counters.append_ns.load(Ordering::Relaxed),
        }
    }
}

impl Open {
    fn push(&mut self, shared: &Shared, header: &RecordHeader, payload: &[u8]) -> Result<Ticket, Denial> {
        self.refuse_unfit(shared, payload)?;
        self.head.admit(header).map_err(Denial::Disorder)?;
        let bytes = packed_bytes(payload);
        self.make_room(bytes);
        self.append(header, payload, bytes);
        Ok(self.last_ticket)
    }

    fn push_all(&mut self, shared: &Shared, records: &[(RecordHeader, &[u8])]) -> Result<Ticket, Denial> {
        for (_, payload) in records {
            self.refuse_unfit(shared, payload)?;
        }
        for (header, _) in records {
            self.head.admit(header).map_err(Denial::Disorder)?;
        }
        self.make_room(records.iter().map(|(_, payload)| packed_bytes(payload)).sum());
        for (header, payload) in records {
            let bytes = packed_bytes(payload);
            self.make_room(bytes);
            self.append(header, payload, bytes);
        }
        Ok(self.last_ticket)
    }

    fn refuse_unfit(&self, shared: &Shared, payload: &[u8]) -> Result<(), Denial> {
        match self.state {
            State::Open => {}
            State::Closed => return Err(Denial::Refused(PushError::Closed)),
            State::Failed => return Err(Denial::Refused(PushError::Failed)),
        }
        if payload.len() > RECORD_BYTES_MAX {
            return Err(Denial::Refused(PushError::TooLarge { bytes: payload.len() }));
        }
        let backlog_bytes = self.pushed_bytes - shared.committed_bytes.load(Ordering::Relaxed);
        if backlog_bytes >= shared.backlog_bytes_max {
            return Err(Denial::Refused(PushError::Full { backlog_bytes }));
        }
        Ok(())
    }

    /// Starts a new frame when the one being filled would pass its bound.
    fn make_room(&mut self, bytes: usize) {
        if self.filling.count() > 0 && !self.filling.has_room(bytes) {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let fresh = self.spare.pop().unwrap_or_default();
        self.full.push(std::mem::replace(&mut self.filling, fresh));
    }

    /// Whether the writer wants to wait for more.
    fn is_short(&self) -> bool {
        self.state == State::Open && self.full.is_empty() && self.filling.count() < self.wanted
    }

    fn append(&mut self, header: &RecordHeader, payload: &[u8], bytes: usize) {
        self.filling.push(header, payload);
        self.pushed_bytes += u64::try_from(bytes).expect("a length fits 64 bits");
        self.last_ticket = Ticket::new(self.last_ticket.number() + 1);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it holds the queue: disorder is told after the guard is gone.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the queue and tells the world what the push changed.
    fn publish(
        &self,
        mut open: MutexGuard<'_, Open>,
        ticket: Result<Ticket, Denial>,
    ) -> Result<Ticket, PushError> {
        match ticket {
            Ok(ticket) => {
                self.last_ticket.store(open.last_ticket.number(), Ordering::Release);
                self.pushed_bytes.store(open.pushed_bytes, Ordering::Relaxed);
                let is_writer_asleep = !open.is_short() && std::mem::take(&mut open.is_writer_asleep);
                drop(open);
                if is_writer_asleep {
                    self.work.notify_one();
                }
                Ok(ticket)
            }
            Err(Denial::Refused(refusal)) => Err(refusal),
            Err(Denial::Disorder(damage)) => {
                drop(open);
                panic!("pushes are in order, but {damage}");
            }
        }
    }

    /// Sleeps until there is work, the committer is closed, or `ms_max` is over.
    pub(crate) fn wait_for_work(&self, sleep_max: Option<Duration>) -> Wake {
        let mut open = self.lock();
        loop {
            if open.filling.count() > 0 {
                return Wake::Work;
            }
            if open.state != State::Open {
                return Wake::Closed;
            }
            open.is_writer_asleep = true;
            open = match sleep_max {
                None => self.work.wait(open).unwrap_or_else(PoisonError::into_inner),
                Some(sleep_max) => {
                    let (open, timeout) =
                        self.work.wait_timeout(open, sleep_max).unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && open.filling.count() == 0 {
                        return Wake::Tick;
                    }
                    open
                }
            };
        }
    }

    /// Sleeps until `wanted` records are queued or a frame is full, the committer is closed, or `time_max` is over.
    pub(crate) fn gather(&self, wanted: u32, time_max: Duration) {
        let mut open = self.lock();
        open.wanted = wanted;
        open.is_writer_asleep = true;
        let gathered = self.work.wait_timeout_while(open, time_max, |open| open.is_short());
        let (mut open, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        open.wanted = 0;
        open.is_writer_asleep = false;
    }

    /// Moves all that is queued into `frames`, which is empty; gives `spent` back for reuse.
    pub(crate) fn take(&self, frames: &mut Vec<FrameBuilder>, spent: &mut Vec<FrameBuilder>) -> Taken {
        let mut open = self.lock();
        let room = SPARE_FRAMES_MAX.saturating_sub(open.spare.len()).min(spent.len());
        open.spare.extend(spent.drain(..room));
        if open.filling.count() > 0 {
            open.seal();
        }
        std::mem::swap(&mut open.full, frames);
        let taken = Taken { last_ticket: open.last_ticket, pushed_bytes: open.pushed_bytes };
        drop(open);
        spent.clear();
        taken
    }

    /// Counts a commit and opens the gate up to its last record.
    pub(crate) fn commit(&self, taken: Taken) {
        self.committed_bytes.store(taken.pushed_bytes, Ordering::Relaxed);
        self.gate.advance(taken.last_ticket);
    }

    /// Lets no more pushes in; the writer commits what there is and ends.
    pub(crate) fn close(&self) {
        self.end(State::Closed);
    }

    /// Lets no more pushes in because a commit failed. The gate stays shut.
    pub(crate) fn fail(&self) {
        self.end(State::Failed);
    }

    fn end(&self, state: State) {
        let mut open = self.lock();
        if open.state == State::Open || state == State::Failed {
            open.state = state;
        }
        open.is_writer_asleep = false;
        drop(open);
        self.work.notify_all();
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").field("last_ticket", &self.last_ticket()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::frame::{FRAME_BYTES_MAX, JournalId};
    use crate::record::Epoch;

    const FOREVER: Duration = Duration::from_secs(3_600);

    fn queue() -> (Queue, Arc<Shared>) {
        Queue::new(Head::genesis(JournalId([1; 16]), 1), u64::MAX)
    }

    fn push(queue: &Queue, sequence: u64, payload: &[u8]) {
        let (partition, sequence) = (Partition(0), Sequence(sequence));
        let header = RecordHeader { partition, epoch: Epoch(0), sequence, time_ms: 0 };
        queue.push(header, payload).expect("the queue is open");
    }

    /// How many records are queued when a writer that wants `wanted` comes back, while `meanwhile` goes on.
    fn gathered(wanted: u32, time_max: Duration, meanwhile: impl FnOnce(&Queue, &Shared)) -> u32 {
        let (queue, shared) = queue();
        push(&queue, 1, b"the one that woke it");
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                shared.gather(wanted, time_max);
                let (mut frames, mut spent) = (Vec::new(), Vec::new());
                shared.take(&mut frames, &mut spent);
                frames.iter().map(FrameBuilder::count).sum()
            });
            meanwhile(&queue, &shared);
            writer.join().expect("it only waits")
        })
    }

    #[test]
    fn crowd_is_waited_for_until_it_is_there() {
        let crowd = |queue: &Queue, _: &Shared| (2..=96).for_each(|sequence| push(queue, sequence, b"back"));
        assert_eq!(gathered(96, FOREVER, crowd), 96);
    }

    #[test]
    fn full_frame_is_enough() {
        let large = |queue: &Queue, _: &Shared| push(queue, 2, &vec![0; FRAME_BYTES_MAX]);
        assert_eq!(gathered(96, FOREVER, large), 2);
    }

    #[test]
    fn crowd_that_stays_away_is_not_waited_for() {
        assert_eq!(gathered(96, Duration::from_millis(1), |_, _| {}), 1);
        assert_eq!(gathered(96, FOREVER, |_, shared| shared.close()), 1);
    }
}
