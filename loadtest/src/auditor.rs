//! Auditor: books kept from the answers alone, and their comparison with the server's.
//!
//! It believes nothing the server says about itself: an acknowledged sale is a fact, and everything else
//! must follow from the facts. Pure: no socket, no clock. Purchases are judged here, for `sale` and `crash`; orders and
//! holds in `auditor::orders`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::findings::{Findings, Invariant};
use crate::shop::{Figures, Movement, Problem, Receipt};

pub(crate) mod orders;

/// One answer to a purchase, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sold {
        order_id: String,
        available: u32,
    },
    Refused {
        available: u32,
    },
    /// 429 or 503: the server had no time; nothing happened.
    Shed,
    /// Anything else, with what is wrong about it. Whether it had an effect is unknown.
    Wrong {
        invariant: Invariant,
        detail: String,
    },
}

/// A moment in nanoseconds since the run began.
pub(crate) type Moment = u64;

/// When the effect of a request took place: somewhere in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// When it was first sent.
    pub(crate) sent: Moment,
    /// When it was answered.
    pub(crate) answered: Moment,
}

/// An acknowledged purchase.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) order_id: String,
    pub(crate) quantity: u32,
    /// What the answer said was left.
    pub(crate) available: u32,
    pub(crate) span: Span,
}

/// A purchase refused for want of stock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) available: u32,
    pub(crate) span: Span,
}

/// What buyers were told about one product.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) stock: u32,
    pub(crate) sales: Vec<Sale>,
    pub(crate) refusals: Vec<Refusal>,
    /// Quantities of the requests whose answer was lost and that nobody may ask again.
    pub(crate) unknown: Vec<u32>,
    /// Order ids that an earlier audit found on the server's books without an answer of ours.
    found: BTreeSet<String>,
}

/// Reads the answer to a purchase of `requested` units.
pub(crate) fn read_answer(requested: u32, status: u16, body: &[u8]) -> Outcome {
    let excerpt = || String::from_utf8_lossy(body).chars().take(200).collect::<String>();
    let wrong = |invariant, what: &str| Outcome::Wrong {
        invariant,
        detail: format!("{status} {what}: {}", excerpt()),
    };
    match status {
        201 => match serde_json::from_slice::<Receipt>(body) {
            Ok(receipt) if receipt.quantity != requested => {
                wrong(Invariant::AnswerIsExpected, "for another quantity")
            }
            Ok(receipt) => Outcome::Sold { order_id: receipt.order_id, available: receipt.available },
            Err(error) => wrong(Invariant::AnswerIsExpected, &error.to_string()),
        },
        409 => match serde_json::from_slice::<Problem>(body) {
            Ok(problem) if problem.code != "insufficient_stock" => {
                wrong(Invariant::RefusalIsJustified, "with another code")
            }
            Ok(problem) => match problem.lines.as_slice() {
                [line] if line.requested == requested && line.available < requested => {
                    Outcome::Refused { available: line.available }
                }
                _ => wrong(Invariant::RefusalIsJustified, "without one short line"),
            },
            Err(error) => wrong(Invariant::RefusalIsJustified, &error.to_string()),
        },
        429 | 503 => Outcome::Shed,
        _ => wrong(Invariant::AnswerIsExpected, "not foreseen"),
    }
}

impl Books {
    pub(crate) fn new(stock: u32) -> Self {
        Self { stock, ..Self::default() }
    }

    /// Units of all acknowledged purchases.
    pub(crate) fn units_sold(&self) -> u64 {
        self.sales.iter().map(|sale| u64::from(sale.quantity)).sum()
    }

    fn units_unknown(&self) -> u64 {
        self.unknown.iter().map(|quantity| u64::from(*quantity)).sum()
    }

    /// Checks the answers against each other.
    pub(crate) fn audit_answers(&self, findings: &mut Findings) {
        let (sold, stock) = (self.units_sold(), self.stock);
        let is_within = sold <= u64::from(stock);
        findings.check(Invariant::NeverOversold, is_within, format_args!("{sold} sold of {stock}"));
        let mut ids = HashSet::with_capacity(self.sales.len());
        for Sale { order_id, .. } in &self.sales {
            findings.check(Invariant::OrderIdIsUnique, ids.insert(order_id), format_args!("{order_id}"));
        }
        self.audit_units(findings);
        self.audit_course(findings);
    }

    /// Each sale took the units `[available, available + quantity)` of the stock; no two may share one.
    fn audit_units(&self, findings: &mut Findings) {
        let mut taken: Vec<(u64, u64, &str)> = self
            .sales
            .iter()
            .map(|sale| {
                let first = u64::from(sale.available);
                (first, first + u64::from(sale.quantity), sale.order_id.as_str())
            })
            .collect();
        taken.sort_unstable();
        for pair in taken.windows(2) {
            let [(_, end, one), (first, _, other)] = pair else { continue };
            let is_apart = first >= end;
            findings.check(
                Invariant::UnitIsSoldOnce,
                is_apart,
                format_args!("{one} and {other} both took unit {first}"),
            );
        }
        if let Some((first, end, order_id)) = taken.last() {
            let is_within = *end <= u64::from(self.stock);
            findings.check(
                Invariant::UnitIsSoldOnce,
                is_within,
                format_args!("{order_id} left {first} of {}", self.stock),
            );
        }
    }

