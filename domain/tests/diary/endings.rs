//! How a hold ends in the product's books: confirmed, released or lapsed, and only once.

use crate::story::shop::check;

#[test]
fn confirm_sells_what_is_held() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3 by ann
        12:05  confirm #1 order @7
        12:05  stock      on hand 5, available 2, reserved 0, committed 3
        12:05  hold #1    nothing
        12:05  order @7   3 A for ann
        13:00  stock      on hand 5, available 2, reserved 0, committed 3
        13:00  ledger     received +5, reserved +3, committed +3
        ",
    );
}

/// The product knows no deadline: a day later the units are still held, until their owner says otherwise.
#[test]
fn hold_ends_only_when_its_owner_says_so() {
    check(
        "
        12:00     receive 5
        12:00     reserve #1 3
        12:00+1d  stock                 on hand 5, available 2, reserved 3, committed 0
        12:00+1d  purchase @1 3         refused: insufficient stock, 2 available, 3 reserved
        12:00+1d  confirm #1 order @7   done
        12:00+1d  stock                 on hand 5, available 2, reserved 0, committed 3
        ",
    );
}

#[test]
fn ledger_tells_a_lapse_from_a_release() {
    check(
        "
        12:00  receive 2
        12:00  reserve #1..2 1
        12:14  release #1          done
        12:15  release #2 lapsed   expired
        12:15  stock               on hand 2, available 2, reserved 0, committed 0
        12:15  ledger              received +2, reserved +1, reserved +1, released -1, expired -1
        ",
    );
}

#[test]
fn released_hold_is_not_confirmed() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:05  release #1
        12:05  confirm #1   refused: unknown reservation
        12:05  extend #1    refused: unknown reservation
        12:05  order @1     nothing
        12:05  stock        on hand 5, available 5, reserved 0, committed 0
        ",
    );
}

/// What is sold comes back by its order, never by the hold that it was.
#[test]
fn confirmed_hold_is_not_released() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:05  confirm #1
        12:05  release #1   already so
        12:05  extend #1    refused: unknown reservation
        12:05  stock        on hand 5, available 2, reserved 0, committed 3
        ",
    );
}

#[test]
fn hold_that_never_was_is_unknown() {
    check(
        "
        12:00  confirm #1   refused: unknown reservation
        12:00  extend #1    refused: unknown reservation
        12:00  release #1   already so
        12:00  hold #1      nothing
        ",
    );
}

#[test]
fn hold_is_confirmed_though_the_product_is_sold_no_more() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:01  status archived
        12:02  extend #1
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
        12:00  reserve #1 3 by ann
        12:00  reserve #2 1, 2 B by ann
        12:01  confirm #1 order @7
        12:01  confirm #2 order @7
        12:01  order @7   3 A, 1 A, 2 B for ann
        12:01  stock      on hand 5, available 1, reserved 0, committed 4
        12:02  fulfil @7
        12:02  order @7   nothing
        12:02  stock      on hand 1, available 1, reserved 0, committed 0
        12:02  stock B    on hand 3, available 3, reserved 0, committed 0
        12:02  ledger     received +5, reserved +3, reserved +1, committed +3, committed +1, fulfilled -3, fulfilled -1
        ",
    );
}
