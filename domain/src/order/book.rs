//! All orders of one partition, found by id, by owner and by status.
//!
//! A purchase is an order from its first moment, and most orders of a flash sale are purchases that nobody looks at
//! again: they are kept small ([`Bought`]) and become an [`Order`] when something happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::price::{Applied, Price};
use crate::product::{Commitment, Description, VariantDescription};
use crate::{Buyer, Item, Money, OrderId, Owner, ReservationId, Timestamp};

use super::owners::OwnerIndex;
use super::{Event, Order, OrderLine, Placed, Source, Status};

/// A purchase, as small as it can be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bought {
    /// Who bought.
    pub owner: Owner,
    /// What.
    pub item: Item,
    /// For one unit.
    pub unit_price: Money,
    /// How rules made it of the base price.
    pub rules: Applied,
    /// The product as it was, and the currency of the price.
    pub description: Arc<Description>,
    /// The variant as it was.
    pub variant: Arc<VariantDescription>,
    /// When.
    pub at: Timestamp,
    /// See [`Order::mark`].
    pub mark: u64,
}

/// All orders of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Boxed: an order is large, and the tree's nodes hold eleven.
    orders: BTreeMap<OrderId, Box<Order>>,
    bought: BTreeMap<OrderId, Box<Bought>>,
    by_owner: OwnerIndex,
    /// Of `orders` only: what is bought is confirmed.
    by_status: BTreeSet<(Status, OrderId)>,
}

impl Bought {
    /// What its product has of it as long as nothing happens to it.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment { buyer: self.owner.buyer(), lines: vec![self.item.line()] }
    }

    /// Whether a product's commitment is what [`Bought::commitment`] says.
    #[must_use]
    pub fn implies(&self, commitment: &Commitment) -> bool {
        commitment.buyer == self.owner.buyer() && commitment.lines == [self.item.line()]
    }

    /// The order that it is.
    #[must_use]
    pub fn to_order(&self, id: OrderId) -> Order {
        let quantity = self.item.quantity;
        let mut price = Price::as_applied(&self.description, &self.variant, quantity, &self.rules);
        if price.unit != self.unit_price {
            price.base_unit = self.unit_price;
            price.breakdown.clear();
        }
        let (subtotal, total) = (price.subtotal(quantity), self.unit_price.times(quantity));
        let line = OrderLine {
            item: self.item,
            sku: self.variant.sku.clone(),
            name: self.description.name.clone(),
            unit_price: self.unit_price,
            total,
            breakdown: price.breakdown,
        };
        let placed = Placed {
            owner: self.owner,
            source: Source::Purchase,
            hold: ReservationId(id.0),
            lines: vec![line],
            currency: self.description.currency,
            subtotal,
            discount: Money(subtotal.0 - total.0),
            total,
            email: None,
            shipping_address: None,
            deadline: None,
            taken_over: Vec::new(),
        };
        Order::new(id, Arc::new(placed), self.at, self.mark)
    }
}

impl Orders {
    /// Puts back an order, as a checkpoint keeps it.
    pub fn restore(&mut self, order: Order) {
        self.by_owner.insert(order.placed.owner.buyer(), order.id);
        self.by_status.insert((order.standing.status, order.id));
        self.orders.insert(order.id, Box::new(order));
    }

    /// Puts back a purchase that nothing happened to since.
    pub fn restore_bought(&mut self, id: OrderId, bought: Bought) {
        self.by_owner.insert(bought.owner.buyer(), id);
        self.bought.insert(id, Box::new(bought));
    }

    /// The purchase of that id, unless something happened to it since.
    #[must_use]
    pub fn bought(&self, id: OrderId) -> Option<&Bought> {
        self.bought.get(&id).map(|bought| &**bought)
    }

