//! `holdfast serve`: starts the server, keeps it running, ends it in order.
//!
//! The order matters. Up: data folder, keys, port, recovery, ready. Down: not ready, streams, requests,
//! engine. The port comes before the recovery, so that health can be asked while the journal is replayed.

mod bootstrap;
pub(crate) mod control;
mod demo;
pub(crate) mod engine;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use actix_web::dev::ServerHandle;
use actix_web::rt::{System, spawn};
use actix_web::{HttpServer, web};
use anyhow::{Context as _, anyhow};
use holdfast_actors::Engine;
use tokio::join;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing_subscriber::EnvFilter;

use crate::auth::password::Passwords;
use crate::auth::refresh::RefreshTokens;
use crate::auth::secret::{self, Secrets};
use crate::auth::token::Keys;
use crate::cache::{ListingCache, Place};
use crate::cli::{Exit, Failure};
use crate::config::{LogFormat, Settings};
use crate::http::address::TrustedProxies;
use crate::http::caller::SecureCookies;
use crate::http::connection;
use crate::http::cursor::Cursors;
use crate::http::health::{HealthSource, Readiness};
use crate::http::limits::{self, Limits};
use crate::http::metrics::MetricsAllow;
use crate::http::routes::{self, Protection, Shared};
use crate::mail::service::{Queue, Service};
use crate::mail::worker::{self, Desk};
use crate::redis::{Link, Times};
use crate::{memory, metering};

/// Connections that may wait to be accepted: a flash sale opens them all at once.
const BACKLOG: u32 = 4096;

/// How long a client that is hung up on may take to notice.
const CLIENT_DISCONNECT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Of the ten seconds that orchestrators give, a last checkpoint gets two, requests six, and the journal the rest.
const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(10);
const LAST_CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(2);
const SHUTDOWN_REQUESTS_SECONDS: u64 = 6;

/// Threads start in milliseconds; longer than this is a machine in trouble.
const WORKER_START_WAIT_MAX: Duration = Duration::from_secs(10);

/// What is logged unless `RUST_LOG` says otherwise. The dispatcher calls it an error when a client sends what is no
/// HTTP: anybody could fill the log.
const LOG_FILTER_DEFAULT: &str = "info,actix_server=warn,actix_http::h1::dispatcher=off";

/// Runs until a signal ends it.
///
/// # Errors
///
/// [`crate::cli::Exit::Locked`] when another process holds the data folder; else what could not be started.
pub fn run(settings: Settings) -> Result<(), Failure> {
    start_log(settings.log_format);
    // Before anybody takes a handle to count with.
    metering::start();
    memory::reserve(settings.memory_reserve_bytes);
    System::new().block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    // Before anything can be interrupted: a signal during the start must not be lost.
    let mut signals = Signals::listen().context("listen for signals")?;
    let desk = mail_desk(&settings)?;
    let folder = engine::lock(&settings.data_dir)?;
    let secrets =
        secret::load(settings.jwt_secret.as_ref(), settings.jwt_secret_previous.as_ref(), &settings.data_dir)
            .map_err(anyhow::Error::from)?;
    let shared = share(&settings, &secrets)?;
    let (workers, mut started) = mpsc::unbounded_channel();
    let (server, addresses) = bind(&settings, &shared, workers)?;
    let handle = server.handle();
    let mut server = spawn(server);
    spawn(trim(shared.protection.limits.clone()));
    spawn(metering::keep());
    let hosts = workers_of(&mut started, settings.workers).await?;

    let queue = Queue::open(&settings, &folder)?;
    let engine = tokio::select! {
        engine = engine::open(&settings, folder, hosts) => engine?,
        () = signals.next() => return stop(&shared, &handle, signals, None).await,
    };
    bootstrap::fill(&engine, &shared.passwords, &settings).await?;
    engine::describe(&engine, &shared.health);
    let is_first = shared.engine.set(engine.clone()).is_ok();
    assert!(is_first, "a process has one engine");
    if let Queue::Disk(queue) = &queue {
        let is_first = shared.mails.set(queue.clone()).is_ok();
        assert!(is_first, "a process has one queue of mails");
    }
    let mails = Service::start(engine.clone(), queue, desk, shared.dispatched.clone().into_inner());
    let control = control::open(&engine, &shared, &settings);
    shared.health.set_readiness(Readiness::Ready);
    announce(&addresses).context("print the address")?;

    tokio::select! {
        () = signals.next() => {
            control::close(control, &settings.data_dir).await;
            stop(&shared, &handle, signals, Some((engine, mails))).await
        }
        ended = &mut server => Err(ended_early(ended)),
    }
}

