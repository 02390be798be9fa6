//! Hear: what an answer means to the customer who asked, and what it claims.
//!
//! Each answer must be one that the contract allows here; anything else is a finding, and the customer leaves. Pure.

use crate::auditor::{self, Outcome};
use crate::claims::{Claims, Mark, OrderClaim, ReservationClaim};
use crate::findings::{Findings, Invariant};
use crate::shop::orders::{Cart, Declined, Order, OrderStatus, Reservation, ReservationStatus};
use crate::wall_clock::UnixMs;

use super::customer::{Ask, Customer, Owned};
use super::journey::{Step, Token};
use super::reply::{
    CLOCK_MS_SLACK, Reply, Wrong, check_lapse, check_lines, check_order, check_reservation, deadline,
};
use super::tally::Tally;

/// Where answers are written down.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    pub(super) claims: &'a mut Claims,
    pub(super) findings: &'a mut Findings,
    pub(super) tally: &'a mut Tally,
    pub(super) mark: Mark,
    /// When the answer was read, by the clock on the wall.
    pub(super) now: UnixMs,
}

/// Takes the answer to `ask`; false when the server had no time and the question is still open.
pub(super) fn hear(customer: &mut Customer, ask: &Ask, reply: Reply<'_>, notes: &mut Notes<'_>) -> bool {
    if matches!(reply.status, 429 | 503) {
        notes.tally.shed += 1;
        notes.tally.rate_limited += u64::from(reply.status == 429);
        return false;
    }
    let heard = match ask.step {
        Step::List | Step::View => reply.expect(200),
        Step::Add(_) | Step::Change(_) | Step::Remove | Step::Look => hear_cart(customer, ask, reply, notes),
        Step::OrderCart(terms) | Step::OrderLines(_, terms) => {
            hear_order(customer, ask, terms.payment, reply, notes)
        }
        Step::Pay(token) => hear_payment(customer, ask, token, reply, notes),
        Step::Cancel | Step::Check | Step::Settle | Step::Refund | Step::Fulfill => {
            hear_follow_up(customer, ask, reply, notes)
        }
        Step::Reserve(..) => hear_reservation(customer, ask, reply, notes),
        Step::Extend(_) | Step::Confirm | Step::Release => hear_ending(customer, ask, reply, notes),
        Step::Purchase(quantity) => hear_purchase(ask, quantity, reply, notes),
        Step::Dawdle | Step::Lapse => Ok(()),
    };
    if let Err(Wrong(invariant, detail)) = heard {
        notes.findings.add(invariant, format_args!("{:?} {}: {detail}", ask.step, ask.path));
        customer.steps.clear();
    }
    true
}

/// Writes down that `ask` will never be answered: whatever it may have done is possible from now on.
pub(super) fn give_up(ask: &Ask, mark: Mark, claims: &mut Claims) {
    let lost = &mut claims.lost;
    match ask.step {
        Step::OrderCart(_) | Step::OrderLines(..) => {
            lost.orders.insert(mark, ask.lines.clone());
        }
        Step::Reserve(..) => {
            lost.reservations.insert(mark, ask.lines.clone());
        }
        Step::Purchase(_) => lost.purchases.push(ask.lines.clone()),
        Step::Pay(Token::Ok) | Step::Settle => may_be(claims, ask, OrderStatus::Confirmed),
        Step::Pay(Token::Declined) | Step::Cancel | Step::Refund => {
            may_be(claims, ask, OrderStatus::Canceled);
        }
        Step::Fulfill => may_be(claims, ask, OrderStatus::Fulfilled),
        Step::Confirm => reservation_may_be(claims, ask, ReservationStatus::Confirmed),
        Step::Release => reservation_may_be(claims, ask, ReservationStatus::Released),
        _ => {}
    }
}

fn may_be(claims: &mut Claims, ask: &Ask, status: OrderStatus) {
    if let Some(claim) = claims.orders.get_mut(&ask.subject) {
        claim.may_be.insert(status);
    }
}

fn reservation_may_be(claims: &mut Claims, ask: &Ask, status: ReservationStatus) {
    if let Some(claim) = claims.reservations.get_mut(&ask.subject) {
        claim.may_be.insert(status);
    }
}

fn hear_cart(
    customer: &mut Customer,
    ask: &Ask,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    let is_growing = matches!(ask.step, Step::Add(_) | Step::Change(_));
    if reply.status == 409 && is_growing {
        reply.expect_short()?;
        notes.tally.refused += 1;
        return Ok(());
    }
    reply.expect(if matches!(ask.step, Step::Add(_)) { 201 } else { 200 })?;
    let cart: Cart = reply.read()?;
    check_lines(&cart.lines, &ask.lines, Invariant::CartIsAsAsked)?;
    customer.cart = ask.lines.clone();
    Ok(())
}

