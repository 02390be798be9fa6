//! Facts of accounts and their sessions. What could let somebody in is shown to an export alone.

use holdfast_actors::domain::AccountId;
use holdfast_actors::domain::account::session::{self, FamilyId, TokenHash};
use holdfast_actors::domain::account::{self, Account, Event, FIRST_VERSION};
use serde::{Deserialize, Serialize};

use super::Secrets;
use super::price::Tier;
use super::values::{Hex, Moment, Secret, id, number, words};
use crate::http::values::{Id, User};

/// What happens to an account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum AccountFact {
    #[serde(rename = "account.created")]
    Created {
        email: Box<str>,
        name: Option<Box<str>>,
        role: Role,
        tier: Tier,
        #[serde(skip_serializing_if = "Secret::is_hidden")]
        password_hash: Secret<Box<str>>,
        created_at: Moment,
    },
    #[serde(rename = "account.changed")]
    Changed { role: Role, tier: Tier },
}

/// What happens to a session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum SessionFact {
    #[serde(rename = "session.opened")]
    Opened {
        account_id: Id<User>,
        #[serde(skip_serializing_if = "Secret::is_hidden")]
        token_hash: Secret<Hex<32>>,
        expires_at: Moment,
    },
    #[serde(rename = "session.rotated")]
    Rotated {
        #[serde(skip_serializing_if = "Secret::is_hidden")]
        token_hash: Secret<Hex<32>>,
    },
    #[serde(rename = "session.ended")]
    Ended { why: Ending },
}

words! {
    /// What somebody may do.
    Role = account::Role { Customer, Admin }
    /// Why a session ended.
    Ending = session::Ending { Logout, Reused, Replaced, WornOut, RoleLost }
}

impl AccountFact {
    /// The fact that the event is; none when it is one of sessions.
    pub(super) fn of(event: &Event, secrets: Secrets) -> Option<Self> {
        Some(match event {
            Event::Created(account) => Self::Created {
                email: account.email.clone(),
                name: account.name.clone(),
                role: account.role.into(),
                tier: account.tier.into(),
                password_hash: Secret::new(account.password_hash.clone(), secrets),
                created_at: account.created_at.into(),
            },
            Event::Changed { role, tier, .. } => Self::Changed { role: (*role).into(), tier: (*tier).into() },
            _ => return None,
        })
    }

    pub(super) fn into_event(self, id: AccountId) -> Event {
        match self {
            Self::Created { email, name, role, tier, password_hash, created_at } => Event::Created(Account {
                id,
                email,
                name,
                role: role.into(),
                tier: tier.into(),
                password_hash: password_hash.reveal(),
                created_at: created_at.into(),
                version: FIRST_VERSION,
            }),
            Self::Changed { role, tier } => Event::Changed { id, role: role.into(), tier: tier.into() },
        }
    }
}

impl SessionFact {
    /// The fact that the event is; none when it is none of sessions.
    pub(super) fn of(event: &Event, secrets: Secrets) -> Option<Self> {
        let hash = |token: &TokenHash| Secret::new(Hex(token.0), secrets);
        Some(match event {
            Event::SessionOpened { account, token, expires_at, .. } => Self::Opened {
                account_id: id(account.0),
                token_hash: hash(token),
                expires_at: (*expires_at).into(),
            },
            Event::SessionRotated { token, .. } => Self::Rotated { token_hash: hash(token) },
            Event::SessionEnded { why, .. } => Self::Ended { why: (*why).into() },
            _ => return None,
        })
    }

    pub(super) fn into_event(self, family: FamilyId) -> Event {
        match self {
            Self::Opened { account_id, token_hash, expires_at } => Event::SessionOpened {
                family,
                account: AccountId(number(account_id)),
                token: TokenHash(token_hash.reveal().0),
                expires_at: expires_at.into(),
            },
            Self::Rotated { token_hash } => {
                Event::SessionRotated { family, token: TokenHash(token_hash.reveal().0) }
            }
            Self::Ended { why } => Event::SessionEnded { family, why: why.into() },
        }
    }
}
