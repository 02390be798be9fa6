//! `/auth`: register, log in, refresh, log out, and who one is.
//!
//! Passwords and tokens are in no log, no journal and no fingerprint. Whoever asks about an account that they have not
//! proved to be theirs learns nothing, by text or by time, but what the contract says.

mod body;
mod view;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::account::session::{Bad, FamilyId, Refresh, Refreshed};
use holdfast_actors::domain::account::{self, Account, Tier};
use holdfast_actors::domain::{AccountId, Owner, Timestamp};
use holdfast_actors::{Actor, Failure};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::address::client_address;
use super::caller::{self, Caller, UserCaller};
use super::idempotency::IdempotencyKey;
use super::json::Json;
use super::position::AtLeast;
use super::problem::{Code, Problem};
use super::query::{self, NoQuery};
use super::shop::Shop;
use super::values::Id;
use super::{answer, context};
use crate::auth::password::{self, Passwords};
use crate::auth::refresh::{RefreshToken, RefreshTokens};
use crate::auth::throttle::Throttle;
use crate::auth::token::{Keys, Role};

pub use body::{Login, Register, TokenBody};
pub use view::{Me, Tokens};

/// What a registration asks for, without its password: a fast hash of that must not be in the journal.
#[derive(Serialize)]
struct Registration<'a> {
    email: &'a str,
    name: Option<&'a str>,
}

/// Makes a customer.
///
/// An email that is taken is told after the same hashing as one that is free.
///
/// # Errors
///
/// `malformed_request` for a malformed key; `overloaded` when all hashers are busy; `idempotency_key_reused` for a key
/// that came with another password.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "Accounts", operation_id = "register",
    security(("nobody" = [])),
    request_body = body::RawRegister,
    responses(
        (status = 201, description = "The account.", body = view::Registered),
        (status = 409, description = "email_taken"),
    ),
)]
pub async fn register(
    request: HttpRequest,
    engine: Shop,
    passwords: web::Data<Passwords>,
    body: Json<Register>,
) -> Result<HttpResponse, Problem> {
    let Json(Register { email, password, name }) = body;
    let id = AccountId(crate::ids::make().as_u128());
    let asked = Registration { email: email.as_str(), name: name.as_ref().map(|name| name.as_str()) };
    let context = context::of_stranger(&request, Actor::Customer(id), email.as_str(), &asked)?;
    let hash = passwords.hash(password.clone()).await?;
    let account = Account {
        id,
        email: email.as_str().into(),
        name: name.map(|name| name.as_str().into()),
        role: account::Role::Customer,
        tier: Tier::Standard,
        password_hash: hash.into(),
        created_at: Timestamp::default(),
        version: account::FIRST_VERSION,
    };
    let made = match engine.create_account(&context, account).await {
        Ok(made) => made,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    // The password is a part of the request, and only its slow hash is known.
    if made.is_replayed && !is_password_of(&engine, &passwords, made.value.id, password).await? {
        return Ok(answer::refused(Failure::KeyReused, &engine, None));
    }
    let view = view::Registered { user: Me::of(&made.value) };
    Ok(answer::written(answer::json(StatusCode::CREATED, &view), &made))
}

/// Logs somebody in.
///
/// What was in the cart of the session that they came with is in theirs before they are answered. An unknown email
/// takes as long as a wrong password and reads the same. Each login is a session of its own, whatever key comes with
/// it.
///
/// # Errors
///
/// `invalid_credentials`; `rate_limited` after too many failures; `malformed_request` for a malformed session or key;
/// `overloaded` when all hashers are busy; `not_ready` when the journal stopped.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "Accounts", operation_id = "login",
    security(("visitor" = [])),
    request_body = body::RawLogin,
    responses(
        (status = 200, description = "A pair of tokens: the first of a session.", body = Tokens),
        (status = 401, description = "invalid_credentials"),
    ),
)]
pub async fn login(
    request: HttpRequest,
    engine: Shop,
    keys: web::Data<Keys>,
    passwords: web::Data<Passwords>,
    throttle: web::Data<Throttle>,
    body: Json<Login>,
) -> Result<HttpResponse, Problem> {
    // Looked at like everywhere; nothing is kept under it, as each login opens another session.
    IdempotencyKey::of(request.headers())?;
    query::none(&request)?;
    let session = caller::session(&request)?;
    let Json(Login { email, password }) = body;
    let email = email.as_str().trim().to_lowercase();
    let attempt = throttle.admit(&email, client_address(&request)).await.map_err(|wait| {
        let seconds = u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX);
        Problem::new(Code::RateLimited, "Too many logins failed; wait.").retry_after(seconds)
    })?;
    let account = match engine.account_by_email(&email).await {
        Ok(account) => account,
        Err(failure) => {
            attempt.forgive();
            return Ok(answer::refused(failure, &engine, None));
        }
    };
    let hash = account.as_ref().map(|account| Arc::<str>::from(&*account.password_hash));
    let is_right = match passwords.verify(password, hash).await {
        // A look that could not be taken is no failed login.
        Err(busy @ password::Error::Busy) => {
            attempt.forgive();
            return Err(busy.into());
        }
        looked => looked?,
    };
    let Some(account) = account.filter(|_| is_right) else {
        attempt.fail();
        return Err(Problem::new(Code::InvalidCredentials, "Email or password is wrong."));
    };
    attempt.succeed();
    if let Some(session) = session {
        let guest = context::owner(&Caller::Guest(session));
        if let Err(failure) = engine.merge_carts(guest, Owner::Account(account.id)).await {
            return Ok(answer::refused(failure, &engine, None));
        }
    }
    let token = RefreshToken::make(FamilyId(crate::ids::make().as_u128()));
    let context = context::of_server(actor(&account));
    Ok(match engine.open_session(&context, account.id, token.family(), token.hash()).await {
        Ok(opened) => answer::written(pair(&keys, &account, &token), &opened),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Spends a refresh token for a new pair.
///
/// With an idempotency key a retry gets the same refresh token again; without one a token that comes again ends its
/// session.
///
/// # Errors
///
/// `malformed_request` for a malformed key.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "Accounts", operation_id = "refresh",
    security(("nobody" = [])),
    request_body = body::RawTokenBody,
    responses(
        (status = 200, description = "A new pair; the token that was sent is spent.", body = Tokens),
        (status = 401, description = "unauthenticated, token_expired", headers(("Journal-Position"))),
    ),
)]
pub async fn refresh(
    engine: Shop,
    keys: web::Data<Keys>,
    tokens: web::Data<RefreshTokens>,
    key: IdempotencyKey,
    _no_query: NoQuery,
    body: Json<TokenBody>,
) -> Result<HttpResponse, Problem> {
    let Some(spent) = RefreshToken::parse(body.refresh_token.expose_secret()) else {
        return Err(refused(Bad::Unknown));
    };
    let mut next = match key.as_str() {
        Some(key) => tokens.derived(&spent, key),
        None => vec![RefreshToken::make(spent.family())],
    };
    let retried = match key.as_str() {
        Some(_) => next.iter().map(RefreshToken::hash).collect(),
        None => Vec::new(),
    };
    let refresh = Refresh { family: spent.family(), presented: spent.hash(), next: next[0].hash(), retried };
    let answer = match engine.refresh_session(&context::of_server(Actor::System), refresh).await {
        Ok(answer) => answer,
        Err(failure) => return Ok(answer::refused(failure, &engine, None)),
    };
    let response = match &answer.value {
        Ok((account, Refreshed::Rotated)) => pair(&keys, account, &next[0]),
        Ok((account, Refreshed::Again(place))) => pair(&keys, account, &next.swap_remove(*place)),
        Err(bad) => {
            if *bad == Bad::Reused {
                tracing::warn!("a spent refresh token came again: its session was ended");
            }
            refused(*bad).respond()
        }
    };
    Ok(answer::written(response, &answer))
}

