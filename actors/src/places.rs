//! Where each product of a shard is: with its actor, or asleep.
//!
//! Sixteen bytes a product: its id is in what is found. Many small maps rather than one: whichever grows looks at all that
//! it has, and the shard must not pause for a million products.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::rc::Rc;

use actix::WeakAddr;
use holdfast_domain::ProductId;

use crate::passive::Passive;
use crate::product_actor::ProductActor;
use crate::turn::Live;

/// How many maps there are. Each has a little more of the products than the one before, the last nearly twice what the
/// first has: maps double when they are full, and so they never do it all at once, nor are all half empty behind it.
const STRIPES: usize = 64;

/// The 64th root of 2, less 1, in millionths.
const GROWTH_MILLIONTHS: u64 = 10_889;

/// A half of all that a hash may be, beginning with which shares are counted.
const SHARES: u64 = 1 << 32;

/// The products of a shard.
pub(crate) struct Places {
    stripes: Vec<HashSet<ById>>,
    /// Where each stripe's share begins, in `SHARES..2 * SHARES`.
    begins: [u64; STRIPES],
    hasher: RandomState,
}

/// Where a product is.
pub(crate) enum Place {
    /// Here, as a value.
    Passive(Passive),
    /// With its actor. Boxed, for the sake of the many that are passive.
    Active(Box<Active>),
}

/// A product with its actor.
pub(crate) struct Active {
    pub(crate) id: ProductId,
    /// Strong addresses are in the directory only, so that taking it out there ends the actor.
    pub(crate) actor: WeakAddr<ProductActor>,
    /// Set by each message.
    pub(crate) is_used: Rc<Cell<bool>>,
    /// Only the actor changes it.
    pub(crate) live: Rc<RefCell<Live>>,
}

struct ById(Place);

impl Places {
    pub(crate) fn get(&self, product: ProductId) -> Option<&Place> {
        self.stripes[self.stripe(product)].get(&product).map(|found| &found.0)
    }

    /// Puts a product where it is now.
    pub(crate) fn put(&mut self, place: Place) {
        let stripe = self.stripe(place.id());
        self.stripes[stripe].replace(ById(place));
    }

    pub(crate) fn remove(&mut self, product: ProductId) -> Option<Place> {
        let stripe = self.stripe(product);
        self.stripes[stripe].take(&product).map(|found| found.0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.stripes.iter().flatten().map(|found| &found.0)
    }

    fn stripe(&self, product: ProductId) -> usize {
        let at = SHARES + self.hasher.hash_one(product) % SHARES;
        self.begins.partition_point(|begin| *begin <= at) - 1
    }
}

impl Default for Places {
    fn default() -> Self {
        let mut begins = [SHARES; STRIPES];
        for stripe in 1..STRIPES {
            begins[stripe] = begins[stripe - 1] + begins[stripe - 1] * GROWTH_MILLIONTHS / 1_000_000;
        }
        Self {
            stripes: (0..STRIPES).map(|_| HashSet::default()).collect(),
            begins,
            hasher: RandomState::new(),
        }
    }
}

impl Place {
    pub(crate) fn id(&self) -> ProductId {
        *self.id_ref()
    }

    fn id_ref(&self) -> &ProductId {
        match self {
            Self::Passive(passive) => passive.id(),
            Self::Active(active) => &active.id,
        }
    }
}

impl Borrow<ProductId> for ById {
    fn borrow(&self) -> &ProductId {
        self.0.id_ref()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id_ref().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id_ref() == other.0.id_ref()
    }
}

impl Eq for ById {}
