//! How a reservation ends: confirmed, released or expired, only once, and remembered for a day.

use crate::story::office::check;

#[test]
fn confirmed_reservation_is_an_order_that_is_paid() {
    check(
        "
        12:00  reserve #1 3 A, 1 B, 1 C for 15m by ann
        12:05  confirm #1 order @7
        12:05  hold #1     confirmed as @7
        12:05  order @7    confirmed, paid; confirmed 12:05
        12:05  lines @7    3 A, 1 B, 1 C for ann, 50.00 EUR
        12:05  claim @7    committed
        12:05  duties @7   p1, p2: confirm #1 as @7
        12:20  wake        nothing
        ",
    );
}

#[test]
fn confirm_again_meets_its_own_answer() {
    check(
        "
        12:00     reserve #1 3 for 15m
        12:05     confirm #1 order @7
        12:05     confirm #1 order @7   already so
        12:15     confirm #1 order @7   already so
        12:15     confirm #1 order @8   already so
        12:15     order @8              unknown
        12:00+1d  confirm #1 order @7   already so
        12:00+1d  version #1            2
        ",
    );
}

#[test]
fn release_again_meets_its_own_answer() {
    check(
        "
        12:00  reserve #1 3 for 15m
        12:05  release #1
        12:05  release #1   already so
        12:05  confirm #1   refused: invalid state
        12:20  release #1   already so
        12:20  hold #1      released
        12:20  version #1   2
        ",
    );
}

#[test]
fn confirmed_reservation_is_not_released() {
    check(
        "
        12:00  reserve #1 3 for 15m
        12:05  confirm #1
        12:05  release #1   refused: invalid state
        12:15  release #1   refused: invalid state
        12:15  hold #1      confirmed as @1
        ",
    );
}

#[test]
fn reservation_closes_once_whoever_comes_first() {
    check(
        "
        12:00  reserve #1..3 1 for 15m
        12:01  confirm #1
        12:01  release #2
        12:15  wake         #3 expired
        12:15  confirm #1   already so
        12:15  release #1   refused: invalid state
        12:15  confirm #2   refused: invalid state
        12:15  release #2   already so
        12:15  confirm #3   refused: expired at 12:15
        12:15  release #3   already so
        12:15  hold #1      confirmed as @1
        12:15  hold #2      released
        12:15  hold #3      expired at 12:15
        ",
    );
}

#[test]
fn reservation_that_ended_is_not_extended() {
    check(
        "
        12:00  reserve #1..3 1 for 15m
        12:01  confirm #1
        12:01  release #2
        12:15  extend #1 for 15m   refused: invalid state
        12:15  extend #2 for 15m   refused: invalid state
        12:15  extend #3 for 15m   refused: expired at 12:15
        12:15  extend #4 for 15m   unknown
        ",
    );
}

#[test]
#[should_panic(expected = "a reservation is made once")]
fn second_reservation_of_an_id_is_a_bug() {
    check(
        "
        12:00  reserve #1 1 for 15m
        12:01  reserve #1 1 for 15m
        ",
    );
}

#[test]
fn closed_reservations_are_forgotten_after_a_day() {
    check(
        "
        12:00            reserve #1..3 1 for 15m by ann
        12:01            confirm #1
        12:01            release #2
        12:15            wake           #3 expired
        12:00:59.999+1d  reserve #4 1 for 15m
        12:00:59.999+1d  confirm #1     already so
        12:00:59.999+1d  release #2     already so
        12:01+1d         reserve #5 1 for 15m by ann
        12:01+1d         hold #1        unknown
        12:01+1d         confirm #1     unknown
        12:01+1d         release #2     unknown
        12:01+1d         holds of ann   #5 #3
        12:01+1d         hold #3        expired at 12:15
        12:15+1d         reserve #6 1 for 15m by ann
        12:15+1d         hold #3        unknown
        12:15+1d         holds of ann   #6 #5
        12:15+1d         order @1       confirmed, paid; confirmed 12:01
        ",
    );
}

/// A quiet day after a sale must not end in one long pause.
#[test]
fn closed_reservations_are_forgotten_a_few_at_a_time() {
    check(
        "
        12:00     reserve #1..100 1 for 15m
        12:05     release #1..100
        12:15+1d  reserve #101 1 for 15m
        12:15+1d  hold #16            unknown
        12:15+1d  hold #17            released
        12:15+1d  release #101
        12:15+1d  hold #32            unknown
        12:15+1d  hold #33            released
        12:15+2d  reserve #102 1 for 15m
        12:15+2d  hold #101           released
        12:15+2d  reserve #103..107 1 for 15m
        12:15+2d  holds before #102   none
        ",
    );
}

/// What is active stays, however old the closed ones around it are.
#[test]
fn active_reservation_is_never_forgotten() {
    check(
        "
        23:59     reserve #1 1 for 1h
        00:00+1d  reserve #2 1 for 30m
        00:00+1d  release #2
        00:30+1d  hold #1   1 A for somebody until 00:59+1d
        00:59+1d  hold #1   expired at 00:59+1d
        00:30+2d  reserve #3 1 for 30m
        00:30+2d  holds     #3 #1
        ",
    );
}
