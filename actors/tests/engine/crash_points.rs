//! A crash after any record of any saga: recovery finds it whole or not begun, and a retry with the key completes it.
//!
//! Nobody was answered before the last of these records was durable: see [`crate::sealed_sagas`].

use holdfast_actors::domain::cart::CART_KEPT;
use holdfast_actors::domain::order::Status;
use holdfast_actors::domain::{AccountId, OrderId, Owner, Quantity, ReservationId, Timestamp};
use holdfast_actors::engine::{CartItem, OrderFilter, ReservationFilter};
use holdfast_actors::{Answer, Context, Failure, ManualClock, Who};

use crate::common::cuts::{disk_of, records};
use crate::common::picture::picture;
use crate::common::wants::{
    BUYER, Lines, again, by, cart_order, fresh_product_on, new_order, new_reservation, paid, shard_of,
    somebody, token,
};
use crate::common::{HOLD, NOW, Shop, context, fresh, new_product, quantity, run, sku};

const SKUS: [&str; 3] = ["lamp", "chair", "table"];
const MINE: Who = Who::Owner(BUYER);
/// A guest and a customer on different threads.
const GUEST: Owner = Owner::Guest(2);
const CUSTOMER: Owner = Owner::Account(AccountId(4));

/// Prepares a shop of three products with five units each, then does something under a key. After each of its records
/// comes a crash, and the shop must look like one of `pictures`, in this order; asked once more with its key, it must
/// look like the last of them and give the first answer.
fn check(prepare: impl AsyncFn(&Shop), saga: impl AsyncFn(&Shop, &Context) -> String, pictures: &[&str]) {
    run(async {
        let shop = Shop::open();
        for (number, name) in SKUS.into_iter().enumerate() {
            let id = fresh_product_on(number % 2);
            shop.engine.create(&context(), id, new_product(name, 5)).await.expect("the sku is free");
        }
        prepare(&shop).await;
        shop.quiet().await;
        let base = records(&shop.disk).len();
        let key = again(fresh());
        let answer = saga(&shop, &key).await;
        let clock = shop.clock.clone();
        let last = picture(&shop.quiet().await);
        let all = records(&shop.disk);
        shop.close().await;
        assert_eq!(Some(&*last), pictures.last().copied(), "at the end");
        let mut seen: Vec<String> = Vec::new();
        for cut in base..=all.len() {
            let now = holdfast_actors::Clock::now(&clock);
            let shop = Shop::on(disk_of(&all[..cut]), ManualClock::new(now), |_| {});
            shop.engine.settle_due().await.expect("the shards run");
            let found = picture(&shop.quiet().await);
            if seen.last() != Some(&found) {
                seen.push(found);
            }
            assert_eq!(saga(&shop, &key).await, answer, "cut at {cut} of {}", all.len());
            assert_eq!(picture(&shop.quiet().await), last, "cut at {cut} of {}", all.len());
            shop.close().await;
        }
        assert_eq!(seen, pictures);
    });
}

/// How it was answered, as far as it must be the same again.
fn said<T>(answer: Result<Answer<T>, Failure>, word: impl FnOnce(T) -> String) -> String {
    match answer {
        Ok(answer) => word(answer.value),
        Err(Failure::Refused(answer)) => format!("{:?}", answer.value).chars().take(40).collect(),
        Err(failure) => format!("{failure:?}"),
    }
}

