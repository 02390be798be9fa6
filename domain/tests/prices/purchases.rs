//! A purchase is priced in its turn, and keeps how.

use std::mem::size_of;
use std::sync::Arc;

use holdfast_domain::order::Bought;
use holdfast_domain::price::{Kind, StepKind};
use holdfast_domain::product::{
    Command, Event, Line, NewProduct, NewVariant, Product, VariantNo, apply, decide_create,
};
use holdfast_domain::{Buyer, Item, Money, OrderId, Owner, ProductId};

use super::scene::{NOW, Scene, bulk, lamp, percent, quantity};

/// Most orders of a flash sale are purchases, and there are millions of them.
const BOUGHT_BYTES: usize = 112;

#[test]
fn purchase_costs_what_the_rules_of_its_turn_say_and_keeps_their_steps() {
    let shop = Scene::lamp_for(1_999).with(1, percent(Kind::Seasonal, 1_500)).with(2, percent(bulk(3), 500));
    let product = product(&shop);
    let command = Command::Purchase { order: OrderId(1), buyer: Buyer(1), line: line(3) };
    let events = product.decide_at(&command, Some(&shop.occasion())).expect("there are enough");
    let [Event::Purchased { unit_price, currency, rules, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*unit_price, Money(1_614));
    let bought = Bought {
        owner: Owner::Guest(1),
        item: Item { product: ProductId(1), variant: VariantNo(0), quantity: quantity(3) },
        unit_price: *unit_price,
        rules: rules.clone(),
        description: Arc::clone(product.description()),
        variant: lamp(),
        at: NOW,
        mark: 1,
    };
    let placed = bought.to_order(OrderId(1)).placed;
    assert_eq!((placed.subtotal, placed.discount, placed.total), (Money(5_997), Money(1_155), Money(4_842)));
    assert_eq!(placed.currency, *currency);
    let steps = placed.lines[0].breakdown.iter().map(|step| (step.kind, step.amount.0)).collect::<Vec<_>>();
    assert_eq!(steps, [(StepKind::Base, 1_999), (StepKind::Seasonal, -300), (StepKind::Bulk, -85)]);
}

#[test]
fn purchase_that_no_rule_is_for_is_the_same_as_one_without_rules() {
    let shop = Scene::lamp_for(1_999).with(2, percent(bulk(3), 500));
    let command = Command::Purchase { order: OrderId(1), buyer: Buyer(1), line: line(2) };
    let product = product(&shop);
    assert_eq!(product.decide_at(&command, Some(&shop.occasion())), product.decide(&command));
}

#[test]
fn purchase_without_rules_is_kept_as_small_as_before_there_were_any() {
    assert_eq!(size_of::<Bought>(), BOUGHT_BYTES);
}

fn line(units: u32) -> Line {
    Line { variant: VariantNo(0), quantity: quantity(units) }
}

/// Ten of the scene's lamps.
fn product(shop: &Scene) -> Product {
    let variants = vec![NewVariant { description: lamp(), initial_stock: Some(quantity(10)) }];
    let new = NewProduct { description: Arc::new(shop.description()), is_simple: true, variants };
    let mut slot = None;
    for event in decide_create(&new).expect("well formed") {
        apply(&mut slot, &event, NOW);
    }
    slot.expect("made")
}
