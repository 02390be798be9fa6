//! Retries: the same request twice is done once, and answered twice with the same words.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::server::Folder;
use crate::shop::Shop;
use crate::tokens;

const SESSION: &str = "a-guest-session-0001";

#[tokio::test]
async fn second_request_is_answered_like_the_first_and_buys_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let buy = || shop.purchase(&mug, 2).session(SESSION);

    let first = buy().key("k-1").send().await.expect(201);
    let again = buy().key("k-1").send().await.expect(201);
    let quoted = buy().key("\"k-1\"").send().await.expect(201);

    assert!(!first.is_replayed());
    for replay in [again, quoted] {
        assert!(replay.is_replayed());
        assert_eq!(replay.text, first.text);
        assert_eq!(replay.header("journal-position"), first.header("journal-position"));
    }
    assert_eq!(shop.figures("MUG").await, [10, 8, 0, 2]);
    // Spaces, the order of fields and an explicit null do not make another request.
    let path = format!("/products/{}/purchase", mug.id);
    let same = shop.client.ask("POST", &path).text("{ \"sku\" : null, \"quantity\": 2 }").session(SESSION);
    assert_eq!(same.key("k-1").send().await.expect(201).text, first.text);
    assert!(!buy().key("k-2").send().await.expect(201).is_replayed());
    assert_eq!(shop.figures("MUG").await, [10, 6, 0, 4]);
}

#[tokio::test]
async fn thirty_at_once_with_one_key_are_one_purchase() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;

    let ask = || shop.purchase(&mug, 1).session(SESSION).key("double click").send();
    let answers = join_all((0..30).map(|_| ask())).await;

    let texts: BTreeSet<_> = answers.iter().map(|answer| (answer.status, answer.text.clone())).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(answers[0].status, 201);
    assert_eq!(answers.iter().filter(|answer| !answer.is_replayed()).count(), 1);
    assert_eq!(shop.figures("MUG").await, [100, 99, 0, 1]);
    assert_eq!(shop.orders("MUG").await.len(), 1);
}

#[tokio::test]
async fn key_that_stands_for_another_request_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let (mug, cup) = (shop.product("MUG", 10).await, shop.product("CUP", 10).await);
    let first = shop.purchase(&mug, 1).session(SESSION).key("k").send().await.expect(201);

    for other in [shop.purchase(&mug, 2), shop.purchase(&cup, 1)] {
        let refused = other.session(SESSION).key("k").send().await;
        refused.expect_problem(422, "idempotency_key_reused");
    }
    let path = format!("/products/{}/purchase", mug.id);
    let named = shop.client.post(&path, &json!({ "quantity": 1, "sku": "MUG" })).session(SESSION).key("k");
    named.send().await.expect_problem(422, "idempotency_key_reused");
    assert_eq!((shop.figures("MUG").await, shop.figures("CUP").await), ([10, 9, 0, 1], [10, 10, 0, 0]));
    let again = shop.purchase(&mug, 1).session(SESSION).key("k").send().await.expect(201);
    assert_eq!(again.text, first.text, "a misuse does not spoil the key");
}

#[tokio::test]
async fn replay_outlives_kill_minus_9() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 3).await;
    let customer = tokens::customer(1);
    let first = shop.purchase(&mug, 2).token(&customer).key("k").send().await.expect(201);
    let refused = shop.purchase(&mug, 2).token(&customer).key("r").send().await;
    let refused = refused.expect_problem(409, "insufficient_stock");
    let body = json!({ "delta": 5, "reason": "received" });
    let adjust =
        |shop: &Shop| shop.client.post("/inventory/MUG/adjustments", &body).token(&shop.admin).key("a");
    let adjusted = adjust(&shop).send().await.expect(201);
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);

    let again = shop.purchase(&mug, 2).token(&customer).key("k").send().await.expect(201);
    assert_eq!((again.is_replayed(), again.text), (true, first.text));
    let still = shop.purchase(&mug, 2).token(&customer).key("r").send().await;
    let still = still.expect_problem(409, "insufficient_stock");
    assert_eq!(still.body["lines"], refused.body["lines"], "as it was, though there is stock now");
    let again = adjust(&shop).send().await.expect(201);
    assert_eq!((again.is_replayed(), again.text), (true, adjusted.text));
    let other = shop.purchase(&mug, 1).token(&customer).key("k").send().await;
    other.expect_problem(422, "idempotency_key_reused");
    assert_eq!(shop.figures("MUG").await, [8, 6, 0, 2]);
}

