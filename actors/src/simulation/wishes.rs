//! What the world asks of a product: mostly sensible, sometimes not.

use std::sync::Arc;

use holdfast_domain::hold::Ending;
use holdfast_domain::product::{
    Command, Description, Line, NewProduct, NewVariant, Product, Reason, Rehold, Status, VariantDescription,
};
use holdfast_domain::{
    Buyer, Currency, Millis, Money, OrderId, ProductId, Quantity, ReservationId, Sku, Timestamp, Units,
};

use crate::context::RequestKey;

use crate::slots::Slots;

use super::{PARTITIONS, Rng, SKUS, variants};

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) product: ProductId,
    pub(super) key: Option<RequestKey>,
    pub(super) wish: AskedWish,
}

#[derive(Clone, Debug)]
pub(crate) enum AskedWish {
    Create {
        new: NewProduct,
    },
    Edit {
        version: Option<u32>,
        price: i64,
    },
    Do(Command),
    /// Each on its own, or all or none.
    Many {
        commands: Vec<Command>,
        all: Option<Dry>,
    },
}

/// Whether all are only asked for.
pub(crate) type Dry = bool;

/// Any wish for a product in this state.
pub(crate) fn any(rng: &mut Rng, product: ProductId, state: Option<&Product>, now: Timestamp) -> AskedWish {
    match (state, rng.below(100)) {
        // Late requests for what does not exist come as well.
        (None, 0..=79) => create(rng),
        (_, 0..=2) => create(rng),
        (_, 3..=7) => edit(rng, state),
        (_, 8..=10) => AskedWish::Do(Command::Delete { version: None }),
        (_, 11..=16) => many(rng, product, state, now),
        (_, 17..=21) => AskedWish::Do(variants::any(rng, state)),
        _ => AskedWish::Do(command(rng, product, state, now)),
    }
}

/// A few commands in one turn; who buys does that alone.
fn many(rng: &mut Rng, product: ProductId, state: Option<&Product>, now: Timestamp) -> AskedWish {
    let count = rng.below(5);
    if rng.percent(50) {
        let commands =
            (0..count).map(|_| if rng.percent(70) { adjust(rng, state) } else { self::count(rng, state) });
        let commands = commands.collect();
        return AskedWish::Many { commands, all: Some(rng.percent(20)) };
    }
    let mut commands: Vec<_> = (0..count).map(|_| command(rng, product, state, now)).collect();
    commands.retain(|command| !matches!(command, Command::Purchase { .. }));
    AskedWish::Many { commands, all: None }
}

/// The same description at another price; below zero is refused.
pub(crate) fn repriced(present: &Description, price: i64) -> Description {
    Description { price: Money(price), ..present.clone() }
}

/// A product with one variant.
pub(crate) fn thing(sku: &str, stock: u32) -> NewProduct {
    let sku = Sku::new(sku).expect("well formed");
    let variant = VariantDescription::plain(sku);
    let description = Description::plain("Thing", Money(1999), Currency::new("EUR").expect("three capitals"));
    let variant = NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(stock) };
    NewProduct { description: Arc::new(description), is_simple: true, variants: vec![variant] }
}

fn command(rng: &mut Rng, product: ProductId, state: Option<&Product>, now: Timestamp) -> Command {
    let reservation = any_hold(rng, state);
    let order = any_order(rng, state);
    let deadline = now.after(Millis(rng.below(20 * 60 * 1000)));
    let (buyer, line) = (Buyer(u128::from(rng.below(3))), any_line(rng, state));
    match rng.below(100) {
        0..=19 => Command::Purchase { order: new_order(rng, product), buyer, line },
        20..=35 => Command::Reserve { reservation, buyer, lines: vec![line], deadline },
        36..=40 => Command::Rehold(Box::new(rehold(rng, state, buyer, line, deadline))),
        41..=43 => Command::Take(Box::new(rehold(rng, state, buyer, line, deadline))),
        44 => Command::Check(Box::new(rehold(rng, state, buyer, line, deadline))),
        45..=48 => Command::Extend { reservation, deadline },
        49..=61 => Command::Confirm { reservation, order },
        62..=68 => Command::Release { reservation, ending: ending(rng) },
        69..=75 => Command::Fulfil { order },
        76..=82 => Command::Cancel { order },
        83..=93 => adjust(rng, state),
        _ => count(rng, state),
    }
}

fn rehold(rng: &mut Rng, state: Option<&Product>, buyer: Buyer, line: Line, deadline: Timestamp) -> Rehold {
    Rehold {
        from: any_hold(rng, state),
        to: any_hold(rng, state),
        buyer,
        lines: vec![line],
        deadline,
        ending: ending(rng),
        is_owed: rng.percent(30),
    }
}

fn ending(rng: &mut Rng) -> Ending {
    if rng.percent(50) { Ending::Released } else { Ending::Expired }
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

fn adjust(rng: &mut Rng, state: Option<&Product>) -> Command {
    let delta = i32::try_from(rng.below(15)).expect("it is small") - 5;
    let reason = if delta > 0 { Reason::Received } else { Reason::Shrinkage };
    let variant = variants::any_number(rng, state);
    Command::Adjust { variant, delta, reason, reference: None, note: None }
}

fn count(rng: &mut Rng, state: Option<&Product>) -> Command {
    let on_hand = Units(u32::try_from(rng.below(30)).expect("it is small"));
    let variant = variants::any_number(rng, state);
    Command::Count { variant, on_hand, expected: None }
}

fn any_line(rng: &mut Rng, state: Option<&Product>) -> Line {
    let units = 1 + u32::try_from(rng.below(5)).expect("it is small");
    let variant = variants::any_number(rng, state);
    Line { variant, quantity: Quantity::new(units).expect("in range") }
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

/// An order that has units here, or one of a few.
fn any_order(rng: &mut Rng, state: Option<&Product>) -> OrderId {
    let orders: Vec<_> =
        state.map(|product| product.commitments().keys().copied().collect()).unwrap_or_default();
    match rng.pick(&orders) {
        Some(order) if rng.percent(60) => *order,
        _ => OrderId(u128::from(rng.below(40))),
    }
}

/// As the engine makes them: each purchase is an order of its own, in the partition of its product.
fn new_order(rng: &mut Rng, product: ProductId) -> OrderId {
    let slots = Slots::new(PARTITIONS, 1);
    let id = u128::from(rng.next()) << 64 | u128::from(rng.next());
    OrderId(slots.place(id, slots.partition(product.0)))
}
