//! What holds for every set of rules, whatever they say.

use holdfast_domain::account::Tier;
use holdfast_domain::price::{Kind, Off, Price, PriceList, StepKind, Terms};
use holdfast_domain::{CategoryId, Money, Quantity, Timestamp};
use proptest::prelude::*;

use super::scene::{Scene, bulk, quantity, sku, tier};

/// Windows and moments are about this one.
const NOON: u64 = 1_000;
/// Categories 1 to 5, each in the one before it.
const CATEGORIES: u128 = 5;

fn tiers() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Standard), Just(Tier::Silver), Just(Tier::Gold)]
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Seasonal),
        prop_oneof![1..20_u32, 1..=Quantity::MAX].prop_map(bulk),
        tiers().prop_map(tier)
    ]
}

fn offs() -> impl Strategy<Value = Off> {
    prop_oneof![
        (1..=10_000_u16).prop_map(Off::Percent),
        prop_oneof![1..5_000_i64, 1..=Money::PRICE_MAX].prop_map(|minor| Off::Amount(Money(minor))),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let skus = proptest::collection::vec(prop_oneof![Just("lamp"), Just("sofa"), Just("table")], 0..3);
    let categories = proptest::collection::vec((1..=CATEGORIES).prop_map(CategoryId), 0..3);
    let window = (proptest::option::of(0..NOON * 2), proptest::option::of(1..NOON));
    let rest = (window, -2..3_i32, proptest::bool::weighted(0.9));
    (kinds(), offs(), skus, categories, rest).prop_map(
        |(kind, off, skus, categories, ((start, lasts), priority, is_active))| {
            let starts_at = start.or((kind == Kind::Seasonal).then_some(0)).map(Timestamp);
            let ends_at = starts_at.zip(lasts).map(|(start, lasts)| Timestamp(start.0 + lasts));
            let skus = skus.into_iter().map(sku).collect();
            Terms {
                name: "Rule".into(),
                kind,
                off,
                skus,
                categories,
                starts_at,
                ends_at,
                priority,
                is_active,
            }
        },
    )
}

/// A rule and when it was made.
fn rules() -> impl Strategy<Value = Vec<(Terms, u64)>> {
    proptest::collection::vec((terms(), 0..4_u64), 0..12)
}

fn prices() -> impl Strategy<Value = i64> {
    prop_oneof![0..3_000_i64, 0..=Money::PRICE_MAX, Just(Money::PRICE_MAX)]
}

fn quantities() -> impl Strategy<Value = u32> {
    prop_oneof![1..25_u32, 1..=Quantity::MAX, Just(Quantity::MAX)]
}

fn scenes() -> impl Strategy<Value = Scene> {
    let listed_in = proptest::collection::vec(1..=CATEGORIES, 0..3);
    (prices(), rules(), listed_in, tiers(), 0..NOON * 2).prop_map(|(price, rules, listed_in, tier, at)| {
        let mut scene = tree(price).bought_by(tier).at(at);
        scene.listed_in = listed_in.into_iter().map(CategoryId).collect();
        for (id, (terms, made_at)) in (0..).zip(rules) {
            scene = scene.with_at(id, terms, made_at);
        }
        scene
    })
}

fn tree(price: i64) -> Scene {
    (1..=CATEGORIES)
        .fold(Scene::lamp_for(price), |scene, id| scene.with_category(id, (id > 1).then(|| id - 1)))
}

/// Rounds half to even by asking which neighbour is nearer, on another way than the code's.
fn nearest_even(numerator: i128, denominator: i128) -> i128 {
    let (below, above) = (numerator.div_euclid(denominator), -(-numerator).div_euclid(denominator));
    let (down, up) = (numerator - below * denominator, above * denominator - numerator);
    match down.cmp(&up) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => above,
        std::cmp::Ordering::Equal if below == above => below,
        std::cmp::Ordering::Equal => [below, above].into_iter().find(|it| it % 2 == 0).expect("one is even"),
    }
}

