//! The listing cache: pages of products and the tree of categories, as text whose stock figures are filled in anew
//! each time.
//!
//! ```text
//! request ── key ──▶ near (moka) ──▶ shelf (Redis, if any) ──▶ load (the index)
//! ```
//!
//! Nothing in here is ever invalidated. A key carries the *generation* of the lists, which rises before any write that
//! changes a list is answered: see [`holdfast_actors::catalogue::Generation`]. Whoever asks reads the generation first,
//! so a page that was put here by a slow reader, or kept by a Redis that hung, has a key that nobody asks for any more.
//! Redis outlives the process and generations do not; so keys carry a random name of this process's life as well.
//!
//! `near` lets equal requests load once; where there is no Redis it is the whole cache. Knows no HTTP; what the text
//! means is its callers' business.

mod key;
mod text;

mod sealed;
mod shelf;

mod figures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_actors::Failure;
use metrics::{counter, histogram};
use moka::future::{Cache, CacheBuilder};
use moka::policy::EvictionPolicy;

use self::figures::{LOAD_SECONDS, LOADS, REQUESTS};
use self::shelf::Shelf;

pub use self::key::Key;
pub use self::shelf::Place;
pub use self::text::{Hole, Text, with_holes};

/// What nobody asked for in so long is of an old generation, or not worth its memory.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// In front of Redis, texts only stay as long as a crowd does.
const NEAR_LIFE: Duration = Duration::from_secs(2);
const NEAR_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where an answer's text came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Out of the cache, or from somebody who was just loading the same.
    Hit,
    /// It was loaded, and is in the cache now.
    Miss,
    /// The cache is off, or Redis could not be asked.
    Bypass,
}

/// The cache of the process; clones are the same.
#[derive(Clone)]
pub struct ListingCache {
    near: Cache<Key, Arc<Text>>,
    shelf: Option<Shelf>,
}

impl ListingCache {
    /// In this process alone, with so much memory.
    #[must_use]
    pub fn in_process(bytes_max: u64) -> Self {
        figures::describe();
        Self { near: near(bytes_max).time_to_idle(IDLE_MAX).build(), shelf: None }
    }

    /// In Redis.
    #[must_use]
    pub fn in_redis(place: Place) -> Self {
        figures::describe();
        Self { near: near(NEAR_BYTES_MAX).time_to_live(NEAR_LIFE).build(), shelf: Some(Shelf::new(place)) }
    }

    /// The text of a key, and where it came from; `load` makes it where nobody has it. Of equal requests at once one loads;
    /// when it gives up, the next one does.
    ///
    /// The generation in the key must have been read before `load` looks at anything.
    ///
    /// # Errors
    ///
    /// That of `load`, to all who waited for it. Never one of the cache's own.
    pub async fn get(
        &self,
        key: Key,
        load: impl Future<Output = Result<Text, Failure>>,
    ) -> Result<(Arc<Text>, Verdict), Failure> {
        let mut verdict = Verdict::Hit;
        let obtain = async {
            let (text, from) = self.obtain(&key, load).await?;
            verdict = from;
            Ok(text)
        };
        let entry = self.near.entry(key).or_try_insert_with(obtain).await;
        let text = entry.map_err(|failure: Arc<Failure>| Failure::clone(&failure))?.into_value();
        Ok((text, verdict))
    }

    async fn obtain(
        &self,
        key: &Key,
        load: impl Future<Output = Result<Text, Failure>>,
    ) -> Result<(Arc<Text>, Verdict), Failure> {
        let Some(shelf) = &self.shelf else {
            return Ok((Arc::new(timed(load).await?), Verdict::Miss));
        };
        match shelf.fetch(key).await {
            Ok(Some(text)) => Ok((Arc::new(text), Verdict::Hit)),
            Ok(None) => {
                let text = Arc::new(timed(load).await?);
                shelf.store(*key, Arc::clone(&text));
                Ok((text, Verdict::Miss))
            }
            Err(_down) => Ok((Arc::new(timed(load).await?), Verdict::Bypass)),
        }
    }
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// Counts an answer.
    pub fn count(self, list: &'static str) {
        counter!(REQUESTS, "list" => list, "result" => self.as_str()).increment(1);
    }
}

fn near(bytes_max: u64) -> CacheBuilder<Key, Arc<Text>, Cache<Key, Arc<Text>>> {
    Cache::builder()
        .weigher(|_: &Key, text: &Arc<Text>| text.weight())
        .max_capacity(bytes_max)
        // Not the default, which keeps what was popular: pages of old generations were, and nobody asks for them.
        .eviction_policy(EvictionPolicy::lru())
}

async fn timed(load: impl Future<Output = Result<Text, Failure>>) -> Result<Text, Failure> {
    let started = Instant::now();
    let loaded = load.await;
    counter!(LOADS).increment(1);
    histogram!(LOAD_SECONDS).record(started.elapsed());
    loaded
}

#[cfg(test)]
mod tests;
