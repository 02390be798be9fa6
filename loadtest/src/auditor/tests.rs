//! Each way of cheating is found, and honest books pass.

use super::*;
use crate::shop::Cause;

fn sale(number: u32, available: u32) -> Sale {
    let sent = Moment::from(number) * 10;
    Sale {
        order_id: format!("ord_{number}"),
        quantity: 1,
        available,
        span: Span { sent, answered: sent + 5 },
    }
}

fn refusal(number: u32) -> Refusal {
    let sent = Moment::from(number) * 10;
    Refusal { available: 0, span: Span { sent, answered: sent + 5 } }
}

fn movement(order_id: &str, delta: i64) -> Movement {
    let cause = Cause { id: order_id.to_owned() };
    Movement { kind: "committed".into(), delta, cause, after: None }
}

fn figures(on_hand: i64, available: i64, reserved: i64, committed: i64) -> Figures {
    Figures { on_hand, available, reserved, committed }
}

/// Three units, three buyers served one after the other, a fourth refused.
fn honest() -> (Books, Figures, Vec<Movement>) {
    let mut books = Books::new(3);
    books.sales = vec![sale(1, 2), sale(2, 1), sale(3, 0)];
    books.refusals = vec![refusal(4)];
    let movements = books.sales.iter().map(|sale| movement(&sale.order_id, 1)).collect();
    (books, figures(3, 0, 0, 3), movements)
}

/// Audits everything and names what is broken.
fn broken(books: &mut Books, figures: &Figures, movements: &[Movement]) -> Vec<Invariant> {
    let mut findings = Findings::default();
    books.audit_answers(&mut findings);
    books.audit_server(figures, movements, &mut findings);
    findings.broken()
}

#[test]
fn honest_books_pass() {
    let (mut books, figures, movements) = honest();
    assert_eq!(broken(&mut books, &figures, &movements), []);
    assert_eq!((books.units_sold(), books.unknown_found()), (3, 0));
}

#[test]
fn movements_may_count_either_way() {
    let (mut books, figures, mut movements) = honest();
    movements.iter_mut().for_each(|movement| movement.delta = -1);
    assert_eq!(broken(&mut books, &figures, &movements), []);
}

#[test]
fn oversold_is_found_by_the_answers_alone() {
    let (mut books, ..) = honest();
    books.sales.push(sale(5, 0));
    let mut findings = Findings::default();
    books.audit_answers(&mut findings);
    let expected = [Invariant::NeverOversold, Invariant::UnitIsSoldOnce, Invariant::AvailableNeverRises];
    assert_eq!(findings.broken(), expected);
}

#[test]
fn lost_acknowledged_purchase_is_found() {
    let (mut books, _, mut movements) = honest();
    movements.remove(1);
    let expected =
        [Invariant::AvailableNeverRises, Invariant::CommittedIsWhatWasSold, Invariant::AcknowledgedIsBooked];
    assert_eq!(broken(&mut books, &figures(3, 1, 0, 2), &movements), expected);
}

#[test]
fn doubled_order_id_is_found() {
    let (mut books, figures, movements) = honest();
    books.sales[2].order_id = "ord_2".into();
    let found = broken(&mut books, &figures, &movements);
    assert!(found.contains(&Invariant::OrderIdIsUnique), "{found:?}");
}

#[test]
fn order_booked_twice_is_found() {
    let (mut books, figures, mut movements) = honest();
    movements.push(movement("ord_1", 1));
    let found = broken(&mut books, &figures, &movements);
    assert!(found.contains(&Invariant::OrderIsBookedOnce), "{found:?}");
    assert!(found.contains(&Invariant::CommittedIsWhatWasSold), "{found:?}");
}

#[test]
fn ghost_purchase_is_found() {
    let mut books = Books::new(3);
    books.sales = vec![sale(1, 2)];
    let movements = [movement("ord_1", 1), movement("ord_ghost", 1)];
    let expected = [Invariant::CommittedIsWhatWasSold, Invariant::NothingElseIsBooked];
    assert_eq!(broken(&mut books, &figures(3, 1, 0, 2), &movements), expected);
}

#[test]
fn unbalanced_books_are_found() {
    let (mut books, _, movements) = honest();
    assert_eq!(broken(&mut books, &figures(4, 0, 0, 3), &movements), [Invariant::BooksBalance]);
    let (mut books, figures, mut movements) = honest();
    movements[0].after = Some(Figures { on_hand: 2, available: -1, reserved: 0, committed: 3 });
    assert_eq!(broken(&mut books, &figures, &movements), [Invariant::BooksBalance]);
}

