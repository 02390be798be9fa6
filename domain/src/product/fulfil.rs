//! Shipping the committed units of an order.

use crate::OrderId;

use super::{Event, Product, Refusal};

impl Product {
    pub(super) fn decide_fulfil(&self, order: OrderId) -> Result<Vec<Event>, Refusal> {
        let commitment = self.orders.get(&order).ok_or(Refusal::UnknownOrder)?;
        Ok(vec![Event::Fulfilled { order, lines: commitment.lines.clone() }])
    }
}
