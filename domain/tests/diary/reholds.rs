//! Changing a hold: growing, shrinking, another name, two names that become one. Nobody is in their own way.

use crate::story::shop::check;

#[test]
fn hold_grows_and_shrinks_under_its_name() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 2 by ann
        12:01  rehold #1 4 by ann
        12:01  hold #1    4 A for ann
        12:02  rehold #1 1, 2 B by ann
        12:02  hold #1    1 A, 2 B for ann
        12:02  stock      on hand 5, available 4, reserved 1, committed 0
        12:02  stock B    on hand 5, available 3, reserved 2, committed 0
        12:02  ledger     received +5, reserved +2, reserved +2, released -3
        12:02  ledger B   received +5, reserved +2
        ",
    );
}

#[test]
fn hold_begins_with_a_rehold() {
    check(
        "
        12:00  receive 5
        12:00  rehold #1 as #2 3 by ann
        12:00  hold #2   3 A for ann
        12:00  ledger    received +5, reserved +3
        ",
    );
}

#[test]
fn units_that_lapse_of_a_part_of_a_hold_are_told_so() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 2, 3 B
        12:15  rehold #1 3 B lapsed
        12:15  ledger     received +5, reserved +2, expired -2
        12:15  ledger B   received +5, reserved +3
        ",
    );
}

#[test]
fn order_takes_over_a_hold_and_its_name_and_no_unit_moves() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 5 by ann
        12:00  moves     3
        12:01  rehold #1 as #2 5 by ann
        12:01  hold #1   nothing
        12:01  hold #2   5 A for ann
        12:01  stock     on hand 5, available 0, reserved 5, committed 0
        12:01  ledger    received +5, reserved +5
        12:01  moves     3
        12:02  confirm #2 order @1
        12:02  stock     on hand 5, available 0, reserved 0, committed 5
        ",
    );
}

/// There is no moment in which another buyer could take them.
#[test]
fn hold_that_grows_as_it_is_renamed_needs_only_the_difference() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 4 by ann
        12:01  rehold #1 as #2 5 by ann
        12:01  hold #2   5 A for ann
        12:01  stock     on hand 5, available 0, reserved 5, committed 0
        12:01  ledger    received +5, reserved +4, reserved +1
        ",
    );
}

#[test]
fn two_names_become_one() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  limit customer 9
        12:00  reserve #1 2, 1 B by guest
        12:00  reserve #2 3 by ann
        12:01  rehold #1 as #2 5, 1 B by ann
        12:01  hold #1         nothing
        12:01  hold #2         5 A, 1 B for ann
        12:01  counted guest   0
        12:01  counted ann     6
        12:01  stock           on hand 5, available 0, reserved 5, committed 0
        12:01  ledger          received +5, reserved +2, reserved +3
        ",
    );
}

#[test]
fn rehold_again_changes_nothing() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 2 by ann
        12:01  rehold #1 as #2 3 by ann
        12:01  rehold #1 as #2 3 by ann   already so
        12:01  rehold #2 3 by ann         already so
        12:02  rehold #2 1 by ann
        12:02  rehold #2 1 by ann         already so
        12:02  stock                      on hand 5, available 4, reserved 1, committed 0
        12:02  ledger                     received +5, reserved +2, reserved +1, released -2
        ",
    );
}

/// Available and reserved are what this caller would find without their own hold.
#[test]
fn own_hold_is_not_in_the_way_and_not_in_the_figures() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1 4 by ann
        12:00  reserve #2 3 by bob
        12:01  rehold #1 7 by ann         refused: insufficient stock, 6 available, 3 reserved
        12:01  rehold #1 as #3 7 by ann   refused: insufficient stock, 6 available, 3 reserved
        12:01  rehold #1 as #2 9 by ann
        12:01  hold #2                    9 A for ann
        ",
    );
}

#[test]
fn every_short_line_of_a_rehold_is_named_and_nothing_changes() {
    check(
        "
        12:00  receive 4
        12:00  receive 2 B
        12:00  reserve #1 1, 2 B by ann
        12:00  reserve #2 1 by bob
        12:01  rehold #1 4, 2 B, 1 C by ann   refused: insufficient stock; line 0: 4 A asked, 3 available, 1 reserved; line 2: 1 C asked, 0 available, 0 reserved
        12:01  rehold #1 2, 1 D by ann        refused: unknown variant D
        12:01  rehold #1 1, 1 A by ann        refused: out of bounds
        12:01  rehold #1 nothing by ann       refused: out of bounds
        12:01  hold #1                        1 A, 2 B for ann
        12:01  stock                          on hand 4, available 2, reserved 2, committed 0
        12:01  stock B                        on hand 2, available 0, reserved 2, committed 0
        ",
    );
}

#[test]
fn limits_count_the_own_units_once() {
    check(
        "
        12:00  receive 9
        12:00  receive 9 B
        12:00  limit customer 5
        12:00  purchase @1 1 by ann
        12:00  reserve #1 3 by ann
        12:01  rehold #1 4 by ann              done
        12:01  rehold #1 5 by ann              refused: limit of 5 per customer, 1 counted
        12:01  rehold #1 as #2 4, 1 B by ann   refused: limit of 5 per customer, 1 counted
        12:01  rehold #1 as #2 3, 1 B by ann   done
        12:01  counted ann                     5
        12:02  limit order 4
        12:02  rehold #2 4, 1 B by ann         refused: limit of 4 per order
        ",
    );
}

