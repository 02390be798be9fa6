//! Confirm, cancel and expiry of one order at the same moment, thousands of times: exactly one of them happens.

use std::sync::{Arc, Mutex};

use holdfast_actors::domain::hold::State;
use holdfast_actors::domain::order::{Payment, Status};
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::domain::{Millis, OrderId, ReservationId};
use holdfast_actors::engine::{NewOrder, NewReservation};
use holdfast_actors::{Answer, Clock as _, Failure, OrderFacts, ReservationFacts, Who};
use tokio::sync::Barrier;

use crate::common::wants::{BUYER, new_order, new_reservation, no, token};
use crate::common::{Shop, adjust, context, on_threads, run};

const ROUNDS: u64 = 1_500;
const MINE: Who = Who::Owner(BUYER);
const TTL: Millis = Millis::from_secs(1);

/// Who takes part: one makes, all race, the last moves the clock.
const THREADS: u64 = 4;

type Said = Result<Answer<OrderFacts>, Failure>;

/// What came of one round.
#[derive(Default)]
struct Round {
    order: Option<OrderId>,
    said: Vec<(u64, Said)>,
}

#[test]
fn exactly_one_of_confirm_cancel_and_expiry_happens_to_an_order() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 3).await;
        let (engine, clock) = (shop.engine.clone(), shop.clock.clone());
        let barrier = Arc::new(Barrier::new(usize::try_from(THREADS).expect("few")));
        let round: Arc<Mutex<Round>> = Arc::default();
        let outcomes = on_threads(THREADS, move |thread| {
            let (engine, clock) = (engine.clone(), clock.clone());
            let (barrier, round) = (Arc::clone(&barrier), Arc::clone(&round));
            move || {
                Box::pin(async move {
                    let mut outcomes = Vec::new();
                    for number in 0..ROUNDS {
                        if thread == 0 {
                            let order = NewOrder { ttl: Some(TTL), ..new_order(&[("lamp", 2)]) };
                            let placed =
                                engine.place(&context(), BUYER, order).await.expect("three are free");
                            let mut round = round.lock().expect("nobody panics here");
                            *round = Round { order: Some(placed.value.id), said: Vec::new() };
                        }
                        barrier.wait().await;
                        let order = round.lock().expect("as above").order.expect("it was placed");
                        let said = match thread {
                            0 => engine.confirm_order(&context(), order, None).await,
                            1 => engine.cancel_order(&context(), MINE, order, None).await,
                            2 => engine.pay(&context(), MINE, order, token("tok_ok")).await,
                            _ => {
                                let span = if number % 3 == 0 { 999 } else { 1_000 };
                                clock.set(clock.now().after(Millis(span)));
                                engine.cancel_order(&context(), Who::Admin, order, None).await
                            }
                        };
                        round.lock().expect("as above").said.push((thread, said));
                        barrier.wait().await;
                        if thread == 0 {
                            let said = std::mem::take(&mut round.lock().expect("as above").said);
                            outcomes.push(one_outcome(&engine, order, said).await);
                        }
                        barrier.wait().await;
                    }
                    outcomes
                })
            }
        })
        .await
        .concat();
        for status in [Status::Fulfilled, Status::Canceled] {
            assert!(outcomes.contains(&status), "some end as {status:?}");
        }
        shop.quiet().await;
        assert_eq!(shop.levels(lamp).await, (3, 0, 0));
        shop.close().await;
    });
}

