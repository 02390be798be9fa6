//! A process in the making of the simulation: shards with their sagas and products, and the door for those outside,
//! without threads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use holdfast_domain::product::invariant;
use holdfast_domain::saga::Books;
use holdfast_domain::{OrderId, Product, ProductId, Timestamp};
use holdfast_persistence::{Epoch, MemoryJournal, Partition, PartitionHead, Queue, Ticket, Writer};

use crate::card::Card;
use crate::clock::{Clock, LogClock};
use crate::context::Context;
use crate::directory::Directory;
use crate::image::Key;
use crate::keys::Keys;
use crate::mails::{self, MAILS_PARTITION};
use crate::prices::PriceBook;
use crate::recovery::{Changed, Recovered, Startup};
use crate::sagas::{Ids, Sagas};
use crate::slots::Slots;
use crate::turn::{COMMANDS_MAX, Live, PartitionState, TurnContext};

use super::bank::Bank;
use super::mail::{Absorb, Arrival, Letter, Mail, MailPeers, Slot};
use super::tasks::{Kind, Nursery, Tasks};
use super::wall::Wall;

/// What outlives a process.
pub(super) struct Around {
    pub(super) wall: Arc<Wall>,
    pub(super) bank: Arc<Bank>,
    pub(super) ids: Ids,
    pub(super) shards: u16,
    /// In which request each purchase was wished for.
    pub(super) purchases: RefCell<BTreeMap<OrderId, u64>>,
}

/// What requests see of a process.
pub(super) struct Door {
    pub(super) around: Rc<Around>,
    pub(super) shards: Vec<Rc<Sagas>>,
    pub(super) keys: Arc<Keys>,
    pub(super) slots: Slots,
    pub(super) queue: Queue,
    pub(super) mail: Rc<RefCell<Mail>>,
    pub(super) nursery: Nursery,
}

/// All products, wherever they are: sagas of a shard give its own a turn without a message.
pub(super) type Products = Rc<RefCell<BTreeMap<ProductId, Live>>>;

pub(super) struct Process {
    pub(super) door: Rc<Door>,
    pub(super) tasks: Tasks,
    pub(super) products: Products,
    pub(super) prices: PriceBook,
    timers: Vec<Timers>,
}

/// Whether a shard's timers are at work; they do not ring meanwhile.
#[derive(Clone, Default)]
struct Timers {
    orders: Rc<Cell<bool>>,
    carts: Rc<Cell<bool>>,
}

impl Around {
    pub(super) fn new(wall: Wall, bank: Bank, shards: u16) -> Self {
        let last = AtomicU64::new(0);
        // As uuids do, new ids count on in their middle; nothing depends on it.
        let ids = move || u128::from(last.fetch_add(1, Ordering::Relaxed)) << 64 | 1 << 120;
        let purchases = RefCell::new(BTreeMap::new());
        Self { wall: Arc::new(wall), bank: Arc::new(bank), ids: Arc::new(ids), shards, purchases }
    }
}

impl Process {
    /// Goes on from what recovery found, as [`crate::Engine::start`] does.
    pub(super) fn start(journal: MemoryJournal, recovered: Recovered, around: &Rc<Around>) -> Self {
        let partitions = u16::try_from(recovered.head.partitions().len()).expect("a few");
        let slots = Slots::new(partitions, around.shards);
        let epoch = recovered.next_epoch();
        let Recovered { products: found, prices, keys, head, mut books, startup, mails, mut changed, .. } =
            recovered;
        let mut partitions = head.partitions().to_vec();
        let mut last = partitions.iter().map(|it| Timestamp(it.time_ms)).max().unwrap_or_default();
        let (queue, writer) = Writer::new(Box::new(journal), head);
        around.wall.employ(writer);
        let directory = Arc::new(Directory::default());
        directory.publish_prices(prices.list.clone(), Ticket::ZERO);
        let clock = &*around.wall;
        mails::resume(&mails, directory.unsents(), &queue, epoch, &mut partitions, &mut last, clock);
        if let Changed::Keys(changed) = &mut changed
            && mails.begun.is_none()
        {
            changed[usize::from(MAILS_PARTITION.0)].insert(Key::Mails);
        }
        let products = found.into_iter().map(|live| (live.id, listed(live, &directory))).collect();
        let products = Rc::new(RefCell::new(products));
        let (tasks, mail) = (Tasks::default(), Rc::new(RefCell::new(Mail::default())));
        let sagas = |shard: usize| {
            let is_own = |partition| slots.shard(partition) == shard;
            let partitions = states(&partitions, &mut books, &changed, is_own);
            let turns = turn_context(around, last, epoch, queue.clone(), &directory, partitions);
            let turns = Rc::new(turns);
            let (mail, products) = (Rc::clone(&mail), Rc::clone(&products));
            let peers = Box::new(MailPeers { shard, slots, mail, products, turns: Rc::clone(&turns) });
            let gateway = Arc::clone(&around.bank);
            let (keys, ids) = (Arc::clone(&keys), Arc::clone(&around.ids));
            Rc::new(Sagas::new(turns, peers, gateway, keys, ids, slots))
        };
        let shards: Vec<_> = (0..usize::from(around.shards)).map(sagas).collect();
        let timers = shards.iter().map(|_| Timers::default()).collect();
        let nursery = tasks.nursery();
        let door = Door { around: Rc::clone(around), shards, keys, slots, queue, mail, nursery };
        let mut process = Self { door: Rc::new(door), tasks, products, prices, timers };
        process.begin(startup);
        process
    }

