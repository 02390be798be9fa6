//! Failed logins, counted: guessing a password takes for ever.
//!
//! In memory only and bounded: a restart forgives, and so does being pushed out by very many others. Kept are digests,
//! as whoever reads a dump needs no list of addresses. Asked before a password is looked at, so that a blocked guess
//! learns nothing, not even that it was right.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout_at;

/// How long failures count, from the first of them on.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Failures with one email address within [`WINDOW`].
pub const FAILURES_BY_EMAIL_MAX: u32 = 10;

/// Failures from one client's address within [`WINDOW`].
pub const FAILURES_BY_ADDRESS_MAX: u32 = 100;

/// Emails and addresses that are counted at the most; the oldest makes room.
pub const COUNTED_MAX: usize = 100_000;

/// How long a login waits for others of its email or address, of which too many are being looked at.
const OTHERS_WAIT_MAX: Duration = Duration::from_secs(20);

/// Whose failures are counted.
type Who = [u8; 16];

/// The counts.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: Mutex<Counts>,
    /// Told whenever a login has ended.
    ended: Notify,
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
    /// Logins that were let through and have not ended. Each may be a failure yet.
    open: u32,
    since: Instant,
}

/// Why a login is not let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Too many failed; it may come again after so long.
    Failed(Duration),
    /// Too many are being looked at, and might fail.
    Open,
}

/// A login that was let through. Dropped without a word, it has failed.
#[derive(Debug)]
#[must_use = "a login that did not fail must say so"]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    email: Who,
    address: Who,
    end: End,
}

/// How a login ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Failed,
    Succeeded,
    Forgiven,
}

impl Throttle {
    /// Lets a login through, after others that are being looked at where there are too many of them; or says how long
    /// to wait.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub async fn admit(&self, email: &str, address: IpAddr) -> Result<Attempt<'_>, Duration> {
        let deadline = tokio::time::Instant::now() + OTHERS_WAIT_MAX;
        loop {
            // Before the look, so that no end is missed between the two.
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            match self.begin(email, address, Instant::now()) {
                Ok(attempt) => return Ok(attempt),
                Err(Refused::Failed(wait)) => return Err(wait),
                Err(Refused::Open) => timeout_at(deadline, ended).await.map_err(|_| Duration::ZERO)?,
            }
        }
    }

    /// Lets a login through and counts it, or says why not.
    ///
    /// Counted at once: guesses that come together must not all be let through before the first has failed.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn begin(&self, email: &str, address: IpAddr, now: Instant) -> Result<Attempt<'_>, Refused> {
        let email = digest("email", email.as_bytes());
        let address = digest("address", address.to_string().as_bytes());
        let mut counts = self.lock();
        counts.forget(now);
        let bounds = [(email, FAILURES_BY_EMAIL_MAX), (address, FAILURES_BY_ADDRESS_MAX)];
        let waits = bounds.iter().filter_map(|(who, failures_max)| counts.wait(*who, *failures_max, now));
        if let Some(wait) = waits.max() {
            return Err(Refused::Failed(wait));
        }
        if bounds.iter().any(|(who, failures_max)| counts.is_full(*who, *failures_max)) {
            return Err(Refused::Open);
        }
        counts.open(email, now);
        counts.open(address, now);
        Ok(Attempt { throttle: self, email, address, end: End::Failed })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nothing panics while it holds the counts")
    }
}

impl Attempt<'_> {
    /// The password was right: its email starts afresh.
    pub fn succeed(mut self) {
        self.end = End::Succeeded;
    }

    /// Nobody looked at the password.
    pub fn forgive(mut self) {
        self.end = End::Forgiven;
    }

    /// The password was wrong.
    pub fn fail(self) {}
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut counts = self.throttle.lock();
        counts.close(self.email, self.end);
        // One account of one's own must not let a client go on guessing at others.
        let of_address = if self.end == End::Succeeded { End::Forgiven } else { self.end };
        counts.close(self.address, of_address);
        drop(counts);
        self.throttle.ended.notify_waiters();
    }
}

