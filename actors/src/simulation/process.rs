//! A process in the making of the simulation: what an engine has, without its threads.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use holdfast_domain::product::{Product, invariant};
use holdfast_domain::{ProductId, Sku, Timestamp, Units};
use holdfast_persistence::{Epoch, Head, MemoryJournal, Queue, Sequence, Ticket, Writer};

use crate::card::Card;
use crate::clock::{LogClock, ManualClock};
use crate::context::{Actor, Context, RequestId};
use crate::directory::Directory;
use crate::keys::{Claim, KeyGuard, Keys};
use crate::pending::{Pending, Stopped};
use crate::recovery::Recovered;
use crate::slots::Slots;
use crate::turn::{Live, PartitionState, Reply, TurnContext, Wish};

use super::books::Books;
use super::wishes::{Asked, AskedWish};
use super::{PARTITIONS, SKUS};

pub(super) struct Process {
    pub(super) turns: TurnContext,
    pub(super) writer: Writer,
    pub(super) keys: Arc<Keys>,
    products: BTreeMap<ProductId, Live>,
    sealed: Vec<Sealed>,
    slots: Slots,
}

/// An answer that waits for the disk.
struct Sealed {
    asked: Asked,
    reply: Pin<Box<dyn Future<Output = Result<Reply, Stopped>>>>,
}

/// What the turns of a process share that goes on from `head`.
pub(crate) fn turn_context(queue: Queue, head: &Head, epoch: Epoch, clock: &ManualClock) -> TurnContext {
    let last = head.partitions().iter().map(|it| Timestamp(it.time_ms)).max().unwrap_or_default();
    TurnContext {
        clock: LogClock::new(Arc::new(clock.clone()), last),
        epoch,
        queue,
        directory: Arc::new(Directory::default()),
        partitions: head.partitions().iter().map(|it| state(it.sequence)).collect(),
        scratch: Vec::new().into(),
    }
}

fn state(sequence: Sequence) -> PartitionState {
    PartitionState { sequence: sequence.into(), ..PartitionState::default() }
}

impl Process {
    /// Goes on from what recovery found, as [`crate::Engine::start`] does; but nobody owns what these products hold,
    /// so what recovery would tell them is left unsaid.
    pub(super) fn start(journal: MemoryJournal, recovered: Recovered, clock: &ManualClock) -> Self {
        let epoch = recovered.next_epoch();
        let Recovered { products: found, keys, head, books, .. } = recovered;
        let (queue, writer) = Writer::new(Box::new(journal), head.clone());
        let turns = turn_context(queue, &head, epoch, clock);
        for (state, books) in turns.partitions.iter().zip(books) {
            state.books.replace(books);
        }
        let mut products = BTreeMap::new();
        for mut live in found {
            let product = live.product.as_ref().expect("recovery hands over what exists");
            let card =
                Arc::new(Card::new(live.id, live.partition, product, Ticket::ZERO, live.last_sequence));
            turns.directory.restore(Arc::clone(&card));
            live.card = Some(card);
            products.insert(live.id, live);
        }
        Self { turns, writer, keys, products, sealed: Vec::new(), slots: Slots::new(PARTITIONS, 1) }
    }

    pub(super) fn state_of(&self, product: ProductId) -> Option<&Product> {
        self.products.get(&product)?.product.as_ref()
    }

    /// What the engine does with a request.
    pub(super) fn ask(&mut self, asked: Asked, now: Timestamp, books: &mut Books) {
        let key = match asked.key.map(|request| self.keys.claim(request, now)) {
            None => None,
            Some(Claim::First(guard)) => Some(guard),
            Some(Claim::Kept(kept)) => {
                let (answered, position) = (kept.answered.clone(), Some(kept.position));
                let reply = Reply { answered, position, is_replayed: true };
                self.seal(asked, Pending::new(reply, kept.ticket, self.turns.queue.gate().clone()), books);
                return;
            }
            Some(other) => panic!("requests come one after the other: {other:?}"),
        };
        let Some(wish) = self.wish(&asked) else { return };
        self.turn(asked, wish, key, books);
    }

