//! Hard stops in the middle of the work: what was acknowledged is there afterwards, once.
//!
//! For the queue on disk a child of this program works until it is killed; for Redis the server is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast::mail::queue::disk::DiskQueue;
use holdfast::mail::queue::{Delivery, MailQueue, Next};
use holdfast_actors::persistence::Folder;

use crate::bench::{Bench as _, FOR_EVER, InRedis, figures, mail};
use crate::redis_server::RedisServer;

const CHILD: &str = "HOLDFAST_MAIL_QUEUE_CHILD";
const ROUNDS: usize = 6;

/// What was acknowledged of each mail, in the order in which it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Put,
    Dead,
    Sent,
    Forgotten,
}

fn open(path: &Path) -> DiskQueue {
    let folder = Folder::open(path).expect("it is nobody's");
    DiskQueue::open(&folder, FOR_EVER).expect("it opens")
}

/// One turn of work: puts five, takes up to four, fails the first and sends the rest, and forgets two.
async fn work<Q: MailQueue>(queue: &Q, first: u64, mut done: impl FnMut(Step, &str)) -> Option<()> {
    let new: Vec<_> = (first..first + 5).map(|number| mail(&format!("m{number}"))).collect();
    queue.put(&new).await.ok()?;
    new.iter().for_each(|mail| done(Step::Put, &mail.id));
    let mut taken: Vec<Delivery> = queue.take(4, Duration::ZERO).await.ok()?;
    if !taken.is_empty() {
        let failed = taken.remove(0);
        queue.failed(&failed, "no route", Next::Dead).await.ok()?;
        done(Step::Dead, &failed.mail.id);
    }
    let names: Vec<_> = taken.into_iter().map(|delivery| delivery.mail.id).collect();
    queue.sent(&names).await.ok()?;
    names.iter().for_each(|name| done(Step::Sent, name));
    let told = queue.sent_ids(2, Duration::ZERO).await.ok()?;
    queue.forget(&told).await.ok()?;
    told.iter().for_each(|name| done(Step::Forgotten, name));
    Some(())
}

/// Holds what the queue has against what was acknowledged.
async fn check<Q: MailQueue>(queue: &Q, greedy: &Q, steps: &BTreeMap<String, Step>) {
    let sent = queue.sent_ids(100_000, Duration::ZERO).await.expect("it tells");
    let dead = queue.dead(100_000).await.expect("it tells");
    let ready = greedy.take(100_000, Duration::ZERO).await.expect("it takes");
    let mut where_is: BTreeMap<&str, Step> = BTreeMap::new();
    let places = sent.iter().map(|id| (id.as_str(), Step::Sent));
    let places = places.chain(dead.iter().map(|dead| (dead.id.as_str(), Step::Dead)));
    for (id, place) in places.chain(ready.iter().map(|delivery| (delivery.mail.id.as_str(), Step::Put))) {
        assert_eq!(where_is.insert(id, place), None, "{id} is there twice");
    }
    for (id, step) in steps {
        // One step more may be done than was acknowledged, never one less.
        match where_is.get(id.as_str()) {
            Some(place) => assert!(place >= step, "{id} is {place:?}, but {step:?} was acknowledged"),
            None => assert!(*step >= Step::Sent, "{id} is gone, but {step:?} was acknowledged"),
        }
    }
    assert!(queue.put(&[mail("after")]).await.is_ok());
}

/// Not a test by itself: works for ever in the folder it is told, and says what was acknowledged.
#[tokio::test]
async fn child_works_until_it_cannot() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let queue = open(&path);
    let mut first = std::env::var(format!("{CHILD}_FIRST")).expect("it is told").parse().expect("a number");
    loop {
        let say = |step: Step, id: &str| {
            let line = format!("{step:?} {id}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("the parent listens");
        };
        work(&queue, first, say).await.expect("the store works");
        first += 5;
    }
}

#[tokio::test]
async fn killed_process_loses_nothing_on_disk_that_was_acknowledged() {
    let data = tempfile::tempdir().expect("make a temporary folder");
    let mut steps = BTreeMap::new();
    for round in 1..=ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("a test knows its program"))
            .args(["--exact", "crashes::child_works_until_it_cannot", "--nocapture"])
            .env(CHILD, data.path())
            .env(format!("{CHILD}_FIRST"), (round * 1_000_000).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it is this program");
        let mut lines =
            BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let before = steps.len();
        let mut note = |line: String| {
            let all = [Step::Put, Step::Dead, Step::Sent, Step::Forgotten];
            if let Some((word, id)) = line.split_once(' ')
                && let Some(step) = all.into_iter().find(|step| format!("{step:?}") == word)
            {
                steps.insert(id.to_owned(), step);
            }
        };
        lines.by_ref().take(round * 61).for_each(&mut note);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        lines.for_each(&mut note);
        assert!(steps.len() > before, "round {round} did something");
        let queue = open(data.path());
        check(&queue, &queue.claiming_after(Duration::ZERO), &steps).await;
        assert!(!data.path().join("mails.damaged-1").exists());
    }
    assert!(steps.values().collect::<BTreeSet<_>>().len() == 4, "all kinds of steps were tried");
}

#[tokio::test]
async fn killed_redis_loses_nothing_that_was_acknowledged() {
    let mut bench = InRedis::at(RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]));
    let queue = bench.worker(FOR_EVER);
    let mut steps = BTreeMap::new();
    for round in 1..=u64::try_from(ROUNDS).expect("it fits") {
        let (ready, killer) = (std::sync::Arc::new(std::sync::Barrier::new(2)), bench.server.pid());
        let killing = std::thread::spawn({
            let ready = std::sync::Arc::clone(&ready);
            move || {
                ready.wait();
                let kill = format!("kill -KILL {killer}");
                assert!(Command::new("sh").args(["-c", &kill]).status().expect("there is a shell").success());
            }
        });
        let mut first = round * 1_000_000;
        loop {
            let worked = work(&queue, first, |step, id| {
                steps.insert(id.to_owned(), step);
            })
            .await;
            if first == round * 1_000_000 {
                ready.wait();
            }
            if worked.is_none() {
                break;
            }
            first += 5;
        }
        killing.join().expect("it kills");
        bench.server.kill();
        bench.server.restart();
        check(&queue, &queue.claiming_after(Duration::ZERO), &steps).await;
    }
    let [_, _, _, dead, _] = figures(&queue).await;
    assert!(dead > 0 && steps.len() > 5 * ROUNDS);
}
