//! Measures the listing cache: `cargo run --release --example listing_cache -- 1000000`.
//!
//! Makes that many products, and asks the app for pages of 50: without a cache, with the one in the process, and with
//! Redis, which it starts itself on a free port of the loopback. No sockets of HTTP in between, so what is measured is
//! the server's work. Rounds are interleaved; each prints as minimum – median – maximum in microseconds, and as a ratio of
//! medians to no cache. What is printed on one machine is comparable with itself only.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{Error, web};
use anyhow::{Context as _, anyhow, ensure};
use futures_util::future::try_join_all;
use holdfast::auth::password::Passwords;
use holdfast::auth::refresh::RefreshTokens;
use holdfast::auth::secret::Secrets;
use holdfast::auth::token::Keys;
use holdfast::cache::{ListingCache, Place};
use holdfast::http::caller::SecureCookies;
use holdfast::http::cursor::Cursors;
use holdfast::http::health::{HealthSource, Readiness};
use holdfast::http::routes::{Protection, Shared, app};
use holdfast::redis::{Link, Times};
use holdfast_actors::context::RequestId;
use holdfast_actors::domain::product::{
    Description, NewProduct, NewVariant, ReserveOn, Status, VariantDescription,
};
use holdfast_actors::domain::{CategoryId, Currency, Money, ProductId, Quantity, Sku, category};
use holdfast_actors::persistence::{CommitterOptions, JournalId, MemoryDisk};
use holdfast_actors::{Actor, Context, Engine, Options, SimulatedGateway, SystemClock, recovery};
use secrecy::SecretString;

const PRODUCTS_DEFAULT: u64 = 1_000_000;
const PARTITIONS: u16 = 1024;
const CATEGORIES: u64 = 100;
const MADE_AT_ONCE: u64 = 1_000;
const ROUNDS: usize = 200;
const REDIS_WAIT_MAX: Duration = Duration::from_secs(10);
const MEMORY_BYTES: u64 = 64 * 1024 * 1024;

const QUERIES: [(&str, &str); 6] = [
    ("first page", "/api/v1/products?limit=50"),
    ("by price, with the total", "/api/v1/products?limit=50&sort=-price&include=total"),
    ("category", "/api/v1/products?limit=50&category=c7"),
    ("category, in stock, by name", "/api/v1/products?limit=50&category=c7&in_stock=true&sort=name"),
    ("search for one word", "/api/v1/products?limit=50&q=amber"),
    ("search for two, by price", "/api/v1/products?limit=50&q=amber+lam&sort=price"),
];

const COLOURS: [&str; 8] = ["amber", "blue", "coral", "denim", "ebony", "fawn", "gold", "hazel"];
const THINGS: [&str; 9] = ["lamp", "mug", "coat", "saw", "tee", "chair", "kettle", "rug", "lamb"];

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contender {
    NoCache,
    InProcess,
    /// Read from Redis each time: what a server with a cold near cache does.
    RedisRead,
    /// In front of Redis.
    RedisNear,
}

impl Contender {
    const ALL: [(Self, &str); 4] = [
        (Self::NoCache, "no cache"),
        (Self::InProcess, "in process"),
        (Self::RedisRead, "Redis, read"),
        (Self::RedisNear, "Redis, near"),
    ];
}

/// A Redis that ends with this process.
struct Redis {
    child: Child,
    url: SecretString,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let count = match std::env::args().nth(1) {
        Some(text) => text.parse().with_context(|| format!("`{text}` is no number of products"))?,
        None => PRODUCTS_DEFAULT,
    };
    let started = Instant::now();
    let engine = start()?;
    fill(&engine, count).await?;
    println!("{count} products made in {:.1?}", started.elapsed());
    let redis = Redis::start()?;
    let link = Link::open("bench", &redis.url, Times::CACHE)?;
    let deadline = Instant::now() + REDIS_WAIT_MAX;
    while !link.is_up() {
        ensure!(Instant::now() < deadline, "redis-server does not answer");
        actix_web::rt::task::yield_now().await;
    }
    let place = Place::draw(link)?;
    println!("{:<30} {:<12} {:>26} {:>7}", "microseconds", "", "min – median – max", "ratio");
    for (name, path) in QUERIES {
        measure(&engine, &place, name, path).await?;
    }
    engine.stop().map_err(|_| anyhow!("the journal stopped"))?;
    Ok(())
}

async fn measure(engine: &Engine, place: &Place, name: &str, path: &str) -> anyhow::Result<()> {
    let near = ListingCache::in_redis(place.clone());
    let in_process = ListingCache::in_process(MEMORY_BYTES);
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut bodies: [Vec<u8>; 4] = Default::default();
    // The first round fills the caches.
    for round in 0..=ROUNDS {
        for (place_of, (contender, _)) in Contender::ALL.into_iter().enumerate() {
            let cache = match contender {
                Contender::NoCache => None,
                Contender::InProcess => Some(in_process.clone()),
                Contender::RedisNear => Some(near.clone()),
                Contender::RedisRead => Some(ListingCache::in_redis(place.clone())),
            };
            let service = init_service(app(&shared(engine, cache), |_| {})).await;
            let request = TestRequest::get().uri(path).to_request();
            let (took, is_hit, body) = ask(&service, request).await?;
            // A Redis that is slow once is not asked for a while; such a round says nothing.
            let counts = is_hit || contender == Contender::NoCache;
            if round > 0 && counts {
                times[place_of].push(took);
            }
            bodies[place_of] = body;
        }
    }
    ensure!(bodies.iter().all(|body| *body == bodies[0]), "{name}: all say the same");
    let mut floor = None;
    for ((_, contender), times) in Contender::ALL.into_iter().zip(&mut times) {
        times.sort_unstable();
        ensure!(!times.is_empty(), "{name}, {contender}: never a hit");
        let (min, median, max) = (times[0], times[times.len() / 2], times[times.len() - 1]);
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let ratio = us(median) / *floor.get_or_insert(us(median));
        println!(
            "{name:<30} {contender:<12} {:>7.0} – {:>6.0} – {:>7.0} {ratio:>7.2}",
            us(min),
            us(median),
            us(max)
        );
    }
    Ok(())
}

