//! One record of every kind, each with its name; those of owners in `owners`.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_actors::domain::hold::{Ending, Hold, State};
use holdfast_actors::domain::idempotency::{Fingerprint, Key};
use holdfast_actors::domain::product::{
    Description, Event, Levels, LimitKind, Line, MovementKind, Reason, Refusal, ReserveOn, Short, Status,
    VariantDescription, VariantNo,
};
use holdfast_actors::domain::{
    AccountId, Buyer, CategoryId, Currency, Millis, Money, OrderId, ProductId, ReservationId, Timestamp,
    Units,
};
use holdfast_actors::outcome::{
    Answered, Inventory, Outcome, ProductFacts, Purchased, ReservationMoment, StockChange, VariantFacts,
};
use holdfast_actors::persistence::{Partition, Sequence};
use holdfast_actors::record::{Entity, Events, KeyedOutcome, Turn};
use holdfast_actors::{Actor, Position, RequestId, RequestKey};

use crate::common::{quantity, sku};

/// A function that names each kind, and the list of all names. No wildcard: a new kind must be named.
macro_rules! names {
    ($function:ident, $all:ident, $of:ty, { $($kind:pat => $name:literal,)+ }) => {
        const $all: &[&str] = &[$($name),+];
        fn $function(value: &$of) -> &'static str {
            match value { $($kind => $name,)+ }
        }
    };
}

mod accounts;
mod categories;
mod mails;
mod owners;
pub(crate) mod prices;
mod variants;

names!(event_name, EVENTS, Event, {
    Event::Created { .. } => "event-created",
    Event::Described { .. } => "event-described",
    Event::Deleted => "event-deleted",
    Event::Adjusted { .. } => "event-adjusted",
    Event::Counted { .. } => "event-counted",
    Event::Reserved { .. } => "event-reserved",
    Event::Extended { .. } => "event-extended",
    Event::Confirmed { .. } => "event-confirmed",
    Event::Released { .. } => "event-released",
    Event::Expired { .. } => "event-expired",
    Event::Purchased { rules: None, .. } => "event-purchased",
    Event::Purchased { rules: Some(_), .. } => "event-purchased-by-rules",
    Event::Fulfilled { .. } => "event-fulfilled",
    Event::Canceled { .. } => "event-canceled",
    Event::Reheld { ending: Ending::Released, .. } => "event-reheld-released",
    Event::Reheld { ending: Ending::Expired, .. } => "event-reheld-expired",
    Event::VariantAdded { .. } => "event-variant-added",
    Event::VariantDescribed { .. } => "event-variant-described",
    Event::VariantRemoved { .. } => "event-variant-removed",
});

names!(outcome_name, OUTCOMES, Outcome, {
    Outcome::Done => "outcome-done",
    Outcome::Purchased(_) => "outcome-purchased",
    Outcome::StockChanged(_) => "outcome-stock-changed",
    Outcome::Product(_) => "outcome-product",
    Outcome::Deleted => "outcome-deleted",
    Outcome::Account(_) => "outcome-account",
    Outcome::Order { .. } => "outcome-order",
    Outcome::Reservation(ReservationMoment { hold: Hold { state: State::Active, .. }, .. }) =>
        "outcome-moment-active",
    Outcome::Reservation(ReservationMoment { hold: Hold { state: State::Confirmed, .. }, .. }) =>
        "outcome-moment-confirmed",
    Outcome::Reservation(ReservationMoment { hold: Hold { state: State::Released, .. }, .. }) =>
        "outcome-moment-released",
    Outcome::Reservation(ReservationMoment { hold: Hold { state: State::Expired, .. }, .. }) =>
        "outcome-moment-expired",
    Outcome::Cart(_) => "outcome-cart",
    Outcome::Each(_) => "outcome-each",
    Outcome::Begun(_) => "outcome-begun",
    Outcome::Rule(_) => "outcome-rule",
    Outcome::Category(_) => "outcome-category",
});

