//! The query string of a request, strictly: what is not understood is refused, never ignored.
//!
//! A misspelt filter that is ignored answers the wrong question with a 200.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::openapi::inline::value_schemas;
use super::problem::{Code, Problem};
use super::values::schema;

/// How long a list is when the client does not say.
pub const LIMIT_DEFAULT: u16 = 50;

/// How long a list can be.
pub const LIMIT_MAX: u16 = 200;

/// Longer query strings are refused.
const QUERY_BYTES_MAX: usize = 8 * 1024;

/// The query parameters; `T` is a struct with `#[serde(deny_unknown_fields)]` and optional fields.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

/// Taken by every call that knows no query parameters: refuses all of them.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

impl FromRequest for NoQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(none(request).map(|()| Self))
    }
}

/// Refuses a request with query parameters.
///
/// # Errors
///
/// `malformed_request`, naming the first of them.
pub fn none(request: &HttpRequest) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    match request.query_string() {
        "" => Ok(()),
        query => parse(query).map(|Nothing {}| ()),
    }
}

/// The `limit` of a list: 1 to 200, by default 50.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Limit(u16);

impl Limit {
    /// How many items to answer.
    pub fn get(self) -> usize {
        self.0.into()
    }
}

value_schemas! {
    impl[] Limit as "limit" => schema::whole(1, LIMIT_MAX.into()).default(Some(LIMIT_DEFAULT.into()));
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=LIMIT_MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("must be 1 to {LIMIT_MAX}"))
    }
}

/// Reads a query string.
///
/// # Errors
///
/// `malformed_request`, naming the parameter that is unknown, malformed or there more than once.
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(malformed(format!("The query must have at most {QUERY_BYTES_MAX} bytes.")));
    }
    if has_bad_escape(query) {
        return Err(malformed(
            "The query has a `%` that is not followed by two hexadecimal digits.".to_owned(),
        ));
    }
    let mut names_seen = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(malformed(format!("The query parameter `{name}` is not UTF-8.")));
        }
        if names_seen.contains(&name) {
            return Err(malformed(format!("The query parameter `{name}` is there more than once.")));
        }
        names_seen.push(name);
    }
    let deserializer = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let name = error.path().to_string();
        match error.into_inner().to_string() {
            unknown if unknown.starts_with("unknown field") => {
                malformed(format!("There is no query parameter `{name}` here."))
            }
            missing if missing.starts_with("missing field") => {
                malformed(format!("The query lacks a parameter: {missing}."))
            }
            reason => malformed(format!("The query parameter `{name}` is malformed: {reason}.")),
        }
    })
}

fn malformed(detail: String) -> Problem {
    Problem::new(Code::MalformedRequest, detail)
}

fn has_bad_escape(query: &str) -> bool {
    let mut pieces = query.split('%');
    pieces.next();
    pieces.any(
        |piece| !matches!(piece.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
    )
}
