//! Schedules that once went wrong, or nearly did, each played by hand.

use holdfast_domain::order::{Payment, Status};
use holdfast_domain::product::ReserveOn;
use holdfast_domain::{Millis, Timestamp};

use crate::sagas::Who;

use super::ask::{AskWish, Said};
use super::bank::{Decision, Script};
use super::stage::{
    CHAIR, GENEROUS, LAMP, TTL, add, answered, is_yes, order_of, place, reservation_of, reserve, some,
};
use super::wishes::{CUSTOMER, GUEST, OWNERS, line};
use super::world::{Deed, World};

#[test]
fn nobody_is_charged_for_an_order_that_a_crash_takes_back() {
    let mut world = World::stage(1, GENEROUS, 5, 0);
    let ask = world.ask(place(GUEST, Some(vec![some(LAMP, 2)]), true), true);
    world.think();
    world.deliver_to(LAMP);
    assert_eq!(world.levels(LAMP), (3, 2, 0), "the order is placed, and nobody knows but this process");
    assert_eq!(world.around.bank.vault().charged().count(), 0);
    world.crash();
    assert_eq!(world.levels(LAMP), (5, 0, 0));
    world.send(ask.clone());
    world.drain();
    let order = order_of(&world.heard(&ask));
    assert_eq!(world.standing(order), (Status::Confirmed, Payment::Paid));
    assert!(world.around.bank.vault().charged().eq([order]));
    world.rest();
}

#[test]
fn nobody_is_refunded_for_a_cancelation_that_a_crash_takes_back() {
    let mut world = World::stage(1, GENEROUS, 5, 0);
    let order = order_of(&world.ask_through(place(GUEST, Some(vec![some(LAMP, 2)]), true)));
    world.ask(AskWish::Cancel(Who::Admin, order), false);
    world.think();
    world.deliver_to(LAMP);
    assert_eq!(world.levels(LAMP), (5, 0, 0), "it is canceled, and nobody knows but this process");
    assert!(world.around.bank.vault().has(order));
    world.crash();
    assert_eq!(world.standing(order), (Status::Confirmed, Payment::Paid));
    assert!(world.around.bank.vault().has(order));
    world.ask_through(AskWish::Cancel(Who::Admin, order));
    assert_eq!(world.standing(order), (Status::Canceled, Payment::Refunded));
    assert!(!world.around.bank.vault().has(order));
    world.rest();
}

#[test]
fn retry_of_a_cancelation_meets_the_first_answer() {
    let mut world = World::stage(1, GENEROUS, 5, 0);
    let order = order_of(&world.ask_through(place(GUEST, Some(vec![some(LAMP, 2)]), true)));
    let ask = world.ask(AskWish::Cancel(Who::Admin, order), true);
    world.drain();
    let first = world.heard(&ask);
    world.send(ask.clone());
    world.drain();
    let second = world.heard(&ask);
    assert!(matches!((&*first, &*second), (Said::Owner(_), Said::Again(_))));
    assert_eq!(answered(&first), answered(&second));
    assert_eq!(world.standing(order), (Status::Canceled, Payment::Refunded));
    world.rest();
}

/// Time passes between any two looks at the clock: whenever the last moment before the deadline comes, what is
/// recorded keeps to it.
#[test]
fn what_was_decided_before_the_deadline_is_recorded_before_it() {
    for before in 1..20 {
        let mut world = World::stage(1, GENEROUS, 5, 5);
        let order = order_of(&world.ask_through(place(GUEST, Some(vec![some(LAMP, 1)]), false)));
        let other = order_of(&world.ask_through(place(GUEST, Some(vec![some(LAMP, 1)]), false)));
        let held = reservation_of(&world.ask_through(reserve(GUEST, vec![some(CHAIR, 1)])));
        let given = reservation_of(&world.ask_through(reserve(GUEST, vec![some(CHAIR, 1)])));
        world.set_clock(Timestamp(world.after(TTL).0 - before));
        world.around.wall.tick_at_each_look();
        world.ask(AskWish::ConfirmOrder(order), false);
        world.ask(AskWish::Cancel(Who::Owner(GUEST), other), false);
        world.ask(AskWish::ConfirmReservation(Who::Owner(GUEST), held), false);
        world.ask(AskWish::Release(Who::Owner(GUEST), given), false);
        // Resting checks each record against its deadline.
        world.rest();
    }
}

#[test]
fn batch_that_is_sent_again_while_the_first_runs_makes_its_reservations_once() {
    let mut world = World::stage(2, GENEROUS, 5, 5);
    let lots = vec![(vec![some(LAMP, 1)], TTL), (vec![some(LAMP, 1), some(CHAIR, 1)], TTL)];
    let ask = world.ask(AskWish::Many { owner: GUEST, lots }, true);
    world.think();
    world.commit(None);
    world.think();
    world.deliver_to(LAMP);
    let clients = world.process.tasks.clients();
    world.process.tasks.drop_at(clients[0]);
    world.send(ask.clone());
    world.rest();
    assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((3, 2, 0), (4, 1, 0)));
    let Said::Made(made) = &*world.heard(&ask) else { panic!("a batch is answered one by one") };
    assert!(made.len() == 2 && made.iter().all(|(_, made)| made.is_ok()));
}

