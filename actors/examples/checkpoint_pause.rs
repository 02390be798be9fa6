//! How long a checkpoint keeps a shard from its requests: a shop with many products and orders, purchases of one hot product and of
//! all of them, and checkpoints meanwhile.
//!
//! `cargo run --release -p holdfast-actors --example checkpoint_pause -- PRODUCTS ORDERS`
//!
//! Prints the latency of purchases with and without checkpoints, the longest pause as the shards measure it, and the longest time
//! that a probe on their threads, which wants to run each millisecond, did not run.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast_actors::checkpoint::CheckpointOptions;
use holdfast_actors::domain::product::{
    Description, NewProduct, NewVariant, ReserveOn, Status, VariantDescription,
};
use holdfast_actors::domain::{Currency, Money, Owner, ProductId, Quantity, Sku};
use holdfast_actors::engine::{Kind, stop_process};
use holdfast_actors::persistence::{
    Checkpoints, CommitterOptions, Folder, Options as StoreOptions, Retain, SledJournal,
};
use holdfast_actors::{Actor, Context, Engine, Options, RequestId, SimulatedGateway, SystemClock, recovery};

/// Requests that are sent at once while the shop is filled.
const FILLING: u64 = 4_096;
/// Buyers who buy one thing after the other while it is measured.
const BUYERS: u64 = 64;
const SHARDS: u16 = 2;
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
    let engine = open(&data, &hosts)?;
    let began = Instant::now();
    for first in (1..=products).step_by(usize::try_from(FILLING)?) {
        let end = (first + FILLING).min(products + 1);
        join_all((first..end).map(|number| make(&engine, number))).await;
    }
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
    let gap_us = Arc::new(AtomicU64::new(0));
    for host in hosts {
        let (is_over, gap_us) = (Arc::clone(&is_over), Arc::clone(&gap_us));
        host.spawn(async move { probe(&is_over, &gap_us).await });
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
        Duration::from_micros(gap_us.load(Ordering::Relaxed)),
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

/// Notes the longest time for which the thread did not come back.
async fn probe(is_over: &AtomicBool, gap_us: &AtomicU64) {
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let late = began.elapsed().saturating_sub(Duration::from_millis(2));
        gap_us.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn open(data: &tempfile::TempDir, hosts: &[actix::Arbiter]) -> Result<Engine, Box<dyn Error>> {
    let folder = Folder::open(data.path())?;
    let mut journal = SledJournal::open(&folder, StoreOptions::default())?;
    let files = Checkpoints::open(&folder, journal_id(&journal), partitions(&journal))?;
    let recovered = recovery::recover(&mut journal)?;
    let checkpoints = CheckpointOptions {
        files,
        every: None,
        journal_bytes_max: u64::MAX,
        disk_reserve_bytes: 0,
        retain: Retain::Age(Duration::ZERO),
        trimmer: Some(journal.trimmer()),
    };
    let options = Options {
        shards: SHARDS,
        hosts: hosts.iter().map(actix::Arbiter::handle).collect(),
        idle: Duration::from_secs(60),
        admitted_max: 1_000_000,
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| uuid::Uuid::now_v7().as_u128()),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| stop_process(error)),
        checkpoints: Some(checkpoints),
    };
    let reader = journal.reader();
    Ok(Engine::start(Box::new(journal), Some(reader), recovered, options))
}

fn journal_id(journal: &SledJournal) -> holdfast_actors::persistence::JournalId {
    use holdfast_actors::persistence::FrameSource as _;
    journal.id()
}

fn partitions(journal: &SledJournal) -> u16 {
    use holdfast_actors::persistence::FrameSource as _;
    journal.partitions()
}

async fn make(engine: &Engine, number: u64) {
    let sku = Sku::new(&format!("SKU-{number}")).expect("it is well formed");
    let description = Description {
        name: format!("Product {number}").into(),
        text: None,
        status: Status::Active,
        price: Money(1999),
        currency: Currency::new("EUR").expect("three capitals"),
        category_ids: Vec::new(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    };
    let variant = VariantDescription { sku, name: None, attributes: "{}".into(), price_adjustment: Money(0) };
    let stock = Quantity::new(Quantity::MAX);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock: stock }];
    let new = NewProduct { description: Arc::new(description), is_simple: true, variants };
    let id = ProductId(product_id(number));
    engine.create(&context(number), id, new).await.expect("the sku is free");
}

async fn buy(engine: &Engine, product: u64, number: u64) {
    let one = Quantity::new(1).expect("it is one");
    let bought = engine.purchase(&context(number), ProductId(product_id(product)), None, one).await;
    bought.expect("there is enough of everything");
}

fn context(number: u64) -> Context {
    let guest = Owner::Guest(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let Owner::Guest(digest) = guest else { unreachable!("it is a guest") };
    Context { request_id: RequestId::Made(number.into()), actor: Actor::Guest(digest), key: None }
}

/// Scattered over all partitions.
fn product_id(number: u64) -> u128 {
    u128::from(number).wrapping_mul(0xda94_2042_e4dd_58b5_0000_0001_0000_0001) | 1
}

/// Any product, by a number.
fn spread(number: u64, products: u64) -> u64 {
    1 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % products.max(1)
}

fn megabytes(bytes: u64) -> f64 {
    let kilobytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kilobytes) / 1024.0
}
