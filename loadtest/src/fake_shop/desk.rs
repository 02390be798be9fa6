//! Desk: the fake shop's paths and what it answers to each, in the words of the contract.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::wall_clock;

use super::Cheat;
use super::store::{Shelf, Store};

mod cart;
mod orders;
mod reservations;

pub(super) const TOKEN: &str = "token";
pub(super) const PASSWORD: &str = "password";

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    method: String,
    path: Vec<String>,
    query: HashMap<String, String>,
    session: Option<String>,
    is_admin: bool,
    pub(super) key: Option<String>,
    body: Value,
}

type Answer = (u16, Value);

impl Call {
    pub(super) fn new(
        method: &str,
        path: &str,
        session: Option<String>,
        is_admin: bool,
        key: Option<String>,
        body: &[u8],
    ) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self {
            method: method.to_owned(),
            path: path.trim_start_matches('/').split('/').map(str::to_owned).collect(),
            query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            session,
            is_admin,
            key,
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        }
    }

    pub(super) fn caller(&self) -> String {
        if self.is_admin { "admin".to_owned() } else { self.session.clone().unwrap_or_default() }
    }

    /// Asked by a buyer, and not for set-up or audit.
    pub(super) fn is_buyers(&self) -> bool {
        self.session.is_some()
    }
}

/// Answers `call`, after everything that was due before it.
pub(super) fn answer(store: &mut Store, call: &Call) -> Answer {
    store.lapse(wall_clock::now());
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["health", "ready"]) => (200, Value::Null),
        (_, ["api", "v1", path @ ..]) => route(store, call, path),
        _ => problem(404, "not_found"),
    }
}

fn route(store: &mut Store, call: &Call, path: &[&str]) -> Answer {
    match (call.method.as_str(), path) {
        ("POST", ["auth", "login"]) => {
            assert_eq!(call.body["password"], PASSWORD);
            (200, json!({ "access_token": TOKEN, "token_type": "Bearer" }))
        }
        ("GET", ["products"]) => (200, json!({ "data": [], "next_cursor": null })),
        ("GET", ["products", id]) => match sku_of(store, id) {
            Some(sku) => (200, json!({ "id": id, "sku": sku })),
            None => problem(404, "not_found"),
        },
        ("POST", ["products", id, "purchase"]) => purchase(store, call, id),
        ("GET", ["inventory", sku]) => match store.shelves.get(*sku) {
            Some(shelf) => (200, shelf.figures()),
            None => problem(404, "not_found"),
        },
        (method, ["cart", rest @ ..]) => cart::answer(store, call, method, rest),
        ("POST", ["reservations", "batch"]) if call.is_admin => reservations::batch(store, call),
        (method, ["reservations", rest @ ..]) => reservations::answer(store, call, method, rest),
        (method, ["orders", rest @ ..]) => orders::answer(store, call, method, rest),
        _ if !call.is_admin => problem(403, "forbidden"),
        ("POST", ["products"]) => create(store, call),
        ("GET", ["inventory", sku, "movements"]) => movements(store, call, sku),
        ("POST", ["inventory", sku, "adjustments"]) => receive(store, call, sku),
        _ => problem(404, "not_found"),
    }
}

fn problem(status: u16, code: &str) -> Answer {
    (status, json!({ "status": status, "code": code }))
}

fn insufficient(lines: &[Value]) -> Answer {
    (409, json!({ "status": 409, "code": "insufficient_stock", "lines": lines }))
}

fn sku_of(store: &Store, id: &str) -> Option<String> {
    store.shelves.iter().find(|(_, shelf)| shelf.id == id).map(|(sku, _)| sku.clone())
}

fn create(store: &mut Store, call: &Call) -> Answer {
    let sku = call.body["sku"].as_str().expect("a sku").to_owned();
    let id = format!("prod_{:06}", store.shelves.len());
    let shelf = Shelf {
        id: id.clone(),
        ttl_seconds: call.body["reservation_ttl_seconds"].as_u64().unwrap_or(900),
        is_held_in_cart: call.body["reserve_on"] != "checkout",
        ..Shelf::default()
    };
    store.shelves.insert(sku.clone(), shelf);
    let stock = call.body["initial_stock"].as_u64().and_then(|stock| u32::try_from(stock).ok());
    let lines = [(sku.clone(), stock.expect("a stock"))].into();
    store.shift(&lines, "received", "mov_1", (1, 0, 0));
    if store.cheat == Cheat::Invents {
        store.shift(&[(sku.clone(), 1)].into(), "committed", "ord_ghost", (-1, 0, 1));
    }
    (201, json!({ "id": id, "sku": sku }))
}

fn receive(store: &mut Store, call: &Call, sku: &str) -> Answer {
    let delta = call.body["delta"].as_u64().and_then(|delta| u32::try_from(delta).ok());
    store.shift(&[(sku.to_owned(), delta.expect("units"))].into(), "received", "mov_2", (1, 0, 0));
    (201, json!({}))
}

fn purchase(store: &mut Store, call: &Call, id: &str) -> Answer {
    let Some(sku) = sku_of(store, id) else { return problem(404, "not_found") };
    let quantity = call.body["quantity"].as_u64().and_then(|quantity| u32::try_from(quantity).ok());
    let lines = [(sku.clone(), quantity.expect("a quantity"))].into();
    let shelf = store.shelves.get_mut(&sku).expect("looked up above");
    shelf.asked += 1;
    if store.cheat == Cheat::Fails && shelf.asked.is_multiple_of(100) {
        return (500, json!("deadlock detected"));
    }
    let short = store.short(&lines);
    if !short.is_empty() {
        return insufficient(&short);
    }
    let order = orders::made(store, call, &lines, "confirmed");
    for (sku, quantity) in &lines {
        store.sell(sku, *quantity, &order);
    }
    let shelf = &store.shelves[&sku];
    let available = (shelf.available - shelf.unwritten).max(0);
    (201, json!({ "order_id": order, "sku": sku, "quantity": quantity, "available": available }))
}

fn movements(store: &Store, call: &Call, sku: &str) -> Answer {
    let Some(shelf) = store.shelves.get(sku) else { return problem(404, "not_found") };
    let kind = call.query.get("kind");
    let rows = shelf.movements.iter().rev().filter(|row| kind.is_none_or(|kind| row["kind"] == **kind));
    page(rows.cloned().collect(), call)
}

/// The part of `rows` that was asked for; a cursor is how many came before.
fn page(rows: Vec<Value>, call: &Call) -> Answer {
    let number =
        |name: &str| call.query.get(name).map(|number| number.parse::<usize>().expect("our own number"));
    let (start, limit) = (number("cursor").unwrap_or(0), number("limit").unwrap_or(50));
    let end = rows.len().min(start + limit);
    let next = (end < rows.len()).then(|| end.to_string());
    (200, json!({ "data": rows[start..end], "next_cursor": next }))
}
