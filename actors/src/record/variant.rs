//! Stored forms of what happens to the variants of a product.

use holdfast_domain::Units;
use holdfast_domain::product::{Event, VariantDescription, VariantNo};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::event::{Location, ProductEvent};
use super::values::StoredVariant;

/// Stored form of a variant that was added or described anew.
#[derive(Serialize, Deserialize)]
pub struct VariantShaped {
    variant: u16,
    description: StoredVariant,
    is_simple: bool,
    version: u32,
}

/// Stored form.
#[derive(Serialize, Deserialize)]
pub struct VariantRemoved {
    location: Location,
    variant: u16,
    units: u32,
    version: u32,
}

/// The stored form of an event of variants.
pub(super) fn stored(event: &Event) -> ProductEvent {
    match event {
        Event::VariantAdded { variant, description, is_simple, version } => {
            ProductEvent::VariantAdded(VariantShaped::new(*variant, description, *is_simple, *version))
        }
        Event::VariantDescribed { variant, description, is_simple, version } => {
            ProductEvent::VariantDescribed(VariantShaped::new(*variant, description, *is_simple, *version))
        }
        Event::VariantRemoved { variant, units, version } => {
            let (location, variant, units, version) = (Location::Main, variant.0, units.0, *version);
            ProductEvent::VariantRemoved(VariantRemoved { location, variant, units, version })
        }
        other => unreachable!("the caller has picked those of variants, not {other:?}"),
    }
}

impl VariantShaped {
    fn new(variant: VariantNo, description: &VariantDescription, is_simple: bool, version: u32) -> Self {
        let description = StoredVariant::from_domain(description);
        Self { variant: variant.0, description, is_simple, version }
    }

    pub(super) fn added(self) -> Result<Event, DecodeError> {
        let (variant, description) = (VariantNo(self.variant), self.description.into_domain()?);
        let (is_simple, version) = (self.is_simple, self.version);
        Ok(Event::VariantAdded { variant, description, is_simple, version })
    }

    pub(super) fn described(self) -> Result<Event, DecodeError> {
        let (variant, description) = (VariantNo(self.variant), self.description.into_domain()?);
        let (is_simple, version) = (self.is_simple, self.version);
        Ok(Event::VariantDescribed { variant, description, is_simple, version })
    }
}

impl VariantRemoved {
    pub(super) fn into_domain(self) -> Event {
        let (variant, units) = (VariantNo(self.variant), Units(self.units));
        Event::VariantRemoved { variant, units, version: self.version }
    }
}
