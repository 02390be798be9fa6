//! What the world asks of a product: mostly sensible, sometimes not.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Product, Reason, ReserveOn, Status,
    VariantDescription, VariantNo,
};
use holdfast_domain::{
    Buyer, Currency, Millis, Money, OrderId, ProductId, Quantity, ReservationId, Sku, Timestamp, Units,
};

use crate::context::RequestKey;

use super::{Rng, SKUS};

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) product: ProductId,
    pub(super) key: Option<RequestKey>,
    pub(super) wish: AskedWish,
}

#[derive(Clone, Debug)]
pub(super) enum AskedWish {
    Create { new: NewProduct },
    Edit { version: Option<u32>, price: i64 },
    Do(Command),
}

/// Any wish for a product in this state.
pub(super) fn any(rng: &mut Rng, state: Option<&Product>, now: Timestamp) -> AskedWish {
    match (state, rng.below(100)) {
        // Late requests for what does not exist come as well.
        (None, 0..=79) => create(rng),
        (_, 0..=2) => create(rng),
        (_, 3..=7) => edit(rng, state),
        (_, 8..=10) => AskedWish::Do(Command::Delete { version: None }),
        _ => AskedWish::Do(command(rng, state, now)),
    }
}

/// The same description at another price; below zero is refused.
pub(super) fn repriced(present: &Description, price: i64) -> Description {
    Description { price: Money(price), ..present.clone() }
}

/// A product with one variant.
pub(crate) fn thing(sku: &str, stock: u32) -> NewProduct {
    let sku = Sku::new(sku).expect("well formed");
    let variant = VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment: Money(0) };
    let description = Description {
        name: "Thing".into(),
        text: None,
        status: Status::Active,
        price: Money(1999),
        currency: Currency::new("EUR").expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    };
    let variant = NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(stock) };
    NewProduct { description: Arc::new(description), is_simple: true, variants: vec![variant] }
}

fn command(rng: &mut Rng, state: Option<&Product>, now: Timestamp) -> Command {
    let reservation = any_hold(rng, state);
    let order = any_order(rng);
    let deadline = now.after(Millis(rng.below(20 * 60 * 1000)));
    let (buyer, line) = (Buyer(u128::from(rng.below(3))), any_line(rng));
    match rng.below(100) {
        0..=19 => Command::Purchase { order, buyer, line },
        20..=39 => Command::Reserve { reservation, buyer, lines: vec![line], deadline },
        40..=44 => Command::Extend { reservation, deadline },
        45..=59 => Command::Confirm { reservation, order },
        60..=66 => Command::Release { reservation },
        67..=73 => Command::Fulfil { order },
        74..=80 => Command::Cancel { order },
        81..=92 => adjust(rng),
        _ => count(rng),
    }
}

fn create(rng: &mut Rng) -> AskedWish {
    let stock = u32::try_from(rng.below(20)).expect("it is small");
    let new = thing(rng.pick(&SKUS).expect("there are some"), stock);
    let description = Description {
        status: if rng.percent(90) { Status::Active } else { Status::Draft },
        // Now and then a price that is refused: the creation then makes nothing.
        price: Money(if rng.percent(90) { 1999 } else { -1 }),
        per_customer_limit: if rng.percent(30) { Quantity::new(6) } else { None },
        ..(*new.description).clone()
    };
    AskedWish::Create { new: NewProduct { description: Arc::new(description), ..new } }
}

fn edit(rng: &mut Rng, state: Option<&Product>) -> AskedWish {
    let version = state.filter(|_| rng.percent(50)).map(Product::version);
    let price = i64::try_from(rng.below(100)).expect("it is small") - 5;
    AskedWish::Edit { version, price }
}

fn adjust(rng: &mut Rng) -> Command {
    let delta = i32::try_from(rng.below(15)).expect("it is small") - 5;
    let reason = if delta > 0 { Reason::Received } else { Reason::Shrinkage };
    Command::Adjust { variant: VariantNo(0), delta, reason, reference: None, note: None }
}

fn count(rng: &mut Rng) -> Command {
    let on_hand = Units(u32::try_from(rng.below(30)).expect("it is small"));
    Command::Count { variant: VariantNo(0), on_hand, expected: None }
}

fn any_line(rng: &mut Rng) -> Line {
    let units = 1 + u32::try_from(rng.below(5)).expect("it is small");
    Line { variant: VariantNo(0), quantity: Quantity::new(units).expect("in range") }
}

/// A new hold, or one that is there.
fn any_hold(rng: &mut Rng, state: Option<&Product>) -> ReservationId {
    let holds: Vec<_> =
        state.map(|product| product.reservations().keys().copied().collect()).unwrap_or_default();
    match rng.pick(&holds) {
        Some(hold) if rng.percent(60) => *hold,
        _ => ReservationId(u128::from(rng.below(30))),
    }
}

/// Few enough that orders are met again.
fn any_order(rng: &mut Rng) -> OrderId {
    OrderId(u128::from(rng.below(40)))
}
