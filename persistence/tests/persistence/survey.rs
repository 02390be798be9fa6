//! Journals whose end is damaged or gone: what a survey tells, and what is left after a cut.

use std::fs;
use std::path::Path;

use holdfast_persistence::{
    BatchNumber, Damage, Error, Frame, FrameBuilder, FrameSource, Head, LostFrame, LostRecords, Partition,
    RecordHeader, Sequence, SledJournal, Survey, Writer,
};

use crate::support::{append_batches, damage, header, open, payload, recover};

const NOW_MS: u64 = 1_800_000_000_000;

/// A journal of that many batches, each with one record of partition 0 and two of partition 1.
fn data_of(batches: u64) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is empty");
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    for batch in 1..=batches {
        for (partition, sequence) in [(0, batch), (1, 2 * batch - 1), (1, 2 * batch)] {
            queue.push(header(partition, sequence), &payload(partition, sequence)).expect("it is open");
        }
        writer.commit().expect("the disk is well");
    }
    data
}

fn survey(path: &Path) -> Survey {
    let journal = open(path);
    journal.survey(Head::before(&journal)).expect("the store reads")
}

fn lost(partition: u16, first: u64, last: u64) -> LostRecords {
    let time_of = |sequence| header(partition, sequence).time_ms;
    LostRecords {
        partition: Partition(partition),
        count: last + 1 - first,
        first: Sequence(first),
        last: Sequence(last),
        first_time_ms: time_of(first),
        last_time_ms: time_of(last),
    }
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let entry = entry.expect("it reads");
        if entry.file_type().expect("it has one").is_file() {
            let name = entry.file_name().into_string().expect("plain names");
            files.push((name, fs::read(entry.path()).expect("it reads")));
        }
    }
    files.sort();
    files
}

/// Cuts as surveyed: the journal opens again, ends there, takes more, and what was found is kept.
fn cut(path: &Path, survey: &Survey) {
    let found = files(&path.join("journal"));
    let journal = open(path);
    let cutting = journal.cut(survey, NOW_MS).expect("it is as it was surveyed");
    assert_eq!(cutting.kept, path.join(format!("journal.cut-{NOW_MS}")));
    assert!(files(&cutting.kept) == found, "what was found is kept");
    assert_eq!(cutting.head, survey.head);
    let mut journal = open(path);
    assert_eq!(journal.acknowledged(), Some(BatchNumber(survey.head.next_batch().0 - 1)));
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    assert_eq!((&replayed.head, &replayed.cut), (&survey.head, &None));
    drop(journal);
    append_batches(open(path), 3).expect("the disk is well");
    assert_eq!(survey_loss(path), None);
}

fn survey_loss(path: &Path) -> Option<holdfast_persistence::Loss> {
    survey(path).loss
}

fn damaged_at(batch: u64, place: usize) -> tempfile::TempDir {
    let data = data_of(10);
    damage(data.path(), batch, |bytes| bytes[place] ^= 1);
    data
}

#[test]
fn sound_journal_loses_nothing() {
    let data = data_of(5);
    let found = survey(data.path());
    assert_eq!((found.loss.clone(), found.acknowledged), (None, Some(BatchNumber(5))));
    assert!(!found.is_refused());
    cut(data.path(), &found);
}

#[test]
fn damaged_end_that_was_acknowledged_goes_with_the_records_its_bytes_still_show() {
    let data = damaged_at(10, 130);
    let found = survey(data.path());
    assert!(found.is_refused());
    assert_eq!(found.head.next_batch(), BatchNumber(10));
    let loss = found.loss.as_ref().expect("the last batch is damaged");
    assert_eq!((loss.first, loss.last), (BatchNumber(10), BatchNumber(10)));
    assert!(matches!(loss.damage, Some(Damage::Frame(_))));
    assert_eq!((loss.batches_sound, loss.batches_damaged, loss.batches_missing), (0, 1, 0));
    assert_eq!(loss.records, [lost(0, 10, 10), lost(1, 19, 20)]);
    cut(data.path(), &found);
}

