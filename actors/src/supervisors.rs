//! The supervisors: one actor for the carts and one for the orders and reservations of each shard. Each owns its
//! deadlines with one timer, and hands every request to a saga of its own; what they share is in [`crate::sagas`].

use std::rc::Rc;

use actix::{Actor, Context as ActixContext, Handler, Message};
use holdfast_domain::product::VariantNo;
use holdfast_domain::{CartId, Millis, OrderId, Owner, ProductId, ReservationId};
use holdfast_persistence::Partition;
use tokio::sync::oneshot;

use crate::Position;
use crate::gateway::PaymentToken;
use crate::pending::Pending;
use crate::sagas::batch::Made;
use crate::sagas::carts::Change;
use crate::sagas::merge::Guest;
use crate::sagas::orders::Placing;
use crate::sagas::reservations::Wanted;
use crate::sagas::{OwnerReply, Request, Sagas, Who};

/// Drives reservations and orders.
pub(crate) struct OrderSupervisor {
    sagas: Rc<Sagas>,
}

/// Drives carts.
pub(crate) struct CartSupervisor {
    sagas: Rc<Sagas>,
}

/// A request for a reservation or an order. Once it is in the mailbox it is carried out, whoever hangs up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AskOrder {
    pub(crate) wish: OrderWish,
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Pending<OwnerReply>>,
}

/// What is asked of reservations and orders.
pub(crate) enum OrderWish {
    /// Settle the key of a request whose steps have keys of their own.
    Begin(Partition),
    Reserve(Wanted),
    Extend(Who, ReservationId, Millis),
    ConfirmReservation(Who, ReservationId),
    Release(Who, ReservationId),
    Place(Box<Placing>),
    Pay(Who, OrderId, PaymentToken),
    ConfirmOrder(OrderId, Option<Box<str>>),
    Cancel(Who, OrderId, Option<Box<str>>),
    Fulfil(OrderId),
}

/// Many reservations at once.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AskMany {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Pending<(Vec<Made>, Option<Position>)>>,
}

/// A request for a cart.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct AskCart {
    pub(crate) owner: Owner,
    pub(crate) wish: CartWish,
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Pending<OwnerReply>>,
}

/// What is asked of a cart, if it has the version that is named.
pub(crate) enum CartWish {
    Change(ProductId, VariantNo, Change, Option<u32>),
    Tidy(Option<u32>),
    Clear(Option<u32>),
}

/// Move a guest's cart into a customer's.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Merge {
    pub(crate) guest: Owner,
    pub(crate) customer: Owner,
    pub(crate) reply: oneshot::Sender<Pending<()>>,
}

/// The customer's half of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Absorb {
    pub(crate) customer: Owner,
    pub(crate) guest: Guest,
    pub(crate) reply: oneshot::Sender<CartId>,
}

/// Expire everything that is due, and say when that is done: nobody is let in before.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SettleDue {
    pub(crate) reply: oneshot::Sender<()>,
}

impl OrderSupervisor {
    pub(crate) const fn new(sagas: Rc<Sagas>) -> Self {
        Self { sagas }
    }
}

impl CartSupervisor {
    pub(crate) const fn new(sagas: Rc<Sagas>) -> Self {
        Self { sagas }
    }
}

impl Actor for OrderSupervisor {
    type Context = ActixContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(crate::shard::MAILBOX_MESSAGES_MAX);
        actix::spawn(Rc::clone(&self.sagas).keep_order_deadlines());
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move { sagas.resume_refunds().await });
    }
}

impl Actor for CartSupervisor {
    type Context = ActixContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(crate::shard::MAILBOX_MESSAGES_MAX);
        actix::spawn(Rc::clone(&self.sagas).keep_cart_deadlines());
    }
}

impl Handler<AskOrder> for OrderSupervisor {
    type Result = ();

    fn handle(&mut self, ask: AskOrder, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            let reply = sagas.carry_out_order(ask.wish, ask.request).await;
            // Whoever hung up does not want the answer; what was decided stands all the same.
            let _unwanted = ask.reply.send(sagas.seal(reply));
        });
    }
}

impl Handler<AskMany> for OrderSupervisor {
    type Result = ();

    fn handle(&mut self, ask: AskMany, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            let made = sagas.reserve_many(&ask.request.context, ask.wanted).await;
            // As above.
            let _unwanted = ask.reply.send(sagas.seal(made));
        });
    }
}

impl Handler<SettleDue> for OrderSupervisor {
    type Result = ();

    fn handle(&mut self, settle: SettleDue, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            sagas.settle_due().await;
            // As above.
            let _unwanted = settle.reply.send(());
        });
    }
}

impl Handler<AskCart> for CartSupervisor {
    type Result = ();

    fn handle(&mut self, ask: AskCart, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            let reply = sagas.carry_out_cart(ask.owner, ask.wish, ask.request).await;
            // As above.
            let _unwanted = ask.reply.send(sagas.seal(reply));
        });
    }
}

impl Handler<Merge> for CartSupervisor {
    type Result = ();

    fn handle(&mut self, merge: Merge, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            sagas.merge(merge.guest, merge.customer).await;
            // As above.
            let _unwanted = merge.reply.send(sagas.seal(()));
        });
    }
}

impl Handler<Absorb> for CartSupervisor {
    type Result = ();

    fn handle(&mut self, absorb: Absorb, _: &mut Self::Context) {
        let sagas = Rc::clone(&self.sagas);
        actix::spawn(async move {
            let cart = sagas.absorb(absorb.customer, absorb.guest).await;
            // The other half is a saga and waits for this, unless its shard was stopped.
            let _stopped = absorb.reply.send(cart);
        });
    }
}

impl Sagas {
    /// Carries out one wish for a reservation or an order.
    pub(crate) async fn carry_out_order(&self, wish: OrderWish, request: Request) -> OwnerReply {
        match wish {
            OrderWish::Begin(partition) => self.begin(request, partition),
            OrderWish::Reserve(wanted) => self.reserve(request, wanted).await,
            OrderWish::Extend(who, id, span) => self.extend(request, who, id, span).await,
            OrderWish::ConfirmReservation(who, id) => self.confirm_reservation(request, who, id).await,
            OrderWish::Release(who, id) => self.release(request, who, id).await,
            OrderWish::Place(placing) => self.place(request, *placing).await,
            OrderWish::Pay(who, id, token) => self.pay(request, who, id, token).await,
            OrderWish::ConfirmOrder(id, reference) => self.confirm_order(request, id, reference).await,
            OrderWish::Cancel(who, id, reason) => self.cancel(request, who, id, reason).await,
            OrderWish::Fulfil(id) => self.fulfil(request, id).await,
        }
    }

    /// Carries out one wish for a cart.
    pub(crate) async fn carry_out_cart(&self, owner: Owner, wish: CartWish, request: Request) -> OwnerReply {
        match wish {
            CartWish::Change(product, variant, change, version) => {
                self.change_cart(request, owner, product, variant, change, version).await
            }
            CartWish::Tidy(version) => self.tidy_cart(request, owner, version).await,
            CartWish::Clear(version) => self.clear_cart(request, owner, version).await,
        }
    }
}
