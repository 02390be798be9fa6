//! The dispatcher: from the journal into the queue, and back from the queue into the journal.
//!
//! It has no memory that matters. What is due and what was sent is in the journal, and the engine knows both; what the
//! queue has is asked of it. So it may be stopped anywhere, a queue may lose everything, and still no mail is lost. That
//! none is put in again after the queue has forgotten it is kept by order: what was sent is first durable in the
//! journal, then forgotten by the queue, and never while something is being put in.

mod contents;
mod patience;
mod strangers;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use holdfast_actors::mails::{About, Unsent};
use holdfast_actors::{Engine, Failure, Stopped};
use tokio::sync::Mutex;
use tokio::time::sleep;

use self::patience::Patience;
use self::strangers::Strangers;
use super::Mail;
use super::queue::{MailQueue, QueueError};
use crate::redis::chain;

/// How long workers in other processes have to say again what they sent, when the queue may have lost it. They look for that
/// once a second.
pub const GRACE: Duration = Duration::from_secs(3);

/// How often the queue is asked whether it lost something.
const LIFE_EVERY: Duration = Duration::from_secs(1);

/// How long one question for what was sent waits for an answer.
const SENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// Mails that are put in, or settled, in one go.
const BATCH_COUNT_MAX: usize = 256;

/// What is done in a look at the queue's life.
const LOOK: &str = "ask the mail queue for its life";

/// What a dispatcher did, for whoever shows it.
#[derive(Debug, Default)]
pub struct Counters {
    queued: AtomicU64,
    settled: AtomicU64,
    failures: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Mails that were new to the queue.
    pub queued: u64,
    /// Mails that the journal was told are sent.
    pub settled: u64,
    /// Times that the queue failed.
    pub failures: u64,
}

impl Counters {
    /// What they are now.
    #[must_use]
    pub fn read(&self) -> Figures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Self { queued, settled, failures } = self;
        Figures { queued: of(queued), settled: of(settled), failures: of(failures) }
    }
}

/// Puts mails that are due into `queue`, and tells the journal what was sent, until `stop` is ready or the journal
/// stops. Everything happens on the thread that awaits it.
///
/// When it begins, and whenever the queue has another [`life`](MailQueue::life) than before, workers get the time of `grace` to
/// say again what they sent; then everything unsent is put in again, and what the queue knows stays as it is. A queue
/// that fails is tried again for ever; no request ever waits for it. Dropping the future is as good as a stop: both
/// leave at once, in the middle of whatever is under way.
///
/// One at a time for each engine.
pub async fn run<Q: MailQueue>(
    engine: Engine,
    queue: Q,
    counters: Arc<Counters>,
    grace: Duration,
    stop: impl Future<Output = ()>,
) {
    let troubles = Cell::new(0);
    let dispatcher = Dispatcher {
        engine,
        queue,
        counters,
        grace,
        troubles,
        life: RefCell::default(),
        has_lost: Cell::new(false),
        forgetting: Mutex::default(),
    };
    let worked = async { tokio::try_join!(dispatcher.feed(), dispatcher.settle()) };
    tokio::select! {
        () = stop => {}
        // Whoever runs the engine says why it stopped.
        stopped = worked => match stopped { Err(Stopped) => {} },
    }
}

struct Dispatcher<Q> {
    engine: Engine,
    queue: Q,
    counters: Arc<Counters>,
    grace: Duration,
    /// How many of the two tasks wait for a queue that fails.
    troubles: Cell<usize>,
    /// Of the queue, when it was last looked at.
    life: RefCell<Option<String>>,
    /// It was another then than before: everything unsent is to be put in.
    has_lost: Cell<bool>,
    /// Held while mails are put in and while some are forgotten: what is put in is unsent until it is in, so that none
    /// comes in again that was sent and forgotten in between.
    forgetting: Mutex<()>,
}

/// Why something is tried again.
enum Trouble {
    Queue(QueueError),
    /// Too much at once, in the engine.
    Overloaded,
    Stopped,
}

impl<Q: MailQueue> Dispatcher<Q> {
    /// Puts in what is due as it comes, and all of it again when the queue may have lost some.
    async fn feed(&self) -> Result<Infallible, Stopped> {
        loop {
            self.insist(LOOK, async || self.look().await).await?;
            if self.has_lost.replace(false) {
                self.put_all().await?;
            } else {
                self.feed_for_a_while().await?;
            }
        }
    }

    /// Looks whether the queue may have lost something, and gives workers their time then. What may have been in it
    /// before is only put in after a look.
    async fn look(&self) -> Result<(), Trouble> {
        let life = self.queue.life().await?;
        if self.life.borrow().as_ref() == Some(&life) {
            return Ok(());
        }
        if self.life.borrow().is_some() {
            tracing::warn!("the mail queue may have lost mails: all that are unsent are put in again");
        }
        sleep(self.grace).await;
        self.life.replace(Some(life));
        self.has_lost.set(true);
        Ok(())
    }

    /// The same until it is time to look at the queue's life, or until the queue failed.
    async fn feed_for_a_while(&self) -> Result<(), Stopped> {
        let mut look = pin!(sleep(LIFE_EVERY));
        loop {
            let unsent = tokio::select! {
                biased;
                () = &mut look => return Ok(()),
                unsent = self.engine.next_unsent(BATCH_COUNT_MAX) => unsent?,
            };
            let failures = self.counters.failures.load(Ordering::Relaxed);
            self.put(&unsent).await?;
            if self.counters.failures.load(Ordering::Relaxed) != failures {
                return Ok(());
            }
        }
    }

