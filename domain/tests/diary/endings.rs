//! How a hold ends: confirmed, released or expired, and only once.

use crate::story::shop::check;

#[test]
fn confirm_sells_what_is_held() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m by ann
        12:05  confirm #1 order @7
        12:05  stock      on hand 5, available 2, reserved 0, committed 3
        12:05  hold #1    confirmed for @7
        12:05  order @7   3 A for ann
        13:00  stock      on hand 5, available 2, reserved 0, committed 3
        13:00  ledger     received +5, reserved +3, committed +3
        ",
    );
}

#[test]
fn confirm_again_meets_its_own_answer() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m
        12:05  confirm #1 order @7
        12:05  confirm #1 order @7   already so
        12:20  confirm #1 order @7   already so
        12:20  confirm #1 order @8   refused: invalid state
        12:20  order @8              unknown
        12:20  stock                 on hand 5, available 2, reserved 0, committed 3
        ",
    );
}

#[test]
fn released_units_are_back_once() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m
        12:05  release #1
        12:05  release #1   already so
        12:05  confirm #1   refused: invalid state
        12:20  release #1   already so
        12:20  stock        on hand 5, available 5, reserved 0, committed 0
        12:20  ledger       received +5, reserved +3, released -3
        ",
    );
}

#[test]
fn confirmed_hold_is_not_released() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m
        12:05  confirm #1
        12:05  release #1   refused: invalid state
        12:05  stock        on hand 5, available 2, reserved 0, committed 3
        ",
    );
}

#[test]
fn release_at_the_deadline_is_an_expiry() {
    check(
        "
        12:00         receive 2
        12:00         reserve #1..2 1 for 15m
        12:14:59.999  release #1 before expiry   done
        12:15         release #2 before expiry   expired
        12:15         hold #1                    released
        12:15         hold #2                    expired at 12:15
        ",
    );
}

#[test]
fn hold_that_never_was_is_unknown() {
    check(
        "
        12:00  confirm #1          refused: unknown reservation
        12:00  release #1          refused: unknown reservation
        12:00  extend #1 for 15m   refused: unknown reservation
        ",
    );
}

#[test]
fn hold_is_confirmed_though_the_product_is_sold_no_more() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 for 15m
        12:01  status archived
        12:02  extend #1 for 15m
        12:03  confirm #1
        12:03  stock   on hand 5, available 2, reserved 0, committed 3
        ",
    );
}

#[test]
fn several_holds_end_in_one_order() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 3 for 15m by ann
        12:00  reserve #2 1, 2 B for 15m by ann
        12:01  confirm #1 order @7
        12:01  confirm #2 order @7
        12:01  order @7   3 A, 1 A, 2 B for ann
        12:01  stock      on hand 5, available 1, reserved 0, committed 4
        12:02  fulfil @7
        12:02  order @7   unknown
        12:02  stock      on hand 1, available 1, reserved 0, committed 0
        12:02  stock B    on hand 3, available 3, reserved 0, committed 0
        12:02  ledger     received +5, reserved +3, reserved +1, committed +3, committed +1, fulfilled -3, fulfilled -1
        ",
    );
}
