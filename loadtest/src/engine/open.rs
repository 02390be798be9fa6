//! Open loop: requests go out at their intended times, whatever the answers do.
//!
//! A request whose time has come and for which no connection is free waits in its order, and still counts from its
//! intended time: a server that stalls is charged with everybody who would have come meanwhile, and not only with
//! those who were there (no coordinated omission).

use std::collections::VecDeque;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{EVENTS_MAX, Engine, Script};

const TIMER: Token = Token(usize::MAX - 1);

/// When the requests of one generator thread start: `first`, then one each `interval_seconds`, before `until`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) first: Instant,
    pub(crate) interval_seconds: f64,
    pub(crate) until: Instant,
}

impl Schedule {
    /// The share of `thread` of `threads` in a schedule of `per_second` that begins at `start`: the k-th request of
    /// thread t starts at start + (k·threads + t) / per_second.
    pub(crate) fn share(start: Instant, until: Instant, per_second: f64, thread: u32, threads: u32) -> Self {
        let first = start + Duration::from_secs_f64(f64::from(thread) / per_second);
        Self { first, interval_seconds: f64::from(threads) / per_second, until }
    }

    /// When request `number`, counted from 0, is to start.
    ///
    /// Multiplied and not added up: a sum would be off by its roundings after some million requests.
    pub(crate) fn at(&self, number: u64) -> Instant {
        self.first + Duration::from_secs_f64(crate::numbers::float(number) * self.interval_seconds)
    }

    /// How many requests from `number` on start in `[from, until)`.
    pub(crate) fn count_from(&self, number: u64, from: Instant) -> u64 {
        let times = (number..).map(|number| self.at(number)).take_while(|at| *at < self.until);
        crate::numbers::count(times.filter(|at| *at >= from).count())
    }
}

impl Engine {
    /// Runs `script` by `schedule` until everything is answered, or `deadline` is reached; returns how many requests
    /// were sent.
    ///
    /// What is due is sent on even after the schedule's end, so that the last ones are not lost to a hiccup.
    ///
    /// # Errors
    ///
    /// When polling or the timer fails.
    pub(crate) fn run_open<S: Script>(
        &mut self,
        script: &mut S,
        schedule: &Schedule,
        deadline: Instant,
    ) -> anyhow::Result<u64> {
        self.begin();
        let mut timer = Timer::new()?;
        self.poll
            .registry()
            .register(&mut SourceFd(&timer.fd.as_raw_fd()), TIMER, Interest::READABLE)
            .context("register a timer")?;
        let mut events = Events::with_capacity(EVENTS_MAX);
        // The longest free one first: connections share the load evenly, and none is idle for so long that it is closed.
        let mut idle: VecDeque<usize> = mem::take(&mut self.free).into();
        let mut sent = 0;
        let mut due_at = schedule.at(sent);
        loop {
            let mut now = Instant::now();
            while due_at < schedule.until && due_at <= now {
                let Some(index) = idle.pop_front() else { break };
                let ready_at = due_at.max(self.connections[index].free_since);
                if let Some(sent_at) = self.send_next(index, Some(due_at), script) {
                    script.sent(due_at, sent_at.saturating_duration_since(ready_at));
                    sent += 1;
                    due_at = schedule.at(sent);
                    now = sent_at;
                }
            }
            idle.extend(self.free.drain(..));
            let is_over = due_at >= schedule.until && idle.len() == self.working;
            if is_over || self.working == 0 || now >= deadline {
                break;
            }
            if !idle.is_empty() && due_at < schedule.until {
                if due_at <= now {
                    continue;
                }
                timer.arm(due_at)?;
            }
            self.turn(&mut events, script)?;
            idle.extend(self.free.drain(..));
        }
        self.poll
            .registry()
            .deregister(&mut SourceFd(&timer.fd.as_raw_fd()))
            .context("deregister the timer")?;
        self.give_up(script);
        Ok(sent)
    }
}

/// A timer of the kernel that ends a poll.
///
/// mio's own time-out counts in milliseconds, at which 20 000 requests a second would come in bunches of 20. A timer in
/// the poll is exact to some microseconds and, unlike a time-out, not subject to the kernel's timer slack of 50 µs.
/// Spinning would be exacter still, and would take the processor from the server that is measured on it.
struct Timer {
    fd: OwnedFd,
    armed_for: Option<Instant>,
}

impl Timer {
    fn new() -> anyhow::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)
            .context("make a timer")?;
        Ok(Self { fd, armed_for: None })
    }

    /// Ends the poll at `due_at`.
    fn arm(&mut self, due_at: Instant) -> anyhow::Result<()> {
        if self.armed_for == Some(due_at) {
            return Ok(());
        }
        // None would disarm it.
        let wait = due_at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).context("a request in a far future")?,
            tv_nsec: wait.subsec_nanos().into(),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Never read: setting it again clears that it has fired, and each firing is a new edge for the poll.
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })
            .context("set a timer")?;
        self.armed_for = Some(due_at);
        Ok(())
    }
}
