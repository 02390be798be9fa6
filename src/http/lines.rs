//! The lines of a request: so many units of each of some skus.

use std::collections::HashSet;

use holdfast_actors::engine::Wanted;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::field::{Fault, Field, Objects};
use super::values::{Sku, Units};

/// How many lines one request may have.
pub const LINES_MAX: usize = 100;

/// One line.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLine)]
pub struct Line {
    /// Of what.
    pub sku: Sku,
    /// How many.
    pub quantity: Units,
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawLine {
    sku: Field<Sku>,
    quantity: Field<Units>,
}

/// As they are described.
pub type Lines = Objects<Line, LINES_MAX>;

/// As they came.
pub type RawLines = Field<Objects<RawLine, LINES_MAX>>;

/// Checks the lines of a request: at least one, and each sku once.
pub fn check(raw: RawLines, check: &mut Check) -> Option<Vec<Line>> {
    let has_twins = refuse_twins(&raw, check);
    check_each(raw, check).filter(|_| !has_twins)
}

/// The same where a sku may be in several lines.
pub fn check_each(raw: RawLines, check: &mut Check) -> Option<Vec<Line>> {
    check.objects("lines", raw, |raw, check| {
        let sku = check.required("sku", raw.sku);
        let quantity = check.required("quantity", raw.quantity);
        Some(Line { sku: sku?, quantity: quantity? })
    })
}

/// The same for the actors.
pub fn wanted(lines: &[Line]) -> Vec<Wanted> {
    let wanted = |line: &Line| Wanted { sku: line.sku.to_domain(), quantity: line.quantity.to_domain() };
    lines.iter().map(wanted).collect()
}

fn refuse_twins(raw: &RawLines, check: &mut Check) -> bool {
    // Most requests have one line, and many reservations at once are many of them.
    let Field::Good(Objects(lines)) = raw else { return false };
    if lines.len() < 2 {
        return false;
    }
    let mut seen = HashSet::with_capacity(lines.len());
    let mut has_twins = false;
    for (index, line) in lines.iter().enumerate() {
        if let Field::Good(sku) = &line.sku
            && !seen.insert(sku)
        {
            let detail = "Another line has the same sku; add the quantities up.";
            check.refuse(&format!("lines[{index}].sku"), Fault::new("duplicate", detail));
            has_twins = true;
        }
    }
    has_twins
}
