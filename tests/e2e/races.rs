//! Confirm against cancel against expiry, on the same order, at its deadline: each order ends in exactly one way,
//! everybody is told that way, and the books balance.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::Answer;
use crate::person::{Person, at, ms, until};
use crate::server::Folder;
use crate::shop::Shop;

/// Orders that race at once, each with its own deadline.
const ORDERS: u32 = 120;
const UNITS: u32 = 2;

/// From so long before its deadline on an order is raced for, one order after the other a little later.
const AHEAD_MS: i64 = 20;
const SPREAD_MS: i64 = 30;

/// How a race ended for those who ran it.
struct Race {
    order: Value,
    paid: Answer,
    canceled: Answer,
}

/// Waits for the deadline of an order, more or less, and lets money and its owner's change of mind race.
async fn race(owner: &Person, payer: impl AsyncFn(&Value) -> Answer, order: Value, number: u32) -> Race {
    let ahead = AHEAD_MS - i64::from(number) % SPREAD_MS;
    let wait = ms(&order["expires_at"]) - ahead - jiff::Timestamp::now().as_millisecond();
    sleep(Duration::from_millis(u64::try_from(wait).unwrap_or_default())).await;
    let cancel = owner.tell(&format!("{}/cancel", at(&order))).send();
    // Whoever is polled first sends first.
    let (paid, canceled) = if number.is_multiple_of(2) {
        tokio::join!(payer(&order), cancel)
    } else {
        let (canceled, paid) = tokio::join!(cancel, payer(&order));
        (paid, canceled)
    };
    Race { order, paid, canceled }
}

async fn place_all(owner: &Person) -> Vec<Value> {
    join_all((0..ORDERS).map(|_| owner.order(&[("HOT", UNITS)], 1))).await
}

/// How many orders are confirmed in the end, after a look at all that was told of each.
async fn judge(owner: &Person, races: &[Race]) -> u64 {
    let mut confirmed = 0;
    for Race { order, paid, canceled } in races {
        let order = until("it has ended", async || {
            let found = owner.read(&at(order)).await;
            (found["status"] != "pending_payment").then_some(found)
        })
        .await;
        let told = (paid.status, canceled.status, order["status"].as_str().expect("a status"));
        match told {
            (200, 409, "confirmed") => {
                confirmed += 1;
                // Its units may have been taken again: the deadline can pass while the bank is asked.
                assert_eq!(order["payment_status"], "paid");
            }
            (409, 200, "canceled") => assert_eq!(order["cancel_reason"], Value::Null),
            (409, 409, "expired") => assert_eq!(paid.body["code"], "reservation_expired", "{order}"),
            _ => panic!("{told:?}: {} and {} for {order}", paid.text, canceled.text),
        }
        let history = owner.read(&format!("{}/history", at(&order))).await;
        expect_one_ending(&history, &order);
    }
    confirmed
}

/// The history of an order tells one way in which it ended; only a late payment comes after its expiry.
#[track_caller]
fn expect_one_ending(history: &Value, order: &Value) {
    let rows = history["data"].as_array().expect("a history has data");
    let events: Vec<_> = rows.iter().map(|row| row["event"].as_str().expect("an event")).collect();
    let is_one = match order["status"].as_str() {
        Some("confirmed") if order["reacquired"] == true => events == ["placed", "expired", "confirmed"],
        Some("canceled") if order["payment_status"] == "refund_required" => {
            events == ["placed", "canceled", "refund_required"]
        }
        Some("canceled") if order["payment_status"] == "refunded" => {
            events == ["placed", "canceled", "refund_required", "refunded"]
        }
        Some(status) => events == ["placed", status],
        None => false,
    };
    assert!(is_one, "{events:?} of {order}");
}

#[tokio::test]
async fn payment_cancelation_and_expiry_of_one_order_end_in_one_way() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("HOT", ORDERS * UNITS).await;
    let owner = Person::customer(&shop, 1);
    let mut confirmed = 0;
    for _ in 0..2 {
        let orders = place_some(&shop, &owner).await;
        let pay = async |order: &Value| owner.pay(order, "tok_ok").send().await;
        let races = (0..).zip(orders).map(|(number, order)| race(&owner, &pay, order, number));
        confirmed += judge(&owner, &join_all(races).await).await;
    }
    expect_sold(&shop, confirmed).await;
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn confirmation_by_an_admin_takes_an_expired_order_back_and_never_a_canceled_one() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("HOT", ORDERS * UNITS).await;
    let (owner, admin) = (Person::customer(&shop, 1), Person::admin(&shop));
    let orders = place_all(&owner).await;
    let confirm = async |order: &Value| admin.tell(&format!("{}/confirm", at(order))).send().await;
    let races = (0..).zip(orders).map(|(number, order)| race(&owner, &confirm, order, number));
    let races = join_all(races).await;
    for Race { paid, .. } in races.iter().filter(|race| race.paid.status != 200) {
        let refused = paid.clone().expect_problem(409, "invalid_state");
        assert_eq!(refused.body["refund_required"], json!(true));
    }
    let is_settled = |race: &Race| race.paid.status == 200 || race.canceled.status == 200;
    assert!(races.iter().all(is_settled), "what expired has its units again: all of them are there");
    let confirmed = judge(&owner, &races).await;
    expect_sold(&shop, confirmed).await;
    server.kill();
    folder.run(&["journal", "verify"]).expect_code(0);
}

/// As many orders as there are units for.
async fn place_some(shop: &Shop, owner: &Person) -> Vec<Value> {
    let [_, available, ..] = shop.figures("HOT").await;
    let count = u32::try_from(available).expect("it is small") / UNITS;
    join_all((0..count.min(ORDERS)).map(|_| owner.order(&[("HOT", UNITS)], 1))).await
}

/// Checks that the units of so many orders are sold, and all others free.
async fn expect_sold(shop: &Shop, orders: u64) {
    let stock = u64::from(ORDERS * UNITS);
    let sold = orders * u64::from(UNITS);
    let expected = [stock, stock - sold, 0, sold];
    until("all units are where they belong", async || (shop.figures("HOT").await == expected).then_some(()))
        .await;
    shop.expect_books("HOT").await;
}
