//! What the tests have in common: records that follow each other, and journals filled with them.

use std::sync::mpsc::{Receiver, Sender, channel};

use holdfast_persistence::{
    AppendError, BatchNumber, EncodedFrame, Epoch, Error, Head, Journal, JournalId, OwnedRecord, Partition,
    RecordHeader, Replayed, Sequence, Store, Writer,
};

pub(crate) const ID: JournalId = JournalId(*b"a journal's name");

/// A header whose time and epoch follow from its sequence.
pub(crate) fn header(partition: u16, sequence: u64) -> RecordHeader {
    RecordHeader {
        partition: Partition(partition),
        epoch: Epoch(7),
        sequence: Sequence(sequence),
        time_ms: 1_700_000_000_000 + sequence,
    }
}

/// A payload that tells its record from any other.
pub(crate) fn payload(partition: u16, sequence: u64) -> Vec<u8> {
    format!("record {sequence} of partition {partition}").into_bytes()
}

pub(crate) fn record(partition: u16, sequence: u64) -> OwnedRecord {
    OwnedRecord { header: header(partition, sequence), payload: payload(partition, sequence) }
}

/// Recovers a journal and returns what it held.
pub(crate) fn recover(journal: &mut dyn Store) -> Result<(Replayed, Vec<OwnedRecord>), Error> {
    let mut records = Vec::new();
    let from = Head::before(journal);
    let replayed = journal.recover(from, &mut |record| {
        records.push(record.to_owned());
        Ok(())
    })?;
    Ok((replayed, records))
}

/// Appends batches with one record of partition 0 each, one commit for each, behind what is there.
pub(crate) fn append_batches(mut journal: impl Store + 'static, batches: u64) -> Result<(), AppendError> {
    let (replayed, _) = recover(&mut journal).expect("the journal is sound");
    let last = replayed.head.partition(Partition(0)).expect("there is a partition 0").sequence.0;
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    for sequence in last + 1..=last + batches {
        queue.push(header(0, sequence), &payload(0, sequence)).expect("the queue is open");
        writer.commit()?;
    }
    Ok(())
}

/// A journal that tells of each append and waits for leave to finish it.
pub(crate) struct HeldJournal {
    told: Sender<Vec<(BatchNumber, u32)>>,
    leave: Receiver<Result<(), &'static str>>,
}

/// The other end of a [`HeldJournal`].
pub(crate) struct Holder {
    pub(crate) appends: Receiver<Vec<(BatchNumber, u32)>>,
    pub(crate) leave: Sender<Result<(), &'static str>>,
}

impl HeldJournal {
    pub(crate) fn new() -> (HeldJournal, Holder) {
        let (told, appends) = channel();
        let (leave, taken) = channel();
        (HeldJournal { told, leave: taken }, Holder { appends, leave })
    }
}

impl Journal for HeldJournal {
    fn append(&mut self, frames: &[EncodedFrame]) -> Result<(), AppendError> {
        let shape = frames.iter().map(|frame| (frame.batch(), frame.count())).collect();
        self.told.send(shape).expect("the test listens");
        let outcome = self.leave.recv().expect("the test gives leave");
        outcome.map_err(|what| AppendError::unknown(frames[0].batch(), what))
    }
}
