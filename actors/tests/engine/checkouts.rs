//! From the cart to an order: the units change hands without ever being anybody else's, and nobody is refused because
//! of their own hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use holdfast_actors::domain::hold::State;
use holdfast_actors::domain::order::{Source, Status};
use holdfast_actors::domain::product::{Command, Description, Refusal as Stock, ReserveOn, Status as Listed};
use holdfast_actors::domain::saga::{Refusal, Why};
use holdfast_actors::domain::{Money, Owner, ProductId, Timestamp, Units};
use holdfast_actors::engine::NewOrder;
use holdfast_actors::{Context, Engine, Purchased, Who};

use crate::common::repeats::same_answer_for_one_key;
use crate::common::trouble::{each_trouble, substance};
use crate::common::wants::{
    BUYER, again, by, cart_order, failing, new_order, new_reservation, no, no_by_product, short, somebody,
    token,
};
use crate::common::{HOLD, NOW, Shop, context, fresh, on_threads, quantity, run};

const RIVALS: usize = 50;

fn on_checkout(description: &mut Description) {
    description.reserve_on = ReserveOn::Checkout;
}

async fn add_all(shop: &Shop, lines: &[(&str, u32)]) {
    for (name, units) in lines {
        shop.add(BUYER, name, *units).await.expect("there are some");
    }
}

#[test]
fn order_from_the_cart_has_its_units_under_the_same_name_and_empties_it() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        let table = shop.make_as("table", 5, on_checkout).await;
        add_all(&shop, &[("lamp", 3), ("table", 2), ("chair", 1)]).await;
        let held = shop.everything().await;
        let (cart, name) = held
            .owners
            .iter()
            .find_map(|books| books.carts.of(BUYER).map(|(id, cart)| (id, cart.hold)))
            .expect("it was opened");
        let new = NewOrder { expected_total: Some(Money(6 * 1999)), ..cart_order() };
        let facts = shop.engine.place(&context(), BUYER, new).await.expect("all is there").value;
        assert_eq!(facts.placed.source, Source::Cart(cart));
        assert_eq!(Some(facts.placed.hold), name, "no other buyer can get between");
        assert_eq!(
            facts.placed.lines.iter().map(|it| it.sku.as_str()).collect::<Vec<_>>(),
            ["lamp", "table", "chair"]
        );
        for (product, levels) in [(lamp, (2, 3, 0)), (chair, (4, 1, 0)), (table, (3, 2, 0))] {
            assert_eq!(shop.levels(product).await, levels);
        }
        let empty = shop.engine.cart(BUYER).await.expect("the journal runs");
        assert_eq!((empty.id, empty.lines.len()), (Some(cart), 0));
        // The cart goes on under another name.
        add_all(&shop, &[("lamp", 1)]).await;
        assert_eq!(shop.levels(lamp).await, (1, 4, 0));
        let shop = shop.reopen();
        shop.engine.pay(&context(), Who::Owner(BUYER), facts.id, token("tok_ok")).await.expect("it is paid");
        assert_eq!(shop.levels(lamp).await, (1, 1, 3));
        shop.close().await;
    });
}

#[test]
fn checkout_of_a_key_is_done_once_and_a_second_one_finds_an_empty_cart() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 5).await;
        add_all(&shop, &[("lamp", 3)]).await;
        let place =
            async |engine: &Engine, context: &Context| engine.place(context, BUYER, cart_order()).await;
        let (shop, placed) = same_answer_for_one_key(shop, place).await;
        assert_eq!(placed.expect("it is there").value.standing.status, Status::PendingPayment);
        assert_eq!(shop.levels(lamp).await, (2, 3, 0));
        let (shop, second) = same_answer_for_one_key(shop, place).await;
        assert_eq!(no(second), Refusal::CartEmpty);
        add_all(&shop, &[("lamp", 2)]).await;
        let at_once = join_all((0..8).map(|_| shop.place_cart(BUYER))).await;
        assert_eq!(at_once.iter().filter(|answer| answer.is_ok()).count(), 1);
        for refused in at_once.into_iter().filter(Result::is_err) {
            assert_eq!(no(refused), Refusal::CartEmpty);
        }
        assert_eq!(shop.levels(lamp).await, (0, 5, 0));
        shop.close().await;
    });
}

