//! Front: the HTTP server before a contender's database, as bare as the floor.
//!
//! The same actix-web, the same request and answer as Holdfast's purchase, and nothing else: what is measured is the
//! database and how it is used. A process of its own (`loadtest contender-server`) with actix-web's default workers;
//! its settings come as one line of JSON on standard input, and it ends when standard input does, and the database with
//! it: neither outlives a load test that was killed.

use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::thread;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::rt::System;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::Deserialize;
use uuid::Uuid;

use super::store::postgres::{ForUpdate, Guarded, Optimistic};
use super::store::redis::Scripted;
use super::store::{Order, Outcome, Settings, Store};
use super::{Kind, answer};

/// As many as the API takes in one line.
const UNITS_MAX: u32 = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Purchase {
    quantity: u32,
    /// Read and checked as the floor does; a product has one sku here, so it says nothing more.
    sku: Option<String>,
}

/// Serves until standard input ends.
///
/// # Errors
///
/// When standard input holds no settings, the database is not there, or no port can be bound.
pub(crate) fn serve_standard_input() -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("read the settings")?;
    let settings: Settings = serde_json::from_str(&line).context("the settings are not JSON")?;
    let database = hold(settings.database)?;
    System::new().block_on(async {
        let (server, address) = bind(settings).await?;
        println!("listening on http://{address}");
        std::io::stdout().flush().context("write the ready line")?;
        thread::spawn(move || {
            let mut rest = Vec::new();
            // An error on standard input is its end, too.
            let _ = std::io::stdin().lock().read_to_end(&mut rest);
            // The signal at which both kinds of server shut down in order. It may have been ended before, by whoever started it; then there is nothing left to do.
            let _ = pidfd_send_signal(&database, Signal::INT);
            std::process::exit(0);
        });
        server.await.context("serve")
    })
}

/// A handle that means this process for ever, whoever gets its number later.
fn hold(process: u32) -> anyhow::Result<OwnedFd> {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).context("the database's process id")?;
    pidfd_open(process, PidfdFlags::empty()).context("the database is not running")
}

/// Binds any port of the loopback interface, with actix-web's default number of workers.
///
/// # Errors
///
/// When the database is not there, or no port can be bound.
pub(super) async fn bind(settings: Settings) -> anyhow::Result<(Server, SocketAddr)> {
    match settings.kind {
        Kind::PostgresGuarded => bind_with::<Guarded>(settings).await,
        Kind::PostgresForUpdate => bind_with::<ForUpdate>(settings).await,
        Kind::PostgresOptimistic => bind_with::<Optimistic>(settings).await,
        Kind::RedisAlways | Kind::RedisEverysec => bind_with::<Scripted>(settings).await,
    }
}

async fn bind_with<S: Store>(settings: Settings) -> anyhow::Result<(Server, SocketAddr)> {
    // Here a failure has words; in a worker it would only be a worker that does not start.
    drop(S::connect(&settings, 1).await?);
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let each = settings.connections.div_ceil(workers).max(1);
    let server = HttpServer::new(move || {
        let settings = settings.clone();
        let connect = move || {
            let settings = settings.clone();
            async move { S::connect(&settings, each).await }
        };
        // One route, compared by hand, as on the floor: a path pattern would cost 3 µs.
        App::new().data_factory(connect).default_service(web::post().to(purchase::<S>))
    })
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .context("bind a port")?;
    let address = *server.addrs().first().context("bound to no address")?;
    Ok((server.run(), address))
}

async fn purchase<S: Store>(
    request: HttpRequest,
    purchase: web::Json<Purchase>,
    store: Data<S>,
) -> HttpResponse {
    let Some(product) = product(request.path()) else {
        return answer::refused(StatusCode::NOT_FOUND, "not_found");
    };
    let is_empty = purchase.sku.as_ref().is_some_and(String::is_empty);
    if is_empty || !(1..=UNITS_MAX).contains(&purchase.quantity) {
        return answer::refused(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed");
    }
    let session = request.headers().get("x-session-id").and_then(|value| value.to_str().ok());
    let Some(buyer) = session.filter(|session| !session.is_empty()) else {
        return answer::refused(StatusCode::BAD_REQUEST, "malformed_request");
    };
    let order = Order { order_id: Uuid::now_v7(), product, quantity: purchase.quantity, buyer };
    match store.sell(&order).await {
        Ok(Outcome::Sold(goods)) => answer::sold(order.order_id, order.quantity, &goods),
        Ok(Outcome::Short(goods)) => answer::short(order.quantity, &goods),
        Ok(Outcome::NoSuchProduct) => answer::refused(StatusCode::NOT_FOUND, "not_found"),
        Ok(Outcome::Overtaken) => answer::overloaded(),
        Err(error) => {
            eprintln!("contender-server: sell: {error:#}");
            answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
        }
    }
}

fn product(path: &str) -> Option<Uuid> {
    let id = path.strip_prefix("/api/v1/products/prod_")?.strip_suffix("/purchase")?;
    Uuid::try_parse(id).ok()
}
