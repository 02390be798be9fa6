//! Wire: the bytes of requests, built once and patched in place, and the head of an answer.
//!
//! Knows HTTP/1.1 as far as the load test speaks it (keep-alive, `Content-Length` bodies) and nothing
//! of shops beyond the shape of a purchase and how guests, administrators and keys are named. Called by `engine` in the hot loop and by `caller` for set-up.

use std::ops::Range;

use anyhow::{Context, ensure};
use serde_json::Value;

/// More header lines than this in an answer are an error.
const HEADERS_MAX: usize = 48;
/// Digits of a session or key number: a run never has a million million buyers.
const NUMBER_DIGITS: usize = 12;

/// One request as it goes onto the socket, with the places where buyers differ.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    product: Range<usize>,
    session: Option<Range<usize>>,
    key: Option<Range<usize>>,
    quantity: Option<usize>,
}

/// How the requests of one run look.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    /// The `Host` header.
    pub(crate) host: String,
    /// Tells the sessions and keys of one run from those of any other.
    pub(crate) run: String,
}

/// Any one request, for those that are not patched but written anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) sender: Sender<'a>,
    pub(crate) key: Option<u64>,
    pub(crate) body: Option<&'a Value>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sender<'a> {
    /// The guest session of that number.
    Guest(u64),
    /// Whoever has this token.
    Bearer(&'a str),
}

impl Style {
    /// The name of buyer, key or mark `number` in this run.
    pub(crate) fn name(&self, number: u64) -> String {
        format!("lt{}-{number:0digits$}", self.run, digits = NUMBER_DIGITS)
    }

    /// The number in a name that [`Style::name`] made.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix("lt")?.strip_prefix(self.run.as_str())?.strip_prefix('-')?.parse().ok()
    }
}

impl Request {
    /// The bytes of `call`; nothing in them can be patched.
    pub(crate) fn of(style: &Style, call: &Call<'_>) -> Self {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", call.method, call.path, style.host);
        match call.sender {
            Sender::Guest(number) => text.push_str(&format!("X-Session-ID: {}\r\n", style.name(number))),
            Sender::Bearer(token) => text.push_str(&format!("Authorization: Bearer {token}\r\n")),
        }
        if let Some(key) = call.key {
            text.push_str(&format!("Idempotency-Key: {}\r\n", style.name(key)));
        }
        let body = call.body.map(Value::to_string).unwrap_or_default();
        if call.body.is_some() {
            text.push_str("Content-Type: application/json\r\n");
        }
        // A request without a body says so, unless its method never has one.
        if call.body.is_some() || call.method != "GET" {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&body);
        Self { bytes: text.into_bytes(), product: 0..0, session: None, key: None, quantity: None }
    }

    /// A purchase of one unit of `product_id` by session number 0.
    pub(crate) fn purchase(style: &Style, product_id: &str, has_key: bool) -> Self {
        let Style { host, run } = style;
        let mut bytes = b"POST /api/v1/products/".to_vec();
        let product = append(&mut bytes, product_id);
        append(&mut bytes, &format!("/purchase HTTP/1.1\r\nHost: {host}\r\nX-Session-ID: lt{run}-"));
        let session = Some(append(&mut bytes, &"0".repeat(NUMBER_DIGITS)));
        let key = has_key.then(|| {
            append(&mut bytes, &format!("\r\nIdempotency-Key: lt{run}-"));
            append(&mut bytes, &"0".repeat(NUMBER_DIGITS))
        });
        append(&mut bytes, "\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"quantity\":");
        let quantity = Some(append(&mut bytes, "1").start);
        append(&mut bytes, "}");
        Self { bytes, product, session, key, quantity }
    }

    /// A read of `product_id`.
    pub(crate) fn product(style: &Style, product_id: &str) -> Self {
        let mut bytes = b"GET /api/v1/products/".to_vec();
        let product = append(&mut bytes, product_id);
        append(&mut bytes, &format!(" HTTP/1.1\r\nHost: {}\r\n\r\n", style.host));
        Self { bytes, product, session: None, key: None, quantity: None }
    }

