//! The link to a Redis that nobody depends on: answered soon, or not asked at all.
//!
//! ```text
//! workers ── run ──▶ breaker ── closed ──▶ connection ──▶ Redis
//!                       │ open: Down, at once     ▲
//!                       └──▶ keeper: tries again, on a thread of its own
//! ```
//!
//! Owns one connection, its breaker and its keeper. A call never connects and never waits longer than
//! [`Times::answer_wait_max`]; Redis that hangs, is gone, answers errors or rubbish is the same to callers: [`Down`].
//! Knows no key and no caller; for what must not be lost (the queue of mails) it is the wrong thing.
//!
//! The connection's driver is a task, and a task lives as long as its runtime. The runtimes of the HTTP workers end
//! one by one, and stand still while a handler computes; the main thread's has other work. So the keeper's thread
//! has a runtime of its own, which drives the connection, connects, and looks after it while nobody calls.

mod breaker;
mod failure;
mod figures;
mod keeper;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, Cmd, ConnectionAddr, FromRedisValue, Pipeline, RedisResult};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use self::breaker::{BackOff, Breaker, Jitter, Weight};
use self::failure::Failure;
use self::figures::Figures;

pub(crate) use self::failure::chain;

/// A request that asks Redis several times waits several times; this leaves room for three within 100 ms.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(25);

/// Nobody waits for the keeper, so it may be patient: a Redis that is busy for a moment is not gone.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);
const CHECK_WAIT_MAX: Duration = Duration::from_millis(250);

/// How soon health and metrics know of an outage while nobody calls.
const CHECK_EVERY: Duration = Duration::from_secs(1);

const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A call.
    pub answer_wait_max: Duration,
    /// A new connection, with names, TLS and password.
    pub connect_wait_max: Duration,
    /// Each step by which the keeper finds out whether Redis works.
    pub check_wait_max: Duration,
    /// Between two of these while it does.
    pub check_every: Duration,
    /// Before the first try after a failure.
    pub back_off_first: Duration,
    /// Before later ones.
    pub back_off_max: Duration,
}

impl Times {
    /// Those of a cache: what is not there soon is loaded.
    pub const CACHE: Self = Self {
        answer_wait_max: ANSWER_WAIT_MAX,
        connect_wait_max: CONNECT_WAIT_MAX,
        check_wait_max: CHECK_WAIT_MAX,
        check_every: CHECK_EVERY,
        back_off_first: BACK_OFF_FIRST,
        back_off_max: BACK_OFF_MAX,
    };
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL is none.
    #[error("{0}")]
    Url(String),
    /// The machine has no thread left.
    #[error("start the thread of the link to Redis")]
    Thread(#[source] io::Error),
}

/// Redis did not do it; whoever asked does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// It was not even asked.
    #[error("Redis is down")]
    NotAsked,
    /// It was asked, and may have done it.
    #[error("Redis did not answer")]
    Failed,
}

/// A link to one Redis. Clones are the same link; it ends with the last of them.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
    /// Its closing tells the keeper that nobody has the link any more.
    _held: mpsc::Sender<Infallible>,
}

impl Link {
    /// A link to the Redis of this URL, called `name` in logs, health and metrics. Does not wait: it is down at first, and
    /// up as soon as Redis has shown that it works.
    ///
    /// # Errors
    ///
    /// [`Error::Url`] for a URL that is none; a Redis that is not there is no error.
    pub fn open(name: &'static str, url: &SecretString, times: Times) -> Result<Self, Error> {
        let client = client(url)?;
        let (held, released) = mpsc::channel(1);
        let shared = Arc::new(Shared::new(name, client, times));
        keeper::start(Arc::clone(&shared), released).map_err(Error::Thread)?;
        Ok(Self { shared, _held: held })
    }

    /// Does one command.
    ///
    /// # Errors
    ///
    /// [`Down`], at once or after [`Times::answer_wait_max`].
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Down> {
        let (mut connection, call) = self.shared.begin()?;
        let asked = command.query_async(&mut connection);
        let answered = timeout(self.shared.times.answer_wait_max, asked).await;
        self.shared.end(call, answered)
    }

    /// Does several commands on one way there and back.
    ///
    /// # Errors
    ///
    /// [`Down`], at once or after [`Times::answer_wait_max`]; some of them may be done then.
    pub async fn run_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Down> {
        let (mut connection, call) = self.shared.begin()?;
        let asked = commands.query_async(&mut connection);
        let answered = timeout(self.shared.times.answer_wait_max, asked).await;
        self.shared.end(call, answered)
    }

    /// True when a call would be made.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.state().breaker.is_closed()
    }

    /// How it is, for health: no address, no user, no text of the server's.
    #[must_use]
    pub fn describe(&self) -> Value {
        let state = self.shared.state();
        let status = if state.breaker.is_closed() { "up" } else { "down" };
        let mut told = json!({ "status": status, "for": self.shared.name, "since": state.since.to_string() });
        if let Some(why) = &state.why {
            told["error"] = json!(why);
        }
        told
    }
}

