//! A journal whose beginning is gone: what is asked of the past says so, and what is kept is whole.

use serde_json::{Value, json};

use crate::events::{page, pull};
use crate::person::{Person, at};
use crate::server::Folder;
use crate::shop::Shop;

/// Sells one unit; its position and when it was.
async fn sell(shop: &Shop, mug: &crate::shop::Product) -> (String, String) {
    let sold = shop.purchase(mug, 1).send().await.expect(201).header("journal-position").to_owned();
    let at = shop.inventory("MUG").await["updated_at"].as_str().expect("a moment").to_owned();
    (sold, at)
}

#[tokio::test]
async fn what_was_trimmed_is_told_to_be_gone_and_the_rest_is_whole() {
    let folder = Folder::new();
    let mut server = folder.start();
    let mut shop = Shop::of(&server);
    let mug = shop.product("MUG", 50).await;
    shop.product("QUIET", 7).await;
    let customer = Person::customer(&shop, 1);
    let order = customer.order(&[("MUG", 1)], 600).await;
    let (early, early_at) = sell(&shop, &mug).await;
    let (edge, edge_at) = sell(&shop, &mug).await;
    let seen = (shop.inventory("MUG").await, shop.inventory("QUIET").await);
    let (all, _) = pull(&shop, "limit=200", None).await;

    folder.run(&["journal", "checkpoint"]).expect_code(0);
    // Behind the checkpoint, so that something is kept.
    let (kept, _) = sell(&shop, &mug).await;
    let trimmed = folder.run(&["journal", "trim", "--retain", "0s", "--json"]).expect_code(0);
    let later = sell(&shop, &mug).await;
    customer.pay(&order, "tok_ok").send().await.expect(200);

    for is_after_a_crash in [false, true] {
        let first = page(&shop, &format!("after={early}&limit=1")).await.expect(200).body;
        let reset = &first["data"][0];
        assert_eq!(
            (&reset["type"], &reset["data"]["reason"]),
            (&json!("reset"), &json!("trimmed")),
            "{}",
            trimmed.stdout
        );
        let from = reset["position"].as_str();
        let (rest, _) = pull(&shop, "limit=3", from).await;
        let told: Vec<&Value> = rest.iter().map(|event| &event["position"]).collect();
        assert!(told.contains(&&json!(kept)) && told.contains(&&json!(later.0)), "{told:?}");
        assert!(!told.contains(&&json!(early)) && rest.len() < all.len());
        // Meanwhile the journal may hear of a mail that was sent.
        let (oldest, _) = pull(&shop, "limit=200", None).await;
        assert!(oldest.starts_with(&rest), "that is where the oldest are: {oldest:?}, {rest:?}");

        let as_of = async |sku: &str, moment: &str| {
            shop.client.get(&format!("/inventory/{sku}?as_of={moment}")).send().await
        };
        for moment in [&early, &early_at] {
            let gone = as_of("MUG", moment).await.expect_problem(404, "not_found");
            assert!(gone.body["detail"].as_str().expect("text").contains("begins at"), "{}", gone.text);
        }
        let sold = as_of("MUG", &kept).await.expect(200).body;
        assert_eq!(sold["available"], json!(seen.0["available"].as_u64().expect("units") - 1));
        // It did not move since, and its last movement is gone: that is known all the same.
        assert_eq!(as_of("QUIET", &kept).await.expect(200).body, seen.1);

        let movements = shop.movements("MUG").await;
        assert!(movements.len() >= 2 && movements.len() < 6, "{movements:?}");
        assert_eq!(movements.last().expect("there are")["position"], json!(kept));
        assert_eq!(movements[0]["after"]["committed"], shop.inventory("MUG").await["committed"]);
        let path = "/inventory/MUG/movements?sort=at&include=total";
        let oldest = shop.client.get(path).token(&shop.admin).send().await.expect(200).body;
        assert_eq!(oldest["data"][0], *movements.last().expect("there are"));
        assert_eq!(oldest["total"], json!(movements.len()));
        let owner = Person::customer(&shop, 1);
        let history = owner.read(&format!("{}/history", at(&order))).await;
        assert_eq!(
            history["data"].as_array().map(Vec::len),
            Some(1),
            "what was trimmed is left out: {history}"
        );
        if !is_after_a_crash {
            server.kill();
            server = folder.start();
            shop = Shop::of(&server);
        }
    }
    assert_ne!((edge, edge_at), (early, early_at));
    server.terminate().expect_code(0);
}
