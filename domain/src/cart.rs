//! A cart: what somebody means to buy, and the units that are held for them meanwhile.
//!
//! Each line has its own hold, so that one line may lapse while others live; products know all of them under one
//! name, the cart's. An order takes that name over, and the cart gets a new one. A lapsed line stays in the cart and
//! is tried again at checkout.

use std::collections::BTreeMap;

use crate::hold::{Hold, State};
use crate::product::{Line, VariantNo};
use crate::{Buyer, CartId, Item, Millis, Owner, ProductId, Quantity, ReservationId, Timestamp};

/// How long a cart lives after its last change.
pub const CART_KEPT: Millis = Millis::from_secs(7 * 24 * 60 * 60);
/// How many lines a cart may have.
pub const LINES_MAX: usize = 100;

/// One cart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cart {
    /// Whose.
    pub owner: Owner,
    /// Under which name products hold its units, once they do.
    pub hold: Option<ReservationId>,
    /// In the order in which they were added.
    pub lines: Vec<CartLine>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its owner last changed it.
    pub updated_at: Timestamp,
    /// Grows with each event, from 1.
    pub version: u32,
}

/// A line of a cart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CartLine {
    /// What, and how many.
    pub item: Item,
    /// Until when its units are held; none where they never were.
    pub hold: Option<Hold>,
}

/// What happened to a cart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody has a cart.
    Opened {
        /// Who.
        owner: Owner,
    },
    /// A line is so now.
    LineSet {
        /// What, and how many.
        item: Item,
        /// Under which name and until when its units are held; none where they are not.
        held: Option<(ReservationId, Timestamp)>,
    },
    /// A line is gone.
    LineRemoved {
        /// Of what.
        product: ProductId,
        /// Of what.
        variant: VariantNo,
    },
    /// Lines are held longer, as their owner is still busy.
    Renewed {
        /// Which, and until when.
        lines: Vec<(ProductId, VariantNo, Timestamp)>,
    },
    /// Lines are not held any more.
    Lapsed {
        /// Which.
        lines: Vec<(ProductId, VariantNo)>,
    },
    /// All lines are gone.
    Emptied,
    /// The lines of another cart of the same person are in this one now.
    Absorbed {
        /// Which.
        from: CartId,
    },
    /// The cart is gone.
    Closed {
        /// The cart that has its lines; none where nobody came for seven days.
        to: Option<CartId>,
    },
}

impl Cart {
    /// The cart of somebody who has none yet.
    #[must_use]
    pub fn unopened(owner: Owner) -> Self {
        Self { version: 0, ..Self::new(owner, Timestamp::default()) }
    }

    fn new(owner: Owner, at: Timestamp) -> Self {
        Self { owner, hold: None, lines: Vec::new(), created_at: at, updated_at: at, version: 1 }
    }

    /// The line of that variant.
    #[must_use]
    pub fn line(&self, product: ProductId, variant: VariantNo) -> Option<&CartLine> {
        self.lines.iter().find(|line| line.item.is_of(product, variant))
    }

    /// What products must hold under the cart's name.
    #[must_use]
    pub fn held(&self) -> BTreeMap<ProductId, Vec<Line>> {
        crate::item::by_product(self.lines.iter().filter(|line| line.is_held()).map(|line| &line.item))
    }

    /// The same of one product.
    #[must_use]
    pub fn held_of(&self, product: ProductId) -> Vec<Line> {
        let is_meant = |line: &&CartLine| line.is_held() && line.item.product == product;
        self.lines.iter().filter(is_meant).map(|line| line.item.line()).collect()
    }

