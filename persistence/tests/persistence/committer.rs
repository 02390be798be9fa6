//! Group commit: what is pushed while one commit is on its way goes with the next, and nobody is answered before.

use std::sync::mpsc::channel;
use std::time::Duration;

use holdfast_persistence::{
    AppendError, BatchNumber, Committer, CommitterOptions, FRAME_BYTES_MAX, Failed, Fault, Head, MemoryDisk,
    Partition, PushError, Queue, RECORD_BYTES_MAX, RecordHeader, Sequence, Ticket, Writer,
};

use crate::support::{HeldJournal, Holder, ID, header, payload, record, recover};

const PATIENCE: Duration = Duration::from_secs(60);

fn no_failure() -> CommitterOptions {
    CommitterOptions::new(|error| panic!("no commit fails: {error}"))
}

fn held() -> (Queue, Committer, Holder) {
    let (journal, holder) = HeldJournal::new();
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 2), no_failure());
    (queue, committer, holder)
}

/// A queue and a writer without a thread on a fresh disk.
fn by_hand(disk: &MemoryDisk) -> (Queue, Writer) {
    let mut journal = disk.journal();
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    Writer::new(Box::new(journal), replayed.head)
}

#[test]
fn pushes_during_a_commit_go_together_with_the_next() {
    let (queue, committer, holder) = held();
    let first = queue.push(header(0, 1), b"alone").expect("the queue is open");
    assert_eq!(holder.appends.recv_timeout(PATIENCE), Ok(vec![(BatchNumber(1), 1)]));
    let mut last = Ticket::ZERO;
    for sequence in 2..=101 {
        last = queue.push(header(0, sequence), &payload(0, sequence)).expect("the queue is open");
    }
    assert_eq!(queue.last_ticket(), last);
    assert!(!queue.gate().is_durable(first), "its append has not returned");
    holder.leave.send(Ok(())).expect("the writer waits");
    assert_eq!(holder.appends.recv_timeout(PATIENCE), Ok(vec![(BatchNumber(2), 100)]));
    assert!(queue.gate().is_durable(first));
    assert!(!queue.gate().is_durable(last));
    assert!(queue.backlog_bytes() > 100 * 26);
    holder.leave.send(Ok(())).expect("the writer waits");
    queue.gate().wait_blocking(last).expect("nothing failed");
    committer.close().expect("nothing failed");
    assert_eq!(queue.backlog_bytes(), 0);
    let commits = queue.commits();
    assert_eq!((commits.batches, commits.records, commits.syncs), (2, 101, 2));
}

#[test]
fn many_frames_of_one_group_take_one_sync() {
    let (queue, committer, holder) = held();
    queue.push(header(0, 1), b"alone").expect("the queue is open");
    holder.appends.recv_timeout(PATIENCE).expect("the first commit");
    for sequence in 2..=31 {
        queue.push(header(0, sequence), &vec![0; FRAME_BYTES_MAX / 10]).expect("the queue is open");
    }
    holder.leave.send(Ok(())).expect("the writer waits");
    let frames = holder.appends.recv_timeout(PATIENCE).expect("the second commit");
    holder.leave.send(Ok(())).expect("the writer waits");
    committer.close().expect("nothing failed");
    assert_eq!(frames.iter().map(|(_, count)| count).sum::<u32>(), 30);
    assert!(frames.len() >= 3, "{frames:?}");
    assert!(frames.iter().map(|(batch, _)| batch.0).eq(2..2 + u64::try_from(frames.len()).expect("few")));
    assert_eq!(queue.commits().syncs, 2);
}