names!(refusal_name, REFUSALS, Refusal, {
    Refusal::InsufficientStock { .. } => "refusal-insufficient-stock",
    Refusal::LimitExceeded { kind: LimitKind::PerOrder, .. } => "refusal-limit-per-order",
    Refusal::LimitExceeded { kind: LimitKind::PerCustomer, .. } => "refusal-limit-per-customer",
    Refusal::ExtensionExceeded => "refusal-extension-exceeded",
    Refusal::ReservationExpired { .. } => "refusal-reservation-expired",
    Refusal::UnknownReservation => "refusal-unknown-reservation",
    Refusal::UnknownOrder => "refusal-unknown-order",
    Refusal::UnknownVariant { .. } => "refusal-unknown-variant",
    Refusal::DeadlineOutOfRange => "refusal-deadline-out-of-range",
    Refusal::InvalidState => "refusal-invalid-state",
    Refusal::NotSellable { status: Status::Draft } => "refusal-not-sellable-draft",
    Refusal::NotSellable { status: Status::Active } => "refusal-not-sellable-active",
    Refusal::NotSellable { status: Status::Archived } => "refusal-not-sellable-archived",
    Refusal::ExpectedMismatch { .. } => "refusal-expected-mismatch",
    Refusal::StockOverflow => "refusal-stock-overflow",
    Refusal::InUse => "refusal-in-use",
    Refusal::VersionMismatch { .. } => "refusal-version-mismatch",
    Refusal::UnknownProduct => "refusal-unknown-product",
    Refusal::OutOfBounds => "refusal-out-of-bounds",
    Refusal::TooLarge { .. } => "refusal-too-large",
    Refusal::SkuTaken { .. } => "refusal-sku-taken",
    Refusal::StockFixed { .. } => "refusal-stock-fixed",
    Refusal::TooManyVariants { .. } => "refusal-too-many-variants",
});

names!(actor_name, ACTORS, Actor, {
    Actor::System => "actor-system",
    Actor::Guest(_) => "actor-guest",
    Actor::Customer(_) => "actor-customer",
    Actor::Admin(_) => "actor-admin",
});

names!(request_name, REQUESTS, RequestId, {
    RequestId::Made(_) => "request-made",
    RequestId::Sent(_) => "request-sent",
});

names!(reason_name, REASONS, Reason, {
    Reason::Received => "reason-received",
    Reason::Correction => "reason-correction",
    Reason::Damaged => "reason-damaged",
    Reason::Shrinkage => "reason-shrinkage",
    Reason::Restock => "reason-restock",
    Reason::CycleCount => "reason-cycle-count",
    Reason::Other => "reason-other",
});

/// Every sample, by its file's name.
pub(crate) fn samples() -> Vec<(String, Turn)> {
    let mut all: Vec<(String, Turn)> = Vec::new();
    for event in events().into_iter().chain(later_events()) {
        all.push((event_name(&event).into(), product_turn(vec![event])));
    }
    for reason in reasons() {
        all.push((reason_name(&reason).into(), product_turn(vec![adjusted(reason)])));
    }
    for (number, outcome) in outcomes().into_iter().enumerate() {
        // The kinds of stock changes share a name.
        let suffix = match &outcome {
            Outcome::StockChanged(_) => format!("-{number}"),
            _ => String::new(),
        };
        all.push((format!("{}{suffix}", outcome_name(&outcome)), keyed_turn(Ok(outcome))));
    }
    for refusal in refusals() {
        all.push((refusal_name(&refusal).into(), keyed_turn(Err(refusal.into()))));
    }
    for actor in actors() {
        all.push((actor_name(&actor).into(), Turn { actor, ..product_turn(vec![Event::Deleted]) }));
    }
    for request_id in requests() {
        let name = request_name(&request_id).into();
        all.push((name, Turn { request_id, ..product_turn(vec![Event::Deleted]) }));
    }
    all.push(("several-events".into(), product_turn(events())));
    all.push((
        "key-with-events".into(),
        Turn { events: Events::Product(events()), ..keyed_turn(Ok(sold())) },
    ));
    all.extend(accounts::samples());
    all.extend(owners::samples());
    all.extend(prices::samples());
    all.extend(categories::samples());
    all.extend(mails::samples());
    all
}

/// Records that were written once and are only read, by their files' names, with what they are read as.
pub(crate) fn retired() -> Vec<(&'static str, Turn)> {
    let names = [
        "outcome-reservation-active",
        "outcome-reservation-confirmed",
        "outcome-reservation-released",
        "outcome-reservation-expired",
        "outcome-order-moved",
    ];
    names.into_iter().map(|name| (name, keyed_turn(Ok(Outcome::Done)))).collect()
}

/// The names of kinds without a sample.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    seen.extend(events().iter().chain(&later_events()).chain([&prices::purchased()]).map(event_name));
    seen.extend(outcomes().iter().map(outcome_name));
    seen.extend(refusals().iter().map(refusal_name));
    seen.extend(actors().iter().map(actor_name));
    seen.extend(requests().iter().map(request_name));
    seen.extend(reasons().iter().map(reason_name));
    let all = [EVENTS, OUTCOMES, REFUSALS, ACTORS, REQUESTS, REASONS].concat();
    let missing = all.into_iter().filter(|name| !seen.contains(name));
    missing
        .chain(accounts::missing())
        .chain(owners::missing())
        .chain(prices::missing())
        .chain(categories::missing())
        .chain(mails::missing())
        .collect()
}

