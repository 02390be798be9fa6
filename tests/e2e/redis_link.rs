//! The link to Redis, with real ones: up, down, hung, killed, full, forbidding, lying. It is never waited for.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use holdfast::metering;
use holdfast::redis::{Down, Link, Times};
use redis::Cmd;
use secrecy::SecretString;

use crate::redis_server::{RedisServer, wait_until};

/// Nothing looks after Redis but the calls of the test.
const UNWATCHED: Times = Times { check_every: Duration::from_secs(3_600), ..Times::CACHE };

/// Patient enough for a machine that is busy with other things.
const PATIENT: Times = Times {
    answer_wait_max: Duration::from_secs(30),
    connect_wait_max: Duration::from_secs(30),
    check_wait_max: Duration::from_secs(30),
    ..Times::CACHE
};

fn open(name: &'static str, url: &str, times: Times) -> Link {
    log();
    metering::start();
    Link::open(name, &SecretString::from(url), times).expect("the address is one")
}

fn expect_up(link: &Link) {
    wait_until("it is up", || link.is_up());
    let told = link.describe();
    assert_eq!((&told["status"], &told["error"]), (&"up".into(), &serde_json::Value::Null), "{told}");
}

/// Waits until health says that it is down because of this.
#[track_caller]
fn expect_down(link: &Link, why: &str) {
    let is_told = || {
        let told = link.describe();
        told["status"] == "down" && told["error"].as_str().is_some_and(|error| error.contains(why))
    };
    wait_until(&format!("down: {why}, not {}", link.describe()), is_told);
}

async fn echo(link: &Link, word: &str) -> Result<String, Down> {
    link.run(redis::cmd("ECHO").arg(word)).await
}

/// Calls until it is not asked any more.
async fn call_until_down(link: &Link, command: &Cmd) {
    for _ in 0..1_000 {
        if link.run::<redis::Value>(command).await == Err(Down::NotAsked) {
            return;
        }
    }
    panic!("a thousand calls did not open the breaker");
}

/// What all links of this process logged, and where it goes on being written.
fn log() -> &'static Arc<Mutex<Vec<u8>>> {
    static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Arc::<Mutex<Vec<u8>>>::default();
        let lines = Arc::clone(&log);
        let writer = move || Lines(Arc::clone(&lines));
        tracing_subscriber::fmt().with_ansi(false).with_writer(writer).init();
        log
    })
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nothing panics while it holds this").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines of one link that say this.
fn logged(name: &str, what: &str) -> Vec<String> {
    let log = log().lock().expect("nothing panics while it holds this").clone();
    let log = String::from_utf8(log).expect("log lines are UTF-8");
    let link = format!("link=\"{name}\"");
    log.lines().filter(|line| line.contains(&link) && line.contains(what)).map(str::to_owned).collect()
}

/// Waits until the link logged this, and expects it once: lines follow what they tell of.
#[track_caller]
fn expect_logged_once(name: &str, what: &str) -> String {
    wait_until(what, || !logged(name, what).is_empty());
    let [line] = &logged(name, what)[..] else { panic!("{:?}", logged(name, "")) };
    line.clone()
}

/// The value of one series; zero before the first time.
fn metric(series: &str) -> f64 {
    let rendered = metering::render(&metering::Snapshot::default());
    let of = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
    rendered.lines().find_map(of).unwrap_or_default()
}

#[tokio::test]
async fn redis_that_is_up_answers_and_is_counted() {
    let redis = RedisServer::start();
    let link = open("up", &redis.url(), PATIENT);
    expect_up(&link);
    assert_eq!(link.describe()["for"], "up");
    assert_eq!(echo(&link, "hello").await.as_deref(), Ok("hello"));
    let mut commands = redis::pipe();
    commands.cmd("SET").arg("key").arg("value").ignore().cmd("GET").arg("key");
    assert_eq!(link.run_all(&commands).await, Ok(("value".to_owned(),)));
    assert_eq!(redis.ask::<String>(&["GET", "key"]), "value");
    assert_eq!(metric("holdfast_redis_up{link=\"up\"}"), 1.0);
    assert_eq!(metric("holdfast_redis_calls_total{link=\"up\",outcome=\"answered\"}"), 2.0);
    assert_eq!(metric("holdfast_redis_call_seconds_count{link=\"up\"}"), 2.0);
    assert!(metric("holdfast_redis_wait_max_seconds{link=\"up\"}") > 0.0);
    expect_logged_once("up", "redis is up");
    assert_eq!(logged("up", "redis is down"), [""; 0]);
}

