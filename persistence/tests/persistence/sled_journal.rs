//! The journal on disk: reopened, damaged, filled to its bounds.

use std::error::Error as _;
use std::path::Path;

use holdfast_persistence::frame::FRAME_BYTES_LIMIT;
use holdfast_persistence::{
    BatchNumber, Committer, CommitterOptions, Damage, Error, FRAME_BYTES_MAX, Folder, FrameSource, Head,
    JournalId, Options, Partition, RECORD_BYTES_MAX, Sequence, SledJournal, Store, Writer,
};

use crate::support::{
    ID, append_batches, damage, header, in_sled, open, options, record, recover, with_tree,
};

fn corruption(path: &Path) -> (u64, Damage) {
    match recover(&mut open(path)) {
        Err(Error::Corrupt { batch, what }) => (batch.0, what),
        Err(error) => panic!("another error: {error}"),
        Ok((replayed, _)) => panic!("it was accepted: {replayed:?}"),
    }
}

#[test]
fn reopened_journal_has_everything_and_continues_its_chain() {
    let data = tempfile::tempdir().expect("a temporary folder");
    for round in 1..=4 {
        append_batches(open(data.path()), 25).expect("the disk is well");
        let mut journal = open(data.path());
        let (replayed, records) = recover(&mut journal).expect("it is sound");
        assert_eq!(records, (1..=round * 25).map(|sequence| record(0, sequence)).collect::<Vec<_>>());
        assert_eq!(replayed.head.next_batch(), BatchNumber(round * 25 + 1));
        let stat = journal.stat().expect("it reads");
        assert_eq!((stat.batches, stat.records), (round * 25, round * 25));
        assert_eq!(stat.first_time_ms, Some(header(0, 1).time_ms));
        assert_eq!(stat.last_time_ms, Some(header(0, round * 25).time_ms));
        assert!(stat.disk_bytes > 0);
    }
}

#[test]
fn journal_keeps_the_name_and_the_partitions_it_was_created_with() {
    let data = tempfile::tempdir().expect("a temporary folder");
    drop(open(data.path()));
    let folder = Folder::open(data.path()).expect("it is free");
    let other = Options { partitions: 9, id: Some(JournalId([9; 16])), ..Options::default() };
    let journal = SledJournal::open(&folder, other).expect("it can be opened");
    assert_eq!((journal.id(), journal.partitions()), (ID, 2));
}

#[test]
fn journals_get_different_names() {
    let [first, second] = [(), ()].map(|()| {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("it is free");
        SledJournal::open(&folder, Options::default()).expect("it can be created").id()
    });
    assert_ne!(first, second);
}

#[test]
fn folder_stays_locked_while_the_journal_or_a_reader_lives() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let journal = open(data.path());
    assert!(matches!(Folder::open(data.path()), Err(Error::Locked { .. })));
    let reader = journal.reader();
    drop(journal);
    assert!(matches!(Folder::open(data.path()), Err(Error::Locked { .. })));
    drop(reader);
    Folder::open(data.path()).expect("it is free again");
}

#[test]
fn empty_journal_has_an_empty_stat() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let stat = open(data.path()).stat().expect("it reads");
    assert_eq!((stat.first_batch, stat.last_batch, stat.batches, stat.records), (None, None, 0, 0));
}

#[test]
fn torn_tail_is_cut_off_for_good_unless_it_was_acknowledged() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    damage(data.path(), 5, |bytes| bytes.truncate(70));
    let error = recover(&mut open(data.path())).expect_err("an acknowledged batch is no torn tail");
    let (acknowledged, found) = (BatchNumber(5), BatchNumber(4));
    assert!(
        matches!(error, Error::Lost { acknowledged: a, found: f, .. } if (a, f) == (acknowledged, found))
    );
    // Now as a crash leaves it, before the answer.
    std::fs::remove_file(data.path().join("journal/acknowledged")).expect("it is there");
    let (replayed, records) = recover(&mut open(data.path())).expect("a torn tail is no reason to stop");
    assert_eq!(replayed.cut.map(|cut| (cut.first, cut.frames)), Some((BatchNumber(5), 1)));
    assert_eq!(records.len(), 4);
    let (replayed, _) = recover(&mut open(data.path())).expect("it is sound");
    assert_eq!(replayed.cut, None, "it was cut once");
    append_batches(open(data.path()), 2).expect("the disk is well");
    assert_eq!(recover(&mut open(data.path())).expect("it is sound").0.records, 6);
}

