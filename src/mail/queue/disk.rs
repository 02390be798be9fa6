//! The queue of mails on disk, where there is no Redis: for workers in the server's own process.
//!
//! It is a [`WorkQueue`] of `persistence` in the folder `mails` of the data folder. A process that is killed loses nothing
//! that was acknowledged; a power cut may cost the last seconds, and a damaged store is moved aside and begun anew: the
//! journal is the truth, and the dispatcher puts in again what is missing. It has to do so at each start, as a store that lost
//! its end to a power cut cannot tell.
//!
//! sled blocks, so every use of it is on a thread for that; waiting is not, and nobody polls.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use holdfast_actors::persistence::work::{After, Limits, Taken};
use holdfast_actors::persistence::{self, Folder, WorkQueue};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::{ATTEMPTS_MAX, Dead, Delivery, MailQueue, NEVER_BACK, Next, QueueError, Stat, UNREADABLE};
use crate::mail::Mail;

/// The queue's folder below the data folder.
const FOLDER: &str = "mails";

/// What it is called while it is removed.
const LEFTOVER: &str = "mails.removed";

const LIMITS: Limits = Limits { attempts_max: ATTEMPTS_MAX, never_back: NEVER_BACK };

/// The queue on disk. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct DiskQueue {
    shared: Arc<Shared>,
    claim_after: Duration,
}

#[derive(Debug)]
struct Shared {
    folder: Folder,
    /// None after it failed: the next who asks opens it anew. sled takes nothing any more after an error of the disk, even
    /// where that was only full for a while.
    work: Mutex<Option<WorkQueue>>,
    /// Something became ready, or will do so at another moment than was thought.
    is_ready: Notify,
    /// Something was sent.
    is_sent: Notify,
}

impl DiskQueue {
    /// Opens the queue of a data folder, or creates it. What a worker has held longer than `claim_after` is another's.
    ///
    /// Blocks, briefly.
    ///
    /// # Errors
    ///
    /// [`QueueError::Store`] when the operating system says no.
    pub fn open(folder: &Folder, claim_after: Duration) -> Result<Self, QueueError> {
        let work = Mutex::new(Some(WorkQueue::open(folder, FOLDER, LIMITS, now_ms())?));
        let folder = folder.clone();
        let shared = Shared { folder, work, is_ready: Notify::new(), is_sent: Notify::new() };
        Ok(Self { shared: Arc::new(shared), claim_after })
    }

    /// Whether a data folder has a queue: asked by those who must not create one.
    #[must_use]
    pub fn exists(data_dir: &Path) -> bool {
        WorkQueue::exists(data_dir, FOLDER)
    }

    /// Removes the queue of a data folder whose mails are in another queue from now on: the other sends them, and this one
    /// would send them again if it was ever opened again. Whatever is in it and unsent is in the journal.
    ///
    /// # Errors
    ///
    /// The operating system says no.
    pub fn remove(folder: &Folder) -> io::Result<()> {
        let data_dir = folder.path();
        // Under another name first: half a queue must never be found under its own.
        let (queue, leftover) = (data_dir.join(FOLDER), data_dir.join(LEFTOVER));
        let unless_missing = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        unless_missing(fs::remove_dir_all(&leftover))?;
        unless_missing(fs::rename(queue, &leftover))?;
        unless_missing(fs::remove_dir_all(&leftover))
    }

    /// The same queue for a worker that may hold a mail for another time.
    #[must_use]
    pub fn claiming_after(&self, claim_after: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), claim_after }
    }

    async fn with<T: Send + 'static>(
        &self,
        use_it: impl FnOnce(&mut WorkQueue) -> Result<T, persistence::Error> + Send + 'static,
    ) -> Result<T, QueueError> {
        let shared = Arc::clone(&self.shared);
        let used = spawn_blocking(move || {
            let mut work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
            let mut open = match work.take() {
                Some(open) => open,
                None => WorkQueue::open_again(&shared.folder, FOLDER, LIMITS, now_ms())?,
            };
            let used = use_it(&mut open)?;
            *work = Some(open);
            Ok(used)
        });
        let used: Result<T, persistence::Error> =
            used.await.expect("the store does not panic, and its runtime is this one");
        Ok(used?)
    }

    /// What is to be had now; when there is nothing, the moment to look again.
    async fn take_now(&self, count: usize) -> Result<(Vec<Delivery>, Option<u64>), QueueError> {
        let hold_ms = ms_of(self.claim_after);
        self.with(move |work| {
            let mut deliveries = Vec::new();
            loop {
                let now_ms = now_ms();
                let taken = work.take(count, now_ms, hold_ms)?;
                if taken.is_empty() {
                    return Ok((deliveries, work.next_ms(hold_ms)));
                }
                for taken in taken {
                    match serde_json::from_slice(&taken.bytes) {
                        Ok(mail) => deliveries.push(delivery(mail, &taken)),
                        Err(error) => {
                            let why = format!("{UNREADABLE}: {error}");
                            work.failed(&taken.name, taken.token, &why, After::Dead, now_ms)?;
                        }
                    }
                }
                if !deliveries.is_empty() {
                    return Ok((deliveries, None));
                }
            }
        })
        .await
    }
}

