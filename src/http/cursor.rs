//! Opaque cursors: where a list goes on, in a form that clients can keep but not make.
//!
//! Shape: `version: u8 | payload | check: [u8; 8]`, base64url. The check is a keyed BLAKE3 over version, list and
//! payload, so that a cursor of one list or sort order is refused by another. It guards against mistakes and
//! guessing; a payload holds nothing the caller may not know.

use std::sync::RwLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use secrecy::ExposeSecret as _;

use super::problem::{Code, Problem};
use crate::auth::secret::Secrets;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 8;

/// Longer cursors are none of ours.
const CURSOR_CHARACTERS_MAX: usize = 1024;

/// Makes and reads cursors.
pub struct Cursors {
    /// The first makes cursors; those of earlier secrets are still read.
    keys: RwLock<Vec<Key>>,
}

type Key = [u8; blake3::KEY_LEN];

impl Cursors {
    /// `secret` is the server's; cursors outlive a restart as long as it does.
    pub fn new(secret: &[u8]) -> Self {
        Self { keys: RwLock::new(vec![key(secret)]) }
    }

    /// The same with earlier secrets, whose cursors are read as well.
    pub fn of(secrets: &Secrets) -> Self {
        Self { keys: RwLock::new(keys(secrets)) }
    }

    /// From now on uses these.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn replace(&self, secrets: &Secrets) {
        *self.keys.write().expect("nothing panics while it holds the keys") = keys(secrets);
    }

    /// The cursor with this payload; `list` names the list and its order, such as `products?sort=price`.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn encode(&self, list: &str, payload: &[u8]) -> String {
        let keys = self.keys.read().expect("nothing panics while it holds the keys");
        let mut bytes = Vec::with_capacity(1 + payload.len() + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&check(&keys[0], list, payload));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload of a cursor of the same `list`.
    ///
    /// # Errors
    ///
    /// `malformed_request` for everything that [`Cursors::encode`] did not make for this list.
    pub fn decode(&self, list: &str, cursor: &str) -> Result<Vec<u8>, Problem> {
        self.open(list, cursor).ok_or_else(Self::foreign)
    }

    /// The refusal of a cursor that leads nowhere.
    pub fn foreign() -> Problem {
        Problem::new(Code::MalformedRequest, "The query parameter `cursor` is not one of this list.")
    }

    fn open(&self, list: &str, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() > CURSOR_CHARACTERS_MAX {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (body, check) = bytes.split_last_chunk::<CHECK_BYTES>()?;
        let (&version, payload) = body.split_first()?;
        let keys = self.keys.read().expect("nothing panics while it holds the keys");
        let is_made_with = |key: &Key| self::check(key, list, payload) == *check;
        if version != VERSION || !keys.iter().any(is_made_with) {
            return None;
        }
        bytes.truncate(bytes.len() - CHECK_BYTES);
        bytes.remove(0);
        Some(bytes)
    }
}

fn key(secret: &[u8]) -> Key {
    blake3::derive_key("holdfast 2026 list cursors v1", secret)
}

fn keys(secrets: &Secrets) -> Vec<Key> {
    secrets.all().map(|secret| key(secret.expose_secret().as_bytes())).collect()
}

fn check(key: &Key, list: &str, payload: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&[VERSION]);
    // The length first: else `ab` + `c` and `a` + `bc` would be the same.
    hasher.update(&list.len().to_le_bytes());
    hasher.update(list.as_bytes());
    hasher.update(payload);
    let mut check = [0; CHECK_BYTES];
    hasher.finalize_xof().fill(&mut check);
    check
}