    /// Mends what a crash left, winds the timers up, and makes the refunds that are owed.
    fn begin(&mut self, startup: Startup) {
        let Startup { mut tell, close, .. } = startup;
        let (door, slots) = (Rc::clone(&self.door), self.door.slots);
        for (shard, sagas) in door.shards.iter().enumerate() {
            let is_here = |id: u128| slots.shard(slots.partition(id)) == shard;
            for (product, commands) in tell.extract_if(.., |product, _| is_here(product.0)) {
                let mut products = self.products.borrow_mut();
                let live = products.get_mut(&product).expect("recovery speaks of what exists");
                for commands in commands.chunks(COMMANDS_MAX) {
                    let answers = live.turn_of_saga(&sagas.turns, commands, &Context::system());
                    let refused = answers.into_iter().find_map(Result::err);
                    assert!(refused.is_none(), "INV-10: what owners claim is there: {refused:?}");
                }
            }
            let close: Vec<_> = close.iter().filter(|(from, _)| is_here(from.0)).copied().collect();
            sagas.resume(&close);
            let sagas = Rc::clone(sagas);
            door.nursery.spawn(Kind::Timer, async move { sagas.resume_refunds().await });
        }
        self.tasks.adopt();
    }

    /// A message arrives, and its product has a turn.
    pub(super) fn deliver(&mut self, slot: Slot) {
        let door = Rc::clone(&self.door);
        let arrival = door.mail.borrow_mut().take(slot);
        match arrival {
            Arrival::Product(product, letter) => self.turn(product, letter),
            Arrival::Carts(shard, absorb) => {
                let sagas = Rc::clone(&door.shards[shard]);
                door.nursery.spawn(Kind::Saga, async move {
                    let Absorb { customer, guest, reply } = absorb;
                    let cart = sagas.absorb(customer, guest).await;
                    reply.send(cart).expect("the other half is a saga and waits for this");
                });
                self.tasks.adopt();
            }
        }
    }

    fn turn(&mut self, product: ProductId, letter: Letter) {
        let slots = self.door.slots;
        let partition = slots.partition(product.0);
        let turns = &self.door.shards[slots.shard(partition)].turns;
        let mut products = self.products.borrow_mut();
        let live = products.entry(product).or_insert_with(|| Live::new(product, partition));
        match letter {
            Letter::Told { context, commands, reply } => {
                let answers = live.turn_of_saga(turns, &commands, &context);
                reply.send(answers).expect("a saga waits for its answer");
            }
            Letter::Asked { context, wish, key, reply } => {
                let sealed = live.turn(turns, wish, &context, key);
                // Whoever hung up does not want the answer.
                let _unwanted = reply.send(sealed);
            }
        }
        match &live.product {
            Some(product) => assert_eq!(invariant::check(product), Ok(())),
            // The actor of what does not exist leaves, and nothing of it stays.
            None => {
                products.remove(&product);
                turns.directory.leave(product);
            }
        }
    }

    /// The timers of a shard wake, where anything is due and they are not at work.
    pub(super) fn ring(&mut self, shard: usize) {
        let (sagas, timers) = (&self.door.shards[shard], self.timers[shard].clone());
        let now = self.door.around.wall.time();
        let is_due = |earliest: Option<Timestamp>| earliest.is_some_and(|earliest| earliest <= now);
        if is_due(sagas.order_deadlines.earliest()) && !timers.orders.replace(true) {
            let sagas = Rc::clone(sagas);
            self.door.nursery.spawn(Kind::Timer, async move {
                sagas.expire_due().await;
                timers.orders.set(false);
            });
        }
        if is_due(sagas.cart_deadlines.earliest()) && !timers.carts.replace(true) {
            let sagas = Rc::clone(sagas);
            self.door.nursery.spawn(Kind::Timer, async move {
                let now = sagas.turns.clock.stamp();
                let due = std::iter::from_fn(|| sagas.cart_deadlines.pop_due(now));
                join_all(due.map(|cart| sagas.expire_cart(cart))).await;
                timers.carts.set(false);
            });
        }
        self.tasks.adopt();
    }

