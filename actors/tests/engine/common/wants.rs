//! Words to ask reservations, carts and orders with.

use holdfast_actors::domain::saga::{LineRefusal, Refusal, Why};
use holdfast_actors::domain::{Owner, ProductId, Quantity, Units, product};
use holdfast_actors::engine::{Basket, CartItem, NewOrder, NewReservation, Wanted};
use holdfast_actors::slots::Slots;
use holdfast_actors::{
    Actor, Answer, CartFacts, Context, Failure, OrderFacts, PaymentToken, Refused, ReservationFacts,
};

use super::{PARTITIONS, Shop, context, fresh, fresh_product, keyed, quantity, sku};

/// Who buys, unless the story says otherwise: the one that [`context`] speaks for.
pub(crate) const BUYER: Owner = Owner::Guest(1);

/// What is wanted of what.
pub(crate) type Lines<'a> = &'a [(&'a str, u32)];

pub(crate) fn wanted(lines: Lines<'_>) -> Vec<Wanted> {
    lines.iter().map(|(text, units)| Wanted { sku: sku(text), quantity: quantity(*units) }).collect()
}

pub(crate) fn new_reservation(lines: Lines<'_>) -> NewReservation {
    NewReservation { lines: wanted(lines), ttl: None, reference: None, metadata: None }
}

/// An order of lines, unpaid.
pub(crate) fn new_order(lines: Lines<'_>) -> NewOrder {
    of_basket(Basket::Lines(wanted(lines)))
}

/// An order of what is in the cart, unpaid.
pub(crate) fn cart_order() -> NewOrder {
    of_basket(Basket::Cart)
}

fn of_basket(basket: Basket) -> NewOrder {
    NewOrder { basket, email: None, shipping_address: None, expected_total: None, ttl: None, payment: None }
}

/// The same, paid at once with that token.
pub(crate) fn paid(token: &str, order: NewOrder) -> NewOrder {
    NewOrder { payment: Some(PaymentToken(token.into())), ..order }
}

pub(crate) fn token(text: &str) -> PaymentToken {
    PaymentToken(text.into())
}

/// The context of a request by `owner`.
pub(crate) fn by(owner: Owner) -> Context {
    let actor = match owner {
        Owner::Guest(digest) => Actor::Guest(digest),
        Owner::Account(account) => Actor::Customer(account),
    };
    Context { actor, ..context() }
}

/// The same request under an idempotency key of its own, as often as it is called with this number.
pub(crate) fn again(number: u128) -> Context {
    keyed(number, number)
}

/// A buyer that nobody was before.
pub(crate) fn somebody() -> Owner {
    Owner::Guest(fresh() << 32)
}

/// Which shard of two serves an id.
pub(crate) fn shard_of(id: u128) -> usize {
    let slots = Slots::new(PARTITIONS, 2);
    slots.shard(slots.partition(id))
}

/// A buyer whose cart and orders live on that shard of two.
pub(crate) fn somebody_on(shard: usize) -> Owner {
    loop {
        let owner = somebody();
        if shard_of(owner.buyer().0) == shard {
            return owner;
        }
    }
}

/// A product id of that shard of two.
pub(crate) fn fresh_product_on(shard: usize) -> ProductId {
    loop {
        let id = fresh_product();
        if shard_of(id.0) == shard {
            return id;
        }
    }
}

impl Shop {
    pub(crate) async fn reserve(
        &self,
        owner: Owner,
        lines: Lines<'_>,
    ) -> Result<Answer<ReservationFacts>, Failure> {
        self.engine.reserve(&by(owner), owner, new_reservation(lines)).await
    }

    pub(crate) async fn place(&self, owner: Owner, lines: Lines<'_>) -> Result<Answer<OrderFacts>, Failure> {
        self.engine.place(&by(owner), owner, new_order(lines)).await
    }

    pub(crate) async fn place_cart(&self, owner: Owner) -> Result<Answer<OrderFacts>, Failure> {
        self.engine.place(&by(owner), owner, cart_order()).await
    }

    pub(crate) async fn add(
        &self,
        owner: Owner,
        text: &str,
        units: u32,
    ) -> Result<Answer<CartFacts>, Failure> {
        self.engine.cart_add(&by(owner), owner, CartItem::Sku(sku(text)), quantity(units)).await
    }

    pub(crate) async fn set(
        &self,
        owner: Owner,
        text: &str,
        units: u32,
    ) -> Result<Answer<CartFacts>, Failure> {
        self.engine.cart_set(&by(owner), owner, &sku(text), Quantity::new(units), None).await
    }
}

/// Why the owner's side said no.
pub(crate) fn no<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> Refusal {
    match answer {
        Err(Failure::Refused(Answer { value: Refused::Owner(refusal), .. })) => refusal,
        other => panic!("not refused by an owner: {other:?}"),
    }
}

/// Why a product said no.
pub(crate) fn no_by_product<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> product::Refusal {
    match answer {
        Err(Failure::Refused(Answer { value: Refused::Product(refusal), .. })) => refusal,
        other => panic!("not refused by a product: {other:?}"),
    }
}

/// The places of the lines that fail, each with why.
pub(crate) fn failing(refusal: Refusal) -> Vec<(usize, Why)> {
    match refusal {
        Refusal::Lines(lines) => lines.iter().map(|LineRefusal { index, why, .. }| (*index, *why)).collect(),
        other => panic!("refused for another reason: {other:?}"),
    }
}

pub(crate) const fn short(available: u32, reserved: u32) -> Why {
    Why::Short { available: Units(available), reserved: Units(reserved) }
}
