//! A crowd does everything at once on several threads; then the journal is cut after each of its records. Whatever is
//! left is a sound shop that keeps every promise whose record it has.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast_actors::domain::order::Payment;
use holdfast_actors::domain::product::ReserveOn;
use holdfast_actors::domain::{AccountId, OrderId, Owner, ReservationId};
use holdfast_actors::engine::CartItem;
use holdfast_actors::{Answer, Engine, Failure, ManualClock, Position, Who};

use crate::common::cuts::{disk_of, records};
use crate::common::wants::{by, cart_order, fresh_product_on, new_order, new_reservation, paid, token};
use crate::common::{NOW, Shop, context, new_product, on_threads, quantity, run, sku};

pub(crate) const SKUS: [&str; 5] = ["lamp", "chair", "table", "bench", "stool"];
const THREADS: u64 = 3;
/// People on each thread, each of whom does so many things.
const PEOPLE: u64 = 4;
const DEEDS: u64 = 6;

/// Something that somebody was told, and the record that says so.
#[derive(Clone, Copy, Debug)]
struct Promise {
    position: Position,
    of: Of,
    version: u32,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    Order(OrderId),
    Reservation(ReservationId),
}

#[test]
fn crash_after_any_record_of_a_crowd_leaves_a_sound_shop_that_keeps_its_promises() {
    run(async {
        // Products fall asleep and wake up all the time.
        let shop = Shop::open_with(|options| options.idle = Duration::from_millis(1));
        for (number, name) in SKUS.into_iter().enumerate() {
            let id = fresh_product_on(number % 2);
            let mut new = new_product(name, 30);
            let description = std::sync::Arc::make_mut(&mut new.description);
            description.reserve_on = if number == 4 { ReserveOn::Checkout } else { ReserveOn::Cart };
            description.per_customer_limit = (number == 3).then(|| quantity(4));
            shop.engine.create(&context(), id, new).await.expect("the sku is free");
        }
        let engine = shop.engine.clone();
        let promises = on_threads(THREADS, move |thread| {
            let engine = engine.clone();
            move || {
                Box::pin(async move {
                    let people = (0..PEOPLE).map(|number| a_life(&engine, 10 + thread * PEOPLE + number));
                    join_all(people).await.concat()
                })
            }
        })
        .await
        .concat();
        let all = records(&shop.disk);
        shop.close().await;
        assert!(promises.len() > 50, "{} promises", promises.len());
        let place: BTreeMap<_, _> = (1..)
            .zip(&all)
            .map(|(place, record)| ((record.header.partition, record.header.sequence), place))
            .collect();
        for cut in 0..=all.len() {
            // How many threads there are is of no importance.
            let shards = u16::try_from(1 + cut % 3).expect("it is small");
            let shop = Shop::on(disk_of(&all[..cut]), ManualClock::new(NOW), |it| it.shards = shards);
            shop.engine.settle_due().await.expect("the shards run");
            for promise in &promises {
                let Position { partition, sequence } = promise.position;
                if place[&(partition, sequence)] <= cut {
                    is_kept(&shop, *promise).await;
                }
            }
            shop.close().await;
        }
    });
}

async fn is_kept(shop: &Shop, promise: Promise) {
    let version = match promise.of {
        Of::Order(id) => shop.engine.order(Who::Admin, id).await.expect("it was promised").standing.version,
        Of::Reservation(id) => {
            shop.engine.reservation(Who::Admin, id).await.expect("it was promised").reservation.version
        }
    };
    assert!(version >= promise.version, "{promise:?} is at {version}");
}

