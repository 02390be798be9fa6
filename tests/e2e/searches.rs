//! The catalogue's list: every filter, every order, totals, links, and that it never lags behind a write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::categories;
use crate::client::Answer;
use crate::server::Folder;
use crate::shop::Shop;

/// A furnished shop: six products in a tree of three categories.
async fn furnish(shop: &Shop) {
    let clothes = categories::make(shop, "clothes", None).await;
    let coats = categories::make(shop, "coats", Some(&clothes)).await;
    let tools = categories::make(shop, "tools", None).await;
    let products = [
        ("RAIN-1", "Regenmantel „Fjord“", 14_900, 3, "active", vec![&coats]),
        ("WOOL-1", "wool coat", 19_900, 0, "active", vec![&coats, &clothes]),
        ("HAT.RED", "Rain Hat", 2_900, 5, "active", vec![&clothes]),
        ("SAW-200", "Säge 200", 3_500, 2, "active", vec![&tools]),
        ("SAW-300", "Säge 300", 3_500, 0, "archived", vec![&tools]),
        ("MUG", "Mug", 0, 9, "active", vec![]),
    ];
    for (sku, name, price, stock, status, ids) in products {
        let body = json!({
            "sku": sku, "name": name, "price": price, "currency": "EUR", "initial_stock": stock,
            "status": status, "category_ids": ids, "description": format!("Gut für draußen: {sku}."),
        });
        shop.make(&body).await;
    }
}

fn skus(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().unwrap_or_else(|| panic!("a page: {page}"));
    data.iter().map(|product| product["sku"].as_str().expect("it has a sku")).collect()
}

async fn get(shop: &Shop, query: &str) -> Answer {
    let page = shop.client.get(&format!("/products?{query}")).send().await.expect(200);
    assert!(["hit", "miss"].contains(&page.header("x-cache")), "{:?}", page.headers);
    page
}

async fn expect(shop: &Shop, query: &str, expected: &[&str]) {
    assert_eq!(skus(&get(shop, query).await.body), expected, "{query}");
}

