//! Orders: what the server says of orders, holds and units, against what the buyers were told.
//!
//! For the time after the load, when every deadline has passed and nobody asks for anything any more. Pure: no socket,
//! no clock. Called by `checkout`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::claims::{Claims, Mark};
use crate::findings::{Findings, Invariant};
use crate::shop::orders::{self, Lines, Order, OrderStatus, Reservation, ReservationStatus};
use crate::shop::{Figures, Movement};

mod ledger;

/// Everything the server tells an administrator about one run.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) orders: Vec<Order>,
    pub(crate) reservations: Vec<Reservation>,
    /// Every product of the run.
    pub(crate) stock: Vec<Stock>,
    /// Movements of some skus, newest first.
    pub(crate) ledgers: Vec<(String, Vec<Movement>)>,
}

/// One sku: what it began with and what it has now.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    pub(crate) sku: String,
    pub(crate) received: u32,
    pub(crate) figures: Figures,
}

/// Compares everything with everything. `mark_of` reads the mark out of an order's e-mail or a reservation's
/// reference.
pub(crate) fn audit(
    claims: &Claims,
    facts: &Facts,
    mark_of: &dyn Fn(&str) -> Option<Mark>,
    findings: &mut Findings,
) {
    audit_once(facts, mark_of, findings);
    audit_orders(claims, facts, findings);
    audit_reservations(claims, facts, findings);
    audit_strangers(claims, facts, mark_of, findings);
    audit_figures(claims, facts, findings);
    ledger::audit(facts, findings);
}

/// One request makes one order: no id, no mark and no reservation may have two.
fn audit_once(facts: &Facts, mark_of: &dyn Fn(&str) -> Option<Mark>, findings: &mut Findings) {
    let (mut ids, mut marks, mut sources) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for order in &facts.orders {
        let id = &order.id;
        findings.check(Invariant::OrderIsMadeOnce, ids.insert(id), format_args!("{id} is listed twice"));
        if let Some(mark) = order.email.as_deref().and_then(mark_of) {
            let is_new = marks.insert(mark);
            findings.check(
                Invariant::OrderIsMadeOnce,
                is_new,
                format_args!("{id} is one more of request {mark}"),
            );
        }
        if let Some(source) = &order.reservation_id {
            let is_new = sources.insert(source);
            findings.check(Invariant::OrderIsMadeOnce, is_new, format_args!("{id} is one more of {source}"));
        }
    }
    let (mut ids, mut marks) = (BTreeSet::new(), BTreeSet::new());
    for reservation in &facts.reservations {
        let id = &reservation.id;
        findings.check(Invariant::OrderIsMadeOnce, ids.insert(id), format_args!("{id} is listed twice"));
        if let Some(mark) = reservation.reference.as_deref().and_then(mark_of) {
            let is_new = marks.insert(mark);
            findings.check(
                Invariant::OrderIsMadeOnce,
                is_new,
                format_args!("{id} is one more of request {mark}"),
            );
        }
    }
}

fn audit_orders(claims: &Claims, facts: &Facts, findings: &mut Findings) {
    let by_id: HashMap<&str, &Order> = facts.orders.iter().map(|order| (order.id.as_str(), order)).collect();
    for (id, claim) in &claims.orders {
        let Some(order) = by_id.get(id.as_str()) else {
            findings.add(
                Invariant::AcknowledgedOrderIsThere,
                format_args!("{id}, acknowledged as {:?}", claim.status),
            );
            continue;
        };
        let (lines, is_apart) = orders::summed(&order.lines);
        findings.check(
            Invariant::OrderIsAsAcknowledged,
            claim.allows(order.status) && is_apart && lines == claim.lines,
            format_args!(
                "{id} was {:?} of {:?}, is {:?} of {lines:?}",
                claim.status, claim.lines, order.status
            ),
        );
        if let (Some(deadline), Some(confirmed), false) =
            (&claim.deadline, &order.confirmed_at, order.reacquired)
        {
            // One form, one clock: as text they compare as in time.
            findings.check(
                Invariant::DeadlineIsKept,
                confirmed < deadline,
                format_args!("{id} was confirmed at {confirmed}, its deadline was {deadline}"),
            );
        }
    }
    for order in &facts.orders {
        let id = &order.id;
        let has_lines = !order.lines.is_empty() && order.lines.iter().all(|line| line.quantity > 0);
        findings.check(
            Invariant::OrderHasItsUnits,
            has_lines,
            format_args!("{id} has no lines, or empty ones"),
        );
        let is_over = order.status != OrderStatus::PendingPayment;
        findings.check(Invariant::HoldsEnd, is_over, format_args!("{id} still waits to be paid"));
    }
}

fn audit_reservations(claims: &Claims, facts: &Facts, findings: &mut Findings) {
    let by_id: HashMap<&str, &Reservation> =
        facts.reservations.iter().map(|reservation| (reservation.id.as_str(), reservation)).collect();
    for (id, claim) in &claims.reservations {
        let Some(reservation) = by_id.get(id.as_str()) else {
            findings.add(
                Invariant::AcknowledgedOrderIsThere,
                format_args!("{id}, acknowledged as {:?}", claim.status),
            );
            continue;
        };
        let (lines, is_apart) = orders::summed(&reservation.lines);
        let is_same_order = claim.order_id.is_none() || claim.order_id == reservation.order_id;
        findings.check(
            Invariant::ReservationIsAsAcknowledged,
            claim.allows(reservation.status) && is_apart && lines == claim.lines && is_same_order,
            format_args!(
                "{id} was {:?} of {:?} with {:?}, is {:?} of {lines:?} with {:?}",
                claim.status, claim.lines, claim.order_id, reservation.status, reservation.order_id
            ),
        );
    }
    for Reservation { id, status, .. } in &facts.reservations {
        let is_over = *status != ReservationStatus::Active;
        findings.check(Invariant::HoldsEnd, is_over, format_args!("{id} is still active"));
    }
}

