//! Hard stops of a real process: what was answered is there afterwards, and the folder is free.
//!
//! Each test runs this program again as a child, for one deed, and then looks at what the child left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use holdfast_persistence::{
    AppendError, BatchNumber, Committer, CommitterOptions, Epoch, Error, Folder, Head, Options, Partition,
    RecordHeader, Replayed, Sequence, SledJournal, Store,
};

const CHILD: &str = "HOLDFAST_CRASH_CHILD";
const ANSWERED: &str = "answered ";
const GROUP: u64 = 20;
/// How many frames the child that trims leaves.
const KEPT_FRAMES: u64 = 50;
/// What a store of [`KEPT_FRAMES`] takes at most, whatever went through it: a few of sled's segments.
const KEPT_DISK_BYTES_MAX: u64 = 96 * 1024 * 1024;

fn header(sequence: u64) -> RecordHeader {
    RecordHeader { partition: Partition(0), epoch: Epoch(1), sequence: Sequence(sequence), time_ms: sequence }
}

fn payload(sequence: u64) -> Vec<u8> {
    sequence.to_le_bytes().repeat(1 + usize::try_from(sequence % 100).expect("it is small"))
}

fn recover(path: &Path) -> Result<(SledJournal, Replayed), Error> {
    let folder = Folder::open(path)?;
    let mut journal = SledJournal::open(&folder, Options::default())?;
    let from = Head::before(&journal);
    let replayed = journal.recover(from, &mut |record| {
        assert_eq!(record.payload, payload(record.header.sequence.0), "{:?}", record.header);
        Ok(())
    })?;
    Ok((journal, replayed))
}

fn last_sequence(replayed: &Replayed) -> u64 {
    replayed.head.partition(Partition(0)).expect("it exists").sequence.0
}

/// Not a test by itself: commits for ever in the folder it is told, and says after each commit what is durable.
#[test]
fn child_commits_until_it_cannot() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let (journal, replayed) = recover(&path).expect("the folder is sound");
    commit_until_it_cannot(journal, replayed);
}

/// Not a test by itself: the same, while another thread trims all but the last frames.
#[test]
fn child_commits_and_trims_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let (journal, replayed) = recover(&path).expect("the folder is sound");
    let (reader, trimmer) = (journal.reader(), journal.trimmer());
    std::thread::spawn(move || {
        loop {
            let end = BatchNumber(reader.end().batch.0.saturating_sub(KEPT_FRAMES).max(1));
            let removed = trimmer.remove_before(end).expect("the journal is sound");
            if removed.batches == 0 {
                std::thread::yield_now();
            }
        }
    });
    commit_until_it_cannot(journal, replayed);
}

fn commit_until_it_cannot(journal: SledJournal, replayed: Replayed) {
    let mut sequence = last_sequence(&replayed);
    let options = CommitterOptions::new(|error| {
        assert!(matches!(error, AppendError::Unknown { .. }), "{error}");
        say("failed\n");
    });
    let (queue, committer) = Committer::start(Box::new(journal), replayed.head, options);
    say("ready\n");
    loop {
        let mut ticket = queue.last_ticket();
        for _ in 0..GROUP {
            sequence += 1;
            match queue.push(header(sequence), &payload(sequence)) {
                Ok(pushed) => ticket = pushed,
                Err(_) => break,
            }
        }
        if queue.gate().wait_blocking(ticket).is_err() {
            break;
        }
        say(&format!("{ANSWERED}{sequence}\n"));
    }
    assert!(committer.close().is_err());
}

/// Writes a line in one piece, past the test runner's capture.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).expect("the parent listens");
}

