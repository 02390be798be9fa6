//! From the entries of a checkpoint to partitions as they were when it was taken; several threads, each a partition at a time.
//!
//! Entries come newest file first, so a hold may come before its product: what must wait is put aside until all are read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use holdfast_domain::idempotency::KEY_KEPT;
use holdfast_domain::{Product, ProductId, Timestamp};
use holdfast_persistence::{Cause, Checkpoint};

use super::part::{Part, Touched};
use super::state::{State, index};
use super::{Error, Plan, Progress};
use crate::context::RequestKey;
use crate::image::{self, Image, Key, Reader};
use crate::turn::Live;

/// How many entries pass between two reports of the progress.
const PROGRESS_ENTRIES: u64 = 64 * 1024;

/// An entry of something that is not there.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    /// It is part of a product.
    #[error("{0:?} is there without its product")]
    NoProduct(Key),
    /// Two kinds of state under one key.
    #[error("the entry of {0:?} is of something else")]
    Kind(Key),
}

/// Loads a checkpoint into a state that is empty; returns how many entries it had.
pub(super) fn load(checkpoint: &Checkpoint, state: &mut State, plan: &Plan<'_>) -> Result<u64, Error> {
    let threads = plan.threads.clamp(1, state.parts.len());
    let loaded = AtomicU64::new(0);
    let waiting = Mutex::new(state.parts.iter_mut());
    let next = || waiting.lock().expect("a panic ends the process, so no lock is ever poisoned").next();
    let work = || -> Result<(), Error> {
        while let Some(part) = next() {
            load_part(checkpoint, part, &loaded, plan)?;
        }
        Ok(())
    };
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others =
            running.into_iter().map(|it| it.join().unwrap_or_else(|it| std::panic::resume_unwind(it)));
        std::iter::once(own).chain(others).collect()
    });
    results.into_iter().collect::<Result<(), Error>>()?;
    Ok(loaded.into_inner())
}

fn load_part(
    checkpoint: &Checkpoint,
    part: &mut Part,
    loaded: &AtomicU64,
    plan: &Plan<'_>,
) -> Result<(), Error> {
    let number = part.partition;
    let mark = checkpoint.mark();
    let at = mark.head.partition(number).unwrap_or_default().time_ms;
    let mut loader = Loader { part, reader: Reader::default(), waiting: Vec::new(), at: Timestamp(at) };
    checkpoint.load(&|partition| partition == number, &mut |_, key, value| {
        let entries = loaded.fetch_add(1, Ordering::Relaxed) + 1;
        if entries.is_multiple_of(PROGRESS_ENTRIES) {
            (plan.progress)(Progress::Loading { entries });
        }
        loader.take(key, value)
    })?;
    let misfit = |source| Error::Checkpoint { number: checkpoint.number(), source };
    loader.finish().map_err(misfit)?;
    part.reflects = mark.reflects.get(index(number)).copied().unwrap_or_default();
    part.touched = Some(Touched::default());
    Ok(())
}

/// One partition that is being loaded.
struct Loader<'p> {
    part: &'p mut Part,
    reader: Reader,
    /// Parts of products that were not read yet.
    waiting: Vec<(Key, Image)>,
    /// The time of the partition: what is older than it is kept is left out.
    at: Timestamp,
}

