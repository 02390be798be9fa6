//! Stored forms of what happens to accounts.

use holdfast_domain::account::{Account, Event, Role, Tier};
use holdfast_domain::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::Id;

/// A stored fact about an account.
#[derive(Serialize, Deserialize)]
pub enum AccountEvent {
    /// See [`Event::Created`].
    Created(StoredAccount),
}

/// A stored account.
#[derive(Serialize, Deserialize)]
pub struct StoredAccount {
    id: Id,
    email: Box<str>,
    name: Option<Box<str>>,
    role: StoredRole,
    tier: StoredTier,
    password_hash: Box<str>,
    created_at: u64,
}

#[derive(Serialize, Deserialize)]
enum StoredRole {
    Customer,
    Admin,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub(super) enum StoredTier {
    Standard,
    Silver,
    Gold,
}

impl AccountEvent {
    pub(super) fn from_domain(event: &Event) -> Self {
        match event {
            Event::Created(account) => Self::Created(StoredAccount::from_domain(account)),
        }
    }

    pub(super) fn into_domain(self) -> Event {
        match self {
            Self::Created(account) => Event::Created(account.into_domain()),
        }
    }
}

impl StoredAccount {
    pub(super) fn from_domain(account: &Account) -> Self {
        Self {
            id: account.id.0.to_be_bytes(),
            email: account.email.clone(),
            name: account.name.clone(),
            role: match account.role {
                Role::Customer => StoredRole::Customer,
                Role::Admin => StoredRole::Admin,
            },
            tier: StoredTier::from_domain(account.tier),
            password_hash: account.password_hash.clone(),
            created_at: account.created_at.0,
        }
    }

    pub(super) fn into_domain(self) -> Account {
        Account {
            id: AccountId(u128::from_be_bytes(self.id)),
            email: self.email,
            name: self.name,
            role: match self.role {
                StoredRole::Customer => Role::Customer,
                StoredRole::Admin => Role::Admin,
            },
            tier: self.tier.into_domain(),
            password_hash: self.password_hash,
            created_at: Timestamp(self.created_at),
        }
    }
}

impl StoredTier {
    pub(super) const fn from_domain(tier: Tier) -> Self {
        match tier {
            Tier::Standard => Self::Standard,
            Tier::Silver => Self::Silver,
            Tier::Gold => Self::Gold,
        }
    }

    pub(super) const fn into_domain(self) -> Tier {
        match self {
            Self::Standard => Tier::Standard,
            Self::Silver => Tier::Silver,
            Self::Gold => Tier::Gold,
        }
    }
}