    /// Whether a timer of any shard would do something if it rang.
    pub(super) fn may_ring(&self) -> bool {
        let now = self.door.around.wall.time();
        let is_due = |earliest: Option<Timestamp>| earliest.is_some_and(|earliest| earliest <= now);
        self.door.shards.iter().zip(&self.timers).any(|(sagas, timers)| {
            is_due(sagas.order_deadlines.earliest()) && !timers.orders.get()
                || is_due(sagas.cart_deadlines.earliest()) && !timers.carts.get()
        })
    }

    /// When a timer of any shard wants to ring next.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let earliest =
            |sagas: &Rc<Sagas>| [sagas.order_deadlines.earliest(), sagas.cart_deadlines.earliest()];
        self.door.shards.iter().flat_map(earliest).flatten().min()
    }

    /// Whether nothing is under way but answers that wait for the disk.
    pub(super) fn is_quiet(&self) -> bool {
        self.tasks.is_quiet() && self.door.mail.borrow().slots().is_empty()
    }

    /// All partitions.
    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> {
        let count = u16::try_from(self.door.shards[0].turns.partitions.len()).expect("a few");
        (0..count).map(Partition)
    }

    /// What the turns of a partition share.
    pub(super) fn turns_of(&self, partition: Partition) -> &TurnContext {
        &self.door.shards[self.door.slots.shard(partition)].turns
    }

    pub(super) fn product(&self, id: ProductId) -> Option<Product> {
        self.products.borrow().get(&id)?.product.clone()
    }

    /// All products, by id.
    pub(super) fn state(&self) -> BTreeMap<ProductId, Product> {
        let products = self.products.borrow();
        products.values().filter_map(|live| live.product.clone().map(|product| (live.id, product))).collect()
    }
}

impl Door {
    pub(super) fn shard_of(&self, id: u128) -> Rc<Sagas> {
        Rc::clone(&self.shards[self.slots.shard(self.slots.partition(id))])
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.shards[0].turns.directory
    }

    /// Looks at the books of the partition that an id belongs to.
    pub(super) fn look<T>(&self, id: u128, look: impl FnOnce(&Books) -> T) -> T {
        let sagas = self.shard_of(id);
        let partition = sagas.turns.partition(self.slots.partition(id));
        look(&partition.books.borrow())
    }

    /// The books of all partitions, in their order.
    pub(super) fn books(&self) -> Vec<std::cell::Ref<'_, Books>> {
        let count = u16::try_from(self.shards[0].turns.partitions.len()).expect("a few");
        let of = |partition| self.shards[self.slots.shard(partition)].turns.partition(partition);
        (0..count).map(|number| of(Partition(number)).books.borrow()).collect()
    }
}

/// What the turns of one shard share.
fn turn_context(
    around: &Around,
    last: Timestamp,
    epoch: Epoch,
    queue: Queue,
    directory: &Arc<Directory>,
    partitions: Box<[PartitionState]>,
) -> TurnContext {
    let wall = Arc::clone(&around.wall);
    let clock: Arc<dyn Clock> = wall;
    let clock = LogClock::new(clock, last);
    let directory = Arc::clone(directory);
    TurnContext { clock, epoch, queue, directory, partitions, scratch: Vec::new().into() }
}

/// What a shard knows of all partitions: of its own the books, of the others nothing.
fn states(
    heads: &[PartitionHead],
    books: &mut [Books],
    changed: &Changed,
    is_own: impl Fn(Partition) -> bool,
) -> Box<[PartitionState]> {
    let state = |(number, (head, books)): (u16, (&PartitionHead, &mut Books))| {
        let state = PartitionState { sequence: head.sequence.into(), ..PartitionState::default() };
        if is_own(Partition(number)) {
            state.books.replace(std::mem::take(books));
            if let Changed::Keys(changed) = changed {
                state.changes.keep(
                    Partition(number),
                    heads.len(),
                    changed[usize::from(number)].iter().copied(),
                );
            }
        }
        state
    };
    (0..).zip(heads.iter().zip(books)).map(state).collect()
}

fn listed(mut live: Live, directory: &Directory) -> Live {
    let product = live.product.as_ref().expect("recovery hands over what exists");
    let card = Arc::new(Card::new(live.id, live.partition, product, Ticket::ZERO, live.last_sequence));
    directory.restore(Arc::clone(&card));
    live.card = Some(card);
    live
}