    /// A read of `path` by nobody in particular.
    pub(crate) fn get(style: &Style, path: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", style.host).into_bytes();
        Self { bytes, product: 0..0, session: None, key: None, quantity: None }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Becomes a copy of `other`, in the memory that it has.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&other.bytes);
        self.product.clone_from(&other.product);
        self.session.clone_from(&other.session);
        self.key.clone_from(&other.key);
        self.quantity = other.quantity;
    }

    /// Makes buyer `number` the sender; a request without a session stays as it is.
    pub(crate) fn set_session(&mut self, number: u64) {
        if let Some(slot) = self.session.clone() {
            write_number(&mut self.bytes[slot], number);
        }
    }

    /// Numbers the idempotency key; a request without one stays as it is.
    pub(crate) fn set_key(&mut self, number: u64) {
        if let Some(slot) = self.key.clone() {
            write_number(&mut self.bytes[slot], number);
        }
    }

    /// Names another product.
    ///
    /// # Panics
    ///
    /// When the id is not as long as the first one: the bytes are patched in place.
    pub(crate) fn set_product(&mut self, product_id: &str) {
        self.bytes[self.product.clone()].copy_from_slice(product_id.as_bytes());
    }

    /// Asks for `quantity` units.
    ///
    /// # Panics
    ///
    /// When `quantity` is not one digit, or the request buys nothing.
    pub(crate) fn set_quantity(&mut self, quantity: u32) {
        assert!((1..=9).contains(&quantity), "the template has room for one digit");
        let at = self.quantity.expect("only purchases have a quantity");
        self.bytes[at] = b'0' + u8::try_from(quantity).expect("one digit");
    }
}

fn append(bytes: &mut Vec<u8>, text: &str) -> Range<usize> {
    let start = bytes.len();
    bytes.extend_from_slice(text.as_bytes());
    start..bytes.len()
}

fn write_number(slot: &mut [u8], mut number: u64) {
    for digit in slot.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a decimal digit");
        number /= 10;
    }
}

/// What the head of an answer says, as far as the hot loop needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
    /// False when the server closes the connection after this answer.
    pub(crate) is_kept_alive: bool,
    /// The answer says `Idempotent-Replayed: true`.
    pub(crate) is_replayed: bool,
}

/// An answer's status and header lines, for set-up calls.
#[derive(Debug)]
pub(crate) struct FullHead {
    pub(crate) head: Head,
    pub(crate) headers: Vec<(String, String)>,
}

/// Reads the head at the start of `received`; `None` while it is incomplete.
///
/// # Errors
///
/// When the bytes are not HTTP/1.1, or the length of the body is not told by `Content-Length`.
pub(crate) fn parse_head(received: &[u8]) -> anyhow::Result<Option<Head>> {
    parse_with(received, |_, _| {})
}

/// As [`parse_head`], keeping every header line.
///
/// # Errors
///
/// The same.
pub(crate) fn parse_full_head(received: &[u8]) -> anyhow::Result<Option<FullHead>> {
    let mut headers = Vec::new();
    let head = parse_with(received, |name, value| {
        headers.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    })?;
    Ok(head.map(|head| FullHead { head, headers }))
}

fn parse_with(received: &[u8], mut each: impl FnMut(&str, &[u8])) -> anyhow::Result<Option<Head>> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut lines);
    let httparse::Status::Complete(head_bytes) =
        response.parse(received).context("not an HTTP/1.1 answer")?
    else {
        return Ok(None);
    };
    let status = response.code.context("an answer without a status")?;
    let mut body_bytes = None;
    let (mut is_kept_alive, mut is_replayed) = (response.version == Some(1), false);
    for line in &*response.headers {
        each(line.name, line.value);
        // The length picks out the few lines that matter without comparing every name.
        match line.name.len() {
            10 if line.name.eq_ignore_ascii_case("connection") => {
                is_kept_alive = !line.value.eq_ignore_ascii_case(b"close");
            }
            14 if line.name.eq_ignore_ascii_case("content-length") => {
                body_bytes = Some(parse_length(line.value)?);
            }
            19 if line.name.eq_ignore_ascii_case("idempotent-replayed") => {
                is_replayed = line.value.eq_ignore_ascii_case(b"true");
            }
            _ => {}
        }
    }
    let is_bodyless = status == 204 || status == 304;
    ensure!(body_bytes.is_some() || is_bodyless, "an answer with status {status} and no Content-Length");
    let body_bytes = if is_bodyless { 0 } else { body_bytes.unwrap_or(0) };
    Ok(Some(Head { status, head_bytes, body_bytes, is_kept_alive, is_replayed }))
}

