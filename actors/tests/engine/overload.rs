//! Too much at once is refused at the door, and nothing of it happens.

use std::pin::Pin;

use futures_util::future::join_all;
use holdfast_actors::{Failure, Overload};

use crate::common::every_saga::{Said, all, open};
use crate::common::wants::again;
use crate::common::{Shop, adjust, context, fresh, keyed, look, run};

const ADMITTED_MAX: usize = 8;

#[test]
fn requests_beyond_the_bound_are_shed_and_service_resumes() {
    run(async {
        let (shop, holder) = Shop::held(|options| {
            options.admitted_max = ADMITTED_MAX;
            options.shards = 1;
        });
        holder.let_through();
        let product = shop.make("lamp", 100).await;
        holder.append_waits();
        let mut waiting: Vec<Pin<Box<_>>> =
            (0..ADMITTED_MAX).map(|_| Box::pin(shop.buy(product, 1))).collect();
        for sale in &mut waiting {
            assert!(look(sale.as_mut()).await.is_pending());
        }
        holder.append_waits();
        for _ in 0..3 {
            assert_eq!(shop.buy(product, 1).await, Err(Failure::Overloaded(Overload::Requests)));
            let shed = shop.buy_as(&keyed(1, 1), product, 1).await;
            assert_eq!(shed, Err(Failure::Overloaded(Overload::Requests)), "and its key is free again");
        }
        // One client hangs up: its place is free, its purchase stands.
        drop(waiting.pop());
        let mut next = Box::pin(shop.buy(product, 1));
        assert!(look(next.as_mut()).await.is_pending());
        drop(holder);
        assert!(join_all(waiting).await.iter().all(Result::is_ok));
        next.await.expect("it was admitted");
        let retried = shop.buy_as(&keyed(1, 1), product, 1).await.expect("service resumed");
        assert!(!retried.is_replayed);
        assert_eq!(shop.levels(product).await, (90, 0, 10));
        shop.close().await;
    });
}

#[test]
fn low_disk_refuses_writes_and_keeps_reads_and_replays() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 10).await;
        let first = shop.buy_as(&keyed(1, 1), product, 1).await.expect("there are ten");
        let shop = shop.reopen_with(|options| {
            options.committer.free_space_path = Some("/".into());
            options.committer.disk_reserve_bytes = u64::MAX;
        });
        let shed = Failure::Overloaded(Overload::Disk);
        assert_eq!(shop.buy(product, 1).await, Err(shed.clone()));
        assert_eq!(shop.buy_as(&keyed(2, 2), product, 1).await, Err(shed.clone()));
        assert_eq!(shop.command(product, adjust(1)).await, Err(shed));
        let again = shop.buy_as(&keyed(1, 1), product, 1).await.expect("it was answered before");
        assert_eq!((again.value, again.is_replayed), (first.value, true));
        assert_eq!(shop.levels(product).await, (9, 0, 1));
        let shop = shop.reopen();
        let sold = shop.buy_as(&keyed(2, 2), product, 1).await.expect("the disk has room again");
        assert!(!sold.is_replayed, "the refused request left nothing behind");
        shop.close().await;
    });
}

/// Shed at the door, for want of a place or of space: nothing has happened, and the key is free.
#[test]
fn saga_that_is_shed_leaves_nothing_behind() {
    run(async {
        for (saga, is_disk_low) in all().into_iter().flat_map(|saga| [(saga, false), (saga, true)]) {
            let (shop, made) = open().await;
            let before = shop.quiet().await;
            let key = again(fresh());
            let shop = shop.reopen_with(|options| {
                if is_disk_low {
                    options.committer.free_space_path = Some("/".into());
                    options.committer.disk_reserve_bytes = u64::MAX;
                } else {
                    options.admitted_max = 0;
                }
            });
            for context in [context(), key.clone()] {
                let said = (saga.ask)(shop.engine.clone(), context, made).await;
                assert_eq!(said, Said::Shed, "{}", saga.name);
            }
            assert_eq!(shop.quiet().await, before, "{}", saga.name);
            let shop = shop.reopen();
            assert_eq!((saga.ask)(shop.engine.clone(), key, made).await, saga.said, "{}", saga.name);
            shop.close().await;
        }
    });
}
