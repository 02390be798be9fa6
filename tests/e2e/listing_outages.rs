//! The listing cache beside writers, and a Redis that lies, hangs, is full, is killed: no list is stale, none fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::client::Answer;
use crate::listing_cache::{Kept, Stand, USER, expect_loaded, keys, let_in, list};
use crate::metrics;
use crate::redis_server::RedisServer;
use crate::server::WAIT_MAX;
use crate::shop::{Product, Shop};

/// Writes of each writer beside the readers.
const WRITES: u64 = 120;

/// Nobody waits for Redis so long. The link gives up after 25 ms; the rest is for a machine that is busy with others.
const REDIS_WAIT_SECONDS_MAX: f64 = 1.0;

/// Readers beside the writers.
const READERS: usize = 8;

/// What was answered so far: nobody may be shown less.
#[derive(Default)]
struct Answered {
    price: AtomicU64,
    sold: AtomicU64,
    is_over: AtomicBool,
}

const STOCK: u64 = 1_000_000;

/// Writers and readers of one product, until the writers wrote enough and `also` is over; no answer fails or is stale.
async fn crowd(shop: &Shop, also: impl Future<Output = ()>) {
    let mug = shop.product("CROWD", u32::try_from(STOCK).expect("it is small")).await;
    let answered = Arc::new(Answered::default());
    let readers: Vec<_> = (0..READERS)
        .map(|number| tokio::spawn(read(shop.clone(), mug.clone(), Arc::clone(&answered), number)))
        .collect();
    let is_over = AtomicBool::new(false);
    let goes_on = |written: u64| written < WRITES || !is_over.load(Ordering::SeqCst);
    let describe = async {
        let path = format!("/products/{}", mug.id);
        let mut price = 0;
        while goes_on(price) {
            price += 1;
            shop.change("PATCH", &path, &json!({ "price": price })).send().await.expect(200);
            answered.price.fetch_max(price, Ordering::SeqCst);
        }
    };
    let sell = async {
        let mut sold = 0;
        while goes_on(sold) {
            shop.purchase(&mug, 1).send().await.expect(201);
            sold = answered.sold.fetch_add(1, Ordering::SeqCst) + 1;
        }
    };
    let also = async {
        also.await;
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(describe, sell, also);
    answered.is_over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("no answer failed or was stale");
    }
}

async fn read(shop: Shop, mug: Product, answered: Arc<Answered>, number: usize) {
    let query = ["limit=200", "in_stock=true&limit=200&sort=name"][number % 2];
    loop {
        let is_last = answered.is_over.load(Ordering::SeqCst);
        let price = answered.price.load(Ordering::SeqCst);
        let sold = answered.sold.load(Ordering::SeqCst);
        let page = list(&shop, query).await;
        let data = page.body["data"].as_array().expect("a page has data");
        let seen = data.iter().find(|it| it["id"] == mug.id).expect("it is listed");
        let figure = |name: &str| seen[name].as_u64().expect("it is a number");
        assert!(figure("price") >= price, "{} after {price} was answered", figure("price"));
        let available = figure("available");
        assert!(available <= STOCK - sold, "{available} after {sold} were sold");
        if is_last {
            assert_eq!((figure("price"), available), (price, STOCK - sold), "nothing is under way any more");
            return;
        }
    }
}

#[tokio::test]
async fn no_reader_is_shown_less_than_was_answered_before() {
    for kept in [Kept::InProcess, Kept::InRedis] {
        let stand = Stand::open(kept);
        crowd(&stand.shop, async {}).await;
    }
}

#[tokio::test]
async fn new_life_of_the_server_believes_nothing_of_the_last() {
    let stand = Stand::open(Kept::InRedis);
    let mug = stand.shop.product("MUG", 3).await;
    let old = stand.until_kept("limit=50", 1).await;
    // While nobody caches.
    let stand = stand.reopen(Kept::Nowhere);
    let path = format!("/products/{}", mug.id);
    stand.shop.change("PATCH", &path, &json!({ "price": 5 })).send().await.expect(200);
    let stand = stand.reopen(Kept::InRedis);
    let first = stand.list("limit=50").await;
    expect_loaded(&first, Kept::InRedis);
    assert_eq!(first.body["data"][0]["price"], 5);
    stand.until_kept("limit=50", old.len() + 1).await;
}

