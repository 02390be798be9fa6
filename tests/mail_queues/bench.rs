//! A queue to be tried, and mails to put into it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast::mail::queue::disk::DiskQueue;
use holdfast::mail::queue::redis::RedisQueue;
use holdfast::mail::queue::{Delivery, MailQueue};
use holdfast::mail::{Kind, Mail};
use holdfast_actors::persistence::Folder;
use tempfile::TempDir;

use crate::redis_server::RedisServer;

/// Nothing that a test waits for takes this long on a machine that works.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(60);

/// A worker that holds a mail so long holds it for the whole test.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(3600);

/// An empty queue, and workers at it.
pub(crate) trait Bench {
    type Queue: MailQueue;

    fn new() -> Self;

    /// Another worker, to whom a mail is another's `claim_after` somebody took it.
    fn worker(&self, claim_after: Duration) -> Self::Queue;
}

pub(crate) struct OnDisk {
    queue: DiskQueue,
    _folder: TempDir,
}

impl Bench for OnDisk {
    type Queue = DiskQueue;

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        let data = Folder::open(folder.path()).expect("it is nobody's");
        Self { queue: DiskQueue::open(&data, FOR_EVER).expect("it opens"), _folder: folder }
    }

    fn worker(&self, claim_after: Duration) -> DiskQueue {
        self.queue.claiming_after(claim_after)
    }
}

pub(crate) struct InRedis {
    pub(crate) server: RedisServer,
    workers: AtomicU32,
}

impl InRedis {
    pub(crate) fn at(server: RedisServer) -> Self {
        Self { server, workers: AtomicU32::new(0) }
    }
}

impl Bench for InRedis {
    type Queue = RedisQueue;

    fn new() -> Self {
        Self::at(RedisServer::start())
    }

    fn worker(&self, claim_after: Duration) -> RedisQueue {
        let name = format!("worker-{}", self.workers.fetch_add(1, Ordering::Relaxed));
        RedisQueue::new(&self.server.url(), &name, claim_after).expect("it is a URL")
    }
}

pub(crate) fn mail(id: &str) -> Mail {
    let to = format!("{id}@example.test");
    Mail { id: id.to_owned(), kind: Kind::Welcome, to, name: None, at_ms: 1_700_000_000_000, order: None }
}

pub(crate) fn mails(ids: &[&str]) -> Vec<Mail> {
    ids.iter().map(|id| mail(id)).collect()
}

pub(crate) fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// Takes what is there now.
pub(crate) async fn take<Q: MailQueue>(queue: &Q, count: usize) -> Vec<Delivery> {
    queue.take(count, Duration::ZERO).await.expect("it takes")
}

/// Takes one mail, and waits for it.
#[track_caller]
pub(crate) fn one(mut taken: Vec<Delivery>) -> Delivery {
    assert_eq!(taken.len(), 1, "{taken:?}");
    taken.remove(0)
}

/// Names and attempts.
pub(crate) fn named(taken: &[Delivery]) -> Vec<(&str, u32)> {
    taken.iter().map(|delivery| (delivery.mail.id.as_str(), delivery.attempt)).collect()
}

/// Ready, taken, delayed, dead, sent.
pub(crate) async fn figures<Q: MailQueue>(queue: &Q) -> [u64; 5] {
    let stat = queue.stat().await.expect("it counts");
    assert_eq!(stat.oldest_ready_ms.is_some(), stat.ready > 0, "{stat:?}");
    [stat.ready, stat.taken, stat.delayed, stat.dead, stat.sent]
}
