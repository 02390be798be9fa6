//! Adjustments and counts of one product that are made together: all of them or none.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, Event, NewProduct, NewVariant, Product, Reason, Refusal, Short, VariantDescription,
    VariantNo, apply, decide_create, invariant,
};
use holdfast_domain::{Currency, Money, Quantity, Sku, Timestamp, Units};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

#[test]
fn each_builds_on_those_before_it() {
    let commands = [adjust(0, -5), adjust(0, 3), count(0, 4, Some(3)), count(1, 5, Some(5)), adjust(1, -5)];
    let after = applied(product(), &commands).expect("each fits");
    assert_eq!(available(&after), [Units(4), Units(0)]);
    assert_eq!(invariant::check(&after), Ok(()));
}

#[test]
fn together_they_are_what_they_are_one_by_one() {
    let commands = [adjust(1, 2), count(0, 0, None), adjust(0, 7), count(1, 7, Some(7))];
    let mut one_by_one = product();
    for command in &commands {
        let events = one_by_one.decide(command).expect("each fits");
        one_by_one = take(one_by_one, &events);
    }
    assert_eq!(applied(product(), &commands).expect("each fits"), one_by_one);
}

#[test]
fn every_one_that_fails_is_named_and_nothing_changes() {
    let short = |requested, available| {
        let (index, variant, reserved) = (0, VariantNo(0), Units::ZERO);
        let lines = vec![Short { index, variant, requested: Units(requested), available, reserved }];
        Refusal::InsufficientStock { lines }
    };
    let commands =
        [adjust(0, -6), adjust(0, -4), adjust(0, 0), adjust(0, -2), adjust(9, 1), count(1, 5, Some(4))];
    let mismatch = Refusal::ExpectedMismatch { expected: Units(4), on_hand: Units(5) };
    let expected = vec![
        (0, short(6, Units(5))),
        (2, Refusal::OutOfBounds),
        (3, short(2, Units(1))),
        (4, Refusal::UnknownVariant { variant: VariantNo(9) }),
        (5, mismatch),
    ];
    assert_eq!(product().decide_all(&commands), Err(expected));
}

#[test]
fn only_stocktaking_is_done_together() {
    let commands = [adjust(0, 1), Command::Delete { version: None }];
    assert_eq!(product().decide_all(&commands), Err(vec![(1, Refusal::InvalidState)]));
    assert_eq!(product().decide_all(&[]), Ok(Vec::new()));
}

fn applied(product: Product, commands: &[Command]) -> Result<Product, Vec<(usize, Refusal)>> {
    product.decide_all(commands).map(|events| take(product, &events))
}

fn take(product: Product, events: &[Event]) -> Product {
    let mut slot = Some(product);
    events.iter().for_each(|event| apply(&mut slot, event, NOW));
    slot.expect("not deleted")
}

fn available(product: &Product) -> Vec<Units> {
    product.variants().iter().map(|variant| variant.levels.available).collect()
}

fn adjust(variant: u16, delta: i32) -> Command {
    let (variant, reason) = (VariantNo(variant), Reason::Correction);
    Command::Adjust { variant, delta, reason, reference: None, note: None }
}

fn count(variant: u16, on_hand: u32, expected: Option<u32>) -> Command {
    Command::Count { variant: VariantNo(variant), on_hand: Units(on_hand), expected: expected.map(Units) }
}

/// Two variants, five units of each.
fn product() -> Product {
    let variant = |sku| NewVariant {
        description: Arc::new(VariantDescription::plain(Sku::new(sku).expect("well formed"))),
        initial_stock: Quantity::new(5),
    };
    let description = Description::plain("Lamp", Money(1000), Currency::new("EUR").expect("three capitals"));
    let variants = vec![variant("lamp-red"), variant("lamp-blue")];
    let new = NewProduct { description: Arc::new(description), is_simple: false, variants };
    let mut slot = None;
    decide_create(&new).expect("well formed").iter().for_each(|event| apply(&mut slot, event, NOW));
    slot.expect("made")
}