    /// Whatever was asked after an answer had arrived must have found no more units than that answer left.
    ///
    /// Nothing is given back in these runs. A refusal that was answered before the sales that emptied the
    /// stock were durable shows up here after a crash.
    fn audit_course(&self, findings: &mut Findings) {
        let sales = self.sales.iter().map(|sale| {
            (sale.span, u64::from(sale.available) + u64::from(sale.quantity), u64::from(sale.available))
        });
        let refusals = self
            .refusals
            .iter()
            .map(|refusal| (refusal.span, u64::from(refusal.available), u64::from(refusal.available)));
        let mut by_answer: Vec<(Span, u64, u64)> = sales.chain(refusals).collect();
        let mut by_sending = by_answer.clone();
        by_answer.sort_unstable_by_key(|(span, ..)| span.answered);
        by_sending.sort_unstable_by_key(|(span, ..)| span.sent);
        let mut earlier = by_answer.iter().peekable();
        let mut left = u64::from(self.stock);
        for (span, found, _) in by_sending {
            while let Some((_, _, after)) = earlier.next_if(|(earlier, ..)| earlier.answered <= span.sent) {
                left = left.min(*after);
            }
            findings.check(
                Invariant::AvailableNeverRises,
                found <= left,
                format_args!("a request sent at {} ns found {found} units, {left} were left", span.sent),
            );
        }
    }

    /// Checks the server's figures and ledger against the answers, when nothing is under way.
    ///
    /// What is booked without an answer is remembered: it must stay booked at the next audit.
    pub(crate) fn audit_server(
        &mut self,
        figures: &Figures,
        movements: &[Movement],
        findings: &mut Findings,
    ) {
        check_balance(figures, "now", findings);
        let booked = self.audit_movements(movements, findings);
        self.audit_figures(figures, booked, findings);
    }

    fn audit_figures(&self, figures: &Figures, booked: u64, findings: &mut Findings) {
        let (sold, unknown) = (self.units_sold(), self.units_unknown());
        let Figures { available, reserved, committed, .. } = *figures;
        let is_sold = u64::try_from(committed)
            .is_ok_and(|committed| committed == booked && (sold..=sold + unknown).contains(&committed));
        findings.check(
            Invariant::CommittedIsWhatWasSold,
            is_sold,
            format_args!("committed {committed}, movements {booked}, acknowledged {sold}, unknown {unknown}"),
        );
        let stock = i64::from(self.stock);
        findings.check(
            Invariant::AvailableIsTheRest,
            available == stock - committed,
            format_args!("available {available} of {stock}, committed {committed}"),
        );
        findings.check(Invariant::NothingIsHeld, reserved == 0, format_args!("reserved {reserved}"));
        let said = self.sales.iter().map(|sale| sale.available);
        let said = said.chain(self.refusals.iter().map(|refusal| refusal.available)).min();
        if let Some(said) = said {
            findings.check(
                Invariant::AvailableNeverRises,
                available <= i64::from(said),
                format_args!("available {available} at the end, a buyer was told {said}"),
            );
        }
    }

    /// Compares the ledger with the answers, order by order, and returns the units it says were sold.
    fn audit_movements(&mut self, movements: &[Movement], findings: &mut Findings) -> u64 {
        let mut booked: HashMap<&str, (u64, u64)> = HashMap::with_capacity(movements.len());
        for movement in movements {
            let entry = booked.entry(movement.cause.id.as_str()).or_default();
            entry.0 += 1;
            entry.1 += movement.delta.unsigned_abs();
            if let Some(after) = &movement.after {
                check_balance(after, &movement.cause.id, findings);
            }
        }
        let total = booked.values().map(|(_, units)| units).sum();
        for (order_id, (times, _)) in &booked {
            let is_once = *times == 1;
            findings.check(Invariant::OrderIsBookedOnce, is_once, format_args!("{order_id} {times} times"));
        }
        for Sale { order_id, quantity, .. } in &self.sales {
            match booked.remove(order_id.as_str()) {
                None => findings.add(Invariant::AcknowledgedIsBooked, order_id),
                Some((_, units)) => findings.check(
                    Invariant::MovementsAddUp,
                    units == u64::from(*quantity),
                    format_args!("{order_id} sold {quantity}, booked {units}"),
                ),
            }
            // Answered after all, by a retry: it is no longer an orphan.
            self.found.remove(order_id);
        }
        for order_id in &self.found {
            let is_there = booked.contains_key(order_id.as_str());
            findings.check(Invariant::BookedStaysBooked, is_there, format_args!("{order_id}"));
        }
        self.match_unknown(booked, findings);
        total
    }

    /// What is booked beyond the answers must be requests whose answer was lost, quantity by quantity.
    fn match_unknown(&mut self, rest: HashMap<&str, (u64, u64)>, findings: &mut Findings) {
        let mut unknown: BTreeMap<u64, u64> = BTreeMap::new();
        for quantity in &self.unknown {
            *unknown.entry(u64::from(*quantity)).or_default() += 1;
        }
        for (order_id, (_, units)) in rest {
            match unknown.get_mut(&units) {
                Some(times) if *times > 0 => {
                    *times -= 1;
                    self.found.insert(order_id.to_owned());
                }
                _ => findings.add(
                    Invariant::NothingElseIsBooked,
                    format_args!("{order_id} of {units} units, no buyer was told"),
                ),
            }
        }
    }

    /// How many lost requests turned out to be on the server's books.
    pub(crate) fn unknown_found(&self) -> usize {
        self.found.len()
    }
}

/// Checks that `figures` add up and none is negative.
pub(crate) fn check_balance(figures: &Figures, when: &str, findings: &mut Findings) {
    let Figures { on_hand, available, reserved, committed } = *figures;
    let is_balanced = on_hand == available + reserved + committed
        && [on_hand, available, reserved, committed].iter().all(|units| *units >= 0);
    findings.check(
        Invariant::BooksBalance,
        is_balanced,
        format_args!(
            "{when}: on_hand {on_hand}, available {available}, reserved {reserved}, committed {committed}"
        ),
    );
}

#[cfg(test)]
mod tests;