impl Loader<'_> {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let (key, image) = self.reader.read(key, value)?;
        let part = &mut *self.part;
        match (key, image) {
            (Key::Product(id), Image::Product(core, last_sequence)) => {
                let product = Some(Product::restored(core));
                let live = Live { product, last_sequence, ..Live::new(id, part.partition) };
                part.products.insert(id, live);
            }
            (Key::Hold(product, _) | Key::Commitment(product, _) | Key::Units(product, _), image) => {
                match product_of(part, product) {
                    Some(product) => restore_part(product, key, image)?,
                    None => self.waiting.push((key, image)),
                }
            }
            (Key::Order(_), Image::Order(order)) => part.books.orders.restore(*order),
            (Key::Order(id), Image::Bought(bought)) => part.books.orders.restore_bought(id, bought),
            (Key::Reservation(id), Image::Reservation(it)) => part.books.reservations.restore(id, *it),
            (Key::Cart(id), Image::Cart(cart)) => part.books.carts.restore(id, cart),
            (Key::Account(_), Image::Account(account)) => part.accounts.accounts.restore(*account),
            (Key::Session(id), Image::Session(family)) => part.accounts.accounts.restore_session(id, family),
            (Key::Accounts, Image::Accounts(last)) => part.accounts.last_sequence = last,
            (Key::PriceRules, Image::PriceRules(list, last)) => {
                (part.prices.list, part.prices.last_sequence) = (list, last);
            }
            (Key::Categories, Image::Categories(categories, last)) => {
                (part.categories.categories, part.categories.last_sequence) = (categories, last);
            }
            (Key::Request(key), Image::Request { fingerprint, answered, position, at }) => {
                if self.at.since(at) < KEY_KEPT {
                    part.keys.restore_kept(RequestKey { key, fingerprint }, answered, position, at);
                }
            }
            (Key::Unsent(about), Image::Unsent(at)) => part.mails.restore(about, at),
            (Key::Mails, Image::Mails(begun)) => part.mails.restore_begun(begun),
            (Key::Absorbed(from), Image::Absorbed { to, .. }) => drop(part.absorbed.insert(from, to)),
            (Key::Description(_) | Key::Variant(_), Image::Kept) => {}
            (key, _) => return Err(Misfit::Kind(key).into()),
        }
        Ok(())
    }

    /// All entries are read: adds what waited, and what purchases imply.
    fn finish(mut self) -> Result<(), Cause> {
        for (key, image) in std::mem::take(&mut self.waiting) {
            let (Key::Hold(id, _) | Key::Commitment(id, _) | Key::Units(id, _)) = key else {
                return Err(Misfit::Kind(key).into());
            };
            let product = product_of(self.part, id).ok_or(Misfit::NoProduct(key))?;
            restore_part(product, key, image)?;
        }
        self.add_purchases()?;
        self.part.books.reservations.restored(self.at);
        Ok(())
    }

    /// What a purchase implies of its product; and they share again what is said of the product.
    fn add_purchases(&mut self) -> Result<(), Misfit> {
        let Part { books, products, slots, .. } = &mut *self.part;
        // By address: purchases have the reader's, of which there is one for each content.
        let (mut descriptions, mut variants) = (HashMap::new(), HashMap::new());
        for (id, bought) in books.orders.purchases_mut() {
            let product = bought.item.product;
            if !image::is_implied(slots, product, id) {
                continue;
            }
            let live = products.get_mut(&product).and_then(|live| live.product.as_mut());
            let product = live.ok_or(Misfit::NoProduct(Key::Order(id)))?;
            product.restore_commitment(id, bought.commitment());
            share(&mut descriptions, &mut bought.description, product.description());
            if let Some(variant) = product.variants().get(bought.item.variant.index()) {
                share(&mut variants, &mut bought.variant, &variant.description);
            }
        }
        Ok(())
    }
}

/// Puts a product's own description in place of an equal one of the reader's. The map keeps what it knows alive, so no
/// address stands for two.
fn share<T: PartialEq>(
    known: &mut HashMap<*const T, (Arc<T>, Arc<T>)>,
    of_reader: &mut Arc<T>,
    own: &Arc<T>,
) {
    let known = known.entry(Arc::as_ptr(of_reader)).or_insert_with(|| {
        let newest = if own == of_reader { own } else { &*of_reader };
        (Arc::clone(of_reader), Arc::clone(newest))
    });
    *of_reader = Arc::clone(&known.1);
}

fn product_of(part: &mut Part, id: ProductId) -> Option<&mut Product> {
    part.products.get_mut(&id)?.product.as_mut()
}

fn restore_part(product: &mut Product, key: Key, image: Image) -> Result<(), Misfit> {
    match (key, image) {
        (Key::Hold(_, id), Image::Hold(hold)) => product.restore_hold(id, hold),
        (Key::Commitment(_, id), Image::Commitment(commitment)) => product.restore_commitment(id, commitment),
        (Key::Units(_, buyer), Image::Units(units)) => product.restore_units(buyer, units),
        (key, _) => return Err(Misfit::Kind(key)),
    }
    Ok(())
}