    /// The first moment at which it is gone.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.updated_at.after(CART_KEPT)
    }

    /// When it next wants to be woken: for the line that lapses first, or for its end.
    #[must_use]
    pub fn next_deadline(&self) -> Timestamp {
        let holds = self.lines.iter().filter_map(|line| line.hold.and_then(|hold| hold.next_deadline()));
        holds.min().map_or(self.expires_at(), |first| first.min(self.expires_at()))
    }

    /// What follows when its owner sets a line: its new quantity, held as `held` says, and the renewal of all other
    /// holds, each for the span that `ttl` tells for its product.
    #[must_use]
    pub fn decide_set(
        &self,
        item: Item,
        held: Option<ReservationId>,
        ttl: &dyn Fn(ProductId) -> Millis,
        now: Timestamp,
    ) -> Vec<Event> {
        let alive = self.line(item.product, item.variant).and_then(|line| line.hold);
        let alive = alive.filter(|hold| is_active(hold) && !hold.is_due(now));
        let until = |span| alive.map_or(now.after(span), |hold| hold.renewed(span, now));
        let held = held.map(|name| (name, until(ttl(item.product))));
        let mut events = vec![Event::LineSet { item, held }];
        events.extend(self.decide_renew(|line| !line.item.is_of(item.product, item.variant), ttl, now));
        events
    }

    /// What follows when its owner takes a line out.
    #[must_use]
    pub fn decide_remove(
        &self,
        product: ProductId,
        variant: VariantNo,
        ttl: &dyn Fn(ProductId) -> Millis,
        now: Timestamp,
    ) -> Vec<Event> {
        let mut events = vec![Event::LineRemoved { product, variant }];
        events.extend(self.decide_renew(|line| !line.item.is_of(product, variant), ttl, now));
        events
    }

    /// What follows when a deadline comes: lines lapse, or the cart ends.
    #[must_use]
    pub fn decide_expire(&self, now: Timestamp) -> Vec<Event> {
        if self.expires_at() <= now {
            return vec![Event::Closed { to: None }];
        }
        let is_due = |line: &&CartLine| line.hold.is_some_and(|hold| hold.is_due(now));
        let lines: Vec<_> = self.lines.iter().filter(is_due).map(CartLine::key).collect();
        if lines.is_empty() { Vec::new() } else { vec![Event::Lapsed { lines }] }
    }

    fn decide_renew(
        &self,
        is_meant: impl Fn(&CartLine) -> bool,
        ttl: &dyn Fn(ProductId) -> Millis,
        now: Timestamp,
    ) -> Option<Event> {
        let renewal = |line: &CartLine| {
            let hold = line.hold.filter(is_active).filter(|hold| !hold.is_due(now))?;
            let deadline = hold.renewed(ttl(line.item.product), now);
            (deadline != hold.deadline).then_some((line.item.product, line.item.variant, deadline))
        };
        let lines: Vec<_> = self.lines.iter().filter(|line| is_meant(line)).filter_map(renewal).collect();
        (!lines.is_empty()).then_some(Event::Renewed { lines })
    }

    /// Takes what happened into the books.
    ///
    /// # Panics
    ///
    /// When the event does not fit the state: we do not run on wrong books.
    pub fn apply(&mut self, event: &Event, at: Timestamp) {
        self.version += 1;
        if !matches!(event, Event::Lapsed { .. }) {
            self.updated_at = at;
        }
        match event {
            Event::Opened { .. } | Event::Closed { .. } => unreachable!("handled by the book"),
            Event::LineSet { item, held } => self.apply_set(*item, *held, at),
            Event::LineRemoved { product, variant } => {
                self.lines.retain(|line| !line.item.is_of(*product, *variant));
            }
            Event::Renewed { lines } => {
                for (product, variant, deadline) in lines {
                    self.hold_mut(*product, *variant).deadline = *deadline;
                }
            }
            Event::Lapsed { lines } => {
                for (product, variant) in lines {
                    self.hold_mut(*product, *variant).close(State::Expired);
                }
            }
            Event::Emptied => self.lines.clear(),
            Event::Absorbed { .. } => {}
        }
    }

    fn apply_set(&mut self, item: Item, held: Option<(ReservationId, Timestamp)>, at: Timestamp) {
        if let Some((name, _)) = held {
            self.hold = Some(name);
        }
        let Some(line) = self.lines.iter_mut().find(|line| line.item.is_of(item.product, item.variant))
        else {
            let hold = held.map(|(_, deadline)| Hold::new(deadline, at));
            self.lines.push(CartLine { item, hold });
            return;
        };
        line.item = item;
        match (line.hold.as_mut().filter(|hold| is_active(hold) && !hold.is_due(at)), held) {
            (Some(hold), Some((_, deadline))) => hold.deadline = deadline,
            (_, held) => line.hold = held.map(|(_, deadline)| Hold::new(deadline, at)),
        }
    }

    fn hold_mut(&mut self, product: ProductId, variant: VariantNo) -> &mut Hold {
        let line = self.lines.iter_mut().find(|line| line.item.is_of(product, variant));
        line.and_then(|line| line.hold.as_mut()).expect("only a line that is held is renewed or lapses")
    }

    /// The order has the lines and the units.
    fn apply_ordered(&mut self, at: Timestamp) {
        self.lines.clear();
        self.hold = None;
        self.updated_at = at;
        self.version += 1;
    }

    /// The order came to nothing: its lines are back, without units. What was added meanwhile adds up.
    fn apply_returned(&mut self, items: &[Item], at: Timestamp) {
        for item in items {
            let is_full = self.lines.len() == LINES_MAX;
            match self.lines.iter_mut().find(|line| line.item.is_of(item.product, item.variant)) {
                // A line that is held is left as it is: the units of the sum are not all there.
                Some(line) if line.is_held() => {}
                Some(line) => {
                    let sum = line.item.quantity.get().saturating_add(item.quantity.get());
                    line.item.quantity = Quantity::new(sum).unwrap_or(line.item.quantity);
                }
                None if is_full => {}
                None => self.lines.push(CartLine { item: *item, hold: None }),
            }
        }
        self.updated_at = at;
        self.version += 1;
    }

    /// The order took the held units of `products` for lines of its own.
    fn apply_taken_over(&mut self, products: &[ProductId]) {
        for line in self.lines.iter_mut().filter(|line| products.contains(&line.item.product)) {
            if line.is_held() {
                line.hold.as_mut().expect("a held line has a hold").close(State::Expired);
            }
        }
        self.version += 1;
    }
}

