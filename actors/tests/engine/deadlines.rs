//! Holds end at their deadline, by their supervisor's one timer, and not a millisecond before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::domain::hold::State;
use holdfast_actors::domain::order::Status;
use holdfast_actors::domain::product::{Command, NewProduct, Reason, VariantNo};
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::domain::{Millis, OrderId, ProductId, ReservationId, Timestamp};
use holdfast_actors::engine::{NewReservation, Wanted};
use holdfast_actors::{Clock as _, Who};

use crate::common::cuts::records;
use crate::common::wants::{BUYER, Lines, by, cart_order, new_order, new_reservation, no, somebody, token};
use crate::common::{
    HOLD, NOW, Shop, adjust, context, description, fresh_product, new_variant, quantity, run, sku, until,
};

const DEADLINE: Timestamp = NOW.after(HOLD);
const EVE: Timestamp = Timestamp(DEADLINE.0 - 1);

/// Who owns the hold.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Reservation,
    OrderOfLines,
    OrderOfCart,
    Cart,
}

/// The owner of a hold of three lamps.
#[derive(Clone, Copy, Debug)]
enum Held {
    Reservation(ReservationId),
    Order(OrderId),
    Cart,
}

const KINDS: [Kind; 4] = [Kind::Reservation, Kind::OrderOfLines, Kind::OrderOfCart, Kind::Cart];

#[test]
fn hold_of_an_active_product_ends_exactly_at_the_deadline() {
    run(async {
        for kind in KINDS {
            let shop = Shop::open();
            let product = shop.make("lamp", 5).await;
            let held = hold(&shop, kind).await;
            assert_eq!(shop.engine.actors(), 1);
            ends_exactly_at_the_deadline(shop, product, held).await;
        }
    });
}

#[test]
fn hold_of_a_passive_product_ends_exactly_at_the_deadline() {
    run(async {
        for kind in KINDS {
            let shop = Shop::open_with(|options| options.idle = Duration::from_millis(2));
            let product = shop.make("lamp", 5).await;
            let held = hold(&shop, kind).await;
            until("the product is passive", || shop.engine.actors() == 0).await;
            ends_exactly_at_the_deadline(shop, product, held).await;
        }
    });
}

#[test]
fn hold_of_a_product_nobody_asked_for_since_the_start_ends_exactly_at_the_deadline() {
    run(async {
        for kind in KINDS {
            let shop = Shop::open();
            let product = shop.make("lamp", 5).await;
            let held = hold(&shop, kind).await;
            ends_exactly_at_the_deadline(shop.reopen(), product, held).await;
        }
    });
}

