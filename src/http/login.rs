//! `POST /auth/login`: an email and a password for an access token. A guest's cart comes along.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::domain::{Owner, account};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};

use super::caller::{self, Caller};
use super::check::Check;
use super::field::{Fault, Field, Value};
use super::json::{Body, Json};
use super::openapi::inline::value_schemas;
use super::problem::{Code, Problem};
use super::shop::Shop;
use super::values::{Id, Text, schema};
use super::{answer, context};
use crate::auth::password::Passwords;
use crate::auth::token::{Keys, Role, TOKEN_SECONDS};

/// Credentials. Neither serialised nor printed.
pub struct Login {
    email: Text<3, 254>,
    password: SecretString,
}

/// Credentials, as they came.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub struct RawLogin {
    #[serde(default)]
    #[schema(required, value_type = Text<3, 254>)]
    email: Field<Text<3, 254>>,
    #[serde(default)]
    #[schema(required, value_type = Password)]
    password: Field<Password>,
}

/// Text that is never printed.
#[derive(Clone)]
pub struct Password(SecretString);

value_schemas! {
    impl[] Password as "password" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(1))
        .max_length(Some(PASSWORD_BYTES_MAX));
}

impl Value<'_> for Password {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        // The bound keeps hashing cheap; whether it is long enough was asked when it was set.
        if text.is_empty() || text.len() > PASSWORD_BYTES_MAX {
            return Err(Fault::new("out_of_range", "Must have 1 to 512 bytes."));
        }
        Ok(Self(text.to_owned().into()))
    }
}

/// 128 characters of four bytes.
const PASSWORD_BYTES_MAX: usize = 512;

impl Body for Login {
    type Raw = RawLogin;

    fn check(raw: RawLogin, check: &mut Check) -> Option<Self> {
        let email = check.required("email", raw.email);
        let password = check.required("password", raw.password);
        Some(Self { email: email?, password: password?.0 })
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct Tokens<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
}

/// Logs somebody in; what was in the cart of the session that they came with is in theirs before they are answered.
/// An unknown email takes as long as a wrong password and reads the same.
///
/// # Errors
///
/// `invalid_credentials`; `malformed_request` for a malformed session; `overloaded` when all hashers are busy;
/// `not_ready` when the journal stopped.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "Accounts", operation_id = "login",
    security(("visitor" = [])),
    request_body = RawLogin,
    responses(
        (status = 200, description = "A token.", body = Tokens),
        (status = 401, description = "invalid_credentials"),
    ),
)]
pub async fn login(
    request: HttpRequest,
    engine: Shop,
    keys: web::Data<Keys>,
    passwords: web::Data<Passwords>,
    body: Json<Login>,
) -> Result<HttpResponse, Problem> {
    let session = caller::session(&request)?;
    let Json(Login { email, password }) = body;
    let email = email.as_str().to_lowercase();
    let account = engine
        .account_by_email(&email)
        .await
        .map_err(|_| Problem::new(Code::NotReady, "The journal stopped; try again after the restart."))?;
    let hash = account.as_ref().map(|account| Arc::<str>::from(&*account.password_hash));
    let is_right = passwords.verify(password, hash).await?;
    let Some(account) = account.filter(|_| is_right) else {
        return Err(Problem::new(Code::InvalidCredentials, "Email or password is wrong."));
    };
    if let Some(session) = session {
        let guest = context::owner(&Caller::Guest(session));
        if let Err(failure) = engine.merge_carts(guest, Owner::Account(account.id)).await {
            return Ok(answer::refused(failure, &engine, None));
        }
    }
    let role = match account.role {
        account::Role::Admin => Role::Admin,
        account::Role::Customer => Role::Customer,
    };
    let user = Id::new(uuid::Uuid::from_u128(account.id.0));
    let access_token = keys.sign(user, role);
    let tokens = Tokens {
        access_token: access_token.expose_secret(),
        token_type: "Bearer",
        expires_in: TOKEN_SECONDS,
    };
    Ok(answer::json(StatusCode::OK, &tokens))
}
