//! Faults of the disk in memory: what the appender hears, and what the next start finds.

use holdfast_persistence::{AppendError, BatchNumber, Error, Fault, Head, MemoryDisk, Writer, replay};

use crate::support::{ID, append_batches, header, payload, record, recover};

/// Five good commits, then one of two frames that meets the fault; returns the error and what survives a crash.
fn fault_at_commit_6(fault: Fault) -> (AppendError, MemoryDisk) {
    let disk = MemoryDisk::new(ID, 2);
    append_batches(disk.journal(), 5).expect("no fault yet");
    disk.script(6, fault);
    let mut journal = disk.journal();
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    queue.push(header(0, 6), &payload(0, 6)).expect("the queue is open");
    queue.push(header(1, 1), &vec![9; 90_000]).expect("the queue is open");
    let error = writer.commit().expect_err("the fault");
    assert_eq!(disk.appends(), 6);
    (error, disk.crash())
}

/// How many records of partition 0 the disk holds, each of them checked, and whether a tail was cut.
fn survivors(disk: &MemoryDisk) -> (u64, bool) {
    let (replayed, records) =
        recover(&mut disk.journal()).expect("a crash leaves nothing that replay refuses");
    let records: Vec<_> = records.into_iter().filter(|record| record.header.partition.0 == 0).collect();
    let count = u64::try_from(records.len()).expect("it is small");
    assert_eq!(records, (1..=count).map(|sequence| record(0, sequence)).collect::<Vec<_>>());
    (count, replayed.cut.is_some())
}

#[test]
fn full_disk_rejects_and_keeps_nothing_of_the_batch() {
    let (error, disk) = fault_at_commit_6(Fault::NoSpace);
    assert!(matches!(error, AppendError::Rejected { .. }), "{error}");
    assert_eq!(survivors(&disk), (5, false));
}

#[test]
fn disk_error_leaves_the_batch_unknown_and_it_may_survive_or_not() {
    for (frames_kept, expected) in [(0, 5), (1, 6), (2, 6)] {
        let (error, disk) = fault_at_commit_6(Fault::Io { frames_kept });
        assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
        assert_eq!(survivors(&disk), (expected, false), "{frames_kept} kept");
    }
}

#[test]
fn unsynced_frames_are_lost_at_the_crash() {
    let (error, disk) = fault_at_commit_6(Fault::LoseUnsynced);
    assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
    assert_eq!(survivors(&disk), (5, false));
}

#[test]
fn torn_tail_is_cut_once_and_the_journal_goes_on() {
    for bytes_kept in [0, 1, 52, 53, 60, 1_000] {
        let (error, disk) = fault_at_commit_6(Fault::TornTail { bytes_kept });
        assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
        assert_eq!(survivors(&disk), (6, true), "{bytes_kept} bytes kept");
        append_batches(disk.journal(), 3).expect("the disk is well again");
        assert_eq!(survivors(&disk), (9, false));
    }
}

#[test]
fn failed_journal_takes_nothing_more() {
    let disk = MemoryDisk::new(ID, 1);
    disk.script(1, Fault::LoseUnsynced);
    let mut journal = disk.journal();
    recover(&mut journal).expect("it is empty");
    let frame = {
        let mut builder = holdfast_persistence::FrameBuilder::new();
        builder.push(&header(0, 1), b"x");
        let genesis = holdfast_persistence::FrameHash::genesis(ID);
        builder.finish(BatchNumber::FIRST, genesis)
    };
    let frames = [frame];
    use holdfast_persistence::Journal;
    assert!(matches!(journal.append(&frames), Err(AppendError::Unknown { .. })));
    assert!(matches!(journal.append(&frames), Err(AppendError::Rejected { .. })));
    assert_eq!(disk.appends(), 1);
}

#[test]
fn trimmed_disk_is_replayed_from_its_beginning() {
    let disk = MemoryDisk::new(ID, 2);
    append_batches(disk.journal(), 10).expect("no fault");
    disk.trim_before(BatchNumber(7));
    disk.trim_before(BatchNumber(3));
    let disk = disk.crash();
    let (replayed, records) = recover(&mut disk.journal()).expect("it is sound");
    assert_eq!(records, (7..=10).map(|sequence| record(0, sequence)).collect::<Vec<_>>());
    assert_eq!(replayed.head.next_batch(), BatchNumber(11));
    let refused = replay(&disk.journal(), Head::genesis(ID, 2), |_| Ok(()));
    assert!(matches!(refused, Err(Error::Trimmed { first: BatchNumber(7) })), "{refused:?}");
    append_batches(disk.journal(), 2).expect("no fault");
    assert_eq!(recover(&mut disk.journal()).expect("it is sound").1.len(), 6);
}
