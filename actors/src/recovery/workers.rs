//! Replay on several threads: one reads frames and checks them, the others decode and apply, each some of the partitions.
//!
//! Records are copied into batches that go to the workers through bounded channels and come back empty, so that nothing is
//! allocated for a record and no reader runs far ahead.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use holdfast_persistence::{Cause, Partition, Record, RecordHeader, Sequence};

use super::part::{NeverPlaced, Part};
use super::state::State;

/// The bytes at which a batch goes to its worker; the last record may pass it.
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// How many batches wait for one worker.
const BATCHES_WAITING_MAX: usize = 8;

/// Records on their way to a worker.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Each with the end of its payload.
    records: Vec<(RecordHeader, usize)>,
}

/// The way to one worker.
struct Lane {
    filling: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

/// Lends records to the workers; given to whoever reads the journal.
pub(super) struct Distributor {
    lanes: Vec<Lane>,
}

/// Why a replay on several threads stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// A record speaks of two partitions: they cannot be replayed apart.
    TwoPartitions,
    /// These records could not be taken; of each worker the first.
    Refused(Vec<Refused>),
}

/// A record that could not be taken.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) partition: Partition,
    pub(super) sequence: Sequence,
    pub(super) cause: Cause,
}

/// A worker has stopped: it says itself why.
#[derive(Debug, thiserror::Error)]
#[error("a worker stopped")]
struct Stopped;

/// Why one worker stopped.
enum Halt {
    TwoPartitions,
    Refused(Refused),
}

impl Refused {
    /// Whether it is that record.
    pub(super) fn is(&self, header: &RecordHeader) -> bool {
        (self.partition, self.sequence) == (header.partition, header.sequence)
    }
}

impl Batch {
    fn push(&mut self, record: Record<'_>) {
        self.bytes.extend_from_slice(record.payload);
        self.records.push((record.header, self.bytes.len()));
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut from = 0;
        self.records.iter().map(move |(header, to)| {
            let payload = &self.bytes[from..*to];
            from = *to;
            Record { header: *header, payload }
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }
}

impl Distributor {
    /// Hands a record to the worker of its partition.
    pub(super) fn take(&mut self, record: Record<'_>) -> Result<(), Cause> {
        let lanes = self.lanes.len();
        let lane = &mut self.lanes[usize::from(record.header.partition.0) % lanes];
        lane.filling.push(record);
        if lane.filling.bytes.len() < BATCH_BYTES_MAX {
            return Ok(());
        }
        lane.send()
    }

    /// Hands over what is left.
    fn finish(mut self) {
        // A worker that stopped says so itself.
        self.lanes.iter_mut().for_each(|lane| drop(lane.send()));
    }
}

impl Lane {
    fn send(&mut self) -> Result<(), Cause> {
        let next = self.empty.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.filling, next);
        self.full.send(full).map_err(|_| Stopped.into())
    }
}

/// Runs `read` with workers for the partitions of `state`, and waits until they have taken all that it handed over.
///
/// What `read` returns comes back with it, as it may have failed for a reason of its own. After a stop, the state is of no use.
pub(super) fn distribute<T>(
    state: &mut State,
    threads: usize,
    read: impl FnOnce(&mut Distributor) -> T,
) -> Result<T, Stop> {
    let workers = threads.clamp(1, state.parts.len());
    let mut shares: Vec<Vec<&mut Part>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, part) in state.parts.iter_mut().enumerate() {
        shares[number % workers].push(part);
    }
    thread::scope(|scope| {
        let mut lanes = Vec::with_capacity(workers);
        let mut running = Vec::with_capacity(workers);
        for share in shares {
            let (full, batches) = sync_channel(BATCHES_WAITING_MAX);
            let (emptied, empty) = channel();
            lanes.push(Lane { filling: Batch::default(), full, empty });
            running.push(scope.spawn(move || work(share, workers, &batches, &emptied)));
        }
        let mut distributor = Distributor { lanes };
        let read = read(&mut distributor);
        distributor.finish();
        let mut refused = Vec::new();
        let mut is_of_two = false;
        for worker in running {
            match worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(()) => {}
                Err(Halt::TwoPartitions) => is_of_two = true,
                Err(Halt::Refused(it)) => refused.push(it),
            }
        }
        match (is_of_two, refused.is_empty()) {
            (true, _) => Err(Stop::TwoPartitions),
            (false, false) => Err(Stop::Refused(refused)),
            (false, true) => Ok(read),
        }
    })
}

/// One worker. It has each `workers`th partition.
fn work(
    mut share: Vec<&mut Part>,
    workers: usize,
    batches: &Receiver<Batch>,
    emptied: &Sender<Batch>,
) -> Result<(), Halt> {
    for mut batch in batches {
        for record in batch.records() {
            let RecordHeader { partition, sequence, .. } = record.header;
            let mut is_of_two = false;
            let part = &mut share[usize::from(partition.0) / workers];
            let taken = part.take(record, &mut |_| is_of_two = true);
            is_of_two |= taken.as_ref().is_err_and(|cause| cause.is::<NeverPlaced>());
            if is_of_two {
                return Err(Halt::TwoPartitions);
            }
            taken.map_err(|cause| Halt::Refused(Refused { partition, sequence, cause }))?;
        }
        batch.clear();
        // The reader may be through.
        let _unneeded = emptied.send(batch);
    }
    Ok(())
}
