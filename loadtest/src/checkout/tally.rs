//! Tally: how often what happened in a checkout run.

use serde::Serialize;

/// How often what happened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) customers: u64,
    pub(crate) answers: u64,
    /// Orders and purchases that were confirmed, by whichever way.
    pub(crate) confirmed: u64,
    /// Orders and reservations that were made and not confirmed at once.
    pub(crate) held: u64,
    pub(crate) declined: u64,
    pub(crate) timed_out: u64,
    pub(crate) canceled: u64,
    pub(crate) fulfilled: u64,
    pub(crate) released: u64,
    /// Refused because a deadline had passed.
    pub(crate) too_late: u64,
    /// Refused for want of stock.
    pub(crate) refused: u64,
    /// Orders of an empty cart, refused.
    pub(crate) empty_carts: u64,
    /// Answered with 429 or 503.
    pub(crate) shed: u64,
    /// Of these, with 429.
    pub(crate) rate_limited: u64,
    /// Requests whose answer was lost, at each loss.
    pub(crate) lost: u64,
    /// Of these, asked again with their key.
    pub(crate) asked_again: u64,
    /// Answered requests that were asked once more with their key.
    pub(crate) repeated: u64,
}