impl Counts {
    fn wait(&self, who: Who, failures_max: u32, now: Instant) -> Option<Duration> {
        let count = self.by_who.get(&who).filter(|count| count.failures >= failures_max)?;
        Some(WINDOW.saturating_sub(now.saturating_duration_since(count.since)))
    }

    fn is_full(&self, who: Who, failures_max: u32) -> bool {
        self.by_who.get(&who).is_some_and(|count| count.failures + count.open >= failures_max)
    }

    fn open(&mut self, who: Who, now: Instant) {
        let Self { by_who, by_age } = self;
        let count = by_who.entry(who).or_insert_with(|| {
            by_age.push_back((now, who));
            Count { failures: 0, open: 0, since: now }
        });
        count.open += 1;
    }

    fn close(&mut self, who: Who, end: End) {
        // Its count may have been forgotten meanwhile.
        let Some(count) = self.by_who.get_mut(&who) else { return };
        count.open = count.open.saturating_sub(1);
        match end {
            End::Failed => count.failures = count.failures.saturating_add(1),
            End::Succeeded if count.open == 0 => {
                self.by_who.remove(&who);
            }
            End::Succeeded => count.failures = 0,
            End::Forgiven => {}
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
            throttle.begin("a@b.test", address(number), start).unwrap().fail();
        }
        let later = start + Duration::from_secs(60);
        let refused = throttle.begin("a@b.test", address(99), later).unwrap_err();
        assert_eq!(refused, Refused::Failed(WINDOW - Duration::from_secs(60)));
        throttle.begin("b@b.test", address(1), later).unwrap().fail();
        throttle.begin("a@b.test", address(99), start + WINDOW).unwrap().fail();
    }

    #[test]
    fn right_password_clears_its_email_and_no_other() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            for _ in 0..FAILURES_BY_EMAIL_MAX - 1 {
                throttle.begin("a@b.test", address(1), now).unwrap().fail();
            }
            throttle.begin("a@b.test", address(1), now).unwrap().succeed();
        }
        for _ in 0..FAILURES_BY_EMAIL_MAX {
            throttle.begin("c@b.test", address(1), now).unwrap().forgive();
        }
        throttle.begin("c@b.test", address(1), now).unwrap().fail();
    }

    #[test]
    fn guesses_that_come_together_are_not_all_let_through() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let guess = |number| throttle.begin("a@b.test", address(number), now);
        let mut open: Vec<Attempt<'_>> =
            (0..FAILURES_BY_EMAIL_MAX).map(|number| guess(number).unwrap()).collect();
        assert_eq!(guess(99).unwrap_err(), Refused::Open);
        // A client that hangs up gets its guess back no more than one that waits.
        open.pop();
        assert_eq!(guess(99).unwrap_err(), Refused::Open);
        open.pop().unwrap().forgive();
        open.push(guess(99).unwrap());
        drop(open);
        assert_eq!(guess(99).unwrap_err(), Refused::Failed(WINDOW));
    }

    #[tokio::test]
    async fn right_logins_that_come_together_wait_for_each_other_and_all_pass() {
        let throttle = Throttle::default();
        let together = 3 * FAILURES_BY_EMAIL_MAX;
        let log_in = async || {
            let attempt = throttle.admit("a@b.test", address(1)).await.unwrap();
            tokio::task::yield_now().await;
            attempt.succeed();
        };
        futures_util::future::join_all((0..together).map(|_| log_in())).await;
    }

    #[test]
    fn one_client_cannot_try_many_emails() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..FAILURES_BY_ADDRESS_MAX {
            throttle.begin(&format!("{number}@b.test"), address(1), now).unwrap().fail();
        }
        assert_eq!(throttle.begin("new@b.test", address(1), now).unwrap_err(), Refused::Failed(WINDOW));
        throttle.begin("new@b.test", address(2), now).unwrap().fail();
    }

    #[test]
    fn counts_are_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..60_000 {
            throttle.begin(&format!("{number}@b.test"), address(number), now).unwrap().fail();
        }
        let counts = throttle.lock();
        assert!(counts.by_who.len() <= COUNTED_MAX + 2 && counts.by_age.len() <= COUNTED_MAX + 2);
    }
}
