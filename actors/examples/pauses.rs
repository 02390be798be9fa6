//! The longest time for which a shard's thread does not come back: checkpoints under load, very many products that go to
//! sleep and are woken at once, and very many reservations that lapse in one moment.
//!
//! `cargo run --release -p holdfast-actors --example pauses -- PRODUCTS RESERVATIONS [--json]`
//!
//! A probe on each shard's thread wants to run each millisecond; how much later it runs is the pause. That counts whatever
//! else the machine did with that core meanwhile, so it is from above; `own` is the processor time that the thread itself
//! took in such a gap.

#[path = "support/shop.rs"]
mod shop;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast_actors::Engine;
use holdfast_actors::domain::{Millis, ProductId, Quantity, Sku, Timestamp, Units};
use holdfast_actors::engine::{Kind, NewReservation, Wanted};

use shop::{Gap, SHARDS, Told, buy, context, open, product_id, spread};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PRODUCTS: u64 = 100_000;
const RESERVATIONS: u64 = 100_000;
/// Reservations are for units of so many products.
const HELD_PRODUCTS: u64 = 1_000;
const RESERVATIONS_PER_BATCH: u64 = 1_000;
/// Buyers who buy one thing after the other while checkpoints are taken and products woken.
const BUYERS: u64 = 64;
const CHECKPOINTING: Duration = Duration::from_secs(3);
/// Long enough for 100 000 products to be made before the first of them falls asleep.
const IDLE: Duration = Duration::from_secs(4);
/// From the first reservation to the moment at which all lapse; more than it takes to make them.
const LAPSE_AFTER: Duration = Duration::from_secs(8);
const WAIT_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The longest of one deed.
#[derive(Clone, Copy)]
struct Pause {
    wall: Duration,
    own: Duration,
}

/// A shop whose threads are watched.
struct Watched {
    engine: Engine,
    hosts: Vec<actix::Arbiter>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let told = Told::read(&[])?;
    let products = told.number(0).unwrap_or(PRODUCTS).max(1);
    let reservations = told.number(1).unwrap_or(RESERVATIONS).max(1);
    actix::System::new().block_on(async move {
        let data = tempfile::tempdir()?;
        let hosts: Vec<_> = (0..SHARDS).map(|_| actix::Arbiter::new()).collect();
        let engine = open(data.path(), &hosts, IDLE)?;
        shop::fill(&engine, products).await;
        let watched = Watched { engine, hosts };
        let found = [
            ("checkpoint", watched.watch(watched.take_checkpoints(products)).await?),
            ("passivation", watched.watch(watched.fall_asleep()).await?),
            ("activation", watched.watch(watched.wake(products)).await?),
            ("expiry", watched.let_lapse(reservations, products.min(HELD_PRODUCTS)).await?),
        ];
        let longest = |pick: fn(&Pause) -> Duration| {
            found.iter().map(|(_, pause)| pick(pause)).max().unwrap_or_default()
        };
        let (wall, own) = (longest(|it| it.wall), longest(|it| it.own));
        if told.is_json {
            let figures = |(name, pause): &(&str, Pause)| {
                format!("\"{name}_ms\":{},\"{name}_own_ms\":{}", millis(pause.wall), millis(pause.own))
            };
            let each: Vec<_> = found.iter().map(figures).collect();
            println!(
                "{{\"products\":{products},\"reservations\":{reservations},{},\"longest_ms\":{},\"longest_own_ms\":{}}}",
                each.join(","),
                millis(wall),
                millis(own)
            );
        } else {
            println!("{products} products, {reservations} reservations; longest pause of a shard, and its own part:");
            for (name, pause) in found {
                println!("{name:12} {:>8.2?} {:>8.2?}", pause.wall, pause.own);
            }
        }
        let engine = watched.engine;
        tokio::task::spawn_blocking(move || engine.stop().map(drop)).await??;
        Ok(())
    })
}

impl Watched {
    /// The longest pause while `deed` goes on.
    async fn watch(
        &self,
        deed: impl Future<Output = Result<(), Box<dyn Error>>>,
    ) -> Result<Pause, Box<dyn Error>> {
        let gap = Arc::new(Gap::default());
        let mut ended = Vec::new();
        for host in &self.hosts {
            let gap = Arc::clone(&gap);
            let (end, done) = tokio::sync::oneshot::channel();
            host.spawn(async move {
                gap.watch().await;
                // Whoever does not wait any more does not want to know.
                let _unwanted = end.send(());
            });
            ended.push(done);
        }
        let done = deed.await;
        gap.end();
        for probe in ended {
            probe.await?;
        }
        done.map(|()| Pause { wall: gap.wall(), own: gap.own() })
    }

