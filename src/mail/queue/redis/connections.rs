//! Connections to Redis, each used by one asker at a time and made when none is idle.
//!
//! So a read that waits holds up nobody, and whoever stops waiting, for an answer or for good, leaves no half-read answer to
//! the next: the connection is closed. One that Redis closed meanwhile is replaced, and the question asked once more; all
//! of ours may be.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult,
    ScriptInvocation, cmd,
};
use tokio::time::timeout;

use crate::mail::queue::QueueError;

/// The longest that anybody waits for an answer, the connecting included.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(2);

/// Connections that are kept for the next asker.
const IDLE_MAX: usize = 8;

/// Connections to one Redis.
#[derive(Debug)]
pub(super) struct Connections {
    client: Client,
    idle: Mutex<Vec<MultiplexedConnection>>,
    sound_since: Mutex<Instant>,
}

impl Connections {
    pub(super) fn new(url: &str) -> Result<Self, QueueError> {
        Ok(Self {
            client: Client::open(url)?,
            idle: Mutex::default(),
            sound_since: Mutex::new(Instant::now()),
        })
    }

    /// For how long nothing has failed; since they were made, if nothing ever has.
    pub(super) fn sound_for(&self) -> Duration {
        self.sound_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn note_failure(&self) {
        *self.sound_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Runs a script.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        self.with(ANSWER_WAIT_MAX, async |connection| call.invoke_async(connection).await).await
    }

    /// Runs a command.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.with(ANSWER_WAIT_MAX, async |connection| command.query_async(connection).await).await
    }

    /// Runs several commands.
    pub(super) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, QueueError> {
        self.with(ANSWER_WAIT_MAX, async |connection| commands.query_async(connection).await).await
    }

    /// Reads entries of a stream after `last`, waiting up to `block` for the first.
    pub(super) async fn read<T: FromRedisValue>(
        &self,
        stream: &str,
        last: &str,
        count: usize,
        block: Duration,
    ) -> Result<T, QueueError> {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(count);
        let block_ms = u64::try_from(block.as_millis()).unwrap_or(u64::MAX);
        // To Redis 0 is for ever.
        if block_ms > 0 {
            command.arg("BLOCK").arg(block_ms);
        }
        command.arg("STREAMS").arg(stream).arg(last);
        let wait_max = block.saturating_add(ANSWER_WAIT_MAX);
        self.with(wait_max, async |connection| command.query_async(connection).await).await
    }

    async fn with<T>(
        &self,
        wait_max: Duration,
        ask: impl AsyncFn(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, QueueError> {
        let asked = timeout(wait_max, async {
            let idle = self.idle().pop();
            if let Some(idle) = idle {
                match self.once(idle, &ask).await {
                    // The others are as old, and closed as well.
                    Err(error) if error.is_unrecoverable_error() => {
                        self.note_failure();
                        self.idle().clear();
                    }
                    answered => return answered,
                }
            }
            let connection = self.connect().await?;
            self.once(connection, &ask).await
        });
        let answered = asked.await.unwrap_or_else(|_| {
            let sentence = format!("no answer within {wait_max:?}");
            Err(RedisError::from(io::Error::new(io::ErrorKind::TimedOut, sentence)))
        });
        answered.map_err(|error| {
            self.note_failure();
            error.into()
        })
    }

    async fn once<T>(
        &self,
        mut connection: MultiplexedConnection,
        ask: &impl AsyncFn(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let answered = ask(&mut connection).await;
        let is_sound = match &answered {
            Ok(_) => true,
            Err(error) => matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension),
        };
        let mut idle = self.idle();
        if is_sound && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        answered
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // How long an answer may take is said with each question.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_WAIT_MAX))
            .set_response_timeout(None);
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<MultiplexedConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
