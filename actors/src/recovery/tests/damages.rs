//! What a start does with checkpoints that are damaged, and with journals that do not fit them.

use std::path::Path;

use holdfast_persistence::{
    BatchNumber, Checkpoints, Epoch, Folder, FrameBuilder, JournalId, MemoryDisk, Partition, RecordHeader,
    Sequence, SledJournal, sled_journal,
};

use super::chains::{Cut, write};
use super::*;
use crate::record::encode;

const ID: JournalId = JournalId([9; 16]);
/// How many frames have a purchase.
const PURCHASES: u64 = 5;

/// A journal on disk: the product is made, and then bought once in each of the frames behind.
struct Shelf {
    folder: Folder,
    _data: tempfile::TempDir,
}

impl Shelf {
    fn new() -> Self {
        let shelf = Self::empty();
        fill(&mut shelf.journal());
        shelf
    }

    fn empty() -> Self {
        let data = tempfile::tempdir().expect("there is room");
        let folder = Folder::open(data.path()).expect("it is ours");
        Self { folder, _data: data }
    }

    fn journal(&self) -> SledJournal {
        let options = sled_journal::Options { id: Some(ID), ..sled_journal::Options::default() };
        SledJournal::open(&self.folder, options).expect("it opens")
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::open(&self.folder, ID, 16).expect("it opens")
    }

    /// A checkpoint of everything up to before that frame.
    fn checkpoint(&self, end: u64) {
        checkpoint(&self.checkpoints(), &self.journal(), end);
    }

    /// Removes the frames before that one.
    fn trim(&self, end: u64) {
        let mut journal = self.journal();
        let from = Head::before(&journal);
        journal.recover(from, &mut |_| Ok(())).expect("it is sound");
        journal.trimmer().remove_before(BatchNumber(end)).expect("the disk is well");
    }

    fn start(&self) -> Result<Recovered, Error> {
        let checkpoints = self.checkpoints();
        recover_newest(&mut self.journal(), &checkpoints, 2, &|_| {})
    }

    /// Flips a bit in the middle of a checkpoint's file.
    fn harm(&self, number: u64) {
        let chain = self.checkpoints().chain(number).expect("it is sound");
        flip(&chain.files().last().expect("it has a file").path, 70);
    }
}

/// The same journal in memory, whose frames can be damaged, and room for its checkpoints on a shelf.
fn in_memory() -> (Shelf, Checkpoints, MemoryDisk) {
    let (shelf, disk) = (Shelf::empty(), MemoryDisk::new(ID, 16));
    fill(&mut disk.journal());
    let checkpoints = shelf.checkpoints();
    (shelf, checkpoints, disk)
}

fn checkpoint<S: FrameSource>(checkpoints: &Checkpoints, source: &S, end: u64) {
    let last = chains::head_before(source, BatchNumber(end));
    write(checkpoints, source, &Cut::at(&last));
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("it is there");
    bytes[at] ^= 1;
    std::fs::remove_file(path).expect("it is ours");
    std::fs::write(path, bytes).expect("there is room");
}

fn fill<S: Store>(journal: &mut S) {
    let from = Head::before(&*journal);
    let mut head = journal.recover(from, &mut |_| Ok(())).expect("it is new").head;
    let mut turns = vec![created()];
    turns.extend((1..=PURCHASES).map(|number| product_turn(number, vec![purchased(order(number))])));
    for (time_ms, (partition, turn)) in (1..).zip(turns) {
        let partition = Partition(partition);
        let sequence = head.partition(partition).expect("it has it").sequence.next();
        let mut frame = FrameBuilder::new();
        frame.push(
            &RecordHeader { partition, epoch: Epoch(1), sequence, time_ms },
            &encode(&turn, Vec::new()),
        );
        let frame = frame.finish(head.next_batch(), head.last_hash());
        let mut heads = head.partitions().to_vec();
        heads[usize::from(partition.0)].sequence = sequence;
        head = Head::new(frame.batch().next(), frame.hash(), heads);
        journal.append(&[frame]).expect("there is room");
    }
}