#[test]
fn damage_to_any_field_of_a_middle_frame_is_refused_and_changes_nothing() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    let fields = [
        ("format", 0),
        ("batch", 1),
        ("previous hash", 9),
        ("record count", 41),
        ("records length", 45),
        ("record's length", 49),
        ("partition", 53),
        ("epoch", 55),
        ("sequence", 59),
        ("time", 67),
        ("payload", 75),
    ];
    for (field, place) in fields {
        damage(data.path(), 3, |bytes| bytes[place] ^= 1);
        for _ in 0..2 {
            let (batch, what) = corruption(data.path());
            assert_eq!(batch, 3, "{field}");
            assert!(matches!(what, Damage::Frame(_)), "{field}: {what}");
        }
        damage(data.path(), 3, |bytes| bytes[place] ^= 1);
        recover(&mut open(data.path())).expect("it is sound again");
    }
    damage(data.path(), 3, |bytes| *bytes.last_mut().expect("it has a checksum") ^= 1);
    assert_eq!(corruption(data.path()).0, 3, "checksum");
}

#[test]
fn frame_taken_out_of_the_middle_is_missed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    damage(data.path(), 3, Vec::clear);
    assert_eq!(corruption(data.path()), (3, Damage::Missing { found: BatchNumber(4) }));
}

