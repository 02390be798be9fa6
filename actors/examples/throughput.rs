//! How many durable purchases product actors make in process: a real journal on disk, producers with many outstanding.
//!
//! `cargo run --release -p holdfast-actors --example throughput -- SECONDS PRODUCTS OUTSTANDING [hot_singly] [hot] [spread] [--json]`
//!
//! First one message for each purchase, as a request over HTTP costs it; then bursts, one message for all those of a product
//! ([`Engine::buy_many`]): of one hot product, and spread over all. Only answers that were given after their records were
//! on disk count, and each must be a yes.

#[path = "support/shop.rs"]
mod shop;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast_actors::Engine;
use holdfast_actors::domain::{ProductId, Quantity};

use shop::{SHARDS, Told, context, open, product_id};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECONDS: u64 = 3;
const PRODUCTS: u64 = 10_000;
const OUTSTANDING: u64 = 16_384;
/// As many as one message carries.
const BURST: u64 = 256;
const IDLE: Duration = Duration::from_secs(60);
const WARM_UP: Duration = Duration::from_millis(500);
/// From product to product in a burst, without a common divisor with their number.
const STRIDE: u64 = 7_919;

/// What is bought, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One product, a message for each purchase.
    HotSingly,
    /// One product, a burst at a time.
    Hot,
    /// All products in turn, a burst at a time.
    Spread,
}

/// Who buys, as long as it is measured.
#[derive(Clone)]
struct Producer {
    engine: Engine,
    products: u64,
    /// Who wait for a burst at a time, on each thread.
    abreast: u64,
    is_over: Arc<AtomicBool>,
    bought: Arc<AtomicU64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let told = Told::read(&[Way::HotSingly, Way::Hot, Way::Spread].map(Way::name))?;
    let seconds = told.number(0).unwrap_or(SECONDS).max(1);
    let products = told.number(1).unwrap_or(PRODUCTS).max(2);
    let outstanding = told.number(2).unwrap_or(OUTSTANDING);
    actix::System::new().block_on(async move {
        let data = tempfile::tempdir()?;
        let hosts: Vec<_> = (0..SHARDS).map(|_| actix::Arbiter::new()).collect();
        let engine = open(data.path(), &hosts, IDLE)?;
        shop::fill(&engine, products).await;
        join_all([1, 2].map(|hot| shop::stock_up(&engine, hot))).await;
        let abreast = (outstanding / BURST / u64::from(SHARDS)).max(1);
        let mut found = Vec::new();
        let ways = [Way::HotSingly, Way::Hot, Way::Spread];
        for way in ways.into_iter().filter(|way| told.is_wanted(way.name())) {
            let producer = Producer {
                engine: engine.clone(),
                products,
                abreast,
                is_over: Arc::default(),
                bought: Arc::default(),
            };
            let before = engine.stats().commits;
            let rate = producer.measure(way, &hosts, Duration::from_secs(seconds)).await?;
            let after = engine.stats().commits;
            if !told.is_json {
                println!(
                    "{}: {rate} durable purchases/s, {} outstanding, {} records in {} commits",
                    way.name(),
                    BURST * abreast * u64::from(SHARDS),
                    after.records - before.records,
                    after.syncs - before.syncs
                );
            }
            found.push(format!("\"{}_per_second\":{rate}", way.name()));
        }
        if told.is_json {
            println!(
                "{{\"seconds\":{seconds},\"products\":{products},\"outstanding\":{outstanding},{}}}",
                found.join(",")
            );
        }
        tokio::task::spawn_blocking(move || engine.stop().map(drop)).await??;
        Ok(())
    })
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::HotSingly => "hot_singly",
            Self::Hot => "hot",
            Self::Spread => "spread",
        }
    }
}

impl Producer {
    /// Durable purchases in a second.
    async fn measure(
        &self,
        way: Way,
        hosts: &[actix::Arbiter],
        time: Duration,
    ) -> Result<u64, Box<dyn Error>> {
        let mut ended = Vec::new();
        for (host, first) in hosts.iter().zip((0..).step_by(usize::try_from(self.abreast)?)) {
            let producer = self.clone();
            let (end, done) = tokio::sync::oneshot::channel();
            host.spawn_fn(move || {
                actix::spawn(async move {
                    let each = (first..first + producer.abreast).map(|number| producer.produce(way, number));
                    join_all(each).await;
                    // Whoever does not wait any more does not want to know.
                    let _unwanted = end.send(());
                });
            });
            ended.push(done);
        }
        tokio::time::sleep(WARM_UP).await;
        let (began, before) = (Instant::now(), self.bought.load(Ordering::Relaxed));
        tokio::time::sleep(time).await;
        let bought = self.bought.load(Ordering::Relaxed) - before;
        let micros = began.elapsed().as_micros().max(1);
        self.is_over.store(true, Ordering::Relaxed);
        for done in ended {
            done.await?;
        }
        Ok(u64::try_from(u128::from(bought) * 1_000_000 / micros)?)
    }

    async fn produce(&self, way: Way, number: u64) {
        let mut number = number << 40;
        while !self.is_over.load(Ordering::Relaxed) {
            match way {
                Way::HotSingly => self.buy_singly(number).await,
                Way::Hot | Way::Spread => self.buy_burst(way, number).await,
            }
            self.bought.fetch_add(BURST, Ordering::Relaxed);
            number += BURST;
        }
    }

    async fn buy_singly(&self, number: u64) {
        let one = Quantity::ONE;
        let offer = self.engine.offer(ProductId(product_id(1)), None, one).expect("it is for sale");
        let each = (number..number + BURST).map(|number| {
            let offer = offer.clone();
            async move { self.engine.buy(&context(number), offer).await }
        });
        for bought in join_all(each).await {
            bought.expect("there is enough");
        }
    }

    async fn buy_burst(&self, way: Way, number: u64) {
        let product = |number: u64| match way {
            Way::Spread => 1 + number.wrapping_mul(STRIDE) % self.products,
            Way::HotSingly | Way::Hot => 2,
        };
        let hot = self.engine.offer(ProductId(product_id(product(number))), None, Quantity::ONE);
        let hot = hot.expect("it is for sale");
        let burst = (number..number + BURST).map(|number| {
            let offer = match way {
                Way::Spread => {
                    let id = ProductId(product_id(product(number)));
                    self.engine.offer(id, None, Quantity::ONE).expect("it is for sale")
                }
                Way::HotSingly | Way::Hot => hot.clone(),
            };
            (context(number), offer)
        });
        for bought in self.engine.buy_many(burst.collect()).await {
            bought.expect("there is enough");
        }
    }
}
