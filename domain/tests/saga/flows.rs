//! What a supervisor does with reservations and orders: units are taken before its record, and given back after it.

use holdfast_domain::hold::{Ending, Hold, Verdict};
use holdfast_domain::order::{self, By, Charge, Next, Source, Through};
use holdfast_domain::product::{Command, Line};
use holdfast_domain::reservation;
use holdfast_domain::saga::{self, Step, Taking, Why};
use holdfast_domain::{Cart, CartId, Item, Millis, Order, OrderId, Owner, ProductId, ReservationId};

use super::goods::placed;
use super::world::{Fact, Run, World};

/// How long a bare reservation lasts.
pub(crate) const RESERVATION_TTL: Millis = Millis::from_secs(10 * 60);
/// How long an order waits for its money.
pub(crate) const ORDER_TTL: Millis = Millis::from_secs(5 * 60);

/// What comes of a wish.
pub(crate) type Wished = Run<Result<(), saga::Refusal>>;

/// What products are told after an owner's record.
pub(crate) type Duties = Vec<(ProductId, Command)>;

/// What an order is of.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Of these.
    Lines(Vec<Item>),
    /// The same, and paid for: a purchase of units that the own cart holds.
    Settled(Vec<Item>),
    /// Of what is in the cart.
    Cart,
}