#[test]
fn refused_checkout_of_what_the_cart_does_not_hold_changes_nothing() {
    run(each_trouble(
        on_checkout,
        async |shop, lines| {
            shop.engine.cart_clear(&context(), BUYER, None).await.expect("nothing is in the way");
            add_all(shop, lines).await;
        },
        async |shop, context, _| shop.engine.place(context, BUYER, cart_order()).await,
    ));
}

#[test]
fn refused_checkout_of_lapsed_lines_changes_nothing() {
    run(each_trouble(
        |_| {},
        async |shop, lines| {
            shop.engine.cart_clear(&context(), BUYER, None).await.expect("nothing is in the way");
            add_all(shop, lines).await;
            let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
            let last = cart.lines.iter().filter_map(|line| line.hold.map(|hold| hold.deadline)).max();
            shop.clock.set(last.expect("they are held"));
            shop.quiet().await;
        },
        async |shop, context, _| shop.engine.place(context, BUYER, cart_order()).await,
    ));
}

/// The cart holds some lines and not others; what it holds it has again after the no, under its own name.
#[test]
fn refused_checkout_gives_the_cart_back_exactly_what_it_held() {
    run(async {
        for failing_at in 0..3_usize {
            let shop = Shop::open();
            let names = ["lamp", "chair", "table"];
            for (number, name) in names.into_iter().enumerate() {
                let is_failing = number == failing_at;
                shop.make_as(name, 5, |it| {
                    if is_failing {
                        on_checkout(it)
                    }
                })
                .await;
            }
            add_all(&shop, &[("table", 2), ("lamp", 2), ("chair", 2)]).await;
            shop.reserve(somebody(), &[(names[failing_at], 4)]).await.expect("nobody holds these");
            let before = shop.as_it_is().await;
            let place =
                async |engine: &Engine, context: &Context| engine.place(context, BUYER, cart_order()).await;
            assert!(matches!(no(place(&shop.engine, &context()).await), Refusal::Lines(_)));
            assert_eq!(substance(&shop.quiet().await), before);
            shop.undo_again().await;
            assert_eq!(substance(&shop.quiet().await), before);
            let (shop, refused) = same_answer_for_one_key(shop, place).await;
            let place = [1, 2, 0][failing_at];
            assert_eq!(failing(no(refused)), [(place, short(1, 4))]);
            assert_eq!(shop.as_it_is().await, before);
            shop.close().await;
        }
    });
}

#[test]
fn deleted_product_in_the_cart_is_named_and_nothing_changes() {
    run(async {
        let shop = Shop::open();
        shop.make("lamp", 5).await;
        let table = shop.make_as("table", 5, on_checkout).await;
        add_all(&shop, &[("lamp", 2), ("table", 2)]).await;
        shop.command(table, Command::Delete { version: None }).await.expect("nobody holds any");
        let before = shop.as_it_is().await;
        for context in [context(), again(fresh())] {
            let refused = shop.engine.place(&context, BUYER, cart_order()).await;
            assert_eq!(failing(no(refused)), [(1, Why::Unknown)]);
            assert_eq!(shop.as_it_is().await, before);
        }
        shop.close().await;
    });
}

#[test]
fn own_hold_never_refuses_its_owner() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make_as("lamp", 5, |it| it.per_customer_limit = Some(quantity(5))).await;
        shop.make("chair", 5).await;
        // A line grows to the last unit.
        for units in [1, 3, 4, 5] {
            shop.set(BUYER, "lamp", units).await.expect("all of them are for this cart");
            assert_eq!(shop.levels(lamp).await, (5 - units, units, 0));
        }
        let beyond = shop.set(BUYER, "lamp", 6).await;
        assert_eq!(failing(no(beyond)), [(0, short(5, 0))], "as the owner finds them");
        // An order of lines takes what the own cart holds, when there is no other.
        let order =
            shop.place(BUYER, &[("chair", 1), ("lamp", 4)]).await.expect("they are held for this buyer");
        assert_eq!(order.value.placed.taken_over, [lamp]);
        assert_eq!(shop.levels(lamp).await, (1, 4, 0));
        let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
        assert_eq!(cart.lines[0].hold.map(|hold| hold.state), Some(State::Expired));
        assert_eq!(cart.lines[0].item.quantity, quantity(5), "the line stays, without its units");
        // The cart's order is then refused, and says what there is for this buyer.
        let refused = shop.place_cart(BUYER).await;
        assert_eq!(failing(no(refused)), [(0, short(1, 4))]);
        shop.engine.cancel_order(&context(), Who::Owner(BUYER), order.value.id, None).await.expect("unpaid");
        shop.place_cart(BUYER).await.expect("all five are there again");
        assert_eq!(shop.levels(lamp).await, (0, 5, 0));
        shop.close().await;
    });
}

