//! Drain: waits until nothing is held any more, by the server's own figures, and collects what it says then.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::auditor::orders::{Facts, Stock};
use crate::numbers::Chance;
use crate::shop::orders::Line;
use crate::shop::{Product, Shop};

const POLL_MS: u64 = 20;
/// Ledgers that are read: the most popular products, and some of the others.
const LEDGERS_POPULAR: usize = 20;
const LEDGERS_OTHER: usize = 20;
/// More rows than this in one list are a list without end.
const ROWS_MAX: usize = 2_000_000;

/// How the waiting ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Drained {
    pub(crate) waited_ms: f64,
    /// Nothing is held any more.
    pub(crate) is_empty: bool,
}

/// Polls until no product has reserved units, and no order or reservation is open, or `patience` is over.
///
/// # Errors
///
/// When the server does not tell.
pub(super) fn wait(
    shop: &mut Shop,
    products: &[Product],
    prefix: &str,
    patience: Duration,
) -> anyhow::Result<Drained> {
    let started_at = Instant::now();
    let mut held: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
    loop {
        let is_over = started_at.elapsed() >= patience;
        let figures = shop.all_figures(&held)?;
        let mut reserved = figures.iter().map(|figures| figures.reserved != 0);
        held.retain(|_| reserved.next().unwrap_or(false));
        let is_empty = held.is_empty() && nothing_is_open(shop, prefix)?;
        if is_empty || is_over {
            return Ok(Drained { waited_ms: started_at.elapsed().as_secs_f64() * 1e3, is_empty });
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}

fn nothing_is_open(shop: &mut Shop, prefix: &str) -> anyhow::Result<bool> {
    let is_order_open = shop.pending_orders(ROWS_MAX)?.iter().any(|order| is_ours(&order.lines, prefix));
    let active = shop.active_reservations(ROWS_MAX)?;
    Ok(!is_order_open && !active.iter().any(|reservation| is_ours(&reservation.lines, prefix)))
}

/// Whether lines belong to the run whose skus begin with `prefix`. No lines belong to nobody: they are judged as ours.
fn is_ours(lines: &[Line], prefix: &str) -> bool {
    lines.is_empty() || lines.iter().any(|line| line.sku.starts_with(prefix))
}

/// Everything the auditor compares. Orders and reservations of other runs than that with `prefix` are left out.
///
/// # Errors
///
/// When the server does not tell, or a list has no end.
pub(super) fn collect(
    shop: &mut Shop,
    products: &[Product],
    prefix: &str,
    chance: &mut Chance,
) -> anyhow::Result<Facts> {
    let skus: Vec<String> = products.iter().map(|product| product.sku.clone()).collect();
    let figures = shop.all_figures(&skus)?;
    let stock = products
        .iter()
        .zip(figures)
        .map(|(product, figures)| Stock { sku: product.sku.clone(), received: product.stock, figures })
        .collect();
    let mut orders = shop.orders(ROWS_MAX)?;
    orders.retain(|order| is_ours(&order.lines, prefix));
    let mut reservations = shop.reservations(ROWS_MAX)?;
    reservations.retain(|reservation| is_ours(&reservation.lines, prefix));
    let mut ledgers = Vec::new();
    for at in chosen(products.len(), chance) {
        let sku = &products[at].sku;
        ledgers.push((sku.clone(), shop.movements(sku, ROWS_MAX)?));
    }
    Ok(Facts { orders, reservations, stock, ledgers })
}

/// The first few of so many products, and some others; each once.
fn chosen(products: usize, chance: &mut Chance) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..products.min(LEDGERS_POPULAR)).collect();
    chosen.extend((0..LEDGERS_OTHER).map(|_| chance.index(products)));
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}
