//! Reserving and selling in one turn.

use crate::price::Occasion;
use crate::{Buyer, OrderId};

use super::{Event, Line, Product, Refusal};

impl Product {
    pub(super) fn decide_purchase(
        &self,
        order: OrderId,
        buyer: Buyer,
        line: Line,
        occasion: Option<&Occasion<'_>>,
    ) -> Result<Vec<Event>, Refusal> {
        if let Some(commitment) = self.orders.get(&order) {
            // A yes to anything but the same again would leave an order without its units (INV-10).
            let is_same = commitment.buyer == buyer && commitment.lines == [line];
            return if is_same { Ok(Vec::new()) } else { Err(Refusal::InvalidState) };
        }
        self.check_sellable()?;
        self.check_stock(&[line])?;
        self.check_limits(buyer, &[line], 0)?;
        let variant = &*self.variants[line.variant.index()].description;
        let (unit_price, rules) = match occasion {
            None => (self.description.price.adjusted(variant.price_adjustment), None),
            Some(occasion) => {
                let price = occasion.price(&self.description, variant, line.quantity);
                (price.unit, price.applied())
            }
        };
        let currency = self.description.currency;
        Ok(vec![Event::Purchased { order, buyer, line, unit_price, currency, rules }])
    }
}
