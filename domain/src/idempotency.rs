//! Idempotency keys: one key, one outcome, for a day (INV-5).
//!
//! The shell keeps a [`KeyBook`] and asks it before it lets a request with a key change anything. The
//! outcome travels to disk in the record of its effect, so a book rebuilt from the journal is the same book.

use std::collections::{HashMap, VecDeque};

use crate::{Millis, Timestamp};

/// How long an outcome is kept for replay.
pub const KEY_KEPT: Millis = Millis::from_secs(24 * 60 * 60);

/// A digest of the caller and the key they sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(pub u128);

/// A digest of the request that came with the key: method, path and body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub u128);

/// What the book knows of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known<'a, O> {
    /// Nothing, or no longer: the request is the first.
    No,
    /// The request was answered: this was the outcome.
    Outcome(&'a O),
    /// The key came with another request before.
    Reused,
}

/// The outcomes of one slice of the keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyBook<O> {
    entries: HashMap<Key, Entry<O>>,
    /// Oldest first, so that forgetting looks only at what is due.
    by_age: VecDeque<(Timestamp, Key)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry<O> {
    fingerprint: Fingerprint,
    outcome: O,
    at: Timestamp,
}

impl<O> Default for KeyBook<O> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_age: VecDeque::new() }
    }
}

impl<O> KeyBook<O> {
    /// What is known of `key` at `now`; an outcome older than [`KEY_KEPT`] is not known any more.
    pub fn look_up(&self, key: Key, fingerprint: Fingerprint, now: Timestamp) -> Known<'_, O> {
        match self.entries.get(&key) {
            Some(entry) if now.since(entry.at) >= KEY_KEPT => Known::No,
            Some(entry) if entry.fingerprint == fingerprint => Known::Outcome(&entry.outcome),
            Some(_) => Known::Reused,
            None => Known::No,
        }
    }

    /// Keeps the outcome of `key`.
    ///
    /// # Panics
    ///
    /// On a second outcome while the first is still kept (INV-5).
    pub fn keep(&mut self, key: Key, fingerprint: Fingerprint, outcome: O, at: Timestamp) {
        let before = self.entries.insert(key, Entry { fingerprint, outcome, at });
        assert!(
            before.is_none_or(|entry| at.since(entry.at) >= KEY_KEPT),
            "INV-5: one idempotency key, one outcome"
        );
        self.by_age.push_back((at, key));
    }

    /// Puts back the outcome of `key`, as a checkpoint or the journal keeps it, in any order: of two the later stands. After
    /// the last one, see [`KeyBook::restored`].
    ///
    /// # Panics
    ///
    /// On two outcomes within [`KEY_KEPT`] of each other (INV-5).
    pub fn restore(&mut self, key: Key, fingerprint: Fingerprint, outcome: O, at: Timestamp) {
        if let Some(present) = self.entries.get(&key) {
            let apart = at.since(present.at).max(present.at.since(at));
            assert!(apart >= KEY_KEPT, "INV-5: one idempotency key, one outcome");
            if at < present.at {
                return;
            }
        }
        self.entries.insert(key, Entry { fingerprint, outcome, at });
        self.by_age.push_back((at, key));
    }

    /// All outcomes are back: forgets those that are too old at `now`, and orders the rest by age.
    pub fn restored(&mut self, now: Timestamp) {
        self.entries.retain(|_, entry| now.since(entry.at) < KEY_KEPT);
        let mut by_age: Vec<_> = self.entries.iter().map(|(key, entry)| (entry.at, *key)).collect();
        by_age.sort_unstable();
        self.by_age = by_age.into();
    }

    /// All outcomes that are kept, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, Fingerprint, &O, Timestamp)> {
        self.entries.iter().map(|(key, entry)| (*key, entry.fingerprint, &entry.outcome, entry.at))
    }

    /// What is kept of one key, however old.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<(Fingerprint, &O, Timestamp)> {
        self.entries.get(&key).map(|entry| (entry.fingerprint, &entry.outcome, entry.at))
    }

    /// Forgets what is older than [`KEY_KEPT`]; returns how many outcomes went, at most `count_max`.
    pub fn forget(&mut self, now: Timestamp, count_max: usize) -> usize {
        let mut count = 0;
        while let Some((at, key)) = self.by_age.front().copied()
            && now.since(at) >= KEY_KEPT
            && count < count_max
        {
            self.by_age.pop_front();
            // A key kept again after its day has a younger entry of its own.
            if self.entries.get(&key).is_some_and(|entry| entry.at == at) {
                self.entries.remove(&key);
            }
            count += 1;
        }
        count
    }

    /// How many outcomes are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no outcome is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000);

    fn book() -> KeyBook<&'static str> {
        let mut book = KeyBook::default();
        book.keep(Key(1), Fingerprint(7), "sold", START);
        book
    }

    #[test]
    fn first_outcome_answers_every_retry() {
        assert_eq!(book().look_up(Key(1), Fingerprint(7), START), Known::Outcome(&"sold"));
        assert_eq!(book().look_up(Key(2), Fingerprint(7), START), Known::No);
    }

    #[test]
    fn key_with_another_request_is_reused() {
        assert_eq!(book().look_up(Key(1), Fingerprint(8), START), Known::Reused);
    }

    #[test]
    fn outcome_is_kept_for_exactly_a_day() {
        let end = START.after(KEY_KEPT);
        let last = Timestamp(end.0 - 1);
        let mut book = book();
        assert_eq!(book.forget(last, 10), 0);
        assert_eq!(book.look_up(Key(1), Fingerprint(7), last), Known::Outcome(&"sold"));
        assert_eq!(book.look_up(Key(1), Fingerprint(7), end), Known::No);
        book.keep(Key(1), Fingerprint(8), "again", end);
        assert_eq!(book.forget(end, 10), 1);
        assert_eq!(book.look_up(Key(1), Fingerprint(8), end), Known::Outcome(&"again"));
    }

    #[test]
    fn order_of_restoring_does_not_matter() {
        let day = |number: u64| Timestamp(START.0 + number * KEY_KEPT.0);
        let outcomes = [(day(0), "first"), (day(1), "second"), (day(2), "third")];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut book = KeyBook::default();
            for (at, outcome) in order.map(|place| outcomes[place]) {
                book.restore(Key(1), Fingerprint(7), outcome, at);
            }
            book.restored(day(2));
            assert_eq!(book.look_up(Key(1), Fingerprint(7), day(2)), Known::Outcome(&"third"));
            assert_eq!((book.len(), book.forget(day(3), 10)), (1, 1));
        }
    }

    #[test]
    #[should_panic(expected = "INV-5")]
    fn second_outcome_of_a_key_is_a_bug_in_any_order() {
        book().restore(Key(1), Fingerprint(7), "sold twice", Timestamp(START.0 - 1));
    }

    #[test]
    #[should_panic(expected = "INV-5")]
    fn second_outcome_of_a_key_is_a_bug() {
        book().keep(Key(1), Fingerprint(7), "sold twice", START);
    }
}