#[test]
fn reserve_on_that_changes_during_a_merge_claims_nothing_that_was_not_taken() {
    let mut world = World::stage(1, GENEROUS, 5, 2);
    world.reserve_on(CHAIR, ReserveOn::Checkout);
    world.ask_through(add(GUEST, LAMP, 1));
    world.ask_through(add(GUEST, CHAIR, 2));
    world.ask_through(reserve(OWNERS[1], vec![some(CHAIR, 2)]));
    world.ask(AskWish::Merge { guest: GUEST, customer: CUSTOMER }, false);
    world.think();
    let to_the_customer = world.deeds();
    assert!(matches!(to_the_customer[..], [Deed::Deliver(_)]), "{to_the_customer:?}");
    world.perform(to_the_customer[0]);
    world.think();
    // The lamps are being taken over; of the chairs the cart holds none.
    world.reserve_on(CHAIR, ReserveOn::Cart);
    world.rest();
    assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((4, 1, 0), (0, 2, 0)));
}

#[test]
fn declined_order_of_a_former_cart_does_not_hide_what_the_present_one_holds() {
    let script = Script { charged: Decision::Decline, is_late: true, ..GENEROUS };
    let mut world = World::stage(2, script, 3, 3);
    world.ask_through(add(GUEST, CHAIR, 1));
    world.ask(place(GUEST, None, true), false);
    world.think();
    world.deliver_to(CHAIR);
    world.commit(None);
    world.think();
    assert_eq!(world.around.bank.vault().calls(), 1, "the bank is asked, and thinks");
    world.ask(AskWish::Merge { guest: GUEST, customer: CUSTOMER }, false);
    while let Some(deed) = world.deeds().into_iter().find(|deed| !matches!(deed, Deed::Answer(_))) {
        world.perform(deed);
    }
    world.ask(add(GUEST, LAMP, 3), false);
    world.think();
    world.deliver_to(LAMP);
    world.rest();
    assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((0, 3, 0), (3, 0, 0)));
    let purchase = AskWish::Purchase { owner: GUEST, product: LAMP, line: line(0, 3) };
    assert!(is_yes(&world.ask_through(purchase)), "nobody is refused because of their own hold");
    world.rest();
}

/// The cart holds three, the order wants two, and nobody else may have the third before the order stands: neither the
/// way back nor the way after a crash may be shut.
#[test]
fn units_that_an_order_leaves_in_its_owners_cart_are_nobodys_before_it_stands() {
    for chairs in [0, 1] {
        let mut world = World::stage(1, GENEROUS, 3, chairs);
        world.ask_through(add(GUEST, LAMP, 3));
        world.ask(place(GUEST, Some(vec![some(LAMP, 2), some(CHAIR, 1)]), false), false);
        world.think();
        // Without the own cart it is short; with it, the lamps are taken over.
        for product in [LAMP, CHAIR, LAMP] {
            world.deliver_to(product);
        }
        let rival = world.ask(reserve(OWNERS[1], vec![some(LAMP, 1)]), false);
        world.think();
        world.deliver_to(LAMP);
        world.commit(None);
        world.think();
        assert!(!is_yes(&world.heard(&rival)));
        world.crash();
        assert_eq!(world.levels(LAMP), (0, 3, 0));
        let ask = world.ask(place(GUEST, Some(vec![some(LAMP, 2), some(CHAIR, 1)]), false), false);
        world.rest();
        assert_eq!(is_yes(&world.heard(&ask)), chairs == 1);
        assert_eq!(world.levels(LAMP), if chairs == 1 { (1, 2, 0) } else { (0, 3, 0) });
    }
}

/// Two carts, two shards, and a crash after each step.
#[test]
fn merge_that_is_cut_anywhere_leaves_every_unit_with_one_of_the_two() {
    for cut in 0..40 {
        let mut world = World::stage(3, GENEROUS, 3, 2);
        for (owner, product, units) in [(GUEST, LAMP, 1), (GUEST, CHAIR, 1), (CUSTOMER, LAMP, 2)] {
            world.ask_through(add(owner, product, units));
        }
        world.ask(AskWish::Merge { guest: GUEST, customer: CUSTOMER }, false);
        for _ in 0..cut {
            let Some(deed) = world.deeds().first().copied() else { break };
            world.perform(deed);
        }
        world.commit(None);
        world.crash();
        assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((0, 3, 0), (1, 1, 0)));
        world.ask(AskWish::Merge { guest: GUEST, customer: CUSTOMER }, false);
        world.rest();
        assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((0, 3, 0), (1, 1, 0)));
        let ask = world.ask(place(CUSTOMER, None, false), false);
        world.rest();
        assert!(is_yes(&world.heard(&ask)), "all that was held is ordered");
        world.set_clock(world.after(Millis::from_secs(3_600)));
        world.rest();
        assert_eq!((world.levels(LAMP), world.levels(CHAIR)), ((3, 0, 0), (2, 0, 0)));
    }
}
