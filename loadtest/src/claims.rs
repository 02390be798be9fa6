//! Claims: what buyers were told of their orders and reservations, and what was asked without ever an answer.
//!
//! An acknowledged answer is a fact; a lost one is a possibility, remembered by the mark its request carried. Pure.
//! Filled by `checkout`, judged by `auditor::orders`.

use std::collections::{BTreeMap, BTreeSet};

use crate::shop::orders::{Lines, OrderStatus, ReservationStatus};

/// What makes one request recognisable in what it made: the number of its ticket.
pub(crate) type Mark = u64;

/// Everything buyers know.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// By id.
    pub(crate) orders: BTreeMap<String, OrderClaim>,
    /// By id.
    pub(crate) reservations: BTreeMap<String, ReservationClaim>,
    pub(crate) lost: Lost,
}

/// An order as its buyer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderClaim {
    pub(crate) lines: Lines,
    pub(crate) status: OrderStatus,
    /// None for a purchase and for a confirmed reservation.
    pub(crate) mark: Option<Mark>,
    /// As the server wrote it, while it was pending.
    pub(crate) deadline: Option<String>,
    /// What requests without an answer may have made of it.
    pub(crate) may_be: BTreeSet<OrderStatus>,
}

/// A reservation as its buyer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReservationClaim {
    pub(crate) lines: Lines,
    pub(crate) status: ReservationStatus,
    pub(crate) mark: Mark,
    pub(crate) order_id: Option<String>,
    /// What requests without an answer may have made of it.
    pub(crate) may_be: BTreeSet<ReservationStatus>,
}

/// Requests that nobody may ask again, so that nobody knows what came of them.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Orders, by mark.
    pub(crate) orders: BTreeMap<Mark, Lines>,
    /// Reservations, by mark.
    pub(crate) reservations: BTreeMap<Mark, Lines>,
    /// Purchases carry no mark: they are told by what was bought.
    pub(crate) purchases: Vec<Lines>,
}

impl Lost {
    pub(crate) fn count(&self) -> usize {
        self.orders.len() + self.reservations.len() + self.purchases.len()
    }
}

impl OrderClaim {
    pub(crate) fn new(lines: Lines, status: OrderStatus, mark: Option<Mark>) -> Self {
        Self { lines, status, mark, deadline: None, may_be: BTreeSet::new() }
    }

    /// Whether it may stand so when every deadline has passed and nobody asks for anything any more.
    pub(crate) fn allows(&self, status: OrderStatus) -> bool {
        let by_time =
            if self.status == OrderStatus::PendingPayment { OrderStatus::Expired } else { self.status };
        status == by_time || self.may_be.contains(&status)
    }

    /// Whether its units must be committed at the end, and whether they may be.
    pub(crate) fn committed(&self) -> (bool, bool) {
        let is_confirmed = self.status == OrderStatus::Confirmed;
        (
            is_confirmed && self.may_be.is_empty(),
            is_confirmed || self.may_be.contains(&OrderStatus::Confirmed),
        )
    }
}

impl ReservationClaim {
    /// As [`OrderClaim::allows`].
    pub(crate) fn allows(&self, status: ReservationStatus) -> bool {
        let by_time =
            if self.status == ReservationStatus::Active { ReservationStatus::Expired } else { self.status };
        status == by_time || self.may_be.contains(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(status: OrderStatus, may_be: &[OrderStatus]) -> OrderClaim {
        let may_be = may_be.iter().copied().collect();
        OrderClaim { may_be, ..OrderClaim::new(Lines::new(), status, None) }
    }

    #[test]
    fn pending_order_lapses_and_a_confirmed_one_stays() {
        let pending = claim(OrderStatus::PendingPayment, &[]);
        assert!(pending.allows(OrderStatus::Expired));
        assert!(!pending.allows(OrderStatus::PendingPayment) && !pending.allows(OrderStatus::Confirmed));
        let confirmed = claim(OrderStatus::Confirmed, &[]);
        assert!(confirmed.allows(OrderStatus::Confirmed) && !confirmed.allows(OrderStatus::Expired));
    }

    #[test]
    fn lost_request_leaves_both_ways_open() {
        let paid = claim(OrderStatus::PendingPayment, &[OrderStatus::Confirmed]);
        assert!(paid.allows(OrderStatus::Expired) && paid.allows(OrderStatus::Confirmed));
        assert_eq!(paid.committed(), (false, true));
        let shipped = claim(OrderStatus::Confirmed, &[OrderStatus::Fulfilled]);
        assert_eq!(shipped.committed(), (false, true));
        assert_eq!(claim(OrderStatus::Confirmed, &[]).committed(), (true, true));
        assert_eq!(claim(OrderStatus::Canceled, &[]).committed(), (false, false));
    }
}