/// Tells what is wrong with the URL of a Redis, without saying any part of it.
///
/// # Errors
///
/// [`Error::Url`].
pub fn check_url(url: &SecretString) -> Result<(), Error> {
    client(url).map(drop)
}

fn client(url: &SecretString) -> Result<Client, Error> {
    let client = Client::open(url.expose_secret()).map_err(|error| {
        // "Invalid database number - InvalidClientConfig": the crate's own kind helps nobody.
        let said = error.to_string();
        let why = said.split(" - ").next().unwrap_or_default();
        Error::Url(format!(
            "is no address of a Redis such as redis://:password@host:6379/0, rediss://host or \
             unix:///run/redis.sock: {why}"
        ))
    })?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = client.get_connection_info().addr() {
        return Err(Error::Url("may not end in `#insecure`: certificates are always checked".to_owned()));
    }
    Ok(client)
}

/// What callers and keeper share.
struct Shared {
    name: &'static str,
    client: Client,
    times: Times,
    figures: Figures,
    state: Mutex<State>,
    /// Rings when the breaker opens.
    opened: Notify,
}

struct State {
    breaker: Breaker,
    /// There while the breaker is closed.
    connection: Option<MultiplexedConnection>,
    /// Which connection it is: what went wrong on an earlier one says nothing about this.
    generation: u64,
    since: Timestamp,
    why: Option<String>,
    /// Whether the log says that it is down: once, however often it is tried.
    is_down_told: bool,
}

/// A call in the making.
#[derive(Clone, Copy)]
struct Call {
    generation: u64,
    began_at: Instant,
}

impl Shared {
    fn new(name: &'static str, client: Client, times: Times) -> Self {
        let back_off = BackOff { first: times.back_off_first, max: times.back_off_max };
        let state = State {
            breaker: Breaker::new(back_off, Instant::now()),
            connection: None,
            generation: 0,
            since: Timestamp::now(),
            why: Some("not tried yet".to_owned()),
            is_down_told: false,
        };
        let figures = Figures::of(name);
        Self { name, client, times, figures, state: Mutex::new(state), opened: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this")
    }

    fn begin(&self) -> Result<(MultiplexedConnection, Call), Down> {
        let state = self.state();
        let Some(connection) = state.connection.clone() else {
            drop(state);
            self.figures.shut_out();
            return Err(Down::NotAsked);
        };
        let generation = state.generation;
        drop(state);
        Ok((connection, Call { generation, began_at: Instant::now() }))
    }

    fn end<T>(&self, call: Call, answered: Result<RedisResult<T>, Elapsed>) -> Result<T, Down> {
        let took = call.began_at.elapsed();
        let failure = match answered {
            Ok(Ok(value)) => {
                self.figures.called(took, None);
                let mut state = self.state();
                if state.generation == call.generation {
                    state.breaker.succeeded();
                }
                return Ok(value);
            }
            Ok(Err(error)) => Failure::of(error),
            Err(_) => Failure::Late(self.times.answer_wait_max),
        };
        self.figures.called(took, Some(failure.outcome()));
        self.failed(call.generation, failure.weight(), &failure);
        Err(Down::Failed)
    }

    /// Something went wrong on the connection of this generation. When that opens the breaker, the connection is given up:
    /// answers that are still on their way to it find nobody.
    fn failed(&self, generation: u64, weight: Weight, failure: &Failure) {
        let mut state = self.state();
        if state.generation != generation || !state.breaker.failed(weight, Instant::now(), jitter()) {
            return;
        }
        state.connection = None;
        state.since = Timestamp::now();
        state.why = Some(failure.told());
        state.is_down_told = true;
        self.figures.opened();
        drop(state);
        self.opened.notify_one();
        self.tell_down(failure);
    }

    /// Trying again did not work.
    fn probe_failed(&self, failure: &Failure) {
        let mut state = self.state();
        state.breaker.probe_failed(Instant::now(), jitter());
        state.why = Some(failure.told());
        let was_told = std::mem::replace(&mut state.is_down_told, true);
        drop(state);
        if !was_told {
            self.tell_down(failure);
        }
    }

    /// Redis works, by this connection. Tells its generation.
    fn close(&self, connection: MultiplexedConnection) -> u64 {
        let mut state = self.state();
        state.breaker.close(Instant::now());
        state.connection = Some(connection);
        state.generation += 1;
        let down_since = std::mem::replace(&mut state.since, Timestamp::now());
        state.why = None;
        let was_down = std::mem::take(&mut state.is_down_told);
        let generation = state.generation;
        self.figures.up();
        drop(state);
        if was_down {
            tracing::info!(link = self.name, "redis is back; it was down since {down_since}");
        } else {
            tracing::info!(link = self.name, "redis is up");
        }
        generation
    }

    fn tell_down(&self, failure: &Failure) {
        let address = self.client.get_connection_info().addr();
        tracing::warn!(link = self.name, %address, "redis is down, going on without it: {}", chain(failure));
    }
}

fn jitter() -> Jitter {
    // The last byte of an id counts on from a random start, thread by thread: enough to keep processes out of step.
    let [.., last] = crate::ids::make().into_bytes();
    Jitter(last)
}
