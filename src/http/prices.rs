//! Prices: the rules that make them, and what something costs.
//!
//! A quote is a read, whatever its method: nothing of it is journaled, and an order placed later is priced anew.

mod body;
pub(super) mod moment;
pub(super) mod quotes;
pub(super) mod rules;
pub mod step;
mod words;

pub use body::RuleBody;
pub use quotes::{QuoteBody, of_lines, of_product};
pub use rules::{change, create, delete, list, read};
pub use words::TierWord;
