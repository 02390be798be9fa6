//! Money: taken once, given back once, and never for units that somebody else has.

use std::pin::Pin;
use std::sync::Arc;

use holdfast_actors::domain::order::{Cancelation, Payment, Status, Through};
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::domain::{Millis, OrderId, ProductId, Timestamp};
use holdfast_actors::engine::OrderFilter;
use holdfast_actors::{Answer, Context, Engine, Failure, OrderFacts, Who};

use crate::common::cuts::{disk_of, records};
use crate::common::repeats::{same_answer_for_one_key, same_value_without_a_key};
use crate::common::till::Till;
use crate::common::trouble::{STOCK, TROUBLES, WANTED, substance};
use crate::common::wants::{
    BUYER, again, by, cart_order, fresh_product_on, new_order, no, paid, somebody, token,
};
use crate::common::{NOW, Shop, context, fresh, let_others, look, new_product, run, until};

const MINE: Who = Who::Owner(BUYER);

/// When an order expires that does not say.
const DEADLINE: Timestamp = NOW.after(Millis::from_secs(300));

/// When nobody waits for the till any more.
const PATIENCE: Millis = Millis::from_secs(10);

/// A shop with five lamps, and a till.
async fn open() -> (Shop, ProductId, Till) {
    let till = Till::default();
    let gateway = Arc::new(till.clone());
    let shop = Shop::open_with(|options| options.gateway = gateway);
    let lamp = shop.make("lamp", 5).await;
    (shop, lamp, till)
}

async fn place(shop: &Shop) -> OrderId {
    shop.place(BUYER, &[("lamp", 2)]).await.expect("five are free").value.id
}

/// An answer to come, whatever becomes of the shop.
type Coming = Pin<Box<dyn Future<Output = Result<Answer<OrderFacts>, Failure>>>>;

fn pay(shop: &Shop, order: OrderId) -> Coming {
    pay_as(shop, context(), order)
}

fn pay_as(shop: &Shop, context: Context, order: OrderId) -> Coming {
    let engine = shop.engine.clone();
    Box::pin(async move { engine.pay(&context, MINE, order, token("card")).await })
}

/// Looks at a request until its money is asked for; it must not be answered before.
async fn asks_the_till(till: &Till, asking: &mut Coming) {
    let before = till.waiting();
    while till.waiting() == before {
        let early = look(asking.as_mut()).await;
        assert!(early.is_pending(), "{early:?}");
        let_others().await;
    }
}

async fn standing(shop: &Shop, order: OrderId) -> (Status, Payment) {
    let standing = shop.engine.order(MINE, order).await.expect("it is there").standing;
    (standing.status, standing.payment)
}

#[test]
fn paid_order_is_confirmed_and_says_who_took_the_money() {
    run(async {
        let (shop, lamp, till) = open().await;
        let order = place(&shop).await;
        let mut paying = pay(&shop, order);
        asks_the_till(&till, &mut paying).await;
        assert_eq!(standing(&shop, order).await, (Status::PendingPayment, Payment::Pending));
        assert!(till.approve());
        let facts = paying.await.expect("it is paid").value;
        assert_eq!((facts.standing.status, facts.standing.payment), (Status::Confirmed, Payment::Paid));
        assert_eq!(facts.standing.through, Some(Through::Gateway));
        assert_eq!(facts.standing.reference.as_deref(), Some("till"));
        assert_eq!((facts.standing.confirmed_at, facts.standing.is_reacquired), (Some(NOW), false));
        assert_eq!(shop.levels(lamp).await, (3, 0, 2));
        assert_eq!(till.paid(), [order].into());
        shop.close().await;
    });
}

#[test]
fn second_payment_waits_for_the_first_and_charges_nobody() {
    run(async {
        let (shop, _, till) = open().await;
        let order = place(&shop).await;
        let (mut first, mut second) = (pay(&shop, order), pay(&shop, order));
        asks_the_till(&till, &mut first).await;
        let engine = shop.engine.clone();
        let mut elsewhere: Coming =
            Box::pin(async move { engine.confirm_order(&context(), order, Some("bank".into())).await });
        let engine = shop.engine.clone();
        let mut canceled: Coming =
            Box::pin(async move { engine.cancel_order(&context(), MINE, order, None).await });
        for _ in 0..50 {
            assert!(look(second.as_mut()).await.is_pending());
            assert!(look(elsewhere.as_mut()).await.is_pending());
            assert!(look(canceled.as_mut()).await.is_pending());
            shop.settle().await;
        }
        till.approve();
        let first = first.await.expect("it is paid").value;
        assert_eq!(second.await.expect("it is paid").value, first);
        assert_eq!(elsewhere.await.expect("it is paid").value, first);
        assert_eq!(no(canceled.await), Refusal::InvalidState);
        assert_eq!(till.asked(), 1);
        shop.close().await;
    });
}

