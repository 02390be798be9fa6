//! Contenders: what shops sell with today, behind the same front as Holdfast, to be measured beside it.
//!
//! Owns the list of them, and starts each one whole: a database server of its own on a fresh folder, filled with the
//! products for sale, and the front (`loadtest contender-server`), a process of its own that speaks HTTP as Holdfast
//! does. Judges their books afterwards as well. In the order one should read them: what is answered (`front`,
//! `answer`, `store`), by which servers (`programs`, `postgres`, `redis`), what they wrote down (`books`), and all of them in one
//! run (`contest`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::load::Endpoint;
use crate::results::Rival;
use crate::shop::Product;
use crate::{guard, server};

mod front;

mod answer;
mod store;

mod postgres;
mod programs;
mod redis;

mod books;

pub(crate) mod contest;

pub(crate) use books::Heard;
pub(crate) use front::serve_standard_input;
use store::Settings;

/// One way to sell the last unit once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    PostgresGuarded,
    PostgresForUpdate,
    PostgresOptimistic,
    RedisAlways,
    RedisEverysec,
}

/// What a contender has for sale.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    pub(crate) products: Vec<Product>,
}

/// A contender that sells; ended, with its folders, when it is dropped.
pub(crate) struct Contender {
    pub(crate) rival: Rival,
    pub(crate) endpoint: Endpoint,
    stock: Stock,
    front: Front,
    database: Database,
}

/// A server of the harness' own.
enum Database {
    Postgres(postgres::Server),
    Redis(redis::Server),
}

/// What starts a front: a process of its own, or a thread of a test.
type StartFront = fn(&Settings, log: &Path) -> anyhow::Result<(SocketAddr, Front)>;

enum Front {
    Process(u32),
    #[cfg(test)]
    Thread(actix_web::dev::ServerHandle),
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::PostgresGuarded,
        Self::PostgresForUpdate,
        Self::PostgresOptimistic,
        Self::RedisAlways,
        Self::RedisEverysec,
    ];

    /// The key by which measurements name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PostgresGuarded => "postgres-guarded",
            Self::PostgresForUpdate => "postgres-for-update",
            Self::PostgresOptimistic => "postgres-optimistic",
            Self::RedisAlways => "redis-always",
            Self::RedisEverysec => "redis-everysec",
        }
    }

    /// Says whether its server is installed.
    ///
    /// # Errors
    ///
    /// When it is not, with the package to install.
    pub(crate) fn find(self) -> anyhow::Result<()> {
        match self {
            Self::PostgresGuarded | Self::PostgresForUpdate | Self::PostgresOptimistic => {
                programs::postgres().map(drop)
            }
            Self::RedisAlways | Self::RedisEverysec => programs::redis().map(drop),
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::PostgresGuarded => {
                "one statement: UPDATE … WHERE stock >= n, and a row for the purchase, in one transaction"
            }
            Self::PostgresForUpdate => {
                "BEGIN, SELECT … FOR UPDATE, UPDATE, INSERT of the purchase, COMMIT, as ORMs do it"
            }
            Self::PostgresOptimistic => {
                "SELECT with a version; one statement: UPDATE … WHERE version = v, and a row for the purchase; tried \
                 again with jittered back-off"
            }
            Self::RedisAlways => {
                "one Lua script: check, count down, append the purchase to a stream; synced before each answer"
            }
            Self::RedisEverysec => {
                "one Lua script: check, count down, append the purchase to a stream; synced once a second, so that a \
                 crash loses sales"
            }
        }
    }

    /// Connections to the database, of all workers together.
    ///
    /// What was best for them: on one row they hardly matter, and over many rows 32 commit together in fewer syncs than
    /// 8 do. Every attempt that is overtaken on one row costs a transaction, so there fewer are better. One connection
    /// for each worker is enough for Redis, which serves one at a time and gets all that waits in one piece.
    fn connections(self) -> usize {
        match self {
            Self::PostgresGuarded | Self::PostgresForUpdate => 32,
            Self::PostgresOptimistic => 16,
            Self::RedisAlways | Self::RedisEverysec => 2,
        }
    }

    fn front_settings(self, connections: usize) -> String {
        match self {
            Self::PostgresGuarded | Self::PostgresForUpdate | Self::PostgresOptimistic => {
                format!("the front's pools: {connections} connections in all, over a Unix socket")
            }
            Self::RedisAlways | Self::RedisEverysec => {
                format!("the front: {connections} multiplexed connections in all, over a Unix socket")
            }
        }
    }

    fn start_database(self, stock: &Stock, parent: Option<&Path>) -> anyhow::Result<Database> {
        match self {
            Self::PostgresGuarded | Self::PostgresForUpdate | Self::PostgresOptimistic => {
                postgres::Server::start(stock, parent).map(Database::Postgres)
            }
            Self::RedisAlways => {
                redis::Server::start(redis::Sync::Always, stock, parent).map(Database::Redis)
            }
            Self::RedisEverysec => {
                redis::Server::start(redis::Sync::EverySecond, stock, parent).map(Database::Redis)
            }
        }
    }
}