fn parse_length(value: &[u8]) -> anyhow::Result<usize> {
    let text = str::from_utf8(value).context("a Content-Length that is not text")?;
    text.trim().parse().with_context(|| format!("a Content-Length of {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style() -> Style {
        Style { host: "127.0.0.1:3000".into(), run: "00000001".into() }
    }

    fn text(request: &Request) -> &str {
        str::from_utf8(request.bytes()).expect("requests are ASCII")
    }

    #[test]
    fn purchase_is_one_complete_request() {
        let mut request = Request::purchase(&style(), "prod_1", true);
        request.set_session(42);
        request.set_key(7);
        request.set_product("prod_2");
        request.set_quantity(3);
        let expected = "POST /api/v1/products/prod_2/purchase HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\
            X-Session-ID: lt00000001-000000000042\r\nIdempotency-Key: lt00000001-000000000007\r\n\
            Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"quantity\":3}";
        assert_eq!(text(&request), expected);
        let (_, body) = text(&request).split_once("\r\n\r\n").expect("a head and a body");
        assert_eq!(body.len(), 14);
    }

    #[test]
    fn purchase_without_a_key_sends_none() {
        let mut request = Request::purchase(&style(), "prod_1", false);
        let before = text(&request).to_owned();
        request.set_key(9);
        assert_eq!(text(&request), before);
        assert!(!before.contains("Idempotency-Key"));
    }

    #[test]
    #[should_panic(expected = "one digit")]
    fn quantity_of_two_digits_is_a_bug() {
        Request::purchase(&style(), "prod_1", false).set_quantity(10);
    }

    #[test]
    fn call_is_one_complete_request() {
        let body = serde_json::json!({ "quantity": 2 });
        let path = "/api/v1/cart/items/a";
        let guest = Call { method: "PUT", path, sender: Sender::Guest(42), key: Some(7), body: Some(&body) };
        let expected = "PUT /api/v1/cart/items/a HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\
            X-Session-ID: lt00000001-000000000042\r\nIdempotency-Key: lt00000001-000000000007\r\n\
            Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"quantity\":2}";
        assert_eq!(text(&Request::of(&style(), &guest)), expected);
        let admin = Call { method: "POST", path: "/x", sender: Sender::Bearer("t"), key: None, body: None };
        let expected = "POST /x HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nAuthorization: Bearer t\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(text(&Request::of(&style(), &admin)), expected);
        let read = Call { method: "GET", ..admin };
        assert!(!text(&Request::of(&style(), &read)).contains("Content-Length"));
    }

    #[test]
    fn names_give_their_number_back_and_those_of_other_runs_do_not() {
        assert_eq!(style().name(42), "lt00000001-000000000042");
        assert_eq!(style().number(&style().name(42)), Some(42));
        for name in ["lt00000002-000000000042", "lt00000001-x", "", "lt00000001"] {
            assert_eq!(style().number(name), None, "{name}");
        }
    }

    #[test]
    fn product_read_has_no_body() {
        let request = Request::product(&style(), "prod_1");
        assert_eq!(text(&request), "GET /api/v1/products/prod_1 HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n");
    }

    #[test]
    fn copy_is_patched_in_its_own_places() {
        let mut request = Request::get(&style(), "/api/v1/products?limit=1");
        assert_eq!(text(&request), "GET /api/v1/products?limit=1 HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n\r\n");
        let mut expected = Request::purchase(&style(), "prod_1", true);
        request.copy_from(&expected);
        for request in [&mut request, &mut expected] {
            request.set_product("prod_7");
            request.set_session(8);
            request.set_key(9);
            request.set_quantity(2);
        }
        assert_eq!(text(&request), text(&expected));
    }

    #[test]
    fn head_is_read_and_the_body_is_not() {
        let bytes = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nIdempotent-Replayed: true\r\n\r\nhello";
        let head = parse_head(bytes).expect("valid").expect("complete");
        let expected =
            Head { status: 201, head_bytes: 70, body_bytes: 5, is_kept_alive: true, is_replayed: true };
        assert_eq!(head, expected);
        assert_eq!(&bytes[head.head_bytes..], b"hello");
    }

    #[test]
    fn head_cut_anywhere_is_incomplete() {
        let bytes = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        for end in 0..bytes.len() {
            assert_eq!(parse_head(&bytes[..end]).expect("a prefix is not wrong"), None, "cut at {end}");
        }
        let head = parse_head(bytes).expect("valid").expect("complete");
        assert!(!head.is_kept_alive && !head.is_replayed);
        assert_eq!((head.status, head.body_bytes), (409, 0));
    }

    #[test]
    fn answers_we_cannot_delimit_are_errors() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").is_err());
        assert!(parse_head(b"SMTP ready\r\n\r\n").is_err());
        let bodyless = parse_head(b"HTTP/1.1 304 Not Modified\r\n\r\n").expect("valid").expect("complete");
        assert_eq!(bodyless.body_bytes, 0);
    }
}
