//! Receiving, adjusting, counting: units that come and go without a buyer.

use crate::story::shop::check;

#[test]
fn every_reason_moves_units_and_the_ledger_balances() {
    check(
        "
        12:00  receive 10
        12:00  adjust -1 damaged
        12:00  adjust -1 A shrinkage
        12:00  adjust 2 restock
        12:00  adjust 1 correction
        12:00  adjust -1 cycle-count
        12:00  adjust -1 other
        12:00  adjust -2 received
        12:00  stock    on hand 7, available 7, reserved 0, committed 0
        12:00  totals   received 13, fulfilled 0, written off 6
        12:00  ledger   received +10, adjusted -1, adjusted -1, received +2, adjusted +1, adjusted -1, adjusted -1, adjusted -2
        12:00  stock B  on hand 0, available 0, reserved 0, committed 0
        ",
    );
}

#[test]
fn adjustment_leaves_held_and_sold_units_alone() {
    check(
        "
        12:00  receive 6
        12:00  reserve #1 2 for 15m
        12:00  purchase @1 1
        12:01  adjust -4 damaged   refused: insufficient stock, 3 available, 2 reserved
        12:01  adjust -3 damaged
        12:01  stock               on hand 3, available 0, reserved 2, committed 1
        12:01  adjust -1 damaged   refused: insufficient stock, 0 available, 2 reserved
        12:01  adjust -1 B other   refused: insufficient stock; line 0: 1 B asked, 0 available, 0 reserved
        ",
    );
}

#[test]
fn adjustment_is_not_zero_and_no_larger_than_a_line() {
    check(
        "
        12:00  receive 1000000
        12:00  receive 1000001              refused: out of bounds
        12:00  adjust 0 correction          refused: out of bounds
        12:00  adjust -1000001 damaged      refused: out of bounds
        12:00  adjust 2147483647 received   refused: out of bounds
        12:00  adjust -2147483648 damaged   refused: out of bounds
        12:00  adjust -1000000 damaged
        12:00  stock                        on hand 0, available 0, reserved 0, committed 0
        ",
    );
}

#[test]
fn count_states_what_is_on_hand() {
    check(
        "
        12:00  count 5       books were off by +5
        12:00  count 3       books were off by -2
        12:00  count 3       books were off by +0
        12:00  count 0       books were off by -3
        12:00  count 4 B     books were off by +4
        12:00  stock         on hand 0, available 0, reserved 0, committed 0
        12:00  stock B       on hand 4, available 4, reserved 0, committed 0
        12:00  totals        received 5, fulfilled 0, written off 5
        12:00  ledger        counted +5, counted -2, counted +0, counted -3
        ",
    );
}

#[test]
fn count_includes_held_and_sold_units_and_leaves_them_alone() {
    check(
        "
        12:00  receive 6
        12:00  reserve #1 2 for 15m
        12:00  purchase @1 1
        12:01  count 2    refused: insufficient stock, 3 available, 2 reserved
        12:01  count 3    books were off by -3
        12:01  stock      on hand 3, available 0, reserved 2, committed 1
        12:01  count 7    books were off by +4
        12:01  stock      on hand 7, available 4, reserved 2, committed 1
        ",
    );
}

#[test]
fn count_that_expected_other_books_is_refused() {
    check(
        "
        12:00  receive 6
        12:00  reserve #1 2 for 15m
        12:00  count 5 expecting 4   refused: expected 4, on hand 6
        12:00  stock                 on hand 6, available 4, reserved 2, committed 0
        12:00  count 5 expecting 6   books were off by -1
        12:00  count 5 expecting 6   refused: expected 6, on hand 5
        ",
    );
}

#[test]
fn stock_does_not_overflow() {
    check(
        "
        12:00  count 4294967294        books were off by +4294967294
        12:00  reserve #1 5 for 15m
        12:00  purchase @1 5
        12:01  receive 2               refused: stock overflow
        12:01  receive 1
        12:01  receive 1               refused: stock overflow
        12:01  stock                   on hand 4294967295, available 4294967285, reserved 5, committed 5
        12:02  release #1
        12:02  cancel @1
        12:02  stock                   on hand 4294967295, available 4294967295, reserved 0, committed 0
        12:03  count 0                 books were off by -4294967295
        12:03  totals                  received 4294967295, fulfilled 0, written off 4294967295
        ",
    );
}
