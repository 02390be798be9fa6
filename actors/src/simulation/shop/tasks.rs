//! A tiny executor: futures in a list, polled one at a time by whoever holds the schedule.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Wake, Waker};

/// Who waits in a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Somebody outside, for an answer.
    Client,
    /// A saga on its shard.
    Saga,
    /// A saga that a timer began.
    Timer,
}

/// All tasks of a process.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: Vec<Task>,
    nursery: Nursery,
    begun: u64,
}

/// Where new tasks are put, also by running ones.
#[derive(Clone, Default)]
pub(super) struct Nursery(Rc<RefCell<Vec<Born>>>);

type Born = (Kind, Pin<Box<dyn Future<Output = ()>>>);

struct Task {
    number: u64,
    kind: Kind,
    woken: Arc<Woken>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// Whether a task has something to do.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Nursery {
    pub(super) fn spawn(&self, kind: Kind, future: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push((kind, Box::pin(future)));
    }
}

impl Tasks {
    pub(super) fn nursery(&self) -> Nursery {
        self.nursery.clone()
    }

    /// The places of those that have something to do, in the order in which they began.
    pub(super) fn woken(&self) -> Vec<usize> {
        let is_woken = |place: &usize| self.tasks[*place].woken.0.load(Ordering::Relaxed);
        (0..self.tasks.len()).filter(is_woken).collect()
    }

    /// The places of those that somebody outside waits in.
    pub(super) fn clients(&self) -> Vec<usize> {
        (0..self.tasks.len()).filter(|place| self.tasks[*place].kind == Kind::Client).collect()
    }

    /// Who waits at that place, and the number of the task.
    pub(super) fn name(&self, place: usize) -> (Kind, u64) {
        (self.tasks[place].kind, self.tasks[place].number)
    }

    /// Whether no saga is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.nursery.0.borrow().is_empty() && self.tasks.iter().all(|task| task.kind == Kind::Client)
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Gives the task at that place its turn.
    pub(super) fn poll(&mut self, place: usize) {
        let task = &mut self.tasks[place];
        task.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        if task.future.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_ready() {
            self.tasks.remove(place);
        }
        self.adopt();
    }

    /// Lets a task go before its end.
    pub(super) fn drop_at(&mut self, place: usize) {
        self.tasks.remove(place);
    }

    /// Takes in what was put into the nursery.
    pub(super) fn adopt(&mut self) {
        for (kind, future) in self.nursery.0.take() {
            self.begun += 1;
            let woken = Arc::new(Woken(AtomicBool::new(true)));
            self.tasks.push(Task { number: self.begun, kind, woken, future });
        }
    }
}
