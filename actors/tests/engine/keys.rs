//! One idempotency key, one outcome (INV-5): at once, later, after a restart, and whoever hangs up.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::domain::Timestamp;
use holdfast_actors::domain::idempotency::{Fingerprint, KEY_KEPT, Key};
use holdfast_actors::domain::product::{Command, Description, Refusal, Status};
use holdfast_actors::keys::{Claim, Keys};
use holdfast_actors::{Answer, Failure, Outcome, Refused, RequestKey, Who};

use crate::common::{
    NOW, Shop, adjust, context, fresh_product, keyed, let_others, look, new_product, run, sku, until,
};

#[test]
fn same_key_at_once_buys_once_and_replays_49_times() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 100).await;
        let context = keyed(1, 1);
        let answers = join_all((0..50).map(|_| shop.buy_as(&context, product, 1))).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("there is enough")).collect();
        assert_eq!(answers.iter().filter(|answer| answer.is_replayed).count(), 49);
        assert!(answers.iter().all(|answer| answer.value == answers[0].value));
        assert!(answers.iter().all(|answer| answer.position == answers[0].position));
        assert_eq!(shop.levels(product).await, (99, 0, 1));
        shop.close().await;
    });
}

#[test]
fn key_with_another_request_is_refused_while_and_after_the_first_runs() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let product = shop.make("lamp", 100).await;
        let context = keyed(1, 1);
        let mut first = Box::pin(shop.buy_as(&context, product, 1));
        assert!(look(first.as_mut()).await.is_pending());
        assert_eq!(shop.buy_as(&keyed(1, 2), product, 1).await, Err(Failure::KeyReused));
        drop(holder);
        first.await.expect("there is enough");
        assert_eq!(shop.buy_as(&keyed(1, 2), product, 1).await, Err(Failure::KeyReused));
        shop.close().await;
    });
}

#[test]
fn second_request_of_a_running_key_waits_and_takes_over_when_the_first_gives_up() {
    run(async {
        let keys = Arc::new(Keys::default());
        let request = |fingerprint| RequestKey { key: Key(1), fingerprint: Fingerprint(fingerprint) };
        let Claim::First(guard) = keys.claim(request(1), NOW) else { panic!("nobody was before") };
        assert!(matches!(keys.claim(request(2), NOW), Claim::Reused));
        let Claim::Running(first) = keys.claim(request(1), NOW) else { panic!("the first is running") };
        let mut first = pin!(first);
        assert!(look(first.as_mut()).await.is_pending());
        drop(guard);
        assert!(look(first.as_mut()).await.is_ready());
        assert!(matches!(keys.claim(request(2), NOW), Claim::First(_)), "the key is free");
    });
}

#[test]
fn answers_and_refusals_are_replayed_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 1).await;
        let sold = shop.buy_as(&keyed(1, 1), product, 1).await.expect("there is one");
        let refused = refusal(shop.buy_as(&keyed(2, 2), product, 1).await);
        assert!(matches!(refused.0, Refusal::InsufficientStock { .. }));
        shop.command(product, adjust(5)).await.expect("goods come in");
        assert_eq!(refusal(shop.buy_as(&keyed(2, 2), product, 1).await), (refused.0.clone(), true));
        let shop = shop.reopen();
        let again = shop.buy_as(&keyed(1, 1), product, 1).await.expect("it was sold");
        assert_eq!((again.value, again.position, again.is_replayed), (sold.value, sold.position, true));
        assert_eq!(refusal(shop.buy_as(&keyed(2, 2), product, 1).await), (refused.0, true));
        assert_eq!(shop.buy_as(&keyed(2, 3), product, 1).await, Err(Failure::KeyReused));
        assert_eq!(shop.levels(product).await, (5, 0, 1));
        shop.close().await;
    });
}

#[test]
fn keyed_creation_twice_at_once_makes_one_product() {
    run(async {
        let shop = Shop::open();
        let context = keyed(1, 1);
        for _ in 0..2 {
            let make = || shop.engine.create(&context, fresh_product(), new_product("lamp", 3));
            for answer in join_all([make(), make(), make()]).await {
                answer.expect("the same request is no duplicate");
            }
        }
        assert_eq!(shop.engine.stats().products, 1);
        let (id, _) = shop.engine.find(&sku("lamp")).expect("it was made");
        assert_eq!(shop.levels(id).await, (3, 0, 0));
        let other = shop.engine.create(&keyed(2, 2), fresh_product(), new_product("lamp", 3)).await;
        assert_eq!(other, Err(Failure::DuplicateSku(sku("lamp"))));
        let other = shop.engine.create(&keyed(2, 2), fresh_product(), new_product("lamp-2", 3)).await;
        other.expect("a request that met a duplicate leaves its key free");
        shop.close().await;
    });
}

