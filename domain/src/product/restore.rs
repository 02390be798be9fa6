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

impl Product {
    /// The product of that core, before anybody has units of it.
    #[must_use]
    pub fn restored(core: Core) -> Self {
        let Core { description, is_simple, variants, version, created_at, updated_at } = core;
        Self {
            description,
            is_simple,
            variants,
            version,
            created_at,
            updated_at,
            reservations: BTreeMap::new(),
            orders: BTreeMap::new(),
            units_by_buyer: BTreeMap::new(),
        }
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
