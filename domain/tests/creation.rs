//! Making a product: its first units, its bounds, and being made and deleted once.

use std::sync::Arc;

use holdfast_domain::product::{
    Description, Event, NewProduct, NewVariant, Product, Refusal, VARIANTS_MAX, VariantDescription,
    VariantNo, apply, decide_create, invariant,
};
use holdfast_domain::{Currency, Money, Quantity, Sku, Timestamp, Units};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[test]
fn product_is_made_with_its_first_units() {
    let new = product(vec![variant("lamp-red", Some(5)), variant("lamp-blue", None)]);
    let made = made(&new);
    assert_eq!(invariant::check(&made), Ok(()));
    assert_eq!((made.version(), made.created_at(), made.updated_at()), (1, NOW, NOW));
    assert_eq!(made.description().name, new.description.name);
    let [red, blue] = made.variants() else { panic!("two variants were made") };
    assert_eq!((red.levels.available, red.totals.received), (Units(5), 5));
    assert_eq!((blue.levels.available, blue.totals.received), (Units::ZERO, 0));
    assert!(made.reservations().is_empty() && made.commitments().is_empty());
}

#[test]
fn variants_are_found_by_their_sku() {
    let made = made(&product(vec![variant("lamp-red", None), variant("lamp-blue", None)]));
    assert_eq!(made.find(&sku("lamp-blue")), Some(VariantNo(1)));
    assert_eq!(made.find(&sku("lamp-green")), None);
    assert_eq!((made.only_variant(), made.sku()), (None, None));
}

#[test]
fn simple_product_has_the_sku_of_its_only_variant() {
    let simple = NewProduct { is_simple: true, ..product(vec![variant("lamp", None)]) };
    let made = made(&simple);
    assert_eq!((made.only_variant(), made.sku()), (Some(VariantNo(0)), Some(&sku("lamp"))));
}

#[test]
fn product_with_one_option_has_no_sku_of_its_own() {
    let made = made(&product(vec![variant("lamp-red", None)]));
    assert_eq!((made.only_variant(), made.sku()), (Some(VariantNo(0)), None));
}

#[test]
fn product_has_one_to_a_hundred_variants_and_no_sku_twice() {
    let many = |count: usize| (0..count).map(|no| variant(&format!("lamp-{no}"), None)).collect();
    assert!(decide_create(&product(many(VARIANTS_MAX))).is_ok());
    let twice = vec![variant("lamp", None), variant("lamp", None)];
    for variants in [many(0), many(VARIANTS_MAX + 1), many(70_000), twice] {
        assert_eq!(decide_create(&product(variants)), Err(Refusal::OutOfBounds));
    }
    let simple = NewProduct { is_simple: true, ..product(many(2)) };
    assert_eq!(decide_create(&simple), Err(Refusal::OutOfBounds));
}

#[test]
fn price_of_a_new_product_is_within_its_bounds() {
    let priced = |price| {
        let new = product(vec![variant("lamp", None)]);
        let description = Description { price: Money(price), ..(*new.description).clone() };
        decide_create(&NewProduct { description: Arc::new(description), ..new })
    };
    assert!(priced(0).is_ok());
    assert!(priced(Money::PRICE_MAX).is_ok());
    for price in [-1, Money::PRICE_MAX + 1, i64::MIN, i64::MAX] {
        assert_eq!(priced(price), Err(Refusal::OutOfBounds), "price {price}");
    }
}

#[test]
fn texts_of_a_new_product_are_within_their_bounds() {
    let mut new = product(vec![variant("lamp", None)]);
    let description = Description { text: Some("x".repeat(40_000).into()), ..(*new.description).clone() };
    new.description = Arc::new(description);
    assert!(matches!(decide_create(&new), Err(Refusal::TooLarge { .. })));
}

#[test]
#[should_panic(expected = "a product is created once")]
fn second_creation_is_a_bug() {
    let events = decide_create(&product(vec![variant("lamp", None)])).expect("well formed");
    let mut slot = None;
    apply(&mut slot, &events[0], NOW);
    apply(&mut slot, &events[0], NOW);
}

#[test]
#[should_panic(expected = "only what exists is deleted")]
fn deletion_of_nothing_is_a_bug() {
    apply(&mut None, &Event::Deleted, NOW);
}

fn made(new: &NewProduct) -> Product {
    let mut slot = None;
    for event in decide_create(new).expect("well formed") {
        apply(&mut slot, &event, NOW);
    }
    slot.expect("made")
}

fn product(variants: Vec<NewVariant>) -> NewProduct {
    let description = Description::plain("Lamp", Money(1000), Currency::new("EUR").expect("three capitals"));
    NewProduct { description: Arc::new(description), is_simple: false, variants }
}

fn variant(text: &str, stock: Option<u32>) -> NewVariant {
    let description = VariantDescription::plain(sku(text));
    NewVariant { description: Arc::new(description), initial_stock: stock.and_then(Quantity::new) }
}

fn sku(text: &str) -> Sku {
    Sku::new(text).expect("well formed")
}
