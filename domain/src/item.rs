//! So many units of one variant of one product: a line of a cart, a reservation or an order.

use std::collections::BTreeMap;

use crate::product::{Line, VariantNo};
use crate::{ProductId, Quantity};

/// Units of one variant of one product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Item {
    /// Whose variant.
    pub product: ProductId,
    /// Which.
    pub variant: VariantNo,
    /// How many.
    pub quantity: Quantity,
}

impl Item {
    /// The same without its product.
    #[must_use]
    pub const fn line(&self) -> Line {
        Line { variant: self.variant, quantity: self.quantity }
    }

    /// Whether both are of the same variant.
    #[must_use]
    pub fn is_of(&self, product: ProductId, variant: VariantNo) -> bool {
        self.product == product && self.variant == variant
    }
}

/// The lines of each product, products in ascending order: how a hold of several products is taken.
#[must_use]
pub fn by_product<'a>(items: impl IntoIterator<Item = &'a Item>) -> BTreeMap<ProductId, Vec<Line>> {
    let mut found: BTreeMap<ProductId, Vec<Line>> = BTreeMap::new();
    for item in items {
        found.entry(item.product).or_default().push(item.line());
    }
    found
}
