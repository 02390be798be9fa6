//! What becomes of a cart when its lines are ordered: it is empty, has its lines back, or loses what an order took.

use crate::story::office::check;

#[test]
fn ordered_cart_is_empty_and_its_hold_is_the_orders() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:00  set $1 2 E
        12:01  order @1 from $1 as #9 until 12:06
        12:01  lines @1   3 A, 2 E for ann, 50.00 EUR
        12:01  claim @1   held as #9
        12:01  cart $1    empty
        12:01  held $1    nothing
        12:01  end $1     12:01+7d
        12:06  wake       @1 expired
        12:15  wake       nothing
        ",
    );
}

#[test]
fn emptied_cart_begins_anew_under_a_new_name() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:01  name $1    #1
        12:01  order @1 from $1 as #1 until 12:06
        12:01  name $1    none
        12:02  set $1 1 A as #2
        12:02  held $1    1 A as #2
        12:02  claim @1   held as #1
        12:06  wake       @1 expired
        12:06  held $1    1 A as #2
        ",
    );
}

#[test]
fn declined_order_gives_the_cart_its_lines_back_without_their_units() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:00  set $1 2 E
        12:01  order @1 from $1 as #9 until 12:06
        12:02  decline @1
        12:02  order @1   canceled, payment failed, declined; canceled 12:02
        12:02  cart $1    3 A not held, 2 E not held
        12:02  held $1    nothing
        12:02  end $1     12:02+7d
        ",
    );
}

#[test]
fn returned_lines_add_up_with_what_was_added_meanwhile() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:00  set $1 2 E
        12:00  set $1 1 C as #1
        12:01  order @1 from $1 as #9 until 12:20
        12:02  set $1 4 E
        12:02  set $1 2 C as #2
        12:02  set $1 5 G
        12:03  decline @1
        12:03  cart $1   6 E not held, 2 C until 12:07, 5 G not held, 3 A not held
        12:03  held $1   2 C as #2
        ",
    );
}

#[test]
fn returned_line_is_never_larger_than_a_line_may_be() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 600000 E
        12:01  order @1 from $1 as #9 until 12:20
        12:02  set $1 400001 E
        12:03  decline @1
        12:03  cart $1   400001 E not held
        ",
    );
}

/// Only a bank's no brings the lines back: who cancels, or does not pay, did not want them.
#[test]
fn canceled_and_expired_orders_leave_the_cart_alone() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:01  order @1 from $1 as #8 until 12:06
        12:02  cancel @1 by-owner
        12:02  cart $1      empty
        12:03  set $1 3 A as #2
        12:03  order @2 from $1 as #9 until 12:06
        12:06  wake         @2 expired
        12:06  cart $1      empty
        12:06  decline @1   already so
        12:06  decline @2   already so
        12:06  cart $1      empty
        ",
    );
}

#[test]
fn declined_order_of_lines_returns_nothing_to_the_cart() {
    check(
        "
        12:00  open $1 by ann
        12:00  order @1 3 A by ann until 12:05
        12:01  decline @1
        12:01  cart $1   empty
        ",
    );
}

#[test]
fn cart_that_is_gone_gets_nothing_back() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:01  order @1 from $1 as #9 until 12:20
        12:02  close $1
        12:03  decline @1
        12:03  order @1   canceled, payment failed, declined; canceled 12:03
        12:03  cart $1    none
        ",
    );
}

/// An order with lines of its own is not refused because its owner's cart holds the units.
#[test]
fn order_takes_over_what_the_cart_held_of_a_product() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:00  set $1 1 B as #1
        12:00  set $1 1 C as #1
        12:00  set $1 2 E
        12:01  order @1 2 A by ann as #9 until 12:06 taking A
        12:01  claim @1   held as #9
        12:01  cart $1    3 A lapsed, 1 B lapsed, 1 C until 12:05, 2 E not held
        12:01  held $1    1 C as #1
        12:02  set $1 1 A as #1
        12:02  cart $1    1 A until 12:17, 1 B lapsed, 1 C until 12:07, 2 E not held
        ",
    );
}

#[test]
fn order_takes_over_nothing_from_others() {
    check(
        "
        12:00  open $1 by ann
        12:00  set $1 3 A as #1
        12:01  order @1 2 A by bob as #9 until 12:06 taking A
        12:01  order @2 2 A by ann as #8 until 12:06
        12:01  cart $1   3 A until 12:15
        ",
    );
}
