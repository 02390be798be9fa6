//! Bare reservations over several products: all lines or none, each step once however often it is asked for, and a no
//! that leaves everything as it was.

use holdfast_actors::domain::hold::{EXTENSIONS_MAX, State};
use holdfast_actors::domain::order::{Payment, Source, Status};
use holdfast_actors::domain::product::{Command, VariantNo};
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::domain::{Millis, OrderId, ProductId, ReservationId, Timestamp};
use holdfast_actors::engine::{NewReservation, ReservationFilter};
use holdfast_actors::{Failure, ReservationFacts, Who};

use crate::common::repeats::{same_answer_for_one_key, same_value_without_a_key};
use crate::common::trouble::{STOCK, each_trouble};
use crate::common::wants::{BUYER, again, by, fresh_product_on, new_reservation, no, somebody};
use crate::common::{HOLD, NOW, Shop, context, new_product, run, sku};

const SKUS: [&str; 3] = ["lamp", "chair", "table"];
const MINE: Who = Who::Owner(BUYER);

/// A shop with three products, the second on another thread than the first and the third.
async fn open() -> (Shop, [ProductId; 3]) {
    let shop = Shop::open();
    let mut products = [ProductId(0); 3];
    for (number, name) in SKUS.into_iter().enumerate() {
        let id = fresh_product_on(number % 2);
        shop.engine.create(&context(), id, new_product(name, STOCK)).await.expect("the sku is free");
        products[number] = id;
    }
    (shop, products)
}

async fn reserve_all(shop: &Shop) -> ReservationId {
    shop.reserve(BUYER, &[("lamp", 1), ("chair", 2), ("table", 3)]).await.expect("there are five").value.id
}

async fn all_levels(shop: &Shop, products: [ProductId; 3]) -> Vec<(u32, u32, u32)> {
    let mut levels = Vec::new();
    for product in products {
        levels.push(shop.levels(product).await);
    }
    levels
}

#[test]
fn reservation_holds_every_line_until_it_is_given_back() {
    run(async {
        let (shop, products) = open().await;
        let new = NewReservation {
            reference: Some("R-1".into()),
            metadata: Some("{}".into()),
            ..new_reservation(&[("table", 3), ("lamp", 1)])
        };
        let made = shop.engine.reserve(&context(), BUYER, new).await.expect("there are five");
        assert!(made.position.is_some_and(|position| shop.engine.has_reached(position)));
        let ReservationFacts { id, reservation } = made.value;
        assert_eq!(
            reservation.items.iter().map(|it| it.product).collect::<Vec<_>>(),
            [products[2], products[0]]
        );
        assert_eq!((reservation.hold.deadline, reservation.version), (NOW.after(HOLD), 1));
        assert_eq!(
            (reservation.reference.as_deref(), reservation.metadata.as_deref()),
            (Some("R-1"), Some("{}"))
        );
        assert_eq!(all_levels(&shop, products).await, [(4, 1, 0), (5, 0, 0), (2, 3, 0)]);
        let longer =
            shop.engine.extend(&context(), MINE, id, Millis::from_secs(1000)).await.expect("alive").value;
        assert_eq!(longer.reservation.hold.deadline, NOW.after(Millis::from_secs(1000)));
        assert_eq!((longer.reservation.hold.extensions, longer.reservation.version), (1, 2));
        assert_eq!(shop.engine.reservation(MINE, id).await, Ok(longer));
        let given = shop.engine.release(&context(), MINE, id).await.expect("it is alive").value;
        assert_eq!(given.reservation.hold.state, State::Released);
        assert_eq!(all_levels(&shop, products).await, [(5, 0, 0), (5, 0, 0), (5, 0, 0)]);
        shop.close().await;
    });
}

