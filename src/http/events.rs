//! `GET /events`: the facts of the journal in its order, as pages that wait or as a stream.
//!
//! Only what is durable is told, each event once: whoever goes on from `next`, or comes back with the id it saw last, misses nothing and
//! gets nothing twice, across restarts and crashes. Where that cannot be kept, because the journal was trimmed or put back to an earlier
//! moment, the first event is `reset` and says so.

mod feed;
mod filter;
mod listeners;
mod stream;

use std::time::Duration;

use actix_web::http::header::{ACCEPT, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use holdfast_actors::Engine;
use holdfast_actors::persistence::Reader;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::feed::{Event, Feed, Start};
use self::filter::Filter;
pub(super) use self::filter::Types;
use self::listeners::Listener;
pub use self::listeners::{LISTENERS_MAX, Listeners};
use self::stream::Pass;

use super::answer;
use super::caller::AdminCaller;
use super::openapi::inline::value_schemas;
use super::position::{AtLeast, Mark};
use super::problem::{Code, Problem};
use super::query::{Limit, Query};
use super::shop::Shop;
use super::values::Sku;
use super::values::schema;
use super::verified;

/// Its path: whoever waits here is not slow.
pub const PATH: &str = "/api/v1/events";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const EVENT_STREAM: &str = "text/event-stream";

/// The longest wait for an event.
const WAIT_SECONDS_MAX: u8 = 30;

/// The least time between two looks at a journal that is written all the time, but not with what is wanted.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The query.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only what comes behind this position: a `next`, the `position` of an event, or a `Journal-Position`. `latest` begins with what
    /// comes next. Without it: with the oldest that is kept.
    after: Option<After>,
    /// Only events of these types, comma separated; `order.*` are all of orders. What is skipped moves `next` as well.
    types: Option<Types>,
    /// Only events that name this unit, or its product.
    sku: Option<Sku>,
    /// How many at the most; a stream has no end.
    #[serde(default)]
    limit: Limit,
    /// How long to wait for the first one; a stream waits until the access token ends.
    #[serde(default)]
    wait_seconds: WaitSeconds,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct After(Start);

/// Seconds to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct WaitSeconds(u8);

value_schemas! {
    impl[] After as "after" => schema::text().max_length(Some(64)).examples(["latest"]);
    impl[] WaitSeconds as "wait_seconds" => schema::whole(0, WAIT_SECONDS_MAX.into()).default(Some(0.into()));
}

impl TryFrom<String> for After {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text == "latest" {
            return Ok(Self(Start::Latest));
        }
        Mark::parse(&text).map(|mark| Self(Start::After(mark))).ok_or("must be a position or `latest`")
    }
}

impl TryFrom<String> for WaitSeconds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= WAIT_SECONDS_MAX);
        seconds.map(Self).ok_or_else(|| format!("must be 0 to {WAIT_SECONDS_MAX}, in whole seconds"))
    }
}

/// A page of events.
#[derive(Serialize)]
struct Page {
    data: Vec<Event>,
    next: String,
}

/// A page of events, in the order of the journal.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
struct EventPage {
    data: Vec<EventSchema>,
    /// What `after` is to be next, also where nothing was found.
    next: String,
}

