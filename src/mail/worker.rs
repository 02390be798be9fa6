//! The worker: takes mails from the queue, sends them, says what became of each.
//!
//! `holdfast worker` runs one, and so does `holdfast serve` where it sends mails itself. Any number may share a queue.
//!
//! The promise is: a mail that the mail server took is not sent again, whatever becomes of the queue. A worker
//! tells the queue right after the server's yes, before that hand takes another mail. It keeps the names of what it sent
//! lately, and says them again before it takes anything whenever the queue failed or has another
//! [`life`](MailQueue::life): a queue that lost its memory may be given the same mails again. What remains is a worker that
//! dies between the server's yes and its own word to the queue, and a server whose yes is lost: then a mail comes
//! twice, under the same `Message-ID`.

mod ledger;
mod retry;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use self::ledger::Ledger;
use super::message::{self, Sender};
use super::post::{Fault, Post};
use super::queue::{ATTEMPTS_MAX, Delivery, MailQueue, Next, QueueError};
use super::templates::Templates;
use crate::config::Settings;
use crate::redis::chain;

/// How long one look into the queue waits for a mail; also, how late a stop may be heard.
const TAKE_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often the queue is asked for its life. Well below the time that the dispatcher gives workers to say what they
/// sent, once a queue lost its memory.
const LIFE_EVERY: Duration = Duration::from_secs(1);

/// Names said to the queue in one go.
const SENT_BATCH_MAX: usize = 500;

/// What has begun is finished within this after a stop.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(8);

/// How a worker works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Mails at once.
    pub concurrency: usize,
    /// The wait before the second attempt.
    pub retry_first: Duration,
    /// After how long the queue gives a mail to somebody else.
    pub claim_after: Duration,
}

impl Options {
    /// Those of the settings.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self {
            concurrency: settings.mail_concurrency.into(),
            retry_first: Duration::from_millis(settings.mail_retry_first_ms),
            claim_after: Duration::from_millis(settings.mail_claim_after_ms),
        }
    }

    /// An attempt is given up before the queue gives the mail to another worker: two must never be at it.
    fn attempt_wait_max(&self) -> Duration {
        self.claim_after * 4 / 5
    }
}

/// What mails are made of and sent with.
#[derive(Debug)]
pub struct Desk {
    /// Who they are from.
    pub sender: Sender,
    /// What they say.
    pub templates: Templates,
    /// Where they go.
    pub post: Post,
}

impl Desk {
    /// What the settings say, checked: templates are tried, files are read. Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// What is wrong with a setting, or with a file that one names.
    pub fn open(settings: &Settings) -> anyhow::Result<Self> {
        let sender =
            Sender::parse(&settings.mail_from).map_err(|why| anyhow::anyhow!("`mail_from` {why}"))?;
        let templates = Templates::load(settings.mail_templates.as_deref(), sender.shop())
            .context("check the mail templates")?;
        let post = Post::open(settings)?;
        Ok(Self { sender, templates, post })
    }
}

/// Sends the mails of `queue` until `stop` is ready, and then finishes what it has, for eight seconds at most.
///
/// Never gives up: a queue or mail server that is away is waited for. Everything happens on the thread that awaits it.
pub async fn run<Q: MailQueue>(queue: Q, desk: Desk, options: Options, stop: impl Future<Output = ()>) {
    let worker = Worker {
        queue,
        desk,
        options,
        ledger: RefCell::default(),
        in_hand: RefCell::default(),
        standing: Standing::default(),
        is_stopping: Cell::new(false),
        changed: Notify::new(),
    };
    let stopped = async {
        stop.await;
        worker.is_stopping.set(true);
        worker.changed.notify_waiters();
        sleep(FINISH_WAIT_MAX).await;
    };
    tokio::select! {
        () = work(&worker) => worker.desk.post.close().await,
        () = keep_in_touch(&worker) => unreachable!("it has no end"),
        // Without a farewell to the mail server: the time is over.
        () = stopped => {
            let mails = worker.in_hand.borrow().len();
            tracing::warn!(mails, "stopping without having finished: another worker will");
        }
    }
}

