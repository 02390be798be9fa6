//! Orders: made from lines or from the cart, paid, canceled, shipped.

use serde_json::{Value, json};

use crate::shop::PRICE;
use crate::shop::orders::{self, Lines};
use crate::wall_clock;

use super::super::store::{Deal, Store};
use super::super::{Cheat, SECOND_MS};
use super::{Answer, Call, cart, insufficient, page, problem};

pub(super) fn answer(store: &mut Store, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("POST", []) => make(store, call),
        ("GET", []) if call.is_admin => list(store, call),
        (_, [id, verb @ ..]) => {
            let is_theirs = |deal: &&Deal| call.is_admin || deal.owner == call.caller();
            let Some(deal) = store.deals.get(*id).filter(is_theirs).cloned() else {
                return problem(404, "not_found");
            };
            match (method, verb) {
                ("GET", []) => (200, body(id, &deal)),
                ("POST", ["pay"]) => pay(store, call, id, &deal),
                ("POST", ["confirm"]) if call.is_admin => confirm_late(store, id, &deal),
                ("POST", ["cancel"]) => cancel(store, call, id, &deal),
                ("POST", ["fulfill"]) if call.is_admin && deal.status == "confirmed" => {
                    store.fulfill(id, &deal.lines);
                    set(store, id, "fulfilled", "paid")
                }
                _ => problem(409, "invalid_state"),
            }
        }
        _ => problem(403, "forbidden"),
    }
}

/// Writes a new order down, and nothing else.
pub(super) fn made(store: &mut Store, call: &Call, lines: &Lines, status: &'static str) -> String {
    let id = store.new_id("ord");
    let is_confirmed = status == "confirmed";
    let deal = Deal {
        lines: lines.clone(),
        owner: call.caller(),
        status,
        payment_status: if is_confirmed { "paid" } else { "pending" },
        deadline: store.now + call.body["ttl_seconds"].as_u64().unwrap_or(300) * SECOND_MS,
        confirmed_at: is_confirmed.then_some(store.now),
        mark: call.body["email"].as_str().map(str::to_owned),
        other: None,
        is_from_cart: call.body["lines"].is_null(),
        reacquired: false,
    };
    store.deals.insert(id.clone(), deal);
    id
}

fn make(store: &mut Store, call: &Call) -> Answer {
    let owner = call.caller();
    let is_from_cart = call.body["lines"].is_null();
    let lines = if is_from_cart {
        store.carts.get(&owner).cloned().unwrap_or_default()
    } else {
        read_lines(&call.body["lines"])
    };
    if lines.is_empty() {
        return problem(409, "cart_empty");
    }
    if is_from_cart {
        cart::free(store, &owner);
    }
    let short = store.short(&lines);
    if !short.is_empty() {
        return insufficient(&short);
    }
    let token = call.body["payment"]["token"].as_str();
    let id = made(store, call, &lines, "pending_payment");
    store.hold(&id, &lines, store.deals[&id].deadline);
    if token == Some("tok_declined") {
        store.free(&id, "released");
        set(store, &id, "canceled", "failed");
        return (402, json!({ "status": 402, "code": "payment_failed", "order_id": id }));
    }
    if is_from_cart {
        store.carts.remove(&owner);
    }
    if token == Some("tok_ok") {
        confirm(store, &id);
    }
    (201, body(&id, &store.deals[&id]))
}

/// The lines of a request.
pub(super) fn read_lines(lines: &Value) -> Lines {
    let lines: Vec<orders::Line> = serde_json::from_value(lines.clone()).expect("the load test sends lines");
    orders::summed(&lines).0
}

fn list(store: &Store, call: &Call) -> Answer {
    let wanted = call.query.get("status");
    let is_wanted = |deal: &Deal| wanted.is_none_or(|wanted| wanted == deal.status);
    let rows = store.deals.iter().rev().filter(|(id, deal)| id.starts_with("ord_") && is_wanted(deal));
    let loses = store.cheat == Cheat::LosesOrders;
    let rows = rows.filter(|(id, _)| !loses || !id.ends_with('7'));
    page(rows.map(|(id, deal)| body(id, deal)).collect(), call)
}

fn pay(store: &mut Store, call: &Call, id: &str, deal: &Deal) -> Answer {
    match (deal.status, call.body["token"].as_str().unwrap_or_default()) {
        ("confirmed" | "fulfilled", _) => (200, body(id, deal)),
        ("expired", _) => problem(409, "reservation_expired"),
        ("canceled", _) => problem(409, "invalid_state"),
        (_, "tok_ok") => {
            confirm(store, id);
            (200, body(id, &store.deals[id]))
        }
        (_, "tok_declined") => {
            store.free(id, "released");
            set(store, id, "canceled", "failed");
            if deal.is_from_cart {
                store.carts.insert(deal.owner.clone(), deal.lines.clone());
            }
            problem(402, "payment_failed")
        }
        _ => problem(402, "payment_failed"),
    }
}

fn confirm(store: &mut Store, id: &str) {
    store.commit(id, id);
    let now = store.now;
    let deal = store.deals.get_mut(id).expect("looked up before");
    (deal.status, deal.payment_status, deal.confirmed_at) = ("confirmed", "paid", Some(now));
}

/// After the deadline the units are taken again, if they are all there.
fn confirm_late(store: &mut Store, id: &str, deal: &Deal) -> Answer {
    if deal.status == "expired" {
        if !store.short(&deal.lines).is_empty() {
            return problem(409, "reservation_expired");
        }
        store.hold(id, &deal.lines, store.now + SECOND_MS);
        store.deals.get_mut(id).expect("looked up before").reacquired = true;
    }
    confirm(store, id);
    (200, body(id, &store.deals[id]))
}

fn cancel(store: &mut Store, call: &Call, id: &str, deal: &Deal) -> Answer {
    match deal.status {
        "canceled" => (200, body(id, deal)),
        "pending_payment" => {
            store.free(id, "released");
            set(store, id, "canceled", "pending")
        }
        "confirmed" if call.is_admin => {
            store.cancel(id, &deal.lines);
            set(store, id, "canceled", "refunded")
        }
        _ => problem(409, "invalid_state"),
    }
}

fn set(store: &mut Store, id: &str, status: &'static str, payment_status: &'static str) -> Answer {
    let deal = store.deals.get_mut(id).expect("looked up before");
    (deal.status, deal.payment_status) = (status, payment_status);
    (200, body(id, &store.deals[id]))
}

fn body(id: &str, deal: &Deal) -> Value {
    let units: i64 = deal.lines.values().map(|quantity| i64::from(*quantity)).sum();
    let is_pending = deal.status == "pending_payment";
    json!({
        "id": id, "status": deal.status, "payment_status": deal.payment_status,
        "lines": orders::body_of(&deal.lines), "total": units * PRICE, "email": deal.mark,
        "reservation_id": deal.other, "expires_at": is_pending.then(|| wall_clock::format(deal.deadline)),
        "confirmed_at": deal.confirmed_at.map(wall_clock::format), "reacquired": deal.reacquired,
    })
}
