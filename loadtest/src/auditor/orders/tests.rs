//! Each way of cheating with orders and holds is found, and honest books pass.

use super::*;
use crate::claims::{OrderClaim, ReservationClaim};
use crate::shop::Cause;
use crate::shop::orders::Line;

const DEADLINE: &str = "2026-11-20T12:00:03.000Z";

fn lines(quantity: u32) -> Lines {
    Lines::from([("a".to_owned(), quantity)])
}

fn order(id: &str, status: OrderStatus, quantity: u32, mark: Option<&str>) -> Order {
    let is_sold = matches!(status, OrderStatus::Confirmed | OrderStatus::Fulfilled);
    Order {
        id: id.into(),
        status,
        payment_status: "paid".into(),
        lines: vec![Line { sku: "a".into(), quantity }],
        total: 0,
        email: mark.map(str::to_owned),
        reservation_id: None,
        expires_at: None,
        confirmed_at: is_sold.then(|| "2026-11-20T12:00:02.999Z".to_owned()),
        reacquired: false,
    }
}

fn reservation(id: &str, status: ReservationStatus, quantity: u32, mark: &str) -> Reservation {
    Reservation {
        id: id.into(),
        status,
        lines: vec![Line { sku: "a".into(), quantity }],
        reference: Some(mark.into()),
        expires_at: DEADLINE.into(),
        order_id: None,
    }
}

fn figures(on_hand: i64, available: i64, reserved: i64, committed: i64) -> Figures {
    Figures { on_hand, available, reserved, committed }
}

fn movement(kind: &str, delta: i64, cause: &str, after: Figures) -> Movement {
    Movement { kind: kind.into(), delta, cause: Cause { id: cause.into() }, after: Some(after) }
}

/// Ten units: `ord_1` of two paid, `ord_2` of one shipped, `ord_3` of three lapsed, `res_1` of one confirmed as `ord_4`,
/// `res_2` of one lapsed.
fn honest() -> (Claims, Facts) {
    let mut claims = Claims::default();
    let claim = |status, quantity, mark| OrderClaim::new(lines(quantity), status, mark);
    let mut paid = claim(OrderStatus::Confirmed, 2, Some(1));
    paid.deadline = Some(DEADLINE.into());
    let mut held = claim(OrderStatus::PendingPayment, 3, Some(3));
    held.deadline = Some(DEADLINE.into());
    let shipped = claim(OrderStatus::Fulfilled, 1, Some(2));
    let from_reservation = claim(OrderStatus::Confirmed, 1, None);
    for (id, claim) in [("ord_1", paid), ("ord_2", shipped), ("ord_3", held), ("ord_4", from_reservation)] {
        claims.orders.insert(id.into(), claim);
    }
    for (id, status, mark, order_id) in [
        ("res_1", ReservationStatus::Confirmed, 4, Some("ord_4")),
        ("res_2", ReservationStatus::Active, 5, None),
    ] {
        let (order_id, may_be) = (order_id.map(str::to_owned), BTreeSet::new());
        claims
            .reservations
            .insert(id.into(), ReservationClaim { lines: lines(1), status, mark, order_id, may_be });
    }
    let mut confirmed = reservation("res_1", ReservationStatus::Confirmed, 1, "4");
    confirmed.order_id = Some("ord_4".into());
    let mut made_of_it = order("ord_4", OrderStatus::Confirmed, 1, None);
    made_of_it.reservation_id = Some("res_1".into());
    let facts = Facts {
        orders: vec![
            made_of_it,
            order("ord_3", OrderStatus::Expired, 3, Some("3")),
            order("ord_2", OrderStatus::Fulfilled, 1, Some("2")),
            order("ord_1", OrderStatus::Confirmed, 2, Some("1")),
        ],
        reservations: vec![reservation("res_2", ReservationStatus::Expired, 1, "5"), confirmed],
        stock: vec![Stock { sku: "a".into(), received: 10, figures: figures(9, 6, 0, 3) }],
        ledgers: vec![("a".into(), ledger())],
    };
    (claims, facts)
}

/// Newest first, as the server lists it.
fn ledger() -> Vec<Movement> {
    let mut ledger = vec![
        movement("received", 10, "mov_1", figures(10, 10, 0, 0)),
        movement("reserved", 2, "ord_1", figures(10, 8, 2, 0)),
        movement("committed", 2, "ord_1", figures(10, 8, 0, 2)),
        movement("committed", 1, "ord_2", figures(10, 7, 0, 3)),
        movement("reserved", 3, "ord_3", figures(10, 4, 3, 3)),
        movement("extended", 0, "ord_3", figures(10, 4, 3, 3)),
        movement("fulfilled", -1, "ord_2", figures(9, 4, 3, 2)),
        movement("expired", -3, "ord_3", figures(9, 7, 0, 2)),
        movement("reserved", 1, "res_1", figures(9, 6, 1, 2)),
        movement("committed", 1, "ord_4", figures(9, 6, 0, 3)),
        movement("reserved", 1, "res_2", figures(9, 5, 1, 3)),
        movement("released", -1, "res_2", figures(9, 6, 0, 3)),
    ];
    ledger.reverse();
    ledger
}

