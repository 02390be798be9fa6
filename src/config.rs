//! The settings: where each comes from, and what it is in the end.
//!
//! Flags win over the environment, the environment over `.env`, that over the file, the file over defaults.
//! What is not understood is an error with the nearest known name: a misspelt setting that is ignored runs
//! the shop with a default nobody chose. Knows nothing of clap; [`crate::cli`] hands the flags in.

mod lists;
mod retain;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ::config::{Config, ConfigError, File, FileFormat, Source as _, Value};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use self::table::{Known, SETTINGS, Shown};

pub use self::lists::{Networks, Origins};
pub use self::retain::Retain;

use crate::auth::email;
use crate::auth::password::{CHARACTERS_MAX, CHARACTERS_MIN};
use crate::auth::secret::{self, SECRET_BYTES_MIN};
use crate::mail::message::Sender;
use crate::mail::post::MailServer;
use crate::redis;

/// More shards than slots of the partition map would stay empty.
pub const SHARDS_MAX: u16 = 1024;

/// More HTTP workers than this only switch contexts.
pub const WORKERS_MAX: u16 = 1024;

const ENV_PREFIX: &str = "HOLDFAST_";
const DOT_ENV: &str = ".env";
/// More mails at once than this only queue up before the mail server.
pub const MAIL_CONCURRENCY_MAX: u16 = 256;

/// More connections than this need more ports and memory than one machine has.
pub const CONNECTIONS_MAX: u32 = 1_000_000;

/// The effective settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// The folder of journal, state and keys.
    pub data_dir: PathBuf,
    /// Redis, if any.
    pub redis_url: Option<SecretString>,
    /// The mail server, if any.
    pub smtp_url: Option<SecretString>,
    /// Threads of actors.
    pub shards: u16,
    /// Threads of HTTP.
    pub workers: u16,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Writes are refused when the disk has less free than this.
    pub disk_reserve_bytes: u64,
    /// Memory that is touched at the start.
    pub memory_reserve_bytes: u64,
    /// The longest time between two checkpoints while there is something new; 0: only when the server stops or is told to.
    pub checkpoint_seconds: u64,
    /// The most that the journal grows between two checkpoints.
    pub checkpoint_bytes: u64,
    /// How much of the journal's past is kept.
    pub retain: Retain,
    /// Session cookies are `Secure` even without `X-Forwarded-Proto: https`.
    pub secure_cookies: bool,
    /// Requests of one caller a second, in the long run; 0: not limited.
    pub rate_limit_per_second: u32,
    /// Requests of one caller at once.
    pub rate_limit_burst: u32,
    /// Calls below `/api/v1/auth/` from one address a second, in the long run; 0: not limited.
    pub auth_rate_limit_per_second: u32,
    /// Calls below `/api/v1/auth/` from one address at once.
    pub auth_rate_limit_burst: u32,
    /// How many times as much callers on this machine itself may ask.
    pub rate_limit_local_factor: u32,
    /// Whose word on the client's address is taken: proxies of ours.
    pub trusted_proxies: Networks,
    /// Whose pages may call the API from a browser; empty: none but those of the same origin.
    pub cors_origins: Origins,
    /// Connections at once; more wait to be accepted.
    pub max_connections: u32,
    /// The first admin's address.
    pub admin_email: Option<String>,
    /// The first admin's password.
    pub admin_password: Option<SecretString>,
    /// The signing secret of access tokens; absent: the one in the data folder.
    pub jwt_secret: Option<SecretString>,
    /// Earlier signing secrets that are still believed, separated by commas.
    pub jwt_secret_previous: Option<SecretString>,
    /// Whether lists are cached.
    pub listing_cache: bool,
    /// Memory that cached lists may take where there is no Redis.
    pub listing_cache_bytes: u64,
    /// Whom mails are from: an address, or `Name <address>`.
    pub mail_from: String,
    /// Templates of the operator's own, before the built-in ones.
    pub mail_templates: Option<PathBuf>,
    /// Whether the server sends mails itself.
    pub mail_worker: MailWorker,
    /// Mails that one worker sends at once.
    pub mail_concurrency: u16,
    /// The wait before the second attempt at a mail; later waits grow from it.
    pub mail_retry_first_ms: u64,
    /// After how long in the hands of a worker a mail is another's.
    pub mail_claim_after_ms: u64,
    /// Certificates, in PEM, of an authority of the operator's own that signed the mail server's.
    pub smtp_ca_file: Option<PathBuf>,
    /// Who may read the metrics, besides admins.
    pub metrics_allow: Networks,
    /// Fill an empty shop with a small catalogue and two users.
    pub demo: bool,
}

