//! sled's pool of threads, brought down to the one that is needed.
//!
//! sled 0.34 does its writes on a pool of seven threads and wakes **all** of them for each write (`threadpool.rs`:
//! `notify_all`): one takes it, the others find nothing, one after the other. With thousands of commits a second
//! that was a fifth of the processor time of a server under load. There is no setting for it. So all but [`AWAKE`] of
//! them are put to rest when a journal is opened. The pool is the process's: other stores have that one as well.
//!
//! How: a thread of the pool that finishes an asynchronous flush calls the waker of whoever awaits it, and the waker that it
//! is given here does not return. It rests between two tasks of the pool, with nothing of a store in its hands but the
//! one-shot of that flush, which nobody else looks at.
//!
//! Which one rests is no matter of chance. The pool begins with [`POOL`] threads that never end and may get more, which
//! end by themselves; and with one at rest it never gets another: each that rests counts as one that works, sled's count
//! of idle ones falls below zero, and what is below zero looks like plenty. So one of those that never end must stay.
//!
//! What one thread cannot do is to wait for another. sled may ask for that: who begins a segment where the file was just
//! cut waits for the cut, in the hands the lock that the end of each write needs, and the cut waits for a thread.
//! Hence [`Watched`]: where no call of a store comes to its end for [`STUCK_TICKS`], one of those at rest goes back to
//! work, and stays at it. A disk that is as slow as that gets one as well, which does no harm.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How many threads sled's pool begins with: `DESIRED_WAITING_THREADS` in its source.
const POOL: usize = 7;

/// How many of them go on working. A second one would cut the end of a file without holding up a commit, which is rare,
/// and would be woken in vain for every commit, which is not.
const AWAKE: usize = 1;

/// How sled names its threads; their number follows, and the first ones are those that never end.
const NAME: &str = "sled-io-";

/// How long an opening waits for them at the most. Whoever is not at rest by then only costs time.
const REST_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long one flush of nothing may take before another one is tried.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often one of those at rest looks whether they are needed.
const TICK: Duration = Duration::from_millis(250);

/// How many ticks without an end of any call are too many.
const STUCK_TICKS: u32 = 4;

static BEDS: Mutex<Beds> = Mutex::new(Beds { resting: 0, has_watch: false });
static WATCH_IS_FREE: Condvar = Condvar::new();
static CALLS_BEGUN: AtomicU64 = AtomicU64::new(0);
static CALLS_ENDED: AtomicU64 = AtomicU64::new(0);

/// Where threads of the pool rest.
struct Beds {
    resting: usize,
    /// Whether one of them is looking.
    has_watch: bool,
}

/// A call of a store under way; held while it makes sled write.
pub(crate) struct Watched;

/// Puts all threads of the pool to rest but the ones that are needed.
///
/// # Errors
///
/// What sled says of a flush.
pub(crate) fn rest(db: &sled::Db) -> Result<(), sled::Error> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let until = Instant::now() + REST_WAIT_MAX;
    while resting() < POOL - AWAKE && Instant::now() < until {
        let call = Arc::new(Call::default());
        let waker = Waker::from(Arc::clone(&call));
        let mut flush = pin!(db.flush_async());
        // Whoever makes this flush may wait for another thread to write: those that stay awake are there for that.
        match flush.as_mut().poll(&mut Context::from_waker(&waker)) {
            // It was over before its waker was known.
            Poll::Ready(flushed) => drop(flushed?),
            Poll::Pending => call.wait(Instant::now() + FLUSH_WAIT_MAX),
        }
    }
    Ok(())
}

fn resting() -> usize {
    beds().resting
}

fn beds() -> MutexGuard<'static, Beds> {
    BEDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells that a flush was made, and keeps who made it.
#[derive(Default)]
struct Call {
    was_made: AtomicBool,
}

impl Call {
    fn wait(&self, until: Instant) {
        while !self.was_made.load(Ordering::Acquire) && Instant::now() < until {
            thread::yield_now();
        }
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let rests = may_rest();
        if rests {
            beds().resting += 1;
        }
        self.was_made.store(true, Ordering::Release);
        drop(self);
        if rests {
            rest_here();
        }
    }
}

/// Whether this thread is one of those that never end, and none of those that stay awake.
fn may_rest() -> bool {
    let this = thread::current();
    let number = this.name().and_then(|name| name.strip_prefix(NAME)?.parse().ok());
    number.is_some_and(|number: usize| (AWAKE..POOL).contains(&number))
}

/// Returns when this thread is needed. One of all looks, the others sleep.
fn rest_here() {
    let mut beds = beds();
    while beds.has_watch {
        beds = WATCH_IS_FREE.wait(beds).unwrap_or_else(PoisonError::into_inner);
    }
    beds.has_watch = true;
    drop(beds);
    watch();
    let mut beds = self::beds();
    beds.has_watch = false;
    beds.resting -= 1;
    drop(beds);
    WATCH_IS_FREE.notify_one();
    tracing::info!("no write to a store came to its end for a while: one more of sled's threads works");
}

/// Returns when calls are under way and none comes to its end.
fn watch() {
    let mut ended_before = CALLS_ENDED.load(Ordering::Acquire);
    let mut ticks = 0;
    while ticks < STUCK_TICKS {
        thread::park_timeout(TICK);
        // In this order: what has ended has begun.
        let ended = CALLS_ENDED.load(Ordering::Acquire);
        let is_idle = CALLS_BEGUN.load(Ordering::Acquire) == ended;
        ticks = if is_idle || ended != ended_before { 0 } else { ticks + 1 };
        ended_before = ended;
    }
}

impl Watched {
    pub(crate) fn begin() -> Watched {
        CALLS_BEGUN.fetch_add(1, Ordering::AcqRel);
        Watched
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        CALLS_ENDED.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every wait here ends far earlier.
    const WAIT_MAX: Duration = Duration::from_secs(60);

    #[track_caller]
    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + WAIT_MAX;
        while !is_so() {
            assert!(Instant::now() < until, "{what}");
            thread::yield_now();
        }
    }

    #[test]
    fn whoever_rests_goes_back_to_work_when_nothing_comes_to_its_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = sled::open(folder.path()).expect("it is empty");
        rest(&db).expect("there is nothing to flush");
        assert_eq!(resting(), POOL - AWAKE);
        // As a thread of the pool would be that waits for another one.
        let (is_held, let_go) = (Arc::new(Call::default()), Arc::new(AtomicBool::new(false)));
        let waker = Waker::from(Arc::new(Held { call: Arc::clone(&is_held), let_go: Arc::clone(&let_go) }));
        let until = Instant::now() + WAIT_MAX;
        while !is_held.was_made.load(Ordering::Acquire) {
            assert!(Instant::now() < until, "a flush is awaited");
            let mut flush = pin!(db.flush_async());
            if flush.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                is_held.wait(until);
            }
        }
        let call = Watched::begin();
        db.insert("units", "5").expect("it is in memory");
        db.flush().expect("another thread writes it");
        drop(call);
        assert!(resting() < POOL - AWAKE);
        let_go.store(true, Ordering::Release);
        rest(&db).expect("there is nothing to flush");
        wait_until("all are at rest again", || resting() == POOL - AWAKE);
        db.insert("units", "4").expect("it is in memory");
        db.flush().expect("one is awake");
    }

    /// Keeps a thread until it is let go.
    struct Held {
        call: Arc<Call>,
        let_go: Arc<AtomicBool>,
    }

    impl Wake for Held {
        fn wake(self: Arc<Self>) {
            self.call.was_made.store(true, Ordering::Release);
            while !self.let_go.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
    }
}
