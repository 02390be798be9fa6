//! The JSON body of a request, checked, or a problem that says exactly what is wrong with it.
//!
//! Owns the order of refusals: media type (415), size (413), JSON (400), fields (422). On the hot path it is
//! one pass of serde over the bytes as they came; only a refused body is read a second time, to find the path.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use tokio::time::{Instant, Sleep, sleep_until};

use super::check::Check;
use super::field::Object;
use super::problem::{Code, FieldError, Problem};

/// The deepest nesting of arrays and objects in a body of the usual size. Larger ones, which are batches, have
/// serde_json's bound of 128: counting levels there would cost more than it is worth.
pub const BODY_LEVELS_MAX: usize = 32;

/// How long a body may take to arrive, besides what its bytes take.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// A body that comes slower than this, after those seconds, is cut off: 8 MB get a little over two minutes.
const BODY_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// The largest body unless a route says otherwise with [`BodyLimit`].
pub const BODY_BYTES_MAX_DEFAULT: usize = 64 * 1024;

/// Put into a route's or scope's `app_data`, this is the largest body there, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A request body that knows how to check itself.
pub trait Body: Sized {
    /// The lenient shape it is read into: a struct of [`super::field::Field`]s.
    type Raw: DeserializeOwned;

    /// Whether no body at all means the same as `{}`: where nothing has to be said.
    const MAY_BE_ABSENT: bool = false;

    /// Checks the form of every field; `None` when an error was noted.
    fn check(raw: Self::Raw, check: &mut Check) -> Option<Self>;
}

/// The body of a request that has nothing to say: none at all, or `{}`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// As it came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNothing {}

impl Body for Nothing {
    type Raw = RawNothing;

    const MAY_BE_ABSENT: bool = true;

    fn check(RawNothing {}: RawNothing, _check: &mut Check) -> Option<Self> {
        Some(Self {})
    }
}

/// A checked body.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Body> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Reading<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Reading<T> {
        let bytes_max = request.app_data::<BodyLimit>().map_or(BODY_BYTES_MAX_DEFAULT, |limit| limit.0);
        Reading {
            refused: media_type(request).and_then(|()| announced_size(request, bytes_max)).err(),
            payload: payload.take(),
            bytes_max,
            body: Collected::Nothing,
            is_asked_again: false,
            patience: None,
            target: PhantomData,
        }
    }
}

/// The body to come.
pub struct Reading<T> {
    refused: Option<Problem>,
    payload: Payload,
    bytes_max: usize,
    body: Collected,
    is_asked_again: bool,
    patience: Option<Patience>,
    target: PhantomData<fn() -> T>,
}

/// A small body arrives in one piece and is parsed where it lies; only a second piece makes a copy.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes,
        }
    }

    fn push(&mut self, piece: Bytes) {
        match self {
            Self::Nothing => *self = Self::One(piece),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity((first.len() + piece.len()) * 2);
                all.extend_from_slice(first);
                all.extend_from_slice(&piece);
                *self = Self::Many(all);
            }
            Self::Many(all) => all.extend_from_slice(&piece),
        }
    }
}

