//! Which rule it is: for which lines, when, and of several the one that wins.

use holdfast_domain::account::Tier;
use holdfast_domain::price::{Event, Kind, StepKind, Terms};
use holdfast_domain::{CategoryId, RuleId, Timestamp};

use super::scene::{NOW, Scene, amount, bulk, percent, sku, tier};

#[test]
fn without_rules_the_base_price_is_the_price() {
    let shop = Scene::lamp_for(1_999);
    let price = shop.quote(3);
    assert_eq!((price.base_unit.0, price.unit.0, price.total.0), (1_999, 1_999, 5_997));
    assert_eq!(shop.steps(3), [(StepKind::Base, None, 1_999)]);
    assert_eq!(price.applied(), None);
    assert!(shop.list.is_idle());
}

#[test]
fn each_step_works_on_what_the_one_before_left() {
    let shop = Scene::lamp_for(10_000)
        .with(3, percent(tier(Tier::Gold), 1_000))
        .with(2, amount(bulk(10), 500))
        .with(1, percent(Kind::Seasonal, 2_000))
        .bought_by(Tier::Gold);
    let expected = [
        (StepKind::Base, None, 10_000),
        (StepKind::Seasonal, Some(1), -2_000),
        (StepKind::Bulk, Some(2), -500),
        (StepKind::Tier, Some(3), -750),
    ];
    assert_eq!(shop.steps(10), expected);
    let price = shop.quote(10);
    assert_eq!((price.base_unit.0, price.unit.0, price.total.0), (10_000, 6_750, 67_500));
}

#[test]
fn half_a_minor_unit_goes_to_the_even_neighbour_step_by_step() {
    for (price, points, expected) in [
        (5, 5_000, 2),
        (15, 5_000, 8),
        (25, 5_000, 12),
        (1, 5_000, 0),
        (3, 5_000, 2),
        (1_999, 1_500, 1_699),
        (10, 2_500, 8),
        (9, 1, 9),
        (100, 10_000, 0),
    ] {
        let shop = Scene::lamp_for(price).with(1, percent(Kind::Seasonal, points));
        assert_eq!(shop.unit(1), expected, "{price} less {points} basis points");
    }
    // 2.5 is 2, and half of that is 1: rounded only at the end it would be 1.25.
    let twice = Scene::lamp_for(5).with(1, percent(Kind::Seasonal, 5_000)).with(2, percent(bulk(1), 5_000));
    assert_eq!(twice.steps(1)[1..], [(StepKind::Seasonal, Some(1), -3), (StepKind::Bulk, Some(2), -1)]);
}

#[test]
fn price_never_falls_below_nothing() {
    let shop = Scene::lamp_for(300)
        .with(1, amount(Kind::Seasonal, 1_000))
        .with(2, amount(bulk(1), 1_000))
        .with(3, percent(tier(Tier::Standard), 10_000));
    assert_eq!(shop.quote(7).total.0, 0);
    assert_eq!(shop.steps(7)[1..].iter().map(|step| step.2).collect::<Vec<_>>(), [-300, 0, 0]);
}

#[test]
fn window_is_half_open() {
    let window = |start, end| Terms {
        starts_at: Some(Timestamp(start)),
        ends_at: Some(Timestamp(end)),
        ..amount(Kind::Seasonal, 1)
    };
    let shop = Scene::lamp_for(10).with(1, window(1_000, 2_000));
    for (at, expected) in [(999, 10), (1_000, 9), (1_999, 9), (2_000, 10)] {
        assert_eq!(shop.clone().at(at).unit(1), expected, "at {at}");
    }
    let until = Terms { ends_at: Some(Timestamp(2_000)), ..amount(tier(Tier::Standard), 1) };
    let shop = Scene::lamp_for(10).with(1, until);
    assert_eq!([shop.clone().at(0).unit(1), shop.at(2_000).unit(1)], [9, 10], "others may have one, too");
}

