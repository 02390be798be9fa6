//! Audit: what the server's books say, against what its answers said.
//!
//! Counts are compared for every product; the ledger is read row by row as far as it is short enough, and the report
//! says how far.

use std::collections::HashSet;

use super::preparation::{Kind, Preparation};
use crate::auditor::check_balance;
use crate::findings::{Findings, Invariant};
use crate::load::{ProductTally, Tally};
use crate::shop::{Figures, Movement, Shop};
use crate::{numbers, report};

/// Reading a row of the ledger costs some microseconds of the server's time and ours.
const LEDGER_ROWS_MAX: u64 = 250_000;

/// One product's books on both sides.
#[derive(Debug)]
struct Account<'a> {
    kind: Kind,
    sku: &'a str,
    stock: u64,
    /// Units sold or held by the answers, at least and at most.
    least: u64,
    most: u64,
    refused: u64,
    figures: Figures,
}

/// Compares the server's books with `tally`; returns what was read, in words.
///
/// # Errors
///
/// When the server does not show its books.
pub(super) fn audit(
    preparation: &Preparation,
    tally: &Tally,
    shop: &mut Shop,
    findings: &mut Findings,
) -> anyhow::Result<String> {
    let kind = preparation.kind;
    let skus: Vec<String> = preparation.products.iter().map(|product| product.sku.clone()).collect();
    let figures = shop.all_figures(&skus)?;
    let products = preparation.products.iter().zip(&tally.products).zip(figures);
    let accounts: Vec<Account<'_>> = products
        .map(|((product, told), figures)| {
            let ProductTally { taken, unknown, refused } = *told;
            let least = taken + preparation.sold_before;
            let (sku, stock) = (product.sku.as_str(), u64::from(product.stock));
            Account { kind, sku, stock, least, most: least + unknown, refused, figures }
        })
        .collect();
    accounts.iter().for_each(|account| account.audit_figures(findings));
    let mut rows_left = LEDGER_ROWS_MAX;
    let readable: Vec<&Account<'_>> = accounts
        .iter()
        .filter(|account| {
            let rest = rows_left.checked_sub(account.most);
            rows_left = rest.unwrap_or(rows_left);
            rest.is_some()
        })
        .collect();
    // An oversold product has more rows than its buyers were told of; they are read as well, to be found.
    let wanted: Vec<(String, u64)> =
        readable.iter().map(|account| (account.sku.to_owned(), account.most * 2 + STRAY_ROWS_MAX)).collect();
    let ledgers = shop.all_movements_of(kind.movement(), &wanted)?;
    for (account, ledger) in readable.iter().zip(&ledgers) {
        account.audit_ledger(ledger, findings);
    }
    Ok(format!(
        "books       {} units taken; figures of {} products and ledgers of {} read, {} rows; {} requests without a \
         clear answer",
        report::count(tally.taken()),
        report::count(numbers::count(accounts.len())),
        report::count(numbers::count(readable.len())),
        report::count(numbers::count(ledgers.iter().map(Vec::len).sum())),
        report::count(tally.unknown)
    ))
}

/// So many rows that nobody was told of are read before it is an error.
const STRAY_ROWS_MAX: u64 = 1_000;

impl Account<'_> {
    fn audit_figures(&self, findings: &mut Findings) {
        let Self { sku, stock, least, most, .. } = *self;
        let Figures { on_hand, available, reserved, committed } = self.figures;
        check_balance(&self.figures, sku, findings);
        let (taken, other) = match self.kind {
            Kind::Sold => (committed, reserved),
            Kind::Held => (reserved, committed),
        };
        let is_within = least <= stock;
        findings.check(Invariant::NeverOversold, is_within, format_args!("{sku}: {least} of {stock}"));
        let is_told = u64::try_from(taken).is_ok_and(|taken| (least..=most).contains(&taken));
        let law = match self.kind {
            Kind::Sold => Invariant::CommittedIsWhatWasSold,
            Kind::Held => Invariant::OrderHasItsUnits,
        };
        let word = self.kind.movement();
        findings.check(law, is_told, format_args!("{sku}: {word} {taken}, acknowledged {least} to {most}"));
        let is_rest = i64::try_from(stock).is_ok_and(|stock| available == stock - taken && on_hand == stock);
        findings.check(
            Invariant::AvailableIsTheRest,
            is_rest,
            format_args!("{sku}: available {available}, on hand {on_hand} of {stock}, {word} {taken}"),
        );
        findings.check(
            Invariant::NothingIsHeld,
            other == 0,
            format_args!("{sku}: reserved {reserved}, committed {committed}"),
        );
        // Nothing is given back in these runs, so whoever was refused one unit was right to be for ever.
        findings.check(
            Invariant::RefusalIsJustified,
            self.refused == 0 || available == 0,
            format_args!("{sku}: {} refused, available {available}", self.refused),
        );
    }

    fn audit_ledger(&self, ledger: &[Movement], findings: &mut Findings) {
        let sku = self.sku;
        let mut causes = HashSet::with_capacity(ledger.len());
        let mut units = 0;
        for movement in ledger {
            let id = movement.cause.id.as_str();
            findings.check(Invariant::OrderIsBookedOnce, causes.insert(id), format_args!("{sku}: {id}"));
            units += movement.delta.unsigned_abs();
            if let Some(after) = &movement.after {
                check_balance(after, id, findings);
            }
        }
        let is_told = (self.least..=self.most).contains(&units);
        findings.check(
            Invariant::MovementsAddUp,
            is_told,
            format_args!("{sku}: movements {units}, acknowledged {} to {}", self.least, self.most),
        );
    }
}

impl Kind {
    /// The kind of movement by which units are taken.
    fn movement(self) -> &'static str {
        match self {
            Self::Sold => "committed",
            Self::Held => "reserved",
        }
    }
}
