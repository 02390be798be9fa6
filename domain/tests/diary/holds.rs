//! Reserving: what is held is nobody else's, all lines or none, and the same again is the same.

use crate::story::shop::check;

#[test]
fn held_units_are_nobody_elses_until_the_deadline() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m
        12:10  reserve #2 3 for 15m    refused: insufficient stock, 2 available, 3 reserved
        12:15  confirm #1              refused: expired at 12:15
        12:15  stock                   on hand 5, available 5, reserved 0, committed 0
        12:15  reserve #2 3 for 15m
        12:16  stock                   on hand 5, available 2, reserved 3, committed 0
        ",
    );
}

#[test]
fn last_unit_is_held_once() {
    check(
        "
        12:00  receive 1
        12:00  reserve #1 1 for 15m by ann
        12:00  reserve #2 1 for 15m by bob   refused: insufficient stock, 0 available, 1 reserved
        12:00  hold #1                       1 A for ann until 12:15
        12:00  hold #2                       unknown
        ",
    );
}

#[test]
fn several_lines_are_held_all_or_none_and_every_short_one_is_named() {
    check(
        "
        12:00  receive 5 A
        12:00  receive 2 B
        12:00  reserve #1 1 B for 15m
        12:01  reserve #2 5 A, 2 B for 15m        refused: insufficient stock; line 1: 2 B asked, 1 available, 1 reserved
        12:01  reserve #2 6 A, 2 B, 1 C for 15m   refused: insufficient stock; line 0: 6 A asked, 5 available, 0 reserved; line 1: 2 B asked, 1 available, 1 reserved; line 2: 1 C asked, 0 available, 0 reserved
        12:01  stock A                            on hand 5, available 5, reserved 0, committed 0
        12:02  reserve #2 5 A, 1 B for 15m
        12:02  stock A                            on hand 5, available 0, reserved 5, committed 0
        12:02  stock B                            on hand 2, available 0, reserved 2, committed 0
        12:03  release #2
        12:03  stock A                            on hand 5, available 5, reserved 0, committed 0
        12:03  stock B                            on hand 2, available 1, reserved 1, committed 0
        ",
    );
}

#[test]
fn reserving_again_with_the_same_id_holds_once() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m by ann
        12:01  reserve #1 3 for 15m by ann   already so
        12:01  hold #1                       3 A for ann until 12:15
        12:01  stock                         on hand 5, available 2, reserved 3, committed 0
        12:01  ledger                        received +5, reserved +3
        ",
    );
}

#[test]
fn reserving_again_is_yes_though_the_product_is_sold_no_more() {
    check(
        "
        12:00  receive 3
        12:00  reserve #1 3 for 15m
        12:01  status archived
        12:01  reserve #1 3 for 15m   already so
        ",
    );
}

/// A retry must hold what it asks for, or be told that it does not.
#[test]
fn id_in_use_for_something_else_is_refused() {
    check(
        "
        12:00  receive 9
        12:00  receive 9 B
        12:00  reserve #1 3 for 15m by ann
        12:01  reserve #1 4 for 15m by ann        refused: invalid state
        12:01  reserve #1 3 B for 15m by ann      refused: invalid state
        12:01  reserve #1 3, 1 B for 15m by ann   refused: invalid state
        12:01  reserve #1 3 for 15m by bob        refused: invalid state
        12:01  reserve #1 3 for 20m by ann        already so
        12:01  hold #1                            3 A for ann until 12:15
        ",
    );
}

#[test]
fn id_of_a_closed_hold_is_not_taken_again() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1..3 1 for 15m
        12:01  confirm #1
        12:01  release #2
        12:15  reserve #1 1 for 15m   refused: invalid state
        12:15  reserve #2 1 for 15m   refused: invalid state
        12:15  reserve #3 1 for 15m   refused: expired at 12:15
        ",
    );
}

/// Both lines find three available; together they do not.
#[test]
fn variant_twice_in_one_hold_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3, 3 A for 15m   refused: out of bounds
        12:00  reserve #1 1, 1 A for 15m   refused: out of bounds
        12:00  stock                       on hand 5, available 5, reserved 0, committed 0
        ",
    );
}

/// It would hold nothing, and yet a deleted product would take it along.
#[test]
fn hold_of_nothing_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 nothing for 15m   refused: out of bounds
        12:00  hold #1                      unknown
        ",
    );
}

#[test]
fn variant_that_does_not_exist_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 1 A, 1 D for 15m   refused: unknown variant D
        12:00  purchase @1 1 Z               refused: unknown variant Z
        12:00  adjust 1 D received           refused: unknown variant D
        12:00  count 1 D                     refused: unknown variant D
        12:00  stock                         on hand 5, available 5, reserved 0, committed 0
        ",
    );
}

#[test]
fn largest_quantity_is_refused_for_want_of_stock_only() {
    check(
        "
        12:00  reserve #1 1000000 for 15m            refused: insufficient stock, 0 available, 0 reserved
        12:00  reserve #1 1000000, 1 B for 15m       refused: insufficient stock; line 0: 1000000 A asked, 0 available, 0 reserved; line 1: 1 B asked, 0 available, 0 reserved
        12:00  count 4294967295                      books were off by +4294967295
        12:00  reserve #1..9 1000000 for 15m
        12:00  stock                                 on hand 4294967295, available 4285967295, reserved 9000000, committed 0
        12:01  confirm #1..9 order @1
        12:01  fulfil @1
        12:01  stock                                 on hand 4285967295, available 4285967295, reserved 0, committed 0
        ",
    );
}
