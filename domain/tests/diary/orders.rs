//! Orders: buying in one turn, shipping, giving back.

use crate::story::shop::check;

#[test]
fn purchase_sells_in_one_turn_at_the_variants_price() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  receive 5 C
        12:00  purchase @1 2 by ann   sold at 10.00 EUR
        12:00  purchase @2 1 B        sold at 12.50 EUR
        12:00  purchase @3 1 C        sold at 0.00 EUR
        12:01  price 20.01
        12:01  purchase @4 1 C        sold at 0.01 EUR
        12:01  order @1               2 A for ann
        12:01  stock                  on hand 5, available 3, reserved 0, committed 2
        12:01  ledger                 received +5, purchased +2
        ",
    );
}

#[test]
fn purchase_of_more_than_there_is_sells_nothing() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:00  purchase @1 3   refused: insufficient stock, 2 available, 3 reserved
        12:00  order @1        nothing
        12:15  release #1 lapsed
        12:15  purchase @1 3   sold at 10.00 EUR
        ",
    );
}

#[test]
fn purchase_again_with_the_same_order_buys_once() {
    check(
        "
        12:00  receive 5
        12:00  purchase @1 2 by ann
        12:00  purchase @1 2 by ann   already so
        12:00  stock                  on hand 5, available 3, reserved 0, committed 2
        ",
    );
}

/// A yes would leave an order without its units (INV-10).
#[test]
fn order_in_use_for_something_else_is_not_purchased() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  purchase @1 2 by ann
        12:00  purchase @1 3 by ann     refused: invalid state
        12:00  purchase @1 2 B by ann   refused: invalid state
        12:00  purchase @1 2 by bob     refused: invalid state
        12:01  reserve #1 1 B by ann
        12:01  confirm #1 order @1
        12:01  purchase @1 2 by ann     refused: invalid state
        12:01  order @1                 2 A, 1 B for ann
        ",
    );
}

#[test]
fn fulfilled_units_leave_the_house_once() {
    check(
        "
        12:00  receive 5
        12:00  purchase @1 2
        12:01  fulfil @1
        12:01  fulfil @1   already so
        12:01  cancel @1   already so
        12:01  stock       on hand 3, available 3, reserved 0, committed 0
        12:01  totals      received 5, fulfilled 2, written off 0
        12:01  ledger      received +5, purchased +2, fulfilled -2
        ",
    );
}

#[test]
fn canceled_units_are_available_again_once() {
    check(
        "
        12:00  receive 5
        12:00  purchase @1 2
        12:01  cancel @1
        12:01  cancel @1   already so
        12:01  fulfil @1   already so
        12:01  stock       on hand 5, available 5, reserved 0, committed 0
        12:01  totals      received 5, fulfilled 0, written off 0
        12:01  ledger      received +5, purchased +2, canceled -2
        ",
    );
}

#[test]
fn held_units_are_not_shipped() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 2
        12:00  fulfil @1   already so
        12:00  cancel @1   already so
        12:00  stock       on hand 5, available 3, reserved 2, committed 0
        ",
    );
}

/// A guest who logs in between two holds has two digests; the order has one owner.
#[test]
fn holds_of_two_buyers_in_one_order_count_for_its_owner() {
    check(
        "
        12:00  limit customer 9
        12:00  receive 9
        12:00  reserve #1 1 by ann
        12:00  reserve #2 3 by guest
        12:01  confirm #1 order @7
        12:01  confirm #2 order @7
        12:01  counted ann     4
        12:01  counted guest   0
        12:02  cancel @7
        12:02  counted ann     0
        12:02  counted guest   0
        12:02  stock           on hand 9, available 9, reserved 0, committed 0
        ",
    );
}
