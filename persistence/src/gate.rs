//! The gate between a push and its answer: it opens up to the last durable ticket, and never closes.
//!
//! The writer thread calls `advance` once a commit; many tasks on a few threads wait. Waking each of them from the writer
//! would cost one cross-thread wake per waiter, most of a commit's time. So each thread keeps its waiters in a list of its own
//! and registers only one, its *leader*, with the gate. A commit wakes the leaders; a leader, when polled, wakes those of its
//! own thread whose ticket is durable (cheap: same thread), and stays leader or hands over while others wait.
//!
//! No wake is lost, because after each change of a thread's list this holds: someone of the list is registered and
//! alive, or was woken by the gate and has not been polled or dropped since. Registering and `advance` meet in one mutex, and
//! the watermark is read again after registering: `advance` either sees the leader or is seen by it.
//!
//! A [`DurableFuture`] whose task was woken must be polled or dropped soon, as any future; a leader that its task keeps without
//! polling keeps its thread's list waiting, until another waiter of the thread is polled and takes over.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::record::Ticket;

/// Tells what is durable, and lets wait for it. Clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

/// The journal failed before the ticket was durable. Whether it is durable only a restart tells: answer nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal failed before this was durable; only a restart tells whether it is")]
pub struct Failed;

/// Resolves when a ticket is durable. Stays on its thread.
#[must_use = "nothing is durable until this resolved"]
pub struct DurableFuture {
    gate: Gate,
    ticket: Ticket,
    /// Its place in the thread's list, from the first poll that had to wait to the one that need not.
    place: Option<usize>,
    _stays_on_its_thread: PhantomData<*const ()>,
}

struct Inner {
    id: u64,
    durable: AtomicU64,
    has_failed: AtomicBool,
    /// Counts how often the leaders were taken out; written under the lock of `leaders`.
    round: AtomicU64,
    leaders: Mutex<Leaders>,
    advanced: Condvar,
}

#[derive(Default)]
struct Leaders {
    registered: Vec<(ThreadNumber, Waker)>,
    blocked_threads: usize,
}

/// How far the gate is open.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Watermark {
    durable: Ticket,
    has_failed: bool,
}

impl Gate {
    /// A gate open for [`Ticket::ZERO`] only.
    pub(crate) fn new() -> Gate {
        static GATES: AtomicU64 = AtomicU64::new(0);
        Gate {
            inner: Arc::new(Inner {
                id: GATES.fetch_add(1, Ordering::Relaxed),
                durable: AtomicU64::new(Ticket::ZERO.number()),
                has_failed: AtomicBool::new(false),
                round: AtomicU64::new(0),
                leaders: Mutex::default(),
                advanced: Condvar::new(),
            }),
        }
    }

    /// The newest durable ticket; all before it are durable as well.
    pub fn durable(&self) -> Ticket {
        Ticket::new(self.inner.durable.load(Ordering::SeqCst))
    }

