//! Shop: the few calls of the HTTP API that the load test makes besides buying, and the names of the
//! fields it relies on.
//!
//! Every assumption about the server's JSON is in this file. Called by the scenarios; judges nothing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::caller::Caller;

/// The API takes at most this many units in one line.
const UNITS_MAX: u32 = 1_000_000;
const PAGE_ROWS: usize = 200;
const READY_POLL_MS: u64 = 2;
/// Connections used to create many products: group commit makes them cheap together.
const CREATORS: usize = 16;

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
        let first = stock.min(UNITS_MAX);
        let body = json!({
            "name": format!("Load test {sku}"),
            "price": 1999,
            "currency": "EUR",
            "sku": sku,
            "initial_stock": first,
        });
        let reply = self.caller.call("POST", "/api/v1/products", Some(&body))?;
        let answer = reply.json(201).with_context(|| format!("create product {sku}"))?;
        let id = answer["id"].as_str().context("a product without id")?.to_owned();
        ensure!(answer["sku"] == sku, "asked for sku {sku}, got {}", answer["sku"]);
        let mut received = first;
        while received < stock {
            let delta = (stock - received).min(UNITS_MAX);
            self.receive(sku, delta)?;
            received += delta;
        }
        Ok(Product { id, sku: sku.to_owned(), stock })
    }

    /// Creates one product for each SKU, over several connections.
    ///
    /// # Errors
    ///
    /// When any cannot be made.
    pub(crate) fn create_products(&mut self, skus: &[String], stock: u32) -> anyhow::Result<Vec<Product>> {
        let share = skus.len().div_ceil(CREATORS).max(1);
        thread::scope(|scope| {
            let creators: Vec<_> = skus
                .chunks(share)
                .map(|skus| {
                    let mut shop = Self::new(self.caller.twin());
                    scope.spawn(move || {
                        skus.iter().map(|sku| shop.create_product(sku, stock)).collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut products = Vec::with_capacity(skus.len());
            for creator in creators {
                products.extend(creator.join().map_err(|_| anyhow!("creating products panicked"))??);
            }
            Ok(products)
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
        let mut movements = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut path = format!("/api/v1/inventory/{sku}/movements?kind=committed&limit={PAGE_ROWS}");
            if let Some(cursor) = &cursor {
                path.push_str("&cursor=");
                path.push_str(&escape(cursor));
            }
            let answer = self.caller.call("GET", &path, None)?.json(200)?;
            let (rows, next) = page(answer)?;
            for row in rows {
                let movement: Movement = serde_json::from_value(row).context("a movement")?;
                ensure!(movement.kind == "committed", "asked for committed movements, got {}", movement.kind);
                movements.push(movement);
            }
            ensure!(movements.len() <= rows_max, "more than {rows_max} movements of {sku}");
            if next.is_none() {
                return Ok(movements);
            }
            ensure!(next != cursor, "the movements of {sku} give the same cursor twice");
            cursor = next;
        }
    }

    /// Sends ready-made bytes as one request.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub(crate) fn sample(&mut self, request: &[u8]) -> anyhow::Result<crate::caller::Reply> {
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
fn escape(text: &str) -> String {
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
