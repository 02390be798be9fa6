//! A shard: one arbiter thread, the products whose partitions it serves, and the supervisors beside them.
//!
//! Products that nobody uses lie here as [`Passive`] values; [`Shard`] gives one an actor when a message comes for it
//! and takes it back when it has been idle. It never blocks its thread and shares nothing that it changes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context as ActixContext, Handler, Message, WeakAddr};
use holdfast_domain::product::Command;
use holdfast_domain::{Product, ProductId};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::checkpoint::things::{Office, Things};
use crate::context::Context;
use crate::image::{self, Key};
use crate::keys::Keys;
use crate::mails::Unsents;
use crate::outbox::Outbox;
use crate::passive::Passive;
use crate::peers::{Start, Supervisors};
use crate::places::{Active, Place, Places};
use crate::prices::PriceBook;
use crate::product_actor::{Ask, Look, ProductActor};
use crate::sagas::Answers;
use crate::turn::{COMMANDS_MAX, Live, TurnContext};

/// How many messages may wait for one product; admission is bounded per shard, so this is never the limit.
pub(crate) const MAILBOX_MESSAGES_MAX: usize = 64 * 1024;

/// How many actors a sweep looks at before others have their turn.
const SWEEP_COUNT: usize = 256;

/// The actor of the shard itself.
pub(crate) struct Shard {
    core: Rc<Core>,
    idle: Duration,
    /// Until the shard is introduced to the others.
    start: Option<Start>,
    /// From then on.
    supervisors: Option<Supervisors>,
}

/// What the shard and its product actors share on their one thread.
pub(crate) struct Core {
    pub(crate) turns: Rc<TurnContext>,
    pub(crate) outbox: Outbox,
    products: RefCell<Places>,
    /// The actors whose addresses are in the directory, for the sweep.
    awake: RefCell<Vec<Awake>>,
    pub(crate) accounts: RefCell<AccountBook>,
    pub(crate) prices: RefCell<PriceBook>,
    pub(crate) categories: RefCell<CategoryBook>,
    pub(crate) keys: Arc<Keys>,
    /// One checkpoint at a time.
    pub(crate) checkpoints: tokio::sync::Mutex<()>,
}

/// What one shard keeps for the whole shop; empty on the others.
#[derive(Default)]
pub(crate) struct OfficeBooks {
    pub(crate) accounts: AccountBook,
    pub(crate) prices: PriceBook,
    pub(crate) categories: CategoryBook,
}

/// An actor that the sweep looks at. The mark is set by each message and cleared by each sweep.
struct Awake {
    product: ProductId,
    is_used: Rc<Cell<bool>>,
}

/// A wish for a product that had no actor when it was sent.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Deliver {
    pub(crate) product: ProductId,
    pub(crate) partition: Partition,
    pub(crate) ask: Ask,
}

/// Asks for every product of the shard as it is now: what replay must give (INV-7).
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Dump {
    pub(crate) reply: oneshot::Sender<Vec<(ProductId, Product)>>,
}

/// Looks at what the shard's partitions have in their books; sends what it found by a way of its own.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct LookAt(pub(crate) Box<dyn FnOnce(&TurnContext) + Send>);

impl Shard {
    /// A shard with the products that recovery brought back.
    pub(crate) fn new(
        turns: TurnContext,
        products: Vec<Live>,
        books: OfficeBooks,
        idle: Duration,
        start: Option<Start>,
    ) -> Self {
        let mut places = Places::default();
        products.into_iter().for_each(|live| places.put(Place::Passive(Passive::new(live))));
        let core = Core {
            outbox: Outbox::new(turns.queue.gate().clone()),
            turns: Rc::new(turns),
            products: RefCell::new(places),
            awake: RefCell::default(),
            accounts: RefCell::new(books.accounts),
            prices: RefCell::new(books.prices),
            categories: RefCell::new(books.categories),
            keys: start.as_ref().map(|start| Arc::clone(&start.keys)).unwrap_or_default(),
            checkpoints: tokio::sync::Mutex::default(),
        };
        Self { core: Rc::new(core), idle, start, supervisors: None }
    }

    pub(crate) const fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Meets the other shards, and lets the supervisors begin.
    pub(crate) fn meet(&mut self, shards: Vec<Addr<Self>>) {
        let start = self.start.take().expect("a shard is introduced once");
        self.supervisors = Some(start.begin(&self.core, shards));
    }