impl Settings {
    /// Whether the server sends mails itself.
    #[must_use]
    pub const fn sends_mails(&self) -> bool {
        match self.mail_worker {
            MailWorker::Auto => self.redis_url.is_none() || self.smtp_url.is_some(),
            MailWorker::On => true,
            MailWorker::Off => false,
        }
    }
}

/// Whether the server sends mails itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailWorker {
    /// When there is no Redis, so that nobody else can, or when a mail server is set.
    Auto,
    /// Yes.
    On,
    /// No: `holdfast worker` does.
    Off,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The file given with `--config`.
    File(PathBuf),
    /// The `.env` file in the working folder.
    DotEnv(&'static str),
    /// The environment.
    Environment(&'static str),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::DotEnv(variable) => write!(out, "{DOT_ENV} {variable}"),
            Self::Environment(variable) => write!(out, "environment {variable}"),
            Self::Flag(flag) => write!(out, "flag {flag}"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody misspelt a name.
    #[error("{place} sets `{name}`, which is no setting; did you mean `{nearest}`?")]
    Unknown {
        /// The file or the environment.
        place: String,
        /// What it says.
        name: String,
        /// The known name that is closest.
        nearest: &'static str,
    },
    /// A file that cannot be read, or a value of the wrong type.
    #[error("read the settings")]
    Read(#[source] ConfigError),
    /// The `.env` file is not one.
    #[error("read {DOT_ENV}")]
    DotEnv(#[source] dotenvy::Error),
    /// A value that makes no sense.
    #[error("`{name}` {reason} (from {source_of_value})")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// What is wrong.
        reason: String,
        /// Where the value came from.
        source_of_value: Source,
    },
}

/// Everything settings are made of.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Flags that were given, by the name of their setting.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment; names that are not ours are passed over.
    pub environment: Vec<(String, String)>,
    /// The variables of `.env`.
    pub dot_env: Vec<(String, String)>,
    /// The file given with `--config`.
    pub file: Option<PathBuf>,
}

impl Inputs {
    /// The inputs of this process: `flags` and `file` as given, the environment, and `.env` when it is there.
    ///
    /// # Errors
    ///
    /// [`Error::DotEnv`] when `.env` is there and cannot be read.
    pub fn of_process(flags: BTreeMap<&'static str, String>, file: Option<PathBuf>) -> Result<Self, Error> {
        // Not `vars`: that panics on a foreign variable which is not UTF-8.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { flags, environment, dot_env: read_dot_env(Path::new(DOT_ENV))?, file })
    }
}

/// The settings, and how they came about.
#[derive(Debug)]
pub struct Effective {
    /// The settings.
    pub settings: Settings,
    /// Each setting as `config show` tells it, in the order of the documentation.
    pub table: Vec<Row>,
}

/// One setting as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its value, without what must stay secret; `None` when it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// Works out the settings.
///
/// # Errors
///
/// [`Error`], which names the setting and where its value came from.
pub fn load(inputs: &Inputs) -> Result<Effective, Error> {
    let mut values: BTreeMap<&'static str, (Value, Source)> = BTreeMap::new();
    // From the weakest to the strongest: later ones replace earlier ones.
    values.extend(defaults());
    if let Some(path) = &inputs.file {
        values.extend(from_file(path)?);
    }
    values.extend(from_variables(&inputs.dot_env, DOT_ENV, Source::DotEnv)?);
    values.extend(from_variables(&inputs.environment, "the environment", Source::Environment)?);
    for (name, text) in &inputs.flags {
        let flag = Source::Flag(format!("--{}", name.replace('_', "-")));
        values.insert(name, (value_from(&flag, text), flag));
    }

    let mut builder = Config::builder();
    for (name, (value, _)) in &values {
        builder = builder.set_override(*name, value.clone()).map_err(Error::Read)?;
    }
    let source_of = |name| values.get(name).map_or(Source::Default, |(_, source)| source.clone());
    let settings: Settings =
        builder.build().and_then(Config::try_deserialize).map_err(|error| explain(error, source_of))?;
    validate(&settings, source_of)?;
    let table = SETTINGS.iter().map(|known| row(known, &values)).collect();
    Ok(Effective { settings, table })
}

type Layer = Vec<(&'static str, (Value, Source))>;

fn defaults() -> Layer {
    table::defaults()
        .map(|(name, text)| (name, (value_from(&Source::Default, &text), Source::Default)))
        .collect()
}

fn from_file(path: &Path) -> Result<Layer, Error> {
    let place = path.display().to_string();
    let table = File::from(path).format(FileFormat::Toml).collect().map_err(Error::Read)?;
    table
        .into_iter()
        .map(|(name, value)| match SETTINGS.iter().find(|known| known.name == name) {
            Some(known) => Ok((known.name, (lists::joined(value), Source::File(path.to_owned())))),
            None => {
                let nearest = nearest(&name, SETTINGS.iter().map(|known| known.name));
                Err(Error::Unknown { place: place.clone(), name, nearest })
            }
        })
        .collect()
}

fn from_variables(
    variables: &[(String, String)],
    place: &str,
    source: fn(&'static str) -> Source,
) -> Result<Layer, Error> {
    let mut layer = Layer::new();
    for (variable, text) in variables {
        match SETTINGS.iter().find(|known| known.variable == variable) {
            // Empty is how compose files and shells say "not set".
            Some(_) if text.is_empty() => {}
            Some(known) => {
                let source = source(known.variable);
                layer.push((known.name, (value_from(&source, text), source)));
            }
            None if variable.starts_with(ENV_PREFIX) => {
                let ours = SETTINGS.iter().map(|known| known.variable);
                return Err(Error::Unknown {
                    place: place.to_owned(),
                    name: variable.clone(),
                    nearest: nearest(variable, ours.filter(|ours| ours.starts_with(ENV_PREFIX))),
                });
            }
            None => {}
        }
    }
    Ok(layer)
}

fn read_dot_env(path: &Path) -> Result<Vec<(String, String)>, Error> {
    match dotenvy::from_path_iter(path) {
        Ok(variables) => variables.collect::<Result<_, _>>().map_err(Error::DotEnv),
        Err(error) if error.not_found() => Ok(Vec::new()),
        Err(error) => Err(Error::DotEnv(error)),
    }
}

fn value_from(source: &Source, text: &str) -> Value {
    Value::new(Some(&source.to_string()), text)
}

/// Says the same with the setting's name and where its value came from, if the error knows its key.
fn explain(error: ConfigError, source_of: impl Fn(&'static str) -> Source) -> Error {
    let (key, reason) = match &error {
        ConfigError::Type { key: Some(key), unexpected, expected, .. } => {
            (key, format!("must be {expected}, not {unexpected}"))
        }
        ConfigError::At { key: Some(key), error, .. } => (key, format!("is not understood: {error}")),
        _ => return Error::Read(error),
    };
    match SETTINGS.iter().find(|known| known.name == key) {
        Some(known) => Error::Invalid { name: known.name, reason, source_of_value: source_of(known.name) },
        None => Error::Read(error),
    }
}

fn validate(settings: &Settings, source_of: impl Fn(&'static str) -> Source) -> Result<(), Error> {
    let check = |is_good: bool, name: &'static str, reason: String| match is_good {
        true => Ok(()),
        false => Err(Error::Invalid { name, reason, source_of_value: source_of(name) }),
    };
    let Settings { shards, workers, .. } = settings;
    check((1..=SHARDS_MAX).contains(shards), "shards", format!("must be 1 to {SHARDS_MAX}"))?;
    check((1..=WORKERS_MAX).contains(workers), "workers", format!("must be 1 to {WORKERS_MAX}"))?;
    let is_burst = |burst: u32| burst > 0;
    check(is_burst(settings.rate_limit_burst), "rate_limit_burst", "must be at least 1".to_owned())?;
    let is_good = is_burst(settings.auth_rate_limit_burst);
    check(is_good, "auth_rate_limit_burst", "must be at least 1".to_owned())?;
    let is_good = settings.rate_limit_local_factor > 0;
    check(is_good, "rate_limit_local_factor", "must be at least 1".to_owned())?;
    let is_good = (1..=CONNECTIONS_MAX).contains(&settings.max_connections);
    check(is_good, "max_connections", format!("must be 1 to {CONNECTIONS_MAX}"))?;
    let is_good = (1..=MAIL_CONCURRENCY_MAX).contains(&settings.mail_concurrency);
    check(is_good, "mail_concurrency", format!("must be 1 to {MAIL_CONCURRENCY_MAX}"))?;
    for (name, ms) in [
        ("mail_retry_first_ms", settings.mail_retry_first_ms),
        ("mail_claim_after_ms", settings.mail_claim_after_ms),
    ] {
        check(ms > 0, name, "must be at least 1".to_owned())?;
    }
    let refused = Sender::parse(&settings.mail_from).err();
    check(refused.is_none(), "mail_from", refused.unwrap_or_default())?;
    let url = settings.smtp_url.as_ref().map(ExposeSecret::expose_secret);
    let refused = url.and_then(|url| MailServer::parse(url).err());
    check(refused.is_none(), "smtp_url", refused.unwrap_or_default())?;
    if let Some(url) = &settings.redis_url {
        let refused = redis::check_url(url).err().map(|error| error.to_string());
        check(refused.is_none(), "redis_url", refused.unwrap_or_default())?;
    }
    if let Some(secret) = &settings.jwt_secret {
        let bytes = secret.expose_secret().len();
        let reason = format!("has {bytes} bytes; it needs at least {SECRET_BYTES_MIN}");
        check(bytes >= SECRET_BYTES_MIN, "jwt_secret", reason)?;
    }
    if let Some(list) = &settings.jwt_secret_previous {
        let refused = secret::parse_previous(list).err().map(|error| format!("is not good: {error}"));
        check(refused.is_none(), "jwt_secret_previous", refused.unwrap_or_default())?;
    }
    if let Some(password) = &settings.admin_password {
        let is_good = (CHARACTERS_MIN..=CHARACTERS_MAX).contains(&password.expose_secret().chars().count());
        check(is_good, "admin_password", "must have 8 to 128 characters".to_owned())?;
        check(settings.admin_email.is_some(), "admin_password", "needs `admin_email` as well".to_owned())?;
    }
    if let Some(email) = &settings.admin_email {
        check(email::normalized(email).is_some(), "admin_email", "must be an email address".to_owned())?;
        let is_whole = settings.admin_password.is_some();
        check(is_whole, "admin_email", "needs `admin_password` as well".to_owned())?;
    }
    Ok(())
}

fn row(known: &Known, values: &BTreeMap<&'static str, (Value, Source)>) -> Row {
    let Some((value, source)) = values.get(known.name) else {
        return Row { name: known.name, value: None, source: Source::Default };
    };
    let text = value.clone().into_string().unwrap_or_default();
    let value = match known.shown {
        Shown::Whole => text,
        Shown::WithoutCredentials => without_credentials(&text),
        Shown::Never => "(hidden)".to_owned(),
    };
    Row { name: known.name, value: Some(value), source: source.clone() }
}

fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(hidden)".to_owned() };
    // The last `@` before the path: a password may hold one that nobody escaped.
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let shown = match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://(hidden){}", &rest[at..]),
        None if rest.contains('@') => return format!("{scheme}://(hidden)"),
        None => url.to_owned(),
    };
    // Where Redis is behind a Unix socket, its password is a parameter.
    match shown.split_once('?') {
        Some((shown, _parameters)) => format!("{shown}?(hidden)"),
        None => shown,
    }
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> &'static str {
    known.min_by_key(|known| strsim::damerau_levenshtein(known, name)).expect("there are settings")
}

#[cfg(test)]
mod tests;
