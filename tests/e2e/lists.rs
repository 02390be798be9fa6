//! Lists: pages, cursors, filters, and strict queries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::server::Folder;
use crate::shop::{Product, Shop};
use crate::tokens;

async fn fill(shop: &Shop, count: usize) -> Vec<Product> {
    let mut products = Vec::new();
    for number in 0..count {
        products.push(shop.product(&format!("P-{number:02}"), u32::from(number % 2 == 0)).await);
    }
    products
}

fn skus(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a page has data");
    data.iter().map(|product| product["sku"].as_str().expect("it has a sku").to_owned()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_while_the_catalogue_changes() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let products = fill(&shop, 7).await;
    let first = shop_get(&shop, "/products?limit=3").await;
    assert_eq!(skus(&first), ["P-00", "P-01", "P-02"]);

    // One that was shown goes, one that was not goes, one comes: nobody is shown twice, nobody is left out.
    for gone in [&products[1], &products[4]] {
        let path = format!("/products/{}", gone.id);
        shop.client.delete(&path).token(&shop.admin).send().await.expect(204);
    }
    shop.product("P-07", 1).await;

    let mut seen = skus(&first);
    let mut next = first["next_cursor"].clone();
    for _ in 0..4 {
        let Some(cursor) = next.as_str() else { break };
        let page = shop_get(&shop, &format!("/products?limit=3&cursor={cursor}")).await;
        seen.extend(skus(&page));
        next = page["next_cursor"].clone();
    }
    assert_eq!(next, Value::Null, "the last page has no cursor");
    assert_eq!(seen, ["P-00", "P-01", "P-02", "P-03", "P-05", "P-06", "P-07"]);
}

async fn shop_get(shop: &Shop, path: &str) -> Value {
    let page = shop.client.get(path).send().await.expect(200);
    assert!(["hit", "miss", "bypass"].contains(&page.header("x-cache")), "{:?}", page.headers);
    assert_ne!(page.header("etag"), "");
    page.body
}

#[tokio::test]
async fn filters_show_what_they_say() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop, 4).await;
    for status in ["draft", "archived"] {
        let body = json!({ "name": status, "price": 1, "currency": "EUR", "sku": status, "status": status });
        shop.make(&body).await;
    }

    assert_eq!(skus(&shop_get(&shop, "/products?in_stock=true").await), ["P-00", "P-02"]);
    assert_eq!(skus(&shop_get(&shop, "/products?in_stock=false").await), ["P-01", "P-03"]);
    assert_eq!(skus(&shop_get(&shop, "/products?status=active").await).len(), 4, "buyers may say active");
    assert_eq!(skus(&shop_get(&shop, "/products").await).len(), 4, "buyers see what is active");
    for status in ["draft", "archived"] {
        let path = format!("/products?status={status}");
        shop.client.get(&path).send().await.expect_problem(403, "forbidden");
        shop.client.get(&path).token(&tokens::customer(1)).send().await.expect_problem(403, "forbidden");
        let page = shop.client.get(&path).token(&shop.admin).send().await.expect(200);
        assert_eq!(skus(&page.body), [status]);
    }
    let all = shop.client.get("/products").token(&shop.admin).send().await.expect(200);
    assert_eq!(skus(&all.body).len(), 6, "admins see all");
}

#[tokio::test]
async fn sale_shows_in_the_list_at_once() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let one = shop.product("ONE", 1).await;
    assert_eq!(skus(&shop_get(&shop, "/products?in_stock=true").await), ["ONE"]);
    shop.purchase(&one, 1).send().await.expect(201);
    assert!(skus(&shop_get(&shop, "/products?in_stock=true").await).is_empty());
}

