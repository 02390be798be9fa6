//! Many adjustments and counts in one request: each on its own, or all or none; once for a key.

use actix::Arbiter;
use futures_util::future::join_all;
use holdfast_actors::domain::product::{Reason, Refusal};
use holdfast_actors::domain::{Owner, Units};
use holdfast_actors::engine::{Recount, StockOperation, StockRefusal};
use holdfast_actors::{Answer, Context, Failure, Refused};

use crate::common::turnstile::{a_rival_before_every_turn, stop};
use crate::common::wants::{again, by, fresh_product_on, shard_of, somebody_on};
use crate::common::{Shop, adjust, context, fresh, let_others, look, new_product, quantity, run, sku};

const SKUS: [&str; 3] = ["lamp", "chair", "table"];

/// What became of each.
type Done = Result<Vec<Result<u32, Failure>>, StockRefusal>;

async fn make_all(shop: &Shop) {
    for (number, name) in SKUS.into_iter().enumerate() {
        let id = fresh_product_on(number % 2);
        shop.engine.create(&context(), id, new_product(name, 5)).await.expect("the sku is free");
    }
}

fn by_units(text: &str, delta: i32) -> StockOperation {
    let reason = Reason::CycleCount;
    StockOperation { sku: sku(text), recount: Recount::Adjust { delta, reason, reference: None, note: None } }
}

fn counted(text: &str, on_hand: u32, expected: Option<u32>) -> StockOperation {
    let recount = Recount::Count { on_hand: Units(on_hand), expected: expected.map(Units) };
    StockOperation { sku: sku(text), recount }
}

/// Carries out a batch; each answer is what is available then.
async fn ask(shop: &Shop, context: &Context, is_atomic: bool, operations: &[StockOperation]) -> Done {
    let done = shop.engine.stock_batch(context, is_atomic, operations.to_vec()).await?;
    Ok(done.into_iter().map(|it| it.map(|change| change.inventory.levels.available.0)).collect())
}

/// Units on hand of each product.
async fn on_hand(shop: &Shop) -> [u32; 3] {
    let mut found = [0; 3];
    for (place, name) in SKUS.into_iter().enumerate() {
        let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
        let facts = shop.engine.product(product).await.expect("it is there");
        found[place] = facts.variants[0].levels.on_hand().0;
    }
    found
}

fn why(failure: &Failure) -> Refusal {
    match failure {
        Failure::Refused(Answer { value: Refused::Product(refusal), .. }) => refusal.clone(),
        other => panic!("not refused by a product: {other:?}"),
    }
}

#[test]
fn independent_operations_are_answered_each_on_its_own_in_order() {
    run(async {
        let shop = Shop::open();
        make_all(&shop).await;
        let operations = [
            by_units("lamp", 3),
            by_units("chair", -6),
            by_units("sofa", 1),
            counted("table", 9, Some(5)),
            counted("table", 9, Some(5)),
            by_units("lamp", -8),
            counted("chair", 5, None),
        ];
        let done = ask(&shop, &context(), false, &operations).await.expect("they are tried");
        assert_eq!(done[0], Ok(8));
        assert!(matches!(why(done[1].as_ref().expect_err("five")), Refusal::InsufficientStock { .. }));
        assert_eq!(done[2], Err(Failure::NotFound));
        assert_eq!(done[3], Ok(9));
        let mismatch = Refusal::ExpectedMismatch { expected: Units(5), on_hand: Units(9) };
        assert_eq!(why(done[4].as_ref().expect_err("nine by now")), mismatch);
        assert_eq!((&done[5], &done[6]), (&Ok(0), &Ok(5)));
        assert_eq!(on_hand(&shop).await, [0, 5, 9]);
        shop.close().await;
    });
}

#[test]
fn all_or_none_names_every_failing_line_and_changes_nothing() {
    run(async {
        let shop = Shop::open();
        make_all(&shop).await;
        let before = shop.quiet().await;
        // Each choice of failing lines.
        for bits in 1..8_u8 {
            let is_failing = |place: usize| bits & (1 << place) > 0;
            let operation =
                |(place, name): (usize, &str)| by_units(name, if is_failing(place) { -6 } else { -1 });
            let operations: Vec<_> = SKUS.into_iter().enumerate().map(operation).collect();
            for context in [context(), again(fresh())] {
                let Err(StockRefusal::Lines(lines)) = ask(&shop, &context, true, &operations).await else {
                    panic!("some of them fail")
                };
                let places: Vec<_> = lines.iter().map(|(place, _)| *place).collect();
                assert_eq!(places, (0..3).filter(|place| is_failing(*place)).collect::<Vec<_>>());
                assert_eq!(shop.quiet().await.products, before.products, "{bits}");
            }
        }
        let unknown = [by_units("lamp", 1), by_units("sofa", 1), counted("table", 1, Some(9))];
        let refused = ask(&shop, &context(), true, &unknown).await;
        let Err(StockRefusal::Lines(lines)) = refused else { panic!("nobody sells sofas") };
        assert_eq!(lines[0], (1, Failure::NotFound));
        assert_eq!(shop.quiet().await.products, before.products);
        let all = [by_units("lamp", -5), by_units("chair", 7), counted("table", 1, Some(5))];
        assert_eq!(ask(&shop, &context(), true, &all).await, Ok(vec![Ok(0), Ok(12), Ok(1)]));
        assert_eq!(on_hand(&shop).await, [0, 12, 1]);
        shop.close().await;
    });
}

