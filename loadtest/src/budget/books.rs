//! Books: what buyers heard of Holdfast's products in all measurements, and whether its figures say the same at the end.
//!
//! Judged by the rules of `contenders`, as those of everybody else. Called by `market`.

use std::time::{Duration, Instant};

use crate::contenders::contest::audit_holdfast;
use crate::contenders::{Heard, Stock};
use crate::load::{Tally, Workload};
use crate::server;
use crate::shop::{Figures, Product, Shop};
use crate::wire::Style;

const BATCH_OPERATIONS: usize = 1_000;
/// The longest there is: that they lapse is another scenario.
const BATCH_TTL_SECONDS: u32 = 3_600;

/// Products, and what buyers heard of them in each measurement, warm-up and tail included.
pub(super) struct Sold {
    stock: Stock,
    heard: Heard,
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
        Self { stock: Stock { products }, heard: Heard::default() }
    }

    /// Adds one measurement of all products, or of the first ones.
    pub(super) fn add(&mut self, tally: &Tally) {
        let ids: Vec<String> = self.stock.products.iter().map(|product| product.id.clone()).collect();
        self.heard.add(&ids, tally);
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
        if self.heard == Heard::default() {
            return Ok(Vec::new());
        }
        let heard = if are_all_there { self.heard.clone() } else { self.heard.clone().lapsed() };
        audit_holdfast(shop, &self.stock, &heard, units)
    }
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
        let skus: Vec<String> = self.held.stock.products.iter().map(|product| product.sku.clone()).collect();
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
        sold.add(&Tally::of_one_unit());
        assert_eq!(sold.audit(&shop).expect("figures"), [""; 0]);
        sold.add(&Tally::of_one_unit());
        let wrong = sold.audit(&shop).expect("figures");
        assert_eq!(wrong, ["holdfast: A: 1 units were taken, buyers heard of 2 and may have missed 0"]);
        let units = |figures: &Figures| figures.committed;
        assert!(sold.audit_units(&shop, units, false).expect("figures").is_empty());
    }
}