    /// Says whether everything up to this ticket is durable.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        ticket <= self.durable()
    }

    /// Waits, as a future, until everything up to this ticket is durable.
    pub fn wait(&self, ticket: Ticket) -> DurableFuture {
        DurableFuture { gate: self.clone(), ticket, place: None, _stays_on_its_thread: PhantomData }
    }

    /// Waits on a plain thread until everything up to this ticket is durable. Never on an arbiter thread.
    ///
    /// # Errors
    ///
    /// [`Failed`] when the journal failed before.
    pub fn wait_blocking(&self, ticket: Ticket) -> Result<(), Failed> {
        if let Some(outcome) = self.watermark().outcome(ticket) {
            return outcome;
        }
        let mut leaders = self.leaders();
        loop {
            if let Some(outcome) = self.watermark().outcome(ticket) {
                return outcome;
            }
            leaders.blocked_threads += 1;
            leaders = self.inner.advanced.wait(leaders).unwrap_or_else(PoisonError::into_inner);
            leaders.blocked_threads -= 1;
        }
    }

    /// Opens the gate up to `ticket` and wakes one waiter of each thread that has any.
    pub(crate) fn advance(&self, ticket: Ticket) {
        let before = self.inner.durable.swap(ticket.number(), Ordering::SeqCst);
        assert!(before <= ticket.number(), "what is durable stays durable");
        self.wake_leaders();
    }

    /// Tells every waiter of a ticket not yet durable that it never will be.
    pub(crate) fn fail(&self) {
        self.inner.has_failed.store(true, Ordering::SeqCst);
        self.wake_leaders();
    }

    fn wake_leaders(&self) {
        let mut leaders = self.leaders();
        let taken = std::mem::take(&mut leaders.registered);
        if !taken.is_empty() {
            self.inner.round.fetch_add(1, Ordering::SeqCst);
        }
        if leaders.blocked_threads > 0 {
            self.inner.advanced.notify_all();
        }
        drop(leaders);
        for (_, waker) in taken {
            waker.wake();
        }
    }

    /// Makes `waker` the one that the next `advance` wakes for this thread. Returns the round that it holds for, and the waker it
    /// replaced, to be dropped where a drop may run foreign code.
    fn register(&self, thread: ThreadNumber, waker: Waker) -> (u64, Option<Waker>) {
        let mut leaders = self.leaders();
        let round = self.inner.round.load(Ordering::SeqCst);
        let replaced = match leaders.registered.iter_mut().find(|(registered, _)| *registered == thread) {
            Some((_, registered)) => Some(std::mem::replace(registered, waker)),
            None => {
                leaders.registered.push((thread, waker));
                None
            }
        };
        (round, replaced)
    }

    fn watermark(&self) -> Watermark {
        // Failure first: a ticket that became durable before the failure must not be reported as failed.
        let has_failed = self.inner.has_failed.load(Ordering::SeqCst);
        Watermark { durable: self.durable(), has_failed }
    }

    fn leaders(&self) -> MutexGuard<'_, Leaders> {
        // No code of ours panics while it holds the list, and a list is whole between any two statements.
        self.inner.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watermark {
    fn outcome(self, ticket: Ticket) -> Option<Result<(), Failed>> {
        if ticket <= self.durable {
            Some(Ok(()))
        } else if self.has_failed {
            Some(Err(Failed))
        } else {
            None
        }
    }
}