#[tokio::test]
async fn redis_that_is_down_at_the_start_is_found_later() {
    let mut redis = RedisServer::start();
    redis.kill();
    let link = open("later", &redis.url(), PATIENT);
    expect_down(&link, "connect: nobody listens");
    assert_eq!(echo(&link, "hello").now_or_never(), Some(Err(Down::NotAsked)), "nobody waits");
    redis.restart();
    expect_up(&link);
    assert_eq!(echo(&link, "hello").await.as_deref(), Ok("hello"));
    expect_logged_once("later", "redis is back");
    let down = expect_logged_once("later", "redis is down");
    assert!(down.contains("Connection refused"), "{down}");
    assert!(down.contains(&format!("127.0.0.1:{}", redis.port())), "{down}");
}

#[tokio::test]
async fn killed_redis_is_noticed_by_a_call_and_what_it_kept_is_there_again() {
    for (name, mut redis, kept) in [
        ("killed, in memory", RedisServer::start(), None),
        ("killed, on disk", RedisServer::start_kept(), Some("value".to_owned())),
    ] {
        let link = open(name, &redis.url(), Times { check_every: UNWATCHED.check_every, ..PATIENT });
        expect_up(&link);
        assert_eq!(link.run::<()>(redis::cmd("SET").arg("key").arg("value")).await, Ok(()));
        redis.kill();
        call_until_down(&link, redis::cmd("GET").arg("key")).await;
        assert_eq!(metric(&format!("holdfast_redis_up{{link=\"{name}\"}}")), 0.0);
        assert_eq!(metric(&format!("holdfast_redis_breaker_openings_total{{link=\"{name}\"}}")), 1.0);
        redis.restart();
        expect_up(&link);
        assert_eq!(link.run(redis::cmd("GET").arg("key")).await, Ok(kept));
        expect_logged_once(name, "redis is back");
        expect_logged_once(name, "redis is down");
    }
}

#[tokio::test]
async fn outage_is_noticed_while_nobody_calls() {
    let mut redis = RedisServer::start();
    let times = Times { check_wait_max: Duration::from_secs(2), ..Times::CACHE };
    let link = open("idle", &redis.url(), times);
    expect_up(&link);
    redis.kill();
    expect_down(&link, "connect: nobody listens");
    redis.restart();
    expect_up(&link);
    redis.hang();
    expect_down(&link, "no connection within 1s");
    redis.wake();
    expect_up(&link);
    assert!(metric("holdfast_redis_breaker_openings_total{link=\"idle\"}") >= 2.0);
    assert_eq!(metric("holdfast_redis_call_seconds_count{link=\"idle\"}"), 0.0, "nobody called");
}

#[tokio::test]
async fn hung_redis_costs_a_few_calls_their_patience_and_later_ones_nothing() {
    let redis = RedisServer::start();
    let link = open("hung", &redis.url(), UNWATCHED);
    expect_up(&link);
    redis.hang();
    call_until_down(&link, redis::cmd("ECHO").arg("late")).await;
    for _ in 0..100 {
        assert_eq!(echo(&link, "hello").now_or_never(), Some(Err(Down::NotAsked)));
    }
    let late = metric("holdfast_redis_calls_total{link=\"hung\",outcome=\"late\"}");
    assert_eq!(late, 3.0, "so many open it");
    assert!(metric("holdfast_redis_calls_total{link=\"hung\",outcome=\"not_asked\"}") >= 100.0);
    // It takes connections while it hangs, as the kernel does that: that is not up.
    expect_down(&link, "no connection within 1s");
    redis.wake();
    expect_up(&link);
    assert_eq!(
        (logged("hung", "no answer within 25ms").len(), logged("hung", "redis is back").len()),
        (1, 1)
    );
}

