//! Categories: made and changed once, kept over restarts, and never taken from under a product.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use holdfast_actors::catalogue::Query;
use holdfast_actors::domain::category::{Category, Description, Misfit, Refusal};
use holdfast_actors::domain::product::Command;
use holdfast_actors::domain::{CategoryId, ProductId};
use holdfast_actors::{Answer, Failure, Refused};

use crate::common::{
    NOW, Shop, context, fresh, fresh_product, keyed, let_others, look, new_product, on_threads, run,
};

/// Rounds of each race.
const ROUNDS: u64 = 1_500;

pub(crate) fn described(slug: &str, parent: Option<CategoryId>) -> Description {
    Description { name: slug.to_uppercase().into(), slug: slug.into(), parent }
}

async fn make(shop: &Shop, slug: &str, parent: Option<CategoryId>) -> CategoryId {
    let id = CategoryId(fresh());
    shop.engine.create_category(&context(), id, described(slug, parent)).await.expect("it has a place");
    id
}

fn refusal<T: std::fmt::Debug>(result: Result<Answer<T>, Failure>) -> Refusal {
    match result {
        Err(Failure::Refused(Answer { value: Refused::Category(refusal), .. })) => refusal,
        other => panic!("the categories refuse it: {other:?}"),
    }
}

async fn all(shop: &Shop) -> Vec<Category> {
    shop.engine.categories().await.expect("the journal runs").value.iter().cloned().collect()
}

#[test]
fn tree_is_the_same_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let clothes = make(&shop, "clothes", None).await;
        let coats = make(&shop, "coats", Some(clothes)).await;
        let tools = make(&shop, "tools", None).await;
        let moved = described("coats", Some(tools));
        let changed = shop.engine.describe_category(&context(), coats, moved, Some(1)).await.expect("it may");
        assert_eq!((changed.value.version, changed.value.created_at), (2, NOW));
        assert!(changed.position.is_some());
        shop.engine.delete_category(&context(), clothes, None).await.expect("nobody uses it");
        let lamp = shop.make_as("lamp", 1, |lamp| lamp.category_ids = vec![coats]).await;
        let before = all(&shop).await;
        let shop = shop.reopen();
        assert_eq!(all(&shop).await, before);
        let taken =
            shop.engine.create_category(&context(), CategoryId(fresh()), described("tools", None)).await;
        assert_eq!(refusal(taken), Refusal::Misplaced(vec![Misfit::SlugTaken]));
        assert_eq!(refusal(shop.engine.delete_category(&context(), coats, None).await), Refusal::InUse);
        shop.command(lamp, Command::Delete { version: None }).await.expect("nobody holds any");
        shop.engine.delete_category(&context(), coats, None).await.expect("nobody uses it any more");
        shop.close().await;
    });
}

#[test]
fn retry_meets_the_first_answer_also_after_a_restart() {
    run(async {
        let shop = Shop::open();
        let (made, changed, refused, gone) = (keyed(1, 1), keyed(2, 2), keyed(3, 3), keyed(4, 4));
        let (id, other) = (CategoryId(fresh()), CategoryId(fresh()));
        let first =
            shop.engine.create_category(&made, id, described("tools", None)).await.expect("it has a place");
        // The id of a retry is another one; nothing is made of it.
        let again = shop.engine.create_category(&made, other, described("tools", None)).await.expect("again");
        assert_eq!((&again.value, again.position, again.is_replayed), (&first.value, first.position, true));
        let change = |shop: &Shop| {
            let engine = shop.engine.clone();
            let changed = changed.clone();
            async move { engine.describe_category(&changed, id, described("gear", None), Some(1)).await }
        };
        assert_eq!(change(&shop).await.expect("it may").value.version, 2);
        let taken = |shop: &Shop| {
            let (engine, refused) = (shop.engine.clone(), refused.clone());
            async move { engine.create_category(&refused, other, described("gear", None)).await }
        };
        assert_eq!(refusal(taken(&shop).await), Refusal::Misplaced(vec![Misfit::SlugTaken]));
        shop.engine.delete_category(&gone, id, Some(2)).await.expect("nobody uses it");

        let shop = shop.reopen();
        let again = change(&shop).await.expect("again");
        assert_eq!((again.value.version, again.is_replayed), (2, true), "though the category is gone");
        assert_eq!(
            refusal(taken(&shop).await),
            Refusal::Misplaced(vec![Misfit::SlugTaken]),
            "though the slug is free"
        );
        let again = shop.engine.delete_category(&gone, id, Some(2)).await.expect("again");
        assert!(again.is_replayed);
        let reused = shop.engine.create_category(&keyed(1, 9), other, described("x", None)).await;
        assert_eq!(reused, Err(Failure::KeyReused));
        assert_eq!(all(&shop).await, []);
        shop.close().await;
    });
}