fn share(settings: &Settings, secrets: &Secrets) -> Result<Shared, Failure> {
    // Half the cores at most: a burst of logins must leave the rest to the shop.
    let hashers_max = usize::from(settings.workers).div_ceil(2);
    let health = web::Data::new(HealthSource::default());
    Ok(Shared {
        listing_cache: web::Data::new(listing_cache(settings, &health)?),
        health,
        engine: web::Data::default(),
        keys: web::Data::new(Keys::of(secrets)),
        passwords: web::Data::new(Passwords::new(hashers_max)),
        cursors: web::Data::new(Cursors::of(secrets)),
        refresh_tokens: web::Data::new(RefreshTokens::new(secrets)),
        throttle: web::Data::default(),
        mails: web::Data::default(),
        dispatched: web::Data::default(),
        listeners: web::Data::default(),
        secure_cookies: SecureCookies(settings.secure_cookies),
        protection: Protection {
            limits: web::Data::new(Limits::of(settings)),
            trusted_proxies: web::Data::new(TrustedProxies(settings.trusted_proxies.clone())),
            cors_origins: settings.cors_origins.clone(),
            metrics_allow: web::Data::new(MetricsAllow(settings.metrics_allow.clone())),
        },
    })
}

/// Where lists are kept, unless they are not to be. Health tells of Redis wherever there is one.
fn listing_cache(settings: &Settings, health: &HealthSource) -> Result<Option<ListingCache>, Failure> {
    let Some(url) = &settings.redis_url else {
        // A cache of no bytes would keep nothing and call everything a miss.
        let is_kept = settings.listing_cache && settings.listing_cache_bytes > 0;
        return Ok(is_kept.then(|| ListingCache::in_process(settings.listing_cache_bytes)));
    };
    let link = Link::open("listing_cache", url, Times::CACHE).context("open the listing cache")?;
    let told = link.clone();
    health.describe_redis(move || told.describe());
    if !settings.listing_cache {
        return Ok(None);
    }
    let place = Place::draw(link).context("draw a name for the listing cache")?;
    Ok(Some(ListingCache::in_redis(place)))
}

/// What mails are made of and sent with, where the server sends them itself. Looked at before anything is begun: a template
/// that does not work is a setting that does not.
fn mail_desk(settings: &Settings) -> Result<Option<(Desk, worker::Options)>, Failure> {
    if !settings.sends_mails() {
        return Ok(None);
    }
    let desk = Desk::open(settings).map_err(|error| Failure::new(Exit::Usage, error))?;
    tracing::info!(to = desk.post.describe(), "mails are sent by this server");
    Ok(Some((desk, worker::Options::of(settings))))
}

/// Keeps the counters of callers from growing for ever. Ends with the process.
async fn trim(limits: web::Data<Limits>) {
    let mut ticks = interval(limits::TRIM_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limits.trim();
    }
}

/// The threads of the HTTP workers, as soon as they run: the shards live there as well.
async fn workers_of(
    started: &mut mpsc::UnboundedReceiver<ArbiterHandle>,
    count: u16,
) -> Result<Vec<ArbiterHandle>, Failure> {
    let mut hosts = Vec::new();
    for _ in 0..count {
        let next = timeout(WORKER_START_WAIT_MAX, started.recv()).await;
        hosts.push(next.ok().flatten().context("start the HTTP workers")?);
    }
    Ok(hosts)
}

