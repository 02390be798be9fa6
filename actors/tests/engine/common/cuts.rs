//! Crashes at every point at which one can come: the journal is cut after each of its records, and the shop opens on
//! what is left.
//!
//! The real journal writes several records at once and loses or keeps them together. Which come together is chance,
//! so here every record is a frame of its own: that is every cut there can be.

use holdfast_actors::persistence::{
    BatchNumber, Epoch, FrameBuilder, Head, Journal as _, MemoryDisk, OwnedRecord, Partition, RecordHeader,
    Sequence, Store as _,
};

use holdfast_actors::mails::Fact;
use holdfast_actors::record::{Entity, Events, Turn, encode};
use holdfast_actors::{Actor, Context};

use super::empty_disk;

/// All records that are on a disk, in order.
pub(crate) fn records(disk: &MemoryDisk) -> Vec<OwnedRecord> {
    // A copy: somebody may still be writing.
    let mut journal = disk.crash().journal();
    let mut found = Vec::new();
    let head = Head::before(&journal);
    let replayed = journal.recover(head, &mut |record| {
        found.push(record.to_owned());
        Ok(())
    });
    replayed.expect("the journal is sound");
    found
}

/// A disk with these records, each in a frame of its own.
pub(crate) fn disk_of(records: &[OwnedRecord]) -> MemoryDisk {
    write(empty_disk(), records)
}

/// A disk of a shop that was opened once: the next opening writes nothing of its own.
pub(crate) fn begun_disk() -> MemoryDisk {
    let header = RecordHeader { partition: Partition(0), epoch: Epoch(1), sequence: Sequence(1), time_ms: 1 };
    let turn = Turn {
        request_id: Context::system().request_id,
        actor: Actor::System,
        entity: Entity::Mails,
        previous: 0,
        key: None,
        events: Events::Mails(vec![Fact::Begun]),
    };
    disk_of(&[OwnedRecord { header, payload: encode(&turn, Vec::new()) }])
}

/// The same on a disk of the story's own, which is empty.
pub(crate) fn write(disk: MemoryDisk, records: &[OwnedRecord]) -> MemoryDisk {
    let mut journal = disk.journal();
    let head = Head::before(&journal);
    let mut previous = head.last_hash();
    journal.recover(head, &mut |_| Ok(())).expect("it is empty");
    let mut batch = BatchNumber::FIRST;
    for record in records {
        let mut frame = FrameBuilder::new();
        frame.push(&record.header, &record.payload);
        let frame = frame.finish(batch, previous);
        (previous, batch) = (frame.hash(), batch.next());
        journal.append(&[frame]).expect("it fails only where a test says so");
    }
    disk
}
