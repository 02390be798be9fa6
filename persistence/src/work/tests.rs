//! A work queue through its whole life, with a clock that the test moves. Against a model, and against SIGKILL, it is tried
//! with the mails that use it: `tests/mail_queues`.

use std::fs;

use super::*;

const LIMITS: Limits = Limits { attempts_max: 3, never_back: "nobody came back" };
const HOLD_MS: u64 = 1_000;
const NAME: &str = "chores";

struct Shop {
    data: tempfile::TempDir,
    queue: Option<WorkQueue>,
}

impl Shop {
    fn new() -> Shop {
        let data = tempfile::tempdir().expect("a temporary folder");
        let mut shop = Shop { data, queue: None };
        shop.open(0);
        shop
    }

    fn open(&mut self, now_ms: u64) {
        self.queue = None;
        let folder = Folder::open(self.data.path()).expect("it is nobody's");
        self.queue = Some(WorkQueue::open(&folder, NAME, LIMITS, now_ms).expect("it opens"));
    }

    fn queue(&mut self) -> &mut WorkQueue {
        self.queue.as_mut().expect("it is open")
    }

    fn put(&mut self, names: &[&str], now_ms: u64) -> usize {
        let tasks = names.iter().map(|name| (*name, name.as_bytes()));
        self.queue().put(tasks, now_ms).expect("it is put")
    }

    /// Name, attempt and token of what is taken.
    fn take(&mut self, count: usize, now_ms: u64) -> Vec<(String, u32, u64)> {
        let taken = self.queue().take(count, now_ms, HOLD_MS).expect("it is taken");
        for task in &taken {
            assert_eq!(task.bytes, task.name.as_bytes());
        }
        taken.into_iter().map(|task| (task.name, task.attempt, task.token)).collect()
    }

    fn take_one(&mut self, now_ms: u64) -> (String, u32, u64) {
        self.take(1, now_ms).pop().expect("there is one")
    }

    fn fail(&mut self, name: &str, token: u64, after: After, now_ms: u64) -> bool {
        self.queue().failed(name, token, "no route", after, now_ms).expect("it is noted")
    }

    /// Ready, taken, delayed, dead, done.
    fn figures(&mut self) -> [usize; 5] {
        let stat = self.queue().stat();
        [stat.ready, stat.taken, stat.delayed, stat.dead, stat.done]
    }

    fn dead(&mut self) -> Vec<(String, u32, String, u64)> {
        let dead = self.queue().dead(10).expect("it reads");
        dead.into_iter().map(|task| (task.name, task.attempts, task.why, task.since_ms)).collect()
    }

    /// The folders of damaged stores.
    fn aside(&self) -> Vec<String> {
        let entries = fs::read_dir(self.data.path()).expect("it is there");
        let names =
            entries.map(|entry| entry.expect("it reads").file_name().into_string().expect("it is text"));
        names.filter(|name| name.contains("damaged")).collect()
    }
}

#[test]
fn task_is_put_once_and_taken_in_order() {
    let mut shop = Shop::new();
    assert_eq!(shop.put(&["a", "b", "a"], 5), 2);
    assert_eq!(shop.put(&["b", "c"], 5), 1);
    assert_eq!(shop.queue().stat().oldest_ready_ms, Some(5));
    let taken = shop.take(2, 6);
    assert_eq!((taken[0].0.as_str(), taken[1].0.as_str()), ("a", "b"));
    assert_eq!((taken[0].1, shop.figures()), (1, [1, 2, 0, 0, 0]));
    assert_eq!(shop.put(&["a"], 7), 0, "a taken one is known");
    assert_eq!(shop.take_one(7).0, "c");
    assert!(shop.take(9, 8).is_empty());
    assert_eq!(shop.queue().stat().oldest_ready_ms, None);
}

#[test]
fn delayed_task_is_had_from_its_moment_on_and_dead_after_its_last_attempt() {
    let mut shop = Shop::new();
    shop.put(&["a"], 0);
    for attempt in 1..=LIMITS.attempts_max {
        let now_ms = u64::from(attempt) * 100;
        let (name, counted, token) = shop.take_one(now_ms);
        assert_eq!(counted, attempt);
        assert!(shop.fail(&name, token, After::AgainAt(now_ms + 100), now_ms));
        assert!(!shop.fail(&name, token, After::Dead, now_ms), "it is nobody's any more");
        if attempt < LIMITS.attempts_max {
            assert_eq!(shop.queue().next_ms(HOLD_MS), Some(now_ms + 100));
            assert!(shop.take(1, now_ms + 99).is_empty());
        }
    }
    assert_eq!(shop.figures(), [0, 0, 0, 1, 0]);
    assert_eq!(shop.dead(), [("a".to_owned(), 3, "no route".to_owned(), 300)]);
    assert_eq!(shop.queue().next_ms(HOLD_MS), None);
    assert_eq!(
        shop.queue()
            .retry(Some(&["x".to_owned(), "a".to_owned(), "a".to_owned()]), 400)
            .expect("it is noted"),
        1
    );
    assert_eq!(shop.take_one(400).1, 1, "all attempts are before it");
}