#[test]
fn failure_is_told_once_and_releases_nobody() {
    let (journal, holder) = HeldJournal::new();
    let (tell, told) = channel();
    let options =
        CommitterOptions::new(move |error: AppendError| tell.send(error).expect("the test listens"));
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 1), options);
    let lost = queue.push(header(0, 1), b"lost").expect("the queue is open");
    holder.appends.recv_timeout(PATIENCE).expect("the commit");
    let later = queue.push(header(0, 2), b"later").expect("the queue is open");
    holder.leave.send(Err("the disk is gone")).expect("the writer waits");
    assert_eq!(queue.gate().wait_blocking(lost), Err(Failed));
    assert_eq!(queue.gate().wait_blocking(later), Err(Failed));
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(AppendError::Unknown { .. })));
    assert!(told.recv().is_err(), "told once");
    assert_eq!(queue.gate().durable(), Ticket::ZERO);
    assert_eq!(queue.push(header(0, 3), b"refused"), Err(PushError::Failed));
    assert!(matches!(committer.close(), Err(Failed)));
    assert!(holder.appends.try_recv().is_err(), "never retried");
}

#[test]
fn nothing_is_released_before_the_failure_is_told() {
    let disk = MemoryDisk::new(ID, 1);
    disk.script(1, Fault::NoSpace);
    let mut journal = disk.journal();
    recover(&mut journal).expect("it is empty");
    let (tell, told) = channel();
    let (leave, go_on) = channel::<()>();
    let options = CommitterOptions::new(move |error: AppendError| {
        tell.send(error).expect("the test listens");
        go_on.recv().expect("the test gives leave");
    });
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 1), options);
    queue.push(header(0, 1), b"lost").expect("the queue is open");
    assert!(matches!(told.recv_timeout(PATIENCE), Ok(AppendError::Rejected { .. })));
    assert_eq!(queue.push(header(0, 2), b"refused"), Err(PushError::Failed));
    leave.send(()).expect("the writer waits");
    drop(committer);
}

#[test]
fn close_commits_what_was_pushed_and_gives_the_journal_back() {
    let disk = MemoryDisk::new(ID, 1);
    let mut journal = disk.journal();
    recover(&mut journal).expect("it is empty");
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 1), no_failure());
    for sequence in 1..=1_000 {
        queue.push(header(0, sequence), &payload(0, sequence)).expect("the queue is open");
    }
    committer.close().expect("nothing failed");
    assert!(queue.gate().is_durable(queue.last_ticket()));
    assert_eq!(queue.push(header(0, 1_001), b"late"), Err(PushError::Closed));
    let (_, records) = recover(&mut disk.crash().journal()).expect("it is sound");
    assert_eq!(records, (1..=1_000).map(|sequence| record(0, sequence)).collect::<Vec<_>>());
}

#[test]
fn pushes_of_many_threads_are_all_there_and_in_order() {
    let disk = MemoryDisk::new(ID, 4);
    let mut journal = disk.journal();
    recover(&mut journal).expect("it is empty");
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 4), no_failure());
    std::thread::scope(|scope| {
        for partition in 0..4 {
            let queue = queue.clone();
            scope.spawn(move || {
                for sequence in 1..=2_000 {
                    let ticket =
                        queue.push(header(partition, sequence), &payload(partition, sequence)).expect("open");
                    if sequence % 500 == 0 {
                        queue.gate().wait_blocking(ticket).expect("nothing failed");
                    }
                }
            });
        }
    });
    committer.close().expect("nothing failed");
    let (replayed, records) = recover(&mut disk.crash().journal()).expect("it is sound");
    assert_eq!(replayed.records, 8_000);
    for partition in 0..4 {
        let own: Vec<_> =
            records.iter().filter(|record| record.header.partition == Partition(partition)).collect();
        assert!(
            own.into_iter().eq(&(1..=2_000).map(|sequence| record(partition, sequence)).collect::<Vec<_>>())
        );
    }
    assert_eq!(queue.commits().records, 8_000);
}

#[test]
fn record_larger_than_its_bound_is_refused_before_anything_changes() {
    let disk = MemoryDisk::new(ID, 1);
    let (queue, mut writer) = by_hand(&disk);
    let large = vec![0; RECORD_BYTES_MAX + 1];
    assert_eq!(queue.push(header(0, 1), &large), Err(PushError::TooLarge { bytes: large.len() }));
    let group: [(RecordHeader, &[u8]); 2] = [(header(0, 1), b"small"), (header(0, 2), &large)];
    assert_eq!(queue.push_all(&group), Err(PushError::TooLarge { bytes: large.len() }));
    assert_eq!((queue.last_ticket(), queue.backlog_bytes()), (Ticket::ZERO, 0));
    queue.push(header(0, 1), &large[1..]).expect("the largest record fits");
    writer.commit().expect("no fault");
    assert_eq!(recover(&mut disk.journal()).expect("it is sound").0.records, 1);
}

