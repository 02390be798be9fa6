//! Taking units of one to four products for somebody who holds none yet: all lines or none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_domain::product::{Command, Description, LimitKind, Reason, Status, VariantNo};
use holdfast_domain::saga::{LineRefusal, Refusal, Step, Taking, Why};
use holdfast_domain::{Item, ProductId, ReservationId, Timestamp, Units};

use crate::saga::goods::{ANN, VARIANTS, holds, item, quantity, units};
use crate::saga::world::{Trouble, World};

const HOLD: ReservationId = ReservationId(1);
const STOCK: u32 = 5;
const ASKED: u32 = 3;

/// Why a product says no.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// Of its first variant there is too little.
    Short,
    OrderLimit,
    CustomerLimit,
    NotSellable,
    /// It is gone.
    Gone,
}

const FAULTS: [Fault; 5] =
    [Fault::Short, Fault::OrderLimit, Fault::CustomerLimit, Fault::NotSellable, Fault::Gone];

const REPEATING: Trouble =
    Trouble { crash_after: None, rival_from: None, is_repeating: true, is_reversed: false };

#[test]
fn all_lines_of_one_to_four_products_are_held() {
    for count in 1..=4 {
        for trouble in [Trouble::default(), REPEATING] {
            let mut world = world(count);
            world.begin(trouble);
            assert_eq!(world.take(taking(count)), Ok(Ok(Vec::new())), "and nothing is to be given back");
            assert_eq!(world.steps, usize::from(count), "one step for each product");
            for product in world.products.values() {
                let hold = product.reservation(HOLD).expect("held");
                assert_eq!(hold.buyer, ANN.buyer());
                assert_eq!(units(&hold.lines), BTreeMap::from([(VariantNo(0), 3), (VariantNo(1), 3)]));
                for variant in product.variants() {
                    assert_eq!((variant.levels.available, variant.levels.reserved), (Units(2), Units(3)));
                }
            }
            world.check_replay();
        }
    }
}

#[test]
fn products_are_taken_in_ascending_order_with_all_their_lines_at_once() {
    let mut world = world(4);
    let mut taking = taking(4);
    let mut told = Vec::new();
    while let Step::Tell(product, command) = taking.next() {
        assert!(matches!(&command, Command::Reserve { lines, .. } if lines.len() == 2), "{command:?}");
        told.push(product.0);
        taking.note(world.turn(product, &command));
    }
    assert_eq!(told, [1, 2, 3, 4]);
    assert_eq!(taking.next(), Step::Held);
    assert_eq!(taking.next(), Step::Held, "asking again changes nothing");
}

/// For each number of products, each choice of those that say no, and each reason.
#[test]
fn refusal_of_any_products_leaves_nothing_held_and_names_every_line() {
    for count in 1..=4 {
        for mask in 1..1_u8 << count {
            for fault in FAULTS {
                let faulty =
                    (0..count).filter(|index| mask >> index & 1 == 1).map(|index| (index + 1, fault));
                let faulty: Vec<_> = faulty.collect();
                refused_without_a_trace(count, &faulty, Trouble::default());
                refused_without_a_trace(count, &faulty, REPEATING);
            }
        }
    }
}

#[test]
fn each_product_may_have_a_reason_of_its_own() {
    for first in 0..FAULTS.len() {
        let faulty: Vec<_> = (1..=4).zip(FAULTS.into_iter().cycle().skip(first)).collect();
        refused_without_a_trace(4, &faulty, Trouble::default());
        refused_without_a_trace(4, &faulty[1..], REPEATING);
    }
}

/// What is taken on the way is nobody else's; what is given back on the way back is anybody's.
#[test]
fn rival_between_any_two_steps_gets_no_unit_that_is_held() {
    for rival_from in 0..=4 {
        let mut world = world(4);
        world.begin(Trouble { rival_from: Some(rival_from), ..Trouble::default() });
        let held = world.hold(taking(4)).expect("no crash");
        // Who comes before the first step, or between, has taken what the next product would have given.
        assert_eq!(held.is_ok(), rival_from == 4, "from step {rival_from}");
        let is_held = world.products.values().all(|product| product.reservation(HOLD).is_some());
        let is_free = world.products.values().all(|product| product.reservation(HOLD).is_none());
        assert!(if held.is_ok() { is_held } else { is_free });
        world.check_replay();
    }
}

/// Two lines of one variant would each find enough; together they do not. No edge lets them through.
#[test]
fn variant_twice_is_refused_and_leaves_nothing_held() {
    let mut world = world(2);
    let before = traces(&world);
    let items = [item(1, 0, 1), item(2, 0, 3), item(2, 0, 3)];
    let taking = Taking::new(HOLD, ANN.buyer(), DEADLINE, &items, |_| None);
    let Ok(Err(Refusal::Lines(lines))) = world.hold(taking) else { panic!("refused") };
    assert_eq!(
        lines.iter().map(|line| (line.index, line.why)).collect::<Vec<_>>(),
        [(1, Why::Unknown), (2, Why::Unknown)]
    );
    assert_eq!(traces(&world), before);
}

