//! Random wishes: few ids, so that they meet; small figures, so that they are nearly enough; now and then
//! a hostile value. A wish becomes a command only in its turn, as versions are relative.

use std::sync::Arc;

use holdfast_domain::hold::Ending;
use holdfast_domain::product::{Command, Description, Line, Product, Reason, Rehold, Status, VariantNo};
use holdfast_domain::{Buyer, Money, OrderId, Quantity, ReservationId, Timestamp, Units};
use proptest::prelude::*;

use super::shapes::{self, Shape};
use super::{BUYERS, ORDERS, RESERVATIONS, VARIANTS};

/// The product writes it down; it means something to owners only.
const DEADLINE: Timestamp = Timestamp(1_700_000_900_000);

/// What somebody wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// A command that needs no context.
    Do(Command),
    Describe(Change, Version),
    Delete(Version),
    Shape(Shape, Version),
    /// A count that expects what the books say, or one more.
    Recount {
        variant: VariantNo,
        on_hand: u32,
        is_right: bool,
    },
}

/// One thing of a description.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Price(i64),
    Status(Status),
    PerOrder(Option<Quantity>),
    PerCustomer(Option<Quantity>),
}

/// The version that somebody expects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Any,
    Right,
    Wrong,
}

pub(crate) fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    prop::collection::vec(wish(), 1..120)
}

impl Wish {
    pub(crate) fn command(self, product: &Product) -> Command {
        match self {
            Self::Do(command) => command,
            Self::Describe(change, expected) => {
                let mut description = Description::clone(product.description());
                match change {
                    Change::Price(price) => description.price = Money(price),
                    Change::Status(status) => description.status = status,
                    Change::PerOrder(limit) => description.per_order_limit = limit,
                    Change::PerCustomer(limit) => description.per_customer_limit = limit,
                }
                Command::Describe {
                    description: Arc::new(description),
                    version: expected.of(product.version()),
                }
            }
            Self::Shape(shape, expected) => shape.command(product, expected.of(product.version())),
            Self::Delete(expected) => Command::Delete { version: expected.of(product.version()) },
            Self::Recount { variant, on_hand, is_right } => {
                let books = product.variant(variant).map_or(0, |variant| variant.levels.on_hand().0);
                let expected = books.wrapping_add(u32::from(!is_right));
                Command::Count { variant, on_hand: Units(on_hand), expected: Some(Units(expected)) }
            }
        }
    }
}