#[test]
fn payment_is_made_once_with_a_key_and_without() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 9).await;
        let (first, second) = (place(&shop).await, place(&shop).await);
        let pay = async |engine: &Engine, context: &Context| {
            engine.pay(context, MINE, first, token("tok_ok")).await
        };
        let (shop, answer) = same_answer_for_one_key(shop, pay).await;
        assert_eq!(answer.expect("it is paid").value.standing.version, 2);
        let (shop, answer) = same_answer_for_one_key(shop, pay).await;
        assert_eq!(answer.expect("it is paid").value.standing.version, 2);
        let pay = async |engine: &Engine, context: &Context| {
            engine.pay(context, MINE, second, token("tok_ok")).await
        };
        let (shop, _) = same_value_without_a_key(shop, pay).await;
        assert_eq!(shop.levels(lamp).await, (5, 0, 4));
        let third = place(&shop).await;
        let confirm = async |engine: &Engine, context: &Context| {
            engine.confirm_order(context, third, Some("bank".into())).await
        };
        let (shop, _) = same_answer_for_one_key(shop, confirm).await;
        let (shop, facts) = same_value_without_a_key(shop, confirm).await;
        assert_eq!((facts.standing.version, facts.standing.through), (2, Some(Through::Elsewhere)));
        assert_eq!(shop.levels(lamp).await, (3, 0, 6));
        shop.close().await;
    });
}

#[test]
fn declined_payment_cancels_the_order_once_and_keeps_the_cart() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        shop.add(BUYER, "lamp", 2).await.expect("five are free");
        shop.add(BUYER, "chair", 1).await.expect("five are free");
        let order = shop.place_cart(BUYER).await.expect("they are mine").value.id;
        let decline = async |engine: &Engine, context: &Context| {
            engine.pay(context, MINE, order, token("tok_declined")).await
        };
        let (shop, refused) = same_answer_for_one_key(shop, decline).await;
        assert_eq!(no(refused), Refusal::PaymentDeclined { order });
        assert_eq!(standing(&shop, order).await, (Status::Canceled, Payment::Failed));
        let facts = shop.engine.order(MINE, order).await.expect("it is there");
        assert_eq!(facts.standing.cancelation, Some((Cancelation::Declined, None)));
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((5, 0, 0), (5, 0, 0)));
        let cart = shop.engine.cart(BUYER).await.expect("the journal runs");
        let lines: Vec<_> = cart.lines.iter().map(|it| (it.item.product, it.item.quantity.get())).collect();
        assert_eq!(lines, [(lamp, 2), (chair, 1)]);
        assert!(cart.lines.iter().all(|line| line.hold.is_none()), "the units are anybody's");
        // It is over: another token does not help.
        let late = shop.engine.pay(&context(), MINE, order, token("tok_ok")).await;
        assert_eq!(no(late), Refusal::InvalidState);
        shop.place_cart(BUYER).await.expect("they are still there");
        shop.close().await;
    });
}

#[test]
fn order_that_is_paid_as_it_is_placed_has_one_answer_for_its_key() {
    run(async {
        for (text, is_cart) in
            [("tok_ok", false), ("tok_declined", false), ("tok_ok", true), ("tok_declined", true)]
        {
            let shop = Shop::open();
            let lamp = shop.make("lamp", 9).await;
            shop.add(BUYER, "lamp", 2).await.expect("nine are free");
            let new = paid(text, if is_cart { cart_order() } else { new_order(&[("lamp", 2)]) });
            let place =
                async |engine: &Engine, context: &Context| engine.place(context, BUYER, new.clone()).await;
            let (shop, answer) = same_answer_for_one_key(shop, place).await;
            let orders = shop.engine.orders(OrderFilter::default(), None, 9).await.expect("it runs");
            let [order] = &orders[..] else { panic!("one key, one order: {orders:?}") };
            let (committed, status) = match answer {
                Ok(answer) => {
                    assert_eq!(answer.value, *order);
                    (2, Status::Confirmed)
                }
                refused => {
                    assert_eq!(no(refused), Refusal::PaymentDeclined { order: order.id });
                    (0, Status::Canceled)
                }
            };
            assert_eq!(order.standing.status, status);
            let held = if is_cart { 0 } else { 2 };
            assert_eq!(shop.levels(lamp).await, (9 - committed - held, held, committed));
            shop.close().await;
        }
    });
}