impl MailQueue for DiskQueue {
    async fn put(&self, mails: &[Mail]) -> Result<usize, QueueError> {
        let encode = |mail: &Mail| (mail.id.clone(), serde_json::to_vec(mail).expect("a mail is plain data"));
        let encoded: Vec<_> = mails.iter().map(encode).collect();
        let put = self.with(move |work| {
            work.put(encoded.iter().map(|(id, bytes)| (id.as_str(), bytes.as_slice())), now_ms())
        });
        let count = put.await?;
        if count > 0 {
            self.shared.is_ready.notify_waiters();
        }
        Ok(count)
    }

    async fn take(&self, count: usize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            // Listening before looking: what comes in between is heard.
            let is_ready = self.shared.is_ready.notified();
            let (deliveries, next_ms) = self.take_now(count).await?;
            if !deliveries.is_empty() || count == 0 || Instant::now() >= deadline {
                return Ok(deliveries);
            }
            let next = next_ms.map(|ms| Instant::now() + Duration::from_millis(ms.saturating_sub(now_ms())));
            let _heard_or_due = timeout_at(next.unwrap_or(deadline).min(deadline), is_ready).await;
        }
    }

    async fn sent(&self, ids: &[String]) -> Result<(), QueueError> {
        let ids = ids.to_vec();
        self.with(move |work| work.done(ids.iter().map(String::as_str), now_ms())).await?;
        self.shared.is_sent.notify_waiters();
        Ok(())
    }

    async fn failed(&self, delivery: &Delivery, why: &str, next: Next) -> Result<(), QueueError> {
        // A token of another queue is nobody's here.
        let Ok(token) = delivery.token.parse() else { return Ok(()) };
        let (id, why) = (delivery.mail.id.clone(), why.to_owned());
        self.with(move |work| {
            let now_ms = now_ms();
            let after = match next {
                Next::Again(delay) => After::AgainAt(now_ms.saturating_add(ms_of(delay))),
                Next::Dead => After::Dead,
            };
            work.failed(&id, token, &why, after, now_ms)
        })
        .await?;
        self.shared.is_ready.notify_waiters();
        Ok(())
    }

    async fn sent_ids(&self, count: usize, wait: Duration) -> Result<Vec<String>, QueueError> {
        let deadline = Instant::now() + wait;
        loop {
            let is_sent = self.shared.is_sent.notified();
            let ids = self.with(move |work| Ok(work.done_names(count))).await?;
            if !ids.is_empty() || count == 0 || timeout_at(deadline, is_sent).await.is_err() {
                return Ok(ids);
            }
        }
    }

    async fn forget(&self, ids: &[String]) -> Result<(), QueueError> {
        let ids = ids.to_vec();
        self.with(move |work| work.forget(ids.iter().map(String::as_str))).await
    }

    async fn life(&self) -> Result<String, QueueError> {
        self.with(|work| Ok(work.life().to_owned())).await
    }

    async fn stat(&self) -> Result<Stat, QueueError> {
        let stat = self.with(|work| Ok(work.stat())).await?;
        let count = |count: usize| u64::try_from(count).expect("a count of tasks fits");
        Ok(Stat {
            ready: count(stat.ready),
            taken: count(stat.taken),
            delayed: count(stat.delayed),
            dead: count(stat.dead),
            sent: count(stat.done),
            oldest_ready_ms: stat.oldest_ready_ms,
        })
    }

    async fn dead(&self, count: usize) -> Result<Vec<Dead>, QueueError> {
        let dead = self.with(move |work| work.dead(count)).await?;
        let dead = dead.into_iter().map(|task| Dead {
            mail: serde_json::from_slice(&task.bytes).ok(),
            id: task.name,
            attempts: task.attempts,
            why: task.why,
            since_ms: task.since_ms,
        });
        Ok(dead.collect())
    }

    async fn retry(&self, ids: Option<&[String]>) -> Result<usize, QueueError> {
        let ids = ids.map(<[String]>::to_vec);
        let count = self.with(move |work| work.retry(ids.as_deref(), now_ms())).await?;
        self.shared.is_ready.notify_waiters();
        Ok(count)
    }
}

fn delivery(mail: Mail, taken: &Taken) -> Delivery {
    Delivery { mail, attempt: taken.attempt, token: taken.token.to_string() }
}

fn now_ms() -> u64 {
    ms_of(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn ms_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