#[test]
fn damage_in_the_middle_tells_of_every_batch_behind_it() {
    let data = damaged_at(4, 30);
    let found = survey(data.path());
    assert!(found.is_refused());
    let loss = found.loss.as_ref().expect("batch 4 is damaged");
    assert_eq!((loss.first, loss.last), (BatchNumber(4), BatchNumber(10)));
    assert_eq!((loss.batches_sound, loss.batches_damaged, loss.batches_missing), (6, 1, 0));
    assert_eq!(loss.records, [lost(0, 4, 10), lost(1, 7, 20)]);
    let journal = open(data.path());
    let frames: Vec<LostFrame> = journal.lost_frames(&found).map(|frame| frame.expect("it reads")).collect();
    drop(journal);
    assert!(frames.iter().map(|frame| frame.batch.0).eq(4..=10));
    assert!(frames[0].damage.is_some() && frames[1..].iter().all(|frame| frame.damage.is_none()));
    for frame in &frames {
        let batch = frame.batch.0;
        assert_eq!(frame.records, [header(0, batch), header(1, 2 * batch - 1), header(1, 2 * batch)]);
    }
    cut(data.path(), &found);
}

#[test]
fn record_whose_number_is_damaged_is_not_made_up() {
    // The sequence of the third record.
    let data = damaged_at(10, 162);
    let loss = survey_loss(data.path()).expect("the last batch is damaged");
    assert_eq!(loss.records, [lost(0, 10, 10), lost(1, 19, 19)]);
}

#[test]
fn records_behind_a_damaged_length_are_not_made_up() {
    // The length of the first record's payload, its highest byte: it leads beyond the frame.
    let data = damaged_at(10, 52);
    let loss = survey_loss(data.path()).expect("the last batch is damaged");
    assert_eq!((loss.batches_damaged, loss.records), (1, Vec::new()));
}

#[test]
fn end_that_is_gone_is_told_by_what_was_acknowledged() {
    let data = data_of(10);
    for batch in 8..=10 {
        damage(data.path(), batch, Vec::clear);
    }
    let found = survey(data.path());
    assert!(found.is_refused());
    let loss = found.loss.as_ref().expect("three batches are gone");
    assert_eq!((loss.first, loss.last, loss.damage.clone()), (BatchNumber(8), BatchNumber(10), None));
    assert_eq!((loss.batches_sound, loss.batches_damaged, loss.batches_missing), (0, 0, 3));
    assert_eq!(loss.records, []);
    cut(data.path(), &found);
}

#[test]
fn missing_batch_takes_those_behind_it() {
    let data = data_of(10);
    damage(data.path(), 7, Vec::clear);
    let found = survey(data.path());
    let loss = found.loss.as_ref().expect("batch 7 is gone");
    assert_eq!(loss.damage, Some(Damage::Missing { found: BatchNumber(8) }));
    assert_eq!((loss.batches_sound, loss.batches_missing), (3, 1));
    cut(data.path(), &found);
}

#[test]
fn edited_batch_breaks_the_chain_behind_it() {
    let data = data_of(6);
    damage(data.path(), 3, |bytes| {
        let frame = Frame::decode(bytes).expect("it is sound");
        let mut builder = FrameBuilder::new();
        for record in frame.records() {
            let header = RecordHeader { time_ms: record.header.time_ms + 1, ..record.header };
            builder.push(&header, record.payload);
        }
        *bytes = builder.finish(frame.batch(), frame.previous()).bytes().to_vec();
    });
    let loss = survey_loss(data.path()).expect("batch 3 is not what it was");
    assert_eq!((loss.first, loss.damage), (BatchNumber(4), Some(Damage::Chain)));
}

#[test]
fn torn_tail_that_was_not_acknowledged_is_no_reason_to_refuse() {
    let data = data_of(5);
    damage(data.path(), 5, |bytes| bytes.truncate(60));
    fs::remove_file(data.path().join("journal/acknowledged")).expect("it is there");
    let found = survey(data.path());
    assert_eq!(found.loss.as_ref().map(|loss| loss.first), Some(BatchNumber(5)));
    assert!(!found.is_refused());
    recover(&mut open(data.path())).expect("a start cuts it by itself");
}

#[test]
fn sound_journal_is_cut_where_it_is_told() {
    let data = data_of(10);
    let journal = open(data.path());
    let found = journal.survey_cut(Head::before(&journal), BatchNumber(6)).expect("the store reads");
    drop(journal);
    let loss = found.loss.as_ref().expect("five batches would go");
    assert_eq!((loss.first, loss.last, loss.damage.clone()), (BatchNumber(6), BatchNumber(10), None));
    assert_eq!(loss.records, [lost(0, 6, 10), lost(1, 11, 20)]);
    cut(data.path(), &found);
}

#[test]
fn trimmed_journal_is_surveyed_and_cut_behind_its_beginning() {
    let data = data_of(10);
    let mut journal = open(data.path());
    recover(&mut journal).expect("it is sound");
    journal.trimmer().remove_before(BatchNumber(4)).expect("it is sound");
    drop(journal);
    damage(data.path(), 9, |bytes| bytes[60] ^= 1);
    let found = survey(data.path());
    assert_eq!(found.from.next_batch(), BatchNumber(4));
    assert_eq!(found.loss.as_ref().map(|loss| loss.first), Some(BatchNumber(9)));
    cut(data.path(), &found);
}

