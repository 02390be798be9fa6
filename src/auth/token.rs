//! Access tokens: signed JWTs that say who somebody is for fifteen minutes.
//!
//! Owns the claims and the keys; where the secrets come from is in [`super::secret`]. Tokens are HS256 with `typ: at+jwt`
//! (RFC 9068); algorithm and key are ours to say, never the token's (RFC 8725).

use std::sync::RwLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret::Secrets;
use crate::http::values::{Id, User};

/// How long a token holds.
pub const TOKEN_SECONDS: u64 = 15 * 60;

const ISSUER: &str = "holdfast";
const AUDIENCE: &str = "holdfast-api";
const TOKEN_TYPE: &str = "at+jwt";

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the shop.
    Admin,
    /// Buys.
    Customer,
}

/// Who a good token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The account.
    pub user: Id<User>,
    /// What it may do.
    pub role: Role,
    /// The first moment at which the token is dead, in seconds since the Unix epoch.
    pub ends_at_seconds: u64,
}

impl Verified {
    /// How long the token is good for.
    pub fn ends_in(&self) -> Duration {
        Duration::from_secs(self.ends_at_seconds.saturating_sub(now_seconds()))
    }
}

/// Why a token is refused. No more than this: what exactly failed is for its forger to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours.
    #[error("the token is not valid")]
    Invalid,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    role: Role,
    iat: u64,
    exp: u64,
    jti: Uuid,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        // The id must tell keys apart and nothing about the key.
        let digest = blake3::derive_key("holdfast 2026 access token key id v1", secret);
        let id = blake3::Hash::from_bytes(digest).to_hex()[..16].to_owned();
        Self { id, encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) }
    }
}

/// The key ring: one key that signs, and older ones that are still believed.
pub struct Keys {
    ring: RwLock<Ring>,
    validation: Validation,
}

struct Ring {
    current: Key,
    old: Vec<Key>,
}

impl Ring {
    fn new(secrets: &Secrets) -> Self {
        let key = |secret: &SecretString| Key::new(secret.expose_secret().as_bytes());
        Self { current: key(&secrets.current), old: secrets.previous.iter().map(key).collect() }
    }
}

impl Keys {
    /// Signs and verifies with `secret`.
    pub fn new(secret: &SecretString) -> Self {
        Self::of(&Secrets::only(secret.clone()))
    }

    /// Signs with the current secret, and believes the earlier ones as well.
    pub fn of(secrets: &Secrets) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256];
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked in `verify_at`, which is told the time.
        validation.validate_exp = false;
        Self { ring: RwLock::new(Ring::new(secrets)), validation }
    }

    /// From now on uses these.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn replace(&self, secrets: &Secrets) {
        *self.ring.write().expect("nothing panics while it holds the ring") = Ring::new(secrets);
    }

    /// A new token for this account.
    pub fn sign(&self, user: Id<User>, role: Role) -> SecretString {
        self.sign_at(user, role, now_seconds())
    }

    /// [`Keys::sign`] at a given moment, in seconds since the Unix epoch.
    pub fn sign_at(&self, user: Id<User>, role: Role, now_seconds: u64) -> SecretString {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            role,
            iat: now_seconds,
            exp: now_seconds + TOKEN_SECONDS,
            jti: crate::ids::make(),
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        let ring = self.ring.read().expect("nothing panics while it holds the ring");
        header.kid = Some(ring.current.id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &ring.current.encoding)
            .expect("an HMAC key signs any claims of plain values");
        token.into()
    }

    /// Who the token speaks for.
    ///
    /// # Errors
    ///
    /// [`Rejected::Expired`] for a token of ours past its time, [`Rejected::Invalid`] for anything else.
    pub fn verify(&self, token: &str) -> Result<Verified, Rejected> {
        self.verify_at(token, now_seconds())
    }

    /// [`Keys::verify`] at a given moment, in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// As [`Keys::verify`].
    pub fn verify_at(&self, token: &str, now_seconds: u64) -> Result<Verified, Rejected> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejected::Invalid)?;
        let is_access_token = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE));
        // No extension is understood here, so one that must be understood is a refusal (RFC 7515, 4.1.11).
        if !is_access_token || header.crit.is_some() {
            return Err(Rejected::Invalid);
        }
        let key_id = header.kid.ok_or(Rejected::Invalid)?;
        let ring = self.ring.read().expect("nothing panics while it holds the ring");
        let key = std::iter::once(&ring.current)
            .chain(&ring.old)
            .find(|key| key.id == key_id)
            .ok_or(Rejected::Invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation)
            .map_err(|_| Rejected::Invalid)?
            .claims;
        // `exp` is the first moment at which the token is dead.
        if now_seconds >= claims.exp {
            return Err(Rejected::Expired);
        }
        let user = Id::parse(&claims.sub).ok_or(Rejected::Invalid)?;
        Ok(Verified { user, role: claims.role, ends_at_seconds: claims.exp })
    }
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
