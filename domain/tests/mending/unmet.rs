//! Books that no command can make right: units that an owner claims and nobody has. Such a journal is not ours, and
//! recovery must say so.

use holdfast_domain::order::{By, Source};
use holdfast_domain::product::{Command, Line};
use holdfast_domain::saga::{Unmet, mend};
use holdfast_domain::{OrderId, ProductId, ReservationId, reservation};

use crate::saga::flows::Wanted;
use crate::saga::goods::{ANN, BOB, item, line, placed};
use crate::saga::world::{Fact, World};

const HOLD: ReservationId = ReservationId(1);
const ORDER: OrderId = OrderId(2);

#[test]
fn sold_units_that_are_with_nobody_are_unmet() {
    let mut world = paid();
    tell(&mut world, Command::Cancel { order: ORDER });
    assert_eq!(unmet(&world).product, ProductId(2));
}

#[test]
fn sold_units_that_are_held_under_another_name_are_unmet() {
    let mut world = paid();
    tell(&mut world, Command::Cancel { order: ORDER });
    tell(&mut world, reserve(ReservationId(9), vec![line(0, 3)]));
    assert_eq!(unmet(&world).product, ProductId(2));
}

#[test]
fn sold_units_of_another_number_or_variant_are_unmet() {
    let hold = ReservationId(ORDER.0);
    for lines in [vec![line(0, 2)], vec![line(1, 3)], vec![line(0, 2), line(1, 1)]] {
        let mut world = paid();
        tell(&mut world, Command::Cancel { order: ORDER });
        tell(&mut world, reserve(hold, lines.clone()));
        assert_eq!(unmet(&world).product, ProductId(2), "held {lines:?}");
    }
    for lines in [vec![line(0, 2)], vec![line(0, 4)], vec![line(1, 3)], vec![line(0, 3), line(1, 1)]] {
        let mut world = paid();
        tell(&mut world, Command::Cancel { order: ORDER });
        tell(&mut world, reserve(hold, lines.clone()));
        tell(&mut world, Command::Confirm { reservation: hold, order: ORDER });
        assert_eq!(unmet(&world).product, ProductId(2), "sold {lines:?}");
    }
}

/// What an order took over from a cart, and did not need, was not given back yet: that can be mended.
#[test]
fn paid_order_that_holds_more_than_its_own_gives_the_rest_back() {
    for lines in [vec![line(0, 4)], vec![line(0, 3), line(1, 1)]] {
        let mut world = paid();
        tell(&mut world, Command::Cancel { order: ORDER });
        tell(&mut world, reserve(ReservationId(ORDER.0), lines));
        world.recover();
    }
}

#[test]
fn sold_units_that_were_shipped_without_a_word_are_unmet() {
    let mut world = paid();
    tell(&mut world, Command::Fulfil { order: ORDER });
    assert_eq!(unmet(&world).product, ProductId(2));
}

#[test]
fn claims_on_a_product_that_is_gone_are_unmet() {
    let mut world = paid();
    world.products.remove(&ProductId(2));
    let found = unmet(&world);
    assert_eq!(found.product, ProductId(2));
    assert!(found.found.contains("no such product"), "{}", found.found);

    let mut world = World::new(&[5, 5]);
    assert_eq!(world.reserve(HOLD, ANN, &[item(1, 0, 3), item(2, 0, 3)]), Ok(Ok(())));
    world.products.remove(&ProductId(1));
    assert_eq!(unmet(&world).product, ProductId(1));
}

/// The units of a reservation were sold to somebody else: nothing can be taken for it.
#[test]
fn held_units_that_somebody_else_has_are_unmet() {
    let mut world = World::new(&[5, 5]);
    assert_eq!(world.reserve(HOLD, ANN, &[item(1, 0, 3), item(2, 0, 3)]), Ok(Ok(())));
    let release = Command::Release { reservation: HOLD, ending: holdfast_domain::hold::Ending::Released };
    tell(&mut world, release);
    assert!(world.mend().is_ok(), "they are still there");
    assert!(world.purchase(BOB, item(2, 0, 3)).is_ok());
    assert_eq!(unmet(&world).product, ProductId(2));
}

/// Two owners who claim the same units: there is one of them too many.
#[test]
fn units_that_are_claimed_twice_are_unmet() {
    let mut world = World::new(&[5, 5]);
    assert_eq!(world.reserve(HOLD, ANN, &[item(2, 0, 3)]), Ok(Ok(())));
    let (reference, metadata, items) = (None, None, vec![item(2, 0, 3)]);
    let deadline = world.now.after(holdfast_domain::Millis(1));
    let event = reservation::Event::Reserved { owner: BOB, items, deadline, reference, metadata };
    assert_eq!(world.record(BOB, [Fact::Reservation(ReservationId(9), event)]), Ok(()));
    assert_eq!(unmet(&world).product, ProductId(2));
}

/// An order that says it is paid, and never held anything.
#[test]
fn order_without_its_units_is_unmet() {
    let mut world = World::new(&[5, 5]);
    let placed = placed(ANN, Source::Lines, HOLD, &[item(2, 0, 3)], None, Vec::new());
    assert_eq!(world.record(ANN, [Fact::Placed(ORDER, placed)]), Ok(()));
    let found = unmet(&world);
    assert_eq!(found.product, ProductId(2));
    assert!(found.found.contains("OrderId(2)"), "{}", found.found);
}

/// A canceled order of another product does not make a wrong one right.
#[test]
fn what_is_right_elsewhere_does_not_hide_it() {
    let mut world = paid();
    assert_eq!(world.place(OrderId(3), BOB, &Wanted::Lines(vec![item(1, 1, 2)])), Ok(Ok(())));
    assert_eq!(world.cancel(OrderId(3), By::Owner), Ok(Ok(())));
    tell(&mut world, Command::Cancel { order: ORDER });
    assert_eq!(unmet(&world).product, ProductId(2));
}

#[test]
fn empty_books_have_nothing_to_mend() {
    assert_eq!(mend(std::iter::empty(), std::iter::empty()), Ok(std::collections::BTreeMap::new()));
    let world = World::new(&[5]);
    assert_eq!(world.mend(), Ok(std::collections::BTreeMap::new()));
}

/// Ann has bought three of the second product, and the order knows it.
fn paid() -> World {
    let mut world = World::new(&[5, 5]);
    assert_eq!(world.place(ORDER, ANN, &Wanted::Lines(vec![item(2, 0, 3)])), Ok(Ok(())));
    assert_eq!(world.pay(ORDER, true), Ok(Ok(())));
    world.check();
    world
}

fn reserve(reservation: ReservationId, lines: Vec<Line>) -> Command {
    Command::Reserve { reservation, buyer: ANN.buyer(), lines, deadline: crate::saga::world::START }
}

/// Says something to the second product that its owner knows nothing of.
fn tell(world: &mut World, command: Command) {
    assert_eq!(world.turn(ProductId(2), &command), Ok(()), "{command:?}");
}

fn unmet(world: &World) -> Unmet {
    world.mend().expect_err("these books are wrong")
}
