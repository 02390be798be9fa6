//! The document against the code: no route that is not described, no description without a route, and a committed
//! copy that is not stale.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service};
use serde_json::Value;

use super::complete::BODIES_THAT_MAY_BE_ABSENT;
use super::{document, text};
use crate::http::json::{Body, Nothing};
use crate::http::routes::{PATHS, app};
use crate::http::tests::shared;
use crate::http::{
    auth, cart, categories, inventory, orders, prices, products, purchase, reservations, users, variants,
};

/// Served to people, not to programs.
const PAGES: [&str; 2] = ["/docs", "/docs/{file:.*}"];

const VERBS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Every method of every path that is routed. HEAD goes with GET.
async fn routed() -> BTreeSet<String> {
    PATHS.take();
    let service = init_service(app(&shared(), |_| {})).await;
    let paths: BTreeSet<_> = PATHS.take().into_iter().filter(|path| !PAGES.contains(path)).collect();
    let mut found = BTreeSet::new();
    for path in paths {
        let place = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let place = place.collect::<Vec<_>>().join("/");
        for verb in VERBS {
            let request = TestRequest::default().method(verb.clone()).uri(&place).to_request();
            let status = call_service(&service, request).await.status();
            if status != 405 {
                found.insert(format!("{} {path}", verb.as_str().to_lowercase()));
            }
        }
    }
    found
}

fn described() -> BTreeSet<String> {
    let document = document();
    let paths = document["paths"].as_object().expect("a document has paths");
    let verbs =
        |item: &Value| item.as_object().expect("a path has operations").keys().cloned().collect::<Vec<_>>();
    let name = |(path, item): (&String, &Value)| {
        verbs(item).into_iter().map(move |verb| format!("{verb} {path}")).collect::<Vec<_>>()
    };
    paths.iter().flat_map(name).collect()
}

#[actix_web::test]
async fn every_route_is_described_and_nothing_else() {
    let (routed, described) = (routed().await, described());
    let missing: Vec<_> = routed.difference(&described).collect();
    assert!(missing.is_empty(), "give these a `#[utoipa::path]` and a line in openapi.rs: {missing:#?}");
    let invented: Vec<_> = described.difference(&routed).collect();
    assert!(invented.is_empty(), "these are described but not routed: {invented:#?}");
}

#[test]
fn committed_document_is_not_stale() {
    let committed = include_str!("../../../docs/openapi.json");
    assert!(
        committed == text(),
        "docs/openapi.json is stale; renew it: cargo run -- openapi > docs/openapi.json"
    );
}

#[test]
fn operations_have_names_of_their_own_and_say_what_they_do() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let place = format!("{verb} {path}");
            let name =
                operation["operationId"].as_str().unwrap_or_else(|| panic!("{place} has no operation_id"));
            assert!(names.insert(name.to_owned()), "{place}: another operation is called {name}");
            assert!(operation["summary"].is_string(), "{place} has no summary");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{place}: one tag");
            let is_api = path.starts_with("/api/v1/") && path != "/api/v1/health";
            let is_guarded = is_api || path == "/metrics";
            assert_eq!(operation["security"].is_array(), is_guarded, "{place}: who may call?");
        }
    }
}

#[test]
fn bodies_are_closed_and_have_examples() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let place = format!("{verb} {path}");
            let request = &operation["requestBody"]["content"]["application/json"];
            if !request.is_null() {
                let name = request["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                let is_closed = document["components"]["schemas"][name]["additionalProperties"] == false;
                assert!(is_closed, "{place}: {name} takes unknown fields");
                assert!(request["examples"].is_object(), "{place}: its body has no example");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(
                    response["$ref"].is_string() || response["description"].is_string(),
                    "{place} {status}"
                );
                let answer = &response["content"]["application/json"];
                let has_one = answer.is_null() || answer["examples"].is_object() || path == "/openapi.json";
                assert!(has_one, "{place}: its answer {status} has no example");
            }
        }
    }
}

/// The fields that a body is read into: serde names them when it meets one that is none of them.
fn fields<B: Body>(name: &str) -> BTreeSet<String> {
    assert_eq!(BODIES_THAT_MAY_BE_ABSENT.contains(&name), B::MAY_BE_ABSENT, "{name}");
    let Err(error) = serde_json::from_str::<B::Raw>(r#"{"?":0}"#) else {
        panic!("unknown fields are refused")
    };
    let message = error.to_string();
    assert!(message.starts_with("unknown field `?`"), "{message}");
    message.split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect()
}

