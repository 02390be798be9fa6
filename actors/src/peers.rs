//! How a shard's supervisors begin, and how their sagas reach products and carts on this thread and on others.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message};
use holdfast_domain::product::Command;
use holdfast_domain::{CartId, Owner, ProductId, cart};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::gateway::PaymentGateway;
use crate::keys::Keys;
use crate::lanes::Lanes;
use crate::outcome::Outcome;
use crate::product_actor::{Ask, ReplyTo};
use crate::sagas::merge::Guest;
use crate::sagas::{Answers, Coming, Ids, Peers, Request, Sagas};
use crate::shard::{Core, Deliver, Shard};
use crate::slots::Slots;
use crate::supervisors::{
    Absorb, AskCart, AskMany, AskOrder, CartSupervisor, Merge, OrderSupervisor, SettleDue,
};
use crate::turn::Wish;

/// What a shard's supervisors begin with.
pub(crate) struct Start {
    pub(crate) shard: usize,
    pub(crate) slots: Slots,
    pub(crate) keys: Arc<Keys>,
    pub(crate) ids: Ids,
    pub(crate) gateway: Arc<dyn PaymentGateway>,
    /// What recovery found that products of this shard were not told.
    pub(crate) tell: Vec<(ProductId, Vec<Command>)>,
    /// Carts of this shard that another absorbed, and which.
    pub(crate) close: Vec<(CartId, CartId)>,
}

/// The supervisors of a shard.
pub(crate) struct Supervisors {
    pub(crate) orders: Addr<OrderSupervisor>,
    pub(crate) carts: Addr<CartSupervisor>,
}

/// Tells a shard who the others are.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Introduce(pub(crate) Vec<Addr<Shard>>);

/// The real ways.
struct ShardPeers {
    core: Rc<Core>,
    shard: usize,
    slots: Slots,
    shards: Vec<Addr<Shard>>,
}

impl Start {
    /// Winds the timers up and starts the supervisors.
    pub(crate) fn begin(self, core: &Rc<Core>, shards: Vec<Addr<Shard>>) -> Supervisors {
        let Self { shard, slots, keys, ids, gateway, close, .. } = self;
        let peers = Box::new(ShardPeers { core: Rc::clone(core), shard, slots, shards });
        let sagas = Rc::new(Sagas::new(Rc::clone(&core.turns), peers, gateway, keys, ids, slots));
        sagas.resume(&close);
        let orders = OrderSupervisor::new(Rc::clone(&sagas)).start();
        let carts = CartSupervisor::new(sagas).start();
        Supervisors { orders, carts }
    }
}

impl Sagas {
    /// Sagas of a shard where nothing is under way.
    pub(crate) fn new(
        turns: Rc<crate::turn::TurnContext>,
        peers: Box<dyn Peers>,
        gateway: Arc<dyn PaymentGateway>,
        keys: Arc<Keys>,
        ids: Ids,
        slots: Slots,
    ) -> Self {
        Self {
            turns,
            peers,
            gateway,
            keys,
            ids,
            slots,
            order_lanes: Lanes::default(),
            cart_lanes: Lanes::default(),
            batch_lanes: Lanes::default(),
            order_deadlines: Deadlines::default(),
            cart_deadlines: Deadlines::default(),
            rounds_under_way: 0.into(),
        }
    }

    /// Goes on from the books that recovery brought back: journals the end of absorbed carts, which the books have
    /// seen already, and winds the timers up. Refunds that are owed are for the supervisor to make.
    pub(crate) fn resume(&self, close: &[(CartId, CartId)]) {
        for (from, to) in close {
            self.push_closed(*from, cart::Event::Closed { to: Some(*to) });
        }
        for partition in &self.turns.partitions {
            let books = partition.books.borrow();
            for (id, reservation) in books.reservations.iter() {
                self.follow_reservation(id, reservation.hold.next_deadline());
            }
            for order in books.orders.placed() {
                self.follow_order(order.id, order.next_deadline());
            }
            for (id, cart) in books.carts.iter() {
                self.follow_found_cart(id, cart);
            }
        }
    }

    /// Makes the refunds that are owed since before the start.
    pub(crate) async fn resume_refunds(&self) {
        let owing = |partition: &crate::turn::PartitionState| {
            let books = partition.books.borrow();
            books
                .orders
                .placed()
                .filter(|order| order.owes_refund())
                .map(|order| order.id)
                .collect::<Vec<_>>()
        };
        for order in self.turns.partitions.iter().flat_map(owing) {
            let _lane = self.order_lanes.enter(order).await;
            self.refund(order).await;
        }
    }

    fn push_closed(&self, from: CartId, event: cart::Event) {
        let request = &mut Request::system();
        self.journal_cart(request, self.slots.partition(from.0), from, vec![event]);
    }
}

impl Peers for ShardPeers {
    fn tell(&self, context: &Context, product: ProductId, commands: Vec<Command>) -> Coming<Answers> {
        let (reply, answer) = oneshot::channel();
        let reply = ReplyTo::Saga(reply);
        let ask = Ask { wish: Wish::Each(commands), context: context.without_key(), key: None, reply };
        let directory = &self.core.turns.directory;
        if let Err(ask) = directory.with_actor(product, ask, |actor, ask| actor.do_send(ask)) {
            self.deliver(product, ask);
        }
        Box::pin(async move {
            let Ok(reply) = answer.await else { return stopped().await };
            match reply.answered {
                Ok(Outcome::Each(answers)) => answers,
                other => unreachable!("each command was to be answered, not all of them with {other:?}"),
            }
        })
    }

    fn reserve_here(&self, context: &Context, product: ProductId, commands: &[Command]) -> Option<Answers> {
        self.core.turn_here(context, product, commands)
    }

    fn absorb(&self, customer: Owner, guest: Guest) -> Coming<CartId> {
        let (reply, answer) = oneshot::channel();
        let shard = self.slots.shard(self.slots.partition(customer.buyer().0));
        self.shards[shard].do_send(Absorb { customer, guest, reply });
        Box::pin(async move {
            match answer.await {
                Ok(cart) => cart,
                Err(_) => stopped().await,
            }
        })
    }
}

impl ShardPeers {
    fn deliver(&self, product: ProductId, ask: Ask) {
        let partition: Partition = self.slots.partition(product.0);
        let deliver = Deliver { product, partition, ask };
        match self.slots.shard(partition) {
            own if own == self.shard => self.core.deliver(deliver),
            other => self.shards[other].do_send(deliver),
        }
    }
}

/// A shard was stopped in the middle of a saga: the process ends, and recovery goes on from the last fact.
async fn stopped<T>() -> T {
    std::future::pending().await
}

impl Handler<Introduce> for Shard {
    type Result = ();

    fn handle(&mut self, introduce: Introduce, _: &mut Self::Context) {
        self.meet(introduce.0);
    }
}

macro_rules! hand_on {
    ($($message:ty => $supervisor:ident),* $(,)?) => {$(
        impl Handler<$message> for Shard {
            type Result = ();

            fn handle(&mut self, message: $message, _: &mut Self::Context) {
                self.supervisors().$supervisor.do_send(message);
            }
        }
    )*};
}

hand_on! {
    AskOrder => orders,
    AskMany => orders,
    SettleDue => orders,
    AskCart => carts,
    Merge => carts,
    Absorb => carts,
}