fn all(units: u32) -> [(&'static str, u32); 3] {
    SKUS.map(|name| (name, units))
}

async fn fill_cart(shop: &Shop, owner: Owner, units: u32) {
    for name in SKUS {
        shop.add(owner, name, units).await.expect("five are free");
    }
}

async fn hold_tables(shop: &Shop) {
    shop.reserve(somebody(), &[("table", 4)]).await.expect("five are free");
}

async fn reserve(shop: &Shop) {
    shop.reserve(BUYER, &all(2)).await.expect("five are free");
}

async fn place(shop: &Shop) {
    shop.place(BUYER, &all(2)).await.expect("five are free");
}

async fn place_paid(shop: &Shop) {
    shop.engine.place(&by(BUYER), BUYER, paid("tok_ok", new_order(&all(2)))).await.expect("five are free");
}

async fn my_order(shop: &Shop) -> OrderId {
    let filter = OrderFilter { owner: Some(BUYER), status: None };
    shop.engine.orders(filter, None, 1).await.expect("the journal runs")[0].id
}

async fn my_reservation(shop: &Shop) -> ReservationId {
    let filter = ReservationFilter { owner: Some(BUYER), ..ReservationFilter::default() };
    shop.engine.reservations(filter, None, 1).await.expect("the journal runs")[0].id
}

async fn expire(shop: &Shop) {
    shop.clock.set(NOW.after(HOLD));
    shop.quiet().await;
}

async fn reserve_as(shop: &Shop, context: &Context) -> String {
    let answer = shop.engine.reserve(context, BUYER, new_reservation(&all(2))).await;
    said(answer, |facts| format!("{:?}", facts.reservation.hold))
}

async fn place_as(shop: &Shop, context: &Context, lines: Option<Lines<'_>>) -> String {
    let new = lines.map_or_else(cart_order, new_order);
    said(shop.engine.place(context, BUYER, new).await, |facts| format!("{:?}", facts.standing.status))
}

#[test]
fn reserving() {
    check(async |_| {}, reserve_as, &["5/0/0 5/0/0 5/0/0 | | |", "3/2/0 3/2/0 3/2/0 | active | |"]);
    check(hold_tables, reserve_as, &["5/0/0 5/0/0 1/4/0 | active | |"]);
}

#[test]
fn extending_confirming_and_releasing_a_reservation() {
    let held = "3/2/0 3/2/0 3/2/0 | active | |";
    check(
        reserve,
        async |shop, context| {
            let answer = shop.engine.extend(context, MINE, my_reservation(shop).await, HOLD).await;
            said(answer, |facts| format!("{:?}", facts.reservation.hold))
        },
        &[held],
    );
    check(
        reserve,
        async |shop, context| {
            let answer = shop.engine.confirm_reservation(context, MINE, my_reservation(shop).await).await;
            said(answer, |facts| format!("{:?}", facts.reservation.hold))
        },
        &[held, "3/0/2 3/0/2 3/0/2 | confirmed | confirmed |"],
    );
    check(
        reserve,
        async |shop, context| {
            let answer = shop.engine.release(context, MINE, my_reservation(shop).await).await;
            said(answer, |facts| format!("{:?}", facts.reservation.hold))
        },
        &[held, "5/0/0 5/0/0 5/0/0 | released | |"],
    );
}

#[test]
fn ordering_lines() {
    let place = async |shop: &Shop, context: &Context| place_as(shop, context, Some(&all(2))).await;
    check(async |_| {}, place, &["5/0/0 5/0/0 5/0/0 | | |", "3/2/0 3/2/0 3/2/0 | | pending |"]);
    check(hold_tables, place, &["5/0/0 5/0/0 1/4/0 | active | |"]);
}

#[test]
fn ordering_the_cart() {
    let place = async |shop: &Shop, context: &Context| place_as(shop, context, None).await;
    check(
        async |shop| fill_cart(shop, BUYER, 2).await,
        place,
        &["3/2/0 3/2/0 3/2/0 | | | 1:2+ 2:2+ 3:2+", "3/2/0 3/2/0 3/2/0 | | pending | empty"],
    );
    // All lapsed but the lamps, and the tables are gone.
    check(
        async |shop| {
            fill_cart(shop, BUYER, 2).await;
            expire(shop).await;
            shop.set(BUYER, "lamp", 2).await.expect("five are free");
            hold_tables(shop).await;
        },
        place,
        &["3/2/0 5/0/0 1/4/0 | active | | 1:2+ 2:2- 3:2-"],
    );
}

#[test]
fn ordering_lines_that_the_own_cart_holds() {
    let place = async |shop: &Shop, context: &Context| place_as(shop, context, Some(&all(3))).await;
    check(
        async |shop| fill_cart(shop, BUYER, 5).await,
        place,
        &["0/5/0 0/5/0 0/5/0 | | | 1:5+ 2:5+ 3:5+", "2/3/0 2/3/0 2/3/0 | | pending | 1:5- 2:5- 3:5-"],
    );
    check(
        async |shop| {
            shop.add(BUYER, "lamp", 5).await.expect("five are free");
            shop.add(BUYER, "chair", 5).await.expect("five are free");
            hold_tables(shop).await;
        },
        place,
        &["0/5/0 0/5/0 1/4/0 | active | | 1:5+ 2:5+"],
    );
}

#[test]
fn paying() {
    let pay = async |shop: &Shop, context: &Context, text: &str| {
        let answer = shop.engine.pay(context, MINE, my_order(shop).await, token(text)).await;
        said(answer, |facts| format!("{:?}", facts.standing.status))
    };
    check(
        place,
        async |shop, context| pay(shop, context, "tok_ok").await,
        &["3/2/0 3/2/0 3/2/0 | | pending |", "3/0/2 3/0/2 3/0/2 | | confirmed |"],
    );
    check(
        async |shop| {
            fill_cart(shop, BUYER, 2).await;
            shop.place_cart(BUYER).await.expect("they are mine");
        },
        async |shop, context| pay(shop, context, "tok_declined").await,
        &["3/2/0 3/2/0 3/2/0 | | pending | empty", "5/0/0 5/0/0 5/0/0 | | declined | 1:2- 2:2- 3:2-"],
    );
}

#[test]
fn ordering_and_paying_in_one() {
    let place = async |shop: &Shop, context: &Context, text: &str| {
        let answer = shop.engine.place(context, BUYER, paid(text, cart_order())).await;
        said(answer, |facts| format!("{:?}", facts.standing.status))
    };
    let (cart, placed) = ("3/2/0 3/2/0 3/2/0 | | | 1:2+ 2:2+ 3:2+", "3/2/0 3/2/0 3/2/0 | | pending | empty");
    check(
        async |shop| fill_cart(shop, BUYER, 2).await,
        async |shop, context| place(shop, context, "tok_ok").await,
        &[cart, placed, "3/0/2 3/0/2 3/0/2 | | confirmed | empty"],
    );
    check(
        async |shop| fill_cart(shop, BUYER, 2).await,
        async |shop, context| place(shop, context, "tok_declined").await,
        &[cart, placed, "5/0/0 5/0/0 5/0/0 | | declined | 1:2- 2:2- 3:2-"],
    );
}

#[test]
fn confirming_too_late() {
    let confirm = async |shop: &Shop, context: &Context| {
        let answer = shop.engine.confirm_order(context, my_order(shop).await, None).await;
        said(answer, |facts| format!("{:?}", facts.standing.status))
    };
    let late = async |shop: &Shop| {
        place(shop).await;
        expire(shop).await;
    };
    check(late, confirm, &["5/0/0 5/0/0 5/0/0 | | expired |", "3/0/2 3/0/2 3/0/2 | | confirmed |"]);
    check(
        async |shop| {
            late(shop).await;
            hold_tables(shop).await;
        },
        confirm,
        &["5/0/0 5/0/0 1/4/0 | active | expired |", "5/0/0 5/0/0 1/4/0 | active | expired-owing |"],
    );
}

#[test]
fn canceling_and_shipping() {
    let cancel = async |shop: &Shop, context: &Context| {
        let answer = shop.engine.cancel_order(context, Who::Admin, my_order(shop).await, None).await;
        said(answer, |facts| {
            // The answer of a retry is that of the record which has the key.
            assert_eq!(facts.standing.status, Status::Canceled);
            String::from("canceled")
        })
    };
    let (held, free) = ("3/2/0 3/2/0 3/2/0 | | pending |", "5/0/0 5/0/0 5/0/0 | | canceled |");
    check(place, cancel, &[held, free]);
    let sold = "3/0/2 3/0/2 3/0/2 | | confirmed |";
    // The start refunds what is owed.
    check(place_paid, cancel, &[sold, "5/0/0 5/0/0 5/0/0 | | canceled-refunded |"]);
    let fulfil = async |shop: &Shop, context: &Context| {
        let answer = shop.engine.fulfil(context, my_order(shop).await).await;
        said(answer, |facts| format!("{:?}", facts.standing.status))
    };
    check(place_paid, fulfil, &[sold, "3/0/0 3/0/0 3/0/0 | | fulfilled |"]);
}

#[test]
fn changing_a_cart() {
    let count = |facts: holdfast_actors::CartFacts| format!("{:?}", facts.lines);
    let full = "3/2/0 3/2/0 3/2/0 | | | 1:2+ 2:2+ 3:2+";
    let fill = async |shop: &Shop| fill_cart(shop, BUYER, 2).await;
    let add = async |shop: &Shop, context: &Context| {
        let item = CartItem::Sku(sku("chair"));
        said(shop.engine.cart_add(context, BUYER, item, quantity(2)).await, count)
    };
    check(async |_| {}, add, &["5/0/0 5/0/0 5/0/0 | | |", "5/0/0 3/2/0 5/0/0 | | | 2:2+"]);
    check(fill, add, &[full, "3/2/0 1/4/0 3/2/0 | | | 1:2+ 2:4+ 3:2+"]);
    let set = async |shop: &Shop, context: &Context, units| {
        let answer = shop.engine.cart_set(context, BUYER, &sku("chair"), Quantity::new(units), None).await;
        said(answer, count)
    };
    let fewer = async |shop: &Shop, context: &Context| set(shop, context, 1).await;
    check(fill, fewer, &[full, "3/2/0 4/1/0 3/2/0 | | | 1:2+ 2:1+ 3:2+"]);
    let none = async |shop: &Shop, context: &Context| set(shop, context, 0).await;
    check(fill, none, &[full, "3/2/0 5/0/0 3/2/0 | | | 1:2+ 3:2+"]);
    let too_many = async |shop: &Shop, context: &Context| set(shop, context, 6).await;
    check(fill, too_many, &[full]);
    let clear = async |shop: &Shop, context: &Context| {
        said(shop.engine.cart_clear(context, BUYER, None).await, count)
    };
    check(fill, clear, &[full, "5/0/0 5/0/0 5/0/0 | | | empty"]);
}

#[test]
fn merging_two_carts() {
    let merge = async |shop: &Shop, _: &Context| {
        shop.engine.merge_carts(GUEST, CUSTOMER).await.expect("the shards run");
        String::from("merged")
    };
    assert_ne!(shard_of(GUEST.buyer().0), shard_of(CUSTOMER.buyer().0));
    check(
        async |shop| {
            fill_cart(shop, GUEST, 2).await;
            shop.add(CUSTOMER, "chair", 1).await.expect("three are free");
        },
        merge,
        &["3/2/0 2/3/0 3/2/0 | | | 1:2+ 2:2+ 3:2+ 2:1+", "3/2/0 2/3/0 3/2/0 | | | 2:3+ 1:2+ 3:2+"],
    );
    check(async |shop| fill_cart(shop, GUEST, 2).await, merge, &["3/2/0 3/2/0 3/2/0 | | | 1:2+ 2:2+ 3:2+"]);
}

#[test]
fn reserving_many() {
    let batch = async |shop: &Shop, context: &Context| {
        let wanted = [&[("lamp", 2)][..], &[("lamp", 1), ("chair", 1)], &[("table", 6)]].map(new_reservation);
        let made = shop.engine.reserve_batch(context, BUYER, wanted.to_vec()).await.expect("they are tried");
        made.value.iter().map(|it| if it.is_ok() { 'o' } else { 'x' }).collect()
    };
    check(async |_| {}, batch, &["5/0/0 5/0/0 5/0/0 | | |", "2/3/0 4/1/0 5/0/0 | active active | |"]);
}

#[test]
fn expiring() {
    let settle = async |shop: &Shop, _: &Context, at: Timestamp| {
        shop.clock.set(at);
        shop.engine.settle_due().await.expect("the shards run");
        String::from("settled")
    };
    check(
        async |shop| {
            shop.reserve(BUYER, &all(1)).await.expect("five are free");
            shop.place(BUYER, &all(1)).await.expect("four are free");
            fill_cart(shop, BUYER, 1).await;
        },
        async |shop, context| settle(shop, context, NOW.after(HOLD)).await,
        &["5/0/0 5/0/0 5/0/0 | expired | expired | 1:1- 2:1- 3:1-"],
    );
    check(
        async |shop| fill_cart(shop, BUYER, 1).await,
        async |shop, context| settle(shop, context, NOW.after(CART_KEPT)).await,
        &["5/0/0 5/0/0 5/0/0 | | |"],
    );
}
