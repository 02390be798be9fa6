//! Numbers: the few conversions between integers, floats and durations that measuring needs.
//!
//! Everything here is total: a figure too large for its type is clamped, never wrapped, because
//! figures are only printed. Units of stock never pass through here.

use std::time::Duration;

/// The nearest float to `n`.
pub(crate) fn float(n: u64) -> f64 {
    let high = u32::try_from(n >> 32).expect("a u64 shifted by 32 bits fits a u32");
    let low = u32::try_from(n & u64::from(u32::MAX)).expect("masked to 32 bits");
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// `n` a second over `time`; 0 when no time passed.
pub(crate) fn per_second(n: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { float(n) / time.as_secs_f64() }
}

/// `time` shared out over `n` requests, in microseconds; 0 when there were none.
pub(crate) fn micros_each(time: Duration, n: u64) -> f64 {
    if n == 0 { 0.0 } else { time.as_secs_f64() * 1e6 / float(n) }
}

/// Nanoseconds of `time`, clamped to a `u64` (584 years).
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A count as a `u64`; every target we build for has at most 64-bit pointers.
pub(crate) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Smallest, middle and largest of `values`; the middle of an even number is the mean of two.
///
/// Returns `None` for an empty slice.
pub(crate) fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len().is_multiple_of(2) {
        (sorted.get(middle.checked_sub(1)?)? + sorted.get(middle)?) / 2.0
    } else {
        *sorted.get(middle)?
    };
    Some((*sorted.first()?, median, *sorted.last()?))
}

/// A small seeded generator (xorshift64*): the same seed gives the same run.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Xorshift stays at zero for ever, and small seeds start out alike: mix first.
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A whole number in `[from, to)`.
    ///
    /// # Panics
    ///
    /// When the range is empty.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        assert!(from < to, "an empty range has nothing to draw");
        from + self.draw() % (to - from)
    }

    /// An index into a list of `length` elements.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.between(0, count(length))).expect("smaller than a length, which is a usize")
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn happens(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_large_counts() {
        assert_eq!(float(0), 0.0);
        assert_eq!(float(5_000_000_000), 5e9);
    }

    #[test]
    fn rates_of_nothing_are_zero() {
        assert_eq!(per_second(10, Duration::ZERO), 0.0);
        assert_eq!(micros_each(Duration::from_secs(1), 0), 0.0);
        assert_eq!(per_second(10, Duration::from_millis(500)), 20.0);
        assert_eq!(micros_each(Duration::from_secs(1), 100_000), 10.0);
    }

    #[test]
    fn spread_sorts_and_takes_the_middle() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn same_seed_draws_the_same_and_stays_in_range() {
        let (mut one, mut two, mut other) = (Chance::new(7), Chance::new(7), Chance::new(8));
        let first: Vec<u64> = (0..100).map(|_| one.between(10, 20)).collect();
        assert_eq!(first, (0..100).map(|_| two.between(10, 20)).collect::<Vec<_>>());
        assert_ne!(first, (0..100).map(|_| other.between(10, 20)).collect::<Vec<_>>());
        assert!(first.iter().all(|n| (10..20).contains(n)));
        assert!(first.contains(&10) && first.contains(&19));
    }
}
