//! A state machine over all owners and a few products: random wishes, each of them cut, repeated or disturbed anywhere,
//! mended where it was cut; after each of them everything is where its owner says.

use std::sync::Arc;

use holdfast_domain::product::{Command, Description, Reason};
use holdfast_domain::{Millis, Order, Owner, ProductId, ReservationId, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::wish::{Change, PRODUCTS, Step, Tick, Wish, steps};
use crate::saga::flows::Wanted;
use crate::saga::goods::{GUEST, holds, quantity};
use crate::saga::world::{Crash, Run, Trouble, World};

/// Whether it was refused.
type IsRefused = bool;

proptest! {
    // A failure prints its seed and keeps it in `life.regressions`, next to this file.
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_units_are_where_their_owners_say(steps in steps()) {
        let stocks = vec![6; usize::try_from(PRODUCTS).expect("few")];
        let mut world = World::new(&stocks);
        for step in steps {
            live(&mut world, step);
        }
        end(world);
    }
}

fn live(world: &mut World, step: Step) {
    let Step { tick, wish, trouble } = step;
    world.now = after(world, tick);
    let before = traces(world);
    world.begin(trouble);
    let done = act(world, &wish);
    world.trouble = Trouble::default();
    match done {
        Ok(is_refused) => {
            world.check();
            if is_refused && trouble.rival_from.is_none() {
                assert_eq!(traces(world), before, "a refusal changes nothing: {wish:?}");
            }
            if matches!(wish, Wish::Wake) {
                assert_eq!(
                    next_deadline(world, world.now),
                    None,
                    "INV-6: nothing is due after the timers ran"
                );
            }
        }
        Err(Crash) => world.recover(),
    }
}

fn act(world: &mut World, wish: &Wish) -> Run<IsRefused> {
    match wish.clone() {
        Wish::Wake => {
            world.expire()?;
            world.expire_carts().map(|()| false)
        }
        Wish::Reserve { owner, items } => {
            let id = ReservationId(world.id());
            world.reserve(id, owner, &items).map(|done| done.is_err())
        }
        Wish::Extend { pick, ms } => with_reservation(world, pick, |world, owner, id| {
            world.extend(owner, id, Millis(ms)).map(|done| done.is_err())
        }),
        Wish::Release { pick } => with_reservation(world, pick, |world, owner, id| {
            world.release(owner, id).map(|done| done.is_err())
        }),
        Wish::Confirm { pick } => with_reservation(world, pick, |world, owner, id| {
            world.confirm(owner, id).map(|done| done.is_err())
        }),
        Wish::SetLine { owner, item } => world.set_line(owner, item).map(|done| done.is_err()),
        Wish::RemoveLine { owner, pick } => {
            let lines = world.cart_of(owner).map(|(_, cart)| cart.lines).unwrap_or_default();
            let Some(line) = picked(&lines, pick) else { return Ok(true) };
            world.remove_line(owner, line.item.product, line.item.variant).map(|()| false)
        }
        Wish::EmptyCart { owner } => world.empty_cart(owner).map(|()| false),
        Wish::Merge { customer } => world.merge(GUEST, customer).map(|()| false),
        Wish::PlaceLines { owner, items, is_settled: false } => place(world, owner, &Wanted::Lines(items)),
        Wish::PlaceLines { owner, items, is_settled: true } => place(world, owner, &Wanted::Settled(items)),
        Wish::PlaceCart { owner } => place(world, owner, &Wanted::Cart),
        Wish::Pay { pick, is_approved } => {
            with_order(world, pick, |world, order| world.pay(order.id, is_approved).map(|done| done.is_err()))
        }
        Wish::MoneyCame { pick, through } => with_order(world, pick, |world, order| {
            world.money_came(order.id, through).map(|done| done.is_err())
        }),
        Wish::Cancel { pick, by } => {
            with_order(world, pick, |world, order| world.cancel(order.id, by).map(|done| done.is_err()))
        }
        Wish::Fulfil { pick } => {
            with_order(world, pick, |world, order| world.fulfil(order.id).map(|done| done.is_err()))
        }
        Wish::Purchase { owner, item } => Ok(world.purchase(owner, item).is_err()),
        Wish::Adjust { item, is_more } => {
            let units = i32::try_from(item.quantity.get()).expect("few");
            let (delta, reason) = if is_more { (units, Reason::Received) } else { (-units, Reason::Damaged) };
            let (variant, reference, note) = (item.variant, None, None);
            let command = Command::Adjust { variant, delta, reason, reference, note };
            Ok(world.administer(item.product, &command).is_err())
        }
        Wish::Describe { product, change } => Ok(describe(world, ProductId(product), change)),
        Wish::Delete { product } => {
            Ok(world.administer(ProductId(product), &Command::Delete { version: None }).is_err())
        }
    }
}

fn place(world: &mut World, owner: Owner, wanted: &Wanted) -> Run<IsRefused> {
    let id = holdfast_domain::OrderId(world.id());
    world.place(id, owner, wanted).map(|done| done.is_err())
}

fn describe(world: &mut World, id: ProductId, change: Change) -> IsRefused {
    let Some(product) = world.products.get(&id) else { return true };
    let mut description = Description::clone(product.description());
    match change {
        Change::Status(status) => description.status = status,
        Change::ReserveOn(reserve_on) => description.reserve_on = reserve_on,
        Change::PerOrder(limit) => description.per_order_limit = limit.map(quantity),
        Change::PerCustomer(limit) => description.per_customer_limit = limit.map(quantity),
    }
    let command = Command::Describe { description: Arc::new(description), version: None };
    world.administer(id, &command).is_err()
}

fn with_reservation(
    world: &mut World,
    pick: usize,
    act: impl FnOnce(&mut World, Owner, ReservationId) -> Run<IsRefused>,
) -> Run<IsRefused> {
    let all = world.books.iter().flat_map(|books| books.reservations.iter());
    let all: Vec<_> = all.map(|(id, it)| (it.owner, id)).collect();
    match picked(&all, pick) {
        Some((owner, id)) => act(world, *owner, *id),
        None => Ok(true),
    }
}

/// The youngest orders are picked most often, as something still happens to them.
fn with_order(
    world: &mut World,
    pick: usize,
    act: impl FnOnce(&mut World, &Order) -> Run<IsRefused>,
) -> Run<IsRefused> {
    let mut all: Vec<_> = world.orders().collect();
    all.sort_by_key(|order| std::cmp::Reverse(order.id));
    all.truncate(8);
    match picked(&all, pick) {
        Some(order) => act(world, order),
        None => Ok(true),
    }
}

fn picked<T>(all: &[T], pick: usize) -> Option<&T> {
    all.get(pick % all.len().max(1))
}

fn after(world: &World, tick: Tick) -> Timestamp {
    match tick {
        Tick::Ms(ms) => world.now.after(Millis(ms)),
        Tick::ToDeadline(early) => {
            let deadline = next_deadline(world, Timestamp(u64::MAX));
            deadline.map_or(world.now, |deadline| Timestamp(deadline.0 - early).max(world.now))
        }
    }
}

/// The first deadline of anybody, up to `until`.
fn next_deadline(world: &World, until: Timestamp) -> Option<Timestamp> {
    let reservations = world.books.iter().flat_map(|books| books.reservations.iter());
    let reservations = reservations.filter_map(|(_, it)| it.hold.next_deadline());
    let carts = world.books.iter().flat_map(|books| books.carts.iter()).map(|(_, cart)| cart.next_deadline());
    let orders: Vec<_> = world.orders().filter_map(|order| order.next_deadline()).collect();
    reservations.chain(carts).chain(orders).filter(|deadline| *deadline <= until).min()
}

/// When all deadlines have passed nothing is held, and what is committed is sold.
fn end(mut world: World) {
    world.begin(Trouble::default());
    world.now = world.now.after(Millis::from_secs(60 * 60));
    assert_eq!((world.expire(), world.expire_carts()), (Ok(()), Ok(())));
    world.check();
    for product in world.products.values() {
        assert!(product.reservations().is_empty(), "nothing is held for ever");
    }
    world.check_replay();
}

fn traces(world: &World) -> Vec<Vec<String>> {
    world.products.values().map(holds).collect()
}
