//! Shipping the committed units of an order.

use crate::OrderId;

use super::{Event, Product};

impl Product {
    /// Nothing where the order has no units: they were shipped already.
    pub(super) fn decide_fulfil(&self, order: OrderId) -> Vec<Event> {
        let shipped = self.orders.get(&order).map(|it| Event::Fulfilled { order, lines: it.lines.clone() });
        shipped.into_iter().collect()
    }
}