#[tokio::test]
async fn every_filter_shows_what_it_says() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    furnish(&shop).await;
    expect(&shop, "", &["RAIN-1", "WOOL-1", "HAT.RED", "SAW-200", "MUG"]).await;
    expect(&shop, "category=clothes", &["RAIN-1", "WOOL-1", "HAT.RED"]).await;
    expect(&shop, "category=coats", &["RAIN-1", "WOOL-1"]).await;
    expect(&shop, "category=tools", &["SAW-200"]).await;
    expect(&shop, "category=none", &[]).await;
    expect(&shop, "q=rain", &["RAIN-1", "HAT.RED"]).await;
    expect(&shop, "q=RAIN+hat", &["HAT.RED"]).await;
    expect(&shop, "q=hat+rai", &["HAT.RED"]).await;
    expect(&shop, "q=hat.red", &["HAT.RED"]).await;
    expect(&shop, "q=s%C3%84ge", &["SAW-200"]).await;
    expect(&shop, "q=DRAUSSEN", &[]).await;
    expect(&shop, "q=drau%C3%9Fen+wo", &["WOOL-1"]).await;
    expect(&shop, "q=saw-2", &["SAW-200"]).await;
    expect(&shop, "q=ra+hat", &[]).await;
    expect(&shop, "q=!", &[]).await;
    expect(&shop, "min_price=3500", &["RAIN-1", "WOOL-1", "SAW-200"]).await;
    expect(&shop, "max_price=2900", &["HAT.RED", "MUG"]).await;
    expect(&shop, "min_price=2900&max_price=3500", &["HAT.RED", "SAW-200"]).await;
    expect(&shop, "min_price=0&max_price=0", &["MUG"]).await;
    expect(&shop, "in_stock=false", &["WOOL-1"]).await;
    expect(&shop, "in_stock=true&category=coats", &["RAIN-1"]).await;
    expect(&shop, "category=clothes&q=coat&max_price=19900&in_stock=false&sort=-price", &["WOOL-1"]).await;
    let all = shop.client.get("/products?category=tools").token(&shop.admin).send().await.expect(200);
    assert_eq!(skus(&all.body), ["SAW-200", "SAW-300"], "admins see all");
    let archived = shop.client.get("/products?status=archived&q=s%C3%A4ge").token(&shop.admin).send().await;
    assert_eq!(skus(&archived.expect(200).body), ["SAW-300"]);
    shop.client.get("/products?status=archived").send().await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn every_order_is_kept_both_ways_and_over_pages() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    furnish(&shop).await;
    let orders: [(&str, &[&str]); 4] = [
        ("created_at", &["RAIN-1", "WOOL-1", "HAT.RED", "SAW-200", "MUG"]),
        ("price", &["MUG", "HAT.RED", "SAW-200", "RAIN-1", "WOOL-1"]),
        ("name", &["MUG", "HAT.RED", "RAIN-1", "SAW-200", "WOOL-1"]),
        ("updated_at", &["RAIN-1", "WOOL-1", "HAT.RED", "SAW-200", "MUG"]),
    ];
    for (sort, expected) in orders {
        expect(&shop, &format!("sort={sort}"), expected).await;
        let reversed: Vec<&str> = expected.iter().rev().copied().collect();
        expect(&shop, &format!("sort=-{sort}"), &reversed).await;
        for limit in 1..=5 {
            assert_eq!(walk(&shop, &format!("sort={sort}&limit={limit}")).await, expected, "{sort}, {limit}");
            assert_eq!(
                walk(&shop, &format!("sort=-{sort}&limit={limit}")).await,
                reversed,
                "-{sort}, {limit}"
            );
        }
    }
    let mug = shop.client.get("/products?q=mug").send().await.expect(200);
    let path = format!("/products/{}", mug.body["data"][0]["id"].as_str().expect("an id"));
    shop.client.patch(&path, &json!({ "price": 99_999 })).token(&shop.admin).send().await.expect(200);
    expect(&shop, "sort=-price&limit=1", &["MUG"]).await;
    expect(&shop, "sort=-updated_at&limit=1", &["MUG"]).await;
    expect(&shop, "sort=-created_at&limit=1", &["MUG"]).await;
}

/// All pages, each by the `Link` of the one before.
async fn walk(shop: &Shop, query: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut path = format!("/api/v1/products?{query}&include=total");
    for _ in 0..10 {
        let page = shop.client.ask_root("GET", &path).send().await.expect(200);
        assert_eq!(page.body["total"], 5, "{path}");
        seen.extend(skus(&page.body).into_iter().map(str::to_owned));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            assert_eq!(page.header("link"), "");
            return seen;
        };
        let link = page.header("link").to_owned();
        let target = link.strip_prefix('<').and_then(|it| it.strip_suffix(">; rel=\"next\""));
        path = target.unwrap_or_else(|| panic!("a link: {link}")).to_owned();
        assert!(path.ends_with(&format!("cursor={cursor}")), "{path}");
        assert_eq!(path.matches("cursor=").count(), 1, "{path}");
    }
    panic!("{query} has no end");
}

#[tokio::test]
async fn total_counts_all_pages_and_only_when_asked() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    furnish(&shop).await;
    for (query, total) in
        [("", 5), ("category=clothes", 3), ("q=rain", 2), ("category=none", 0), ("q=zebra", 0)]
    {
        let page = get(&shop, &format!("{query}&limit=1&include=total")).await;
        assert_eq!(page.body["total"], total, "{query}");
        assert_eq!(get(&shop, &format!("{query}&limit=1")).await.body.get("total"), None, "{query}");
    }
    let page = get(&shop, "include=total").await;
    let same = shop.client.get("/products?include=total").header("If-None-Match", page.header("etag"));
    let same = same.send().await.expect(304);
    assert_eq!((same.text.as_str(), same.header("x-cache")), ("", "hit"));
}