fn hear_order(
    customer: &mut Customer,
    ask: &Ask,
    payment: Option<Token>,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    let is_from_cart = matches!(ask.step, Step::OrderCart(_));
    match (reply.status, payment) {
        (409, _) => {
            customer.steps.clear();
            if ask.lines.is_empty() {
                reply.expect_code("cart_empty")?;
                notes.tally.empty_carts += 1;
                return Ok(());
            }
            reply.expect_short()?;
            notes.tally.refused += 1;
            Ok(())
        }
        (402, Some(Token::Declined)) => {
            let declined: Declined = reply.read()?;
            reply.expect_code("payment_failed")?;
            let id = declined.order_id.ok_or_else(|| reply.wrong("tells no order_id"))?;
            notes.tally.declined += 1;
            let claim = OrderClaim::new(ask.lines.clone(), OrderStatus::Canceled, Some(notes.mark));
            claim_order(id, claim, notes)
        }
        _ => {
            reply.expect(201)?;
            let status = match payment {
                Some(Token::Ok) => OrderStatus::Confirmed,
                Some(Token::Declined) => return Err(reply.wrong("for a card that is declined")),
                Some(Token::Timeout) | None => OrderStatus::PendingPayment,
            };
            let order: Order = reply.read()?;
            check_order(&order, &ask.lines, status)?;
            let (id, lines) = (order.id.clone(), ask.lines.clone());
            let mut claim = OrderClaim::new(lines.clone(), status, Some(notes.mark));
            let deadline = deadline(order.expires_at.as_deref())?;
            let is_pending = status == OrderStatus::PendingPayment;
            if is_pending != deadline.is_some() {
                return Err(reply.wrong("expires_at belongs to a pending order"));
            }
            claim.deadline = order.expires_at;
            if is_from_cart {
                customer.cart.clear();
            }
            let tallied = if is_pending { &mut notes.tally.held } else { &mut notes.tally.confirmed };
            *tallied += 1;
            customer.order = Some(Owned { id: id.clone(), status, lines, deadline, is_from_cart });
            claim_order(id, claim, notes)
        }
    }
}

fn hear_payment(
    customer: &mut Customer,
    ask: &Ask,
    token: Token,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    match (reply.status, token) {
        (409, _) => {
            reply.expect_code("reservation_expired")?;
            lapse_order(customer, ask, notes)
        }
        (402, Token::Declined) => {
            reply.expect_code("payment_failed")?;
            notes.tally.declined += 1;
            if let Some(order) = customer.order.as_ref().filter(|order| order.is_from_cart) {
                customer.cart = order.lines.clone();
            }
            settle_order(customer, ask, OrderStatus::Canceled, notes);
            Ok(())
        }
        (402, Token::Timeout) => {
            reply.expect_code("payment_failed")?;
            notes.tally.timed_out += 1;
            Ok(())
        }
        (_, Token::Ok) => {
            reply.expect(200)?;
            let order: Order = reply.read()?;
            check_order(&order, &ask.lines, OrderStatus::Confirmed)?;
            notes.tally.confirmed += 1;
            settle_order(customer, ask, OrderStatus::Confirmed, notes);
            Ok(())
        }
        _ => Err(reply.wrong("for a card that does not pay")),
    }
}

fn hear_follow_up(
    customer: &mut Customer,
    ask: &Ask,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    if reply.status == 409 && matches!(ask.step, Step::Cancel | Step::Settle) {
        let code = if ask.step == Step::Settle { "reservation_expired" } else { "invalid_state" };
        reply.expect_code(code)?;
        return lapse_order(customer, ask, notes);
    }
    reply.expect(200)?;
    let order: Order = reply.read()?;
    let status = match ask.step {
        Step::Cancel | Step::Refund => OrderStatus::Canceled,
        Step::Settle => OrderStatus::Confirmed,
        Step::Fulfill => OrderStatus::Fulfilled,
        _ => order.status,
    };
    check_order(&order, &ask.lines, status)?;
    if ask.step == Step::Check {
        let known = customer.order.as_ref().map(|order| order.status);
        if known == Some(OrderStatus::PendingPayment) && status == OrderStatus::Expired {
            return lapse_order(customer, ask, notes);
        }
        if known != Some(status) {
            let detail = format!("it reads {status:?} and was acknowledged as {known:?}");
            return Err(Wrong(Invariant::OrderIsAsAcknowledged, detail));
        }
        return Ok(());
    }
    match status {
        OrderStatus::Canceled => notes.tally.canceled += 1,
        OrderStatus::Confirmed => notes.tally.confirmed += 1,
        _ => notes.tally.fulfilled += 1,
    }
    settle_order(customer, ask, status, notes);
    Ok(())
}