#[test]
fn purchase_of_what_only_the_own_cart_holds_takes_it_over_once() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 5).await;
        add_all(&shop, &[("lamp", 5)]).await;
        let stranger = shop.buy_as(&by(somebody()), lamp, 1).await;
        assert!(matches!(no_by_product(stranger), Stock::InsufficientStock { .. }));
        let offer = shop.engine.offer(lamp, None, quantity(2)).expect("it is sold");
        shop.engine.check_available(&offer, || BUYER).await.expect("they are held for this buyer");
        let buy = async |engine: &Engine, context: &Context| {
            engine.purchase(context, lamp, None, quantity(2)).await
        };
        let (shop, answer) = same_answer_for_one_key(shop, buy).await;
        let Purchased { order, available, .. } = answer.expect("they are held for this buyer").value;
        assert_eq!(available, Units(0), "when it was sold: the same again although three are free by now");
        let facts = shop.engine.order(Who::Owner(BUYER), order).await.expect("it is an order");
        assert_eq!((facts.standing.status, &facts.placed.taken_over[..]), (Status::Confirmed, &[lamp][..]));
        assert_eq!(shop.levels(lamp).await, (3, 0, 2), "the rest of the line is free");
        shop.engine.cancel_order(&context(), Who::Admin, order, None).await.expect("it is not shipped");
        assert_eq!(shop.levels(lamp).await, (5, 0, 0));
        shop.close().await;
    });
}

#[test]
fn order_of_lines_leaves_the_cart_alone_where_there_are_other_units() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 5).await;
        add_all(&shop, &[("lamp", 2)]).await;
        let order = shop.place(BUYER, &[("lamp", 3)]).await.expect("three are free").value;
        assert!(order.placed.taken_over.is_empty());
        assert_eq!(shop.levels(lamp).await, (0, 5, 0));
        let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
        assert!(cart.lines[0].is_held());
        shop.close().await;
    });
}

#[test]
fn order_of_lines_that_is_refused_leaves_the_cart_what_it_holds() {
    run(async {
        let shop = Shop::open();
        for name in ["lamp", "chair", "table"] {
            shop.make(name, 5).await;
        }
        add_all(&shop, &[("lamp", 5), ("chair", 5)]).await;
        shop.reserve(somebody(), &[("table", 4)]).await.expect("five are free");
        let before = shop.as_it_is().await;
        for units in [1, 3, 5] {
            let lines = [("table", 2), ("chair", units), ("lamp", units)];
            let refused = shop.place(BUYER, &lines).await;
            assert_eq!(failing(no(refused)), [(0, short(1, 4))]);
            assert_eq!(substance(&shop.quiet().await), before);
            shop.undo_again().await;
            assert_eq!(substance(&shop.quiet().await), before);
        }
        shop.close().await;
    });
}

/// Fifty rivals buy whatever comes free while one buyer's units go from cart to order and back again.
#[test]
fn no_rival_ever_gets_between_cart_and_order() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 3).await, shop.make("chair", 3).await);
        let is_over = Arc::new(AtomicBool::new(false));
        add_all(&shop, &[("lamp", 3), ("chair", 3)]).await;
        let rivals = rivals(&shop, [lamp, chair], &is_over);
        let mine = async {
            for round in 0..100 {
                let placed = shop.place_cart(BUYER).await.expect("the units are mine").value;
                let who = Who::Owner(BUYER);
                let declined = shop.engine.pay(&context(), who, placed.id, token("tok_declined")).await;
                assert!(matches!(no(declined), Refusal::PaymentDeclined { .. }), "round {round}");
                // Now they are anybody's, and the rivals are quick. Give them others until the cart has its own again.
                for (name, product) in [("lamp", lamp), ("chair", chair)] {
                    while shop.set(BUYER, name, 3).await.is_err() {
                        restock(&shop, product).await;
                    }
                }
            }
            is_over.store(true, Ordering::Relaxed);
        };
        let (_, ()) = futures_util::future::join(rivals, mine).await;
        shop.close().await;
    });
}

