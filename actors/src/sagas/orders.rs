//! Placing an order, from the owner's cart or from lines.
//!
//! The order lives in its owner's partition, where the cart is: one record makes the order and empties the cart, and
//! the units change hands without ever being anybody else's.

use std::sync::Arc;

use holdfast_domain::hold::Hold;
use holdfast_domain::order::{Placed, Source};
use holdfast_domain::product::Line;
use holdfast_domain::saga::{self, Taking, Why};
use holdfast_domain::{
    Cart, CartId, Item, Millis, Money, Order, OrderId, Owner, ProductId, ReservationId, Timestamp,
};

use super::{Due, Duties, Entry, OwnerReply, Priced, Request, Sagas, check_placed};
use crate::context::{Context, RequestKey};
use crate::gateway::PaymentToken;
use crate::keys::KeyGuard;
use crate::outcome::{Outcome, Purchased};
use crate::record::{Entity, Events, OrderFact};

/// An order to be placed; its skus have been found.
pub(crate) struct Placing {
    pub(crate) owner: Owner,
    /// None: what is in the cart.
    pub(crate) items: Option<Vec<Item>>,
    pub(crate) email: Option<Box<str>>,
    pub(crate) shipping_address: Option<Box<str>>,
    pub(crate) expected_total: Option<Money>,
    pub(crate) ttl: Millis,
    /// Seller and buyer settle the payment between them: the order is confirmed as it is placed.
    pub(crate) is_settled: bool,
    pub(crate) payment: Option<Paying>,
}

/// How the order is paid at once, and the key of that step.
pub(crate) struct Paying {
    pub(crate) token: PaymentToken,
    pub(crate) key: Option<RequestKey>,
}

/// What is ordered, and what is held for it already.
struct Ordered {
    items: Vec<Item>,
    cart: Option<(CartId, Cart)>,
    is_cart: bool,
}

impl Sagas {
    /// Places an order and, where it is paid at once, pays it.
    pub(crate) async fn place(&self, request: Request, placing: Placing) -> OwnerReply {
        let (context, payment) = (request.context.without_key(), placing.payment.as_ref());
        let payment = payment.map(|it| Paying { token: it.token.clone(), key: it.key });
        let placed = self.place_unpaid(request, placing).await;
        let (Ok(Outcome::Order { order, .. }), Some(paying)) = (&placed.answered, payment) else {
            return placed;
        };
        let key = self.claim_step(paying.key).await;
        let paid = self.pay_placed(Request { context, key }, *order, paying.token).await;
        match &paid.answered {
            // Nobody knows whether it is paid: the order waits.
            Err(crate::Refused::Owner(saga::Refusal::PaymentUnknown { .. })) => placed,
            _ => paid,
        }
    }

    async fn place_unpaid(&self, mut request: Request, placing: Placing) -> OwnerReply {
        let _lane = self.cart_lanes.enter(placing.owner.buyer()).await;
        let partition = self.slots.partition(placing.owner.buyer().0);
        let id = OrderId(self.id(partition));
        let (placed, rest) = match self.hold_and_price(&request, &placing, id).await {
            Ok(held) => held,
            Err(refusal) => return self.refuse(&mut request, Entity::Order(id), partition, refusal),
        };
        // Nobody may cancel the order before its products know of it.
        let _lane = self.order_lanes.enter(id).await;
        let (order, reply) = self.commit_placed(&mut request, id, placed);
        self.settle(&request.context, rest).await;
        self.settle(&request.context, saga::duties(&order)).await;
        reply
    }

    /// Everything that may say no, and the units last: what they cost must be what the caller expects. With the order
    /// comes what products are told once it stands.
    async fn hold_and_price(
        &self,
        request: &Request,
        placing: &Placing,
        id: OrderId,
    ) -> Result<(Placed, Duties), saga::Refusal> {
        let now = self.now(request);
        let deadline = now.after(placing.ttl);
        Hold::check_deadline(deadline, now)?;
        let ordered = self.ordered(placing);
        let pricing = self.pricing(placing.owner, now);
        let Priced { lines, currency, subtotal, total } = self.price(&ordered.items, pricing.as_ref())?;
        if placing.expected_total.is_some_and(|expected| expected != total) {
            return Err(saga::Refusal::PriceChanged { total });
        }
        let mut placed = Placed {
            owner: placing.owner,
            source: ordered.source(),
            hold: ordered.hold(id),
            lines,
            currency,
            subtotal,
            discount: Money(subtotal.0 - total.0),
            total,
            email: placing.email.clone(),
            shipping_address: placing.shipping_address.clone(),
            deadline: (!placing.is_settled).then_some(deadline),
            taken_over: Vec::new(),
        };
        check_placed(&mut placed)?;
        let (taken_over, rest) = self.take_ordered(&request.context, &ordered, &placed, deadline).await?;
        placed.taken_over = taken_over;
        Ok((placed, rest))
    }

    fn ordered(&self, placing: &Placing) -> Ordered {
        let partition = self.turns.partition(self.slots.partition(placing.owner.buyer().0));
        let cart = partition.books.borrow().carts.of(placing.owner).map(|(id, cart)| (id, cart.clone()));
        let in_cart = || cart.iter().flat_map(|(_, cart)| cart.lines.iter().map(|line| line.item)).collect();
        let (items, is_cart) = match &placing.items {
            Some(items) => (items.clone(), false),
            None => (in_cart(), true),
        };
        Ordered { items, cart, is_cart }
    }

