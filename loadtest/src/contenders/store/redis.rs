//! Redis as shops use it: one script that checks, counts down and appends to a stream, all or nothing.
//!
//! Each worker has its connections, and all its requests in flight share them: they are written and answered
//! together, and so one sync of the append-only file serves many.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo};

use super::{Goods, Order, Outcome, Settings, Store};

/// The stream of purchases.
pub(crate) const PURCHASES: &str = "purchases";
/// The default of half a second is shorter than a slow disk's sync under load.
const RESPONSE_S_MAX: u64 = 30;

/// Answers nothing for an unknown product, else whether it sold, sku, price and what is left.
const SCRIPT: &str = "\
local row = redis.call('HMGET', KEYS[1], 'sku', 'price', 'stock')
if not row[1] then return false end
local stock = tonumber(row[3])
local units = tonumber(ARGV[1])
if stock < units then return {0, row[1], row[2], stock} end
redis.call('HINCRBY', KEYS[1], 'stock', -units)
redis.call('XADD', KEYS[2], '*', 'order', ARGV[2], 'product', KEYS[1], 'quantity', ARGV[1], 'price', row[2], 'buyer', ARGV[3])
return {1, row[1], row[2], stock - units}";

/// The script over multiplexed connections.
pub(crate) struct Scripted {
    connections: Vec<MultiplexedConnection>,
    next: Cell<usize>,
    hash: String,
}

impl Store for Scripted {
    async fn connect(settings: &Settings, connections: usize) -> anyhow::Result<Self> {
        let client = client(&settings.socket)?;
        let config =
            AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(RESPONSE_S_MAX)));
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let connection = client.get_multiplexed_async_connection_with_config(&config).await;
            open.push(connection.context("connect to Redis")?);
        }
        let first = open.first_mut().context("a store needs a connection")?;
        let hash = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(first).await;
        let hash = hash.context("load the script")?;
        Ok(Self { connections: open, next: Cell::new(0), hash })
    }

    async fn sell(&self, order: &Order<'_>) -> anyhow::Result<Outcome> {
        let at = self.next.get();
        self.next.set((at + 1) % self.connections.len());
        let mut connection = self.connections[at].clone();
        let mut text = uuid::Uuid::encode_buffer();
        let mut call = Cmd::with_capacity(7, 200);
        call.arg("EVALSHA").arg(&self.hash).arg(2).arg(key(order.product)).arg(PURCHASES).arg(order.quantity);
        call.arg(&*order.order_id.hyphenated().encode_lower(&mut text)).arg(order.buyer);
        let answer: Option<(u8, String, i64, i64)> = call.query_async(&mut connection).await?;
        let Some((is_sold, sku, price, available)) = answer else { return Ok(Outcome::NoSuchProduct) };
        ensure!(available >= 0, "{sku} is {available}");
        let goods = Goods { sku, price, available };
        Ok(if is_sold == 1 { Outcome::Sold(goods) } else { Outcome::Short(goods) })
    }
}

/// The key of a product's hash.
pub(crate) fn key(product: uuid::Uuid) -> String {
    format!("product:{product}")
}

/// Where the harness' own server listens.
///
/// # Errors
///
/// When the path cannot be one of a socket.
pub(crate) fn client(socket: &Path) -> anyhow::Result<Client> {
    let address = ConnectionAddr::Unix(socket.to_owned());
    Client::open(address.into_connection_info().context("the address of Redis")?)
        .context("the address of Redis")
}