    /// The engine's part of a creation: its sku must be free.
    fn wish(&self, asked: &Asked) -> Option<Wish> {
        match asked.wish.clone() {
            AskedWish::Create { new } => {
                let skus = new.variants.iter().map(|variant| variant.description.clone()).collect();
                let skus = self.turns.directory.claim(asked.product, skus).ok()?;
                Some(Wish::Create { new, skus })
            }
            AskedWish::Edit { version, price } => {
                let edit = move |present: &_| super::wishes::repriced(present, price);
                Some(Wish::Edit { version, edit: Box::new(edit) })
            }
            AskedWish::Do(command) => Some(Wish::Do(command)),
            AskedWish::Many { commands, all: None } => Some(Wish::Each(commands)),
            AskedWish::Many { commands, all: Some(is_dry) } => Some(Wish::All { commands, is_dry }),
        }
    }

    fn turn(&mut self, asked: Asked, wish: Wish, key: Option<KeyGuard>, books: &mut Books) {
        let id = asked.product;
        let partition = self.slots.partition(id.0);
        let live = self.products.entry(id).or_insert_with(|| Live::new(id, partition));
        let context = Context { request_id: RequestId::Made(id.0), actor: Actor::Guest(1), key: asked.key };
        let pending = live.turn(&self.turns, wish, &context, key);
        books.note_state(live);
        self.check(id);
        self.seal(asked, pending, books);
    }

    /// The actors of what does not exist leave, and nothing of it stays.
    pub(super) fn let_absent_leave(&mut self) {
        self.products.retain(|id, live| {
            if live.product.is_none() {
                self.turns.directory.leave(*id);
            }
            live.product.is_some()
        });
    }

    /// The laws after a turn, and that everybody sees what the turn left.
    fn check(&self, id: ProductId) {
        let live = &self.products[&id];
        let owner_of = |sku: &Sku| {
            self.products.values().find(|live| live.product.as_ref().is_some_and(|it| it.find(sku).is_some()))
        };
        for text in SKUS {
            let sku = Sku::new(text).expect("well formed");
            assert_eq!(self.turns.directory.by_sku(&sku), owner_of(&sku).map(|live| live.id), "{text}");
        }
        let Some(product) = &live.product else { return };
        assert_eq!(invariant::check(product), Ok(()));
        let card = self.turns.directory.card(id).expect("what exists has a card");
        let snapshot = card.snapshot();
        assert_eq!((snapshot.ticket, snapshot.last_sequence), (live.ticket, live.last_sequence));
        assert!(!snapshot.is_deleted, "it exists");
        let shown: Vec<_> = snapshot.variants.iter().map(|it| (it.levels, it.version)).collect();
        let real: Vec<_> = product.variants().iter().map(|it| (it.levels, it.version)).collect();
        assert_eq!(shown, real, "the card shows what there is");
        assert_eq!(card.info().version, product.version());
        let described: Vec<_> = product.variants().iter().map(|it| Arc::clone(&it.description)).collect();
        assert_eq!(*card.info().variants, *described);
        for (no, variant) in product.live_variants() {
            assert_eq!(card.info().find(&variant.description.sku), Some(no));
            if let Some((levels, _)) = card.sold_out(no, Units(1)) {
                assert_eq!((levels.available, levels), (Units(0), variant.levels));
            }
        }
        let facts = card.facts().map(|(facts, _)| facts.variants.len());
        assert_eq!(facts, Some(product.live_variants().count()), "what was removed is shown to nobody");
    }

    /// Keeps an answer until it is durable; it opens then and not before (INV-8).
    fn seal(&mut self, asked: Asked, pending: Pending<Reply>, books: &mut Books) {
        self.sealed.push(Sealed { asked, reply: Box::pin(pending.open()) });
        self.open_sealed(books);
    }

    pub(super) fn open_sealed(&mut self, books: &mut Books) {
        let mut task = TaskContext::from_waker(Waker::noop());
        self.sealed.retain_mut(|sealed| match sealed.reply.as_mut().poll(&mut task) {
            Poll::Pending => true,
            Poll::Ready(Ok(reply)) => {
                books.note_reply(&sealed.asked, &reply);
                false
            }
            Poll::Ready(Err(Stopped)) => panic!("the gate of a simulation never fails"),
        });
    }
}