async fn ask<R>(
    service: &impl Service<R, Response = ServiceResponse<BoxBody>, Error = Error>,
    request: R,
) -> anyhow::Result<(Duration, bool, Vec<u8>)> {
    let started = Instant::now();
    let answer = service.call(request).await.map_err(|error| anyhow!("ask: {error}"))?;
    let took = started.elapsed();
    ensure!(answer.status() == 200, "a list was answered with {}", answer.status());
    let is_hit = answer.headers().get("x-cache").is_some_and(|value| value == "hit");
    Ok((took, is_hit, read_body(answer).await.to_vec()))
}

fn shared(engine: &Engine, cache: Option<ListingCache>) -> Shared {
    let secret: SecretString = "0123456789abcdef0123456789abcdef".into();
    let health = HealthSource::default();
    health.set_readiness(Readiness::Ready);
    let shared = Shared {
        health: web::Data::new(health),
        keys: web::Data::new(Keys::new(&secret)),
        passwords: web::Data::new(Passwords::new(1)),
        refresh_tokens: web::Data::new(RefreshTokens::new(&Secrets::only(secret))),
        throttle: web::Data::default(),
        cursors: web::Data::new(Cursors::new(b"a secret")),
        listing_cache: web::Data::new(cache),
        engine: web::Data::default(),
        mails: web::Data::default(),
        dispatched: web::Data::default(),
        listeners: web::Data::default(),
        secure_cookies: SecureCookies(false),
        protection: Protection::default(),
    };
    let is_first = shared.engine.set(engine.clone()).is_ok();
    assert!(is_first, "the slot is new");
    shared
}

fn start() -> anyhow::Result<Engine> {
    let mut journal = MemoryDisk::new(JournalId([7; 16]), PARTITIONS).journal();
    let recovered = recovery::recover(&mut journal)?;
    let next = AtomicU64::new(1 << 40);
    let options = Options {
        shards: 2,
        hosts: Vec::new(),
        idle: Duration::from_secs(5),
        admitted_max: 100_000,
        clock: Arc::new(SystemClock),
        ids: Arc::new(move || u128::from(next.fetch_add(1, Ordering::Relaxed))),
        gateway: Arc::new(SimulatedGateway),
        committer: CommitterOptions::new(|error| panic!("the journal failed: {error}")),
        checkpoints: None,
    };
    Ok(Engine::start(Box::new(journal), None, recovered, options))
}

async fn fill(engine: &Engine, count: u64) -> anyhow::Result<()> {
    let context = Context { request_id: RequestId::Made(1), actor: Actor::System, key: None };
    for number in 1..=CATEGORIES {
        let slug = format!("c{number}");
        let description =
            category::Description { name: slug.as_str().into(), slug: slug.into(), parent: None };
        let made = engine.create_category(&context, CategoryId(number.into()), description).await;
        made.map_err(|failure| anyhow!("category {number}: {failure:?}"))?;
    }
    for first in (0..count).step_by(usize::try_from(MADE_AT_ONCE)?) {
        let some = (first..count.min(first + MADE_AT_ONCE)).map(|number| make(engine, &context, number));
        try_join_all(some).await?;
    }
    Ok(())
}

async fn make(engine: &Engine, context: &Context, number: u64) -> anyhow::Result<()> {
    let of = |words: &[&'static str], number: u64| {
        let place = number % u64::try_from(words.len()).unwrap_or(1);
        words[usize::try_from(place).unwrap_or(0)]
    };
    let description = Description {
        name: format!("{} {} {number}", of(&COLOURS, number), of(&THINGS, number / 7)).into(),
        text: Some("Made to last, mended when it breaks, and sent the same day it is ordered.".into()),
        status: Status::Active,
        price: Money(i64::try_from(number * 7_919 % 100_000)?),
        currency: Currency::new("EUR").context("three capitals")?,
        category_ids: vec![CategoryId((1 + number % CATEGORIES).into())],
        attributes: r#"{"material":"oak","care":["dry","oil"]}"#.into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    };
    let variant = VariantDescription {
        sku: Sku::new(&format!("SKU-{number:08}")).context("well formed")?,
        name: None,
        attributes: "{}".into(),
        price_adjustment: Money(0),
    };
    let initial_stock = Quantity::new(u32::try_from(number % 5)?);
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock }];
    let new = NewProduct { description: Arc::new(description), is_simple: true, variants };
    let made = engine.create(context, ProductId(u128::from(number) + 1), new).await;
    made.map(drop).map_err(|failure| anyhow!("product {number}: {failure:?}"))
}

impl Redis {
    fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .context("start redis-server")?;
        Ok(Self { child, url: format!("redis://127.0.0.1:{port}/0").into() })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _is_gone_already = self.child.kill();
        let _is_reaped_already = self.child.wait();
    }
}