#[test]
fn keyed_deletion_is_replayed_when_the_product_is_gone() {
    run(async {
        let shop = Shop::open_with(|options| options.idle = Duration::from_millis(2));
        let product = shop.make("lamp", 3).await;
        let delete = || Command::Delete { version: None };
        let first = shop.engine.command(&keyed(1, 1), product, delete()).await.expect("nobody holds any");
        assert_eq!((first.value, first.is_replayed), (Outcome::Deleted, false));
        until("the product has left", || shop.engine.stats().products == 0).await;
        let again = shop.engine.command(&keyed(1, 1), product, delete()).await.expect("it was answered");
        assert_eq!((again.value, again.is_replayed), (Outcome::Deleted, true));
        let shop = shop.reopen();
        let again = shop.engine.command(&keyed(1, 1), product, delete()).await.expect("it was answered");
        assert_eq!((again.value, again.is_replayed), (Outcome::Deleted, true));
        shop.close().await;
    });
}

#[test]
fn keyed_purchase_and_edit_are_replayed_when_the_product_is_a_draft_or_gone() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 3).await;
        let sold = shop.buy_as(&keyed(1, 1), product, 1).await.expect("there are three");
        let hide = |now: &Description| Description { status: Status::Draft, ..now.clone() };
        let hidden = shop.engine.edit(&keyed(2, 2), product, None, hide).await.expect("nobody minds");
        let again = shop.buy_as(&keyed(1, 1), product, 1).await.expect("it was answered");
        assert_eq!((&again.value, again.is_replayed), (&sold.value, true));
        let order = sold.value.order;
        shop.engine.cancel_order(&context(), Who::Admin, order, None).await.expect("it is not shipped");
        shop.command(product, Command::Delete { version: None }).await.expect("nobody holds any");
        let shop = shop.reopen();
        let again = shop.buy_as(&keyed(1, 1), product, 1).await.expect("it was answered");
        assert_eq!((again.value, again.is_replayed), (sold.value, true));
        let again = shop.engine.edit(&keyed(2, 2), product, None, hide).await.expect("it was answered");
        assert_eq!((again.value, again.is_replayed), (hidden.value, true));
        assert_eq!(shop.buy_as(&keyed(3, 3), product, 1).await, Err(Failure::NotFound));
        shop.close().await;
    });
}

#[test]
fn key_is_free_again_after_a_day() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 10).await;
        let first = shop.buy_as(&keyed(1, 1), product, 1).await.expect("there are ten");
        shop.clock.set(Timestamp(NOW.0 + KEY_KEPT.0 - 1));
        let again = shop.buy_as(&keyed(1, 1), product, 1).await.expect("it was answered");
        assert_eq!((&again.value, again.is_replayed), (&first.value, true));
        shop.clock.set(NOW.after(KEY_KEPT));
        let next = shop.buy_as(&keyed(1, 2), product, 1).await.expect("the key is free");
        assert!(!next.is_replayed);
        assert_ne!(next.value.order, first.value.order);
        let shop = shop.reopen();
        let again = shop.buy_as(&keyed(1, 2), product, 1).await.expect("it was answered");
        assert_eq!((&again.value, again.is_replayed), (&next.value, true));
        assert_eq!(shop.levels(product).await, (8, 0, 2));
        shop.close().await;
    });
}

#[test]
fn request_that_hangs_up_is_done_once_or_not_at_all() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 1_000).await;
        for number in 0..200 {
            let context = keyed(number, number);
            {
                let mut gone = pin!(shop.buy_as(&context, product, 1));
                for _ in 0..number % 4 {
                    if look(gone.as_mut()).await.is_ready() {
                        break;
                    }
                    let_others().await;
                }
            }
            let retried = shop.buy_as(&context, product, 1).await.expect("there is enough");
            assert!(number % 4 > 0 || !retried.is_replayed, "a future never polled does nothing");
        }
        assert_eq!(shop.levels(product).await, (800, 0, 200));
        shop.close().await;
    });
}

#[test]
fn request_that_hangs_up_while_it_waits_for_the_first_harms_nobody() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let product = shop.make("lamp", 10).await;
        let context = keyed(1, 1);
        let mut first = Box::pin(shop.buy_as(&context, product, 1));
        let mut second = Box::pin(shop.buy_as(&context, product, 1));
        let mut third = Box::pin(shop.buy_as(&context, product, 1));
        assert!(look(first.as_mut()).await.is_pending());
        assert!(look(second.as_mut()).await.is_pending());
        assert!(look(third.as_mut()).await.is_pending());
        drop(second);
        drop(first);
        drop(holder);
        assert!(third.await.expect("there is enough").is_replayed);
        assert_eq!(shop.levels(product).await, (9, 0, 1));
        shop.close().await;
    });
}

#[test]
fn refusal_that_is_no_answer_leaves_the_key_free() {
    run(async {
        let shop = Shop::open();
        let missing = fresh_product();
        assert_eq!(shop.buy_as(&keyed(1, 1), missing, 1).await, Err(Failure::NotFound));
        let made = shop.engine.create(&context(), missing, new_product("lamp", 3)).await;
        made.expect("the sku is free");
        let sold = shop.buy_as(&keyed(1, 1), missing, 1).await.expect("now there are some");
        assert!(!sold.is_replayed);
        shop.close().await;
    });
}

fn refusal<T: std::fmt::Debug>(answer: Result<Answer<T>, Failure>) -> (Refusal, bool) {
    match answer {
        Err(Failure::Refused(Answer { value: Refused::Product(refusal), is_replayed, .. })) => {
            (refusal, is_replayed)
        }
        other => panic!("not refused: {other:?}"),
    }
}
