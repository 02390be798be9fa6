//! Adding a variant, describing it anew, taking it out.
//!
//! A number is never given again: lines of carts, orders and the ledger name variants by it. So a removed variant
//! keeps its place, with no units, and nobody can buy it any more.

use std::sync::Arc;

use crate::{Money, Quantity, Units};

use super::describe::check_size;
use super::{
    Event, NewVariant, Product, Reason, Refusal, VARIANTS_EVER_MAX, VARIANTS_MAX, VariantDescription,
    VariantNo,
};

impl Product {
    pub(super) fn decide_add_variant(
        &self,
        new: &NewVariant,
        version: Option<u32>,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_version(version)?;
        check_adjustment(&new.description)?;
        self.check_sku(None, &new.description)?;
        self.check_room(1, self.live_variants().count() + 1)?;
        let others = self.live_variants().map(|(_, variant)| &*variant.description);
        check_size(&self.description, &mut others.chain([&*new.description]))?;
        let variant = VariantNo::from_index(self.variants.len());
        let added = Event::VariantAdded {
            variant,
            description: new.description.clone(),
            is_simple: false,
            version: self.version + 1,
        };
        Ok([added].into_iter().chain(new.initial_stock.map(|units| received(variant, units))).collect())
    }

    pub(super) fn decide_describe_variant(
        &self,
        variant: VariantNo,
        description: &Arc<VariantDescription>,
        version: Option<u32>,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_version(version)?;
        let present = self.variant(variant).ok_or(Refusal::UnknownVariant { variant })?;
        if present.description == *description {
            return Ok(Vec::new());
        }
        check_adjustment(description)?;
        self.check_sku(Some(variant), description)?;
        let others = self.live_variants().filter(|(no, _)| *no != variant);
        let others = others.map(|(_, other)| &*other.description);
        check_size(&self.description, &mut others.chain([&**description]))?;
        Ok(vec![Event::VariantDescribed {
            variant,
            description: description.clone(),
            is_simple: self.is_simple,
            version: self.version + 1,
        }])
    }

    pub(super) fn decide_remove_variant(
        &self,
        variant: VariantNo,
        version: Option<u32>,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_version(version)?;
        let removed = self.removed(variant)?;
        if self.only_variant() == Some(variant) {
            return Err(Refusal::InvalidState);
        }
        Ok(vec![removed])
    }

    /// The end of a variant, unless somebody holds units of it.
    pub(super) fn removed(&self, variant: VariantNo) -> Result<Event, Refusal> {
        let levels = self.levels_of(variant)?;
        if levels.reserved != Units(0) || levels.committed != Units(0) {
            return Err(Refusal::InUse);
        }
        Ok(Event::VariantRemoved { variant, units: levels.available, version: self.version + 1 })
    }

    /// Whether so many more fit, with `live` of all remaining.
    pub(super) fn check_room(&self, more: usize, live: usize) -> Result<(), Refusal> {
        if live > VARIANTS_MAX {
            return Err(Refusal::TooManyVariants { count_max: VARIANTS_MAX });
        }
        if self.variants.len() + more > VARIANTS_EVER_MAX {
            return Err(Refusal::TooManyVariants { count_max: VARIANTS_EVER_MAX });
        }
        Ok(())
    }

    /// Whether no other variant of this product has the sku; the caller knows of other products.
    fn check_sku(&self, own: Option<VariantNo>, description: &VariantDescription) -> Result<(), Refusal> {
        match self.find(&description.sku) {
            Some(other) if own != Some(other) => Err(Refusal::SkuTaken { sku: description.sku.clone() }),
            _ => Ok(()),
        }
    }
}

/// Whether the adjustment is one that a price can bear.
pub(super) fn check_adjustment(description: &VariantDescription) -> Result<(), Refusal> {
    let is_in_bounds = (-Money::PRICE_MAX..=Money::PRICE_MAX).contains(&description.price_adjustment.0);
    if is_in_bounds { Ok(()) } else { Err(Refusal::OutOfBounds) }
}

/// The first units of a variant.
pub(super) fn received(variant: VariantNo, units: Quantity) -> Event {
    let delta = i32::try_from(units.get()).expect("Quantity::MAX is far below it");
    Event::Adjusted { variant, delta, reason: Reason::Received, reference: None, note: None }
}
