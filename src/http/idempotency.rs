//! Idempotency keys: which request is the same one again.
//!
//! Reads the header and makes two short hashes of it and of the request. Keeps nothing: keys live in the
//! journal, in the record of their effect.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use serde::Serialize;

use super::caller::Caller;
use super::problem::{Code, Problem};

/// The header that carries the key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key.
pub const KEY_BYTES_MAX: usize = 255;

/// 16 bytes of BLAKE3: short enough for every record, long enough that no two ever meet.
pub type Hash = [u8; 16];

/// The client's name for this request, if it gave one. As an extractor it never asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Option<Box<str>>);

impl IdempotencyKey {
    /// Reads the header: a quoted structured-field string, or bare text.
    ///
    /// # Errors
    ///
    /// `malformed_request` when it is there and has not 1 to 255 printable ASCII characters, or is there twice.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY);
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let key = if values.next().is_none() { read(value.as_bytes()) } else { None };
        key.map(|key| Self(Some(key.into()))).ok_or_else(|| {
            let detail = "`Idempotency-Key` must be one value of 1 to 255 printable ASCII characters.";
            Problem::new(Code::MalformedRequest, detail)
        })
    }

    /// The key as the client wrote it, quotes removed.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The key's hash, different for every caller: nobody can replay another's answer.
    pub fn scoped(&self, caller: &Caller) -> Option<Hash> {
        let (kind, name) = caller.scope();
        self.scoped_to(kind, &name)
    }

    /// The same for whoever is told from others by kind and name.
    pub fn scoped_to(&self, kind: &str, name: &str) -> Option<Hash> {
        let key = self.0.as_deref()?;
        Some(hash(&[kind.as_bytes(), name.as_bytes(), key.as_bytes()]))
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(request.headers()))
    }
}

/// What a request asks for: equal for equal requests, however their JSON was laid out.
///
/// `body` is the checked body, so that spaces, the order of fields and an explicit `null` do not matter.
pub fn fingerprint(method: &Method, path: &str, body: &impl Serialize) -> Hash {
    let body = serde_json::to_vec(body).expect("a checked body has string keys and plain values");
    hash(&[method.as_str().as_bytes(), path.as_bytes(), &body])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // The length first, so that no part can pretend to be the start of the next.
        hasher.update(&part.len().to_le_bytes());
        hasher.update(part);
    }
    let mut hash = Hash::default();
    hasher.finalize_xof().fill(&mut hash);
    hash
}

fn read(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let key = match text.strip_prefix('"') {
        Some(rest) => unquote(rest.strip_suffix('"')?)?,
        None => text.to_owned(),
    };
    (1..=KEY_BYTES_MAX).contains(&key.len()).then_some(key)
}

/// The inside of a structured-field string (RFC 9651, section 4.2.5): only `\"` and `\\` are escapes.
fn unquote(inside: &str) -> Option<String> {
    let mut text = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return None,
            '\\' => text.push(letters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            plain => text.push(plain),
        }
    }
    Some(text)
}
