//! Finding reservations and orders again: by owner, by status, page by page, newest first.

use crate::story::office::check;

#[test]
fn reservations_are_listed_newest_first() {
    check(
        "
        12:00  holds                    none
        12:00  reserve #1..3 1 for 15m by ann
        12:00  reserve #4..5 1 for 15m by bob
        12:00  holds                    #5 #4 #3 #2 #1
        12:00  holds before #4          #3 #2 #1
        12:00  holds of ann             #3 #2 #1
        12:00  holds of ann before #3   #2 #1
        12:00  holds of bob before #4   none
        12:00  holds of guest           none
        12:01  release #2
        12:01  holds of ann             #3 #2 #1
        ",
    );
}

#[test]
fn orders_are_listed_newest_first_purchases_among_them() {
    check(
        "
        12:00  orders                            none
        12:00  buy @1 1 A by ann
        12:00  order @2 1 A by ann until 12:05
        12:00  buy @3 1 A by bob
        12:00  order @4 1 A by bob until 12:05
        12:00  buy @5 1 A by ann
        12:00  orders                            @5 @4 @3 @2 @1
        12:00  orders first 2                    @5 @4
        12:00  orders before @4 first 2          @3 @2
        12:00  orders before @2 first 2          @1
        12:00  orders before @1                  none
        12:00  orders first 0                    none
        12:00  orders of ann                     @5 @2 @1
        12:00  orders of ann before @5 first 1   @2
        12:00  orders of guest                   none
        ",
    );
}

#[test]
fn order_is_listed_under_its_status_only() {
    check(
        "
        12:00  buy @1 1 A by ann
        12:00  order @2 1 A by ann until 12:05
        12:00  order @3 1 A by bob until 12:05
        12:00  buy @4 1 A by bob
        12:00  order @5 1 A by ann until 12:05
        12:00  orders pending               @5 @3 @2
        12:00  orders confirmed             @4 @1
        12:01  pay @2
        12:01  orders confirmed             @4 @2 @1
        12:01  orders confirmed first 2     @4 @2
        12:01  orders confirmed before @2   @1
        12:01  orders of ann confirmed      @2 @1
        12:01  orders of ann pending        @5
        12:02  fulfil @4
        12:02  cancel @1 by-admin
        12:02  orders confirmed             @2
        12:02  orders fulfilled             @4
        12:02  orders canceled              @1
        12:05  orders expired               @5 @3
        12:05  orders pending               none
        12:05  orders of ann expired        @5
        ",
    );
}
