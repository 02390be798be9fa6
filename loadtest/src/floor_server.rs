//! Floor server: the least an actix-web endpoint can do for the same bytes.
//!
//! Parses the same path and JSON as a purchase and answers one fixed answer; no state, no check beyond
//! types. It runs as a process of its own (`loadtest floor-server`), so that its CPU can be told from the
//! generator's, with actix-web's defaults. Its answer comes as one line of JSON on standard input, and it ends when
//! standard input does: a floor server never outlives a load test that was killed.

use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::thread;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::load::Endpoint;
use crate::results::Rival;
use crate::series::FLOOR;
use crate::server;

/// The one answer, taken from the server that is measured against the floor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) status: u16,
    /// All but those that actix-web writes by itself.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The sample in the types that a handler needs.
#[derive(Debug, Clone)]
struct Prepared {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Purchase {
    quantity: u32,
    sku: Option<String>,
}

/// Starts a floor server that gives this answer, as a process of its own.
///
/// # Errors
///
/// When it does not start.
pub(crate) fn start(sample: &Sample) -> anyhow::Result<Endpoint> {
    let server = server::start_own("floor-server", sample, None)?;
    Ok(server::endpoint(FLOOR, &server))
}

/// The floor as documents tell of it.
pub(crate) fn rival() -> Rival {
    Rival {
        name: FLOOR.to_owned(),
        description: "a bare actix-web endpoint that parses the same and answers the same bytes".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: Vec::new(),
    }
}

/// Serves until standard input ends.
///
/// # Errors
///
/// When standard input holds no sample, or no port can be bound.
pub(crate) fn serve_standard_input() -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("read the sample")?;
    let sample: Sample = serde_json::from_str(&line).context("the sample is not JSON")?;
    System::new().block_on(async {
        let (server, address) = bind(&sample)?;
        println!("listening on http://{address}");
        std::io::stdout().flush().context("write the ready line")?;
        thread::spawn(|| {
            let mut rest = Vec::new();
            // An error on standard input is its end, too.
            let _ = std::io::stdin().lock().read_to_end(&mut rest);
            std::process::exit(0);
        });
        server.await.context("serve")
    })
}

/// Binds any port of the loopback interface, with actix-web's default number of workers.
///
/// # Errors
///
/// When the sample is no HTTP answer, or no port can be bound.
pub(crate) fn bind(sample: &Sample) -> anyhow::Result<(Server, SocketAddr)> {
    let prepared = web::Data::new(prepare(sample)?);
    // Each row of the comparison has a floor server of its own, so one route is enough.
    let is_read = prepared.status == StatusCode::OK;
    let server = HttpServer::new(move || {
        // A path pattern would cost 3 µs: without its `unicode` feature actix-router matches with regex-lite.
        // The floor must not be softer than what a careful server can do.
        let route = if is_read { web::get().to(product) } else { web::post().to(purchase) };
        App::new().app_data(prepared.clone()).default_service(route)
    })
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .context("bind a port")?;
    let address = *server.addrs().first().context("bound to no address")?;
    Ok((server.run(), address))
}

fn prepare(sample: &Sample) -> anyhow::Result<Prepared> {
    let mut headers = Vec::with_capacity(sample.headers.len());
    for (name, value) in &sample.headers {
        let name: HeaderName = name.parse().with_context(|| format!("header {name}"))?;
        let value = HeaderValue::from_str(value).with_context(|| format!("value of header {name}"))?;
        headers.push((name, value));
    }
    let status = StatusCode::from_u16(sample.status).context("status")?;
    Ok(Prepared { status, headers, body: Bytes::from(sample.body.clone()) })
}

async fn purchase(
    request: HttpRequest,
    purchase: web::Json<Purchase>,
    prepared: web::Data<Prepared>,
) -> HttpResponse {
    let is_empty = purchase.quantity == 0 || purchase.sku.as_ref().is_some_and(String::is_empty);
    match product_id(&request).and_then(|rest| rest.strip_suffix("/purchase")) {
        None => HttpResponse::NotFound().finish(),
        Some(_) if is_empty => HttpResponse::UnprocessableEntity().finish(),
        Some(_) => prepared.answer(),
    }
}

async fn product(request: HttpRequest, prepared: web::Data<Prepared>) -> HttpResponse {
    match product_id(&request) {
        None => HttpResponse::NotFound().finish(),
        Some(_) => prepared.answer(),
    }
}

fn product_id(request: &HttpRequest) -> Option<&str> {
    request.path().strip_prefix("/api/v1/products/")
}

impl Prepared {
    fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.append_header((name, value));
        }
        response.body(self.body.clone())
    }
}

/// Serves `sample` inside this process for as long as the test runs.
#[cfg(test)]
pub(crate) fn serve_in_test(sample: Sample) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        System::new().block_on(async move {
            let (server, address) = bind(&sample).expect("a valid sample");
            sender.send(address).expect("the test waits");
            server.await.expect("serve");
        });
    });
    receiver.recv().expect("the server binds")
}
