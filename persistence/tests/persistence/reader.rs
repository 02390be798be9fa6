//! Random access against the simplest model there is: all records in a map.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_persistence::{
    BatchNumber, Error, Folder, Head, Options, OwnedRecord, Partition, Reader, Sequence, SledJournal, Store,
    Trimmer, Writer,
};
use proptest::prelude::*;

use crate::support::{ID, record, recover};

const PARTITIONS: u16 = 5;

type Model = BTreeMap<(u16, u64), OwnedRecord>;

fn open(folder: &Folder) -> SledJournal {
    let options = Options { partitions: PARTITIONS, id: Some(ID), ..Options::default() };
    SledJournal::open(folder, options).expect("the folder is sound")
}

/// Appends batches whose sizes and partitions follow `plan`, one commit each.
fn append(journal: SledJournal, head: Head, plan: &[Vec<(u16, u8)>], model: &mut Model) {
    let (queue, mut writer) = Writer::new(Box::new(journal), head);
    for batch in plan {
        for (partition, repeats) in batch {
            for _ in 0..*repeats {
                let sequence = 1 + model.range((*partition, 0)..=(*partition, u64::MAX)).count();
                let record = record(*partition, u64::try_from(sequence).expect("few"));
                queue.push(record.header, &record.payload).expect("the queue is open");
                model.insert((*partition, record.header.sequence.0), record);
            }
        }
        writer.commit().expect("the disk is well");
    }
}

fn assert_reads_as(reader: &Reader, model: &Model) {
    let read =
        |partition, sequence| reader.read(Partition(partition), Sequence(sequence)).expect("it is sound");
    for ((partition, sequence), record) in model.iter().rev().chain(model.iter().step_by(13)) {
        assert_eq!(read(*partition, *sequence).as_ref(), Some(record));
    }
    for partition in 0..=PARTITIONS {
        let last = model.range((partition, 0)..=(partition, u64::MAX)).count();
        assert_eq!(read(partition, 0), None);
        assert_eq!(read(partition, u64::try_from(last).expect("few") + 1), None);
        assert_eq!(read(partition, u64::MAX), None);
    }
}

fn plans() -> impl Strategy<Value = Vec<Vec<(u16, u8)>>> {
    // Partition 0 is in most batches, partition 4 in hardly any, partition 1 comes in bursts.
    let group = prop_oneof![
        20 => (Just(0_u16), 1..4_u8),
        1 => (Just(1_u16), 1..200_u8),
        3 => (Just(2_u16), 1..3_u8),
        1 => (Just(4_u16), 1..2_u8),
    ];
    prop::collection::vec(prop::collection::vec(group, 1..3), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]

    #[test]
    fn every_record_is_found_and_nothing_else(earlier in plans(), later in plans()) {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("it is free");
        let mut model = Model::new();

        let mut journal = open(&folder);
        let (replayed, _) = recover(&mut journal).expect("it is empty");
        let reader = journal.reader();
        append(journal, replayed.head, &earlier, &mut model);
        assert_reads_as(&reader, &model);
        drop(reader);

        let mut journal = open(&folder);
        let (replayed, _) = recover(&mut journal).expect("it is sound");
        let marker = replayed.head.clone();
        let reader = journal.reader();
        assert_reads_as(&reader, &model);
        append(journal, replayed.head, &later, &mut model);
        assert_reads_as(&reader.clone(), &model);
        drop(reader);

        let mut journal = open(&folder);
        let replayed = journal.recover(marker, &mut |_| Ok(())).expect("it is sound");
        prop_assert_eq!(replayed.batches, u64::try_from(later.len()).expect("few"));
        assert_reads_as(&journal.reader(), &model);
    }
}

