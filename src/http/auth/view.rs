//! How accounts and tokens look on the wire.

use holdfast_actors::domain::account::{Account, Role, Tier};
use serde::Serialize;
use uuid::Uuid;

use crate::auth::token::TOKEN_SECONDS;
use crate::http::prices::TierWord;
use crate::http::users::RoleWord;
use crate::http::values::{Id, User};
use crate::http::view::Moment;

/// An account as its owner sees it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Account)]
pub struct Me<'a> {
    id: Id<User>,
    /// In lower case.
    email: &'a str,
    name: Option<&'a str>,
    #[schema(value_type = RoleWord)]
    role: &'static str,
    #[schema(value_type = TierWord)]
    tier: &'static str,
    created_at: Moment,
}

/// The answer to a registration.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Registered<'a> {
    pub(super) user: Me<'a>,
}

/// A pair of tokens.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Tokens<'a> {
    /// What `Authorization: Bearer …` says from now on.
    access_token: &'a str,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Good for one refresh; whoever sends it a second time ends the session.
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
