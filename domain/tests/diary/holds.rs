//! Reserving: what is held is nobody else's, all lines or none, and the same again is the same.

use crate::story::shop::check;

#[test]
fn held_units_are_nobody_elses_until_they_come_back() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:10  reserve #2 3   refused: insufficient stock, 2 available, 3 reserved
        12:15  release #1 lapsed
        12:15  stock          on hand 5, available 5, reserved 0, committed 0
        12:15  reserve #2 3
        12:16  stock          on hand 5, available 2, reserved 3, committed 0
        ",
    );
}

#[test]
fn last_unit_is_held_once() {
    check(
        "
        12:00  receive 1
        12:00  reserve #1 1 by ann
        12:00  reserve #2 1 by bob   refused: insufficient stock, 0 available, 1 reserved
        12:00  hold #1               1 A for ann
        12:00  hold #2               nothing
        ",
    );
}

#[test]
fn several_lines_are_held_all_or_none_and_every_short_one_is_named() {
    check(
        "
        12:00  receive 5 A
        12:00  receive 2 B
        12:00  reserve #1 1 B
        12:01  reserve #2 5 A, 2 B        refused: insufficient stock; line 1: 2 B asked, 1 available, 1 reserved
        12:01  reserve #2 6 A, 2 B, 1 C   refused: insufficient stock; line 0: 6 A asked, 5 available, 0 reserved; line 1: 2 B asked, 1 available, 1 reserved; line 2: 1 C asked, 0 available, 0 reserved
        12:01  stock A                    on hand 5, available 5, reserved 0, committed 0
        12:02  reserve #2 5 A, 1 B
        12:02  stock A                    on hand 5, available 0, reserved 5, committed 0
        12:02  stock B                    on hand 2, available 0, reserved 2, committed 0
        12:03  release #2
        12:03  stock A                    on hand 5, available 5, reserved 0, committed 0
        12:03  stock B                    on hand 2, available 1, reserved 1, committed 0
        ",
    );
}

#[test]
fn reserving_again_with_the_same_id_holds_once() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 by ann
        12:01  reserve #1 3 by ann   already so
        12:01  hold #1               3 A for ann
        12:01  stock                 on hand 5, available 2, reserved 3, committed 0
        12:01  ledger                received +5, reserved +3
        ",
    );
}

#[test]
fn reserving_again_is_yes_though_the_product_is_sold_no_more() {
    check(
        "
        12:00  receive 3
        12:00  reserve #1 3
        12:01  status archived
        12:01  reserve #1 3   already so
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
        12:00  reserve #1 3 by ann
        12:01  reserve #1 4 by ann           refused: invalid state
        12:01  reserve #1 3 B by ann         refused: invalid state
        12:01  reserve #1 3, 1 B by ann      refused: invalid state
        12:01  reserve #1 3 by bob           refused: invalid state
        12:01  reserve #1 3 for 20m by ann   already so
        12:01  hold #1                       3 A for ann
        ",
    );
}

/// Which names were used is for the owners to remember; they never use one twice.
#[test]
fn name_that_holds_nothing_is_free() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1..2 1
        12:01  confirm #1 order @1
        12:01  release #2
        12:15  reserve #1..2 2
        12:15  stock   on hand 9, available 4, reserved 4, committed 1
        ",
    );
}

/// The deadline is the owner's; the product only writes it down.
#[test]
fn longer_hold_is_a_row_of_the_ledger_and_nothing_else() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 3, 1 B for 15m by ann
        12:01  extend #1 for 30m
        12:02  extend #1 until 12:01
        12:02  hold #1    3 A, 1 B for ann
        12:02  stock      on hand 5, available 2, reserved 3, committed 0
        12:02  ledger     received +5, reserved +3, extended +0, extended +0
        12:02  ledger B   received +5, reserved +1, extended +0, extended +0
        ",
    );
}

/// Both lines find three available; together they do not.
#[test]
fn variant_twice_in_one_hold_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3, 3 A   refused: out of bounds
        12:00  reserve #1 1, 1 A   refused: out of bounds
        12:00  stock               on hand 5, available 5, reserved 0, committed 0
        ",
    );
}

/// It would hold nothing, and yet a deleted product would take it along.
#[test]
fn hold_of_nothing_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 nothing   refused: out of bounds
        12:00  hold #1              nothing
        ",
    );
}

#[test]
fn variant_that_does_not_exist_is_refused() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 1 A, 1 D   refused: unknown variant D
        12:00  purchase @1 1 Z       refused: unknown variant Z
        12:00  adjust 1 D received   refused: unknown variant D
        12:00  count 1 D             refused: unknown variant D
        12:00  stock                 on hand 5, available 5, reserved 0, committed 0
        ",
    );
}

#[test]
fn largest_quantity_is_refused_for_want_of_stock_only() {
    check(
        "
        12:00  reserve #1 1000000        refused: insufficient stock, 0 available, 0 reserved
        12:00  reserve #1 1000000, 1 B   refused: insufficient stock; line 0: 1000000 A asked, 0 available, 0 reserved; line 1: 1 B asked, 0 available, 0 reserved
        12:00  count 4294967295          books were off by +4294967295
        12:00  reserve #1..9 1000000
        12:00  stock                     on hand 4294967295, available 4285967295, reserved 9000000, committed 0
        12:01  confirm #1..9 order @1
        12:01  fulfil @1
        12:01  stock                     on hand 4285967295, available 4285967295, reserved 0, committed 0
        ",
    );
}
