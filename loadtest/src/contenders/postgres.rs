//! PostgreSQL: a server of the load test's own, from a fresh folder to the last look into its books.
//!
//! Debian's defaults, but for what decides on durability, which is said aloud, and the size of the cache; the rest is
//! asked from the server for the report. It listens on a Unix socket only, which is faster than TCP on loopback. As
//! root it runs as `postgres` or `nobody`: PostgreSQL refuses to be root.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::Stock;
use super::books::{Books, Figures};
use super::programs::{self, Folders};
use super::store::postgres::{USER, config};
use crate::shop::PRICE;
use crate::{guard, server};

const START_S_MAX: u64 = 120;
/// A backend of a front that is gone ends when it is done.
const REST_S_MAX: u64 = 60;
const POLL_MS: u64 = 10;
/// The usual advice is a quarter of the memory; a gigabyte is far more than there is data.
const SHARED_BUFFERS: &str = "1GB";
const SHARED_BUFFERS_MB_MAX: u64 = 1024;
/// Set aloud: nothing is bought with durability. All of them are the defaults.
const DURABLE: [&str; 3] = ["fsync=on", "synchronous_commit=on", "full_page_writes=on"];
/// What the report says, in PostgreSQL's words.
const SHOWN: [&str; 11] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "commit_delay",
    "shared_buffers",
    "max_connections",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
    "default_transaction_isolation",
];

const TABLES: &str = "products: fillfactor 50, CHECK (stock >= 0); purchases: a primary key, no foreign key";

/// Pages of products are half empty at first, so that a new version of a row fits beside the old one.
const SCHEMA: &str = "\
CREATE TABLE products (
  id uuid PRIMARY KEY, sku text NOT NULL UNIQUE, price bigint NOT NULL,
  stock bigint NOT NULL CHECK (stock >= 0), version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE purchases (
  order_id uuid PRIMARY KEY, product_id uuid NOT NULL, quantity bigint NOT NULL, unit_price bigint NOT NULL,
  buyer text NOT NULL, sold_at timestamptz NOT NULL DEFAULT now()
);";
const FILL: &str = "\
INSERT INTO products (id, sku, price, stock) SELECT id, sku, $4, stock \
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS goods (id, sku, stock)";
const FIGURES: &str = "\
SELECT coalesce(p.id, s.product_id), p.stock, coalesce(s.units, 0)::bigint FROM products p FULL JOIN \
(SELECT product_id, sum(quantity) AS units FROM purchases GROUP BY product_id) s ON s.product_id = p.id";
const OTHERS: &str = "\
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// A PostgreSQL that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) process: u32,
    pub(super) folders: Folders,
    runtime: Runtime,
    client: Client,
}

impl Server {
    /// Makes a cluster below `parent`, starts it, and fills it with `stock`.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, or does not start; with the last lines of its log.
    pub(super) fn start(stock: &Stock, parent: Option<&Path>) -> anyhow::Result<Self> {
        let programs = programs::postgres()?;
        let user = programs::instead_of_root()?;
        let folders = Folders::make("postgres", parent, user.as_ref())?;
        let data = folders.data.join("data");
        let log = folders.data.join("postgres.log");
        let run = |program: &str| {
            let mut command = programs::command(&programs.join(program), &folders.data, "PG");
            if let Some(user) = &user {
                user.run(&mut command);
            }
            command.arg("-D").arg(&data).stdin(Stdio::null());
            command
        };
        let options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"];
        let made = run("initdb").args(options).output().context("run initdb")?;
        ensure!(
            made.status.success(),
            "initdb failed; as {} it must be able to enter every folder above {}: {}",
            user.as_ref().map_or("yourself", |user| &user.name),
            data.display(),
            String::from_utf8_lossy(&made.stderr).trim()
        );
        let mut server = run("postgres");
        server.arg("-k").arg(&folders.socket).args(["-c", "listen_addresses="]);
        server.args(["-c", &format!("shared_buffers={}", shared_buffers())]);
        for setting in DURABLE {
            server.args(["-c", setting]);
        }
        let output = File::create(&log).context("make the log of PostgreSQL")?;
        server.stdout(output.try_clone().context("share the log of PostgreSQL")?).stderr(output);
        let process = guard::adopt_politely(server.spawn().context("run postgres")?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = wait(&runtime, process, &folders.socket, &log)?;
        let server = Self { process, folders, runtime, client };
        server.fill(stock).context("fill PostgreSQL")?;
        Ok(server)
    }

    fn fill(&self, stock: &Stock) -> anyhow::Result<()> {
        let mut ids: Vec<Uuid> = Vec::with_capacity(stock.products.len());
        let mut skus: Vec<&str> = Vec::with_capacity(stock.products.len());
        let mut units: Vec<i64> = Vec::with_capacity(stock.products.len());
        for product in &stock.products {
            ids.push(super::uuid(product)?);
            skus.push(&product.sku);
            units.push(i64::from(product.stock));
        }
        self.runtime.block_on(async {
            self.client.batch_execute(SCHEMA).await?;
            self.client.execute(FILL, &[&ids, &skus, &units, &PRICE]).await?;
            // As after a good while: nothing of the set-up is left to be done during the first measurement.
            self.client.batch_execute("VACUUM ANALYZE").await?;
            self.client.batch_execute("CHECKPOINT").await?;
            Ok(())
        })
    }

    /// Version and settings, as the server says them.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(super) fn describe(&self) -> anyhow::Result<(String, Vec<String>)> {
        self.runtime.block_on(async {
            let version = self.show("server_version").await?;
            let mut settings = Vec::with_capacity(SHOWN.len());
            for name in SHOWN {
                settings.push(format!("{name} = {}", self.show(name).await?));
            }
            settings.push(TABLES.to_owned());
            Ok((format!("PostgreSQL {version}"), settings))
        })
    }

