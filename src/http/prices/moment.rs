//! A moment in a request: RFC 3339, strictly. Answers are in UTC with milliseconds.

use holdfast_actors::domain::Timestamp;
use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};

use crate::http::field::{Fault, Value};
use crate::http::openapi::inline::value_schemas;
use crate::http::values::schema;
use crate::http::view::{EPOCH, Moment};

/// The last millisecond of the year 9999: four digits write no later one.
const MS_MAX: u64 = 253_402_300_799_999;

/// As many digits as a fraction of a second may have.
const FRACTION_DIGITS_MAX: usize = 9;

/// A moment from 1970 on; what is finer than a millisecond is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) struct When(Timestamp);

value_schemas! {
    impl[] When as "when" => schema::text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(format!(
            "^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\
             (\\.[0-9]{{1,{FRACTION_DIGITS_MAX}}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})$"
        )))
        .examples(["2026-11-27T00:00:00.000Z"]);
}

impl When {
    /// The same for the actors.
    pub(in crate::http) const fn to_domain(self) -> Timestamp {
        self.0
    }

    /// None where it is no such moment.
    pub(in crate::http) fn parse(text: &str) -> Option<Self> {
        if !has_form(text.as_bytes()) {
            return None;
        }
        let (local, ahead) = match text.strip_suffix('Z') {
            Some(local) => (local, SignedDuration::ZERO),
            None => {
                let (local, offset) = text.split_at(text.len() - "+00:00".len());
                (local, ahead_of_utc(offset)?)
            }
        };
        // Civil, as jiff's timestamps end a day before the last one that can be written.
        let local: DateTime = local.parse().ok()?;
        let since = local.duration_since(EPOCH).checked_sub(ahead).filter(|it| !it.is_negative())?;
        let ms = u64::try_from(since.as_millis()).ok()?;
        (ms <= MS_MAX).then_some(Self(Timestamp(ms)))
    }
}

impl Value<'_> for When {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        Self::parse(text).ok_or_else(|| {
            Fault::new(
                "malformed",
                "Must be a moment such as `2026-11-20T12:00:00.000Z` (RFC 3339), from 1970 on.",
            )
        })
    }
}

/// Equal moments are equal requests, however they were written.
impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Moment(self.0).serialize(serializer)
    }
}

/// `2026-11-20T12:00:00`, perhaps a fraction, then `Z` or an offset. Libraries read much more than the RFC allows.
fn has_form(text: &[u8]) -> bool {
    let Some((head, rest)) = text.split_at_checked("2026-11-20T12:00:00".len()) else { return false };
    let is_head = is_like(head, b"0000-00-00T00:00:00");
    let rest = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=FRACTION_DIGITS_MAX).contains(&digits) {
                return false;
            }
            &rest[digits..]
        }
        rest => rest,
    };
    is_head && (rest == b"Z" || is_like(rest, b"+00:00") || is_like(rest, b"-00:00"))
}

/// What `+01:00` stands for: less than a day.
fn ahead_of_utc(offset: &str) -> Option<SignedDuration> {
    let (sign, time) = offset.split_at_checked(1)?;
    let (hours, minutes) = time.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let ahead = SignedDuration::from_mins(hours * 60 + minutes);
    (hours < 24 && minutes < 60).then_some(if sign == "-" { -ahead } else { ahead })
}

/// Digits where the pattern has `0`, and its own bytes elsewhere.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let fits =
        |(byte, wanted): (&u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
    text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_read_as_the_rfc_writes_it_and_not_otherwise() {
        let noon = Some(When(Timestamp(1_795_176_000_000)));
        for text in [
            "2026-11-20T12:00:00Z",
            "2026-11-20T12:00:00.000Z",
            "2026-11-20T12:00:00.000999Z",
            "2026-11-20T13:00:00+01:00",
            "2026-11-20T06:30:00.0-05:30",
        ] {
            assert_eq!(When::parse(text), noon, "{text}");
        }
        let never = When::parse("9999-12-31T23:59:59.999Z").expect("a moment of the last day");
        assert_eq!(serde_json::to_value(never).expect("text"), "9999-12-31T23:59:59.999Z");
        assert_eq!(When::parse("1970-01-01T00:00:00Z"), Some(When(Timestamp(0))));
        for text in [
            "9999-12-31T23:59:59-00:01",
            "1970-01-01T00:00:00+00:01",
            "1969-12-31T23:59:59.9999Z",
            "2026-11-20T12:00:00+24:00",
            "2026-11-20T12:00:00+01:60",
            "",
            "2026-11-20",
            "2026-11-20T12:00Z",
            "2026-11-20 12:00:00Z",
            "2026-11-20t12:00:00z",
            "2026-11-20T12:00:00",
            "2026-11-20T12:00:00.Z",
            "2026-11-20T12:00:00.0000000000Z",
            "2026-11-20T12:00:00+01",
            "2026-11-20T12:00:00+0100",
            "2026-11-20T12:00:00Z[UTC]",
            "2026-02-30T12:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T12:00:00+99:00",
            "1969-12-31T23:59:59Z",
            "+002026-11-20T12:00:00Z",
            "２026-11-20T12:00:00Z",
        ] {
            assert_eq!(When::parse(text), None, "{text}");
        }
    }
}
