//! The listing cache, in the process and in a real Redis: what it says is what is true, always.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::redis_server::RedisServer;
use crate::server::{Folder, Server, WAIT_MAX};
use crate::shop::Shop;
use crate::{categories, metrics};

/// Said by the link of the cache when it has found its Redis.
const UP_LINE: &str = r#"redis is up link="listing_cache""#;

/// Who the server is to Redis.
pub(crate) const USER: &str = "holdfast";
const PASSWORD: &str = "held-fast";

/// Equal requests at once.
const CROWD: usize = 40;

/// Where lists are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    InProcess,
    InRedis,
    Nowhere,
}

/// A shop with its cache.
pub(crate) struct Stand {
    pub(crate) shop: Shop,
    server: Server,
    pub(crate) redis: Option<RedisServer>,
    folder: Folder,
}

impl Stand {
    pub(crate) fn open(kept: Kept) -> Self {
        let redis = (kept == Kept::InRedis).then(RedisServer::start);
        redis.iter().for_each(let_in);
        let folder = Folder::new();
        let server = serve(&folder, kept, redis.as_ref());
        Self { shop: Shop::of(&server), server, redis, folder }
    }

    /// The same shop and Redis with another server.
    pub(crate) fn reopen(self, kept: Kept) -> Self {
        let Self { server, redis, folder, .. } = self;
        assert!(server.terminate().status.success());
        let server = serve(&folder, kept, redis.as_ref());
        Self { shop: Shop::of(&server), server, redis, folder }
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        self.redis.as_ref().expect("it has one")
    }

    pub(crate) async fn list(&self, query: &str) -> Answer {
        list(&self.shop, query).await
    }

    /// Asks until the answer comes from the cache. On a busy machine Redis may be too slow to be asked.
    async fn warm(&self, query: &str) -> Answer {
        let first = self.list(query).await;
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let next = self.list(query).await;
            assert_eq!((&next.text, next.header("etag")), (&first.text, first.header("etag")), "{query}");
            if next.header("x-cache") == "hit" {
                return next;
            }
            assert!(Instant::now() < deadline, "{query} is not kept");
        }
    }

    /// Asks until Redis has so many lists.
    pub(crate) async fn until_kept(&self, query: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            self.list(query).await;
            let keys = keys(self.redis());
            if keys.len() >= count {
                return keys;
            }
            assert!(Instant::now() < deadline, "{query} is not in Redis");
        }
    }

    /// Asks until the answer was read from that key of Redis; every answer is as expected meanwhile.
    pub(crate) async fn until_read(&self, key: &str, query: &str, check: impl Fn(&Answer)) {
        let idle = || self.redis().ask::<u64>(&["OBJECT", "IDLETIME", key]);
        let mut longest = 0;
        let deadline = Instant::now() + WAIT_MAX;
        while idle() >= longest {
            longest = idle();
            assert!(Instant::now() < deadline, "{query} never came from Redis");
            check(&self.list(query).await);
        }
    }
}

fn serve(folder: &Folder, kept: Kept, redis: Option<&RedisServer>) -> Server {
    let mut serve = folder.serve();
    match kept {
        Kept::InProcess => {}
        Kept::InRedis => {
            serve.env("REDIS_URL", redis.expect("it has one").url_as(USER, PASSWORD));
        }
        Kept::Nowhere => {
            serve.arg("--no-listing-cache");
        }
    }
    let server = Server::start(serve);
    if kept == Kept::InRedis {
        server.wait_for_stderr(UP_LINE);
    }
    server
}

pub(crate) async fn list(shop: &Shop, query: &str) -> Answer {
    shop.client.get(&format!("/products?{query}")).send().await.expect(200)
}

/// Makes the server's user, who may do everything.
pub(crate) fn let_in(redis: &RedisServer) {
    let () = redis.ask(&["ACL", "SETUSER", USER, "on", &format!(">{PASSWORD}"), "~*", "&*", "+@all"]);
}