#[test]
fn bulk_begins_at_its_quantity_and_tier_is_exact() {
    let shop = Scene::lamp_for(10).with(1, amount(bulk(5), 1)).with(2, amount(tier(Tier::Silver), 2));
    assert_eq!([shop.unit(4), shop.unit(5)], [10, 9]);
    let tiers = [Tier::Standard, Tier::Silver, Tier::Gold];
    assert_eq!(tiers.map(|tier| shop.clone().bought_by(tier).unit(1)), [10, 8, 10]);
}

#[test]
fn lowest_priority_wins_then_the_oldest_then_the_lower_id() {
    let rule = |priority, minor| Terms { priority, ..amount(Kind::Seasonal, minor) };
    let base = Scene::lamp_for(100).with_at(5, rule(1, 50), 10).with_at(6, rule(0, 20), 30);
    assert_eq!(base.unit(1), 80, "the lower priority, though it is younger and takes off less");
    let older = base.clone().with_at(9, rule(0, 10), 20);
    assert_eq!(older.unit(1), 90, "the older one, whatever its id");
    let twin = older.clone().with_at(8, rule(0, 30), 20);
    assert_eq!(twin.unit(1), 70, "of one millisecond the lower id");
    let urgent = twin.with_at(10, rule(-1, 1), 40);
    assert_eq!(urgent.steps(1)[1..], [(StepKind::Seasonal, Some(10), -1)], "one rule a step, never two");
}

#[test]
fn rule_that_does_not_hold_leaves_the_step_to_the_next() {
    let first = Terms { priority: -1, ..percent(bulk(10), 5_000) };
    let asleep = Terms { priority: -2, is_active: false, ..percent(bulk(1), 9_000) };
    let shop = Scene::lamp_for(100).with(1, first).with(2, percent(bulk(3), 1_000)).with(3, asleep);
    assert_eq!([shop.unit(2), shop.unit(3), shop.unit(10)], [100, 90, 50]);
}

#[test]
fn rule_is_for_what_it_names() {
    let named = |text| Terms { skus: vec![sku("sofa"), sku(text)], ..amount(Kind::Seasonal, 1) };
    assert_eq!(Scene::lamp_for(10).with(1, named("lamp")).unit(1), 9);
    assert_eq!(Scene::lamp_for(10).with(1, named("table")).unit(1), 10);
}

#[test]
fn rule_for_a_category_is_for_its_descendants() {
    let shop = Scene::lamp_for(10).with_category(1, None).with_category(2, Some(1)).with_category(3, None);
    let of = |id| Terms { categories: vec![CategoryId(id)], ..amount(Kind::Seasonal, 1) };
    let rule = |id| shop.clone().with(7, of(id));
    assert_eq!(rule(1).unit(1), 10, "the lamp is listed nowhere");
    assert_eq!(rule(1).listed_in(1).unit(1), 9);
    assert_eq!(rule(1).listed_in(3).listed_in(2).unit(1), 9, "one of its categories is within");
    assert_eq!(rule(2).listed_in(1).unit(1), 10, "not the other way round");
    let either = Terms { skus: vec![sku("lamp")], ..of(3) };
    let shop = shop.with(7, either);
    assert_eq!(shop.unit(1), 9, "by sku or by category");
    assert_eq!(shop.listed_in(3).unit(1), 9, "and once, where both are so");
}

#[test]
fn category_is_named_as_long_as_a_rule_names_it() {
    let mut shop = Scene::lamp_for(10).with_category(1, None).with_category(2, None);
    let terms = Terms { categories: vec![CategoryId(1)], is_active: false, ..amount(Kind::Seasonal, 1) };
    shop = shop.with(7, terms);
    assert!(shop.list.names_category(CategoryId(1)), "asleep or not");
    assert!(!shop.list.names_category(CategoryId(2)));
    shop.list.apply(&Event::Deleted { id: RuleId(7) }, NOW);
    assert!(!shop.list.names_category(CategoryId(1)));
}
