//! Orders of lines: placed, canceled, shipped, listed. Purchases and confirmed reservations are orders like others.

use holdfast_actors::domain::order::{Cancelation, Payment, Source, Status};
use holdfast_actors::domain::product::{Command, Description};
use holdfast_actors::domain::saga::Refusal;
use holdfast_actors::domain::{Currency, Millis, Money, OrderId, Owner, ProductId};
use holdfast_actors::engine::{NewOrder, OrderFilter};
use holdfast_actors::{Context, Engine, Failure, Who};

use crate::common::repeats::{same_answer_for_one_key, same_value_without_a_key};
use crate::common::trouble::each_trouble;
use crate::common::wants::{BUYER, again, by, cart_order, new_order, no, somebody, token};
use crate::common::{NOW, Shop, context, fresh, run, sku};

const MINE: Who = Who::Owner(BUYER);

/// A shop with five lamps and five chairs.
async fn open() -> (Shop, ProductId, ProductId) {
    let shop = Shop::open();
    let (lamp, chair) = (shop.make("lamp", 5).await, shop.make("chair", 5).await);
    (shop, lamp, chair)
}

async fn place(shop: &Shop) -> OrderId {
    shop.place(BUYER, &[("lamp", 1), ("chair", 2)]).await.expect("there are five").value.id
}

async fn place_paid(shop: &Shop) -> OrderId {
    let order = place(shop).await;
    shop.engine.pay(&context(), MINE, order, token("tok_ok")).await.expect("it is paid");
    order
}

async fn levels(shop: &Shop, lamp: ProductId, chair: ProductId) -> [(u32, u32, u32); 2] {
    [shop.levels(lamp).await, shop.levels(chair).await]
}

#[test]
fn order_of_lines_holds_its_units_and_keeps_its_prices() {
    run(async {
        let (shop, lamp, chair) = open().await;
        let new = NewOrder {
            email: Some("ada@example.org".into()),
            shipping_address: Some("{}".into()),
            expected_total: Some(Money(3 * 1999)),
            ttl: Some(Millis::from_secs(60)),
            ..new_order(&[("chair", 2), ("lamp", 1)])
        };
        let answer = shop.engine.place(&context(), BUYER, new).await.expect("there are five");
        assert!(answer.position.is_some_and(|position| shop.engine.has_reached(position)));
        let facts = answer.value;
        assert_eq!((facts.placed_at, facts.standing.version), (NOW, 1));
        assert_eq!(facts.standing.status, Status::PendingPayment);
        assert_eq!(facts.standing.payment, Payment::Pending);
        let placed = &facts.placed;
        assert_eq!((placed.owner, placed.source), (BUYER, Source::Lines));
        assert_eq!(placed.deadline, Some(NOW.after(Millis::from_secs(60))));
        assert_eq!((placed.subtotal, placed.discount, placed.total), (Money(5997), Money(0), Money(5997)));
        assert_eq!(
            (placed.email.as_deref(), placed.shipping_address.as_deref()),
            (Some("ada@example.org"), Some("{}"))
        );
        assert_eq!(placed.lines.iter().map(|it| it.total.0).collect::<Vec<_>>(), [3998, 1999]);
        assert_eq!(levels(&shop, lamp, chair).await, [(4, 1, 0), (3, 2, 0)]);
        let dearer =
            |now: &Description| Description { price: Money(9999), name: "Sun".into(), ..now.clone() };
        shop.engine.edit(&context(), lamp, None, dearer).await.expect("nobody minds");
        assert_eq!(shop.engine.order(MINE, facts.id).await, Ok(facts));
        shop.close().await;
    });
}

#[test]
fn unpaid_order_is_canceled_by_its_owner_and_a_paid_one_by_an_admin_only() {
    run(async {
        let (shop, lamp, chair) = open().await;
        let (pending, paid) = (place(&shop).await, place_paid(&shop).await);
        assert_eq!(levels(&shop, lamp, chair).await, [(3, 1, 1), (1, 2, 2)]);
        let reason = || Some("changed my mind".into());
        let canceled = shop.engine.cancel_order(&context(), MINE, pending, reason()).await;
        let standing = canceled.expect("it is unpaid").value.standing;
        assert_eq!((standing.status, standing.payment), (Status::Canceled, Payment::Pending));
        assert_eq!(standing.cancelation, Some((Cancelation::ByOwner, reason())));
        assert_eq!(levels(&shop, lamp, chair).await, [(4, 0, 1), (3, 0, 2)]);
        let before = shop.as_it_is().await;
        for context in [context(), again(fresh())] {
            let refused = shop.engine.cancel_order(&context, MINE, paid, None).await;
            assert_eq!(no(refused), Refusal::InvalidState);
        }
        assert_eq!(shop.as_it_is().await, before);
        let canceled = shop.engine.cancel_order(&context(), Who::Admin, paid, None).await;
        let standing = canceled.expect("it is not shipped").value.standing;
        assert_eq!((standing.status, standing.payment), (Status::Canceled, Payment::Refunded));
        assert_eq!(levels(&shop, lamp, chair).await, [(5, 0, 0), (5, 0, 0)]);
        shop.close().await;
    });
}

