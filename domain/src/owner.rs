//! Whose a cart, a reservation or an order is.

use crate::{AccountId, Buyer};

/// Somebody who buys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// A guest session, by its digest.
    Guest(u128),
    /// Somebody with an account.
    Account(AccountId),
}

impl Owner {
    /// Under which name limits count the owner's units.
    #[must_use]
    pub const fn buyer(self) -> Buyer {
        match self {
            Self::Guest(digest) => Buyer(digest),
            Self::Account(AccountId(id)) => Buyer(id),
        }
    }

    /// The account, if there is one.
    #[must_use]
    pub const fn account(self) -> Option<AccountId> {
        match self {
            Self::Guest(_) => None,
            Self::Account(account) => Some(account),
        }
    }
}
