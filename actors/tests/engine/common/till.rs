//! A payment provider that answers when the test says so.
//!
//! It keeps what a real one promises: an order is charged once, however often it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use holdfast_actors::PaymentGateway;
use holdfast_actors::domain::OrderId;
use holdfast_actors::gateway::{Answering, Charge, Charged};
use tokio::sync::oneshot;

/// Clones are the same till.
#[derive(Clone, Default)]
pub(crate) struct Till {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Those that wait for an answer, in the order in which they came.
    waiting: Vec<(Charge, oneshot::Sender<Charged>)>,
    asked: Vec<OrderId>,
    paid: BTreeSet<OrderId>,
    refunded: BTreeMap<OrderId, u32>,
    is_closed_for_refunds: bool,
}

impl Till {
    /// How often money was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.lock().asked.len()
    }

    /// How many charges wait for an answer. One whose asker gave up is still there.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Orders whose money is here, refunded ones included.
    pub(crate) fn paid(&self) -> BTreeSet<OrderId> {
        self.lock().paid.clone()
    }

    /// How often each order was refunded.
    pub(crate) fn refunded(&self) -> BTreeMap<OrderId, u32> {
        self.lock().refunded.clone()
    }

    /// From now on refunds fail, or succeed again.
    pub(crate) fn close_for_refunds(&self, is_closed: bool) {
        self.lock().is_closed_for_refunds = is_closed;
    }

    /// Answers the charge that has waited longest. False when its asker did not wait for it.
    pub(crate) fn approve(&self) -> bool {
        let (charge, asker) = self.first();
        self.lock().paid.insert(charge.order);
        asker.send(Charged::Approved { reference: "till".into() }).is_ok()
    }

    pub(crate) fn decline(&self) -> bool {
        let (charge, asker) = self.first();
        assert!(!self.lock().paid.contains(&charge.order), "what was paid is not declined");
        asker.send(Charged::Declined).is_ok()
    }

    /// Says that nobody knows.
    pub(crate) fn lose(&self) -> bool {
        self.first().1.send(Charged::Unknown).is_ok()
    }

    fn first(&self) -> (Charge, oneshot::Sender<Charged>) {
        let mut inner = self.lock();
        assert!(!inner.waiting.is_empty(), "somebody waits");
        inner.waiting.remove(0)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the till")
    }
}

impl PaymentGateway for Till {
    fn charge(&self, charge: Charge) -> Answering<Charged> {
        let (asker, answer) = oneshot::channel();
        let mut inner = self.lock();
        inner.asked.push(charge.order);
        inner.waiting.push((charge, asker));
        Box::pin(async move { answer.await.expect("the till outlives the shop") })
    }

    fn refund(&self, order: OrderId) -> Answering<bool> {
        let mut inner = self.lock();
        let is_done = !inner.is_closed_for_refunds;
        if is_done {
            assert!(inner.paid.contains(&order), "only what was paid is given back");
            *inner.refunded.entry(order).or_default() += 1;
        }
        Box::pin(std::future::ready(is_done))
    }
}
