//! Adding or removing units that nobody holds.

use crate::{Quantity, Units};

use super::{Event, Product, Reason, Refusal, Short, VariantNo};

/// The longest reference or note, in bytes: with a key the record holds it twice, and must fit a frame.
const NOTE_BYTES_MAX: usize = 8 * 1024;

impl Product {
    pub(super) fn decide_adjust(
        &self,
        variant: VariantNo,
        delta: i32,
        reason: Reason,
        reference: Option<&str>,
        note: Option<&str>,
    ) -> Result<Vec<Event>, Refusal> {
        let is_too_long = |text: Option<&str>| text.is_some_and(|text| text.len() > NOTE_BYTES_MAX);
        if delta == 0 || delta.unsigned_abs() > Quantity::MAX || is_too_long(reference) || is_too_long(note) {
            return Err(Refusal::OutOfBounds);
        }
        self.check_change(variant, i64::from(delta))?;
        Ok(vec![Event::Adjusted {
            variant,
            delta,
            reason,
            reference: reference.map(Into::into),
            note: note.map(Into::into),
        }])
    }

    /// Whether on_hand may change by `delta` without touching units that somebody holds.
    pub(super) fn check_change(&self, variant: VariantNo, delta: i64) -> Result<(), Refusal> {
        let levels = self.variant(variant).ok_or(Refusal::UnknownVariant { variant })?.levels;
        let on_hand = levels.on_hand().signed() + delta;
        if on_hand > i64::from(u32::MAX) {
            return Err(Refusal::StockOverflow);
        }
        if levels.available.signed() + delta >= 0 {
            return Ok(());
        }
        let requested = Units(u32::try_from(delta.unsigned_abs()).map_err(|_| Refusal::StockOverflow)?);
        let short =
            Short { index: 0, variant, requested, available: levels.available, reserved: levels.reserved };
        Err(Refusal::InsufficientStock { lines: vec![short] })
    }
}
