//! Lines that cannot be served: every one of them, each with its own reason.

use holdfast_actors::Engine;
use holdfast_actors::domain::ProductId;
use holdfast_actors::domain::product::VariantNo;
use holdfast_actors::domain::saga::{LineRefusal, Why};

use super::Asked;
use crate::http::lines::Line;
use crate::http::problem::{Code, LineProblem, Problem};

/// The problem of lines that cannot be served: of stock if any is short, else of whatever is wrong with the first.
pub(super) fn problem(lines: &[LineRefusal], engine: &Engine, asked: Asked<'_>) -> Problem {
    // No sentence with figures: many reservations at once have many of these, and the figures are in the lines.
    let (code, detail) = match code_of_all(lines) {
        Code::InsufficientStock => (Code::InsufficientStock, "There are not enough units; see lines."),
        Code::LimitExceeded => {
            (Code::LimitExceeded, "One order or one customer may not have so many; see lines.")
        }
        Code::InvalidState => (Code::InvalidState, "Not every product is sold at present; see lines."),
        _ => (Code::NotFound, "Not every product is there any more; see lines."),
    };
    let problem = Problem::new(code, detail);
    let limit = lines.iter().find_map(|line| match line.why {
        Why::Limit { limit, .. } => Some(limit.0),
        _ => None,
    });
    let problem = match limit {
        Some(limit) if code == Code::LimitExceeded => problem.with("limit", limit),
        _ => problem,
    };
    problem.with_lines(lines.iter().map(|line| line_problem(line, engine, asked)).collect())
}

/// The line of the request at that place.
pub(super) fn asked_line(asked: Asked<'_>, index: usize) -> Option<&Line> {
    match asked {
        Asked::Lines(lines) => lines.get(index),
        Asked::Nothing | Asked::Product(_) => None,
    }
}

/// The sku of a variant; empty for one that is gone.
pub(super) fn sku(engine: &Engine, product: ProductId, variant: VariantNo) -> String {
    engine.sku_of(product, variant).map_or_else(String::new, |sku| sku.as_str().to_owned())
}

fn code_of_all(lines: &[LineRefusal]) -> Code {
    let is_short = |line: &LineRefusal| code(line.why) == Code::InsufficientStock;
    match lines.first() {
        Some(first) if !lines.iter().any(is_short) => code(first.why),
        _ => Code::InsufficientStock,
    }
}

const fn code(why: Why) -> Code {
    match why {
        Why::Short { .. } => Code::InsufficientStock,
        Why::Limit { .. } => Code::LimitExceeded,
        Why::NotSellable => Code::InvalidState,
        Why::Unknown => Code::NotFound,
    }
}

fn line_problem(line: &LineRefusal, engine: &Engine, asked: Asked<'_>) -> LineProblem {
    let (available, reserved) = match line.why {
        Why::Short { available, reserved } => (available.0, reserved.0),
        // What the limit still leaves to this caller.
        Why::Limit { limit, counted, .. } => {
            (limit.0.saturating_sub(u32::try_from(counted).unwrap_or(u32::MAX)), 0)
        }
        Why::NotSellable | Why::Unknown => (0, 0),
    };
    let sku = match asked_line(asked, line.index) {
        Some(asked) => asked.sku.as_str().to_owned(),
        None => sku(engine, line.product, line.variant),
    };
    LineProblem {
        index: line.index,
        sku,
        code: code(line.why),
        requested: line.requested.0,
        available,
        reserved,
    }
}
