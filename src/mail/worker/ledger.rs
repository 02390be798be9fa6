//! The names of what a worker sent lately, and which of them the queue was not told of.

use std::collections::{HashSet, VecDeque};

/// Names kept. A queue that loses its memory loses what it was told in its last second or so (an append-only
/// file) or all of it; what was noted in the journal before is not put in again. A name has some fifty bytes.
pub(super) const NAMES_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The oldest first.
    order: VecDeque<String>,
    names: HashSet<String>,
    untold: HashSet<String>,
}

impl Ledger {
    /// Notes a name of which the queue is to be told, and forgets the oldest where there are too many.
    ///
    /// The oldest was told long ago: no more than there are hands are ever untold.
    pub(super) fn note(&mut self, name: String) {
        if !self.names.insert(name.clone()) {
            return;
        }
        self.untold.insert(name.clone());
        self.order.push_back(name);
        if self.order.len() > NAMES_MAX {
            let oldest = self.order.pop_front().expect("it has more than none");
            self.names.remove(&oldest);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Notes that the queue knows these.
    pub(super) fn told(&mut self, names: &[String]) {
        for name in names {
            self.untold.remove(name);
        }
    }

    pub(super) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// All of them, the oldest first.
    pub(super) fn names(&self) -> Vec<String> {
        self.order.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_told_is_remembered_as_such() {
        let mut ledger = Ledger::default();
        ledger.note("a".to_owned());
        ledger.note("b".to_owned());
        ledger.told(&["a".to_owned()]);
        assert!(ledger.has_untold());
        ledger.told(&["b".to_owned(), "never noted".to_owned()]);
        assert!(!ledger.has_untold());
        ledger.note("b".to_owned());
        assert!(!ledger.has_untold() && ledger.has("b"));
    }

    #[test]
    fn ledger_forgets_the_oldest_only() {
        let mut ledger = Ledger::default();
        for number in 0..NAMES_MAX {
            ledger.note(number.to_string());
        }
        ledger.note("7".to_owned());
        assert!(ledger.has("0") && ledger.has("7"));
        ledger.note("new".to_owned());
        assert!(!ledger.has("0") && ledger.has("1") && ledger.has("new"));
        let names = ledger.names();
        assert_eq!(names.len(), NAMES_MAX);
        assert_eq!((names[0].as_str(), names[NAMES_MAX - 1].as_str()), ("1", "new"));
    }
}
