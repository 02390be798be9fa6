//! Deadlines: the first moment at which a hold is dead, to the millisecond, and how far they may be moved.

use crate::story::office::check;

#[test]
fn confirm_succeeds_until_one_millisecond_before_the_deadline() {
    check(
        "
        12:00         reserve #1..2 1 for 15m by ann
        12:14:59.999  confirm #1
        12:15         confirm #2   refused: expired at 12:15
        12:15         hold #1      confirmed as @1
        12:15         hold #2      expired at 12:15
        ",
    );
}

#[test]
fn release_at_the_deadline_is_an_expiry() {
    check(
        "
        12:00         reserve #1..2 1 for 15m
        12:14:59.999  release #1 before expiry   done
        12:15         release #2 before expiry   expired
        12:15         hold #1                    released
        12:15         hold #2                    expired at 12:15
        ",
    );
}

/// The deadline decides, whether or not its expiry is on the books.
#[test]
fn dead_hold_is_dead_before_its_expiry_is_on_the_books() {
    check(
        "
        12:00         reserve #1 3 for 15m
        12:14:59.999  extend #1 until 12:20 before expiry
        12:20         confirm #1 before expiry          refused: expired at 12:20
        12:20         extend #1 for 15m before expiry   refused: expired at 12:20
        12:20         hold #1 before expiry             3 A for somebody until 12:20
        12:20         wake                              #1 expired
        12:20         hold #1                           expired at 12:20
        12:20         confirm #1                        refused: expired at 12:20
        12:20         extend #1 for 15m                 refused: expired at 12:20
        12:20         release #1                        already so
        ",
    );
}

#[test]
fn each_hold_wakes_its_owner_once() {
    check(
        "
        12:00         reserve #1 1 for 15m
        12:00         reserve #2 1 for 10m
        12:00         reserve #3 1 for 10m
        12:09:59.999  wake          nothing
        12:10         wake          #2 expired, #3 expired
        12:10         wake          nothing
        12:14         deadline #1   12:15
        12:14         confirm #1
        12:14         deadline #1   none
        12:15         wake          nothing
        12:15         deadline #2   none
        ",
    );
}

#[test]
fn deadline_lies_ahead_and_within_an_hour() {
    check(
        "
        12:00  reserve #1 1 until 12:00          refused: deadline out of range
        12:00  reserve #1 1 until 11:00          refused: deadline out of range
        12:00  reserve #1 1 until 13:00:00.001   refused: deadline out of range
        12:00  hold #1                           unknown
        12:00  reserve #1 1 until 13:00
        12:00  reserve #2 1 until 12:00:00.001
        ",
    );
}

#[test]
fn extended_hold_lives_until_its_new_deadline() {
    check(
        "
        12:00         reserve #1 1 for 15m
        12:14:59.999  extend #1 until 12:29
        12:28:59.999  hold #1      1 A for somebody until 12:29
        12:29         confirm #1   refused: expired at 12:29
        ",
    );
}

#[test]
fn extension_comes_at_the_last_millisecond_or_too_late() {
    check(
        "
        12:00         reserve #1..2 1 for 15m
        12:14:59.999  extend #1 for 15m before expiry
        12:15         extend #2 for 15m before expiry   refused: expired at 12:15
        12:15         hold #1                           1 A for somebody until 12:29:59.999
        ",
    );
}

#[test]
fn hold_may_be_cut_short_but_not_into_the_past() {
    check(
        "
        12:00  reserve #1 1 for 15m
        12:05  extend #1 until 12:05   refused: deadline out of range
        12:05  extend #1 until 12:04   refused: deadline out of range
        12:05  extend #1 until 12:06
        12:06  hold #1                 expired at 12:06
        ",
    );
}

#[test]
fn hold_is_extended_three_times() {
    check(
        "
        12:00  reserve #1 1 for 15m
        12:00  version #1          1
        12:01  extend #1 for 15m
        12:02  extend #1 for 15m
        12:03  extend #1 for 15m
        12:04  extend #1 for 15m   refused: extended enough
        12:04  extend #1 for 1m    refused: extended enough
        12:17  version #1          4
        12:18  hold #1             expired at 12:18
        12:18  version #1          5
        ",
    );
}

#[test]
fn hold_lives_an_hour_in_all() {
    check(
        "
        12:00  reserve #1 1 for 45m
        12:30  extend #1 until 13:00:00.001   refused: extended enough
        12:30  extend #1 until 13:00
        12:59  extend #1 until 13:00:00.001   refused: extended enough
        13:00  extend #1 for 1m               refused: expired at 13:00
        ",
    );
}

/// A moment that has passed is named before the ceilings, and the end of the hold before both.
#[test]
fn extension_is_refused_for_its_first_reason() {
    check(
        "
        12:00  reserve #1..2 1 for 15m
        12:01  extend #1 for 15m
        12:02  extend #1 for 15m
        12:03  extend #1 for 15m
        12:04  extend #1 until 12:04   refused: deadline out of range
        12:05  release #2
        12:05  extend #2 until 12:04   refused: invalid state
        12:18  extend #1 until 12:04   refused: expired at 12:18
        ",
    );
}
