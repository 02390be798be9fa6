//! Who asks, in which request, and under which idempotency key.

use holdfast_domain::idempotency::{Fingerprint, Key};
use holdfast_domain::{AccountId, Owner};

/// What accompanies a command into the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// The request that brought it.
    pub request_id: RequestId,
    /// Who asks.
    pub actor: Actor,
    /// Set when a retry must meet the first answer.
    pub key: Option<RequestKey>,
}

/// The correlation id of a request, as the client sent it or as the server made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestId {
    /// Made by the server; 128 bits travel without an allocation.
    Made(u128),
    /// Sent by the client.
    Sent(Box<str>),
}

/// Who brings a change about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// The server itself: expiry, bootstrap.
    System,
    /// A guest session, by its digest.
    Guest(u128),
    /// A customer who logged in.
    Customer(AccountId),
    /// An admin.
    Admin(AccountId),
}

/// An idempotency key and the request that it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestKey {
    /// Scoped to the caller.
    pub key: Key,
    /// Method, path and body.
    pub fingerprint: Fingerprint,
}

impl Actor {
    /// Whose things an actor buys; the server itself buys nothing.
    #[must_use]
    pub const fn owner(self) -> Owner {
        match self {
            Self::System => Owner::Guest(0),
            Self::Guest(digest) => Owner::Guest(digest),
            Self::Customer(account) | Self::Admin(account) => Owner::Account(account),
        }
    }
}

impl Context {
    /// The same without its idempotency key: for a step of the same request.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    /// The server's own doing.
    #[must_use]
    pub const fn system() -> Self {
        Self { request_id: RequestId::Made(0), actor: Actor::System, key: None }
    }
}
