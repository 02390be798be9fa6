//! A start finds what a crash left and what fell due meanwhile, on however many threads.

use actix::Arbiter;
use holdfast_actors::ManualClock;
use holdfast_actors::domain::ProductId;
use holdfast_actors::persistence::{JournalId, MemoryDisk};
use holdfast_actors::slots::Slots;

use crate::common::cuts::{records, write};
use crate::common::wants::{BUYER, fresh_product_on, new_reservation, somebody};
use crate::common::{HOLD, NOW, Shop, context, fresh_product, new_product, run};

/// So many that the last hears late of the first.
const SHARDS: u16 = 128;

const ROUNDS: u32 = 12;

/// A reservation of the first shard is due and holds units of a product of the last, which a crash has left with units
/// that nobody owns. The first may be through before the last has begun.
#[test]
fn shard_that_begins_early_tells_nothing_to_one_that_must_still_be_mended() {
    run(async {
        let disk = || MemoryDisk::new(JournalId([7; 16]), SHARDS);
        let shop = Shop::on(disk(), ManualClock::new(NOW), |_| {});
        let (lamp, chair) = (product_of(0), product_of(usize::from(SHARDS) - 1));
        for (id, name) in [(lamp, "lamp"), (chair, "chair")] {
            shop.engine.create(&context(), id, new_product(name, 5)).await.expect("the sku is free");
        }
        let both = new_reservation(&[("lamp", 1), ("chair", 1)]);
        shop.engine.reserve(&context(), BUYER, both).await.expect("five are free");
        shop.engine
            .reserve(&context(), BUYER, new_reservation(&[("chair", 2)]))
            .await
            .expect("four are free");
        let all = records(&shop.disk);
        shop.close().await;
        // The second lost its owner's record, and kept its product's.
        let left = &all[..all.len() - 1];
        for _ in 0..ROUNDS {
            let hosts = [Arbiter::new(), Arbiter::new()];
            let handles = hosts.iter().map(Arbiter::handle).collect();
            let clock = ManualClock::new(NOW.after(HOLD));
            let shop = Shop::on(write(disk(), left), clock, |options| {
                options.shards = SHARDS;
                options.hosts = handles;
            });
            shop.engine.settle_due().await.expect("the shards run");
            assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((5, 0, 0), (5, 0, 0)));
            shop.close().await;
            for host in &hosts {
                host.stop();
            }
        }
    });
}

/// Whoever is let in after `settle_due` finds every unit back, on whichever thread its owner and its product live.
#[test]
fn everything_due_has_ended_when_somebody_is_let_in() {
    run(async {
        let names = ["lamp", "chair", "table", "bench"];
        let shop = Shop::open();
        let mut products = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            let id = fresh_product_on(number % 2);
            shop.engine.create(&context(), id, new_product(name, 1_000)).await.expect("the sku is free");
            products.push(id);
        }
        for number in 0..120 {
            let lines = [0, 1, 2].map(|step| (names[(number + step) % 4], 1));
            let owner = somebody();
            shop.reserve(owner, &lines).await.expect("there are enough");
            shop.place(owner, &lines).await.expect("there are enough");
            shop.add(owner, lines[0].0, 1).await.expect("there are enough");
        }
        let disk = shop.disk.crash();
        shop.close().await;
        for round in 0..60 {
            let shop = Shop::on(disk.crash(), ManualClock::new(NOW.after(HOLD)), |_| {});
            shop.engine.settle_due().await.expect("the shards run");
            for product in &products {
                assert_eq!(shop.levels(*product).await, (1_000, 0, 0), "round {round}");
            }
            shop.engine.stop().map(drop).expect("the journal is whole");
        }
    });
}

fn product_of(shard: usize) -> ProductId {
    let slots = Slots::new(SHARDS, SHARDS);
    loop {
        let id = fresh_product();
        if slots.shard(slots.partition(id.0)) == shard {
            return id;
        }
    }
}