/// A body by the name of its schema, what is read into it, and what of that is read only to be refused.
type Described = (&'static str, BTreeSet<String>, &'static [&'static str]);

fn body<B: Body>(name: &'static str, refused: &'static [&'static str]) -> Described {
    (name, fields::<B>(name), refused)
}

fn bodies() -> Vec<Described> {
    vec![
        body::<auth::Register>("Registration", &[]),
        body::<auth::Login>("Login", &[]),
        body::<auth::TokenBody>("RefreshToken", &[]),
        body::<users::UserPatch>("UserPatch", &[]),
        body::<products::NewProductBody>("NewProduct", &[]),
        body::<products::ProductReplacement>("ProductReplacement", &[]),
        body::<products::ProductPatch>("ProductPatch", &["initial_stock"]),
        body::<products::NewVariantBody>("NewVariant", &[]),
        body::<variants::VariantPatch>("VariantPatch", &["initial_stock"]),
        body::<categories::body::CategoryBody>("NewCategory", &[]),
        body::<prices::RuleBody>("NewPriceRule", &[]),
        body::<prices::QuoteBody>("NewQuote", &[]),
        body::<purchase::Purchase>("NewPurchase", &[]),
        body::<inventory::Adjustment>("Adjustment", &[]),
        body::<inventory::Count>("Count", &[]),
        body::<inventory::batch::Batch>("InventoryBatch", &[]),
        body::<cart::Addition>("CartAddition", &[]),
        body::<cart::NewQuantity>("CartQuantity", &[]),
        body::<orders::NewOrderBody>("NewOrder", &[]),
        body::<orders::Payment>("Payment", &[]),
        body::<orders::Confirmation>("Confirmation", &[]),
        body::<orders::Cancelation>("Cancelation", &[]),
        body::<reservations::NewReservationBody>("NewReservation", &[]),
        body::<reservations::Extension>("Extension", &[]),
        body::<reservations::batch::Batch>("ReservationBatch", &[]),
        body::<Nothing>("Nothing", &[]),
    ]
}

#[test]
fn bodies_are_described_with_the_fields_that_are_read() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let bodies = bodies();
    for (name, read, refused) in &bodies {
        let properties = schemas[name]["properties"].as_object().into_iter().flatten();
        let mut described: BTreeSet<_> = properties.map(|(field, _)| field.clone()).collect();
        for field in *refused {
            assert!(
                described.insert((*field).to_owned()),
                "{name}.{field} is described: take it off the list"
            );
        }
        assert_eq!(described, *read, "{name}");
    }
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(name) = schema.as_str().and_then(|name| name.rsplit('/').next()) else { continue };
            assert!(bodies.iter().any(|body| body.0 == name), "add {name} to the bodies of this test");
        }
    }
}

#[test]
fn what_another_version_refuses_says_how_to_name_the_version() {
    let document = document();
    let if_match = serde_json::json!({ "$ref": "#/components/parameters/IfMatch" });
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            if operation["responses"]["412"].is_object() {
                assert!(operation["parameters"].as_array().unwrap().contains(&if_match), "{verb} {path}");
                count += 1;
            }
        }
    }
    assert!(count > 3, "some writes are conditional: {count}");
}

#[test]
fn every_counted_answer_tells_how_the_caller_stands() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/v1/") || path == "/api/v1/health" {
            continue;
        }
        for (verb, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = match response["$ref"].as_str() {
                    Some(target) => document.pointer(&target[1..]).unwrap(),
                    None => response,
                };
                for name in ["RateLimit", "RateLimit-Policy"] {
                    // An address that is too long is refused before anybody is counted.
                    let is_told = response["headers"][name].is_object();
                    assert_eq!(is_told, status != "414", "{verb} {path} {status}: {name}");
                }
            }
            assert!(operation["responses"]["429"].is_object(), "{verb} {path}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, document)),
            Value::Object(object) => {
                if let Some(Value::String(target)) = object.get("$ref") {
                    let pointer = target.strip_prefix('#').expect("references stay within the document");
                    assert!(document.pointer(pointer).is_some(), "{target} is not there");
                }
                object.values().for_each(|member| walk(member, document));
            }
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn paths_are_routed_in_one_place() {
    // The list of paths is what `at` saw; a resource made elsewhere would not be in it.
    fn count(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| match path.is_dir() {
                true if path.ends_with("tests") => 0,
                true => count(&path),
                false if path.ends_with("tests.rs") => 0,
                false => std::fs::read_to_string(path).unwrap().matches("web::resource(").count(),
            })
            .sum()
    }
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(count(&source), 1, "every path goes through `at` in routes.rs");
}
