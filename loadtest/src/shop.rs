//! Shop: the few calls of the HTTP API that the load test makes besides buying, and the names of the
//! fields it relies on.
//!
//! Every assumption about the server's JSON is in this file and, for carts, orders and reservations, in
//! `shop/orders.rs`. Called by the scenarios; judges nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::caller::{Caller, Reply};
use crate::sale::Target;

pub(crate) mod orders;

/// The API takes at most this many units in one line.
const UNITS_MAX: u32 = 1_000_000;
/// Of one unit of everything, in cents.
pub(crate) const PRICE: i64 = 1_999;
const PAGE_ROWS: usize = 200;
const READY_POLL_MS: u64 = 2;
/// Connections used for many calls of one kind: group commit makes them cheap together.
const CALLERS: usize = 16;

/// The shop as its administrator sees it.
#[derive(Debug)]
pub(crate) struct Shop {
    caller: Caller,
}

/// A product made for a run, with one variant.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) sku: String,
    pub(crate) stock: u32,
}

/// A product to be made, and the terms of its holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) sku: String,
    pub(crate) stock: u32,
    /// How long a cart holds its units; the server's default where there is none.
    pub(crate) hold_seconds: Option<u32>,
    /// Held from the order on, and not from the cart on.
    pub(crate) is_held_at_checkout: bool,
}

/// A purchase as the server confirms it.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) order_id: String,
    pub(crate) quantity: u32,
    pub(crate) available: u32,
}

/// The part of a problem document that a refusal must carry.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) lines: Vec<ShortLine>,
}

/// One line that could not be served.
#[derive(Debug, Deserialize)]
pub(crate) struct ShortLine {
    pub(crate) requested: u32,
    pub(crate) available: u32,
}

/// The stock figures of one SKU. Signed, so that a server that goes below zero is caught and not unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Figures {
    pub(crate) on_hand: i64,
    pub(crate) available: i64,
    pub(crate) reserved: i64,
    pub(crate) committed: i64,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Movement {
    pub(crate) kind: String,
    /// Units moved; the auditor looks at the size only, whichever way the server counts.
    pub(crate) delta: i64,
    pub(crate) cause: Cause,
    pub(crate) after: Option<Figures>,
}

/// What made a movement; for a purchase, its order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Cause {
    pub(crate) id: String,
}

impl Shop {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Comes in as the administrator of `target`, once it is ready.
    ///
    /// # Errors
    ///
    /// When the server is not ready within `patience`, or refuses.
    pub(crate) fn enter(target: &Target, patience: Duration) -> anyhow::Result<Self> {
        let mut shop = Self::new(Caller::new(target.address, target.host.clone()));
        shop.wait_ready(patience)?;
        shop.log_in(&target.email, &target.password)?;
        Ok(shop)
    }

    /// The administrator's token.
    ///
    /// # Errors
    ///
    /// Before the log-in.
    pub(crate) fn token(&self) -> anyhow::Result<&str> {
        self.caller.token().context("nobody has logged in")
    }

