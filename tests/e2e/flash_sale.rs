//! What the whole thing is for: everybody wants the same units in the same second.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::server::Folder;
use crate::shop::Shop;

const UNITS: usize = 50;
const BUYERS: usize = 320;

#[tokio::test]
async fn every_unit_is_sold_once_and_everybody_else_is_told_how_many_are_left() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let hot = shop.product("HOT-1", 50).await;

    let answers = join_all((0..BUYERS).map(|_| shop.purchase(&hot, 1).send())).await;

    let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    let ids: BTreeSet<_> = sold.iter().map(|answer| answer.body["order_id"].to_string()).collect();
    assert_eq!((sold.len(), ids.len()), (UNITS, UNITS), "as many orders as units, each its own");
    let left: BTreeSet<_> = sold.iter().map(|answer| answer.body["available"].as_u64()).collect();
    assert_eq!(left, (0..50).map(Some).collect(), "each buyer took another unit");
    for answer in refused {
        let problem = answer.expect_problem(409, "insufficient_stock");
        let line = json!({
            "index": 0, "sku": "HOT-1", "code": "insufficient_stock", "requested": 1, "available": 0, "reserved": 0,
        });
        assert_eq!(problem.body["lines"], json!([line]));
    }

    assert_eq!(shop.figures("HOT-1").await, [50, 0, 0, 50]);
    let orders = shop.orders("HOT-1").await;
    assert_eq!(orders.keys().map(|id| format!("{id:?}")).collect::<BTreeSet<_>>(), ids);
    assert!(orders.values().all(|sale| (sale.count, sale.units) == (1, 1)), "{orders:?}");
    shop.expect_books("HOT-1").await;
}

#[tokio::test]
async fn buyers_of_many_units_never_get_a_part_of_what_they_asked_for() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let hot = shop.product("HOT-3", 100).await;

    let answers = join_all((0..120).map(|buyer| shop.purchase(&hot, 1 + buyer % 7).send())).await;

    let mut sold = 0;
    for answer in answers {
        match answer.status {
            201 => sold += answer.body["quantity"].as_u64().expect("a purchase has units"),
            _ => {
                let line = answer.expect_problem(409, "insufficient_stock").body["lines"][0].clone();
                assert!(line["available"].as_u64() < line["requested"].as_u64(), "{line}");
            }
        }
    }
    let [on_hand, available, reserved, committed] = shop.figures("HOT-3").await;
    assert_eq!((on_hand, reserved, committed), (100, 0, sold));
    // Somebody asked for one unit when the rest was refused: nothing that fits was left unsold.
    assert_eq!(available, 0);
    shop.expect_books("HOT-3").await;
}

#[tokio::test]
async fn two_variants_of_a_product_sell_out_apart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let variants = json!([
        { "sku": "TEE-S", "initial_stock": 5 },
        { "sku": "TEE-M", "initial_stock": 9, "price_adjustment": 100 },
    ]);
    let body = json!({ "name": "Tee", "price": 1_500, "currency": "EUR", "variants": variants });
    let tee = shop.make(&body).await;
    let buy = |sku: &'static str| {
        let path = format!("/products/{}/purchase", tee.id);
        shop.client.post(&path, &json!({ "quantity": 1, "sku": sku })).send()
    };

    let answers = join_all((0..40).map(|buyer| buy(if buyer % 2 == 0 { "TEE-S" } else { "TEE-M" }))).await;

    for (sku, units, price) in [("TEE-S", 5, 1_500), ("TEE-M", 9, 1_600)] {
        let sold: Vec<_> = answers.iter().filter(|answer| answer.body["sku"] == sku).collect();
        assert_eq!(sold.len(), units, "{sku}");
        assert!(sold.iter().all(|answer| answer.body["unit_price"] == price), "{sku}");
        let refused = answers.iter().filter(|answer| answer.body["lines"][0]["sku"] == sku).count();
        assert_eq!(refused, 20 - units, "{sku}");
        shop.expect_books(sku).await;
    }
}
