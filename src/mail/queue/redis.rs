//! The queue of mails in Redis: for workers in any process, and for eyes with `redis-cli`.
//!
//! | key | is |
//! | --- | --- |
//! | `queue:emails` | a stream of what is ready and taken, for the consumer group `workers`: `id`, `kind`, `to`, `attempt`, `mail` (JSON) |
//! | `queue:emails:known` | a hash: each known name's state: `queued ENTRY`, `delayed`, `dead`, `sent ENTRY` |
//! | `queue:emails:delayed`, `queue:emails:dead` | sorted sets of names, by the moment of the next attempt, and of the last |
//! | `queue:emails:held` | a hash: what is delayed or dead, with attempts and why, as JSON |
//! | `queue:emails:sent` | a stream of names that are sent and not forgotten |
//! | `queue:emails:life` | a random word; with Redis' own `run_id` it tells whether anything may be lost |
//!
//! Every change is one Lua script, so that an append-only file holds all of it or nothing; scripts run in bounded portions. A
//! delivery counts even when nobody speaks of it again (`XPENDING`): a mail that kills its workers is dead in the end. Time
//! is Redis' own.
//!
//! No key expires. Under a `maxmemory-policy` of `noeviction` or `volatile-*` a full Redis refuses new mails and loses none, and
//! what is sent still leaves it; `allkeys-*` throws keys away at will and is wrong here. What is lost all the same, the dispatcher
//! puts in again when [`life`](MailQueue::life) changes. Redis 6.2 is the oldest that knows `XAUTOCLAIM`.

mod connections;
mod scripts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::streams::StreamReadReply;
use ::redis::{cmd, pipe};
use tokio::time::Instant;

use self::connections::Connections;
use self::scripts::{KEYS, Scripts};
use super::{ATTEMPTS_MAX, Dead, Delivery, MailQueue, NEVER_BACK, Next, QueueError, Stat, UNREADABLE};
use crate::mail::Mail;
use crate::mail::dispatch::GRACE;

const STREAM: &str = KEYS[0];
const DEAD: &str = KEYS[3];
const SENT: &str = KEYS[5];
const LIFE: &str = "queue:emails:life";

/// Mails, or names, that one script handles: Redis does nothing else meanwhile.
const PORTION: usize = 200;

/// The longest that Redis is asked to wait at once: a connection that is dead without a word is noticed then.
const BLOCK_MAX: Duration = Duration::from_secs(10);

/// When a consumer that has nothing is taken for a worker that is no more.
const CONSUMER_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// For so long after it failed or was opened, nothing is taken over, unless it may be sooner anyway. While Redis is away every
/// mail in hand grows old, sent or not: whoever sent one and could not say so needs a moment to say it first.
const SETTLE: Duration = GRACE;

/// A time after which no mail is another's.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The queue in Redis. Clones are the same queue and the same consumer.
#[derive(Clone, Debug)]
pub struct RedisQueue {
    shared: Arc<Shared>,
    claim_after: Duration,
}

#[derive(Debug)]
struct Shared {
    connections: Connections,
    scripts: Scripts,
    consumer: String,
    is_tidied: AtomicBool,
}

/// A mail as `take.lua` gives it: name, token, attempt, JSON.
type Given = (String, String, u32, Vec<u8>);

/// A dead mail as `dead.lua` gives it: name, since when, attempts, why, JSON.
type Buried = (String, u64, u32, String, Vec<u8>);

