//! `holdfast journal tail`: what happened, an event a line, the newest last.
//!
//! A running server sends its events as JSON lines through the control socket, those of a stopped folder are read here; both by
//! `Tail`. What is secret is never shown.

use std::collections::VecDeque;
use std::io::{self, BufReader, Write as _};
use std::ops::ControlFlow;

use anyhow::{Context as _, anyhow};
use holdfast_actors::domain::product::VariantNo;
use holdfast_actors::domain::{ProductId, Sku};
use holdfast_actors::persistence::{self, BatchNumber, Damage, Frame, Record};
use holdfast_actors::{Position, RequestId, record};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::source::Frames;
use super::{Holder, moment, open, position, stopped, stream_of, verdict};
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::facts::{self, Event, Secrets, Subject};
use crate::http::position as token;
use crate::http::view;

/// How many events are shown when nobody says.
const COUNT_DEFAULT: usize = 10;

/// How many frames are looked through at first for the last events; four times as many each time they are too few.
const FRAMES_BACK: u64 = 64;

/// What is to be shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Go on with what comes.
    pub follow: bool,
    /// The last so many.
    pub count: Option<usize>,
    /// Behind the record of this token.
    pub from: Option<String>,
    /// Types, separated by commas; `*` stands for anything.
    pub types: Option<String>,
    /// What is about this sku.
    pub sku: Option<String>,
}

/// One event as it is sent and printed.
#[derive(Serialize)]
struct Told<'e> {
    position: String,
    at: String,
    #[serde(flatten)]
    event: &'e Event,
    actor: view::Named,
    request_id: String,
}

/// The same as it is received.
#[derive(Deserialize)]
struct Heard {
    position: String,
    at: String,
    #[serde(rename = "type")]
    kind: String,
    resource: serde_json::Value,
    data: Box<RawValue>,
}

/// Shows what happened in a stopped folder or in a running server.
///
/// # Errors
///
/// [`Exit::Usage`] for a type that nothing has, [`Exit::NotFound`] for a position that is not there; [`Exit::VerificationFailed`]
/// where a stopped journal ends before what was acknowledged, after what there is was shown.
pub fn run(settings: &Settings, wanted: &Wanted, as_json: bool, is_coloured: bool) -> Result<(), Failure> {
    check(wanted)?;
    let shown = match Holder::of(settings)? {
        Holder::Us(folder) => {
            if wanted.follow {
                eprintln!("holdfast: no server is running: this is all there is");
            }
            of_stopped(&folder, wanted, &mut |line| show(line, as_json, is_coloured))
        }
        Holder::Server(socket) => {
            let query = serde_urlencoded::to_string(wanted).context("ask for events")?;
            let body = stream_of(&socket, "GET", &format!("/journal/tail?{query}"), None)?;
            of_running(BufReader::new(body), wanted.follow, as_json, is_coloured)
        }
    };
    match shown {
        // Whoever reads has enough, as `head` does.
        Err(failure) if is_broken_pipe(&failure.error) => Ok(()),
        shown => shown,
    }
}

/// Refuses what can never be found.
///
/// # Errors
///
/// [`Exit::Usage`].
pub(crate) fn check(wanted: &Wanted) -> Result<(), Failure> {
    let usage = |sentence: String| Err(Failure::new(Exit::Usage, anyhow!("{sentence}")));
    for glob in wanted.types.iter().flat_map(|types| types.split(',')) {
        if !facts::TYPES.iter().any(|kind| matches(glob, kind)) {
            return usage(format!("no event has the type `{glob}`: try `*`, `order.*` or `stock.purchased`"));
        }
    }
    if let Some(sku) = wanted.sku.as_ref().filter(|sku| Sku::new(sku).is_none()) {
        return usage(format!("`{sku}` is no sku"));
    }
    wanted.from.as_deref().map_or(Ok(()), |from| position(from).map(drop))
}