/// The crash comes between any two records; the client asks again with its key.
#[test]
fn crash_between_placing_and_paying_leaves_one_order_for_the_key() {
    run(async {
        for (text, is_cart) in
            [("tok_ok", false), ("tok_declined", false), ("tok_ok", true), ("tok_declined", true)]
        {
            let shop = Shop::open();
            shop.make("lamp", 9).await;
            shop.add(BUYER, "lamp", 2).await.expect("nine are free");
            let new = paid(text, if is_cart { cart_order() } else { new_order(&[("lamp", 2)]) });
            let base = records(&shop.disk).len();
            let key = again(fresh());
            let answer = shop.engine.place(&key, BUYER, new.clone()).await;
            let expected = answer.map(|it| it.value.standing.status).map_err(|_| "declined");
            shop.quiet().await;
            let all = records(&shop.disk);
            shop.close().await;
            for cut in base..=all.len() {
                let shop = Shop::on(disk_of(&all[..cut]), holdfast_actors::ManualClock::new(NOW), |_| {});
                let retried = shop.engine.place(&key, BUYER, new.clone()).await;
                let retried = retried.map(|it| it.value.standing.status).map_err(|_| "declined");
                assert_eq!(retried, expected, "{text}, cut at {cut} of {}", all.len());
                let orders = shop.engine.orders(OrderFilter::default(), None, 9).await.expect("it runs");
                assert_eq!(orders.len(), 1, "{text}, cut at {cut} of {}", all.len());
                shop.close().await;
            }
        }
    });
}

#[test]
fn nobody_knows_leaves_the_order_waiting_for_another_payment() {
    run(async {
        let (shop, lamp, till) = open().await;
        let order = place(&shop).await;
        let before = shop.as_it_is().await;
        let first = again(fresh());
        let mut lost = pay_as(&shop, first.clone(), order);
        asks_the_till(&till, &mut lost).await;
        till.lose();
        assert_eq!(no(lost.await), Refusal::PaymentUnknown { order });
        assert_eq!(shop.as_it_is().await, before);
        // One key, one outcome: it is not asked again. Another key asks the till, which charges an order once.
        let replayed = pay_as(&shop, first, order).await;
        assert!(matches!(&replayed, Err(Failure::Refused(Answer { is_replayed: true, .. }))));
        assert_eq!(no(replayed), Refusal::PaymentUnknown { order });
        assert_eq!(till.asked(), 1);
        let second = again(fresh());
        let mut retried = pay_as(&shop, second.clone(), order);
        asks_the_till(&till, &mut retried).await;
        till.approve();
        assert!(!retried.await.expect("it is paid").is_replayed);
        assert!(pay_as(&shop, second, order).await.expect("it is paid").is_replayed);
        assert_eq!((till.asked(), till.paid().len()), (2, 1));
        assert_eq!(shop.levels(lamp).await, (3, 0, 2));
        shop.close().await;
    });
}

#[test]
fn till_that_never_answers_is_given_up_after_ten_seconds() {
    run(async {
        let (shop, lamp, till) = open().await;
        let order = place(&shop).await;
        let mut paying = pay(&shop, order);
        asks_the_till(&till, &mut paying).await;
        shop.clock.set(Timestamp(NOW.after(PATIENCE).0 - 1));
        for _ in 0..50 {
            assert!(look(paying.as_mut()).await.is_pending());
            shop.settle().await;
        }
        shop.clock.set(NOW.after(PATIENCE));
        assert_eq!(no(paying.await), Refusal::PaymentUnknown { order });
        // Its answer comes all the same, and nobody hears it: the next payment learns of it.
        assert!(!till.approve());
        assert_eq!(standing(&shop, order).await, (Status::PendingPayment, Payment::Pending));
        let mut retried = pay(&shop, order);
        asks_the_till(&till, &mut retried).await;
        till.approve();
        retried.await.expect("it is paid");
        assert_eq!(till.paid().len(), 1);
        assert_eq!(shop.levels(lamp).await, (3, 0, 2));
        // Placed and paid in one: the order stands, and waits.
        let engine = shop.engine.clone();
        let new = paid("card", new_order(&[("lamp", 1)]));
        let mut placing: Coming = Box::pin(async move { engine.place(&context(), BUYER, new).await });
        asks_the_till(&till, &mut placing).await;
        shop.clock.set(NOW.after(PATIENCE).after(PATIENCE));
        let facts = placing.await.expect("it is placed").value;
        assert_eq!(facts.standing.status, Status::PendingPayment);
        shop.close().await;
    });
}

