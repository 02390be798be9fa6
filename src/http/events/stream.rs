//! Events as a stream (SSE): one piece after the other, as fast as the client takes them, until the server goes down
//! or the access token ends.
//!
//! Nothing is kept for a slow reader: the next piece is read when the socket has taken the last one, and who takes nothing for half
//! a minute is cut off by [`super::super::connection`]. A client that comes back with `Last-Event-ID` goes on where it was.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use holdfast_actors::Engine;
use holdfast_actors::domain::AccountId;
use holdfast_actors::domain::account::Role;
use holdfast_actors::persistence::{Reader, Ticket};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::feed::{Event, Feed};
use super::filter::Filter;
use super::listeners::Listener;
use crate::http::caller::UserId;
use crate::http::problem::Problem;
use crate::http::request_id::RequestId;

/// What keeps proxies and clients from taking silence for the end.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// The least time between two looks at a journal that is written all the time: a commit would wake every stream at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// After how long a client that was cut off should come back.
const RETRY_MS: u32 = 1_000;

/// Events of one piece.
const EVENTS_MAX: usize = 500;

/// Asks nginx not to gather what it passes on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What lets somebody listen.
pub(super) struct Pass {
    /// Who: nothing is told to one who is no admin any more.
    pub(super) admin: UserId,
    /// When the access token ends.
    pub(super) ends_at: Instant,
}

impl Pass {
    fn is_good(&self, engine: &Engine) -> bool {
        let person = engine.person(AccountId(self.admin.uuid().as_u128()));
        Instant::now() < self.ends_at && person.is_some_and(|person| person.role == Role::Admin)
    }
}

/// What goes on between two pieces.
struct Stream {
    engine: Engine,
    reader: Reader,
    filter: Filter,
    listener: Listener,
    pass: Pass,
    feed: Feed,
    /// Said before all else: how to come back, and from where; then the gap, if there is one.
    greeting: Option<String>,
    /// What the client knows of how far it is.
    told: String,
    last_look: Option<Instant>,
    heartbeat_at: Instant,
    request_id: RequestId,
}

/// The answer that goes on.
pub(super) fn answer(
    engine: Engine,
    reader: Reader,
    filter: Filter,
    (listener, pass): (Listener, Pass),
    feed: Feed,
    reset: Option<Event>,
) -> HttpResponse {
    let told = feed.token();
    let mut greeting = format!("retry: {RETRY_MS}\nid: {told}\n\n");
    reset.iter().for_each(|reset| write_event(&mut greeting, reset));
    let stream = Stream {
        engine,
        reader,
        filter,
        listener,
        pass,
        feed,
        greeting: Some(greeting),
        told,
        last_look: None,
        heartbeat_at: Instant::now() + HEARTBEAT_EVERY,
        request_id: RequestId::current(),
    };
    let pieces = stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match stream.next().await {
            Ok(Some(text)) => Some((Ok(Bytes::from(text)), Some(stream))),
            Ok(None) => None,
            // The answer ends in the middle, as the client must notice.
            Err(error) => Some((Err(error), None)),
        }
    });
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")));
    response.insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")));
    response.streaming(pieces)
}

impl Stream {
    /// The next text to send; none when the server goes down, or when the client may not listen any more.
    async fn next(&mut self) -> Result<Option<String>, io::Error> {
        if let Some(greeting) = self.greeting.take() {
            return Ok(Some(greeting));
        }
        while !self.listener.is_closing() && self.pass.is_good(&self.engine) {
            let seen = self.engine.durable_now();
            self.last_look = Some(Instant::now());
            let (events, is_at_end) = self.look().await?;
            if !events.is_empty() {
                let mut text = String::new();
                events.iter().for_each(|event| write_event(&mut text, event));
                self.told.clone_from(&events.last().expect("there is one").id);
                self.heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
                return Ok(Some(text));
            }
            if is_at_end && !self.wait(seen).await {
                return Ok(None);
            }
            if Instant::now() >= self.heartbeat_at {
                return Ok(Some(self.heartbeat()));
            }
        }
        Ok(None)
    }

    async fn look(&mut self) -> Result<(Vec<Event>, bool), io::Error> {
        // The feed goes to the thread that blocks, and comes back.
        let (engine, reader, filter) = (self.engine.clone(), self.reader.clone(), self.filter.clone());
        let mut feed = self.feed.clone();
        let read = web::block(move || {
            let piece = feed.read(&engine, &reader, &filter, EVENTS_MAX);
            piece.map(|piece| (piece, feed))
        });
        let failed = |problem: Problem| io::Error::other(problem);
        match read.await {
            Ok(Ok((piece, feed))) => {
                self.feed = feed;
                Ok((piece.events, piece.is_at_end))
            }
            Ok(Err(error)) => Err(failed(self.request_id.enter(|| Problem::internal(error)))),
            Err(error) => Err(failed(self.request_id.enter(|| Problem::internal(error)))),
        }
    }

    /// Waits until there is more, or time for a heartbeat, or the token ends; false when the server goes down.
    async fn wait(&mut self, seen: Ticket) -> bool {
        let pause_until = self.last_look.map_or_else(Instant::now, |last| last + LOOK_EVERY);
        let more = async {
            let outcome = self.engine.more_than(seen).await;
            sleep_until(pause_until).await;
            outcome.is_ok()
        };
        tokio::select! {
            () = self.listener.closed() => false,
            more = timeout_at(self.heartbeat_at.min(self.pass.ends_at), more) => more.unwrap_or(true),
        }
    }

    /// A comment, and how far it is where nothing of that was wanted: a client that comes back need not begin so far behind.
    fn heartbeat(&mut self) -> String {
        self.heartbeat_at = Instant::now() + HEARTBEAT_EVERY;
        let mark = self.feed.token();
        if mark == self.told {
            return ": heartbeat\n\n".to_owned();
        }
        self.told = mark;
        format!(": heartbeat\nid: {}\n\n", self.told)
    }
}

fn write_event(text: &mut String, event: &Event) {
    let data = serde_json::to_string(event).expect("a view has string keys and plain values");
    // JSON has no line breaks of its own: one line of data it is.
    write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.kind)
        .expect("a string takes all that is written");
}