#[test]
fn units_held_for_another_buyer_count_when_they_come_to_this_one() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 4
        12:00  reserve #1 2 by guest
        12:00  reserve #2 2 by ann
        12:01  rehold #1 as #2 5 by ann   refused: limit of 4 per customer, 0 counted
        12:01  rehold #1 as #2 4 by ann
        12:01  counted guest              0
        12:01  counted ann                4
        ",
    );
}

/// Whoever gives units back, or keeps them, asks for nothing.
#[test]
fn rehold_of_no_more_units_is_never_refused() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1 4 by ann
        12:01  status archived
        12:01  limit order 1
        12:01  limit customer 1
        12:01  rehold #1 4 by ann         already so
        12:01  rehold #1 as #2 4 by ann   done
        12:01  rehold #2 3 by bob         done
        12:01  rehold #2 as #3 2 by ann   done
        12:01  hold #3                    2 A for ann
        12:01  rehold #3 3 by ann         refused: not sellable, archived
        12:02  status active
        12:02  rehold #3 3 by ann         refused: limit of 1 per order
        12:02  limit order none
        12:02  rehold #3 3 by ann         refused: limit of 1 per customer, 0 counted
        ",
    );
}

/// What was promised before is only refused when it is not there.
#[test]
fn owed_units_ignore_status_and_limits_but_not_the_stock() {
    check(
        "
        12:00  receive 5
        12:00  limit order 1
        12:00  limit customer 1
        12:00  status archived
        12:01  rehold #1 4 by ann owed   done
        12:01  rehold #1 6 by ann owed   refused: insufficient stock, 5 available, 0 reserved
        12:01  rehold #1 5 by ann owed   done
        12:01  counted ann               5
        12:01  stock                     on hand 5, available 0, reserved 5, committed 0
        ",
    );
}

#[test]
fn check_says_what_a_rehold_would_meet_and_changes_nothing() {
    check(
        "
        12:00  receive 5
        12:00  limit order 4
        12:00  reserve #1 2 by ann
        12:00  reserve #2 2 by bob
        12:01  check #1 3 by ann         already so
        12:01  check #1 4 by ann         refused: insufficient stock, 3 available, 2 reserved
        12:01  check #1 as #2 5 by ann   refused: limit of 4 per order
        12:01  check #3 nothing          refused: out of bounds
        12:01  status draft
        12:01  check #1 3 by ann         refused: not sellable, draft
        12:01  check #1 3 by ann owed    already so
        12:01  hold #1                   2 A for ann
        12:01  hold #3                   nothing
        12:01  stock                     on hand 5, available 1, reserved 4, committed 0
        12:01  ledger                    received +5, reserved +2, reserved +2
        ",
    );
}

/// Limits are named after stock, and both after the status: a rehold answers as a reservation does.
#[test]
fn rehold_is_refused_in_the_order_in_which_a_reservation_is() {
    check(
        "
        12:00  receive 1
        12:00  limit order 1
        12:00  reserve #1 2        refused: insufficient stock, 1 available, 0 reserved
        12:00  rehold #1 2         refused: insufficient stock, 1 available, 0 reserved
        12:00  status archived
        12:00  reserve #1 2        refused: not sellable, archived
        12:00  rehold #1 2         refused: not sellable, archived
        12:00  reserve #1 2, 1 D   refused: not sellable, archived
        12:00  rehold #1 2, 1 D    refused: not sellable, archived
        12:00  check #1 2          refused: not sellable, archived
        12:00  rehold #1 2 owed    refused: insufficient stock, 1 available, 0 reserved
        ",
    );
}

#[test]
fn changed_hold_is_sold_or_given_back_as_it_is_now() {
    check(
        "
        12:00  receive 9
        12:00  reserve #1..2 2 by ann
        12:01  rehold #1 5 by ann
        12:01  rehold #2 1 by ann
        12:02  confirm #1 order @1
        12:02  release #2
        12:02  order @1   5 A for ann
        12:02  stock      on hand 9, available 4, reserved 0, committed 5
        12:02  ledger     received +9, reserved +2, reserved +2, reserved +3, released -1, committed +5, released -1
        ",
    );
}

/// The first half of a saga: should it come to nothing, the way back needs what was held before.
#[test]
fn take_gives_nothing_back_until_a_rehold_says_so() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 5 by ann
        12:01  take #1 as #2 2, 3 B by ann
        12:01  take #1 as #2 2, 3 B by ann   already so
        12:01  hold #1                       nothing
        12:01  hold #2                       5 A, 3 B for ann
        12:01  purchase @1 1                 refused: insufficient stock, 0 available, 5 reserved
        12:01  ledger                        received +5, reserved +5
        12:02  rehold #2 2, 3 B by ann
        12:02  hold #2                       2 A, 3 B for ann
        12:02  ledger                        received +5, reserved +5, released -3
        12:03  take #2 1 by ann              already so
        12:03  take #2 4 by ann
        12:03  hold #2                       4 A, 3 B for ann
        ",
    );
}

/// Only what is asked for is measured against stock and limits, not what is kept for the way back.
#[test]
fn take_is_refused_as_the_rehold_would_be() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  limit order 4
        12:00  limit customer 4
        12:00  reserve #1 3 by ann
        12:01  take #1 as #2 5 B by ann   refused: limit of 4 per order
        12:01  take #1 as #2 6 B by ann   refused: insufficient stock; line 0: 6 B asked, 5 available, 0 reserved
        12:01  take #1 as #2 4 B by ann
        12:01  hold #2                    4 B, 3 A for ann
        12:01  counted ann                7
        12:02  rehold #2 4 B by ann
        12:02  counted ann                4
        12:03  status archived
        12:03  take #2 1 A by ann         refused: not sellable, archived
        12:03  take #2 3 B by ann         already so
        ",
    );
}
