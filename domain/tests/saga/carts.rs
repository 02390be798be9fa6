//! What a supervisor does with carts: one line at a time, and two carts that become one.

use std::collections::BTreeSet;

use holdfast_domain::cart::Event;
use holdfast_domain::hold::Ending;
use holdfast_domain::product::{Command, Line, Refusal, Rehold, ReserveOn, VariantNo};
use holdfast_domain::{Cart, CartId, Item, Millis, Owner, ProductId, Quantity, ReservationId};

use super::flows::Wished;
use super::world::{Fact, Run, World};
use holdfast_domain::saga;

/// How long a cart holds units.
pub(crate) const CART_TTL: Millis = Millis::from_secs(15 * 60);

const TTL: &dyn Fn(ProductId) -> Millis = &|_| CART_TTL;

impl World {
    /// Sets a line of the owner's cart; its units are held, unless the product is held at checkout only.
    pub(crate) fn set_line(&mut self, owner: Owner, item: Item) -> Wished {
        let (id, before) = self.cart_or_new(owner);
        let name = before.hold.unwrap_or_else(|| ReservationId(self.id()));
        let held = self.is_held_in_carts(item.product).then_some(name);
        let events = before.decide_set(item, held, TTL, self.now);
        let mut after = before.clone();
        events.iter().for_each(|event| after.apply(event, self.now));

        let (had, wanted) = (before.held_of(item.product), after.held_of(item.product));
        if is_more(&had, &wanted) {
            let rehold = rehold(&after, wanted, Ending::Released);
            if let Err(refusal) = self.tell(item.product, &rehold)? {
                let lines: Vec<_> = after.held_of(item.product).into_iter().map(|line| (0, line)).collect();
                let mut lines = saga::explain(item.product, &lines, &refusal);
                lines.retain(|line| line.variant == item.variant);
                return Ok(Err(saga::Refusal::Lines(lines)));
            }
        }
        self.record_cart(id, &before, events)?;
        self.give_back(id, &before, Ending::Released).map(Ok)
    }

    /// Takes a line out.
    pub(crate) fn remove_line(&mut self, owner: Owner, product: ProductId, variant: VariantNo) -> Run<()> {
        let (id, before) = self.cart_or_new(owner);
        if before.line(product, variant).is_none() {
            return Ok(());
        }
        let events = before.decide_remove(product, variant, TTL, self.now);
        self.record_cart(id, &before, events)?;
        self.give_back(id, &before, Ending::Released)
    }

    /// Takes all lines out.
    pub(crate) fn empty_cart(&mut self, owner: Owner) -> Run<()> {
        let (id, before) = self.cart_or_new(owner);
        if before.lines.is_empty() {
            return Ok(());
        }
        self.record_cart(id, &before, vec![Event::Emptied])?;
        self.give_back(id, &before, Ending::Released)
    }

    /// Lets lines lapse and carts end that are due.
    pub(crate) fn expire_carts(&mut self) -> Run<()> {
        let carts = self.books.iter().flat_map(|books| books.carts.iter());
        let due = carts.map(|(id, cart)| (id, cart.clone(), cart.decide_expire(self.now)));
        let due: Vec<_> = due.filter(|(_, _, events)| !events.is_empty()).collect();
        for (id, before, events) in due {
            self.record_cart(id, &before, events)?;
            self.give_back(id, &before, Ending::Expired)?;
        }
        Ok(())
    }

    /// A guest logs in: the lines of their cart, and the units held for them, move into the customer's.
    pub(crate) fn merge(&mut self, guest: Owner, customer: Owner) -> Run<()> {
        let Some((from, from_cart)) = self.cart_of(guest) else { return Ok(()) };
        let (to, before) = self.cart_or_new(customer);
        let name = before.hold.unwrap_or_else(|| ReservationId(self.id()));
        let (mut after, mut events) = (before.clone(), Vec::new());
        for line in &from_cart.lines {
            let item = summed(&before, line.item);
            let held = self.is_held_in_carts(item.product).then_some(name);
            for event in after.decide_set(item, held, TTL, self.now) {
                after.apply(&event, self.now);
                events.push(event);
            }
        }
        let products: BTreeSet<_> = from_cart.lines.iter().map(|line| line.item.product).collect();
        for product in products {
            if let Some(event) = self.move_units(&from_cart, &after, product)? {
                after.apply(&event, self.now);
                events.push(event);
            }
        }
        events.push(Event::Absorbed { from });
        self.record_cart(to, &before, events)?;
        self.record(guest, [Fact::Cart(from, Event::Closed { to: Some(to) })])?;
        // Only now: what came to nothing is given back after it is written down.
        self.give_back(from, &from_cart, Ending::Released)?;
        self.give_back(to, &before, Ending::Released)
    }

