//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait, about.
const FIRST_MS: u64 = 100;

/// No wait is longer.
const MAX_MS: u64 = 5_000;

/// Waits that grow and are not the same for everybody: what failed together must not come back together.
#[derive(Debug, Default)]
pub(super) struct Patience {
    attempts: u32,
}

impl Patience {
    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let wait_ms = FIRST_MS.saturating_mul(1 << self.attempts.min(16)).min(MAX_MS);
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_millis(wait_ms / 2 + chance() % (wait_ms / 2 + 1))
    }
}

fn chance() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_differ() {
        let mut patience = Patience::default();
        for most_ms in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let wait = patience.next();
            assert!(wait >= Duration::from_millis(most_ms / 2), "{wait:?}");
            assert!(wait <= Duration::from_millis(most_ms), "{wait:?}");
        }
        let last: Vec<Duration> = (0..50).map(|_| patience.next()).collect();
        assert!(last.iter().any(|wait| *wait != last[0]), "{last:?}");
    }
}
