//! What every handler of a kind has, said once: callers, problems, shared parameters and headers.
//!
//! Works on JSON, not on utoipa's types: what is added are references, and a rule reads best as what it writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::shared::{REQUEST_TIMEOUT, URI_TOO_LONG};
use super::{examples, inline, shared};
use crate::http::problem::Code;

/// Problems by status.
type Problems = BTreeMap<u16, BTreeSet<&'static str>>;

const API: &str = "/api/v1/";

/// The resource has another version than `If-Match` says.
const PRECONDITION_FAILED: u16 = 412;

/// The only path of the API that answers before the server is ready.
const HEALTH: &str = "/api/v1/health";

/// Asked with a body, as it would be too long for an address; nothing is written.
const READ_BY_POST: &str = "/api/v1/quotes";

/// Bodies that may be left out: no body says the same as `{}`. A test compares this with `Body::MAY_BE_ABSENT`.
pub(super) const BODIES_THAT_MAY_BE_ABSENT: [&str; 3] = ["Cancelation", "Confirmation", "Nothing"];

const JSON: &str = "application/json";

/// What a PATCH may call its body as well (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Makes a whole document of what utoipa generated.
pub(super) fn complete(mut document: Value) -> Value {
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" });
    shared::add(&mut document);
    let mut responses = BTreeMap::new();
    inline::dissolve(&mut document);
    let schemas = document["components"]["schemas"].clone();
    for (path, item) in document["paths"].as_object_mut().expect("a document has paths") {
        for (verb, operation) in item.as_object_mut().expect("a path has operations") {
            Operation { path, verb, operation, schemas: &schemas }.complete(&mut responses);
        }
    }
    document["components"]["responses"] = json!(responses);
    require_what_is_always_there(&mut document);
    examples::add(&mut document);
    document
}

struct Operation<'a> {
    path: &'a str,
    verb: &'a str,
    operation: &'a mut Value,
    schemas: &'a Value,
}

