//! Catalogue: the products of a run, and which of them somebody wants.
//!
//! Popularity is Zipf's: the second product is wanted half as often as the first, the third a third as often.

use crate::numbers::{self, Chance};
use crate::shop::Product;

/// The weight of the first product: large enough that the last still has one.
const WEIGHT_FIRST: u64 = 1_000_000_000;

/// What is for sale.
#[derive(Debug)]
pub(super) struct Catalogue {
    products: Vec<Product>,
    /// Sums of the weights up to each product.
    weights: Vec<u64>,
}

impl Catalogue {
    /// # Panics
    ///
    /// Without products.
    pub(super) fn new(products: Vec<Product>) -> Self {
        assert!(!products.is_empty(), "a catalogue has products");
        let mut sum = 0;
        let weights = (1..=numbers::count(products.len()))
            .map(|rank| {
                sum += WEIGHT_FIRST / rank;
                sum
            })
            .collect();
        Self { products, weights }
    }

    /// The next product that somebody wants.
    pub(super) fn choose(&self, chance: &mut Chance) -> &Product {
        let sum = *self.weights.last().expect("a catalogue has products");
        let drawn = chance.between(0, sum);
        &self.products[self.weights.partition_point(|weight| *weight <= drawn)]
    }

    /// In the order of their popularity.
    pub(super) fn products(&self) -> &[Product] {
        &self.products
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_product_is_wanted_half_as_often_as_the_first() {
        let product = |n: usize| Product { id: format!("prod_{n}"), sku: n.to_string(), stock: 1 };
        let catalogue = Catalogue::new((0..1_000).map(product).collect());
        let mut chance = Chance::new(1);
        let mut drawn = vec![0_u32; 1_000];
        for _ in 0..100_000 {
            let sku = &catalogue.choose(&mut chance).sku;
            drawn[sku.parse::<usize>().expect("a number")] += 1;
        }
        let (first, second, tenth) = (drawn[0], drawn[1], drawn[9]);
        assert!((12_000..15_000).contains(&first), "{first}");
        assert!((first / 2 - 500..first / 2 + 500).contains(&second), "{second}");
        assert!((first / 10 - 300..first / 10 + 300).contains(&tenth), "{tenth}");
        assert!(drawn[500..].iter().sum::<u32>() > 0, "the long tail sells, too");
    }
}