#[test]
fn confirmed_reservation_is_an_order_of_the_same_units() {
    run(async {
        let (shop, products) = open().await;
        let id = reserve_all(&shop).await;
        let sold = shop.engine.confirm_reservation(&context(), MINE, id).await.expect("it is alive").value;
        assert_eq!(sold.reservation.hold.state, State::Confirmed);
        assert_eq!(all_levels(&shop, products).await, [(4, 0, 1), (3, 0, 2), (2, 0, 3)]);
        let order = sold.reservation.order.expect("it became one");
        let facts = shop.engine.order(MINE, order).await.expect("it is there");
        assert_eq!((facts.standing.status, facts.standing.payment), (Status::Confirmed, Payment::Paid));
        assert_eq!(facts.placed.source, Source::Reservation(id));
        assert_eq!(facts.placed.lines.len(), 3);
        assert_eq!(facts.placed.total.0, 6 * 1999);
        let shipped = shop.engine.fulfil(&context(), order).await.expect("it is sold").value;
        assert_eq!(shipped.standing.status, Status::Fulfilled);
        assert_eq!(all_levels(&shop, products).await, [(4, 0, 0), (3, 0, 0), (2, 0, 0)]);
        shop.close().await;
    });
}

#[test]
fn each_step_of_a_key_is_done_once_and_answered_the_same_for_ever() {
    run(async {
        let (shop, products) = open().await;
        let lines = [("lamp", 1), ("chair", 2), ("table", 3)];
        let reserve = async |engine: &holdfast_actors::Engine, context: &holdfast_actors::Context| {
            engine.reserve(context, BUYER, new_reservation(&lines)).await
        };
        let (shop, made) = same_answer_for_one_key(shop, reserve).await;
        let id = made.expect("there are five").value.id;
        assert_eq!(all_levels(&shop, products).await, [(4, 1, 0), (3, 2, 0), (2, 3, 0)]);
        let (shop, longer) = same_answer_for_one_key(shop, async |engine, context| {
            engine.extend(context, MINE, id, HOLD).await
        })
        .await;
        assert_eq!(longer.expect("it is alive").value.reservation.hold.extensions, 1);
        let confirm = async |engine: &holdfast_actors::Engine, context: &holdfast_actors::Context| {
            engine.confirm_reservation(context, MINE, id).await
        };
        let (shop, sold) = same_answer_for_one_key(shop, confirm).await;
        assert_eq!(sold.expect("it is alive").value.reservation.version, 3);
        let (shop, _) = same_answer_for_one_key(shop, confirm).await;
        assert_eq!(all_levels(&shop, products).await, [(4, 0, 1), (3, 0, 2), (2, 0, 3)]);
        let id = reserve_two(&shop).await;
        let (shop, given) =
            same_answer_for_one_key(shop, async |engine, context| engine.release(context, MINE, id).await)
                .await;
        assert_eq!(given.expect("it is alive").value.reservation.hold.state, State::Released);
        assert_eq!(all_levels(&shop, products).await, [(4, 0, 1), (3, 0, 2), (2, 0, 3)]);
        shop.close().await;
    });
}

async fn reserve_two(shop: &Shop) -> ReservationId {
    shop.reserve(BUYER, &[("table", 1), ("lamp", 1)]).await.expect("there are two").value.id
}

#[test]
fn confirm_and_release_without_a_key_are_done_once() {
    run(async {
        let (shop, products) = open().await;
        let (sold, given) = (reserve_all(&shop).await, reserve_two(&shop).await);
        let (shop, facts) = same_value_without_a_key(shop, async |engine, context| {
            engine.confirm_reservation(context, MINE, sold).await
        })
        .await;
        assert!(facts.reservation.order.is_some());
        let (shop, _) = same_value_without_a_key(shop, async |engine, context| {
            engine.release(context, MINE, given).await
        })
        .await;
        assert_eq!(all_levels(&shop, products).await, [(4, 0, 1), (3, 0, 2), (2, 0, 3)]);
        let orders = shop.engine.orders(holdfast_actors::engine::OrderFilter::default(), None, 9).await;
        assert_eq!(orders.expect("the journal runs").len(), 1);
        shop.close().await;
    });
}

