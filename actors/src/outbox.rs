//! Answers of a shard on their way out: kept until durable, then sent in one burst for each commit.
//!
//! An answer that was sent at once would wake its request only to make it wait for the disk: one more wake of
//! another thread for every purchase. Here the journal's gate wakes the shard once a commit, and the shard wakes
//! its askers. Answers stay sealed all the way; whoever gets one still has to open it.

use std::cell::RefCell;
use std::collections::VecDeque;

use holdfast_persistence::Gate;
use tokio::sync::{Notify, oneshot};

use crate::pending::Pending;
use crate::turn::Reply;

/// The answers that wait, in the order in which they were given.
pub(crate) struct Outbox {
    gate: Gate,
    waiting: RefCell<VecDeque<Waiting>>,
    is_filled: Notify,
}

struct Waiting {
    pending: Pending<Reply>,
    asker: oneshot::Sender<Pending<Reply>>,
}

impl Outbox {
    pub(crate) fn new(gate: Gate) -> Self {
        Self { gate, waiting: RefCell::default(), is_filled: Notify::new() }
    }

    /// Sends an answer, now if it is durable.
    pub(crate) fn send(&self, pending: Pending<Reply>, asker: oneshot::Sender<Pending<Reply>>) {
        if pending.is_decided() {
            return hand_over(Waiting { pending, asker });
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            self.is_filled.notify_one();
        }
        waiting.push_back(Waiting { pending, asker });
    }

    /// Sends what has become durable, for ever. When the journal fails, every asker is told by the seal.
    pub(crate) async fn deliver(&self) {
        loop {
            let first = self.waiting.borrow().front().map(|first| first.pending.ticket());
            let Some(first) = first else {
                self.is_filled.notified().await;
                continue;
            };
            let has_failed = self.gate.wait(first).await.is_err();
            loop {
                let next =
                    self.waiting.borrow_mut().pop_front_if(|next| has_failed || next.pending.is_decided());
                let Some(next) = next else { break };
                hand_over(next);
            }
        }
    }
}

fn hand_over(Waiting { pending, asker }: Waiting) {
    // Whoever hung up does not want the answer; what was decided stands all the same.
    let _unwanted = asker.send(pending);
}
