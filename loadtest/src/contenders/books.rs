//! Books: what a contender's database wrote down, and whether that is what buyers heard.
//!
//! Pure but for the types; `postgres` and `redis` read them, `contenders` asks.

use std::collections::{BTreeMap, BTreeSet};

use super::Stock;
use crate::load::{ProductTally, Tally};
use crate::shop::Product;

/// What buyers heard in all measurements of one contender, warm-up and tail included, by product id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard(BTreeMap<String, ProductTally>);

impl Heard {
    /// Adds one measurement with a workload of `product_ids`.
    pub(crate) fn add(&mut self, product_ids: &[String], tally: &Tally) {
        for (id, more) in product_ids.iter().zip(&tally.products) {
            let sum = self.0.entry(id.clone()).or_default();
            sum.taken += more.taken;
            sum.unknown += more.unknown;
            sum.refused += more.refused;
        }
    }

    /// The same after some of the units may have come back: nobody knows of any that it is still gone.
    pub(crate) fn lapsed(mut self) -> Self {
        for product in self.0.values_mut() {
            product.unknown += std::mem::take(&mut product.taken);
        }
        self
    }
}

/// Everything about one database after the last purchase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    /// Rows or entries, one for each purchase.
    pub(super) purchases: u64,
    /// How many different order ids they have.
    pub(super) orders: u64,
    /// By product id, as the load test names them.
    pub(super) products: BTreeMap<String, Figures>,
}

/// One product; signed, so that nonsense is found and not unreadable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Units that are left; `None` for a product that only purchases know.
    pub(super) left: Option<i64>,
    /// Units in the purchases.
    pub(super) purchased: i64,
}

/// Everything that is wrong, one sentence each.
///
/// All buy single units. Of each product as many are purchased as were acknowledged, and at most as many more as
/// requests have no answer.
pub(super) fn judge(stock: &Stock, heard: &Heard, books: &Books) -> Vec<String> {
    let mut wrong = Vec::new();
    if books.orders != books.purchases {
        wrong.push(format!("{} purchases share {} order ids", books.purchases, books.orders));
    }
    let units: i64 = books.products.values().map(|product| product.purchased).sum();
    if u64::try_from(units) != Ok(books.purchases) {
        wrong.push(format!("{} purchases of one unit each took {units} units", books.purchases));
    }
    for product in &stock.products {
        let figures = books.products.get(&product.id).copied().unwrap_or_default();
        let heard = heard.0.get(&product.id).copied().unwrap_or_default();
        wrong.extend(judge_product(product, heard, figures));
    }
    let known: BTreeSet<&String> = stock.products.iter().map(|product| &product.id).collect();
    let strangers = books.products.keys().chain(heard.0.keys()).filter(|id| !known.contains(id));
    wrong.extend(strangers.map(|id| format!("{id} was never for sale")));
    wrong
}

fn judge_product(product: &Product, heard: ProductTally, figures: Figures) -> Vec<String> {
    let Figures { left, purchased } = figures;
    let Product { sku, stock, .. } = product;
    let Some(left) = left else { return vec![format!("{sku} is not there any more")] };
    let mut wrong = Vec::new();
    if left < 0 {
        wrong.push(format!("{sku} is at {left} units"));
    }
    if i64::from(*stock) - left != purchased {
        wrong.push(format!("{sku} went from {stock} to {left} units, and {purchased} were taken"));
    }
    let ProductTally { taken, unknown, .. } = heard;
    if !u64::try_from(purchased).is_ok_and(|purchased| (taken..=taken + unknown).contains(&purchased)) {
        wrong.push(format!(
            "{sku}: {purchased} units were taken, buyers heard of {taken} and may have missed {unknown}"
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock() -> Stock {
        Stock::new([("A".to_owned(), 10), ("B".to_owned(), 5)])
    }

    fn ids(stock: &Stock) -> Vec<String> {
        stock.products.iter().map(|product| product.id.clone()).collect()
    }

    fn books(stock: &Stock) -> Books {
        let figures = [(5, 5), (3, 2)].map(|(left, purchased)| Figures { left: Some(left), purchased });
        Books { purchases: 7, orders: 7, products: ids(stock).into_iter().zip(figures).collect() }
    }

    /// `heard`: for each measurement, taken and unknown units of A and of B.
    fn check(heard: &[[(u64, u64); 2]], change: impl FnOnce(&[String], &mut Books), expect: &[&str]) {
        let stock = stock();
        let ids = ids(&stock);
        let mut books = books(&stock);
        change(&ids, &mut books);
        let mut all = Heard::default();
        for measurement in heard {
            let products = measurement.map(|(taken, unknown)| ProductTally { taken, unknown, refused: 0 });
            all.add(&ids, &Tally { products: products.to_vec(), unknown: 0 });
        }
        let wrong = judge(&stock, &all, &books);
        assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
        for (wrong, expect) in wrong.iter().zip(expect) {
            assert!(wrong.contains(expect), "{wrong} lacks {expect}");
        }
    }

    #[test]
    fn sound_books_are_passed() {
        check(&[[(4, 0), (0, 0)], [(1, 0), (2, 0)]], |_, _| {}, &[]);
        check(&[[(3, 2), (2, 0)]], |_, _| {}, &[]);
    }

    #[test]
    fn units_that_came_back_are_not_missed_and_more_than_were_taken_are_not_passed() {
        let tally = |taken, unknown| ProductTally { taken, unknown, refused: 0 };
        let mut heard = Heard::default();
        heard.add(&["A".into()], &Tally { products: vec![tally(4, 1)], unknown: 0 });
        assert_eq!(heard.lapsed().0["A"], tally(0, 5));
        let product = Product { id: "A".into(), sku: "A".into(), stock: 10 };
        for (left, purchased, is_right) in [(10, 0, true), (5, 5, true), (4, 6, false), (11, -1, false)] {
            let wrong = judge_product(&product, tally(0, 5), Figures { left: Some(left), purchased });
            assert_eq!(wrong.is_empty(), is_right, "{wrong:?}");
        }
    }

    #[test]
    fn purchases_nobody_heard_of_are_found_and_lost_ones_too() {
        check(&[[(4, 0), (2, 0)]], |_, _| {}, &["A: 5 units were taken, buyers heard of 4"]);
        check(&[[(3, 1), (2, 0)]], |_, _| {}, &["may have missed 1"]);
        check(&[[(5, 0), (3, 9)]], |_, _| {}, &["B: 2 units were taken, buyers heard of 3"]);
    }

    #[test]
    fn shared_order_ids_are_found() {
        check(&[[(5, 0), (2, 0)]], |_, books| books.orders = 6, &["7 purchases share 6 order ids"]);
    }

    #[test]
    fn stock_that_does_not_fit_is_found() {
        let right = [[(5, 0), (2, 0)]];
        let set = |ids: &[String], books: &mut Books, left| {
            books.products.entry(ids[0].clone()).or_default().left = left;
        };
        let unfit = "A went from 10 to 4 units, and 5 were taken";
        check(&right, |ids, books| set(ids, books, Some(4)), &[unfit]);
        check(&right, |ids, books| set(ids, books, Some(-1)), &["A is at -1 units", "A went from 10 to -1"]);
        check(&right, |ids, books| set(ids, books, None), &["A is not there any more"]);
        let strange = |_: &[String], books: &mut Books| {
            books.products.insert("prod_x".into(), Figures { left: None, purchased: 1 });
        };
        check(&right, strange, &["7 purchases of one unit each took 8 units", "prod_x was never for sale"]);
    }
}
