//! Stored forms of what happens to mails.

use holdfast_domain::{AccountId, OrderId};
use serde::{Deserialize, Serialize};

use super::values::Id;
use crate::mails::{About, Fact};

/// A stored fact about mails.
#[derive(Serialize, Deserialize)]
pub(super) enum MailFact {
    /// See [`Fact::Begun`].
    Begun,
    /// See [`Fact::Sent`].
    Sent(StoredAbout),
}

/// Stored form of what a mail is about.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredAbout {
    /// See [`About::Registered`].
    Registered(Id),
    /// See [`About::Confirmed`].
    Confirmed(Id),
    /// See [`About::Canceled`].
    Canceled(Id),
    /// See [`About::Expired`].
    Expired(Id),
}

impl MailFact {
    pub(super) const fn from_domain(fact: &Fact) -> Self {
        match fact {
            Fact::Begun => Self::Begun,
            Fact::Sent(about) => Self::Sent(StoredAbout::from_domain(*about)),
        }
    }

    pub(super) const fn into_domain(self) -> Fact {
        match self {
            Self::Begun => Fact::Begun,
            Self::Sent(about) => Fact::Sent(about.into_domain()),
        }
    }
}

impl StoredAbout {
    const fn from_domain(about: About) -> Self {
        match about {
            About::Registered(AccountId(id)) => Self::Registered(id.to_be_bytes()),
            About::Confirmed(OrderId(id)) => Self::Confirmed(id.to_be_bytes()),
            About::Canceled(OrderId(id)) => Self::Canceled(id.to_be_bytes()),
            About::Expired(OrderId(id)) => Self::Expired(id.to_be_bytes()),
        }
    }

    const fn into_domain(self) -> About {
        match self {
            Self::Registered(id) => About::Registered(AccountId(u128::from_be_bytes(id))),
            Self::Confirmed(id) => About::Confirmed(OrderId(u128::from_be_bytes(id))),
            Self::Canceled(id) => About::Canceled(OrderId(u128::from_be_bytes(id))),
            Self::Expired(id) => About::Expired(OrderId(u128::from_be_bytes(id))),
        }
    }
}