    async fn show(&self, name: &str) -> anyhow::Result<String> {
        let row = self.client.query_one("SELECT current_setting($1)", &[&name]).await;
        Ok(row.with_context(|| format!("ask PostgreSQL for {name}"))?.try_get(0)?)
    }

    /// Everything that was written down, when nobody else is connected any more.
    ///
    /// # Errors
    ///
    /// When somebody still is after a long wait, or the server does not answer.
    pub(super) fn books(&self) -> anyhow::Result<Books> {
        self.runtime.block_on(async {
            let until = Instant::now() + Duration::from_secs(REST_S_MAX);
            while self.client.query_one(OTHERS, &[]).await?.try_get::<_, i64>(0)? > 0 {
                ensure!(Instant::now() < until, "others are still connected to PostgreSQL");
                thread::sleep(Duration::from_millis(POLL_MS));
            }
            let counts = "SELECT count(*), count(DISTINCT order_id) FROM purchases";
            let counts = self.client.query_one(counts, &[]).await?;
            let mut books = Books {
                purchases: counts.try_get::<_, i64>(0)?.try_into()?,
                orders: counts.try_get::<_, i64>(1)?.try_into()?,
                ..Books::default()
            };
            for row in self.client.query(FIGURES, &[]).await? {
                let id = format!("prod_{}", row.try_get::<_, Uuid>(0)?);
                let figures = Figures { left: row.try_get(1)?, purchased: row.try_get(2)? };
                books.products.insert(id, figures);
            }
            Ok(books)
        })
    }

    /// Runs `statement`, as nobody but a test does.
    #[cfg(test)]
    pub(super) fn forge(&self, statement: &str) {
        self.runtime.block_on(self.client.batch_execute(statement)).expect("a statement of the test");
    }
}

/// Connects as soon as the server listens.
fn wait(runtime: &Runtime, process: u32, socket: &Path, log: &Path) -> anyhow::Result<Client> {
    let until = Instant::now() + Duration::from_secs(START_S_MAX);
    loop {
        let connected = runtime.block_on(async {
            let (client, connection) = config(socket).connect(NoTls).await?;
            // Its end is the client's error.
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        });
        let error = match connected {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if let Some(status) = guard::exit_status(process) {
            bail!("PostgreSQL ended ({status}); log:\n{}", server::last_lines(log));
        }
        if Instant::now() >= until {
            let log = server::last_lines(log);
            return Err(error)
                .context(format!("PostgreSQL did not start within {START_S_MAX} s; log:\n{log}"));
        }
        thread::sleep(Duration::from_millis(POLL_MS));
    }
}

/// A gigabyte, or a quarter of a small machine's memory.
fn shared_buffers() -> String {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let quarter = memory_mb(&info).map(|memory| memory / 4);
    match quarter.filter(|quarter| *quarter < SHARED_BUFFERS_MB_MAX) {
        Some(quarter) => format!("{quarter}MB"),
        None => SHARED_BUFFERS.to_owned(),
    }
}

fn memory_mb(info: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert_eq!(memory_mb("Foo: 1 kB\nMemTotal:       2048 kB\n"), Some(2));
        assert_eq!(memory_mb("MemTotal: lots"), None);
    }
}
