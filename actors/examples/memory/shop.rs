//! The products of an invented shop, and what is asked of them while they are counted.

use futures_util::future::join_all;
use holdfast_actors::catalogue::{Query, Sort, SortBy};
use holdfast_actors::domain::product::{Command, NewProduct};
use holdfast_actors::domain::{OrderId, ProductId};
use holdfast_actors::{Context, Engine};

use super::goods;

/// Requests that are sent at once.
const REQUESTS: u32 = 2_048;
const ADJECTIVES: [&str; 8] =
    ["Quiet", "Northern", "Folding", "Everyday", "Oak", "Brushed steel", "Woollen", "Compact"];
const NOUNS: [&str; 8] =
    ["kettle", "headphones", "rain jacket", "desk lamp", "notebook", "mug", "backpack", "chair"];

/// Makes all of them.
pub(crate) async fn fill(engine: &Engine, products: u32) {
    each(products, |number| async move {
        engine.create(&Context::system(), id(number), new(number)).await.expect("the sku is free");
    })
    .await;
}

/// Asks each of them something that leaves nothing behind, so that it has an actor.
pub(crate) async fn wake(engine: &Engine, products: u32) {
    each(products, |number| async move {
        let command = Command::Cancel { order: OrderId(1) };
        engine
            .command(&Context::system(), id(number), command)
            .await
            .expect("there is no such order to cancel");
    })
    .await;
}

/// How many products lists are made of, all of them seen.
pub(crate) async fn listed(engine: &Engine) -> u64 {
    let query = Query {
        status: None,
        category: None,
        text: None,
        price_min: None,
        price_max: None,
        in_stock: None,
        sort: Sort { by: SortBy::CreatedAt, is_descending: false },
        after: None,
        count: 1,
        wants_total: true,
    };
    engine.list(query).await.expect("the engine runs").total.expect("it was asked for")
}

/// One of them.
pub(crate) fn new(number: u32) -> NewProduct {
    let place = |words: u32| usize::try_from(words % 8).expect("below eight");
    let name = format!("{} {} {}", ADJECTIVES[place(number)], NOUNS[place(number / 8)], number / 64);
    goods::plain(&name, &format!("SKU-{number:08}"), 100)
}

/// Scattered over all partitions.
pub(crate) fn id(number: u32) -> ProductId {
    ProductId(u128::from(number + 1).wrapping_mul(0xda94_2042_e4dd_58b5_0000_0001_0000_0001) | 1)
}

async fn each<F: Future<Output = ()>>(products: u32, ask: impl Fn(u32) -> F) {
    let mut first = 0;
    while first < products {
        let end = products.min(first + REQUESTS);
        join_all((first..end).map(&ask)).await;
        first = end;
    }
}