#[tokio::test]
async fn query_that_says_nothing_sensible_is_refused() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    furnish(&shop).await;
    let page = get(&shop, "sort=price&limit=1&q=rain").await;
    let cursor = page.body["next_cursor"].as_str().expect("there is a second page");
    let long = "q".repeat(201);
    for query in [
        "min_price=-1",
        "min_price=1.5",
        "min_price=cheap",
        "min_price=1000000000001",
        "max_price=",
        "min_price=2&max_price=1",
        "sort=colour",
        "sort=",
        "sort=--price",
        "sort=+price",
        "sort=Price",
        "include=all",
        "include=",
        "q=",
        &format!("q={long}"),
        "categories=coats",
        "category=coats&category=tools",
        &format!("cursor={cursor}"),
        &format!("sort=price&cursor={cursor}"),
        &format!("sort=-price&q=rain&cursor={cursor}"),
        &format!("sort=price&q=rain&category=clothes&cursor={cursor}"),
        &format!("sort=price&q=rain&min_price=0&cursor={cursor}"),
        &format!("sort=price&q=rain&in_stock=true&cursor={cursor}"),
    ] {
        let refused = shop.client.get(&format!("/products?{query}")).send().await;
        assert_eq!(refused.status, 400, "{query}: {}", refused.text);
        refused.expect_problem(400, "malformed_request");
    }
    expect(&shop, &format!("q=rain&limit=2&sort=price&include=total&cursor={cursor}"), &["RAIN-1"]).await;
}

#[tokio::test]
async fn every_write_shows_in_the_next_list() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    let coats = categories::make(&shop, "coats", None).await;
    let coat = shop.product("COAT", 1).await;
    let path = format!("/products/{}", coat.id);
    for round in 0..20 {
        let word = format!("round{round}");
        let patch = json!({ "name": format!("Coat {word}"), "price": round, "category_ids": [coats] });
        shop.client.patch(&path, &patch).token(&shop.admin).send().await.expect(200);
        expect(&shop, &format!("q={word}&category=coats&min_price={round}&max_price={round}"), &["COAT"])
            .await;
        let none = json!({ "name": "Coat", "category_ids": [] });
        shop.client.patch(&path, &none).token(&shop.admin).send().await.expect(200);
        expect(&shop, &format!("q={word}"), &[]).await;
        expect(&shop, "category=coats", &[]).await;
        for (delta, in_stock) in [(-1, "false"), (1, "true")] {
            let body = json!({ "delta": delta, "reason": "correction" });
            let ask = shop.client.post("/inventory/COAT/adjustments", &body).token(&shop.admin);
            ask.send().await.expect(201);
            expect(&shop, &format!("in_stock={in_stock}&q=coat"), &["COAT"]).await;
        }
    }
    shop.client.patch(&path, &json!({ "status": "draft" })).token(&shop.admin).send().await.expect(200);
    expect(&shop, "q=coat", &[]).await;
    shop.client.delete(&path).token(&shop.admin).send().await.expect(204);
    let all = shop.client.get("/products?q=coat").token(&shop.admin).send().await.expect(200);
    assert_eq!(all.body["data"], json!([]));
}

#[tokio::test]
async fn lists_are_the_same_after_a_kill() {
    let folder = Folder::new();
    let server = folder.start();
    let shop = Shop::of(&server);
    furnish(&shop).await;
    let queries = [
        "sort=-name",
        "category=clothes&include=total",
        "q=rain&sort=price",
        "in_stock=false",
        "min_price=3000",
    ];
    let mut before = Vec::new();
    for query in queries {
        before.push(get(&shop, query).await.text);
    }
    let first = get(&shop, "sort=name&limit=2").await.body;
    server.kill();
    let server = folder.start();
    let shop = Shop::of(&server);
    for (query, before) in queries.iter().zip(&before) {
        assert_eq!(&get(&shop, query).await.text, before, "{query}");
    }
    // A walk that was begun before goes on after.
    let cursor = first["next_cursor"].as_str().expect("there is a second page");
    let rest = get(&shop, &format!("sort=name&limit=200&cursor={cursor}")).await.body;
    let seen: BTreeSet<_> = skus(&first).into_iter().chain(skus(&rest)).collect();
    assert_eq!((seen.len(), skus(&rest).len()), (5, 3));
}
