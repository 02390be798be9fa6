//! The cache's part that is in Redis: asked for a moment, told without waiting, believed only when the seal holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use redis::Value;
use tokio::sync::Semaphore;

use super::key::Key;
use super::sealed::Seal;
use super::text::Text;
use crate::redis::{Down, Link};

/// After so long Redis forgets a text that nobody asks for any more.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Texts that may be on their way to Redis; more are dropped, and loaded again by the next who asks.
const STORES_MAX: usize = 32;

/// How many random bytes name a life of the process.
const LIFE_NAME_BYTES: usize = 16;

/// Where texts are put, and what this life of the process calls them.
pub struct Place {
    link: Link,
    life: String,
    seal: Seal,
}

/// Texts in Redis; clones are the same.
#[derive(Clone)]
pub(super) struct Shelf {
    place: Arc<Place>,
    stores: Arc<Semaphore>,
    /// The longest that anybody waited for Redis, in microseconds.
    wait_max: Arc<AtomicU64>,
}

impl Place {
    /// A place behind this link, for this life of the process.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn draw(link: Link) -> Result<Self, getrandom::Error> {
        let (mut life, mut secret) = ([0; LIFE_NAME_BYTES], [0; blake3::KEY_LEN]);
        getrandom::fill(&mut life)?;
        getrandom::fill(&mut secret)?;
        Ok(Self { link, life: format!("{:032x}", u128::from_be_bytes(life)), seal: Seal::new(secret) })
    }
}

impl Shelf {
    pub(super) fn new(place: Place) -> Self {
        let stores = Arc::new(Semaphore::new(STORES_MAX));
        Self { place: Arc::new(place), stores, wait_max: Arc::default() }
    }

    /// The text of a key, if Redis has it.
    pub(super) async fn fetch(&self, key: &Key) -> Result<Option<Text>, Down> {
        let name = key.name(&self.place.life);
        let started = Instant::now();
        // Any value: one that is no string is not what we put there, and no reason to call Redis down.
        let answered = self.place.link.run::<Value>(redis::cmd("GET").arg(&name)).await;
        self.note_wait(started.elapsed());
        let value = match answered? {
            Value::BulkString(value) => value,
            _ => return Ok(None),
        };
        match self.place.seal.open(&name, &value) {
            Ok(text) => Ok(Some(text)),
            Err(unreadable) => {
                counter!("holdfast_listing_cache_refused_values_total", "reason" => unreadable.as_str())
                    .increment(1);
                Ok(None)
            }
        }
    }

    /// Puts a text there, after a while or not at all.
    pub(super) fn store(&self, key: Key, text: Arc<Text>) {
        let Ok(permit) = Arc::clone(&self.stores).try_acquire_owned() else { return dropped("busy") };
        let place = Arc::clone(&self.place);
        tokio::spawn(async move {
            let _permit = permit;
            let name = key.name(&place.life);
            let (sealing, sealed_name) = (Arc::clone(&place), name.clone());
            // Off the threads that answer: a large text takes milliseconds.
            let sealed = tokio::task::spawn_blocking(move || sealing.seal.seal(&sealed_name, &text)).await;
            let Ok(Some(value)) = sealed else { return dropped("large") };
            let mut set = redis::cmd("SET");
            set.arg(&name).arg(value).arg("EX").arg(LIFE.as_secs());
            if place.link.run::<Value>(&set).await.is_err() {
                dropped("down");
            }
        });
    }

    fn note_wait(&self, waited: Duration) {
        histogram!("holdfast_listing_cache_redis_wait_seconds").record(waited);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let longest = self.wait_max.fetch_max(micros, Ordering::Relaxed).max(micros);
        gauge!("holdfast_listing_cache_redis_wait_seconds_max")
            .set(Duration::from_micros(longest).as_secs_f64());
    }
}

fn dropped(reason: &'static str) {
    counter!("holdfast_listing_cache_dropped_stores_total", "reason" => reason).increment(1);
}
