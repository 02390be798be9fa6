//! The cache's part that is in Redis: asked for a moment, told without waiting, believed only when the seal holds.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};
use metrics::counter;
use tokio::sync::Semaphore;

use super::figures::{STORES_DROPPED, VALUES_REFUSED};
use super::key::Key;
use super::sealed::{Seal, Unreadable};
use super::text::Text;
use crate::redis::{Down, Link};

/// After so long Redis forgets a text that nobody asks for any more.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Texts that may be on their way to Redis; more are dropped, and loaded again by the next who asks.
const STORES_MAX: usize = 32;

/// Larger values are opened off the threads that answer.
const OPENED_HERE_BYTES_MAX: usize = 128 * 1024;

/// How many random bytes name a life of the process.
const LIFE_NAME_BYTES: usize = 16;

/// Where texts are put, and what this life of the process calls them. Clones are the same place.
#[derive(Clone)]
pub struct Place {
    link: Link,
    life: Arc<str>,
    seal: Arc<Seal>,
}

/// Texts in Redis; clones are the same.
#[derive(Clone)]
pub(super) struct Shelf {
    place: Place,
    stores: Arc<Semaphore>,
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
        Ok(Self {
            link,
            life: format!("{:032x}", u128::from_be_bytes(life)).into(),
            seal: Arc::new(Seal::new(secret)),
        })
    }
}

impl Shelf {
    pub(super) fn new(place: Place) -> Self {
        let stores = Arc::new(Semaphore::new(STORES_MAX));
        Self { place, stores }
    }

    /// The text of a key, if Redis has it.
    pub(super) async fn fetch(&self, key: &Key) -> Result<Option<Text>, Down> {
        let name = key.name(&self.place.life);
        // Any value: one that is no string is not what we put there, and no reason to call Redis down.
        let Value::BulkString(value) = self.place.link.run(cmd("GET").arg(&name)).await? else {
            return Ok(None);
        };
        let opened = if value.len() <= OPENED_HERE_BYTES_MAX {
            self.place.seal.open(&name, &value)
        } else {
            let seal = Arc::clone(&self.place.seal);
            let opened = tokio::task::spawn_blocking(move || seal.open(&name, &value)).await;
            // Only when the process ends.
            opened.unwrap_or(Err(Unreadable::Short))
        };
        if let Err(unreadable) = opened {
            counter!(VALUES_REFUSED, "reason" => unreadable.as_str()).increment(1);
        }
        Ok(opened.ok())
    }

    /// Puts a text there, after a while or not at all.
    pub(super) fn store(&self, key: Key, text: Arc<Text>) {
        let Ok(permit) = Arc::clone(&self.stores).try_acquire_owned() else { return dropped("busy") };
        let place = self.place.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let name = key.name(&place.life);
            let (seal, sealed_name) = (Arc::clone(&place.seal), name.clone());
            // Off the threads that answer: a large text takes milliseconds.
            let sealed = tokio::task::spawn_blocking(move || seal.seal(&sealed_name, &text)).await;
            let Ok(Some(value)) = sealed else { return dropped("large") };
            let mut set = cmd("SET");
            set.arg(&name).arg(value).arg("EX").arg(LIFE.as_secs());
            if place.link.run::<Value>(&set).await.is_err() {
                dropped("down");
            }
        });
    }
}

fn dropped(reason: &'static str) {
    counter!(STORES_DROPPED, "reason" => reason).increment(1);
}
