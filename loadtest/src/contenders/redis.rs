//! Redis: a server of the load test's own, from a fresh folder to the last look into its books.
//!
//! Debian's defaults, but for the append-only file, which is what makes a purchase durable, and no snapshots beside it.
//! It listens on a Unix socket only, which is faster than TCP on loopback.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use redis::streams::StreamRangeReply;
use redis::{Commands, Connection, Pipeline, Value};

use super::Stock;
use super::books::Books;
use super::programs::{self, Folders};
use super::store::redis::{PURCHASES, client, key};
use crate::shop::PRICE;
use crate::{guard, numbers, server};

const START_S_MAX: u64 = 120;
/// A connection of a front that is gone ends when what it sent is done.
const REST_S_MAX: u64 = 60;
const POLL_MS: u64 = 10;
const SOCKET: &str = "redis.sock";
const FILL_AT_ONCE: usize = 1_000;
const ENTRIES_AT_ONCE: usize = 10_000;
/// What the report says, in Redis' words.
const SHOWN: [&str; 6] = [
    "appendonly",
    "appendfsync",
    "save",
    "auto-aof-rewrite-percentage",
    "auto-aof-rewrite-min-size",
    "io-threads",
];

/// How often Redis syncs its append-only file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Before each answer.
    Always,
    /// A second of purchases may be lost.
    EverySecond,
}

/// A Redis that runs.
pub(super) struct Server {
    pub(super) process: u32,
    pub(super) folders: Folders,
    connection: Connection,
}

impl Server {
    /// Starts it below `parent` and fills it with `stock`.
    ///
    /// # Errors
    ///
    /// When Redis is not installed, or does not start; with the last lines of its log.
    pub(super) fn start(sync: Sync, stock: &Stock, parent: Option<&Path>) -> anyhow::Result<Self> {
        let program = programs::redis()?;
        let folders = Folders::make("redis", parent, None)?;
        let log = folders.data.join("redis.log");
        let output = File::create(&log).context("make the log of Redis")?;
        let child = programs::command(&program, &folders.data, "REDIS")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--daemonize", "no"])
            .args(["--appendfsync", sync.name()])
            .arg("--unixsocket")
            .arg(folders.socket.join(SOCKET))
            .arg("--dir")
            .arg(&folders.data)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log of Redis")?)
            .stderr(output)
            .spawn()
            .context("run redis-server")?;
        let process = guard::adopt(child);
        let connection = wait(process, &folders.socket.join(SOCKET), &log)?;
        let mut server = Self { process, folders, connection };
        server.fill(stock).context("fill Redis")?;
        Ok(server)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folders.socket.join(SOCKET)
    }

    fn fill(&mut self, stock: &Stock) -> anyhow::Result<()> {
        for products in stock.products.chunks(FILL_AT_ONCE) {
            let mut calls = Pipeline::new();
            for product in products {
                let call = calls.cmd("HSET").arg(key(super::uuid(product)?));
                call.arg("sku").arg(&product.sku).arg("price").arg(PRICE).arg("stock").arg(product.stock);
                call.ignore();
            }
            calls.query::<()>(&mut self.connection)?;
        }
        Ok(())
    }

    /// Version and settings, as the server says them.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(super) fn describe(&mut self) -> anyhow::Result<(String, Vec<String>)> {
        let info: String = redis::cmd("INFO").arg("server").query(&mut self.connection)?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let version = version.context("Redis does not tell its version")?.trim();
        let mut settings = Vec::with_capacity(SHOWN.len());
        for name in SHOWN {
            let mut call = redis::cmd("CONFIG");
            let (name, value): (String, String) = call.arg("GET").arg(name).query(&mut self.connection)?;
            settings.push(format!("{name} = {}", if value.is_empty() { "\"\"" } else { &value }));
        }
        Ok((format!("Redis {version}"), settings))
    }

    /// Everything that was written down, when nobody else is connected any more.
    ///
    /// # Errors
    ///
    /// When somebody still is after a long wait, or the server does not answer.
    pub(super) fn books(&mut self) -> anyhow::Result<Books> {
        let until = Instant::now() + Duration::from_secs(REST_S_MAX);
        while self.clients()? > 1 {
            ensure!(Instant::now() < until, "others are still connected to Redis");
            thread::sleep(Duration::from_millis(POLL_MS));
        }
        let mut books = Books::default();
        self.read_stock(&mut books)?;
        self.read_purchases(&mut books)?;
        Ok(books)
    }

    fn clients(&mut self) -> anyhow::Result<usize> {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut self.connection)?;
        Ok(list.lines().count())
    }

    fn read_stock(&mut self, books: &mut Books) -> anyhow::Result<()> {
        let keys: Vec<String> =
            self.connection.scan_match("product:*")?.collect::<Result<_, _>>().context("list products")?;
        for keys in keys.chunks(FILL_AT_ONCE) {
            let mut calls = Pipeline::new();
            for key in keys {
                calls.hget(key, "stock");
            }
            let left: Vec<i64> = calls.query(&mut self.connection)?;
            for (key, left) in keys.iter().zip(left) {
                books.products.entry(product_id(key)).or_default().left = Some(left);
            }
        }
        Ok(())
    }

    fn read_purchases(&mut self, books: &mut Books) -> anyhow::Result<()> {
        let mut orders: HashSet<String> = HashSet::new();
        let mut from = "-".to_owned();
        loop {
            let page: StreamRangeReply =
                self.connection.xrange_count(PURCHASES, &from, "+", ENTRIES_AT_ONCE)?;
            let Some(last) = page.ids.last() else { break };
            from = format!("({}", last.id);
            for entry in &page.ids {
                let text =
                    |name| entry.get::<String>(name).with_context(|| format!("{}: no {name}", entry.id));
                books.purchases += 1;
                orders.insert(text("order")?);
                let product = books.products.entry(product_id(&text("product")?)).or_default();
                product.purchased += text("quantity")?.parse::<i64>().context("a quantity")?;
            }
        }
        books.orders = numbers::count(orders.len());
        Ok(())
    }

    /// Makes `call`, as nobody but a test does.
    #[cfg(test)]
    pub(super) fn forge(&mut self, call: &[&str]) {
        let (name, arguments) = call.split_first().expect("a command of the test");
        redis::cmd(name).arg(arguments).query::<Value>(&mut self.connection).expect("a command of the test");
    }
}

impl Sync {
    fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
        }
    }
}

/// The load test's id of the product under `key`.
fn product_id(key: &str) -> String {
    format!("prod_{}", key.strip_prefix("product:").unwrap_or(key))
}

/// Connects as soon as the server answers.
fn wait(process: u32, socket: &Path, log: &Path) -> anyhow::Result<Connection> {
    let client = client(socket)?;
    let until = Instant::now() + Duration::from_secs(START_S_MAX);
    loop {
        let ping = |mut connection: Connection| {
            redis::cmd("PING").query::<Value>(&mut connection).map(|_| connection)
        };
        let error = match client.get_connection().and_then(ping) {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if let Some(status) = guard::exit_status(process) {
            bail!("Redis ended ({status}); log:\n{}", server::last_lines(log));
        }
        if Instant::now() >= until {
            let log = server::last_lines(log);
            return Err(error).context(format!("Redis did not start within {START_S_MAX} s; log:\n{log}"));
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}