/// The connection is the same: below the number of failures that would end it.
#[tokio::test]
async fn late_answer_is_not_taken_for_that_of_the_next_call() {
    let redis = RedisServer::start();
    let times = Times { answer_wait_max: Duration::from_secs(3), ..UNWATCHED };
    let link = open("late", &redis.url(), times);
    expect_up(&link);
    let connections = || -> usize {
        let told: String = redis.ask(&["INFO", "stats"]);
        let line = told.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.expect("it counts them").parse().expect("it is a number")
    };
    let before = connections();
    redis.hang();
    let mut second = redis::pipe();
    second.cmd("ECHO").arg("second").cmd("PING");
    let late = futures_util::join!(echo(&link, "first"), link.run_all::<(String, String)>(&second));
    assert_eq!(late, (Err(Down::Failed), Err(Down::Failed)));
    redis.wake();
    assert_eq!(echo(&link, "third").await.as_deref(), Ok("third"));
    assert_eq!(connections(), before + 1, "but for the one that asks");
    assert!(link.is_up());
}

#[tokio::test]
async fn no_call_ever_gets_the_answer_of_another() {
    const CALLERS: usize = 16;
    const PAUSES: usize = 10;
    let redis = RedisServer::start();
    let times = Times { back_off_max: Times::CACHE.back_off_first, ..Times::CACHE };
    let link = open("crowd", &redis.url(), times);
    expect_up(&link);
    let is_over = Arc::new(AtomicBool::new(false));
    let (answered, failed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (link, is_over) = (link.clone(), Arc::clone(&is_over));
            let (answered, failed) = (Arc::clone(&answered), Arc::clone(&failed));
            tokio::spawn(async move {
                for call in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let word = format!("{caller}-{call}");
                    match echo(&link, &word).await {
                        Ok(said) => {
                            assert_eq!(said, word);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(Down::Failed) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        // Others would otherwise never have their turn.
                        Err(Down::NotAsked) => tokio::task::yield_now().await,
                    }
                }
            })
        })
        .collect();
    let pauses = tokio::task::spawn_blocking({
        move || {
            for _ in 0..PAUSES {
                let before = answered.load(Ordering::Relaxed);
                wait_until("calls are answered", || answered.load(Ordering::Relaxed) > before + 100);
                redis.hang();
                let before = failed.load(Ordering::Relaxed);
                wait_until("calls are given up", || failed.load(Ordering::Relaxed) > before);
                redis.wake();
            }
        }
    });
    pauses.await.expect("every pause ends");
    is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("everybody got their own answers");
    }
}

#[tokio::test]
async fn full_redis_is_down_until_it_has_room() {
    let redis = RedisServer::start();
    let link = open("full", &redis.url(), Times { check_every: UNWATCHED.check_every, ..PATIENT });
    expect_up(&link);
    redis.config_set("maxmemory", "1");
    call_until_down(&link, redis::cmd("SET").arg("key").arg("value")).await;
    expect_down(&link, "it answers with an error: OOM");
    redis.config_set("maxmemory", "0");
    expect_up(&link);
    expect_logged_once("full", "redis is back");
    expect_logged_once("full", "redis is down");
    assert!(metric("holdfast_redis_calls_total{link=\"full\",outcome=\"refused\"}") >= 1.0);
}

#[tokio::test]
async fn replica_that_takes_no_writes_is_down() {
    let redis = RedisServer::start();
    let link = open("replica", &redis.url(), PATIENT);
    expect_up(&link);
    let () = redis.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    // Noticed by the keeper, though reads would work.
    expect_down(&link, "READONLY");
    let () = redis.ask(&["REPLICAOF", "NO", "ONE"]);
    expect_up(&link);
}

