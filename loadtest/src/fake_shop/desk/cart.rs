//! Cart: each line is held under a name of its own, if its product is held in carts.

use serde_json::{Value, json};

use crate::shop::orders::Lines;

use super::super::SECOND_MS;
use super::super::store::Store;
use super::{Answer, Call, insufficient, problem, sku_of};

pub(super) fn answer(store: &mut Store, call: &Call, method: &str, path: &[&str]) -> Answer {
    let owner = call.caller();
    match (method, path) {
        ("GET", []) => (200, body(store, &owner)),
        ("POST", ["items"]) => {
            let sku = match (call.body["sku"].as_str(), call.body["product_id"].as_str()) {
                (Some(sku), _) => Some(sku.to_owned()),
                (None, id) => sku_of(store, id.unwrap_or_default()),
            };
            let Some(sku) = sku else { return problem(404, "not_found") };
            let held = store.carts.get(&owner).and_then(|cart| cart.get(&sku)).copied().unwrap_or(0);
            set(store, &owner, &sku, held + quantity(call), 201)
        }
        ("PUT", ["items", sku]) => set(store, &owner, sku, quantity(call), 200),
        ("DELETE", ["items", sku]) => {
            let removed = store.carts.get_mut(&owner).and_then(|cart| cart.remove(*sku));
            if removed.is_none() {
                return problem(404, "not_found");
            }
            store.free(&name(&owner, sku), "released");
            (200, body(store, &owner))
        }
        _ => problem(404, "not_found"),
    }
}

fn quantity(call: &Call) -> u32 {
    let quantity = call.body["quantity"].as_u64().and_then(|quantity| u32::try_from(quantity).ok());
    quantity.expect("the load test asks for units")
}

fn set(store: &mut Store, owner: &str, sku: &str, quantity: u32, status: u16) -> Answer {
    let Some(shelf) = store.shelves.get(sku) else { return problem(404, "not_found") };
    let (ttl_seconds, is_held) = (shelf.ttl_seconds, shelf.is_held_in_cart);
    let line = Lines::from([(sku.to_owned(), quantity)]);
    if is_held {
        // Nobody is refused because of their own hold.
        store.free(&name(owner, sku), "released");
        let short = store.short(&line);
        if !short.is_empty() {
            return insufficient(&short);
        }
        store.hold(&name(owner, sku), &line, store.now + ttl_seconds * SECOND_MS);
    }
    store.carts.entry(owner.to_owned()).or_default().extend(line);
    (status, body(store, owner))
}

/// Takes the holds of a cart away, for its order to take them.
pub(super) fn free(store: &mut Store, owner: &str) {
    let skus: Vec<String> =
        store.carts.get(owner).map(|cart| cart.keys().cloned().collect()).unwrap_or_default();
    for sku in skus {
        store.free(&name(owner, &sku), "released");
    }
}

fn name(owner: &str, sku: &str) -> String {
    format!("cart {owner} {sku}")
}

fn body(store: &Store, owner: &str) -> Value {
    let lines = store.carts.get(owner).into_iter().flatten();
    let lines: Vec<Value> =
        lines.map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity })).collect();
    json!({ "id": null, "lines": lines })
}
