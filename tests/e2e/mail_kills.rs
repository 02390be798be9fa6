//! Mails under load, while what carries them is killed and started again at random moments: each is sent, once.
//!
//! `MAIL_KILLS_SEED=…` plays one life again, as far as a seed decides it; the machine decides the rest.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::client::{Answer, Ask};
use crate::mailbox::{Doubles, Letter, due, expect_taken, orders, until_empty};
use crate::person::{Person, at, ms, to_lines, until};
use crate::redis_server::RedisServer;
use crate::server::{Folder, Server, WAIT_MAX};
use crate::shop::{Product, Shop};
use crate::smtp::{SmtpServer, Way};
use crate::worker::Worker;

/// Kills of one test.
const ROUNDS: usize = 4;

const BUYERS: u32 = 6;

/// What a buyer does in one round at most: a machine that is slow to kill must not have to send for ever.
const DEALS_MAX: u32 = 25;

/// Answers that are waited for before a kill, and again before the end of it. Together they are fewer than there
/// are deals.
const ANSWERS_MAX: u64 = 60;

/// Mails that are waited for before a kill: a few of those that the deals bring about.
const MAILS_MAX: u64 = 30;

/// An order with a longer life does not expire while a test runs.
const LONG_LIFE_MS: i64 = 100_000;

/// After how long in the hands of a worker a mail is another's.
const CLAIM_AFTER_MS: &str = "5000";

/// Chance with a seed (SplitMix64).
struct Chance(Cell<u64>);

impl Chance {
    /// That of `MAIL_KILLS_SEED`, or any.
    fn draw() -> Self {
        let told = std::env::var("MAIL_KILLS_SEED").ok();
        let seed = told.map_or_else(
            || getrandom::u64().expect("the kernel gives random bytes"),
            |seed| seed.parse().expect("MAIL_KILLS_SEED is a number"),
        );
        println!("MAIL_KILLS_SEED={seed}");
        Self(Cell::new(seed))
    }

    fn below(&self, bound: u64) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut word = self.0.get();
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// Buyers on a thread of their own, and what they were answered.
struct Crowd {
    memory: Arc<Memory>,
    thread: Option<JoinHandle<()>>,
    chance: Chance,
}

#[derive(Default)]
struct Memory {
    /// Where orders end, as it was answered, or will without anybody's doing.
    fates: Mutex<BTreeMap<String, &'static str>>,
    answered: Condvar,
    is_over: AtomicBool,
    /// None of them is there any more.
    is_empty: AtomicBool,
}

impl Memory {
    fn note(&self, id: &Value, fate: &'static str) {
        let id = id.as_str().expect("an order has an id").to_owned();
        self.fates.lock().expect("nothing panics while it holds this").insert(id, fate);
        self.answered.notify_all();
    }
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self { memory: Arc::default(), thread: None, chance: Chance(Cell::new(seed)) }
    }

    /// Lets them in.
    fn open(&mut self, server: &Server, mug: &Product) {
        self.memory.is_over.store(false, Ordering::SeqCst);
        self.memory.is_empty.store(false, Ordering::SeqCst);
        let (shop, mug, memory) = (Shop::of(server), mug.clone(), Arc::clone(&self.memory));
        let seed = self.chance.below(u64::MAX);
        let crowd = std::thread::spawn(move || {
            let all = join_all((0..BUYERS).map(|number| deal(&shop, &mug, &memory, number, seed)));
            block_on(async { drop(all.await) });
            // Held, so that nobody looks before and listens after.
            let _fates = memory.fates.lock().expect("nothing panics while it holds this");
            memory.is_empty.store(true, Ordering::SeqCst);
            memory.answered.notify_all();
        });
        self.thread = Some(crowd);
    }

    fn count(&self) -> usize {
        self.memory.fates.lock().expect("nothing panics while it holds this").len()
    }