#[test]
fn journal_that_changed_since_it_was_surveyed_is_not_cut() {
    let data = damaged_at(8, 60);
    let found = survey(data.path());
    damage(data.path(), 5, |bytes| bytes[60] ^= 1);
    let before = files(&data.path().join("journal"));
    let refused = open(data.path()).cut(&found, NOW_MS);
    assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");
    assert!(files(&data.path().join("journal")) == before, "nothing was changed");
    assert!(!data.path().join(format!("journal.cut-{NOW_MS}")).exists());
}

/// A flipped byte on the disk, below sled. Whatever it hits: nothing changes before the cut, and the cut is as surveyed.
#[test]
fn byte_flipped_on_the_disk_is_surveyed_and_cut_without_a_surprise() {
    let original = data_of(400);
    let store = fs::read(original.path().join("journal/db")).expect("it is there");
    let written = store.iter().rposition(|byte| *byte != 0).expect("something was written");
    let mut cuts = 0;
    for flip in 0..24_usize {
        let data = data_with_store_of(original.path());
        let db = data.path().join("journal/db");
        let mut bytes = store.clone();
        bytes[written * flip / 24 + flip * 37 % (written / 24)] ^= 0x55;
        fs::write(&db, &bytes).expect("it writes");
        let folder = holdfast_persistence::Folder::open(data.path()).expect("it is free");
        let Ok(journal) = SledJournal::open(&folder, crate::support::options()) else {
            assert!(
                fs::read(&db).expect("it is there") == bytes,
                "flip {flip}: a refused store is as it was"
            );
            continue;
        };
        drop(folder);
        let found = journal.survey(Head::before(&journal));
        drop(journal);
        assert!(fs::read(&db).expect("it is there") == bytes, "flip {flip}: a survey changes nothing");
        let Ok(found) = found else { continue };
        if found.is_refused() {
            cuts += 1;
            cut(data.path(), &found);
        }
    }
    assert!(cuts > 0, "some of the flips hit something that can be cut");
}

fn data_with_store_of(original: &Path) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = data.path().join("journal");
    fs::create_dir_all(store.join("blobs")).expect("it can be made");
    for (name, bytes) in files(&original.join("journal")) {
        fs::write(store.join(name), bytes).expect("it writes");
    }
    data
}

#[test]
fn frame_cut_short_ends_a_new_journal_that_begins_behind_a_head() {
    let data = data_of(10);
    let mut journal = open(data.path());
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    let reader = journal.reader();
    let start = journal.survey_cut(Head::before(&journal), BatchNumber(4)).expect("it reads").head;
    let target = tempfile::tempdir().expect("a temporary folder");
    let folder = holdfast_persistence::Folder::open(target.path()).expect("it is free");
    let mut copy = SledJournal::create(&folder, journal.id(), &start).expect("the folder is empty");
    let (begun, records) = recover(&mut copy).expect("it is empty");
    assert_eq!((&begun.head, records.len()), (&start, 0));
    let mut head = start.clone();
    for stored in reader.frames_from(BatchNumber(4)) {
        let stored = stored.expect("it reads");
        let mut frame = holdfast_persistence::EncodedFrame::from_stored(&stored.bytes).expect("it is sound");
        if stored.batch == BatchNumber(10) {
            frame = frame.frame().first_records(2).finish(stored.batch, head.last_hash());
        }
        head = Head::new(stored.batch.next(), frame.hash(), head.partitions().to_vec());
        holdfast_persistence::Journal::append(&mut copy, &[frame]).expect("the disk is well");
    }
    drop(copy);
    let again = SledJournal::create(&folder, journal.id(), &start);
    assert!(matches!(again, Err(Error::Exists { .. })));
    let mut copy = SledJournal::open(&folder, crate::support::options()).expect("it is there");
    let (copied, records) = recover(&mut copy).expect("it is sound");
    assert_eq!((copied.batches, copied.records), (7, 6 * 3 + 2));
    assert_eq!(copied.head.partition(Partition(1)).expect("it exists").sequence, Sequence(19));
    assert_eq!(copied.head.partition(Partition(0)), replayed.head.partition(Partition(0)));
    assert_eq!(records[0].header, header(0, 4));
    let stat = copy.stat().expect("it reads");
    assert_eq!((stat.first_batch, stat.records_trimmed), (Some(BatchNumber(4)), 9));
}