#[test]
fn group_that_fits_a_frame_lies_in_one() {
    let disk = MemoryDisk::new(ID, 1);
    let (queue, mut writer) = by_hand(&disk);
    let half = vec![0; FRAME_BYTES_MAX / 2];
    queue.push(header(0, 1), &half).expect("the queue is open");
    let quarter = &half[..FRAME_BYTES_MAX / 4];
    let last =
        queue.push_all(&[(header(0, 2), quarter), (header(0, 3), quarter)]).expect("the queue is open");
    assert_eq!(queue.push_all(&[]), Ok(last), "no records get the newest ticket");
    assert_eq!(writer.commit().expect("no fault"), last);
    let journal = disk.journal();
    let counts: Vec<u32> = holdfast_persistence::FrameSource::frames(&journal, BatchNumber::FIRST)
        .map(|stored| {
            holdfast_persistence::Frame::decode(&stored.expect("it reads").bytes).expect("sound").count()
        })
        .collect();
    assert_eq!(counts, [1, 2]);
}

#[test]
fn queue_is_bounded_by_what_waits_for_the_disk() {
    let (journal, holder) = HeldJournal::new();
    let options = CommitterOptions { backlog_bytes_max: 1_000, ..no_failure() };
    let (queue, committer) = Committer::start(Box::new(journal), Head::genesis(ID, 1), options);
    queue.push(header(0, 1), &[0; 900]).expect("there is room");
    queue.push(header(0, 2), &[0; 900]).expect("there is room until the bound is passed");
    assert!(matches!(queue.push(header(0, 3), b""), Err(PushError::Full { .. })));
    for _ in 0..2 {
        holder.leave.send(Ok(())).expect("the writer lives");
    }
    queue.gate().wait_blocking(queue.last_ticket()).expect("nothing failed");
    queue.push(header(0, 3), b"").expect("there is room again");
    holder.leave.send(Ok(())).expect("the writer lives");
    committer.close().expect("nothing failed");
}

#[test]
fn record_out_of_order_panics_and_the_queue_lives_on() {
    let disk = MemoryDisk::new(ID, 1);
    let (queue, mut writer) = by_hand(&disk);
    queue.push(header(0, 1), b"first").expect("the queue is open");
    let back_in_time = RecordHeader { time_ms: 1, ..header(0, 2) };
    for wrong in [header(0, 3), header(0, 1), header(1, 1), back_in_time] {
        let queue = queue.clone();
        let outcome = std::thread::spawn(move || queue.push(wrong, b"wrong")).join();
        assert!(outcome.is_err(), "{wrong:?} was taken");
    }
    queue.push(header(0, 2), b"second").expect("nothing of the wrong ones was taken");
    writer.commit().expect("no fault");
    let (replayed, _) = recover(&mut disk.journal()).expect("it is sound");
    assert_eq!(replayed.head.partition(Partition(0)).expect("it exists").sequence, Sequence(2));
}

#[test]
fn disk_without_its_reserve_is_low() {
    let disk = MemoryDisk::new(ID, 1);
    for (disk_reserve_bytes, is_low) in [(0, false), (u64::MAX, true)] {
        let mut journal = disk.journal();
        let (replayed, _) = recover(&mut journal).expect("it is sound");
        let free_space_path = Some(std::env::temp_dir());
        let options = CommitterOptions { free_space_path, disk_reserve_bytes, ..no_failure() };
        let (queue, committer) = Committer::start(Box::new(journal), replayed.head, options);
        assert_eq!(queue.is_disk_low(), is_low);
        committer.close().expect("nothing failed");
    }
}
