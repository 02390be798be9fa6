//! The door: what `src` may ask of the whole, over all shards.
//!
//! It finds the product's actor, admits or sheds, claims idempotency keys, and opens sealed answers. It decides
//! nothing about stock.

mod people;
mod reads;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter, ArbiterHandle};
use holdfast_domain::product::{
    Command, Description, Levels, Line, NewProduct, Refusal, Short, Status, VariantNo,
};
use holdfast_domain::{Buyer, OrderId, ProductId, Quantity, Sku, Timestamp};
use holdfast_persistence::{
    AppendError, Commits, Committer, CommitterOptions, Journal, Partition, Queue, Reader, Ticket,
};
use tokio::sync::oneshot;

use crate::card::{Card, Info};
use crate::clock::{Clock, LogClock};
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::directory::Directory;
use crate::keys::{Claim, KeyGuard, Keys};
use crate::outcome::{Outcome, ProductFacts, Purchased};
use crate::pending::{self, Pending, Stopped};
use crate::position::Position;
use crate::product_actor::Ask;
use crate::recovery::Recovered;
use crate::shard::{Deliver, Shard};
use crate::slots::{ACCOUNTS_PARTITION, Slots};
use crate::turn::{Reply, TurnContext, Wish};

/// With more than this waiting for the disk, writes are shed.
const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

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
    /// What the journal's writer is told; its failure callback stops the process.
    pub committer: CommitterOptions,
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
    shards: Vec<ShardDoor>,
    queue: Queue,
    reader: Option<Reader>,
    clock: Arc<dyn Clock>,
    admitted_max: usize,
    committer: Mutex<Option<Committer>>,
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
    Refused(Answer<Refusal>),
    /// There is no such product or sku.
    NotFound,
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
    /// Starts the shards and the journal's writer on what recovery found. Needs a running actix system.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    #[must_use]
    pub fn start(
        journal: Box<dyn Journal>,
        reader: Option<Reader>,
        recovered: Recovered,
        options: Options,
    ) -> Self {
        let partitions = recovered.head.partitions().to_vec();
        let partition_count = u16::try_from(partitions.len()).expect("a journal has at most 1024 partitions");
        let slots = Slots::new(partition_count, options.shards);
        let epoch = recovered.next_epoch();
        let last = partitions.iter().map(|partition| Timestamp(partition.time_ms)).max().unwrap_or_default();
        let Recovered { products, accounts, keys, head, .. } = recovered;
        let (queue, committer) = Committer::start(journal, head, options.committer);
        let directory = Arc::new(Directory::default());
        let mut shares: Vec<Vec<_>> = (0..options.shards).map(|_| Vec::new()).collect();
        for mut live in products {
            let product = live.product.as_ref().expect("recovery hands over what exists");
            let card =
                Arc::new(Card::new(live.id, live.partition, product, Ticket::ZERO, live.last_sequence));
            directory.restore(Arc::clone(&card));
            live.card = Some(card);
            shares[slots.shard(live.partition)].push(live);
        }
        let mut accounts = Some(accounts);
        let start_shard = |(index, products): (usize, Vec<_>)| {
            let is_accountant = slots.shard(ACCOUNTS_PARTITION) == index;
            let accounts = accounts.take_if(|_| is_accountant).unwrap_or_default();
            let (queue, directory, clock) =
                (queue.clone(), Arc::clone(&directory), Arc::clone(&options.clock));
            let sequences = partitions.iter().map(|partition| partition.sequence).collect::<Vec<_>>();
            let own_arbiter = options.hosts.is_empty().then(Arbiter::new);
            let host = match &own_arbiter {
                Some(arbiter) => arbiter.handle(),
                None => options.hosts[index % options.hosts.len()].clone(),
            };
            let address = Shard::start_in_arbiter(&host, move |_| {
                let turns = TurnContext {
                    clock: LogClock::new(clock, last),
                    epoch,
                    queue,
                    directory,
                    deadlines: Deadlines::default(),
                    sequences: sequences.into_iter().map(Into::into).collect(),
                    scratch: Vec::new().into(),
                };
                Shard::new(turns, products, accounts, options.idle)
            });
            ShardDoor { address, own_arbiter, admitted: AtomicUsize::new(0) }
        };
        let shards = shares.into_iter().enumerate().map(start_shard).collect();
        let inner = Inner {
            directory,
            keys,
            slots,
            shards,
            queue,
            reader,
            clock: options.clock,
            admitted_max: options.admitted_max,
            committer: Mutex::new(Some(committer)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Refuses a purchase at once when the product's card says beyond doubt that too few units are left.
    ///
    /// The cheapest answer of all, without a turn: a flash sale consists of it. Not for requests with an idempotency
    /// key, whose refusal must be kept. An `Ok` promises nothing.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what [`Engine::purchase`] would answer.
    pub async fn check_available(
        &self,
        product: ProductId,
        sku: Option<&Sku>,
        quantity: Quantity,
    ) -> Result<(), Failure> {
        let (card, variant) = self.sellable(product, sku)?;
        let requested = quantity.units();
        let Some((levels, ticket)) = card.sold_out(variant, requested, self.inner.clock.now()) else {
            return Ok(());
        };
        self.durable(ticket).await?;
        let Levels { available, reserved, .. } = levels;
        let short = Short { index: 0, variant, requested, available, reserved };
        Err(Failure::refused(Refusal::InsufficientStock { lines: vec![short] }))
    }

    /// Sells `quantity` units in one turn of the product's actor. Drafts are not found.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn purchase(
        &self,
        context: &Context,
        product: ProductId,
        sku: Option<&Sku>,
        quantity: Quantity,
        buyer: Buyer,
        order: OrderId,
    ) -> Result<Answer<Purchased>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return Ok(into_answer(reply)?.map(into_purchase)),
            Claimed::Free(key) => key,
        };
        let (card, variant) = self.sellable(product, sku)?;
        let command = Command::Purchase { order, buyer, line: Line { variant, quantity } };
        let wish = Wish::Do(command);
        Ok(self.send(context, key, product, card.partition, wish).await?.map(into_purchase))
    }

    /// Carries out any command on a product.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn command(
        &self,
        context: &Context,
        product: ProductId,
        command: Command,
    ) -> Result<Answer<Outcome>, Failure> {
        self.ask(context, product, Wish::Do(command)).await
    }

    /// Makes a product.
    ///
    /// # Errors
    ///
    /// [`Failure::DuplicateSku`], and whatever else keeps it from being made.
    pub async fn create(
        &self,
        context: &Context,
        product: ProductId,
        new: NewProduct,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let key = match self.claim(context).await? {
            Claimed::Kept(reply) => return Ok(into_answer(reply)?.map(into_facts)),
            Claimed::Free(key) => key,
        };
        let skus = new.variants.iter().map(|variant| variant.description.sku.clone()).collect();
        // The claim travels with the wish: a client that hangs up cannot free the skus of a product that is made.
        let skus = self.inner.directory.claim(product, skus).map_err(Failure::DuplicateSku)?;
        let partition = self.inner.slots.partition(product);
        let wish = Wish::Create { new, skus };
        Ok(self.send(context, key, product, partition, wish).await?.map(into_facts))
    }

    /// Changes a product's description: `edit` makes the new one from the present one.
    ///
    /// # Errors
    ///
    /// [`Failure`]; a `version` that is not the present one is [`Refusal::VersionMismatch`].
    pub async fn edit(
        &self,
        context: &Context,
        product: ProductId,
        version: Option<u32>,
        edit: impl FnOnce(&Description) -> Description + Send + 'static,
    ) -> Result<Answer<ProductFacts>, Failure> {
        let wish = Wish::Edit { version, edit: Box::new(edit) };
        Ok(self.ask(context, product, wish).await?.map(into_facts))
    }

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
        let committer = self.inner.committer.lock().expect("nothing panics while it holds this").take();
        let journal = committer.ok_or(Stopped)?.close().map_err(|_| Stopped)?;
        for shard in &self.inner.shards {
            shard.own_arbiter.as_ref().map(Arbiter::stop);
        }
        Ok(journal)
    }

    /// The card of a product that is no draft, and the variant that is meant.
    fn sellable(&self, product: ProductId, sku: Option<&Sku>) -> Result<(Arc<Card>, VariantNo), Failure> {
        let card = self.inner.directory.card(product).ok_or(Failure::NotFound)?;
        let info = card.info();
        if info.description.status == Status::Draft {
            return Err(Failure::NotFound);
        }
        let variant = named_variant(&info, sku)?;
        Ok((card, variant))
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
        let ask = Ask { wish, context: context.clone(), key, reply };
        let pushed = self.inner.directory.with_actor(product, ask, |actor, ask| actor.do_send(ask));
        if let Err(ask) = pushed {
            shard.address.do_send(Deliver { product, partition, ask });
        }
        let pending: Pending<Reply> = answer.await.map_err(|_| Failure::Stopped)?;
        into_answer(pending.open().await?)
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
        Self::Refused(Answer { value: refusal, position: None, is_replayed: false })
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

fn into_purchase(outcome: Outcome) -> Purchased {
    match outcome {
        Outcome::Purchased(purchased) => purchased,
        other => unreachable!("a purchase of a new order was answered with {other:?}"),
    }
}

fn into_facts(outcome: Outcome) -> ProductFacts {
    match outcome {
        Outcome::Product(facts) => *facts,
        other => unreachable!("a description was answered with {other:?}"),
    }
}

/// The variant that a request means: the named one, or the only one.
fn named_variant(info: &Info, sku: Option<&Sku>) -> Result<VariantNo, Failure> {
    match sku {
        Some(sku) => info.find(sku).ok_or(Failure::NotFound),
        None if info.variants.len() == 1 => Ok(VariantNo::from_index(0)),
        None => Err(Failure::SkuRequired),
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