    /// Waits until some more of them were answered, or all have done what they do.
    fn wait(&self) {
        let more = usize::try_from(self.chance.below(ANSWERS_MAX)).expect("it is small");
        let goal = self.count() + more;
        let fates = self.memory.fates.lock().expect("nothing panics while it holds this");
        let waited = self.memory.answered.wait_timeout_while(fates, WAIT_MAX, |fates| {
            fates.len() < goal && !self.memory.is_empty.load(Ordering::SeqCst)
        });
        assert!(!waited.expect("nothing panics while it holds this").1.timed_out(), "they are answered");
    }

    /// Waits until they have left: because the server is gone, because they are told to, or as they are done.
    fn close(&mut self) {
        self.memory.is_over.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is open");
        thread.join().expect("no buyer was answered badly");
    }
}

/// What one buyer does until the server is gone, or it is over.
async fn deal(shop: &Shop, mug: &Product, memory: &Memory, number: u32, seed: u64) {
    let chance = Chance(Cell::new(seed ^ u64::from(number)));
    for _ in 0..DEALS_MAX {
        let is_gone = one_deal(shop, mug, memory, number, &chance).await.is_none();
        if is_gone || memory.is_over.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// None when the server went away in the middle of it: then nobody can say what has happened.
async fn one_deal(shop: &Shop, mug: &Product, memory: &Memory, number: u32, chance: &Chance) -> Option<()> {
    let (guest, customer) = (Person::guest(shop, number), Person::customer(shop, number.into()));
    let admin = Person::admin(shop);
    let email = format!("buyer-{number}@example.test");
    let order = |token: Option<&str>, email: Option<&str>, ttl_seconds: u32| {
        let mut body = json!({ "lines": to_lines(&[("MUG", 1)]), "ttl_seconds": ttl_seconds });
        if let Some(token) = token {
            body["payment"] = json!({ "method": "simulated", "token": token });
        }
        if let Some(email) = email {
            body["email"] = json!(email);
        }
        body
    };
    let answer =
        async |ask: Ask, status: u16| -> Option<Answer> { Some(ask.try_send().await?.expect(status)) };
    let place =
        async |person: &Person, body: Value| Some(answer(person.post("/orders", &body), 201).await?.body);
    match chance.below(8) {
        0 => {
            let placed = place(&guest, order(Some("tok_ok"), Some(&email), 300)).await?;
            memory.note(&placed["id"], "confirmed");
        }
        1 => {
            let placed = place(&customer, order(None, None, 300)).await?;
            answer(customer.pay(&placed, "tok_ok"), 200).await?;
            memory.note(&placed["id"], "confirmed");
        }
        2 => {
            let placed = place(&customer, order(None, None, 300)).await?;
            answer(customer.tell(&format!("{}/cancel", at(&placed))), 200).await?;
            memory.note(&placed["id"], "canceled");
        }
        3 => {
            let ask = guest.post("/orders", &order(Some("tok_declined"), Some(&email), 300));
            memory.note(&answer(ask, 402).await?.body["order_id"], "canceled");
        }
        4 => {
            let placed = place(&guest, order(None, Some(&email), 1)).await?;
            memory.note(&placed["id"], "expired");
        }
        5 => {
            let path = format!("/products/{}/purchase", mug.id);
            let bought = answer(customer.post(&path, &json!({ "quantity": 1 })), 201).await?;
            memory.note(&bought.body["order_id"], "confirmed");
        }
        6 => {
            let placed = place(&guest, order(Some("tok_ok"), None, 300)).await?;
            memory.note(&placed["id"], "confirmed");
        }
        _ => {
            let placed = place(&customer, order(Some("tok_ok"), None, 300)).await?;
            answer(admin.tell(&format!("{}/cancel", at(&placed))), 200).await?;
            memory.note(&placed["id"], "canceled");
        }
    }
    Some(())
}

/// A shop, its mail server, and what is between them.
struct Scene {
    folder: Folder,
    redis: Option<RedisServer>,
    smtp: SmtpServer,
    /// None while it is down.
    server: Option<Server>,
    workers: Vec<Worker>,
    crowd: Crowd,
    chance: Chance,
    mug: Product,
    /// Mails at once, for each worker: with one, what was interrupted is the last of its connection.
    hands: usize,
}

impl Scene {
    fn start(redis: Option<RedisServer>, worker_count: usize) -> Self {
        let chance = Chance::draw();
        let hands = if chance.below(2) == 0 { 1 } else { 4 };
        let mut scene = Self {
            folder: Folder::new(),
            redis,
            smtp: SmtpServer::start(Way::Plain),
            server: None,
            workers: Vec::new(),
            crowd: Crowd::new(chance.below(u64::MAX)),
            chance,
            mug: Product { id: String::new(), sku: String::new() },
            hands,
        };
        scene.serve();
        let shop = scene.shop();
        scene.mug = block_on(async { shop.product("MUG", 1_000_000).await });
        for _ in 0..worker_count {
            scene.hire();
        }
        // From now on mails are sent as they come.
        block_on(one_mail(&shop));
        scene.smtp.wait_taken(1);
        scene
    }

    fn serve(&mut self) {
        let mut command = self.folder.serve();
        match &self.redis {
            Some(redis) => command.env("REDIS_URL", redis.url()),
            // It sends by itself.
            None => command.env("SMTP_URL", self.smtp.url("")).envs(self.settings().iter().cloned()),
        };
        self.server = Some(Server::start(command));
    }

    /// Starts one more worker.
    fn hire(&mut self) {
        let redis = self.redis.as_ref().expect("workers have a Redis");
        let settings = self.settings();
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.workers.push(Worker::posting(redis, &self.smtp, &settings));
    }

    fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("HOLDFAST_MAIL_CONCURRENCY", self.hands.to_string()),
            ("HOLDFAST_MAIL_CLAIM_AFTER_MS", CLAIM_AFTER_MS.to_owned()),
            ("HOLDFAST_MAIL_RETRY_FIRST_MS", "200".to_owned()),
        ]
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    fn shop(&self) -> Shop {
        Shop::of(self.server())
    }

    fn kill_server(&mut self) {
        self.server.take().expect("it runs").kill();
    }

    /// Kills any of the workers.
    fn kill_worker(&mut self) {
        let count = u64::try_from(self.workers.len()).expect("there are few");
        let unlucky = usize::try_from(self.chance.below(count)).expect("there are few");
        let worker = self.workers.remove(unlucky);
        worker.signal("KILL");
        worker.wait();
    }

    fn redis(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("there is one")
    }

    /// Strikes and mends under load, again and again.
    fn play(&mut self, strike: impl Fn(&mut Self), mend: impl Fn(&mut Self)) {
        for _ in 0..ROUNDS {
            let server = self.server.take().expect("it runs");
            self.crowd.open(&server, &self.mug);
            self.server = Some(server);
            self.crowd.wait();
            if self.chance.below(4) > 0 {
                // In the middle of sending.
                let more = usize::try_from(1 + self.chance.below(MAILS_MAX)).expect("it is small");
                self.smtp.wait_taken(self.smtp.taken().len() + more);
            }
            strike(self);
            if self.server.is_some() {
                self.crowd.wait();
            }
            mend(self);
            self.crowd.close();
        }
    }

    /// Waits until all is sent that is due, and checks that it is what came.
    fn audit(mut self, doubles: Doubles) {
        let due = block_on(self.wait_for_mails());
        expect_taken(&self.smtp.taken(), &due, doubles);
        for worker in self.workers.drain(..) {
            worker.terminate();
        }
        self.server.take().expect("it runs").terminate().expect_code(0);
        expect_taken(&self.smtp.taken(), &due, doubles);
        self.folder.run(&["journal", "verify"]).expect_code(0);
        let (due, taken) = (due.len(), self.smtp.taken().len());
        println!("{} orders, {due} mails, {} doubles", self.crowd.count(), taken - due);
    }

    async fn wait_for_mails(&self) -> BTreeMap<String, String> {
        let shop = self.shop();
        let fates = self.crowd.memory.fates.lock().expect("nothing panics while it holds this").clone();
        let all_ended = async || {
            let orders = orders(&shop).await;
            let statuses: BTreeMap<_, _> =
                orders.iter().map(|order| (order["id"].as_str(), order["status"].as_str())).collect();
            let is_so = |(id, fate): (&String, &&str)| statuses.get(&Some(id.as_str())) == Some(&Some(*fate));
            // Placed with a short life, and not answered any more.
            let will_expire = |order: &Value| {
                order["status"] == "pending_payment"
                    && ms(&order["expires_at"]) - ms(&order["created_at"]) < LONG_LIFE_MS
            };
            (fates.iter().all(is_so) && !orders.iter().any(will_expire)).then_some(orders)
        };
        let due = due(&until("orders end as was answered", all_ended).await);
        let all_sent = async || {
            let taken = self.smtp.taken();
            let names: Vec<_> = taken.iter().map(|mail| Letter::of(mail).name()).collect();
            due.keys().all(|name| names.contains(name)).then_some(())
        };
        until("all that is due is sent", all_sent).await;
        until_empty(&self.folder, self.redis.as_ref()).await;
        due
    }
}

async fn one_mail(shop: &Shop) {
    let body = json!({ "lines": to_lines(&[("MUG", 1)]) });
    let customer = Person::customer(shop, 0);
    let order = customer.post("/orders", &body).send().await.expect(201).body;
    customer.tell(&format!("{}/cancel", at(&order))).send().await.expect(200);
}

/// On this thread, with nothing of another call.
fn block_on<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("there are file handles").block_on(task)
}

