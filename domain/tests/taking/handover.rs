//! Taking units of which some are held for the same owner already: a cart that is ordered, or that is in the way of an
//! order. Whatever happens on the way, its owner has at the end either what was asked for or exactly what was held.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::product::{Command, Description, Line, Product, Status, VariantNo};
use holdfast_domain::saga::{LineRefusal, Refusal, Taking, Why};
use holdfast_domain::{Item, ProductId, ReservationId, Timestamp, Units};

use crate::saga::goods::{ANN, BOB, holds, item, line, quantity, units};
use crate::saga::world::{Trouble, World};

const CART: ReservationId = ReservationId(1);
const ORDER: ReservationId = ReservationId(2);
const DEADLINE: Timestamp = Timestamp(1_700_000_600_000);
const STOCK: u32 = 6;

/// What the cart holds of a product, and what is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    Same,
    More,
    Fewer,
    /// More of one variant, fewer of the other.
    Both,
    /// Another variant altogether.
    Other,
    /// The cart has nothing of it.
    Fresh,
}

const CHANGES: [Change; 6] =
    [Change::Same, Change::More, Change::Fewer, Change::Both, Change::Other, Change::Fresh];

impl Change {
    fn before(self) -> Vec<Line> {
        match self {
            Self::Fresh => Vec::new(),
            Self::Other => vec![line(0, 4)],
            _ => vec![line(0, 3), line(1, 2)],
        }
    }

    fn asked(self) -> Vec<Line> {
        match self {
            Self::Same | Self::Fresh => vec![line(0, 3), line(1, 2)],
            Self::More => vec![line(0, 4), line(1, 2)],
            Self::Fewer => vec![line(0, 1), line(1, 2)],
            Self::Both => vec![line(0, 1), line(1, 4)],
            Self::Other => vec![line(1, 4)],
        }
    }

    fn needs_more(self) -> bool {
        !matches!(self, Self::Same | Self::Fewer)
    }
}

#[test]
fn order_has_what_it_asked_for_and_the_cart_nothing() {
    for_all(|changes, to| {
        for is_repeating in [false, true] {
            let mut world = world(changes);
            world.begin(Trouble { is_repeating, ..Trouble::default() });
            assert_eq!(take(&mut world, changes, to), Ok(()), "{changes:?}");
            for (product, change) in world.products.values().zip(changes) {
                assert_eq!(held(product, to), units(&change.asked()), "{changes:?}");
                assert_eq!(product.reservations().len(), 1, "no other name holds anything: {changes:?}");
            }
            world.check_replay();
        }
    });
}

/// Each product says no, for lack of units; the others go back.
#[test]
fn cart_has_exactly_what_it_held_after_a_refusal() {
    for_all(|changes, to| {
        for short in (0..changes.len()).filter(|index| changes[*index].needs_more()) {
            for is_repeating in [false, true] {
                let mut world = world(changes);
                let short = ProductId(u128::try_from(short).expect("few") + 1);
                sell_out(&mut world, short);
                let before = traces(&world);
                world.begin(Trouble { is_repeating, ..Trouble::default() });
                let Err(Refusal::Lines(lines)) = take(&mut world, changes, to) else {
                    panic!("{short:?} cannot serve: {changes:?}");
                };
                assert!(lines.iter().all(|line| line.product == short), "{changes:?}: {lines:?}");
                assert_eq!(traces(&world), before, "{changes:?} to {to:?}, {short:?} is short");
                world.check_replay();
            }
        }
    });
}