    /// Takes the units, those first that the owner's cart holds. Lines of their own take a cart's units only where
    /// there are no others: nobody is refused because of their own hold. Returns the products whose cart lines lost
    /// their units that way, and what products are told once the order stands.
    async fn take_ordered(
        &self,
        context: &Context,
        ordered: &Ordered,
        placed: &Placed,
        deadline: Timestamp,
    ) -> Result<(Vec<ProductId>, Duties), saga::Refusal> {
        let taking = |before: &dyn Fn(ProductId) -> Option<(ReservationId, Vec<Line>)>| {
            Taking::new(placed.hold, placed.owner.buyer(), deadline, &ordered.items, before)
        };
        if ordered.is_cart {
            let rest = self.take(context, taking(&|product| ordered.in_cart(product))).await?;
            return Ok((Vec::new(), rest));
        }
        let refusal = match self.take(context, taking(&|_| None)).await {
            Ok(rest) => return Ok((Vec::new(), rest)),
            Err(refusal) => refusal,
        };
        let taken_over = ordered.own_holds_in_the_way(&refusal);
        if taken_over.is_empty() {
            return Err(refusal);
        }
        let is_own = |product| taken_over.contains(&product).then(|| ordered.in_cart(product)).flatten();
        let rest = self.take(context, taking(&is_own)).await?;
        Ok((taken_over, rest))
    }

    /// Journals a new order, takes it into the books and lets the timers follow.
    fn commit_placed(&self, request: &mut Request, id: OrderId, placed: Placed) -> (Order, OwnerReply) {
        let now = self.now(request);
        let partition = self.slots.partition(id.0);
        let placed = Arc::new(placed);
        let answered = Ok(self.answer_placed(id, &placed));
        let entry = Entry {
            partition,
            entity: Entity::Order(id),
            previous: 0,
            events: Events::Order(vec![OrderFact::Placed(Arc::clone(&placed))]),
            now,
            answered: &answered,
        };
        let position = self.push(request, entry);
        let state = self.turns.partition(partition);
        let mut books = state.books.borrow_mut();
        state.touch_placed(&books, id, &placed);
        let cart = books.carts.of(placed.owner).map(|(id, cart)| (id, cart.next_deadline()));
        books.apply_placed(id, &placed, now, position.sequence.0);
        if let Some((cart, before)) = cart {
            self.follow_cart(cart, placed.owner, Some(before), &books.carts);
        }
        let order = books.orders.get(id).expect("it was just placed");
        self.order_deadlines.set(Due::Order(id), None, order.next_deadline());
        let reply = OwnerReply { answered, ..OwnerReply::order(&order, Some(position)) };
        (order, reply)
    }

    /// What is answered to a new order, and kept under its key. A purchase tells what is left for others, which will
    /// be something else later: it is kept whole.
    fn answer_placed(&self, id: OrderId, placed: &Placed) -> Outcome {
        if !placed.is_settled() {
            return Outcome::Order { order: id, version: 1 };
        }
        Outcome::Purchased(Purchased::of_order(id, placed, &self.turns.directory))
    }

    /// Lets the timer know an order that recovery brought back.
    pub(crate) fn follow_order(&self, id: OrderId, deadline: Option<Timestamp>) {
        self.order_deadlines.set(Due::Order(id), None, deadline);
    }

    /// The right to answer the key of a step: none, when somebody answered it before; the step finds that out by the
    /// state that it meets.
    async fn claim_step(&self, key: Option<RequestKey>) -> Option<KeyGuard> {
        use crate::keys::Claim;

        loop {
            match self.keys.claim(key?, self.turns.clock.stamp()) {
                Claim::First(guard) => return Some(guard),
                Claim::Running(first) => drop(first.await),
                Claim::Kept(_) | Claim::Reused => return None,
            }
        }
    }
}

impl Ordered {
    fn source(&self) -> Source {
        match &self.cart {
            Some((id, _)) if self.is_cart => Source::Cart(*id),
            _ => Source::Lines,
        }
    }

    /// An order from the cart keeps the name under which its units are held.
    fn hold(&self, id: OrderId) -> ReservationId {
        let name = self.cart.as_ref().filter(|_| self.is_cart).and_then(|(_, cart)| cart.hold);
        name.unwrap_or(ReservationId(id.0))
    }

    /// What the cart holds of a product.
    fn in_cart(&self, product: ProductId) -> Option<(ReservationId, Vec<Line>)> {
        let (_, cart) = self.cart.as_ref()?;
        let lines = cart.held_of(product);
        if lines.is_empty() { None } else { cart.hold.map(|name| (name, lines)) }
    }

    /// Products that are short, or at a limit, while the owner's cart holds some of them.
    fn own_holds_in_the_way(&self, refusal: &saga::Refusal) -> Vec<ProductId> {
        let saga::Refusal::Lines(lines) = refusal else { return Vec::new() };
        let is_meant = |why| matches!(why, Why::Short { .. } | Why::Limit { .. });
        let mut products: Vec<_> =
            lines.iter().filter(|line| is_meant(line.why)).map(|line| line.product).collect();
        products.sort_unstable();
        products.dedup();
        products.retain(|product| self.in_cart(*product).is_some());
        products
    }
}