#[test]
fn reader_beside_a_busy_writer_sees_only_what_is_there() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(data.path()).expect("it is free");
    let mut journal = open(&folder);
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let reader = journal.reader();
    std::thread::scope(|scope| {
        let appender = scope.spawn(|| {
            let plan = vec![vec![(0, 20), (1, 1)]; 300];
            append(journal, replayed.head, &plan, &mut Model::new());
        });
        let mut sequence = 1;
        while sequence <= 6_000 {
            match reader.read(Partition(0), Sequence(sequence)).expect("it is sound") {
                Some(found) => {
                    assert_eq!(found, record(0, sequence));
                    sequence += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        appender.join().expect("the appender is well");
    });
}

/// How many frames stay while others are trimmed beside the readers.
const KEPT_FRAMES: u64 = 40;
const RACE_FRAMES: usize = 1_500;

fn trim_until(is_over: &AtomicBool, reader: &Reader, trimmer: &Trimmer) {
    while !is_over.load(Ordering::Acquire) {
        let end = BatchNumber(reader.end().batch.0.saturating_sub(KEPT_FRAMES).max(1));
        trimmer.remove_before(end).expect("the journal is sound");
        std::thread::yield_now();
    }
}

/// Scans until a record is seen, from the beginning again where what it wanted was trimmed. Returns how often that was.
fn scan_up_to(reader: &Reader, last: u64) -> u64 {
    let (mut scan, mut seen, mut restarts) = (reader.scan(reader.first_place()), 0, 0);
    while seen < last {
        match scan.next_record() {
            Ok(Some((_, found))) => {
                let sequence = found.header.sequence.0;
                assert_eq!(found.to_owned(), record(0, sequence));
                assert!(seen == 0 || sequence == seen + 1 || restarts > 0, "{sequence} after {seen}");
                assert!(sequence > seen, "{sequence} after {seen}");
                seen = sequence;
            }
            Ok(None) => std::thread::yield_now(),
            Err(Error::Trimmed { .. }) => {
                scan = reader.scan(reader.first_place());
                restarts += 1;
                // The frame that it lost may hold records that it has seen.
                assert!(scan.place() <= reader.first_place());
            }
            Err(error) => panic!("trimming is no damage: {error}"),
        }
    }
    restarts
}

/// Asks for old and new records in every way; whatever is gone must be told to be.
fn ask_until(is_over: &AtomicBool, reader: &Reader) {
    let is_trimmed = |error: &Error| matches!(error, Error::Trimmed { .. });
    let mut asked = 0_u64;
    while !is_over.load(Ordering::Acquire) {
        asked += 1;
        let last = reader.head().partition(Partition(0)).expect("it exists").sequence.0;
        for sequence in [asked % (last + 1), last.saturating_sub(asked % 200), last] {
            let (found, time_ms) = (Sequence(sequence), record(0, sequence).header.time_ms);
            match reader.read(Partition(0), found) {
                Ok(found) => assert_eq!(found, (sequence > 0).then(|| record(0, sequence))),
                Err(error) => assert!(is_trimmed(&error), "{error}"),
            }
            if let Err(error) = reader.place_of(Partition(0), found) {
                assert!(is_trimmed(&error), "{error}");
            }
            if let Err(error) = reader.place_at_time(time_ms) {
                assert!(is_trimmed(&error), "{error}");
            }
        }
        let stat = reader.stat().expect("trimming is no damage");
        assert!(stat.batches <= stat.records - stat.records_trimmed);
    }
}

#[test]
fn readers_beside_a_writer_and_a_trimmer_see_what_is_there_or_that_it_is_gone() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(data.path()).expect("it is free");
    let mut journal = open(&folder);
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let (reader, trimmer, is_over) = (journal.reader(), journal.trimmer(), AtomicBool::new(false));
    let plan = vec![vec![(0, 4)]; RACE_FRAMES];
    std::thread::scope(|scope| {
        let (reader, trimmer, is_over) = (&reader, &trimmer, &is_over);
        let appender = scope.spawn(move || append(journal, replayed.head, &plan, &mut Model::new()));
        scope.spawn(move || trim_until(is_over, reader, trimmer));
        scope.spawn(move || ask_until(is_over, reader));
        scan_up_to(&reader.clone(), 4 * u64::try_from(RACE_FRAMES).expect("few"));
        appender.join().expect("the appender is well");
        is_over.store(true, Ordering::Release);
    });
    let first = trimmer.first();
    assert!(first > BatchNumber::FIRST, "something was trimmed");
    assert!(matches!(reader.read(Partition(0), Sequence(1)), Err(Error::Trimmed { .. })));
    assert!(reader.stat().expect("it reads").batches >= KEPT_FRAMES);
}

/// What a recovery did not go through is indexed for the first who asks; frames may go at the same time.
#[test]
fn frames_before_a_recovery_are_found_while_they_are_trimmed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let folder = Folder::open(data.path()).expect("it is free");
    let mut journal = open(&folder);
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let mut model = Model::new();
    append(journal, replayed.head, &vec![vec![(0, 3), (2, 1)]; 800], &mut model);
    let mut journal = open(&folder);
    let (whole, _) = recover(&mut journal).expect("it is sound");
    drop(journal);
    let mut journal = open(&folder);
    journal.recover(whole.head, &mut |_| Ok(())).expect("it is sound");
    let (reader, trimmer) = (journal.reader(), journal.trimmer());
    trimmer.remove_before(BatchNumber(50)).expect("it is sound");
    std::thread::scope(|scope| {
        let trimming = scope.spawn(|| {
            for end in (60..=400).step_by(10) {
                trimmer.remove_before(BatchNumber(end)).expect("it is sound");
            }
        });
        for ((partition, sequence), expected) in model.iter().rev() {
            match reader.read(Partition(*partition), Sequence(*sequence)) {
                Ok(found) => assert_eq!(found.as_ref(), Some(expected)),
                Err(error) => assert!(matches!(error, Error::Trimmed { .. }), "{error}"),
            }
        }
        trimming.join().expect("it ends");
    });
    let stat = reader.stat().expect("it reads");
    assert_eq!((stat.first_batch, stat.batches), (Some(BatchNumber(400)), 401));
    let bytes = reader.frames_from(BatchNumber(400)).map(|frame| frame.expect("it reads").bytes.len());
    assert_eq!(stat.frame_bytes, u64::try_from(bytes.sum::<usize>()).expect("few"));
    let stays = model.iter().filter(|((partition, sequence), _)| *partition == 0 && *sequence > 3 * 399);
    for ((_, sequence), expected) in stays {
        let found = reader.read(Partition(0), Sequence(*sequence)).expect("it is sound");
        assert_eq!(found.as_ref(), Some(expected));
    }
}
