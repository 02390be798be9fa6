//! What becomes of a placed order: paid, confirmed, canceled, shipped.
//!
//! One step of an order at a time: a second payment waits for the first and finds the order paid, so nobody is
//! charged twice. Only the timer does not wait; a payment that comes back after it takes the units again.

use holdfast_domain::order::{self, By, Event, Next, Order, Source, Through};
use holdfast_domain::saga::{self, Taking};
use holdfast_domain::{Item, OrderId, ReservationId, Timestamp};

use super::{OwnerReply, Request, Sagas, Who, check_texts};
use crate::context::Context;
use crate::gateway::{Charge, Charged, PaymentToken};
use crate::pending::Stopped;
use crate::record::Entity;

/// How long units are held that were taken again for a late payment: the order has them at once.
const RETAKEN: holdfast_domain::Millis = holdfast_domain::Millis::from_secs(60);

/// How long a payment provider may take; after that nobody knows.
const CHARGE_MAX: holdfast_domain::Millis = holdfast_domain::Millis::from_secs(10);

/// Money that came, and who took it.
struct Money {
    reference: Option<Box<str>>,
    through: Through,
}

impl Sagas {
    /// Charges the buyer and confirms the order. Paid already: the same answer, and nobody is charged.
    pub(crate) async fn pay(
        &self,
        mut request: Request,
        who: Who,
        id: OrderId,
        token: PaymentToken,
    ) -> OwnerReply {
        if self.find_order(who, id).is_none() {
            return self.refuse_order(&mut request, id, saga::Refusal::NotFound);
        }
        self.pay_placed(request, id, token).await
    }

    /// The same for an order that is known to be there and to be the caller's.
    pub(super) async fn pay_placed(
        &self,
        mut request: Request,
        id: OrderId,
        token: PaymentToken,
    ) -> OwnerReply {
        let _lane = self.order_lanes.enter(id).await;
        // Money is only taken for what a crash cannot take back: none may be with the provider for an order that nobody
        // knows of.
        if self.durable().await.is_err() {
            return OwnerReply::no(saga::Refusal::PaymentUnknown { order: id }, None);
        }
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let now = self.now(&request);
        match order.decide_charge(now) {
            Ok(order::Charge::Open) => {}
            Ok(order::Charge::Paid) => return self.carry_out(request, &order, Ok(Next::Already), now).await,
            Err(refusal) => return self.refuse_order(&mut request, id, refusal.into_saga(&order)),
        }
        let charge = Charge { order: id, amount: order.placed.total, currency: order.placed.currency, token };
        match self.charge(charge).await {
            Charged::Approved { reference } => {
                let money = Money { reference: Some(reference), through: Through::Gateway };
                self.money_came(request, id, money).await
            }
            Charged::Declined => self.declined(request, id).await,
            // An answer like any other: who wants the provider asked again sends a new key.
            Charged::Unknown => {
                self.refuse_order(&mut request, id, saga::Refusal::PaymentUnknown { order: id })
            }
        }
    }

    /// Asks the provider, and waits no longer than it may take.
    async fn charge(&self, charge: Charge) -> Charged {
        let until = self.turns.clock.stamp().after(CHARGE_MAX);
        let mut charging = self.gateway.charge(charge);
        loop {
            tokio::select! {
                biased;
                charged = &mut charging => return charged,
                () = self.turns.clock.wait_until(until) => {}
            }
            if self.turns.clock.stamp() >= until {
                return Charged::Unknown;
            }
        }
    }

    /// Confirms an order whose money somebody else took.
    pub(crate) async fn confirm_order(
        &self,
        mut request: Request,
        id: OrderId,
        reference: Option<Box<str>>,
    ) -> OwnerReply {
        if self.find_order(Who::Admin, id).is_none() {
            return self.refuse_order(&mut request, id, saga::Refusal::NotFound);
        }
        if let Err(refusal) = check_texts(reference.as_ref().map_or(0, |text| text.len())) {
            return self.refuse_order(&mut request, id, refusal);
        }
        let _lane = self.order_lanes.enter(id).await;
        self.money_came(request, id, Money { reference, through: Through::Elsewhere }).await
    }

    /// Cancels an order: its units are back once, its money goes back where our gateway took it.
    pub(crate) async fn cancel(
        &self,
        mut request: Request,
        who: Who,
        id: OrderId,
        reason: Option<Box<str>>,
    ) -> OwnerReply {
        if self.find_order(who, id).is_none() {
            return self.refuse_order(&mut request, id, saga::Refusal::NotFound);
        }
        if let Err(refusal) = check_texts(reason.as_ref().map_or(0, |text| text.len())) {
            return self.refuse_order(&mut request, id, refusal);
        }
        let _lane = self.order_lanes.enter(id).await;
        let order = self.find_order(who, id).expect("orders stay, and stay their owner's");
        let by = match who {
            Who::Owner(_) => By::Owner,
            Who::Admin => By::Admin,
        };
        let now = self.now(&request);
        let decided = order.decide_cancel(by, reason, now);
        self.carry_out(request, &order, decided, now).await
    }

    /// Ships an order.
    pub(crate) async fn fulfil(&self, mut request: Request, id: OrderId) -> OwnerReply {
        if self.find_order(Who::Admin, id).is_none() {
            return self.refuse_order(&mut request, id, saga::Refusal::NotFound);
        }
        let _lane = self.order_lanes.enter(id).await;
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let now = self.now(&request);
        self.carry_out(request, &order, order.decide_fulfil(), now).await
    }

