//! Stored forms of what happens to accounts.

use holdfast_domain::account::session::{Ending, FamilyId, TokenHash};
use holdfast_domain::account::{Account, Event, FIRST_VERSION, Role, Tier};
use holdfast_domain::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::values::Id;

/// A stored fact about an account.
#[derive(Serialize, Deserialize)]
pub enum AccountEvent {
    /// See [`Event::Created`].
    Created(StoredAccount),
    /// See [`Event::Changed`].
    Changed {
        /// Whose.
        id: Id,
        /// What they may do.
        role: StoredRole,
        /// For prices.
        tier: StoredTier,
    },
    /// See [`Event::SessionOpened`].
    SessionOpened {
        /// The session.
        family: Id,
        /// Whose.
        account: Id,
        /// Of its first refresh token.
        token: [u8; 32],
        /// When it ends.
        expires_at: u64,
    },
    /// See [`Event::SessionRotated`].
    SessionRotated {
        /// Of which session.
        family: Id,
        /// Of the next refresh token.
        token: [u8; 32],
    },
    /// See [`Event::SessionEnded`].
    SessionEnded {
        /// Which.
        family: Id,
        /// Why.
        why: StoredEnding,
    },
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredEnding {
    /// See [`Ending::Logout`].
    Logout,
    /// See [`Ending::Reused`].
    Reused,
    /// See [`Ending::Replaced`].
    Replaced,
    /// See [`Ending::WornOut`].
    WornOut,
    /// See [`Ending::RoleLost`].
    RoleLost,
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

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredRole {
    /// See [`Role::Customer`].
    Customer,
    /// See [`Role::Admin`].
    Admin,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub enum StoredTier {
    /// See [`Tier::Standard`].
    Standard,
    /// See [`Tier::Silver`].
    Silver,
    /// See [`Tier::Gold`].
    Gold,
}

impl AccountEvent {
    pub(crate) fn from_domain(event: &Event) -> Self {
        match event {
            Event::Created(account) => Self::Created(StoredAccount::from_domain(account)),
            Event::Changed { id, role, tier } => Self::Changed {
                id: id.0.to_be_bytes(),
                role: StoredRole::from_domain(*role),
                tier: StoredTier::from_domain(*tier),
            },
            Event::SessionOpened { family, account, token, expires_at } => Self::SessionOpened {
                family: family.0.to_be_bytes(),
                account: account.0.to_be_bytes(),
                token: token.0,
                expires_at: expires_at.0,
            },
            Event::SessionRotated { family, token } => {
                Self::SessionRotated { family: family.0.to_be_bytes(), token: token.0 }
            }
            Event::SessionEnded { family, why } => {
                Self::SessionEnded { family: family.0.to_be_bytes(), why: StoredEnding::from_domain(*why) }
            }
        }
    }

    pub(crate) fn into_domain(self) -> Event {
        match self {
            Self::Created(account) => Event::Created(account.into_domain()),
            Self::Changed { id, role, tier } => Event::Changed {
                id: AccountId(u128::from_be_bytes(id)),
                role: role.into_domain(),
                tier: tier.into_domain(),
            },
            Self::SessionOpened { family, account, token, expires_at } => Event::SessionOpened {
                family: FamilyId(u128::from_be_bytes(family)),
                account: AccountId(u128::from_be_bytes(account)),
                token: TokenHash(token),
                expires_at: Timestamp(expires_at),
            },
            Self::SessionRotated { family, token } => Event::SessionRotated {
                family: FamilyId(u128::from_be_bytes(family)),
                token: TokenHash(token),
            },
            Self::SessionEnded { family, why } => {
                Event::SessionEnded { family: FamilyId(u128::from_be_bytes(family)), why: why.into_domain() }
            }
        }
    }
}

impl StoredAccount {
    pub(crate) fn from_domain(account: &Account) -> Self {
        Self {
            id: account.id.0.to_be_bytes(),
            email: account.email.clone(),
            name: account.name.clone(),
            role: StoredRole::from_domain(account.role),
            tier: StoredTier::from_domain(account.tier),
            password_hash: account.password_hash.clone(),
            created_at: account.created_at.0,
        }
    }

    pub(crate) fn into_domain(self) -> Account {
        Account {
            id: AccountId(u128::from_be_bytes(self.id)),
            email: self.email,
            name: self.name,
            role: self.role.into_domain(),
            tier: self.tier.into_domain(),
            password_hash: self.password_hash,
            created_at: Timestamp(self.created_at),
            version: FIRST_VERSION,
        }
    }
}

impl StoredRole {
    const fn from_domain(role: Role) -> Self {
        match role {
            Role::Customer => Self::Customer,
            Role::Admin => Self::Admin,
        }
    }

    const fn into_domain(self) -> Role {
        match self {
            Self::Customer => Role::Customer,
            Self::Admin => Role::Admin,
        }
    }
}

impl StoredEnding {
    const fn from_domain(why: Ending) -> Self {
        match why {
            Ending::Logout => Self::Logout,
            Ending::Reused => Self::Reused,
            Ending::Replaced => Self::Replaced,
            Ending::WornOut => Self::WornOut,
            Ending::RoleLost => Self::RoleLost,
        }
    }

    const fn into_domain(self) -> Ending {
        match self {
            Self::Logout => Ending::Logout,
            Self::Reused => Ending::Reused,
            Self::Replaced => Ending::Replaced,
            Self::WornOut => Ending::WornOut,
            Self::RoleLost => Ending::RoleLost,
        }
    }
}

impl StoredTier {
    pub(crate) const fn from_domain(tier: Tier) -> Self {
        match tier {
            Tier::Standard => Self::Standard,
            Tier::Silver => Self::Silver,
            Tier::Gold => Self::Gold,
        }
    }

    pub(crate) const fn into_domain(self) -> Tier {
        match self {
            Self::Standard => Tier::Standard,
            Self::Silver => Tier::Silver,
            Self::Gold => Tier::Gold,
        }
    }
}
