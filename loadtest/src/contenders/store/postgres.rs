//! PostgreSQL as shops use it: three ways to take units from a row, each with the purchase as a row of its own in
//! the same transaction.
//!
//! Statements are prepared once for each connection. What can be one statement is one: a round trip within a
//! transaction is time during which the row is locked.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio_postgres::{Config, NoTls, Row};
use uuid::Uuid;

use super::{Goods, Order, Outcome, Settings, Store};
use crate::numbers::Chance;

/// As the harness makes it, in `contenders::postgres`.
pub(crate) const USER: &str = "contender";
pub(crate) const DATABASE: &str = "postgres";

const GUARDED: &str = "\
WITH sold AS (
  UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2 RETURNING id, sku, price, stock
), kept AS (
  INSERT INTO purchases (order_id, product_id, quantity, unit_price, buyer) SELECT $3, id, $2, price, $4 FROM sold
)
SELECT sku, price, stock FROM sold";

const LOCK: &str = "SELECT sku, price, stock FROM products WHERE id = $1 FOR UPDATE";
const TAKE: &str = "UPDATE products SET stock = $2 WHERE id = $1";
const KEEP: &str = "\
INSERT INTO purchases (order_id, product_id, quantity, unit_price, buyer) VALUES ($1, $2, $3, $4, $5)";

const READ: &str = "SELECT sku, price, stock FROM products WHERE id = $1";
const READ_VERSION: &str = "SELECT sku, price, stock, version FROM products WHERE id = $1";
const SWAP: &str = "\
WITH sold AS (
  UPDATE products SET stock = stock - $2, version = version + 1 WHERE id = $1 AND version = $5 RETURNING id, price, stock
), kept AS (
  INSERT INTO purchases (order_id, product_id, quantity, unit_price, buyer) SELECT $3, id, $2, price, $4 FROM sold
)
SELECT stock FROM sold";

/// How often an optimistic purchase is tried.
const ATTEMPTS_MAX: u32 = 50;
/// Before the next attempt: at random up to this long at first, twice as long each time, up to the second.
const BACK_OFF_US_FIRST: u64 = 500;
const BACK_OFF_US_MAX: u64 = 16_000;

/// A guarded update and the purchase's row in one statement, which is one transaction.
pub(crate) struct Guarded(Pool);

/// As object-relational mappers do it: lock the row, look, write, write down.
pub(crate) struct ForUpdate(Pool);

/// Nobody waits for a lock while thinking: who was overtaken tries again.
pub(crate) struct Optimistic {
    pool: Pool,
    chance: RefCell<Chance>,
}

impl Store for Guarded {
    async fn connect(settings: &Settings, connections: usize) -> anyhow::Result<Self> {
        Ok(Self(open(&settings.socket, connections).await?))
    }

    async fn sell(&self, order: &Order<'_>) -> anyhow::Result<Outcome> {
        let client = self.0.get().await?;
        let statement = client.prepare_cached(GUARDED).await?;
        let Order { order_id, product, buyer, quantity } = order;
        let units = i64::from(*quantity);
        let row = client.query_opt(&statement, &[product, &units, order_id, buyer]).await?;
        match row {
            Some(row) => Ok(Outcome::Sold(goods(&row)?)),
            None => refusal(&client, *product).await,
        }
    }
}

impl Store for ForUpdate {
    async fn connect(settings: &Settings, connections: usize) -> anyhow::Result<Self> {
        Ok(Self(open(&settings.socket, connections).await?))
    }

    async fn sell(&self, order: &Order<'_>) -> anyhow::Result<Outcome> {
        let mut client = self.0.get().await?;
        let transaction = client.transaction().await?;
        let lock = transaction.prepare_cached(LOCK).await?;
        let Order { order_id, product, buyer, quantity } = order;
        let units = i64::from(*quantity);
        let Some(row) = transaction.query_opt(&lock, &[product]).await? else {
            transaction.rollback().await?;
            return Ok(Outcome::NoSuchProduct);
        };
        let mut goods = goods(&row)?;
        if goods.available < units {
            transaction.rollback().await?;
            return Ok(Outcome::Short(goods));
        }
        goods.available -= units;
        let take = transaction.prepare_cached(TAKE).await?;
        transaction.execute(&take, &[product, &goods.available]).await?;
        let keep = transaction.prepare_cached(KEEP).await?;
        transaction.execute(&keep, &[order_id, product, &units, &goods.price, buyer]).await?;
        transaction.commit().await?;
        Ok(Outcome::Sold(goods))
    }
}

impl Store for Optimistic {
    async fn connect(settings: &Settings, connections: usize) -> anyhow::Result<Self> {
        let pool = open(&settings.socket, connections).await?;
        // Workers that draw the same would collide for ever.
        let seed = Uuid::now_v7().as_u64_pair().1;
        Ok(Self { pool, chance: RefCell::new(Chance::new(seed)) })
    }

    async fn sell(&self, order: &Order<'_>) -> anyhow::Result<Outcome> {
        let Order { order_id, product, buyer, quantity } = order;
        let units = i64::from(*quantity);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(self.back_off(attempt)).await;
            }
            // Taken anew for each attempt: who waits to try again must not keep others from the database.
            let client = self.pool.get().await?;
            let read = client.prepare_cached(READ_VERSION).await?;
            let Some(row) = client.query_opt(&read, &[product]).await? else {
                return Ok(Outcome::NoSuchProduct);
            };
            let mut goods = goods(&row)?;
            if goods.available < units {
                return Ok(Outcome::Short(goods));
            }
            let version: i64 = row.try_get(3)?;
            let swap = client.prepare_cached(SWAP).await?;
            let row = client.query_opt(&swap, &[product, &units, order_id, buyer, &version]).await?;
            if let Some(row) = row {
                goods.available = row.try_get(0)?;
                return Ok(Outcome::Sold(goods));
            }
        }
        Ok(Outcome::Overtaken)
    }
}

impl Optimistic {
    fn back_off(&self, attempt: u32) -> Duration {
        let longest = BACK_OFF_US_FIRST.saturating_mul(1 << attempt.min(16)).min(BACK_OFF_US_MAX);
        Duration::from_micros(self.chance.borrow_mut().between(0, longest))
    }
}

/// A pool in which every connection is open and none is made in the middle of a measurement.
async fn open(socket: &Path, connections: usize) -> anyhow::Result<Pool> {
    let manager = Manager::from_config(
        config(socket),
        NoTls,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let pool = Pool::builder(manager).max_size(connections).build().context("make a pool")?;
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(pool.get().await.context("connect to PostgreSQL")?);
    }
    Ok(pool)
}

/// Where the harness' own server listens.
pub(crate) fn config(socket: &Path) -> Config {
    let mut config = Config::new();
    config.host_path(socket).user(USER).dbname(DATABASE);
    config
}

/// Why the guarded update took nothing.
async fn refusal(client: &Object, product: Uuid) -> anyhow::Result<Outcome> {
    let read = client.prepare_cached(READ).await?;
    let row = client.query_opt(&read, &[&product]).await?;
    row.map_or(Ok(Outcome::NoSuchProduct), |row| Ok(Outcome::Short(goods(&row)?)))
}

fn goods(row: &Row) -> anyhow::Result<Goods> {
    Ok(Goods { sku: row.try_get(0)?, price: row.try_get(1)?, available: row.try_get(2)? })
}