#[test]
fn approval_after_the_expiry_takes_the_units_again_or_gives_the_money_back() {
    run(async {
        for is_gone in [false, true] {
            let (shop, lamp, till) = open().await;
            let order = place(&shop).await;
            shop.clock.set(Timestamp(DEADLINE.0 - 1));
            let mut paying = pay(&shop, order);
            asks_the_till(&till, &mut paying).await;
            shop.clock.set(DEADLINE);
            shop.until_levels(lamp, (5, 0, 0)).await;
            assert_eq!(standing(&shop, order).await, (Status::Expired, Payment::Pending));
            if is_gone {
                shop.buy_as(&by(somebody()), lamp, 4).await.expect("they are anybody's");
            }
            till.approve();
            let answer = paying.await;
            if is_gone {
                assert_eq!(no(answer), Refusal::RefundRequired { is_expired: true });
                assert_eq!(standing(&shop, order).await, (Status::Expired, Payment::Refunded));
                assert_eq!(till.refunded(), [(order, 1)].into());
                assert_eq!(shop.levels(lamp).await, (1, 0, 4));
            } else {
                let facts = answer.expect("all are there").value;
                assert!(facts.standing.is_reacquired);
                assert_ne!(facts.standing.hold, facts.placed.hold);
                assert_eq!(standing(&shop, order).await, (Status::Confirmed, Payment::Paid));
                assert!(till.refunded().is_empty());
                assert_eq!(shop.levels(lamp).await, (3, 0, 2));
            }
            shop.close().await;
        }
    });
}

#[test]
fn decline_after_the_expiry_changes_nothing() {
    run(async {
        let (shop, lamp, till) = open().await;
        let order = place(&shop).await;
        shop.clock.set(Timestamp(DEADLINE.0 - 1));
        let mut paying = pay(&shop, order);
        asks_the_till(&till, &mut paying).await;
        shop.clock.set(DEADLINE);
        shop.until_levels(lamp, (5, 0, 0)).await;
        shop.buy_as(&by(somebody()), lamp, 5).await.expect("they are anybody's");
        let before = shop.as_it_is().await;
        till.decline();
        assert_eq!(no(paying.await), Refusal::PaymentDeclined { order });
        assert_eq!(shop.as_it_is().await, before);
        assert_eq!(standing(&shop, order).await, (Status::Expired, Payment::Pending));
        shop.close().await;
    });
}

#[test]
fn refund_that_fails_is_made_at_the_next_start_once() {
    run(async {
        let (shop, _, till) = open().await;
        let order = place(&shop).await;
        let mut paying = pay(&shop, order);
        asks_the_till(&till, &mut paying).await;
        till.approve();
        paying.await.expect("it is paid");
        till.close_for_refunds(true);
        let answer = shop.engine.cancel_order(&context(), Who::Admin, order, None).await;
        let facts = answer.expect("it is not shipped").value;
        assert_eq!(
            (facts.standing.status, facts.standing.payment),
            (Status::Canceled, Payment::RefundRequired)
        );
        let gateway = Arc::new(till.clone());
        let shop = shop.reopen_with(|options| options.gateway = gateway);
        shop.quiet().await;
        assert_eq!(standing(&shop, order).await, (Status::Canceled, Payment::RefundRequired));
        till.close_for_refunds(false);
        let mut shop = shop;
        for _ in 0..3 {
            let gateway = Arc::new(till.clone());
            shop = shop.reopen_with(|options| options.gateway = gateway);
            until("the refund is made", || !till.refunded().is_empty()).await;
            shop.quiet().await;
            assert_eq!(standing(&shop, order).await, (Status::Canceled, Payment::Refunded));
        }
        assert_eq!(till.refunded(), [(order, 1)].into());
        shop.close().await;
    });
}

