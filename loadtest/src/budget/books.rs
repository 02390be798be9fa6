//! Books: what buyers heard of Holdfast's products in all measurements, and whether its figures say the same at the end.
//!
//! Those of the contenders are judged by `contenders`. Called by `market`.

use std::time::{Duration, Instant};

use crate::load::{ProductTally, Tally, Workload};
use crate::series::HOLDFAST;
use crate::server;
use crate::shop::{Figures, Product, Shop};
use crate::wire::Style;

const BATCH_OPERATIONS: usize = 1_000;
/// The longest there is: that they lapse is another scenario.
const BATCH_TTL_SECONDS: u32 = 3_600;

/// Products, and what buyers heard of them in each measurement, warm-up and tail included.
pub(super) struct Sold {
    products: Vec<Product>,
    tallies: Vec<Tally>,
}

/// The Holdfast that takes batches.
pub(super) struct Batches {
    shop: Shop,
    style: Style,
    pub(super) held: Sold,
    /// When the first of its holds lapses.
    lapsing_at: Instant,
}

impl Sold {
    pub(super) fn new(products: Vec<Product>) -> Self {
        Self { products, tallies: Vec::new() }
    }

    /// Adds one measurement of all products, or of the first ones.
    pub(super) fn add(&mut self, tally: Tally) {
        self.tallies.push(tally);
    }

    /// Everything that is wrong, one sentence each.
    ///
    /// # Errors
    ///
    /// When the shop does not show its figures.
    pub(super) fn audit(&self, shop: &Shop) -> anyhow::Result<Vec<String>> {
        self.audit_units(shop, |figures| figures.committed, true)
    }

    /// The same of what `units` says; where units have come back, fewer than were taken are right.
    fn audit_units(
        &self,
        shop: &Shop,
        units: fn(&Figures) -> i64,
        are_all_there: bool,
    ) -> anyhow::Result<Vec<String>> {
        if self.tallies.is_empty() {
            return Ok(Vec::new());
        }
        let skus: Vec<String> = self.products.iter().map(|product| product.sku.clone()).collect();
        let mut wrong = Vec::new();
        for (place, figures) in shop.all_figures(&skus)?.into_iter().enumerate() {
            let heard: Vec<&ProductTally> =
                self.tallies.iter().filter_map(|tally| tally.products.get(place)).collect();
            let taken: u64 = heard.iter().map(|product| product.taken).sum();
            let most = taken + heard.iter().map(|product| product.unknown).sum::<u64>();
            let least = if are_all_there { taken } else { 0 };
            wrong.extend(judge(&self.products[place], &figures, units(&figures), least, most));
        }
        Ok(wrong)
    }
}

/// What is wrong with one product of which `taken` units are gone by the books, and `least` to `most` by the answers.
fn judge(product: &Product, figures: &Figures, taken: i64, least: u64, most: u64) -> Option<String> {
    let Product { sku, stock, .. } = product;
    let is_told = u64::try_from(taken).is_ok_and(|taken| (least..=most).contains(&taken));
    let is_rest = figures.available >= 0 && figures.available == i64::from(*stock) - taken;
    (!(is_told && is_rest)).then(|| {
        let left = figures.available;
        format!("{HOLDFAST}: of {stock} units of {sku} {taken} are taken and {left} left, and buyers heard of {least} to {most}")
    })
}

impl Batches {
    pub(super) fn new(shop: Shop, style: Style, products: Vec<Product>) -> Self {
        let lapsing_at = Instant::now() + Duration::from_secs(BATCH_TTL_SECONDS.into());
        Self { shop, style, held: Sold::new(products), lapsing_at }
    }

    /// Batches that bear a fresh token: it is valid for minutes, and a run may take hours.
    ///
    /// # Errors
    ///
    /// When the shop lets nobody in.
    pub(super) fn workload(&mut self) -> anyhow::Result<Workload> {
        self.shop.log_in(server::EMAIL, server::PASSWORD)?;
        let skus: Vec<String> = self.held.products.iter().map(|product| product.sku.clone()).collect();
        Workload::batches(&self.style, self.shop.token()?, &skus, BATCH_OPERATIONS, BATCH_TTL_SECONDS)
    }

    /// Everything that is wrong, one sentence each.
    ///
    /// # Errors
    ///
    /// When the shop does not show its figures.
    pub(super) fn audit(&mut self) -> anyhow::Result<Vec<String>> {
        self.shop.log_in(server::EMAIL, server::PASSWORD)?;
        let are_all_there = Instant::now() < self.lapsing_at;
        self.held.audit_units(&self.shop, |figures| figures.reserved, are_all_there)
    }
}

/// What a buyer of one unit heard, of the first product.
pub(super) fn one_unit() -> Tally {
    Tally { products: vec![ProductTally { taken: 1, ..ProductTally::default() }], unknown: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_shop::{self, Cheat};

    #[test]
    fn books_that_say_what_buyers_heard_are_passed_and_others_are_not() {
        let target = fake_shop::open(Cheat::Honest);
        let mut shop = Shop::enter(&target, Duration::from_secs(60)).expect("it is open");
        let products = shop.create_products(&["A".into(), "B".into()], 5).expect("they are made");
        let request = crate::wire::Request::purchase(
            &Style { host: target.host.clone(), run: "00000000".into() },
            &products[0].id,
            false,
        );
        assert_eq!(shop.sample(request.bytes()).expect("an answer").status, 201);
        let mut sold = Sold::new(products);
        assert!(sold.audit(&shop).expect("figures").is_empty(), "nothing was measured");
        sold.add(one_unit());
        assert_eq!(sold.audit(&shop).expect("figures"), [""; 0]);
        sold.add(one_unit());
        let wrong = sold.audit(&shop).expect("figures");
        assert_eq!(wrong, ["holdfast: of 5 units of A 1 are taken and 4 left, and buyers heard of 2 to 2"]);
        let units = |figures: &Figures| figures.committed;
        assert!(sold.audit_units(&shop, units, false).expect("figures").is_empty());
    }

    #[test]
    fn units_that_are_nowhere_are_found() {
        let product = Product { id: "prod_1".into(), sku: "A".into(), stock: 5 };
        let figures = |available| Figures { on_hand: 5, available, reserved: 0, committed: 3 };
        assert_eq!(judge(&product, &figures(2), 3, 2, 3), None);
        for (available, taken, least) in [(1, 3, 3), (2, 3, 4), (-1, 6, 3), (6, -1, 0)] {
            assert!(judge(&product, &figures(available), taken, least, 5).is_some(), "{available} {taken}");
        }
    }
}
