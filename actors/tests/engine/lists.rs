//! Lists beside writes: whoever was answered sees it in the next list, from whatever thread.

use std::sync::Arc;

use holdfast_actors::catalogue::{Query, SearchText};
use holdfast_actors::domain::product::{Command, Description};
use holdfast_actors::domain::{Money, ProductId};
use holdfast_actors::{Engine, Failure};

use crate::common::{Shop, adjust, context, fresh_product, new_product, on_threads, run};

/// Rounds of each thread.
const ROUNDS: u64 = 120;

#[test]
fn every_answered_write_is_in_the_next_list_on_every_thread() {
    run(async {
        let shop = Shop::open();
        let engine = shop.engine.clone();
        on_threads(4, move |thread| {
            let engine = engine.clone();
            move || {
                Box::pin(async move {
                    for round in 0..ROUNDS {
                        live(&engine, &format!("t{thread}r{round}")).await;
                    }
                })
            }
        })
        .await;
        assert_eq!(found(&shop.engine, Query::default()).await, []);
        shop.close().await;
    });
}

/// The life of one product, with a look at the list after each step.
async fn live(engine: &Engine, word: &str) {
    let id = fresh_product();
    let mut new = new_product(word, 1);
    Arc::make_mut(&mut new.description).name = format!("Lamp {word}").into();
    let named = || Query { text: Some(SearchText::new(word)), ..Query::default() };
    engine.create(&context(), id, new).await.expect("the sku is free");
    assert_eq!(found(engine, named()).await, [id]);
    engine.command(&context(), id, adjust(-1)).await.expect("there is one");
    assert_eq!(found(engine, Query { in_stock: Some(true), ..named() }).await, []);
    engine.command(&context(), id, adjust(1)).await.expect("there is room");
    assert_eq!(found(engine, Query { in_stock: Some(true), ..named() }).await, [id]);
    let dearer = |it: &Description| Description { price: Money(it.price.0 + 1), ..it.clone() };
    engine.edit(&context(), id, None, dearer).await.expect("it may");
    assert_eq!(found(engine, Query { price_min: Some(Money(2000)), ..named() }).await, [id]);
    assert_eq!(found(engine, Query { price_max: Some(Money(1999)), ..named() }).await, []);
    engine.command(&context(), id, Command::Delete { version: None }).await.expect("nobody holds any");
    assert_eq!(found(engine, named()).await, []);
}

async fn found(engine: &Engine, query: Query) -> Vec<ProductId> {
    let page = engine.list(query).await.expect("the journal runs");
    page.products.iter().map(|product| product.id).collect()
}

#[test]
fn too_many_lists_at_once_are_shed() {
    run(async {
        let shop = Shop::open();
        let lists = (0..1_000).map(|_| shop.engine.list(Query::default()));
        let answers = futures_util::future::join_all(lists).await;
        let shed = answers.iter().filter(|it| matches!(it, Err(Failure::Overloaded(_)))).count();
        assert!((1..1_000).contains(&shed), "{shed} were shed");
        assert!(shop.engine.list(Query::default()).await.is_ok(), "there is room again");
        shop.close().await;
    });
}
