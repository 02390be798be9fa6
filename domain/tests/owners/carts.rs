//! Carts: lines that are set, changed and taken out, how long their units are held, and when all of it ends.

use crate::story::office::check;

#[test]
fn line_holds_its_units_from_the_moment_it_is_set() {
    check(
        "
        12:00  open $1 by ann
        12:00  cart $1       empty
        12:00  version $1    1
        12:01  set $1 3 A as #1
        12:01  cart $1       3 A until 12:16
        12:01  held $1       3 A as #1
        12:01  version $1    2
        12:02  set $1 2 E
        12:02  cart $1       3 A until 12:17, 2 E not held
        12:02  held $1       3 A as #1
        12:02  cart of ann   $1
        12:02  cart of bob   none
        ",
    );
}

#[test]
fn changed_line_keeps_its_place_and_its_hold() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:00  set $1 1 C as #1
        12:01  set $1 5 A as #1
        12:01  cart $1   5 A until 12:16, 1 C until 12:06
        12:01  held $1   5 A, 1 C as #1
        12:02  set $1 1 A as #1
        12:02  held $1   1 A, 1 C as #1
        ",
    );
}

#[test]
fn line_that_is_taken_out_is_held_no_more() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:00  set $1 2 B as #1
        12:01  remove $1 A
        12:01  cart $1   2 B until 12:16
        12:01  held $1   2 B as #1
        12:02  remove $1 C
        12:02  cart $1   2 B until 12:17
        12:03  remove $1 B
        12:03  cart $1   empty
        12:03  held $1   nothing
        ",
    );
}

/// A product that is held at checkout only, from now on.
#[test]
fn line_may_be_kept_without_its_units() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:01  set $1 3 A
        12:01  cart $1   3 A not held
        12:01  held $1   nothing
        12:02  set $1 4 A as #1
        12:02  cart $1   4 A until 12:17
        ",
    );
}

#[test]
fn each_change_renews_all_lines_for_the_time_of_their_product() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:00  set $1 1 C as #1
        12:00  cart $1   3 A until 12:15, 1 C until 12:05
        12:04  set $1 1 E
        12:04  cart $1   3 A until 12:19, 1 C until 12:09, 1 E not held
        12:08  remove $1 E
        12:08  cart $1   3 A until 12:23, 1 C until 12:13
        ",
    );
}

#[test]
fn line_is_renewed_up_to_an_hour_from_its_beginning() {
    check(
        "
        12:00         open $1
        12:00         set $1 1 A as #1
        12:10         set $1 1 B as #1
        12:20         set $1 2 A as #1
        12:34         set $1 3 A as #1
        12:46         set $1 4 A as #1
        12:46         cart $1   4 A until 13:00, 1 B until 13:01
        12:59         set $1 5 A as #1
        12:59         cart $1   5 A until 13:00, 1 B until 13:10
        12:59:59.999  wake      nothing
        13:00         wake      $1 lapsed A
        13:05         remove $1 A
        13:05         cart $1   1 B until 13:10
        13:10         wake      $1 lapsed B
        ",
    );
}

/// Nothing is written down that is so already.
#[test]
fn line_whose_deadline_stays_is_not_renewed() {
    check(
        "
        12:00  open $1
        12:00  set $1 1 A as #1
        12:00  set $1 1 C as #1
        12:00  set $1 1 B as #1
        12:00  cart $1      1 A until 12:15, 1 C until 12:05, 1 B until 12:15
        12:00  version $1   4
        12:01  set $1 2 B as #1
        12:01  version $1   6
        ",
    );
}

#[test]
fn one_line_lapses_while_others_live() {
    check(
        "
        12:00         open $1
        12:00         set $1 3 A as #1
        12:00         set $1 1 C as #1
        12:00         deadline $1   12:05
        12:04:59.999  wake          nothing
        12:05         wake          $1 lapsed C
        12:05         wake          nothing
        12:05         cart $1       3 A until 12:15, 1 C lapsed
        12:05         held $1       3 A as #1
        12:05         deadline $1   12:15
        12:06         set $1 2 A as #1
        12:06         cart $1       2 A until 12:21, 1 C lapsed
        ",
    );
}

/// Nobody did anything: the cart is as old as it was.
#[test]
fn lapse_does_not_make_the_cart_younger() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:15  wake          $1 lapsed A
        12:15  end $1        12:00+7d
        12:15  deadline $1   12:00+7d
        ",
    );
}

#[test]
fn lapsed_line_is_held_anew_for_its_own_hour() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:00  set $1 1 E as #1
        12:15  wake      $1 lapsed A, E
        12:50  set $1 4 A as #1
        12:50  cart $1   4 A until 13:05, 1 E lapsed
        13:00  set $1 4 A as #1
        13:14  set $1 4 A as #1
        13:14  cart $1   4 A until 13:29, 1 E lapsed
        13:14  held $1   4 A as #1
        ",
    );
}

/// The deadline decides, whether or not the lapse is on the books: a line that is set at its deadline begins anew.
#[test]
fn dead_line_is_not_revived() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:00  set $1 1 B as #1
        12:14  set $1 3 A as #1
        12:28  set $1 3 A as #1
        12:42  set $1 3 A as #1
        12:56  set $1 3 A as #1
        12:56  cart $1                 3 A until 13:00, 1 B until 13:00
        13:00  set $1 4 A as #1 before expiry
        13:00  cart $1 before expiry   4 A until 13:15, 1 B until 13:00
        13:00  cart $1                 4 A until 13:15, 1 B lapsed
        13:05  set $1 4 A as #1
        13:05  cart $1                 4 A until 13:20, 1 B lapsed
        ",
    );
}

#[test]
fn cart_lives_seven_days_after_its_last_change() {
    check(
        "
        12:00            open $1 by ann
        12:00            set $1 1 E
        13:00+1d         set $1 2 E
        13:00+1d         end $1        13:00+8d
        12:59:59.999+8d  wake          nothing
        13:00+8d         wake          $1 closed
        13:00+8d         cart $1       none
        13:00+8d         cart of ann   none
        13:00+8d         open $2 by ann
        13:00+8d         cart of ann   $2
        ",
    );
}

#[test]
fn emptied_cart_holds_nothing_and_stays() {
    check(
        "
        12:00  open $1
        12:00  set $1 3 A as #1
        12:01  empty $1
        12:01  cart $1       empty
        12:01  held $1       nothing
        12:01  deadline $1   12:01+7d
        12:02  set $1 1 A as #1
        12:02  held $1       1 A as #1
        ",
    );
}

/// Somebody logs in whose session had a cart of its own.
#[test]
fn two_carts_of_one_person_become_one() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:01  open $2 by guest
        12:01  set $2 2 A as #2
        12:01  set $2 1 C as #2
        12:02  set $1 5 A as #1
        12:02  set $1 1 C as #1
        12:02  absorb $1 $2
        12:02  close $2 into $1
        12:02  cart $1         5 A until 12:17, 1 C until 12:07
        12:02  held $1         5 A, 1 C as #1
        12:02  cart $2         none
        12:02  cart of guest   none
        12:03  open $3 by guest
        ",
    );
}

#[test]
#[should_panic(expected = "one cart for each customer or session")]
fn second_cart_of_one_person_is_a_bug() {
    check(
        "
        12:00  open $1 by ann
        12:00  open $2 by ann
        ",
    );
}
