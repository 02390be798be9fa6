//! Random wishes about variants: few skus, so that they meet.

use std::sync::Arc;

use holdfast_domain::product::{
    Command, Description, NewVariant, Product, Replacement, VariantDescription, VariantNo, WantedVariant,
};
use holdfast_domain::{Money, Quantity, Sku, Units};
use proptest::prelude::*;

use super::wish::variant;

/// How many skus there are.
const SKUS: u8 = 6;

/// What shall become of the variants.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Add(Wanted),
    Describe(VariantNo, Wanted),
    Remove(VariantNo),
    Replace {
        is_simple: bool,
        all: Vec<Wanted>,
        price: Option<i64>,
    },
    /// What is there, and one more or one fewer.
    Alter {
        more: Option<Wanted>,
        fewer: Option<usize>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    sku: u8,
    adjustment: i64,
    stock: Option<u32>,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let all = prop::collection::vec(wanted(), 0..4);
    let replace = (prop::bool::weighted(0.4), all, prop::option::of(-1..5_i64));
    prop_oneof![
        4 => wanted().prop_map(Shape::Add),
        3 => (variant(), wanted()).prop_map(|(variant, wanted)| Shape::Describe(variant, wanted)),
        3 => variant().prop_map(Shape::Remove),
        1 => replace.prop_map(|(is_simple, all, price)| Shape::Replace { is_simple, all, price }),
        4 => (prop::option::of(wanted()), prop::option::of(0..6_usize))
            .prop_map(|(more, fewer)| Shape::Alter { more, fewer }),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let adjustment = prop_oneof![12 => -2..3_i64, 1 => Just(Money::PRICE_MAX + 1), 1 => Just(i64::MIN)];
    let stock = prop::option::weighted(0.3, 0..6_u32);
    (0..SKUS, adjustment, stock).prop_map(|(sku, adjustment, stock)| Wanted { sku, adjustment, stock })
}

impl Shape {
    pub(super) fn command(self, product: &Product, version: Option<u32>) -> Command {
        let replace = |is_simple, variants, price: Option<i64>| {
            let mut description = Description::clone(product.description());
            description.price = price.map_or(description.price, Money);
            let description = Arc::new(description);
            Command::Replace(Box::new(Replacement { description, is_simple, variants, version }))
        };
        match self {
            Self::Add(wanted) => {
                let initial_stock = wanted.stock.and_then(Quantity::new);
                let variant = NewVariant { description: wanted.description(), initial_stock };
                Command::AddVariant { variant, version }
            }
            Self::Describe(variant, wanted) => {
                Command::DescribeVariant { variant, description: wanted.description(), version }
            }
            Self::Remove(variant) => Command::RemoveVariant { variant, version },
            Self::Replace { is_simple, all, price } => {
                replace(is_simple, all.iter().map(Wanted::whole).collect(), price)
            }
            Self::Alter { more, fewer } => {
                let present = |variant: &Arc<VariantDescription>| WantedVariant {
                    description: Arc::clone(variant),
                    initial_stock: None,
                };
                let mut all: Vec<_> =
                    product.live_variants().map(|(_, variant)| present(&variant.description)).collect();
                if let Some(place) = fewer.filter(|place| *place < all.len()) {
                    all.remove(place);
                }
                all.extend(more.as_ref().map(Wanted::whole));
                replace(false, all, None)
            }
        }
    }
}

impl Wanted {
    fn whole(&self) -> WantedVariant {
        WantedVariant { description: self.description(), initial_stock: self.stock.map(Units) }
    }

    fn description(&self) -> Arc<VariantDescription> {
        Arc::new(VariantDescription {
            sku: Sku::new(&format!("v{}", self.sku)).expect("well formed"),
            name: None,
            attributes: "{}".into(),
            price_adjustment: Money(self.adjustment),
        })
    }
}
