//! The bodies of `/auth`, checked. Neither serialised nor printed: they hold secrets.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};

use crate::auth::email::{self, EMAIL_BYTES_MAX};
use crate::auth::password::{CHARACTERS_MAX, CHARACTERS_MIN};
use crate::http::check::Check;
use crate::http::field::{Fault, Field, Value};
use crate::http::json::Body;
use crate::http::openapi::inline::value_schemas;
use crate::http::values::{Text, schema};

/// 128 characters of four bytes.
const PASSWORD_BYTES_MAX: usize = 512;

/// Longer than any refresh token.
const TOKEN_BYTES_MAX: usize = 512;

/// Somebody who wants an account.
pub struct Register {
    pub(super) email: Address,
    pub(super) password: SecretString,
    pub(super) name: Option<Text<1, 200>>,
}

/// Somebody who wants an account, as they came.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Registration)]
pub struct RawRegister {
    #[serde(default)]
    #[schema(required, value_type = Address)]
    email: Field<Address>,
    #[serde(default)]
    #[schema(required, value_type = NewPassword)]
    password: Field<NewPassword>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 200>>)]
    name: Field<Text<1, 200>>,
}

/// Credentials.
pub struct Login {
    pub(super) email: Text<3, 254>,
    pub(super) password: SecretString,
}

/// Credentials, as they came.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub struct RawLogin {
    /// In upper or lower case: an account is found by either.
    #[serde(default)]
    #[schema(required, value_type = Text<3, 254>)]
    email: Field<Text<3, 254>>,
    #[serde(default)]
    #[schema(required, value_type = Password)]
    password: Field<Password>,
}

/// A refresh token.
pub struct TokenBody {
    pub(super) refresh_token: SecretString,
}

/// A refresh token, as it came.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshToken)]
pub struct RawTokenBody {
    /// The newest one of a session, as a login or a refresh answered it.
    #[serde(default)]
    #[schema(required, value_type = Token)]
    refresh_token: Field<Token>,
}

/// An email address in the form that accounts have.
#[derive(Clone)]
pub(super) struct Address(Box<str>);

/// A password to be set.
#[derive(Clone)]
pub(super) struct NewPassword(SecretString);

/// A password to be compared.
#[derive(Clone)]
pub(super) struct Password(SecretString);

/// A token, whatever its form.
#[derive(Clone)]
pub(super) struct Token(SecretString);

value_schemas! {
    impl[] Address as "address" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::IdnEmail)))
        .max_length(Some(EMAIL_BYTES_MAX))
        .description(Some("Spaces around it are dropped, and its letters are kept in lower case."));
    impl[] NewPassword as "new_password" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(CHARACTERS_MIN))
        .max_length(Some(CHARACTERS_MAX));
    impl[] Password as "password" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(1))
        .max_length(Some(PASSWORD_BYTES_MAX));
    impl[] Token as "refresh_token" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(1))
        .max_length(Some(TOKEN_BYTES_MAX));
}

impl Address {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value<'_> for Address {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        let address = email::normalized(text);
        let fault = || Fault::new("malformed", "Must be an email address such as `name@host.example`.");
        address.map(|address| Self(address.into())).ok_or_else(fault)
    }
}

impl Value<'_> for NewPassword {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&text.chars().count()) {
            let detail = format!("Must have {CHARACTERS_MIN} to {CHARACTERS_MAX} characters.");
            return Err(Fault::new("out_of_range", detail));
        }
        Ok(Self(text.to_owned().into()))
    }
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

impl Value<'_> for Token {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.len() > TOKEN_BYTES_MAX {
            return Err(Fault::new("out_of_range", "Must have 1 to 512 bytes."));
        }
        Ok(Self(text.to_owned().into()))
    }
}

impl Body for Register {
    type Raw = RawRegister;

    fn check(raw: RawRegister, check: &mut Check) -> Option<Self> {
        let email = check.required("email", raw.email);
        let password = check.required("password", raw.password);
        let name = check.optional("name", raw.name);
        Some(Self { email: email?, password: password?.0, name: name? })
    }
}

impl Body for Login {
    type Raw = RawLogin;

    fn check(raw: RawLogin, check: &mut Check) -> Option<Self> {
        let email = check.required("email", raw.email);
        let password = check.required("password", raw.password);
        Some(Self { email: email?, password: password?.0 })
    }
}

impl Body for TokenBody {
    type Raw = RawTokenBody;

    fn check(raw: RawTokenBody, check: &mut Check) -> Option<Self> {
        Some(Self { refresh_token: check.required("refresh_token", raw.refresh_token)?.0 })
    }
}