async fn restock(shop: &Shop, product: ProductId) {
    shop.command(product, crate::common::adjust(3)).await.expect("there is room");
}

/// Threads on which rivals buy, reserve and order until it is over.
fn rivals(
    shop: &Shop,
    products: [ProductId; 2],
    is_over: &Arc<AtomicBool>,
) -> impl Future<Output = Vec<usize>> {
    let (engine, is_over) = (shop.engine.clone(), Arc::clone(is_over));
    on_threads(2, move |_| {
        let (engine, is_over) = (engine.clone(), Arc::clone(&is_over));
        move || {
            Box::pin(async move {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let rivals = (0..RIVALS / 2).map(|number| one_rival(&engine, products, number));
                    count += join_all(rivals).await.into_iter().filter(|is_lucky| *is_lucky).count();
                }
                count
            })
        }
    })
}

async fn one_rival(engine: &Engine, products: [ProductId; 2], number: usize) -> bool {
    let rival: Owner = somebody();
    match number % 3 {
        0 => engine.purchase(&by(rival), products[number % 2], None, quantity(1)).await.is_ok(),
        1 => engine.place(&by(rival), rival, new_order(&[("chair", 1), ("lamp", 1)])).await.is_ok(),
        _ => engine.reserve(&by(rival), rival, new_reservation(&[("lamp", 1)])).await.is_ok(),
    }
}

/// As above, where the order is refused: what the cart held before is never anybody else's.
#[test]
fn no_rival_ever_gets_what_a_refused_order_gives_back() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        shop.make("table", 1).await;
        add_all(&shop, &[("lamp", 5), ("chair", 5)]).await;
        let before = shop.as_it_is().await;
        let is_over = Arc::new(AtomicBool::new(false));
        let rivals = rivals(&shop, [lamp, chair], &is_over);
        let mine = async {
            for round in 0..300 {
                // Fewer than the cart holds, and more tables than there are.
                let units = 1 + round % 5;
                let refused = shop.place(BUYER, &[("lamp", units), ("chair", units), ("table", 2)]).await;
                assert_eq!(failing(no(refused)), [(2, short(1, 0))]);
            }
            is_over.store(true, Ordering::Relaxed);
        };
        let (lucky, ()) = futures_util::future::join(rivals, mine).await;
        assert_eq!(lucky, [0, 0], "all units were held all the time");
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}

#[test]
fn archived_product_that_the_cart_holds_can_still_be_ordered() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 5).await;
        add_all(&shop, &[("lamp", 2)]).await;
        let archive = |now: &Description| Description {
            status: Listed::Archived,
            per_customer_limit: Some(quantity(1)),
            ..now.clone()
        };
        shop.engine.edit(&context(), lamp, None, archive).await.expect("anything may be written");
        shop.place_cart(BUYER).await.expect("what was promised is kept");
        assert_eq!(shop.levels(lamp).await, (3, 2, 0));
        shop.close().await;
    });
}

#[test]
fn lapsed_line_is_tried_again_at_checkout() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        add_all(&shop, &[("lamp", 3)]).await;
        shop.clock.set(Timestamp(NOW.after(HOLD).0));
        shop.until_levels(lamp, (5, 0, 0)).await;
        add_all(&shop, &[("chair", 1)]).await;
        shop.reserve(somebody(), &[("lamp", 3)]).await.expect("they have come back");
        let refused = shop.place_cart(BUYER).await;
        assert_eq!(failing(no(refused)), [(0, short(2, 3))]);
        assert_eq!(shop.levels(chair).await, (4, 1, 0), "the cart has its chair");
        shop.command(lamp, crate::common::adjust(1)).await.expect("goods come in");
        shop.place_cart(BUYER).await.expect("three are free");
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((0, 6, 0), (4, 1, 0)));
        shop.close().await;
    });
}
