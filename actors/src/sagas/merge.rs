//! A guest who logs in: their cart's lines, and the units held for them, move into the customer's cart.
//!
//! Two carts, perhaps on two threads. The guest's cart is not changed meanwhile; the customer's takes over the units
//! product by product, in one turn each, and says so in one record, the commit point; what is not claimed then goes
//! back. Then the guest's cart closes. A crash between the two records is found at recovery: the customer's cart
//! remembers whom it absorbed.

use std::collections::BTreeSet;

use holdfast_domain::cart::{Cart, CartLine, Event, LINES_MAX};
use holdfast_domain::hold::Ending;
use holdfast_domain::product::{Command, Line, Rehold, ReserveOn};
use holdfast_domain::{CartId, Item, Owner, ProductId, Quantity, ReservationId, Timestamp};

use super::carts::applied;
use super::{Request, Sagas, only};
use crate::context::Context;

/// A guest's cart, as the customer's side needs it.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) id: CartId,
    /// Under which name its units are held.
    pub(crate) hold: Option<ReservationId>,
    pub(crate) items: Vec<Item>,
}

impl Sagas {
    /// The guest's side.
    pub(crate) async fn merge(&self, guest: Owner, customer: Owner) {
        let _lane = self.cart_lanes.enter(guest.buyer()).await;
        let Some((id, cart)) = self.cart_of(guest) else { return };
        let items = cart.lines.iter().map(|line| line.item).collect();
        let to = self.peers.absorb(customer, Guest { id, hold: cart.hold, items }).await;
        // The units have their new name by now, or are free: there is nothing to give back.
        self.commit_cart(&mut Request::system(), id, &cart, vec![Event::Closed { to: Some(to) }]);
    }

    /// The customer's side.
    pub(crate) async fn absorb(&self, customer: Owner, mut guest: Guest) -> CartId {
        let _lane = self.cart_lanes.enter(customer.buyer()).await;
        // Nobody can buy those any more, and a product that knows one variant no longer would refuse all its lines.
        guest.items.retain(|item| !self.is_gone(item));
        let (id, before) = self.cart_or_new(customer);
        let now = self.turns.clock.stamp();
        let name = before.hold.unwrap_or_else(|| ReservationId((self.ids)()));
        // Asked once: an admin may change that while products are told.
        let reserved_on_cart = |product: &ProductId| {
            self.description(*product).is_some_and(|it| it.reserve_on == ReserveOn::Cart)
        };
        let holding: BTreeSet<_> = guest.products().into_iter().filter(reserved_on_cart).collect();
        let mut refused = BTreeSet::new();
        let wished = self.decide_merge(&before, &guest, name, (&holding, &refused), now);
        let wished = applied(&before, &wished, now);
        for product in guest.products() {
            if !self.take_over(&guest, product, name, &wished).await {
                refused.insert(product);
            }
        }
        let mut events = self.decide_merge(&before, &guest, name, (&holding, &refused), now);
        events.push(Event::Absorbed { from: guest.id });
        self.commit_cart(&mut Request::system(), id, &before, events);
        self.give_back(&Context::system(), id, &before, Ending::Released).await;
        self.trim(&guest, name, customer).await;
        id
    }

    /// What becomes of the customer's cart, where carts hold units of `holding`. Of products that `refused` the sum, the
    /// lines stay that the customer holds, and the guest's are not held; they are tried again at checkout.
    fn decide_merge(
        &self,
        before: &Cart,
        guest: &Guest,
        name: ReservationId,
        (holding, refused): (&BTreeSet<ProductId>, &BTreeSet<ProductId>),
        now: Timestamp,
    ) -> Vec<Event> {
        let mut after = before.clone();
        let mut events = Vec::new();
        for item in merged(before, &guest.items) {
            let is_refused = refused.contains(&item.product);
            let own = before.line(item.product, item.variant);
            if is_refused && own.is_some_and(CartLine::is_held) {
                continue;
            }
            let held = (holding.contains(&item.product) && !is_refused).then_some(name);
            for event in after.decide_set(item, held, &|it| self.ttl(it), now) {
                after.apply(&event, now);
                events.push(event);
            }
        }
        events
    }

    /// Moves the guest's units of one product under the customer's name; says whether the product agreed. Nothing is
    /// given back before the record.
    async fn take_over(&self, guest: &Guest, product: ProductId, name: ReservationId, wished: &Cart) -> bool {
        let wanted: Vec<Line> = wished.held_of(product);
        if wanted.is_empty() {
            return true;
        }
        let from = guest.hold.unwrap_or(name);
        let take = Command::Take(Box::new(rehold_as(wished, from, name, wanted, false)));
        let answers = self.peers.tell(&Context::system(), product, vec![take]).await;
        only(answers).is_ok()
    }

    /// Gives back what products hold for either cart beyond what the customer's claims now.
    async fn trim(&self, guest: &Guest, name: ReservationId, customer: Owner) {
        let cart = self.cart_of(customer).map(|(_, cart)| cart);
        let mut duties = Vec::new();
        for product in guest.products() {
            if let Some(from) = guest.hold {
                let command = Command::Release { reservation: from, ending: Ending::Released };
                duties.push((product, command));
            }
            let cart = cart.as_ref().expect("it was just changed");
            let wanted = cart.held_of(product);
            let command = if wanted.is_empty() {
                Command::Release { reservation: name, ending: Ending::Released }
            } else {
                Command::Rehold(Box::new(rehold_as(cart, name, name, wanted, true)))
            };
            duties.push((product, command));
        }
        self.settle(&Context::system(), duties).await;
    }
}

impl Guest {
    fn products(&self) -> BTreeSet<ProductId> {
        self.items.iter().map(|item| item.product).collect()
    }
}

fn rehold_as(cart: &Cart, from: ReservationId, to: ReservationId, lines: Vec<Line>, is_owed: bool) -> Rehold {
    let (buyer, deadline) = (cart.owner.buyer(), cart.next_deadline());
    Rehold { from, to, buyer, lines, deadline, ending: Ending::Released, is_owed }
}

/// The lines of both carts that the guest's has, quantities added up. What does not fit stays behind.
fn merged(cart: &Cart, items: &[Item]) -> Vec<Item> {
    let mut room = LINES_MAX.saturating_sub(cart.lines.len());
    let mut found = Vec::new();
    for item in items {
        match cart.line(item.product, item.variant) {
            Some(line) => {
                let sum = line.item.quantity.get().saturating_add(item.quantity.get()).min(Quantity::MAX);
                found.push(Item { quantity: Quantity::new(sum).unwrap_or(item.quantity), ..*item });
            }
            None if room > 0 => {
                room -= 1;
                found.push(*item);
            }
            None => {}
        }
    }
    found
}
