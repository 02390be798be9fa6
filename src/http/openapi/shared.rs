//! What many operations refer to: parameters, headers, ways to say who one is, and problems.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::http::caller::{SESSION_CHARACTERS_MAX, SESSION_CHARACTERS_MIN, SESSION_COOKIE};
use crate::http::idempotency::KEY_BYTES_MAX;
use crate::http::problem::{Code, PROBLEM_JSON};

/// A body that does not come.
pub(super) const REQUEST_TIMEOUT: u16 = 408;

/// An address that is too long.
pub(super) const URI_TOO_LONG: u16 = 414;

/// Adds all of it.
pub(super) fn add(document: &mut Value) {
    let components = &mut document["components"];
    components["securitySchemes"] = security_schemes();
    components["parameters"] = parameters();
    components["headers"] = headers();
    components["schemas"]["Problem"] = problem();
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of an admin or a customer.",
        },
        "session": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Session-ID",
            "description": format!(
                "A guest's session: {SESSION_CHARACTERS_MIN} to {SESSION_CHARACTERS_MAX} characters of \
                 `[A-Za-z0-9_-]`. A guest without one is given one, as header and cookie."
            ),
        },
        "session_cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION_COOKIE,
            "description": "The same, for browsers.",
        },
    })
}

fn parameters() -> Value {
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    let text = json!({ "type": "string" });
    json!({
        "IdempotencyKey": header(
            "Idempotency-Key",
            "Makes a retry safe: the same key with the same request meets the first answer, for 24 hours.",
            json!({
                "type": "string",
                "pattern": format!("^[!#-~]([ -~]{{0,{}}}[!-~])?$", KEY_BYTES_MAX - 2),
            }),
        ),
        "IfMatch": header(
            "If-Match",
            "The `ETag` that was read; 412 when the resource has another version by now.",
            json!({ "type": "string", "examples": ["\"3\""] }),
        ),
        "IfNoneMatch": header(
            "If-None-Match",
            "The `ETag` of what the client has; 304 when it still is the same.",
            json!({ "type": "string", "examples": ["\"3\""] }),
        ),
        "MinJournalPosition": header(
            "Min-Journal-Position",
            "A `Journal-Position`, or a token that came with an event, that the answer must not be older than.",
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{13}[AQgw]$" }),
        ),
        "RequestId": header(
            "X-Request-Id",
            "The client's name for this request; the answer and the log repeat it where it is well-formed.",
            text,
        ),
    })
}

/// Headers of answers, by their names.
fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let seconds = json!({ "type": "integer", "minimum": 0 });
    json!({
        "ETag": text("The version of what is answered."),
        "Location": text("The path of what was made."),
        "Link": text("Where the next page is: `rel=\"next\"`."),
        "Journal-Position": text("The place of the write in the journal; see `Min-Journal-Position`."),
        "Idempotent-Replayed": {
            "description": "There when this is the first answer to the same key again.",
            "schema": { "type": "string", "const": "true" },
        },
        "RateLimit": {
            "description": "What is left of the caller's share: `r` requests now, all of it again in `t` seconds. \
                            Absent where nobody counts.",
            "schema": { "type": "string", "examples": ["\"default\";r=1999;t=1"] },
        },
        "RateLimit-Policy": {
            "description": "What the share is: `q` requests at once, and that again in `w` seconds.",
            "schema": { "type": "string", "examples": ["\"default\";q=2000;w=2"] },
        },
        "Retry-After": { "description": "Seconds after which to try again.", "schema": seconds },
        "WWW-Authenticate": text("How to say who one is."),
        "X-Cache": {
            "description": "Whether a cache answered.",
            "schema": { "type": "string", "enum": ["hit", "miss", "bypass"] },
        },
        "X-Request-Id": text("The name of the request in the server's log."),
        "X-Session-ID": text("The session that a guest who had none was given."),
    })
}

/// The reference to a header of [`headers`].
///
/// # Panics
///
/// When there is none of that name.
pub(super) fn header_reference(name: &str) -> Value {
    assert!(headers().get(name).is_some(), "the header {name} is described");
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn problem() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "description": "Problem details (RFC 9457). Branch on `code`; texts may change. Some codes add members.",
        "required": ["type", "title", "status", "code", "detail", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": text("The same for every problem of this code."),
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "$ref": "#/components/schemas/ProblemCode" },
            "detail": text("What is wrong in this very case."),
            "request_id": text("What to ask the operator with."),
            "errors": {
                "type": "array",
                "description": "Every field that is wrong.",
                "items": { "$ref": "#/components/schemas/FieldError" },
            },
            "lines": {
                "type": "array",
                "description": "Every line that cannot be served.",
                "items": { "$ref": "#/components/schemas/LineProblem" },
            },
        },
        "additionalProperties": true,
    })
}

/// The name of the response with this status and one of these codes.
pub(super) fn problem_name(status: u16, codes: &BTreeSet<&str>) -> String {
    let codes: Vec<_> = codes.iter().copied().collect();
    format!("{status}.{}", codes.join("."))
}

/// The response with this status and one of these codes.
pub(super) fn problem_response(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let of_table = Code::ALL.iter().filter(|code| codes.contains(code.as_str()));
    let sentence = |code: &Code| {
        let title = match status {
            REQUEST_TIMEOUT => "The body came too slowly; the connection is closed",
            URI_TOO_LONG => "The address is too long",
            _ => code.title(),
        };
        format!("`{}`: {title}.", code.as_str())
    };
    let mut names = vec!["X-Request-Id"];
    // An address that is too long is not looked at further.
    if status != URI_TOO_LONG {
        names.extend(["RateLimit", "RateLimit-Policy"]);
    }
    match status {
        401 => names.push("WWW-Authenticate"),
        // A refusal by the rules is journaled, and replayed to the same idempotency key.
        402 | 404 | 409 | 412 | 422 => names.extend(["Idempotent-Replayed", "Journal-Position"]),
        429 | 503 => names.push("Retry-After"),
        _ => {}
    }
    let headers: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), header_reference(name))).collect();
    json!({
        "description": of_table.map(sentence).collect::<Vec<_>>().join(" "),
        "headers": headers,
        "content": { PROBLEM_JSON: { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
            ],
        } } },
    })
}