#[test]
fn task_held_too_long_is_anothers_and_its_first_holder_has_no_say() {
    let mut shop = Shop::new();
    shop.put(&["a"], 0);
    let (_, _, first) = shop.take_one(100);
    assert_eq!(shop.queue().next_ms(HOLD_MS), Some(100 + HOLD_MS));
    assert!(shop.take(1, 99 + HOLD_MS).is_empty());
    let (_, attempt, second) = shop.take_one(100 + HOLD_MS);
    assert_eq!(attempt, 2);
    assert!(!shop.fail("a", first, After::Dead, 2_000), "it is another's");
    shop.take_one(5_000);
    assert!(!shop.fail("a", second, After::Dead, 5_000));
    assert!(shop.take(1, 9_000).is_empty(), "no attempt is left");
    assert_eq!(shop.dead(), [("a".to_owned(), 3, "nobody came back".to_owned(), 9_000)]);
}

#[test]
fn done_task_is_known_until_it_is_forgotten() {
    let mut shop = Shop::new();
    shop.put(&["a", "b"], 0);
    let (_, _, token) = shop.take_one(1);
    shop.queue().done(["a", "b", "never put", "a"], 2).expect("it is noted");
    assert!(!shop.fail("a", token, After::Dead, 2), "done is done");
    assert_eq!(shop.queue().done_names(2), ["a", "b"]);
    assert_eq!(shop.figures(), [0, 0, 0, 0, 3]);
    assert_eq!(shop.put(&["a", "never put"], 3), 0);
    shop.put(&["c"], 3);
    shop.queue().forget(["a", "c", "unknown"]).expect("it is noted");
    assert_eq!(shop.queue().done_names(9), ["b", "never put"]);
    assert_eq!(shop.figures(), [1, 0, 0, 0, 2], "what is not done is not forgotten");
    assert_eq!(shop.put(&["a"], 4), 1);
}

#[test]
fn everything_is_there_after_another_opening_and_what_was_taken_is_ready() {
    let mut shop = Shop::new();
    shop.put(&["dead", "delayed", "taken", "done", "ready"], 0);
    for after in [After::Dead, After::AgainAt(500)] {
        let (name, _, token) = shop.take_one(10);
        shop.fail(&name, token, after, 20);
    }
    assert_eq!(shop.take_one(30).0, "taken");
    shop.queue().done(["done"], 40).expect("it is noted");
    let (life, stat) = (shop.queue().life().to_owned(), shop.figures());
    assert_eq!(stat, [1, 1, 1, 1, 1]);
    shop.open(50);
    assert_eq!(shop.queue().life(), life);
    assert_eq!(shop.figures(), [2, 0, 1, 1, 1]);
    assert_eq!(shop.dead(), [("dead".to_owned(), 1, "no route".to_owned(), 20)]);
    let taken = shop.take(9, 499);
    let names: Vec<_> = taken.iter().map(|(name, attempt, _)| (name.as_str(), *attempt)).collect();
    assert_eq!(names, [("ready", 1), ("taken", 2)], "the attempt that was cut short counts");
    assert_eq!(shop.take_one(500).0, "delayed");
    // The last attempt is cut short as well.
    shop.open(600);
    shop.take(3, 600);
    shop.open(700);
    assert!(shop.dead().contains(&("taken".to_owned(), 3, "nobody came back".to_owned(), 700)));
}

#[test]
fn damaged_store_is_moved_aside_and_begun_anew() {
    let mut shop = Shop::new();
    shop.put(&["a"], 0);
    let life = shop.queue().life().to_owned();
    shop.queue = None;
    let db = shop.data.path().join(NAME).join("db");
    let noise: Vec<u8> =
        (0..fs::metadata(&db).expect("it is there").len()).map(|at| at.to_le_bytes()[0] ^ 0x5a).collect();
    fs::write(&db, noise).expect("it writes");
    fs::write(shop.data.path().join(NAME).join("conf"), "nonsense").expect("it writes");
    shop.open(1);
    assert_ne!(shop.queue().life(), life);
    assert_eq!(shop.put(&["a"], 2), 1);
    assert_eq!(shop.aside(), ["chores.damaged-1"]);
}

#[test]
fn task_that_was_changed_on_disk_is_damage() {
    let mut shop = Shop::new();
    shop.put(&["a", "b"], 0);
    let queue = shop.queue();
    let mut stored = queue.read("a").expect("it is there").to_vec();
    stored[3] ^= 1;
    queue.store.tasks.insert("a", stored).expect("it writes");
    shop.open(1);
    assert_eq!(shop.aside().len(), 1);
    assert_eq!(shop.put(&["a", "b"], 2), 2);
}

#[test]
fn store_that_no_opening_survived_twice_is_moved_aside() {
    let mut shop = Shop::new();
    shop.put(&["a"], 0);
    let marker = shop.data.path().join("chores.opening");
    assert!(!marker.exists());
    shop.queue = None;
    fs::write(&marker, ".").expect("it writes");
    shop.open(1);
    assert_eq!((shop.figures(), marker.exists()), ([1, 0, 0, 0, 0], false), "once is no proof");
    shop.queue = None;
    fs::write(&marker, "..").expect("it writes");
    shop.open(2);
    assert_eq!((shop.figures(), marker.exists()), ([0; 5], false));
    assert_eq!(shop.aside().len(), 1);
}

#[test]
fn why_is_cut_where_a_letter_ends() {
    let mut shop = Shop::new();
    shop.put(&["a"], 0);
    let (name, _, token) = shop.take_one(1);
    let why = format!("x{}", "ü".repeat(WHY_BYTES_MAX));
    shop.queue().failed(&name, token, &why, After::Dead, 2).expect("it is noted");
    assert_eq!(shop.dead()[0].2.len(), WHY_BYTES_MAX - 1);
}
