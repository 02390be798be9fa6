//! What the world asks of a product's variants: the few skus there are meet all the time.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, NewVariant, Product, Replacement, VariantDescription, VariantNo, WantedVariant,
};
use holdfast_domain::{Money, Quantity, Sku, Units};

use super::{Rng, SKUS};

/// Any change of variants.
pub(super) fn any(rng: &mut Rng, state: Option<&Product>) -> Command {
    let version = state.filter(|_| rng.percent(30)).map(Product::version);
    match rng.below(10) {
        0..=3 => {
            let initial_stock = Quantity::new(below(rng, 8));
            let variant = NewVariant { description: description(rng), initial_stock };
            Command::AddVariant { variant, version }
        }
        4..=5 => {
            let variant = any_number(rng, state);
            Command::DescribeVariant { variant, description: description(rng), version }
        }
        6..=7 => Command::RemoveVariant { variant: any_number(rng, state), version },
        _ => replace(rng, state, version),
    }
}

/// A variant that is there, or perhaps not.
pub(super) fn any_number(rng: &mut Rng, state: Option<&Product>) -> VariantNo {
    let live: Vec<_> = state.into_iter().flat_map(Product::live_variants).map(|(no, _)| no).collect();
    match rng.pick(&live) {
        Some(no) if rng.percent(97) => *no,
        _ => VariantNo(u16::try_from(rng.below(4)).expect("it is small")),
    }
}

/// Some of what is there, and perhaps something new; or a product without options.
fn replace(rng: &mut Rng, state: Option<&Product>, version: Option<u32>) -> Command {
    let Some(product) = state else {
        return Command::RemoveVariant { variant: VariantNo(0), version };
    };
    let is_simple = rng.percent(30);
    let mut variants: Vec<WantedVariant> = Vec::new();
    for (_, variant) in product.live_variants() {
        if rng.percent(70) {
            let description = Arc::clone(&variant.description);
            variants.push(WantedVariant { description, initial_stock: None });
        }
    }
    if rng.percent(60) {
        let initial_stock = rng.percent(50).then(|| Units(below(rng, 5)));
        variants.push(WantedVariant { description: description(rng), initial_stock });
    }
    if is_simple {
        variants.truncate(1);
    }
    let description = Arc::clone(product.description());
    Command::Replace(Box::new(Replacement { description, is_simple, variants, version }))
}

fn description(rng: &mut Rng) -> Arc<VariantDescription> {
    let sku = Sku::new(rng.pick(&SKUS).expect("there are some")).expect("well formed");
    let price_adjustment = Money(i64::from(below(rng, 3)));
    Arc::new(VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment })
}

fn below(rng: &mut Rng, end: u64) -> u32 {
    u32::try_from(rng.below(end)).expect("it is small")
}
