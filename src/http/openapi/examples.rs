//! Examples of bodies and answers: kept as JSON beside this file, one file for each noun.

use serde_json::{Value, json};

/// Each file: `"verb path"` → `"request"` or a status → the name of an example → the example.
const FILES: &[&str] = &[
    include_str!("examples/accounts.json"),
    include_str!("examples/catalogue.json"),
    include_str!("examples/categories.json"),
    include_str!("examples/prices.json"),
    include_str!("examples/inventory.json"),
    include_str!("examples/cart.json"),
    include_str!("examples/orders.json"),
    include_str!("examples/reservations.json"),
    include_str!("examples/operation.json"),
];

/// Puts every example where it belongs.
///
/// # Panics
///
/// When an example is of an operation, a body or an answer that is not there.
pub(super) fn add(document: &mut Value) {
    for file in FILES {
        let file: Value = serde_json::from_str(file).expect("examples are JSON");
        for (operation, bodies) in file.as_object().expect("operations by name") {
            let (verb, path) = operation.split_once(' ').expect("a verb and a path");
            for (body, examples) in bodies.as_object().expect("bodies by name") {
                let place = match body.as_str() {
                    "request" => &mut document["paths"][path][verb]["requestBody"],
                    status => &mut document["paths"][path][verb]["responses"][status],
                };
                let content =
                    place.get_mut("content").and_then(|content| content.get_mut("application/json"));
                let content = content.unwrap_or_else(|| panic!("{operation} has a JSON body {body}"));
                let examples = examples.as_object().expect("examples by name").iter();
                content["examples"] = examples
                    .map(|(name, value)| (name.clone(), json!({ "value": value })))
                    .collect::<serde_json::Map<_, _>>()
                    .into();
            }
        }
    }
}
