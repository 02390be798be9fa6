//! Reply: the body of an answer, read and held against what was asked for.
//!
//! Says which rule is broken and how, and nothing of what follows from it. Used by `hear`.

use serde::Deserialize;
use serde_json::Value;

use crate::findings::Invariant;
use crate::shop::orders::{self, Line, Lines, Order, OrderStatus, Reservation, ReservationStatus};
use crate::shop::{PRICE, Problem};
use crate::wall_clock::{self, UnixMs};

/// The server's clock and ours are one, but it may be read at another moment of the same request.
pub(super) const CLOCK_MS_SLACK: UnixMs = 5;

/// An answer, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

/// Which rule an answer breaks, and how.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) Invariant, pub(super) String);

impl Reply<'_> {
    pub(super) fn wrong(self, what: &str) -> Wrong {
        let excerpt: String = String::from_utf8_lossy(self.body).chars().take(200).collect();
        Wrong(Invariant::AnswerIsExpected, format!("{} {what}: {excerpt}", self.status))
    }

    pub(super) fn expect(self, status: u16) -> Result<(), Wrong> {
        if self.status == status { Ok(()) } else { Err(self.wrong(&format!("instead of {status}"))) }
    }

    pub(super) fn read<T: for<'de> Deserialize<'de>>(self) -> Result<T, Wrong> {
        serde_json::from_slice(self.body).map_err(|error| self.wrong(&error.to_string()))
    }

    pub(super) fn expect_code(self, code: &str) -> Result<(), Wrong> {
        let problem: Value = self.read()?;
        if problem["code"] == code { Ok(()) } else { Err(self.wrong(&format!("instead of {code}"))) }
    }

    /// A refusal for want of stock names lines, each with fewer units than it asks for.
    pub(super) fn expect_short(self) -> Result<(), Wrong> {
        let problem: Problem = self.read()?;
        let is_short = problem.code == "insufficient_stock"
            && !problem.lines.is_empty()
            && problem.lines.iter().all(|line| line.available < line.requested);
        if is_short {
            return Ok(());
        }
        let Wrong(_, detail) = self.wrong("is no refusal for want of stock");
        Err(Wrong(Invariant::RefusalIsJustified, detail))
    }
}

pub(super) fn check_lapse(deadline: Option<UnixMs>, now: UnixMs) -> Result<(), Wrong> {
    match deadline {
        Some(deadline) if now + CLOCK_MS_SLACK >= deadline => Ok(()),
        _ => {
            let detail = format!("over at {now}, the deadline was {deadline:?}");
            Err(Wrong(Invariant::DeadlineIsKept, detail))
        }
    }
}

pub(super) fn check_lines(lines: &[Line], expected: &Lines, invariant: Invariant) -> Result<(), Wrong> {
    let (lines, is_apart) = orders::summed(lines);
    if is_apart && lines == *expected {
        return Ok(());
    }
    Err(Wrong(invariant, format!("{lines:?} instead of {expected:?}")))
}

pub(super) fn check_order(order: &Order, lines: &Lines, status: OrderStatus) -> Result<(), Wrong> {
    check_lines(&order.lines, lines, Invariant::OrderIsAsAsked)?;
    let payments: &[&str] = match status {
        OrderStatus::PendingPayment | OrderStatus::Expired => &["pending"],
        OrderStatus::Confirmed | OrderStatus::Fulfilled => &["paid"],
        OrderStatus::Canceled => &["pending", "failed", "refunded", "refund_required"],
    };
    let units: i64 = lines.values().map(|quantity| i64::from(*quantity)).sum();
    let is_fit = order.status == status
        && (status == OrderStatus::Expired || payments.contains(&order.payment_status.as_str()))
        && order.total == units * PRICE;
    if is_fit {
        return Ok(());
    }
    let Order { id, status: found, payment_status, total, .. } = order;
    let detail =
        format!("{id} is {found:?}, {payment_status}, {total} cents; expected {status:?} of {units} units");
    Err(Wrong(Invariant::OrderIsAsAsked, detail))
}

pub(super) fn check_reservation(
    found: &Reservation,
    lines: &Lines,
    status: ReservationStatus,
) -> Result<(), Wrong> {
    check_lines(&found.lines, lines, Invariant::OrderIsAsAsked)?;
    if found.status == status {
        return Ok(());
    }
    Err(Wrong(Invariant::OrderIsAsAsked, format!("{} is {:?} instead of {status:?}", found.id, found.status)))
}

pub(super) fn deadline(text: Option<&str>) -> Result<Option<UnixMs>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || Wrong(Invariant::AnswerIsExpected, format!("{text:?} is not a moment of the API"));
    wall_clock::parse(text).map(Some).ok_or_else(wrong)
}
