//! Orders: every way that one may go, and every way that is closed. The runner sees after each line that every order
//! is at each of its versions as it was then, and that lists find what a search finds.

use crate::story::office::check;

#[test]
fn order_is_placed_paid_and_shipped() {
    check(
        "
        12:00  order @1 2 A, 1 C by ann as #9 until 12:05
        12:00  order @1        pending, unpaid
        12:00  claim @1        held as #9
        12:00  duties @1       none
        12:00  deadline @1     12:05
        12:00  version @1      1
        12:01  charge @1       open
        12:01  pay @1
        12:01  order @1        confirmed, paid; confirmed 12:01
        12:01  claim @1        committed
        12:01  duties @1       p1, p2: confirm #9 as @1
        12:01  deadline @1     none
        12:02  fulfil @1
        12:02  order @1        fulfilled, paid; confirmed 12:01; fulfilled 12:02
        12:02  claim @1        nothing
        12:02  duties @1       p1, p2: fulfil @1
        12:02  version @1      3
        12:02  order @1 at 1   pending, unpaid
        12:02  order @1 at 2   confirmed, paid; confirmed 12:01
        ",
    );
}

#[test]
fn pending_order_may_be_canceled_by_its_owner_or_an_admin() {
    check(
        "
        12:00  order @1 2 A by ann as #8 until 12:05
        12:00  order @2 2 A by ann as #9 until 12:05
        12:01  fulfil @1   refused: invalid state
        12:01  cancel @1 by-owner
        12:01  cancel @2 by-admin
        12:01  order @1    canceled, unpaid, by its owner; canceled 12:01
        12:01  order @2    canceled, unpaid, by an admin; canceled 12:01
        12:01  duties @1   p1: release #8, released
        12:01  duties @2   p1: release #9, released
        12:01  claim @1    nothing
        12:05  wake        nothing
        ",
    );
}

#[test]
fn canceled_order_stays_canceled() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  cancel @1 by-owner
        12:01  cancel @1 by-owner   already so
        12:01  cancel @1 by-admin   already so
        12:01  decline @1           already so
        12:01  fulfil @1            refused: invalid state
        12:01  charge @1            refused: invalid state
        12:06  cancel @1 by-owner   already so
        12:06  version @1           2
        ",
    );
}

/// Who paid asks an admin.
#[test]
fn confirmed_order_is_canceled_by_an_admin_only_and_its_money_goes_back() {
    check(
        "
        12:00  order @1 2 A by ann as #9 until 12:05
        12:01  pay @1
        12:02  cancel @1 by-owner   refused: invalid state
        12:02  decline @1           already so
        12:03  cancel @1 by-admin
        12:03  order @1             canceled, refund required, by an admin; confirmed 12:01; canceled 12:03
        12:03  duties @1            p1: cancel @1
        12:03  cancel @1 by-admin   already so
        12:03  fulfil @1            refused: invalid state
        12:03  charge @1            refused: invalid state
        ",
    );
}

#[test]
fn confirmed_order_is_confirmed_once_and_does_not_expire() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  pay @1
        12:01  pay @1       already so
        12:01  charge @1    paid
        12:05  wake         nothing
        12:05  pay @1       already so
        12:05  order @1     confirmed, paid; confirmed 12:01
        12:05  version @1   2
        ",
    );
}

#[test]
fn fulfilled_order_is_the_end() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  pay @1
        12:02  fulfil @1
        12:02  fulfil @1            already so
        12:02  pay @1               already so
        12:02  charge @1            paid
        12:02  decline @1           already so
        12:02  cancel @1 by-owner   refused: invalid state
        12:02  cancel @1 by-admin   refused: invalid state
        12:09  wake                 nothing
        12:09  version @1           3
        ",
    );
}