async fn hold(shop: &Shop, kind: Kind) -> Held {
    let (engine, lines): (_, Lines<'_>) = (&shop.engine, &[("lamp", 3)]);
    match kind {
        Kind::Reservation => {
            let made = engine.reserve(&by(BUYER), BUYER, new_reservation(lines)).await;
            Held::Reservation(made.expect("there are five").value.id)
        }
        Kind::Cart => {
            shop.add(BUYER, "lamp", 3).await.expect("there are five");
            Held::Cart
        }
        Kind::OrderOfLines | Kind::OrderOfCart => {
            let mut order = new_order(lines);
            if let Kind::OrderOfCart = kind {
                shop.add(BUYER, "lamp", 3).await.expect("there are five");
                order = cart_order();
            }
            order.ttl = Some(HOLD);
            Held::Order(engine.place(&by(BUYER), BUYER, order).await.expect("there are five").value.id)
        }
    }
}

async fn ends_exactly_at_the_deadline(shop: Shop, product: ProductId, held: Held) {
    shop.clock.set(EVE);
    for _ in 0..5 {
        shop.settle().await;
    }
    assert_eq!(shop.levels(product).await, (2, 3, 0), "{held:?}");
    assert!(is_alive(&shop, held).await, "{held:?}");
    shop.clock.set(DEADLINE);
    shop.until_levels(product, (5, 0, 0)).await;
    assert!(!is_alive(&shop, held).await, "{held:?}");
    shop.close().await;
}

/// Whether it is active; else it must have expired.
async fn is_alive(shop: &Shop, held: Held) -> bool {
    let state = match held {
        Held::Reservation(id) => {
            let facts = shop.engine.reservation(Who::Admin, id).await.expect("it is there");
            facts.reservation.hold.state
        }
        Held::Order(id) => {
            match shop.engine.order(Who::Admin, id).await.expect("it is there").standing.status {
                Status::PendingPayment => State::Active,
                Status::Expired => State::Expired,
                other => panic!("nobody did that: {other:?}"),
            }
        }
        Held::Cart => {
            let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
            cart.lines[0].hold.expect("it was held").state
        }
    };
    assert!(matches!(state, State::Active | State::Expired));
    state == State::Active
}

#[test]
fn one_timer_serves_deadlines_set_in_any_order() {
    run(async {
        let shop = Shop::open_with(|options| options.shards = 1);
        let mut due: BTreeMap<Timestamp, ProductId> = BTreeMap::new();
        for number in 0..24_u64 {
            // 7 is a generator modulo 24: each minute comes up once, in no order.
            let deadline = NOW.after(Millis::from_secs(60 * (1 + number * 7 % 24)));
            let product = shop.make(&format!("lamp-{number}"), 1).await;
            shop.hold(product, 1, deadline).await;
            due.insert(deadline, product);
        }
        let products: Vec<_> = due.values().copied().collect();
        for (count, (deadline, product)) in due.into_iter().enumerate() {
            shop.clock.set(Timestamp(deadline.0 - 1));
            shop.settle().await;
            shop.clock.set(deadline);
            shop.until_levels(product, (1, 0, 0)).await;
            shop.settle().await;
            for (place, product) in products.iter().enumerate() {
                let wanted = if place <= count { (1, 0, 0) } else { (0, 1, 0) };
                assert_eq!(shop.levels(*product).await, wanted, "minute {count}, product {place}");
            }
        }
        shop.close().await;
    });
}

#[test]
fn timer_follows_a_deadline_that_moves() {
    run(async {
        let shop = Shop::open();
        let (product, other) = (shop.make("lamp", 5).await, shop.make("other", 5).await);
        let engine = &shop.engine;
        let extend = |id, seconds| {
            let who = Who::Owner(BUYER);
            async move { engine.extend(&context(), who, id, Millis::from_secs(seconds)).await }
        };
        let hold = shop.hold(product, 3, DEADLINE).await;
        extend(hold, 1800).await.expect("it is alive");
        shop.clock.set(DEADLINE);
        shop.settle().await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        let short = shop.hold(other, 1, DEADLINE.after(HOLD)).await;
        extend(short, 1).await.expect("it is alive");
        shop.clock.set(DEADLINE.after(Millis::from_secs(1)));
        shop.until_levels(other, (5, 0, 0)).await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        assert_eq!(no(extend(hold, 0).await), Refusal::DeadlineOutOfRange);
        shop.clock.set(NOW.after(Millis::from_secs(1800)));
        shop.until_levels(product, (5, 0, 0)).await;
        shop.close().await;
    });
}

#[test]
fn wake_for_a_hold_that_ended_otherwise_leaves_no_trace() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        shop.engine.release(&context(), Who::Owner(BUYER), hold).await.expect("it is alive");
        shop.add(BUYER, "lamp", 1).await.expect("they came back");
        shop.set(BUYER, "lamp", 0).await.expect("it is there");
        let order = shop.place(BUYER, &[("lamp", 2)]).await.expect("they came back").value.id;
        shop.engine.pay(&context(), Who::Owner(BUYER), order, token("tok_ok")).await.expect("it is paid");
        let before = (shop.quiet().await, records(&shop.disk).len());
        shop.clock.set(DEADLINE.after(HOLD));
        assert_eq!((shop.quiet().await, records(&shop.disk).len()), before);
        shop.close().await;
    });
}