#[test]
fn every_step_that_the_state_does_not_allow_changes_nothing() {
    run(async {
        let (shop, ..) = open().await;
        let engine = &shop.engine;
        let canceled = place(&shop).await;
        engine.cancel_order(&context(), MINE, canceled, None).await.expect("it is unpaid");
        let (pending, shipped) = (place(&shop).await, place_paid(&shop).await);
        engine.fulfil(&context(), shipped).await.expect("it is sold");
        let before = shop.as_it_is().await;
        for is_keyed in [false, true] {
            let context = || if is_keyed { again(fresh()) } else { context() };
            for order in [pending, canceled] {
                assert_eq!(no(engine.fulfil(&context(), order).await), Refusal::InvalidState);
            }
            for who in [MINE, Who::Admin] {
                let refused = engine.cancel_order(&context(), who, shipped, None).await;
                assert_eq!(no(refused), Refusal::InvalidState);
            }
            let refused = engine.pay(&context(), MINE, canceled, token("tok_ok")).await;
            assert_eq!(no(refused), Refusal::InvalidState);
        }
        assert_eq!(shop.as_it_is().await, before);
        shop.clock.set(NOW.after(Millis::from_secs(300)));
        let before = shop.as_it_is().await;
        for is_keyed in [false, true] {
            let context = || if is_keyed { again(fresh()) } else { context() };
            assert_eq!(no(engine.fulfil(&context(), pending).await), Refusal::InvalidState);
            for who in [MINE, Who::Admin] {
                let refused = engine.cancel_order(&context(), who, pending, None).await;
                assert_eq!(no(refused), Refusal::InvalidState);
            }
            let refused = engine.pay(&context(), MINE, pending, token("tok_ok")).await;
            assert_eq!(no(refused), Refusal::Expired { deadline: NOW.after(Millis::from_secs(300)) });
        }
        assert_eq!(shop.as_it_is().await, before);
        shop.close().await;
    });
}

#[test]
fn order_is_there_for_its_owner_and_admins_only() {
    run(async {
        let (shop, ..) = open().await;
        let order = place(&shop).await;
        let before = shop.everything().await;
        let (engine, not_found) = (&shop.engine, Some(Failure::NotFound));
        for (who, id) in [(Who::Owner(somebody()), order), (Who::Admin, OrderId(7)), (MINE, OrderId(7))] {
            for context in [context(), again(fresh())] {
                assert_eq!(engine.pay(&context, who, id, token("tok_ok")).await.err(), not_found);
                assert_eq!(engine.cancel_order(&context, who, id, None).await.err(), not_found);
            }
            assert_eq!(engine.order(who, id).await.err(), not_found);
            assert_eq!(engine.history_start(who, id).await.err(), not_found);
        }
        for context in [context(), again(fresh())] {
            assert_eq!(engine.fulfil(&context, OrderId(7)).await.err(), not_found);
            assert_eq!(engine.confirm_order(&context, OrderId(7), None).await.err(), not_found);
        }
        assert_eq!(shop.everything().await, before);
        shop.close().await;
    });
}