/// Orders of the product's own partition.
fn order(number: u64) -> OrderId {
    let slots = crate::slots::Slots::new(16, 1);
    OrderId(slots.place(u128::from(number) << 64, Partition(crate::record::handwritten::PRODUCT_PARTITION)))
}

fn orders(recovered: &Result<Recovered, Error>) -> (Option<u64>, u64, usize) {
    let report = &recovered.as_ref().unwrap_or_else(|error| panic!("{}", told(error))).report;
    (report.checkpoint, report.records, report.orders)
}

#[test]
fn newest_checkpoint_is_loaded_and_only_what_is_behind_it_is_read() {
    let shelf = Shelf::new();
    shelf.checkpoint(3);
    assert_eq!(orders(&shelf.start()), (Some(1), 4, 5));
    shelf.checkpoint(6);
    let started = shelf.start();
    assert_eq!(orders(&started), (Some(2), 1, 5));
    assert_eq!(started.expect("seen above").builds_on, Some(2));
}

#[test]
fn damaged_checkpoint_gives_way_to_the_one_before_and_to_the_journal() {
    let shelf = Shelf::new();
    shelf.checkpoint(3);
    shelf.checkpoint(6);
    shelf.harm(2);
    let started = shelf.start();
    assert_eq!(orders(&started), (Some(1), 4, 5));
    let started = started.expect("seen above");
    assert_eq!(started.changed, Changed::Everything, "nothing builds on what is damaged");
    shelf.harm(1);
    let started = shelf.start();
    assert_eq!(orders(&started), (None, 6, 5));
    assert_eq!(started.expect("seen above").changed, Changed::Everything);
}

#[test]
fn damaged_checkpoint_of_a_trimmed_journal_is_told() {
    let shelf = Shelf::new();
    shelf.checkpoint(3);
    shelf.checkpoint(6);
    shelf.trim(3);
    shelf.harm(2);
    assert_eq!(orders(&shelf.start()), (Some(1), 4, 5));
    shelf.harm(1);
    let failure = shelf.start().map(|found| found.report).expect_err("nothing leads to the frames");
    assert!(told(&failure).contains(".checkpoint is damaged at byte "), "{}", told(&failure));
}

#[test]
fn trimmed_journal_needs_a_checkpoint_that_reaches_up_to_it() {
    let shelf = Shelf::new();
    shelf.checkpoint(3);
    shelf.trim(3);
    assert_eq!(orders(&shelf.start()), (Some(1), 4, 5));
    let verified = verify(
        &shelf.journal(),
        &Proof { checkpoints: Some(&shelf.checkpoints()), ..Proof::default() },
        |_| Ok(()),
    );
    assert_eq!(verified.expect("it is sound").checkpoints, [1]);
    shelf.trim(4);
    let told = told(&shelf.start().map(|found| found.report).expect_err("a frame is missing"));
    assert!(told.contains("begins with batch 4") && told.contains("begins with batch 3"), "{told}");
    let alone = recover(&mut shelf.journal()).map(|found| found.report);
    assert!(matches!(alone, Err(Error::Trimmed { first: BatchNumber(4), wanted: BatchNumber(1) })));
}

#[test]
fn all_of_a_journal_may_be_trimmed() {
    let shelf = Shelf::new();
    shelf.checkpoint(7);
    shelf.trim(7);
    assert_eq!(orders(&shelf.start()), (Some(1), 0, 5));
}

#[test]
fn checkpoint_of_what_the_journal_does_not_have_is_refused() {
    let (_shelf, checkpoints, disk) = in_memory();
    checkpoint(&checkpoints, &disk.journal(), 6);
    disk.damage(BatchNumber(6), Vec::clear);
    let started = recover_newest(&mut disk.journal(), &checkpoints, 1, &|_| {});
    assert_eq!(orders(&started), (Some(1), 0, 4), "the last one was behind it");
    disk.damage(BatchNumber(5), Vec::clear);
    let refused = recover_newest(&mut disk.journal(), &checkpoints, 1, &|_| {}).map(|found| found.report);
    assert!(matches!(refused, Err(Error::Beyond { number: 1, .. })), "{refused:?}");
    // Of another journal that has as many frames.
    let other = MemoryDisk::new(ID, 16);
    let mut turns = vec![created()];
    turns.extend((1..3).map(|number| product_turn(number, vec![purchased(order(number))])));
    super::write(&mut other.journal(), &turns);
    checkpoint(&checkpoints, &disk.journal(), 2);
    let refused = recover_newest(&mut other.journal(), &checkpoints, 1, &|_| {}).map(|found| found.report);
    assert!(matches!(refused, Err(Error::Beyond { number: 2, .. })), "{refused:?}");
}

