//! Mails over the ends of servers, and over outages of Redis that last: none is lost, none comes twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::gate::Gate;
use crate::mailbox::{Doubles, due, expect_taken, orders, stat, until_empty};
use crate::metrics;
use crate::person::{Person, to_lines, until};
use crate::redis_server::{RedisServer, wait_until};
use crate::server::{Folder, Server};
use crate::shop::Shop;
use crate::smtp::{Misdeed, SmtpServer, Stage, Way};
use crate::worker::Worker;

/// Nobody waits for Redis so long. The link gives up after 25 ms; the rest is for a machine that is busy with others.
const REDIS_WAIT_SECONDS_MAX: f64 = 1.0;

/// Sends again soon what failed, and takes over soon what a killed server had.
const SOON: [(&str, &str); 2] =
    [("HOLDFAST_MAIL_RETRY_FIRST_MS", "300"), ("HOLDFAST_MAIL_CLAIM_AFTER_MS", "5000")];

fn serve(folder: &Folder, variables: &[(&str, &str)]) -> Server {
    let mut command = folder.serve();
    command.envs(variables.iter().copied());
    Server::start(command)
}

async fn stock(server: &Server) {
    Shop::of(server).product("MUG", 1_000).await;
}

/// Orders that are paid, canceled and left to expire, until all that has happened.
async fn trade(server: &Server) {
    let shop = Shop::of(server);
    let (guest, customer) = (Person::guest(&shop, 1), Person::customer(&shop, 1));
    for _ in 0..4 {
        let body = json!({
            "lines": to_lines(&[("MUG", 1)]), "email": "guest@example.test",
            "payment": { "method": "simulated", "token": "tok_ok" },
        });
        guest.post("/orders", &body).send().await.expect(201);
        let order = customer.order(&[("MUG", 1)], 60).await;
        customer.tell(&format!("/orders/{}/cancel", text(&order["id"]))).send().await.expect(200);
    }
    let order = customer.order(&[("MUG", 1)], 1).await;
    customer.wait_for(&order, "expired").await;
}

/// Mails that [`trade`] brings about.
const TRADED: usize = 9;

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}

async fn all_due(server: &Server) -> BTreeMap<String, String> {
    due(&orders(&Shop::of(server)).await)
}

/// Waits for what is queued in these states together.
async fn until_queued(folder: &Folder, redis: Option<&RedisServer>, count: usize) {
    let are_queued = async || {
        let stat = stat(folder, redis);
        let of = |state: &str| stat[state].as_u64().expect("it is a number");
        (of("ready") + of("taken") + of("delayed") == u64::try_from(count).expect("it is small"))
            .then_some(())
    };
    until("mails are queued", are_queued).await;
}

/// A server is ended at each stage of its mails, in order and by force: before they are sent, and after.
async fn restart(redis: Option<&RedisServer>) {
    let folder = Folder::new();
    let mut smtp = SmtpServer::start(Way::Plain);
    smtp.close();
    let (smtp_url, redis_url) = (smtp.url(""), redis.map(RedisServer::url));
    let mut variables = vec![("SMTP_URL", smtp_url.as_str()), SOON[0], SOON[1]];
    variables.extend(redis_url.as_deref().map(|url| ("REDIS_URL", url)));
    let start = || serve(&folder, &variables);
    let end = |server: Server, is_killed: bool| match is_killed {
        true => server.kill(),
        false => drop(server.terminate().expect_code(0)),
    };
    let server = start();
    stock(&server).await;
    trade(&server).await;
    until_queued(&folder, redis, TRADED).await;
    end(server, true);
    let server = start();
    trade(&server).await;
    until_queued(&folder, redis, 2 * TRADED).await;
    end(server, false);
    smtp.open();
    let mut server = start();
    for round in 2..6 {
        // Those from before are put in again before these, if at all.
        trade(&server).await;
        smtp.wait_taken((round + 1) * TRADED);
        until_empty(&folder, redis).await;
        expect_taken(&smtp.taken(), &all_due(&server).await, Doubles::None);
        end(server, round % 2 == 0);
        server = start();
    }
    end(server, false);
    assert_eq!(smtp.taken().len(), 6 * TRADED);
    folder.run(&["journal", "verify"]).expect_code(0);
}

#[tokio::test]
async fn restarts_neither_lose_nor_double_mails_on_disk() {
    restart(None).await;
}

#[tokio::test]
async fn restarts_neither_lose_nor_double_mails_in_redis() {
    let redis = RedisServer::start();
    restart(Some(&redis)).await;
}