struct Worker<Q> {
    queue: Q,
    desk: Desk,
    options: Options,
    ledger: RefCell<Ledger>,
    /// The names of what is being sent.
    in_hand: RefCell<HashSet<String>>,
    standing: Standing,
    is_stopping: Cell<bool>,
    /// Something of the two above changed.
    changed: Notify,
}

/// How we stand with the queue.
#[derive(Default)]
struct Standing {
    /// It works, and knows all that the ledger has. Nothing is taken while that is not so: what is sent and not told is
    /// never more than there are hands.
    is_current: Cell<bool>,
    /// It gave something since it last failed, be it nothing.
    is_proved: Cell<bool>,
    /// Why it failed last, until somebody took care of that.
    failure: RefCell<Option<QueueError>>,
    failed: Notify,
}

impl Standing {
    fn doubt(&self, error: QueueError) {
        self.is_current.set(false);
        self.is_proved.set(false);
        self.failure.replace(Some(error));
        self.failed.notify_one();
    }

    /// Waits for a failure, for as long as the life of a queue may go unasked for.
    async fn next_failure(&self) -> Option<QueueError> {
        let has_failed = async {
            loop {
                if let Some(error) = self.failure.take() {
                    return error;
                }
                self.failed.notified().await;
            }
        };
        timeout(LIFE_EVERY, has_failed).await.ok()
    }
}

/// Takes mails while there are free hands, until told to stop; then ends when all that was sent is told.
async fn work<Q: MailQueue>(worker: &Worker<Q>) {
    let Worker { queue, options, standing, is_stopping, changed, .. } = worker;
    let mut hands = FuturesUnordered::new();
    while !(is_stopping.get() && hands.is_empty()) {
        let free = options.concurrency - hands.len();
        if is_stopping.get() || !standing.is_current.get() || free == 0 {
            tokio::select! {
                Some(()) = hands.next() => {}
                () = changed.notified() => {}
            }
            continue;
        }
        // Never dropped half-way: what it takes would be nobody's until it is taken over.
        let mut taking = std::pin::pin!(queue.take(free, TAKE_WAIT_MAX));
        let taken = loop {
            tokio::select! {
                taken = &mut taking => break taken,
                Some(()) = hands.next() => {}
            }
        };
        match taken {
            Ok(deliveries) => {
                standing.is_proved.set(true);
                hands.extend(deliveries.into_iter().map(|delivery| handle(worker, delivery)));
            }
            Err(error) => standing.doubt(error),
        }
    }
    while worker.ledger.borrow().has_untold() {
        changed.notified().await;
    }
}

/// Keeps us current with the queue: asks for its life, and says what was sent when it changed or after a failure.
async fn keep_in_touch<Q: MailQueue>(worker: &Worker<Q>) {
    let standing = &worker.standing;
    let mut life = None;
    let mut failures = 0;
    loop {
        let failure = match touch(worker, &mut life).await {
            Ok(()) => standing.next_failure().await,
            Err(error) => Some(error),
        };
        worker.desk.post.tidy();
        match failure {
            Some(error) => {
                standing.is_current.set(false);
                if failures == 0 {
                    tracing::warn!("no mail is sent while the mail queue does not work: {}", chain(&error));
                }
                failures += 1;
                sleep(retry::backoff(failures)).await;
            }
            None if failures > 0 && standing.is_proved.get() => {
                tracing::info!("the mail queue works again");
                failures = 0;
            }
            None => {}
        }
    }
}

