//! The door: what `src` may ask of the whole, over all shards.
//!
//! It finds the product's actor, admits or sheds, claims idempotency keys, and opens sealed answers. It decides
//! nothing about stock.

mod carts;
mod catalogue;
mod categories;
mod checkpoints;
mod feed;
mod mails;
mod orders;
mod people;
mod prices;
mod products;
mod purchase;
mod reads;
mod reservations;
mod selling;
mod start;
mod stock;
mod variants;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Addr, Arbiter, ArbiterHandle, Handler, Message};
use holdfast_domain::product::Refusal;
use holdfast_domain::{ProductId, Sku};
use holdfast_persistence::{
    AppendError, Checkpoints, Commits, Committer, CommitterOptions, Journal, Partition, Queue, Reader, Ticket,
};
use tokio::sync::oneshot;

use crate::checkpoint::{CheckpointOptions, Keeper};
use crate::clock::Clock;
use crate::context::Context;
use crate::directory::Directory;
use crate::gateway::PaymentGateway;
use crate::keys::{Claim, KeyGuard, Keys};
use crate::outcome::{Outcome, Refused};
use crate::pending::{self, Pending, Stopped};
use crate::position::Position;
use crate::product_actor::{Ask, ReplyTo};
use crate::sagas::Ids;
use crate::shard::{Deliver, Shard};
use crate::slots::Slots;
use crate::turn::{Reply, Wish};

pub use carts::CartItem;
pub use catalogue::{Listed, ProductPage};
pub use checkpoints::Kind;
pub use orders::{Basket, NewOrder, OrderFilter, Wanted};
pub use people::AccountFilter;
pub use prices::{Quote, QuoteFor, QuotedLine};
pub use purchase::Offer;
pub use reservations::{Made, NewReservation, ReservationFilter};
pub use stock::{Recount, StockOperation, StockRefusal};

/// With more than this waiting for the disk, writes are shed.
const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long the end of the engine waits for a checkpoint that is being written.
const KEEPER_WAIT_MAX: Duration = Duration::from_secs(2);

/// How an engine runs.
pub struct Options {
    /// Slices of the products, each on one thread with its share of the partitions.
    pub shards: u16,
    /// The threads that shards share with somebody else, in turn; without any, each has one of its own.
    ///
    /// On the threads that serve HTTP, a request whose product lives on its own thread crosses none: that is
    /// worth 3 to 4 µs of CPU each way.
    pub hosts: Vec<ArbiterHandle>,
    /// After how long without a message a product gives up its actor.
    pub idle: Duration,
    /// Requests that may wait in one shard; more are shed.
    pub admitted_max: usize,
    /// Where moments come from.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Ids,
    /// Who takes money.
    pub gateway: Arc<dyn PaymentGateway>,
    /// What the journal's writer is told; its failure callback stops the process.
    pub committer: CommitterOptions,
    /// How checkpoints are taken; without, none are.
    pub checkpoints: Option<CheckpointOptions>,
}

/// All products of the process, in memory and in the journal. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    directory: Arc<Directory>,
    keys: Arc<Keys>,
    slots: Slots,
    partitions: u16,
    shards: Vec<ShardDoor>,
    queue: Queue,
    /// On which it rests that mails are due.
    begun: Ticket,
    reader: Option<Reader>,
    clock: Arc<dyn Clock>,
    ids: Ids,
    admitted_max: usize,
    committer: Mutex<Option<Committer>>,
    keeper: Option<Keeper>,
    /// Where checkpoints are, where they are taken.
    checkpoint_files: Option<Checkpoints>,
}

/// The way into one shard.
struct ShardDoor {
    address: Addr<Shard>,
    /// The thread of its own, where it has one.
    own_arbiter: Option<Arbiter>,
    admitted: AtomicUsize,
}

/// A yes, and where it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer<T> {
    /// What was answered.
    pub value: T,
    /// The place of its record, where it left one.
    pub position: Option<Position>,
    /// Whether this is the first answer to the same key again.
    pub is_replayed: bool,
}

/// Why there is no yes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The rules say no.
    Refused(Answer<Refused>),
    /// There is no such thing.
    NotFound,
    /// There are no such skus; each with its place in the request.
    UnknownSkus(Vec<(usize, Sku)>),
    /// The product has several variants: one must be named.
    SkuRequired,
    /// Another product has this sku.
    DuplicateSku(Sku),
    /// The idempotency key stands for another request.
    KeyReused,
    /// Too much at once; nothing was done.
    Overloaded(Overload),
    /// The journal stopped: whether it was done is for recovery to find out.
    Stopped,
}

/// What there is too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overload {
    /// Requests.
    Requests,
    /// Data on the disk.
    Disk,
}

/// Figures of the running engine.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Products that exist.
    pub products: usize,
    /// What the journal wrote since the start.
    pub commits: Commits,
    /// Bytes on their way to the disk.
    pub backlog_bytes: u64,
    /// Whether writes are refused for want of space.
    pub is_disk_low: bool,
}

/// A place in a shard's queue, given back when dropped.
struct Permit<'a>(&'a AtomicUsize);