fn child(path: &Path, deed: &str, prefix: &str) -> (Child, BufReader<impl Read>) {
    let program = std::env::current_exe().expect("a test knows its program");
    let script = format!("{prefix} exec \"$0\" --exact {deed} --nocapture");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env(CHILD, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh is there");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    (child, said)
}

fn wait_until_ready(lines: &mut impl Iterator<Item = String>) {
    let mut said = Vec::new();
    loop {
        match lines.next() {
            Some(line) if line == "ready" => return,
            Some(line) => said.push(line),
            None => panic!("the child ended before it was ready: {said:#?}"),
        }
    }
}

fn answered(line: &str) -> Option<u64> {
    line.strip_prefix(ANSWERED).map(|sequence| sequence.parse().expect("the child says a number"))
}

#[test]
fn killed_process_keeps_all_it_answered_and_frees_its_folder() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut total = 0;
    for round in 1..=6_usize {
        let (mut child, said) = child(data.path(), "child_commits_until_it_cannot", "");
        let mut lines = said.lines().map(|line| line.expect("the child speaks text"));
        wait_until_ready(&mut lines);
        match Folder::open(data.path()) {
            Err(Error::Locked { holder, .. }) => assert_eq!(holder.pid, Some(child.id())),
            other => panic!("the child holds the folder, but {other:?}"),
        }
        let last =
            lines.by_ref().filter_map(|line| answered(&line)).nth(round * 17).expect("it commits for ever");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let last = lines.filter_map(|line| answered(&line)).last().unwrap_or(last);
        let (_, replayed) = recover(data.path()).expect("a kill leaves a sound journal");
        assert!(
            last_sequence(&replayed) >= last,
            "{last} was answered, {} is there",
            last_sequence(&replayed)
        );
        assert!(last > total, "round {round} went on where the one before stopped");
        total = last_sequence(&replayed);
    }
}

#[test]
fn process_killed_while_it_trims_keeps_what_it_answered_and_did_not_trim() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (mut total, mut trimmed) = (0, BatchNumber::FIRST);
    for round in 1..=8_usize {
        let (mut child, said) = child(data.path(), "child_commits_and_trims_until_it_is_killed", "");
        let mut lines = said.lines().map(|line| line.expect("the child speaks text"));
        wait_until_ready(&mut lines);
        let count = 150 + round * 37;
        let last = lines.by_ref().filter_map(|line| answered(&line)).nth(count).expect("it commits for ever");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        let last = lines.filter_map(|line| answered(&line)).last().unwrap_or(last);
        // Recovery checks chain, sequences and times from the first frame that is left, and each payload.
        let (journal, replayed) = recover(data.path()).expect("a kill leaves a sound journal");
        assert!(last_sequence(&replayed) >= last, "{last} was answered");
        assert!(last > total, "round {round} went on where the one before stopped");
        total = last_sequence(&replayed);
        let stat = journal.stat().expect("it reads");
        let first = stat.first_batch.expect("some frames are always left");
        assert!(first > trimmed, "round {round} trimmed");
        assert!(stat.batches >= KEPT_FRAMES, "no more than it was told");
        assert!(stat.disk_bytes <= KEPT_DISK_BYTES_MAX, "{} bytes on disk", stat.disk_bytes);
        trimmed = first;
    }
    assert!(total / GROUP > 20 * KEPT_FRAMES, "much more went through than is left");
}

/// A file-size limit stands in for a full disk: the kernel refuses the write in the middle of sled's log.
#[test]
fn write_refused_by_the_kernel_fails_the_commit_and_answers_nobody() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (mut child, said) =
        child(data.path(), "child_commits_until_it_cannot", "ulimit -f 4096; trap '' XFSZ;");
    let (mut last, mut has_failed) = (0, false);
    for line in said.lines() {
        let line = line.expect("the child speaks text");
        match answered(&line) {
            Some(_) if has_failed => panic!("answered after the failure: {line}"),
            Some(sequence) => last = sequence,
            None => has_failed |= line == "failed",
        }
    }
    assert!(has_failed, "the limit was met");
    child.wait().expect("it is ours");
    assert!(last > 0);
    let (_, replayed) = recover(data.path()).expect("a refused write leaves a sound journal");
    assert!(last_sequence(&replayed) >= last, "{last} was answered, {} is there", last_sequence(&replayed));
}