#[test]
fn records_that_are_in_the_checkpoint_must_be_in_the_journal() {
    let (_shelf, checkpoints, disk) = in_memory();
    let last = chains::head_before(&disk.journal(), BatchNumber(7));
    let cut = Cut { head: chains::head_before(&disk.journal(), BatchNumber(3)), ..Cut::at(&last) };
    write(&checkpoints, &disk.journal(), &cut);
    let started = recover_newest(&mut disk.journal(), &checkpoints, 2, &|_| {});
    assert_eq!(
        started.map(|found| found.report.left_out).ok(),
        Some(4),
        "they are left out, and must be there"
    );
    disk.damage(BatchNumber(6), Vec::clear);
    let refused = recover_newest(&mut disk.journal(), &checkpoints, 2, &|_| {}).map(|found| found.report);
    assert!(matches!(refused, Err(Error::Beyond { number: 1, .. })), "{refused:?}");
}

#[test]
fn of_very_many_checkpoints_verify_tries_some_and_the_newest() {
    let (_shelf, checkpoints, disk) = in_memory();
    let proof = Proof { checkpoints: Some(&checkpoints), ..Proof::default() };
    let proven = || verify(&disk.journal(), &proof, |_| Ok(())).expect("it is sound").checkpoints;
    assert!(proven().is_empty());
    for _ in 0..8 {
        checkpoint(&checkpoints, &disk.journal(), 6);
    }
    assert_eq!(proven(), [1, 2, 3, 4, 5, 6, 7, 8]);
    for _ in 8..21 {
        checkpoint(&checkpoints, &disk.journal(), 6);
    }
    assert_eq!(proven(), [2, 5, 7, 10, 13, 15, 18, 21]);
}

#[test]
fn verify_names_the_entry_that_differs() {
    let (_shelf, checkpoints, disk) = in_memory();
    // What the checkpoint says is of fewer records than it claims.
    let honest = chains::head_before(&disk.journal(), BatchNumber(6));
    let mut found = recover_until(&disk.journal(), None, &Cut::at(&honest).ends, 1, &|_| {}).expect("sound");
    found.head = chains::head_before(&disk.journal(), BatchNumber(7));
    crate::checkpoint::write_first(&checkpoints, &mut found, Timestamp(1)).expect("there is room");
    let proof = Proof { checkpoints: Some(&checkpoints), ..Proof::default() };
    let verified = verify(&disk.journal(), &proof, |_| Ok(()));
    let Err(Error::Differs { number: 1, key }) = verified else { panic!("it differs: {verified:?}") };
    assert!(key.contains("Product"), "{key}");
}

#[test]
fn past_is_what_it_was() {
    let shelf = Shelf::new();
    shelf.checkpoint(4);
    let journal = shelf.journal();
    let checkpoints = shelf.checkpoints();
    for records in 0..=PURCHASES + 1 {
        let mut ends = vec![Sequence::default(); 16];
        ends[usize::from(crate::record::handwritten::PRODUCT_PARTITION)] = Sequence(records);
        let found = recover_until(&journal, Some(&checkpoints), &ends, 2, &|_| {}).expect("it is sound");
        let count = usize::try_from(records).expect("a few");
        let is_loaded = found.report.checkpoint.is_some();
        assert_eq!((found.report.orders, is_loaded), (count.saturating_sub(1), records >= 3));
        assert_eq!(found.report.products, count.min(1));
    }
}
