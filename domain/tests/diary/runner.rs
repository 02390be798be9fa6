//! The runner itself: a story that is told wrong must fail, and say where.

use crate::story::shop::check;

#[test]
#[should_panic(expected = "> 12:01  stock  on hand 5
         expected: on hand 5
         actual:   on hand 4, available 4, reserved 0, committed 0")]
fn different_outcome_fails_at_its_line() {
    check(
        "
        12:00  receive 4
        12:01  stock  on hand 5
        12:02  receive 1
        ",
    );
}

#[test]
#[should_panic(expected = "expected: no refusal
         actual:   refused: unknown reservation")]
fn refusal_that_nobody_expected_fails() {
    check("12:00  confirm #1");
}

#[test]
#[should_panic(expected = "expected: refused: in use
         actual:   done")]
fn refusal_that_does_not_come_fails() {
    check("12:00  receive 4   refused: in use");
}

#[test]
#[should_panic(expected = "expected: no refusal")]
fn look_without_an_expectation_fails() {
    check("12:00  stock");
}

#[test]
#[should_panic(expected = "`dance` is not a verb")]
fn unknown_verb_fails() {
    check("12:00  dance");
}

#[test]
#[should_panic(expected = "stories go forward")]
fn time_that_runs_back_fails() {
    check(
        "
        12:00  receive 1
        11:59  receive 1
        ",
    );
}
