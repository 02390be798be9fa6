//! Durability as the kernel sees it: every commit is followed by one `fdatasync` of sled's data file, before anyone is told.
//!
//! The tests run themselves again under `strace` and read what the child asked of the kernel. sled's own `flush` does not do
//! this (see `src/range_sync.rs`), so a change that drops the sync would pass every other test until the power fails.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_persistence::{
    Committer, CommitterOptions, Epoch, Folder, Head, Options, Partition, RecordHeader, Sequence,
    SledJournal, Store,
};

const CHILD: &str = "HOLDFAST_DATA_SYNC_CHILD";
const COMMITS: u64 = 20;
const MARKER: &str = "durable";

/// Not a test by itself: what the child does when the test below starts it, and nothing otherwise.
#[test]
fn child_commits_and_tells() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let folder = Folder::open(path.join("data")).expect("the folder is free");
    let mut journal = SledJournal::open(&folder, Options::default()).expect("the journal can be created");
    let from = Head::before(&journal);
    let replayed = journal.recover(from, &mut |_| Ok(())).expect("it is empty");
    let options = CommitterOptions::new(|error| {
        eprintln!("a commit failed: {error}");
        std::process::abort();
    });
    let (queue, committer) = Committer::start(Box::new(journal), replayed.head, options);
    let mut marker =
        OpenOptions::new().append(true).create(true).open(path.join("markers")).expect("it is writable");
    marker.write_all(b"ready\n").expect("it is writable");
    let mut sequence = 0;
    for commit in 1..=COMMITS {
        let group: Vec<_> = (0..50).map(|_| next_header(&mut sequence)).collect();
        let group: Vec<_> = group.into_iter().map(|header| (header, [7; 2_000])).collect();
        let group: Vec<_> = group.iter().map(|(header, payload)| (*header, payload.as_slice())).collect();
        let ticket = queue.push_all(&group).expect("the queue is open");
        queue.gate().wait_blocking(ticket).expect("nothing failed");
        marker.write_all(format!("{MARKER} {commit}\n").as_bytes()).expect("it is writable");
    }
    assert_eq!(queue.commits().syncs, COMMITS);
    committer.close().expect("nothing failed");
}

fn next_header(sequence: &mut u64) -> RecordHeader {
    *sequence += 1;
    RecordHeader { partition: Partition(0), epoch: Epoch(1), sequence: Sequence(*sequence), time_ms: 1 }
}

#[test]
fn one_data_sync_for_each_commit_comes_before_its_answer() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let (outcome, trace) = traced(parent.path(), &[]);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success(), "the child failed: {said}");
    let (opening, commits) = trace.split_once("\"ready\\n\"").expect("the child got ready");
    for synced in
        ["/data>", "/data/journal>", "/data/journal/blobs>", "/data/journal/conf>", "/data/journal/db>"]
    {
        let is_synced = opening.lines().any(|line| line.contains("fsync(") && line.contains(synced));
        assert!(is_synced, "{synced} is created and must be synced:\n{opening}");
    }
    let mut syncs = 0;
    let mut writes_since_sync = 0;
    let mut markers = 0;
    for line in commits.lines() {
        let is_on_data_file = line.contains("/data/journal/db>");
        assert!(
            !line.contains("sync_file_range("),
            "sled's sync is ours, one wait for the disk and not two:\n{line}"
        );
        if line.contains("fdatasync(") && is_on_data_file {
            syncs += 1;
            writes_since_sync = 0;
        } else if line.contains("write") && is_on_data_file {
            writes_since_sync += 1;
        } else if line.contains(&format!("\"{MARKER} ")) {
            markers += 1;
            assert_eq!(syncs, markers, "one sync for each commit, before its answer:\n{line}");
            assert_eq!(writes_since_sync, 0, "nothing of the commit was written after its sync:\n{line}");
        }
    }
    assert_eq!(markers, COMMITS);
}

#[test]
fn commit_whose_data_sync_fails_is_told_to_nobody() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    // Those before are of the opening and of the first commits.
    let (outcome, trace) = traced(parent.path(), &["-e", "inject=fdatasync:error=EIO:when=12+"]);
    assert!(!outcome.status.success(), "a disk that failed is noticed");
    let failed = trace.find("= -1 EIO").expect("a sync failed");
    let markers = |trace: &str| trace.matches(&format!("\"{MARKER} ")).count();
    let told = u64::try_from(markers(&trace[..failed])).expect("a count");
    assert!((1..COMMITS).contains(&told), "it failed in the middle, after {told}");
    assert_eq!(markers(&trace[failed..]), 0, "nothing is durable after that:\n{}", &trace[failed..]);
}

/// Runs the child under `strace` and returns how it ended and what it asked of the kernel, one call a line.
fn traced(parent: &Path, also: &[&str]) -> (Output, String) {
    let trace = parent.join("trace");
    let program = std::env::current_exe().expect("a test knows its program");
    let outcome = Command::new("strace")
        .args(["-f", "-y", "-s", "64", "-e", "trace=fdatasync,fsync,sync_file_range,write,pwrite64"])
        .args(also)
        .arg("-o")
        .arg(&trace)
        .arg(program)
        .args(["--exact", "child_commits_and_tells", "--nocapture"])
        .env(CHILD, parent)
        .output()
        .unwrap_or_else(|error| panic!("cannot run strace ({error}): apt-get install strace"));
    let trace = std::fs::read(&trace).expect("strace wrote it");
    (outcome, joined(&String::from_utf8_lossy(&trace)))
}

/// Puts calls that strace split (`<unfinished ...>`, `resumed`) where they ended: only then are they done.
fn joined(trace: &str) -> String {
    let mut unfinished: Vec<(String, String)> = Vec::new();
    let mut lines = Vec::new();
    for line in trace.lines() {
        let process = line.split_whitespace().next().unwrap_or_default().to_owned();
        if let Some(begun) = line.strip_suffix("<unfinished ...>") {
            unfinished.push((process, begun.to_owned()));
        } else if line.contains("resumed>") {
            let at = unfinished.iter().position(|(begun_by, _)| *begun_by == process);
            lines.push(unfinished.swap_remove(at.expect("a resumed call was begun")).1);
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}