    /// Those who take requests for carts, reservations and orders.
    pub(crate) const fn supervisors(&self) -> &Supervisors {
        self.supervisors.as_ref().expect("shards are introduced before anybody is let in")
    }
}

impl Actor for Shard {
    type Context = ActixContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MESSAGES_MAX);
        // Before any message: the timers of another shard may begin before this one is introduced.
        for (product, commands) in self.start.iter_mut().flat_map(|start| std::mem::take(&mut start.tell)) {
            self.core.mend(product, commands);
        }
        let core = Rc::clone(&self.core);
        actix::spawn(async move { core.outbox.deliver().await });
        // Two sweeps without a message make a product idle.
        ctx.run_interval(self.idle / 2, |shard, _| {
            let core = Rc::clone(&shard.core);
            actix::spawn(async move { core.sweep().await });
        });
    }
}

impl Handler<Deliver> for Shard {
    type Result = ();

    fn handle(&mut self, deliver: Deliver, _: &mut Self::Context) {
        self.core.deliver(deliver);
    }
}

impl Handler<LookAt> for Shard {
    type Result = ();

    fn handle(&mut self, look: LookAt, _: &mut Self::Context) {
        (look.0)(&self.core.turns);
    }
}

impl Handler<Dump> for Shard {
    type Result = ();

    fn handle(&mut self, dump: Dump, _: &mut Self::Context) {
        let core = Rc::clone(&self.core);
        actix::spawn(async move {
            // Whoever hung up does not want the answer.
            let _unwanted = dump.reply.send(core.dump().await);
        });
    }
}

impl Core {
    async fn dump(&self) -> Vec<(ProductId, Product)> {
        let mut found = Vec::new();
        let mut awake = Vec::new();
        for place in self.products.borrow().iter() {
            let id = place.id();
            match place {
                Place::Passive(passive) => {
                    found.extend(passive.lend(|live| live.product.clone()).map(|product| (id, product)));
                }
                Place::Active(active) => awake.push((id, present(&active.actor))),
            }
        }
        for (id, actor) in awake {
            let product = actor.send(Look).await.expect("an actor with an address is there");
            found.extend(product.map(|product| (id, product)));
        }
        found
    }

    /// The keys of all products that the shard has, with their partitions; see [`image::each_of_product`].
    pub(crate) fn product_keys(&self) -> Vec<(Partition, Key)> {
        let mut keys = Vec::new();
        let look = |live: &Live, keys: &mut Vec<(Partition, Key)>| {
            let books = self.turns.partition(live.partition).books.borrow();
            image::each_of_product(live, &books, |key| keys.push((live.partition, key)));
        };
        for place in self.products.borrow().iter() {
            match place {
                // Nearly all of a large catalogue, and the shard waits: they are not put together for their one key.
                Place::Passive(passive) if !passive.is_claimed() => {
                    keys.push((passive.partition(), Key::Product(*passive.id())));
                }
                Place::Passive(passive) => passive.lend(|live| look(live, &mut keys)),
                Place::Active(active) => look(&active.live.borrow(), &mut keys),
            }
        }
        keys
    }

    /// Has a product that is asleep carry out what recovery found it was not told.
    pub(crate) fn mend(&self, product: ProductId, commands: Vec<Command>) {
        let products = self.products.borrow();
        let Some(Place::Passive(passive)) = products.get(product) else {
            unreachable!("recovery speaks of what exists, and nobody was let in yet")
        };
        passive.lend(|live| {
            for commands in commands.chunks(COMMANDS_MAX) {
                let answers = live.turn_of_saga(&self.turns, commands, &Context::system());
                let refused = answers.into_iter().find_map(Result::err);
                assert!(refused.is_none(), "INV-10: what owners claim is there: {refused:?}");
            }
        });
    }

    /// Gives a product of this shard a turn for commands of a saga, without its mailbox; none when it is not here.
    ///
    /// The shard is the thread of its actors, so nobody else has a turn meanwhile, and a product that is asleep stays so: a
    /// batch over ten thousand products would wake as many actors, and each would answer by a channel of its own.
    pub(crate) fn turn_here(
        &self,
        context: &Context,
        product: ProductId,
        commands: &[Command],
    ) -> Option<Answers> {
        let turn = |live: &mut Live| live.turn_of_saga(&self.turns, commands, context);
        Some(match self.products.borrow().get(product)? {
            Place::Active(active) => {
                active.is_used.set(true);
                turn(&mut active.live.borrow_mut())
            }
            Place::Passive(passive) => passive.lend(turn),
        })
    }