fn broken(claims: &Claims, facts: &Facts) -> Vec<Invariant> {
    let mut findings = Findings::default();
    audit(claims, facts, &|text| text.parse().ok(), &mut findings);
    findings.broken()
}

/// Changes honest books and says what is broken then.
fn doctored(change: impl Fn(&mut Claims, &mut Facts)) -> Vec<Invariant> {
    let (mut claims, mut facts) = honest();
    change(&mut claims, &mut facts);
    broken(&claims, &facts)
}

#[test]
fn honest_books_pass() {
    assert_eq!(doctored(|_, _| ()), []);
}

#[test]
fn missing_order_is_found() {
    let expected = [
        Invariant::NothingElseIsBooked,
        Invariant::AcknowledgedOrderIsThere,
        Invariant::CommittedIsWhatOrdersSay,
    ];
    assert_eq!(doctored(|_, facts| drop(facts.orders.remove(3))), expected);
    let found = doctored(|_, facts| drop(facts.reservations.remove(0)));
    assert_eq!(found, [Invariant::AcknowledgedOrderIsThere]);
}

#[test]
fn doubled_order_is_found() {
    let found = doctored(|_, facts| facts.orders.push(order("ord_9", OrderStatus::Expired, 2, Some("1"))));
    assert_eq!(found, [Invariant::OrderIsMadeOnce, Invariant::NothingElseIsOrdered]);
    let found = doctored(|_, facts| {
        let twin = facts.orders[0].clone();
        facts.orders.push(Order { id: "ord_9".into(), status: OrderStatus::Expired, ..twin });
    });
    assert_eq!(found, [Invariant::OrderIsMadeOnce, Invariant::NothingElseIsOrdered]);
    let found = doctored(|_, facts| facts.orders.push(facts.orders[1].clone()));
    assert_eq!(found, [Invariant::OrderIsMadeOnce]);
    let found = doctored(|_, facts| {
        facts.reservations.push(reservation("res_9", ReservationStatus::Expired, 1, "5"));
    });
    assert_eq!(found, [Invariant::OrderIsMadeOnce, Invariant::NothingElseIsOrdered]);
}

#[test]
fn order_in_another_state_or_of_other_lines_is_found() {
    let found = doctored(|claims, _| {
        claims.orders.get_mut("ord_3").expect("it is there").status = OrderStatus::Canceled;
    });
    assert_eq!(found, [Invariant::OrderIsAsAcknowledged]);
    let found = doctored(|_, facts| facts.orders[1].lines[0].quantity = 2);
    assert_eq!(found, [Invariant::OrderIsAsAcknowledged]);
    let found = doctored(|_, facts| {
        let line = facts.orders[1].lines[0].clone();
        facts.orders[1].lines.push(Line { quantity: 0, ..line });
    });
    assert_eq!(found, [Invariant::OrderIsAsAcknowledged, Invariant::OrderHasItsUnits]);
}

#[test]
fn reservation_in_another_state_or_with_another_order_is_found() {
    let found = doctored(|claims, _| {
        claims.reservations.get_mut("res_2").expect("it is there").status = ReservationStatus::Released;
    });
    assert_eq!(found, [Invariant::ReservationIsAsAcknowledged]);
    let found = doctored(|_, facts| facts.reservations[1].order_id = Some("ord_9".into()));
    assert_eq!(found, [Invariant::ReservationIsAsAcknowledged]);
}

#[test]
fn order_that_nobody_asked_for_is_found() {
    let found = doctored(|_, facts| facts.orders.push(order("ord_9", OrderStatus::Expired, 1, None)));
    assert_eq!(found, [Invariant::NothingElseIsOrdered]);
    let ghost = reservation("res_9", ReservationStatus::Expired, 1, "none");
    let found = doctored(|_, facts| facts.reservations.push(ghost.clone()));
    assert_eq!(found, [Invariant::NothingElseIsOrdered]);
}

#[test]
fn lost_request_may_have_made_its_order_but_no_other() {
    let stranger = |mark| order("ord_9", OrderStatus::Expired, 1, mark);
    let lose = |claims: &mut Claims| {
        claims.lost.orders.insert(7, lines(1));
        claims.lost.purchases.push(lines(1));
        claims.lost.reservations.insert(8, lines(1));
    };
    let with = |strangers: Vec<Order>| {
        doctored(|claims, facts| {
            lose(claims);
            facts.orders.extend(strangers.clone());
            facts.reservations.push(reservation("res_9", ReservationStatus::Expired, 1, "8"));
        })
    };
    assert_eq!(with(vec![]), []);
    assert_eq!(with(vec![stranger(Some("7"))]), []);
    assert_eq!(with(vec![stranger(None)]), []);
    assert_eq!(with(vec![stranger(Some("6"))]), [Invariant::NothingElseIsOrdered]);
    let twice = vec![stranger(None), Order { id: "ord_10".into(), ..stranger(None) }];
    assert_eq!(with(twice), [Invariant::NothingElseIsOrdered]);
}