/// How long a body is waited for. Only one that does not come with its head has any.
struct Patience {
    started_at: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Patience {
    fn begin() -> Self {
        let started_at = Instant::now();
        Self { started_at, sleep: Box::pin(sleep_until(started_at + BODY_WAIT_MAX)) }
    }

    /// Ready when a body of which `bytes` came should have had more.
    fn poll(&mut self, bytes: usize, ctx: &mut Context<'_>) -> Poll<()> {
        let earned = u64::try_from(bytes).unwrap_or(u64::MAX) / BODY_BYTES_PER_SECOND_MIN;
        let deadline = self.started_at + BODY_WAIT_MAX + Duration::from_secs(earned);
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(ctx)
    }
}

impl<T> Reading<T> {
    /// The body did not come; the client is not waited for any longer.
    fn poll_patience(&mut self, ctx: &mut Context<'_>) -> Poll<Problem> {
        // actix asks before it has decoded what came with the head; most bodies are there a moment later, and need no
        // timer.
        if !self.is_asked_again {
            self.is_asked_again = true;
            ctx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let bytes = self.body.as_slice().len();
        let patience = self.patience.get_or_insert_with(Patience::begin);
        patience.poll(bytes, ctx).map(|()| {
            let detail = "The body came too slowly.";
            Problem::new(Code::MalformedRequest, detail).with_status(StatusCode::REQUEST_TIMEOUT)
        })
    }
}

impl<T: Body> Future for Reading<T> {
    type Output = Result<Json<T>, Problem>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        if !T::MAY_BE_ABSENT
            && let Some(problem) = self.refused.take()
        {
            return Poll::Ready(Err(problem));
        }
        loop {
            let piece = match Pin::new(&mut self.payload).poll_next(ctx) {
                Poll::Ready(Some(piece)) => piece,
                Poll::Ready(None) => break,
                Poll::Pending => return self.poll_patience(ctx).map(Err),
            };
            let Ok(piece) = piece else {
                let detail = "The body broke off before its end.";
                return Poll::Ready(Err(Problem::new(Code::MalformedRequest, detail)));
            };
            // There is a body after all.
            if let Some(problem) = self.refused.take() {
                return Poll::Ready(Err(problem));
            }
            if self.body.as_slice().len() + piece.len() > self.bytes_max {
                return Poll::Ready(Err(too_large(self.bytes_max)));
            }
            self.body.push(piece);
        }
        let body = match self.body.as_slice() {
            [] if T::MAY_BE_ABSENT => b"{}",
            body => body,
        };
        Poll::Ready(parse(body).map(Json))
    }
}

/// Reads and checks a body.
///
/// # Errors
///
/// `malformed_json` when it is not JSON or nested deeper than [`BODY_LEVELS_MAX`]; `validation_failed`
/// when it is JSON of another shape, with a field unknown or given twice, or when its check refuses it.
pub fn parse<T: Body>(body: &[u8]) -> Result<T, Problem> {
    if body.len() <= BODY_BYTES_MAX_DEFAULT && is_too_deep(body) {
        let detail = format!("The body is nested deeper than {BODY_LEVELS_MAX} levels.");
        return Err(Problem::new(Code::MalformedJson, detail));
    }
    let Object(raw) = serde_json::from_slice(body).map_err(|error| explain::<T::Raw>(body, &error))?;
    let mut check = Check::default();
    let value = T::check(raw, &mut check);
    check.finish(value)
}

/// Whether arrays and objects are nested deeper than [`BODY_LEVELS_MAX`]. Bytes that are no JSON may be judged
/// either way.
fn is_too_deep(body: &[u8]) -> bool {
    let is_opener = |byte: &&u8| matches!(byte, b'[' | b'{');
    // Nearly every body has fewer of them than there may be levels, and this is one pass of wide instructions.
    if body.iter().filter(is_opener).count() <= BODY_LEVELS_MAX {
        return false;
    }
    let (mut levels, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => levels += 1,
            b']' | b'}' if !is_text => levels = levels.saturating_sub(1),
            _ => {}
        }
        if levels > BODY_LEVELS_MAX {
            return true;
        }
    }
    false
}

fn explain<R: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Data => Problem::invalid(vec![shape_error::<R>(body)]),
        _ if body.is_empty() => Problem::new(Code::MalformedJson, "The body is empty; it must be JSON."),
        _ => Problem::new(Code::MalformedJson, format!("The body is not JSON: {error}.")),
    }
}

/// Reads a body of the wrong shape again, minding the path this time.
fn shape_error<R: DeserializeOwned>(body: &[u8]) -> FieldError {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<R>>(&mut deserializer) else {
        unreachable!("the same bytes were refused a moment ago");
    };
    let path = match error.path().to_string() {
        root if root == "." => String::new(),
        path => path,
    };
    let message = error.inner().to_string();
    // serde says which field is unknown or doubled only in its text.
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
    if let Some(name) = named("unknown field `") {
        let field = with_last(&path, name);
        return FieldError { field, code: "unknown_field", detail: "Is not a field of this request.".into() };
    }
    if let Some(name) = named("duplicate field `") {
        let field = with_last(&path, name);
        return FieldError { field, code: "duplicate_field", detail: "Is given more than once.".into() };
    }
    let sentence = message.split(" at line ").next().unwrap_or_default();
    FieldError { field: path, code: "wrong_type", detail: format!("Has the wrong shape: {sentence}.").into() }
}

/// `path` with `name` as its last part, whether or not serde put it there already.
fn with_last(path: &str, name: &str) -> String {
    let is_there = path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match (is_there, path) {
        (true, _) => path.to_owned(),
        (false, "") => name.to_owned(),
        (false, _) => format!("{path}.{name}"),
    }
}

fn media_type(request: &HttpRequest) -> Result<(), Problem> {
    if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "The body must be sent without a content coding.",
        ));
    }
    let value = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if value == b"application/json" || is_json(value, request.method() == Method::PATCH) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "The body must be sent as application/json in UTF-8."))
}

fn is_json(value: &[u8], is_patch: bool) -> bool {
    let Ok(text) = str::from_utf8(value) else { return false };
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let is_known = media.eq_ignore_ascii_case("application/json")
        || (is_patch && media.eq_ignore_ascii_case("application/merge-patch+json"));
    let is_utf_8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
            charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_known && parts.all(is_utf_8)
}

fn announced_size(request: &HttpRequest, bytes_max: usize) -> Result<(), Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|text| text.parse::<usize>().ok()) {
        Some(bytes) if bytes > bytes_max => Err(too_large(bytes_max)),
        _ => Ok(()),
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("The body must have at most {bytes_max} bytes."))
}
