//! Store: what a front sells from, behind one trait.
//!
//! One implementation for each strategy; a front is made for one of them, and each of its workers has its own store, so
//! that no purchase crosses threads. Called by `front`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

use super::Kind;

pub(super) mod postgres;
pub(super) mod redis;

/// What the front's process is told on standard input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) kind: Kind,
    /// The folder with PostgreSQL's socket, or Redis' socket.
    pub(crate) socket: PathBuf,
    /// Connections to the database, shared out over the workers.
    pub(crate) connections: usize,
    /// The database's process: ended by the front when nobody else is left to do it.
    pub(crate) database: u32,
}

/// What somebody wants to buy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) order_id: Uuid,
    pub(super) product: Uuid,
    pub(super) quantity: u32,
    pub(super) buyer: &'a str,
}

/// A product as it was in the moment of the sale or of the refusal.
#[derive(Debug)]
pub(super) struct Goods {
    pub(super) sku: String,
    pub(super) price: i64,
    pub(super) available: i64,
}

/// What became of an order.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The units are the buyer's and the purchase is written down.
    Sold(Goods),
    Short(Goods),
    NoSuchProduct,
    /// Others were faster as often as one may try.
    Overtaken,
}

/// Sells, and writes each purchase down with it: both or neither.
pub(super) trait Store: Sized + 'static {
    /// A store with `connections` of its own, all of them open.
    ///
    /// # Errors
    ///
    /// When the database is not there.
    async fn connect(settings: &Settings, connections: usize) -> anyhow::Result<Self>;

    /// Takes the units and writes the purchase down, or neither.
    ///
    /// # Errors
    ///
    /// When the database fails.
    async fn sell(&self, order: &Order<'_>) -> anyhow::Result<Outcome>;
}