/// An archived product says so, whether it is asked for its units or only asked.
#[test]
fn product_gives_the_same_reason_before_and_after_another_refused() {
    for places in [[1, 2], [2, 1]] {
        let mut world = world(2);
        spoil(&mut world, places[0], Fault::Short);
        for product in 1..=2 {
            spoil(&mut world, product, Fault::NotSellable);
            spoil(&mut world, product, Fault::Short);
        }
        let Ok(Err(Refusal::Lines(lines))) = world.hold(taking(2)) else { panic!("refused") };
        assert!(lines.iter().all(|line| line.why == Why::NotSellable), "{lines:?}");
        assert_eq!(lines.len(), 4);
    }
}

fn refused_without_a_trace(count: u8, faulty: &[(u8, Fault)], trouble: Trouble) {
    let mut world = world(count);
    for (product, fault) in faulty {
        spoil(&mut world, *product, *fault);
    }
    let before = traces(&world);
    world.begin(trouble);
    let held = world.hold(taking(count)).expect("no crash");

    let faults: BTreeMap<_, _> =
        faulty.iter().map(|(product, fault)| (ProductId((*product).into()), *fault)).collect();
    let expected = items(count).into_iter().enumerate();
    let expected: Vec<_> = expected
        .filter_map(|(index, item)| expected_refusal(index, item, *faults.get(&item.product)?))
        .collect();
    assert_eq!(held, Err(Refusal::Lines(expected)), "{count} products, {faulty:?}");
    assert_eq!(traces(&world), before, "{count} products, {faulty:?}");
    world.check_replay();
}

/// A line of a product with that fault, and why it is refused; none where this line alone would be served.
fn expected_refusal(index: usize, item: Item, fault: Fault) -> Option<LineRefusal> {
    let limit = |kind, counted| Why::Limit { kind, limit: Units(5), counted };
    let why = match fault {
        Fault::Short if item.variant == VariantNo(0) => {
            Why::Short { available: Units(ASKED - 1), reserved: Units::ZERO }
        }
        Fault::Short => return None,
        Fault::OrderLimit => limit(LimitKind::PerOrder, 0),
        Fault::CustomerLimit => limit(LimitKind::PerCustomer, 0),
        Fault::NotSellable => Why::NotSellable,
        Fault::Gone => Why::Unknown,
    };
    let Item { product, variant, quantity } = item;
    Some(LineRefusal { index, product, variant, requested: quantity.units(), why })
}

fn spoil(world: &mut World, product: u8, fault: Fault) {
    let id = ProductId(product.into());
    let mut description = Description::clone(world.products[&id].description());
    match fault {
        Fault::Gone => {
            assert_eq!(world.administer(id, &Command::Delete { version: None }), Ok(()));
            return;
        }
        Fault::Short => {
            let gone = world.available(id, VariantNo(0)) - (ASKED - 1);
            let delta = -i32::try_from(gone).expect("few");
            if delta != 0 {
                let (variant, reason) = (VariantNo(0), Reason::Damaged);
                let command = Command::Adjust { variant, delta, reason, reference: None, note: None };
                assert_eq!(world.administer(id, &command), Ok(()));
            }
            return;
        }
        Fault::OrderLimit => description.per_order_limit = Some(quantity(5)),
        Fault::CustomerLimit => description.per_customer_limit = Some(quantity(5)),
        Fault::NotSellable => description.status = Status::Archived,
    }
    let command = Command::Describe { description: Arc::new(description), version: None };
    assert_eq!(world.administer(id, &command), Ok(()));
}

const DEADLINE: Timestamp = Timestamp(1_700_000_600_000);

fn world(count: u8) -> World {
    World::new(&vec![STOCK; usize::from(count)])
}

fn taking(count: u8) -> Taking {
    Taking::new(HOLD, ANN.buyer(), DEADLINE, &items(count), |_| None)
}

/// Lines in no order: the last products first, then all of them again.
fn items(count: u8) -> Vec<Item> {
    let first = (1..=count).rev().map(|product| item(product.into(), 0, ASKED));
    let second = (1..=count).map(|product| item(product.into(), 1, ASKED));
    let items: Vec<_> = first.chain(second).collect();
    let kinds: BTreeSet<_> = items.iter().map(|item| (item.product, item.variant)).collect();
    assert_eq!(kinds.len(), usize::from(count) * usize::from(VARIANTS), "each variant once");
    items
}

fn traces(world: &World) -> Vec<Vec<String>> {
    world.products.values().map(holds).collect()
}
