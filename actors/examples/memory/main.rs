//! What a product costs in memory: `cargo run --release -p holdfast-actors --example memory -- [PRODUCTS] [--json]`.
//!
//! Counts the bytes that are asked of the allocator and not given back, through the engine on a journal in memory that is not
//! counted. *Passive* is a product without an actor, as a start brings it back; *made* is the same after it was created and its
//! actor left; *active* is one with an actor that was asked something and has nothing left to do. Products have one variant, a
//! name of three words, no description text, and the sku of a shop of that size; orders and holds are none.
//!
//! The index that lists are made of is said apart: it belongs to the catalogue, and a shop without lists could do without. What
//! the kernel says the process has is a cross-check of the counting, for what was made: it has the rounding of the allocator
//! in it, and what it keeps for later.

mod counting;
#[path = "../support/goods.rs"]
mod goods;
mod parts;
mod shop;

use std::error::Error;
use std::time::{Duration, Instant};

use actix::Arbiter;
use holdfast_actors::card::{Card, Info};
use holdfast_actors::domain::Product;
use holdfast_actors::persistence::{CommitterOptions, JournalId, MemoryDisk};
use holdfast_actors::{Engine, Options, SimulatedGateway, SystemClock, recovery};

use counting::Counting;
use parts::Parts;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const PRODUCTS_DEFAULT: u32 = 100_000;
const PARTITIONS: u16 = 64;
const SHARDS: u16 = 2;
/// While products are made: their actors leave at once.
const IDLE_MADE: Duration = Duration::from_millis(100);
/// While they are counted with their actors: none leaves.
const IDLE_ACTIVE: Duration = Duration::from_secs(3_600);
/// Actors leave within moments; on a busy machine it takes longer.
const SETTLE_MAX: Duration = Duration::from_secs(300);

/// Bytes of all products together.
struct Figures {
    products: u32,
    made: usize,
    /// From the kernel, with the allocator's rounding.
    made_resident: usize,
    passive: usize,
    active: usize,
    parts: Parts,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_json = arguments.iter().any(|word| word == "--json");
    let count = arguments.iter().find(|word| !word.starts_with("--"));
    let products = count.map_or(Ok(PRODUCTS_DEFAULT), |word| word.parse())?.max(1);
    let figures = actix::System::new().block_on(measure(products))?;
    if is_json {
        figures.print_json()
    } else {
        figures.print()
    }
    Ok(())
}

async fn measure(products: u32) -> Result<Figures, Box<dyn Error>> {
    let disk = MemoryDisk::new(JournalId([1; 16]), PARTITIONS);
    let resident_before = resident_bytes()?;
    let site = Site::open(&disk, IDLE_MADE).await?;
    shop::fill(&site.engine, products).await;
    site.settle(products, 0).await?;
    let (full, resident) = (ALLOCATOR.live(), resident_bytes()?);
    site.close().await?;
    let (journal, made) = (ALLOCATOR.live(), full.saturating_sub(ALLOCATOR.live()));
    let made_resident = resident.saturating_sub(resident_before).saturating_sub(full.saturating_sub(made));

    let site = Site::open(&disk, IDLE_ACTIVE).await?;
    site.settle(products, 0).await?;
    let passive = ALLOCATOR.live().saturating_sub(journal);
    shop::wake(&site.engine, products).await;
    site.settle(products, products).await?;
    let active = ALLOCATOR.live().saturating_sub(journal);
    site.close().await?;
    let parts = Parts::measure(products);
    Ok(Figures { products, made, made_resident, passive, active, parts })
}

/// A running engine with the threads of its shards.
struct Site {
    engine: Engine,
    hosts: Vec<Arbiter>,
}

impl Site {
    async fn open(disk: &MemoryDisk, idle: Duration) -> Result<Self, Box<dyn Error>> {
        let hosts: Vec<_> = (0..SHARDS).map(|_| Arbiter::new()).collect();
        let mut journal = disk.journal();
        let recovered = recovery::recover(&mut journal)?;
        let options = Options {
            shards: SHARDS,
            hosts: hosts.iter().map(Arbiter::handle).collect(),
            idle,
            admitted_max: 1_000_000,
            clock: std::sync::Arc::new(SystemClock),
            ids: std::sync::Arc::new(|| uuid::Uuid::now_v7().as_u128()),
            gateway: std::sync::Arc::new(SimulatedGateway),
            committer: CommitterOptions::new(|error| panic!("a journal in memory does not fail: {error}")),
            checkpoints: None,
        };
        let engine = Engine::start(Box::new(journal), None, recovered, options);
        engine.settle_due().await?;
        Ok(Self { engine, hosts })
    }

