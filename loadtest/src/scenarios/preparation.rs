//! Preparation: the products that a scenario needs, and the workload over them.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::{Scenario, Spread};
use crate::load::{Choice, Load, Workload};
use crate::results::Pace;
use crate::shop::{Product, Shop, Wanted};
use crate::wire::Style;
use crate::{plenty, report};

/// Seconds for which purchases may go on after the measured time, rounded up.
const DRAIN_S: u64 = 11;
/// Whatever the rate, reservations of one product do not use this up: it is what one line may be.
const BATCH_STOCK: u32 = 1_000_000;
/// The longest that the API gives: no hold ends before the audit.
const HOLD_SECONDS: u32 = 3_600;
/// An administrator's token is valid for 15 minutes; all batches of a run are sent with one.
const TOKEN_S: u64 = 14 * 60;
const HOT_PRODUCTS_BROWSED: f64 = 1.0;

/// Everything that is there before the load begins.
#[derive(Debug)]
pub(super) struct Preparation {
    pub(super) workload: Workload,
    /// In the order of the workload's ids.
    pub(super) products: Vec<Product>,
    pub(super) kind: Kind,
    /// Units of each product that were sold beforehand.
    pub(super) sold_before: u64,
}

/// What becomes of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sold,
    Held,
}

impl Spread {
    fn choice(&self) -> Choice {
        if self.uniform { Choice::Uniform } else { Choice::Zipf { exponent: self.zipf } }
    }
}

impl Preparation {
    pub(super) fn make(
        scenario: &Scenario,
        load: &Load,
        style: &Style,
        shop: &mut Shop,
    ) -> anyhow::Result<Self> {
        let stock = units(load)?;
        let kind = if matches!(scenario, Scenario::Batch(_)) { Kind::Held } else { Kind::Sold };
        let products = make_products(scenario, stock, style, shop)?;
        let ids: Vec<String> = products.iter().map(|product| product.id.clone()).collect();
        let workload = match scenario {
            Scenario::Flash(flash) => {
                let workload = Workload::purchases(style, ids, Choice::Uniform)?;
                if flash.units.is_some() { workload.expecting("insufficient_stock") } else { workload }
            }
            Scenario::Spread(spread) => Workload::purchases(style, ids, spread.choice())?,
            Scenario::SoldOut(_) => Workload::refusals(style, ids)?,
            Scenario::Browse(_) => {
                Workload::browse(style, ids, Choice::Zipf { exponent: HOT_PRODUCTS_BROWSED })?
            }
            Scenario::Mixed(mixed) => Workload::mixed(style, ids, Choice::Uniform, mixed.reads_per_purchase)?,
            Scenario::Batch(batch) => {
                ensure!(
                    load.warm_up + load.duration <= Duration::from_secs(TOKEN_S),
                    "--duration of batches is at most {TOKEN_S} seconds with the warm-up: as long as one token is valid"
                );
                let skus: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
                let operations = usize::try_from(batch.batch).context("--batch")?;
                Workload::batches(style, shop.token()?, &skus, operations, HOLD_SECONDS)?
            }
        };
        let is_sold_out = matches!(scenario, Scenario::SoldOut(_));
        if is_sold_out {
            let last_unit = shop.sample(workload.template().bytes())?;
            ensure!(last_unit.status == 201, "buying the only unit was answered {}", last_unit.status);
        }
        Ok(Self { workload, products, kind, sold_before: u64::from(is_sold_out) })
    }
}

fn make_products(
    scenario: &Scenario,
    units: u32,
    style: &Style,
    shop: &mut Shop,
) -> anyhow::Result<Vec<Product>> {
    let (products, each): (u32, Box<dyn Fn(u32) -> u32>) = match scenario {
        Scenario::Flash(flash) => {
            let units = flash.units.unwrap_or(units);
            (1, Box::new(move |_| units))
        }
        Scenario::SoldOut(_) => (1, Box::new(|_| 1)),
        Scenario::Spread(spread) => {
            let products = spread.products.unwrap_or(if spread.common.short { 1_000 } else { 10_000 });
            if spread.uniform {
                (products, Box::new(move |_| plenty::share(units, products)))
            } else {
                // The chance of the n-th is at most 1/n, whatever the exponent: the n before it are as likely each.
                (products, Box::new(move |rank| (units / rank).saturating_add(plenty::UNITS_MIN)))
            }
        }
        Scenario::Browse(browse) => (
            browse.products.unwrap_or(if browse.common.short { 500 } else { 10_000 }),
            Box::new(|_| plenty::UNITS_MIN),
        ),
        Scenario::Mixed(mixed) => {
            let products = mixed.products.unwrap_or(if mixed.common.short { 100 } else { 1_000 });
            (products, Box::new(move |_| plenty::share(units, products)))
        }
        Scenario::Batch(batch) => (
            batch.products.unwrap_or(if batch.common.short { 1_000 } else { 10_000 }),
            Box::new(|_| BATCH_STOCK),
        ),
    };
    if products > 1 {
        eprintln!("creating {} products", report::count(u64::from(products)));
    }
    let wanted: Vec<Wanted> = (1..=products)
        .map(|rank| {
            let sku = format!("{}-{}-{rank:07}", scenario.name(), style.run);
            Wanted { sku, stock: each(rank), ..Wanted::default() }
        })
        .collect();
    shop.create_all(&wanted)
}

/// More units than can be sold under `load`.
fn units(load: &Load) -> anyhow::Result<u32> {
    let seconds = Duration::from_secs((load.warm_up + load.duration).as_secs() + DRAIN_S);
    let busy = match load.pace {
        Pace::Closed => seconds,
        Pace::Open { .. } => seconds * 2,
    };
    plenty::units(busy)
        .filter(|units| *units <= 1_000_000_000)
        .context("--duration needs more stock than a product may have")
}
