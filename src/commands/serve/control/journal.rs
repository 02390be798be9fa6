//! What `holdfast journal` asks a running server: figures, events, copies, checkpoints, trimming.
//!
//! Copies and events are streams that a thread of their own writes, as the journal is on the disk; a receiver that is slow makes it
//! wait, one that is gone ends it.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use actix_web::error::BlockingError;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream::poll_fn;
use holdfast_actors::domain::Sku;
use holdfast_actors::persistence::{self, BatchNumber, Reader};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Desk;
use crate::cli::{Exit, Failure};
use crate::commands::journal::restore::Moment;
use crate::commands::journal::source::{self, STREAM_BYTES, Source};
use crate::commands::journal::tail::{self, SkuFilter, Tail, Wanted};
use crate::commands::journal::{checkpoint, position, stat, trim};

/// Parts of a stream that wait for their receiver.
const PARTS_WAIT_MAX: usize = 4;

/// How often a stream of events looks for more: soon for a person, seldom for a disk.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(100);

/// After how many looks that found nothing an empty line is sent: only who is written to is known to be gone.
const LOOKS_QUIET_MAX: u32 = 10;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/journal/stat", web::get().to(stat))
        .route("/journal/checkpoint", web::post().to(checkpoint))
        .route("/journal/trim", web::post().to(trim))
        .route("/journal/archive", web::get().to(archive))
        .route("/journal/tail", web::get().to(tail));
}

/// How a failure is told, so that the command ends as it would on a stopped folder.
pub(super) fn failed(failure: &Failure) -> HttpResponse {
    let document = json!({ "detail": format!("{:#}", failure.error), "exit": failure.exit.code() });
    HttpResponse::Conflict().json(document)
}

async fn stat(desk: web::Data<Desk>) -> HttpResponse {
    let told = web::block(move || {
        let files = desk.engine.checkpoint_files();
        stat::of_running(&reader(&desk), files.as_ref())
    });
    answered(told.await)
}

async fn checkpoint(desk: web::Data<Desk>) -> HttpResponse {
    match checkpoint::take(&desk.engine).await {
        Ok(document) => HttpResponse::Ok().json(document),
        Err(failure) => failed(&failure),
    }
}

async fn trim(desk: web::Data<Desk>, wanted: web::Json<trim::Wanted>) -> HttpResponse {
    let trim::Wanted { retain, is_dry_run } = wanted.into_inner();
    let done = web::block(move || {
        let Some(files) = desk.engine.checkpoint_files() else {
            return Err(anyhow::anyhow!("this server makes no checkpoints, so nothing can be trimmed").into());
        };
        trim::trim(&reader(&desk), &files, trim::kept(desk.retain, retain.as_deref())?, is_dry_run)
    });
    answered(done.await)
}

