//! Prices: what rules make of a base price, and which rule it is.

mod prices {
    pub(crate) mod scene;

    mod choosing;
    mod editing;
    mod laws;
    mod purchases;
}
