//! Passwords: Argon2id, on threads of its own, a few at a time.
//!
//! One hash takes some 30 ms and 19 MB. Unbounded, a burst of logins would take the machine from the shop,
//! so only a few run at once, a few more wait, and the rest is refused. Never called on an arbiter's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web;
use argon2::Argon2;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The fewest characters of a password, counted as Unicode does.
pub const CHARACTERS_MIN: usize = 8;

/// The most characters of a password.
pub const CHARACTERS_MAX: usize = 128;

/// How many may wait for a free hasher.
pub const WAITING_MAX: usize = 64;

/// The hash of nobody's password: verified for unknown users, so that they take as long as known ones.
/// It costs what ours cost, and salt and digest are made up: no password is known to match.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why there is no answer about a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many are waiting.
    #[error("all password hashers are busy")]
    Busy,
    /// A stored hash is not one, or Argon2 failed.
    #[error("hash a password: {0}")]
    Hash(password_hash::Error),
    /// The thread pool is gone: the server is going down.
    #[error("the blocking thread pool is gone")]
    Stopped,
}

/// Hashes and verifies passwords.
pub struct Passwords {
    hashers: Arc<Semaphore>,
    waiting: AtomicUsize,
    worked: AtomicUsize,
}

impl Passwords {
    /// Runs at most `hashers_max` at once.
    pub fn new(hashers_max: usize) -> Self {
        Self {
            hashers: Arc::new(Semaphore::new(hashers_max.max(1))),
            waiting: AtomicUsize::new(0),
            worked: AtomicUsize::default(),
        }
    }

    /// The Argon2id hash of `password` as a PHC string.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many are waiting.
    pub async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let permit = self.admit().await?;
        let work = move || {
            let _permit = permit;
            hash_now(password.expose_secret().as_bytes())
        };
        web::block(work).await.map_err(|_| Error::Stopped)?
    }

    /// True when `password` is the one that was hashed. `None` stands for an unknown user: false, after as
    /// much work.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many are waiting; [`Error::Hash`] when `hash` is not one.
    pub async fn verify(&self, password: SecretString, hash: Option<Arc<str>>) -> Result<bool, Error> {
        let permit = self.admit().await?;
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.into());
        let work = move || {
            // Held by the work and not by the request: a client who hangs up frees no thread.
            let _permit = permit;
            match Argon2::default().verify_password(password.expose_secret().as_bytes(), &*hash) {
                Ok(()) => Ok(is_known),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Error::Hash(error)),
            }
        };
        web::block(work).await.map_err(|_| Error::Stopped)?
    }

    /// How many passwords were hashed or compared so far: what a request costs, and what its time tells.
    pub fn worked(&self) -> usize {
        self.worked.load(Ordering::Relaxed)
    }

    async fn admit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = match Arc::clone(&self.hashers).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = Place::take(&self.waiting).ok_or(Error::Busy)?;
                Arc::clone(&self.hashers).acquire_owned().await.map_err(|_| Error::Stopped)?
            }
        };
        self.worked.fetch_add(1, Ordering::Relaxed);
        Ok(permit)
    }
}

/// A place in the queue, given back however the waiting ends.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        // Counted first: two that come at once must not both see the last place. Dropping gives it back.
        (waiting.fetch_add(1, Ordering::AcqRel) < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn hash_now(password: &[u8]) -> Result<String, Error> {
    Ok(Argon2::default().hash_password(password).map_err(Error::Hash)?.to_string())
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn is_waiting(future: &mut std::pin::Pin<Box<impl Future>>) -> bool {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[actix_web::test]
    async fn right_password_passes_and_a_wrong_one_or_an_unknown_user_does_not() {
        let passwords = Passwords::new(2);
        let hash: Arc<str> = passwords.hash("correct horse".into()).await.unwrap().into();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let cost = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(cost(&hash), cost(NOBODY), "an unknown user takes as long as a known one");
        assert!(passwords.verify("correct horse".into(), Some(Arc::clone(&hash))).await.unwrap());
        assert!(!passwords.verify("correct house".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
    }

    #[actix_web::test]
    async fn hash_that_is_none_is_an_error() {
        let passwords = Passwords::new(1);
        let outcome = passwords.verify("correct horse".into(), Some("not a hash".into())).await;
        assert!(matches!(outcome, Err(Error::Hash(_))), "{outcome:?}");
    }

    #[actix_web::test]
    async fn full_queue_refuses_and_a_left_place_is_free_again() {
        let passwords = Passwords::new(1);
        let held = passwords.admit().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(passwords.admit())).collect();
        for place in &mut waiting {
            assert!(is_waiting(place));
        }
        assert!(matches!(passwords.admit().await, Err(Error::Busy)));
        waiting.pop();
        let mut next = Box::pin(passwords.admit());
        assert!(is_waiting(&mut next));
        drop(waiting);
        drop(held);
        drop(next.await.unwrap());
    }
}