    /// Everybody buys anything, and one checkpoint follows the other.
    async fn take_checkpoints(&self, products: u64) -> Result<(), Box<dyn Error>> {
        let is_over = Arc::new(AtomicBool::new(false));
        let buyers = (0..BUYERS).map(|buyer| {
            let (engine, is_over) = (self.engine.clone(), Arc::clone(&is_over));
            actix::spawn(async move {
                let mut number = buyer << 32;
                while !is_over.load(Ordering::Relaxed) {
                    buy(&engine, spread(number, products), number).await;
                    number += 1;
                }
            })
        });
        let buyers: Vec<_> = buyers.collect();
        let began = Instant::now();
        while began.elapsed() < CHECKPOINTING {
            self.engine.checkpoint(Kind::Increment).await?;
        }
        is_over.store(true, Ordering::Relaxed);
        for buyer in buyers {
            buyer.await?;
        }
        Ok(())
    }

    /// Nobody asks for anything until no product has an actor.
    async fn fall_asleep(&self) -> Result<(), Box<dyn Error>> {
        until("the products fall asleep", || self.engine.actors() == 0).await
    }

    /// Each product gets an actor again.
    async fn wake(&self, products: u64) -> Result<(), Box<dyn Error>> {
        let step = usize::try_from(BUYERS)?;
        let each = (1..=BUYERS).map(async |first| {
            for number in (first..=products).step_by(step) {
                buy(&self.engine, number, number).await;
            }
        });
        join_all(each).await;
        Ok(())
    }

    /// Makes the reservations, and watches from just before they lapse until all their units are free.
    async fn let_lapse(&self, reservations: u64, products: u64) -> Result<Pause, Box<dyn Error>> {
        self.fall_asleep().await?;
        let lapse = self.engine.now().after(Millis(u64::try_from(LAPSE_AFTER.as_millis())?));
        for first in (0..reservations).step_by(usize::try_from(RESERVATIONS_PER_BATCH)?) {
            let end = (first + RESERVATIONS_PER_BATCH).min(reservations);
            self.reserve(first..end, products, lapse).await?;
        }
        let deed = async {
            until("the reservations lapse", || self.engine.now() >= lapse).await?;
            let ids = (1..=products).map(|number| ProductId(product_id(number)));
            for id in ids {
                let began = Instant::now();
                while self.reserved(id).await? > 0 {
                    if began.elapsed() > WAIT_MAX {
                        return Err("reservations did not lapse in time".into());
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            Ok(())
        };
        self.watch(deed).await
    }

    async fn reserve(
        &self,
        numbers: std::ops::Range<u64>,
        products: u64,
        lapse: Timestamp,
    ) -> Result<(), Box<dyn Error>> {
        let left = lapse.0.checked_sub(self.engine.now().0).filter(|left| *left > 0);
        let ttl = Millis(left.ok_or("the first reservations lapsed before the last was made")?);
        let new = |number: u64| -> Result<NewReservation, Box<dyn Error>> {
            let sku = Sku::new(&format!("SKU-{}", 1 + number % products)).ok_or("a sku")?;
            let lines = vec![Wanted { sku, quantity: Quantity::ONE }];
            Ok(NewReservation { lines, ttl: Some(ttl), reference: None, metadata: None })
        };
        let context = context(numbers.start);
        let new = numbers.map(new).collect::<Result<Vec<_>, _>>()?;
        let made = self.engine.reserve_batch(&context, context.actor.owner(), new).await;
        let made = made.map_err(|failure| format!("a batch failed: {failure:?}"))?;
        match made.value.into_iter().find_map(Result::err) {
            Some(refused) => Err(format!("a reservation was refused: {refused:?}").into()),
            None => Ok(()),
        }
    }

    async fn reserved(&self, id: ProductId) -> Result<u32, Box<dyn Error>> {
        let facts = self.engine.product(id).await.map_err(|failure| format!("{failure:?}"))?;
        Ok(facts.variants.iter().map(|variant| variant.levels.reserved).map(|Units(units)| units).sum())
    }
}

/// Waits until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > WAIT_MAX {
            return Err(format!("{what}: not in time").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Milliseconds with three digits, as JSON has them.
fn millis(time: Duration) -> String {
    format!("{}.{:03}", time.as_micros() / 1_000, time.as_micros() % 1_000)
}