#[tokio::test]
async fn refusal_is_replayed_until_another_key_is_used() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 1).await;
    let buy = |key: &str| shop.purchase(&mug, 3).session(SESSION).key(key).send();
    let first = buy("k").await.expect_problem(409, "insufficient_stock");
    let body = json!({ "delta": 9, "reason": "received" });
    shop.client.post("/inventory/MUG/adjustments", &body).token(&shop.admin).send().await.expect(201);

    let again = buy("k").await.expect_problem(409, "insufficient_stock");

    assert!(again.is_replayed());
    assert_eq!(again.body["lines"], first.body["lines"]);
    buy("k-2").await.expect(201);
    assert_eq!(shop.figures("MUG").await, [10, 7, 0, 3]);
}

#[tokio::test]
async fn key_belongs_to_its_caller() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let callers = [
        shop.purchase(&mug, 1).session(SESSION),
        shop.purchase(&mug, 1).session("another-session-0002"),
        shop.purchase(&mug, 1).token(&tokens::customer(1)),
        shop.purchase(&mug, 1).token(&tokens::customer(2)),
        shop.purchase(&mug, 1).token(&shop.admin),
        shop.purchase(&mug, 1),
    ];
    let mut ids = BTreeSet::new();
    for caller in callers {
        let sold = caller.key("k").send().await.expect(201);
        assert!(!sold.is_replayed());
        ids.insert(sold.body["order_id"].to_string());
    }
    assert_eq!(ids.len(), 6);
    assert_eq!(shop.figures("MUG").await, [10, 4, 0, 6]);
}

#[tokio::test]
async fn product_is_made_and_changed_and_deleted_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let body = json!({ "name": "Mug", "price": 1, "currency": "EUR", "initial_stock": 4 });
    let make = |key: &str| shop.client.post("/products", &body).token(&shop.admin).key(key).send();

    let answers = join_all((0..10).map(|_| make("m"))).await;
    let first = answers[0].clone().expect(201);
    for answer in answers {
        assert_eq!((answer.status, &answer.text), (201, &first.text));
        assert_eq!(answer.header("location"), first.header("location"));
        assert_eq!(answer.header("etag"), first.header("etag"));
    }
    let listed = shop.client.get("/products").send().await.expect(200);
    assert_eq!(listed.body["data"].as_array().map(Vec::len), Some(1));

    let path = format!("/products/{}", first.body["id"].as_str().expect("it is an id"));
    let patch = || shop.client.patch(&path, &json!({ "price": 2 })).token(&shop.admin).key("p").send();
    let (once, twice) = (patch().await.expect(200), patch().await.expect(200));
    assert_eq!((once.text, twice.is_replayed()), (twice.text.clone(), true));
    let delete = || shop.client.delete(&path).token(&shop.admin).key("d").send();
    let (once, twice) = (delete().await.expect(204), delete().await.expect(204));
    assert_eq!((once.is_replayed(), twice.is_replayed()), (false, true), "a retried deletion is not a 404");
    assert!(make("m").await.expect(201).is_replayed(), "the first answer, whatever became of it");
}

#[tokio::test]
async fn malformed_key_is_refused_and_nothing_is_done() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let too_long = "k".repeat(256);
    for key in ["", "\"", "\"a", "\"\"", "ä", "a\tb", &too_long] {
        let refused = shop.purchase(&mug, 1).key(key).send().await;
        assert_eq!(refused.status, 400, "{key:?}: {}", refused.text);
        refused.expect_problem(400, "malformed_request");
    }
    let twice = shop.purchase(&mug, 1).key("a").key("b").send().await;
    twice.expect_problem(400, "malformed_request");
    assert_eq!(shop.figures("MUG").await, [10, 10, 0, 0]);
    let longest = "k".repeat(255);
    for key in ["!", "a b~", &longest] {
        shop.purchase(&mug, 1).key(key).send().await.expect(201);
    }
}

#[tokio::test]
async fn request_of_the_wrong_form_does_not_use_up_its_key() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    shop.purchase(&mug, 0).session(SESSION).key("k").send().await.expect_problem(422, "validation_failed");
    assert!(!shop.purchase(&mug, 1).session(SESSION).key("k").send().await.expect(201).is_replayed());
}