/// Three products, each in each trouble: nothing is taken, the money must go back, and asking again adds nothing.
#[test]
fn late_confirmation_that_cannot_have_all_units_takes_none() {
    run(async {
        let names = ["lamp", "chair", "table"];
        for (trouble, failing_at) in TROUBLES.into_iter().flat_map(|it| [0, 1, 2].map(|place| (it, place))) {
            let shop = Shop::open();
            let mut products = Vec::new();
            for (number, name) in names.into_iter().enumerate() {
                let id = fresh_product_on(number % 2);
                shop.engine.create(&context(), id, new_product(name, STOCK)).await.expect("the sku is free");
                products.push(id);
            }
            let lines = names.map(|name| (name, WANTED));
            let order = shop.place(BUYER, &lines).await.expect("five are free").value.id;
            shop.clock.set(DEADLINE);
            shop.quiet().await;
            trouble.bring(&shop, products[failing_at], names[failing_at], BUYER).await;
            let before = shop.as_it_is().await.0;
            let confirm = async |engine: &Engine, context: &Context| {
                engine.confirm_order(context, order, Some("bank".into())).await
            };
            let required = Refusal::RefundRequired { is_expired: true };
            assert_eq!(no(confirm(&shop.engine, &context()).await), required);
            assert_eq!(standing(&shop, order).await, (Status::Expired, Payment::RefundRequired));
            assert_eq!(substance(&shop.quiet().await).0, before, "{trouble:?} {failing_at}");
            shop.undo_again().await;
            assert_eq!(substance(&shop.quiet().await).0, before, "{trouble:?} {failing_at}, twice");
            let known = shop.as_it_is().await;
            assert_eq!(no(confirm(&shop.engine, &context()).await), required);
            let (shop, refused) = same_answer_for_one_key(shop, confirm).await;
            assert_eq!(no(refused), required);
            assert_eq!(shop.as_it_is().await, known, "it is on the books already");
            shop.close().await;
        }
    });
}

#[test]
fn late_confirmation_of_a_key_takes_the_units_again_once() {
    run(async {
        let shop = Shop::open();
        let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
        let order = shop.place(BUYER, &[("chair", 3), ("lamp", 3)]).await.expect("five are free").value.id;
        shop.clock.set(DEADLINE);
        let confirm =
            async |engine: &Engine, context: &Context| engine.confirm_order(context, order, None).await;
        let (shop, answer) = same_answer_for_one_key(shop, confirm).await;
        let standing = answer.expect("all are there").value.standing;
        assert_eq!((standing.status, standing.is_reacquired), (Status::Confirmed, true));
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((2, 0, 3), (2, 0, 3)));
        let (shop, _) = same_answer_for_one_key(shop, confirm).await;
        let (shop, _) = same_value_without_a_key(shop, confirm).await;
        assert_eq!((shop.levels(lamp).await, shop.levels(chair).await), ((2, 0, 3), (2, 0, 3)));
        shop.engine.fulfil(&context(), order).await.expect("it is sold");
        shop.close().await;
    });
}

#[test]
fn money_for_a_canceled_order_must_go_back() {
    run(async {
        let shop = Shop::open();
        shop.make("lamp", 5).await;
        let order = place(&shop).await;
        shop.engine.cancel_order(&context(), MINE, order, None).await.expect("it is unpaid");
        let confirm = async |engine: &Engine, context: &Context| {
            engine.confirm_order(context, order, Some("bank".into())).await
        };
        let required = Refusal::RefundRequired { is_expired: false };
        let (shop, refused) = same_answer_for_one_key(shop, confirm).await;
        assert_eq!(no(refused), required);
        assert_eq!(standing(&shop, order).await, (Status::Canceled, Payment::RefundRequired));
        let before = shop.as_it_is().await;
        assert_eq!(no(confirm(&shop.engine, &context()).await), required);
        let (shop, refused) = same_answer_for_one_key(shop, confirm).await;
        assert_eq!(no(refused), required);
        assert_eq!(shop.as_it_is().await, before, "it is on the books already");
        shop.close().await;
    });
}
