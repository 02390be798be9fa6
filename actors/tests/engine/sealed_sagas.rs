//! Nothing of a saga is answered, and nobody sees anything of it, before all that it rests on is durable (INV-8).

use std::task::Poll;

use holdfast_actors::engine::{OrderFilter, ReservationFilter};
use holdfast_actors::persistence::MemoryDisk;
use holdfast_actors::{Engine, ManualClock};

use crate::common::every_saga::{Coming, MINE, Made, SKUS, Saga, Said, all, open};
use crate::common::held::Holder;
use crate::common::picture::picture;
use crate::common::wants::{BUYER, again};
use crate::common::{NOW, Shop, fresh, let_others, look, run, sku};

/// Times that an answer is looked for before a test believes that it is sealed.
const LOOKS: u32 = 60;

/// Asks for something on a journal that finishes nothing, and for everything that would show it: nothing may come but
/// what was there before. Then all must.
#[test]
fn no_saga_is_answered_or_seen_before_it_is_durable() {
    run(async {
        for saga in all() {
            let (disk, made, before) = a_day_before().await;
            let (shop, holder) = Shop::held_on(disk, ManualClock::new(NOW), |_| {});
            let mut answer = begun(&shop, &holder, saga, made).await;
            let mut unseen: Vec<_> = reads(&shop.engine, made).into_iter().zip(before).collect();
            for _ in 0..LOOKS {
                assert!(look(answer.as_mut()).await.is_pending(), "{} is not durable", saga.name);
                let mut sealed = Vec::new();
                for (mut read, before) in unseen {
                    match look(read.as_mut()).await {
                        Poll::Ready(early) => assert_eq!(early, before, "{} is seen early", saga.name),
                        Poll::Pending => sealed.push((read, before)),
                    }
                }
                unseen = sealed;
                shop.settle().await;
                let_others().await;
            }
            drop(holder);
            assert_eq!(answer.await, saga.said, "{}", saga.name);
            shop.close().await;
        }
    });
}

/// The journal fails: nobody is answered, and the next start finds what was before.
#[test]
fn no_saga_is_answered_when_the_journal_fails() {
    run(async {
        for saga in all() {
            let (disk, made, _) = a_day_before().await;
            let before = Shop::on(disk.crash(), ManualClock::new(NOW), |_| {});
            let expected = picture(&before.quiet().await);
            before.close().await;
            let (shop, holder) = Shop::held_on(disk, ManualClock::new(NOW), |_| {});
            let answer = begun(&shop, &holder, saga, made).await;
            holder.fail();
            assert_eq!(answer.await, Said::Stopped, "{}", saga.name);
            let late = (saga.ask)(shop.engine.clone(), again(fresh()), made).await;
            assert_eq!(late, Said::Stopped, "{}", saga.name);
            assert!(shop.engine.stop().is_err());
            let shop = Shop::on(shop.disk.crash(), ManualClock::new(NOW), |_| {});
            assert_eq!(picture(&shop.quiet().await), expected, "{}", saga.name);
            shop.close().await;
        }
    });
}

/// A disk with a history, and what can be read of it.
async fn a_day_before() -> (MemoryDisk, Made, Vec<String>) {
    let (shop, made) = open().await;
    let before = futures_util::future::join_all(reads(&shop.engine, made)).await;
    shop.engine.stop().map(drop).expect("the journal is whole");
    (shop.disk, made, before)
}

/// A saga whose first record waits for the disk.
async fn begun(shop: &Shop, holder: &Holder, saga: Saga, made: Made) -> Coming<Said> {
    let mut answer = (saga.ask)(shop.engine.clone(), again(fresh()), made);
    while !holder.has_append() {
        assert!(look(answer.as_mut()).await.is_pending(), "{} is not durable", saga.name);
        let_others().await;
    }
    answer
}

/// Everything that may be read of it.
fn reads(engine: &Engine, made: Made) -> Vec<Coming<String>> {
    let mut reads: Vec<Coming<String>> = Vec::new();
    let one = engine.clone();
    reads.push(Box::pin(async move { format!("{:?}", one.cart(BUYER).await) }));
    let one = engine.clone();
    reads.push(Box::pin(async move { format!("{:?}", one.order(MINE, made.pending).await) }));
    let one = engine.clone();
    reads.push(Box::pin(async move { format!("{:?}", one.order(MINE, made.paid).await) }));
    let one = engine.clone();
    reads.push(Box::pin(async move { format!("{:?}", one.reservation(MINE, made.reservation).await) }));
    let one = engine.clone();
    reads.push(Box::pin(async move { format!("{:?}", one.orders(OrderFilter::default(), None, 9).await) }));
    let one = engine.clone();
    let everybodys = ReservationFilter::default();
    reads.push(Box::pin(async move { format!("{:?}", one.reservations(everybodys, None, 9).await) }));
    for name in SKUS {
        let one = engine.clone();
        let (product, _) = engine.find(&sku(name)).expect("it is there");
        reads.push(Box::pin(async move { format!("{:?}", one.product(product).await) }));
    }
    reads
}