    /// Puts in everything that is unsent, whether the queue knows it or not.
    async fn put_all(&self) -> Result<(), Stopped> {
        let mut last = None;
        loop {
            self.insist(LOOK, async || self.look().await).await?;
            let page = self.engine.unsent_again(last, BATCH_COUNT_MAX);
            let Some(newest) = page.last() else { return Ok(()) };
            last = Some(newest.about);
            self.put(&page).await?;
        }
    }

    /// Puts some in. Those that nobody can get any more are settled instead.
    async fn put(&self, unsent: &[Unsent]) -> Result<(), Stopped> {
        let facts = async || {
            let each = unsent.iter().map(async |unsent| {
                let facts = self.engine.mail_facts(unsent.about).await?;
                Ok(facts.map(|facts| (unsent.about, contents::mail(*unsent, facts))))
            });
            try_join_all(each).await.map_err(Trouble::of_engine)
        };
        let mut mails = Vec::with_capacity(unsent.len());
        let mut nobodys = Vec::new();
        for (unsent, mail) in unsent.iter().zip(self.insist("read what mails tell", facts).await?) {
            match mail {
                Some(mail) => mails.push(mail),
                None => nobodys.push(unsent.about),
            }
        }
        if !nobodys.is_empty() {
            tracing::warn!(count = nobodys.len(), "mails are due to nobody and are not sent");
            self.settle_in_journal(&nobodys).await?;
        }
        let is_first = Cell::new(true);
        let put = async || {
            // What was put in and not answered for may have been sent, and lost.
            if !is_first.replace(false) {
                self.look().await?;
            }
            let _nothing_is_forgotten = self.forgetting.lock().await;
            let still_due = mails.iter().filter(|(about, _)| self.engine.is_unsent(*about));
            let still_due: Vec<Mail> = still_due.map(|(_, mail)| mail.clone()).collect();
            Ok(if still_due.is_empty() { 0 } else { self.queue.put(&still_due).await? })
        };
        let queued = self.insist("queue mails", put).await?;
        self.counters.queued.fetch_add(count(queued), Ordering::Relaxed);
        Ok(())
    }

    /// Tells the journal what was sent, and lets the queue forget it then.
    async fn settle(&self) -> Result<Infallible, Stopped> {
        let mut strangers = Strangers::default();
        loop {
            // Behind those of strangers are ours.
            let count_max = strangers.len() + BATCH_COUNT_MAX;
            let ask = async || Ok(self.queue.sent_ids(count_max, SENT_WAIT_MAX).await?);
            let sent = self.insist("ask the mail queue what was sent", ask).await?;
            let is_ours = async |about| self.is_ours(about).await;
            let ids = strangers.leave_out(sent, is_ours).await?;
            if ids.is_empty() {
                // With a stranger's among them, the queue does not wait.
                if strangers.len() > 0 {
                    sleep(LIFE_EVERY).await;
                }
                continue;
            }
            // A name that says nothing is no mail of ours: nobody ever settles it.
            let sent: Vec<About> = ids.iter().filter_map(|id| contents::about(id)).collect();
            self.settle_in_journal(&sent).await?;
            let forget = async || {
                let _nothing_is_put_in = self.forgetting.lock().await;
                Ok(self.queue.forget(&ids).await?)
            };
            self.insist("let the mail queue forget what was sent", forget).await?;
        }
    }

    /// Whether a mail is of this journal.
    async fn is_ours(&self, about: About) -> Result<bool, Stopped> {
        if self.engine.is_unsent(about) {
            return Ok(true);
        }
        let look = async || self.engine.has_subject(about).await.map_err(Trouble::of_engine);
        self.insist("look for what a mail is about", look).await
    }

    async fn settle_in_journal(&self, sent: &[About]) -> Result<(), Stopped> {
        let due = sent.iter().filter(|about| self.engine.is_unsent(**about)).count();
        let settle = async || self.engine.settle_mails(sent.to_vec()).await.map_err(Trouble::of_engine);
        self.insist("journal that mails were sent", settle).await?;
        self.counters.settled.fetch_add(count(due), Ordering::Relaxed);
        Ok(())
    }

    /// Tries until it works. Says so when the queue begins to fail, and when it works again.
    async fn insist<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> Result<T, Trouble>,
    ) -> Result<T, Stopped> {
        let mut patience = Patience::default();
        let mut trouble = None;
        loop {
            match attempt().await {
                Ok(value) => {
                    trouble.into_iter().for_each(InTrouble::end);
                    return Ok(value);
                }
                Err(Trouble::Stopped) => return Err(Stopped),
                Err(Trouble::Overloaded) => {}
                Err(Trouble::Queue(error)) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    trouble.get_or_insert_with(|| InTrouble::begin(&self.troubles, what, &error));
                }
            }
            sleep(patience.next()).await;
        }
    }
}

/// One of the tasks waits for a queue that fails; both together are told of once.
struct InTrouble<'a>(&'a Cell<usize>);

impl<'a> InTrouble<'a> {
    fn begin(troubles: &'a Cell<usize>, what: &str, error: &QueueError) -> Self {
        if troubles.replace(troubles.get() + 1) == 0 {
            tracing::error!("{what}: {}; tried again until it works, no mail is lost", chain(error));
        }
        Self(troubles)
    }

    fn end(self) {
        if self.0.get() == 1 {
            tracing::info!("the mail queue works again");
        }
    }
}

impl Drop for InTrouble<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Trouble {
    fn of_engine(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded(_) => Self::Overloaded,
            // Nothing about mails is refused or unknown.
            _ => Self::Stopped,
        }
    }
}

impl From<QueueError> for Trouble {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).expect("a length fits 64 bits")
}
