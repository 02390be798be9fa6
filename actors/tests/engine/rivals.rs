//! A rival, or a crash, before any turn of any saga: nobody gets what is another's, and every promise is kept.

use holdfast_actors::domain::product::{Description, ReserveOn};
use holdfast_actors::domain::{AccountId, Millis, OrderId, Owner, Quantity};
use holdfast_actors::engine::OrderFilter;
use holdfast_actors::{PaymentToken, Who};

use crate::common::turnstile::a_rival_before_every_turn;
use crate::common::wants::{
    BUYER, Lines, by, fresh_product_on, new_order, new_reservation, shard_of, somebody, somebody_on, token,
};
use crate::common::{HOLD, NOW, Shop, context, new_product, quantity, run, sku};

/// Products by ascending id, on one thread and on the other.
const SKUS: [&str; 4] = ["lamp", "chair", "table", "bench"];

const MINE: Who = Who::Owner(BUYER);

/// A guest and a customer, the one on the first thread and the other on the second, and the other way round.
const PAIRS: [(Owner, Owner); 2] =
    [(Owner::Guest(2), Owner::Account(AccountId(4))), (Owner::Guest(4), Owner::Account(AccountId(2)))];

async fn make_all(shop: &Shop, units: u32) {
    for (number, name) in SKUS.into_iter().enumerate() {
        let id = fresh_product_on(number % 2);
        shop.engine.create(&context(), id, new_product(name, units)).await.expect("the sku is free");
    }
}

async fn fill_cart(shop: &Shop, owner: Owner, units: u32) {
    for name in SKUS {
        shop.add(owner, name, units).await.expect("they are free");
    }
}

async fn edit_all(shop: &Shop, edit: fn(&mut Description)) {
    for name in SKUS {
        let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
        let edit = move |now: &Description| {
            let mut description = now.clone();
            edit(&mut description);
            description
        };
        shop.engine.edit(&context(), product, None, edit).await.expect("anything may be written");
    }
}

/// Buys all that is free on a thread, and tells which orders were promised.
async fn buy_all(shop: &Shop, thread: usize) -> Vec<(Owner, OrderId)> {
    let mut bought = Vec::new();
    for name in SKUS {
        let (product, _) = shop.engine.find(&sku(name)).expect("it is there");
        if shard_of(product.0) != thread {
            continue;
        }
        let rival = somebody_on(thread);
        while let Ok(sold) = shop.engine.purchase(&by(rival), product, None, quantity(1)).await {
            bought.push((rival, sold.value.order));
        }
    }
    bought
}

async fn promises_are_kept(shop: &Shop, bought: &[(Owner, OrderId)]) {
    for (rival, order) in bought {
        shop.engine.order(Who::Owner(*rival), *order).await.expect("it was promised");
    }
}

/// A saga after some preparation; it tells whether it went as it must, whatever rivals do. They buy all that comes
/// free; then once more, and all deadlines pass instead.
fn story(prepare: impl AsyncFn(&Shop), saga: impl AsyncFn(&Shop) -> bool) {
    run(async {
        a_rival_before_every_turn(
            &prepare,
            async |shop| assert!(saga(shop).await, "it goes as it must"),
            buy_all,
            async |shop, bought| promises_are_kept(shop, bought).await,
        )
        .await;
        a_rival_before_every_turn(
            &prepare,
            async |shop| {
                saga(shop).await;
            },
            async |shop, _| shop.clock.set(NOW.after(Millis::from_secs(3 * 3600))),
            async |_, ()| {},
        )
        .await;
    });
}

fn all(units: u32) -> [(&'static str, u32); 4] {
    SKUS.map(|name| (name, units))
}

async fn place(shop: &Shop, lines: Lines<'_>) -> OrderId {
    shop.engine.place(&by(BUYER), BUYER, new_order(lines)).await.expect("they are free").value.id
}

/// The only order of the buyer.
async fn mine(shop: &Shop) -> OrderId {
    let filter = OrderFilter { owner: Some(BUYER), status: None };
    shop.engine.orders(filter, None, 2).await.expect("the journal runs")[0].id
}

#[test]
fn reserving() {
    story(
        async |shop| make_all(shop, 5).await,
        async |shop| {
            // A rival may be quicker: then nothing of it is held.
            let _either = shop.engine.reserve(&by(BUYER), BUYER, new_reservation(&all(3))).await;
            true
        },
    );
}

#[test]
fn reserving_what_is_not_all_there() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            shop.reserve(somebody(), &[("bench", 4)]).await.expect("five are free");
        },
        async |shop| shop.reserve(BUYER, &all(3)).await.is_err(),
    );
}

