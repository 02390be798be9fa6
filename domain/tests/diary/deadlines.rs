//! Deadlines: the first moment at which a hold is dead, to the millisecond, and how far they may be moved.

use crate::story::shop::check;

#[test]
fn confirm_succeeds_until_one_millisecond_before_the_deadline() {
    check(
        "
        12:00         receive 2
        12:00         reserve #1..2 1 for 15m
        12:14:59.999  confirm #1
        12:15         confirm #2    refused: expired at 12:15
        12:15         stock         on hand 2, available 1, reserved 0, committed 1
        ",
    );
}

/// The deadline decides, whether or not its expiry is on the books.
#[test]
fn dead_hold_is_dead_before_its_expiry_is_on_the_books() {
    check(
        "
        12:00         receive 3
        12:00         reserve #1 3 for 15m
        12:14:59.999  extend #1 until 12:20 before expiry
        12:20         confirm #1 before expiry              refused: expired at 12:20
        12:20         extend #1 for 15m before expiry       refused: expired at 12:20
        12:20         reserve #1 3 for 15m before expiry    refused: expired at 12:20
        12:20         hold #1 before expiry                 3 A for somebody until 12:20
        12:20         release #1 before expiry              expired
        12:20         hold #1                               expired at 12:20
        12:20         ledger                                received +3, reserved +3, extended +0, expired -3
        ",
    );
}

#[test]
fn lapsed_hold_returns_its_units_once() {
    check(
        "
        12:00  receive 3
        12:00  reserve #1 3 for 15m
        12:15  wake         1 expired
        12:15  wake         0 expired
        12:15  release #1   already so
        12:16  stock        on hand 3, available 3, reserved 0, committed 0
        12:16  ledger       received +3, reserved +3, expired -3
        ",
    );
}

#[test]
fn product_wakes_at_its_earliest_deadline() {
    check(
        "
        12:00  receive 9
        12:00  deadline                none
        12:00  reserve #1 1 for 15m
        12:00  reserve #2 1 for 10m
        12:00  reserve #3 1 for 10m
        12:00  deadline                12:10
        12:01  release #2
        12:01  deadline                12:10
        12:02  extend #3 for 18m
        12:02  deadline                12:15
        12:03  confirm #1
        12:03  deadline                12:20
        12:20  deadline                none
        ",
    );
}

#[test]
fn deadline_lies_ahead_and_within_an_hour() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1 1 until 12:00           refused: deadline out of range
        12:00  reserve #1 1 until 11:00           refused: deadline out of range
        12:00  reserve #1 1 until 13:00:00.001    refused: deadline out of range
        12:00  reserve #1 1 until 13:00
        12:00  reserve #2 1 until 12:00:00.001
        12:00  stock                              on hand 9, available 7, reserved 2, committed 0
        ",
    );
}

#[test]
fn extended_hold_lives_until_its_new_deadline() {
    check(
        "
        12:00         receive 1
        12:00         reserve #1 1 for 15m
        12:14:59.999  extend #1 until 12:29
        12:28:59.999  hold #1                   1 A for somebody until 12:29
        12:29         confirm #1                refused: expired at 12:29
        ",
    );
}

#[test]
fn hold_may_be_cut_short_but_not_into_the_past() {
    check(
        "
        12:00  receive 1
        12:00  reserve #1 1 for 15m
        12:05  extend #1 until 12:05      refused: deadline out of range
        12:05  extend #1 until 12:04      refused: deadline out of range
        12:05  extend #1 until 12:06
        12:06  hold #1                    expired at 12:06
        ",
    );
}

#[test]
fn hold_is_extended_three_times() {
    check(
        "
        12:00  receive 1
        12:00  reserve #1 1 for 15m
        12:01  extend #1 for 15m
        12:02  extend #1 for 15m
        12:03  extend #1 for 15m
        12:04  extend #1 for 15m    refused: extended enough
        12:18  hold #1              expired at 12:18
        12:18  ledger               received +1, reserved +1, extended +0, extended +0, extended +0, expired -1
        ",
    );
}

#[test]
fn hold_lives_an_hour_in_all() {
    check(
        "
        12:00  receive 1
        12:00  reserve #1 1 for 45m
        12:30  extend #1 until 13:00:00.001   refused: extended enough
        12:30  extend #1 until 13:00
        12:59  extend #1 until 13:00:00.001   refused: extended enough
        13:00  extend #1 for 1m               refused: expired at 13:00
        ",
    );
}

#[test]
fn hold_that_ended_is_not_extended() {
    check(
        "
        12:00  receive 3
        12:00  reserve #1..3 1 for 15m
        12:01  confirm #1
        12:01  release #2
        12:15  extend #1 for 15m   refused: invalid state
        12:15  extend #2 for 15m   refused: invalid state
        12:15  extend #3 for 15m   refused: expired at 12:15
        12:15  extend #4 for 15m   refused: unknown reservation
        ",
    );
}

#[test]
fn expiry_storm_takes_several_turns() {
    check(
        "
        12:00  receive 600
        12:00  reserve #1..600 1 for 15m
        12:15  wake             256 expired
        12:15  deadline before expiry       12:15
        12:15  confirm #600 before expiry   refused: expired at 12:15
        12:15  stock before expiry          on hand 600, available 256, reserved 344, committed 0
        12:15  wake             256 expired
        12:15  wake             88 expired
        12:15  wake             0 expired
        12:15  stock            on hand 600, available 600, reserved 0, committed 0
        ",
    );
}

#[test]
fn closed_holds_are_forgotten_after_a_day() {
    check(
        "
        12:00            receive 9
        12:00            reserve #1..3 1 for 15m
        12:01            confirm #1
        12:01            release #2
        12:15            wake                       1 expired
        12:00:59.999+1d  receive 1
        12:00:59.999+1d  confirm #1                 already so
        12:00:59.999+1d  release #2                 already so
        12:01+1d         receive 1
        12:01+1d         hold #1                    unknown
        12:01+1d         confirm #1                 refused: unknown reservation
        12:01+1d         release #2                 refused: unknown reservation
        12:01+1d         hold #3                    expired at 12:15
        12:15+1d         receive 1
        12:15+1d         hold #3                    unknown
        12:15+1d         release #3                 refused: unknown reservation
        12:15+1d         order @1                   1 A for somebody
        ",
    );
}

/// A quiet day after a sale must not end in one long pause.
#[test]
fn closed_holds_are_forgotten_a_few_at_a_time() {
    check(
        "
        12:00     receive 100
        12:00     reserve #1..100 1 for 15m
        12:15     wake         100 expired
        12:15+1d  receive 1
        12:15+1d  hold #16     unknown
        12:15+1d  hold #17     expired at 12:15
        12:15+1d  receive 1
        12:15+1d  hold #32     unknown
        12:15+1d  hold #33     expired at 12:15
        ",
    );
}