    /// Waits until `/health/ready` answers 200.
    ///
    /// # Errors
    ///
    /// When it does not within `patience`.
    pub(crate) fn wait_ready(&mut self, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let last = match self.caller.call("GET", "/health/ready", None) {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) => anyhow!("it answered {}", reply.status),
                Err(error) => error,
            };
            if Instant::now() >= until {
                return Err(last)
                    .context(format!("the server was not ready within {} s", patience.as_secs()));
            }
            thread::sleep(Duration::from_millis(READY_POLL_MS));
        }
    }

    /// Logs in and keeps the token.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub(crate) fn log_in(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let body = json!({ "email": email, "password": password });
        let answer =
            self.caller.call("POST", "/api/v1/auth/login", Some(&body))?.json(200).context("log in")?;
        let token = answer["access_token"].as_str().context("the login answers no access_token")?;
        self.caller.authenticate(token.to_owned());
        Ok(())
    }

    /// Creates a product with `stock` units under `sku`.
    ///
    /// # Errors
    ///
    /// When the server does not make it, or not under that SKU.
    pub(crate) fn create_product(&mut self, sku: &str, stock: u32) -> anyhow::Result<Product> {
        self.create(&Wanted { sku: sku.to_owned(), stock, ..Wanted::default() })
    }

    /// Creates one product for each SKU, over several connections.
    ///
    /// # Errors
    ///
    /// When any cannot be made.
    pub(crate) fn create_products(&mut self, skus: &[String], stock: u32) -> anyhow::Result<Vec<Product>> {
        self.share_out(skus, |shop, sku| shop.create_product(sku, stock))
    }

    /// Creates each product, over several connections.
    ///
    /// # Errors
    ///
    /// When any cannot be made.
    pub(crate) fn create_all(&mut self, wanted: &[Wanted]) -> anyhow::Result<Vec<Product>> {
        self.share_out(wanted, Self::create)
    }

    fn create(&mut self, wanted: &Wanted) -> anyhow::Result<Product> {
        let Wanted { sku, stock, .. } = wanted;
        let first = (*stock).min(UNITS_MAX);
        let mut body = json!({
            "name": format!("Load test {sku}"),
            "price": PRICE,
            "currency": "EUR",
            "sku": sku,
            "initial_stock": first,
        });
        if let Some(seconds) = wanted.hold_seconds {
            body["reservation_ttl_seconds"] = json!(seconds);
        }
        if wanted.is_held_at_checkout {
            body["reserve_on"] = json!("checkout");
        }
        let reply = self.caller.call("POST", "/api/v1/products", Some(&body))?;
        let answer = reply.json(201).with_context(|| format!("create product {sku}"))?;
        let id = answer["id"].as_str().context("a product without id")?.to_owned();
        ensure!(answer["sku"] == **sku, "asked for sku {sku}, got {}", answer["sku"]);
        let mut received = first;
        while received < *stock {
            let delta = (stock - received).min(UNITS_MAX);
            self.receive(sku, delta)?;
            received += delta;
        }
        Ok(Product { id, sku: sku.clone(), stock: *stock })
    }

    /// Does `each` with every item, over several connections, and returns the results in order.
    fn share_out<T: Sync, R: Send>(
        &self,
        items: &[T],
        each: impl Fn(&mut Self, &T) -> anyhow::Result<R> + Sync,
    ) -> anyhow::Result<Vec<R>> {
        let share = items.len().div_ceil(CALLERS).max(1);
        thread::scope(|scope| {
            let callers: Vec<_> = items
                .chunks(share)
                .map(|items| {
                    let (mut shop, each) = (Self::new(self.caller.twin()), &each);
                    scope.spawn(move || {
                        items.iter().map(|item| each(&mut shop, item)).collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut results = Vec::with_capacity(items.len());
            for caller in callers {
                results.extend(caller.join().map_err(|_| anyhow!("a caller's thread panicked"))??);
            }
            Ok(results)
        })
    }

    fn receive(&mut self, sku: &str, delta: u32) -> anyhow::Result<()> {
        let body = json!({ "delta": delta, "reason": "received" });
        let path = format!("/api/v1/inventory/{sku}/adjustments");
        self.caller.call("POST", &path, Some(&body))?.json(201).context("receive units")?;
        Ok(())
    }

    /// The stock figures of `sku`.
    ///
    /// # Errors
    ///
    /// When the server does not tell.
    pub(crate) fn figures(&mut self, sku: &str) -> anyhow::Result<Figures> {
        let answer = self.caller.call("GET", &format!("/api/v1/inventory/{sku}"), None)?.json(200)?;
        serde_json::from_value(answer).with_context(|| format!("the inventory of {sku}"))
    }

    /// The stock figures of every sku, in order, over several connections.
    ///
    /// # Errors
    ///
    /// When the server does not tell one.
    pub(crate) fn all_figures(&self, skus: &[String]) -> anyhow::Result<Vec<Figures>> {
        self.share_out(skus, |shop, sku| shop.figures(sku))
    }

    /// Every movement of kind `committed` of `sku`, newest first.
    ///
    /// # Errors
    ///
    /// When the list does not end after `rows_max` rows, or a row lacks a field the auditor needs.
    pub(crate) fn committed_movements(
        &mut self,
        sku: &str,
        rows_max: usize,
    ) -> anyhow::Result<Vec<Movement>> {
        let path = format!("/api/v1/inventory/{sku}/movements?kind=committed");
        let movements: Vec<Movement> = self.list(&path, rows_max)?;
        for movement in &movements {
            ensure!(movement.kind == "committed", "asked for committed movements, got {}", movement.kind);
        }
        Ok(movements)
    }

    /// The movements of one kind of each sku, in order, over several connections; of each at most so many.
    ///
    /// # Errors
    ///
    /// As [`Shop::committed_movements`].
    pub(crate) fn all_movements_of(
        &self,
        kind: &str,
        skus: &[(String, u64)],
    ) -> anyhow::Result<Vec<Vec<Movement>>> {
        self.share_out(skus, |shop, (sku, rows_max)| {
            let rows_max = usize::try_from(*rows_max).context("so many rows")?;
            let path = format!("/api/v1/inventory/{sku}/movements?kind={kind}");
            let movements: Vec<Movement> = shop.list(&path, rows_max)?;
            ensure!(movements.iter().all(|movement| movement.kind == kind), "asked for {kind}, got others");
            Ok(movements)
        })
    }

    /// What the server calls its version; of one that does not say it, `unknown`.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) fn version(&mut self) -> anyhow::Result<String> {
        let reply = self.caller.call("GET", "/api/v1/health", None)?;
        let health: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok(health["version"].as_str().unwrap_or("unknown").to_owned())
    }

    /// Every movement of `sku`, newest first.
    ///
    /// # Errors
    ///
    /// As [`Shop::committed_movements`].
    pub(crate) fn movements(&mut self, sku: &str, rows_max: usize) -> anyhow::Result<Vec<Movement>> {
        self.list(&format!("/api/v1/inventory/{sku}/movements"), rows_max)
    }

    /// Every row of the list at `path`, page by page.
    fn list<T: DeserializeOwned>(&mut self, path: &str, rows_max: usize) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        let mark = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut page_path = format!("{path}{mark}limit={PAGE_ROWS}");
            if let Some(cursor) = &cursor {
                page_path.push_str("&cursor=");
                page_path.push_str(&escape(cursor));
            }
            let answer = self.caller.call("GET", &page_path, None)?.json(200)?;
            let (rows, next) = page(answer)?;
            for row in rows {
                all.push(serde_json::from_value(row).with_context(|| format!("a row of {path}"))?);
            }
            ensure!(all.len() <= rows_max, "more than {rows_max} rows at {path}");
            if next.is_none() {
                return Ok(all);
            }
            ensure!(next != cursor, "{path} gives the same cursor twice");
            cursor = next;
        }
    }

    /// Sends ready-made bytes as one request.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) fn sample(&mut self, request: &[u8]) -> anyhow::Result<Reply> {
        self.caller.send(request).context("take a sample answer")
    }
}

