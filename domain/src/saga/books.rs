//! Everybody who owns units, in one partition: reservations, orders and carts. One record may speak of two of them,
//! and this is the place that knows.

use std::sync::Arc;

use crate::order::{self, Bought, Orders, Placed, Source};
use crate::reservation::{self, Reservations};
use crate::{CartId, Order, OrderId, ReservationId, Timestamp, cart, cart::Carts};

/// All owners of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Books {
    /// Bare reservations.
    pub reservations: Reservations,
    /// Orders, purchases included.
    pub orders: Orders,
    /// Carts.
    pub carts: Carts,
}

impl Books {
    /// Takes what happened to a reservation into the books. Confirmed, it is an order.
    pub fn apply_reservation(
        &mut self,
        id: ReservationId,
        event: &reservation::Event,
        at: Timestamp,
        mark: u64,
    ) {
        self.reservations.apply(id, event, at);
        if let reservation::Event::Confirmed { order, placed } = event {
            self.orders.apply_placed(*order, placed, at, mark);
        }
    }

    /// Takes a new order into the books. What it took from a cart is not the cart's any more.
    pub fn apply_placed(&mut self, id: OrderId, placed: &Arc<Placed>, at: Timestamp, mark: u64) {
        self.orders.apply_placed(id, placed, at, mark);
        if let Source::Cart(cart) = placed.source {
            self.carts.apply_ordered(cart, at);
        }
        if !placed.taken_over.is_empty() {
            self.carts.apply_taken_over(placed.owner, &placed.taken_over);
        }
    }

    /// Takes a purchase into the books.
    pub fn apply_bought(&mut self, id: OrderId, bought: Bought) {
        self.orders.apply_bought(id, bought);
    }

    /// Takes what happened to an order into the books; returns the order as it is then. A declined payment gives a
    /// cart its lines back.
    pub fn apply_order(&mut self, id: OrderId, event: &order::Event, at: Timestamp, mark: u64) -> Order {
        let order = self.orders.apply(id, event, at, mark).clone();
        if let Some((cart, items)) = cart::returned_by(&order, event) {
            self.carts.apply_returned(cart, &items, at);
        }
        order
    }

    /// Takes what happened to a cart into the books.
    pub fn apply_cart(&mut self, id: CartId, event: &cart::Event, at: Timestamp) {
        self.carts.apply(id, event, at);
    }
}
