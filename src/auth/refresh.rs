//! Refresh tokens: random, or, for a request with an idempotency key, derived, so that a retry gets the same one.
//!
//! Nothing of a token is ever stored but its hash. The derived one depends on the server's secret, the token that is
//! spent and the key: a retry, also after a crash, makes the same again, and nobody else can.

use std::sync::RwLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::domain::account::session::{FamilyId, TokenHash};
use secrecy::{ExposeSecret as _, SecretString};

use super::secret::Secrets;

/// What every token starts with, so that one in the wrong place is recognised.
const PREFIX: &str = "hfr_";

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A refresh token. Neither printed nor kept.
pub struct RefreshToken {
    family: FamilyId,
    secret: [u8; SECRET_BYTES],
}

/// Makes refresh tokens.
pub struct RefreshTokens {
    /// The first makes tokens; retries of requests from before a rotation are recognised by the others.
    keys: RwLock<Vec<[u8; blake3::KEY_LEN]>>,
}

impl RefreshToken {
    /// A new one of 256 random bits.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes.
    pub fn make(family: FamilyId) -> Self {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).expect("the kernel gives random bytes");
        Self { family, secret }
    }

    /// Reads a token; none where it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (family, secret) = bytes.split_first_chunk::<FAMILY_BYTES>()?;
        Some(Self { family: FamilyId(u128::from_be_bytes(*family)), secret: secret.try_into().ok()? })
    }

    /// The token as its owner keeps it.
    pub fn to_text(&self) -> SecretString {
        let bytes = [&self.family.0.to_be_bytes()[..], &self.secret].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
    }

    /// Its session.
    pub fn family(&self) -> FamilyId {
        self.family
    }

    /// What is kept of it. A fast hash: 256 random bits are not guessed, however fast one can try.
    pub fn hash(&self) -> TokenHash {
        TokenHash(blake3::derive_key("holdfast 2026 refresh token hash v1", &self.secret))
    }
}

impl RefreshTokens {
    /// Derives tokens from the server's secrets.
    pub fn new(secrets: &Secrets) -> Self {
        Self { keys: RwLock::new(keys(secrets)) }
    }

    /// From now on uses these.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn replace(&self, secrets: &Secrets) {
        *self.keys.write().expect("nothing panics while it holds this") = keys(secrets);
    }

    /// What `spent` is exchanged for under an idempotency key: the first of these; or one of the others, where the
    /// server's secret changed since the request was first answered.
    ///
    /// # Panics
    ///
    /// Never: nothing panics while it holds the lock.
    pub fn derived(&self, spent: &RefreshToken, key: &str) -> Vec<RefreshToken> {
        let keys = self.keys.read().expect("nothing panics while it holds this");
        let derive = |secret: &[u8; blake3::KEY_LEN]| {
            let mut hasher = blake3::Hasher::new_keyed(secret);
            // Of fixed length, so that the key cannot pretend to be a part of it.
            hasher.update(&spent.family.0.to_be_bytes()).update(&spent.secret).update(key.as_bytes());
            RefreshToken { family: spent.family, secret: *hasher.finalize().as_bytes() }
        };
        keys.iter().map(derive).collect()
    }
}

fn keys(secrets: &Secrets) -> Vec<[u8; blake3::KEY_LEN]> {
    let derive = |secret: &SecretString| {
        blake3::derive_key(
            "holdfast 2026 refresh tokens of retried requests v1",
            secret.expose_secret().as_bytes(),
        )
    };
    secrets.all().map(derive).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(letters: &str) -> Secrets {
        let mut all = letters.chars().map(|letter| SecretString::from(letter.to_string().repeat(40)));
        Secrets { current: all.next().unwrap(), previous: all.collect() }
    }

    #[test]
    fn token_is_read_back() {
        let token = RefreshToken::make(FamilyId(7));
        let text = token.to_text();
        let again = RefreshToken::parse(text.expose_secret()).unwrap();
        assert_eq!((again.family(), again.hash()), (token.family(), token.hash()));
        assert_ne!(RefreshToken::make(FamilyId(7)).hash(), token.hash());
        for text in ["", "hfr_", "hfr_AAAA", &text.expose_secret()[4..], "hfr_!!!!"] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn retry_derives_the_same_token_also_after_a_rotation() {
        let spent = RefreshToken::make(FamilyId(7));
        let hashes = |letters: &str, key: &str| -> Vec<TokenHash> {
            RefreshTokens::new(&secrets(letters))
                .derived(&spent, key)
                .iter()
                .map(RefreshToken::hash)
                .collect()
        };
        let first = hashes("a", "k");
        assert_eq!(hashes("a", "k"), first);
        assert_eq!(hashes("ba", "k")[1], first[0]);
        assert_ne!(hashes("a", "l"), first, "another key");
        assert_ne!(hashes("b", "k"), first, "another server");
    }
}
