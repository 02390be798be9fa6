//! Reservations: one by one, or very many at once.

use serde_json::{Value, json};

use crate::shop::orders;
use crate::wall_clock;

use super::super::SECOND_MS;
use super::super::store::{Deal, Store};
use super::orders::read_lines;
use super::{Answer, Call, insufficient, page, problem};

pub(super) fn answer(store: &mut Store, call: &Call, method: &str, path: &[&str]) -> Answer {
    match (method, path) {
        ("POST", []) => make(store, &call.caller(), &call.body),
        ("GET", []) if call.is_admin => {
            let wanted = call.query.get("status");
            let is_wanted = |deal: &Deal| wanted.is_none_or(|wanted| wanted == deal.status);
            let rows =
                store.deals.iter().rev().filter(|(id, deal)| id.starts_with("res_") && is_wanted(deal));
            page(rows.map(|(id, deal)| body(id, deal)).collect(), call)
        }
        ("POST", [id, verb]) => {
            let is_theirs = |deal: &&Deal| deal.owner == call.caller();
            match store.deals.get(*id).filter(is_theirs).cloned() {
                Some(deal) => end(store, call, id, &deal, verb),
                None => problem(404, "not_found"),
            }
        }
        _ => problem(403, "forbidden"),
    }
}

/// Each by itself.
pub(super) fn batch(store: &mut Store, call: &Call) -> Answer {
    let wanted = call.body["reservations"].as_array().cloned().unwrap_or_default();
    let results: Vec<Value> = wanted
        .iter()
        .enumerate()
        .map(|(index, wanted)| match make(store, &call.caller(), wanted) {
            (201, reservation) => json!({ "index": index, "status": 201, "reservation": reservation }),
            (status, problem) => json!({ "index": index, "status": status, "code": problem["code"] }),
        })
        .collect();
    (200, json!({ "results": results }))
}

fn make(store: &mut Store, owner: &str, wanted: &Value) -> Answer {
    let lines = read_lines(&wanted["lines"]);
    let short = store.short(&lines);
    if !short.is_empty() {
        return insufficient(&short);
    }
    let id = store.new_id("res");
    let deadline = store.now + wanted["ttl_seconds"].as_u64().unwrap_or(900) * SECOND_MS;
    store.hold(&id, &lines, deadline);
    let deal = Deal {
        lines,
        owner: owner.to_owned(),
        status: "active",
        payment_status: "",
        deadline,
        confirmed_at: None,
        mark: wanted["reference"].as_str().map(str::to_owned),
        other: None,
        is_from_cart: false,
        reacquired: false,
    };
    let answer = body(&id, &deal);
    store.deals.insert(id, deal);
    (201, answer)
}

fn end(store: &mut Store, call: &Call, id: &str, deal: &Deal, verb: &str) -> Answer {
    match (verb, deal.status) {
        ("release", "expired" | "released") | ("confirm", "confirmed") => return (200, body(id, deal)),
        (_, "expired") => return problem(409, "reservation_expired"),
        (_, "active") => {}
        _ => return problem(409, "invalid_state"),
    }
    let mut deal = deal.clone();
    match verb {
        "release" => {
            store.free(id, "released");
            deal.status = "released";
        }
        "extend" => {
            deal.deadline = store.now + call.body["ttl_seconds"].as_u64().unwrap_or(1) * SECOND_MS;
            store.extend(id, deal.deadline);
        }
        _ => {
            let order = store.new_id("ord");
            store.commit(id, &order);
            (deal.status, deal.other) = ("confirmed", Some(order.clone()));
            let other = Some(id.to_owned());
            let (status, payment_status, confirmed_at) = ("confirmed", "paid", Some(store.now));
            let made = Deal { status, payment_status, confirmed_at, other, mark: None, ..deal.clone() };
            store.deals.insert(order, made);
        }
    }
    let answer = body(id, &deal);
    store.deals.insert(id.to_owned(), deal);
    (200, answer)
}

fn body(id: &str, deal: &Deal) -> Value {
    json!({
        "id": id, "status": deal.status, "lines": orders::body_of(&deal.lines), "reference": deal.mark,
        "expires_at": wall_clock::format(deal.deadline), "order_id": deal.other,
    })
}
