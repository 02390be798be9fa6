//! Generations of lists: they rise for what a list shows, before the answer, and for nothing else.

use std::pin::pin;

use holdfast_actors::catalogue::{Generation, Query};
use holdfast_actors::domain::product::{Command, Description, Status};
use holdfast_actors::domain::{Money, ProductId};
use holdfast_actors::engine::Listed;
use holdfast_actors::{Engine, ProductFacts};

use crate::categories::described;
use crate::common::{
    HOLD, NOW, Shop, adjust, context, fresh, let_others, look, new_variant, on_threads, run, sku,
};

/// Turns that each thread of the race takes.
const ROUNDS: u64 = 200;

/// Which counters rose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rose {
    Neither,
    Listing,
    Stock,
}

fn listed(facts: &ProductFacts) -> Listed {
    Listed { id: facts.id, version: facts.version, variants: facts.variants.len() }
}

struct Watch<'a> {
    engine: &'a Engine,
    seen: Generation,
}

impl Watch<'_> {
    #[track_caller]
    fn expect(&mut self, rose: Rose, what: &str) {
        let now = self.engine.list_generation();
        let found = (now.listing - self.seen.listing, now.stock - self.seen.stock);
        self.seen = now;
        match rose {
            Rose::Neither => assert_eq!(found, (0, 0), "{what}"),
            Rose::Listing => assert_eq!(found, (1, 0), "{what}"),
            Rose::Stock => assert_eq!(found, (0, 1), "{what}"),
        }
    }
}

#[test]
fn generation_rises_for_what_lists_show_and_for_nothing_else() {
    run(async {
        let shop = Shop::open();
        let engine = &shop.engine;
        let mut watch = Watch { engine, seen: engine.list_generation() };
        let lamp = shop.make("lamp", 3).await;
        watch.expect(Rose::Listing, "made");
        shop.buy(lamp, 1).await.expect("there are three");
        watch.expect(Rose::Neither, "bought, and some are left");
        shop.hold(lamp, 1, NOW.after(HOLD)).await;
        watch.expect(Rose::Neither, "held, and one is left");
        shop.buy(lamp, 1).await.expect("there is one");
        watch.expect(Rose::Stock, "sold out");
        shop.buy(lamp, 1).await.expect_err("there is none");
        watch.expect(Rose::Neither, "refused");
        engine.command(&context(), lamp, adjust(2)).await.expect("there is room");
        watch.expect(Rose::Stock, "back in stock");
        engine.command(&context(), lamp, adjust(1)).await.expect("there is room");
        watch.expect(Rose::Neither, "more of it");

        let edit = |it: &Description| Description { price: Money(it.price.0 + 1), ..it.clone() };
        engine.edit(&context(), lamp, None, edit).await.expect("it may");
        watch.expect(Rose::Listing, "dearer");
        let edit = |it: &Description| Description { status: Status::Draft, ..it.clone() };
        engine.edit(&context(), lamp, None, edit).await.expect("it may");
        watch.expect(Rose::Listing, "not for sale");
        engine.edit(&context(), lamp, Some(1), Clone::clone).await.expect_err("an old version");
        watch.expect(Rose::Neither, "refused");
        engine.add_variant(&context(), lamp, None, new_variant("shade", 1)).await.expect("the sku is free");
        watch.expect(Rose::Listing, "a variant more");
        engine.remove_variant(&context(), &sku("shade"), None).await.expect("nobody holds it");
        watch.expect(Rose::Listing, "a variant fewer");

        let lamps = shop.engine.create_category(&context(), category(), described("lamps", None)).await;
        let lamps = lamps.expect("the slug is free").value.id;
        watch.expect(Rose::Listing, "a category made");
        engine.describe_category(&context(), lamps, described("light", None), None).await.expect("it may");
        watch.expect(Rose::Listing, "a category described");
        engine.delete_category(&context(), lamps, None).await.expect("nobody uses it");
        watch.expect(Rose::Listing, "a category gone");
        let kettle = shop.make("kettle", 0).await;
        watch.expect(Rose::Listing, "made");
        engine
            .command(&context(), kettle, Command::Delete { version: None })
            .await
            .expect("nobody holds any");
        watch.expect(Rose::Listing, "deleted");
        shop.close().await;
    });
}

