//! Ledger: the movements of a sku, replayed from nothing, must give its figures and each order its units.

use std::collections::{BTreeMap, HashMap};

use crate::findings::{Findings, Invariant};
use crate::shop::orders::{self, Lines, OrderStatus};
use crate::shop::{Figures, Movement};

use super::Facts;

const NOTHING: Figures = Figures { on_hand: 0, available: 0, reserved: 0, committed: 0 };

pub(super) fn audit(facts: &Facts, findings: &mut Findings) {
    let orders: HashMap<&str, (OrderStatus, Lines)> = facts
        .orders
        .iter()
        .map(|order| (order.id.as_str(), (order.status, orders::summed(&order.lines).0)))
        .collect();
    let figures: HashMap<&str, Figures> =
        facts.stock.iter().map(|stock| (stock.sku.as_str(), stock.figures)).collect();
    for (sku, movements) in &facts.ledgers {
        let last = replay(sku, movements, findings);
        let now = figures.get(sku.as_str()).copied().unwrap_or(NOTHING);
        findings.check(
            Invariant::MovementsReplay,
            last == now,
            format_args!("{sku}: the movements end at {last:?}, the figures are {now:?}"),
        );
        audit_orders(sku, movements, &orders, findings);
    }
}

/// Applies all movements from the oldest on, each from where the last one left off.
fn replay(sku: &str, movements: &[Movement], findings: &mut Findings) -> Figures {
    let mut figures = NOTHING;
    for movement in movements.iter().rev() {
        let steps = steps(movement, figures);
        let after = movement.after.unwrap_or(NOTHING);
        findings.check(
            Invariant::MovementsReplay,
            steps.contains(&after),
            format_args!(
                "{sku}: {figures:?}, then {} {} for {}, then {after:?}",
                movement.kind, movement.delta, movement.cause.id
            ),
        );
        figures = after;
    }
    figures
}

/// Where a movement may lead: a commit takes held units, or free ones when it is a purchase.
fn steps(movement: &Movement, before: Figures) -> Vec<Figures> {
    let Movement { delta, .. } = *movement;
    let units = i64::try_from(delta.unsigned_abs()).unwrap_or(i64::MAX);
    let step = |available: i64, reserved: i64, committed: i64| {
        let (available, reserved, committed) =
            (before.available + available, before.reserved + reserved, before.committed + committed);
        Figures { on_hand: available + reserved + committed, available, reserved, committed }
    };
    match movement.kind.as_str() {
        "received" | "adjusted" | "counted" => vec![step(delta, 0, 0)],
        "reserved" => vec![step(-units, units, 0)],
        "extended" => vec![before],
        "released" | "expired" => vec![step(units, -units, 0)],
        "committed" => vec![step(0, -units, units), step(-units, 0, units)],
        "fulfilled" => vec![step(0, 0, -units)],
        "canceled" => vec![step(units, 0, -units)],
        _ => Vec::new(),
    }
}

/// Each order has on the ledger what its line says: once, unless it was canceled, and then nothing.
fn audit_orders(
    sku: &str,
    movements: &[Movement],
    orders: &HashMap<&str, (OrderStatus, Lines)>,
    findings: &mut Findings,
) {
    let mut booked: BTreeMap<&str, u64> = BTreeMap::new();
    for movement in movements.iter().rev() {
        let units = movement.delta.unsigned_abs();
        let booked = booked.entry(movement.cause.id.as_str()).or_default();
        match movement.kind.as_str() {
            "committed" => *booked += units,
            "canceled" => *booked = booked.saturating_sub(units),
            _ => {}
        }
    }
    booked.retain(|_, units| *units > 0);
    for (id, (status, lines)) in orders {
        let is_sold = matches!(status, OrderStatus::Confirmed | OrderStatus::Fulfilled);
        let expected = lines.get(sku).map_or(0, |quantity| u64::from(*quantity)) * u64::from(is_sold);
        let units = booked.remove(id).unwrap_or(0);
        findings.check(
            Invariant::OrderHasItsUnits,
            units == expected,
            format_args!("{id} is {status:?} with {expected} of {sku}, the ledger has {units}"),
        );
    }
    for (id, units) in booked {
        findings.add(
            Invariant::NothingElseIsBooked,
            format_args!("{id}: {units} of {sku}, there is no such order"),
        );
    }
}
