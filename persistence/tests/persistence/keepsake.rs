//! What an opening keeps of a store of many segments: little enough to be cheap, and enough to undo whatever sled does.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use holdfast_persistence::{BatchNumber, Folder, Head, Replayed, SledJournal, Store, Writer};

use crate::support::{header, open, options, recover};

const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
const PAYLOAD_BYTES: usize = 32 * 1024;
const FLIPS: u64 = 12;
/// How many batches a trim leaves.
const KEPT: u64 = 600;

/// Appends batches of one large record each.
fn append_large(path: &Path, batches: u64, trim: bool) -> Replayed {
    let mut journal = open(path);
    let (replayed, _) = recover(&mut journal).expect("it is sound");
    let trimmer = journal.trimmer();
    let first = replayed.head.next_batch().0;
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    for sequence in first..first + batches {
        let mut payload = vec![0; PAYLOAD_BYTES];
        for (place, byte) in (0_u64..).zip(&mut payload) {
            *byte = (place.wrapping_mul(sequence) >> 3).to_le_bytes()[0];
        }
        queue.push(header(0, sequence), &payload).expect("the queue is open");
        writer.commit().expect("the disk is well");
        if trim && sequence > KEPT && sequence % 20 == 0 {
            trimmer.remove_before(BatchNumber(sequence - KEPT)).expect("it is sound");
        }
    }
    drop((queue, writer, trimmer));
    recover(&mut open(path)).expect("it is sound").0
}

fn db(path: &Path) -> File {
    File::options().read(true).write(true).open(path.join("journal/db")).expect("it is there")
}

fn flip(path: &Path, offset: u64) {
    let (file, mut byte) = (db(path), [0]);
    file.read_exact_at(&mut byte, offset).expect("it is within the file");
    file.write_all_at(&[byte[0] ^ 0x55], offset).expect("it is ours");
}

fn copy(original: &Path) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a temporary folder");
    let store = data.path().join("journal");
    fs::create_dir_all(store.join("blobs")).expect("it can be made");
    for entry in fs::read_dir(original.join("journal")).expect("it is there") {
        let entry = entry.expect("it reads");
        if entry.file_type().expect("it has one").is_file() {
            fs::copy(entry.path(), store.join(entry.file_name())).expect("it copies");
        }
    }
    data
}

/// Opens and recovers, as a start does. A damaged store may not even open.
fn start(path: &Path) -> Result<Replayed, holdfast_persistence::Error> {
    let folder = Folder::open(path).expect("it is free");
    let mut journal = SledJournal::open(&folder, options())?;
    let from = Head::before(&journal);
    journal.recover(from, &mut |_| Ok(()))
}

/// Flips bytes all over a store. A start is refused or whole; and what a refused start leaves is, with the byte flipped back, whole.
fn expect_undone(original: &Path, whole: &Replayed) {
    let bytes = db(original).metadata().expect("it is there").len();
    let mut refused = 0;
    for place in 0..FLIPS {
        let offset = bytes * place / FLIPS + place * 4_801 % (bytes / FLIPS);
        let data = copy(original);
        flip(data.path(), offset);
        match start(data.path()) {
            Ok(replayed) => assert_eq!(&replayed.head, &whole.head, "byte {offset}: it is whole"),
            Err(_) => {
                refused += 1;
                assert!(!data.path().join("journal.before-open").exists(), "byte {offset}");
                flip(data.path(), offset);
                let replayed = start(data.path()).unwrap_or_else(|error| panic!("byte {offset}: {error}"));
                assert_eq!(&replayed.head, &whole.head, "byte {offset}: nothing was lost");
            }
        }
    }
    assert!(refused > 0, "some of the flips hit something that matters");
}

#[test]
fn refused_start_of_a_store_of_many_segments_changes_nothing_that_matters() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_large(data.path(), 700, false);
    // Some segments from before the last opening, some behind it.
    let whole = append_large(data.path(), 400, false);
    let original = copy(data.path());
    expect_undone(original.path(), &whole);
}

#[test]
fn refused_start_of_a_trimmed_store_changes_nothing_that_matters() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_large(data.path(), 700, true);
    let whole = append_large(data.path(), 500, true);
    expect_undone(data.path(), &whole);
}

#[test]
fn opening_copies_what_was_written_since_the_last_and_not_the_whole() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_large(data.path(), 1_500, false);
    append_large(data.path(), 1, false);
    let bytes = db(data.path()).metadata().expect("it is there").len();
    assert!(bytes > 5 * SEGMENT_BYTES, "there are many segments: {bytes} bytes");
    // Not recovered yet, so the copy is still there.
    let journal = open(data.path());
    let kept = data.path().join("journal.before-open");
    let copied = fs::metadata(kept.join("db")).expect("it is there");
    assert_eq!(copied.len(), bytes);
    if kept.join("parts").is_file() {
        // sled's last segment, and one that it had begun ahead.
        assert!(copied.blocks() * 512 <= 3 * SEGMENT_BYTES, "{} blocks", copied.blocks());
    }
    drop(journal);
    assert!(!kept.exists());
    assert_eq!(start(data.path()).expect("it is sound").batches, 1_501);
}

#[test]
fn opening_that_ended_in_an_abort_is_undone_by_the_next() {
    let data = tempfile::tempdir().expect("a temporary folder");
    append_large(data.path(), 600, false);
    let whole = append_large(data.path(), 300, false);
    let aborted = copy(data.path());
    let journal = open(data.path());
    // As the process found them when it was stopped: the store opened, and the copy beside it.
    let kept = aborted.path().join("journal.before-open");
    fs::rename(copy_of(&data.path().join("journal.before-open")).keep(), &kept).expect("it is the same disk");
    drop(journal);
    for name in ["db", "conf"] {
        assert!(kept.join(name).is_file(), "{name} was copied");
    }
    flip_zeros(aborted.path());
    assert_eq!(start(aborted.path()).expect("it is put back first").head, whole.head);
    assert!(!kept.exists());
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for entry in fs::read_dir(folder).expect("it is there") {
        let entry = entry.expect("it reads");
        if entry.file_type().expect("it has one").is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("it copies");
        }
    }
    copy
}

/// Zeroes the end of the log, as sled does behind damage, and its list of pages.
fn flip_zeros(path: &Path) {
    let file = db(path);
    let bytes = file.metadata().expect("it is there").len();
    let tail = usize::try_from(SEGMENT_BYTES / 2).expect("it is small");
    file.write_all_at(&vec![0; tail], bytes - SEGMENT_BYTES / 2).expect("it is ours");
    for entry in fs::read_dir(path.join("journal")).expect("it is there") {
        let entry = entry.expect("it reads");
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::write(entry.path(), "not a list").expect("it writes");
        }
    }
}