#[test]
fn order_expires_at_its_deadline_to_the_millisecond() {
    check(
        "
        12:00         order @1 2 A by ann as #9 until 12:05
        12:00         order @2 2 A by ann as #8 until 12:05
        12:04:59.999  charge @1     open
        12:04:59.999  wake          nothing
        12:04:59.999  cancel @2 by-owner
        12:05         wake          @1 expired
        12:05         order @1      expired, unpaid
        12:05         claim @1      nothing
        12:05         duties @1     p1: release #9, expired
        12:05         deadline @1   none
        12:05         wake          nothing
        ",
    );
}

#[test]
fn expired_order_is_neither_shipped_nor_canceled_nor_charged() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:05  wake                 @1 expired
        12:06  fulfil @1            refused: invalid state
        12:06  cancel @1 by-owner   refused: invalid state
        12:06  cancel @1 by-admin   refused: invalid state
        12:06  charge @1            refused: expired
        12:06  decline @1           already so
        12:06  version @1           2
        ",
    );
}

/// The deadline decides, whether or not the expiry is on the books.
#[test]
fn dead_order_is_dead_before_its_expiry_is_on_the_books() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:05  charge @1 before expiry            refused: expired
        12:05  cancel @1 by-owner before expiry   refused: invalid state
        12:05  cancel @1 by-admin before expiry   refused: invalid state
        12:05  pay @1 before expiry               take again
        12:05  fulfil @1 before expiry            refused: invalid state
        12:05  order @1 before expiry             pending, unpaid
        12:05  order @1                           expired, unpaid
        ",
    );
}

#[test]
fn declined_order_is_canceled() {
    check(
        "
        12:00  order @1 2 A by ann as #9 until 12:05
        12:01  decline @1
        12:01  decline @1           already so
        12:01  order @1             canceled, payment failed, declined; canceled 12:01
        12:01  duties @1            p1: release #9, released
        12:01  cancel @1 by-owner   already so
        12:01  charge @1            refused: invalid state
        12:01  fulfil @1            refused: invalid state
        12:05  wake                 nothing
        ",
    );
}

/// The bank's no is a no, whether or not the timer came first.
#[test]
fn order_may_be_declined_at_its_deadline() {
    check(
        "
        12:00  order @1 2 A by ann as #9 until 12:05
        12:05  decline @1 before expiry
        12:05  order @1    canceled, payment failed, declined; canceled 12:05
        12:05  duties @1   p1: release #9, released
        ",
    );
}

#[test]
fn purchase_is_an_order_from_its_first_moment() {
    check(
        "
        12:00  buy @1 2 A by ann
        12:00  order @1             confirmed, paid; confirmed 12:00
        12:00  lines @1             2 A for ann, 20.00 EUR
        12:00  claim @1             committed
        12:00  deadline @1          none
        12:00  charge @1            paid
        12:00  version @1           1
        12:01  pay @1               already so
        12:01  cancel @1 by-owner   refused: invalid state
        12:01  wake                 nothing
        ",
    );
}

#[test]
fn purchase_is_the_same_order_after_something_happened_to_it() {
    check(
        "
        12:00  buy @1 2 A by ann
        12:00  buy @2 1 C by bob
        12:01  fulfil @1
        12:01  order @1        fulfilled, paid; confirmed 12:00; fulfilled 12:01
        12:01  order @1 at 1   confirmed, paid; confirmed 12:00
        12:01  lines @1        2 A for ann, 20.00 EUR
        12:01  duties @1       p1: fulfil @1
        12:01  fulfil @1       already so
        12:02  cancel @2 by-admin
        12:02  order @2        canceled, refund required, by an admin; confirmed 12:00; canceled 12:02
        12:02  duties @2       p2: cancel @2
        12:02  orders of ann   @1
        12:02  orders of bob   @2
        ",
    );
}

#[test]
#[should_panic(expected = "an order is placed once")]
fn second_order_of_an_id_is_a_bug() {
    check(
        "
        12:00  buy @1 2 A by ann
        12:00  order @1 2 A by ann until 12:05
        ",
    );
}