#[test]
fn batch_of_a_key_is_carried_out_once() {
    run(async {
        for is_atomic in [false, true] {
            let shop = Shop::open();
            make_all(&shop).await;
            let operations = [by_units("lamp", -1), by_units("chair", 2), counted("table", 4, None)];
            let key = again(1);
            let at_once = join_all((0..8).map(|_| ask(&shop, &key, is_atomic, &operations))).await;
            assert!(at_once.iter().all(|it| *it == Ok(vec![Ok(4), Ok(7), Ok(4)])), "{at_once:?}");
            assert_eq!(on_hand(&shop).await, [4, 7, 4]);
            let shop = shop.reopen();
            let later = ask(&shop, &key, is_atomic, &operations).await;
            assert_eq!(later, Ok(vec![Ok(4), Ok(7), Ok(4)]));
            assert_eq!(on_hand(&shop).await, [4, 7, 4]);
            let other = Context { key: None, ..context() };
            ask(&shop, &other, is_atomic, &operations[..1]).await.expect("four are there");
            assert_eq!(on_hand(&shop).await, [3, 7, 4]);
            shop.close().await;
        }
    });
}

#[test]
fn batch_whose_client_hangs_up_is_whole_or_not_begun() {
    run(async {
        for (looks, is_atomic) in (0..12).flat_map(|looks| [(looks, false), (looks, true)]) {
            let shop = Shop::open();
            make_all(&shop).await;
            let operations = [by_units("lamp", -1), by_units("chair", -1), by_units("table", 1)];
            let key = again(1);
            {
                let mut gone = Box::pin(ask(&shop, &key, is_atomic, &operations));
                for _ in 0..looks {
                    if look(gone.as_mut()).await.is_ready() {
                        break;
                    }
                    let_others().await;
                }
            }
            ask(&shop, &key, is_atomic, &operations).await.expect("five are there");
            assert_eq!(on_hand(&shop).await, [4, 4, 6]);
            shop.close().await;
        }
    });
}

/// Rivals buy between asking and doing. All or none all the same; and a retry of the key, when there is enough again,
/// answers what it says: all, or none.
#[test]
fn all_or_none_whatever_rivals_do_and_so_is_its_retry() {
    run(async {
        let operations = [by_units("lamp", -3), by_units("chair", -3), by_units("table", 1)];
        a_rival_before_every_turn(
            make_all,
            async |shop| {
                let done = ask(shop, &again(1), true, &operations).await;
                let expected = if done.is_ok() { [2, 2, 6] } else { [5, 5, 5] };
                assert_eq!(on_hand(shop).await, expected);
            },
            buy_all,
            async |shop, _| {
                for name in SKUS {
                    let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
                    shop.command(product, adjust(10)).await.expect("there is room");
                }
                let done = ask(shop, &again(1), true, &operations).await;
                let expected = if done.is_ok() { [12, 12, 16] } else { [15, 15, 15] };
                assert_eq!(on_hand(shop).await, expected, "{done:?}");
            },
        )
        .await;
    });
}

/// The same between asking and doing: chairs are sold while lamps are still asked.
#[test]
fn refused_batch_whose_parts_were_undone_is_not_half_done_by_its_retry() {
    run(async {
        let hosts = [Arbiter::new(), Arbiter::new()];
        let handles = hosts.iter().map(Arbiter::handle).collect();
        let shop = Shop::open_with(|options| options.hosts = handles);
        make_all(&shop).await;
        let operations = [by_units("lamp", -3), by_units("chair", -3), by_units("table", 1)];
        // That the batch has begun is written down by the thread that goes on.
        let key = again(4);
        assert_eq!(shard_of(4), 1);
        let mut asking = Box::pin(ask(&shop, &key, true, &operations));
        let stopped = stop(&hosts[0]);
        while on_hand_of_chairs(&shop).await.1 > 0 {
            assert!(look(asking.as_mut()).await.is_pending());
            // Not before the chairs were asked for.
            for _ in 0..20 {
                let_others().await;
            }
            buy_all(&shop, 1).await;
        }
        drop(stopped);
        assert!(matches!(asking.await, Err(StockRefusal::Lines(_))), "the chairs are sold");
        assert_eq!(on_hand(&shop).await, [5, 5, 5], "what was done is undone");
        for name in SKUS {
            let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
            shop.command(product, adjust(10)).await.expect("there is room");
        }
        let done = ask(&shop, &key, true, &operations).await;
        let expected = if done.is_ok() { [12, 12, 16] } else { [15, 15, 15] };
        assert_eq!(on_hand(&shop).await, expected, "{done:?}");
        shop.close().await;
        for host in &hosts {
            host.stop();
        }
    });
}

/// Chairs on hand, and how many of them are free.
async fn on_hand_of_chairs(shop: &Shop) -> (u32, u32) {
    let (product, _) = shop.engine.find(&sku("chair")).expect("it is there");
    let levels = shop.engine.product(product).await.expect("it is there").variants[0].levels;
    (levels.on_hand().0, levels.available.0)
}

/// Buys all that is free on a thread.
async fn buy_all(shop: &Shop, thread: usize) {
    let rival: Owner = somebody_on(thread);
    for name in SKUS {
        let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
        while shard_of(product.0) == thread
            && shop.engine.purchase(&by(rival), product, None, quantity(1)).await.is_ok()
        {}
    }
}