impl Stock {
    /// Products with fresh ids, one for each sku and its units.
    pub(crate) fn new(goods: impl IntoIterator<Item = (String, u32)>) -> Self {
        let product = |(sku, stock)| Product { id: format!("prod_{}", Uuid::now_v7()), sku, stock };
        Self { products: goods.into_iter().map(product).collect() }
    }
}

/// Starts `kind` on a fresh folder below `parent` (where there is none: where Holdfast's would be), with `stock`.
///
/// # Errors
///
/// When its server is not installed, or does not start.
pub(crate) fn start(kind: Kind, stock: &Stock, parent: Option<&Path>) -> anyhow::Result<Contender> {
    start_pooled(kind, kind.connections(), stock, parent)
}

/// As [`start`], with another number of connections to the database.
fn start_pooled(
    kind: Kind,
    connections: usize,
    stock: &Stock,
    parent: Option<&Path>,
) -> anyhow::Result<Contender> {
    start_with(kind, connections, stock, parent, front_process)
        .with_context(|| format!("start {}", kind.name()))
}

fn start_with(
    kind: Kind,
    connections: usize,
    stock: &Stock,
    parent: Option<&Path>,
    start_front: StartFront,
) -> anyhow::Result<Contender> {
    let mut database = kind.start_database(stock, parent)?;
    let (version, mut settings) = database.describe()?;
    settings.push(kind.front_settings(connections));
    let process = database.process();
    let told = Settings { kind, socket: database.socket(), connections, database: process };
    let (address, front) = start_front(&told, &database.folders().data.join("front.log"))?;
    let name = kind.name().to_owned();
    let processes = front.process().into_iter().chain([process]).collect();
    Ok(Contender {
        rival: Rival { name: name.clone(), description: kind.description().to_owned(), version, settings },
        endpoint: Endpoint { name, address, processes },
        stock: stock.clone(),
        front,
        database,
    })
}

/// Starts the front as a process of its own.
fn front_process(settings: &Settings, log: &Path) -> anyhow::Result<(SocketAddr, Front)> {
    let server = server::start_own("contender-server", settings, Some(log))?;
    Ok((server.address, Front::Process(server.process)))
}

impl Contender {
    /// Stops the front, then compares what buyers heard with what the database wrote down; one sentence for each
    /// discrepancy. Afterwards nobody can buy here any more.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub(crate) fn audit(&mut self, heard: &Heard) -> anyhow::Result<Vec<String>> {
        self.front.stop();
        let books =
            self.database.books().with_context(|| format!("read the books of {}", self.rival.name))?;
        let wrong = books::judge(&self.stock, heard, &books);
        Ok(wrong.into_iter().map(|wrong| format!("{}: {wrong}", self.rival.name)).collect())
    }
}

impl Front {
    fn process(&self) -> Option<u32> {
        match self {
            Self::Process(process) => Some(*process),
            #[cfg(test)]
            Self::Thread(_) => None,
        }
    }

    fn stop(&self) {
        match self {
            // It may have been stopped before.
            Self::Process(process) => drop(guard::kill(*process)),
            #[cfg(test)]
            Self::Thread(server) => tests::stop(server),
        }
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        self.front.stop();
        guard::kill(self.database.process());
        self.database.folders().remove();
    }
}

impl Database {
    fn process(&self) -> u32 {
        match self {
            Self::Postgres(server) => server.process,
            Self::Redis(server) => server.process,
        }
    }

    fn folders(&self) -> &programs::Folders {
        match self {
            Self::Postgres(server) => &server.folders,
            Self::Redis(server) => &server.folders,
        }
    }

    fn socket(&self) -> PathBuf {
        match self {
            Self::Postgres(server) => server.folders.socket.clone(),
            Self::Redis(server) => server.socket(),
        }
    }

    fn describe(&mut self) -> anyhow::Result<(String, Vec<String>)> {
        match self {
            Self::Postgres(server) => server.describe(),
            Self::Redis(server) => server.describe(),
        }
    }

    fn books(&mut self) -> anyhow::Result<books::Books> {
        match self {
            Self::Postgres(server) => server.books(),
            Self::Redis(server) => server.books(),
        }
    }
}

/// The number in a product's id, which is its key in the databases.
fn uuid(product: &Product) -> anyhow::Result<Uuid> {
    let id = product.id.strip_prefix("prod_").and_then(|id| Uuid::try_parse(id).ok());
    id.with_context(|| format!("{} is no product id", product.id))
}

#[cfg(test)]
mod tests;
