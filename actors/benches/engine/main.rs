//! The engine without HTTP: a round trip to an actor, durable reserves, batches, a checkpoint, a recovery.
//!
//! `cargo bench -p holdfast-actors --bench engine`. Reserves and batches are answered when they are on disk: the journal is a
//! real one in a temporary folder of the disk that `TMPDIR` names. Round trips leave no record, so that no disk is in them.
//! What is measured grows as it is measured: holds stay.

#[path = "../../examples/support/shop.rs"]
mod shop;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Arbiter, SystemRunner};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::stream::{self, StreamExt as _};
use holdfast_actors::checkpoint::write_first;
use holdfast_actors::domain::product::{Command, Reason};
use holdfast_actors::domain::{Millis, OrderId, Owner, ProductId, Quantity, Sku};
use holdfast_actors::engine::{NewReservation, Recount, StockOperation, Wanted};
use holdfast_actors::persistence::{
    Checkpoints, CommitterOptions, Folder, FrameSource as _, JournalId, MemoryDisk,
};
use holdfast_actors::{Clock as _, Engine, Options, SimulatedGateway, SystemClock, recovery};

const PRODUCTS: u64 = 1_000;
/// As the batch endpoint takes them.
const BATCH: u64 = 1_000;
/// What a recovery replays, and a checkpoint packs: so many purchases of those products.
const EVENTS: u64 = 20_000;
const IDLE: Duration = Duration::from_secs(60);
const PARTITIONS: u16 = 16;
const ID: JournalId = JournalId([7; 16]);

/// A message to a product's actor and its answer.
fn round_trips(bencher: &mut Criterion) {
    let system = actix::System::new();
    let mut group = bencher.benchmark_group("round trip");
    let apart = Arbiter::new();
    for (name, host) in [("same thread", Arbiter::current()), ("across threads", apart.handle())] {
        let engine = in_memory(&system, &MemoryDisk::new(ID, PARTITIONS), vec![host]);
        system.block_on(shop::fill(&engine, 1));
        for at_once in [1, 64] {
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{name}, {at_once} at once"), |bench| {
                bench.iter_custom(|count| system.block_on(timed(count, at_once, |_| ask(&engine))));
            });
        }
        engine.stop().expect("a journal in memory does not fail");
    }
    group.finish();
    apart.stop();
    apart.join().expect("it does not panic");
}

/// One unit held for a while, each by a request of its own, answered when it is durable.
fn reserves(bencher: &mut Criterion) {
    let system = actix::System::new();
    let data = tempfile::tempdir().expect("a temporary folder");
    let (engine, hosts) = on_disk(&system, &data);
    let number = Cell::new(0);
    let mut group = bencher.benchmark_group("durable reserve");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for at_once in [64, 1_024, 8_192] {
        group.bench_function(format!("{at_once} at once"), |bench| {
            bench.iter_custom(|count| {
                let first = number.replace(number.get() + count);
                system.block_on(timed(count, at_once, |it| reserve(&engine, first + it)))
            });
        });
    }
    group.finish();
    close(engine, hosts);
}

/// Many operations in one request, answered when all of them are durable.
fn batches(bencher: &mut Criterion) {
    let system = actix::System::new();
    let data = tempfile::tempdir().expect("a temporary folder");
    let (engine, hosts) = on_disk(&system, &data);
    let mut group = bencher.benchmark_group("batch of 1000");
    group.throughput(Throughput::Elements(BATCH)).sample_size(10);
    group.bench_function("reserves", |bench| {
        bench.iter_custom(|count| system.block_on(timed(count, 1, |_| reserve_batch(&engine))));
    });
    group.bench_function("adjustments", |bench| {
        bench.iter_custom(|count| system.block_on(timed(count, 1, |it| adjust_batch(&engine, it))));
    });
    group.finish();
    close(engine, hosts);
}

