//! The flags that are settings, and the settings they make with the environment and the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Exit, Failure};
use crate::config::{self, Effective, Inputs};

/// The flags that are settings. Defaults and variables are [`crate::config`]'s, not clap's: only so can it
/// tell where a value came from.
#[derive(Debug, Default, Args)]
pub(super) struct SettingFlags {
    /// Read settings from this TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here; port 0 picks one [env: HOLDFAST_LISTEN] [default: 127.0.0.1:3000].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Keep journal, state and keys here [env: HOLDFAST_DATA_DIR] [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Use this Redis for cache and mail queue [env: REDIS_URL].
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// Send mails through this server [env: SMTP_URL].
    #[arg(long, value_name = "URL")]
    smtp_url: Option<String>,
    /// Run the actors on so many threads [env: HOLDFAST_SHARDS] [default: one per core].
    #[arg(long, value_name = "COUNT")]
    shards: Option<u16>,
    /// Serve HTTP on so many threads [env: HOLDFAST_WORKERS] [default: one per core].
    #[arg(long, value_name = "COUNT")]
    workers: Option<u16>,
    /// Write log lines like this [env: HOLDFAST_LOG_FORMAT] [default: text].
    #[arg(long, value_enum)]
    log_format: Option<LogFormatFlag>,
    /// Refuse writes when the disk has less free than this [env: HOLDFAST_DISK_RESERVE_BYTES].
    #[arg(long, value_name = "BYTES")]
    disk_reserve_bytes: Option<u64>,
    /// Touch so much memory at the start, and give none back [env: HOLDFAST_MEMORY_RESERVE_BYTES] [default: 0].
    #[arg(long, value_name = "BYTES")]
    memory_reserve_bytes: Option<u64>,
    /// Make a checkpoint after so many seconds; 0: only at the end or when told [env: HOLDFAST_CHECKPOINT_SECONDS] [default: 300].
    #[arg(long, value_name = "SECONDS")]
    checkpoint_seconds: Option<u64>,
    /// Make a checkpoint when the journal grew so much [env: HOLDFAST_CHECKPOINT_BYTES] [default: 268435456].
    #[arg(long, value_name = "BYTES")]
    checkpoint_bytes: Option<u64>,
    /// Keep so much of the past: an age (7d, 12h), a size (20GB) or `all` [env: HOLDFAST_RETAIN] [default: 7d].
    #[arg(long, value_name = "AGE|SIZE")]
    retain: Option<String>,
    /// Mark session cookies `Secure` always, not only behind a TLS proxy [env: HOLDFAST_SECURE_COOKIES].
    #[arg(long)]
    secure_cookies: bool,
    /// Serve one caller so many requests a second; 0: any [env: HOLDFAST_RATE_LIMIT_PER_SECOND] [default: 1000].
    #[arg(long, value_name = "COUNT")]
    rate_limit_per_second: Option<u32>,
    /// Serve one caller so many requests at once [env: HOLDFAST_RATE_LIMIT_BURST] [default: 2000].
    #[arg(long, value_name = "COUNT")]
    rate_limit_burst: Option<u32>,
    /// Serve one address so many calls of /auth a second; 0: any [env: HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND] [default: 5].
    #[arg(long, value_name = "COUNT")]
    auth_rate_limit_per_second: Option<u32>,
    /// Serve one address so many calls of /auth at once [env: HOLDFAST_AUTH_RATE_LIMIT_BURST] [default: 200].
    #[arg(long, value_name = "COUNT")]
    auth_rate_limit_burst: Option<u32>,
    /// Let callers on this machine ask so many times as much [env: HOLDFAST_RATE_LIMIT_LOCAL_FACTOR] [default: 100].
    #[arg(long, value_name = "TIMES")]
    rate_limit_local_factor: Option<u32>,
    /// Believe these proxies where a client is: addresses or CIDR [env: HOLDFAST_TRUSTED_PROXIES].
    #[arg(long, value_name = "LIST")]
    trusted_proxies: Option<String>,
    /// Let pages of these origins call the API: https://shop.example,… [env: HOLDFAST_CORS_ORIGINS].
    #[arg(long, value_name = "LIST")]
    cors_origins: Option<String>,
    /// Keep at most so many connections [env: HOLDFAST_MAX_CONNECTIONS] [default: 25000].
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<u32>,
    /// Do not cache lists [env: HOLDFAST_LISTING_CACHE=false].
    #[arg(long)]
    no_listing_cache: bool,
    /// Let cached lists take so much memory, without Redis [env: HOLDFAST_LISTING_CACHE_BYTES].
    #[arg(long, value_name = "BYTES")]
    listing_cache_bytes: Option<u64>,
    /// Whom mails are from: an address or `Name <address>` [env: HOLDFAST_MAIL_FROM].
    #[arg(long, value_name = "MAILBOX")]
    mail_from: Option<String>,
    /// Take mail templates from here first [env: HOLDFAST_MAIL_TEMPLATES].
    #[arg(long, value_name = "DIR")]
    mail_templates: Option<String>,
    /// Send mails from the server itself, or leave them to `holdfast worker` [env: HOLDFAST_MAIL_WORKER] [default: auto].
    #[arg(long, value_enum, value_name = "WHEN")]
    mail_worker: Option<MailWorkerFlag>,
    /// Send so many mails at once [env: HOLDFAST_MAIL_CONCURRENCY] [default: 4].
    #[arg(long, value_name = "COUNT")]
    mail_concurrency: Option<u16>,
    /// Wait so long before the second attempt at a mail [env: HOLDFAST_MAIL_RETRY_FIRST_MS] [default: 10000].
    #[arg(long, value_name = "MS")]
    mail_retry_first_ms: Option<u64>,
    /// Take a mail over from a worker that has had it so long [env: HOLDFAST_MAIL_CLAIM_AFTER_MS] [default: 60000].
    #[arg(long, value_name = "MS")]
    mail_claim_after_ms: Option<u64>,
    /// Trust mail servers that these PEM certificates signed as well [env: HOLDFAST_SMTP_CA_FILE].
    #[arg(long, value_name = "FILE")]
    smtp_ca_file: Option<String>,
    /// Show the metrics to these addresses [env: HOLDFAST_METRICS_ALLOW] [default: 127.0.0.0/8,::1].
    #[arg(long, value_name = "LIST")]
    metrics_allow: Option<String>,
    /// Fill an empty shop with a small catalogue and two users [env: HOLDFAST_DEMO].
    #[arg(long)]
    demo: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormatFlag {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MailWorkerFlag {
    /// When there is no Redis, or when a mail server is set.
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

impl SettingFlags {
    /// Those of a command that takes no others.
    pub(super) fn of(config: Option<PathBuf>, data_dir: Option<PathBuf>) -> Self {
        Self { config, data_dir, ..Self::default() }
    }

    pub(super) fn load(self) -> Result<Effective, Failure> {
        let file = self.config.clone();
        Ok(config::load(&Inputs::of_process(self.given()?, file)?)?)
    }

    pub(super) fn given(self) -> Result<BTreeMap<&'static str, String>, Failure> {
        let data_dir = self.data_dir.map(|path| path.into_os_string().into_string()).transpose();
        let data_dir = data_dir
            .map_err(|path| Failure::new(Exit::Usage, anyhow::anyhow!("--data-dir {path:?} is not UTF-8")))?;
        let log_format = self.log_format.map(|format| match format {
            LogFormatFlag::Text => "text".to_owned(),
            LogFormatFlag::Json => "json".to_owned(),
        });
        let mail_worker = self.mail_worker.map(|when| match when {
            MailWorkerFlag::Auto => "auto".to_owned(),
            MailWorkerFlag::On => "on".to_owned(),
            MailWorkerFlag::Off => "off".to_owned(),
        });
        let all = [
            ("listen", self.listen.map(|listen| listen.to_string())),
            ("data_dir", data_dir),
            ("redis_url", self.redis_url),
            ("smtp_url", self.smtp_url),
            ("shards", self.shards.map(|count| count.to_string())),
            ("workers", self.workers.map(|count| count.to_string())),
            ("log_format", log_format),
            ("disk_reserve_bytes", self.disk_reserve_bytes.map(|bytes| bytes.to_string())),
            ("memory_reserve_bytes", self.memory_reserve_bytes.map(|bytes| bytes.to_string())),
            ("checkpoint_seconds", self.checkpoint_seconds.map(|seconds| seconds.to_string())),
            ("checkpoint_bytes", self.checkpoint_bytes.map(|bytes| bytes.to_string())),
            ("retain", self.retain),
            ("secure_cookies", self.secure_cookies.then(|| "true".to_owned())),
            ("rate_limit_per_second", self.rate_limit_per_second.map(|count| count.to_string())),
            ("rate_limit_burst", self.rate_limit_burst.map(|count| count.to_string())),
            ("auth_rate_limit_per_second", self.auth_rate_limit_per_second.map(|count| count.to_string())),
            ("auth_rate_limit_burst", self.auth_rate_limit_burst.map(|count| count.to_string())),
            ("rate_limit_local_factor", self.rate_limit_local_factor.map(|times| times.to_string())),
            ("trusted_proxies", self.trusted_proxies),
            ("cors_origins", self.cors_origins),
            ("max_connections", self.max_connections.map(|count| count.to_string())),
            ("listing_cache", self.no_listing_cache.then(|| "false".to_owned())),
            ("listing_cache_bytes", self.listing_cache_bytes.map(|bytes| bytes.to_string())),
            ("mail_from", self.mail_from),
            ("mail_templates", self.mail_templates),
            ("mail_worker", mail_worker),
            ("mail_concurrency", self.mail_concurrency.map(|count| count.to_string())),
            ("mail_retry_first_ms", self.mail_retry_first_ms.map(|ms| ms.to_string())),
            ("mail_claim_after_ms", self.mail_claim_after_ms.map(|ms| ms.to_string())),
            ("smtp_ca_file", self.smtp_ca_file),
            ("metrics_allow", self.metrics_allow),
            ("demo", self.demo.then(|| "true".to_owned())),
        ];
        Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}