const PRODUCT: ProductId = ProductId(0x0192_0000_0000_7000_8000_0000_0000_00aa);
const RESERVATION: ReservationId = ReservationId(0x0192_0000_0000_7000_8000_0000_0000_00bb);
const ORDER: OrderId = OrderId(0x0192_0000_0000_7000_8000_0000_0000_00cc);
const BUYER: Buyer = Buyer(0xfedc_ba98_7654_3210_0123_4567_89ab_cdef);
const AT: Timestamp = Timestamp(1_700_000_000_123);

fn product_turn(events: Vec<Event>) -> Turn {
    Turn {
        request_id: RequestId::Made(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        actor: Actor::Guest(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100),
        entity: Entity::Product(PRODUCT),
        previous: 300,
        key: None,
        events: Events::Product(events),
    }
}

fn keyed_turn(answered: Answered) -> Turn {
    let key = RequestKey { key: Key(0x11 << 64 | 0x22), fingerprint: Fingerprint(0x33 << 64 | 0x44) };
    Turn { key: Some(KeyedOutcome { key, answered }), ..product_turn(Vec::new()) }
}

/// Those of the first day: records of several events hold exactly them.
fn events() -> Vec<Event> {
    let (reservation, order, buyer) = (RESERVATION, ORDER, BUYER);
    vec![
        Event::Created { description: full(), is_simple: false, variants: vec![red(), plain()] },
        Event::Described { description: bare() },
        Event::Deleted,
        adjusted(Reason::Damaged),
        Event::Counted { variant: VariantNo(1), on_hand: Units(4_000_000_000), delta: -5_000_000_000 },
        Event::Reserved { reservation, buyer, lines: lines(), deadline: AT },
        Event::Extended { reservation, lines: lines(), deadline: AT },
        Event::Confirmed { reservation, order, lines: lines() },
        Event::Released { reservation, lines: lines() },
        Event::Expired { reservation, lines: lines() },
        Event::Purchased {
            order,
            buyer,
            line: lines()[0],
            unit_price: Money(1_000_000_000_000),
            currency: euro(),
            rules: None,
        },
        Event::Fulfilled { order, lines: lines() },
        Event::Canceled { order, lines: lines() },
    ]
}

fn later_events() -> Vec<Event> {
    let reheld = |ending, before| Event::Reheld {
        from: RESERVATION,
        to: ReservationId(u128::MAX),
        buyer: BUYER,
        before,
        lines: lines(),
        deadline: AT,
        ending,
    };
    let mut all = vec![reheld(Ending::Released, lines()), reheld(Ending::Expired, Vec::new())];
    all.extend(variants::events());
    all
}

fn adjusted(reason: Reason) -> Event {
    Event::Adjusted {
        variant: VariantNo(1),
        delta: if reason == Reason::Damaged { -1_000_000 } else { 7 },
        reason,
        reference: (reason == Reason::Damaged).then(|| "D-1".into()),
        note: (reason == Reason::Damaged).then(|| "fell off the shelf: ø".into()),
    }
}

fn reasons() -> Vec<Reason> {
    use Reason::{Correction, CycleCount, Damaged, Other, Received, Restock, Shrinkage};
    vec![Received, Correction, Damaged, Shrinkage, Restock, CycleCount, Other]
}

fn sold() -> Outcome {
    Outcome::Purchased(Purchased {
        order: ORDER,
        sku: sku("lamp.RED_1-2"),
        quantity: quantity(1_000_000),
        unit_price: Money(0),
        currency: euro(),
        available: Units(u32::MAX),
    })
}

fn outcomes() -> Vec<Outcome> {
    let mut all = vec![
        sold(),
        changed(MovementKind::Received, 7, Some(Reason::Received)),
        changed(MovementKind::Adjusted, -7, Some(Reason::Shrinkage)),
        changed(MovementKind::Counted, 0, None),
        Outcome::Product(Box::new(facts())),
        Outcome::Deleted,
        Outcome::Account(Box::new(accounts::account())),
        Outcome::Done,
        each(),
        Outcome::Begun(AT),
    ];
    all.extend(owners::outcomes());
    all.extend(prices::outcomes());
    all.push(categories::outcome());
    all
}

/// An answer to many: texts are not repeated in it.
fn each() -> Outcome {
    let counted = changed(MovementKind::Counted, 5, None);
    Outcome::Each(vec![
        Ok(counted),
        Err(Refusal::OutOfBounds),
        Ok(Outcome::Done),
        Err(Refusal::TooLarge { bytes_max: 1 }),
    ])
}

fn changed(kind: MovementKind, delta: i64, reason: Option<Reason>) -> Outcome {
    Outcome::StockChanged(StockChange {
        inventory: Inventory {
            product: PRODUCT,
            sku: sku("lamp"),
            levels: levels(),
            version: 9,
            updated_at: AT,
        },
        kind,
        delta,
        reason,
        reference: reason.map(|_| "D-1".into()),
        note: None,
        at: AT,
        position: Position { partition: Partition(15), sequence: Sequence(301) },
    })
}

fn refusals() -> Vec<Refusal> {
    let short = |index| Short {
        index,
        variant: VariantNo(99),
        requested: Units(300),
        available: Units(2),
        reserved: Units(1),
    };
    let mut all = vec![
        Refusal::InsufficientStock { lines: vec![short(0), short(9_999)] },
        Refusal::LimitExceeded { kind: LimitKind::PerOrder, limit: Units(4), counted: 0 },
        Refusal::LimitExceeded { kind: LimitKind::PerCustomer, limit: Units(4), counted: u64::MAX },
        Refusal::ExtensionExceeded,
        Refusal::ReservationExpired { deadline: AT },
        Refusal::UnknownReservation,
        Refusal::UnknownOrder,
        Refusal::UnknownVariant { variant: VariantNo(u16::MAX) },
        Refusal::DeadlineOutOfRange,
        Refusal::InvalidState,
        Refusal::NotSellable { status: Status::Draft },
        Refusal::NotSellable { status: Status::Active },
        Refusal::NotSellable { status: Status::Archived },
        Refusal::ExpectedMismatch { expected: Units(5), on_hand: Units(6) },
        Refusal::StockOverflow,
        Refusal::InUse,
        Refusal::VersionMismatch { expected: 7, actual: 8 },
        Refusal::UnknownProduct,
        Refusal::OutOfBounds,
        Refusal::TooLarge { bytes_max: 32 * 1024 },
    ];
    all.extend(variants::refusals());
    all
}

fn actors() -> Vec<Actor> {
    let id = AccountId(0x0192_0000_0000_7000_8000_0000_0000_00dd);
    vec![Actor::System, Actor::Guest(u128::MAX), Actor::Customer(id), Actor::Admin(id)]
}

fn requests() -> Vec<RequestId> {
    vec![RequestId::Made(1), RequestId::Sent("client-chosen 42".into())]
}

fn facts() -> ProductFacts {
    let variant = |description| VariantFacts { description, levels: levels(), version: 9, updated_at: AT };
    ProductFacts {
        id: PRODUCT,
        description: full(),
        is_simple: false,
        variants: vec![variant(red()), variant(plain())],
        version: 8,
        created_at: Timestamp(1_600_000_000_000),
        updated_at: AT,
    }
}

fn full() -> Arc<Description> {
    Arc::new(Description {
        name: "Lamp".into(),
        text: Some("Gives light.".into()),
        status: Status::Active,
        price: Money(1999),
        currency: euro(),
        category_ids: vec![CategoryId(1), CategoryId(u128::MAX)],
        attributes: r#"{"watts":4}"#.into(),
        reserve_on: ReserveOn::Checkout,
        reservation_ttl: Some(Millis(900_000)),
        per_order_limit: Some(quantity(4)),
        per_customer_limit: Some(quantity(1_000_000)),
    })
}

fn bare() -> Arc<Description> {
    Arc::new(Description {
        name: "".into(),
        text: None,
        status: Status::Archived,
        price: Money(0),
        currency: Currency::new("JPY").expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    })
}

fn red() -> Arc<VariantDescription> {
    Arc::new(VariantDescription {
        sku: sku("lamp.RED_1-2"),
        name: Some("red".into()),
        attributes: r#"{"colour":"red"}"#.into(),
        price_adjustment: Money(-500),
    })
}

fn plain() -> Arc<VariantDescription> {
    Arc::new(VariantDescription {
        sku: sku("lamp"),
        name: None,
        attributes: "{}".into(),
        price_adjustment: Money(0),
    })
}

fn lines() -> Vec<Line> {
    vec![
        Line { variant: VariantNo(0), quantity: quantity(1) },
        Line { variant: VariantNo(99), quantity: quantity(1_000_000) },
    ]
}

fn levels() -> Levels {
    Levels { available: Units(300), reserved: Units(2), committed: Units(u32::MAX) }
}

fn euro() -> Currency {
    Currency::new("EUR").expect("three capitals")
}