fn category() -> holdfast_actors::domain::CategoryId {
    holdfast_actors::domain::CategoryId(fresh())
}

/// What is kept under a generation has every write that was answered before the generation was read.
#[test]
fn generation_is_never_older_than_an_answered_write() {
    run(async {
        let shop = Shop::open();
        let engine = shop.engine.clone();
        on_threads(4, move |thread| {
            let engine = engine.clone();
            move || {
                Box::pin(async move {
                    let id = made(&engine, &format!("t{thread}")).await;
                    for round in 0..ROUNDS {
                        let before = engine.list_generation();
                        let edit =
                            |it: &Description| Description { price: Money(it.price.0 + 1), ..it.clone() };
                        engine.edit(&context(), id, None, edit).await.expect("it may");
                        let after = engine.list_generation();
                        assert!(after.listing > before.listing, "round {round}");
                    }
                })
            }
        })
        .await;
        shop.close().await;
    });
}

async fn made(engine: &Engine, word: &str) -> ProductId {
    let id = crate::common::fresh_product();
    engine.create(&context(), id, crate::common::new_product(word, 1)).await.expect("the sku is free");
    id
}

#[test]
fn figures_of_a_list_are_those_of_now_or_the_list_is_none() {
    run(async {
        let shop = Shop::open();
        let engine = &shop.engine;
        let lamp = shop.make("lamp", 3).await;
        engine.add_variant(&context(), lamp, None, new_variant("shade", 5)).await.expect("the sku is free");
        shop.make("kettle", 0).await;
        let page = engine.list(Query::default()).await.expect("the journal runs");
        let all: Vec<Listed> = page.products.iter().map(listed).collect();
        assert_eq!(engine.available(&all, None).await, Ok(Some(vec![3, 5, 0])));
        assert_eq!(engine.available(&all, Some(true)).await, Ok(None), "kettles are sold out");
        assert_eq!(engine.available(&all[..1], Some(true)).await, Ok(Some(vec![3, 5])));
        assert_eq!(engine.available(&all[1..], Some(false)).await, Ok(Some(vec![0])));
        engine
            .purchase(&context(), lamp, Some(&sku("lamp")), crate::common::quantity(3))
            .await
            .expect("three");
        assert_eq!(engine.available(&all, None).await, Ok(Some(vec![0, 5, 0])), "as they are now");
        let fewer = Listed { variants: 1, ..all[0] };
        assert_eq!(engine.available(&[fewer], None).await, Ok(None), "it has two variants");
        engine.remove_variant(&context(), &sku("shade"), None).await.expect("nobody holds it");
        assert_eq!(engine.available(&all, None).await, Ok(None), "it is described otherwise");
        let now = engine.product(lamp).await.expect("it is there");
        assert_eq!(engine.available(&[listed(&now)], None).await, Ok(Some(vec![0])));
        let kettle = all[1].id;
        engine
            .command(&context(), kettle, Command::Delete { version: None })
            .await
            .expect("nobody holds any");
        assert_eq!(engine.available(&all[1..], None).await, Ok(None), "it is gone");
        assert_eq!(engine.available(&[], Some(true)).await, Ok(Some(vec![])));
        shop.close().await;
    });
}

#[test]
fn figures_wait_until_they_are_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        holder.let_through();
        let lamp = shop.make("lamp", 3).await;
        let page = [Listed { id: lamp, version: 1, variants: 1 }];
        let mut bought = pin!(shop.buy(lamp, 1));
        assert!(look(bought.as_mut()).await.is_pending());
        holder.append_waits();
        holder.append_waits();
        shop.settle().await;
        let mut figures = pin!(shop.engine.available(&page, None));
        for _ in 0..50 {
            assert!(look(figures.as_mut()).await.is_pending(), "the purchase is not on the disk");
            let_others().await;
        }
        holder.let_through();
        assert_eq!(figures.await, Ok(Some(vec![2])));
        bought.await.expect("there were three");
    });
}
