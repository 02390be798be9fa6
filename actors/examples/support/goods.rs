//! What the invented shops of examples and benchmarks sell: things without limits, categories or rules.

use std::sync::Arc;

use holdfast_actors::domain::product::{Description, NewProduct, NewVariant, VariantDescription};
use holdfast_actors::domain::{Currency, Money, Quantity, Sku};

/// A product of that name, with one variant under `sku` and so many units of it.
pub(crate) fn plain(name: &str, sku: &str, units: u32) -> NewProduct {
    let description = Description::plain(name, Money(1_999), Currency::new("EUR").expect("three capitals"));
    let sku = Sku::new(sku).expect("it is well formed");
    let variant = VariantDescription::plain(sku);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(units) }];
    NewProduct { description: Arc::new(description), is_simple: true, variants }
}