/// The way back must never depend on units that were given back on the way: somebody else may have them.
#[test]
fn rival_at_any_step_gets_nothing_that_the_cart_held() {
    for_all(|changes, to| {
        for rival_from in 0..=9 {
            let mut world = world(changes);
            let cart: Vec<_> = world.products.values().map(|product| held(product, CART)).collect();
            world.begin(Trouble { rival_from: Some(rival_from), ..Trouble::default() });
            let taken = take(&mut world, changes, to);
            for ((product, change), before) in world.products.values().zip(changes).zip(cart) {
                match &taken {
                    Ok(()) => assert_eq!(held(product, to), units(&change.asked()), "{changes:?}"),
                    Err(_) => assert_eq!(held(product, CART), before, "{changes:?} from step {rival_from}"),
                }
            }
            world.check_replay();
        }
    });
}

/// Until the owner has said so, all of the cart's units are held as well: the way back is open.
#[test]
fn nothing_is_given_back_before_the_owner_has_said_so() {
    for_all(|changes, to| {
        let mut world = world(changes);
        let rest = world.take(taking(changes, to)).expect("no crash").expect("all of it is there");
        for (product, change) in world.products.values().zip(changes) {
            let mut all = units(&change.before());
            for (variant, asked) in units(&change.asked()) {
                let held = all.entry(variant).or_default();
                *held = asked.max(*held);
            }
            assert_eq!(held(product, to), all, "{changes:?}");
        }
        let has_rest = |change: &Change| matches!(change, Change::Fewer | Change::Both | Change::Other);
        assert_eq!(rest.len(), changes.iter().filter(|change| has_rest(change)).count(), "{changes:?}");
        for is_again in [false, true] {
            let before = traces(&world);
            world.settle(rest.clone()).expect("no crash");
            assert!(!is_again || traces(&world) == before, "told again, it changes nothing");
        }
    });
}

/// Whoever is served from their own hold does not meet the limits again.
#[test]
fn limits_count_own_units_once_on_the_way() {
    for_all(|changes, to| {
        let mut world = world(changes);
        for (product, change) in (1..).map(ProductId).zip(changes) {
            let limit = change.asked().iter().map(|line| line.quantity.get()).sum();
            describe(&mut world, product, |it| {
                it.per_order_limit = Some(quantity(limit));
                it.per_customer_limit = Some(quantity(limit));
            });
        }
        assert_eq!(take(&mut world, changes, to), Ok(()), "{changes:?} to {to:?}");
    });
}

#[test]
fn limit_that_is_too_low_for_more_restores_the_cart() {
    let changes = [Change::Both, Change::More, Change::Same];
    for to in [CART, ORDER] {
        let mut world = world(&changes);
        describe(&mut world, ProductId(2), |it| it.per_customer_limit = Some(quantity(5)));
        let before = traces(&world);
        let Err(Refusal::Lines(lines)) = take(&mut world, &changes, to) else { panic!("refused") };
        assert_eq!(lines.len(), 2, "every line of the product is at the limit: {lines:?}");
        assert!(lines.iter().all(|line| matches!(line.why, Why::Limit { counted: 0, .. })), "{lines:?}");
        assert_eq!(traces(&world), before);
    }
}

/// Held units may be ordered though the product is sold no more; what is needed beyond them may not.
#[test]
fn archived_product_serves_what_was_held_and_nothing_beyond() {
    for_all(|changes, to| {
        let mut world = world(changes);
        for product in (1..=changes.len()).map(|id| ProductId(u128::try_from(id).expect("few"))) {
            describe(&mut world, product, |it| it.status = Status::Archived);
        }
        let before = traces(&world);
        match take(&mut world, changes, to) {
            Ok(()) => assert!(!changes.iter().any(|change| change.needs_more()), "{changes:?}"),
            Err(Refusal::Lines(lines)) => {
                let named: Vec<_> = lines.iter().map(|line| line.product).collect();
                for (product, change) in (1..).map(ProductId).zip(changes) {
                    assert_eq!(named.contains(&product), change.needs_more(), "{changes:?}");
                }
                assert_eq!(traces(&world), before, "{changes:?}");
            }
            Err(other) => panic!("{other:?}"),
        }
    });
}

