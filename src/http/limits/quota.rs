//! One class of limit: its counters, and the headers that tell of them.
//!
//! The counting (GCRA) is governor's. Headers are those of draft-ietf-httpapi-ratelimit-headers-11.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, RateLimiter};

use super::key::{BuildAsItIs, Key};
use crate::http::problem::{Code, Problem};

/// What a quota is, `"default";q=2000;w=2`.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left of it, `"default";r=1999;t=1`.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Callers that are counted one by one; beyond, they share counters. Some 16 MB.
const KEYS_MAX: usize = 256 * 1024;

/// How many counters all callers share when there are too many of them.
const CROWD_SHARES: u64 = 4096;

/// Slices of the table, so that forgetting holds up nobody for long.
const TABLE_SHARDS: usize = 64;

/// The digits of the largest number in a header.
const DIGITS_MAX: usize = 10;

type Table = DashMapStateStore<Key, BuildAsItIs>;

/// The counters of one class.
pub struct Quota<C: Clock = DefaultClock> {
    counters: RateLimiter<Key, Table, C, StateInformationMiddleware>,
    /// Counters made since they were last forgotten, and those that were kept then.
    keys: AtomicUsize,
    /// `"default";r=`, where the number of requests that are left goes on.
    limit_begins: String,
    per_second: u32,
    burst: u32,
    policy: HeaderValue,
}

/// A request that was counted and may go on.
#[derive(Debug)]
pub struct Counted {
    policy: HeaderValue,
    limit: HeaderValue,
}

impl Counted {
    /// Tells the client how it stands.
    pub fn tell(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy);
        headers.insert(RATE_LIMIT, self.limit);
    }
}

/// A request that came too soon.
#[derive(Debug)]
pub struct TooMany {
    /// How the client stands.
    pub counted: Counted,
    /// When it may come again.
    pub wait_seconds: u32,
}

impl TooMany {
    /// The refusal.
    pub fn problem(&self) -> Problem {
        let detail = format!("Too many requests; the next one is welcome in {} s.", self.wait_seconds);
        Problem::new(Code::RateLimited, detail).retry_after(self.wait_seconds)
    }
}

impl Quota {
    /// A class of `per_second` requests in the long run and `burst` at once; `None` when either is 0.
    pub fn new(class: &'static str, per_second: u32, burst: u32) -> Option<Self> {
        Self::with_clock(class, per_second, burst, DefaultClock::default())
    }
}

impl<C: Clock> Quota<C> {
    fn with_clock(class: &'static str, per_second: u32, burst: u32, clock: C) -> Option<Self> {
        let (rate, most) = (NonZeroU32::new(per_second)?, NonZeroU32::new(burst)?);
        let quota = governor::Quota::per_second(rate).allow_burst(most);
        let table = Table::with_hasher_and_shard_amount(BuildAsItIs::default(), TABLE_SHARDS);
        let window = burst.div_ceil(per_second);
        let policy = HeaderValue::from_str(&format!("\"{class}\";q={burst};w={window}"));
        Some(Self {
            counters: RateLimiter::new(quota, table, clock),
            keys: AtomicUsize::new(0),
            limit_begins: format!("\"{class}\";r="),
            per_second,
            burst,
            policy: policy.expect("a class is named in plain ASCII"),
        })
    }

    /// Counts one request of `key`.
    ///
    /// # Errors
    ///
    /// [`TooMany`] when its quota is used up.
    pub fn count(&self, key: Key) -> Result<Counted, TooMany> {
        let is_crowded = self.keys.load(Ordering::Relaxed) >= KEYS_MAX;
        let key = if is_crowded { key.shared(CROWD_SHARES) } else { key };
        match self.counters.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                // A counter that was just made: nobody else has all but one left.
                if remaining.saturating_add(1) >= self.burst {
                    self.keys.fetch_add(1, Ordering::Relaxed);
                }
                Ok(self.counted(remaining))
            }
            Err(until) => Err(self.too_many(&until)),
        }
    }

    /// Forgets the counters that are full again.
    pub fn trim(&self) {
        self.counters.retain_recent();
        self.keys.store(self.counters.len(), Ordering::Relaxed);
    }

    fn too_many(&self, until: &NotUntil<C::Instant>) -> TooMany {
        let wait = until.wait_time_from(self.counters.clock().now());
        TooMany { counted: self.counted(0), wait_seconds: whole_seconds(wait).max(1) }
    }

    fn counted(&self, remaining: u32) -> Counted {
        let full_again_in = self.burst.saturating_sub(remaining).div_ceil(self.per_second);
        let mut limit = Vec::with_capacity(self.limit_begins.len() + 3 + 2 * DIGITS_MAX);
        limit.extend_from_slice(self.limit_begins.as_bytes());
        push_number(&mut limit, remaining);
        limit.extend_from_slice(b";t=");
        push_number(&mut limit, full_again_in);
        let limit = HeaderValue::from_maybe_shared(Bytes::from(limit));
        Counted { policy: self.policy.clone(), limit: limit.expect("it is plain ASCII") }
    }
}

