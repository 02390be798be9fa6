//! Mails inside the server: the dispatcher, and a worker where the server sends by itself.
//!
//! Both live on one thread of their own: templates, TLS and a slow mail server are no business of the threads that serve
//! HTTP. That thread is stopped before the engine is.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use actix_web::rt::spawn;
use anyhow::Context as _;
use holdfast_actors::Engine;
use holdfast_actors::persistence::Folder;
use secrecy::ExposeSecret as _;
use tokio::sync::{oneshot, watch};

use super::dispatch::{self, Counters, GRACE};
use super::queue::MailQueue;
use super::queue::disk::DiskQueue;
use super::queue::redis::RedisQueue;
use super::worker::{self, Desk, Options};
use crate::config::Settings;

/// The queue of this shop.
#[derive(Clone, Debug)]
pub enum Queue {
    /// In the data folder.
    Disk(DiskQueue),
    /// In Redis.
    Redis(RedisQueue),
}

/// The running service.
pub struct Service {
    arbiter: Arbiter,
    stop: watch::Sender<bool>,
    worker_ended: Option<oneshot::Receiver<()>>,
}

impl Queue {
    /// The queue that the settings ask for. Blocks, briefly; Redis need not be there.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or the URL is none.
    pub fn open(settings: &Settings, folder: &Folder) -> anyhow::Result<Self> {
        let claim_after = Duration::from_millis(settings.mail_claim_after_ms);
        Ok(match &settings.redis_url {
            Some(url) => {
                DiskQueue::remove(folder).context("remove the mail queue on disk")?;
                let name = format!("server-{}", crate::ids::make());
                let queue = RedisQueue::new(url.expose_secret(), &name, claim_after);
                Self::Redis(queue.context("open the mail queue")?)
            }
            None => Self::Disk(DiskQueue::open(folder, claim_after).context("open the mail queue")?),
        })
    }
}

impl Service {
    /// Begins to dispatch the mails of `engine` into `queue`; with a `desk`, to send them as well.
    #[must_use]
    pub fn start(
        engine: Engine,
        queue: Queue,
        desk: Option<(Desk, Options)>,
        counters: Arc<Counters>,
    ) -> Self {
        let arbiter = Arbiter::new();
        let (stop, stopped) = watch::channel(false);
        let (ended, worker_ended) = oneshot::channel();
        let worker_ended = desk.is_some().then_some(worker_ended);
        // Made there, as what they hold may not change threads.
        let is_taken = arbiter.spawn_fn(move || match queue {
            // Its only worker begins with it and has sent nothing that it could say again.
            Queue::Disk(queue) => begin(engine, queue, desk, counters, Duration::ZERO, &stopped, ended),
            Queue::Redis(queue) => begin(engine, queue, desk, counters, GRACE, &stopped, ended),
        });
        assert!(is_taken, "a new thread takes its first task");
        Self { arbiter, stop, worker_ended }
    }

    /// Ends it: nothing new is sent, and what has begun is finished, which may take eight seconds.
    pub async fn stop(self) {
        let _nobody_listens = self.stop.send(true);
        if let Some(ended) = self.worker_ended {
            // An error says that it ended with its thread.
            let _ended = ended.await;
        }
        self.arbiter.stop();
    }
}

fn begin<Q: MailQueue>(
    engine: Engine,
    queue: Q,
    desk: Option<(Desk, Options)>,
    counters: Arc<Counters>,
    grace: Duration,
    stopped: &watch::Receiver<bool>,
    ended: oneshot::Sender<()>,
) {
    spawn(dispatch::run(engine, queue.clone(), counters, grace, until(stopped.clone())));
    if let Some((desk, options)) = desk {
        let stopped = stopped.clone();
        spawn(async move {
            worker::run(queue, desk, options, until(stopped)).await;
            let _nobody_waits = ended.send(());
        });
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error says that nobody can stop it any more: the process ends.
    let _is_over = stopped.wait_for(|is_stopped| *is_stopped).await;
}