/// The price as the contract tells it, rule by rule, without any index.
fn naive(scene: &Scene, units: u32) -> Vec<(StepKind, Option<u128>, i64)> {
    let mut unit = i128::from(scene.price);
    let mut steps = vec![(StepKind::Base, None, scene.price)];
    for step in [StepKind::Seasonal, StepKind::Bulk, StepKind::Tier] {
        let is_for = |terms: &Terms| {
            let is_within = |id: &CategoryId| {
                scene.listed_in.iter().any(|listed| scene.categories.is_within(*listed, *id))
            };
            (terms.skus.is_empty() && terms.categories.is_empty())
                || terms.skus.contains(&sku("lamp"))
                || terms.categories.iter().any(is_within)
        };
        let holds = |terms: &Terms| {
            terms.is_active
                && terms.starts_at.is_none_or(|start| scene.at >= start)
                && terms.ends_at.is_none_or(|end| scene.at < end)
                && match terms.kind {
                    Kind::Seasonal => true,
                    Kind::Bulk { min_quantity } => units >= min_quantity.get(),
                    Kind::Tier { tier } => tier == scene.tier,
                }
        };
        let of_step = scene.list.iter().filter(|rule| rule.terms.kind.step() == step);
        let winner = of_step
            .filter(|rule| is_for(&rule.terms) && holds(&rule.terms))
            .min_by_key(|rule| (rule.terms.priority, rule.created_at, rule.id));
        let Some(rule) = winner else { continue };
        let after = match rule.terms.off {
            Off::Percent(points) => nearest_even(unit * (10_000 - i128::from(points)), 10_000),
            Off::Amount(amount) => (unit - i128::from(amount.0)).max(0),
        };
        steps.push((step, Some(rule.id.0), i64::try_from(after - unit).expect("it is a price")));
        unit = after;
    }
    steps
}

proptest! {
    #[test]
    fn price_is_what_the_contract_says(scene in scenes(), units in quantities()) {
        prop_assert_eq!(scene.steps(units), naive(&scene, units));
        prop_assert_eq!(scene.quote(units), scene.quote(units));
    }

    #[test]
    fn price_lies_between_nothing_and_the_base_and_adds_up(scene in scenes(), units in quantities()) {
        let price = scene.quote(units);
        prop_assert!((0..=scene.price).contains(&price.unit.0));
        let steps: i64 = price.breakdown.iter().map(|step| step.amount.0).sum();
        prop_assert_eq!(steps, price.unit.0);
        prop_assert_eq!(i128::from(price.total.0), i128::from(price.unit.0) * i128::from(units));
        prop_assert!(price.breakdown[1..].iter().all(|step| step.amount.0 <= 0));
        prop_assert!(price.breakdown.windows(2).all(|pair| pair[0].kind < pair[1].kind), "one rule a step");
        // What a purchase keeps leads back to the whole.
        let (description, lamp) = (scene.description(), super::scene::lamp());
        let again = Price::as_applied(&description, &lamp, quantity(units), &price.applied());
        prop_assert_eq!(again, price);
    }

    #[test]
    fn order_in_which_rules_were_entered_does_not_matter(
        rules in rules(),
        order in any::<prop::sample::Index>(),
        units in quantities(),
        price in prices(),
    ) {
        let numbered: Vec<_> = (0..).zip(rules).collect();
        let mut turned = numbered.clone();
        let by = order.index(turned.len().max(1));
        turned.rotate_left(by);
        turned.reverse();
        let enter = |rules: Vec<(u128, (Terms, u64))>| {
            rules.into_iter().fold(tree(price).at(NOON).listed_in(3), |scene, (id, (terms, made_at))| {
                scene.with_at(id, terms, made_at)
            })
        };
        let (one, other) = (enter(numbered), enter(turned));
        prop_assert_eq!(&one.list, &other.list);
        prop_assert_eq!(one.quote(units), other.quote(units));
    }

    #[test]
    fn dearer_lamp_is_never_cheaper(scene in scenes(), units in quantities(), more in 0..1_000_i64) {
        let price = scene.price.saturating_add(more).min(Money::PRICE_MAX);
        let dearer = Scene { price, ..scene.clone() };
        prop_assert!(dearer.unit(units) >= scene.unit(units));
    }

    #[test]
    fn rule_that_came_and_went_left_no_trace(scene in scenes(), terms in terms(), other in terms()) {
        let mut list = scene.list.clone();
        let id = holdfast_domain::RuleId(u128::MAX);
        let made = list.decide_create(id, terms, &scene.categories).expect("sound");
        list.apply(&made, scene.at);
        if let Some(changed) = list.decide_change(id, other, Some(1), &scene.categories).expect("sound") {
            list.apply(&changed, scene.at);
        }
        let gone = list.decide_delete(id, None).expect("it is there");
        list.apply(&gone, scene.at);
        prop_assert_eq!(&list, &scene.list);
        prop_assert_eq!(list.is_idle(), !scene.list.iter().any(|rule| rule.terms.is_active));
        prop_assert_eq!(PriceList::default().len(), 0);
    }
}