/// A product that cannot serve is named with its place in the request, and with the figures as the caller would find
/// them without their own hold.
#[test]
fn short_line_is_named_by_its_place_and_own_units_count_as_available() {
    let mut world = world(&[Change::Same, Change::Same]);
    let bobs = Command::Reserve {
        reservation: ReservationId(9),
        buyer: BOB.buyer(),
        lines: vec![line(0, 2)],
        deadline: DEADLINE,
    };
    assert_eq!(world.turn(ProductId(2), &bobs), Ok(()));
    let items = [item(2, 1, 2), item(1, 0, 3), item(2, 0, 5)];
    let taking = Taking::new(ORDER, ANN.buyer(), DEADLINE, &items, |product| {
        Some((CART, units_as_lines(&world, product)))
    });
    let why = Why::Short { available: Units(4), reserved: Units(2) };
    let (product, variant) = (ProductId(2), VariantNo(0));
    let short = LineRefusal { index: 2, product, variant, requested: Units(5), why };
    assert_eq!(world.hold(taking), Ok(Err(Refusal::Lines(vec![short]))));
}

/// Every change of one product, every pair of changes, and some of three.
fn for_all(try_one: impl Fn(&[Change], ReservationId)) {
    for to in [CART, ORDER] {
        for first in CHANGES {
            try_one(&[first], to);
            for second in CHANGES {
                try_one(&[first, second], to);
                for third in CHANGES {
                    try_one(&[first, second, third], to);
                }
            }
        }
    }
}

/// A cart that holds what each change begins with.
fn world(changes: &[Change]) -> World {
    let mut world = World::new(&vec![STOCK; changes.len()]);
    for (product, change) in (1..).map(ProductId).zip(changes) {
        let (lines, deadline) = (change.before(), DEADLINE);
        if !lines.is_empty() {
            let reserve = Command::Reserve { reservation: CART, buyer: ANN.buyer(), lines, deadline };
            assert_eq!(world.turn(product, &reserve), Ok(()));
        }
    }
    world
}

/// Takes what is asked for and, when all of it is held, gives back what was held beyond.
fn take(world: &mut World, changes: &[Change], to: ReservationId) -> Result<(), Refusal> {
    world.hold(taking(changes, to)).expect("no crash")
}

fn taking(changes: &[Change], to: ReservationId) -> Taking {
    let asked = (1..).zip(changes).flat_map(|(product, change)| {
        let item = move |line: Line| item(product, line.variant.0, line.quantity.get());
        change.asked().into_iter().map(item)
    });
    let asked: Vec<Item> = asked.collect();
    Taking::new(to, ANN.buyer(), DEADLINE, &asked, |product| {
        let index = usize::try_from(product.0 - 1).expect("few");
        let lines = changes[index].before();
        (!lines.is_empty()).then_some((CART, lines))
    })
}

fn units_as_lines(world: &World, product: ProductId) -> Vec<Line> {
    world.products[&product].reservation(CART).map(|hold| hold.lines.clone()).unwrap_or_default()
}

/// Somebody else buys all that is free.
fn sell_out(world: &mut World, product: ProductId) {
    for variant in 0..2 {
        let units = world.available(product, VariantNo(variant));
        if units > 0 {
            let bought = world.purchase(BOB, item(product.0, variant, units));
            assert!(bought.is_ok(), "{bought:?}");
        }
    }
}

fn describe(world: &mut World, product: ProductId, change: impl FnOnce(&mut Description)) {
    let mut description = Description::clone(world.products[&product].description());
    change(&mut description);
    let command = Command::Describe { description: Arc::new(description), version: None };
    assert_eq!(world.administer(product, &command), Ok(()));
}

fn held(product: &Product, name: ReservationId) -> BTreeMap<VariantNo, u64> {
    product.reservation(name).map(|hold| units(&hold.lines)).unwrap_or_default()
}

fn traces(world: &World) -> Vec<Vec<String>> {
    world.products.values().map(holds).collect()
}
