//! What a crash may cut: each saga over three products, with what went before it.

use std::sync::Arc;

use holdfast_domain::order::{By, Through};
use holdfast_domain::product::{Command, Description, ReserveOn, Status, VariantNo};
use holdfast_domain::{Item, Millis, OrderId, ProductId, ReservationId};

use crate::saga::flows::{ORDER_TTL, RESERVATION_TTL, Wanted};
use crate::saga::goods::{ANN, BOB, GUEST, item, quantity};
use crate::saga::world::{Run, World};

/// One saga.
pub(super) struct Scene {
    pub(super) name: &'static str,
    /// What went before, without trouble.
    pub(super) setup: fn(&mut World),
    /// What is cut.
    pub(super) act: fn(&mut World) -> Run<()>,
    /// Whether one record decides it: a crash leaves all as before, or all as after.
    pub(super) is_atomic: bool,
}

const HOLD: ReservationId = ReservationId(1);
const ORDER: OrderId = OrderId(2);

const fn scene(name: &'static str, setup: fn(&mut World), act: fn(&mut World) -> Run<()>) -> Scene {
    Scene { name, setup, act, is_atomic: true }
}

pub(super) const SCENES: &[Scene] = &[
    scene("reserve", nothing, |world| world.reserve(HOLD, ANN, &three()).map(drop)),
    scene("reserve what is not all there", short, |world| world.reserve(HOLD, ANN, &three()).map(drop)),
    scene("release", reserved, |world| world.release(ANN, HOLD).map(drop)),
    scene("extend", reserved, |world| world.extend(ANN, HOLD, Millis::from_secs(1200)).map(drop)),
    scene("expire", lapsed, World::expire),
    scene("confirm", reserved, |world| world.confirm(ANN, HOLD).map(drop)),
    scene("order lines", nothing, |world| world.place(ORDER, ANN, &lines()).map(drop)),
    scene("order lines that are not all there", short, |world| world.place(ORDER, ANN, &lines()).map(drop)),
    scene("order lines that the cart holds", in_cart, |world| world.place(ORDER, ANN, &lines()).map(drop)),
    scene("order fewer than the cart holds", full_cart, |world| world.place(ORDER, ANN, &lines()).map(drop)),
    scene("order other variants than the cart holds", limited_cart, |world| {
        world.place(ORDER, ANN, &Wanted::Lines(vec![item(1, 1, 3), item(2, 0, 1)])).map(drop)
    }),
    scene("buy", nothing, |world| world.place(ORDER, ANN, &Wanted::Settled(three())).map(drop)),
    scene("buy fewer than the cart holds", full_cart, |world| {
        world.place(ORDER, ANN, &Wanted::Settled(three())).map(drop)
    }),
    scene("order the cart", in_cart, |world| world.place(ORDER, ANN, &Wanted::Cart).map(drop)),
    scene("order the cart, with a lapsed line", lapsed_cart, |world| {
        world.place(ORDER, ANN, &Wanted::Cart).map(drop)
    }),
    scene("order the cart, half of it held", half_cart, |world| {
        world.place(ORDER, ANN, &Wanted::Cart).map(drop)
    }),
    scene("pay", ordered, |world| world.pay(ORDER, true).map(drop)),
    scene("pay in vain", ordered_cart, |world| world.pay(ORDER, false).map(drop)),
    scene("let an order expire", overdue, World::expire),
    Scene { is_atomic: false, ..scene("pay late", expired, late) },
    Scene { is_atomic: false, ..scene("pay late, before the expiry", overdue, late) },
    scene("pay too late", gone, late),
    scene("cancel a pending order", ordered, |world| world.cancel(ORDER, By::Owner).map(drop)),
    scene("cancel a confirmed order", paid, |world| world.cancel(ORDER, By::Admin).map(drop)),
    scene("cancel an order that was paid late", paid_late, |world| world.cancel(ORDER, By::Admin).map(drop)),
    scene("cancel a confirmed reservation", confirmed, |world| {
        world.cancel(only_order(world), By::Admin).map(drop)
    }),
    scene("cancel a purchase", bought, |world| world.cancel(only_order(world), By::Admin).map(drop)),
    scene("fulfil", paid, |world| world.fulfil(ORDER).map(drop)),
    scene("fulfil a purchase", bought, |world| world.fulfil(only_order(world)).map(drop)),
    scene("set a line", in_cart, |world| world.set_line(ANN, item(1, 1, 2)).map(drop)),
    scene("set a line to more", in_cart, |world| world.set_line(ANN, item(1, 0, 4)).map(drop)),
    scene("set a line to fewer", in_cart, |world| world.set_line(ANN, item(1, 0, 1)).map(drop)),
    scene("take a line out", in_cart, |world| world.remove_line(ANN, ProductId(2), VariantNo(0))),
    scene("take half a product out", half_cart, |world| world.remove_line(ANN, ProductId(1), VariantNo(1))),
    scene("empty the cart", in_cart, |world| world.empty_cart(ANN)),
    scene("let a cart lapse", stale_cart, World::expire_carts),
    scene("let a cart end", forgotten_cart, World::expire_carts),
    Scene { is_atomic: false, ..scene("merge", two_carts, |world| world.merge(GUEST, ANN)) },
    Scene {
        is_atomic: false,
        ..scene("merge what is sold no more", unsold_carts, |world| world.merge(GUEST, ANN))
    },
    Scene { is_atomic: false, ..scene("merge into nothing", guests_cart, |world| world.merge(GUEST, ANN)) },
    Scene {
        is_atomic: false,
        ..scene("merge what is not allowed", limited_carts, |world| world.merge(GUEST, ANN))
    },
];

