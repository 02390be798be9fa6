//! Random access against the simplest model there is: all records in a map.

use std::collections::BTreeMap;

use holdfast_persistence::{
    Folder, Head, Options, OwnedRecord, Partition, Reader, Sequence, SledJournal, Store, Writer,
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