#[tokio::test]
async fn redis_that_lies_is_not_believed() {
    let stand = Stand::open(Kept::InRedis);
    let mug = stand.shop.product("MUG", 3).await;
    let tell = |answer: &Answer| {
        assert_eq!(answer.body["data"][0]["price"], 2, "{}", answer.text);
        assert_eq!(answer.body["data"][0]["available"], 3, "{}", answer.text);
    };
    let path = format!("/products/{}", mug.id);
    let mut old = Vec::new();
    for price in [1, 2] {
        stand.shop.change("PATCH", &path, &json!({ "price": price })).send().await.expect(200);
        old.push(stand.until_kept("limit=50", price).await);
    }
    let [before] = &old[0][..] else { panic!("one list was asked for: {:?}", old[0]) };
    let now = old[1].iter().find(|key| *key != before).expect("the other generation's");
    let stale: Vec<u8> = stand.redis().ask(&["GET", before]);
    let good: Vec<u8> = stand.redis().ask(&["GET", now]);
    let mut touched = good.clone();
    *touched.last_mut().expect("it has bytes") ^= 1;
    for (what, lie) in [
        ("an old page under the new name", stale),
        ("half a page", good[..good.len() / 2].to_vec()),
        ("a page with a bit turned", touched),
        ("nothing", Vec::new()),
        ("rubbish", b"{\"data\":[]}".to_vec()),
        ("much rubbish", vec![2; 100_000]),
    ] {
        let mut set = redis::cmd("SET");
        set.arg(now).arg(&lie);
        let () = set.query(&mut stand.redis().connect()).expect("it is up");
        // Until somebody asked Redis, did not believe it, and put the truth there.
        let is_lying = || stand.redis().ask::<Vec<u8>>(&["GET", now]) == lie;
        let deadline = Instant::now() + WAIT_MAX;
        while is_lying() {
            assert!(Instant::now() < deadline, "{what} is still there");
            tell(&stand.list("limit=50").await);
        }
    }
    stand.until_read(now, "limit=50", tell).await;
    // A thing of another kind cannot be read as a page; the list does without.
    let () = stand.redis().ask(&["DEL", now]);
    let _length: u64 = stand.redis().ask(&["RPUSH", now, "a", "b"]);
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let answer = stand.list("limit=50").await;
        tell(&answer);
        if answer.header("x-cache") == "bypass" {
            break;
        }
        assert!(Instant::now() < deadline, "Redis was not asked");
    }
}

/// What happens to Redis while a crowd asks for lists.
async fn outage(begin: impl FnOnce(&mut RedisServer), end: impl FnOnce(&mut RedisServer)) {
    let mut stand = Stand::open(Kept::InRedis);
    let mut redis = stand.redis.take().expect("it has one");
    let shop = stand.shop.clone();
    let until = async |what: &str, is_so: &dyn Fn(&Answer) -> bool| {
        let deadline = Instant::now() + WAIT_MAX;
        while !is_so(&list(&shop, "limit=3").await) {
            assert!(Instant::now() < deadline, "{what}");
        }
    };
    crowd(&stand.shop, async {
        until("lists are kept", &|_| !keys(&redis).is_empty()).await;
        begin(&mut redis);
        until("lists do without Redis", &|answer| answer.header("x-cache") == "bypass").await;
        end(&mut redis);
        let () = redis.ask(&["FLUSHALL"]);
        until("lists are kept again", &|_| !keys(&redis).is_empty()).await;
        until("Redis is asked again", &|answer| answer.header("x-cache") == "miss").await;
    })
    .await;
    let told = metrics::read(&stand.shop.client).await;
    let waited = metrics::value(&told, r#"holdfast_redis_wait_max_seconds{link="listing_cache"} "#);
    assert!(waited > 0.0 && waited < REDIS_WAIT_SECONDS_MAX, "somebody waited {waited} s for Redis");
    let of = |result: &str| {
        let series =
            format!(r#"holdfast_listing_cache_requests_total{{list="products",result="{result}"}} "#);
        metrics::value(&told, &series)
    };
    assert!(of("hit") >= 1.0 && of("miss") >= 1.0 && of("bypass") >= 1.0, "{told}");
}

#[tokio::test]
async fn redis_that_is_killed_and_comes_back_empty_fails_nobody() {
    let come_back = |redis: &mut RedisServer| {
        redis.restart();
        let_in(redis);
    };
    outage(RedisServer::kill, come_back).await;
}

#[tokio::test]
async fn redis_that_hangs_and_goes_on_fails_nobody() {
    outage(|redis| redis.hang(), |redis| redis.wake()).await;
}

#[tokio::test]
async fn redis_that_is_full_fails_nobody() {
    outage(|redis| redis.config_set("maxmemory", "1"), |redis| redis.config_set("maxmemory", "0")).await;
}

#[tokio::test]
async fn redis_that_forbids_fails_nobody() {
    let forbid = |redis: &mut RedisServer| {
        let () = redis.ask(&["ACL", "SETUSER", USER, "-get", "-set"]);
    };
    outage(forbid, |redis| let_in(redis)).await;
}
