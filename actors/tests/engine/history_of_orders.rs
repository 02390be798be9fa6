//! The history of an order on a real journal: who did what and when, oldest first, whichever way the order began.

use holdfast_actors::domain::order::{Cancelation, Event, Source, Through};
use holdfast_actors::domain::product::NewProduct;
use holdfast_actors::domain::{AccountId, Millis, Money, OrderId, Timestamp};
use holdfast_actors::history::{self, Fact, Row};
use holdfast_actors::{Actor, Context, Who};

use crate::common::on_disk::Shop;
use crate::common::wants::{BUYER, again, cart_order, new_order, new_reservation, paid, token};
use crate::common::{NOW, context, fresh, fresh_product, let_others, new_product, quantity, run};

const MINE: Who = Who::Owner(BUYER);
const ADMIN: Actor = Actor::Admin(AccountId(99));
const GUEST: Actor = Actor::Guest(1);
/// When an order expires that does not say.
const DEADLINE: Timestamp = NOW.after(Millis::from_secs(300));

fn admin() -> Context {
    Context { actor: ADMIN, ..context() }
}

/// What a history says: when, who, and a word.
type Told = (Timestamp, Actor, &'static str);

async fn told(shop: &Shop, order: OrderId) -> Vec<Told> {
    let rows = rows(shop, order).await;
    rows.iter().map(|row| (row.at, row.actor, word(&row.fact))).collect()
}

async fn rows(shop: &Shop, order: OrderId) -> Vec<Row> {
    let reader = shop.engine.reader().expect("the journal is on disk");
    let start = shop.engine.history_start(MINE, order).await.expect("it is there");
    let rows = history::read(&reader, start).expect("the journal is sound");
    assert!(rows.iter().all(|row| shop.engine.has_reached(row.position)));
    rows
}

fn word(fact: &Fact) -> &'static str {
    match fact {
        Fact::Placed(placed) => match placed.source {
            Source::Cart(_) => "placed from the cart",
            Source::Reservation(_) => "placed from a reservation",
            _ => "placed",
        },
        Fact::Bought { .. } => "bought",
        Fact::Changed(Event::Confirmed { through: Through::Gateway, is_reacquired: false, .. }) => "paid",
        Fact::Changed(Event::Confirmed { is_reacquired: false, .. }) => "confirmed",
        Fact::Changed(Event::Confirmed { .. }) => "confirmed again",
        Fact::Changed(Event::Expired) => "expired",
        Fact::Changed(Event::Canceled { why: Cancelation::Declined, .. }) => "declined",
        Fact::Changed(Event::Canceled { .. }) => "canceled",
        Fact::Changed(Event::Fulfilled) => "shipped",
        Fact::Changed(Event::RefundRequired { .. }) => "owing",
        Fact::Changed(Event::Refunded) => "refunded",
    }
}

/// Every order of the story, with what its history must say.
async fn a_days_work(shop: &Shop) -> Vec<(OrderId, Vec<Told>)> {
    let engine = &shop.engine;
    for name in ["lamp", "chair"] {
        let new: NewProduct = new_product(name, 100);
        engine.create(&context(), fresh_product(), new).await.expect("the sku is free");
    }
    let lines = [("lamp", 1), ("chair", 1)];
    let place = async || {
        let placed = engine.place(&context(), BUYER, new_order(&lines)).await;
        placed.expect("there are enough").value.id
    };
    let lamp = engine.find(&crate::common::sku("lamp")).expect("it is there").0;
    let buy = async || {
        let sold = engine.purchase(&context(), lamp, None, quantity(1)).await;
        sold.expect("there are enough").value.order
    };
    let (placed, bought, mine) = ((NOW, GUEST, "placed"), (NOW, GUEST, "bought"), GUEST);

    let pending = place().await;
    let shipped = place().await;
    engine.pay(&context(), MINE, shipped, token("tok_ok")).await.expect("it is paid");
    engine.fulfil(&admin(), shipped).await.expect("it is sold");
    let declined = place().await;
    engine.pay(&context(), MINE, declined, token("tok_declined")).await.expect_err("the bank says no");
    let refunded = engine.place(&again(fresh()), BUYER, paid("tok_ok", new_order(&lines))).await;
    let refunded = refunded.expect("there are enough").value.id;
    engine.cancel_order(&admin(), Who::Admin, refunded, None).await.expect("it is not shipped");
    engine
        .cart_add(&context(), BUYER, holdfast_actors::engine::CartItem::Product(lamp), quantity(2))
        .await
        .expect("enough");
    let from_cart = engine.place(&context(), BUYER, cart_order()).await.expect("they are mine").value.id;
    engine.cancel_order(&context(), MINE, from_cart, None).await.expect("it is unpaid");
    engine.confirm_order(&admin(), from_cart, None).await.expect_err("it is canceled");
    let kept = buy().await;
    let sent = buy().await;
    engine.fulfil(&admin(), sent).await.expect("it is sold");
    let reserved = engine.reserve(&context(), BUYER, new_reservation(&lines)).await.expect("enough").value.id;
    let confirmed = engine.confirm_reservation(&context(), MINE, reserved).await.expect("it is alive");
    let confirmed = confirmed.value.reservation.order.expect("it became one");
    engine.cancel_order(&admin(), Who::Admin, confirmed, None).await.expect("it is not shipped");
    let late = place().await;
    shop.clock.set(DEADLINE);
    while engine.order(MINE, pending).await.expect("it is there").standing.version == 1 {
        let_others().await;
    }
    engine.confirm_order(&admin(), late, None).await.expect("all are there");
    let system = |word| (DEADLINE, Actor::System, word);
    vec![
        (pending, vec![placed, system("expired")]),
        (shipped, vec![placed, (NOW, mine, "paid"), (NOW, ADMIN, "shipped")]),
        (declined, vec![placed, (NOW, mine, "declined")]),
        (
            refunded,
            vec![placed, (NOW, mine, "paid"), (NOW, ADMIN, "canceled"), (NOW, Actor::System, "refunded")],
        ),
        (
            from_cart,
            vec![(NOW, mine, "placed from the cart"), (NOW, mine, "canceled"), (NOW, ADMIN, "owing")],
        ),
        (kept, vec![bought]),
        (sent, vec![bought, (NOW, ADMIN, "shipped")]),
        (confirmed, vec![(NOW, mine, "placed from a reservation"), (NOW, ADMIN, "canceled")]),
        (late, vec![placed, system("expired"), (DEADLINE, ADMIN, "confirmed again")]),
    ]
}