#[test]
fn thousand_holds_of_one_product_end_together() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 1_000).await;
        join_all((0..1_000).map(|_| shop.hold(product, 1, DEADLINE))).await;
        assert_eq!(shop.levels(product).await, (0, 1_000, 0));
        shop.clock.set(DEADLINE);
        shop.until_levels(product, (1_000, 0, 0)).await;
        let shop = shop.reopen();
        join_all((0..1_000).map(|_| shop.hold(product, 1, DEADLINE.after(HOLD)))).await;
        shop.engine.stop().map(drop).expect("the journal is whole");
        shop.clock.set(DEADLINE.after(HOLD).after(HOLD));
        let shop = Shop::on(shop.disk, shop.clock, |_| {});
        shop.until_levels(product, (1_000, 0, 0)).await;
        shop.close().await;
    });
}

#[test]
fn hundred_thousand_reservations_that_are_due_at_once_end_together() {
    run(async {
        let (products, units, batch) = (100_usize, 1_000_u32, 10_000_usize);
        let shop = Shop::open();
        let mut made = Vec::new();
        for number in 0..products {
            made.push(shop.make(&format!("lamp-{number}"), units).await);
        }
        let one = |number: usize| NewReservation {
            lines: vec![Wanted { sku: sku(&format!("lamp-{}", number % products)), quantity: quantity(1) }],
            ttl: Some(HOLD),
            reference: None,
            metadata: None,
        };
        let fill = async |shop: &Shop, batches: u32| {
            for _ in 0..batches {
                let wanted: Vec<_> = (0..batch).map(one).collect();
                let answers = shop.engine.reserve_batch(&context(), BUYER, wanted).await;
                assert!(answers.expect("they are tried").value.iter().all(Result::is_ok));
            }
            for product in &made {
                assert_eq!(shop.levels(*product).await, (units - 100 * batches, 100 * batches, 0));
            }
        };
        fill(&shop, 10).await;
        shop.clock.set(EVE);
        shop.settle().await;
        assert_eq!(shop.levels(made[0]).await, (0, units, 0));
        shop.clock.set(DEADLINE);
        for product in &made {
            shop.until_levels(*product, (units, 0, 0)).await;
        }
        fill(&shop, 2).await;
        // The process sleeps through the deadline. Who is let in afterwards finds everything settled.
        shop.engine.stop().map(drop).expect("the journal is whole");
        shop.clock.set(DEADLINE.after(HOLD));
        let shop = Shop::on(shop.disk, shop.clock, |_| {});
        shop.engine.settle_due().await.expect("the shards run");
        for product in &made {
            assert_eq!(shop.levels(*product).await, (units, 0, 0));
        }
        shop.close().await;
    });
}

#[test]
fn largest_holds_that_end_together_fit_their_records() {
    run(async {
        let (variants, holds, units) = (100_u16, 256_u32, 20_000_u32);
        let shop = Shop::open();
        let product = fresh_product();
        let names: Vec<String> = (0..variants).map(|number| format!("lamp-{number}")).collect();
        let new = NewProduct {
            description: Arc::new(description()),
            is_simple: false,
            variants: names.iter().map(|name| new_variant(name, 1_000_000)).collect(),
        };
        shop.engine.create(&context(), product, new).await.expect("the skus are free");
        for variant in (0..variants).map(VariantNo) {
            for _ in 1..6 {
                let (delta, reason) = (1_000_000, Reason::Received);
                let more = Command::Adjust { variant, delta, reason, reference: None, note: None };
                shop.command(product, more).await.expect("there is room");
            }
        }
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), units)).collect();
        let context = context();
        let hold = |_| shop.engine.reserve(&context, BUYER, new_reservation(&lines));
        assert!(join_all((0..holds).map(hold)).await.iter().all(Result::is_ok));
        shop.clock.set(DEADLINE);
        shop.until_levels(product, (6_000_000, 0, 0)).await;
        shop.close().await;
    });
}