impl Version {
    fn of(self, version: u32) -> Option<u32> {
        match self {
            Self::Any => None,
            Self::Right => Some(version),
            Self::Wrong => Some(version.wrapping_sub(1)),
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    let reservation = || (0..RESERVATIONS).prop_map(ReservationId);
    let order = || (0..ORDERS).prop_map(OrderId);
    let confirm = (reservation(), order())
        .prop_map(|(reservation, order)| Wish::Do(Command::Confirm { reservation, order }));
    let purchase = (order(), buyer(), line())
        .prop_map(|(order, buyer, line)| Wish::Do(Command::Purchase { order, buyer: Buyer(buyer), line }));
    prop_oneof![
        12 => adjust(),
        4 => count(),
        3 => (variant(), 0..12_u32, any::<bool>())
            .prop_map(|(variant, on_hand, is_right)| Wish::Recount { variant, on_hand, is_right }),
        24 => reserve(),
        40 => rehold(),
        4 => reservation()
            .prop_map(|reservation| Wish::Do(Command::Extend { reservation, deadline: DEADLINE })),
        8 => confirm,
        8 => (reservation(), ending())
            .prop_map(|(reservation, ending)| Wish::Do(Command::Release { reservation, ending })),
        10 => purchase,
        4 => order().prop_map(|order| Wish::Do(Command::Fulfil { order })),
        4 => order().prop_map(|order| Wish::Do(Command::Cancel { order })),
        8 => (change(), version()).prop_map(|(change, version)| Wish::Describe(change, version)),
        1 => version().prop_map(Wish::Delete),
        8 => (shapes::shape(), version()).prop_map(|(shape, version)| Wish::Shape(shape, version)),
    ]
}

fn reserve() -> impl Strategy<Value = Wish> {
    let wanted = (0..RESERVATIONS, buyer(), lines());
    wanted.prop_map(|(id, buyer, lines)| {
        let reservation = ReservationId(id);
        Wish::Do(Command::Reserve { reservation, buyer: Buyer(buyer), lines, deadline: DEADLINE })
    })
}

fn rehold() -> impl Strategy<Value = Wish> {
    let names = (0..RESERVATIONS, 0..RESERVATIONS, prop::bool::weighted(0.3));
    let wanted = (names, buyer(), lines(), prop::bool::weighted(0.3), ending(), 0..10_u8);
    wanted.prop_map(|((from, to, is_same_name), buyer, lines, is_owed, ending, kind)| {
        let to = if is_same_name { from } else { to };
        let (from, to, buyer) = (ReservationId(from), ReservationId(to), Buyer(buyer));
        let rehold = Box::new(Rehold { from, to, buyer, lines, deadline: DEADLINE, ending, is_owed });
        Wish::Do(match kind {
            0..6 => Command::Rehold(rehold),
            6..8 => Command::Take(rehold),
            _ => Command::Check(rehold),
        })
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(vec![Ending::Released, Ending::Expired])
}

fn adjust() -> impl Strategy<Value = Wish> {
    let hostile = [0, i32::MIN, i32::MAX, -1_000_000, 1_000_000, -1_000_001, 1_000_001];
    let delta = prop_oneof![9 => -4..10_i32, 1 => prop::sample::select(hostile.to_vec())];
    let reasons = vec![Reason::Received, Reason::Restock, Reason::Damaged, Reason::Other];
    (variant(), delta, prop::sample::select(reasons)).prop_map(|(variant, delta, reason)| {
        Wish::Do(Command::Adjust { variant, delta, reason, reference: None, note: Some("x".into()) })
    })
}

fn count() -> impl Strategy<Value = Wish> {
    let on_hand = prop_oneof![6 => 0..12_u32, 1 => Just(u32::MAX), 1 => Just(u32::MAX - 3)];
    (variant(), on_hand).prop_map(|(variant, on_hand)| {
        Wish::Do(Command::Count { variant, on_hand: Units(on_hand), expected: None })
    })
}

/// Mostly one line or two; sometimes none, a variant twice, or more than there may be.
fn lines() -> impl Strategy<Value = Vec<Line>> {
    let quantity = Quantity::new(1).expect("in range");
    let every = |count: u16| (0..count).map(|no| Line { variant: VariantNo(no), quantity }).collect();
    prop_oneof![
        40 => line().prop_map(|line| vec![line]),
        30 => prop::collection::vec(line(), 0..4),
        1 => Just(every(100)),
        1 => Just(every(101)),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    let units = prop_oneof![20 => 1..5_u32, 1 => Just(Quantity::MAX)];
    let quantity = units.prop_map(|units| Quantity::new(units).expect("in range"));
    (variant(), quantity).prop_map(|(variant, quantity)| Line { variant, quantity })
}

pub(super) fn variant() -> impl Strategy<Value = VariantNo> {
    let count = u16::try_from(VARIANTS).expect("few");
    // Those beyond the first ones exist when variants were added.
    let later = count..count + 3;
    prop_oneof![30 => 0..count, 6 => later, 1 => Just(u16::MAX)].prop_map(VariantNo)
}

fn buyer() -> impl Strategy<Value = u128> {
    0..BUYERS
}

fn change() -> impl Strategy<Value = Change> {
    let limit = || prop::option::of((1..9_u32).prop_map(|units| Quantity::new(units).expect("in range")));
    let status = vec![Status::Draft, Status::Active, Status::Active, Status::Active, Status::Archived];
    let prices = vec![0, 1000, -1, Money::PRICE_MAX, Money::PRICE_MAX + 1, i64::MIN, i64::MAX];
    prop_oneof![
        2 => prop::sample::select(prices).prop_map(Change::Price),
        2 => prop::sample::select(status).prop_map(Change::Status),
        2 => limit().prop_map(Change::PerOrder),
        4 => limit().prop_map(Change::PerCustomer),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![3 => Just(Version::Any), 2 => Just(Version::Right), 1 => Just(Version::Wrong)]
}