impl RedisQueue {
    /// The queue at `url`, for the worker `consumer`, whose name no other worker has or had. What a worker has held longer
    /// than `claim_after` is another's.
    ///
    /// Connects when there is something to ask, so Redis need not be there.
    ///
    /// # Errors
    ///
    /// [`QueueError::Redis`] when `url` is none.
    pub fn new(url: &str, consumer: &str, claim_after: Duration) -> Result<Self, QueueError> {
        let shared = Shared {
            connections: Connections::new(url)?,
            scripts: Scripts::new(),
            consumer: consumer.to_owned(),
            is_tidied: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared), claim_after })
    }

    /// The same queue and consumer, which may hold a mail for another time.
    #[must_use]
    pub fn claiming_after(&self, claim_after: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), claim_after }
    }

    /// What is to be had now; the time after which there may be more without anybody's doing, and the last entry there is.
    async fn take_now(&self, count: usize) -> Result<(Vec<Delivery>, Option<Duration>, String), QueueError> {
        let unsettled = SETTLE.min(self.claim_after).saturating_sub(self.shared.connections.sound_for());
        let claim_after = if unsettled.is_zero() { self.claim_after } else { NEVER };
        let mut call = self.shared.scripts.take.call();
        call.arg(&self.shared.consumer).arg(count).arg(ms_of(claim_after));
        call.arg(ATTEMPTS_MAX).arg(NEVER_BACK).arg(PORTION);
        let (given, wait_ms, last): (Vec<Given>, i64, String) = self.shared.connections.run(&call).await?;
        let mut wait = u64::try_from(wait_ms).ok().map(Duration::from_millis);
        if !unsettled.is_zero() {
            wait = Some(wait.map_or(unsettled, |wait| wait.min(unsettled)));
        }
        let mut deliveries = Vec::with_capacity(given.len());
        for (id, token, attempt, json) in given {
            match serde_json::from_slice::<Mail>(&json) {
                Ok(mail) if mail.id == id => deliveries.push(Delivery { mail, attempt, token }),
                unreadable => {
                    let why = match unreadable {
                        Ok(mail) => format!("{UNREADABLE}: it calls itself {}", mail.id),
                        Err(error) => format!("{UNREADABLE}: {error}"),
                    };
                    self.fail(&id, &token, &why, Next::Dead).await?;
                    // Behind it there may be more.
                    wait = Some(Duration::ZERO);
                }
            }
        }
        Ok((deliveries, wait, last))
    }

    async fn fail(&self, id: &str, token: &str, why: &str, next: Next) -> Result<(), QueueError> {
        // A token of another queue is nobody's here.
        let Some((entry, delivery)) = token.split_once('/') else { return Ok(()) };
        let delay_ms = match next {
            Next::Again(delay) => i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
            Next::Dead => -1,
        };
        let why = &why[..why.floor_char_boundary(super::WHY_BYTES_MAX)];
        let mut call = self.shared.scripts.fail.call();
        call.arg(id).arg(entry).arg(delivery).arg(ATTEMPTS_MAX).arg(why).arg(delay_ms);
        let _is_theirs: i64 = self.shared.connections.run(&call).await?;
        Ok(())
    }

    /// Removes the names of workers that are no more, once for each queue that is opened. Nothing depends on it.
    async fn tidy_once(&self) -> Result<(), QueueError> {
        if !self.shared.is_tidied.swap(true, Ordering::Relaxed) {
            let mut call = self.shared.scripts.tidy.call();
            call.arg(ms_of(CONSUMER_IDLE_MAX));
            let _done: i64 = self.shared.connections.run(&call).await?;
        }
        Ok(())
    }

    /// Runs a script on names, a portion at a time, and adds up what it returns.
    async fn on_names(&self, script: &scripts::Script, ids: &[String]) -> Result<usize, QueueError> {
        let mut count = 0;
        for ids in ids.chunks(PORTION) {
            let mut call = script.call();
            call.arg(ids);
            count += self.shared.connections.run::<usize>(&call).await?;
        }
        Ok(count)
    }

    async fn dead_names(&self, count: usize) -> Result<Vec<String>, QueueError> {
        let mut command = cmd("ZRANGE");
        command.arg(DEAD).arg(0).arg(count.saturating_sub(1));
        self.shared.connections.ask(&command).await
    }
}

impl MailQueue for RedisQueue {
    async fn put(&self, mails: &[Mail]) -> Result<usize, QueueError> {
        let mut count = 0;
        for mails in mails.chunks(PORTION) {
            let mut call = self.shared.scripts.put.call();
            for mail in mails {
                let json = serde_json::to_string(mail).expect("a mail is plain data");
                call.arg(&mail.id).arg(mail.kind.word()).arg(&mail.to).arg(json);
            }
            count += self.shared.connections.run::<usize>(&call).await?;
        }
        Ok(count)
    }

