//! The keeper of a link: connects, finds out whether Redis works, and looks after it while it does.
//!
//! Runs on a thread of its own, which drives the connection as well, and ends with the last link.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, FromRedisValue, Pipeline};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::Shared;
use super::breaker::Weight;
use super::failure::Failure;

/// What is written to find out whether Redis takes it need not stay.
const CHECK_KEY_LIFE: Duration = Duration::from_secs(10);

/// Begins to keep the link, until `released` is closed.
pub(super) fn start(shared: Arc<Shared>, mut released: mpsc::Receiver<Infallible>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let keep = move || {
        runtime.block_on(async {
            tokio::select! {
                never = keep(&shared) => match never {},
                _none = released.recv() => {}
            }
        });
        // A name that is being looked up must not hold up the end.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("redis-link".to_owned()).spawn(keep)?;
    Ok(())
}

async fn keep(shared: &Shared) -> Infallible {
    loop {
        let connection = connect(shared).await;
        let generation = shared.close(connection.clone());
        watch(shared, connection, generation).await;
    }
}

/// Tries until Redis works.
async fn connect(shared: &Shared) -> MultiplexedConnection {
    loop {
        let probe_at = shared.state().breaker.probe_at();
        sleep_until(probe_at.expect("nobody but the keeper closes the breaker").into()).await;
        match try_to_connect(shared).await {
            Ok(connection) => return connection,
            Err(failure) => shared.probe_failed(&failure),
        }
    }
}

async fn try_to_connect(shared: &Shared) -> Result<MultiplexedConnection, Failure> {
    // Time is taken here and in `run`, so that the crate's own 500 ms are nobody's.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connecting = shared.client.get_multiplexed_async_connection_with_config(&config);
    let wait_max = shared.times.connect_wait_max;
    let connected = timeout(wait_max, connecting).await.map_err(|_| Failure::Unreachable(wait_max))?;
    let mut connection = connected.map_err(Failure::Connect)?;
    check(shared, &mut connection).await?;
    Ok(connection)
}

/// Looks after Redis until the breaker opens, by whomever.
async fn watch(shared: &Shared, mut connection: MultiplexedConnection, generation: u64) {
    let every = shared.times.check_every;
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.state().breaker.is_closed() {
        tokio::select! {
            () = shared.opened.notified() => {}
            _ = ticks.tick() => {
                if let Err(failure) = check(shared, &mut connection).await {
                    // Ten times as long as a caller waits: that is no passing pause.
                    shared.failed(generation, Weight::Broken, &failure);
                }
            }
        }
    }
}

/// Whether Redis does what callers want of it: answers, takes a value, and gives that one back.
///
/// `PING` alone would close the breaker of a Redis that is full, read-only, or forbids us to write, only for the next
/// call to open it again.
async fn check(shared: &Shared, connection: &mut MultiplexedConnection) -> Result<(), Failure> {
    let key = format!("holdfast:{}:check", shared.name);
    let written = crate::ids::make().simple().to_string();
    let life_ms = u64::try_from(CHECK_KEY_LIFE.as_millis()).unwrap_or(u64::MAX);
    let mut commands = Pipeline::new();
    commands.cmd("PING").ignore();
    commands.cmd("SET").arg(&key).arg(&written).arg("PX").arg(life_ms).ignore();
    commands.cmd("GET").arg(&key);
    let (read,): (Option<String>,) = answer(shared, &commands, connection).await?;
    if read.is_some_and(|read| read == written) { Ok(()) } else { Err(Failure::Forgetful) }
}

async fn answer<T: FromRedisValue>(
    shared: &Shared,
    commands: &Pipeline,
    connection: &mut MultiplexedConnection,
) -> Result<T, Failure> {
    let wait_max = shared.times.check_wait_max;
    let answered = timeout(wait_max, commands.query_async(connection)).await;
    answered.map_err(|_| Failure::Late(wait_max))?.map_err(Failure::of)
}
