//! What the tests have in common: records that follow each other, and journals filled with them.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use holdfast_persistence::{
    AppendError, BatchNumber, EncodedFrame, Epoch, Error, Folder, Head, Journal, JournalId, Options,
    OwnedRecord, Partition, RecordHeader, Replayed, Sequence, SledJournal, Store, Writer,
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

/// Two partitions, and the name of the golden files.
pub(crate) fn options() -> Options {
    Options { partitions: 2, id: Some(ID), ..Options::default() }
}

/// Opens the journal of a data folder that is free.
pub(crate) fn open(path: &Path) -> SledJournal {
    let folder = Folder::open(path).expect("the folder is free");
    SledJournal::open(&folder, options()).expect("the journal can be opened")
}

/// Changes what sled has stored under a batch number, by its own means; emptied frames are removed.
pub(crate) fn damage(path: &Path, batch: u64, deed: impl FnOnce(&mut Vec<u8>)) {
    in_sled(path, "journal", &batch.to_be_bytes(), deed);
}

/// Changes one value of sled's, by its own means; an emptied one is removed.
pub(crate) fn in_sled(path: &Path, tree: &str, key: &[u8], deed: impl FnOnce(&mut Vec<u8>)) {
    with_tree(path, tree, |tree| {
        let mut bytes = tree.get(key).expect("it reads").expect("it is there").to_vec();
        deed(&mut bytes);
        if bytes.is_empty() {
            tree.remove(key).expect("it writes");
        } else {
            tree.insert(key, bytes).expect("it writes");
        }
    });
}

/// Opens one tree of sled's, in place of the journal.
pub(crate) fn with_tree(path: &Path, tree: &str, deed: impl FnOnce(&sled::Tree)) {
    // The journal's sled may take a moment to let go of its lock; opening the journal waits for that.
    drop(open(path));
    let config =
        sled::Config::new().path(path.join("journal")).segment_size(8 * 1024 * 1024).flush_every_ms(None);
    let db = loop {
        match config.open() {
            Err(error) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => break opened.expect("it was opened before"),
        }
    };
    deed(&db.open_tree(tree).expect("it exists"));
    db.flush().expect("it flushes");
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