    /// Hands a wish to its product's actor, waking or making it.
    pub(crate) fn deliver(self: &Rc<Self>, deliver: Deliver) {
        let Deliver { product, partition, ask } = deliver;
        let mut products = self.products.borrow_mut();
        let (actor, is_used) = match products.remove(product) {
            // An actor on its way out is kept: its last address was dropped, but it is still there.
            Some(Place::Active(active)) => {
                let found = (present(&active.actor), Rc::clone(&active.is_used));
                products.put(Place::Active(active));
                found
            }
            asleep => {
                let live = match asleep {
                    Some(Place::Passive(passive)) => passive.wake(),
                    _ => Live::new(product, partition),
                };
                let live = Rc::new(RefCell::new(live));
                let is_used = Rc::new(Cell::new(true));
                let actor = ProductActor::new(Rc::clone(&live), Rc::clone(self), Rc::clone(&is_used)).start();
                let active =
                    Active { id: product, actor: actor.downgrade(), is_used: Rc::clone(&is_used), live };
                products.put(Place::Active(Box::new(active)));
                (actor, is_used)
            }
        };
        drop(products);
        actor.do_send(ask);
        // A product that does not exist has no place in the directory, and its actor leaves at once. One that
        // is listed already got several first requests at once: a second entry would sweep it away too early.
        if self.turns.directory.set_actor(product, Some(actor)) {
            self.awake.borrow_mut().push(Awake { product, is_used });
        }
    }

    /// Takes a product back from its actor.
    pub(crate) fn take_back(&self, live: &RefCell<Live>) {
        let (id, partition) = (live.borrow().id, live.borrow().partition);
        let live = live.replace(Live::new(id, partition));
        let mut products = self.products.borrow_mut();
        if live.product.is_some() {
            products.put(Place::Passive(Passive::new(live)));
        } else {
            products.remove(live.id);
            self.turns.directory.leave(live.id);
        }
    }