/// Three units of each of three products, the last first.
fn three() -> Vec<Item> {
    vec![item(3, 0, 3), item(1, 0, 3), item(2, 0, 3)]
}

fn lines() -> Wanted {
    Wanted::Lines(three())
}

fn late(world: &mut World) -> Run<()> {
    world.money_came(ORDER, Through::Gateway).map(drop)
}

fn only_order(world: &World) -> OrderId {
    world.orders().next().expect("there is one").id
}

fn nothing(_: &mut World) {}

/// Of the second product there is too little.
fn short(world: &mut World) {
    assert!(world.purchase(BOB, item(2, 0, 3)).is_ok());
}

fn reserved(world: &mut World) {
    assert_eq!(world.reserve(HOLD, ANN, &three()), Ok(Ok(())));
}

fn lapsed(world: &mut World) {
    reserved(world);
    world.now = world.now.after(RESERVATION_TTL);
}

fn confirmed(world: &mut World) {
    reserved(world);
    assert_eq!(world.confirm(ANN, HOLD), Ok(Ok(())));
}

fn bought(world: &mut World) {
    assert!(world.purchase(ANN, item(1, 0, 3)).is_ok());
}

fn in_cart(world: &mut World) {
    for item in three() {
        assert_eq!(world.set_line(ANN, item), Ok(Ok(())));
    }
}

/// All that there is.
fn full_cart(world: &mut World) {
    for product in 1..=3 {
        assert_eq!(world.set_line(ANN, item(product, 0, 5)), Ok(Ok(())));
    }
}

/// As many as one customer may have.
fn limited_cart(world: &mut World) {
    let mut description = Description::clone(world.products[&ProductId(1)].description());
    description.per_customer_limit = Some(quantity(3));
    let describe = Command::Describe { description: Arc::new(description), version: None };
    assert_eq!(world.administer(ProductId(1), &describe), Ok(()));
    in_cart(world);
}

/// Two variants of the first product, and a product that is held at checkout only.
fn half_cart(world: &mut World) {
    let mut description = Description::clone(world.products[&ProductId(3)].description());
    description.reserve_on = ReserveOn::Checkout;
    let describe = Command::Describe { description: Arc::new(description), version: None };
    assert_eq!(world.administer(ProductId(3), &describe), Ok(()));
    in_cart(world);
    assert_eq!(world.set_line(ANN, item(1, 1, 2)), Ok(Ok(())));
}

