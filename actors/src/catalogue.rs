//! The catalogue: which products a list shows, in which order.
//!
//! Product turns never wait for it: a turn leaves its product's card in a queue, at most once until somebody has
//! looked at it, and whoever asks for a list first takes what is queued into the index. So a list shows every turn
//! that was answered before it was asked for. All work on the index is done off the shards' threads.
//!
//! Two counters tell which lists are still as they were: see [`Generation`].
//!
//! Read in this order: what is asked (`query`), the parts of the index (`order`, `words`, `branches`), the index, and
//! how a large one is made at once (`bulk`). Figures are in docs/catalogue.md.

mod query;

mod branches;
mod order;
mod words;

mod bulk;
mod index;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use holdfast_domain::category::Categories;

use crate::card::Card;
use crate::directory::Published;

use self::index::Index;

pub use self::query::{Found, FoundItem, Mark, MarkKey, Query, SearchText, Sort, SortBy};

/// Changes that may wait until somebody asks; with more the index is brought up to date unasked. Few, as whoever asks
/// takes them in first.
const WAITING_MAX: usize = 64;

/// The one index of the process.
#[derive(Debug, Default)]
pub struct Catalogue {
    index: RwLock<Index>,
    queue: Mutex<Queue>,
    /// Whether the index may be brought up to date unasked: not while a start fills the queue.
    is_open: AtomicBool,
    /// Lists that are being found.
    asked: AtomicUsize,
    listing: AtomicU64,
    stock: AtomicU64,
}

/// How often lists became others. Whatever is found after a generation was read has every turn that was answered before,
/// so it may be kept under that generation: who asks after a later answer reads a later one.
///
/// Figures rise after the index is told and the product or the categories are published, and before the write is
/// answered; never for a turn that changes no list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Generation {
    /// Products came, went or were described; categories changed.
    pub listing: u64,
    /// Products sold out or came back in stock, which only lists filtered by that show.
    pub stock: u64,
}

/// What changed in lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// What they show, or of what.
    Listing,
    /// Only whether units are available.
    Stock,
}

/// The right to find one list, given back when dropped.
pub(crate) struct Permit<'a>(&'a AtomicUsize);

/// What the index has not seen yet.
#[derive(Debug, Default)]
struct Queue {
    cards: Vec<Arc<Card>>,
    categories: Option<Arc<Published<Categories>>>,
    is_catching_up: bool,
}

impl Catalogue {
    /// What a list shows. Blocks: on the index, and for what is queued.
    ///
    /// # Panics
    ///
    /// Never: a panic aborts the process before it poisons a lock.
    #[must_use]
    pub fn find(&self, query: &Query) -> Found {
        self.catch_up();
        self.index.read().unwrap_or_else(PoisonError::into_inner).find(query)
    }

    /// How many products are listed. Blocks as [`Catalogue::find`] does.
    #[must_use]
    pub fn len(&self) -> usize {
        self.catch_up();
        self.index.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no product is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The generation of lists that are found from now on. Read it first, then find.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation {
            listing: self.listing.load(Ordering::Acquire),
            stock: self.stock.load(Ordering::Acquire),
        }
    }

    /// Ends a generation. Called after what changed can be found.
    pub(crate) fn raise(&self, news: News) {
        let counter = match news {
            News::Listing => &self.listing,
            News::Stock => &self.stock,
        };
        counter.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that a product is listed otherwise now. Called after its card was published.
    pub fn note(self: &Arc<Self>, card: &Arc<Card>, news: News) {
        // A card that is marked already waits in the queue and is going to be looked at as it is now.
        if card.mark() {
            self.queue_up(card);
        }
        self.raise(news);
    }

    fn queue_up(self: &Arc<Self>, card: &Arc<Card>) {
        let mut queue = self.queue();
        queue.cards.push(Arc::clone(card));
        let is_due = queue.cards.len() >= WAITING_MAX && !queue.is_catching_up;
        if is_due && self.is_open.load(Ordering::Relaxed) {
            queue.is_catching_up = true;
            drop(queue);
            self.catch_up_soon();
        }
    }

    /// Notes the categories as they are now. Whoever publishes them raises the generation, afterwards.
    pub fn note_categories(&self, categories: Arc<Published<Categories>>) {
        self.queue().categories = Some(categories);
    }

    /// The right to find a list, unless `count_max` are being found.
    pub(crate) fn admit(&self, count_max: usize) -> Option<Permit<'_>> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(&self.asked);
        (before < count_max).then_some(permit)
    }

    /// Brings the index up to date on a thread of its own, and from now on whenever much is queued.
    pub(crate) fn catch_up_soon(self: &Arc<Self>) {
        self.is_open.store(true, Ordering::Relaxed);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let this = Arc::clone(self);
                runtime.spawn_blocking(move || this.catch_up());
            }
            Err(_) => self.catch_up(),
        }
    }

    /// Takes what is queued into the index.
    fn catch_up(&self) {
        {
            let queue = self.queue();
            if queue.cards.is_empty() && queue.categories.is_none() {
                return;
            }
        }
        // First the index, then the queue: whoever finds the queue empty waits for those who emptied it.
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let Queue { cards, categories, .. } = std::mem::take(&mut *self.queue());
        if let Some(categories) = categories {
            index.take_categories(categories);
        }
        index.take(&cards);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