impl Engine {
    /// Commits what is queued, ends the writer and the shards, and gives the journal back. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Stopped`], when the journal failed or the engine was stopped before.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn stop(&self) -> Result<Box<dyn Journal>, Stopped> {
        if let Some(keeper) = &self.inner.keeper {
            keeper.stop(KEEPER_WAIT_MAX);
        }
        let committer = self.inner.committer.lock().expect("nothing panics while it holds this").take();
        let journal = committer.ok_or(Stopped)?.close().map_err(|_| Stopped)?;
        for shard in &self.inner.shards {
            shard.own_arbiter.as_ref().map(Arbiter::stop);
        }
        Ok(journal)
    }

    /// Gives one wish to its product and waits for a durable answer.
    ///
    /// The key is asked first: a retry meets its answer even when the product is gone by now.
    async fn ask(
        &self,
        context: &Context,
        product: ProductId,
        wish: Wish,
    ) -> Result<Answer<Outcome>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return into_answer(reply),
            Claimed::Free(key) => key,
        };
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        self.send(context, key, product, card.partition, wish).await
    }

    async fn send(
        &self,
        context: &Context,
        key: Option<KeyGuard>,
        product: ProductId,
        partition: Partition,
        wish: Wish,
    ) -> Result<Answer<Outcome>, Failure> {
        let shard = &self.inner.shards[self.inner.slots.shard(partition)];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask { wish, context: context.clone(), key, reply: ReplyTo::Request(reply) };
        let pushed = self.inner.directory.with_actor(product, ask, |actor, ask| actor.do_send(ask));
        if let Err(ask) = pushed {
            shard.address.do_send(Deliver { product, partition, ask });
        }
        let pending: Pending<Reply> = answer.await.map_err(|_| Failure::Stopped)?;
        into_answer(pending.open().await?)
    }

    /// Gives one wish to the shard that keeps a book of the whole shop, and waits for a durable answer.
    async fn ask_office<M>(
        &self,
        context: &Context,
        partition: Partition,
        message: impl FnOnce(Option<KeyGuard>, oneshot::Sender<Pending<Reply>>) -> M,
    ) -> Result<Answer<Outcome>, Failure>
    where
        M: Message<Result = ()> + Send + 'static,
        Shard: Handler<M>,
    {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return into_answer(reply),
            Claimed::Free(key) => key,
        };
        let shard = &self.inner.shards[self.inner.slots.shard(partition)];
        let _permit = self.admit(shard)?;
        let (reply, answer) = oneshot::channel();
        shard.address.do_send(message(key, reply));
        into_answer(answer.await.map_err(|_| Failure::Stopped)?.open().await?)
    }

    async fn claim(&self, context: &Context) -> Result<Claimed, Failure> {
        let Some(request) = context.key else { return Ok(Claimed::Free(None)) };
        loop {
            match self.inner.keys.claim(request, self.inner.clock.now()) {
                Claim::First(guard) => return Ok(Claimed::Free(Some(guard))),
                Claim::Reused => return Err(Failure::KeyReused),
                // An error says that the first was given up: then it is this one's turn.
                Claim::Running(first) => drop(first.await),
                Claim::Kept(kept) => {
                    self.durable(kept.ticket).await?;
                    return Ok(Claimed::Kept(Reply {
                        answered: kept.answered.clone(),
                        position: Some(kept.position),
                        is_replayed: true,
                    }));
                }
            }
        }
    }

    fn admit<'a>(&self, shard: &'a ShardDoor) -> Result<Permit<'a>, Failure> {
        if self.inner.queue.is_disk_low() {
            return Err(Failure::Overloaded(Overload::Disk));
        }
        let before = shard.admitted.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(&shard.admitted);
        if before >= self.inner.admitted_max || self.inner.queue.backlog_bytes() > BACKLOG_BYTES_MAX {
            return Err(Failure::Overloaded(Overload::Requests));
        }
        Ok(permit)
    }

    async fn durable(&self, ticket: Ticket) -> Result<(), Stopped> {
        pending::durable(self.inner.queue.gate(), ticket).await
    }
}

enum Claimed {
    /// Go on, with the key to settle where there is one.
    Free(Option<KeyGuard>),
    /// Answer this.
    Kept(Reply),
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Answer<T> {
    /// The same answer in another shape.
    pub fn map<U>(self, shape: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: shape(self.value), position: self.position, is_replayed: self.is_replayed }
    }
}

impl Failure {
    const fn refused(refusal: Refusal) -> Self {
        Self::Refused(Answer { value: Refused::Product(refusal), position: None, is_replayed: false })
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

fn into_answer(reply: Reply) -> Result<Answer<Outcome>, Failure> {
    let Reply { answered, position, is_replayed } = reply;
    match answered {
        Ok(value) => Ok(Answer { value, position, is_replayed }),
        Err(value) => Err(Failure::Refused(Answer { value, position, is_replayed })),
    }
}

/// Stops the process after a failed commit: after a failed sync nobody knows what the disk holds, so nothing may
/// be answered any more, and the next start finds out.
///
/// The one callback that a server gives to its committer.
pub fn stop_process(error: AppendError) -> ! {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!("the journal failed and the process stops; nothing that was answered is lost: {chain}");
    std::process::exit(1)
}