impl Operation<'_> {
    fn complete(mut self, shared: &mut BTreeMap<String, Value>) {
        self.leave_out_what_is_for_readers_of_the_code();
        let own = self.operation["responses"].clone();
        let mut problems = self.own_problems();
        self.callers(&mut problems);
        self.rules(&mut problems);
        self.body();
        self.parameters(problems.contains_key(&PRECONDITION_FAILED));
        self.headers();
        for (status, codes) in problems {
            let mut name = shared::problem_name(status, &codes);
            let mut response = shared::problem_response(status, &codes);
            for header in own[status.to_string()]["headers"].as_object().into_iter().flat_map(Map::keys) {
                name = format!("{name}.{header}");
                response["headers"][header] = shared::header_reference(header);
            }
            self.operation["responses"][status.to_string()] =
                json!({ "$ref": format!("#/components/responses/{name}") });
            shared.entry(name).or_insert(response);
        }
    }

    fn is_write(&self) -> bool {
        self.verb != "get" && self.path != READ_BY_POST
    }

    fn has_response(&self, status: &str) -> bool {
        self.operation["responses"].get(status).is_some()
    }

    /// Docstrings tell of `# Errors`, which the responses say better.
    fn leave_out_what_is_for_readers_of_the_code(&mut self) {
        let description = self.operation.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = description.split("# Errors").next().unwrap_or_default().trim().to_owned();
        let operation = self.operation.as_object_mut().expect("an operation is an object");
        operation.remove("description");
        if !text.is_empty() {
            operation.insert("description".to_owned(), text.into());
        }
    }

    /// The problems that a handler lists itself: a status without a body, whose description is its codes.
    fn own_problems(&mut self) -> Problems {
        let responses = self.operation["responses"].as_object_mut().expect("an operation has responses");
        let is_problem = |status: &str, response: &Value| {
            status.parse::<u16>().is_ok_and(|status| status >= 400) && response.get("content").is_none()
        };
        let (own, others): (Map<_, _>, Map<_, _>) = std::mem::take(responses)
            .into_iter()
            .partition(|(status, response)| is_problem(status, response));
        *responses = others;
        let mut problems = Problems::new();
        for (status, response) in own {
            let status = status.parse().expect("it was a number a moment ago");
            let words = response["description"].as_str().expect("a response has a description");
            for word in words.split(", ") {
                let code = Code::ALL.iter().find(|code| code.as_str() == word && code.status() == status);
                let code = code.unwrap_or_else(|| panic!("{} {}: {status} {word}", self.verb, self.path));
                problems.entry(status).or_default().insert(code.as_str());
            }
        }
        problems
    }

    /// Who may call: one word becomes the ways to say who one is, and what is said to all others.
    fn callers(&mut self, problems: &mut Problems) {
        let Some(word) = self.operation["security"][0].as_object().and_then(|all| all.keys().next()) else {
            return;
        };
        let token = json!({ "bearer": [] });
        let (ways, is_token_read) = match word.as_str() {
            "admin" => (json!([token]), true),
            "user" => (json!([token]), true),
            "caller" => (json!([token, { "session": [] }, { "session_cookie": [] }, {}]), true),
            "anyone" => (json!([{}, token]), true),
            "nobody" => (json!([{}]), false),
            "visitor" => (json!([{}, { "session": [] }, { "session_cookie": [] }]), false),
            other => panic!("{} {}: nobody is called {other}", self.verb, self.path),
        };
        if word == "admin" {
            problems.entry(403).or_default().insert(Code::Forbidden.as_str());
        }
        if is_token_read {
            let codes = [Code::Unauthenticated, Code::TokenExpired].map(Code::as_str);
            problems.entry(401).or_default().extend(codes);
        }
        self.operation["security"] = ways;
    }

    fn rules(&self, problems: &mut Problems) {
        // Of any address, and of a body that does not come: statuses that the table of codes does not have.
        let mut add_as = |status| problems.entry(status).or_default().insert(Code::MalformedRequest.as_str());
        add_as(URI_TOO_LONG);
        if self.operation.get("requestBody").is_some() {
            add_as(REQUEST_TIMEOUT);
        }
        let mut add = |codes: &[Code]| {
            for code in codes {
                problems.entry(code.status().as_u16()).or_default().insert(code.as_str());
            }
        };
        if !self.path.starts_with(API) {
            return;
        }
        add(&[Code::NotAcceptable]);
        if self.path == HEALTH {
            return;
        }
        add(&[Code::RateLimited, Code::MalformedRequest, Code::Overloaded, Code::NotReady]);
        if self.path.contains('{') {
            add(&[Code::NotFound]);
        }
        if self.is_write() {
            add(&[Code::IdempotencyKeyReused]);
        }
        if self.operation.get("requestBody").is_some() {
            add(&[
                Code::MalformedJson,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
                Code::ValidationFailed,
            ]);
        }
    }

    fn body(&mut self) {
        let Some(body) = self.operation.get_mut("requestBody") else { return };
        let schema = body["content"][JSON]["schema"].clone();
        let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        body["required"] = (!name.is_some_and(|name| BODIES_THAT_MAY_BE_ABSENT.contains(&name))).into();
        if self.verb == "patch" {
            body["content"][MERGE_PATCH] = json!({ "schema": schema });
        }
    }

    fn parameters(&mut self, may_be_of_another_version: bool) {
        let is_api = self.path.starts_with(API) && self.path != HEALTH;
        let mut names = Vec::new();
        if is_api && self.verb != "get" {
            names.push("IdempotencyKey");
        }
        if may_be_of_another_version || (self.verb == "patch" || self.verb == "delete") && is_api {
            names.push("IfMatch");
        }
        if self.has_response("304") {
            names.push("IfNoneMatch");
        }
        if is_api && !self.is_write() {
            names.push("MinJournalPosition");
        }
        names.push("RequestId");
        let mut parameters = self.operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in &mut parameters {
            let parameter = parameter.as_object_mut().expect("a parameter is an object");
            tell_without_null(&mut parameter["schema"]);
        }
        parameters
            .extend(names.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
        self.operation["parameters"] = parameters.into();
    }

    fn headers(&mut self) {
        let is_api = self.path.starts_with(API) && self.path != HEALTH;
        let is_conditional = self.has_response("304");
        let is_write = self.is_write();
        let ways = self.operation["security"].as_array();
        let takes_session = ways.is_some_and(|ways| ways.iter().any(|way| way.get("session").is_some()));
        let schemas = self.schemas;
        for (status, response) in self.operation["responses"].as_object_mut().expect("an operation has them")
        {
            let own = response["headers"].as_object().cloned().unwrap_or_default();
            let mut names: BTreeSet<&str> = own.keys().map(String::as_str).collect();
            names.insert("X-Request-Id");
            if is_conditional || has_version(response, schemas) {
                names.insert("ETag");
            }
            if is_api && is_write && status.starts_with('2') {
                names.extend(["Journal-Position", "Idempotent-Replayed"]);
            }
            if takes_session {
                names.insert("X-Session-ID");
            }
            if is_api {
                names.extend(["RateLimit", "RateLimit-Policy"]);
            }
            let refer = |name: &&str| ((*name).to_owned(), shared::header_reference(name));
            response["headers"] = names.iter().map(refer).collect::<Map<_, _>>().into();
        }
    }
}