#[test]
fn each_step_of_a_key_is_done_once_and_answered_the_same_for_ever() {
    run(async {
        let (shop, lamp, chair) = open().await;
        let place = async |engine: &Engine, context: &Context| {
            engine.place(context, BUYER, new_order(&[("lamp", 1), ("chair", 2)])).await
        };
        let (shop, first) = same_answer_for_one_key(shop, place).await;
        let (shop, second) = same_answer_for_one_key(shop, place).await;
        let first = first.expect("there are five").value.id;
        let second = second.expect("there are four").value.id;
        assert_eq!(levels(&shop, lamp, chair).await, [(3, 2, 0), (1, 4, 0)]);
        let cancel = async |engine: &Engine, context: &Context| {
            engine.cancel_order(context, MINE, first, Some("why not".into())).await
        };
        let (shop, canceled) = same_answer_for_one_key(shop, cancel).await;
        assert_eq!(canceled.expect("it is unpaid").value.standing.version, 2);
        // A new key for what is so already.
        let (shop, canceled) = same_answer_for_one_key(shop, cancel).await;
        assert_eq!(canceled.expect("it is canceled").value.standing.version, 2);
        assert_eq!(levels(&shop, lamp, chair).await, [(4, 1, 0), (3, 2, 0)]);
        shop.engine.pay(&context(), MINE, second, token("tok_ok")).await.expect("it is paid");
        let fulfil = async |engine: &Engine, context: &Context| engine.fulfil(context, second).await;
        let (shop, _) = same_answer_for_one_key(shop, fulfil).await;
        let (shop, shipped) = same_answer_for_one_key(shop, fulfil).await;
        assert_eq!(shipped.expect("it is shipped").value.standing.version, 3);
        assert_eq!(levels(&shop, lamp, chair).await, [(4, 0, 0), (3, 0, 0)]);
        shop.close().await;
    });
}

#[test]
fn cancel_and_fulfil_without_a_key_are_done_once() {
    run(async {
        let (shop, lamp, chair) = open().await;
        let (pending, sold, other) = (place(&shop).await, place_paid(&shop).await, shop.buy(lamp, 1).await);
        let other = other.expect("there are three").value.order;
        let cancel = async |engine: &Engine, context: &Context| {
            engine.cancel_order(context, MINE, pending, None).await
        };
        let (shop, _) = same_value_without_a_key(shop, cancel).await;
        let fulfil = async |engine: &Engine, context: &Context| engine.fulfil(context, sold).await;
        let (shop, _) = same_value_without_a_key(shop, fulfil).await;
        let cancel = async |engine: &Engine, context: &Context| {
            engine.cancel_order(context, Who::Admin, other, None).await
        };
        let (shop, _) = same_value_without_a_key(shop, cancel).await;
        assert_eq!(levels(&shop, lamp, chair).await, [(4, 0, 0), (3, 0, 0)]);
        shop.close().await;
    });
}

#[test]
fn refused_order_names_every_failing_line_and_leaves_everything_as_it_was() {
    run(each_trouble(
        |_| {},
        async |_, _| {},
        async |shop, context, lines| shop.engine.place(context, BUYER, new_order(lines)).await,
    ));
}

#[test]
fn order_that_is_not_as_expected_takes_nothing() {
    run(async {
        let (shop, lamp, _) = open().await;
        let euro = |now: &mut Description| now.currency = Currency::new("USD").expect("three capitals");
        shop.make_as("bench", 5, euro).await;
        let before = shop.as_it_is().await;
        let lines = new_order(&[("lamp", 2)]);
        let with = |edit: fn(&mut NewOrder)| {
            let mut order = lines.clone();
            edit(&mut order);
            order
        };
        let cases = [
            (with(|it| it.expected_total = Some(Money(1))), Refusal::PriceChanged { total: Money(3998) }),
            (with(|it| it.ttl = Some(Millis(0))), Refusal::DeadlineOutOfRange),
            (with(|it| it.ttl = Some(Millis::from_secs(3601))), Refusal::DeadlineOutOfRange),
            (
                with(|it| it.email = Some("e".repeat(40_000).into())),
                Refusal::TooLarge { bytes_max: 32 * 1024 },
            ),
            (new_order(&[]), Refusal::CartEmpty),
            (cart_order(), Refusal::CartEmpty),
            (new_order(&[("lamp", 1), ("bench", 1)]), Refusal::MixedCurrencies),
        ];
        for (order, expected) in cases {
            for context in [context(), again(fresh())] {
                let refused = shop.engine.place(&context, BUYER, order.clone()).await;
                assert_eq!(no(refused), expected, "{order:?}");
                assert_eq!(shop.as_it_is().await, before);
            }
        }
        let unknown = shop.place(BUYER, &[("sofa", 1), ("lamp", 1), ("bed", 2)]).await;
        let named = vec![(0, sku("sofa")), (2, sku("bed"))];
        assert_eq!(unknown.map(|it| it.value), Err(Failure::UnknownSkus(named)));
        shop.command(lamp, Command::Delete { version: None }).await.expect("nobody holds any");
        let unknown = shop.place(BUYER, &[("lamp", 1)]).await;
        assert_eq!(unknown.map(|it| it.value), Err(Failure::UnknownSkus(vec![(0, sku("lamp"))])));
        shop.close().await;
    });
}