#[test]
fn journal_of_a_newer_release_is_refused_with_both_formats() {
    let data = tempfile::tempdir().expect("a temporary folder");
    drop(open(data.path()));
    in_sled(data.path(), "meta", b"about", |about| {
        let end = about.len() - 4;
        about[0] = 2;
        let crc = crc32fast::hash(&about[..end]);
        about[end..].copy_from_slice(&crc.to_le_bytes());
    });
    let folder = Folder::open(data.path()).expect("it is free");
    let error = SledJournal::open(&folder, options()).expect_err("it is newer");
    assert!(matches!(error, Error::NewerFormat { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[test]
fn frames_without_a_description_are_refused() {
    for deed in [|about: &mut Vec<u8>| about.clear(), |about: &mut Vec<u8>| about[3] ^= 1] {
        let data = tempfile::tempdir().expect("a temporary folder");
        append_batches(open(data.path()), 1).expect("the disk is well");
        in_sled(data.path(), "meta", b"about", deed);
        let folder = Folder::open(data.path()).expect("it is free");
        let error = SledJournal::open(&folder, options()).expect_err("nobody knows what it is");
        assert!(matches!(error, Error::NoDescription { .. }), "{error}");
    }
}

#[test]
fn description_of_a_journal_is_that_of_the_golden_file() {
    let data = tempfile::tempdir().expect("a temporary folder");
    drop(open(data.path()));
    in_sled(data.path(), "meta", b"about", |about| {
        assert_eq!(about.as_slice(), include_bytes!("../golden/about-v1.bin"));
    });
}

#[test]
fn beginning_of_a_trimmed_journal_is_that_of_the_golden_file() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    let mut journal = open(data.path());
    recover(&mut journal).expect("it is sound");
    let removed = journal.trimmer().remove_before(BatchNumber(4)).expect("it is sound");
    assert_eq!(removed.batches, 3);
    drop(journal);
    in_sled(data.path(), "meta", b"start", |start| {
        assert_eq!(start.as_slice(), include_bytes!("../golden/start-v1.bin"));
    });
    in_sled(data.path(), "meta", b"start", |start| start[5] ^= 1);
    let folder = Folder::open(data.path()).expect("it is free");
    let error = SledJournal::open(&folder, options()).expect_err("nobody knows where it begins");
    assert!(matches!(error, Error::NoDescription { .. }), "{error}");
}

#[test]
fn trim_cut_short_leaves_frames_that_nobody_misses() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 10).expect("the disk is well");
    let mut journal = open(data.path());
    recover(&mut journal).expect("it is sound");
    let frames: Vec<_> =
        journal.frames(BatchNumber(2)).take(3).map(|frame| frame.expect("it reads")).collect();
    journal.trimmer().remove_before(BatchNumber(6)).expect("it is sound");
    drop(journal);
    // As if the crash had come before frames 2 to 4 went.
    with_tree(data.path(), "journal", |tree| {
        for frame in &frames {
            tree.insert(frame.batch.0.to_be_bytes(), &*frame.bytes).expect("it writes");
        }
    });
    let mut journal = open(data.path());
    let (replayed, records) = recover(&mut journal).expect("what is before the beginning is no damage");
    assert_eq!((replayed.batches, records[0].header.sequence), (5, Sequence(6)));
    assert_eq!(journal.stat().expect("it reads").first_batch, Some(BatchNumber(6)));
    let genesis = Head::genesis(ID, 2);
    let refused = holdfast_persistence::replay(&journal, genesis, |_| Ok(()));
    assert!(matches!(refused, Err(Error::Trimmed { first: BatchNumber(6) })), "{refused:?}");
    let removed = journal.trimmer().remove_before(BatchNumber(7)).expect("it is sound");
    assert_eq!(removed.batches, 1);
    for batch in 1..=6 {
        assert!(journal.frame(BatchNumber(batch)).expect("it reads").is_none(), "batch {batch} went");
    }
}

#[test]
fn damaged_frames_are_trimmed_with_the_others() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 500).expect("the disk is well");
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    let expected = journal.survey_cut(Head::before(&journal), BatchNumber(490)).expect("it reads").head;
    drop(journal);
    damage(data.path(), 70, |bytes| bytes[60] ^= 1);
    damage(data.path(), 71, Vec::clear);
    let mut journal = open(data.path());
    journal.recover(replayed.head.clone(), &mut |_| Ok(())).expect("what is behind the head is sound");
    let trimmer = journal.trimmer();
    let removed = trimmer.remove_before(BatchNumber(490)).expect("nobody needs them");
    assert_eq!(removed.batches, 489);
    let start = journal.start();
    assert_eq!((start.next_batch(), start.last_hash()), (expected.next_batch(), expected.last_hash()));
    let sequences = |head: &Head| head.partitions().iter().map(|it| it.sequence).collect::<Vec<_>>();
    assert_eq!(sequences(&start), sequences(&expected));
    drop((journal, trimmer));
    let mut journal = open(data.path());
    let (whole, _) = recover(&mut journal).expect("what is left is sound");
    assert_eq!((whole.batches, &whole.head), (11, &replayed.head));
    for batch in 1..490 {
        assert!(journal.frame(BatchNumber(batch)).expect("it reads").is_none(), "batch {batch} went");
    }
}

#[test]
fn trim_whose_new_beginning_is_damaged_is_refused() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 6).expect("the disk is well");
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    drop(journal);
    damage(data.path(), 2, |bytes| bytes[60] ^= 1);
    damage(data.path(), 4, |bytes| bytes[60] ^= 1);
    let mut journal = open(data.path());
    journal.recover(replayed.head, &mut |_| Ok(())).expect("what is behind the head is sound");
    let refused = journal.trimmer().remove_before(BatchNumber(4));
    assert!(matches!(refused, Err(Error::Corrupt { batch: BatchNumber(4), .. })), "{refused:?}");
    assert_eq!(journal.trimmer().first(), BatchNumber::FIRST, "nothing was removed");
}

