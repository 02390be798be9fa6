//! What the invented shops of examples and benchmarks sell: things without limits, categories or rules.

use std::sync::Arc;

use holdfast_actors::domain::product::{
    Description, NewProduct, NewVariant, ReserveOn, Status, VariantDescription,
};
use holdfast_actors::domain::{Currency, Money, Quantity, Sku};

/// A product of that name, with one variant under `sku` and so many units of it.
pub(crate) fn plain(name: &str, sku: &str, units: u32) -> NewProduct {
    let description = Description {
        name: name.into(),
        text: None,
        status: Status::Active,
        price: Money(1_999),
        currency: Currency::new("EUR").expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    };
    let sku = Sku::new(sku).expect("it is well formed");
    let variant = VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment: Money(0) };
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: Quantity::new(units) }];
    NewProduct { description: Arc::new(description), is_simple: true, variants }
}
