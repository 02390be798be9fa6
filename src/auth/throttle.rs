//! Failed logins, counted: guessing a password takes for ever.
//!
//! In memory only and bounded: a restart forgives, and so does being pushed out by very many others. Kept are digests,
//! as whoever reads a dump needs no list of addresses. Asked before a password is looked at, so that a blocked guess
//! learns nothing, not even that it was right.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long failures count, from the first of them on.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Failures with one email address within [`WINDOW`].
pub const FAILURES_BY_EMAIL_MAX: u32 = 10;

/// Failures from one client's address within [`WINDOW`].
pub const FAILURES_BY_ADDRESS_MAX: u32 = 100;

/// Emails and addresses that are counted at the most; the oldest makes room.
pub const COUNTED_MAX: usize = 100_000;

/// Whose failures are counted.
type Who = [u8; 16];

/// The counts.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    by_who: HashMap<Who, Count>,
    /// Oldest first; the moment tells a count from an older one of the same.
    by_age: VecDeque<(Instant, Who)>,
}

#[derive(Debug)]
struct Count {
    failures: u32,
    since: Instant,
}

/// A login that was let through. It counts as failed until it is taken back.
#[derive(Debug)]
#[must_use = "a login that did not fail must be taken back"]
pub struct Attempt {
    email: Who,
    address: Who,
}

impl Throttle {
    /// Lets a login through and counts it, or says how long to wait.
    ///
    /// Counted at once: guesses that come together must not all be let through before the first has failed.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub fn begin(&self, email: &str, address: IpAddr, now: Instant) -> Result<Attempt, Duration> {
        let attempt = Attempt {
            email: digest("email", email.as_bytes()),
            address: digest("address", address.to_string().as_bytes()),
        };
        let mut counts = self.lock();
        counts.forget(now);
        let wait = counts.wait(attempt.email, FAILURES_BY_EMAIL_MAX, now).max(counts.wait(
            attempt.address,
            FAILURES_BY_ADDRESS_MAX,
            now,
        ));
        if let Some(wait) = wait {
            return Err(wait);
        }
        counts.add(attempt.email, now);
        counts.add(attempt.address, now);
        Ok(attempt)
    }

    /// The password was right: its email starts afresh, and its address has one failure less.
    pub fn succeed(&self, attempt: &Attempt) {
        let mut counts = self.lock();
        counts.by_who.remove(&attempt.email);
        counts.take_back(attempt.address);
    }

    /// Nobody looked at the password.
    pub fn forgive(&self, attempt: &Attempt) {
        let mut counts = self.lock();
        counts.take_back(attempt.email);
        counts.take_back(attempt.address);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nothing panics while it holds the counts")
    }
}

impl Counts {
    fn wait(&self, who: Who, failures_max: u32, now: Instant) -> Option<Duration> {
        let count = self.by_who.get(&who).filter(|count| count.failures >= failures_max)?;
        Some(WINDOW.saturating_sub(now.saturating_duration_since(count.since)))
    }

    fn add(&mut self, who: Who, now: Instant) {
        let Self { by_who, by_age } = self;
        let count = by_who.entry(who).or_insert_with(|| {
            by_age.push_back((now, who));
            Count { failures: 0, since: now }
        });
        count.failures = count.failures.saturating_add(1);
    }

    fn take_back(&mut self, who: Who) {
        if let Some(count) = self.by_who.get_mut(&who) {
            count.failures = count.failures.saturating_sub(1);
        }
    }

    /// Drops what is past its window, and the oldest where there are too many. Each login adds two at the most, so
    /// this is a few steps.
    fn forget(&mut self, now: Instant) {
        while let Some(&(since, who)) = self.by_age.front() {
            let is_past = now.saturating_duration_since(since) >= WINDOW;
            if !is_past && self.by_age.len() <= COUNTED_MAX {
                return;
            }
            self.by_age.pop_front();
            if self.by_who.get(&who).is_some_and(|count| count.since == since) {
                self.by_who.remove(&who);
            }
        }
    }
}

fn digest(kind: &str, name: &[u8]) -> Who {
    let mut hasher = blake3::Hasher::new_derive_key("holdfast 2026 who fails to log in v1");
    hasher.update(kind.as_bytes()).update(&[0]).update(name);
    let mut who = Who::default();
    hasher.finalize_xof().fill(&mut who);
    who
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn eleventh_guess_waits_until_the_window_ends() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..FAILURES_BY_EMAIL_MAX {
            let _failed = throttle.begin("a@b.test", address(number), start).unwrap();
        }
        let later = start + Duration::from_secs(60);
        let wait = throttle.begin("a@b.test", address(99), later).unwrap_err();
        assert_eq!(wait, WINDOW - Duration::from_secs(60));
        let _other = throttle.begin("b@b.test", address(1), later).unwrap();
        let _again = throttle.begin("a@b.test", address(99), start + WINDOW).unwrap();
    }

    #[test]
    fn right_password_clears_its_email_and_no_other() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            for _ in 0..FAILURES_BY_EMAIL_MAX - 1 {
                let _failed = throttle.begin("a@b.test", address(1), now).unwrap();
            }
            let right = throttle.begin("a@b.test", address(1), now).unwrap();
            throttle.succeed(&right);
        }
        for _ in 0..FAILURES_BY_EMAIL_MAX {
            let unlooked = throttle.begin("c@b.test", address(1), now).unwrap();
            throttle.forgive(&unlooked);
        }
        let _still = throttle.begin("c@b.test", address(1), now).unwrap();
    }

    #[test]
    fn one_client_cannot_try_many_emails() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..FAILURES_BY_ADDRESS_MAX {
            let _failed = throttle.begin(&format!("{number}@b.test"), address(1), now).unwrap();
        }
        assert_eq!(throttle.begin("new@b.test", address(1), now).unwrap_err(), WINDOW);
        let _elsewhere = throttle.begin("new@b.test", address(2), now).unwrap();
    }

    #[test]
    fn counts_are_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..60_000 {
            let _failed = throttle.begin(&format!("{number}@b.test"), address(number), now).unwrap();
        }
        let counts = throttle.lock();
        assert!(counts.by_who.len() <= COUNTED_MAX + 2 && counts.by_age.len() <= COUNTED_MAX + 2);
    }
}
