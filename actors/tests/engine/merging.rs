//! A guest logs in: the lines of their cart, and the units held for them, are the customer's.

use futures_util::future::join_all;
use holdfast_actors::CartFacts;
use holdfast_actors::domain::cart::LINES_MAX;
use holdfast_actors::domain::product::Description;
use holdfast_actors::domain::{AccountId, Owner, Quantity};

use crate::common::trouble::{TROUBLES, substance};
use crate::common::wants::{shard_of, somebody};
use crate::common::{HOLD, NOW, Shop, context, on_threads, run, sku};

/// Guests and customers on the same thread and on different ones.
fn pairs() -> Vec<(Owner, Owner)> {
    let pairs: Vec<_> = [(2, 3), (2, 4), (4, 2), (4, 7)]
        .map(|(guest, customer)| (Owner::Guest(guest), Owner::Account(AccountId(customer))))
        .into();
    let shards = pairs.iter().map(|(guest, customer)| [guest, customer].map(|it| shard_of(it.buyer().0)));
    assert_eq!(shards.collect::<Vec<_>>(), [[0, 0], [0, 1], [1, 0], [1, 1]]);
    pairs
}

/// What is in a cart: how many of each, and how many of these are held.
async fn lines(shop: &Shop, owner: Owner) -> Vec<(String, u32, u32)> {
    let cart = shop.engine.cart(owner).await.expect("the journal runs");
    let line = |line: &holdfast_actors::domain::cart::CartLine| {
        let name = shop.engine.sku_of(line.item.product, line.item.variant).expect("it is there");
        let units = line.item.quantity.get();
        (name.as_str().to_owned(), units, if line.is_held() { units } else { 0 })
    };
    cart.lines.iter().map(line).collect()
}

fn held(name: &str, units: u32) -> (String, u32, u32) {
    (name.to_owned(), units, units)
}

fn lapsed(name: &str, units: u32) -> (String, u32, u32) {
    (name.to_owned(), units, 0)
}

async fn merge(shop: &Shop, guest: Owner, customer: Owner) {
    shop.engine.merge_carts(guest, customer).await.expect("the shards run");
}

#[test]
fn lines_add_up_and_their_units_stay_held() {
    run(async {
        for (guest, customer) in pairs() {
            let shop = Shop::open();
            let (lamp, chair, table) =
                (shop.make("lamp", 5).await, shop.make("chair", 5).await, shop.make("table", 2).await);
            shop.add(guest, "lamp", 2).await.expect("five are free");
            shop.add(guest, "table", 2).await.expect("two are free");
            shop.add(customer, "chair", 1).await.expect("five are free");
            shop.add(customer, "lamp", 3).await.expect("three are free");
            merge(&shop, guest, customer).await;
            assert_eq!(lines(&shop, customer).await, [held("chair", 1), held("lamp", 5), held("table", 2)]);
            assert_eq!(shop.engine.cart(guest).await, Ok(CartFacts::default()));
            let levels = [shop.levels(lamp).await, shop.levels(chair).await, shop.levels(table).await];
            assert_eq!(levels, [(0, 5, 0), (4, 1, 0), (0, 2, 0)]);
            // Again, later and after a restart, there is nothing to merge.
            let before = shop.as_it_is().await;
            join_all((0..4).map(|_| merge(&shop, guest, customer))).await;
            assert_eq!(shop.as_it_is().await, before);
            let shop = shop.reopen();
            merge(&shop, guest, customer).await;
            assert_eq!(shop.as_it_is().await, before);
            shop.place_cart(customer).await.expect("they are the customer's");
            shop.close().await;
        }
    });
}

#[test]
fn cart_moves_whole_to_a_customer_who_has_none() {
    run(async {
        for (guest, customer) in pairs() {
            let shop = Shop::open();
            let lamp = shop.make("lamp", 5).await;
            shop.add(guest, "lamp", 5).await.expect("five are free");
            join_all((0..4).map(|_| merge(&shop, guest, customer))).await;
            assert_eq!(lines(&shop, customer).await, [held("lamp", 5)]);
            assert_eq!(shop.levels(lamp).await, (0, 5, 0));
            // The guest may go on, with another cart.
            shop.set(customer, "lamp", 3).await.expect("fewer is always possible");
            shop.add(guest, "lamp", 2).await.expect("two are free");
            merge(&shop, guest, customer).await;
            assert_eq!(lines(&shop, customer).await, [held("lamp", 5)]);
            shop.close().await;
        }
    });
}

#[test]
fn guest_without_a_cart_changes_nothing() {
    run(async {
        let shop = Shop::open();
        shop.make("lamp", 5).await;
        let customer = Owner::Account(AccountId(4));
        shop.add(customer, "lamp", 5).await.expect("five are free");
        let before = shop.everything().await;
        merge(&shop, somebody(), customer).await;
        merge(&shop, somebody(), Owner::Account(AccountId(9))).await;
        assert_eq!(shop.everything().await, before);
        shop.close().await;
    });
}

