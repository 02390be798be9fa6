//! What happens to variants, and what is refused of them.

use holdfast_actors::domain::Units;
use holdfast_actors::domain::product::{Event, Refusal, VariantNo};

use super::{plain, red};
use crate::common::sku;

pub(super) fn events() -> Vec<Event> {
    vec![
        Event::VariantAdded {
            variant: VariantNo(300),
            description: red(),
            is_simple: false,
            version: 70_000,
        },
        Event::VariantDescribed { variant: VariantNo(1), description: plain(), is_simple: true, version: 2 },
        Event::VariantRemoved { variant: VariantNo(999), units: Units(4_000_000_000), version: 3 },
    ]
}

pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::SkuTaken { sku: sku("TEE-R") },
        Refusal::StockFixed { indexes: vec![0, 99] },
        Refusal::TooManyVariants { count_max: 1_000 },
    ]
}