fn of_stopped(
    folder: &persistence::Folder,
    wanted: &Wanted,
    take: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), Failure> {
    use persistence::FrameSource as _;
    let skus = match &wanted.sku {
        Some(sku) => Some(SkuFilter::of(sku, &stopped::find(folder, sku)?)),
        None => None,
    };
    let journal = open(folder)?;
    let tail = Tail {
        frames: &|first| journal.frames(first),
        first: journal.start().next_batch(),
        end: BatchNumber(u64::MAX),
        about_end: journal.acknowledged().map_or(BatchNumber::FIRST, BatchNumber::next),
        wanted,
        skus,
    };
    let mut lines = |line: String| take(&line);
    let end = tail.send(&mut lines)?;
    // What is there was shown; that it is not all must not be overlooked.
    match journal.acknowledged().filter(|acknowledged| *acknowledged >= end) {
        None => Ok(()),
        Some(acknowledged) => {
            let (path, found) = (folder.path().to_owned(), BatchNumber(end.0.saturating_sub(1)));
            Err(verdict(persistence::Error::Lost { path, acknowledged, found }))
        }
    }
}

fn of_running(
    mut lines: impl io::BufRead,
    is_followed: bool,
    as_json: bool,
    is_coloured: bool,
) -> Result<(), Failure> {
    let mut line = String::new();
    loop {
        line.clear();
        match lines.read_line(&mut line) {
            Ok(0) => return Ok(()),
            Err(error) if is_followed && error.kind() == io::ErrorKind::UnexpectedEof => {
                eprintln!("holdfast: the server stopped");
                return Ok(());
            }
            Err(error) => return Err(anyhow!(error).context("read events from the server").into()),
            Ok(_) if line.trim().is_empty() => {}
            Ok(_) => show(line.trim_end(), as_json, is_coloured).context("print an event")?,
        }
    }
}

/// The events of a journal that somebody wants to see.
pub(crate) struct Tail<'t> {
    pub(crate) frames: &'t Frames<'t>,
    /// The first frame that there is.
    pub(crate) first: BatchNumber,
    /// The first frame that is not durable yet, or behind all.
    pub(crate) end: BatchNumber,
    /// Where to begin to go back from: near the end, or anywhere, if that must be.
    pub(crate) about_end: BatchNumber,
    pub(crate) wanted: &'t Wanted,
    pub(crate) skus: Option<SkuFilter>,
}

/// What a sku stands for.
#[derive(Clone, Debug)]
pub(crate) struct SkuFilter {
    sku: Option<Sku>,
    variant: Option<(ProductId, VariantNo)>,
}

/// Sees a record with its frame and its place there.
type Visit<'v> = dyn FnMut((BatchNumber, u32), Record<'_>) -> ControlFlow<()> + 'v;

/// Takes lines.
pub(crate) type TakeLine<'t> = dyn FnMut(String) -> io::Result<()> + 't;

