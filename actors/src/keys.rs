//! Idempotency keys in flight and answered: the second request of a key waits for the first.
//!
//! A [`KeyGuard`] travels inside the message to the actor. The turn settles it beside the record that makes
//! the outcome durable; a message that is dropped unread gives the key back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use holdfast_domain::Timestamp;
use holdfast_domain::idempotency::{Key, KeyBook, Known};
use holdfast_persistence::Ticket;
use tokio::sync::oneshot;

use crate::context::RequestKey;
use crate::outcome::Answered;
use crate::{Position, record};

/// Slices of the key space, each behind its own lock, which is held for a look-up and no longer.
const SLICES: usize = 64;

/// Outcomes that one settled key clears away at the most, when they are a day old.
const FORGET_COUNT_MAX: usize = 4;

/// An answer kept for retries.
#[derive(Clone, PartialEq, Debug)]
pub struct Kept {
    /// The answer.
    pub answered: Answered,
    /// The place of its record.
    pub position: Position,
    /// Durable once this is.
    pub ticket: Ticket,
}

/// What a request with a key may do.
#[derive(Debug)]
pub enum Claim {
    /// Go on: it is the first.
    First(KeyGuard),
    /// Answer this.
    Kept(Arc<Kept>),
    /// Wait until the first is through, then claim again.
    Running(oneshot::Receiver<()>),
    /// Refuse: the key stands for another request.
    Reused,
}

/// All keys of the process.
#[derive(Debug)]
pub struct Keys {
    slices: Box<[Mutex<Slice>]>,
}

#[derive(Debug, Default)]
struct Slice {
    book: KeyBook<Arc<Kept>>,
    running: HashMap<Key, Running>,
}

#[derive(Debug)]
struct Running {
    request: RequestKey,
    waiters: Vec<oneshot::Sender<()>>,
}

/// The right to answer a key. Dropped unsettled, it lets the next request try.
#[derive(Debug)]
pub struct KeyGuard {
    keys: Arc<Keys>,
    request: RequestKey,
    claimed_at: Timestamp,
}

impl Default for Keys {
    fn default() -> Self {
        Self { slices: (0..SLICES).map(|_| Mutex::default()).collect() }
    }
}

impl Keys {
    /// Asks what the request may do.
    pub fn claim(self: &Arc<Self>, request: RequestKey, now: Timestamp) -> Claim {
        let mut slice = self.slice(request.key);
        match slice.book.look_up(request.key, request.fingerprint, now) {
            Known::Outcome(kept) => return Claim::Kept(Arc::clone(kept)),
            Known::Reused => return Claim::Reused,
            Known::No => {}
        }
        if let Some(running) = slice.running.get_mut(&request.key) {
            if running.request.fingerprint != request.fingerprint {
                return Claim::Reused;
            }
            let (sender, receiver) = oneshot::channel();
            running.waiters.push(sender);
            return Claim::Running(receiver);
        }
        slice.running.insert(request.key, Running { request, waiters: Vec::new() });
        Claim::First(KeyGuard { keys: Arc::clone(self), request, claimed_at: now })
    }

    /// Takes an outcome from the journal, during recovery; see `restore_kept`.
    pub fn restore(&self, keyed: record::KeyedOutcome, position: Position, at: Timestamp) {
        self.restore_kept(keyed.key, keyed.answered, position, at);
    }

    /// Takes an outcome from the journal or from a checkpoint, during recovery, in any order. After the last one, see
    /// [`Keys::restored`].
    pub(crate) fn restore_kept(
        &self,
        request: RequestKey,
        answered: Answered,
        position: Position,
        at: Timestamp,
    ) {
        let kept = Kept { answered, position, ticket: Ticket::ZERO };
        let mut slice = self.slice(request.key);
        slice.book.forget(at, FORGET_COUNT_MAX);
        slice.book.restore(request.key, request.fingerprint, Arc::new(kept), at);
    }

    /// All outcomes are back: forgets those that are too old at `now`, and orders the rest by age.
    pub(crate) fn restored(&self, now: Timestamp) {
        self.slices.iter().for_each(|slice| lock(slice).book.restored(now));
    }

    /// Lends every outcome that is kept, in no order. Each slice is locked while it is walked: not for the hot path.
    pub(crate) fn each(&self, mut take: impl FnMut(RequestKey, &Kept, Timestamp)) {
        for slice in &self.slices {
            for (key, fingerprint, kept, at) in lock(slice).book.iter() {
                take(RequestKey { key, fingerprint }, kept, at);
            }
        }
    }

    /// What is kept of one key.
    pub(crate) fn get(&self, key: Key) -> Option<(RequestKey, Arc<Kept>, Timestamp)> {
        let slice = self.slice(key);
        let (fingerprint, kept, at) = slice.book.get(key)?;
        Some((RequestKey { key, fingerprint }, Arc::clone(kept), at))
    }

    /// How many outcomes are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.slices.iter().map(|slice| lock(slice).book.len()).sum()
    }

    fn slice(&self, key: Key) -> MutexGuard<'_, Slice> {
        // Keys are digests: their low bits are as good as a hash.
        let index = usize::from(key.0.to_le_bytes()[0]) % SLICES;
        lock(&self.slices[index])
    }
}

impl KeyGuard {
    /// The key and its request.
    #[must_use]
    pub const fn request(&self) -> RequestKey {
        self.request
    }

    /// When the key was found free. Its outcome must not be older: an earlier one of the same key may have been
    /// kept until a moment before.
    #[must_use]
    pub const fn claimed_at(&self) -> Timestamp {
        self.claimed_at
    }

    /// Keeps the answer for retries and lets those who wait have it.
    pub fn settle(self, kept: Kept, at: Timestamp) {
        let mut slice = self.keys.slice(self.request.key);
        slice.book.forget(at, FORGET_COUNT_MAX);
        slice.book.keep(self.request.key, self.request.fingerprint, Arc::new(kept), at);
        // Dropping the guard wakes the waiters, who then find the outcome.
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        let running = self.keys.slice(self.request.key).running.remove(&self.request.key);
        for waiter in running.into_iter().flat_map(|running| running.waiters) {
            // A waiter that hung up needs no wake.
            let _gone = waiter.send(());
        }
    }
}

fn lock(slice: &Mutex<Slice>) -> MutexGuard<'_, Slice> {
    slice.lock().expect("a panic aborts the process, so no lock is ever poisoned")
}
