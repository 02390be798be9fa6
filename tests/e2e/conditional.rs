//! Versions: `ETag`, `If-Match`, `If-None-Match`, and positions in the journal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::person::{Person, at};
use crate::server::Folder;
use crate::shop::Shop;

#[tokio::test]
async fn write_that_insists_on_another_version_changes_nothing() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let path = format!("/products/{}", mug.id);
    let old = shop.read(&mug).await.header("etag").to_owned();
    let rename = |name: &str, tag: &str| {
        let ask = shop.client.patch(&path, &json!({ "name": name })).token(&shop.admin);
        ask.header("If-Match", tag).send()
    };

    let changed = rename("One", &old).await.expect(200);
    let new = changed.header("etag").to_owned();
    assert_ne!(old, new);
    for wrong in [old.as_str(), "\"nonsense\"", "\"999\"", &format!("W/{new}")] {
        rename("Two", wrong).await.expect_problem(412, "version_mismatch");
        let delete = shop.client.delete(&path).token(&shop.admin).header("If-Match", wrong).send();
        delete.await.expect_problem(412, "version_mismatch");
    }
    assert_eq!(shop.read(&mug).await.body, changed.body);
    rename("Three", &format!("{old}, {new}")).await.expect(200);
    rename("Four", "*").await.expect(200);
    let newest = shop.read(&mug).await.header("etag").to_owned();
    shop.client.delete(&path).token(&shop.admin).header("If-Match", &newest).send().await.expect(204);
}

#[tokio::test]
async fn sale_between_reading_and_changing_does_not_fail_the_change() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let tag = shop.read(&mug).await.header("etag").to_owned();
    shop.purchase(&mug, 1).send().await.expect(201);
    assert_ne!(shop.read(&mug).await.header("etag"), tag, "the figures are part of what is read");

    let ask = shop.client.patch(&format!("/products/{}", mug.id), &json!({ "price": 5 }));
    ask.token(&shop.admin).header("If-Match", &tag).send().await.expect(200);
}

#[tokio::test]
async fn reader_who_has_it_already_is_told_so() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;

    for path in [format!("/products/{}", mug.id), "/inventory/MUG".to_owned(), "/products".to_owned()] {
        let first = shop.client.get(&path).send().await.expect(200);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{path}: a strong tag: {tag}");
        let get = |tag: &str| shop.client.get(&path).header("If-None-Match", tag).send();
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let same = get(&known).await.expect(304);
            assert_eq!((same.text.as_str(), same.header("etag")), ("", tag.as_str()), "{path}");
        }
        assert_eq!(get("\"x\"").await.expect(200).body, first.body);
        shop.purchase(&mug, 1).send().await.expect(201);
        let newer = get(&tag).await.expect(200);
        assert_ne!(newer.header("etag"), tag, "{path}");
    }
}

#[tokio::test]
async fn owner_who_has_it_already_is_told_so() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    shop.product("MUG", 5).await;
    let person = Person::customer(&shop, 1);
    person.add("MUG", 1).await;
    let order = person.order(&[("MUG", 1)], 60).await;
    let held = person.reserve(&[("MUG", 1)], 60).await;
    let changes = [
        (at(&order), person.pay(&order, "tok_ok")),
        (at(&held), person.tell(&format!("{}/release", at(&held)))),
        ("/cart".to_owned(), person.put("/cart/items/MUG", &json!({ "quantity": 2 }))),
    ];
    for (path, change) in changes {
        let first = person.get(&path).send().await.expect(200);
        let tag = first.header("etag").to_owned();
        let get = |tag: &str| person.get(&path).header("If-None-Match", tag).send();
        for known in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
            let same = get(&known).await.expect(304);
            assert_eq!((same.text.as_str(), same.header("etag")), ("", tag.as_str()), "{path}");
        }
        let changed = change.send().await.expect(200);
        let newer = get(&tag).await.expect(200);
        assert_eq!((newer.header("etag"), &newer.body), (changed.header("etag"), &changed.body), "{path}");
        let insist = person.get(&path).header("Min-Journal-Position", changed.header("journal-position"));
        assert_eq!(insist.send().await.expect(200).body, changed.body, "{path}");
    }
}

#[tokio::test]
async fn reader_can_insist_on_what_was_written() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 5).await;
    let sold = shop.purchase(&mug, 1).send().await.expect(201);
    let position = sold.header("journal-position").to_owned();
    let movements = "/inventory/MUG/movements";
    // The same partition, and a sequence that no journal reaches.
    let mut place = URL_SAFE_NO_PAD.decode(&position).expect("positions are base64url");
    place[2] = 0x7f;
    let far = URL_SAFE_NO_PAD.encode(place);

    let admin = Person::admin(&shop);
    let order = at(&admin.order(&[("MUG", 1)], 60).await);
    let held = at(&admin.reserve(&[("MUG", 1)], 60).await);
    let (product, history) = (format!("/products/{}", mug.id), format!("{order}/history"));
    let lists = ["/products", movements, "/orders", "/reservations"];
    for path in [&product, "/inventory/MUG", "/cart", &order, &history, &held].into_iter().chain(lists) {
        let get = |position: &str| {
            let ask = shop.client.get(path).token(&shop.admin);
            ask.header("Min-Journal-Position", position).send()
        };
        get(&position).await.expect(200);
        get("not a position").await.expect_problem(400, "malformed_request");
        let early = get(&far).await.expect_problem(503, "not_ready");
        assert_ne!(early.header("retry-after"), "");
    }
    let rows = shop.movements("MUG").await;
    let sale = rows.iter().find(|row| row["kind"] == "committed").expect("it was sold");
    assert_eq!(sale["position"], position, "the ledger names the same place");
}
