//! The table of settings: their names and variables, what may be shown of them, and their defaults.

use std::thread::available_parallelism;

use super::SHARDS_MAX;

const LISTEN_DEFAULT: &str = "127.0.0.1:3000";
const DATA_DIR_DEFAULT: &str = "./data";
const DISK_RESERVE_BYTES_DEFAULT: &str = "268435456";
const CHECKPOINT_SECONDS_DEFAULT: &str = "300";
const CHECKPOINT_BYTES_DEFAULT: &str = "268435456";
const RETAIN_DEFAULT: &str = "7d";
const RATE_LIMIT_PER_SECOND_DEFAULT: &str = "1000";
const RATE_LIMIT_BURST_DEFAULT: &str = "2000";
const AUTH_RATE_LIMIT_PER_SECOND_DEFAULT: &str = "5";
const AUTH_RATE_LIMIT_BURST_DEFAULT: &str = "200";
const RATE_LIMIT_LOCAL_FACTOR_DEFAULT: &str = "100";
const MAX_CONNECTIONS_DEFAULT: &str = "25000";
const LISTING_CACHE_BYTES_DEFAULT: &str = "67108864";
const MAIL_FROM_DEFAULT: &str = "Holdfast <no-reply@localhost>";
const MAIL_CONCURRENCY_DEFAULT: &str = "4";
const MAIL_RETRY_FIRST_MS_DEFAULT: &str = "10000";
const MAIL_CLAIM_AFTER_MS_DEFAULT: &str = "60000";
const METRICS_ALLOW_DEFAULT: &str = "127.0.0.0/8,::1";

/// Whether and how much of a value may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Whole,
    /// A URL, without its user and password.
    WithoutCredentials,
    Never,
}

pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) variable: &'static str,
    pub(super) shown: Shown,
}

const fn known(name: &'static str, variable: &'static str, shown: Shown) -> Known {
    Known { name, variable, shown }
}

pub(super) const SETTINGS: &[Known] = &[
    known("listen", "HOLDFAST_LISTEN", Shown::Whole),
    known("data_dir", "HOLDFAST_DATA_DIR", Shown::Whole),
    known("redis_url", "REDIS_URL", Shown::WithoutCredentials),
    known("smtp_url", "SMTP_URL", Shown::WithoutCredentials),
    known("shards", "HOLDFAST_SHARDS", Shown::Whole),
    known("workers", "HOLDFAST_WORKERS", Shown::Whole),
    known("log_format", "HOLDFAST_LOG_FORMAT", Shown::Whole),
    known("disk_reserve_bytes", "HOLDFAST_DISK_RESERVE_BYTES", Shown::Whole),
    known("memory_reserve_bytes", "HOLDFAST_MEMORY_RESERVE_BYTES", Shown::Whole),
    known("checkpoint_seconds", "HOLDFAST_CHECKPOINT_SECONDS", Shown::Whole),
    known("checkpoint_bytes", "HOLDFAST_CHECKPOINT_BYTES", Shown::Whole),
    known("retain", "HOLDFAST_RETAIN", Shown::Whole),
    known("secure_cookies", "HOLDFAST_SECURE_COOKIES", Shown::Whole),
    known("rate_limit_per_second", "HOLDFAST_RATE_LIMIT_PER_SECOND", Shown::Whole),
    known("rate_limit_burst", "HOLDFAST_RATE_LIMIT_BURST", Shown::Whole),
    known("auth_rate_limit_per_second", "HOLDFAST_AUTH_RATE_LIMIT_PER_SECOND", Shown::Whole),
    known("auth_rate_limit_burst", "HOLDFAST_AUTH_RATE_LIMIT_BURST", Shown::Whole),
    known("rate_limit_local_factor", "HOLDFAST_RATE_LIMIT_LOCAL_FACTOR", Shown::Whole),
    known("trusted_proxies", "HOLDFAST_TRUSTED_PROXIES", Shown::Whole),
    known("cors_origins", "HOLDFAST_CORS_ORIGINS", Shown::Whole),
    known("max_connections", "HOLDFAST_MAX_CONNECTIONS", Shown::Whole),
    known("admin_email", "HOLDFAST_ADMIN_EMAIL", Shown::Whole),
    known("admin_password", "HOLDFAST_ADMIN_PASSWORD", Shown::Never),
    known("jwt_secret", "JWT_SECRET", Shown::Never),
    known("jwt_secret_previous", "JWT_SECRET_PREVIOUS", Shown::Never),
    known("listing_cache", "HOLDFAST_LISTING_CACHE", Shown::Whole),
    known("listing_cache_bytes", "HOLDFAST_LISTING_CACHE_BYTES", Shown::Whole),
    known("mail_from", "HOLDFAST_MAIL_FROM", Shown::Whole),
    known("mail_templates", "HOLDFAST_MAIL_TEMPLATES", Shown::Whole),
    known("mail_worker", "HOLDFAST_MAIL_WORKER", Shown::Whole),
    known("mail_concurrency", "HOLDFAST_MAIL_CONCURRENCY", Shown::Whole),
    known("mail_retry_first_ms", "HOLDFAST_MAIL_RETRY_FIRST_MS", Shown::Whole),
    known("mail_claim_after_ms", "HOLDFAST_MAIL_CLAIM_AFTER_MS", Shown::Whole),
    known("smtp_ca_file", "HOLDFAST_SMTP_CA_FILE", Shown::Whole),
    known("metrics_allow", "HOLDFAST_METRICS_ALLOW", Shown::Whole),
    known("demo", "HOLDFAST_DEMO", Shown::Whole),
];

/// What holds where nobody says otherwise, as text.
pub(super) fn defaults() -> impl Iterator<Item = (&'static str, String)> {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get).min(SHARDS_MAX.into()).to_string();
    [
        ("listen", LISTEN_DEFAULT),
        ("data_dir", DATA_DIR_DEFAULT),
        ("shards", &cores),
        ("workers", &cores),
        ("log_format", "text"),
        ("disk_reserve_bytes", DISK_RESERVE_BYTES_DEFAULT),
        ("memory_reserve_bytes", "0"),
        ("checkpoint_seconds", CHECKPOINT_SECONDS_DEFAULT),
        ("checkpoint_bytes", CHECKPOINT_BYTES_DEFAULT),
        ("retain", RETAIN_DEFAULT),
        ("secure_cookies", "false"),
        ("rate_limit_per_second", RATE_LIMIT_PER_SECOND_DEFAULT),
        ("rate_limit_burst", RATE_LIMIT_BURST_DEFAULT),
        ("auth_rate_limit_per_second", AUTH_RATE_LIMIT_PER_SECOND_DEFAULT),
        ("auth_rate_limit_burst", AUTH_RATE_LIMIT_BURST_DEFAULT),
        ("rate_limit_local_factor", RATE_LIMIT_LOCAL_FACTOR_DEFAULT),
        ("trusted_proxies", ""),
        ("cors_origins", ""),
        ("max_connections", MAX_CONNECTIONS_DEFAULT),
        ("listing_cache", "true"),
        ("listing_cache_bytes", LISTING_CACHE_BYTES_DEFAULT),
        ("mail_from", MAIL_FROM_DEFAULT),
        ("mail_worker", "auto"),
        ("mail_concurrency", MAIL_CONCURRENCY_DEFAULT),
        ("mail_retry_first_ms", MAIL_RETRY_FIRST_MS_DEFAULT),
        ("mail_claim_after_ms", MAIL_CLAIM_AFTER_MS_DEFAULT),
        ("metrics_allow", METRICS_ALLOW_DEFAULT),
        ("demo", "false"),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into_iter()
}