#[test]
fn confirming_extending_and_releasing_a_reservation() {
    for number in 0..3 {
        let ids = std::cell::Cell::new(None);
        story(
            async |shop| {
                make_all(shop, 5).await;
                ids.set(Some(shop.reserve(BUYER, &all(3)).await.expect("five are free").value.id));
            },
            async |shop| {
                let (engine, context, id) = (&shop.engine, context(), ids.get().expect("it was made"));
                let done = match number {
                    0 => engine.confirm_reservation(&context, MINE, id).await,
                    1 => engine.extend(&context, MINE, id, HOLD).await,
                    _ => engine.release(&context, MINE, id).await,
                };
                done.is_ok()
            },
        );
    }
}

#[test]
fn ordering_lines() {
    story(
        async |shop| make_all(shop, 5).await,
        async |shop| {
            let order = crate::common::wants::paid("tok_ok", new_order(&all(3)));
            // As above.
            let _either = shop.engine.place(&by(BUYER), BUYER, order).await;
            true
        },
    );
}

#[test]
fn ordering_the_cart() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            fill_cart(shop, BUYER, 3).await;
        },
        async |shop| shop.place_cart(BUYER).await.is_ok(),
    );
}

#[test]
fn ordering_the_cart_when_not_all_is_there() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            edit_all(shop, |it| it.reserve_on = ReserveOn::Checkout).await;
            shop.add(BUYER, "table", 3).await.expect("it holds nothing");
            edit_all(shop, |it| it.reserve_on = ReserveOn::Cart).await;
            for name in ["lamp", "chair", "bench"] {
                shop.add(BUYER, name, 3).await.expect("five are free");
            }
            shop.reserve(somebody(), &[("table", 4)]).await.expect("five are free");
        },
        async |shop| shop.place_cart(BUYER).await.is_err(),
    );
}

#[test]
fn taking_over_a_cart_for_fewer_units() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            fill_cart(shop, BUYER, 5).await;
        },
        async |shop| shop.place(BUYER, &all(3)).await.is_ok(),
    );
}

#[test]
fn taking_over_a_cart_when_not_all_is_there() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            for name in ["lamp", "chair", "bench"] {
                shop.add(BUYER, name, 5).await.expect("five are free");
            }
            shop.reserve(somebody(), &[("table", 4)]).await.expect("five are free");
        },
        async |shop| shop.place(BUYER, &all(3)).await.is_err(),
    );
}

#[test]
fn paying() {
    for text in ["tok_ok", "tok_declined", "tok_timeout"] {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, BUYER, 3).await;
                shop.place_cart(BUYER).await.expect("they are mine");
            },
            async |shop| {
                let order = mine(shop).await;
                let answer = shop.engine.pay(&context(), MINE, order, token(text)).await;
                answer.is_ok() == (text == "tok_ok")
            },
        );
    }
}

#[test]
fn confirming_too_late() {
    story(
        async |shop| {
            make_all(shop, 5).await;
            let order = place(shop, &all(3)).await;
            shop.clock.set(NOW.after(HOLD));
            shop.quiet().await;
            assert_eq!(mine(shop).await, order);
        },
        async |shop| {
            // A rival may be quicker: then the money must go back.
            let _either = shop.engine.confirm_order(&context(), mine(shop).await, None).await;
            true
        },
    );
}

