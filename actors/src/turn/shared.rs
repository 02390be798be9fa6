//! What the turns of one shard share: clock, queue, and what is known of each partition.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use holdfast_domain::Timestamp;
use holdfast_domain::saga::Books;
use holdfast_persistence::{Epoch, Partition, PushError, Queue, RecordHeader, Sequence, Ticket};

use crate::Position;
use crate::checkpoint::changes::Changes;
use crate::clock::LogClock;
use crate::directory::Directory;
use crate::image::Key;
use crate::pending;
use crate::record::{self, Turn};

/// What all turns of one shard share. Lives and dies on the shard's thread.
pub(crate) struct TurnContext {
    pub(crate) clock: LogClock,
    pub(crate) epoch: Epoch,
    pub(crate) queue: Queue,
    pub(crate) directory: Arc<Directory>,
    /// By partition; a shard moves its own only.
    pub(crate) partitions: Box<[PartitionState]>,
    pub(crate) scratch: RefCell<Vec<u8>>,
}

/// What one shard knows of one of its partitions.
#[derive(Default)]
pub(crate) struct PartitionState {
    /// Of the newest record.
    pub(crate) sequence: Cell<Sequence>,
    /// Of the newest record: nothing of the partition is younger.
    pub(crate) ticket: Cell<Ticket>,
    /// Reservations, orders and carts.
    pub(crate) books: RefCell<Books>,
    /// What the next checkpoint is made of.
    pub(crate) changes: Changes,
}

impl TurnContext {
    /// What this shard knows of a partition.
    pub(crate) fn partition(&self, partition: Partition) -> &PartitionState {
        &self.partitions[usize::from(partition.0)]
    }

    /// The place of the next record of a partition.
    pub(crate) fn next_position(&self, partition: Partition) -> Position {
        let cell = &self.partition(partition).sequence;
        let sequence = cell.get().next();
        cell.set(sequence);
        Position { partition, sequence }
    }

    /// Pushes one record to the journal's queue.
    pub(crate) fn push(&self, position: Position, now: Timestamp, turn: &Turn) -> Ticket {
        let mut buffer = self.scratch.take();
        buffer.clear();
        let buffer = record::encode(turn, buffer);
        let header = RecordHeader {
            partition: position.partition,
            epoch: self.epoch,
            sequence: position.sequence,
            time_ms: now.0,
        };
        let ticket = match self.queue.push(header, &buffer) {
            Ok(ticket) => ticket,
            // The process is about to stop, and nobody hears of this turn.
            Err(PushError::Failed | PushError::Closed) => pending::never(),
            Err(error @ (PushError::TooLarge { .. } | PushError::Full { .. })) => {
                panic!("admission bounds the queue and the rules bound a record: {error}")
            }
        };
        self.scratch.replace(buffer);
        let state = self.partition(position.partition);
        state.ticket.set(ticket);
        if let Some(keyed) = &turn.key {
            let key = Key::Request(keyed.key.key);
            // Whatever was answered to it before was forgotten.
            state.changes.touch(key, |packer| packer.gone(key));
        }
        self.note_mails(position.partition, now, ticket, turn);
        ticket
    }
}