async fn touch<Q: MailQueue>(worker: &Worker<Q>, life: &mut Option<String>) -> Result<(), QueueError> {
    let Worker { queue, standing, ledger, .. } = worker;
    let now = queue.life().await?;
    if standing.is_current.get() && life.as_ref() == Some(&now) {
        return Ok(());
    }
    standing.is_current.set(false);
    let names = ledger.borrow().names();
    for names in names.chunks(SENT_BATCH_MAX) {
        queue.sent(names).await?;
        ledger.borrow_mut().told(names);
    }
    *life = Some(now);
    // What a hand could not tell meanwhile is not among these: another round.
    let is_current = standing.failure.borrow().is_none();
    standing.is_current.set(is_current);
    worker.changed.notify_waiters();
    Ok(())
}

/// Does with one mail what is to be done, and tells the queue.
async fn handle<Q: MailQueue>(worker: &Worker<Q>, delivery: Delivery) {
    let id = &delivery.mail.id;
    if !worker.in_hand.borrow_mut().insert(id.clone()) {
        // Another hand is at it, and will say what became of it.
        return;
    }
    let told = if worker.ledger.borrow().has(id) {
        tracing::debug!(mail = id, "this mail was sent before: not again");
        tell(worker, id).await
    } else {
        match send(worker, &delivery).await {
            Ok(()) => {
                worker.ledger.borrow_mut().note(id.clone());
                tell(worker, id).await
            }
            Err(fault) => fail(worker, &delivery, fault).await,
        }
    };
    worker.in_hand.borrow_mut().remove(id);
    if let Err(error) = told {
        worker.standing.doubt(error);
    }
}

async fn tell<Q: MailQueue>(worker: &Worker<Q>, id: &String) -> Result<(), QueueError> {
    let names = std::slice::from_ref(id);
    worker.queue.sent(names).await?;
    worker.ledger.borrow_mut().told(names);
    Ok(())
}

async fn send<Q>(worker: &Worker<Q>, delivery: &Delivery) -> Result<(), Fault> {
    let Delivery { mail, attempt, .. } = delivery;
    let Desk { sender, templates, post } = &worker.desk;
    let began = Instant::now();
    let sent = async {
        let letter = message::write(mail, sender, templates)
            .map_err(|unfit| Fault::Permanent(format!("{:#}", anyhow::Error::from(unfit))))?;
        post.send(&letter).await
    };
    let wait_max = worker.options.attempt_wait_max();
    let late = || Fault::Passing(format!("it took longer than {} ms", wait_max.as_millis()));
    timeout(wait_max, sent).await.unwrap_or_else(|_| Err(late()))?;
    let took = began.elapsed();
    let (id, kind) = (&mail.id, mail.kind.word());
    tracing::info!(mail = id, kind, attempt, ms = took.as_millis(), "mail sent");
    metrics::counter!("holdfast_mail_sent_total").increment(1);
    metrics::histogram!("holdfast_mail_send_seconds").record(took.as_secs_f64());
    Ok(())
}

async fn fail<Q: MailQueue>(worker: &Worker<Q>, delivery: &Delivery, fault: Fault) -> Result<(), QueueError> {
    let Delivery { mail, attempt, .. } = delivery;
    let (why, next) = match fault {
        Fault::Passing(why) if *attempt < ATTEMPTS_MAX => {
            (why, Next::Again(retry::wait(worker.options.retry_first, *attempt)))
        }
        Fault::Passing(why) | Fault::Permanent(why) => (why, Next::Dead),
    };
    // Servers repeat the address in their answers; the log is read by more people than the queue.
    let said = why.replace(&mail.to, "(address)");
    let (id, kind) = (&mail.id, mail.kind.word());
    metrics::counter!("holdfast_mail_failed_total").increment(1);
    match next {
        Next::Again(wait) => {
            tracing::warn!(mail = id, kind, attempt, again_in_ms = wait.as_millis(), "mail not sent: {said}");
        }
        Next::Dead => {
            metrics::counter!("holdfast_mail_dead_total").increment(1);
            tracing::error!(mail = id, kind, attempt, "mail given up: {said}");
        }
    }
    worker.queue.failed(delivery, &why, next).await
}

#[cfg(test)]
mod tests;
