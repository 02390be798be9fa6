//! Every answer that any test gets is one that the OpenAPI document speaks of: its status, its headers, its members.
//!
//! Stricter than the document, which leaves answers open for what comes later: a member that it does not name is
//! an error here. Patterns and formats are left to schemathesis.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::server::Folder;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../docs/openapi.json")).expect("the document is JSON")
});

/// Who is given a session is told so in any answer.
const HEADERS_OF_ANY: [&str; 1] = ["X-Session-ID"];

/// Panics when the document does not speak of such an answer. Of a path that it does not know it says nothing.
#[track_caller]
pub(crate) fn expect(method: &Method, path: &str, status: u16, headers: &HeaderMap, body: &Value) {
    let Some(item) = item(path) else { return };
    let verb = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let Some(operation) = item.get(&verb) else {
        assert!(status == 405 || status == 406, "{verb} {path} is not described, and answered {status}");
        return;
    };
    let place = format!("{verb} {path}: {status}");
    let response = resolve(&operation["responses"][status.to_string()]);
    assert!(response.is_object(), "{place} is not described: {body}");
    for name in DOCUMENT["components"]["headers"].as_object().expect("headers").keys() {
        let is_described = response["headers"].get(name).is_some() || HEADERS_OF_ANY.contains(&name.as_str());
        assert!(is_described || !headers.contains_key(name), "{place}: the header {name} is not described");
    }
    if method == Method::HEAD {
        return;
    }
    let media = headers.get("content-type").map_or("", |media| media.to_str().expect("text"));
    let media = media.split(';').next().unwrap_or_default();
    match response["content"].as_object() {
        None => assert!(body.is_null(), "{place} has no body: {body}"),
        Some(content) => {
            let content = content.get(media).unwrap_or_else(|| panic!("{place}: `{media}` is not described"));
            whole(&content["schema"], body).unwrap_or_else(|wrong| panic!("{place}: {wrong}: {body}"));
        }
    }
}

/// The path as the document has it; one without parameters before one that has some.
fn item(path: &str) -> Option<&'static Value> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let fits = |template: &str| {
        let (parts, wanted) = (path.split('/'), template.split('/'));
        parts.clone().count() == wanted.clone().count()
            && parts
                .zip(wanted)
                .all(|(part, wanted)| part == wanted || wanted.starts_with('{') && !part.is_empty())
    };
    paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item))
}

fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(target) => DOCUMENT.pointer(&target[1..]).unwrap_or_else(|| panic!("{target} is not there")),
        None => value,
    }
}

/// The members that a schema names; nothing where any will do.
type Members = Option<BTreeSet<&'static str>>;

fn whole(schema: &'static Value, value: &Value) -> Result<(), String> {
    let members = parts(schema, value)?;
    if let (Some(object), Some(members)) = (value.as_object(), members) {
        let unknown: Vec<_> = object.keys().filter(|name| !members.contains(name.as_str())).collect();
        if !unknown.is_empty() {
            return Err(format!("{unknown:?} are not described"));
        }
    }
    Ok(())
}

fn parts(schema: &'static Value, value: &Value) -> Result<Members, String> {
    let schema = resolve(schema);
    scalar(schema, value)?;
    let mut members = own_members(schema, value)?;
    let mut add = |more: Members| {
        members = match (members.take(), more) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                Some(one)
            }
            _ => None,
        };
    };
    for part in schema["allOf"].as_array().into_iter().flatten() {
        add(parts(part, value)?);
    }
    for choices in ["oneOf", "anyOf"].iter().filter_map(|name| schema[name].as_array()) {
        let tried: Vec<_> = choices.iter().map(|choice| parts(choice, value)).collect();
        let wrong: Vec<_> = tried.iter().filter_map(|tried| tried.as_ref().err()).cloned().collect();
        add(tried
            .into_iter()
            .find_map(Result::ok)
            .ok_or_else(|| format!("none of: {}", wrong.join("; or ")))?);
    }
    if let Some(items) = value.as_array().filter(|_| !schema["items"].is_null()) {
        for (index, item) in items.iter().enumerate() {
            whole(&schema["items"], item).map_err(|wrong| format!("[{index}]: {wrong}"))?;
        }
    }
    Ok(members)
}

fn own_members(schema: &'static Value, value: &Value) -> Result<Members, String> {
    let is_compound = ["allOf", "oneOf", "anyOf"].iter().any(|name| !schema[name].is_null());
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(is_compound.then(BTreeSet::new));
    };
    let Some(object) = value.as_object() else { return Ok(Some(BTreeSet::new())) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            return Err(format!("{name} is not there"));
        }
    }
    for (name, property) in properties {
        if let Some(member) = object.get(name) {
            whole(property, member).map_err(|wrong| format!("{name}: {wrong}"))?;
        }
    }
    Ok((schema["additionalProperties"] != true).then(|| properties.keys().map(String::as_str).collect()))
}

