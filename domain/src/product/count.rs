//! Stating how many units are on hand.

use crate::Units;

use super::{Event, Product, Refusal, VariantNo};

impl Product {
    pub(super) fn decide_count(
        &self,
        variant: VariantNo,
        on_hand: Units,
        expected: Option<Units>,
    ) -> Result<Vec<Event>, Refusal> {
        let books = self.variant(variant).ok_or(Refusal::UnknownVariant { variant })?.levels.on_hand();
        if let Some(expected) = expected
            && expected != books
        {
            return Err(Refusal::ExpectedMismatch { expected, on_hand: books });
        }
        let delta = on_hand.signed() - books.signed();
        self.check_change(variant, delta)?;
        // A count that finds what the books say is a fact too: somebody looked.
        Ok(vec![Event::Counted { variant, on_hand, delta }])
    }
}
