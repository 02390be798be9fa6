//! The walker of one shard: packs what waits for a checkpoint, a little at a time, while the shard goes on.
//!
//! It begins in one instant, between two turns. It stops after each little, so that requests go first, and rests as long
//! as that took several times; only when the server is about to stop it does not. Nothing here blocks: full blocks wait for
//! the thread that writes them by a channel with a bound, and the walker with them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{Handler, Message};
use holdfast_persistence::{Block, Partition, Sequence, Ticket};
use tokio::sync::{mpsc, oneshot};

use super::things::{self, Things};
use crate::shard::{Core, Shard};
use crate::turn::TurnContext;

/// How long the walker packs at once.
const CHUNK_TIME: Duration = Duration::from_micros(300);

/// How many things it packs between two looks at the clock.
const CHUNK_COUNT: usize = 8;

/// How long it rests between two chunks: with the timer's own millisecond it takes a fifth of the thread at most.
const REST: Duration = Duration::from_millis(1);

/// How many keys of a failed checkpoint are put back at once.
const PUT_BACK_COUNT: usize = 2_000;

/// Tells a shard that a checkpoint begins.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Begin {
    /// Those of the shard.
    pub(crate) partitions: Vec<Partition>,
    /// Is told what the checkpoint reflects.
    pub(crate) begun: oneshot::Sender<Begun>,
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    /// Comes when the checkpoint stands; dropped when it came to nothing.
    pub(crate) outcome: oneshot::Receiver<()>,
    pub(crate) pace: Arc<Pace>,
}

/// What a checkpoint reflects of one shard.
pub(crate) struct Begun {
    pub(crate) reflects: Vec<(Partition, Sequence)>,
    /// When this is durable, so is all of it.
    pub(crate) ticket: Ticket,
}

/// From a walker to the thread that writes.
pub(crate) enum Delivery {
    /// Some entries.
    Block(Block),
    /// Those were all of one shard.
    Done,
}

/// What the walkers of all shards and the thread that writes have in common.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Whether the walkers rest between chunks.
    pub(crate) is_hurried: AtomicBool,
    pause_ns_max: AtomicU64,
}

impl Pace {
    /// The longest pause so far.
    pub(crate) fn pause_max(&self) -> Duration {
        Duration::from_nanos(self.pause_ns_max.load(Ordering::Relaxed))
    }

    /// The same, and the next one begins anew.
    pub(crate) fn take_pause_max(&self) -> Duration {
        Duration::from_nanos(self.pause_ns_max.swap(0, Ordering::Relaxed))
    }

    fn note_pause(&self, pause: Duration) {
        let pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.pause_ns_max.fetch_max(pause, Ordering::Relaxed);
    }

    pub(super) async fn rest(&self) {
        if self.is_hurried.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(REST).await;
        }
    }
}

impl Handler<Begin> for Shard {
    type Result = ();

    fn handle(&mut self, begin: Begin, _: &mut Self::Context) {
        actix::spawn(take_part(Rc::clone(self.core()), begin));
    }
}

async fn take_part(core: Rc<Core>, begin: Begin) {
    let Begin { partitions, begun, deliveries, outcome, pace } = begin;
    // One that came to nothing may still be putting back what was to be in it.
    let _lane = core.checkpoints.lock().await;
    let started = Instant::now();
    let reflects = begin_all(&core.turns, &partitions);
    pace.note_pause(started.elapsed());
    // Nobody listens where the checkpoint came to nothing already; then the outcome says so.
    let _unheard = begun.send(reflects);
    let is_delivered = deliver(&core, &partitions, &deliveries, &pace).await.is_ok();
    drop(deliveries);
    let is_kept = is_delivered && outcome.await.is_ok();
    for partition in &partitions {
        let changes = &core.turns.partition(*partition).changes;
        if is_kept {
            while !changes.forget() {
                pace.rest().await;
            }
        } else {
            while !changes.put_back(PUT_BACK_COUNT) {
                pace.rest().await;
            }
        }
        pace.note_pause(changes.take_capture_max());
        tokio::task::yield_now().await;
    }
}

/// Begins a checkpoint of these partitions, in one instant.
pub(crate) fn begin_all(turns: &TurnContext, partitions: &[Partition]) -> Begun {
    // The newest of all: what was said before there was a turn has no ticket in its partition.
    let ticket = turns.queue.last_ticket();
    let mut begun = Begun { reflects: Vec::with_capacity(partitions.len()), ticket };
    for partition in partitions {
        let state = turns.partition(*partition);
        begun.reflects.push((*partition, state.sequence.get()));
        begun.ticket = begun.ticket.max(state.ticket.get());
        state.changes.begin();
    }
    begun
}

/// The checkpoint came to nothing.
struct Abandoned;

async fn deliver(
    core: &Core,
    partitions: &[Partition],
    deliveries: &mpsc::Sender<Delivery>,
    pace: &Pace,
) -> Result<(), Abandoned> {
    for partition in partitions {
        let mut is_done = false;
        while !is_done {
            let started = Instant::now();
            is_done = pack_some(&core.turns, *partition, core, || started.elapsed() >= CHUNK_TIME);
            pace.note_pause(started.elapsed());
            let blocks = core.turns.partition(*partition).changes.take_blocks(is_done);
            for block in blocks {
                deliveries.send(Delivery::Block(block)).await.map_err(|_| Abandoned)?;
            }
            // Also after a short one: the next partition's may be short as well.
            pace.rest().await;
        }
    }
    deliveries.send(Delivery::Done).await.map_err(|_| Abandoned)
}

/// Packs what waits of a partition until it is `enough`; says whether nothing waits any more.
pub(crate) fn pack_some<T: Things + ?Sized>(
    turns: &TurnContext,
    partition: Partition,
    things: &T,
    mut enough: impl FnMut() -> bool,
) -> bool {
    let changes = &turns.partition(partition).changes;
    loop {
        for _ in 0..CHUNK_COUNT {
            let Some(key) = changes.next_waiting() else { return true };
            let absorbed = things::absorbed_of(changes, key);
            changes.pack(|packer| things::pack(packer, key, (turns, partition), things, absorbed));
        }
        if enough() {
            return false;
        }
    }
}