/// A fact.
#[derive(utoipa::ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
struct EventSchema {
    /// The `Journal-Position` of its record; longer where the record goes on. `after` and `Last-Event-ID` take it, but only a `next` and
    /// the ids of a stream tell when another record has that position, since the journal was put back to an earlier moment.
    position: String,
    /// Such as `order.placed`; `reset` where what follows `after` is not there any more.
    r#type: String,
    at: super::view::Moment,
    resource: EventResource,
    /// Its fields, by type.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Whose fact it is.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
struct EventResource {
    r#type: String,
    /// Absent where there is one of its kind.
    #[schema(required = false)]
    id: String,
}

/// Answers facts of the journal, in its order: a page, or with `Accept: text/event-stream` a stream, which ends with the access token.
///
/// # Errors
///
/// `overloaded` when too many wait; `internal` when the journal cannot be read.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "Operation", operation_id = "list_events",
    security(("admin" = [])),
    params(
        Wanted,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the event that a stream saw last; wins over `after`."),
    ),
    responses(
        (status = 200, description = "Events, and where to go on.", content(
            (EventPage = "application/json"),
            (String = "text/event-stream"),
        )),
    ),
)]
pub async fn list(
    request: HttpRequest,
    engine: Shop,
    listeners: web::Data<Listeners>,
    AdminCaller(admin): AdminCaller,
    wanted: Query<Wanted>,
    _at_least: AtLeast,
) -> Result<HttpResponse, Problem> {
    let is_stream = request.method() == Method::GET && wants_stream(&request);
    let start = match last_event_id(&request)?.filter(|_| is_stream) {
        Some(mark) => Start::After(mark),
        None => wanted.after.map_or(Start::Oldest, |After(start)| start),
    };
    let filter = Filter { types: wanted.types.clone(), sku: wanted.sku.as_ref().map(Sku::to_domain) };
    let engine = Engine::clone(&engine);
    let reader = engine.reader().expect("a server's journal is on disk");
    let listener = listeners.enter()?;
    let (opener, source) = (engine.clone(), reader.clone());
    // The journal is on the disk: not on a thread that serves requests.
    let opened = web::block(move || Feed::open(&opener, &source, start)).await;
    let (feed, reset) = opened.map_err(Problem::internal)?.map_err(Problem::internal)?;
    if is_stream {
        let pass = Pass { admin, ends_at: Instant::now() + verified::ends_in(&request) };
        return Ok(stream::answer(engine, reader, filter, (listener, pass), feed, reset));
    }
    let events_max = wanted.limit.get();
    let wait = Duration::from_secs(wanted.wait_seconds.0.into());
    let page = poll(Poll { engine, reader, filter, events_max }, listener, feed, reset, wait).await?;
    Ok(answer::json(StatusCode::OK, &page))
}

/// What does not change while somebody waits.
struct Poll {
    engine: Engine,
    reader: Reader,
    filter: Filter,
    events_max: usize,
}

/// Reads on until there is something, or the time is over, or the server goes down.
async fn poll(
    poll: Poll,
    mut listener: Listener,
    mut feed: Feed,
    reset: Option<Event>,
    wait: Duration,
) -> Result<Page, Problem> {
    let deadline = Instant::now() + wait;
    let mut data = Vec::from_iter(reset);
    loop {
        let (seen, looked_at) = (poll.engine.durable_now(), Instant::now());
        let (engine, reader, filter) = (poll.engine.clone(), poll.reader.clone(), poll.filter.clone());
        let events_max = poll.events_max - data.len();
        if events_max == 0 {
            return Ok(Page { data, next: feed.token() });
        }
        let read = move || feed.read(&engine, &reader, &filter, events_max).map(|piece| (piece, feed));
        let piece;
        (piece, feed) = web::block(read).await.map_err(Problem::internal)?.map_err(Problem::internal)?;
        data.extend(piece.events);
        if !data.is_empty() || listener.is_closing() || Instant::now() >= deadline {
            return Ok(Page { data, next: feed.token() });
        }
        if !piece.is_at_end {
            continue;
        }
        let more = async {
            let outcome = poll.engine.more_than(seen).await;
            sleep_until(looked_at + LOOK_EVERY).await;
            outcome.is_ok()
        };
        let has_more = tokio::select! {
            () = listener.closed() => false,
            more = timeout_at(deadline, more) => more.unwrap_or(false),
        };
        if !has_more {
            return Ok(Page { data, next: feed.token() });
        }
    }
}

/// Whether the client asks for a stream: whoever names it means it.
fn wants_stream(request: &HttpRequest) -> bool {
    let values = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut ranges = values.flat_map(|value| value.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(EVENT_STREAM));
        is_named
            && !parts.any(|part| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32)))
    })
}

fn last_event_id(request: &HttpRequest) -> Result<Option<Mark>, Problem> {
    let Some(value) = request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value.to_str().ok().and_then(Mark::parse).map(Some).ok_or_else(|| {
        Problem::new(Code::MalformedRequest, "`Last-Event-ID` must be the id of an event of this stream.")
    })
}