/// What one person does, one thing after the other; much of it is refused.
async fn a_life(engine: &Engine, number: u64) -> Vec<Promise> {
    let me = Owner::Account(AccountId(u128::from(number)));
    let guest = Owner::Guest(u128::from(number) << 64);
    let mut promises = Vec::new();
    for deed in 0..DEEDS {
        let name = |step: u64| SKUS[usize::try_from((number + deed + step) % 5).expect("below five")];
        let lines = [(name(0), 1), (name(1), 2), (name(3), 1)];
        match (number + deed) % 6 {
            0 => promises.extend(a_reservation(engine, me, &lines, deed).await),
            1 => {
                let order = if deed % 2 == 0 { "tok_ok" } else { "tok_declined" };
                let order = paid(order, new_order(&lines));
                promises.extend(promised(engine.place(&by(me), me, order).await));
            }
            2 => {
                fill(engine, me, name(0)).await;
                promises.extend(promised(engine.place(&by(me), me, new_order(&lines)).await));
                promises.extend(an_order_of_the_cart(engine, me, deed).await);
            }
            3 => {
                fill(engine, guest, name(2)).await;
                fill(engine, me, name(2)).await;
                engine.merge_carts(guest, me).await.expect("the shards run");
                promises.extend(an_order_of_the_cart(engine, me, deed).await);
            }
            4 => {
                let wanted = vec![new_reservation(&lines), new_reservation(&lines[..1])];
                engine.reserve_batch(&by(me), me, wanted).await.expect("they are tried");
                fill(engine, me, name(1)).await;
                engine.cart_clear(&by(me), me, None).await.expect("nothing is in the way");
            }
            _ => {
                let (product, _) = engine.find(&sku(name(4))).expect("it is there");
                // It may be sold out.
                let _either = engine.purchase(&by(me), product, None, quantity(1)).await;
            }
        }
    }
    promises
}

async fn a_reservation(engine: &Engine, me: Owner, lines: &[(&str, u32)], deed: u64) -> Vec<Promise> {
    let Ok(made) = engine.reserve(&by(me), me, new_reservation(lines)).await else { return Vec::new() };
    let id = made.value.id;
    let who = Who::Owner(me);
    let then = match deed % 3 {
        0 => engine.confirm_reservation(&by(me), who, id).await,
        1 => engine.release(&by(me), who, id).await,
        _ => engine.extend(&by(me), who, id, crate::common::HOLD).await,
    };
    let promise = |answer: Answer<holdfast_actors::ReservationFacts>| {
        let version = answer.value.reservation.version;
        Some(Promise { position: answer.position?, of: Of::Reservation(answer.value.id), version })
    };
    [Some(made), then.ok()].into_iter().flatten().filter_map(promise).collect()
}

async fn an_order_of_the_cart(engine: &Engine, me: Owner, deed: u64) -> Vec<Promise> {
    let placed = engine.place(&by(me), me, cart_order()).await;
    let Ok(facts) = &placed else { return Vec::new() };
    let (id, who) = (facts.value.id, Who::Owner(me));
    let then = match deed % 4 {
        0 => engine.cancel_order(&by(me), who, id, None).await,
        1 => engine.pay(&by(me), who, id, token("tok_declined")).await,
        _ => engine.pay(&by(me), who, id, token("tok_ok")).await,
    };
    let last = match deed % 4 {
        2 => engine.fulfil(&by(me), id).await,
        3 => engine.cancel_order(&by(me), Who::Admin, id, None).await,
        _ => Err(Failure::NotFound),
    };
    [placed, then, last].into_iter().filter_map(promised).collect()
}

async fn fill(engine: &Engine, owner: Owner, name: &str) {
    for units in [2, 1] {
        // It may be sold out, or at its limit.
        let _either = engine.cart_add(&by(owner), owner, CartItem::Sku(sku(name)), quantity(units)).await;
    }
    let _either = engine.cart_set(&by(owner), owner, &sku(name), Some(quantity(2)), None).await;
}

fn promised(answer: Result<Answer<holdfast_actors::OrderFacts>, Failure>) -> Option<Promise> {
    let answer = answer.ok()?;
    let standing = answer.value.standing;
    // Where a refund followed, the record of the answer is older than its facts.
    let version = standing.version - u32::from(standing.payment == Payment::Refunded);
    Some(Promise { position: answer.position?, of: Of::Order(answer.value.id), version })
}