/// Writes a number without the machinery of formatting: this is on the path of every request.
fn push_number(text: &mut Vec<u8>, mut number: u32) {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut first = DIGITS_MAX - 1;
    loop {
        digits[first] = b'0' + u8::try_from(number % 10).expect("a decimal digit");
        number /= 10;
        if number == 0 {
            break;
        }
        first -= 1;
    }
    text.extend_from_slice(&digits[first..]);
}

fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::super::key::{Keys, Name};
    use super::*;

    fn quota(per_second: u32, burst: u32) -> (Quota<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let quota = Quota::with_clock("default", per_second, burst, clock.clone());
        (quota.unwrap(), clock)
    }

    fn user(keys: &Keys, number: u128) -> Key {
        keys.of(Name::User(number))
    }

    fn limit(counted: &Counted) -> &str {
        counted.limit.to_str().unwrap()
    }

    #[test]
    fn burst_is_served_and_then_the_rate() {
        let keys = Keys::default();
        let (quota, clock) = quota(2, 4);
        let told: Vec<String> =
            (0..4).map(|_| limit(&quota.count(user(&keys, 1)).unwrap()).to_owned()).collect();
        let expected = ["3;t=1", "2;t=1", "1;t=2", "0;t=2"].map(|rest| format!("\"default\";r={rest}"));
        assert_eq!(told, expected);

        let refused = quota.count(user(&keys, 1)).unwrap_err();
        assert_eq!((limit(&refused.counted), refused.wait_seconds), ("\"default\";r=0;t=2", 1));
        assert_eq!(refused.counted.policy, "\"default\";q=4;w=2");
        assert!(quota.count(user(&keys, 2)).is_ok(), "somebody else is not held up");

        clock.advance(Duration::from_millis(499));
        assert!(quota.count(user(&keys, 1)).is_err());
        clock.advance(Duration::from_millis(1));
        assert!(quota.count(user(&keys, 1)).is_ok());
        assert!(quota.count(user(&keys, 1)).is_err());
    }

    #[test]
    fn zero_switches_off() {
        assert!(Quota::new("default", 0, 5).is_none());
        assert!(Quota::new("default", 5, 0).is_none());
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 1_999, u32::MAX] {
            let mut text = Vec::new();
            push_number(&mut text, number);
            assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }
    }

    #[test]
    fn largest_quota_is_told() {
        let keys = Keys::default();
        let quota = Quota::new("default", 1, u32::MAX).unwrap();
        assert!(limit(&quota.count(user(&keys, 1)).unwrap()).starts_with("\"default\";r=4294967294"));
    }

    #[test]
    fn full_counters_are_forgotten_and_used_ones_kept() {
        let keys = Keys::default();
        let (quota, clock) = quota(1, 3);
        for _ in 0..3 {
            let _is_counted = quota.count(user(&keys, 1));
        }
        let _is_counted = quota.count(user(&keys, 2));
        clock.advance(Duration::from_secs(2));
        quota.trim();
        assert_eq!(quota.keys.load(Ordering::Relaxed), 1);
        assert_eq!(limit(&quota.count(user(&keys, 1)).unwrap()), "\"default\";r=1;t=2");
    }

    #[test]
    fn callers_beyond_the_bound_share_counters_until_the_crowd_is_gone() {
        let keys = Keys::default();
        let (quota, clock) = quota(1, 1);
        for session in 0..2 * u128::try_from(KEYS_MAX).unwrap() {
            let _is_counted = quota.count(user(&keys, session));
        }
        let shares = usize::try_from(CROWD_SHARES).unwrap();
        assert!(quota.counters.len() <= KEYS_MAX + shares, "{} counters", quota.counters.len());
        clock.advance(Duration::from_secs(5));
        quota.trim();
        assert_eq!(quota.counters.len(), 0);
        assert!(quota.count(user(&keys, 0)).is_ok());
    }
}
