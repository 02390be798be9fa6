//! Wall clock: the times the server writes, as milliseconds since the Unix epoch, and this machine's clock in the same count.
//!
//! Reads the one form of RFC 3339 that the API promises, UTC with milliseconds. Only where server and load test share a
//! clock, as on one machine, may a moment of one be compared with one of the other.

use std::time::{Duration, Instant, SystemTime};

const MS_PER_DAY: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: u64 = 719_468;
const DAYS_PER_ERA: u64 = 146_097;

/// Milliseconds since the Unix epoch.
pub(crate) type UnixMs = u64;

/// The moment now.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// When `moment` is (or was) on the monotonic clock.
pub(crate) fn instant(moment: UnixMs) -> Instant {
    let (instant, wall) = (Instant::now(), now());
    match moment.checked_sub(wall) {
        Some(ahead) => instant + Duration::from_millis(ahead),
        None => instant.checked_sub(Duration::from_millis(wall - moment)).unwrap_or(instant),
    }
}

/// Reads `2026-11-20T12:00:00.000Z`; `None` for anything else, or before 1970.
pub(crate) fn parse(text: &str) -> Option<UnixMs> {
    let bytes = text.as_bytes();
    let is_shaped = bytes.len() == 24
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')]
            .iter()
            .all(|(at, mark)| bytes[*at] == *mark);
    if !is_shaped {
        return None;
    }
    let number = |at: std::ops::Range<usize>| {
        let digits = text.get(at).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let day = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    Some(day * MS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1_000 + number(20..23)?)
}

/// Days since 1970-01-01. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year begins in March, so that a leap day is its last.
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (year / 400 * DAYS_PER_ERA + of_era).checked_sub(EPOCH_DAY)
}

/// Writes `moment` as the server would.
pub(crate) fn format(moment: UnixMs) -> String {
    let day = moment / MS_PER_DAY + EPOCH_DAY;
    let of_era = day % DAYS_PER_ERA;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = day / DAYS_PER_ERA * 400 + year_of_era + u64::from(month <= 2);
    let time = moment % MS_PER_DAY;
    let (hour, minute, second, ms) = (time / 3_600_000, time / 60_000 % 60, time / 1_000 % 60, time % 1_000);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_api_are_read() {
        assert_eq!(parse("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(parse("2000-02-29T23:59:59.999Z"), Some(951_868_799_999));
        assert_eq!(parse("2026-11-20T12:00:00.000Z"), Some(1_795_176_000_000));
        for text in ["2026-11-20T12:00:00Z", "2026-11-20 12:00:00.000Z", "2026-13-20T12:00:00.000Z", "", "x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("2026-11-2+T12:00:00.000Z"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for moment in (0..4_000_000_000_000).step_by(86_399_999 * 37) {
            assert_eq!(parse(&format(moment)), Some(moment), "{}", format(moment));
        }
    }

    #[test]
    fn moment_ahead_is_ahead_on_the_monotonic_clock_too() {
        let ahead = instant(now() + 60_000);
        assert!(ahead > Instant::now() + Duration::from_secs(59));
        assert!(instant(now().saturating_sub(5_000)) < Instant::now());
    }
}
