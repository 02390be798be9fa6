//! How long a checkpoint keeps a shard from its requests: a shop with many products and orders, purchases of one hot product and of
//! all of them, and checkpoints meanwhile.
//!
//! `cargo run --release -p holdfast-actors --example checkpoint_pause -- PRODUCTS ORDERS`
//!
//! Prints the latency of purchases with and without checkpoints, the longest pause as the shards measure it, and the longest time
//! that a probe on their threads, which wants to run each millisecond, did not run.

#[path = "support/shop.rs"]
mod shop;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast_actors::Engine;
use holdfast_actors::engine::Kind;

use shop::{Gap, SHARDS, buy, megabytes, open, spread};

/// Requests that are sent at once while the shop is filled.
const FILLING: u64 = 4_096;
/// Buyers who buy one thing after the other while it is measured.
const BUYERS: u64 = 64;
/// A hot product has a million units: on a quick machine enough for twice as long.
const MEASURED: Duration = Duration::from_secs(4);

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let products = numbers.next().transpose()?.unwrap_or(100_000);
    let orders = numbers.next().transpose()?.unwrap_or(products);
    actix::System::new().block_on(measure(products, orders))
}

async fn measure(products: u64, orders: u64) -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let hosts: Vec<_> = (0..SHARDS).map(|_| actix::Arbiter::new()).collect();
    let engine = open(data.path(), &hosts, Duration::from_secs(60))?;
    let began = Instant::now();
    shop::fill(&engine, products).await;
    println!("{products} products made in {:.1?}", began.elapsed());
    let began = Instant::now();
    for first in (0..orders).step_by(usize::try_from(FILLING)?) {
        let end = (first + FILLING).min(orders);
        join_all((first..end).map(|number| buy(&engine, spread(number, products), number))).await;
    }
    println!("{orders} orders placed in {:.1?}", began.elapsed());
    let taken = engine.checkpoint(Kind::Increment).await?;
    println!(
        "all of it: {} entries, {:.1} MB in {:.1?}, longest pause {:.3?}",
        taken.info.entries,
        megabytes(taken.info.bytes),
        taken.elapsed,
        taken.pause_max
    );
    // Each time another product is the hot one: none has units for two.
    for (hot, with_checkpoints) in [(Some(1), false), (Some(2), true), (None, false), (None, true)] {
        run(&engine, &hosts, products, hot, with_checkpoints).await?;
    }
    let engine_stopped = tokio::task::spawn_blocking(move || engine.stop().map(drop));
    engine_stopped.await??;
    Ok(())
}

/// Everybody buys for a while.
async fn run(
    engine: &Engine,
    hosts: &[actix::Arbiter],
    products: u64,
    hot: Option<u64>,
    with_checkpoints: bool,
) -> Result<(), Box<dyn Error>> {
    let is_over = Arc::new(AtomicBool::new(false));
    let gap = Arc::new(Gap::default());
    for host in hosts {
        let gap = Arc::clone(&gap);
        host.spawn(async move { gap.watch().await });
    }
    let buyer = |buyer: u64| {
        let (engine, is_over) = (engine.clone(), Arc::clone(&is_over));
        async move {
            let (mut latencies, mut number) = (Vec::new(), buyer << 32);
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                buy(&engine, hot.unwrap_or_else(|| spread(number, products)), number).await;
                latencies.push(began.elapsed());
                number += 1;
            }
            latencies
        }
    };
    let buyers: Vec<_> = (0..BUYERS).map(|number| actix::spawn(buyer(number))).collect();
    let (began, mut taken) = (Instant::now(), Vec::new());
    while began.elapsed() < MEASURED {
        if with_checkpoints {
            taken.push(engine.checkpoint(Kind::Increment).await?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    gap.end();
    let mut latencies: Vec<Duration> = join_all(buyers).await.into_iter().flatten().flatten().collect();
    latencies.sort_unstable();
    let at =
        |per_mille: usize| latencies.get(latencies.len() * per_mille / 1000).copied().unwrap_or_default();
    println!(
        "{} {}: {} purchases, p50 {:.2?} p99 {:.2?} p99.9 {:.2?} max {:.2?}; longest gap of a probe {:.2?}",
        if hot.is_some() { "hot   " } else { "spread" },
        if with_checkpoints { "with checkpoints   " } else { "without checkpoints" },
        latencies.len(),
        at(500),
        at(990),
        at(999),
        latencies.last().copied().unwrap_or_default(),
        gap.wall(),
    );
    if let Some(longest) = taken.iter().map(|it| it.pause_max).max() {
        let entries: u64 = taken.iter().map(|it| it.info.entries).sum();
        println!(
            "    {} checkpoints with {entries} entries, longest pause of a shard {longest:.3?}",
            taken.len()
        );
    }
    Ok(())
}