#[test]
fn canceling_and_shipping() {
    for number in 0..3 {
        story(
            async |shop| {
                make_all(shop, 5).await;
                let order = place(shop, &all(3)).await;
                if number > 0 {
                    let token: PaymentToken = token("tok_ok");
                    shop.engine.pay(&context(), MINE, order, token).await.expect("it is paid");
                }
            },
            async |shop| {
                let (context, order) = (context(), mine(shop).await);
                let done = match number {
                    0 => shop.engine.cancel_order(&context, MINE, order, None).await,
                    1 => shop.engine.cancel_order(&context, Who::Admin, order, None).await,
                    _ => shop.engine.fulfil(&context, order).await,
                };
                done.is_ok()
            },
        );
    }
}

#[test]
fn changing_a_cart() {
    // Fewer, none, more, and everything out.
    for units in [Some(1), None, Some(5), Some(0)] {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, BUYER, 3).await;
            },
            async |shop| {
                if units == Some(0) {
                    return shop.engine.cart_clear(&context(), BUYER, None).await.is_ok();
                }
                let mut is_fine = true;
                for name in SKUS {
                    // A rival may be quicker, where it is more.
                    let is_set = shop.set(BUYER, name, units.unwrap_or(0)).await.is_ok();
                    is_fine &= is_set || units == Some(5);
                }
                is_fine
            },
        );
    }
}

#[test]
fn everything_expiring() {
    story(
        async |shop| {
            make_all(shop, 10).await;
            fill_cart(shop, BUYER, 2).await;
            shop.reserve(BUYER, &all(2)).await.expect("they are free");
            let mut order = new_order(&all(2));
            order.ttl = Some(HOLD);
            shop.engine.place(&by(BUYER), BUYER, order).await.expect("they are free");
        },
        async |shop| {
            shop.clock.set(NOW.after(HOLD));
            shop.engine.settle_due().await.is_ok()
        },
    );
}

#[test]
fn merging() {
    for (guest, customer) in PAIRS {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, guest, 2).await;
                shop.add(customer, "chair", 2).await.expect("five are free");
                shop.add(customer, "table", 2).await.expect("five are free");
            },
            async |shop| shop.engine.merge_carts(guest, customer).await.is_ok(),
        );
    }
}

#[test]
fn merging_beyond_a_limit() {
    for (guest, customer) in PAIRS {
        story(
            async |shop| {
                make_all(shop, 5).await;
                edit_all(shop, |it| it.per_customer_limit = Quantity::new(3)).await;
                fill_cart(shop, guest, 2).await;
                fill_cart(shop, customer, 2).await;
            },
            async |shop| shop.engine.merge_carts(guest, customer).await.is_ok(),
        );
    }
}

#[test]
fn merging_what_is_not_held_in_carts_any_more() {
    for (guest, customer) in PAIRS {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, guest, 2).await;
                fill_cart(shop, customer, 2).await;
                edit_all(shop, |it| it.reserve_on = ReserveOn::Checkout).await;
            },
            async |shop| shop.engine.merge_carts(guest, customer).await.is_ok(),
        );
    }
}

#[test]
fn merging_lapsed_lines() {
    for (guest, customer) in PAIRS {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, guest, 2).await;
                shop.clock.set(NOW.after(HOLD));
                shop.quiet().await;
                fill_cart(shop, customer, 2).await;
            },
            async |shop| shop.engine.merge_carts(guest, customer).await.is_ok(),
        );
    }
}

#[test]
fn merging_lapsed_lines_whose_units_are_gone() {
    for (guest, customer) in PAIRS {
        story(
            async |shop| {
                make_all(shop, 5).await;
                fill_cart(shop, guest, 2).await;
                shop.clock.set(NOW.after(HOLD));
                shop.quiet().await;
                fill_cart(shop, customer, 2).await;
                shop.reserve(somebody(), &all(2)).await.expect("three are free");
            },
            async |shop| shop.engine.merge_carts(guest, customer).await.is_ok(),
        );
    }
}

#[test]
fn reserving_many() {
    story(
        async |shop| make_all(shop, 5).await,
        async |shop| {
            let wanted = [&[("lamp", 2)][..], &[("chair", 2)], &all(1), &all(2), &[("bench", 9)]];
            let wanted = wanted.map(new_reservation).to_vec();
            shop.engine.reserve_batch(&by(BUYER), BUYER, wanted).await.is_ok()
        },
    );
}