pub(crate) fn keys(redis: &RedisServer) -> Vec<String> {
    redis.ask(&["KEYS", "holdfast:list:*"])
}

fn names(page: &Answer) -> Vec<&str> {
    let data = page.body["data"].as_array().expect("a page has data");
    data.iter().map(|it| it["name"].as_str().expect("a name is text")).collect()
}

/// Whether an answer may have been loaded: beside a compiler, Redis may be too slow to be asked.
#[track_caller]
pub(crate) fn expect_loaded(answer: &Answer, kept: Kept) {
    let words: &[&str] = if kept == Kept::InRedis { &["miss", "bypass"] } else { &["miss"] };
    assert!(words.contains(&answer.header("x-cache")), "{kept:?}: {:?}", answer.headers);
}

#[tokio::test]
async fn list_says_where_it_came_from() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        stand.shop.product("MUG", 3).await;
        expect_loaded(&stand.list("limit=10").await, kept);
        let hit = stand.warm("limit=10").await;
        // The same list, asked otherwise.
        assert_eq!(stand.list("status=active&limit=10&sort=created_at").await.header("x-cache"), "hit");
        expect_loaded(&stand.list("limit=11").await, kept);
        let unchanged = stand.shop.client.get("/products?limit=10");
        let unchanged = unchanged.header("if-none-match", hit.header("etag")).send().await;
        assert_eq!((unchanged.status, unchanged.header("x-cache")), (304, "hit"));

        let health = stand.shop.client.ask_root("GET", "/health/ready").send().await.expect(200);
        assert_eq!(health.body["redis"]["for"] == "listing_cache", kept == Kept::InRedis, "{}", health.text);

        let tree = async || stand.shop.client.get("/categories").send().await.expect(200);
        expect_loaded(&tree().await, kept);
        assert_eq!(tree().await.header("x-cache"), "hit");
    }
    let stand = Stand::open(Kept::Nowhere);
    for path in ["/products", "/products", "/categories", "/categories"] {
        let answer = stand.shop.client.get(path).send().await.expect(200);
        assert_eq!(answer.header("x-cache"), "bypass", "{path}");
    }
}

#[tokio::test]
async fn cached_answer_is_byte_for_byte_that_without_a_cache() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        fill(&stand.shop).await;
        if kept == Kept::InRedis {
            let whole = stand.list("limit=200").await.text;
            let keys = stand.until_kept("limit=200", 1).await;
            stand.until_read(&keys[0], "limit=200", |answer| assert_eq!(answer.text, whole)).await;
        }
        let next = stand.list("limit=2").await.body["next_cursor"].as_str().expect("more follow").to_owned();
        let queries = [
            "limit=200",
            "limit=2",
            &format!("limit=2&cursor={next}"),
            "include=total&limit=1",
            "category=clothes&include=total",
            "category=nothing&include=total",
            "category=nothing",
            "q=tee&sort=-price",
            "q=%00%22available%22",
            "in_stock=true&sort=name",
            "in_stock=false",
            "min_price=5&max_price=2000&sort=-updated_at",
        ];
        let mut cached = Vec::new();
        for query in queries {
            for attempt in ["first", "second"] {
                let answer = stand.list(query).await;
                let is_kept = answer.header("x-cache") == "hit";
                assert!(is_kept || attempt == "first" || kept == Kept::InRedis, "{query}");
                cached.push((query, answer));
            }
        }
        let tree = [stand.shop.client.get("/categories").send().await.expect(200)];
        let stand = stand.reopen(Kept::Nowhere);
        for (query, cached) in cached {
            let plain = stand.list(query).await;
            assert_eq!(plain.header("x-cache"), "bypass");
            assert_eq!(cached.text, plain.text, "{kept:?} {query}");
            for header in ["etag", "link", "content-type"] {
                assert_eq!(cached.header(header), plain.header(header), "{kept:?} {query} {header}");
            }
        }
        let plain = stand.shop.client.get("/categories").send().await.expect(200);
        assert_eq!((&tree[0].text, tree[0].header("etag")), (&plain.text, plain.header("etag")));
    }
}