    async fn take(&self, count: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait;
        self.tidy_once().await?;
        loop {
            let (deliveries, next, last) = self.take_now(count).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !deliveries.is_empty() || count == 0 || left.is_zero() {
                return Ok(deliveries);
            }
            let block = next.unwrap_or(BLOCK_MAX).min(left).min(BLOCK_MAX);
            // Waits for an entry that is newer than any seen, and leaves the taking to the script: whoever gives up
            // while waiting has taken nothing.
            let _seen: Option<StreamReadReply> =
                self.shared.connections.read(STREAM, &last, 1, block).await?;
        }
    }

    async fn sent(&self, ids: &[String]) -> Result<(), QueueError> {
        self.on_names(&self.shared.scripts.sent, ids).await.map(drop)
    }

    async fn failed(&self, delivery: &Delivery, why: &str, next: Next) -> Result<(), QueueError> {
        self.fail(&delivery.mail.id, &delivery.token, why, next).await
    }

    async fn sent_ids(&self, count: usize, wait: Duration) -> Result<Vec<String>, QueueError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + wait;
        loop {
            let block = deadline.saturating_duration_since(Instant::now()).min(BLOCK_MAX);
            let found: Option<StreamReadReply> =
                self.shared.connections.read(SENT, "0", count, block).await?;
            let entries = found.iter().flat_map(|found| &found.keys).flat_map(|key| &key.ids);
            let ids: Vec<String> = entries.filter_map(|entry| entry.get("id")).collect();
            if !ids.is_empty() || Instant::now() >= deadline {
                return Ok(ids);
            }
        }
    }

    async fn forget(&self, ids: &[String]) -> Result<(), QueueError> {
        self.on_names(&self.shared.scripts.forget, ids).await.map(drop)
    }

    async fn life(&self) -> Result<String, QueueError> {
        let (word, info): (Option<String>, String) =
            self.shared.connections.ask_all(pipe().get(LIFE).cmd("INFO").arg("server")).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or("unknown").trim();
        let word = match word {
            Some(word) => word,
            None => {
                // Somebody else may be first: what is there then counts.
                let mut set = pipe();
                set.cmd("SET").arg(LIFE).arg(crate::ids::make().to_string()).arg("NX").ignore().get(LIFE);
                let (word,): (String,) = self.shared.connections.ask_all(&set).await?;
                word
            }
        };
        Ok(format!("{run}/{word}"))
    }

    async fn stat(&self) -> Result<Stat, QueueError> {
        let call = self.shared.scripts.stat.call();
        let (total, taken, delayed, dead, sent, oldest): (u64, u64, u64, u64, u64, String) =
            self.shared.connections.run(&call).await?;
        // An entry's name begins with the moment at which it was added.
        let oldest_ready_ms = oldest.split_once('-').and_then(|(ms, _)| ms.parse().ok());
        Ok(Stat { ready: total.saturating_sub(taken), taken, delayed, dead, sent, oldest_ready_ms })
    }

    async fn dead(&self, count: usize) -> Result<Vec<Dead>, QueueError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut call = self.shared.scripts.dead.call();
        call.arg(count);
        let buried: Vec<Buried> = self.shared.connections.run(&call).await?;
        let dead = |(id, since_ms, attempts, why, json): Buried| Dead {
            mail: serde_json::from_slice(&json).ok(),
            id,
            attempts,
            why,
            since_ms,
        };
        Ok(buried.into_iter().map(dead).collect())
    }

    async fn retry(&self, ids: Option<&[String]>) -> Result<usize, QueueError> {
        let script = &self.shared.scripts.retry;
        if let Some(ids) = ids {
            return self.on_names(script, ids).await;
        }
        // No more than there are now: some may die again meanwhile.
        let mut command = cmd("ZCARD");
        let mut left: usize = self.shared.connections.ask(command.arg(DEAD)).await?;
        let mut count = 0;
        while left > 0 {
            let names = self.dead_names(left.min(PORTION)).await?;
            if names.is_empty() {
                break;
            }
            count += self.on_names(script, &names).await?;
            left = left.saturating_sub(names.len());
        }
        Ok(count)
    }
}

fn ms_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