#[test]
fn nothing_of_a_category_is_told_before_it_is_durable() {
    run(async {
        let (shop, holder) = Shop::held(|_| {});
        let id = CategoryId(fresh());
        let context = context();
        let mut made = pin!(shop.engine.create_category(&context, id, described("tools", None)));
        assert!(look(made.as_mut()).await.is_pending());
        holder.append_waits();
        let mut tree = pin!(shop.engine.categories());
        let mut page = pin!(shop.engine.list(Query { category: Some(id), ..Query::default() }));
        // A product that is refused for the want of a category rests on what the categories are.
        let mut lamp = new_product("lamp", 1);
        Arc::make_mut(&mut lamp.description).category_ids = vec![CategoryId(7)];
        let mut lamp = pin!(shop.engine.create(&context, fresh_product(), lamp));
        for _ in 0..50 {
            assert!(look(made.as_mut()).await.is_pending());
            assert!(look(tree.as_mut()).await.is_pending());
            assert!(look(page.as_mut()).await.is_pending());
            assert!(look(lamp.as_mut()).await.is_pending());
            shop.settle().await;
            let_others().await;
        }
        holder.let_through();
        assert_eq!(made.await.expect("it has a place").value.id, id);
        assert_eq!(tree.await.expect("the journal runs").value.len(), 1);
        assert_eq!(page.await.expect("the journal runs").products, []);
        assert_eq!(refusal(lamp.await), Refusal::NotListable(vec![0]));
    });
}

#[test]
fn product_is_listed_only_in_categories_that_exist() {
    run(async {
        let shop = Shop::open();
        let tools = make(&shop, "tools", None).await;
        let mut lamp = new_product("lamp", 1);
        Arc::make_mut(&mut lamp.description).category_ids = vec![CategoryId(7), tools, CategoryId(8)];
        let refused = shop.engine.create(&context(), fresh_product(), lamp.clone()).await;
        assert_eq!(refusal(refused), Refusal::NotListable(vec![0, 2]));
        // The sku is free still.
        Arc::make_mut(&mut lamp.description).category_ids = vec![tools];
        let lamp = shop.engine.create(&context(), fresh_product(), lamp).await.expect("it may").value.id;
        let edit = |ids: Vec<CategoryId>| {
            let shop = &shop;
            async move {
                let edit = move |it: &_| holdfast_actors::domain::product::Description {
                    category_ids: ids,
                    ..holdfast_actors::domain::product::Description::clone(it)
                };
                shop.engine.edit(&context(), lamp, None, edit).await
            }
        };
        assert_eq!(refusal(edit(vec![tools, CategoryId(7)]).await), Refusal::NotListable(vec![1]));
        assert_eq!(refusal(shop.engine.delete_category(&context(), tools, None).await), Refusal::InUse);
        edit(Vec::new()).await.expect("it may");
        shop.engine.delete_category(&context(), tools, None).await.expect("nobody uses it any more");
        shop.close().await;
    });
}

/// Somebody makes a product in a category while somebody deletes it: one of the two is refused, always.
#[test]
fn category_never_goes_from_under_a_product() {
    run(async {
        let shop = Shop::open();
        let mut outcomes = [0, 0];
        for round in 0..ROUNDS {
            let id = make(&shop, &format!("c{round}"), None).await;
            let (making, deleting) = (shop.engine.clone(), shop.engine.clone());
            let product = fresh_product();
            let sku = format!("p-{round}");
            let make = async move {
                let mut new = new_product(&sku, 1);
                Arc::make_mut(&mut new.description).category_ids = vec![id];
                making.create(&context(), product, new).await
            };
            let delete = async move {
                // Every other round the deletion comes first.
                if round % 2 == 0 {
                    let_others().await;
                }
                deleting.delete_category(&context(), id, None).await
            };
            let (made, deleted) = if round % 4 < 2 {
                join(make, delete).await
            } else {
                let (deleted, made) = join(delete, make).await;
                (made, deleted)
            };
            match (&made, &deleted) {
                (Ok(_), Err(_)) => outcomes[0] += 1,
                (Err(_), Ok(_)) => outcomes[1] += 1,
                both => panic!("round {round}: {both:?}"),
            }
            if made.is_err() {
                assert_eq!(refusal(made), Refusal::NotListable(vec![0]));
            } else {
                assert_eq!(refusal(deleted), Refusal::InUse);
            }
        }
        assert!(outcomes.iter().all(|count| *count > 0), "both win at times: {outcomes:?}");
        shop.close().await;
    });
}