/// Products of all kinds.
async fn fill(shop: &Shop) {
    let clothes = categories::make(shop, "clothes", None).await;
    let tees = categories::make(shop, "tees", Some(&clothes)).await;
    let tee = json!({
        "name": "Tee \"available\":0", "price": 1_000, "currency": "EUR", "category_ids": [tees],
        "attributes": { "available": 7, "variants": [{ "available": 9 }], "text": "\u{0}" },
        "description": "Soft.\nVery “soft”.",
        "variants": [
            { "sku": "TEE-S", "initial_stock": 5 },
            { "sku": "TEE-L", "name": "L", "attributes": { "available": [0] }, "price_adjustment": 200 },
        ],
    });
    shop.make(&tee).await;
    shop.product("MUG", 1_000_000).await;
    shop.product("CUP", 0).await;
    let draft = json!({ "name": "Draft", "price": 1, "currency": "EUR", "sku": "D", "status": "draft" });
    shop.make(&draft).await;
}

#[tokio::test]
async fn every_kind_of_write_is_in_the_next_list() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        let shop = &stand.shop;
        let clothes = categories::make(shop, "clothes", None).await;
        let mug = shop.product("MUG", 2).await;
        shop.product("CUP", 1).await;
        let (path, cup) = (format!("/products/{}", mug.id), "/inventory/CUP/adjustments");
        let variants = format!("{path}/variants");
        let tree = format!("/categories/{clothes}");
        let patch = |body: Value| ("PATCH", path.as_str(), body);
        let soft = json!({ "name": "Soft", "slug": "soft" });
        for (write, shown) in [
            (patch(json!({ "name": "Becher" })), "Becher"),
            (patch(json!({ "price": 4_321 })), "4321"),
            (patch(json!({ "description": "Blue." })), "Blue."),
            (patch(json!({ "attributes": { "colour": "teal" } })), "teal"),
            (patch(json!({ "category_ids": [clothes] })), clothes.as_str()),
            (("POST", variants.as_str(), json!({ "sku": "MUG-XL", "initial_stock": 77 })), "MUG-XL"),
            (("PATCH", "/variants/MUG-XL", json!({ "name": "huge" })), "huge"),
        ] {
            stand.warm("limit=50").await;
            let (method, path, body) = write;
            assert!(shop.change(method, path, &body).send().await.status < 300, "{shown}");
            let next = stand.list("limit=50").await;
            expect_loaded(&next, kept);
            assert!(next.text.contains(shown), "{kept:?} {shown}: {}", next.text);
        }
        // Each with the list that loses a product by it, or gets it.
        let adjust = |delta: i64, reason: &str| json!({ "delta": delta, "reason": reason });
        for ((method, path, body), query, expected) in [
            (("DELETE", "/variants/MUG-XL", Value::Null), "q=huge", vec![]),
            (("POST", cup, adjust(-1, "damaged")), "in_stock=true", vec!["Becher"]),
            (("POST", cup, adjust(3, "received")), "in_stock=true", vec!["Becher", "CUP"]),
            (("PUT", tree.as_str(), soft), "category=clothes", vec![]),
            (patch(json!({ "category_ids": [] })), "category=soft", vec![]),
            (patch(json!({ "status": "archived" })), "limit=9", vec!["CUP"]),
            (patch(json!({ "status": "active" })), "limit=9", vec!["Becher", "CUP"]),
            (("DELETE", tree.as_str(), Value::Null), "category=soft", vec![]),
        ] {
            stand.warm(query).await;
            assert!(shop.change(method, path, &body).send().await.status < 300, "{method} {path}");
            let next = stand.list(query).await;
            assert_eq!(names(&next), expected, "{kept:?} {method} {path}: {query}");
        }
        stand.warm("limit=9&include=total").await;
        shop.client.delete(&path).token(&shop.admin).send().await.expect(204);
        let next = stand.list("limit=9&include=total").await;
        assert_eq!((names(&next), &next.body["total"]), (vec!["CUP"], &json!(1)));
        // What is not for everybody is kept apart.
        let draft = json!({ "name": "d", "price": 1, "currency": "EUR", "sku": "D", "status": "draft" });
        shop.make(&draft).await;
        let all = async || shop.client.get("/products?limit=9").token(&shop.admin).send().await.expect(200);
        assert_eq!(names(&all().await), ["CUP", "d"]);
        assert_eq!(all().await.header("x-cache"), "hit", "admins' lists are kept as well");
        assert_eq!(names(&stand.list("limit=9").await), ["CUP"]);
    }
}

