//! Rules are made, changed and removed; what is not sound is refused.

use holdfast_domain::price::list::{RULES_MAX, TARGETS_MAX};
use holdfast_domain::price::rule::{CATEGORIES_MAX, NAME_BYTES_MAX, SKUS_MAX};
use holdfast_domain::price::{Kind, Off, PriceList, Refusal, Terms};
use holdfast_domain::{CategoryId, Money, RuleId, Sku, Timestamp};

use super::scene::{NOW, Scene, amount, bulk, percent, sku};

const RULE: RuleId = RuleId(1);

#[test]
fn change_keeps_the_age_and_counts_the_versions() {
    let mut shop = Scene::lamp_for(100).with(1, percent(Kind::Seasonal, 1_000));
    let terms = amount(bulk(2), 30);
    let event = shop.list.decide_change(RULE, terms.clone(), Some(1), &shop.categories);
    shop.list.apply(&event.expect("it may").expect("it is another"), Timestamp(NOW.0 + 5));
    let rule = shop.list.get(RULE).expect("it is there");
    assert_eq!((rule.version, rule.created_at, rule.updated_at), (2, NOW, Timestamp(NOW.0 + 5)));
    assert_eq!([shop.unit(1), shop.unit(2)], [100, 70]);
    assert_eq!(shop.list.decide_change(RULE, terms, Some(2), &shop.categories), Ok(None), "it is so already");
}

#[test]
fn removed_rule_leaves_nothing_behind() {
    let shop = Scene::lamp_for(100).with_category(5, None);
    let everywhere = percent(Kind::Seasonal, 1_000);
    let named =
        Terms { skus: vec![sku("lamp"), sku("sofa")], categories: vec![CategoryId(5)], ..everywhere.clone() };
    let mut with = shop.clone().with(1, everywhere).with(2, named);
    for id in [2, 1] {
        let event = with.list.decide_delete(RuleId(id), Some(1)).expect("it is there");
        with.list.apply(&event, NOW);
    }
    assert_eq!(with.list, PriceList::default());
    assert!(with.list.is_idle());
}

#[test]
fn unknown_rules_and_other_versions_are_refused() {
    let shop = Scene::lamp_for(100).with(1, percent(Kind::Seasonal, 1_000));
    let terms = percent(Kind::Seasonal, 2_000);
    let other = Refusal::VersionMismatch { expected: 7, actual: 1 };
    let change = |id, version| shop.list.decide_change(id, terms.clone(), version, &shop.categories);
    assert_eq!(change(RULE, Some(7)), Err(other.clone()));
    assert_eq!(shop.list.decide_delete(RULE, Some(7)), Err(other));
    assert_eq!(change(RuleId(9), None), Err(Refusal::Unknown));
    assert_eq!(shop.list.decide_delete(RuleId(9), None), Err(Refusal::Unknown));
}

#[test]
fn rule_beyond_its_bounds_is_refused() {
    let good = percent(Kind::Seasonal, 1_000);
    let moment = |ms| Some(Timestamp(ms));
    let bad = [
        Terms { name: "".into(), ..good.clone() },
        Terms { name: "x".repeat(NAME_BYTES_MAX + 1).into(), ..good.clone() },
        Terms { off: Off::Percent(0), ..good.clone() },
        Terms { off: Off::Percent(10_001), ..good.clone() },
        Terms { off: Off::Amount(Money(0)), ..good.clone() },
        Terms { off: Off::Amount(Money(-1)), ..good.clone() },
        Terms { off: Off::Amount(Money(Money::PRICE_MAX + 1)), ..good.clone() },
        Terms { skus: skus(0, SKUS_MAX + 1), ..good.clone() },
        Terms { categories: vec![CategoryId(1); CATEGORIES_MAX + 1], ..good.clone() },
        Terms { starts_at: None, ends_at: None, ..good.clone() },
        Terms { starts_at: moment(5), ends_at: moment(5), ..good.clone() },
        Terms { starts_at: moment(6), ends_at: moment(5), kind: bulk(1), ..good },
    ];
    let shop = Scene::lamp_for(100);
    for terms in bad {
        let refused = shop.list.decide_create(RULE, terms.clone(), &shop.categories);
        assert_eq!(refused, Err(Refusal::OutOfBounds), "{terms:?}");
    }
}

#[test]
fn unknown_categories_are_all_named() {
    let shop = Scene::lamp_for(100).with_category(2, None);
    let terms = Terms { categories: [1, 2, 3].map(CategoryId).to_vec(), ..percent(Kind::Seasonal, 1_000) };
    let refused = shop.list.decide_create(RULE, terms, &shop.categories);
    assert_eq!(refused, Err(Refusal::UnknownCategories(vec![0, 2])));
}

#[test]
fn there_are_so_many_rules_and_no_more() {
    let mut shop = Scene::lamp_for(100);
    for id in 0..u128::try_from(RULES_MAX).expect("it is small") {
        shop = shop.with(id, Terms { skus: vec![sku("sofa")], ..percent(Kind::Seasonal, 1) });
    }
    let another = percent(Kind::Seasonal, 1);
    assert_eq!(shop.list.decide_create(RuleId(u128::MAX), another, &shop.categories), Err(Refusal::TooMany));
}

#[test]
fn rules_together_name_so_many_skus_and_no_more() {
    let mut shop = Scene::lamp_for(100);
    let of = |first| Terms { skus: skus(first, SKUS_MAX), ..percent(Kind::Seasonal, 1) };
    let rules = TARGETS_MAX / SKUS_MAX;
    for id in 0..rules {
        shop = shop.with(u128::try_from(id).expect("it is small"), of(id * SKUS_MAX));
    }
    let one = Terms { skus: vec![sku("lamp")], ..percent(Kind::Seasonal, 1) };
    let create = shop.list.decide_create(RuleId(999), one.clone(), &shop.categories);
    assert_eq!(create, Err(Refusal::TooMany));
    let changed = shop.list.decide_change(RuleId(0), of(7), None, &shop.categories);
    assert!(changed.is_ok(), "what the same rule names already does not count twice");
    let event = shop.list.decide_change(RuleId(0), one, None, &shop.categories);
    shop.list.apply(&event.expect("fewer").expect("another"), NOW);
    assert_eq!(shop.unit(1), 100, "one basis point of 100");
}

fn skus(first: usize, count: usize) -> Vec<Sku> {
    (first..first + count).map(|number| sku(&format!("thing-{number}"))).collect()
}