    /// Waits until so many products have an actor and the catalogue has seen all of them.
    async fn settle(&self, products: u32, actors: u32) -> Result<(), Box<dyn Error>> {
        assert_eq!(shop::listed(&self.engine).await, u64::from(products));
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            // An actor that has left the directory still gives its product back to the shard: that is done when the shard
            // answers for all of them.
            let found = self.engine.state().await?.len();
            let count = self.engine.actors();
            if u32::try_from(count)? == actors && u32::try_from(found)? == products {
                // Once more: what was seen in between is gone.
                drop(self.engine.state().await?);
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{count} products have an actor, not {actors}").into());
            }
            tokio::time::sleep(IDLE_MADE).await;
        }
    }

    /// Ends everything; what the engine had is freed when this returns.
    async fn close(self) -> Result<(), Box<dyn Error>> {
        let Self { engine, hosts } = self;
        let stopped = tokio::task::spawn_blocking(move || {
            let stopped = engine.stop().map(drop);
            drop(engine);
            for host in hosts {
                host.stop();
                host.join().map_err(|_| holdfast_actors::Stopped)?;
            }
            stopped
        });
        Ok(stopped.await??)
    }
}

impl Figures {
    fn print(&self) {
        let each = |bytes: usize| self.each(bytes);
        println!("{} products with one variant each; bytes a product", self.products);
        println!(
            "{:<60} {:>8.0}",
            "passive: without an actor, after a start",
            each(self.stock(self.passive))
        );
        println!("{:<60} {:>8.0}", "the same after it was made", each(self.stock(self.made)));
        println!("{:<60} {:>8.0}", "active: with its actor", each(self.stock(self.active)));
        println!("{:<60} {:>8.0}", "beside that: the index that lists are made of", each(self.parts.index));
        println!(
            "{:<60} {:>8.0}",
            "as the kernel says, what was made with the index",
            each(self.made_resident)
        );
        println!(
            "{:<60} {:>8}",
            "by itself, in a list: a card, its description, a product",
            format!("{} {} {}", size_of::<Card>(), size_of::<Info>(), size_of::<Product>())
        );
        println!("\nof the passive ones");
        for (name, bytes) in self.parts.rows() {
            println!("  {name:<58} {:>8.0}", each(bytes));
        }
        let rest =
            self.stock(self.passive).saturating_sub(self.parts.rows().map(|(_, bytes)| bytes).iter().sum());
        println!("  {:<58} {:>8.0}", "maps of the directory and of the shards", each(rest));
        println!("of the active ones, beside that");
        println!("  {:<58} {:>8.0}", "the state of its stock", each(self.parts.states));
        let actor = self.active.saturating_sub(self.passive + self.parts.states);
        println!("  {:<58} {:>8.0}", "its actor, and where it is", each(actor));
    }

    fn print_json(&self) {
        println!(
            "{{\"products\":{},\"passive_bytes\":{:.1},\"made_bytes\":{:.1},\"active_bytes\":{:.1},\"index_bytes\":{:.1},\
             \"made_resident_bytes\":{:.1}}}",
            self.products,
            self.each(self.stock(self.passive)),
            self.each(self.stock(self.made)),
            self.each(self.stock(self.active)),
            self.each(self.parts.index),
            self.each(self.made_resident)
        );
    }

    /// Without the index that lists are made of.
    const fn stock(&self, bytes: usize) -> usize {
        bytes.saturating_sub(self.parts.index)
    }

    fn each(&self, bytes: usize) -> f64 {
        let per_mille = bytes.saturating_mul(1_000) / usize::try_from(self.products).unwrap_or(usize::MAX);
        f64::from(u32::try_from(per_mille).unwrap_or(u32::MAX)) / 1_000.0
    }
}

/// What the kernel says that the process has in memory.
fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("the kernel does not tell")?;
    let kib: usize = line.split_whitespace().nth(1).ok_or("a number")?.parse()?;
    Ok(kib * 1024)
}
