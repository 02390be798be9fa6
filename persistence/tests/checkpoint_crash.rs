//! Hard stops of a real process that takes checkpoints: what it said was finished is there, and every chain is whole.
//!
//! The test runs this program again as a child, for one deed, and then looks at what the child left behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{
    BatchNumber, Block, Checkpoint, Checkpoints, Error, Folder, FrameHash, Head, JournalId, Mark, Partition,
    PartitionHead, Retain, Sequence,
};

const CHILD: &str = "HOLDFAST_CHECKPOINT_CHILD";
const FINISHED: &str = "finished ";
const ID: JournalId = JournalId(*b"a journal's name");
const PARTITIONS: u16 = 2;
const KEYS: u64 = 10;
const ROUNDS: usize = 12;

/// What the checkpoint of a moment holds: of each key the last moment that was its own, and one that comes and goes.
fn expected(moment: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let moments = moment.saturating_sub(KEYS - 1).max(1)..=moment;
    let mut state: BTreeMap<_, _> = moments.map(|then| (key_of(then), value_of(then))).collect();
    if moment.is_multiple_of(2) {
        state.insert(b"even".to_vec(), value_of(moment));
    }
    state
}

fn key_of(moment: u64) -> Vec<u8> {
    (moment % KEYS).to_be_bytes().to_vec()
}

fn value_of(moment: u64) -> Vec<u8> {
    moment.to_be_bytes().repeat(1_000)
}

fn open(path: &Path) -> (Checkpoints, Option<Checkpoint>) {
    let folder = Folder::open(path).expect("its last holder is gone");
    let checkpoints = Checkpoints::open(&folder, ID, PARTITIONS).expect("a crash is no damage");
    let newest = checkpoints.newest().expect("a crash is no damage");
    (checkpoints, newest)
}

fn moment_of(newest: Option<&Checkpoint>) -> u64 {
    newest.map_or(0, |newest| newest.mark().at_ms)
}

/// Not a test by itself: takes checkpoints for ever in the folder it is told, and says what it does before each step.
#[test]
fn child_takes_checkpoints_until_it_cannot() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let (checkpoints, newest) = open(&path);
    let first = moment_of(newest.as_ref()) + 1;
    let outcome = (first..).try_for_each(|moment| go_on(&checkpoints, moment));
    assert!(matches!(outcome, Err(Error::Io { .. })), "{outcome:?}");
    say("failed\n");
}

/// A checkpoint, and what is done behind it.
fn go_on(checkpoints: &Checkpoints, moment: u64) -> Result<(), Error> {
    take(checkpoints, moment)?;
    say(&format!("{FINISHED}{moment}\n"));
    if moment.is_multiple_of(4) {
        checkpoints.merge(&|_, _| true)?;
        say("merged\n");
    }
    let age = Duration::from_millis(6);
    if let Some(unneeded) = checkpoints.retain(Retain::Age(age), moment, &|_| Ok(0))? {
        say("removes\n");
        checkpoints.remove(&unneeded.files)?;
    }
    Ok(())
}

fn take(checkpoints: &Checkpoints, moment: u64) -> Result<Info, Error> {
    let mut writer = checkpoints.begin(Kind::Increment)?;
    say("begun\n");
    let mut block = Block::new(Partition(1));
    block.push(&key_of(moment), Some(&value_of(moment)));
    writer.put(&block)?;
    block.clear();
    block.push(b"even", moment.is_multiple_of(2).then(|| value_of(moment)).as_deref());
    writer.put(&block)?;
    say("put\n");
    let partitions = vec![PartitionHead::default(); usize::from(PARTITIONS)];
    let head = Head::new(BatchNumber(moment), FrameHash([7; 32]), partitions);
    let reflects = vec![Sequence(moment); usize::from(PARTITIONS)];
    writer.finish(&Mark { head, reflects, at_ms: moment })
}

/// Writes a line in one piece, past the test runner's capture.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).expect("the parent listens");
}

fn child(path: &Path, prefix: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    let program = std::env::current_exe().expect("a test knows its program");
    let script = format!("{prefix} exec \"$0\" --exact child_takes_checkpoints_until_it_cannot --nocapture");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env(CHILD, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh is there");
    let said = BufReader::new(child.stderr.take().expect("it is piped"));
    (child, said.lines())
}

/// The last moment that these lines call finished.
fn finished(lines: &[String]) -> Option<u64> {
    let mut moments = lines.iter().filter_map(|line| line.strip_prefix(FINISHED));
    moments.next_back().map(|moment| moment.parse().expect("the child says a number"))
}

/// Looks at all that a child left behind; returns the newest moment.
fn check(path: &Path) -> u64 {
    let (checkpoints, newest) = open(path);
    let names = std::fs::read_dir(path.join("checkpoints")).expect("it is there").count();
    assert_eq!(names, checkpoints.numbers().expect("it can be listed").len(), "no leftover stays");
    for info in checkpoints.list().expect("a crash is no damage") {
        checkpoints.check(&info).expect("a crash is no damage");
        let chain = checkpoints.chain(info.number).expect("its base is there");
        let mut state = BTreeMap::new();
        let mut note = |_, key: &[u8], value: &[u8]| {
            state.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        chain.load(&|_| true, &mut note).expect("it is sound");
        assert_eq!(state, expected(info.mark.at_ms), "file {}", info.number);
    }
    moment_of(newest.as_ref())
}

#[test]
fn killed_process_leaves_whole_chains_and_all_that_it_finished() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut last = 0;
    for round in 1..=ROUNDS {
        let (mut child, said) = child(data.path(), "");
        let mut said = said.map(|line| line.expect("the child speaks text"));
        // Seven lines more in each round: the kill falls behind another step.
        let mut lines: Vec<_> = said.by_ref().take(7 * round).collect();
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        lines.extend(said);
        last = finished(&lines).unwrap_or(last);
        let found = check(data.path());
        assert!(found >= last, "round {round}: {found} is there, {last} was finished");
    }
    assert!(last > 0, "something was finished");
}

/// A file-size limit stands in for a full disk: the kernel refuses the write in the middle of a file.
#[test]
fn write_refused_by_the_kernel_leaves_the_older_chain() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let (mut child, said) = child(data.path(), "ulimit -f 64; trap '' XFSZ;");
    let lines: Vec<_> = said.map(|line| line.expect("the child speaks text")).collect();
    child.wait().expect("it is ours");
    assert_eq!(lines.last().map(String::as_str), Some("failed"), "the limit was met");
    let last = finished(&lines).expect("the first files were small enough");
    assert_eq!(check(data.path()), last);
}
