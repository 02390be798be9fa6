//! Mails: from the fact in the journal to the mail server.
//!
//! ```text
//! journal ─▶ unsent (actors) ─▶ dispatcher ─▶ queue (Redis | sled) ─▶ worker ─▶ SMTP, or a file
//!     ▲                             │                 │
//!     └───────── sent ◀─────────────┴──── sent ◀──────┘
//! ```
//!
//! That somebody must be written to is in the journal with the fact itself, and so is that they were. The queue in between
//! may lose everything: the dispatcher puts in again what is neither sent nor there. Every mail has a name made of
//! what it is about and its kind; nothing is queued twice under one name.

pub mod dispatch;
pub mod message;
pub mod post;
pub mod queue;
pub mod templates;
pub mod worker;

pub mod service;

use holdfast_actors::domain::Timestamp;
use serde::{Deserialize, Serialize};

/// Why somebody is written to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// They registered.
    Welcome,
    /// Their order is sold to them.
    OrderConfirmed,
    /// Their order came to nothing, by somebody's will.
    OrderCanceled,
    /// Their order came to nothing, as nobody paid in time.
    OrderExpired,
}

impl Kind {
    /// As JSON, names and templates say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderCanceled => "order_canceled",
            Self::OrderExpired => "order_expired",
        }
    }
}

/// One mail as it is queued: all that its text needs, and no text yet, so that templates may change in between.
///
/// Its JSON is what Redis holds and what another version's worker reads: fields are only ever added, as optional ones.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// Its name: `usr_….welcome`, `ord_….order_confirmed`, ….
    pub id: String,
    /// Why it is sent.
    pub kind: Kind,
    /// The address.
    pub to: String,
    /// What they are called, if they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it happened, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The order it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// What a mail says of an order. Money is in minor units of `currency`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// `ord_…`.
    pub id: String,
    /// For people.
    pub number: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// Before discounts.
    pub subtotal: i64,
    /// What rules took off.
    pub discount: i64,
    /// What is paid, or was to be.
    pub total: i64,
    /// ISO 4217.
    pub currency: String,
    /// Why it was canceled: `declined`, `by_owner`, `by_admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canceled: Option<String>,
    /// What whoever canceled it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `pending`, `paid`, `failed`, `refund_required`, `refunded`.
    pub payment_status: String,
}

/// A line of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// As it was called.
    pub sku: String,
    /// As it was called.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// For one unit.
    pub unit_price: i64,
    /// For all units.
    pub total: i64,
}

impl Mail {
    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        Timestamp(self.at_ms)
    }
}
