//! Giving back the committed units of an order.

use crate::OrderId;

use super::{Event, Product};

impl Product {
    /// Nothing where the order has no units: they are back already.
    pub(super) fn decide_cancel(&self, order: OrderId) -> Vec<Event> {
        let canceled = self.orders.get(&order).map(|it| Event::Canceled { order, lines: it.lines.clone() });
        canceled.into_iter().collect()
    }
}