/// Every answer agrees with what the order is in the end. What is confirmed is shipped, so that units go on.
async fn one_outcome(engine: &holdfast_actors::Engine, order: OrderId, said: Vec<(u64, Said)>) -> Status {
    let last = engine.order(MINE, order).await.expect("it is there").standing;
    for (thread, said) in &said {
        match (thread, said, last.status) {
            // Who confirmed or paid got the units, unless an admin canceled afterwards.
            (0 | 2, Ok(facts), Status::Confirmed | Status::Canceled) => {
                assert_eq!(facts.value.standing.status, Status::Confirmed);
                assert!(last.confirmed_at.is_some());
            }
            (1 | 3, Ok(facts), Status::Canceled) => {
                assert_eq!(facts.value.standing.status, Status::Canceled);
            }
            (_, Err(_), _) => {}
            other => panic!("{other:?} does not agree with {last:?}"),
        }
        if let Err(Failure::Refused(_)) = said {
            let refusal = no(said.clone());
            let is_fitting = match refusal {
                Refusal::RefundRequired { is_expired: false } => last.status == Status::Canceled,
                Refusal::InvalidState => true,
                Refusal::Expired { .. } => *thread == 2,
                _ => false,
            };
            assert!(is_fitting, "{refusal:?} does not agree with {last:?}");
        }
    }
    assert!(matches!(last.status, Status::Confirmed | Status::Canceled | Status::Expired), "{last:?}");
    let is_paid = matches!(last.payment, Payment::Paid);
    assert_eq!(is_paid, last.status == Status::Confirmed);
    if last.status == Status::Confirmed {
        let shipped = engine.fulfil(&context(), order).await.expect("it is sold").value;
        let product = shipped.placed.lines[0].item.product;
        engine.command(&context(), product, adjust(2)).await.expect("there is room");
        return Status::Fulfilled;
    }
    last.status
}

#[test]
fn exactly_one_of_confirm_release_extend_and_expiry_happens_to_a_reservation() {
    run(async {
        let shop = Shop::open();
        let lamp = shop.make("lamp", 100_000).await;
        let (engine, clock) = (shop.engine.clone(), shop.clock.clone());
        let barrier = Arc::new(Barrier::new(usize::try_from(THREADS).expect("few")));
        let made: Arc<Mutex<Option<ReservationId>>> = Arc::default();
        let states = on_threads(THREADS, move |thread| {
            let (engine, clock) = (engine.clone(), clock.clone());
            let (barrier, made) = (Arc::clone(&barrier), Arc::clone(&made));
            move || {
                Box::pin(async move {
                    let mut states = Vec::new();
                    for _ in 0..ROUNDS {
                        if thread == 0 {
                            let new = NewReservation { ttl: Some(TTL), ..new_reservation(&[("lamp", 1)]) };
                            let facts = engine.reserve(&context(), BUYER, new).await.expect("some are free");
                            *made.lock().expect("nobody panics here") = Some(facts.value.id);
                        }
                        barrier.wait().await;
                        let id = made.lock().expect("as above").expect("it was made");
                        let said = match thread {
                            0 => engine.confirm_reservation(&context(), MINE, id).await,
                            1 => engine.release(&context(), MINE, id).await,
                            2 => engine.extend(&context(), MINE, id, TTL).await,
                            _ => {
                                clock.set(clock.now().after(TTL));
                                engine.reservation(MINE, id).await.map(|value| Answer {
                                    value,
                                    position: None,
                                    is_replayed: false,
                                })
                            }
                        };
                        barrier.wait().await;
                        let last = engine.reservation(MINE, id).await.expect("it is there").reservation;
                        agrees(thread, &said, last.hold.state);
                        states.push(last.hold.state);
                        barrier.wait().await;
                    }
                    states
                })
            }
        })
        .await
        .concat();
        assert!(states.contains(&State::Confirmed) && states.contains(&State::Released));
        shop.clock.set(shop.clock.now().after(TTL));
        shop.quiet().await;
        let (_, reserved, _) = shop.levels(lamp).await;
        assert_eq!(reserved, 0);
        shop.close().await;
    });
}

fn agrees(thread: u64, said: &Result<Answer<ReservationFacts>, Failure>, last: State) {
    match (thread, said) {
        (0, Ok(_)) => assert_eq!(last, State::Confirmed),
        (1, Ok(_)) => assert!(matches!(last, State::Released | State::Expired), "{last:?}"),
        (0, Err(_)) => assert_ne!(last, State::Confirmed),
        (1, Err(_)) => assert_eq!(last, State::Confirmed),
        _ => {}
    }
}
