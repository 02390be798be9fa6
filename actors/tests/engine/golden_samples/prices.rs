//! Records of price rules, and of purchases that they priced.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_actors::RequestId;
use holdfast_actors::domain::account::Tier;
use holdfast_actors::domain::price::rule::{CATEGORIES_MAX, NAME_BYTES_MAX, SKUS_MAX};
use holdfast_actors::domain::price::{Event, Kind, Off, Refusal, Rule, Step, StepKind, Terms};
use holdfast_actors::domain::{CategoryId, Money, RuleId, Timestamp, product};
use holdfast_actors::outcome::Outcome;
use holdfast_actors::record::{Entity, Events, Turn};

use super::{AT, BUYER, ORDER, euro, keyed_turn, lines, product_turn};
use crate::common::{quantity, sku};

names!(event_name, EVENTS, Event, {
    Event::Created { terms: Terms { kind: Kind::Seasonal, .. }, .. } => "price-created-seasonal",
    Event::Created { terms: Terms { kind: Kind::Bulk { .. }, .. }, .. } => "price-created-bulk",
    Event::Created { terms: Terms { kind: Kind::Tier { tier: Tier::Standard }, .. }, .. } =>
        "price-created-tier-standard",
    Event::Created { terms: Terms { kind: Kind::Tier { tier: Tier::Silver }, .. }, .. } =>
        "price-created-tier-silver",
    Event::Created { terms: Terms { kind: Kind::Tier { tier: Tier::Gold }, .. }, .. } =>
        "price-created-tier-gold",
    Event::Changed { terms: Terms { off: Off::Percent(_), .. }, .. } => "price-changed-percent",
    Event::Changed { terms: Terms { off: Off::Amount(_), .. }, .. } => "price-changed-amount",
    Event::Deleted { .. } => "price-deleted",
});

names!(refusal_name, REFUSALS, Refusal, {
    Refusal::Unknown => "price-refused-unknown",
    Refusal::VersionMismatch { .. } => "price-refused-version-mismatch",
    Refusal::TooMany => "price-refused-too-many",
    Refusal::OutOfBounds => "price-refused-out-of-bounds",
    Refusal::UnknownCategories(_) => "price-refused-unknown-categories",
});

const RULE: RuleId = RuleId(0x0192_0000_0000_7000_8000_0000_0000_00ee);

pub(super) fn samples() -> Vec<(String, Turn)> {
    let of = |events| Turn {
        entity: Entity::PriceRules,
        events: Events::PriceRules(events),
        ..product_turn(Vec::new())
    };
    let mut all = vec![("event-purchased-by-rules".into(), product_turn(vec![purchased()]))];
    for event in events() {
        all.push((event_name(&event).into(), of(vec![event])));
    }
    for refusal in refusals() {
        all.push((refusal_name(&refusal).into(), keyed_turn(Err(refusal.into()))));
    }
    all
}

pub(super) fn missing() -> Vec<&'static str> {
    let mut seen: BTreeSet<&'static str> = BTreeSet::new();
    seen.extend(events().iter().map(event_name));
    seen.extend(refusals().iter().map(refusal_name));
    [EVENTS, REFUSALS].concat().into_iter().filter(|name| !seen.contains(name)).collect()
}

pub(super) fn outcomes() -> Vec<Outcome> {
    let rule = Rule { id: RULE, terms: full(), version: 7, created_at: Timestamp(0), updated_at: AT };
    vec![Outcome::Rule(Arc::new(rule))]
}

/// A purchase with every step that there can be.
pub(super) fn purchased() -> product::Event {
    let step = |kind, name: Option<&str>, amount| Step {
        kind,
        rule: Some(RULE),
        name: name.map(Into::into),
        amount: Money(amount),
    };
    let steps = vec![
        step(StepKind::Seasonal, Some("Spring ø"), -300),
        step(StepKind::Bulk, None, -85),
        step(StepKind::Tier, Some("Gold"), 0),
    ];
    product::Event::Purchased {
        order: ORDER,
        buyer: BUYER,
        line: lines()[0],
        unit_price: Money(1_614),
        currency: euro(),
        rules: Some(Arc::new(steps)),
    }
}

fn events() -> Vec<Event> {
    let created = |kind| Event::Created { id: RULE, terms: Terms { kind, ..bare() } };
    let tier = |tier| created(Kind::Tier { tier });
    let amount = Off::Amount(Money(Money::PRICE_MAX));
    vec![
        Event::Created { id: RULE, terms: full() },
        created(Kind::Bulk { min_quantity: quantity(1_000_000) }),
        tier(Tier::Standard),
        tier(Tier::Silver),
        tier(Tier::Gold),
        Event::Changed { id: RULE, terms: bare() },
        Event::Changed { id: RULE, terms: Terms { off: amount, ..bare() } },
        Event::Deleted { id: RULE },
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Unknown,
        Refusal::VersionMismatch { expected: 7, actual: 8 },
        Refusal::TooMany,
        Refusal::OutOfBounds,
        Refusal::UnknownCategories(vec![0, 300]),
    ]
}

/// The largest rule that there can be, made under a key: its record has it twice.
pub(crate) fn largest() -> Turn {
    let terms = Terms {
        name: "x".repeat(NAME_BYTES_MAX).into(),
        off: Off::Amount(Money(Money::PRICE_MAX)),
        skus: (0..SKUS_MAX).map(|number| sku(&format!("{number:064}"))).collect(),
        categories: vec![CategoryId(u128::MAX); CATEGORIES_MAX],
        priority: i32::MIN,
        ..full()
    };
    assert!(terms.is_sound());
    let at = Timestamp(u64::MAX);
    let rule = Rule { id: RULE, terms: terms.clone(), version: u32::MAX, created_at: at, updated_at: at };
    Turn {
        entity: Entity::PriceRules,
        request_id: RequestId::Sent("x".repeat(255).into()),
        events: Events::PriceRules(vec![Event::Changed { id: RULE, terms }]),
        ..keyed_turn(Ok(Outcome::Rule(Arc::new(rule))))
    }
}

/// A rule with everything that one can have.
fn full() -> Terms {
    Terms {
        name: "Spring ø".into(),
        kind: Kind::Seasonal,
        off: Off::Percent(10_000),
        skus: vec![sku("lamp"), sku("lamp.RED_1-2")],
        categories: vec![CategoryId(1), CategoryId(u128::MAX)],
        starts_at: Some(Timestamp(0)),
        ends_at: Some(AT),
        priority: i32::MIN,
        is_active: false,
    }
}

/// A rule with as little as one can have.
fn bare() -> Terms {
    Terms {
        name: "x".into(),
        kind: Kind::Tier { tier: Tier::Silver },
        off: Off::Percent(1),
        skus: Vec::new(),
        categories: Vec::new(),
        starts_at: None,
        ends_at: None,
        priority: 0,
        is_active: true,
    }
}