#[test]
fn purchase_is_an_order_like_any_other() {
    run(async {
        let (shop, lamp, chair) = open().await;
        let buy = async |shop: &Shop| shop.buy(lamp, 1).await.expect("there are some").value.order;
        let (shipped, canceled, kept) = (buy(&shop).await, buy(&shop).await, buy(&shop).await);
        let filter = OrderFilter { owner: Some(BUYER), status: Some(Status::Confirmed) };
        let listed = shop.engine.orders(filter, None, 9).await.expect("the journal runs");
        assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), [kept, canceled, shipped]);
        assert_eq!(listed[0].placed.source, Source::Purchase);
        assert_eq!((listed[0].placed.total, listed[0].standing.payment), (Money(1999), Payment::Paid));
        assert_eq!(shop.engine.order(MINE, kept).await.as_ref(), Ok(&listed[0]));
        let refused = shop.engine.cancel_order(&context(), MINE, kept, None).await;
        assert_eq!(no(refused), Refusal::InvalidState);
        let again = shop.engine.pay(&context(), MINE, kept, token("tok_declined")).await;
        assert_eq!(again.expect("it is paid already").value, listed[0]);
        shop.engine.fulfil(&context(), shipped).await.expect("it is sold");
        let facts =
            shop.engine.cancel_order(&context(), Who::Admin, canceled, None).await.expect("it is sold");
        assert_eq!(facts.value.standing.payment, Payment::RefundRequired, "nobody knows who has the money");
        let shop = shop.reopen();
        assert_eq!(levels(&shop, lamp, chair).await, [(3, 0, 1), (5, 0, 0)]);
        let status = async |id| shop.engine.order(MINE, id).await.expect("it is there").standing.status;
        assert_eq!(status(shipped).await, Status::Fulfilled);
        assert_eq!(status(canceled).await, Status::Canceled);
        assert_eq!(status(kept).await, Status::Confirmed);
        shop.close().await;
    });
}

#[test]
fn lists_of_orders_are_newest_first_and_page_by_page_the_same() {
    run(async {
        let shop = Shop::open();
        let mut products = Vec::new();
        for number in 0..5 {
            products.push(shop.make(&format!("lamp-{number}"), 50).await);
        }
        let other = somebody();
        let mut made = Vec::new();
        for number in 0..30_usize {
            let (owner, name) = ([BUYER, other][number / 2 % 2], format!("lamp-{}", number % 5));
            let (id, status) = match number % 3 {
                0 => {
                    (shop.place(owner, &[(&name, 1)]).await.expect("fifty").value.id, Status::PendingPayment)
                }
                1 => {
                    let sold = shop.buy_as(&by(owner), products[number % 5], 1).await.expect("fifty");
                    (sold.value.order, Status::Confirmed)
                }
                _ => {
                    let id = shop.place(owner, &[(&name, 1)]).await.expect("fifty").value.id;
                    shop.engine.cancel_order(&context(), Who::Owner(owner), id, None).await.expect("unpaid");
                    (id, Status::Canceled)
                }
            };
            made.push((id, owner, status));
        }
        made.sort_unstable_by_key(|it| std::cmp::Reverse(it.0));
        let owners: [Option<Owner>; 3] = [None, Some(BUYER), Some(other)];
        let statuses = [None, Some(Status::PendingPayment), Some(Status::Confirmed), Some(Status::Canceled)];
        for (owner, status) in owners.into_iter().flat_map(|owner| statuses.map(|status| (owner, status))) {
            let is_wanted = |it: &&(OrderId, Owner, Status)| {
                owner.is_none_or(|owner| owner == it.1) && status.is_none_or(|status| status == it.2)
            };
            let expected: Vec<_> = made.iter().filter(is_wanted).map(|it| it.0).collect();
            let mut paged: Vec<OrderId> = Vec::new();
            loop {
                let filter = OrderFilter { owner, status };
                let page = shop.engine.orders(filter, paged.last().copied(), 4).await.expect("it runs");
                if page.is_empty() {
                    break;
                }
                paged.extend(page.iter().map(|it| it.id));
            }
            assert_eq!(paged, expected, "{owner:?} {status:?}");
        }
        shop.close().await;
    });
}