#[test]
fn history_tells_every_fact_of_an_order_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("there is room");
    run(async {
        let shop = Shop::open(folder.path());
        let expected = a_days_work(&shop).await;
        for (order, expected) in &expected {
            assert_eq!(told(&shop, *order).await, *expected);
        }
        shop.engine.stop().map(drop).expect("the journal is whole");
        drop(shop);
        let shop = Shop::open(folder.path());
        for (order, expected) in &expected {
            assert_eq!(told(&shop, *order).await, *expected);
            let facts = shop.engine.order(MINE, *order).await.expect("it is there");
            let version = usize::try_from(facts.standing.version).expect("it is small");
            assert_eq!(version, expected.len(), "a version for each fact");
        }
        // What happens now goes on from there.
        let (kept, before) = &expected[5];
        shop.engine.cancel_order(&admin(), Who::Admin, *kept, None).await.expect("it is not shipped");
        let after = told(&shop, *kept).await;
        assert_eq!(after[..1], before[..]);
        assert_eq!(after[1..], [(DEADLINE, ADMIN, "canceled")]);
        shop.engine.stop().map(drop).expect("the journal is whole");
    });
}

#[test]
fn refused_and_repeated_steps_leave_no_fact() {
    let folder = tempfile::tempdir().expect("there is room");
    run(async {
        let shop = Shop::open(folder.path());
        let product = fresh_product();
        shop.engine.create(&context(), product, new_product("lamp", 9)).await.expect("the sku is free");
        let engine = &shop.engine;
        let order = engine.place(&context(), BUYER, new_order(&[("lamp", 2)])).await.expect("nine").value.id;
        for _ in 0..3 {
            engine.fulfil(&again(fresh()), order).await.expect_err("it is unpaid");
            let unknown = engine.pay(&again(fresh()), MINE, order, token("tok_timeout")).await;
            unknown.expect_err("nobody knows");
        }
        for _ in 0..3 {
            engine.pay(&again(fresh()), MINE, order, token("tok_ok")).await.expect("it is paid");
            engine.cancel_order(&again(fresh()), MINE, order, None).await.expect_err("it is paid");
        }
        for _ in 0..3 {
            engine.fulfil(&again(fresh()), order).await.expect("it is sold");
        }
        let told: Vec<_> = told(&shop, order).await.into_iter().map(|(_, _, word)| word).collect();
        assert_eq!(told, ["placed", "paid", "shipped"]);
        let bought = engine.purchase(&context(), product, None, quantity(3)).await.expect("enough").value;
        let rows = rows(&shop, bought.order).await;
        let Fact::Bought { unit_price, item_line, .. } = &rows[0].fact else { panic!("it was bought") };
        assert_eq!((*unit_price, item_line.quantity), (Money(1999), quantity(3)));
        shop.engine.stop().map(drop).expect("the journal is whole");
    });
}