#[tokio::test]
async fn query_that_is_not_understood_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop, 2).await;
    let page = shop_get(&shop, "/products?limit=1").await;
    let cursor = page["next_cursor"].as_str().expect("there is a second page").to_owned();
    let mut other = cursor.clone();
    let last = other.pop().expect("it has letters");
    other.push(if last == 'A' { 'B' } else { 'A' });

    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=1.5",
        "limit=many",
        "limit=",
        "limit=1&limit=2",
        "colour=red",
        "in_stock=yes",
        "in_stock=1",
        "status=gone",
        "cursor=",
        "cursor=x",
        &format!("cursor={other}"),
        &format!("cursor={cursor}&in_stock=true"),
        "limit=%zz",
        "limit=%ff",
    ] {
        let refused = shop.client.get(&format!("/products?{query}")).send().await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        refused.expect_problem(400, "malformed_request");
    }
    for query in ["kind=gone", "limit=0", "sort=kind", "cursor=x", &format!("cursor={cursor}")] {
        let path = format!("/inventory/P-00/movements?{query}");
        let refused = shop.client.get(&path).token(&shop.admin).send().await;
        refused.expect_problem(400, "malformed_request");
    }
    assert_eq!(skus(&shop_get(&shop, "/products?limit=200").await).len(), 2);
}

#[tokio::test]
async fn cursor_outlives_a_restart() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    fill(&shop, 3).await;
    let page = shop_get(&shop, "/products?limit=2").await;
    let cursor = page["next_cursor"].as_str().expect("there is a second page").to_owned();
    server.kill();

    let server = folder.start();
    let shop = Shop::of(&server);
    assert_eq!(skus(&shop_get(&shop, &format!("/products?limit=2&cursor={cursor}")).await), ["P-02"]);
}

#[tokio::test]
async fn ledger_has_pages_and_kinds() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 100).await;
    for quantity in 1..=5 {
        shop.purchase(&mug, quantity).send().await.expect(201);
        let body = json!({ "delta": -1, "reason": "damaged" });
        shop.client.post("/inventory/MUG/adjustments", &body).token(&shop.admin).send().await.expect(201);
    }
    let all = shop.movements("MUG").await;
    assert_eq!(all.len(), 11);
    let pages = |query: &'static str| walk(&shop, query);

    assert_eq!(pages("limit=1").await, all);
    assert_eq!(pages("limit=4").await, all);
    let of_kind = |kind: &str| all.iter().filter(|row| row["kind"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(pages("limit=2&kind=committed").await, of_kind("committed"));
    assert_eq!(pages("limit=2&kind=adjusted").await, of_kind("adjusted"));
    assert_eq!(pages("kind=received").await, of_kind("received"));
    assert!(pages("kind=expired").await.is_empty());
    let ids: BTreeSet<_> = all.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), all.len(), "each movement has its own id");
}

async fn walk(shop: &Shop, query: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    for _ in 0..20 {
        let path = format!("/inventory/MUG/movements?{query}{cursor}");
        let page = shop.client.get(&path).token(&shop.admin).send().await.expect(200).body;
        rows.extend(page["data"].as_array().expect("a page has data").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
    panic!("{query}: no end");
}

#[tokio::test]
async fn lists_of_people_orders_and_reservations_count_and_know_their_order() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    let buyer = tokens::customer(1);
    let hold = json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    for _ in 0..3 {
        shop.purchase(&mug, 1).token(&buyer).send().await.expect(201);
        shop.client.post("/reservations", &hold).token(&buyer).send().await.expect(201);
    }
    shop.purchase(&mug, 1).token(&tokens::customer(2)).send().await.expect(201);
    for (list, token, total) in [
        ("/orders?", &buyer, 3),
        ("/orders?status=expired&", &buyer, 0),
        ("/orders?", &shop.admin, 4),
        ("/reservations?", &buyer, 3),
        ("/reservations?sku=MUG&", &shop.admin, 3),
        ("/users?", &shop.admin, 301),
        ("/users?role=admin&", &shop.admin, 1),
        ("/users?email=1001@people.test&", &shop.admin, 1),
    ] {
        let get = async |query: &str| shop.client.get(&format!("{list}{query}")).token(token).send().await;
        let plain = get("limit=1").await.expect(200).body;
        assert_eq!(plain.get("total"), None, "{list}");
        let counted = get("limit=1&include=total&sort=-created_at").await.expect(200).body;
        assert_eq!((&counted["total"], &counted["data"]), (&json!(total), &plain["data"]), "{list}");
        if let Some(cursor) = counted["next_cursor"].as_str() {
            let next = get(&format!("limit=1&include=total&cursor={cursor}")).await.expect(200).body;
            assert_eq!(next["total"], json!(total), "of all pages, whichever is asked: {list}");
        }
        for query in ["sort=price", "sort=", "include=everything"] {
            get(query).await.expect_problem(400, "malformed_request");
        }
    }
}