#[tokio::test]
async fn every_change_of_the_tree_is_in_the_next_tree() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        let shop = &stand.shop;
        let tree = async || shop.client.get("/categories").send().await.expect(200);
        assert_eq!(tree().await.body, json!({ "data": [] }));
        let id = categories::make(shop, "clothes", None).await;
        let path = format!("/categories/{id}");
        for (method, body, expected) in [
            ("PUT", json!({ "name": "Garb", "slug": "garb" }), Some("Garb")),
            ("PUT", json!({ "name": "Garb", "slug": "garment" }), Some("garment")),
            ("DELETE", Value::Null, None),
        ] {
            tree().await;
            assert_eq!(tree().await.header("x-cache"), "hit");
            assert!(shop.change(method, &path, &body).send().await.status < 300, "{method}");
            let next = tree().await;
            expect_loaded(&next, kept);
            match expected {
                Some(text) => assert!(next.text.contains(text), "{}", next.text),
                None => assert_eq!(next.body, json!({ "data": [] })),
            }
        }
    }
}

#[tokio::test]
async fn figures_on_a_hit_are_those_of_now() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        let shop = &stand.shop;
        let mug = shop.product("MUG", 20).await;
        shop.product("CUP", 5).await;
        stand.warm("limit=50").await;
        stand.warm("limit=50&in_stock=true").await;
        for left in (1..20).rev() {
            shop.purchase(&mug, 1).send().await.expect(201);
            for query in ["limit=50", "limit=50&in_stock=true"] {
                let answer = stand.list(query).await;
                let seen = &answer.body["data"][0];
                assert_eq!(seen["available"], left, "{kept:?} {query}");
                assert_eq!(seen["variants"][0]["available"], left, "{kept:?} {query}");
                if kept == Kept::InProcess {
                    assert_eq!(
                        answer.header("x-cache"),
                        "hit",
                        "a purchase that leaves stock ends no generation"
                    );
                }
            }
        }
        shop.purchase(&mug, 1).send().await.expect(201);
        assert_eq!(stand.list("limit=50").await.body["data"][0]["available"], 0);
        assert_eq!(names(&stand.list("limit=50&in_stock=true").await), ["CUP"]);
    }
}

#[tokio::test]
async fn crowd_that_asks_for_the_same_loads_it_once() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        let mug = stand.shop.product("MUG", 20).await;
        let loads = async || {
            metrics::value(&metrics::read(&stand.shop.client).await, "holdfast_listing_cache_loads_total ")
        };
        stand.list("limit=1").await;
        for price in 1..=10 {
            let before = loads().await;
            let path = format!("/products/{}", mug.id);
            stand.shop.change("PATCH", &path, &json!({ "price": price })).send().await.expect(200);
            let answers = join_all((0..CROWD).map(|_| stand.list("limit=50"))).await;
            let of = |word: &str| answers.iter().filter(|it| it.header("x-cache") == word).count();
            match kept {
                // A Redis that is slow once is asked by the next who comes.
                Kept::InRedis => assert!((1..CROWD / 4).contains(&(CROWD - of("hit"))), "{}", of("hit")),
                _ => assert_eq!((of("miss"), of("hit"), loads().await), (1, CROWD - 1, before + 1.0)),
            }
            assert!(answers.iter().all(|answer| answer.body["data"][0]["price"] == price));
        }
    }
}
