//! Who is listed in which category, and who is told when a product's public face changes.
//!
//! A turn that describes a product holds [`Directory::hold_listing`] from its check of the categories until it has
//! published; a category's deletion holds [`Directory::stop_listing`] from its look at who is listed until it has
//! published. So neither ever rests on what the other is about to change. Neither guard is held across an await.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use holdfast_domain::category::{Categories, Refusal};
use holdfast_domain::{CategoryId, Product};
use holdfast_persistence::Ticket;

use crate::card::{Card, Info};
use crate::catalogue::News;
use crate::directory::{Directory, Published};

/// How many products are listed in each category.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    turnstile: RwLock<()>,
    users: Mutex<HashMap<CategoryId, Users>>,
}

/// The products of one category.
#[derive(Clone, Copy, Debug)]
struct Users {
    count: u32,
    /// Of the newest turn that changed the count.
    ticket: Ticket,
}

/// The categories as they stay while this is held.
pub(crate) struct Listing<'a> {
    _held: RwLockReadGuard<'a, ()>,
    categories: Arc<Published<Categories>>,
}

/// What lists showed of a product before a turn that changed it.
pub(crate) struct Relisting {
    before: Option<(Arc<Card>, Arc<Info>)>,
}

impl Listing<'_> {
    /// Whether a product may be listed in all of `ids`.
    pub(crate) fn check(&self, ids: &[CategoryId]) -> Result<(), Refusal> {
        self.categories.value.check_listing(ids)
    }

    /// What the check rests on.
    pub(crate) fn ticket(&self) -> Ticket {
        self.categories.ticket
    }
}

impl Relisting {
    /// That of a product that was not listed before.
    pub(crate) const fn first() -> Self {
        Self { before: None }
    }

    /// What is to be listed anew when `product` takes the place of what `card` shows; mostly nothing is.
    pub(crate) fn of(card: Option<&Arc<Card>>, product: Option<&Product>) -> Option<Self> {
        match (card, product) {
            (Some(card), Some(product)) if card.is_listed_as(product) => None,
            (None, None) => None,
            (card, _) => Some(Self { before: card.map(|card| (Arc::clone(card), card.info())) }),
        }
    }
}

impl Directory {
    /// Keeps every category that there is until the guard is dropped.
    pub(crate) fn hold_listing(&self) -> Listing<'_> {
        let held = self.listings().turnstile.read().expect("a panic aborts the process");
        Listing { _held: held, categories: self.categories() }
    }

    /// Keeps everybody from listing anything until the guard is dropped.
    pub(crate) fn stop_listing(&self) -> RwLockWriteGuard<'_, ()> {
        self.listings().turnstile.write().expect("a panic aborts the process")
    }

    /// Whether products are listed in a category, as the ticket of the newest turn that says so.
    pub(crate) fn listed_in(&self, category: CategoryId) -> Option<Ticket> {
        self.listings().lock().get(&category).map(|users| users.ticket)
    }

    /// Lists a product anew, after its card was published.
    pub(crate) fn relist(&self, relisting: Option<Relisting>, card: Option<&Arc<Card>>, ticket: Ticket) {
        let Some(Relisting { before }) = relisting else { return };
        let now = card.map(|card| card.info());
        let ids = |info: Option<&Arc<Info>>| {
            info.map(|info| info.description.category_ids.clone()).unwrap_or_default()
        };
        let (left, entered) = (ids(before.as_ref().map(|(_, info)| info)), ids(now.as_ref()));
        if left != entered {
            self.listings().count(&left, &entered, ticket);
        }
        if let Some(card) = card {
            card.note_listed();
        }
        let is_described_as_before = match (&before, &now) {
            (Some((_, before)), Some(now)) => before.version == now.version,
            _ => false,
        };
        let news = if is_described_as_before { News::Stock } else { News::Listing };
        if let Some(card) = card.or(before.as_ref().map(|(card, _)| card)) {
            self.catalogue().note(card, news);
        }
    }
}

impl Listings {
    fn count(&self, left: &[CategoryId], entered: &[CategoryId], ticket: Ticket) {
        let mut users = self.lock();
        for id in entered {
            let users = users.entry(*id).or_insert(Users { count: 0, ticket });
            *users = Users { count: users.count + 1, ticket: users.ticket.max(ticket) };
        }
        for id in left {
            let Some(found) = users.get_mut(id) else { continue };
            *found = Users { count: found.count - 1, ticket: found.ticket.max(ticket) };
            if found.count == 0 {
                users.remove(id);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CategoryId, Users>> {
        self.users.lock().expect("a panic aborts the process")
    }
}