#[test]
fn server_that_is_killed_loses_and_doubles_no_mail_in_redis() {
    let mut scene = Scene::start(Some(RedisServer::start()), 2);
    scene.play(Scene::kill_server, Scene::serve);
    scene.audit(Doubles::None);
}

#[test]
fn server_that_is_killed_loses_no_mail_on_disk_and_doubles_what_was_under_way() {
    let mut scene = Scene::start(None, 0);
    scene.play(Scene::kill_server, Scene::serve);
    let hands = scene.hands;
    scene.audit(Doubles::Interrupted { hands, count_max: hands * ROUNDS });
}

#[test]
fn worker_that_is_killed_doubles_what_was_under_way_and_nothing_else() {
    let mut scene = Scene::start(Some(RedisServer::start()), 2);
    scene.play(Scene::kill_worker, Scene::hire);
    let hands = scene.hands;
    scene.audit(Doubles::Interrupted { hands, count_max: hands * ROUNDS });
}

#[test]
fn redis_that_keeps_everything_may_be_killed() {
    let mut scene = Scene::start(Some(RedisServer::start_kept()), 2);
    scene.play(|scene| scene.redis().kill(), |scene| scene.redis().restart());
    scene.audit(Doubles::None);
}

#[test]
fn redis_that_forgets_everything_may_be_killed() {
    let mut scene = Scene::start(Some(RedisServer::start()), 2);
    scene.play(|scene| scene.redis().kill(), |scene| scene.redis().restart());
    scene.audit(Doubles::None);
}

#[test]
fn redis_that_keeps_everything_and_a_worker_may_be_killed_together() {
    let mut scene = Scene::start(Some(RedisServer::start_kept()), 2);
    let strike = |scene: &mut Scene| {
        scene.redis().kill();
        scene.kill_worker();
    };
    let mend = |scene: &mut Scene| {
        scene.redis().restart();
        scene.hire();
    };
    scene.play(strike, mend);
    let hands = scene.hands;
    scene.audit(Doubles::Interrupted { hands, count_max: hands * ROUNDS });
}

#[test]
fn mail_server_may_go_away_and_come_back() {
    let mut scene = Scene::start(Some(RedisServer::start()), 2);
    scene.play(|scene| scene.smtp.close(), |scene| scene.smtp.open());
    // What it took and could not answer: always the last of a connection.
    let count_max = 2 * scene.hands * ROUNDS;
    scene.audit(Doubles::Interrupted { hands: 1, count_max });
}