impl Tail<'_> {
    /// Sends what is wanted of what there is, and tells from which frame on there may be more.
    ///
    /// # Errors
    ///
    /// [`Exit::NotFound`] for a position that is not there, [`Exit::VerificationFailed`] for a damaged frame, what `take` says.
    pub(crate) fn send(&self, take: &mut TakeLine<'_>) -> Result<BatchNumber, Failure> {
        match (&self.wanted.from, self.wanted.count) {
            (Some(from), count) => {
                let begin = self.begin_behind(position(from)?)?;
                let Some(count) = count else { return self.scan(begin, take) };
                self.last(begin, count, take)
            }
            (None, count) => self.last_of_all(count.unwrap_or(COUNT_DEFAULT), take),
        }
    }

    /// Sends what comes behind a frame; tells where it ended.
    ///
    /// # Errors
    ///
    /// Those of [`Tail::send`].
    pub(crate) fn go_on(&self, from: BatchNumber, take: &mut TakeLine<'_>) -> Result<BatchNumber, Failure> {
        self.scan((from, 0), take)
    }

    fn last_of_all(&self, count: usize, take: &mut TakeLine<'_>) -> Result<BatchNumber, Failure> {
        let mut back = FRAMES_BACK;
        loop {
            let begin = BatchNumber(self.about_end.0.saturating_sub(back)).max(self.first);
            let mut lines = VecDeque::new();
            let end = self.scan((begin, 0), &mut |line| {
                keep(&mut lines, count, line);
                Ok(())
            })?;
            if lines.len() >= count || begin == self.first {
                return send_all(lines, take).map(|()| end);
            }
            back = back.saturating_mul(4);
        }
    }

    fn last(
        &self,
        begin: (BatchNumber, u32),
        count: usize,
        take: &mut TakeLine<'_>,
    ) -> Result<BatchNumber, Failure> {
        let mut lines = VecDeque::new();
        let end = self.scan(begin, &mut |line| {
            keep(&mut lines, count, line);
            Ok(())
        })?;
        send_all(lines, take).map(|()| end)
    }

    /// Finds the place behind a record.
    fn begin_behind(&self, position: Position) -> Result<(BatchNumber, u32), Failure> {
        let mut found = None;
        self.scan_headers(self.first, &mut |place, it| {
            if (it.header.partition, it.header.sequence) == (position.partition, position.sequence) {
                found = Some(place);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        let (batch, record) = found.ok_or_else(|| not_there(position))?;
        Ok((batch, record + 1))
    }

    fn scan(&self, from: (BatchNumber, u32), take: &mut TakeLine<'_>) -> Result<BatchNumber, Failure> {
        let mut failed = None;
        let end = self.scan_headers(from.0, &mut |place, record| {
            if place < from {
                return ControlFlow::Continue(());
            }
            match self.told(record).and_then(|lines| {
                lines.into_iter().try_for_each(&mut *take).map_err(|error| Failure::from(anyhow!(error)))
            }) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    failed = Some(failure);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(end), Err)
    }

    /// Goes through records from a frame on, in order; tells behind which frame it ended. A torn end is an end.
    fn scan_headers(&self, from: BatchNumber, visit: &mut Visit<'_>) -> Result<BatchNumber, Failure> {
        let mut end = from;
        let mut torn = None;
        for stored in (self.frames)(from) {
            let stored = stored.map_err(verdict)?;
            let batch = stored.batch;
            if batch >= self.end {
                break;
            }
            let corrupt = |what| verdict(persistence::Error::Corrupt { batch, what });
            let frame = match (Frame::decode(&stored.bytes), &torn) {
                (Ok(frame), None) => frame,
                (Ok(_), Some(damage)) => return Err(corrupt(Damage::Frame(*damage))),
                (Err(damage), _) if damage.is_torn() => {
                    torn.get_or_insert(damage);
                    continue;
                }
                (Err(damage), _) => return Err(corrupt(damage.into())),
            };
            for (index, record) in (0..).zip(frame.records()) {
                if visit((batch, index), record).is_break() {
                    return Ok(end);
                }
            }
            end = batch.next();
        }
        Ok(end)
    }

    /// The lines of a record.
    fn told(&self, record: Record<'_>) -> Result<Vec<String>, Failure> {
        let turn = record::decode(record.payload).map_err(|error| {
            let error = anyhow!(error).context("read a record; is it of a newer release?");
            Failure::new(Exit::VerificationFailed, error)
        })?;
        let header = record.header;
        let place = Position { partition: header.partition, sequence: header.sequence };
        let is_wanted = |event: &Event| {
            let is_of_type = |types: &String| types.split(',').any(|glob| matches(glob, event.kind));
            self.wanted.types.as_ref().is_none_or(is_of_type)
                && self.skus.as_ref().is_none_or(|skus| event.subjects.iter().any(|it| skus.is_about(it)))
        };
        let events = facts::events_of(&turn, Secrets::Hidden);
        let told = |event: &Event| {
            let told = Told {
                position: token::token(place),
                at: moment(header.time_ms),
                event,
                actor: view::actor(turn.actor),
                request_id: request_id(&turn.request_id),
            };
            serde_json::to_string(&told).expect("what is told can be written")
        };
        Ok(events.iter().filter(|event| is_wanted(event)).map(told).collect())
    }
}

/// There is no such record.
pub(crate) fn not_there(position: Position) -> Failure {
    let what = "was trimmed, or the journal has not come that far";
    Failure::new(Exit::NotFound, anyhow!("there is no {}: it {what}", token::token(position)))
}

impl SkuFilter {
    /// Of a sku, and the variant that has it now.
    pub(crate) fn of(sku: &str, variant: &Option<(ProductId, VariantNo)>) -> Self {
        Self { sku: Sku::new(sku), variant: *variant }
    }

    fn is_about(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Product(product) => self.variant.is_some_and(|(it, _)| it == *product),
            Subject::Variant(product, variant) => self.variant == Some((*product, *variant)),
            Subject::Sku(sku) => self.sku.as_ref() == Some(sku),
        }
    }
}

fn keep(lines: &mut VecDeque<String>, count: usize, line: String) {
    lines.push_back(line);
    if lines.len() > count {
        lines.pop_front();
    }
}

fn send_all(lines: VecDeque<String>, take: &mut TakeLine<'_>) -> Result<(), Failure> {
    Ok(lines.into_iter().try_for_each(take).map_err(anyhow::Error::from)?)
}

/// Whether a glob, in which `*` stands for anything, fits a type.
fn matches(glob: &str, kind: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == kind };
    let Some(kind) = kind.strip_prefix(head) else { return false };
    (0..=kind.len()).any(|skipped| kind.get(skipped..).is_some_and(|kind| matches(rest, kind)))
}

/// Prints one event.
fn show(line: &str, as_json: bool, is_coloured: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{line}")?;
        return out.flush();
    }
    let heard: Heard = serde_json::from_str(line)?;
    let resource = heard.resource["id"].as_str().unwrap_or("-");
    let data: String = heard.data.get().chars().flat_map(printable).collect();
    let (at, kind, position) = (&heard.at, &heard.kind, &heard.position);
    if is_coloured {
        let colour = colour_of(kind);
        writeln!(
            out,
            "\x1b[2m{at} {position}\x1b[0m \x1b[{colour}m{kind:24}\x1b[0m {resource}  \x1b[2m{data}\x1b[0m"
        )?;
    } else {
        writeln!(out, "{at} {position} {kind:24} {resource}  {data}")?;
    }
    out.flush()
}