#[test]
fn store_that_is_no_store_is_refused_with_its_reason() {
    let data = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(data.path().join("journal")).expect("the folder is writable");
    std::fs::write(data.path().join("journal/conf"), "segment_size: lots\n1234").expect("it is writable");
    let folder = Folder::open(data.path()).expect("it is free");
    let error = SledJournal::open(&folder, options()).expect_err("it is no store");
    assert!(matches!(error, Error::Store { .. }), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn store_that_lost_its_acknowledged_end_is_refused_until_the_operator_accepts_it() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    for batch in [4, 5] {
        damage(data.path(), batch, Vec::clear);
    }
    let error = recover(&mut open(data.path())).expect_err("batch 5 was acknowledged");
    let text = error.to_string();
    assert!(
        matches!(error, Error::Lost { acknowledged: BatchNumber(5), found: BatchNumber(3), .. }),
        "{text}"
    );
    assert!(text.contains("holdfast journal repair"), "{text}");
    std::fs::remove_file(data.path().join("journal/acknowledged")).expect("it is there");
    append_batches(open(data.path()), 1).expect("the loss was accepted");
    assert_eq!(open(data.path()).acknowledged(), Some(BatchNumber(4)));
}

/// sled takes a data file cut within its first segment for an empty one; a new journal must not begin there.
#[test]
fn store_cut_to_nothing_is_not_taken_for_a_new_one() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 5).expect("the disk is well");
    let store = data.path().join("journal");
    for entry in std::fs::read_dir(&store).expect("it is there") {
        let path = entry.expect("it reads").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap")) {
            std::fs::remove_file(path).expect("it is there");
        }
    }
    let file = std::fs::OpenOptions::new().write(true).open(store.join("db")).expect("it is there");
    file.set_len(10).expect("it can be cut");
    let folder = Folder::open(data.path()).expect("it is free");
    let error = SledJournal::open(&folder, options()).expect_err("five batches were acknowledged");
    assert!(matches!(error, Error::NoDescription { .. }), "{error}");
}

#[test]
fn mark_of_acknowledged_batches_is_that_of_the_golden_file() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 3).expect("the disk is well");
    let mark = std::fs::read(data.path().join("journal/acknowledged")).expect("it is there");
    assert_eq!(mark, include_bytes!("../golden/acknowledged-v1.bin"));
}

#[test]
fn damaged_mark_is_told_and_a_start_writes_it_anew() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 3).expect("the disk is well");
    let path = data.path().join("journal/acknowledged");
    let sound = std::fs::read(&path).expect("it is there");
    let mut flipped = sound.clone();
    flipped[20] ^= 1;
    for damage in [flipped, vec![0; 28], sound[..27].to_vec()] {
        std::fs::write(&path, &damage).expect("it is writable");
        let journal = open(data.path());
        assert_eq!(journal.acknowledged(), None);
        let error = journal.check_mark().expect_err("it is damaged");
        assert!(matches!(&error, Error::DamagedMark { path: told } if *told == path), "{error}");
        drop(journal);
        assert_eq!(std::fs::read(&path).expect("it is there"), damage, "whoever only looks changes nothing");
        recover(&mut open(data.path())).expect("the journal is sound");
        assert_eq!(std::fs::read(&path).expect("it is there"), sound);
        open(data.path()).check_mark().expect("it is sound again");
    }
    // As a power failure may leave it.
    std::fs::write(&path, "").expect("it is writable");
    open(data.path()).check_mark().expect("it says nothing");
    append_batches(open(data.path()), 1).expect("the disk is well");
    assert_eq!(open(data.path()).acknowledged(), Some(BatchNumber(4)));
}

