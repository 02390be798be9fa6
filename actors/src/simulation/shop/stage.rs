//! A stage for schedules that are played by hand or one after the other: a quiet world with a few products, and the
//! questions that a scene asks of it.

use std::rc::Rc;
use std::sync::Arc;

use holdfast_domain::order::{Payment, Status};
use holdfast_domain::product::{Levels, ReserveOn, VariantNo};
use holdfast_domain::{Item, Millis, Order, OrderId, Owner, ProductId, Quantity, ReservationId, Timestamp};

use crate::outcome::{Answered, Outcome};
use crate::sagas::carts::Change;

use super::super::wishes::thing;
use super::ask::{Ask, AskWish, Said};
use super::bank::{Decision, Script};
use super::world::{Deed, World};

pub(super) const LAMP: ProductId = ProductId(1);
pub(super) const CHAIR: ProductId = ProductId(2);

/// How long orders and reservations live on the stage.
pub(super) const TTL: Millis = Millis::from_secs(60);

/// A bank that says yes at once.
pub(super) const GENEROUS: Script = Script { charged: Decision::Approve, is_refunding: true, is_late: false };

impl World {
    /// A quiet world that sells so many lamps and chairs.
    pub(super) fn stage(shards: u16, script: Script, lamps: u32, chairs: u32) -> Self {
        let mut world = Self::quiet(shards, script);
        for (id, sku, stock) in [(LAMP, "lamp", lamps), (CHAIR, "chair", chairs)] {
            world.ask(AskWish::Create(id, thing(sku, stock)), false);
        }
        world.drain();
        world
    }

    /// Asks, and lets everything come to its end.
    pub(super) fn ask_through(&mut self, wish: AskWish) -> Rc<Said> {
        let ask = self.ask(wish, false);
        self.drain();
        self.heard(&ask)
    }

    pub(super) fn heard(&self, ask: &Ask) -> Rc<Said> {
        Rc::clone(self.said.get(&ask.number).expect("it was answered"))
    }

    /// Lets every task go as far as it can without a message, an answer of the bank or the disk.
    pub(super) fn think(&mut self) {
        while let Some(place) = self.process.tasks.woken().first().copied() {
            self.perform(Deed::Poll(place));
        }
    }

    /// Lets the messages for a product arrive, and those who wait for the answers go on.
    pub(super) fn deliver_to(&mut self, product: ProductId) {
        let is_meant = |deed: &Deed| matches!(deed, Deed::Deliver(slot) if slot.is_for(product));
        while let Some(deed) = self.deeds().into_iter().find(is_meant) {
            self.perform(deed);
        }
        self.think();
    }

    /// Has an admin change when carts hold units of a product.
    pub(super) fn reserve_on(&mut self, product: ProductId, reserve_on: ReserveOn) {
        let state = self.process.product(product).expect("it is sold here");
        let mut description = (**state.description()).clone();
        description.reserve_on = reserve_on;
        self.ask(AskWish::Edit(product, Arc::new(description)), false);
        self.think();
        self.deliver_to(product);
    }

    pub(super) fn levels(&self, product: ProductId) -> (u32, u32, u32) {
        let product = self.process.product(product).expect("it is sold here");
        let Levels { available, reserved, committed } = product.variants()[0].levels;
        (available.0, reserved.0, committed.0)
    }

    pub(super) fn order(&self, id: OrderId) -> Option<Order> {
        self.process.door.look(id.0, |books| books.orders.get(id))
    }

    pub(super) fn standing(&self, id: OrderId) -> (Status, Payment) {
        let standing = self.order(id).expect("it was placed").standing;
        (standing.status, standing.payment)
    }

    pub(super) fn after(&self, span: Millis) -> Timestamp {
        self.now().after(span)
    }
}

/// So many of the product's only variant.
pub(super) fn some(product: ProductId, units: u32) -> Item {
    let quantity = Quantity::new(units).expect("in range");
    Item { product, variant: VariantNo(0), quantity }
}

pub(super) fn add(owner: Owner, product: ProductId, units: u32) -> AskWish {
    let Item { variant, quantity, .. } = some(product, units);
    AskWish::Change(owner, product, variant, Change::Add(quantity), None)
}

pub(super) const fn place(owner: Owner, items: Option<Vec<Item>>, is_paid: bool) -> AskWish {
    AskWish::Place { owner, items, ttl: TTL, expected: None, is_paid }
}

pub(super) const fn reserve(owner: Owner, items: Vec<Item>) -> AskWish {
    AskWish::Reserve { owner, items, ttl: TTL }
}

/// The answer, whether it is the first or the same again.
pub(super) fn answered(said: &Said) -> &Answered {
    match said {
        Said::Owner(reply) => &reply.answered,
        Said::Product(reply) => &reply.answered,
        Said::Again(kept) => &kept.answered,
        other => panic!("that is no answer to one question: {other:?}"),
    }
}

pub(super) fn is_yes(said: &Said) -> bool {
    answered(said).is_ok()
}

/// The order that an answer speaks of.
pub(super) fn order_of(said: &Said) -> OrderId {
    match answered(said) {
        Ok(Outcome::Order { order, .. }) => *order,
        Ok(Outcome::Purchased(purchased)) => purchased.order,
        other => panic!("no order was answered, but {other:?}"),
    }
}

/// The reservation that an answer speaks of.
pub(super) fn reservation_of(said: &Said) -> ReservationId {
    match answered(said) {
        Ok(Outcome::Reservation(moment)) => moment.id,
        other => panic!("no reservation was answered, but {other:?}"),
    }
}
