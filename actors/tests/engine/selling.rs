//! Many buyers, few units: never one too many, and never one too few.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use holdfast_actors::domain::Units;
use holdfast_actors::domain::product::{Refusal, Short, VariantNo};
use holdfast_actors::{Failure, Refused};

use crate::common::{Shop, context, on_threads, quantity, run};

#[test]
fn fifty_units_are_sold_to_fifty_of_320_buyers() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 50).await;
        let answers = join_all((0..320).map(|_| shop.buy(product, 1))).await;
        let mut orders = BTreeSet::new();
        let mut refused = 0;
        for answer in answers {
            match answer {
                Ok(answer) => assert!(orders.insert(answer.value.order), "an order is given once"),
                Err(failure) => {
                    assert_eq!(failure_lines(failure), [short(1, 0)]);
                    refused += 1;
                }
            }
        }
        assert_eq!((orders.len(), refused), (50, 270));
        let state = shop.close().await;
        let product = &state[&product];
        let levels = product.variants()[0].levels;
        assert_eq!((levels.available.0, levels.reserved.0, levels.committed.0), (0, 0, 50));
        assert!(orders.into_iter().all(|order| product.commitment(order).is_some()));
    });
}

#[test]
fn refusal_says_what_is_left() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 50).await;
        let answers = join_all((0..40).map(|_| shop.buy(product, 3))).await;
        let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(sold.len(), 16);
        for answer in refused {
            assert_eq!(failure_lines(answer.expect_err("partitioned")), [short(3, 2)]);
        }
        shop.close().await;
    });
}

#[test]
fn buyers_on_several_threads_share_several_products() {
    run(async {
        let shop = Shop::open();
        let mut products = Vec::new();
        for number in 0..10 {
            products.push(shop.make(&format!("lamp-{number}"), 20).await);
        }
        let (engine, wanted) = (shop.engine.clone(), products.clone());
        let sold: Vec<usize> = on_threads(4, move |_| {
            let (engine, products) = (engine.clone(), wanted.clone());
            move || {
                Box::pin(async move {
                    let buy = |number: usize| {
                        let (engine, product) = (engine.clone(), products[number % products.len()]);
                        async move { engine.purchase(&context(), product, None, quantity(1)).await }
                    };
                    join_all((0..80).map(buy)).await.iter().filter(|answer| answer.is_ok()).count()
                })
            }
        })
        .await;
        assert_eq!(sold.iter().sum::<usize>(), 200, "320 wanted 200 units of ten products");
        let state = shop.close().await;
        assert!(products.iter().all(|id| state[id].variants()[0].levels.committed == Units(20)));
    });
}

#[test]
fn many_purchases_at_once_are_decided_one_by_one() {
    run(async {
        let shop = Shop::open();
        let (lamp, desk) = (shop.make("lamp", 300).await, shop.make("desk", 5).await);
        // More for one product than one message carries.
        let wanted = |number: u32| if number.is_multiple_of(70) { desk } else { lamp };
        let offer = |number| shop.engine.offer(wanted(number), None, quantity(1)).expect("it is for sale");
        let purchases = (0..700).map(|number| (context(), offer(number))).collect();
        let (mut orders, mut places) = (BTreeSet::new(), BTreeSet::new());
        let mut left = BTreeMap::from([(lamp, 300), (desk, 5)]);
        for (number, answer) in (0..).zip(shop.engine.buy_many(purchases).await) {
            let left = left.get_mut(&wanted(number)).expect("one of the two");
            if *left == 0 {
                assert_eq!(failure_lines(answer.expect_err("nothing is left")), [short(1, 0)]);
                continue;
            }
            *left -= 1;
            let answer = answer.expect("something is left");
            assert_eq!(answer.value.available, Units(*left), "the answers are in the order of the request");
            assert!(orders.insert(answer.value.order), "an order is given once");
            let position = answer.position.expect("a sale leaves a record");
            assert!(places.insert((position.partition.0, position.sequence)), "each has a record of its own");
        }
        assert_eq!(orders.len(), 305);
        let state = shop.close().await;
        assert!([lamp, desk].iter().all(|id| state[id].variants()[0].levels.available == Units(0)));
        assert!(
            orders
                .iter()
                .all(|order| { [lamp, desk].iter().any(|id| state[id].commitment(*order).is_some()) })
        );
    });
}

fn failure_lines(failure: Failure) -> Vec<Short> {
    match failure {
        Failure::Refused(answer) => match answer.value {
            Refused::Product(Refusal::InsufficientStock { lines }) => lines,
            other => panic!("refused for another reason: {other:?}"),
        },
        other => panic!("no answer at all: {other:?}"),
    }
}

fn short(requested: u32, available: u32) -> Short {
    Short {
        index: 0,
        variant: VariantNo(0),
        requested: Units(requested),
        available: Units(available),
        reserved: Units(0),
    }
}