    /// Gives back the money of an order that our gateway owes; at the next start again, when a crash comes between.
    pub(crate) async fn refund(&self, id: OrderId) -> Option<Order> {
        let order = self.find_order(Who::Admin, id)?;
        // A crash must not leave an order that is paid while its money is back with the buyer.
        if !order.owes_refund() || self.durable().await.is_err() || !self.gateway.refund(id).await {
            return None;
        }
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let (request, refunded) = (&mut Request::system(), vec![Event::Refunded]);
        let (after, _) = self.commit_order(request, &order, refunded, None, self.now(request));
        Some(after)
    }

    /// Waits until all that was pushed is durable. Whoever talks to the world outside rests on it.
    async fn durable(&self) -> Result<(), Stopped> {
        self.seal(()).open().await
    }

    async fn carry_out(
        &self,
        mut request: Request,
        order: &Order,
        decided: Result<Next, order::Refusal>,
        now: Timestamp,
    ) -> OwnerReply {
        let events = match decided {
            Ok(Next::Go(event)) => vec![event],
            Ok(Next::Already) => Vec::new(),
            Ok(Next::TakeAgain) => unreachable!("only money makes an order take its units again"),
            Err(refusal) => {
                return self.refuse_order(&mut request, order.id, refusal.into_saga(order));
            }
        };
        // An answer of the past needs no record, unless a new key asks for it.
        if events.is_empty() && request.key.is_none() {
            return OwnerReply::order(order, None);
        }
        let is_change = !events.is_empty();
        let is_kept = request.key.is_some();
        let (after, mut reply) = self.commit_order(&mut request, order, events, None, now);
        if is_change {
            self.settle(&request.context, saga::duties(&after)).await;
            // A retry meets the answer of this moment, so the first must not say more.
            if let Some(refunded) = self.refund(order.id).await.filter(|_| !is_kept) {
                reply = OwnerReply::order(&refunded, reply.position);
            }
        }
        reply
    }

    /// Confirms, if the order still can be; takes its units again, if it expired. The caller has the order's lane.
    async fn money_came(&self, request: Request, id: OrderId, money: Money) -> OwnerReply {
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let Money { reference, through } = money;
        let now = self.now(&request);
        match order.decide_confirm(reference.clone(), through, now) {
            Ok(Next::TakeAgain) => self.take_again(request, &order, Money { reference, through }).await,
            Err(order::Refusal::RefundRequired { is_known: false }) => {
                let refusal = saga::Refusal::RefundRequired { is_expired: false };
                self.too_late(request, &order, Money { reference, through }, refusal).await
            }
            decided => self.carry_out(request, &order, decided, now).await,
        }
    }

    /// The order expired: its units are taken again if they are all there, else its money must go back.
    async fn take_again(&self, mut request: Request, order: &Order, money: Money) -> OwnerReply {
        let now = self.now(&request);
        let mut expired = order.clone();
        if let Some(event) = order.decide_expire(now) {
            (expired, _) = self.commit_order(&mut Request::system(), order, vec![event], None, now);
            self.settle(&Context::system(), saga::duties(&expired)).await;
        }
        let hold = ReservationId(self.id(self.slots.partition(order.id.0)));
        let items: Vec<Item> = order.items().copied().collect();
        let buyer = order.placed.owner.buyer();
        let taking = Taking::new(hold, buyer, now.after(RETAKEN), &items, |_| None);
        match self.take(&request.context, taking).await {
            // Nothing was held before, so there is no rest to give back.
            Ok(_) => {
                let event = expired.confirmed(money.reference, money.through, hold);
                let now = self.now(&request);
                let (after, reply) = self.commit_order(&mut request, &expired, vec![event], None, now);
                self.settle(&request.context, saga::duties(&after)).await;
                reply
            }
            Err(_) => {
                let refusal = saga::Refusal::RefundRequired { is_expired: true };
                self.too_late(request, &expired, money, refusal).await
            }
        }
    }

    async fn too_late(
        &self,
        mut request: Request,
        order: &Order,
        money: Money,
        refusal: saga::Refusal,
    ) -> OwnerReply {
        let event = Event::RefundRequired { reference: money.reference, through: money.through };
        let now = self.now(&request);
        let (_, reply) = self.commit_order(&mut request, order, vec![event], Some(refusal), now);
        self.refund(order.id).await;
        reply
    }

    /// The bank said no: the order is canceled, unless somebody else paid or canceled it meanwhile.
    async fn declined(&self, mut request: Request, id: OrderId) -> OwnerReply {
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        // Its lines go back into the cart: not while another saga is at the cart.
        let _cart_lane = match order.placed.source {
            Source::Cart(_) => Some(self.cart_lanes.enter(order.placed.owner.buyer()).await),
            _ => None,
        };
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let refusal = saga::Refusal::PaymentDeclined { order: id };
        let events: Vec<_> = order.decide_decline().into_iter().collect();
        let is_change = !events.is_empty();
        let now = self.now(&request);
        let (after, reply) = self.commit_order(&mut request, &order, events, Some(refusal), now);
        if is_change {
            self.settle(&request.context, saga::duties(&after)).await;
        }
        reply
    }

    fn refuse_order(&self, request: &mut Request, id: OrderId, refusal: saga::Refusal) -> OwnerReply {
        self.refuse(request, Entity::Order(id), self.slots.partition(id.0), refusal)
    }
}

/// An order's no, as everybody says it.
trait IntoSaga {
    fn into_saga(self, order: &Order) -> saga::Refusal;
}

impl IntoSaga for order::Refusal {
    fn into_saga(self, order: &Order) -> saga::Refusal {
        match self {
            Self::InvalidState => saga::Refusal::InvalidState,
            Self::Expired => saga::Refusal::Expired { deadline: order.placed.deadline.unwrap_or_default() },
            Self::RefundRequired { .. } => saga::Refusal::RefundRequired { is_expired: false },
            Self::ExpiredAndGone => saga::Refusal::RefundRequired { is_expired: true },
        }
    }
}