/// A parameter that is not there is not null.
fn tell_without_null(schema: &mut Value) {
    if let Some(Value::Array(types)) = schema.get("type") {
        schema["type"] = types[0].clone();
    }
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        let null = json!({ "type": "null" });
        if let [other] = choices.iter().filter(|choice| **choice != null).collect::<Vec<_>>()[..] {
            *schema = other.clone();
        }
    }
}

/// Whether what is answered has a version of its own, which is its tag.
fn has_version(response: &Value, schemas: &Value) -> bool {
    let schema = &response["content"][JSON]["schema"];
    let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) else {
        return false;
    };
    let schema = &schemas[name];
    let parts = schema["allOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
    parts.iter().any(|part| part["properties"]["version"]["type"] == "integer")
}

/// What is answered has all its members, null where there is nothing to tell; only what is asked may leave them out.
fn require_what_is_always_there(document: &mut Value) {
    let mut asked = BTreeSet::new();
    for item in document["paths"].as_object().expect("a document has paths").values() {
        for operation in item.as_object().expect("a path has operations").values() {
            collect(&operation["requestBody"], &document["components"]["schemas"], &mut asked);
        }
    }
    let schemas = document["components"]["schemas"].as_object_mut().expect("a document has schemas");
    schemas.iter_mut().filter(|(name, _)| !asked.contains(*name)).for_each(|(_, schema)| require(schema));
}

fn collect(value: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, found)),
        Value::Object(object) => {
            let name = object.get("$ref").and_then(Value::as_str).and_then(|name| name.rsplit('/').next());
            if let Some(name) = name
                && found.insert(name.to_owned())
            {
                collect(&schemas[name], schemas, found);
            }
            object.values().for_each(|member| collect(member, schemas, found));
        }
        _ => {}
    }
}

fn require(schema: &mut Value) {
    for choices in ["oneOf", "allOf"] {
        if let Some(Value::Array(choices)) = schema.get_mut(choices) {
            choices.iter_mut().for_each(require);
        }
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut names: BTreeSet<String> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let nullable = properties.iter().filter(|(_, property)| is_nullable(property));
    names.extend(nullable.map(|(name, _)| name.clone()));
    if !names.is_empty() {
        schema["required"] = json!(names);
    }
}

fn is_nullable(property: &Value) -> bool {
    let is_null = |value: &Value| *value == "null" || value["type"] == "null";
    [&property["type"], &property["oneOf"]]
        .into_iter()
        .any(|all| all.as_array().is_some_and(|all| all.iter().any(is_null)))
}
