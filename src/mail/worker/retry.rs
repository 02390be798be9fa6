//! How long to wait before trying again: longer each time, and not all at the same moment.

use std::time::Duration;

/// A mail's next attempt is not later than this, but for the jitter.
const AGAIN_WAIT_MAX: Duration = Duration::from_secs(3600);

/// Each wait for a mail is so many times the one before.
const AGAIN_GROWTH: u32 = 3;

/// Waits are longer or shorter by up to so many percent: what failed together should not come back together.
const JITTER_PERCENT: u32 = 20;

const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// A queue that comes back without its memory is given what it lost after [`GRACE`](crate::mail::dispatch::GRACE): whoever
/// sent some of it must have looked, found it, and said so by then, or another worker sends it again.
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// The wait after `attempt` at a mail failed, which counts from 1.
pub(super) fn wait(first: Duration, attempt: u32) -> Duration {
    jittered(plain_wait(first, attempt))
}

fn plain_wait(first: Duration, attempt: u32) -> Duration {
    let times = AGAIN_GROWTH.saturating_pow(attempt.saturating_sub(1));
    first.saturating_mul(times).min(AGAIN_WAIT_MAX)
}

/// The wait after the queue failed so many times in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    let times = 2_u32.saturating_pow(failures.saturating_sub(1));
    jittered(BACKOFF_FIRST.saturating_mul(times).min(BACKOFF_MAX))
}

fn jittered(wait: Duration) -> Duration {
    // The waits are no secret: where the kernel has no random bytes, they are a little less random.
    let random = getrandom::u32().unwrap_or_default();
    let percent = 100 - JITTER_PERCENT + random % (2 * JITTER_PERCENT + 1);
    wait * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_threefold_up_to_an_hour() {
        let seconds = |attempt| plain_wait(Duration::from_secs(10), attempt).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(seconds), [10, 30, 90, 270, 810, 2430, 3600]);
        assert_eq!(seconds(u32::MAX), 3600);
        assert_eq!(plain_wait(Duration::MAX, 2), AGAIN_WAIT_MAX);
    }

    #[test]
    fn jitter_is_a_fifth_to_either_side() {
        let waits: Vec<_> = (0..1000).map(|_| wait(Duration::from_secs(10), 1)).collect();
        let bounds = Duration::from_secs(8)..=Duration::from_secs(12);
        assert!(waits.iter().all(|wait| bounds.contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]), "they differ");
    }

    #[test]
    fn backoff_begins_short_and_ends_at_its_bound() {
        assert!((80..=120).contains(&backoff(1).as_millis()));
        assert!((160..=240).contains(&backoff(2).as_millis()));
        assert!((400..=600).contains(&backoff(u32::MAX).as_millis()));
    }
}
