//! Findings: the invariants the auditor checks, by name, and what it found against them.
//!
//! The numbers INV-… are those of the design, section 2. Filled by `auditor` and the scenarios, printed by `report`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A broken server breaks the same rule thousands of times; so many examples tell enough.
const EXAMPLES_MAX: usize = 5;

/// What must hold of every run, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    AnswerIsExpected,
    NeverOversold,
    OrderIdIsUnique,
    UnitIsSoldOnce,
    AvailableNeverRises,
    RefusalIsJustified,
    BooksBalance,
    CommittedIsWhatWasSold,
    AvailableIsTheRest,
    NothingIsHeld,
    MovementsAddUp,
    AcknowledgedIsBooked,
    OrderIsBookedOnce,
    NothingElseIsBooked,
    BookedStaysBooked,
    OneKeyOneOutcome,
    ReplayIsMarked,
    CartIsAsAsked,
    OrderIsAsAsked,
    DeadlineIsKept,
    AcknowledgedOrderIsThere,
    OrderIsMadeOnce,
    OrderIsAsAcknowledged,
    ReservationIsAsAcknowledged,
    NothingElseIsOrdered,
    OrderHasItsUnits,
    HoldsEnd,
    CommittedIsWhatOrdersSay,
    CommittedIsWhatBuyersWereTold,
    OnHandIsTheRest,
    MovementsReplay,
    OneWinsTheLastUnit,
    EveryUnitIsBack,
}

impl Invariant {
    /// The name under which a violation is reported.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AnswerIsExpected => "every answer is a sale, a justified refusal, or 429/503",
            Self::NeverOversold => "never oversold: units sold are at most the stock",
            Self::OrderIdIsUnique => "an order id is given once",
            Self::UnitIsSoldOnce => "a unit is sold once: no two sales leave the same units",
            Self::AvailableNeverRises => "available never rises, and no unit is left behind",
            Self::RefusalIsJustified => "a refusal names insufficient_stock and fewer units than requested",
            Self::BooksBalance => "INV-1: on_hand = available + reserved + committed, all >= 0",
            Self::CommittedIsWhatWasSold => "INV-2: committed is what was sold",
            Self::AvailableIsTheRest => "available is the stock less what was sold",
            Self::NothingIsHeld => "a purchase leaves nothing reserved",
            Self::MovementsAddUp => "INV-4: the committed movements add up to what was sold",
            Self::AcknowledgedIsBooked => "INV-8: an acknowledged purchase is on the books",
            Self::OrderIsBookedOnce => "an order is booked once",
            Self::NothingElseIsBooked => "INV-10: nothing is booked that nobody bought",
            Self::BookedStaysBooked => "INV-7: what was on the books stays there",
            Self::OneKeyOneOutcome => "INV-5: one idempotency key, one outcome",
            Self::ReplayIsMarked => "a replayed answer says Idempotent-Replayed: true",
            Self::CartIsAsAsked => "a cart has the lines that were put into it",
            Self::OrderIsAsAsked => {
                "an order or reservation has the lines and the status that were asked for"
            }
            Self::DeadlineIsKept => "a hold lives until its deadline, and no moment longer",
            Self::AcknowledgedOrderIsThere => "INV-8: an acknowledged order or reservation is there",
            Self::OrderIsMadeOnce => "one request makes one order",
            Self::OrderIsAsAcknowledged => "an order is as its buyer was told, or further by a legal step",
            Self::ReservationIsAsAcknowledged => "a reservation is as its buyer was told, or lapsed since",
            Self::NothingElseIsOrdered => "INV-10: there is no order that nobody asked for",
            Self::OrderHasItsUnits => "INV-10: every line of a confirmed order has its units on the ledger",
            Self::HoldsEnd => "INV-6: nothing is held once every deadline has passed",
            Self::CommittedIsWhatOrdersSay => {
                "INV-2: committed is the units of confirmed, unfulfilled orders"
            }
            Self::CommittedIsWhatBuyersWereTold => {
                "INV-8: committed is what the buyers' own answers add up to"
            }
            Self::OnHandIsTheRest => "INV-4: on_hand is what came in less what was fulfilled",
            Self::MovementsReplay => "INV-7: the movements of a sku replay to its figures",
            Self::OneWinsTheLastUnit => "one of two buyers gets the last unit, the other is told why not",
            Self::EveryUnitIsBack => "every unit of a lapsed hold can be sold again",
        }
    }
}

/// Violations by invariant, each counted and with a few examples.
#[derive(Debug, Default, Clone)]
pub(crate) struct Findings {
    by_invariant: BTreeMap<Invariant, Broken>,
}

#[derive(Debug, Default, Clone)]
struct Broken {
    times: u64,
    examples: Vec<String>,
}

/// One broken invariant, for `--json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) times: u64,
    pub(crate) examples: Vec<String>,
}

impl Findings {
    pub(crate) fn add(&mut self, invariant: Invariant, example: impl fmt::Display) {
        let broken = self.by_invariant.entry(invariant).or_default();
        broken.times += 1;
        if broken.examples.len() < EXAMPLES_MAX {
            broken.examples.push(example.to_string());
        }
    }

    /// Adds `example` unless `is_true`.
    pub(crate) fn check(&mut self, invariant: Invariant, is_true: bool, example: fmt::Arguments<'_>) {
        if !is_true {
            self.add(invariant, example);
        }
    }

    /// Takes over what somebody else found.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (invariant, broken) in other.by_invariant {
            let mine = self.by_invariant.entry(invariant).or_default();
            mine.times += broken.times;
            let room = EXAMPLES_MAX - mine.examples.len();
            mine.examples.extend(broken.examples.into_iter().take(room));
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.by_invariant.is_empty()
    }

    /// The broken invariants, in the order of [`Invariant`].
    #[cfg(test)]
    pub(crate) fn broken(&self) -> Vec<Invariant> {
        self.by_invariant.keys().copied().collect()
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.by_invariant
            .iter()
            .map(|(invariant, broken)| Violation {
                invariant: invariant.name(),
                times: broken.times,
                examples: broken.examples.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_few_and_the_count_is_whole() {
        let mut findings = Findings::default();
        assert!(findings.is_clean());
        for n in 0..10 {
            findings.add(Invariant::NeverOversold, n);
        }
        findings.check(Invariant::NeverOversold, false, format_args!("late"));
        findings.check(Invariant::BooksBalance, true, format_args!("fine"));
        let violations = findings.violations();
        assert_eq!(violations.len(), 1);
        assert_eq!((violations[0].times, violations[0].examples.len()), (11, EXAMPLES_MAX));
        assert!(violations[0].invariant.contains("oversold"));
    }

    #[test]
    fn what_others_found_is_counted_in_full() {
        let (mut mine, mut theirs) = (Findings::default(), Findings::default());
        mine.add(Invariant::NeverOversold, 1);
        for n in 0..7 {
            theirs.add(Invariant::NeverOversold, n);
        }
        theirs.add(Invariant::HoldsEnd, "late");
        mine.absorb(theirs);
        let violations = mine.violations();
        assert_eq!((violations[0].times, violations[0].examples.len()), (8, EXAMPLES_MAX));
        assert_eq!(mine.broken(), [Invariant::NeverOversold, Invariant::HoldsEnd]);
    }
}
