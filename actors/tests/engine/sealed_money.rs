//! Money moves outside of the journal and cannot be taken back by a crash: the till is asked for nothing that is not
//! durable yet.
//!
//! Else a crash would leave a charge for an order that nobody knows (and the retry would charge another), or a refund
//! for an order that is still sold.

use std::sync::Arc;

use holdfast_actors::domain::OrderId;
use holdfast_actors::domain::order::Payment;
use holdfast_actors::{ManualClock, Options, Who};

use crate::common::every_saga::{Coming, MINE};
use crate::common::held::Holder;
use crate::common::till::Till;
use crate::common::wants::{BUYER, new_order, paid, token};
use crate::common::{NOW, Shop, context, let_others, look, run};

/// Times that the till is looked at before a test believes that it is not asked.
const LOOKS: u32 = 60;

/// A journal that waits for leave, on which one order of two lamps is there: `prepare` makes it.
async fn held(till: &Till, prepare: impl AsyncFn(&Shop) -> OrderId) -> (Shop, Holder, OrderId) {
    let with_till = |options: &mut Options| options.gateway = Arc::new(till.clone());
    let shop = Shop::open_with(with_till);
    shop.make("lamp", 9).await;
    let order = prepare(&shop).await;
    shop.quiet().await;
    shop.engine.stop().map(drop).expect("the journal is whole");
    let (shop, holder) = Shop::held_on(shop.disk, ManualClock::new(NOW), with_till);
    (shop, holder, order)
}

async fn place(shop: &Shop) -> OrderId {
    shop.place(BUYER, &[("lamp", 2)]).await.expect("nine are free").value.id
}

/// Waits until a record waits for the disk, and looks around for a while.
async fn is_held<T: std::fmt::Debug>(shop: &Shop, holder: &Holder, asking: &mut Coming<T>, check: impl Fn()) {
    while !holder.has_append() {
        assert!(look(asking.as_mut()).await.is_pending());
        let_others().await;
    }
    for _ in 0..LOOKS {
        assert!(look(asking.as_mut()).await.is_pending());
        shop.settle().await;
        let_others().await;
        check();
    }
}

#[test]
fn nobody_is_charged_for_an_order_that_a_crash_could_take_back() {
    run(async {
        let till = Till::default();
        let (shop, holder, _) = held(&till, place).await;
        let engine = shop.engine.clone();
        let mut placing: Coming<_> = Box::pin(async move {
            let order = paid("card", new_order(&[("lamp", 1)]));
            engine.place(&context(), BUYER, order).await
        });
        is_held(&shop, &holder, &mut placing, || assert_eq!(till.asked(), 0, "the order is not durable"))
            .await;
        drop(holder);
        while till.waiting() == 0 {
            assert!(look(placing.as_mut()).await.is_pending());
            let_others().await;
        }
        till.approve();
        placing.await.expect("it is paid");
        shop.close().await;
    });
}

#[test]
fn nobody_is_refunded_for_an_order_that_a_crash_would_leave_sold() {
    run(async {
        let till = Till::default();
        let pay = async |shop: &Shop| {
            let order = place(shop).await;
            let engine = shop.engine.clone();
            let mut paying: Coming<_> =
                Box::pin(async move { engine.pay(&context(), MINE, order, token("card")).await });
            while till.waiting() == 0 {
                assert!(look(paying.as_mut()).await.is_pending());
                let_others().await;
            }
            till.approve();
            paying.await.expect("it is paid");
            order
        };
        let (shop, holder, order) = held(&till, pay).await;
        let engine = shop.engine.clone();
        let mut canceling: Coming<_> =
            Box::pin(async move { engine.cancel_order(&context(), Who::Admin, order, None).await });
        is_held(&shop, &holder, &mut canceling, || {
            assert!(till.refunded().is_empty(), "the cancelation is not durable");
        })
        .await;
        drop(holder);
        let facts = canceling.await.expect("it is not shipped").value;
        assert_eq!(facts.standing.payment, Payment::Refunded);
        assert_eq!(till.refunded(), [(order, 1)].into());
        shop.close().await;
    });
}