/// The rows of a list and the cursor of the next page.
fn page(answer: Value) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    let Value::Object(mut list) = answer else { bail!("a list that is not {{data, next_cursor}}") };
    let Some(Value::Array(rows)) = list.remove("data") else { bail!("a list without data") };
    match list.remove("next_cursor") {
        Some(Value::String(cursor)) => Ok((rows, Some(cursor))),
        Some(Value::Null) => Ok((rows, None)),
        _ => bail!("a list without next_cursor"),
    }
}

/// Percent-encodes what may not stand in a query: cursors are opaque.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tells_its_rows_and_the_next_cursor() {
        let (rows, next) = page(json!({ "data": [1, 2], "next_cursor": "abc" })).expect("a page");
        assert_eq!((rows.len(), next.as_deref()), (2, Some("abc")));
        let (rows, next) = page(json!({ "data": [], "next_cursor": null })).expect("the last page");
        assert_eq!((rows.len(), next), (0, None));
        assert!(page(json!([])).is_err());
        assert!(page(json!({ "data": [] })).is_err());
    }

    #[test]
    fn cursor_is_escaped_for_a_query() {
        assert_eq!(escape("aZ9-._~"), "aZ9-._~");
        assert_eq!(escape("a+b/c=&"), "a%2Bb%2Fc%3D%26");
    }

    #[test]
    fn problem_without_lines_is_read_and_a_negative_available_is_not() {
        let problem: Problem = serde_json::from_str(r#"{"code":"not_found","status":404}"#).expect("valid");
        assert_eq!((problem.code.as_str(), problem.lines.len()), ("not_found", 0));
        let negative = r#"{"code":"insufficient_stock","lines":[{"requested":1,"available":-1}]}"#;
        assert!(serde_json::from_str::<Problem>(negative).is_err());
    }
}
