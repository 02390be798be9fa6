//! Nothing is answered before the fact behind it is durable (INV-8).

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use holdfast_actors::catalogue::Query;
use holdfast_actors::domain::product::Refusal;
use holdfast_actors::persistence::CommitterOptions;
use holdfast_actors::{Failure, Refused, Stopped};

use crate::common::held::Holder;
use crate::common::{Shop, adjust, context, figures, keyed, let_others, look, run};

/// Times that an answer is looked for before a test believes that it is sealed.
const LOOKS: u32 = 50;

#[test]
fn purchase_is_not_answered_before_it_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let product = shop.make("lamp", 1).await;
        let mut sale = pin!(shop.buy(product, 1));
        assert!(look(sale.as_mut()).await.is_pending());
        holder.append_waits();
        holder.append_waits();
        shop.settle().await;
        for _ in 0..LOOKS {
            assert!(look(sale.as_mut()).await.is_pending());
            let_others().await;
        }
        holder.let_through();
        assert_eq!(sale.await.expect("there was one").value.available.0, 0);
    });
}

#[test]
fn refusal_and_read_wait_for_the_purchase_they_rest_on() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let product = sold_out_in_secret(&shop, &holder).await;
        let mut by_card = pin!(shop.buy(product, 1));
        let mut by_actor = pin!(shop.command(product, adjust(-1)));
        let mut read = pin!(shop.engine.product(product));
        let mut list = pin!(shop.engine.list(Query::default()));
        for _ in 0..LOOKS {
            assert!(look(by_card.as_mut()).await.is_pending());
            assert!(look(by_actor.as_mut()).await.is_pending());
            assert!(look(read.as_mut()).await.is_pending());
            assert!(look(list.as_mut()).await.is_pending());
            shop.settle().await;
        }
        holder.let_through();
        let sold_out =
            |refusal: &Refused| matches!(refusal, Refused::Product(Refusal::InsufficientStock { .. }));
        assert!(matches!(by_card.await, Err(Failure::Refused(answer)) if sold_out(&answer.value)));
        assert!(matches!(by_actor.await, Err(Failure::Refused(answer)) if sold_out(&answer.value)));
        assert_eq!(figures(&read.await.expect("it is there")), (0, 0, 1));
        assert_eq!(figures(&list.await.expect("the journal runs").products[0]), (0, 0, 1));
    });
}

#[test]
fn replay_of_a_key_waits_for_the_first_answer() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let product = shop.make("lamp", 5).await;
        holder.append_waits();
        let context = keyed(1, 1);
        let mut first = pin!(shop.buy_as(&context, product, 1));
        assert!(look(first.as_mut()).await.is_pending());
        holder.append_waits();
        shop.settle().await;
        let mut again = pin!(shop.buy_as(&context, product, 1));
        for _ in 0..LOOKS {
            assert!(look(again.as_mut()).await.is_pending());
            let_others().await;
        }
        holder.let_through();
        let (first, again) = (first.await.expect("there is one"), again.await.expect("so there is"));
        assert_eq!((first.is_replayed, again.is_replayed), (false, true));
        assert_eq!((first.value, first.position), (again.value, again.position));
    });
}

#[test]
fn failing_append_answers_nobody_and_tells_once() {
    run(async {
        let told = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&told);
        let (shop, holder) = Shop::held(|options| {
            options.committer = CommitterOptions::new(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        });
        let product = sold_out_in_secret(&shop, &holder).await;
        let mut by_card = pin!(shop.buy(product, 1));
        let mut by_actor = pin!(shop.command(product, adjust(1)));
        let mut read = pin!(shop.engine.product(product));
        assert!(look(by_card.as_mut()).await.is_pending());
        assert!(look(by_actor.as_mut()).await.is_pending());
        assert!(look(read.as_mut()).await.is_pending());
        holder.fail();
        assert_eq!(by_card.await, Err(Failure::Stopped));
        assert_eq!(by_actor.await, Err(Failure::Stopped));
        assert_eq!(read.await, Err(Failure::Stopped));
        assert_eq!(shop.command(product, adjust(1)).await, Err(Failure::Stopped));
        assert_eq!(shop.engine.product(product).await, Err(Failure::Stopped));
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert!(matches!(shop.engine.stop(), Err(Stopped)));
    });
}

#[test]
fn nobody_waits_for_ever_for_an_engine_that_stops() {
    run(async {
        for _ in 0..5 {
            let shop = Shop::open();
            let product = shop.make("lamp", 1_000_000).await;
            let any_context = |number| if number % 4 == 0 { keyed(1, 1) } else { context() };
            let contexts: Vec<_> = (0..2_000).map(any_context).collect();
            let mut waiting = Vec::new();
            for context in &contexts {
                let mut sale = Box::pin(shop.buy_as(context, product, 1));
                // Those that are answered at once have nothing to wait for.
                if look(sale.as_mut()).await.is_pending() {
                    waiting.push(sale);
                }
            }
            let stopped = shop.engine.stop();
            assert!(stopped.is_ok(), "the journal is whole");
            for answer in join_all(waiting).await {
                assert!(matches!(answer, Ok(_) | Err(Failure::Stopped)), "{answer:?}");
            }
            let late = shop.buy(product, 1).await;
            assert_eq!(late, Err(Failure::Stopped));
        }
    });
}

/// A product whose last unit is sold, in memory but not on the disk; the buyer hung up.
async fn sold_out_in_secret(shop: &Shop, holder: &Holder) -> holdfast_actors::domain::ProductId {
    holder.let_through();
    let product = shop.make("lamp", 1).await;
    holder.append_waits();
    {
        let mut sale = pin!(shop.buy(product, 1));
        assert!(look(sale.as_mut()).await.is_pending());
    }
    holder.append_waits();
    shop.settle().await;
    product
}
