//! The same products outside the engine, one part after the other: what dominates.

use std::sync::Arc;

use holdfast_actors::card::Card;
use holdfast_actors::catalogue::{Catalogue, News};
use holdfast_actors::domain::Timestamp;
use holdfast_actors::domain::product::{NewProduct, Product, apply, decide_create};
use holdfast_actors::persistence::{Partition, Sequence, Ticket};

use crate::{ALLOCATOR, shop};

/// Bytes of all products together.
pub(crate) struct Parts {
    texts: usize,
    /// Of what has an actor.
    pub(crate) states: usize,
    cards: usize,
    /// What lists are made of.
    pub(crate) index: usize,
}

impl Parts {
    /// Makes each part and counts what it takes; all of it is freed at the end.
    pub(crate) fn measure(products: u32) -> Self {
        let (texts, new) = counted(|| (0..products).map(shop::new).collect::<Vec<NewProduct>>());
        let texts = texts - new.capacity() * size_of::<NewProduct>();
        // The lists of variants of what is to be made go with it.
        let lists: usize = new.iter().map(|it| size_of_val(it.variants.as_slice())).sum();
        let (states, made) = counted(|| new.iter().map(made).collect::<Vec<Product>>());
        let (cards, shown) = counted(|| (0..).zip(&made).map(card).collect::<Vec<Arc<Card>>>());
        let cards = cards - shown.capacity() * size_of::<Arc<Card>>();
        let catalogue = Arc::new(Catalogue::default());
        let (index, ()) = counted(|| {
            shown.iter().for_each(|card| catalogue.note(card, News::Listing));
            assert_eq!(catalogue.len(), shown.len());
        });
        Self { texts: texts - lists, states, cards, index }
    }

    /// What a passive product has beside its places in maps.
    pub(crate) const fn rows(&self) -> [(&'static str, usize); 2] {
        [
            ("names, skus and what else an admin edits", self.texts),
            ("its card, which readers look at", self.cards),
        ]
    }
}

fn counted<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATOR.live();
    let made = make();
    (ALLOCATOR.live().saturating_sub(before), made)
}

fn made(new: &NewProduct) -> Product {
    let mut slot = None;
    for event in decide_create(new).expect("it is well formed") {
        apply(&mut slot, &event, Timestamp(1_700_000_000_000));
    }
    slot.expect("it was made")
}

fn card((number, product): (u32, &Product)) -> Arc<Card> {
    Arc::new(Card::new(shop::id(number), Partition(0), product, Ticket::ZERO, Sequence(1)))
}
