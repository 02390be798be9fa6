//! How accounts and tokens look on the wire.

use holdfast_actors::domain::account::{Account, Role, Tier};
use serde::Serialize;
use uuid::Uuid;

use crate::auth::token::TOKEN_SECONDS;
use crate::http::values::{Id, User};
use crate::http::view::Moment;

/// An account as its owner sees it.
#[derive(Serialize)]
pub struct Me<'a> {
    id: Id<User>,
    email: &'a str,
    name: Option<&'a str>,
    role: &'static str,
    tier: &'static str,
    created_at: Moment,
}

/// The answer to a registration.
#[derive(Serialize)]
pub(super) struct Registered<'a> {
    pub(super) user: Me<'a>,
}

/// A pair of tokens.
#[derive(Serialize)]
pub struct Tokens<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: &'a str,
}

impl<'a> Me<'a> {
    /// The view of an account.
    pub fn of(account: &'a Account) -> Self {
        Self {
            id: Id::new(Uuid::from_u128(account.id.0)),
            email: &account.email,
            name: account.name.as_deref(),
            role: match account.role {
                Role::Admin => "admin",
                Role::Customer => "customer",
            },
            tier: match account.tier {
                Tier::Standard => "standard",
                Tier::Silver => "silver",
                Tier::Gold => "gold",
            },
            created_at: Moment(account.created_at),
        }
    }
}

impl<'a> Tokens<'a> {
    pub(super) const fn of(access_token: &'a str, refresh_token: &'a str) -> Self {
        Self { access_token, token_type: "Bearer", expires_in: TOKEN_SECONDS, refresh_token }
    }
}