fn answered(done: Result<Result<Value, Failure>, BlockingError>) -> HttpResponse {
    match done {
        Ok(Ok(document)) => HttpResponse::Ok().json(document),
        Ok(Err(failure)) => failed(&failure),
        Err(error) => failed(&anyhow::Error::from(error).into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    to_position: Option<String>,
    to_ms: Option<u64>,
}

impl Until {
    fn moment(&self) -> Result<Option<Moment>, Failure> {
        match (&self.to_position, self.to_ms) {
            (Some(token), None) => Ok(Some(Moment::Position(position(token)?))),
            (None, Some(ms)) => Ok(Some(Moment::Time(ms))),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(Failure::new(Exit::Usage, anyhow::anyhow!("there is one moment at a time")))
            }
        }
    }
}

async fn archive(desk: web::Data<Desk>, until: web::Query<Until>) -> HttpResponse {
    let to = match until.moment() {
        Ok(to) => to,
        Err(failure) => return failed(&failure),
    };
    stream(HttpResponse::Ok(), "application/octet-stream", move |output| {
        let reader = reader(&desk);
        // Held until all is sent: nothing of it is trimmed meanwhile.
        let pin = reader.pin();
        let files = desk.engine.checkpoint_files();
        source::send(
            Source::running(&reader, pin.start().clone(), files.as_ref(), &desk.data_dir),
            to,
            output,
        );
    })
}

async fn tail(desk: web::Data<Desk>, wanted: web::Query<Wanted>) -> HttpResponse {
    let wanted = wanted.into_inner();
    if let Err(failure) = tail::check(&wanted) {
        return failed(&failure);
    }
    let reader = reader(&desk);
    let skus = wanted
        .sku
        .as_deref()
        .map(|sku| SkuFilter::of(sku, &Sku::new(sku).and_then(|sku| desk.engine.find(&sku))));
    let first = match begin_of(&reader, &wanted) {
        Ok(first) => first,
        Err(failure) => return failed(&failure),
    };
    stream(HttpResponse::Ok(), "application/jsonl", move |output| {
        let parts = output.get_ref().parts.clone();
        if let Err(failure) = follow(&reader, first, &wanted, skus, output) {
            // The answer ends in the middle, as whoever reads must not take it for the whole. One who is gone is told nothing.
            let _is_gone = parts.blocking_send(Err(io::Error::other(format!("{:#}", failure.error))));
        }
    })
}

/// The frame of the record behind which to begin; said while that can still be answered.
fn begin_of(reader: &Reader, wanted: &Wanted) -> Result<BatchNumber, Failure> {
    let Some(from) = &wanted.from else { return Ok(reader.first_place().batch) };
    let position = position(from)?;
    match reader.place_of(position.partition, position.sequence) {
        Ok(Some(place)) => Ok(place.batch),
        Ok(None) | Err(persistence::Error::Trimmed { .. }) => Err(tail::not_there(position)),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

/// Sends what is wanted, and then what comes, until the receiver is gone.
fn follow(
    reader: &Reader,
    first: BatchNumber,
    wanted: &Wanted,
    skus: Option<SkuFilter>,
    mut output: BufWriter<Output>,
) -> Result<(), Failure> {
    let frames = |first: BatchNumber| -> Box<dyn Iterator<Item = _>> { Box::new(reader.frames_from(first)) };
    let tail = Tail {
        frames: &frames,
        first,
        end: BatchNumber(u64::MAX),
        about_end: reader.end().batch,
        wanted,
        skus,
    };
    let mut next = tail.send(&mut |line| writeln!(output, "{line}"))?;
    let mut looks_quiet = 0;
    while wanted.follow && !output.get_ref().is_closed() {
        output.flush().map_err(anyhow::Error::from)?;
        // Nobody waits for this thread, and an idle shop has nothing to tell.
        std::thread::sleep(FOLLOW_INTERVAL);
        looks_quiet += 1;
        next = tail.go_on(next, &mut |line| {
            looks_quiet = 0;
            writeln!(output, "{line}")
        })?;
        if looks_quiet == LOOKS_QUIET_MAX {
            looks_quiet = 0;
            writeln!(output).map_err(anyhow::Error::from)?;
        }
    }
    Ok(output.flush().map_err(anyhow::Error::from)?)
}

fn reader(desk: &Desk) -> Reader {
    desk.engine.reader().expect("a server's journal is on disk")
}

/// Answers with what `write` writes on a thread of its own.
fn stream(
    mut answer: HttpResponseBuilder,
    media: &'static str,
    write: impl FnOnce(BufWriter<Output>) + Send + 'static,
) -> HttpResponse {
    let (parts, mut sent) = mpsc::channel(PARTS_WAIT_MAX);
    let write = move || write(BufWriter::with_capacity(STREAM_BYTES, Output { parts }));
    if let Err(error) = std::thread::Builder::new().name("control".to_owned()).spawn(write) {
        return failed(&anyhow::Error::from(error).context("start a thread").into());
    }
    answer.content_type(media).streaming(poll_fn(move |cx| sent.poll_recv(cx)))
}

/// The way from a thread that may wait to a stream that may not.
struct Output {
    parts: mpsc::Sender<io::Result<Bytes>>,
}

impl Output {
    /// Whether nobody receives any more.
    fn is_closed(&self) -> bool {
        self.parts.is_closed()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = Bytes::copy_from_slice(bytes);
        self.parts.blocking_send(Ok(part)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
