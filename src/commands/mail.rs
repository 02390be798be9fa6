//! `holdfast mail`: looks into the queue of mails and gives dead ones another chance. In Redis, on a stopped data folder, or
//! through the control socket of the server that holds it.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::rt::System;
use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin;
use super::journal::moment;
use super::serve::engine;
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::mail::queue::disk::DiskQueue;
use crate::mail::queue::redis::RedisQueue;
use crate::mail::queue::{MailQueue, QueueError};

/// The queue on disk of the server that runs, for its control socket. Filled when the queue is open; never where mails are
/// in Redis.
pub type Slot = OnceLock<DiskQueue>;

/// Dead mails that one answer tells of.
pub const DEAD_COUNT_MAX: usize = 1_000;

/// Dead mails that are looked through at once for those to be given up; whoever names one has seen it among the oldest.
const GIVEN_UP_COUNT_MAX: usize = 10_000;

/// What a queue is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How many mails are where.
    Stat,
    /// The oldest dead mails.
    Dead {
        /// How many.
        count: usize,
    },
    /// Another chance for dead mails.
    Retry {
        /// Which; all when it is none.
        ids: Option<Vec<String>>,
    },
    /// No other chance for dead mails.
    Drop {
        /// Which; all when it is none.
        ids: Option<Vec<String>>,
    },
}

/// Tells how many mails are where.
///
/// # Errors
///
/// [`Exit::NotFound`] where there is no queue, [`Exit::Locked`] when a process without a control socket holds it.
pub fn stat(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let stat = ask(settings, &Ask::Stat)?;
    if as_json {
        println!("{stat:#}");
        return Ok(());
    }
    for (name, value) in stat.as_object().into_iter().flatten() {
        match value.as_u64() {
            Some(ms) if name == "oldest_ready_ms" => println!("{:20} {}", "oldest_ready", moment(ms)),
            Some(count) => println!("{name:20} {count}"),
            None => println!("{:20} none", "oldest_ready"),
        }
    }
    Ok(())
}

/// Lists dead mails, the oldest first.
///
/// # Errors
///
/// Those of [`stat`].
pub fn dead(settings: &Settings, count: usize, as_json: bool) -> Result<(), Failure> {
    let dead = ask(settings, &Ask::Dead { count: count.min(DEAD_COUNT_MAX) })?;
    if as_json {
        println!("{dead:#}");
        return Ok(());
    }
    for dead in dead.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let since = dead["since_ms"].as_u64().map_or_else(String::new, moment);
        let (id, to, why) = (text(&dead["id"]), text(&dead["mail"]["to"]), text(&dead["why"]));
        println!("{id}  {to}  {since}  {} attempts  {why}", dead["attempts"]);
    }
    Ok(())
}

/// Makes dead mails ready again: those of these names, or all.
///
/// # Errors
///
/// [`Exit::NotFound`] when one of them is not dead, the others are retried all the same; those of [`stat`].
pub fn retry(settings: &Settings, ids: Option<Vec<String>>) -> Result<(), Failure> {
    let wanted = count_of(ids.as_deref());
    let retried = ask(settings, &Ask::Retry { ids })?;
    tell(&retried["retried"], wanted, "ready again")
}

/// Gives dead mails up for good: those of these names, or all. For the journal they are as good as sent.
///
/// # Errors
///
/// As [`retry`].
pub fn drop_dead(settings: &Settings, ids: Option<Vec<String>>) -> Result<(), Failure> {
    let wanted = count_of(ids.as_deref());
    let dropped = ask(settings, &Ask::Drop { ids })?;
    tell(&dropped["dropped"], wanted, "given up")
}

fn count_of(ids: Option<&[String]>) -> Option<usize> {
    ids.map(|ids| ids.iter().collect::<BTreeSet<_>>().len())
}

fn tell(count: &Value, wanted: Option<usize>, became: &str) -> Result<(), Failure> {
    let count = count.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
    match wanted {
        Some(wanted) if count < wanted => {
            let error = anyhow!("{count} of {wanted} mails are {became}; the others are not dead");
            Err(Failure::new(Exit::NotFound, error))
        }
        _ => {
            println!("mails that are {became}: {count}");
            Ok(())
        }
    }
}

/// Has a queue answer.
///
/// # Errors
///
/// [`QueueError`].
pub async fn answer<Q: MailQueue>(queue: &Q, ask: Ask) -> Result<Value, QueueError> {
    Ok(match ask {
        Ask::Stat => json!(queue.stat().await?),
        Ask::Dead { count } => json!(queue.dead(count.min(DEAD_COUNT_MAX)).await?),
        Ask::Retry { ids } => json!({ "retried": queue.retry(ids.as_deref()).await? }),
        Ask::Drop { ids } => json!({ "dropped": give_up(queue, ids.as_deref()).await? }),
    })
}

/// Says of dead mails that they were sent, so that the dispatcher journals it and nobody puts them in again.
async fn give_up<Q: MailQueue>(queue: &Q, ids: Option<&[String]>) -> Result<usize, QueueError> {
    let mut count = 0;
    loop {
        let dead = queue.dead(GIVEN_UP_COUNT_MAX).await?;
        let is_wanted = |id: &String| ids.is_none_or(|ids| ids.contains(id));
        let names: Vec<_> = dead.into_iter().map(|dead| dead.id).filter(is_wanted).collect();
        queue.sent(&names).await?;
        count += names.len();
        if ids.is_some() || names.is_empty() {
            return Ok(count);
        }
    }
}

fn ask(settings: &Settings, ask: &Ask) -> Result<Value, Failure> {
    if let Some(url) = &settings.redis_url {
        // It takes nothing, so it holds nothing and needs no name of its own.
        let queue = RedisQueue::new(url.expose_secret(), "holdfast-mail", Duration::MAX);
        let queue = queue.context("read the address of Redis")?;
        return Ok(System::new().block_on(answer(&queue, ask.clone())).map_err(anyhow::Error::from)?);
    }
    let data_dir = &settings.data_dir;
    if !DiskQueue::exists(data_dir) {
        let what = "`holdfast serve` makes one; where mails are in Redis, set REDIS_URL";
        let error = anyhow!("there is no mail queue in {}: {what}", data_dir.display());
        return Err(Failure::new(Exit::NotFound, error));
    }
    match engine::lock(data_dir) {
        Ok(folder) => {
            let queue = DiskQueue::open(&folder, Duration::MAX).context("open the mail queue")?;
            Ok(System::new().block_on(answer(&queue, ask.clone())).map_err(anyhow::Error::from)?)
        }
        Err(locked) => {
            let socket = admin::socket(settings, locked)?;
            admin::expect(&admin::ask(&socket, "POST", "/mails", Some(&json!(ask).to_string()))?)
        }
    }
}
