//! `holdfast worker`: sends the mails that wait in Redis. Any number may run, wherever they reach it.

mod beat;

use std::io::{self, Write as _};

use actix_web::rt::{System, spawn};
use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret as _;

use super::serve::{Signals, start_log};
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::ids;
use crate::mail::queue::redis::RedisQueue;
use crate::mail::worker::{self, Desk, Options};

use self::beat::Beat;

/// Names become consumers in Redis, file names and words of log lines.
const NAME_BYTES_MAX: usize = 128;

const NO_REDIS: &str = "`holdfast worker` takes mails from Redis: set `redis_url` (REDIS_URL, --redis-url). \
    Without Redis the queue is in the server's data folder, and the server sends by itself";

/// Sends mails until a signal ends it.
///
/// # Errors
///
/// [`Exit::Usage`] without Redis, and for a name that is none; else what is wrong with a template, a file or a setting.
pub fn run(settings: &Settings, name: Option<String>) -> Result<(), Failure> {
    start_log(settings.log_format);
    let usage = |error| Failure::new(Exit::Usage, error);
    let name = match name {
        Some(name) if is_name(&name) => name,
        Some(name) => {
            return Err(usage(anyhow!("--name {name:?} is not made of letters, digits, `.`, `_` and `-`")));
        }
        None => default_name(),
    };
    let url = settings.redis_url.as_ref().ok_or_else(|| usage(anyhow!(NO_REDIS)))?;
    let options = Options::of(settings);
    let desk = Desk::open(settings).map_err(usage)?;
    System::new().block_on(async {
        let queue = RedisQueue::new(url.expose_secret(), &consumer(&name), options.claim_after)
            .map_err(|it| usage(it.into()))?;
        work(queue, desk, options, &name).await
    })
}

/// Tells whether a worker of this machine is alive, the one called `name` if it has one.
///
/// # Errors
///
/// [`Exit::Failure`] when there is none.
pub fn check(name: Option<&str>) -> Result<(), Failure> {
    match beat::alive(name).context("look for workers in the folder for temporary files")? {
        Some(name) => {
            println!("worker {name} is alive");
            Ok(())
        }
        None => {
            let who = name.map_or_else(|| "no worker".to_owned(), |name| format!("no worker called {name}"));
            Err(anyhow!("{who} of this machine is alive").into())
        }
    }
}

async fn work(queue: RedisQueue, desk: Desk, options: Options, name: &str) -> Result<(), Failure> {
    let mut signals = Signals::listen().context("listen for signals")?;
    let beat = spawn(Beat::of(name).run());
    tracing::info!(worker = name, to = desk.post.describe(), "sending mails");
    announce(name).context("print that it is ready")?;
    let stop = async move {
        signals.next().await;
        tracing::info!("stopping: finishing what was begun; a second signal stops at once");
        spawn(async move {
            signals.next().await;
            eprintln!("holdfast: stopped at once by a second signal");
            std::process::exit(1);
        });
    };
    worker::run(queue, desk, options, stop).await;
    // It takes its sign of life with it.
    beat.abort();
    let _is_aborted = beat.await;
    Ok(())
}

/// The ready line: tests and scripts wait for it, so it is flushed at once.
fn announce(name: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "worker {name} ready")?;
    out.flush()
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Redis must not take two workers for one, and a name given by hand may come back.
fn consumer(name: &str) -> String {
    format!("{name}-{}", chance())
}

fn chance() -> String {
    // The end of the id is what is drawn; its beginning is the time.
    ids::make().simple().to_string().split_off(20)
}

/// Nobody else's, and of use to whoever looks for its process.
fn default_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String =
        host.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(48).collect();
    format!("{host}-{}-{}", std::process::id(), chance())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_names_are_names_and_differ() {
        let (first, second) = (default_name(), default_name());
        assert!(is_name(&first), "{first}");
        assert_ne!(first, second);
        assert!(first.contains(&format!("-{}-", std::process::id())));
    }

    #[test]
    fn names_are_words() {
        assert!(is_name("worker-1.example_a"));
        for wrong in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(129)] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }
}
