//! Crashes at every point at which one can come: the journal is cut after each of its records, and the shop opens on
//! what is left.
//!
//! The real journal writes several records at once and loses or keeps them together. Which come together is chance,
//! so here every record is a frame of its own: that is every cut there can be.

use holdfast_actors::persistence::{
    BatchNumber, FrameBuilder, Head, Journal as _, MemoryDisk, OwnedRecord, Store as _,
};

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