fn hear_reservation(
    customer: &mut Customer,
    ask: &Ask,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    if reply.status == 409 {
        customer.steps.clear();
        reply.expect_short()?;
        notes.tally.refused += 1;
        return Ok(());
    }
    reply.expect(201)?;
    let reservation: Reservation = reply.read()?;
    check_reservation(&reservation, &ask.lines, ReservationStatus::Active)?;
    let (id, lines) = (reservation.id, ask.lines.clone());
    let deadline = deadline(Some(&reservation.expires_at))?;
    customer.reservation =
        Some(Owned { id: id.clone(), status: (), lines: lines.clone(), deadline, is_from_cart: false });
    notes.tally.held += 1;
    let (status, may_be) = (ReservationStatus::Active, Default::default());
    let claim = ReservationClaim { lines, status, mark: notes.mark, order_id: None, may_be };
    match notes.claims.reservations.insert(id.clone(), claim) {
        None => Ok(()),
        Some(_) => Err(Wrong(Invariant::OrderIdIsUnique, id)),
    }
}

fn hear_ending(
    customer: &mut Customer,
    ask: &Ask,
    reply: Reply<'_>,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    let known = customer.reservation.as_ref().and_then(|reservation| reservation.deadline);
    let is_past = known.is_some_and(|deadline| notes.now + CLOCK_MS_SLACK >= deadline);
    if reply.status == 409 && ask.step != Step::Release {
        reply.expect_code("reservation_expired")?;
        return lapse_reservation(customer, ask, is_past, notes);
    }
    reply.expect(200)?;
    let reservation: Reservation = reply.read()?;
    if ask.step == Step::Release && reservation.status == ReservationStatus::Expired {
        return lapse_reservation(customer, ask, is_past, notes);
    }
    let status = match ask.step {
        Step::Confirm => ReservationStatus::Confirmed,
        Step::Release => ReservationStatus::Released,
        _ => ReservationStatus::Active,
    };
    check_reservation(&reservation, &ask.lines, status)?;
    let claim = notes.claims.reservations.get_mut(&ask.subject).expect("whoever ends it was told of it");
    claim.status = status;
    match status {
        ReservationStatus::Released => notes.tally.released += 1,
        ReservationStatus::Confirmed => {
            notes.tally.confirmed += 1;
            claim.order_id = reservation.order_id.clone();
            let id = reservation.order_id.ok_or_else(|| reply.wrong("tells no order_id"))?;
            let mut order = OrderClaim::new(ask.lines.clone(), OrderStatus::Confirmed, None);
            order.deadline = Some(reservation.expires_at);
            return claim_order(id, order, notes);
        }
        _ => {
            let deadline = deadline(Some(&reservation.expires_at))?;
            if let Some(owned) = &mut customer.reservation {
                owned.deadline = deadline;
            }
        }
    }
    Ok(())
}

fn hear_purchase(ask: &Ask, quantity: u32, reply: Reply<'_>, notes: &mut Notes<'_>) -> Result<(), Wrong> {
    match auditor::read_answer(quantity, reply.status, reply.body) {
        Outcome::Sold { order_id, .. } => {
            notes.tally.confirmed += 1;
            let claim = OrderClaim::new(ask.lines.clone(), OrderStatus::Confirmed, None);
            claim_order(order_id, claim, notes)
        }
        Outcome::Refused { .. } => {
            notes.tally.refused += 1;
            Ok(())
        }
        Outcome::Shed => Ok(()),
        Outcome::Wrong { invariant, detail } => Err(Wrong(invariant, detail)),
    }
}

/// Writes down a new order.
fn claim_order(id: String, claim: OrderClaim, notes: &mut Notes<'_>) -> Result<(), Wrong> {
    match notes.claims.orders.insert(id.clone(), claim) {
        None => Ok(()),
        Some(_) => Err(Wrong(Invariant::OrderIdIsUnique, id)),
    }
}

/// Writes down how the order stands now.
fn settle_order(customer: &mut Customer, ask: &Ask, status: OrderStatus, notes: &mut Notes<'_>) {
    if let Some(order) = &mut customer.order {
        order.status = status;
    }
    let claim = notes.claims.orders.get_mut(&ask.subject).expect("whoever asks about it was told of it");
    claim.status = status;
}

/// Writes down that the order has expired, if that may be.
fn lapse_order(customer: &mut Customer, ask: &Ask, notes: &mut Notes<'_>) -> Result<(), Wrong> {
    let deadline = customer.order.as_ref().and_then(|order| order.deadline);
    notes.tally.too_late += 1;
    settle_order(customer, ask, OrderStatus::Expired, notes);
    check_lapse(deadline, notes.now)
}

fn lapse_reservation(
    customer: &mut Customer,
    ask: &Ask,
    is_past: bool,
    notes: &mut Notes<'_>,
) -> Result<(), Wrong> {
    notes.tally.too_late += 1;
    let claim = notes.claims.reservations.get_mut(&ask.subject).expect("whoever ends it was told of it");
    claim.status = ReservationStatus::Expired;
    customer.steps.clear();
    let deadline = customer.reservation.as_ref().and_then(|reservation| reservation.deadline);
    if is_past { Ok(()) } else { check_lapse(deadline, notes.now) }
}

#[cfg(test)]
mod tests;
