//! Random wishes: few ids, so that they meet; small figures, so that they are nearly enough; now and then
//! a hostile value. A wish becomes a command only in its turn, as times and versions are relative.

use std::sync::Arc;

use holdfast_domain::product::{Command, Description, Line, Product, Reason, Status, VariantNo};
use holdfast_domain::{Buyer, Money, OrderId, Quantity, ReservationId, Timestamp, Units};
use proptest::prelude::*;

use super::{BUYERS, ORDERS, RESERVATIONS, VARIANTS};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// One step of a run: time passes, then somebody wants something.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) tick: Tick,
    /// Whether the turn expires what is due before it decides.
    pub(crate) is_swept: bool,
    pub(crate) wish: Wish,
}

/// How time passes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tick {
    Ms(u64),
    /// To the next deadline, if it lies ahead.
    ToDeadline,
    /// To one millisecond before it.
    JustBeforeDeadline,
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    /// A command that needs no context.
    Do(Command),
    Reserve {
        id: u128,
        buyer: u128,
        lines: Vec<Line>,
        deadline: Moment,
    },
    Extend {
        id: u128,
        deadline: Moment,
    },
    Describe(Change, Version),
    Delete(Version),
    /// A count that expects what the books say, or one more.
    Recount {
        variant: VariantNo,
        on_hand: u32,
        is_right: bool,
    },
}

/// A moment as seen from now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    In(u64),
    Ago(u64),
    Never,
    /// That much after the last moment to which the hold may be extended.
    LifeEnd(u64),
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

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (tick(), prop::bool::weighted(0.7), wish());
    prop::collection::vec(step.prop_map(|(tick, is_swept, wish)| Step { tick, is_swept, wish }), 1..120)
}

impl Tick {
    pub(crate) fn after(self, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let next = match (self, deadline) {
            (Self::Ms(ms), _) => Timestamp(now.0 + ms),
            (Self::ToDeadline, Some(deadline)) => deadline,
            (Self::JustBeforeDeadline, Some(deadline)) => Timestamp(deadline.0 - 1),
            (_, None) => now,
        };
        next.max(now)
    }
}

impl Wish {
    pub(crate) fn command(self, now: Timestamp, product: &Product) -> Command {
        match self {
            Self::Do(command) => command,
            Self::Reserve { id, buyer, lines, deadline } => Command::Reserve {
                reservation: ReservationId(id),
                buyer: Buyer(buyer),
                lines,
                deadline: deadline.from(now, now),
            },
            Self::Extend { id, deadline } => {
                let reservation = ReservationId(id);
                let made = product.reservation(reservation).map_or(now, |hold| hold.created_at);
                Command::Extend { reservation, deadline: deadline.from(now, made) }
            }
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
            Self::Delete(expected) => Command::Delete { version: expected.of(product.version()) },
            Self::Recount { variant, on_hand, is_right } => {
                let books = product.variant(variant).map_or(0, |variant| variant.levels.on_hand().0);
                let expected = books.wrapping_add(u32::from(!is_right));
                Command::Count { variant, on_hand: Units(on_hand), expected: Some(Units(expected)) }
            }
        }
    }
}

impl Moment {
    fn from(self, now: Timestamp, made: Timestamp) -> Timestamp {
        match self {
            Self::In(ms) => Timestamp(now.0 + ms),
            Self::Ago(ms) => Timestamp(now.0.saturating_sub(ms)),
            Self::Never => Timestamp(u64::MAX),
            Self::LifeEnd(ms) => Timestamp(made.0 + HOUR + ms),
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

fn tick() -> impl Strategy<Value = Tick> {
    prop_oneof![
        40 => Just(Tick::Ms(0)),
        10 => Just(Tick::Ms(1)),
        30 => (0..2 * MINUTE).prop_map(Tick::Ms),
        6 => (0..20 * MINUTE).prop_map(Tick::Ms),
        10 => Just(Tick::ToDeadline),
        5 => Just(Tick::JustBeforeDeadline),
        2 => (23 * HOUR..25 * HOUR).prop_map(Tick::Ms),
        2 => Just(Tick::Ms(DAY)),
    ]
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
        24 => (0..RESERVATIONS, buyer(), lines(), moment())
            .prop_map(|(id, buyer, lines, deadline)| Wish::Reserve { id, buyer, lines, deadline }),
        40 => (0..RESERVATIONS, moment()).prop_map(|(id, deadline)| Wish::Extend { id, deadline }),
        8 => confirm,
        8 => reservation().prop_map(|reservation| Wish::Do(Command::Release { reservation })),
        10 => purchase,
        4 => order().prop_map(|order| Wish::Do(Command::Fulfil { order })),
        4 => order().prop_map(|order| Wish::Do(Command::Cancel { order })),
        8 => (change(), version()).prop_map(|(change, version)| Wish::Describe(change, version)),
        1 => version().prop_map(Wish::Delete),
    ]
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

fn variant() -> impl Strategy<Value = VariantNo> {
    let count = u16::try_from(VARIANTS).expect("few");
    prop_oneof![30 => (0..count).prop_map(VariantNo), 1 => Just(VariantNo(count)), 1 => Just(VariantNo(u16::MAX))]
}

fn buyer() -> impl Strategy<Value = u128> {
    0..BUYERS
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        20 => (1..30 * MINUTE).prop_map(Moment::In),
        4 => Just(Moment::In(1)),
        4 => Just(Moment::LifeEnd(0)),
        2 => Just(Moment::LifeEnd(1)),
        4 => Just(Moment::In(0)),
        1 => (0..DAY).prop_map(Moment::Ago),
        1 => Just(Moment::Never),
    ]
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
