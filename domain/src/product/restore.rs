//! A product put together again from its parts, as a checkpoint keeps them.
//!
//! The parts come one by one: what is described and counted, then each hold, each commitment and each buyer who is counted.
//! Nothing is decided here, and nothing is an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Buyer, OrderId, ReservationId, Timestamp};

use super::{Commitment, Description, Product, Reservation, Variant};

/// A product without those who have units of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Core {
    /// What it is called and costs, and how it is sold.
    pub description: Arc<Description>,
    /// Whether its only variant's sku is its own.
    pub is_simple: bool,
    /// By number; removed ones keep their places.
    pub variants: Vec<Variant>,
    /// See [`Product::version`].
    pub version: u32,
    /// See [`Product::created_at`].
    pub created_at: Timestamp,
    /// See [`Product::updated_at`].
    pub updated_at: Timestamp,
}

/// Those who have units of a product: the other half of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    reservations: BTreeMap<ReservationId, Reservation>,
    orders: BTreeMap<OrderId, Commitment>,
    units_by_buyer: BTreeMap<Buyer, u64>,
}

impl Claims {
    /// Whether nobody has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reservations.is_empty() && self.orders.is_empty() && self.units_by_buyer.is_empty()
    }
}

impl Product {
    /// The product of that core, before anybody has units of it.
    #[must_use]
    pub fn restored(core: Core) -> Self {
        Self::of_halves(core, Claims::default())
    }

    /// The product of both halves; see [`Product::into_halves`].
    #[must_use]
    pub fn of_halves(core: Core, claims: Claims) -> Self {
        let Core { description, is_simple, variants, version, created_at, updated_at } = core;
        let Claims { reservations, orders, units_by_buyer } = claims;
        Self {
            description,
            is_simple,
            variants,
            version,
            created_at,
            updated_at,
            reservations,
            orders,
            units_by_buyer,
        }
    }

    /// What it is, and who has units of it.
    #[must_use]
    pub fn into_halves(self) -> (Core, Claims) {
        let Self { description, is_simple, variants, version, created_at, updated_at, .. } = self;
        let Self { reservations, orders, units_by_buyer, .. } = self;
        let core = Core { description, is_simple, variants, version, created_at, updated_at };
        (core, Claims { reservations, orders, units_by_buyer })
    }

    /// Puts back units that are held; the figures of the core count them already.
    pub fn restore_hold(&mut self, reservation: ReservationId, hold: Reservation) {
        self.reservations.insert(reservation, hold);
    }

    /// Puts back units that are committed to an order; the figures of the core count them already. The first that is said of an
    /// order stands: what was kept goes before what a purchase implies.
    pub fn restore_commitment(&mut self, order: OrderId, commitment: Commitment) {
        self.orders.entry(order).or_insert(commitment);
    }

    /// Puts back what a buyer is counted for. Nobody is counted while there is no limit.
    pub fn restore_units(&mut self, buyer: Buyer, units: u64) {
        if self.description.per_customer_limit.is_some() {
            self.units_by_buyer.insert(buyer, units);
        }
    }
}