fn bind(
    settings: &Settings,
    shared: &Shared,
    workers: mpsc::UnboundedSender<ArbiterHandle>,
) -> Result<(actix_web::dev::Server, Vec<SocketAddr>), Failure> {
    connection::raise_file_limit(settings.max_connections);
    let shared = shared.clone();
    let app = move || {
        // Called once on the thread of each worker. Nobody listens any more after the start.
        let _unheard = workers.send(Arbiter::current());
        connection::watch();
        routes::app(&shared, |_config| {})
    };
    let connections_max = usize::try_from(settings.max_connections.div_ceil(settings.workers.into()))
        .expect("a count of connections fits a machine word");
    let server = HttpServer::new(app)
        .workers(settings.workers.into())
        .max_connections(connections_max)
        .on_connect(connection::opened)
        .backlog(BACKLOG)
        .keep_alive(connection::KEEP_ALIVE)
        .tcp_nodelay(true)
        .client_request_timeout(connection::HEAD_WAIT_MAX)
        .client_disconnect_timeout(CLIENT_DISCONNECT_WAIT_MAX)
        .shutdown_timeout(SHUTDOWN_REQUESTS_SECONDS)
        // Signals are ours: the engine must go down after the server, and in order.
        .disable_signals()
        .bind(settings.listen)
        .map_err(|error| explain_bind(settings.listen, error))?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

fn explain_bind(listen: SocketAddr, error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow!("port {} is taken: choose another with --listen", listen.port())
        }
        io::ErrorKind::PermissionDenied => {
            anyhow!("port {} needs privileges: choose one above 1023 with --listen", listen.port())
        }
        io::ErrorKind::AddrNotAvailable => {
            anyhow!("{} is no address of this machine: choose another with --listen", listen.ip())
        }
        _ => anyhow::Error::new(error).context(format!("listen on {listen}")),
    }
}

/// The ready line: tests and scripts wait for it, so it is flushed at once.
fn announce(addresses: &[SocketAddr]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in addresses {
        writeln!(out, "listening on http://{address}")?;
    }
    out.flush()
}

async fn stop(
    shared: &Shared,
    handle: &ServerHandle,
    mut signals: Signals,
    running: Option<(Engine, Service)>,
) -> Result<(), Failure> {
    tracing::info!("stopping: finishing what was begun; a second signal stops at once");
    shared.health.set_readiness(Readiness::Draining);
    shared.listeners.close();
    spawn(async move {
        signals.next().await;
        eprintln!("holdfast: stopped at once by a second signal");
        std::process::exit(1);
    });
    let in_order = async {
        let Some((engine, mails)) = running else {
            handle.stop(true).await;
            return Ok(());
        };
        // The shards live on the threads of the HTTP workers and end with them, so the checkpoint comes first.
        let requests = async {
            engine::last_checkpoint(&engine, LAST_CHECKPOINT_WAIT_MAX).await;
            handle.stop(true).await;
        };
        // Side by side, or they would not fit.
        join!(requests, mails.stop());
        engine::close(engine).await
    };
    timeout(SHUTDOWN_WAIT_MAX, in_order)
        .await
        .unwrap_or_else(|_| Err(anyhow!("stopping took longer than {SHUTDOWN_WAIT_MAX:?}").into()))
}

fn ended_early(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Ok(())) => anyhow!("the HTTP server stopped by itself").into(),
        Ok(Err(error)) => anyhow::Error::new(error).context("run the HTTP server").into(),
        Err(error) => anyhow::Error::new(error).context("run the HTTP server").into(),
    }
}

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) fn start_log(format: LogFormat) {
    // Empty is how compose files and shells say "not set"; as a filter it would log errors alone.
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let wanted = if wanted.is_empty() { LOG_FILTER_DEFAULT } else { &wanted };
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(LOG_FILTER_DEFAULT));
    let is_coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(is_coloured);
    // A second start in one process, as in tests, keeps the first log.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
