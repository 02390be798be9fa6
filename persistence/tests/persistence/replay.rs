//! Replay believes nothing: each kind of damage is told from a torn tail, and named.

use holdfast_persistence::{
    BatchNumber, Damage, EncodedFrame, Epoch, Error, Frame, FrameBuilder, Head, MemoryDisk, Partition,
    RecordHeader, Sequence, Store, replay,
};

use crate::support::{ID, append_batches, header, payload, record, recover};

fn disk_of(batches: u64) -> MemoryDisk {
    let disk = MemoryDisk::new(ID, 2);
    append_batches(disk.journal(), batches).expect("no fault was scripted");
    disk
}

fn corruption(disk: &MemoryDisk) -> (u64, Damage) {
    match recover(&mut disk.journal()) {
        Err(Error::Corrupt { batch, what }) => (batch.0, what),
        Err(error) => panic!("another error: {error}"),
        Ok((replayed, _)) => panic!("it was accepted: {replayed:?}"),
    }
}

/// The frame as stored, its records changed, sealed again with a good checksum and the chain's own hash.
fn rewritten(bytes: &[u8], deed: impl Fn(&mut RecordHeader)) -> EncodedFrame {
    let frame = Frame::decode(bytes).expect("it is sound");
    let mut builder = FrameBuilder::new();
    for record in frame.records() {
        let mut header = record.header;
        deed(&mut header);
        builder.push(&header, record.payload);
    }
    builder.finish(frame.batch(), frame.previous())
}

/// What replay says when the last of ten frames holds a changed record in a sound frame.
fn corruption_of_last(deed: impl Fn(&mut RecordHeader)) -> Damage {
    let disk = disk_of(10);
    disk.damage(BatchNumber(10), |bytes| *bytes = rewritten(bytes, &deed).bytes().to_vec());
    let (batch, what) = corruption(&disk);
    assert_eq!(batch, 10);
    what
}

#[test]
fn sound_journal_is_visited_in_order_and_leads_to_its_head() {
    let disk = disk_of(10);
    let (replayed, records) = recover(&mut disk.journal()).expect("it is sound");
    assert_eq!(records, (1..=10).map(|sequence| record(0, sequence)).collect::<Vec<_>>());
    assert_eq!((replayed.batches, replayed.records, &replayed.cut), (10, 10, &None));
    assert_eq!(replayed.head.next_batch(), BatchNumber(11));
    let last = replayed.head.partition(Partition(0)).expect("it exists");
    assert_eq!((last.sequence, last.epoch, last.time_ms), (Sequence(10), Epoch(7), header(0, 10).time_ms));
    assert_eq!(replayed.head.partition(Partition(2)), None);
}

#[test]
fn replay_from_a_head_visits_what_came_after_it() {
    let disk = disk_of(4);
    let (marker, _) = recover(&mut disk.journal()).expect("it is sound");
    append_batches(disk.journal(), 3).expect("no fault");
    let (whole, _) = recover(&mut disk.journal()).expect("it is sound");
    let mut sequences = Vec::new();
    let later = replay(&disk.journal(), marker.head, |record| {
        sequences.push(record.header.sequence.0);
        Ok(())
    })
    .expect("it is sound");
    assert_eq!(sequences, [5, 6, 7]);
    assert_eq!(later.head, whole.head);
}

#[test]
fn torn_tail_is_cut_and_the_journal_goes_on_behind_it() {
    for torn in [9, 10] {
        let disk = disk_of(10);
        for batch in torn..=10 {
            disk.damage(BatchNumber(batch), |bytes| bytes.truncate(60));
        }
        let (replayed, records) = recover(&mut disk.journal()).expect("a torn tail is no reason to stop");
        let cut = replayed.cut.expect("it is torn");
        assert_eq!((cut.first, cut.frames, cut.bytes), (BatchNumber(torn), 11 - torn, 60 * (11 - torn)));
        assert_eq!(records.len(), usize::try_from(torn - 1).expect("it is small"));
        append_batches(disk.journal(), 5).expect("no fault");
        let (replayed, _) = recover(&mut disk.journal()).expect("it is sound again");
        assert_eq!((replayed.cut, replayed.records), (None, torn + 4));
    }
}

#[test]
fn verify_reports_a_torn_tail_and_leaves_it() {
    let disk = disk_of(3);
    disk.damage(BatchNumber(3), |bytes| bytes.truncate(20));
    for _ in 0..2 {
        let journal = disk.journal();
        let replayed = replay(&journal, Head::before(&journal), |_| Ok(())).expect("it is no corruption");
        assert!(replayed.cut.is_some());
    }
}

