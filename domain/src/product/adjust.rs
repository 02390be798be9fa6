//! Adding or removing units that nobody holds.

use crate::{Quantity, Units};

use super::{Event, Levels, Product, Reason, Refusal, Short, VariantNo};

/// The longest reference or note, in bytes: with a key the record holds it twice, and must fit a frame.
const NOTE_BYTES_MAX: usize = 8 * 1024;

impl Product {
    /// `levels` are those of the variant, as they will be when it comes to this.
    pub(super) fn decide_adjust(
        levels: Levels,
        variant: VariantNo,
        delta: i32,
        reason: Reason,
        reference: Option<&str>,
        note: Option<&str>,
    ) -> Result<Event, Refusal> {
        let is_too_long = |text: Option<&str>| text.is_some_and(|text| text.len() > NOTE_BYTES_MAX);
        if delta == 0 || delta.unsigned_abs() > Quantity::MAX || is_too_long(reference) || is_too_long(note) {
            return Err(Refusal::OutOfBounds);
        }
        check_change(levels, variant, i64::from(delta))?;
        Ok(Event::Adjusted {
            variant,
            delta,
            reason,
            reference: reference.map(Into::into),
            note: note.map(Into::into),
        })
    }

    /// The present levels of a variant.
    pub(super) fn levels_of(&self, variant: VariantNo) -> Result<Levels, Refusal> {
        self.variant(variant).map(|it| it.levels).ok_or(Refusal::UnknownVariant { variant })
    }
}

/// Whether on_hand may change by `delta` without touching units that somebody holds.
pub(super) fn check_change(levels: Levels, variant: VariantNo, delta: i64) -> Result<(), Refusal> {
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
