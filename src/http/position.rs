//! `Journal-Position`: an opaque token for a place in the journal, and reads that wait for one.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::Position;
use holdfast_actors::persistence::{BatchNumber, Partition, Sequence};

use super::problem::{Code, Problem};
use super::shop;

/// The header that tells where a write is in the journal.
pub const JOURNAL_POSITION: HeaderName = HeaderName::from_static("journal-position");

/// The header by which a read asks to see at least that.
pub const MIN_JOURNAL_POSITION: HeaderName = HeaderName::from_static("min-journal-position");

/// Shape: `partition: u16 | sequence: u64`, big endian, base64url.
const BYTES: usize = 10;

/// The token of a position.
pub fn token(position: Position) -> String {
    URL_SAFE_NO_PAD.encode(to_bytes(position))
}

fn to_bytes(position: Position) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..2].copy_from_slice(&position.partition.0.to_be_bytes());
    bytes[2..].copy_from_slice(&position.sequence.0.to_be_bytes());
    bytes
}

/// The token as a header.
pub fn header(position: Position) -> HeaderValue {
    HeaderValue::from_str(&token(position)).expect("base64url needs no escaping in a header")
}

/// The position of a token; none where it is none of ours.
pub fn parse(token: &str) -> Option<Position> {
    of_bytes(URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?)
}

fn of_bytes(bytes: [u8; BYTES]) -> Option<Position> {
    let (partition, sequence) = bytes.split_first_chunk::<2>()?;
    Some(Position {
        partition: Partition(u16::from_be_bytes(*partition)),
        sequence: Sequence(u64::from_be_bytes(sequence.try_into().ok()?)),
    })
}

/// How far somebody has read: up to a record, or up to one of several events of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The record.
    pub position: Position,
    /// How many of its events were read; all where there is no number.
    pub shown: Option<u16>,
    /// The [`check`](holdfast_actors::persistence::Record::check) of the record: without it, nobody sees that another one has its
    /// position since the journal was put back to an earlier moment.
    pub check: Option<u32>,
}

/// Shape: `partition: u16 | sequence: u64 | shown: u16 | check: u32`, big endian, base64url; without `check`, and without `shown`, it
/// is shorter. Without both it is the token of a position.
const MARK_BYTES: usize = 16;

/// Where `shown` ends.
const SHOWN_BYTES: usize = 12;

/// Stands for the whole record. No record has so many events.
const SHOWN_ALL: u16 = u16::MAX;

/// Stands for the journal: the sequence is the number of a batch, before which all was read. No journal has so many partitions.
const NO_PARTITION: Partition = Partition(u16::MAX);

impl Mark {
    /// After a whole record.
    pub const fn after(position: Position) -> Self {
        Self { position, shown: None, check: None }
    }

    /// After so many events of a record.
    pub const fn within(position: Position, shown: u16) -> Self {
        Self { position, shown: Some(shown), check: None }
    }

    /// Before a batch: where nothing that came before is stored any more.
    pub const fn before(batch: BatchNumber) -> Self {
        Self::after(Position { partition: NO_PARTITION, sequence: Sequence(batch.0) })
    }

    /// The same, and the check of its record.
    #[must_use]
    pub const fn with_check(self, check: u32) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The batch before which all was read, where it names no record.
    pub fn batch(self) -> Option<BatchNumber> {
        (self.position.partition == NO_PARTITION).then_some(BatchNumber(self.position.sequence.0))
    }

    /// Its token.
    pub fn token(self) -> String {
        let mut bytes = [0; MARK_BYTES];
        bytes[..BYTES].copy_from_slice(&to_bytes(self.position));
        bytes[BYTES..SHOWN_BYTES].copy_from_slice(&self.shown.unwrap_or(SHOWN_ALL).to_be_bytes());
        bytes[SHOWN_BYTES..].copy_from_slice(&self.check.unwrap_or_default().to_be_bytes());
        URL_SAFE_NO_PAD.encode(match (self.shown, self.check) {
            (_, Some(_)) => &bytes[..],
            (Some(_), None) => &bytes[..SHOWN_BYTES],
            (None, None) => &bytes[..BYTES],
        })
    }

    /// The mark of a token; none where it is none of ours.
    pub fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (position, rest) = bytes.split_first_chunk::<BYTES>()?;
        let position = of_bytes(*position)?;
        let (shown, check) = match rest.split_first_chunk::<2>() {
            None if rest.is_empty() => (None, None),
            None => return None,
            Some((shown, [])) => (Some(*shown), None),
            Some((shown, check)) => (Some(*shown), Some(check.try_into().ok()?)),
        };
        let shown = shown.map(u16::from_be_bytes).filter(|shown| *shown != SHOWN_ALL);
        Some(Self { position, shown, check: check.map(u32::from_be_bytes) })
    }
}

/// Taken by every read: refuses one that asks for more than this journal has. What it has is in memory, so
/// there is nothing to wait for.
#[derive(Clone, Copy, Debug)]
pub struct AtLeast;

impl FromRequest for AtLeast {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(check(request))
    }
}

fn check(request: &HttpRequest) -> Result<AtLeast, Problem> {
    let Some(value) = request.headers().get(MIN_JOURNAL_POSITION) else { return Ok(AtLeast) };
    let Some(mark) = value.to_str().ok().and_then(Mark::parse) else {
        let detail =
            "`Min-Journal-Position` must be a token that came as `Journal-Position`, or with an event.";
        return Err(Problem::new(Code::MalformedRequest, detail));
    };
    if mark.batch().is_some() || shop::open(request)?.has_reached(mark.position) {
        return Ok(AtLeast);
    }
    Err(Problem::new(Code::NotReady, "The journal has not come that far; was it restored from a backup?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_leads_back_to_its_position() {
        let position = Position { partition: Partition(15), sequence: Sequence(u64::MAX - 1) };
        assert_eq!(parse(&token(position)), Some(position));
        assert_eq!(parse("AA"), None);
        assert_eq!(parse("not base64!"), None);
        for mark in [
            Mark::before(BatchNumber(7)),
            Mark::after(position),
            Mark::within(position, 0),
            Mark::within(position, 7),
        ] {
            assert_eq!(Mark::parse(&mark.token()), Some(mark));
            let checked = mark.with_check(0);
            assert_eq!(Mark::parse(&checked.token()), Some(checked));
        }
        assert_eq!(Mark::before(BatchNumber(7)).batch(), Some(BatchNumber(7)));
        for bytes in [0, 9, 11, 13, 14, 15, 17] {
            assert_eq!(Mark::parse(&URL_SAFE_NO_PAD.encode(vec![0; bytes])), None, "{bytes}");
        }
    }
}
