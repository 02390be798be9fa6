//! Who must be written to, and about what: facts of the journal that nobody was told of yet.
//!
//! Knows no address's form, no text and no queue; those are in `src/mail.rs`.

use holdfast_domain::{AccountId, OrderId, Timestamp};

/// Why somebody is written to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum About {
    /// They registered.
    Registered(AccountId),
    /// Their order is sold to them.
    Confirmed(OrderId),
    /// Their order came to nothing, by somebody's will.
    Canceled(OrderId),
    /// Their order came to nothing, as nobody paid in time.
    Expired(OrderId),
}

/// A mail that is not known to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsent {
    /// What it is about; there is never a second one about the same.
    pub about: About,
    /// When that happened.
    pub at: Timestamp,
}