    /// The order of that id, unless it is a purchase that nothing happened to since.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id).map(|order| &**order)
    }

    /// All purchases that nothing happened to since, oldest first.
    pub fn purchases(&self) -> impl Iterator<Item = (OrderId, &Bought)> {
        self.bought.iter().map(|(id, bought)| (*id, &**bought))
    }

    /// The same, to let them share what they say of their products.
    pub fn purchases_mut(&mut self) -> impl Iterator<Item = (OrderId, &mut Bought)> {
        self.bought.iter_mut().map(|(id, bought)| (*id, &mut **bought))
    }

    /// The order of that id.
    #[must_use]
    pub fn get(&self, id: OrderId) -> Option<Order> {
        match self.orders.get(&id) {
            Some(order) => Some((**order).clone()),
            None => self.bought.get(&id).map(|bought| bought.to_order(id)),
        }
    }

    /// Whether mails about an order have an address; see [`Placed::has_address`]. A purchase has none of its own.
    #[must_use]
    pub fn has_address(&self, id: OrderId) -> bool {
        match self.orders.get(&id) {
            Some(order) => order.placed.has_address(),
            None => self.bought.get(&id).is_some_and(|bought| bought.owner.account().is_some()),
        }
    }

    /// Takes a purchase into the books.
    ///
    /// # Panics
    ///
    /// When the id was given before.
    pub fn apply_bought(&mut self, id: OrderId, bought: Bought) {
        self.by_owner.insert(bought.owner.buyer(), id);
        let before = self.bought.insert(id, Box::new(bought));
        assert!(before.is_none() && !self.orders.contains_key(&id), "an order is placed once");
    }

    /// Takes a new order into the books.
    ///
    /// # Panics
    ///
    /// When the id was given before.
    pub fn apply_placed(&mut self, id: OrderId, placed: &Arc<Placed>, at: Timestamp, mark: u64) {
        let order = Order::new(id, Arc::clone(placed), at, mark);
        self.by_owner.insert(placed.owner.buyer(), id);
        self.by_status.insert((order.standing.status, id));
        let before = self.orders.insert(id, Box::new(order));
        assert!(before.is_none() && !self.bought.contains_key(&id), "an order is placed once");
    }

    /// Takes what happened to an order into the books; returns the order as it is then.
    ///
    /// # Panics
    ///
    /// When there is no such order.
    pub fn apply(&mut self, id: OrderId, event: &Event, at: Timestamp, mark: u64) -> &Order {
        if let Some(bought) = self.bought.remove(&id) {
            let order = bought.to_order(id);
            self.by_status.insert((order.standing.status, id));
            self.orders.insert(id, Box::new(order));
        }
        let order = self.orders.get_mut(&id).expect("only what was placed changes");
        let before = order.standing.status;
        order.apply(event, at);
        order.mark = mark;
        if order.standing.status != before {
            self.by_status.remove(&(before, id));
            self.by_status.insert((order.standing.status, id));
        }
        order
    }

    /// All orders but the purchases that nothing happened to since, oldest first.
    pub fn placed(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().map(|order| &**order)
    }

    /// The ids of orders before `before`, newest first: of `owner`, in `status`, or all.
    #[must_use]
    pub fn ids_before(
        &self,
        owner: Option<Buyer>,
        status: Option<Status>,
        before: OrderId,
        count_max: usize,
    ) -> Vec<OrderId> {
        match (owner, status) {
            (Some(owner), _) => {
                let is_wanted = |id| status.is_none_or(|status| self.status(id) == Some(status));
                self.by_owner.before(owner, before, count_max, is_wanted)
            }
            (None, Some(status)) => {
                let placed = self.by_status.range((status, OrderId(0))..(status, before)).rev();
                let mut ids: Vec<_> = placed.map(|(_, id)| *id).take(count_max).collect();
                if status == Status::Confirmed {
                    ids.extend(self.bought.range(..before).rev().map(|(id, _)| *id).take(count_max));
                }
                newest(ids, count_max)
            }
            (None, None) => {
                let mut ids: Vec<_> =
                    self.orders.range(..before).rev().map(|(id, _)| *id).take(count_max).collect();
                ids.extend(self.bought.range(..before).rev().map(|(id, _)| *id).take(count_max));
                newest(ids, count_max)
            }
        }
    }

    /// How many orders there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders.len() + self.bought.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is an order of that id.
    #[must_use]
    pub fn is_known(&self, id: OrderId) -> bool {
        self.status(id).is_some()
    }

    fn status(&self, id: OrderId) -> Option<Status> {
        match self.orders.get(&id) {
            Some(order) => Some(order.standing.status),
            None => self.bought.contains_key(&id).then_some(Status::Confirmed),
        }
    }
}

pub(super) fn newest(mut ids: Vec<OrderId>, count_max: usize) -> Vec<OrderId> {
    ids.sort_unstable_by(|first, second| second.cmp(first));
    ids.truncate(count_max);
    ids
}