/// A node that sled moves to a file of its own is never synced by it: the bounds must keep every leaf inline.
#[test]
fn frames_of_the_largest_size_never_leave_the_log() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let reader = journal.reader();
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    for sequence in 1..=120 {
        queue.push(header(0, sequence), &vec![1; RECORD_BYTES_MAX]).expect("the queue is open");
        if sequence % 7 != 0 {
            writer.commit().expect("the disk is well");
        }
        assert_eq!(blobs(data.path()), 0, "after {sequence} frames of {FRAME_BYTES_LIMIT} bytes");
    }
    writer.commit().expect("the disk is well");
    drop(writer);
    for sequence in (1..=120).rev() {
        let record = reader.read(Partition(0), Sequence(sequence)).expect("it reads").expect("it is there");
        assert_eq!(record.payload.len(), RECORD_BYTES_MAX);
    }
    drop(reader);
    let mut journal = open(data.path());
    assert_eq!(recover(&mut journal).expect("it is sound").0.batches, 120);
    assert_eq!(blobs(data.path()), 0);
}

#[test]
fn frame_is_written_once() {
    const FRAMES: u64 = 1_000;
    const ROOM_BYTES: u64 = 3 * 8 * 1024 * 1024;
    let data = tempfile::tempdir().expect("a temporary folder");
    // The second half follows a new start.
    for half in 0..2 {
        let mut journal = open(data.path());
        let (replayed, _) = recover(&mut journal).expect("it is sound");
        assert_eq!(replayed.batches, half * FRAMES / 2);
        let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
        for sequence in half * FRAMES / 2 + 1..=(half + 1) * FRAMES / 2 {
            queue.push(header(0, sequence), &vec![1; FRAME_BYTES_MAX - 100]).expect("the queue is open");
            writer.commit().expect("the disk is well");
        }
    }
    let mut journal = open(data.path());
    assert_eq!(recover(&mut journal).expect("it is sound").0.batches, FRAMES);
    let stat = journal.stat().expect("it reads");
    assert_eq!(stat.batches, FRAMES);
    let (disk, frames) = (stat.disk_bytes, stat.frame_bytes);
    assert!(disk < frames + frames / 8 + ROOM_BYTES, "{disk} bytes on disk for frames of {frames}");
}

fn blobs(path: &Path) -> usize {
    std::fs::read_dir(path.join("journal/blobs")).expect("sled creates it").count()
}

#[test]
fn group_larger_than_a_frame_is_one_commit_of_many_frames() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let options = CommitterOptions::new(|error| panic!("no commit fails: {error}"));
    let (queue, committer) = Committer::start(Box::new(journal), replayed.head, options);
    let payload = vec![3; 1_000];
    let group: Vec<_> = (1..=1_000).map(|sequence| (header(1, sequence), payload.as_slice())).collect();
    let ticket = queue.push_all(&group).expect("the queue is open");
    queue.gate().wait_blocking(ticket).expect("nothing failed");
    let commits = queue.commits();
    committer.close().expect("nothing failed");
    assert_eq!((commits.records, commits.syncs), (1_000, 1));
    assert!(commits.batches > 1_000_000 / u64::try_from(FRAME_BYTES_MAX).expect("it is small"));
    let (replayed, records) = recover(&mut open(data.path())).expect("it is sound");
    assert_eq!((replayed.records, replayed.batches), (1_000, commits.batches));
    assert!(records.iter().map(|record| record.header.sequence.0).eq(1..=1_000));
}

#[test]
fn head_of_a_journal_is_the_same_live_and_replayed() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_batches(open(data.path()), 3).expect("the disk is well");
    let journal = open(data.path());
    let mut frames = journal.frames(BatchNumber::FIRST);
    let last = frames.by_ref().last().expect("there are frames").expect("it reads");
    drop(frames);
    let hash = holdfast_persistence::FrameHash::of(&last.bytes);
    let replayed =
        holdfast_persistence::replay(&journal, Head::before(&journal), |_| Ok(())).expect("it is sound");
    assert_eq!(replayed.head.last_hash(), hash);
    assert_eq!(journal.frame(BatchNumber(4)).expect("it reads").map(|stored| stored.batch), None);
}