#[test]
fn units_left_in_reserve_are_found() {
    let mut books = Books::new(3);
    books.sales = vec![sale(1, 2)];
    let found = broken(&mut books, &figures(3, 1, 1, 1), &[movement("ord_1", 1)]);
    assert_eq!(found, [Invariant::AvailableIsTheRest, Invariant::NothingIsHeld]);
}

#[test]
fn wrong_quantity_on_the_books_is_found() {
    let (mut books, figures, mut movements) = honest();
    movements[0].delta = 2;
    let expected = [Invariant::CommittedIsWhatWasSold, Invariant::MovementsAddUp];
    assert_eq!(broken(&mut books, &figures, &movements), expected);
}

#[test]
fn refusal_with_units_left_is_found() {
    let mut books = Books::new(3);
    books.refusals = vec![refusal(1)];
    books.sales = vec![sale(2, 2)];
    let mut findings = Findings::default();
    books.audit_answers(&mut findings);
    assert_eq!(findings.broken(), [Invariant::AvailableNeverRises]);
    books.sales.clear();
    assert_eq!(broken(&mut books, &figures(3, 3, 0, 0), &[]), [Invariant::AvailableNeverRises]);
}

#[test]
fn purchases_that_overlap_in_time_may_be_answered_in_any_order() {
    let mut books = Books::new(2);
    books.sales = vec![sale(1, 0), sale(2, 1)];
    books.sales[0].span = Span { sent: 0, answered: 50 };
    books.sales[1].span = Span { sent: 1, answered: 60 };
    let movements = [movement("ord_1", 1), movement("ord_2", 1)];
    assert_eq!(broken(&mut books, &figures(2, 0, 0, 2), &movements), []);
}

#[test]
fn lost_answer_may_be_booked_or_not_but_only_in_its_quantity() {
    for (delta, expected) in
        [(None, vec![]), (Some(2), vec![]), (Some(1), vec![Invariant::NothingElseIsBooked])]
    {
        let mut books = Books::new(9);
        books.sales = vec![sale(1, 8)];
        books.unknown = vec![2];
        let mut movements = vec![movement("ord_1", 1)];
        movements.extend(delta.map(|delta| movement("ord_lost", delta)));
        let committed = 1 + delta.unwrap_or(0);
        let found = broken(&mut books, &figures(9, 9 - committed, 0, committed), &movements);
        assert_eq!(found, expected, "{delta:?}");
        assert_eq!(books.unknown_found(), usize::from(delta == Some(2)));
    }
}

#[test]
fn what_was_found_booked_once_must_stay() {
    let mut books = Books::new(9);
    books.unknown = vec![1];
    assert_eq!(broken(&mut books, &figures(9, 8, 0, 1), &[movement("ord_lost", 1)]), []);
    assert_eq!(broken(&mut books, &figures(9, 9, 0, 0), &[]), [Invariant::BookedStaysBooked]);
}

#[test]
fn answers_are_read() {
    let sold = br#"{"order_id":"ord_1","sku":"a","quantity":2,"unit_price":5,"total":10,"currency":"EUR","available":7}"#;
    assert_eq!(read_answer(2, 201, sold), Outcome::Sold { order_id: "ord_1".into(), available: 7 });
    let refused = br#"{"code":"insufficient_stock","lines":[{"index":0,"sku":"a","code":"insufficient_stock","requested":2,"available":1,"reserved":0}]}"#;
    assert_eq!(read_answer(2, 409, refused), Outcome::Refused { available: 1 });
    assert_eq!(read_answer(2, 503, b""), Outcome::Shed);
    assert_eq!(read_answer(2, 429, b""), Outcome::Shed);
}

#[test]
fn answers_outside_the_contract_are_wrong() {
    let enough = br#"{"code":"insufficient_stock","lines":[{"requested":1,"available":1}]}"#;
    let no_lines = br#"{"code":"insufficient_stock"}"#;
    let limit = br#"{"code":"limit_exceeded"}"#;
    let another = br#"{"order_id":"ord_1","quantity":2,"available":7}"#;
    for (status, body, expected) in [
        (409, &enough[..], Invariant::RefusalIsJustified),
        (409, no_lines, Invariant::RefusalIsJustified),
        (409, limit, Invariant::RefusalIsJustified),
        (201, another, Invariant::AnswerIsExpected),
        (201, b"{}", Invariant::AnswerIsExpected),
        (500, b"oops", Invariant::AnswerIsExpected),
        (404, b"{}", Invariant::AnswerIsExpected),
    ] {
        match read_answer(1, status, body) {
            Outcome::Wrong { invariant, .. } => assert_eq!(invariant, expected, "{status}"),
            other => panic!("{status} was read as {other:?}"),
        }
    }
}
