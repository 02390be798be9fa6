//! How much of the journal's past is kept, as text: an age (`7d`, `12h`, `30m`, `90s`), a size (`20GB`, `500MB`), or `all`.

use std::time::Duration;

use holdfast_actors::persistence;
use serde::{Deserialize, Deserializer, de};

const SECONDS_MAX: u64 = 100 * 365 * 24 * 60 * 60;

/// How much of the journal's past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain(pub persistence::Retain);

impl Retain {
    /// Reads an age, a size, or `all`.
    ///
    /// # Errors
    ///
    /// What is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(persistence::Retain::All));
        }
        let bad = || format!("`{text}` is no age (7d, 12h, 30m, 90s), no size (20GB, 500MB) and not `all`");
        let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(bad)?;
        let (count, unit) = text.split_at(unit_at);
        let count: u64 = count.parse().map_err(|_| bad())?;
        let age = |seconds: u64| {
            let seconds = count.checked_mul(seconds).filter(|seconds| *seconds <= SECONDS_MAX);
            seconds.map(|seconds| persistence::Retain::Age(Duration::from_secs(seconds)))
        };
        let size = |bytes: u64| count.checked_mul(bytes).map(persistence::Retain::Bytes);
        let retain = match unit {
            "d" => age(24 * 60 * 60),
            "h" => age(60 * 60),
            "m" => age(60),
            "s" => age(1),
            "MB" => size(1_000_000),
            "GB" => size(1_000_000_000),
            _ => None,
        };
        retain.map(Self).ok_or_else(bad)
    }
}

impl<'de> Deserialize<'de> for Retain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_sizes_and_all_are_understood() {
        let age = |seconds| Ok(Retain(persistence::Retain::Age(Duration::from_secs(seconds))));
        assert_eq!(Retain::parse("7d"), age(604_800));
        assert_eq!(Retain::parse("12h"), age(43_200));
        assert_eq!(Retain::parse("30m"), age(1_800));
        assert_eq!(Retain::parse("0s"), age(0));
        assert_eq!(Retain::parse("20GB"), Ok(Retain(persistence::Retain::Bytes(20_000_000_000))));
        assert_eq!(Retain::parse("all"), Ok(Retain(persistence::Retain::All)));
        for text in ["", "7", "d", "7 d", "-1d", "1.5h", "7D", "99999999999999999999s", "36501d", "ever"] {
            assert!(Retain::parse(text).is_err(), "{text}");
        }
    }
}
