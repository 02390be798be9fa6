//! The same again: whoever drives the steps may take each of them twice, and nothing moves the second time.

use crate::story::shop::check;

#[test]
fn confirm_again_meets_its_own_answer() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:05  confirm #1 order @7
        12:05  confirm #1 order @7   already so
        12:20  confirm #1 order @7   already so
        12:20  confirm #1 order @8   refused: unknown reservation
        12:20  order @7              3 A for somebody
        12:20  order @8              nothing
        12:20  stock                 on hand 5, available 2, reserved 0, committed 3
        12:20  ledger                received +5, reserved +3, committed +3
        ",
    );
}

#[test]
fn released_units_are_back_once() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 3
        12:05  release #1
        12:05  release #1          already so
        12:15  release #1 lapsed   already so
        12:20  stock               on hand 5, available 5, reserved 0, committed 0
        12:20  totals              received 5, fulfilled 0, written off 0
        12:20  ledger              received +5, reserved +3, released -3
        ",
    );
}

#[test]
fn lapsed_units_are_back_once() {
    check(
        "
        12:00  receive 3
        12:00  reserve #1 3
        12:15  release #1 lapsed   expired
        12:15  release #1 lapsed   already so
        12:15  release #1          already so
        12:16  stock               on hand 3, available 3, reserved 0, committed 0
        12:16  ledger              received +3, reserved +3, expired -3
        ",
    );
}

/// Two cancels must not restock twice, and a shipped order does not come back.
#[test]
fn cancel_and_fulfil_move_units_once() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1..2 2 by ann
        12:01  confirm #1 order @1
        12:01  confirm #2 order @2
        12:02  cancel @1
        12:02  cancel @1   already so
        12:02  fulfil @1   already so
        12:03  fulfil @2
        12:03  fulfil @2   already so
        12:03  cancel @2   already so
        12:03  stock       on hand 7, available 7, reserved 0, committed 0
        12:03  totals      received 9, fulfilled 2, written off 0
        12:03  ledger      received +9, reserved +2, reserved +2, committed +2, committed +2, canceled -2, fulfilled -2
        ",
    );
}

#[test]
fn repeats_do_not_count_against_a_limit_twice() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 4
        12:00  reserve #1 2 by ann
        12:00  reserve #1 2 by ann   already so
        12:00  rehold #1 3 by ann
        12:00  rehold #1 3 by ann    already so
        12:00  counted ann           3
        12:01  confirm #1 order @1
        12:01  confirm #1 order @1   already so
        12:01  counted ann           3
        12:02  cancel @1
        12:02  cancel @1             already so
        12:02  counted ann           0
        ",
    );
}

#[test]
fn steps_of_nothing_change_nothing() {
    check(
        "
        12:00  receive 5
        12:00  confirm #1 order @1   refused: unknown reservation
        12:00  fulfil @1             already so
        12:00  cancel @1             already so
        12:00  release #1            already so
        12:00  stock                 on hand 5, available 5, reserved 0, committed 0
        12:00  ledger                received +5
        12:00  moves                 2
        ",
    );
}
