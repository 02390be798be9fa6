//! Holds: the reservations of a storm, made in batches so that all lapse within the same second.
//!
//! Those of one product stand beside each other, so that its whole stock is free again at almost one moment.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::findings::{Findings, Invariant};
use crate::numbers;
use crate::shop::orders::{Lines, ReservationStatus};
use crate::shop::{Product, Shop, Wanted};
use crate::wall_clock::{self, UnixMs};
use crate::wire::Style;

use super::StormPlan;

/// The API takes so many reservations at once.
const BATCH_MAX: usize = 10_000;

/// Everything that was reserved.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) made: u64,
    pub(super) took: Duration,
    /// Of each product, the first and the last deadline of its reservations.
    pub(super) deadlines: Vec<(UnixMs, UnixMs)>,
}

impl Holds {
    pub(super) fn first(&self) -> UnixMs {
        self.deadlines.iter().map(|(first, _)| *first).min().unwrap_or_default()
    }

    pub(super) fn last(&self) -> UnixMs {
        self.deadlines.iter().map(|(_, last)| *last).max().unwrap_or_default()
    }
}

/// Makes the products, each with as many units as it will have reservations of one unit.
///
/// # Errors
///
/// When one cannot be made.
pub(super) fn stock_up(plan: &StormPlan, style: &Style, shop: &mut Shop) -> anyhow::Result<Vec<Product>> {
    let share = share(plan);
    let wanted: Vec<Wanted> = (0..plan.reservations.div_ceil(share))
        .map(|number| {
            let units = share.min(plan.reservations - number * share);
            let stock = u32::try_from(units).context("fewer reservations of one product")?;
            anyhow::Ok(Wanted { sku: format!("storm-{}-{number:06}", style.run), stock, ..Wanted::default() })
        })
        .collect::<Result<_, _>>()?;
    shop.create_all(&wanted).context("make the storm's products")
}

/// Reservations of each product.
fn share(plan: &StormPlan) -> usize {
    plan.reservations.div_ceil(plan.products).max(1)
}

/// Reserves every unit of every product, all until the same second.
///
/// # Errors
///
/// When a batch is refused, or the batches take so long that too little time is left before the storm.
pub(super) fn reserve(
    plan: &StormPlan,
    products: &[Product],
    shop: &mut Shop,
    findings: &mut Findings,
) -> anyhow::Result<Holds> {
    let share = share(plan);
    let skus: Vec<&str> = (0..plan.reservations).map(|at| products[at / share].sku.as_str()).collect();
    let mut holds =
        Holds { made: 0, took: Duration::ZERO, deadlines: vec![(UnixMs::MAX, 0); products.len()] };
    let started_at = Instant::now();
    for (number, skus) in skus.chunks(BATCH_MAX).enumerate() {
        let wanted: Vec<Lines> = skus.iter().map(|sku| Lines::from([((*sku).to_owned(), 1)])).collect();
        // Whole seconds from now, but all until the same moment: whatever has passed is taken off.
        let passed = u32::try_from((started_at.elapsed().as_millis() + 500) / 1_000).unwrap_or(u32::MAX);
        let ttl_seconds = plan.lapse_seconds.saturating_sub(passed).max(1);
        let results = shop.reserve_batch(&wanted, ttl_seconds)?;
        for (at, result) in results.into_iter().enumerate() {
            let (sku, at) = (skus[at], (number * BATCH_MAX + at) / share);
            let made = result.reservation.filter(|made| {
                let is_asked =
                    matches!(made.lines.as_slice(), [line] if line.sku == sku && line.quantity == 1);
                result.status == 201 && made.status == ReservationStatus::Active && is_asked
            });
            let deadline = made.and_then(|made| wall_clock::parse(&made.expires_at));
            let Some(deadline) = deadline else {
                let detail = format_args!("a reservation of {sku} in a batch: {}", result.status);
                findings.add(Invariant::AnswerIsExpected, detail);
                continue;
            };
            holds.made += 1;
            let (first, last) = &mut holds.deadlines[at];
            (*first, *last) = ((*first).min(deadline), (*last).max(deadline));
        }
    }
    holds.took = started_at.elapsed();
    ensure!(holds.made > 0, "no reservation was made");
    let left = holds.first().saturating_sub(wall_clock::now());
    ensure!(
        left >= plan.before_ms_min,
        "{} reservations took {:.1} s: only {left} ms are left before the storm, {} are needed (--lapse-after)",
        numbers::count(plan.reservations),
        holds.took.as_secs_f64(),
        plan.before_ms_min
    );
    Ok(holds)
}
