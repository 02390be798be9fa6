//! A shop in process on a real journal, as `serve` runs it, for programs that measure: opened, filled, bought from.
//!
//! Shared by the examples beside it; each uses its part.

#![allow(dead_code, reason = "each program uses its part")]

mod goods;

use std::cell::Cell;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use holdfast_actors::checkpoint::CheckpointOptions;
use holdfast_actors::domain::{Owner, ProductId, Quantity, Sku, Units};
use holdfast_actors::engine::{Recount, StockOperation, stop_process};
use holdfast_actors::persistence::{
    Checkpoints, CommitterOptions, Folder, Options as StoreOptions, Retain, SledJournal,
};
use holdfast_actors::{Actor, Context, Engine, Options, RequestId, SimulatedGateway, SystemClock, recovery};

pub(crate) const SHARDS: u16 = 2;
/// Requests that are sent at once while the shop is filled.
const FILLING: u64 = 4_096;
/// More than anybody can buy while it is measured.
const STOCK: u32 = 4_000_000_000;

/// What a program was told: numbers by position, words, and whether machines read what it says.
pub(crate) struct Told {
    numbers: Vec<u64>,
    words: Vec<String>,
    /// Prints one line of JSON and nothing else.
    pub(crate) is_json: bool,
}

impl Told {
    /// Reads the arguments; `words` are those that the program knows.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut told = Self { numbers: Vec::new(), words: Vec::new(), is_json: false };
        for argument in std::env::args().skip(1) {
            if argument == "--json" {
                told.is_json = true;
            } else if words.contains(&&*argument) {
                told.words.push(argument);
            } else {
                let number = argument.parse();
                told.numbers
                    .push(number.map_err(|_| format!("{argument} is neither a number nor known here"))?);
            }
        }
        Ok(told)
    }

    /// The number at that place among the numbers, if it was told.
    pub(crate) fn number(&self, place: usize) -> Option<u64> {
        self.numbers.get(place).copied()
    }

    /// Whether that part is wanted: all are unless some are named.
    pub(crate) fn is_wanted(&self, word: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|it| it == word)
    }
}

/// Makes products 1 to `products`.
pub(crate) async fn fill(engine: &Engine, products: u64) {
    for first in (1..=products).step_by(usize::try_from(FILLING).expect("it is small")) {
        let end = (first + FILLING).min(products + 1);
        join_all((first..end).map(|number| make(engine, number))).await;
    }
}

/// A UUIDv7 that counts instead of drawing, as the server's do.
fn new_id() -> u128 {
    thread_local! {
        static NEXT: Cell<u128> = Cell::new(uuid::Uuid::now_v7().as_u128());
    }
    let count = NEXT.get().wrapping_add(1);
    NEXT.set(count);
    let [_, _, _, _, _, _, random @ ..] = count.to_be_bytes();
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let ms = u64::try_from(ms).expect("the clock has not run for 500 million years");
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid().as_u128()
}

pub(crate) fn open(data: &Path, hosts: &[actix::Arbiter], idle: Duration) -> Result<Engine, Box<dyn Error>> {
    let folder = Folder::open(data)?;
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
        idle,
        admitted_max: 1_000_000,
        clock: Arc::new(SystemClock),
        ids: Arc::new(new_id),
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

/// Gives a product more units than anybody can buy while it is measured.
pub(crate) async fn stock_up(engine: &Engine, number: u64) {
    let sku = Sku::new(&format!("SKU-{number}")).expect("it is well formed");
    let recount = Recount::Count { on_hand: Units(STOCK), expected: None };
    let counted = engine.stock_batch(&context(number), false, vec![StockOperation { sku, recount }]).await;
    let counted = counted.expect("it is carried out").pop().expect("there was one operation");
    counted.expect("nobody holds units");
}

pub(crate) async fn make(engine: &Engine, number: u64) {
    let new = goods::plain(&format!("Product {number}"), &format!("SKU-{number}"), Quantity::MAX);
    let id = ProductId(product_id(number));
    engine.create(&context(number), id, new).await.expect("the sku is free");
}

pub(crate) async fn buy(engine: &Engine, product: u64, number: u64) {
    let one = Quantity::new(1).expect("it is one");
    let bought = engine.purchase(&context(number), ProductId(product_id(product)), None, one).await;
    bought.expect("there is enough of everything");
}

pub(crate) fn context(number: u64) -> Context {
    let guest = Owner::Guest(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let Owner::Guest(digest) = guest else { unreachable!("it is a guest") };
    Context { request_id: RequestId::Made(number.into()), actor: Actor::Guest(digest), key: None }
}

/// Scattered over all partitions.
pub(crate) fn product_id(number: u64) -> u128 {
    u128::from(number).wrapping_mul(0xda94_2042_e4dd_58b5_0000_0001_0000_0001) | 1
}

/// Any product, by a number.
pub(crate) fn spread(number: u64, products: u64) -> u64 {
    1 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % products.max(1)
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    let kilobytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kilobytes) / 1024.0
}

/// The longest times for which a thread did not come back to a probe that wants to run each millisecond.
#[derive(Default)]
pub(crate) struct Gap {
    is_over: AtomicBool,
    wall_us: AtomicU64,
    own_us: AtomicU64,
}

impl Gap {
    /// Looks on the present thread until [`Gap::end`].
    pub(crate) async fn watch(&self) {
        // A timer of a millisecond rings within two.
        let wanted_us = 2_000;
        while !self.is_over.load(Ordering::Relaxed) {
            let (began, own_us) = (Instant::now(), thread_us());
            tokio::time::sleep(Duration::from_millis(1)).await;
            let wall_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.wall_us.fetch_max(wall_us.saturating_sub(wanted_us), Ordering::Relaxed);
            let own_us = thread_us().saturating_sub(own_us);
            self.own_us.fetch_max(own_us.saturating_sub(wanted_us), Ordering::Relaxed);
        }
    }

    /// Lets the probes go.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// By the clock: whatever else the machine did with the core meanwhile counts as well.
    pub(crate) fn wall(&self) -> Duration {
        Duration::from_micros(self.wall_us.load(Ordering::Relaxed))
    }

    /// In processor time of the thread: what it did itself. Waiting for a disk would not count.
    pub(crate) fn own(&self) -> Duration {
        Duration::from_micros(self.own_us.load(Ordering::Relaxed))
    }
}

/// Processor time of the present thread; 0 where the kernel does not tell.
fn thread_us() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000
}