#[tokio::test]
async fn what_is_forbidden_is_down_and_the_password_is_nowhere() {
    let redis = RedisServer::start();
    let () = redis.ask(&["ACL", "SETUSER", "shop", "on", ">geheim-1", "~holdfast:*", "+@all", "-set"]);
    let link = open("forbidden", &redis.url_as("shop", "geheim-1"), PATIENT);
    expect_down(&link, "it answers with an error: NOPERM");
    let () = redis.ask(&["ACL", "SETUSER", "shop", "+set"]);
    expect_up(&link);
    let () = redis.ask(&["ACL", "SETUSER", "shop", "-get"]);
    call_until_down(&link, redis::cmd("GET").arg("holdfast:key")).await;
    expect_down(&link, "NOPERM");

    let stranger = open("stranger", &redis.url_as("shop", "geheim-2"), PATIENT);
    expect_down(&stranger, "connect: it wants another password");
    expect_logged_once("stranger", "redis is down");
    let told =
        [stranger.describe().to_string(), logged("stranger", "").concat(), logged("forbidden", "").concat()];
    assert!(told[1].contains("WRONGPASS") || told[1].contains("authentication"), "{told:?}");
    assert!(!told.concat().contains("geheim"), "{told:?}");
    assert!(!told[0].contains("shop") && !told[0].contains("127.0.0.1"), "health is for everybody: {told:?}");
}

#[tokio::test]
async fn certificate_of_nobody_we_trust_is_refused() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("it can be made");
    let redis = RedisServer::start_tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    assert!(redis.folder().join("server.crt").is_file());
    let link = open("tls", &redis.url(), PATIENT);
    expect_down(&link, "connect");
    expect_logged_once("tls", "invalid peer certificate");
}

/// Answers `answer` to everything that anybody sends, for the rest of the process's life.
fn liar(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("somebody connected");
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut bytes) {
                    // As many answers as there are commands: each begins with the number of its words.
                    let commands = bytes[..count].split(|byte| *byte == b'*').count() - 1;
                    if stream.write_all(answer.repeat(commands).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

#[tokio::test]
async fn who_is_no_redis_or_forgets_what_it_was_told_is_down() {
    let web = open("web", &liar("HTTP/1.1 400 Bad Request\r\n\r\n"), PATIENT);
    expect_down(&web, "connect");
    let yes = open("yes", &liar("+OK\r\n"), PATIENT);
    expect_down(&yes, "what was just written is not what is read");
    let loading = open("loading", &liar("-LOADING Redis is loading the dataset in memory\r\n"), PATIENT);
    expect_down(&loading, "LOADING");
    for link in [web, yes, loading] {
        assert_eq!(echo(&link, "hello").now_or_never(), Some(Err(Down::NotAsked)));
    }
}

/// What a mistake with one key does to it, nobody else notices.
#[tokio::test]
async fn error_about_one_key_is_no_outage() {
    let redis = RedisServer::start();
    let link = open("one key", &redis.url(), PATIENT);
    expect_up(&link);
    let _length: usize = redis.ask(&["LPUSH", "list", "1"]);
    for _ in 0..10 {
        assert_eq!(link.run::<String>(redis::cmd("GET").arg("list")).await, Err(Down::Failed));
    }
    assert!(link.is_up());
}

#[tokio::test]
async fn link_ends_with_its_last_holder() {
    let redis = RedisServer::start();
    let link = open("ended", &redis.url(), PATIENT);
    expect_up(&link);
    let clients = || redis.ask::<String>(&["CLIENT", "LIST"]).lines().count();
    assert_eq!(clients(), 2, "the link and who asks");
    drop(link.clone());
    assert_eq!(echo(&link, "hello").await.as_deref(), Ok("hello"), "somebody still has it");
    drop(link);
    wait_until("its connection is closed", || clients() == 1);
}
