//! Messages on their way: to products, and from one shard's carts to another's. They arrive when the schedule says
//! so; those of one sender to one product in the order in which they were sent.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use holdfast_domain::product::{Command, invariant};
use holdfast_domain::{CartId, Owner, ProductId};
use tokio::sync::oneshot;

use crate::context::Context;
use crate::keys::KeyGuard;
use crate::pending::Pending;
use crate::sagas::merge::Guest;
use crate::sagas::{Answers, Coming, Peers};
use crate::slots::Slots;
use crate::turn::{Reply, TurnContext, Wish};

use super::process::Products;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Sender {
    /// The sagas of a shard.
    Shard(usize),
    /// Somebody outside, in that request.
    Client(u64),
}

/// A message to a product.
pub(super) enum Letter {
    /// From a saga.
    Told { context: Context, commands: Vec<Command>, reply: oneshot::Sender<Answers> },
    /// From outside.
    Asked { context: Context, wish: Wish, key: Option<KeyGuard>, reply: oneshot::Sender<Pending<Reply>> },
}

/// A message to the carts of another shard.
pub(super) struct Absorb {
    pub(super) customer: Owner,
    pub(super) guest: Guest,
    pub(super) reply: oneshot::Sender<CartId>,
}

/// Where a message waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Slot {
    Product(ProductId, Sender),
    Carts { from: usize, to: usize },
}

/// A message that arrives.
pub(super) enum Arrival {
    Product(ProductId, Letter),
    Carts(usize, Absorb),
}

/// All messages on their way.
#[derive(Default)]
pub(super) struct Mail {
    letters: BTreeMap<(ProductId, Sender), VecDeque<Letter>>,
    absorbs: BTreeMap<(usize, usize), VecDeque<Absorb>>,
}

/// The ways of one shard's sagas.
pub(super) struct MailPeers {
    pub(super) shard: usize,
    pub(super) slots: Slots,
    pub(super) mail: Rc<RefCell<Mail>>,
    pub(super) products: Products,
    pub(super) turns: Rc<TurnContext>,
}

impl Slot {
    pub(super) fn is_for(&self, id: ProductId) -> bool {
        matches!(self, Self::Product(product, _) if *product == id)
    }
}

impl Mail {
    pub(super) fn send(&mut self, product: ProductId, sender: Sender, letter: Letter) {
        self.letters.entry((product, sender)).or_default().push_back(letter);
    }

    /// Where messages wait.
    pub(super) fn slots(&self) -> Vec<Slot> {
        let letters = self.letters.keys().map(|(product, sender)| Slot::Product(*product, *sender));
        let absorbs = self.absorbs.keys().map(|(from, to)| Slot::Carts { from: *from, to: *to });
        letters.chain(absorbs).collect()
    }

    /// Takes out the message that has waited longest there.
    pub(super) fn take(&mut self, slot: Slot) -> Arrival {
        match slot {
            Slot::Product(product, sender) => {
                Arrival::Product(product, next(&mut self.letters, (product, sender)))
            }
            Slot::Carts { from, to } => Arrival::Carts(to, next(&mut self.absorbs, (from, to))),
        }
    }
}

fn next<K: Ord, T>(queues: &mut BTreeMap<K, VecDeque<T>>, key: K) -> T {
    let queue = queues.get_mut(&key).expect("a slot is listed while something waits there");
    let first = queue.pop_front().expect("as above");
    if queue.is_empty() {
        queues.remove(&key);
    }
    first
}

impl Peers for MailPeers {
    fn tell(&self, context: &Context, product: ProductId, commands: Vec<Command>) -> Coming<Answers> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Told { context: context.without_key(), commands, reply };
        self.mail.borrow_mut().send(product, Sender::Shard(self.shard), letter);
        Box::pin(async { answer.await.expect("what was sent arrives, or the process is gone") })
    }

    fn reserve_here(&self, context: &Context, product: ProductId, commands: &[Command]) -> Option<Answers> {
        if self.slots.shard(self.slots.partition(product.0)) != self.shard {
            return None;
        }
        let mut products = self.products.borrow_mut();
        let live = products.get_mut(&product)?;
        let answers = live.turn_of_saga(&self.turns, commands, context);
        assert_eq!(live.product.as_ref().map_or(Ok(()), invariant::check), Ok(()));
        Some(answers)
    }

    fn absorb(&self, customer: Owner, guest: Guest) -> Coming<CartId> {
        let (reply, answer) = oneshot::channel();
        let to = self.slots.shard(self.slots.partition(customer.buyer().0));
        let absorbs = &mut self.mail.borrow_mut().absorbs;
        absorbs.entry((self.shard, to)).or_default().push_back(Absorb { customer, guest, reply });
        Box::pin(async { answer.await.expect("as above") })
    }
}
