//! Holds end at their deadline, by the timer alone, and not a millisecond before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::domain::product::{Closing, Command, Line, NewProduct, Reason, Refusal, VariantNo};
use holdfast_actors::domain::{Buyer, Millis, OrderId, ProductId, ReservationId, Timestamp};
use holdfast_actors::{Answer, Failure, Outcome};

use crate::common::{
    HOLD, NOW, Shop, context, description, fresh, fresh_product, line, new_variant, quantity, reserve, run,
    until,
};

const DEADLINE: Timestamp = NOW.after(HOLD);
const EVE: Timestamp = Timestamp(DEADLINE.0 - 1);

#[test]
fn hold_of_an_active_product_ends_exactly_at_the_deadline() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        assert_eq!(shop.engine.actors(), 1);
        ends_exactly_at_the_deadline(shop, product, hold).await;
    });
}

#[test]
fn hold_of_a_passive_product_ends_exactly_at_the_deadline() {
    run(async {
        let shop = Shop::open_with(|options| options.idle = Duration::from_millis(2));
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        until("the product is passive", || shop.engine.actors() == 0).await;
        ends_exactly_at_the_deadline(shop, product, hold).await;
    });
}

#[test]
fn hold_of_a_product_nobody_asked_for_since_the_start_ends_exactly_at_the_deadline() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        ends_exactly_at_the_deadline(shop.reopen(), product, hold).await;
    });
}

async fn ends_exactly_at_the_deadline(shop: Shop, product: ProductId, hold: ReservationId) {
    shop.clock.set(EVE);
    for _ in 0..5 {
        shop.settle().await;
    }
    assert_eq!(shop.levels(product).await, (2, 3, 0));
    shop.clock.set(DEADLINE);
    shop.until_levels(product, (5, 0, 0)).await;
    let state = shop.close().await;
    let closing = state[&product].closing(hold);
    assert_eq!(closing, Some(Closing::Expired { deadline: DEADLINE }));
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
        let product = shop.make("lamp", 5).await;
        let hold = shop.hold(product, 3, DEADLINE).await;
        let sooner = NOW.after(Millis::from_secs(60));
        let extend = |deadline| Command::Extend { reservation: hold, deadline };
        shop.command(product, extend(NOW.after(Millis::from_secs(1800)))).await.expect("it is alive");
        shop.clock.set(DEADLINE);
        shop.settle().await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        let other = shop.make("other", 5).await;
        let short = shop.hold(other, 1, DEADLINE.after(HOLD)).await;
        let soon = DEADLINE.after(Millis::from_secs(1));
        shop.command(other, Command::Extend { reservation: short, deadline: soon }).await.expect("alive");
        shop.clock.set(soon);
        shop.until_levels(other, (5, 0, 0)).await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        assert!(matches!(
            shop.command(product, extend(sooner)).await,
            Err(Failure::Refused(Answer { value: Refusal::DeadlineOutOfRange, .. }))
        ));
        shop.clock.set(NOW.after(Millis::from_secs(1800)));
        shop.until_levels(product, (5, 0, 0)).await;
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
fn largest_holds_that_end_together_fit_their_records() {
    run(async {
        let (variants, holds, units) = (100_u16, 256_u32, 20_000_u32);
        let shop = Shop::open();
        let product = fresh_product();
        let variant = |number: u16| new_variant(&format!("lamp-{number}"), 1_000_000);
        let new = NewProduct {
            description: Arc::new(description()),
            is_simple: false,
            variants: (0..variants).map(variant).collect(),
        };
        shop.engine.create(&context(), product, new).await.expect("the skus are free");
        for number in 0..variants {
            for _ in 1..6 {
                let adjust = Command::Adjust {
                    variant: VariantNo(number),
                    delta: 1_000_000,
                    reason: Reason::Received,
                    reference: None,
                    note: None,
                };
                shop.command(product, adjust).await.expect("there is room");
            }
        }
        let lines: Vec<Line> = (0..variants).map(|number| line(number, units)).collect();
        let hold = |_| {
            let reservation = ReservationId(fresh());
            let lines = lines.clone();
            shop.command(
                product,
                Command::Reserve { reservation, buyer: Buyer(1), lines, deadline: DEADLINE },
            )
        };
        assert!(join_all((0..holds).map(hold)).await.iter().all(Result::is_ok));
        shop.clock.set(DEADLINE);
        shop.until_levels(product, (6_000_000, 0, 0)).await;
        shop.close().await;
    });
}

#[test]
fn holds_overdue_at_the_start_end_at_once() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        shop.hold(product, 3, DEADLINE).await;
        shop.engine.stop().map(drop).expect("the journal is whole");
        shop.clock.set(DEADLINE.after(Millis::from_secs(3600)));
        let shop = Shop::on(shop.disk, shop.clock, |_| {});
        shop.until_levels(product, (5, 0, 0)).await;
        shop.close().await;
    });
}

#[test]
fn confirm_at_the_deadline_is_refused() {
    run(async {
        let shop = Shop::open();
        let product = shop.make("lamp", 5).await;
        let confirm = |reservation| Command::Confirm { reservation, order: OrderId(fresh()) };
        let (late, just) = (shop.hold(product, 3, DEADLINE).await, shop.hold(product, 1, DEADLINE).await);
        shop.clock.set(EVE);
        shop.command(product, confirm(just)).await.expect("it is alive for a millisecond");
        shop.clock.set(DEADLINE);
        let answer = shop.command(product, confirm(late)).await;
        assert_eq!(refused(answer), Refusal::ReservationExpired { deadline: DEADLINE });
        assert_eq!(shop.levels(product).await, (4, 0, 1));
        shop.close().await;
    });
}

#[test]
fn purchase_at_the_deadline_gets_the_units_that_came_back() {
    run(async {
        for _ in 0..20 {
            let shop = Shop::open();
            let product = shop.make("lamp", 1).await;
            shop.hold(product, 1, DEADLINE).await;
            shop.clock.set(EVE);
            assert!(shop.buy(product, 1).await.is_err());
            shop.clock.set(DEADLINE);
            shop.buy(product, 1).await.expect("the hold is dead, whether the timer was here or not");
            shop.close().await;
        }
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
        let confirm = Command::Confirm { reservation: hold, order: OrderId(1) };
        let answer = shop.command(product, confirm.clone()).await;
        assert_eq!(refused(answer), Refusal::ReservationExpired { deadline: DEADLINE });
        stands_still_at_the_deadline(&shop, product).await;
        // Not across a restart either.
        let shop = shop.reopen();
        let answer = shop.command(product, confirm).await;
        assert_eq!(refused(answer), Refusal::ReservationExpired { deadline: DEADLINE });
        stands_still_at_the_deadline(&shop, product).await;
        shop.close().await;
    });
}

async fn stands_still_at_the_deadline(shop: &Shop, product: ProductId) {
    let dead = reserve(ReservationId(fresh()), 1, DEADLINE);
    assert_eq!(refused(shop.command(product, dead).await), Refusal::DeadlineOutOfRange);
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
        shop.hold(product, quantity(3).get(), DEADLINE).await;
        shop.clock.set(EVE);
        shop.settle().await;
        assert_eq!(shop.levels(product).await, (2, 3, 0));
        shop.clock.set(DEADLINE);
        shop.until_levels(product, (5, 0, 0)).await;
        shop.close().await;
    });
}

fn refused(answer: Result<Answer<Outcome>, Failure>) -> Refusal {
    match answer {
        Err(Failure::Refused(answer)) => answer.value,
        other => panic!("not refused: {other:?}"),
    }
}