/// Whatever nobody was told of must be a request whose answer was lost.
fn audit_strangers(
    claims: &Claims,
    facts: &Facts,
    mark_of: &dyn Fn(&str) -> Option<Mark>,
    findings: &mut Findings,
) {
    let mut purchases: BTreeMap<&Lines, usize> = BTreeMap::new();
    for lines in &claims.lost.purchases {
        *purchases.entry(lines).or_default() += 1;
    }
    for order in facts.orders.iter().filter(|order| !claims.orders.contains_key(&order.id)) {
        let (lines, _) = orders::summed(&order.lines);
        let mark = order.email.as_deref().and_then(mark_of);
        let is_explained = match (mark, &order.reservation_id) {
            (Some(mark), _) => claims.lost.orders.get(&mark) == Some(&lines),
            (None, Some(source)) => claims.reservations.get(source).is_some_and(|source| {
                source.may_be.contains(&ReservationStatus::Confirmed) && source.lines == lines
            }),
            (None, None) => purchases.get_mut(&lines).is_some_and(|times| {
                let is_left = *times > 0;
                *times = times.saturating_sub(1);
                is_left
            }),
        };
        findings.check(
            Invariant::NothingElseIsOrdered,
            is_explained,
            format_args!("{} of {lines:?} is {:?}, no buyer was told", order.id, order.status),
        );
    }
    for reservation in facts.reservations.iter().filter(|one| !claims.reservations.contains_key(&one.id)) {
        let (lines, _) = orders::summed(&reservation.lines);
        let mark = reservation.reference.as_deref().and_then(mark_of);
        let is_explained = mark.is_some_and(|mark| claims.lost.reservations.get(&mark) == Some(&lines));
        findings.check(
            Invariant::NothingElseIsOrdered,
            is_explained,
            format_args!("{} of {lines:?} is {:?}, no buyer was told", reservation.id, reservation.status),
        );
    }
}

/// Units of one sku, from all sides.
#[derive(Debug, Default, Clone, Copy)]
struct Units {
    /// In confirmed orders on the server's list.
    confirmed: u64,
    /// In fulfilled ones.
    fulfilled: u64,
    /// What buyers know is confirmed.
    told_min: u64,
    /// The same with everything that may be, as far as they know.
    told_max: u64,
}

fn audit_figures(claims: &Claims, facts: &Facts, findings: &mut Findings) {
    let units = units_by_sku(claims, facts);
    for Stock { sku, received, figures } in &facts.stock {
        super::check_balance(figures, sku, findings);
        let Units { confirmed, fulfilled, told_min, told_max } =
            units.get(sku.as_str()).copied().unwrap_or_default();
        let Figures { on_hand, reserved, committed, .. } = *figures;
        findings.check(Invariant::HoldsEnd, reserved == 0, format_args!("{sku}: reserved {reserved}"));
        let is_sum = u64::try_from(committed).is_ok_and(|committed| committed == confirmed);
        findings.check(
            Invariant::CommittedIsWhatOrdersSay,
            is_sum,
            format_args!("{sku}: committed {committed}, in confirmed orders {confirmed}"),
        );
        let is_told =
            u64::try_from(committed).is_ok_and(|committed| (told_min..=told_max).contains(&committed));
        findings.check(
            Invariant::CommittedIsWhatBuyersWereTold,
            is_told,
            format_args!("{sku}: committed {committed}, buyers were told {told_min}, at most {told_max}"),
        );
        let rest = u64::from(*received).checked_sub(fulfilled);
        findings.check(
            Invariant::OnHandIsTheRest,
            rest.is_some_and(|rest| u64::try_from(on_hand) == Ok(rest)),
            format_args!("{sku}: on_hand {on_hand}, received {received}, fulfilled {fulfilled}"),
        );
        let sold = confirmed.max(told_min) + fulfilled;
        findings.check(
            Invariant::NeverOversold,
            sold <= u64::from(*received),
            format_args!("{sku}: {sold} sold of {received}"),
        );
    }
}

fn units_by_sku<'a>(claims: &'a Claims, facts: &'a Facts) -> HashMap<&'a str, Units> {
    let mut units: HashMap<&str, Units> = HashMap::new();
    for order in &facts.orders {
        for line in &order.lines {
            let units = units.entry(line.sku.as_str()).or_default();
            match order.status {
                OrderStatus::Confirmed => units.confirmed += u64::from(line.quantity),
                OrderStatus::Fulfilled => units.fulfilled += u64::from(line.quantity),
                _ => {}
            }
        }
    }
    let mut tell = |lines: &'a Lines, must: bool, may: bool| {
        for (sku, quantity) in lines {
            let units = units.entry(sku.as_str()).or_default();
            units.told_min += u64::from(*quantity) * u64::from(must);
            units.told_max += u64::from(*quantity) * u64::from(may);
        }
    };
    for claim in claims.orders.values() {
        let (must, may) = claim.committed();
        tell(&claim.lines, must, may);
    }
    for claim in claims.reservations.values() {
        tell(&claim.lines, false, claim.may_be.contains(&ReservationStatus::Confirmed));
    }
    for lines in claims.lost.orders.values().chain(&claims.lost.purchases) {
        tell(lines, false, true);
    }
    units
}

#[cfg(test)]
mod tests;
