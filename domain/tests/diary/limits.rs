//! Limits: how much of a product one order or one customer may have, unpaid holds included.

use crate::story::shop::check;

#[test]
fn one_order_has_no_more_than_its_limit_over_all_variants() {
    check(
        "
        12:00  receive 9
        12:00  receive 9 B
        12:00  limit order 3
        12:00  reserve #1 4        refused: limit of 3 per order
        12:00  reserve #1 2, 2 B   refused: limit of 3 per order
        12:00  purchase @1 4       refused: limit of 3 per order
        12:00  reserve #1 2, 1 B
        12:00  purchase @1 3
        12:00  limit order none
        12:00  reserve #2 4
        ",
    );
}

#[test]
fn one_customer_has_no_more_than_their_limit_unpaid_holds_included() {
    check(
        "
        12:00  receive 9
        12:00  receive 9 B
        12:00  limit customer 3
        12:00  reserve #1 2 by ann
        12:00  purchase @1 1 B by ann
        12:00  counted ann              3
        12:00  reserve #2 1 by ann      refused: limit of 3 per customer, 3 counted
        12:00  purchase @2 1 B by ann   refused: limit of 3 per customer, 3 counted
        12:00  purchase @2 3 by bob
        12:01  confirm #1
        12:01  fulfil @1
        12:01  reserve #2 1 by ann      refused: limit of 3 per customer, 3 counted
        ",
    );
}

#[test]
fn units_given_back_do_not_count() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 3
        12:00  reserve #1 3 by ann
        12:01  release #1
        12:01  counted ann   0
        12:01  reserve #2 3 by ann
        12:16  release #2 lapsed
        12:16  counted ann   0
        12:16  reserve #3 3 by ann
        12:17  confirm #3
        12:17  counted ann   3
        12:18  cancel @3
        12:18  counted ann   0
        12:19  purchase @4 3 by ann
        12:19  cancel @4
        12:19  counted ann   0
        ",
    );
}

#[test]
fn limit_set_later_counts_what_is_held_and_not_yet_shipped() {
    check(
        "
        12:00  receive 9
        12:00  purchase @1 1 by ann
        12:00  fulfil @1
        12:00  purchase @2 2 by ann
        12:00  reserve #1 3 by ann
        12:01  counted ann           0
        12:01  limit customer 6
        12:01  counted ann           5
        12:01  reserve #2 2 by ann   refused: limit of 6 per customer, 5 counted
        12:02  fulfil @2
        12:02  counted ann           5
        12:15  release #1 lapsed
        12:15  counted ann           2
        ",
    );
}

#[test]
fn limit_lowered_later_takes_nothing_away() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 5
        12:00  reserve #1 4 by ann
        12:01  limit customer 2
        12:01  counted ann           4
        12:01  reserve #2 1 by ann   refused: limit of 2 per customer, 4 counted
        12:01  extend #1
        12:01  confirm #1
        12:01  counted ann           4
        ",
    );
}

#[test]
fn limit_taken_away_forgets_who_had_what() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 2
        12:00  purchase @1 2 by ann
        12:00  fulfil @1
        12:00  reserve #1 1 by bob
        12:01  limit customer none
        12:01  counted ann   0
        12:02  release #1
        12:03  limit customer 2
        12:03  counted ann   0
        12:03  counted bob   0
        12:03  purchase @2 2 by ann
        ",
    );
}

#[test]
fn sold_out_product_says_so_before_its_limits() {
    check(
        "
        12:00  receive 1
        12:00  limit order 1
        12:00  limit customer 1
        12:00  purchase @1 1 by ann
        12:00  purchase @2 1 by ann   refused: insufficient stock, 0 available, 0 reserved
        12:00  reserve #1 2 by bob    refused: insufficient stock, 0 available, 0 reserved
        ",
    );
}

#[test]
fn order_limit_is_named_before_the_customers() {
    check(
        "
        12:00  receive 9
        12:00  limit order 1
        12:00  limit customer 1
        12:00  purchase @1 2 by ann   refused: limit of 1 per order
        ",
    );
}

#[test]
fn own_hold_counts_once_when_it_is_asked_for_again() {
    check(
        "
        12:00  receive 9
        12:00  limit customer 2
        12:00  reserve #1 2 by ann
        12:00  reserve #1 2 by ann   already so
        12:00  counted ann           2
        12:01  confirm #1
        12:01  confirm #1            already so
        12:01  counted ann           2
        ",
    );
}