    /// Moves a guest's units of one product under the customer's name. Where that is refused, the lines of the product
    /// lapse, and nothing has moved.
    fn move_units(&mut self, guest: &Cart, after: &Cart, product: ProductId) -> Run<Option<Event>> {
        let wanted = after.held_of(product);
        if wanted.is_empty() {
            return Ok(None);
        }
        let Command::Rehold(mut rehold) = rehold(after, wanted, Ending::Released) else {
            unreachable!("made so")
        };
        rehold.from = guest.hold.unwrap_or(rehold.to);
        if self.tell(product, &Command::Rehold(rehold))?.is_ok() {
            return Ok(None);
        }
        let lapsed = after.lines.iter().filter(|line| line.is_held() && line.item.product == product);
        let lines = lapsed.map(|line| (product, line.item.variant)).collect();
        Ok(Some(Event::Lapsed { lines }))
    }

    /// Gives back what products hold for the cart and it does not claim any more.
    fn give_back(&mut self, id: CartId, before: &Cart, ending: Ending) -> Run<()> {
        let Some(name) = before.hold else { return Ok(()) };
        let after = self.books.iter().find_map(|books| books.carts.get(id)).cloned();
        let mut duties = Vec::new();
        for (product, held) in before.held() {
            let wanted = after.as_ref().map(|cart| cart.held_of(product)).unwrap_or_default();
            if wanted.is_empty() {
                duties.push((product, Command::Release { reservation: name, ending }));
            } else if is_more(&wanted, &held) {
                let cart = after.as_ref().expect("it holds something");
                duties.push((product, rehold(cart, wanted, ending)));
            }
        }
        self.settle(duties)
    }

    fn record_cart(&mut self, id: CartId, before: &Cart, events: Vec<Event>) -> Run<()> {
        let is_open = self.home_books(before.owner).carts.get(id).is_some();
        let opened = (!is_open).then_some(Event::Opened { owner: before.owner });
        let facts = opened.into_iter().chain(events).map(|event| Fact::Cart(id, event));
        self.record(before.owner, facts.collect::<Vec<_>>())
    }

    pub(crate) fn cart_of(&self, owner: Owner) -> Option<(CartId, Cart)> {
        self.home_books(owner).carts.of(owner).map(|(id, cart)| (id, cart.clone()))
    }

    fn cart_or_new(&mut self, owner: Owner) -> (CartId, Cart) {
        let found = self.cart_of(owner);
        found.unwrap_or_else(|| (CartId(self.id()), Cart::unopened(owner)))
    }

    fn is_held_in_carts(&self, product: ProductId) -> bool {
        self.products.get(&product).is_some_and(|it| it.description().reserve_on == ReserveOn::Cart)
    }

    /// How many units of a variant are free.
    pub(crate) fn available(&self, product: ProductId, variant: VariantNo) -> u32 {
        let variant = self.products.get(&product).and_then(|product| product.variant(variant));
        variant.expect("it exists").levels.available.0
    }

    /// Tells a product something that nobody owns: a delivery, a loss, another description.
    pub(crate) fn administer(&mut self, product: ProductId, command: &Command) -> Result<(), Refusal> {
        self.turn(product, command)
    }
}

fn rehold(cart: &Cart, lines: Vec<Line>, ending: Ending) -> Command {
    let name = cart.hold.expect("a cart that holds units has a name for them");
    Command::Rehold(Box::new(Rehold {
        from: name,
        to: name,
        buyer: cart.owner.buyer(),
        lines,
        deadline: cart.next_deadline(),
        ending,
        is_owed: false,
    }))
}

/// A guest's line, and what the customer's cart has of it already.
fn summed(cart: &Cart, item: Item) -> Item {
    let there = cart.line(item.product, item.variant).map_or(0, |line| line.item.quantity.get());
    let sum = Quantity::new(there + item.quantity.get());
    Item { quantity: sum.expect("tests have small carts"), ..item }
}

/// Whether `wanted` has more of any variant than `held`.
fn is_more(held: &[Line], wanted: &[Line]) -> bool {
    let units =
        |variant| held.iter().find(|line| line.variant == variant).map_or(0, |line| line.quantity.get());
    wanted.iter().any(|line| line.quantity.get() > units(line.variant))
}
