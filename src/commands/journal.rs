//! `holdfast journal`: looks into a journal, keeps it small, copies it, brings it back to a moment.
//!
//! On a stopped data folder, or, where it makes sense, through the control socket of the server that holds it. Data goes to stdout,
//! talk to stderr. Nothing here ever overwrites a folder.

pub(crate) mod archive;
pub mod backup;
pub mod checkpoint;
pub mod export;
pub mod import;
mod newdir;
pub(crate) mod progress;
pub mod repair;
pub mod restore;
pub(crate) mod source;
pub mod stat;
mod stopped;
pub mod tail;
pub mod trim;
mod unfinished;
pub mod verify;

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use holdfast_actors::persistence::{self, Folder, SledJournal};
use holdfast_actors::{Position, recovery};
use serde_json::Value;

use super::admin;
use super::plain_http::{self, Body};
use super::serve::engine::{self, explain};
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::http::position as token;

/// Who has a data folder.
pub(crate) enum Holder {
    /// This process, as nobody else did.
    Us(Folder),
    /// The server behind this socket.
    Server(PathBuf),
}

impl Holder {
    /// Takes the folder, or finds the server that has it.
    ///
    /// # Errors
    ///
    /// [`Exit::NotFound`] where there is no journal, [`Exit::Locked`] when a process without a control socket holds it.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        must_exist(&settings.data_dir)?;
        match engine::lock(&settings.data_dir) {
            Ok(folder) => Ok(Self::Us(folder)),
            Err(locked) => Ok(Self::Server(admin::socket(settings, locked)?)),
        }
    }
}

/// Takes a folder that no server may be running on, for the reason of `why`.
///
/// # Errors
///
/// [`Exit::NotFound`] where there is no journal, [`Exit::Locked`], naming the process that has it.
fn take_stopped(settings: &Settings, why: &'static str) -> Result<Folder, Failure> {
    must_exist(&settings.data_dir)?;
    let folder = engine::lock(&settings.data_dir);
    folder.map_err(|Failure { exit, error }| Failure::new(exit, error.context(why)))
}

/// The place that a token names.
///
/// # Errors
///
/// [`Exit::Usage`] when it is none.
pub fn position(text: &str) -> Result<Position, Failure> {
    // One of an event stands for its record.
    let mark = token::Mark::parse(text).filter(|mark| mark.batch().is_none());
    mark.map(|mark| mark.position).ok_or_else(|| {
        let error =
            anyhow!("`{text}` is no position: positions come as `Journal-Position` and in `position`");
        Failure::new(Exit::Usage, error)
    })
}

fn must_exist(data_dir: &Path) -> Result<(), Failure> {
    let looked = SledJournal::exists(data_dir);
    if looked.with_context(|| format!("look for a journal in {}", data_dir.display()))? {
        return Ok(());
    }
    Err(Failure::new(Exit::NotFound, anyhow!("there is no journal in {}", data_dir.display())))
}

/// The journal of a folder that is ours.
fn open(folder: &Folder) -> Result<SledJournal, Failure> {
    SledJournal::open(folder, persistence::Options::default()).map_err(verdict)
}

/// Damage is a verdict; everything else is a reason why there is none.
fn verdict(error: persistence::Error) -> Failure {
    if is_damage(&error) {
        return Failure::new(Exit::VerificationFailed, anyhow!(error));
    }
    explain(error)
}

fn is_damage(error: &persistence::Error) -> bool {
    use persistence::Error as It;
    matches!(
        error,
        It::Corrupt { .. }
            | It::Visit { .. }
            | It::Lost { .. }
            | It::DamagedMark { .. }
            | It::NoDescription { .. }
    ) || error.is_of_checkpoint()
        || error.is_of_damaged_store()
}

/// The same of a start that failed.
fn verdict_of_start(failure: Failure) -> Failure {
    let damage = failure.error.chain().filter_map(|cause| cause.downcast_ref()).any(is_damage);
    if damage { Failure { exit: Exit::VerificationFailed, ..failure } } else { failure }
}

/// The same of a proof.
fn verdict_of_proof(error: recovery::Error) -> Failure {
    match error {
        recovery::Error::Journal(error) => verdict(error),
        other => Failure::new(Exit::VerificationFailed, anyhow!(other)),
    }
}

/// Asks the server behind a socket for a document.
fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let body = body.map(Value::to_string);
    let mut stream = String::new();
    io::Read::read_to_string(&mut stream_of(socket, method, path, body.as_deref())?, &mut stream)
        .with_context(|| format!("read what the server answers over {}", socket.display()))?;
    Ok(serde_json::from_str(&stream).context("read the server's answer")?)
}

/// Asks the server behind a socket for an answer that is read as it comes, however long that takes.
fn stream_of(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<Body<UnixStream>, Failure> {
    let asked = || {
        let stream = UnixStream::connect(socket)?;
        stream.set_write_timeout(Some(plain_http::WAIT_MAX))?;
        plain_http::open(stream, "localhost", method, path, body)
    };
    let (status, mut answer) =
        asked().with_context(|| format!("ask the server over {}", socket.display()))?;
    if (200..300).contains(&status) {
        return Ok(answer);
    }
    let mut text = String::new();
    let _is_cut_short = io::Read::read_to_string(&mut answer, &mut text);
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let detail = document["detail"].as_str().unwrap_or("it does not say why").to_owned();
    let exit =
        document["exit"].as_u64().and_then(|code| u8::try_from(code).ok()).map_or(Exit::Failure, Exit::of);
    Err(Failure::new(exit, anyhow!("{detail}")))
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// A moment as it is written everywhere.
pub(crate) fn moment(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| ms.to_string(), |moment| format!("{moment:.3}"))
}

/// One line a figure for people, one document for machines. A list is a line for each of its members.
fn print(document: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say(&format!("{document:#}\n"));
    }
    let mut lines = String::new();
    let mut line = |name: &str, value: &Value| lines.push_str(&format!("{name:20} {}\n", words(value)));
    for (name, value) in document.as_object().expect("a document is an object") {
        match value {
            Value::Array(members) if !members.is_empty() => {
                members.iter().for_each(|member| line(name, member));
            }
            value => line(name, value),
        }
    }
    say(&lines)
}

/// Writes to stdout. Whoever has closed it has enough, as `head` does.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error).context("print what came of it").into())
        }
        _ => Ok(()),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Array(members) if members.is_empty() => "none".to_owned(),
        Value::Array(members) => members.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let word = |(name, value): (&String, &Value)| format!("{name} {}", words(value));
            members.iter().map(word).collect::<Vec<_>>().join(", ")
        }
        value => value.to_string(),
    }
}
