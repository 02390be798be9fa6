//! A product that nobody asks for loses its actor and nothing else; who hangs up leaves no mess behind.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::catalogue::Query;
use holdfast_actors::domain::product::Command;
use holdfast_actors::domain::{ProductId, Units};
use holdfast_actors::engine::ProductPage;
use holdfast_actors::{Failure, Options};

use crate::common::{
    Shop, adjust, context, fresh_product, let_others, look, new_product, on_threads, quantity, run, sku,
    until,
};

const THREADS: u64 = 4;
const TASKS: usize = 25;
const PURCHASES: usize = 200;
const PRODUCTS: usize = 200;

fn hasty(options: &mut Options) {
    options.idle = Duration::from_millis(1);
}

#[test]
fn idle_product_loses_its_actor_and_keeps_its_state() {
    run(async {
        let shop = Shop::open_with(hasty);
        let product = shop.make("lamp", 5).await;
        for round in 1..=3 {
            shop.buy(product, 1).await.expect("there are some");
            until("the product is passive", || shop.engine.actors() == 0).await;
            assert_eq!(shop.levels(product).await, (5 - round, 0, round));
            assert_eq!(shop.engine.find(&sku("lamp")).map(|(id, _)| id), Some(product));
        }
        shop.close().await;
    });
}

#[test]
fn twenty_thousand_purchases_while_products_passivate_lose_and_double_nothing() {
    run(async {
        let shop = Shop::open_with(hasty);
        let mut products = Vec::new();
        for number in 0..PRODUCTS {
            products.push(shop.make(&format!("lamp-{number}"), 1_000).await);
        }
        let (engine, wanted) = (shop.engine.clone(), products.clone());
        let sold = on_threads(THREADS, move |thread| {
            let (engine, products) = (engine.clone(), wanted.clone());
            move || {
                Box::pin(async move {
                    let task = |task: usize| {
                        let (engine, products) = (engine.clone(), products.clone());
                        async move {
                            let mut sold = Vec::new();
                            for number in 0..PURCHASES {
                                // Co-prime strides: every task visits the products in an order of its own.
                                let stride = [1, 3, 7, 9, 11, 13][task % 6];
                                let start = task * 31 + usize::try_from(thread).expect("few threads") * 17;
                                let product = products[(start + number * stride) % PRODUCTS];
                                let answer = engine.purchase(&context(), product, None, quantity(1)).await;
                                sold.push((product, answer.expect("there is enough").value.order));
                            }
                            sold
                        }
                    };
                    join_all((0..TASKS).map(task)).await.concat()
                })
            }
        })
        .await
        .concat();
        assert_eq!(sold.len(), 20_000);
        until("all products are passive", || shop.engine.actors() == 0).await;
        let state = shop.close().await;
        assert!(sold.iter().all(|(product, order)| state[product].commitment(*order).is_some()));
        let committed = |id: &ProductId| state[id].variants()[0].levels.committed.0;
        assert_eq!(products.iter().map(committed).sum::<u32>(), 20_000);
    });
}

#[test]
fn messages_that_meet_an_actor_on_its_way_out_are_answered() {
    run(async {
        let shop = Shop::open_with(hasty);
        let product = shop.make("lamp", 1_000_000).await;
        let mut passed = 0;
        for _ in 0..3_000 {
            passed += usize::from(shop.engine.actors() == 0);
            shop.buy(product, 1).await.expect("there are some");
            std::thread::yield_now();
            if passed < 50 {
                until("its actor leaves", || shop.engine.actors() == 0).await;
            }
        }
        assert!(passed >= 50, "it was passive {passed} times only");
        assert_eq!(shop.levels(product).await, (997_000, 0, 3_000));
        shop.close().await;
    });
}

#[test]
fn deleted_product_is_not_found_and_its_sku_is_free() {
    run(async {
        let shop = Shop::open_with(hasty);
        for _ in 0..3 {
            let product = shop.make("lamp", 5).await;
            shop.command(product, Command::Delete { version: None }).await.expect("nobody holds any");
            assert_eq!(shop.engine.product(product).await, Err(Failure::NotFound));
            assert_eq!(shop.engine.find(&sku("lamp")), None);
            assert_eq!(shop.engine.list(Query::default()).await, Ok(ProductPage::default()));
            until("the product has left", || shop.engine.stats().products == 0).await;
            assert_eq!(shop.engine.product(product).await, Err(Failure::NotFound));
            assert_eq!(shop.buy(product, 1).await, Err(Failure::NotFound));
        }
        let last = shop.make("lamp", 7).await;
        let shop = shop.reopen();
        assert_eq!(shop.levels(last).await, (7, 0, 0));
        assert_eq!(shop.close().await.len(), 1);
    });
}

#[test]
fn product_made_again_under_its_old_id_is_there() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        for _ in 0..3 {
            shop.command(product, Command::Delete { version: None }).await.expect("nobody holds any");
            let made = shop.engine.create(&context(), product, new_product("lamp", 3)).await;
            made.expect("its sku is free");
            assert_eq!(shop.levels(product).await, (3, 0, 0));
            shop.command(product, adjust(1)).await.expect("goods come in");
            assert_eq!(shop.levels(product).await, (4, 0, 0));
        }
        shop.close().await;
    });
}

#[test]
fn held_product_is_not_deleted() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        shop.buy(product, 1).await.expect("there are five");
        let answer = shop.command(product, Command::Delete { version: None }).await;
        assert!(matches!(answer, Err(Failure::Refused(_))));
        assert_eq!(shop.engine.find(&sku("lamp")).map(|(id, _)| id), Some(product));
        shop.close().await;
    });
}

#[test]
fn clients_that_hang_up_leave_consistent_books_and_skus() {
    run(async {
        let shop = Shop::open_with(hasty);
        let lamp = shop.make("lamp", 100_000).await;
        let skus: Vec<String> = (0..300).map(|number| format!("sku-{number}")).collect();
        for (number, text) in skus.iter().enumerate() {
            let (create, buy, move_in) = (context(), context(), context());
            let mut made = pin!(shop.engine.create(&create, fresh_product(), new_product(text, 1)));
            let mut sold = pin!(shop.buy_as(&buy, lamp, 1));
            let mut came = pin!(shop.engine.command(&move_in, lamp, adjust(1)));
            for _ in 0..number % 3 {
                let is_answered = look(made.as_mut()).await.is_ready()
                    || look(sold.as_mut()).await.is_ready()
                    || look(came.as_mut()).await.is_ready();
                if is_answered {
                    break;
                }
                let_others().await;
            }
        }
        let state = shop.engine.state().await.expect("the shards run");
        for (number, text) in skus.iter().enumerate() {
            let owner = state.values().any(|product| product.find(&sku(text)).is_some());
            assert_eq!(shop.engine.find(&sku(text)).is_some(), owner, "{text}");
            assert!(!owner || number % 3 > 0, "a future never polled makes nothing");
            let again = shop.engine.create(&context(), fresh_product(), new_product(text, 1)).await;
            assert_eq!(again.is_ok(), !owner, "{text} is free if nobody has it");
        }
        let state = shop.close().await;
        let lamp = &state[&lamp].variants()[0];
        assert_eq!(u64::from(lamp.levels.on_hand().0), lamp.totals.received);
        assert!(lamp.levels.committed > Units(0));
        assert_eq!(state.len(), 301);
    });
}