/// Ends the session of a refresh token.
///
/// One that is unknown, or whose session ended before, is as good as logged out.
///
/// # Errors
///
/// `malformed_request` for a malformed key.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "Accounts", operation_id = "logout",
    security(("nobody" = [])),
    request_body = body::RawTokenBody,
    responses((status = 204, description = "The session is over.")),
)]
pub async fn logout(
    engine: Shop,
    _key: IdempotencyKey,
    _no_query: NoQuery,
    body: Json<TokenBody>,
) -> Result<HttpResponse, Problem> {
    let response = HttpResponse::NoContent().finish();
    let Some(token) = RefreshToken::parse(body.refresh_token.expose_secret()) else { return Ok(response) };
    let context = context::of_server(Actor::System);
    Ok(match engine.end_session(&context, token.family(), token.hash()).await {
        Ok(ended) => answer::written(response, &ended),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

/// Answers who the caller is.
///
/// # Errors
///
/// `unauthenticated` without a token; whatever is wrong with it.
#[utoipa::path(
    get, path = "/api/v1/auth/me", tag = "Accounts", operation_id = "get_me",
    security(("user" = [])),
    responses(
        (status = 200, description = "The caller's account.", body = Me),
        (status = 304, description = "The client has this version."),
    ),
)]
pub async fn me(
    request: HttpRequest,
    engine: Shop,
    UserCaller(user): UserCaller,
    _at_least: AtLeast,
    _no_query: NoQuery,
) -> Result<HttpResponse, Problem> {
    Ok(match engine.account(AccountId(user.uuid().as_u128())).await {
        Ok(Some(account)) => answer::unless_unchanged(&request, &account.version.to_string(), || {
            answer::json(StatusCode::OK, &Me::of(&account))
        }),
        Ok(None) => answer::refused(Failure::NotFound, &engine, None),
        Err(failure) => answer::refused(failure, &engine, None),
    })
}

async fn is_password_of(
    engine: &Shop,
    passwords: &Passwords,
    id: AccountId,
    password: SecretString,
) -> Result<bool, Problem> {
    let Ok(account) = engine.account(id).await else {
        return Err(Problem::new(Code::NotReady, "The journal stopped; try again after the restart."));
    };
    let hash = account.map(|account| Arc::from(account.password_hash));
    Ok(passwords.verify(password, hash).await?)
}

fn pair(keys: &Keys, account: &Account, refresh: &RefreshToken) -> HttpResponse {
    let role = match account.role {
        account::Role::Admin => Role::Admin,
        account::Role::Customer => Role::Customer,
    };
    let access = keys.sign(Id::new(uuid::Uuid::from_u128(account.id.0)), role);
    let refresh = refresh.to_text();
    answer::json(StatusCode::OK, &Tokens::of(access.expose_secret(), refresh.expose_secret()))
}

const fn actor(account: &Account) -> Actor {
    match account.role {
        account::Role::Admin => Actor::Admin(account.id),
        account::Role::Customer => Actor::Customer(account.id),
    }
}

/// Which token was wrong how is not told, but for one that was good until its time came.
fn refused(bad: Bad) -> Problem {
    match bad {
        Bad::Expired => Problem::new(Code::TokenExpired, "The session has expired; log in again."),
        Bad::Unknown | Bad::Reused | Bad::WornOut => {
            Problem::new(Code::Unauthenticated, "The refresh token is not valid; log in again.")
                .of_bad_token()
        }
    }
}
