//! The clock on the wall, and the writer's thread behind it: whenever somebody asks for the time, a moment may have
//! passed and what was pushed until then may have been written. So a crash can come between any two stamps.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};

use holdfast_domain::Timestamp;
use holdfast_persistence::{AppendError, Writer};

use crate::clock::{Clock, ManualClock};

use super::super::Rng;

/// How often, in a hundred looks, a moment has passed.
const TICKS_PERCENT: u64 = 25;
/// The longest such moment.
const TICK_MS_MAX: u64 = 3;
/// How often the writer was there meanwhile.
const WRITES_PERCENT: u64 = 4;

pub(super) struct Wall {
    clock: ManualClock,
    inside: Mutex<Inside>,
}

struct Inside {
    /// None: time passes when it is told to.
    rng: Option<Rng>,
    /// A millisecond passes with each look.
    is_ticking: bool,
    writer: Option<Writer>,
    latest: Timestamp,
}

impl Wall {
    pub(super) fn new(now: Timestamp, rng: Option<Rng>) -> Self {
        Self {
            clock: ManualClock::new(now),
            inside: Mutex::new(Inside { rng, is_ticking: false, writer: None, latest: now }),
        }
    }

    /// The time, without letting any pass.
    pub(super) fn time(&self) -> Timestamp {
        self.clock.now()
    }

    /// The latest time that it ever was: clocks are set back, stamps are not.
    pub(super) fn latest(&self) -> Timestamp {
        self.lock().latest
    }

    pub(super) fn set(&self, now: Timestamp) {
        self.lock().turn_to(&self.clock, now);
    }

    /// From now on a millisecond passes with each look.
    pub(super) fn tick_at_each_look(&self) {
        self.lock().is_ticking = true;
    }

    /// Another process, another writer.
    pub(super) fn employ(&self, writer: Writer) {
        self.lock().writer = Some(writer);
    }

    /// Writes what was pushed.
    pub(super) fn commit(&self) -> Result<(), AppendError> {
        self.lock().writer.as_mut().expect("a process has a writer").commit().map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("a world ends with its first panic")
    }
}

impl Inside {
    fn turn_to(&mut self, clock: &ManualClock, now: Timestamp) {
        clock.set(now);
        self.latest = self.latest.max(now);
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let mut inside = self.lock();
        if inside.is_ticking {
            inside.turn_to(&self.clock, Timestamp(self.clock.now().0 + 1));
        }
        let Some(rng) = &mut inside.rng else { return self.clock.now() };
        let tick = if rng.percent(TICKS_PERCENT) { 1 + rng.below(TICK_MS_MAX) } else { 0 };
        let is_writing = rng.percent(WRITES_PERCENT);
        if tick > 0 {
            inside.turn_to(&self.clock, Timestamp(self.clock.now().0 + tick));
        }
        if is_writing {
            let writer = inside.writer.as_mut().expect("a process has a writer");
            writer.commit().expect("faults are scripted for the schedule's own commits");
        }
        self.clock.now()
    }

    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()>>> {
        self.clock.wait_until(deadline)
    }
}
