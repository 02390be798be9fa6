//! A client that says what it got: status, headers and JSON, and what a problem must look like.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::contract;
use crate::server::Server;

/// Longer than any answer takes.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

/// A request in the making.
#[must_use]
pub(crate) struct Ask(RequestBuilder);

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null where the body is empty.
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn of(server: &Server) -> Self {
        let builder = reqwest::Client::builder().no_proxy().timeout(ANSWER_WAIT_MAX);
        Self { http: builder.build().expect("a client needs nothing"), url: server.url() }
    }

    /// `path` below `/api/v1`.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask {
        self.ask_root(method, &format!("/api/v1{path}"))
    }

    /// `path` without the prefix.
    pub(crate) fn ask_root(&self, method: &str, path: &str) -> Ask {
        let method = Method::from_bytes(method.as_bytes()).expect("a method is a word");
        Ask(self.http.request(method, format!("{}{path}", self.url)))
    }

    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Ask {
        self.ask("POST", path).json(body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Ask {
        self.ask("PATCH", path).json(body)
    }

    pub(crate) fn delete(&self, path: &str) -> Ask {
        self.ask("DELETE", path)
    }
}

impl Ask {
    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// A body that says it is JSON.
    pub(crate) fn text(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header(CONTENT_TYPE, "application/json").body(body))
    }

    pub(crate) fn body(self, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.body(body))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(crate) fn session(self, session: &str) -> Self {
        self.header("X-Session-ID", session)
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub(crate) async fn send(self) -> Answer {
        self.try_send().await.expect("the server answers")
    }

    /// None when the server went away before it answered in full.
    pub(crate) async fn try_send(self) -> Option<Answer> {
        let (http, request) = self.0.build_split();
        let request = request.expect("a request in the making is well-formed");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = http.execute(request).await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.ok()?;
        let is_plain =
            headers.get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"text/plain"));
        let body = if text.is_empty() {
            Value::Null
        } else if is_plain {
            Value::String(text.clone())
        } else {
            serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{status} is not JSON: {error}: {text}"))
        };
        contract::expect(&method, &path, status, &headers, &body);
        Some(Answer { status, headers, text, body })
    }
}

impl Answer {
    /// The header's text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("our headers are text"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_ne!(self.header("x-request-id"), "", "every answer has a request id");
        if !self.body.is_null() {
            let media = match &self.body {
                // Only what is no JSON is read as a text.
                Value::String(_) => "text/plain; version=0.0.4; charset=utf-8",
                _ if status < 400 => "application/json",
                _ => "application/problem+json",
            };
            assert_eq!(self.header("content-type"), media, "{}", self.text);
        }
        self
    }

    /// Checks the shape of a problem (RFC 9457) and its code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let body = &answer.body;
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["request_id"], answer.header("x-request-id"), "{body}");
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
        }
        answer
    }

    /// The fields that a 422 complains about.
    #[track_caller]
    pub(crate) fn wrong_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {}", self.text));
        let field = |error: &'_ Value| {
            let is_whole = ["code", "detail"].iter().all(|member| error[member].is_string());
            assert!(is_whole, "{error}");
        };
        errors.iter().for_each(field);
        errors.iter().map(|error| error["field"].as_str().expect("a field has a name")).collect()
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == "true"
    }
}

/// Checks that an object has exactly these members.
#[track_caller]
pub(crate) fn expect_members(object: &Value, members: &[&str]) {
    let found: HashSet<_> =
        object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().cloned().collect();
    let wanted: HashSet<_> = members.iter().map(|member| (*member).to_owned()).collect();
    assert_eq!(found, wanted, "{object}");
}

/// Checks that a value is a moment as the contract writes them: RFC 3339, UTC, milliseconds.
#[track_caller]
pub(crate) fn expect_moment(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("no moment: {value}"));
    let shape: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}

/// Checks that a value is an id: a prefix and a UUID of version 7.
#[track_caller]
pub(crate) fn expect_id(value: &Value, prefix: &str) {
    let text = value.as_str().unwrap_or_else(|| panic!("no id: {value}"));
    let uuid = text.strip_prefix(prefix).unwrap_or_else(|| panic!("{text} does not start with {prefix}"));
    let parsed = uuid::Uuid::try_parse(uuid).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(parsed.get_version_num(), 7, "{text}");
    assert_eq!(parsed.hyphenated().to_string(), uuid, "ids have one form");
}