/// The same from many threads: products come and go in one category, which comes and goes.
#[test]
fn categories_and_products_come_and_go_on_many_threads() {
    run(async {
        let shop = Shop::open();
        let id = CategoryId(fresh());
        let engine = shop.engine.clone();
        let wins = on_threads(4, move |thread| {
            let engine = engine.clone();
            move || {
                Box::pin(async move {
                    let mut wins = 0_u64;
                    for round in 0..ROUNDS {
                        if thread == 0 {
                            let made = engine.create_category(&context(), id, described("tools", None)).await;
                            let gone = engine.delete_category(&context(), id, None).await;
                            wins += u64::from(gone.is_ok());
                            assert!(made.is_ok() || gone.is_ok() || round > 0);
                        } else {
                            wins += u64::from(come_and_go(&engine, id, &format!("p-{thread}-{round}")).await);
                        }
                    }
                    wins
                })
            }
        })
        .await;
        assert!(wins.iter().all(|wins| *wins > 0), "everybody wins at times: {wins:?}");
        let everything = shop.everything().await;
        assert!(everything.products.is_empty());
        shop.reopen().close().await;
    });
}

async fn come_and_go(engine: &holdfast_actors::Engine, id: CategoryId, sku: &str) -> bool {
    let product = fresh_product();
    let mut new = new_product(sku, 1);
    Arc::make_mut(&mut new.description).category_ids = vec![id];
    match engine.create(&context(), product, new).await {
        Ok(_) => {
            // While the product is there, so is its category.
            assert!(engine.category_version(id).is_some());
            engine
                .command(&context(), product, Command::Delete { version: None })
                .await
                .expect("nobody holds any");
            true
        }
        refused => {
            assert_eq!(refusal(refused), Refusal::NotListable(vec![0]));
            false
        }
    }
}

#[test]
fn many_who_want_one_slug_leave_one_category() {
    run(async {
        let shop = Shop::open();
        let contexts: Vec<_> = (0..20).map(|_| context()).collect();
        let wishes = contexts.iter().map(|context| {
            shop.engine.create_category(context, CategoryId(fresh()), described("tools", None))
        });
        let answers = join_all(wishes).await;
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 1);
        assert_eq!(all(&shop).await.len(), 1);
        shop.close().await;
    });
}

#[test]
fn deleted_branch_is_empty_and_a_moved_one_is_found_elsewhere() {
    run(async {
        let shop = Shop::open();
        let (clothes, tools) = (make(&shop, "clothes", None).await, make(&shop, "tools", None).await);
        let coats = make(&shop, "coats", Some(clothes)).await;
        let coat = shop.make_as("coat", 1, |it| it.category_ids = vec![coats]).await;
        let found = |category| {
            let engine = shop.engine.clone();
            async move {
                let page = engine.list(Query { category: Some(category), ..Query::default() }).await;
                page.expect("the journal runs").products.iter().map(|it| it.id).collect::<Vec<ProductId>>()
            }
        };
        assert_eq!(
            (found(clothes).await, found(coats).await, found(tools).await),
            (vec![coat], vec![coat], vec![])
        );
        let moved = described("coats", Some(tools));
        shop.engine.describe_category(&context(), coats, moved, None).await.expect("it may");
        assert_eq!(
            (found(clothes).await, found(coats).await, found(tools).await),
            (vec![], vec![coat], vec![coat])
        );
        let shop = shop.reopen();
        let page = shop.engine.list(Query { category: Some(tools), ..Query::default() }).await;
        assert_eq!(page.expect("the journal runs").products.len(), 1);
        shop.close().await;
    });
}
