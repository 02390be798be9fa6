//! One saga at a time for each owner: whoever comes second waits for the first, in the order of coming.
//!
//! A turn of a product never waits, so it needs no lane. A saga waits for products between its steps, and nobody may
//! change its owner meanwhile. A lane is no lock on anything shared: it lives on one thread, and costs a look-up when
//! nobody else is there.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tokio::sync::oneshot;

/// The lanes of one kind of owner.
#[derive(Debug)]
pub(crate) struct Lanes<K: Copy + Eq + Hash> {
    busy: RefCell<HashMap<K, VecDeque<oneshot::Sender<()>>>>,
}

/// The right to go on; given to the next when dropped.
#[derive(Debug)]
pub(crate) struct Lane<'a, K: Copy + Eq + Hash> {
    lanes: &'a Lanes<K>,
    key: K,
}

impl<K: Copy + Eq + Hash> Default for Lanes<K> {
    fn default() -> Self {
        Self { busy: RefCell::default() }
    }
}

impl<K: Copy + Eq + Hash> Lanes<K> {
    /// Waits for everybody who came before. Sagas run to their end, so nobody drops this half-way.
    pub(crate) async fn enter(&self, key: K) -> Lane<'_, K> {
        if let Some(turn) = self.queue_up(key) {
            // An error is impossible while the lane is held: its queue goes only when it is empty.
            turn.await.expect("a lane is handed on");
        }
        Lane { lanes: self, key }
    }

    fn queue_up(&self, key: K) -> Option<oneshot::Receiver<()>> {
        let mut busy = self.busy.borrow_mut();
        let Some(queue) = busy.get_mut(&key) else {
            busy.insert(key, VecDeque::new());
            return None;
        };
        let (sender, receiver) = oneshot::channel();
        queue.push_back(sender);
        Some(receiver)
    }
}

impl<K: Copy + Eq + Hash> Drop for Lane<'_, K> {
    fn drop(&mut self) {
        let mut busy = self.lanes.busy.borrow_mut();
        while let Some(next) = busy.get_mut(&self.key).and_then(VecDeque::pop_front) {
            if next.send(()).is_ok() {
                return;
            }
        }
        busy.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn second_waits_for_the_first_and_others_do_not() {
        let lanes = Lanes::default();
        let mut task = Context::from_waker(Waker::noop());
        let mut first = pin!(lanes.enter(1));
        let Poll::Ready(first) = first.as_mut().poll(&mut task) else { panic!("nobody is there") };
        let mut second = pin!(lanes.enter(1));
        assert!(second.as_mut().poll(&mut task).is_pending());
        assert!(pin!(lanes.enter(2)).poll(&mut task).is_ready());
        drop(first);
        assert!(second.as_mut().poll(&mut task).is_ready());
    }

    #[test]
    fn lane_that_everybody_left_is_forgotten() {
        let lanes = Lanes::default();
        let mut task = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(pin!(lanes.enter(1)).poll(&mut task).is_ready());
        }
        assert!(lanes.busy.borrow().is_empty());
    }
}