#[test]
fn damage_that_a_good_frame_follows_is_refused_with_batch_reason_and_command() {
    let disk = disk_of(10);
    disk.damage(BatchNumber(5), |bytes| bytes[80] ^= 4);
    let (batch, what) = corruption(&disk);
    assert_eq!(batch, 5);
    assert!(matches!(what, Damage::Frame(_)), "{what}");
    let text = recover(&mut disk.journal()).expect_err("it is damaged").to_string();
    for expected in ["batch 5", "checksum", "holdfast journal verify"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn missing_frame_is_refused() {
    let disk = disk_of(10);
    disk.damage(BatchNumber(5), Vec::clear);
    assert_eq!(corruption(&disk), (5, Damage::Missing { found: BatchNumber(6) }));
}

#[test]
fn missing_first_frame_is_refused() {
    let disk = disk_of(2);
    disk.damage(BatchNumber(1), Vec::clear);
    assert_eq!(corruption(&disk), (1, Damage::Missing { found: BatchNumber(2) }));
}

#[test]
fn edited_history_breaks_the_chain_although_every_checksum_is_good() {
    let disk = disk_of(10);
    disk.damage(BatchNumber(5), |bytes| {
        let edited = rewritten(bytes, |header| header.time_ms += 1);
        *bytes = edited.bytes().to_vec();
    });
    assert_eq!(corruption(&disk), (6, Damage::Chain));
}

#[test]
fn last_frame_of_another_journal_is_refused() {
    let disk = disk_of(1);
    disk.damage(BatchNumber(1), |bytes| {
        let frame = Frame::decode(bytes).expect("it is sound");
        let mut builder = FrameBuilder::new();
        frame.records().for_each(|record| builder.push(&record.header, record.payload));
        let other = holdfast_persistence::FrameHash::genesis(holdfast_persistence::JournalId([0; 16]));
        *bytes = builder.finish(BatchNumber(1), other).bytes().to_vec();
    });
    assert_eq!(corruption(&disk), (1, Damage::Chain));
}

#[test]
fn frame_stored_under_another_number_is_refused() {
    let disk = disk_of(3);
    disk.damage(BatchNumber(3), |bytes| {
        let frame = Frame::decode(bytes).expect("it is sound");
        let mut builder = FrameBuilder::new();
        frame.records().for_each(|record| builder.push(&record.header, record.payload));
        *bytes = builder.finish(BatchNumber(4), frame.previous()).bytes().to_vec();
    });
    assert_eq!(corruption(&disk), (3, Damage::Number { found: BatchNumber(4) }));
}

#[test]
fn sequences_must_be_dense() {
    for found in [9, 11, u64::MAX] {
        let what = corruption_of_last(|header| header.sequence = Sequence(found));
        let expected =
            Damage::Sequence { partition: Partition(0), expected: Sequence(10), found: Sequence(found) };
        assert_eq!(what, expected);
    }
}

#[test]
fn time_of_a_partition_must_not_fall() {
    let what = corruption_of_last(|header| header.time_ms -= 2);
    assert!(matches!(what, Damage::Time { sequence: Sequence(10), .. }), "{what}");
    let disk = disk_of(3);
    disk.damage(BatchNumber(3), |bytes| {
        *bytes = rewritten(bytes, |header| header.time_ms -= 1).bytes().to_vec();
    });
    recover(&mut disk.journal()).expect("equal times are in order");
}

#[test]
fn epoch_of_a_partition_must_not_fall() {
    let what = corruption_of_last(|header| header.epoch = Epoch(6));
    assert!(matches!(what, Damage::Epoch { last: Epoch(7), found: Epoch(6), .. }), "{what}");
}

#[test]
fn partition_that_the_journal_does_not_have_is_refused() {
    let what = corruption_of_last(|header| header.partition = Partition(2));
    assert_eq!(what, Damage::Partition { partition: Partition(2), partitions: 2 });
}

#[test]
fn visitor_that_says_no_stops_the_replay_and_is_heard() {
    let disk = disk_of(5);
    let mut visits = 0;
    let error = disk
        .journal()
        .recover(Head::genesis(ID, 2), &mut |record| {
            visits += 1;
            assert_eq!(record.payload, payload(0, visits));
            if visits == 3 { Err("no event of mine".into()) } else { Ok(()) }
        })
        .expect_err("the visitor said no");
    assert!(matches!(error, Error::Visit { batch: BatchNumber(3), sequence: Sequence(3), .. }), "{error}");
    let source = std::error::Error::source(&error).expect("the visitor's reason is kept");
    assert_eq!(source.to_string(), "no event of mine");
}