fn stale_cart(world: &mut World) {
    in_cart(world);
    world.now = world.now.after(Millis::from_secs(600));
    assert_eq!(world.set_line(ANN, item(1, 1, 2)), Ok(Ok(())));
    world.now = world.now.after(Millis::from_secs(900));
}

/// The first line lapsed; it is tried again at checkout.
fn lapsed_cart(world: &mut World) {
    assert_eq!(world.set_line(ANN, item(1, 0, 3)), Ok(Ok(())));
    world.now = world.now.after(Millis::from_secs(900));
    assert_eq!(world.expire_carts(), Ok(()));
    for product in 2..=3 {
        assert_eq!(world.set_line(ANN, item(product, 0, 3)), Ok(Ok(())));
    }
}

fn forgotten_cart(world: &mut World) {
    in_cart(world);
    world.now = world.now.after(Millis::from_secs(7 * 24 * 60 * 60));
}

fn guests_cart(world: &mut World) {
    for item in three() {
        assert_eq!(world.set_line(GUEST, item), Ok(Ok(())));
    }
}

/// Both have some of the first product, and each has one of its own.
fn two_carts(world: &mut World) {
    for item in [item(1, 0, 2), item(1, 1, 1), item(2, 0, 3)] {
        assert_eq!(world.set_line(GUEST, item), Ok(Ok(())));
    }
    for item in [item(1, 0, 2), item(3, 0, 3)] {
        assert_eq!(world.set_line(ANN, item), Ok(Ok(())));
    }
}

/// What was held before is theirs, whatever limits and status say by now.
fn unsold_carts(world: &mut World) {
    two_carts(world);
    for product in (1..=3).map(ProductId) {
        let mut description = Description::clone(world.products[&product].description());
        description.status = Status::Archived;
        description.per_order_limit = Some(quantity(1));
        description.per_customer_limit = Some(quantity(1));
        let describe = Command::Describe { description: Arc::new(description), version: None };
        assert_eq!(world.administer(product, &describe), Ok(()));
    }
}

/// The sum of one product is more than is left: the guest's line had lapsed.
fn limited_carts(world: &mut World) {
    for item in [item(1, 0, 2), item(2, 0, 3)] {
        assert_eq!(world.set_line(GUEST, item), Ok(Ok(())));
    }
    world.now = world.now.after(Millis::from_secs(900));
    assert_eq!(world.expire_carts(), Ok(()));
    assert!(world.purchase(BOB, item(1, 0, 2)).is_ok());
    for item in [item(1, 0, 2), item(3, 0, 3)] {
        assert_eq!(world.set_line(ANN, item), Ok(Ok(())));
    }
    assert_eq!(world.set_line(GUEST, item(2, 1, 1)), Ok(Ok(())));
}

fn ordered(world: &mut World) {
    assert_eq!(world.place(ORDER, ANN, &lines()), Ok(Ok(())));
}

fn ordered_cart(world: &mut World) {
    in_cart(world);
    assert_eq!(world.place(ORDER, ANN, &Wanted::Cart), Ok(Ok(())));
}

fn paid(world: &mut World) {
    ordered(world);
    assert_eq!(world.pay(ORDER, true), Ok(Ok(())));
}

fn overdue(world: &mut World) {
    ordered(world);
    world.now = world.now.after(ORDER_TTL);
}

fn expired(world: &mut World) {
    overdue(world);
    assert_eq!(world.expire(), Ok(()));
}

fn paid_late(world: &mut World) {
    expired(world);
    assert_eq!(late(world), Ok(()));
}

fn gone(world: &mut World) {
    expired(world);
    assert!(world.purchase(BOB, item(3, 0, 4)).is_ok());
}
