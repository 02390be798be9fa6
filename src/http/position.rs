//! `Journal-Position`: an opaque token for a place in the journal, and reads that wait for one.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_actors::Position;
use holdfast_actors::persistence::{Partition, Sequence};

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
    let mut bytes = [0; BYTES];
    bytes[..2].copy_from_slice(&position.partition.0.to_be_bytes());
    bytes[2..].copy_from_slice(&position.sequence.0.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The token as a header.
pub fn header(position: Position) -> HeaderValue {
    HeaderValue::from_str(&token(position)).expect("base64url needs no escaping in a header")
}

fn parse(token: &str) -> Option<Position> {
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (partition, sequence) = bytes.split_first_chunk::<2>()?;
    Some(Position {
        partition: Partition(u16::from_be_bytes(*partition)),
        sequence: Sequence(u64::from_be_bytes(sequence.try_into().ok()?)),
    })
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
    let Some(position) = value.to_str().ok().and_then(parse) else {
        let detail = "`Min-Journal-Position` must be a token that came as `Journal-Position`.";
        return Err(Problem::new(Code::MalformedRequest, detail));
    };
    if shop::open(request)?.has_reached(position) {
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
    }
}
