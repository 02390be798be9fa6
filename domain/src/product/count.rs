//! Stating how many units are on hand.

use crate::Units;

use super::adjust::check_change;
use super::{Event, Levels, Product, Refusal, VariantNo};

impl Product {
    /// `levels` are those of the variant, as they will be when it comes to this.
    pub(super) fn decide_count(
        levels: Levels,
        variant: VariantNo,
        on_hand: Units,
        expected: Option<Units>,
    ) -> Result<Event, Refusal> {
        let books = levels.on_hand();
        if let Some(expected) = expected
            && expected != books
        {
            return Err(Refusal::ExpectedMismatch { expected, on_hand: books });
        }
        let delta = on_hand.signed() - books.signed();
        check_change(levels, variant, delta)?;
        // A count that finds what the books say is a fact too: somebody looked.
        Ok(Event::Counted { variant, on_hand, delta })
    }
}