fn scalar(schema: &Value, value: &Value) -> Result<(), String> {
    let is_of = |kind: &Value| match kind.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    };
    let is_right = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is_of),
        kind => is_of(kind),
    };
    let is_word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let is_const = schema["const"].is_null() || schema["const"] == *value;
    let number = value.as_f64();
    let is_within = number.is_none_or(|number| {
        schema["minimum"].as_f64().is_none_or(|min| min <= number)
            && schema["maximum"].as_f64().is_none_or(|max| number <= max)
    });
    if is_right && is_word && is_const && is_within {
        return Ok(());
    }
    let mut wanted = schema.clone();
    wanted.as_object_mut().expect("a schema").retain(|name, _| name != "properties");
    Err(format!("{value} is not {wanted}"))
}

#[test]
fn examples_are_as_they_are_described() {
    let mut count = 0;
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let responses = operation["responses"].as_object().expect("responses").values();
            for body in responses.chain([&operation["requestBody"]]) {
                let content = &body["content"]["application/json"];
                for (name, example) in content["examples"].as_object().into_iter().flatten() {
                    whole(&content["schema"], &example["value"])
                        .unwrap_or_else(|wrong| panic!("{verb} {path}: {name}: {wrong}"));
                    count += 1;
                }
            }
        }
    }
    assert!(count > 50, "there are examples: {count}");
}

/// What an example names is not there, and that is all that may be wrong with it.
#[tokio::test]
async fn bodies_of_the_examples_are_understood() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    let admin = crate::tokens::admin();
    for (path, item) in DOCUMENT["paths"].as_object().expect("paths") {
        for (verb, operation) in item.as_object().expect("operations") {
            let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
            for (name, example) in examples.into_iter().flatten() {
                let ask =
                    client.ask_root(&verb.to_uppercase(), &path.replace("{id}", "x").replace("{sku}", "x"));
                let ask = if path.contains("/auth/") { ask } else { ask.token(&admin) };
                let answer = ask.json(&example["value"]).send().await;
                let understood = [200, 201, 204, 401, 402, 404, 409, 412];
                let is_understood = understood.contains(&answer.status) || names_what_is_not_there(&answer);
                assert!(is_understood, "{verb} {path}: {name}: {}", answer.text);
            }
        }
    }
}

/// A category, say: no error of its fields but that.
fn names_what_is_not_there(answer: &Answer) -> bool {
    answer.status == 422
        && answer.body["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().all(|error| error["code"] == "unknown"))
}

#[tokio::test]
async fn document_is_served_and_not_sent_twice() {
    let folder = Folder::new();
    let server = folder.start();
    let client = Client::of(&server);
    let answer = client.ask_root("GET", "/openapi.json").send().await.expect(200);
    assert_eq!(answer.body, *DOCUMENT);
    let again = client.ask_root("GET", "/openapi.json").header("If-None-Match", answer.header("etag"));
    assert_eq!(again.send().await.expect(304).text, "");
}

#[test]
fn document_is_printed_without_a_server_or_a_folder() {
    let folder = Folder::new();
    let printed = folder.run(&["openapi"]).expect_code(0);
    assert_eq!(serde_json::from_str::<Value>(&printed.stdout).expect("JSON"), *DOCUMENT);
    assert!(!folder.data().exists(), "it makes no folder");
}

#[tokio::test]
async fn page_needs_nothing_from_outside() {
    let folder = Folder::new();
    let server = folder.start();
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async |path: &str| {
        let answer = http.get(format!("{}{path}", server.url())).send().await.expect("it answers");
        let policy = answer.headers().get("content-security-policy").cloned();
        (answer.status().as_u16(), answer.url().path().to_owned(), policy, answer.text().await.expect("text"))
    };
    let (status, path, policy, page) = get("/docs").await;
    assert_eq!((status, path.as_str()), (200, "/docs/"));
    assert!(policy.expect("a policy").to_str().expect("text").starts_with("default-src 'none'"));
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    let sources = page.split(['"', '\'']).filter(|word| word.ends_with(".js") || word.ends_with(".css"));
    let sources: Vec<_> = sources.map(|word| word.trim_start_matches("./")).collect();
    assert!(sources.len() >= 3, "{page}");
    for source in sources {
        assert_eq!(get(&format!("/docs/{source}")).await.0, 200, "{source}");
    }
    let (_, _, _, initializer) = get("/docs/swagger-initializer.js").await;
    assert!(
        initializer.contains("/openapi.json") && initializer.contains(r#""validatorUrl": "none""#),
        "{initializer}"
    );
    assert_eq!(get("/docs/nothing.js").await.0, 404);
}
