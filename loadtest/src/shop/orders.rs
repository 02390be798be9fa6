//! Orders: carts, reservations and orders as the server writes them, and the calls that list or batch them.
//!
//! Fields the load test does not judge are left out. Read by `checkout`, `storm` and the auditor.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shop;

/// Units of each sku.
pub(crate) type Lines = BTreeMap<String, u32>;

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    PendingPayment,
    Confirmed,
    Fulfilled,
    Canceled,
    Expired,
}

/// How a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReservationStatus {
    Active,
    Confirmed,
    Released,
    Expired,
}

/// An order, or what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) status: OrderStatus,
    pub(crate) payment_status: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: i64,
    /// Carries the mark of the request that made it.
    pub(crate) email: Option<String>,
    pub(crate) reservation_id: Option<String>,
    /// While it is pending.
    pub(crate) expires_at: Option<String>,
    pub(crate) confirmed_at: Option<String>,
    #[serde(default)]
    pub(crate) reacquired: bool,
}

/// A reservation, or what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) status: ReservationStatus,
    pub(crate) lines: Vec<Line>,
    /// Carries the mark of the request that made it.
    pub(crate) reference: Option<String>,
    pub(crate) expires_at: String,
    pub(crate) order_id: Option<String>,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Cart {
    pub(crate) lines: Vec<Line>,
}

/// A line of any of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// A refused payment: the order it concerns, where the request was to make one.
#[derive(Debug, Deserialize)]
pub(crate) struct Declined {
    pub(crate) order_id: Option<String>,
}

/// One reservation of a batch that was made.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchResult {
    pub(crate) index: usize,
    pub(crate) status: u16,
    pub(crate) reservation: Option<Reservation>,
}

/// Units of each sku, and whether no sku stands there twice.
pub(crate) fn summed(lines: &[Line]) -> (Lines, bool) {
    let mut summed = Lines::new();
    for line in lines {
        let units: &mut u32 = summed.entry(line.sku.clone()).or_default();
        *units = units.saturating_add(line.quantity);
    }
    let is_apart = summed.len() == lines.len();
    (summed, is_apart)
}

/// The lines of a request's body.
pub(crate) fn body_of(lines: &Lines) -> Value {
    lines.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect()
}

impl Shop {
    /// Every order of every buyer, newest first.
    ///
    /// # Errors
    ///
    /// When the list does not end after `rows_max` rows, or a row lacks a field the auditor needs.
    pub(crate) fn orders(&mut self, rows_max: usize) -> anyhow::Result<Vec<Order>> {
        self.list("/api/v1/orders", rows_max)
    }

    /// The orders that still wait to be paid.
    ///
    /// # Errors
    ///
    /// As [`Shop::orders`].
    pub(crate) fn pending_orders(&mut self, rows_max: usize) -> anyhow::Result<Vec<Order>> {
        self.list("/api/v1/orders?status=pending_payment", rows_max)
    }

    /// Every reservation of every buyer, newest first.
    ///
    /// # Errors
    ///
    /// As [`Shop::orders`].
    pub(crate) fn reservations(&mut self, rows_max: usize) -> anyhow::Result<Vec<Reservation>> {
        self.list("/api/v1/reservations", rows_max)
    }

    /// The reservations that still hold units.
    ///
    /// # Errors
    ///
    /// As [`Shop::orders`].
    pub(crate) fn active_reservations(&mut self, rows_max: usize) -> anyhow::Result<Vec<Reservation>> {
        self.list("/api/v1/reservations?status=active", rows_max)
    }

    /// Reserves each of `wanted` by itself, all for `ttl_seconds`, and returns the results in order.
    ///
    /// # Errors
    ///
    /// When the batch as a whole is refused, or answers for others than were asked.
    pub(crate) fn reserve_batch(
        &mut self,
        wanted: &[Lines],
        ttl_seconds: u32,
    ) -> anyhow::Result<Vec<BatchResult>> {
        let reservations: Vec<Value> = wanted
            .iter()
            .map(|lines| json!({ "lines": body_of(lines), "ttl_seconds": ttl_seconds }))
            .collect();
        let body = json!({ "reservations": reservations });
        let reply = self.caller.call("POST", "/api/v1/reservations/batch", Some(&body))?;
        let mut answer = reply.json(200).context("reserve a batch")?;
        let results: Vec<BatchResult> =
            serde_json::from_value(answer["results"].take()).context("the results of a batch")?;
        let is_in_order = results.iter().enumerate().all(|(at, result)| result.index == at);
        ensure!(is_in_order && results.len() == wanted.len(), "a batch answers for others than were asked");
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: u32) -> Line {
        Line { sku: sku.into(), quantity }
    }

    #[test]
    fn lines_are_summed_by_sku() {
        let (lines, is_apart) = summed(&[line("a", 1), line("b", 2)]);
        assert!(is_apart);
        assert_eq!(body_of(&lines), json!([{ "sku": "a", "quantity": 1 }, { "sku": "b", "quantity": 2 }]));
        let (lines, is_apart) = summed(&[line("a", 1), line("a", 2)]);
        assert!(!is_apart);
        assert_eq!(lines["a"], 3);
    }

    #[test]
    fn order_of_the_contract_is_read() {
        let order = json!({
            "id": "ord_1", "number": "H-1", "status": "pending_payment", "payment_status": "pending",
            "lines": [{ "sku": "a", "product_id": "prod_1", "name": "A", "quantity": 2, "unit_price": 1999,
                        "total": 3998, "breakdown": [] }],
            "subtotal": 3998, "discount": 0, "total": 3998, "currency": "EUR", "email": null,
            "shipping_address": null, "customer_id": null, "cart_id": null, "reservation_id": null,
            "payment_reference": null, "expires_at": "2026-11-20T12:00:00.000Z",
            "created_at": "2026-11-20T11:55:00.000Z", "updated_at": "2026-11-20T11:55:00.000Z",
            "confirmed_at": null, "fulfilled_at": null, "canceled_at": null, "cancel_reason": null,
            "reacquired": false, "version": 1,
        });
        let order: Order = serde_json::from_value(order).expect("it is in the contract");
        assert_eq!((order.status, order.lines), (OrderStatus::PendingPayment, vec![line("a", 2)]));
    }
}