/// What purchases left in the journal becomes the state again, and the state a checkpoint.
fn recoveries(bencher: &mut Criterion) {
    let system = actix::System::new();
    let disk = MemoryDisk::new(ID, PARTITIONS);
    let engine = in_memory(&system, &disk, vec![Arbiter::new().handle()]);
    system.block_on(async {
        shop::fill(&engine, PRODUCTS).await;
        timed(EVENTS, 1_024, |it| shop::buy(&engine, shop::spread(it, PRODUCTS), it)).await;
    });
    engine.stop().expect("a journal in memory does not fail");
    let mut group = bencher.benchmark_group("20000 purchases");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    group.bench_function("recover from the journal", |bench| {
        bench.iter_batched(
            || disk.journal(),
            |mut journal| recovery::recover(&mut journal).expect("it is sound"),
            BatchSize::PerIteration,
        );
    });
    let mut recovered = recovery::recover(&mut disk.journal()).expect("it is sound");
    group.bench_function("pack and write a checkpoint", |bench| {
        bench.iter_batched(
            || tempfile::tempdir().expect("a temporary folder"),
            |data| {
                let folder = Folder::open(data.path()).expect("nobody else has it");
                let files = Checkpoints::open(&folder, ID, PARTITIONS).expect("it is empty");
                let info = write_first(&files, &mut recovered, SystemClock.now()).expect("there is room");
                assert!(info.entries >= EVENTS, "each purchase is an order");
                data
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// How long `count` requests take, with so many at once.
async fn timed<F: Future>(count: u64, at_once: usize, ask: impl Fn(u64) -> F) -> Duration {
    let began = Instant::now();
    let done = stream::iter(0..count).map(ask).buffer_unordered(at_once).count().await;
    let took = began.elapsed();
    assert_eq!(u64::try_from(done).ok(), Some(count), "each is answered");
    took
}

/// Something that changes nothing.
async fn ask(engine: &Engine) {
    let command = Command::Cancel { order: OrderId(1) };
    let answer = engine.command(&shop::context(1), ProductId(shop::product_id(1)), command).await;
    answer.expect("there is no such order, and so nothing to do");
}

async fn reserve(engine: &Engine, number: u64) {
    let reserved = engine.reserve(&shop::context(number), Owner::Guest(number.into()), wanted(number)).await;
    reserved.expect("there is enough of everything");
}

async fn reserve_batch(engine: &Engine) {
    let wanted: Vec<_> = (0..BATCH).map(wanted).collect();
    let made = engine.reserve_batch(&shop::context(1), Owner::Guest(1), wanted).await;
    let made = made.expect("the engine runs").value;
    assert!(made.iter().all(Result::is_ok), "there is enough of everything");
}

async fn adjust_batch(engine: &Engine, round: u64) {
    // In and out again, however often it is measured.
    let delta = if round.is_multiple_of(2) { -1 } else { 1 };
    let operation = |number| StockOperation {
        sku: sku(number),
        recount: Recount::Adjust { delta, reason: Reason::Correction, reference: None, note: None },
    };
    let operations = (0..BATCH).map(operation).collect();
    let done = engine.stock_batch(&shop::context(1), false, operations).await.expect("the engine runs");
    assert!(done.iter().all(Result::is_ok), "there is enough of everything");
}

fn wanted(number: u64) -> NewReservation {
    let one = Quantity::new(1).expect("in range");
    let lines = vec![Wanted { sku: sku(number), quantity: one }];
    NewReservation { lines, ttl: Some(Millis(900_000)), reference: None, metadata: None }
}

fn sku(number: u64) -> Sku {
    Sku::new(&format!("SKU-{}", shop::spread(number, PRODUCTS))).expect("well formed")
}

fn on_disk(system: &SystemRunner, data: &tempfile::TempDir) -> (Engine, Vec<Arbiter>) {
    let hosts: Vec<_> = (0..shop::SHARDS).map(|_| Arbiter::new()).collect();
    let engine = system.block_on(async {
        let engine = shop::open(data.path(), &hosts, IDLE).expect("the folder is empty");
        shop::fill(&engine, PRODUCTS).await;
        engine
    });
    (engine, hosts)
}

fn in_memory(system: &SystemRunner, disk: &MemoryDisk, hosts: Vec<actix::ArbiterHandle>) -> Engine {
    let mut journal = disk.journal();
    assert_eq!(journal.partitions(), PARTITIONS);
    let recovered = recovery::recover(&mut journal).expect("it is empty");
    let options = Options {
        shards: 1,
        hosts,
        idle: IDLE,
        admitted_max: 1_000_000,
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| uuid::Uuid::now_v7().as_u128()),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| panic!("a journal in memory does not fail: {error}")),
        checkpoints: None,
    };
    system.block_on(async { Engine::start(Box::new(journal), None, recovered, options) })
}

fn close(engine: Engine, hosts: Vec<Arbiter>) {
    engine.stop().expect("the disk is sound");
    for host in hosts {
        host.stop();
        host.join().expect("it does not panic");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = round_trips, reserves, batches, recoveries
}
criterion_main!(benches);