    /// Lets every actor go that had no message since the last sweep. Others have their turn meanwhile.
    async fn sweep(&self) {
        let mut due = self.awake.take().into_iter();
        while due.len() > 0 {
            let stays = |awake: &Awake| {
                let is_used = awake.is_used.replace(false);
                if !is_used {
                    self.turns.directory.set_actor(awake.product, None);
                }
                is_used
            };
            let staying: Vec<Awake> = due.by_ref().take(SWEEP_COUNT).filter(stays).collect();
            self.awake.borrow_mut().extend(staying);
            if due.len() > 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Things for Core {
    fn look_at(&self, id: ProductId, look: &mut dyn FnMut(Option<&Live>)) {
        match self.products.borrow().get(id) {
            Some(Place::Passive(passive)) => passive.lend(|live| look(Some(live))),
            Some(Place::Active(active)) => look(Some(&active.live.borrow())),
            None => look(None),
        }
    }

    fn look_at_office(&self, look: &mut dyn FnMut(Office<'_>)) {
        let (accounts, prices) = (&self.accounts.borrow(), &self.prices.borrow());
        look(Office { accounts, prices, categories: &self.categories.borrow() });
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn unsents(&self) -> &Unsents {
        self.turns.directory.unsents()
    }
}

fn present(actor: &WeakAddr<ProductActor>) -> Addr<ProductActor> {
    actor.upgrade().expect("an actor gives its product back before it is gone")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use holdfast_domain::product::{Line, VariantNo};
    use holdfast_domain::{Buyer, OrderId, Quantity, ReservationId, Timestamp};
    use holdfast_persistence::{Epoch, Head, JournalId, MemoryDisk, Sequence, Ticket, Writer};

    use super::*;
    use crate::card::Card;
    use crate::clock::ManualClock;
    use crate::pending::Pending;
    use crate::product_actor::ReplyTo;
    use crate::simulation::process::turn_context;
    use crate::turn::{Reply, Wish};

    const LAMP: ProductId = ProductId(1);

    #[test]
    fn first_requests_that_come_together_do_not_cost_a_product_its_actor() {
        actix::System::new().block_on(async {
            let core = core_with_a_product();
            let answers: Vec<_> = (0..64).map(|_| deliver_to(&core)).collect();
            for answer in answers {
                let _sealed: Pending<Reply> = answer.await.expect("the actor answers");
            }
            assert_eq!(core.awake.borrow().len(), 1);
            core.sweep().await;
            assert_eq!(core.turns.directory.actors(), 1, "it was used since the last sweep");
            core.sweep().await;
            assert_eq!(core.turns.directory.actors(), 0);
        });
    }

    #[test]
    fn message_revives_an_actor_on_its_way_out() {
        actix::System::new().block_on(async {
            let core = core_with_a_product();
            for _ in 0..100 {
                let _sealed = deliver_to(&core).await.expect("the actor answers");
                core.sweep().await;
                core.sweep().await;
                assert_eq!(core.turns.directory.actors(), 0);
                // The actor has no address any more and has not had its last turn yet.
                let answer = deliver_to(&core);
                assert!(matches!(core.products.borrow().get(LAMP), Some(Place::Active(_))));
                assert_eq!(core.turns.directory.actors(), 1);
                let _sealed = answer.await.expect("the same actor answers");
                core.sweep().await;
                core.sweep().await;
                // Now it leaves in peace.
                while matches!(core.products.borrow().get(LAMP), Some(Place::Active(_))) {
                    tokio::task::yield_now().await;
                }
            }
        });
    }

    #[test]
    fn turn_for_a_batch_wakes_nobody_and_keeps_who_is_awake() {
        actix::System::new().block_on(async {
            let core = core_with_a_product();
            let reserve = |hold: u128| Command::Reserve {
                reservation: ReservationId(hold),
                buyer: Buyer(1),
                lines: vec![Line {
                    variant: VariantNo::from_index(0),
                    quantity: Quantity::new(2).expect("two"),
                }],
                deadline: Timestamp(2_000),
            };
            let answers = core.turn_here(&Context::system(), LAMP, &[reserve(1), reserve(2), reserve(3)]);
            let answers = answers.expect("it is here");
            assert!(matches!(answers.as_slice(), [Ok(_), Ok(_), Err(_)]), "five units: {answers:?}");
            assert!(matches!(core.products.borrow().get(LAMP), Some(Place::Passive(_))), "it stays asleep");
            // Nobody writes this journal, so no answer comes; the actor is awake, and has not had its turn yet.
            let _answer = deliver_to(&core);
            core.sweep().await;
            let answers =
                core.turn_here(&Context::system(), LAMP, &[reserve(1), reserve(4)]).expect("as above");
            assert!(matches!(answers.as_slice(), [Ok(_), Err(_)]), "the first is known: {answers:?}");
            core.sweep().await;
            assert_eq!(core.turns.directory.actors(), 1, "it was used since the last sweep");
            assert!(core.turn_here(&Context::system(), ProductId(2), &[reserve(5)]).is_none());
            assert_eq!(core.products.borrow().iter().count(), 1, "what is not here is not made");
        });
    }

    fn deliver_to(core: &Rc<Core>) -> oneshot::Receiver<Pending<Reply>> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish::Do(Command::Cancel { order: OrderId(1) });
        let reply = ReplyTo::Request(reply);
        let ask = Ask { wish, context: Context::system(), key: None, reply };
        core.deliver(Deliver { product: LAMP, partition: Partition(0), ask });
        answer
    }

    /// A shard's core with one passive product in it.
    fn core_with_a_product() -> Rc<Core> {
        let head = Head::genesis(JournalId([1; 16]), 1);
        let journal = MemoryDisk::new(JournalId([1; 16]), 1).journal();
        let (queue, _) = Writer::new(Box::new(journal), head.clone());
        let turns = turn_context(queue, &head, Epoch(1), &ManualClock::new(Timestamp(1_000)));
        let mut live = Live::new(LAMP, Partition(0));
        let new = crate::simulation::wishes::thing("lamp", 5);
        for event in holdfast_domain::product::decide_create(&new).expect("well formed") {
            holdfast_domain::product::apply(&mut live.product, &event, Timestamp(1_000));
        }
        let product = live.product.as_ref().expect("made");
        let card = Arc::new(Card::new(LAMP, Partition(0), product, Ticket::ZERO, Sequence(1)));
        turns.directory.restore(Arc::clone(&card));
        live.card = Some(card);
        let shard = Shard::new(turns, vec![live], OfficeBooks::default(), Duration::from_secs(60), None);
        Rc::clone(shard.core())
    }
}
