//! Access tokens: signed JWTs that say who somebody is for fifteen minutes.
//!
//! Owns the claims, the keys and where the signing secret comes from. Tokens are HS256 with `typ: at+jwt`
//! (RFC 9068); algorithm and key are ours to say, never the token's (RFC 8725).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::http::values::{Id, User};

/// How long a token holds.
pub const TOKEN_SECONDS: u64 = 15 * 60;

/// The shortest signing secret: as long as the hash it keys.
pub const SECRET_BYTES_MIN: usize = 32;

/// The file in the data folder that keeps a secret made by the server.
pub const SECRET_FILE: &str = "jwt.key";

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

/// Why there is no signing secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A secret that can be guessed signs anything.
    #[error("the signing secret from {origin} has {bytes} bytes; it needs at least {SECRET_BYTES_MIN}")]
    TooShort {
        /// Where it came from.
        origin: String,
        /// How long it is.
        bytes: usize,
    },
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:04o}): chmod 600 it, or delete it to end all sessions", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The disk says no.
    #[error("keep the signing secret in {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
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
    current: Key,
    old: Vec<Key>,
    validation: Validation,
}

impl Keys {
    /// Signs and verifies with `secret`.
    pub fn new(secret: &SecretString) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256];
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked in `verify_at`, which is told the time.
        validation.validate_exp = false;
        Self { current: Key::new(secret.expose_secret().as_bytes()), old: Vec::new(), validation }
    }

    /// Also believes tokens signed with `secret`, until they expire.
    #[must_use]
    pub fn with_old(mut self, secret: &SecretString) -> Self {
        self.old.push(Key::new(secret.expose_secret().as_bytes()));
        self
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
        header.kid = Some(self.current.id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.current.encoding)
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
        let key = std::iter::once(&self.current)
            .chain(&self.old)
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
        Ok(Verified { user, role: claims.role })
    }
}

/// The signing secret: the configured one, else the one in the data folder, made there if need be.
///
/// # Errors
///
/// [`SecretError`], which is fit to be shown to the operator.
pub fn secret(configured: Option<&SecretString>, data_dir: &Path) -> Result<SecretString, SecretError> {
    if let Some(secret) = configured {
        return long_enough(secret.clone(), || "JWT_SECRET".to_owned());
    }
    let path = data_dir.join(SECRET_FILE);
    let disk = |source| SecretError::Disk { path: path.clone(), source };
    match fs::metadata(&path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(SecretError::Exposed { path, mode });
            }
            let text = fs::read_to_string(&path).map_err(disk)?;
            long_enough(text.trim().to_owned().into(), || path.display().to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make_secret();
            keep(data_dir, &path, &secret).map_err(disk)?;
            Ok(secret)
        }
        Err(error) => Err(disk(error)),
    }
}

fn long_enough(secret: SecretString, origin: impl Fn() -> String) -> Result<SecretString, SecretError> {
    let bytes = secret.expose_secret().len();
    if bytes < SECRET_BYTES_MIN {
        return Err(SecretError::TooShort { origin: origin(), bytes });
    }
    Ok(secret)
}

fn make_secret() -> SecretString {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    blake3::Hash::from_bytes(bytes).to_hex().to_string().into()
}

/// Written aside and renamed: a crash leaves either no secret or a whole one.
fn keep(data_dir: &Path, path: &Path, secret: &SecretString) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
    let aside = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    // A file left by a crash keeps the mode it had.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(data_dir)?.sync_all()
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