impl CartLine {
    /// Whether products hold its units.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(is_active)
    }

    const fn key(&self) -> (ProductId, VariantNo) {
        (self.item.product, self.item.variant)
    }
}

fn is_active(hold: &Hold) -> bool {
    hold.state == State::Active
}

/// All carts of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Carts {
    by_id: BTreeMap<CartId, Cart>,
    by_owner: BTreeMap<Buyer, CartId>,
}

impl Carts {
    /// The cart of that id.
    #[must_use]
    pub fn get(&self, id: CartId) -> Option<&Cart> {
        self.by_id.get(&id)
    }

    /// The cart of that owner.
    #[must_use]
    pub fn of(&self, owner: Owner) -> Option<(CartId, &Cart)> {
        let id = self.by_owner.get(&owner.buyer())?;
        self.by_id.get(id).map(|cart| (*id, cart))
    }

    /// All carts, by id.
    pub fn iter(&self) -> impl Iterator<Item = (CartId, &Cart)> {
        self.by_id.iter().map(|(id, cart)| (*id, cart))
    }

    /// Puts back a cart, as a checkpoint keeps it.
    pub fn restore(&mut self, id: CartId, cart: Cart) {
        self.by_owner.insert(cart.owner.buyer(), id);
        self.by_id.insert(id, cart);
    }

    /// Takes what happened into the books.
    ///
    /// # Panics
    ///
    /// When the event does not fit the state: we do not run on wrong books.
    pub fn apply(&mut self, id: CartId, event: &Event, at: Timestamp) {
        match event {
            Event::Opened { owner } => {
                let before = self.by_id.insert(id, Cart::new(*owner, at));
                assert!(before.is_none(), "a cart is opened once");
                let other = self.by_owner.insert(owner.buyer(), id);
                assert!(other.is_none(), "one cart for each customer or session");
            }
            Event::Closed { .. } => {
                let cart = self.by_id.remove(&id).expect("only what is open closes");
                self.by_owner.remove(&cart.owner.buyer());
            }
            _ => self.by_id.get_mut(&id).expect("only what is open changes").apply(event, at),
        }
    }

    /// An order of the cart's lines was placed: see [`crate::order::Source::Cart`].
    pub fn apply_ordered(&mut self, id: CartId, at: Timestamp) {
        if let Some(cart) = self.by_id.get_mut(&id) {
            cart.apply_ordered(at);
        }
    }

    /// The payment of an order of the cart's lines was declined.
    pub fn apply_returned(&mut self, id: CartId, items: &[Item], at: Timestamp) {
        if let Some(cart) = self.by_id.get_mut(&id) {
            cart.apply_returned(items, at);
        }
    }

    /// An order with lines of its own has the units that the owner's cart held of `products`.
    pub fn apply_taken_over(&mut self, owner: Owner, products: &[ProductId]) {
        let id = self.by_owner.get(&owner.buyer());
        if let Some(cart) = id.and_then(|id| self.by_id.get_mut(id)) {
            cart.apply_taken_over(products);
        }
    }

    /// How many carts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// Which cart lines an order's event gives back: the payment of an order from a cart was declined.
#[must_use]
pub fn returned_by(order: &crate::Order, event: &crate::order::Event) -> Option<(CartId, Vec<Item>)> {
    use crate::order::{Cancelation, Event, Source};

    match (order.placed.source, event) {
        (Source::Cart(cart), Event::Canceled { why: Cancelation::Declined, .. }) => {
            Some((cart, order.items().copied().collect()))
        }
        _ => None,
    }
}
