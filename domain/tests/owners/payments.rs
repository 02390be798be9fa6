//! Money that comes in time, too late, or for nothing: the payment's standing, apart from the order's.

use crate::story::office::check;

#[test]
fn money_comes_until_one_millisecond_before_the_deadline() {
    check(
        "
        12:00         order @1 2 A by ann until 12:05
        12:00         order @2 2 A by ann until 12:05
        12:04:59.999  pay @1     done
        12:05         pay @2     take again
        12:05         order @2   expired, unpaid
        ",
    );
}

#[test]
fn late_money_takes_the_units_again() {
    check(
        "
        12:00  order @1 2 A, 1 C by ann as #8 until 12:05
        12:05  wake        @1 expired
        12:30  pay @1      take again
        12:30  retake @1 as #9
        12:30  order @1    confirmed, paid, taken again; confirmed 12:30
        12:30  claim @1    committed
        12:30  duties @1   p1, p2: confirm #9 as @1
        12:31  pay @1      already so
        12:31  charge @1   paid
        12:32  fulfil @1
        12:32  order @1    fulfilled, paid, taken again; confirmed 12:30; fulfilled 12:32
        ",
    );
}

#[test]
fn late_order_that_is_canceled_gives_its_second_units_back() {
    check(
        "
        12:00  order @1 2 A by ann as #8 until 12:05
        12:30  pay @1               take again
        12:30  retake @1 as #9
        12:31  cancel @1 by-owner   refused: invalid state
        12:31  cancel @1 by-admin
        12:31  order @1             canceled, refund required, taken again, by an admin; confirmed 12:30; canceled 12:31
        12:31  duties @1            p1: cancel @1
        ",
    );
}

#[test]
fn late_money_for_units_that_are_gone_must_be_given_back() {
    check(
        "
        12:00  order @1 2 A by ann as #8 until 12:05
        12:30  pay @1      take again
        12:30  gone @1
        12:30  order @1    expired, refund required
        12:30  claim @1    nothing
        12:30  duties @1   p1: release #8, expired
        12:31  pay @1      refused: expired and gone
        12:31  charge @1   refused: expired
        12:32  refund @1
        12:32  order @1    expired, refunded
        12:33  pay @1      refused: expired and gone
        12:33  refund @1   already so
        ",
    );
}

/// The gateway took it, so the gateway gives it back; whoever paid elsewhere settles it there.
#[test]
fn late_money_is_owed_by_whoever_took_it() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:00  order @2 2 A by ann until 12:05
        12:30  pay @1             take again
        12:30  gone @1
        12:30  owes @1            a refund
        12:30  pay @2 elsewhere   take again
        12:30  gone @2 elsewhere
        12:30  order @2           expired, refund required
        12:30  owes @2            nothing
        ",
    );
}

#[test]
fn money_for_a_canceled_order_must_be_given_back() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  cancel @1 by-owner
        12:01  owes @1      nothing
        12:02  pay @1       refused: refund required
        12:02  order @1     canceled, refund required, by its owner; canceled 12:01
        12:02  owes @1      a refund
        12:02  pay @1       refused: refund required, as is known
        12:03  refund @1
        12:03  order @1     canceled, refunded, by its owner; canceled 12:01
        12:03  pay @1       refused: refund required, as is known
        12:03  version @1   4
        ",
    );
}

#[test]
fn money_for_a_declined_order_must_be_given_back() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  decline @1
        12:02  pay @1     refused: refund required
        12:02  order @1   canceled, refund required, declined; canceled 12:01
        12:02  owes @1    a refund
        ",
    );
}

#[test]
fn canceled_order_that_was_paid_is_refunded_once() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  pay @1
        12:01  owes @1     nothing
        12:01  refund @1   already so
        12:02  cancel @1 by-admin
        12:02  owes @1     a refund
        12:03  refund @1
        12:03  owes @1     nothing
        12:03  order @1    canceled, refunded, by an admin; confirmed 12:01; canceled 12:02
        12:03  refund @1   already so
        12:03  duties @1   p1: cancel @1
        ",
    );
}

#[test]
fn what_was_paid_elsewhere_is_not_refunded_by_us() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:00  buy @2 1 A by ann
        12:01  pay @1 elsewhere
        12:02  cancel @1 by-admin
        12:02  cancel @2 by-admin
        12:02  order @1   canceled, refund required, by an admin; confirmed 12:01; canceled 12:02
        12:02  owes @1    nothing
        12:02  owes @2    nothing
        ",
    );
}

/// A decline that comes after the money came another way changes nothing.
#[test]
fn what_is_paid_stays_paid() {
    check(
        "
        12:00  order @1 2 A by ann until 12:05
        12:01  pay @1 elsewhere
        12:02  decline @1   already so
        12:02  order @1     confirmed, paid; confirmed 12:01
        ",
    );
}