impl Future for DurableFuture {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.gate.watermark().outcome(self.ticket) {
            self.leave();
            return Poll::Ready(outcome);
        }
        let (gate, ticket, place) = (self.gate.clone(), self.ticket, self.place);
        let (place, replaced) = with_waiters(&gate, |waiters| waiters.enter(place, ticket, ctx.waker()))
            .expect("a thread that polls has its locals");
        drop(replaced);
        self.place = Some(place);
        settle(&gate, self.place);
        match gate.watermark().outcome(ticket) {
            Some(outcome) => {
                self.leave();
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl DurableFuture {
    /// Takes itself off the thread's list, and sees to it that the others are led.
    fn leave(&mut self) {
        let Some(place) = self.place.take() else { return };
        let removed = with_waiters(&self.gate, |waiters| waiters.remove(place));
        drop(removed);
        settle(&self.gate, None);
    }
}

impl Drop for DurableFuture {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Wakes whom the gate lets through on this thread, and restores the invariant of the module's head.
///
/// `polled` is the waiter being polled: it needs no wake, and leads if a leader is wanted.
fn settle(gate: &Gate, polled: Option<usize>) {
    loop {
        let watermark = gate.watermark();
        let Some(settled) = with_waiters(gate, |waiters| waiters.settle(gate, watermark, polled)) else {
            return;
        };
        // Wakers run foreign code, which may drop a future of this very list: only outside of the borrow.
        let Settled { woken, has_registered, replaced } = settled;
        for waker in woken {
            waker.wake();
        }
        drop(replaced);
        if !has_registered || gate.watermark() == watermark {
            return;
        }
    }
}

/// A thread's own number, for its place among the leaders.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadNumber(u64);

struct Locals {
    thread: ThreadNumber,
    /// One list for each gate; a process has one gate, a test perhaps several.
    lists: Vec<Waiters>,
}

/// The waiters of one thread at one gate.
struct Waiters {
    gate: u64,
    thread: ThreadNumber,
    places: Vec<Option<Waiter>>,
    free: Vec<usize>,
    /// How many of them have not been woken.
    waiting: usize,
    leader: Option<Leader>,
    /// The watermark for which the list was last gone through.
    drained: Option<Watermark>,
}

struct Waiter {
    ticket: Ticket,
    /// Nothing once it was woken.
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
struct Leader {
    place: usize,
    /// The registration holds for as long as the gate is in this round.
    round: u64,
}

struct Settled {
    woken: Vec<Waker>,
    has_registered: bool,
    replaced: Option<Waker>,
}

thread_local! {
    static LOCALS: RefCell<Locals> = {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        let thread = ThreadNumber(THREADS.fetch_add(1, Ordering::Relaxed));
        RefCell::new(Locals { thread, lists: Vec::new() })
    };
}

/// Runs `deed` on this thread's list for the gate; nothing when the thread is ending and has no list any more.
fn with_waiters<T>(gate: &Gate, deed: impl FnOnce(&mut Waiters) -> T) -> Option<T> {
    LOCALS
        .try_with(|locals| {
            let mut locals = locals.borrow_mut();
            let thread = locals.thread;
            let known = locals.lists.iter().position(|list| list.gate == gate.inner.id);
            let index = known.unwrap_or_else(|| {
                locals.lists.retain(|list| !list.is_empty());
                locals.lists.push(Waiters::new(gate.inner.id, thread));
                locals.lists.len() - 1
            });
            deed(&mut locals.lists[index])
        })
        .ok()
}

impl Waiters {
    fn new(gate: u64, thread: ThreadNumber) -> Waiters {
        Waiters {
            gate,
            thread,
            places: Vec::new(),
            free: Vec::new(),
            waiting: 0,
            leader: None,
            drained: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// Puts a waiter in, or gives it its present waker. Returns its place and what it replaced.
    fn enter(&mut self, place: Option<usize>, ticket: Ticket, waker: &Waker) -> (usize, Option<Waiter>) {
        if let Some(place) = place {
            let waiter = self.places[place].as_ref().expect("a waiter keeps its place until it leaves");
            if waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                return (place, None);
            }
            // The gate may hold the old waker for us: whoever settles next registers the new one.
            self.leader = self.leader.filter(|leader| leader.place != place);
            let entered = Some(Waiter { ticket, waker: Some(waker.clone()) });
            self.waiting += usize::from(waiter.waker.is_none());
            return (place, std::mem::replace(&mut self.places[place], entered));
        }
        self.waiting += 1;
        let entered = Some(Waiter { ticket, waker: Some(waker.clone()) });
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = entered;
                place
            }
            None => {
                self.places.push(entered);
                self.places.len() - 1
            }
        };
        (place, None)
    }

    fn remove(&mut self, place: usize) -> Option<Waiter> {
        let removed = self.places[place].take();
        self.free.push(place);
        self.waiting -= usize::from(removed.as_ref().is_some_and(|waiter| waiter.waker.is_some()));
        self.leader = self.leader.filter(|leader| leader.place != place);
        removed
    }

    fn settle(&mut self, gate: &Gate, watermark: Watermark, polled: Option<usize>) -> Settled {
        let woken = if self.drained == Some(watermark) { Vec::new() } else { self.drain(watermark, polled) };
        self.drained = Some(watermark);
        let round = gate.inner.round.load(Ordering::SeqCst);
        let is_led = self.leader.is_some_and(|leader| leader.round == round);
        if is_led || self.waiting == 0 {
            return Settled { woken, has_registered: false, replaced: None };
        }
        let polled = polled.filter(|place| self.waker_at(*place).is_some());
        let leader = polled.or_else(|| (0..self.places.len()).find(|place| self.waker_at(*place).is_some()));
        let place = leader.expect("someone waits");
        let waker = self.waker_at(place).expect("the leader waits").clone();
        #[cfg(test)]
        tests::before_register();
        let (round, replaced) = gate.register(self.thread, waker);
        self.leader = Some(Leader { place, round });
        Settled { woken, has_registered: true, replaced }
    }

    /// Takes the wakers of all whose outcome is known, except of the one being polled.
    fn drain(&mut self, watermark: Watermark, polled: Option<usize>) -> Vec<Waker> {
        let mut woken = Vec::new();
        for (place, waiter) in self.places.iter_mut().enumerate() {
            let Some(waiter) = waiter else { continue };
            if Some(place) == polled || watermark.outcome(waiter.ticket).is_none() {
                continue;
            }
            if let Some(waker) = waiter.waker.take() {
                woken.push(waker);
                self.waiting -= 1;
                self.leader = self.leader.filter(|leader| leader.place != place);
            }
        }
        woken
    }

    fn waker_at(&self, place: usize) -> Option<&Waker> {
        self.places[place].as_ref()?.waker.as_ref()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").field("durable", &self.durable()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DurableFuture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DurableFuture").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