impl World {
    /// Takes units of several products, all or none, for an owner who says nothing.
    pub(crate) fn hold(&mut self, taking: Taking) -> Wished {
        match self.take(taking)? {
            Ok(rest) => self.settle(rest).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Takes units of several products, all or none; tells what is to be given back once the owner has said so.
    pub(crate) fn take(&mut self, mut taking: Taking) -> Run<Result<Duties, saga::Refusal>> {
        loop {
            match taking.next() {
                Step::Tell(product, command) => taking.note(self.tell(product, &command)?),
                Step::Held => return Ok(Ok(taking.rest())),
                Step::Refused(refusal) => return Ok(Err(refusal)),
            }
        }
    }

    pub(crate) fn reserve(&mut self, id: ReservationId, owner: Owner, items: &[Item]) -> Wished {
        let deadline = self.now.after(RESERVATION_TTL);
        Hold::check_deadline(deadline, self.now).expect("a few minutes");
        let taking = Taking::new(id, owner.buyer(), deadline, items, |_| None);
        if let Err(refusal) = self.hold(taking)? {
            return Ok(Err(refusal));
        }
        let (reference, metadata) = (None, None);
        let event =
            reservation::Event::Reserved { owner, items: items.to_vec(), deadline, reference, metadata };
        self.record(owner, [Fact::Reservation(id, event)]).map(Ok)
    }

    pub(crate) fn extend(&mut self, owner: Owner, id: ReservationId, span: Millis) -> Wished {
        let Some(it) = self.home_books(owner).reservations.get(id).cloned() else {
            return Ok(Err(saga::Refusal::NotFound));
        };
        let deadline = self.now.after(span);
        let event = match it.decide_extend(deadline, self.now) {
            Ok(event) => event,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        self.record(owner, [Fact::Reservation(id, event)])?;
        let command = Command::Extend { reservation: id, deadline };
        self.settle(saga::to_each_product(&it.items, &command)).map(Ok)
    }

    pub(crate) fn release(&mut self, owner: Owner, id: ReservationId) -> Wished {
        let Some(it) = self.home_books(owner).reservations.get(id).cloned() else {
            return Ok(Err(saga::Refusal::NotFound));
        };
        match it.decide_release(self.now) {
            Ok(Verdict::Already) => Ok(Ok(())),
            Ok(Verdict::Go(event)) => self.end(owner, id, event).map(Ok),
            Err(refusal) => Ok(Err(refusal.into())),
        }
    }

    /// A reservation is over: first the record, then its units come back.
    fn end(&mut self, owner: Owner, id: ReservationId, event: reservation::Event) -> Run<()> {
        let is_expired = event == reservation::Event::Expired;
        let ending = if is_expired { Ending::Expired } else { Ending::Released };
        let items = self.home_books(owner).reservations.get(id).expect("it ends").items.clone();
        self.record(owner, [Fact::Reservation(id, event)])?;
        self.settle(saga::to_each_product(&items, &Command::Release { reservation: id, ending }))
    }

    pub(crate) fn confirm(&mut self, owner: Owner, id: ReservationId) -> Wished {
        let Some(it) = self.home_books(owner).reservations.get(id).cloned() else {
            return Ok(Err(saga::Refusal::NotFound));
        };
        match it.hold.decide_confirm(self.now) {
            Ok(Verdict::Already) => return Ok(Ok(())),
            Ok(Verdict::Go(())) => {}
            Err(refusal) => return Ok(Err(refusal.into())),
        }
        let order = OrderId(self.id());
        let placed = placed(owner, Source::Reservation(id), id, &it.items, None, Vec::new());
        let event = reservation::Event::Confirmed { order, placed };
        self.record(owner, [Fact::Reservation(id, event)])?;
        self.settle(saga::duties(&self.order(order))).map(Ok)
    }

    /// Ends every reservation and every order that is due.
    pub(crate) fn expire(&mut self) -> Run<()> {
        let now = self.now;
        let mut due = Vec::new();
        for books in &self.books {
            let expired = books.reservations.iter().map(|(id, it)| (id, it.owner, it.decide_expire(now)));
            due.extend(expired.filter_map(|(id, owner, event)| event.map(|event| (id, owner, event))));
        }
        for (id, owner, event) in due {
            self.end(owner, id, event)?;
        }
        let due: Vec<Order> = self.orders().filter(|order| order.decide_expire(now).is_some()).collect();
        for order in due {
            self.change(&order, order::Event::Expired)?;
        }
        Ok(())
    }

    /// Something happens to an order, and its products are told what follows.
    pub(crate) fn change(&mut self, order: &Order, event: order::Event) -> Run<()> {
        self.record(order.placed.owner, [Fact::Order(order.id, event)])?;
        self.settle(saga::duties(&self.order(order.id)))
    }

    /// Places an order.
    pub(crate) fn place(&mut self, id: OrderId, owner: Owner, wanted: &Wanted) -> Wished {
        let cart = self.home_books(owner).carts.of(owner).map(|(id, cart)| (id, cart.clone()));
        let (items, source, hold) = match (wanted, &cart) {
            (Wanted::Lines(items) | Wanted::Settled(items), _) => {
                (items.clone(), Source::Lines, ReservationId(id.0))
            }
            (Wanted::Cart, None) => return Ok(Err(saga::Refusal::CartEmpty)),
            (Wanted::Cart, Some((cart_id, cart))) => from_cart(*cart_id, cart, id),
        };
        if items.is_empty() {
            return Ok(Err(saga::Refusal::CartEmpty));
        }
        let cart = cart.map(|(_, cart)| cart);
        let taken = match wanted {
            Wanted::Cart => self
                .take_with(owner, hold, &items, &|product| in_cart(cart.as_ref(), product))?
                .map(|rest| (Vec::new(), rest)),
            _ => self.take_over(owner, hold, &items, cart.as_ref())?,
        };
        let (taken_over, rest) = match taken {
            Ok(taken) => taken,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deadline = (!matches!(wanted, Wanted::Settled(_))).then_some(self.now.after(ORDER_TTL));
        let placed = placed(owner, source, hold, &items, deadline, taken_over);
        self.record(owner, [Fact::Placed(id, placed)])?;
        self.settle(rest)?;
        self.settle(saga::duties(&self.order(id))).map(Ok)
    }

    /// Lines of their own take a cart's units only where there are no others. Tells of which products.
    fn take_over(
        &mut self,
        owner: Owner,
        hold: ReservationId,
        items: &[Item],
        cart: Option<&Cart>,
    ) -> Run<Result<(Vec<ProductId>, Duties), saga::Refusal>> {
        let refusal = match self.take_with(owner, hold, items, &|_| None)? {
            Ok(rest) => return Ok(Ok((Vec::new(), rest))),
            Err(refusal) => refusal,
        };
        let taken_over = in_the_way(&refusal, &|product| in_cart(cart, product));
        if taken_over.is_empty() {
            return Ok(Err(refusal));
        }
        let is_own = |product| taken_over.contains(&product).then(|| in_cart(cart, product)).flatten();
        let taken = self.take_with(owner, hold, items, &is_own)?;
        Ok(taken.map(|rest| (taken_over, rest)))
    }

    fn take_with(
        &mut self,
        owner: Owner,
        hold: ReservationId,
        items: &[Item],
        before: &dyn Fn(ProductId) -> Option<(ReservationId, Vec<Line>)>,
    ) -> Run<Result<Duties, saga::Refusal>> {
        let deadline = self.now.after(ORDER_TTL);
        self.take(Taking::new(hold, owner.buyer(), deadline, items, before))
    }

    /// The gateway was asked, and says yes or no.
    pub(crate) fn pay(&mut self, id: OrderId, is_approved: bool) -> Run<Result<(), order::Refusal>> {
        let order = self.order(id);
        match order.decide_charge(self.now) {
            Ok(Charge::Open) => {}
            Ok(Charge::Paid) => return Ok(Ok(())),
            Err(refusal) => return Ok(Err(refusal)),
        }
        if is_approved {
            return self.money_came(id, Through::Gateway);
        }
        match order.decide_decline() {
            Some(event) => self.change(&order, event).map(Ok),
            None => Ok(Ok(())),
        }
    }

    /// Money came, in time or late.
    pub(crate) fn money_came(&mut self, id: OrderId, through: Through) -> Run<Result<(), order::Refusal>> {
        let order = self.order(id);
        match order.decide_confirm(None, through, self.now) {
            Ok(Next::Already) => Ok(Ok(())),
            Ok(Next::Go(event)) => self.change(&order, event).map(Ok),
            Ok(Next::TakeAgain) => self.take_again(id, through).map(Ok),
            Err(order::Refusal::RefundRequired { is_known: false }) => {
                let event = order::Event::RefundRequired { reference: None, through };
                self.record(order.placed.owner, [Fact::Order(id, event)]).map(Ok)
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn take_again(&mut self, id: OrderId, through: Through) -> Run<()> {
        let order = self.order(id);
        if let Some(event) = order.decide_expire(self.now) {
            self.change(&order, event)?;
        }
        let (hold, order) = (ReservationId(self.id()), self.order(id));
        let items: Vec<Item> = order.items().copied().collect();
        let (owner, deadline) = (order.placed.owner, self.now.after(ORDER_TTL));
        match self.hold(Taking::new(hold, owner.buyer(), deadline, &items, |_| None))? {
            Ok(()) => self.change(&order, order.confirmed(None, through, hold)),
            Err(_) => {
                let event = order::Event::RefundRequired { reference: None, through };
                self.record(owner, [Fact::Order(id, event)])
            }
        }
    }

    pub(crate) fn cancel(&mut self, id: OrderId, by: By) -> Run<Result<(), order::Refusal>> {
        let order = self.order(id);
        self.carry_out(&order, order.decide_cancel(by, None, self.now))
    }

    pub(crate) fn fulfil(&mut self, id: OrderId) -> Run<Result<(), order::Refusal>> {
        let order = self.order(id);
        self.carry_out(&order, order.decide_fulfil())
    }

    fn carry_out(
        &mut self,
        order: &Order,
        decided: Result<Next, order::Refusal>,
    ) -> Run<Result<(), order::Refusal>> {
        match decided {
            Ok(Next::Go(event)) => self.change(order, event).map(Ok),
            Ok(Next::Already) => Ok(Ok(())),
            Ok(Next::TakeAgain) => unreachable!("only money takes units again"),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    pub(crate) fn order(&self, id: OrderId) -> Order {
        self.books.iter().find_map(|books| books.orders.get(id)).expect("orders stay")
    }
}

/// An order from the cart keeps the name under which its units are held.
fn from_cart(id: CartId, cart: &Cart, order: OrderId) -> (Vec<Item>, Source, ReservationId) {
    let items = cart.lines.iter().map(|line| line.item).collect();
    (items, Source::Cart(id), cart.hold.unwrap_or(ReservationId(order.0)))
}

/// What the cart holds of a product.
fn in_cart(cart: Option<&Cart>, product: ProductId) -> Option<(ReservationId, Vec<Line>)> {
    let lines = cart?.held_of(product);
    if lines.is_empty() { None } else { cart?.hold.map(|name| (name, lines)) }
}

/// Products that are short, or at a limit, while the owner's cart holds some of them.
fn in_the_way(
    refusal: &saga::Refusal,
    in_cart: &dyn Fn(ProductId) -> Option<(ReservationId, Vec<Line>)>,
) -> Vec<ProductId> {
    let saga::Refusal::Lines(lines) = refusal else { return Vec::new() };
    let is_meant = |why| matches!(why, Why::Short { .. } | Why::Limit { .. });
    let mut products: Vec<_> =
        lines.iter().filter(|line| is_meant(line.why)).map(|line| line.product).collect();
    products.sort_unstable();
    products.dedup();
    products.retain(|product| in_cart(*product).is_some());
    products
}
