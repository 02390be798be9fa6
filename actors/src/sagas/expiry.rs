//! What the timers do when deadlines come: reservations and orders many at once, carts one by one.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_domain::hold::Ending;
use holdfast_domain::product::Command;
use holdfast_domain::reservation::Event;
use holdfast_domain::{CartId, OrderId, ProductId, ReservationId, Timestamp, saga};
use holdfast_persistence::Partition;

use super::{Due, Entry, Request, Sagas, Who};
use crate::context::Context;
use crate::outcome::Outcome;
use crate::record::{Entity, Events};

/// How many deadlines one round takes before other messages have their turn.
const ROUND_COUNT_MAX: usize = 128;

/// With more than this waiting for the disk, the timers wait as well.
const BACKLOG_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How often they look again while the disk is behind.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

impl Sagas {
    /// The one timer of the shard's reservations and orders. Never ends.
    pub(crate) async fn keep_order_deadlines(self: Rc<Self>) {
        loop {
            self.wait_for(self.order_deadlines.earliest(), self.order_deadlines.changed()).await;
            self.round(self.expire_due()).await;
            self.pause().await;
        }
    }

    /// The one timer of the shard's carts. Never ends.
    pub(crate) async fn keep_cart_deadlines(self: Rc<Self>) {
        loop {
            self.wait_for(self.cart_deadlines.earliest(), self.cart_deadlines.changed()).await;
            let now = self.turns.clock.stamp();
            let due: Vec<CartId> =
                std::iter::from_fn(|| self.cart_deadlines.pop_due(now)).take(ROUND_COUNT_MAX).collect();
            self.round(join_all(due.into_iter().map(|cart| self.expire_cart(cart)))).await;
            self.pause().await;
        }
    }

    /// Expires all that is due at this moment.
    pub(crate) async fn settle_due(&self) {
        let now = self.turns.clock.stamp();
        while self.order_deadlines.earliest().is_some_and(|earliest| earliest <= now) {
            self.expire_due().await;
            self.pause().await;
        }
        while let Some(cart) = self.cart_deadlines.pop_due(now) {
            self.expire_cart(cart).await;
        }
        // The timers may have taken some of it, and wait for products.
        while self.rounds_under_way.get() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Counts a timer's round while it is under way. Timers never stop half-way.
    async fn round<T>(&self, round: impl Future<Output = T>) {
        self.rounds_under_way.update(|count| count + 1);
        round.await;
        self.rounds_under_way.update(|count| count - 1);
    }

    async fn wait_for(&self, earliest: Option<Timestamp>, changed: impl Future<Output = ()>) {
        match earliest {
            None => changed.await,
            Some(earliest) => {
                tokio::select! {
                    () = self.turns.clock.wait_until(earliest) => {}
                    () = changed => {}
                }
            }
        }
    }

    async fn pause(&self) {
        while self.turns.queue.backlog_bytes() > BACKLOG_BYTES_MAX {
            tokio::time::sleep(BACKLOG_PAUSE).await;
        }
        tokio::task::yield_now().await;
    }

    /// Expires up to a round of what is due.
    pub(crate) async fn expire_due(&self) {
        let now = self.turns.clock.stamp();
        let mut reservations = Vec::new();
        let mut orders = Vec::new();
        for due in std::iter::from_fn(|| self.order_deadlines.pop_due(now)).take(ROUND_COUNT_MAX) {
            match due {
                Due::Reservation(id) => reservations.push(id),
                Due::Order(id) => orders.push(id),
            }
        }
        let mut told: BTreeMap<ProductId, Vec<Command>> = BTreeMap::new();
        self.expire_reservations(reservations, now, &mut told);
        for id in orders {
            self.expire_order(id, now, &mut told);
        }
        let system = Context::system();
        // A round has at most 128 owners of at most 100 lines: no product gets more than it may at once.
        join_all(told.into_iter().map(|(product, commands)| self.peers.tell(&system, product, commands)))
            .await;
    }

    /// One record for all that are due in a partition.
    fn expire_reservations(
        &self,
        ids: Vec<ReservationId>,
        now: Timestamp,
        told: &mut BTreeMap<ProductId, Vec<Command>>,
    ) {
        let mut facts: BTreeMap<Partition, Vec<(ReservationId, Event)>> = BTreeMap::new();
        for id in ids {
            let partition = self.slots.partition(id.0);
            let state = self.turns.partition(partition);
            let mut books = state.books.borrow_mut();
            let Some(reservation) = books.reservations.get(id) else { continue };
            let Some(event) = reservation.decide_expire(now) else { continue };
            let command = Command::Release { reservation: id, ending: Ending::Expired };
            for (product, command) in saga::to_each_product(&reservation.items, &command) {
                told.entry(product).or_default().push(command);
            }
            state.touch_reservation(&books, id, &event);
            books.apply_reservation(id, &event, now, 0);
            facts.entry(partition).or_default().push((id, event));
        }
        for (partition, events) in facts {
            let entry = Entry {
                partition,
                entity: Entity::Reservations,
                previous: 0,
                events: Events::Reservations(events),
                now,
                answered: &Ok(Outcome::Done),
            };
            self.push(&mut Request::system(), entry);
        }
    }

    fn expire_order(&self, id: OrderId, now: Timestamp, told: &mut BTreeMap<ProductId, Vec<Command>>) {
        let order = self.find_order(Who::Admin, id).expect("orders stay");
        let Some(event) = order.decide_expire(now) else { return };
        let (after, _) = self.commit_order(&mut Request::system(), &order, vec![event], None, now);
        for (product, command) in saga::duties(&after) {
            told.entry(product).or_default().push(command);
        }
    }

    /// Lapses the lines of a cart that are due, or ends it.
    pub(crate) async fn expire_cart(&self, id: CartId) {
        let partition = self.slots.partition(id.0);
        let owner = || self.turns.partition(partition).books.borrow().carts.get(id).map(|cart| cart.owner);
        let Some(owner) = owner() else { return };
        let _lane = self.cart_lanes.enter(owner.buyer()).await;
        let now = self.turns.clock.stamp();
        let Some(before) = self.cart_of(owner).filter(|(found, _)| *found == id).map(|(_, cart)| cart) else {
            return;
        };
        let events = before.decide_expire(now);
        if events.is_empty() {
            self.cart_deadlines.set(id, None, Some(before.next_deadline()));
            return;
        }
        self.commit_cart(&mut Request::system(), id, &before, events);
        self.give_back(&Context::system(), id, &before, Ending::Expired).await;
    }
}