#[test]
fn limit_that_both_carts_together_pass_refuses_neither() {
    run(async {
        for (guest, customer) in pairs() {
            let shop = Shop::open();
            let limit = |it: &mut Description| it.per_customer_limit = Quantity::new(3);
            let lamp = shop.make_as("lamp", 9, limit).await;
            shop.add(guest, "lamp", 2).await.expect("one may have three");
            shop.add(customer, "lamp", 2).await.expect("one may have three");
            merge(&shop, guest, customer).await;
            assert_eq!(lines(&shop, customer).await, [held("lamp", 4)], "what was promised is kept");
            assert_eq!(shop.levels(lamp).await, (5, 4, 0));
            // The units are counted for the customer, and for the guest no more.
            assert!(shop.add(customer, "lamp", 1).await.is_err());
            shop.add(guest, "lamp", 3).await.expect("one may have three");
            shop.close().await;
        }
    });
}

/// The guest's line lapsed, and the product is in trouble: the line comes without units, all others with theirs.
#[test]
fn lapsed_line_that_cannot_be_held_again_comes_without_units() {
    run(async {
        for ((guest, customer), trouble) in
            pairs().into_iter().flat_map(|pair| TROUBLES.map(|trouble| (pair, trouble)))
        {
            let shop = Shop::open();
            let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
            shop.add(guest, "lamp", 2).await.expect("five are free");
            shop.clock.set(NOW.after(HOLD));
            shop.until_levels(lamp, (5, 0, 0)).await;
            shop.add(guest, "chair", 2).await.expect("five are free");
            trouble.bring(&shop, lamp, "lamp", customer).await;
            let levels = shop.levels(lamp).await;
            merge(&shop, guest, customer).await;
            let expected = [lapsed("lamp", 2), held("chair", 2)];
            assert_eq!(lines(&shop, customer).await, expected, "{trouble:?}");
            assert_eq!(shop.levels(lamp).await, levels, "{trouble:?}");
            assert_eq!(shop.levels(chair).await, (3, 2, 0));
            let before = shop.as_it_is().await;
            shop.undo_again().await;
            merge(&shop, guest, customer).await;
            assert_eq!(substance(&shop.quiet().await), before);
            shop.close().await;
        }
    });
}

#[test]
fn lines_beyond_a_hundred_stay_behind_and_give_their_units_back() {
    run(async {
        let (guest, customer) = (Owner::Guest(2), Owner::Account(AccountId(4)));
        let shop = Shop::open();
        let mut products = Vec::new();
        for number in 0..LINES_MAX + 3 {
            products.push(shop.make(&format!("lamp-{number}"), 1).await);
        }
        for number in 0..LINES_MAX - 1 {
            shop.add(customer, &format!("lamp-{number}"), 1).await.expect("there is room");
        }
        for number in LINES_MAX - 1..LINES_MAX + 3 {
            shop.add(guest, &format!("lamp-{number}"), 1).await.expect("there is room");
        }
        merge(&shop, guest, customer).await;
        assert_eq!(lines(&shop, customer).await.len(), LINES_MAX);
        assert_eq!(shop.levels(products[LINES_MAX - 1]).await, (0, 1, 0), "the first of them found room");
        for product in &products[LINES_MAX..] {
            assert_eq!(shop.levels(*product).await, (1, 0, 0));
        }
        shop.close().await;
    });
}

#[test]
fn merges_meet_changes_of_both_carts_and_nothing_is_lost() {
    run(async {
        for round in 0..20 {
            let shop = Shop::open();
            let lamp = shop.make("lamp", 1_000).await;
            let customer = Owner::Account(AccountId(4));
            let guests = [Owner::Guest(2), Owner::Guest(3), Owner::Guest(7)];
            let engine = shop.engine.clone();
            let added = on_threads(4, move |thread| {
                let engine = engine.clone();
                move || {
                    Box::pin(async move {
                        let mut added = 0;
                        for _ in 0..10 {
                            let guest = guests.get(usize::try_from(thread).expect("few")).copied();
                            let owner = guest.unwrap_or(customer);
                            let lamp = holdfast_actors::engine::CartItem::Sku(sku("lamp"));
                            let one = crate::common::quantity(1);
                            engine.cart_add(&context(), owner, lamp, one).await.expect("a thousand are free");
                            added += 1;
                            if let Some(guest) = guest {
                                engine.merge_carts(guest, customer).await.expect("the shards run");
                            }
                        }
                        added
                    })
                }
            })
            .await;
            let all: u32 = added.iter().sum();
            assert_eq!(lines(&shop, customer).await, [held("lamp", all)], "round {round}");
            assert_eq!(shop.levels(lamp).await, (1_000 - all, all, 0));
            shop.close().await;
        }
    });
}