#[test]
fn everything_overdue_at_the_start_has_ended_when_somebody_is_let_in() {
    run(async {
        for late in [Millis(0), Millis(1), Millis::from_secs(3600), Millis::from_secs(8 * 24 * 3600)] {
            let shop = Shop::open();
            let mut products = Vec::new();
            for number in 0..40 {
                let product = shop.make(&format!("lamp-{number}"), 30).await;
                products.push(product);
                for _ in 0..5 {
                    shop.hold(product, 1, DEADLINE).await;
                    let mut order = new_order(&[(&format!("lamp-{number}"), 2)]);
                    order.ttl = Some(HOLD);
                    shop.engine.place(&context(), BUYER, order).await.expect("there are thirty");
                    shop.add(somebody(), &format!("lamp-{number}"), 3).await.expect("there are thirty");
                }
            }
            shop.engine.stop().map(drop).expect("the journal is whole");
            shop.clock.set(DEADLINE.after(late));
            let shop = Shop::on(shop.disk, shop.clock, |_| {});
            shop.engine.settle_due().await.expect("the shards run");
            for product in products {
                assert_eq!(shop.levels(product).await, (30, 0, 0), "{late:?} late");
                let bought = shop.buy(product, 30).await;
                bought.expect("all have come back");
            }
            shop.close().await;
        }
    });
}

#[test]
fn nothing_can_be_done_with_a_reservation_at_its_deadline() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 9).await;
        let who = Who::Owner(BUYER);
        let engine = &shop.engine;
        let (late, just) = (shop.hold(product, 3, DEADLINE).await, shop.hold(product, 1, DEADLINE).await);
        let (given, longer) = (shop.hold(product, 2, DEADLINE).await, shop.hold(product, 1, DEADLINE).await);
        shop.clock.set(EVE);
        engine.confirm_reservation(&context(), who, just).await.expect("it is alive for a millisecond");
        engine.extend(&context(), who, longer, Millis(2)).await.expect("it is alive for a millisecond");
        shop.clock.set(DEADLINE);
        let expired = Refusal::Expired { deadline: DEADLINE };
        assert_eq!(no(engine.confirm_reservation(&context(), who, late).await), expired);
        assert_eq!(no(engine.extend(&context(), who, late, HOLD).await), expired);
        let facts = engine.release(&context(), who, given).await.expect("its units are back").value;
        assert_eq!(facts.reservation.hold.state, State::Expired);
        shop.until_levels(product, (7, 1, 1)).await;
        shop.clock.set(DEADLINE.after(Millis(1)));
        shop.until_levels(product, (8, 0, 1)).await;
        shop.close().await;
    });
}

#[test]
fn clock_set_back_does_not_turn_time_back() {
    run(async {
        let shop = Shop::open_with(|options| options.shards = 1);
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        shop.clock.set(DEADLINE);
        shop.until_levels(product, (5, 0, 0)).await;
        shop.clock.set(NOW);
        let expired = Refusal::Expired { deadline: DEADLINE };
        let who = Who::Owner(BUYER);
        assert_eq!(no(shop.engine.confirm_reservation(&context(), who, hold).await), expired);
        stands_still_at_the_deadline(&shop, product).await;
        // Not across a restart either.
        let shop = shop.reopen();
        assert_eq!(no(shop.engine.confirm_reservation(&context(), who, hold).await), expired);
        stands_still_at_the_deadline(&shop, product).await;
        shop.close().await;
    });
}

async fn stands_still_at_the_deadline(shop: &Shop, product: ProductId) {
    let made = shop.reserve(BUYER, &[("lamp", 1)]).await.expect("there are some").value.reservation;
    assert_eq!(made.hold.created_at, DEADLINE);
    assert_eq!(made.hold.deadline, DEADLINE.after(Millis::from_secs(900)));
    shop.buy(product, 1).await.expect("there are some");
    let facts = shop.engine.product(product).await.expect("it is there");
    assert_eq!(facts.variants[0].updated_at, DEADLINE);
}

#[test]
fn hold_on_a_clock_that_was_set_back_ends_when_the_clock_gets_there() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        shop.clock.set(Timestamp(NOW.0 - HOLD.0));
        // The partitions have seen NOW: that is when it begins.
        let made = shop.reserve(BUYER, &[("lamp", 3)]).await.expect("there are five").value;
        let deadline = made.reservation.hold.deadline;
        shop.clock.set(Timestamp(deadline.0 - 1));
        shop.settle().await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        shop.clock.set(deadline);
        shop.until_levels(product, (5, 0, 0)).await;
        assert!(shop.clock.now() <= DEADLINE);
        shop.command(product, adjust(1)).await.expect("life goes on");
        shop.close().await;
    });
}
