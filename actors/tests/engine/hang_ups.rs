//! A client that hangs up in the middle leaves a saga that goes on to its end, and a key whose retry finds it.

use holdfast_actors::domain::order::Status;
use holdfast_actors::engine::OrderFilter;

use crate::common::every_saga::{SAGAS, Saga, Said, all, open};
use crate::common::picture::picture;
use crate::common::wants::{BUYER, again, cart_order, paid};
use crate::common::{fresh, let_others, look, run};

/// How often a client looks at the most before it hangs up.
const LOOKS_MAX: u32 = 12;

/// The shop looks as before or as after the whole of it; the retry with the key makes it whole, once.
#[test]
fn saga_whose_client_hangs_up_is_finished_or_not_begun() {
    run(async {
        assert!(SAGAS.iter().all(|saga| saga.is_keyed));
        for saga in all() {
            let (shop, made) = open().await;
            let before = picture(&shop.quiet().await);
            assert_eq!((saga.ask)(shop.engine.clone(), again(fresh()), made).await, saga.said);
            let after = picture(&shop.quiet().await);
            shop.close().await;
            for looks in 0..LOOKS_MAX {
                hangs_up(saga, looks, &before, &after).await;
            }
        }
    });
}

async fn hangs_up(saga: Saga, looks: u32, before: &str, after: &str) {
    let said = format!("{} after {looks} looks", saga.name);
    let (shop, made) = open().await;
    let key = again(fresh());
    let mut going = (saga.ask)(shop.engine.clone(), key.clone(), made);
    for _ in 0..looks {
        if look(going.as_mut()).await.is_ready() {
            break;
        }
        let_others().await;
    }
    drop(going);
    let found = picture(&shop.quiet().await);
    assert!(found == after || found == before, "{said}: {found}");
    assert!(looks > 0 || found == before, "what nobody looks at does not begin");
    let retried = (saga.ask)(shop.engine.clone(), key.clone(), made).await;
    assert!(retried == saga.said || retried == saga.said_again(), "{said}: {retried:?}");
    assert_eq!(picture(&shop.quiet().await), after, "{said}, and again");
    shop.close().await;
}

/// Placed and paid in one: whoever hangs up has an order that is paid, or none.
#[test]
fn one_key_has_one_order_though_its_client_hung_up_between_placing_and_paying() {
    run(async {
        let cases = (0..LOOKS_MAX).flat_map(|looks| ["tok_ok", "tok_declined"].map(|text| (looks, text)));
        for (looks, text) in cases {
            let (shop, _) = open().await;
            let key = again(fresh());
            let place = || {
                let (engine, key) = (shop.engine.clone(), key.clone());
                let order = paid(text, cart_order());
                Box::pin(async move { engine.place(&key, BUYER, order).await.is_ok() })
            };
            let mut going = place();
            for _ in 0..looks {
                if look(going.as_mut()).await.is_ready() {
                    break;
                }
                let_others().await;
            }
            drop(going);
            shop.quiet().await;
            let count = async |status| {
                let filter = OrderFilter { owner: Some(BUYER), status: Some(status) };
                shop.engine.orders(filter, None, 9).await.expect("the journal runs").len()
            };
            let wanted = if text == "tok_ok" { Status::Confirmed } else { Status::Canceled };
            let others = usize::from(wanted == Status::Confirmed);
            assert_eq!(count(Status::PendingPayment).await, 1, "the one that was there");
            assert!(count(wanted).await <= others + 1);
            assert_eq!(place().await, text == "tok_ok");
            assert_eq!(count(Status::PendingPayment).await, 1);
            assert_eq!(count(wanted).await, others + 1, "one key, one order");
            shop.close().await;
        }
    });
}

/// What a client that hung up is told when it asks again is never that it was shed, or stopped.
#[test]
fn every_saga_is_answered_the_same_for_its_key() {
    run(async {
        for saga in all() {
            let (shop, made) = open().await;
            let key = again(fresh());
            assert_eq!((saga.ask)(shop.engine.clone(), key.clone(), made).await, saga.said, "{}", saga.name);
            let after = shop.quiet().await;
            let shop = shop.reopen();
            let again = (saga.ask)(shop.engine.clone(), key, made).await;
            assert_eq!(again, saga.said_again(), "{}", saga.name);
            assert!(!matches!(again, Said::Shed | Said::Stopped));
            assert_eq!(picture(&shop.quiet().await), picture(&after), "{}", saga.name);
            shop.close().await;
        }
    });
}
