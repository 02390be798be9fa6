//! From what recovery found to running shards.

use std::mem::take;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor as _, Addr, Arbiter, ArbiterHandle};
use holdfast_domain::Timestamp;
use holdfast_domain::saga::Books;
use holdfast_persistence::checkpoint::Info;
use holdfast_persistence::{Committer, Epoch, Journal, Partition, PartitionHead, Queue, Reader, Ticket};
use tokio::sync::oneshot;

use super::{Engine, Inner, Options, ShardDoor};
use crate::card::Card;
use crate::categories::CATEGORIES_PARTITION;
use crate::checkpoint::{self, CheckpointOptions, Keeper, Site};
use crate::clock::LogClock;
use crate::directory::Directory;
use crate::image::{Key, KeySet};
use crate::mails::{self, MAILS_PARTITION};
use crate::peers::{Introduce, Start};
use crate::pending::Stopped;
use crate::recovery::{Changed, Recovered};
use crate::shard::{OfficeBooks, Shard};
use crate::slots::{ACCOUNTS_PARTITION, PRICES_PARTITION, Slots};
use crate::supervisors::SettleDue;
use crate::turn::{Live, PartitionState, TurnContext};

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
        mut recovered: Recovered,
        options: Options,
    ) -> Self {
        let mut partitions = recovered.head.partitions().to_vec();
        let partition_count = u16::try_from(partitions.len()).expect("a journal has at most 1024 partitions");
        let slots = Slots::new(partition_count, options.shards);
        let epoch = recovered.next_epoch();
        let mut last =
            partitions.iter().map(|partition| Timestamp(partition.time_ms)).max().unwrap_or_default();
        let now = options.clock.now();
        let newest = options.checkpoints.as_ref().and_then(|it| begin_with(it, &mut recovered, now));
        let mut changed = newest.is_some().then(|| changed_keys(&mut recovered));
        let Recovered { products, accounts, prices, categories, .. } = recovered;
        let Recovered { keys, head, mut books, mut startup, mails, .. } = recovered;
        let mut office = OfficeBooks { accounts, prices, categories };
        let (queue, committer) = Committer::start(journal, head, options.committer);
        let directory = Arc::new(Directory::default());
        let clock = &*options.clock;
        let begun =
            mails::resume(&mails, directory.unsents(), &queue, epoch, &mut partitions, &mut last, clock);
        office.publish(&directory);
        let shares = share_out(products, slots, options.shards, &directory);
        directory.catalogue().catch_up_soon();
        let mut shards = Vec::with_capacity(shares.len());
        for (index, products) in shares.into_iter().enumerate() {
            let is_here = |id: u128| slots.shard(slots.partition(id)) == index;
            let start = Start {
                shard: index,
                slots,
                keys: Arc::clone(&keys),
                ids: Arc::clone(&options.ids),
                gateway: Arc::clone(&options.gateway),
                tell: startup.tell.extract_if(.., |product, _| is_here(product.0)).collect(),
                close: startup.close.extract_if(.., |(cart, _)| is_here(cart.0)).collect(),
            };
            let share = Share {
                clock: LogClock::new(Arc::clone(&options.clock), last),
                epoch,
                queue: queue.clone(),
                directory: Arc::clone(&directory),
                partitions: states(&partitions, &mut books, changed.as_deref_mut(), |it| {
                    slots.shard(it) == index
                }),
                products,
                books: office.take(|partition| slots.shard(partition) == index),
                start,
            };
            shards.push(open_door(&options.hosts, options.idle, index, share));
        }
        let places = introduce(&shards, partition_count, slots);
        let checkpoint_files = options.checkpoints.as_ref().map(|it| it.files.clone());
        let clock = options.clock;
        let keeper = options.checkpoints.zip(reader.clone()).map(|(options, reader)| {
            let (queue, clock) = (queue.clone(), Arc::clone(&clock));
            Keeper::start(Site { options, reader, queue, clock, shards: places, newest })
        });
        let inner = Inner {
            directory,
            keys,
            slots,
            partitions: partition_count,
            shards,
            queue,
            begun,
            reader,
            clock,
            ids: options.ids,
            admitted_max: options.admitted_max,
            committer: Mutex::new(Some(committer)),
            keeper,
            checkpoint_files,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Waits until everything that was due at the start has expired: only then let anybody in.
    ///
    /// # Errors
    ///
    /// [`Stopped`].
    pub async fn settle_due(&self) -> Result<(), Stopped> {
        self.durable(self.inner.begun).await?;
        for shard in &self.inner.shards {
            let (reply, settled) = oneshot::channel();
            shard.address.do_send(SettleDue { reply });
            settled.await.map_err(|_| Stopped)?;
        }
        Ok(())
    }
}

impl OfficeBooks {
    /// Lets everybody see what recovery brought back.
    fn publish(&self, directory: &Directory) {
        directory.publish_categories(self.categories.categories.clone(), Ticket::ZERO);
        self.accounts.accounts.iter().for_each(|account| directory.note_person(account));
        directory.publish_prices(self.prices.list.clone(), Ticket::ZERO);
    }

    /// Those that belong to the shard of these partitions.
    fn take(&mut self, is_own: impl Fn(Partition) -> bool) -> Self {
        let mut own = Self::default();
        if is_own(ACCOUNTS_PARTITION) {
            own.accounts = take(&mut self.accounts);
        }
        if is_own(PRICES_PARTITION) {
            own.prices = take(&mut self.prices);
        }
        if is_own(CATEGORIES_PARTITION) {
            own.categories = take(&mut self.categories);
        }
        own
    }
}

/// What one shard begins with, on its way to its thread.
struct Share {
    clock: LogClock,
    epoch: Epoch,
    queue: Queue,
    directory: Arc<Directory>,
    partitions: Box<[PartitionState]>,
    products: Vec<Live>,
    books: OfficeBooks,
    start: Start,
}

fn open_door(hosts: &[ArbiterHandle], idle: Duration, index: usize, share: Share) -> ShardDoor {
    let own_arbiter = hosts.is_empty().then(Arbiter::new);
    let host = match &own_arbiter {
        Some(arbiter) => arbiter.handle(),
        None => hosts[index % hosts.len()].clone(),
    };
    let address = Shard::start_in_arbiter(&host, move |_| {
        let Share { clock, epoch, queue, directory, partitions, products, books, start } = share;
        let turns = TurnContext { clock, epoch, queue, directory, partitions, scratch: Vec::new().into() };
        Shard::new(turns, products, books, idle, Some(start))
    });
    ShardDoor { address, own_arbiter, admitted: AtomicUsize::new(0) }
}

/// Puts a product that recovery brought back into the directory.
fn listed(mut live: Live, directory: &Directory) -> Live {
    let product = live.product.as_ref().expect("recovery hands over what exists");
    let card = Arc::new(Card::new(live.id, live.partition, product, Ticket::ZERO, live.last_sequence));
    directory.restore(Arc::clone(&card));
    live.card = Some(card);
    live
}

/// What a shard knows of all partitions: of its own the books, of the others nothing.
fn states(
    heads: &[PartitionHead],
    books: &mut [Books],
    mut changed: Option<&mut [KeySet]>,
    is_own: impl Fn(Partition) -> bool,
) -> Box<[PartitionState]> {
    let state = |(number, (head, books)): (u16, (&PartitionHead, &mut Books))| {
        let state = PartitionState { sequence: head.sequence.into(), ..PartitionState::default() };
        if is_own(Partition(number)) {
            state.books.replace(take(books));
            if let Some(changed) = &mut changed {
                let changed = take(&mut changed[usize::from(number)]);
                state.changes.keep(Partition(number), heads.len(), changed);
            }
        }
        state
    };
    (0..).zip(heads.iter().zip(books)).map(state).collect()
}

/// By partition, what recovery changed behind the checkpoint; nothing where everything is behind none.
fn changed_keys(recovered: &mut Recovered) -> Vec<KeySet> {
    let mut changed = match take(&mut recovered.changed) {
        Changed::Keys(keys) => keys,
        Changed::Everything => vec![KeySet::default(); recovered.head.partitions().len()],
    };
    if recovered.mails.begun.is_none() {
        // It is said before any turn.
        changed[usize::from(MAILS_PARTITION.0)].insert(Key::Mails);
    }
    changed
}

/// The products of each shard, all of them listed.
fn share_out(products: Vec<Live>, slots: Slots, shards: u16, directory: &Directory) -> Vec<Vec<Live>> {
    let mut shares: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
    for live in products {
        shares[slots.shard(live.partition)].push(listed(live, directory));
    }
    shares
}

/// Tells the shards who the others are; returns each with its partitions.
fn introduce(shards: &[ShardDoor], partitions: u16, slots: Slots) -> Vec<(Addr<Shard>, Vec<Partition>)> {
    let addresses: Vec<Addr<Shard>> = shards.iter().map(|door| door.address.clone()).collect();
    for address in &addresses {
        address.do_send(Introduce(addresses.clone()));
    }
    let own = |shard| {
        let all = (0..partitions).map(Partition);
        all.filter(|partition| slots.shard(*partition) == shard).collect()
    };
    addresses.into_iter().enumerate().map(|(shard, address)| (address, own(shard))).collect()
}

/// The checkpoint that the next one builds on: the one that recovery began with, or else one of all that it found. Without
/// one the engine goes on, and the first is of all that its shards have.
fn begin_with(options: &CheckpointOptions, recovered: &mut Recovered, now: Timestamp) -> Option<Info> {
    match checkpoint::write_first(&options.files, recovered, now) {
        Ok(info) => Some(info),
        Err(error) => {
            let error = checkpoint::chain_of(&error);
            tracing::error!("there is no checkpoint yet, it is tried again later: {error}");
            None
        }
    }
}