/// Nothing that a customer typed may do anything to a terminal.
fn printable(letter: char) -> impl Iterator<Item = char> {
    let escaped = letter.is_control().then(|| letter.escape_unicode());
    let plain = (!letter.is_control()).then_some(letter);
    escaped.into_iter().flatten().chain(plain)
}

/// Green is what brings something, red what takes it back, yellow what needs somebody, blue the rest.
fn colour_of(kind: &str) -> u8 {
    match kind.rsplit('.').next().unwrap_or_default() {
        "created" | "received" | "placed" | "confirmed" | "purchased" | "fulfilled" | "opened" | "added" => {
            32
        }
        "deleted" | "removed" | "expired" | "released" | "canceled" | "lapsed" | "ended" => 31,
        "refund_required" => 33,
        _ => 34,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_one = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(is_one)
}

fn request_id(id: &RequestId) -> String {
    match id {
        RequestId::Made(id) => Uuid::from_u128(*id).to_string(),
        RequestId::Sent(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_types() {
        for (glob, kind) in [
            ("*", "order.placed"),
            ("order.*", "order.placed"),
            ("*.expired", "stock.expired"),
            ("o*d*d", "order.placed"),
        ] {
            assert!(matches(glob, kind), "{glob} {kind}");
        }
        for (glob, kind) in
            [("order", "order.placed"), ("order.*", "reorder.x"), ("", "order.placed"), ("*x", "y")]
        {
            assert!(!matches(glob, kind), "{glob} {kind}");
        }
        let wanted = |types: &str| Wanted { types: Some(types.to_owned()), ..Wanted::default() };
        assert!(check(&wanted("order.*,stock.purchased")).is_ok());
        assert_eq!(check(&wanted("order.*,nonsense.*")).expect_err("there is none").exit, Exit::Usage);
    }

    #[test]
    fn data_cannot_move_the_cursor() {
        let shown: String = "a\u{1b}[2J\u{9b}b\u{e9}".chars().flat_map(printable).collect();
        assert_eq!(shown, "a\\u{1b}[2J\\u{9b}b\u{e9}");
    }
}
