//! How many of sled's threads work for a process that has journals open: one, and every store's writes get done by it.
//!
//! A process of its own, as the pool is the process's. Threads are told apart by how often they slept: the kernel counts that.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_persistence::work::Limits;
use holdfast_persistence::{
    Epoch, Folder, Head, Options, Partition, Queue, RecordHeader, Sequence, SledJournal, Store, WorkQueue,
    Writer,
};

/// How many threads sled's pool begins with.
const POOL: usize = 7;
const COMMITS: u64 = 500;
/// All of it takes seconds beside a compiler.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[test]
fn one_thread_of_the_pool_writes_for_all_stores() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    let mut first = Commits::to(folders[0].path());
    // What was under way when the others went to rest is over with the first commit.
    first.make(1);
    let sleeps = Sleeps::now();
    assert_eq!(sleeps.counts.len(), POOL, "the pool is whole");
    first.make(COMMITS);
    sleeps.expect_one_awake();

    let mut second = Commits::to(folders[1].path());
    let folder = Folder::open(folders[2].path()).expect("the folder is free");
    let limits = Limits { attempts_max: 3, never_back: "it never came back" };
    let mut tasks = WorkQueue::open(&folder, "mails", limits, 0).expect("it is empty");
    let (done, all_done) = channel();
    let works: [Box<dyn FnOnce() + Send>; 3] = [
        Box::new(move || first.make(COMMITS)),
        Box::new(move || second.make(COMMITS)),
        Box::new(move || {
            for number in 0..COMMITS {
                let name = format!("mail {number}");
                assert_eq!(tasks.put([(name.as_str(), &b"a text"[..])], number).expect("it writes"), 1);
            }
        }),
    ];
    for work in works {
        let done = done.clone();
        thread::spawn(move || {
            work();
            done.send(()).expect("the test waits");
        });
    }
    for _ in 0..3 {
        all_done.recv_timeout(WAIT_MAX).expect("every store goes on");
    }
    sleeps.expect_one_awake();
}

/// Commits of one record each.
struct Commits {
    queue: Queue,
    writer: Writer,
    sequence: u64,
}

impl Commits {
    fn to(path: &Path) -> Self {
        let folder = Folder::open(path).expect("the folder is free");
        let mut journal = SledJournal::open(&folder, Options::default()).expect("it can be created");
        let from = Head::before(&journal);
        let replayed = journal.recover(from, &mut |_| Ok(())).expect("it is empty");
        let (queue, writer) = Writer::new(Box::new(journal), replayed.head);
        Self { queue, writer, sequence: 0 }
    }

    fn make(&mut self, count: u64) {
        for _ in 0..count {
            self.sequence += 1;
            let header = RecordHeader {
                partition: Partition(0),
                epoch: Epoch(1),
                sequence: Sequence(self.sequence),
                time_ms: self.sequence,
            };
            self.queue.push(header, b"a purchase").expect("it is open");
            self.writer.commit().expect("the disk has room");
        }
    }
}

/// How often each thread of sled's pool went to sleep by itself.
struct Sleeps {
    counts: BTreeMap<u32, u64>,
    at: Instant,
}

impl Sleeps {
    fn now() -> Self {
        let tasks = fs::read_dir("/proc/self/task").expect("the kernel tells its threads").flatten();
        let counts = tasks.filter_map(|task| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let find = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            find("Name:")?.starts_with("sled-io-").then_some(())?;
            let id = task.file_name().to_str()?.parse().ok()?;
            Some((id, find("voluntary_ctxt_switches:")?.parse().ok()?))
        });
        Self { counts: counts.collect(), at: Instant::now() }
    }

    /// All but one of them slept since then, but for looks at the clock: one of them has one four times a second.
    #[track_caller]
    fn expect_one_awake(&self) {
        let now = Self::now();
        let looks = 8 + 4 * self.at.elapsed().as_secs();
        let slept =
            |(id, count): &(&u32, &u64)| **count <= self.counts.get(id).map_or(0, |before| before + looks);
        assert_eq!(
            now.counts.iter().filter(slept).count(),
            POOL - 1,
            "{:?}, then {:?}",
            self.counts,
            now.counts
        );
    }
}