#[test]
fn lost_confirm_of_a_reservation_may_have_made_an_order() {
    let made =
        Order { reservation_id: Some("res_2".into()), ..order("ord_9", OrderStatus::Expired, 1, None) };
    let found = doctored(|_, facts| facts.orders.push(made.clone()));
    assert_eq!(found, [Invariant::NothingElseIsOrdered]);
    let found = doctored(|claims, facts| {
        let claim = claims.reservations.get_mut("res_2").expect("it is there");
        claim.may_be.insert(ReservationStatus::Confirmed);
        facts.orders.push(made.clone());
    });
    assert_eq!(found, []);
}

#[test]
fn units_without_an_order_and_orders_without_units_are_found() {
    let found = doctored(|_, facts| {
        facts.stock[0].figures = figures(9, 8, 0, 1);
        facts.ledgers.clear();
    });
    assert_eq!(found, [Invariant::CommittedIsWhatOrdersSay, Invariant::CommittedIsWhatBuyersWereTold]);
    let found = doctored(|claims, facts| {
        // Both sides of the server agree, and the buyer knows better.
        facts.orders[3].status = OrderStatus::Expired;
        claims.orders.get_mut("ord_1").expect("it is there").may_be.insert(OrderStatus::Expired);
    });
    assert_eq!(found, [Invariant::OrderHasItsUnits, Invariant::CommittedIsWhatOrdersSay]);
    let found = doctored(|_, facts| facts.orders[3].lines.clear());
    assert!(found.contains(&Invariant::OrderHasItsUnits), "{found:?}");
}

#[test]
fn order_with_other_units_on_the_ledger_is_found() {
    let found = doctored(|_, facts| {
        for movement in &mut facts.ledgers[0].1 {
            if movement.cause.id == "ord_1" {
                movement.cause.id = "ord_3".into();
            }
        }
    });
    assert_eq!(found, [Invariant::OrderHasItsUnits]);
    let found = doctored(|_, facts| {
        for movement in &mut facts.ledgers[0].1 {
            if movement.cause.id == "ord_1" {
                movement.cause.id = "ord_ghost".into();
            }
        }
    });
    assert_eq!(found, [Invariant::NothingElseIsBooked, Invariant::OrderHasItsUnits]);
}

#[test]
fn what_is_still_held_is_found() {
    let found = doctored(|_, facts| facts.orders[1].status = OrderStatus::PendingPayment);
    assert_eq!(found, [Invariant::OrderIsAsAcknowledged, Invariant::HoldsEnd]);
    let found = doctored(|_, facts| facts.reservations[0].status = ReservationStatus::Active);
    assert_eq!(found, [Invariant::ReservationIsAsAcknowledged, Invariant::HoldsEnd]);
    let found = doctored(|_, facts| {
        facts.stock[0].figures = figures(9, 5, 1, 3);
        facts.ledgers.clear();
    });
    assert_eq!(found, [Invariant::HoldsEnd]);
}

#[test]
fn confirm_at_the_deadline_is_found_unless_the_units_were_taken_again() {
    let found = doctored(|_, facts| facts.orders[3].confirmed_at = Some(DEADLINE.into()));
    assert_eq!(found, [Invariant::DeadlineIsKept]);
    let found = doctored(|_, facts| {
        facts.orders[3].confirmed_at = Some(DEADLINE.into());
        facts.orders[3].reacquired = true;
    });
    assert_eq!(found, []);
}

#[test]
fn unbalanced_books_are_found() {
    let found = doctored(|_, facts| {
        facts.stock[0].figures = figures(9, 7, 0, 3);
        facts.ledgers.clear();
    });
    assert_eq!(found, [Invariant::BooksBalance]);
    let found = doctored(|_, facts| {
        facts.stock[0].figures = figures(10, 7, 0, 3);
        facts.ledgers.clear();
    });
    assert_eq!(found, [Invariant::OnHandIsTheRest]);
}

#[test]
fn oversold_is_found() {
    let found = doctored(|_, facts| facts.stock[0].received = 3);
    assert_eq!(found, [Invariant::NeverOversold, Invariant::OnHandIsTheRest]);
}

#[test]
fn ledger_that_does_not_replay_is_found() {
    for change in [
        |ledger: &mut Vec<Movement>| drop(ledger.remove(4)),
        |ledger: &mut Vec<Movement>| ledger.swap(0, 1),
        |ledger: &mut Vec<Movement>| ledger[3].delta = 2,
        |ledger: &mut Vec<Movement>| ledger[3].after = None,
        |ledger: &mut Vec<Movement>| ledger[3].kind = "vanished".into(),
        |ledger: &mut Vec<Movement>| drop(ledger.remove(0)),
    ] {
        let found = doctored(|_, facts| change(&mut facts.ledgers[0].1));
        assert!(found.contains(&Invariant::MovementsReplay), "{found:?}");
    }
}
