//! A shard: one arbiter thread, the products whose partitions it serves, and the supervisors beside them.
//!
//! Products that nobody uses lie here as plain values; [`Shard`] gives one an actor when a message comes for it
//! and takes it back when it has been idle. It never blocks its thread and shares nothing that it changes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
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
use crate::outcome::Outcome;
use crate::peers::{Start, Supervisors};
use crate::prices::PriceBook;
use crate::product_actor::{Ask, Look, ProductActor};
use crate::turn::{COMMANDS_MAX, Live, TurnContext, Wish};

/// How many messages may wait for one product; admission is bounded per shard, so this is never the limit.
pub(crate) const MAILBOX_MESSAGES_MAX: usize = 64 * 1024;

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
    products: RefCell<HashMap<ProductId, Slot>>,
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

/// Where a product of the shard is.
enum Slot {
    /// Here, as a value.
    Passive(Box<Live>),
    /// With its actor.
    Active {
        /// Strong addresses are in the directory only, so that taking it out there ends the actor.
        actor: WeakAddr<ProductActor>,
        is_used: Rc<Cell<bool>>,
        /// Only the actor changes it.
        live: Rc<RefCell<Live>>,
    },
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
        let products = products.into_iter().map(|live| (live.id, Slot::Passive(Box::new(live)))).collect();
        let core = Core {
            outbox: Outbox::new(turns.queue.gate().clone()),
            turns: Rc::new(turns),
            products: RefCell::new(products),
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
        ctx.run_interval(self.idle / 2, |shard, _| shard.core.sweep());
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
        for (id, slot) in &*self.products.borrow() {
            match slot {
                Slot::Passive(live) => found.extend(live.product.clone().map(|product| (*id, product))),
                Slot::Active { actor, .. } => awake.push((*id, present(actor))),
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
        let mut look = |live: &Live| {
            let books = self.turns.partition(live.partition).books.borrow();
            image::each_of_product(live, &books, |key| keys.push((live.partition, key)));
        };
        for slot in self.products.borrow().values() {
            match slot {
                Slot::Passive(live) => look(live),
                Slot::Active { live, .. } => look(&live.borrow()),
            }
        }
        keys
    }

    /// Has a product that is asleep carry out what recovery found it was not told.
    pub(crate) fn mend(&self, product: ProductId, commands: Vec<Command>) {
        let mut products = self.products.borrow_mut();
        let Some(Slot::Passive(live)) = products.get_mut(&product) else {
            unreachable!("recovery speaks of what exists, and nobody was let in yet")
        };
        for commands in commands.chunks(COMMANDS_MAX) {
            let wish = Wish::Each(commands.to_vec());
            let reply = live.turn(&self.turns, wish, &Context::system(), None).into_saga();
            let Ok(Outcome::Each(answers)) = reply.answered else { unreachable!("each is answered") };
            let refused = answers.into_iter().find_map(Result::err);
            assert!(refused.is_none(), "INV-10: what owners claim is there: {refused:?}");
        }
    }

    /// Hands a wish to its product's actor, waking or making it.
    pub(crate) fn deliver(self: &Rc<Self>, deliver: Deliver) {
        let Deliver { product, partition, ask } = deliver;
        let mut products = self.products.borrow_mut();
        let slot =
            products.entry(product).or_insert_with(|| Slot::Passive(Box::new(Live::new(product, partition))));
        let (actor, is_used) = match slot {
            // An actor on its way out is kept: its last address was dropped, but it is still there.
            Slot::Active { actor, is_used, .. } => (present(actor), Rc::clone(is_used)),
            Slot::Passive(live) => {
                let live = std::mem::replace(&mut **live, Live::new(product, partition));
                let live = Rc::new(RefCell::new(live));
                let is_used = Rc::new(Cell::new(true));
                let actor = ProductActor::new(Rc::clone(&live), Rc::clone(self), Rc::clone(&is_used)).start();
                *slot = Slot::Active { actor: actor.downgrade(), is_used: Rc::clone(&is_used), live };
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
            products.insert(live.id, Slot::Passive(Box::new(live)));
        } else {
            products.remove(&live.id);
            self.turns.directory.leave(live.id);
        }
    }

    /// Lets every actor go that had no message since the last sweep.
    fn sweep(&self) {
        self.awake.borrow_mut().retain(|awake| {
            let is_used = awake.is_used.replace(false);
            if !is_used {
                self.turns.directory.set_actor(awake.product, None);
            }
            is_used
        });
    }
}

impl Things for Core {
    fn look_at(&self, id: ProductId, look: &mut dyn FnMut(Option<&Live>)) {
        match self.products.borrow().get(&id) {
            Some(Slot::Passive(live)) => look(Some(live)),
            Some(Slot::Active { live, .. }) => look(Some(&live.borrow())),
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

    use holdfast_domain::{OrderId, Timestamp};
    use holdfast_persistence::{Epoch, Head, JournalId, MemoryDisk, Sequence, Ticket, Writer};

    use super::*;
    use crate::card::Card;
    use crate::clock::ManualClock;
    use crate::pending::Pending;
    use crate::product_actor::ReplyTo;
    use crate::simulation::process::turn_context;
    use crate::turn::Reply;

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
            core.sweep();
            assert_eq!(core.turns.directory.actors(), 1, "it was used since the last sweep");
            core.sweep();
            assert_eq!(core.turns.directory.actors(), 0);
        });
    }

    #[test]
    fn message_revives_an_actor_on_its_way_out() {
        actix::System::new().block_on(async {
            let core = core_with_a_product();
            for _ in 0..100 {
                let _sealed = deliver_to(&core).await.expect("the actor answers");
                core.sweep();
                core.sweep();
                assert_eq!(core.turns.directory.actors(), 0);
                // The actor has no address any more and has not had its last turn yet.
                let answer = deliver_to(&core);
                assert!(matches!(core.products.borrow()[&LAMP], Slot::Active { .. }));
                assert_eq!(core.turns.directory.actors(), 1);
                let _sealed = answer.await.expect("the same actor answers");
                core.sweep();
                core.sweep();
                // Now it leaves in peace.
                while matches!(core.products.borrow()[&LAMP], Slot::Active { .. }) {
                    tokio::task::yield_now().await;
                }
            }
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
