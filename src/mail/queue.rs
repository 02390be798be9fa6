//! What a queue of mails can do, wherever it keeps them. Redis and sled stand behind the same trait.
//!
//! A mail is *ready*, *taken* by a worker, *delayed* until its next attempt, *dead* after its last, or *sent*. It leaves the
//! queue when it is *forgotten*: after the journal has it that it was sent. A queue may lose mails (a Redis without a disk
//! does); it must not invent them, and must never show one to two workers at once unless the first held it longer than it
//! may. That it lost some shows in its [`life`](MailQueue::life).

pub mod disk;
pub mod redis;

use std::time::Duration;

use super::Mail;

/// Attempts at one mail before it is dead.
pub const ATTEMPTS_MAX: u32 = 8;

/// What is kept of why an attempt failed; more is cut off.
pub const WHY_BYTES_MAX: usize = holdfast_actors::persistence::work::WHY_BYTES_MAX;

/// Why a mail is dead that every worker took and none said anything of.
pub const NEVER_BACK: &str = "no worker that took it said what became of it";

/// Why a mail is dead that is none, before what is wrong with it.
pub const UNREADABLE: &str = "this version cannot read it";

/// Keeps mails until they are sent.
#[expect(async_fn_in_trait, reason = "whoever drives a queue does so on one thread")]
pub trait MailQueue: Clone + 'static {
    /// Queues mails and tells how many are new: one that the queue knows under its name, sent and dead ones included,
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; some may be queued then, and putting them in again is safe.
    async fn put(&self, mails: &[Mail]) -> Result<usize, QueueError>;

    /// Takes up to `count` mails, the ready ones and those that another worker has held too long, and waits up to `wait`
    /// for the first. Each is this worker's until it says what became of it, or has held it too long.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; nothing is taken then, or another worker takes it over later.
    async fn take(&self, count: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Notes that mails were sent. Safe to say again, also of mails that the queue has lost since: it knows them
    /// as sent from then on.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; say it again then.
    async fn sent(&self, ids: &[String]) -> Result<(), QueueError>;

    /// Notes that a mail could not be sent, why, and what is next: nothing after the last attempt, whatever is asked.
    /// Says nothing of a mail that is no longer this worker's.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; another worker takes it over later.
    async fn failed(&self, delivery: &Delivery, why: &str, next: Next) -> Result<(), QueueError>;

    /// The names of up to `count` mails that are sent and not forgotten, waiting up to `wait` for the first.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn sent_ids(&self, count: usize, wait: Duration) -> Result<Vec<String>, QueueError>;

    /// Forgets mails that were sent: nobody will put them in again.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; they show up in [`sent_ids`](MailQueue::sent_ids) again.
    async fn forget(&self, ids: &[String]) -> Result<(), QueueError>;

    /// A name for the time in which the queue lost nothing: another one says that what was put in before may be gone.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn life(&self) -> Result<String, QueueError>;

    /// How many mails are where.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn stat(&self) -> Result<Stat, QueueError>;

    /// Up to `count` dead mails, the oldest first.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn dead(&self, count: usize) -> Result<Vec<Dead>, QueueError>;

    /// Makes dead mails ready again, with all their attempts before them: those of these names, or all. Tells how many.
    ///
    /// # Errors
    ///
    /// [`QueueError`].
    async fn retry(&self, ids: Option<&[String]>) -> Result<usize, QueueError>;
}

/// A mail in the hands of a worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The mail.
    pub mail: Mail,
    /// Which attempt this is, from 1; one during which a worker died counts.
    pub attempt: u32,
    /// What the queue finds it by.
    pub token: String,
}

/// What is next for a mail that could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Another attempt after so long.
    Again(Duration),
    /// Nothing, until somebody looks at it.
    Dead,
}

/// A mail that nobody tries to send any more.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Dead {
    /// Its name.
    pub id: String,
    /// The mail; none when this version cannot read it. The queue keeps its bytes.
    pub mail: Option<Mail>,
    /// How many attempts there were.
    pub attempts: u32,
    /// Why the last one failed.
    pub why: String,
    /// When that was, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// How many mails are where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Stat {
    /// Waiting for a worker.
    pub ready: u64,
    /// In the hands of a worker.
    pub taken: u64,
    /// Waiting for their next attempt.
    pub delayed: u64,
    /// Given up.
    pub dead: u64,
    /// Sent, and not yet noted in the journal.
    pub sent: u64,
    /// When the oldest of the ready ones was queued, in milliseconds since the Unix epoch.
    pub oldest_ready_ms: Option<u64>,
}

/// The queue cannot do it now.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis does not answer, or not in time, or with an error.
    #[error("ask Redis")]
    Redis(#[from] ::redis::RedisError),
    /// The store on disk.
    #[error("use the mail queue on disk")]
    Store(#[from] holdfast_actors::persistence::Error),
}
