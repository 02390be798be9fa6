//! Time: one trait with a real clock and one that tests move by hand, and the stamp that never goes back.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_domain::Timestamp;

/// The longest one sleep of the system clock; it looks again after it, so a stepped clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Where moments come from.
pub trait Clock: Send + Sync + 'static {
    /// The moment now. May jump either way; the shards' stamps never go back.
    fn now(&self) -> Timestamp;

    /// Resolves when `now` may have reached `deadline`; early wakes are allowed.
    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>> {
        let span = Duration::from_millis(deadline.since(self.now()).0).min(SLEEP_MAX);
        Box::pin(tokio::time::sleep(span))
    }
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct ManualClock {
    inner: Arc<Mutex<Manual>>,
}

#[derive(Debug)]
struct Manual {
    now: Timestamp,
    sleepers: Vec<(Timestamp, Waker)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { inner: Arc::new(Mutex::new(Manual { now, sleepers: Vec::new() })) }
    }

    /// Moves to `now`, also backwards, and wakes whoever waited for it.
    pub fn set(&self, now: Timestamp) {
        let mut manual = self.lock();
        manual.now = now;
        let (due, rest) = std::mem::take(&mut manual.sleepers).into_iter().partition(|(at, _)| *at <= now);
        manual.sleepers = rest;
        drop(manual);
        let due: Vec<(Timestamp, Waker)> = due;
        for (_, waker) in due {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Manual> {
        self.inner.lock().expect("nothing panics while it holds the manual clock")
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>> {
        let clock = self.clone();
        Box::pin(std::future::poll_fn(move |ctx| {
            let mut manual = clock.lock();
            if manual.now >= deadline {
                return Poll::Ready(());
            }
            manual.sleepers.push((deadline, ctx.waker().clone()));
            Poll::Pending
        }))
    }
}

/// The stamp of one shard: never before the newest record, not even after a restart (INV-9).
///
/// When the system clock is set back, stamps stand still until it has caught up.
pub(crate) struct LogClock {
    clock: Arc<dyn Clock>,
    last: Cell<Timestamp>,
}

impl LogClock {
    pub(crate) fn new(clock: Arc<dyn Clock>, last: Timestamp) -> Self {
        Self { clock, last: Cell::new(last) }
    }

    /// Stamps a turn.
    pub(crate) fn stamp(&self) -> Timestamp {
        self.stamp_from(Timestamp::default())
    }

    /// Stamps a turn that rests on a moment seen before it, perhaps on another thread: not before that.
    pub(crate) fn stamp_from(&self, seen: Timestamp) -> Timestamp {
        let now = self.clock.now().max(self.last.get()).max(seen);
        self.last.set(now);
        now
    }

    /// Resolves when `deadline` may be due. What the log has passed is due, though the clock was set back.
    pub(crate) fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>> {
        if deadline <= self.last.get() {
            return Box::pin(std::future::ready(()));
        }
        self.clock.wait_until(deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;

    #[test]
    fn deadline_that_the_log_has_passed_is_due_whatever_the_clock_says() {
        let clock = ManualClock::new(Timestamp(500));
        let log = LogClock::new(Arc::new(clock.clone()), Timestamp(1_000));
        let is_due = |deadline| {
            let mut task = Context::from_waker(Waker::noop());
            log.wait_until(Timestamp(deadline)).as_mut().poll(&mut task).is_ready()
        };
        assert!(is_due(1_000));
        assert!(!is_due(1_001));
        clock.set(Timestamp(1_001));
        assert!(is_due(1_001));
    }

    #[test]
    fn stamps_never_fall() {
        let clock = ManualClock::new(Timestamp(500));
        let log = LogClock::new(Arc::new(clock.clone()), Timestamp(1_000));
        assert_eq!(log.stamp(), Timestamp(1_000));
        clock.set(Timestamp(1_200));
        assert_eq!(log.stamp(), Timestamp(1_200));
        clock.set(Timestamp(1));
        assert_eq!(log.stamp(), Timestamp(1_200));
        assert_eq!(log.stamp_from(Timestamp(1_300)), Timestamp(1_300));
        assert_eq!(log.stamp(), Timestamp(1_300));
    }
}