#[test]
fn reserve_and_extend_without_a_key_are_done_as_often_as_asked() {
    run(async {
        let (shop, products) = open().await;
        let (first, second) = (reserve_two(&shop).await, reserve_two(&shop).await);
        assert_ne!(first, second);
        assert_eq!(all_levels(&shop, products).await, [(3, 2, 0), (5, 0, 0), (3, 2, 0)]);
        for extensions in 1..=EXTENSIONS_MAX {
            let facts = shop.engine.extend(&context(), MINE, first, HOLD).await.expect("it is alive").value;
            assert_eq!(facts.reservation.hold.extensions, extensions);
        }
        let before = shop.as_it_is().await;
        assert_eq!(no(shop.engine.extend(&context(), MINE, first, HOLD).await), Refusal::ExtensionExceeded);
        let beyond = Millis::from_secs(3601);
        assert_eq!(
            no(shop.engine.extend(&context(), MINE, second, beyond).await),
            Refusal::ExtensionExceeded
        );
        let new = NewReservation { ttl: Some(beyond), ..new_reservation(&[("lamp", 1)]) };
        assert_eq!(no(shop.engine.reserve(&context(), BUYER, new).await), Refusal::DeadlineOutOfRange);
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}

#[test]
fn refused_reservation_names_every_failing_line_and_leaves_everything_as_it_was() {
    run(each_trouble(
        |_| {},
        async |_, _| {},
        async |shop, context, lines| shop.engine.reserve(context, BUYER, new_reservation(lines)).await,
    ));
}

#[test]
fn reservation_of_what_nobody_sells_names_every_such_line() {
    run(async {
        let (shop, products) = open().await;
        shop.command(products[0], Command::Delete { version: None }).await.expect("nobody holds any");
        let before = shop.everything().await;
        let answer = shop.reserve(BUYER, &[("lamp", 1), ("chair", 1), ("sofa", 1)]).await;
        let unknown = vec![(0, sku("lamp")), (2, sku("sofa"))];
        assert_eq!(answer.map(|it| it.value), Err(Failure::UnknownSkus(unknown)));
        assert_eq!(shop.everything().await, before);
        assert_eq!(no(shop.reserve(BUYER, &[]).await), Refusal::CartEmpty);
        shop.close().await;
    });
}

#[test]
fn closed_reservation_is_not_changed_any_more() {
    run(async {
        let (shop, _) = open().await;
        let (sold, given, dead) =
            (reserve_two(&shop).await, reserve_two(&shop).await, reserve_two(&shop).await);
        shop.engine.confirm_reservation(&context(), MINE, sold).await.expect("it is alive");
        shop.engine.release(&context(), MINE, given).await.expect("it is alive");
        let deadline = NOW.after(HOLD);
        shop.clock.set(deadline);
        let before = shop.as_it_is().await;
        for context in [context(), again(crate::common::fresh())] {
            let extend = async |id| no(shop.engine.extend(&context, MINE, id, HOLD).await);
            assert_eq!(extend(sold).await, Refusal::InvalidState);
            let context = super_context(&context);
            let extend = async |id| no(shop.engine.extend(&context, MINE, id, HOLD).await);
            assert_eq!(extend(given).await, Refusal::InvalidState);
        }
        let expired = Refusal::Expired { deadline };
        assert_eq!(no(shop.engine.extend(&context(), MINE, dead, HOLD).await), expired);
        assert_eq!(no(shop.engine.confirm_reservation(&context(), MINE, dead).await), expired);
        assert_eq!(no(shop.engine.confirm_reservation(&context(), MINE, given).await), Refusal::InvalidState);
        assert_eq!(no(shop.engine.release(&context(), MINE, sold).await), Refusal::InvalidState);
        let facts = shop.engine.release(&context(), MINE, dead).await.expect("its units are back").value;
        assert_eq!(facts.reservation.hold.state, State::Expired);
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}

/// The same with another key, if it has one.
fn super_context(context: &holdfast_actors::Context) -> holdfast_actors::Context {
    if context.key.is_some() { again(crate::common::fresh()) } else { context.clone() }
}

#[test]
fn reservation_is_there_for_its_owner_and_admins_only() {
    run(async {
        let (shop, _) = open().await;
        let id = reserve_two(&shop).await;
        let before = shop.everything().await;
        let stranger = Who::Owner(somebody());
        let (engine, not_found) = (&shop.engine, Some(Failure::NotFound));
        for (who, id) in [(stranger, id), (Who::Admin, ReservationId(7)), (MINE, ReservationId(7))] {
            for context in [context(), again(crate::common::fresh())] {
                assert_eq!(engine.extend(&context, who, id, HOLD).await.err(), not_found);
                assert_eq!(engine.confirm_reservation(&context, who, id).await.err(), not_found);
                assert_eq!(engine.release(&context, who, id).await.err(), not_found);
            }
            assert_eq!(engine.reservation(who, id).await.err(), not_found);
        }
        assert_eq!(shop.everything().await, before);
        engine.extend(&context(), Who::Admin, id, HOLD).await.expect("an admin may");
        engine.release(&context(), Who::Admin, id).await.expect("an admin may");
        shop.close().await;
    });
}

#[test]
fn lists_are_newest_first_and_page_by_page_the_same() {
    run(async {
        let (shop, products) = open().await;
        let other = somebody();
        let mut mine = Vec::new();
        for number in 0..12 {
            let name = SKUS[number % 3];
            let id = shop.reserve(BUYER, &[(name, 1)]).await.expect("there are five").value.id;
            mine.push(id);
            if number % 4 == 0 {
                shop.reserve(other, &[(name, 1)]).await.expect("there are five");
                shop.engine.release(&context(), MINE, id).await.expect("it is alive");
            }
        }
        mine.reverse();
        let ids = async |filter, before, count| {
            let page = shop.engine.reservations(filter, before, count).await.expect("the journal runs");
            page.into_iter().map(|it| it.id).collect::<Vec<_>>()
        };
        let own = ReservationFilter { owner: Some(BUYER), ..ReservationFilter::default() };
        assert_eq!(ids(own, None, 99).await, mine);
        let mut paged = Vec::new();
        loop {
            let page = ids(own, paged.last().copied(), 5).await;
            let is_over = page.is_empty();
            paged.extend(page);
            if is_over {
                break;
            }
        }
        assert_eq!(paged, mine);
        let released = ReservationFilter { status: Some(State::Released), ..own };
        assert_eq!(ids(released, None, 99).await.len(), 3);
        let lamps =
            ReservationFilter { item: Some((products[0], VariantNo(0))), ..ReservationFilter::default() };
        assert_eq!(ids(lamps, None, 99).await.len(), 5);
        assert_eq!(ids(ReservationFilter::default(), None, 99).await.len(), 15);
        shop.close().await;
    });
}

#[test]
fn closed_reservation_is_forgotten_after_a_day_and_its_order_stays() {
    run(async {
        let (shop, _) = open().await;
        let sold = reserve_two(&shop).await;
        let facts = shop.engine.confirm_reservation(&context(), MINE, sold).await.expect("it is alive").value;
        let order: OrderId = facts.reservation.order.expect("it became one");
        shop.clock.set(Timestamp(NOW.0 + 24 * 3600 * 1000));
        // What is new lets go of what is old, in its own partition.
        for name in SKUS {
            shop.reserve(BUYER, &[(name, 1)]).await.expect("there are five");
        }
        assert_eq!(shop.engine.reservation(MINE, sold).await, Err(Failure::NotFound));
        assert!(shop.engine.order(MINE, order).await.is_ok());
        let shop = shop.reopen();
        assert_eq!(shop.engine.reservation(MINE, sold).await, Err(Failure::NotFound));
        shop.close().await;
    });
}

#[test]
fn names_that_are_too_long_for_a_record_are_refused() {
    run(async {
        let shop = Shop::open();
        let mut names = Vec::new();
        for number in 0..100 {
            let name = format!("lamp-{number}");
            shop.make_as(&name, 1, |it| it.name = "l".repeat(1_000).into()).await;
            names.push(name);
        }
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let made = shop.reserve(BUYER, &lines).await;
        // As an order of these lines: at the latest when it becomes one.
        let refused = match made {
            Ok(made) => shop.engine.confirm_reservation(&context(), MINE, made.value.id).await,
            refused => refused,
        };
        assert!(matches!(no(refused), Refusal::TooLarge { .. }));
        shop.close().await;
    });
}

#[test]
fn texts_that_are_too_long_for_a_record_are_refused() {
    run(async {
        let (shop, _) = open().await;
        let before = shop.as_it_is().await;
        let long = || Some("m".repeat(100_000).into_boxed_str());
        for new in [
            NewReservation { metadata: long(), ..new_reservation(&[("lamp", 1)]) },
            NewReservation { reference: long(), ..new_reservation(&[("lamp", 1)]) },
        ] {
            let refused = shop.engine.reserve(&by(BUYER), BUYER, new).await;
            assert!(matches!(no(refused), Refusal::TooLarge { .. }));
        }
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}
