//! The bank: a payment provider that answers as its seed says, at once or later, and outlives every process.
//!
//! It keeps the provider's promise: an order is charged once and refunded once, however often it is asked. An answer
//! may be lost on its way ([`Charged::Unknown`]), whatever was done.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Mutex, MutexGuard};

use holdfast_domain::OrderId;
use tokio::sync::oneshot;

use crate::gateway::{Answering, Charge, Charged, PaymentGateway};

use super::super::Rng;

pub(super) struct Bank(Mutex<Vault>);

pub(super) struct Vault {
    rng: Rng,
    /// What to do, where a scene says so; else chance does.
    pub(super) script: Option<Script>,
    charged: BTreeSet<OrderId>,
    declined: BTreeSet<OrderId>,
    pub(super) refunded: BTreeSet<OrderId>,
    /// Refunds that it did not make, as far as somebody now alive knows.
    pub(super) refusals: BTreeSet<OrderId>,
    /// Who knows that they have the money: what their process was told in its life.
    pub(super) approvals: BTreeSet<OrderId>,
    calls: Vec<Call>,
}

/// What a scene has the bank do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Script {
    pub(super) charged: Decision,
    pub(super) is_refunding: bool,
    pub(super) is_late: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    Approve,
    Decline,
    /// The answer is lost; the money moved, or did not.
    Lose {
        is_charged: bool,
    },
}

/// An answer that is on its way.
enum Call {
    Charge(OrderId, Charged, oneshot::Sender<Charged>),
    Refund(bool, oneshot::Sender<bool>),
}

impl Bank {
    pub(super) fn new(rng: Rng, script: Option<Script>) -> Self {
        Self(Mutex::new(Vault {
            rng,
            script,
            charged: BTreeSet::new(),
            declined: BTreeSet::new(),
            refunded: BTreeSet::new(),
            refusals: BTreeSet::new(),
            approvals: BTreeSet::new(),
            calls: Vec::new(),
        }))
    }

    pub(super) fn vault(&self) -> MutexGuard<'_, Vault> {
        self.0.lock().expect("a world ends with its first panic")
    }
}

impl Vault {
    /// How many answers are on their way.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Lets an answer arrive.
    pub(super) fn answer(&mut self, place: usize) {
        match self.calls.remove(place) {
            // Nobody hears what comes too late.
            Call::Charge(order, charged, reply) if !reply.is_closed() => {
                self.note(order, &charged);
                reply.send(charged).expect("somebody listens");
            }
            Call::Charge(..) => {}
            Call::Refund(is_done, reply) => reply.send(is_done).expect("a refund is waited for"),
        }
    }

    /// The process that waited is gone, and what it was told with it.
    pub(super) fn hang_up(&mut self) {
        self.calls.clear();
        self.approvals.clear();
        self.refusals.clear();
    }

    /// Whether the money of an order is ours.
    pub(super) fn has(&self, order: OrderId) -> bool {
        self.charged.contains(&order) && !self.refunded.contains(&order)
    }

    /// All orders that money was taken for.
    pub(super) fn charged(&self) -> impl Iterator<Item = OrderId> {
        self.charged.iter().copied()
    }

    fn note(&mut self, order: OrderId, charged: &Charged) {
        if matches!(charged, Charged::Approved { .. }) {
            self.approvals.insert(order);
        }
    }

    fn charge(&mut self, order: OrderId) -> Charged {
        assert!(!self.refunded.contains(&order), "nobody is charged again after a refund: {order:?}");
        match self.decide(order) {
            Decision::Approve => {
                self.charged.insert(order);
                Charged::Approved { reference: "paid".into() }
            }
            Decision::Decline => {
                self.declined.insert(order);
                Charged::Declined
            }
            Decision::Lose { is_charged } => {
                if is_charged {
                    self.charged.insert(order);
                }
                Charged::Unknown
            }
        }
    }

    fn decide(&mut self, order: OrderId) -> Decision {
        if self.declined.contains(&order) {
            return Decision::Decline;
        }
        let is_charged = self.charged.contains(&order);
        let decision = self.script.map(|script| script.charged);
        decision.unwrap_or_else(|| match self.rng.below(100) {
            0..=9 => Decision::Lose { is_charged: true },
            10..=19 => Decision::Lose { is_charged },
            20..=34 if !is_charged => Decision::Decline,
            _ => Decision::Approve,
        })
    }

    fn refund(&mut self, order: OrderId) -> bool {
        let is_done = self.script.map(|script| script.is_refunding);
        let is_done = is_done.unwrap_or_else(|| self.rng.percent(75)) || self.refunded.contains(&order);
        if is_done {
            assert!(self.charged.contains(&order), "nobody gets what they did not pay: {order:?}");
            self.refunded.insert(order);
        } else {
            self.refusals.insert(order);
        }
        is_done
    }

    fn is_late(&mut self) -> bool {
        let is_late = self.script.map(|script| script.is_late);
        is_late.unwrap_or_else(|| self.rng.percent(50))
    }
}

impl PaymentGateway for Bank {
    fn charge(&self, charge: Charge) -> Answering<Charged> {
        let mut vault = self.vault();
        let charged = vault.charge(charge.order);
        if !vault.is_late() {
            vault.note(charge.order, &charged);
            return Box::pin(ready(charged));
        }
        let (reply, answer) = oneshot::channel();
        vault.calls.push(Call::Charge(charge.order, charged, reply));
        Box::pin(async { answer.await.expect("an answer arrives, or the process is gone") })
    }

    fn refund(&self, order: OrderId) -> Answering<bool> {
        let mut vault = self.vault();
        let is_done = vault.refund(order);
        if !vault.is_late() {
            return Box::pin(ready(is_done));
        }
        let (reply, answer) = oneshot::channel();
        vault.calls.push(Call::Refund(is_done, reply));
        Box::pin(async { answer.await.expect("as above") })
    }
}