#[tokio::test]
async fn redis_that_is_down_for_the_whole_life_of_a_server_is_not_waited_for() {
    let folder = Folder::new();
    let smtp = SmtpServer::start(Way::Plain);
    let mut redis = RedisServer::start();
    let redis_url = redis.url();
    redis.kill();
    let server = serve(&folder, &[("REDIS_URL", &redis_url)]);
    stock(&server).await;
    trade(&server).await;
    let shop = Shop::of(&server);
    for _ in 0..10 {
        shop.client.get("/products?limit=50").send().await.expect(200);
    }
    let told = metrics::read(&shop.client).await;
    let waited = metrics::value(&told, r#"holdfast_redis_wait_max_seconds{link="listing_cache"} "#);
    assert!(waited < REDIS_WAIT_SECONDS_MAX, "somebody waited {waited} s for Redis");
    server.wait_for_stderr("tried again until it works, no mail is lost");
    let ended = server.terminate().expect_code(0);
    assert_eq!(ended.stderr.matches("no mail is lost").count(), 1, "{}", ended.stderr);

    let server = serve(&folder, &[("REDIS_URL", &redis_url)]);
    trade(&server).await;
    let worker = Worker::posting(&redis, &smtp, &[]);
    redis.restart();
    smtp.wait_taken(2 * TRADED);
    until_empty(&folder, Some(&redis)).await;
    expect_taken(&smtp.taken(), &all_due(&server).await, Doubles::None);
    worker.terminate();
    server.terminate().expect_code(0);
    assert_eq!(smtp.taken().len(), 2 * TRADED);
}

/// A server, and a worker whose way to Redis is closed while the mail server takes the only mail: nobody but the worker
/// knows that it is sent.
struct CutOff {
    folder: Folder,
    smtp: SmtpServer,
    redis: RedisServer,
    gate: Gate,
    server: Server,
    worker: Worker,
}

/// So many attempts in vain take longer than [`SOON`] has a mail in the hands of a worker, and where waits grow, they
/// have grown by then.
const REFUSED: usize = 20;

impl CutOff {
    async fn start(redis: RedisServer) -> Self {
        let (folder, smtp) = (Folder::new(), SmtpServer::start(Way::Plain));
        let gate = Gate::to(redis.port());
        let server = serve(&folder, &[("REDIS_URL", &redis.url())]);
        stock(&server).await;
        smtp.tell(Stage::Text, Misdeed::Pause, 1);
        let way = format!("redis://127.0.0.1:{}/0", gate.port());
        let worker = Worker::posting(&redis, &smtp, &[("REDIS_URL", &way), SOON[1]]);
        let body = json!({
            "lines": to_lines(&[("MUG", 1)]), "email": "guest@example.test",
            "payment": { "method": "simulated", "token": "tok_ok" },
        });
        Person::guest(&Shop::of(&server), 1).post("/orders", &body).send().await.expect(201);
        smtp.wait_hanging(1);
        gate.close();
        smtp.relent();
        smtp.wait_taken(1);
        Self { folder, smtp, redis, gate, server, worker }
    }

    fn wait_until_it_tried_often(&self) {
        let goal = self.gate.refused() + REFUSED;
        wait_until("it has tried often", || self.gate.refused() >= goal);
    }

    /// Lets it through again when somebody else is there to send the mail, which nobody may do.
    async fn end(self) {
        let other = Worker::posting(&self.redis, &self.smtp, &[SOON[1]]);
        self.gate.open();
        self.worker.wait_for_stderr("the mail queue works again");
        until_empty(&self.folder, Some(&self.redis)).await;
        expect_taken(&self.smtp.taken(), &all_due(&self.server).await, Doubles::None);
        self.worker.terminate();
        other.terminate();
        self.server.terminate().expect_code(0);
    }
}

#[tokio::test]
async fn worker_that_was_cut_off_for_long_says_what_it_sent_in_time() {
    let mut scene = CutOff::start(RedisServer::start()).await;
    scene.wait_until_it_tried_often();
    // Now the mail is nowhere but in the journal, and is put in again.
    scene.redis.kill();
    scene.redis.restart();
    scene.end().await;
}

#[tokio::test]
async fn nobody_takes_over_what_was_sent_while_redis_was_down() {
    let mut scene = CutOff::start(RedisServer::start_kept()).await;
    scene.redis.kill();
    scene.wait_until_it_tried_often();
    // Now the mail is there, and nobody has said anything of it for longer than it may be held.
    scene.redis.restart();
    scene.end().await;
}

#[tokio::test]
async fn shop_may_move_to_redis_and_back() {
    let (folder, redis) = (Folder::new(), RedisServer::start());
    let mut smtp = SmtpServer::start(Way::Plain);
    smtp.close();
    let (smtp_url, redis_url) = (smtp.url(""), redis.url());
    let on_disk = [("SMTP_URL", smtp_url.as_str()), SOON[0]];
    let in_redis = [("SMTP_URL", smtp_url.as_str()), SOON[0], ("REDIS_URL", redis_url.as_str())];
    let server = serve(&folder, &on_disk);
    stock(&server).await;
    trade(&server).await;
    until_queued(&folder, None, TRADED).await;
    server.terminate().expect_code(0);
    smtp.open();
    let server = serve(&folder, &in_redis);
    smtp.wait_taken(TRADED);
    until_empty(&folder, Some(&redis)).await;
    server.terminate().expect_code(0);
    // What was left on disk was sent since.
    let server = serve(&folder, &on_disk);
    trade(&server).await;
    smtp.wait_taken(2 * TRADED);
    until_empty(&folder, None).await;
    expect_taken(&smtp.taken(), &all_due(&server).await, Doubles::None);
    server.terminate().expect_code(0);
}
