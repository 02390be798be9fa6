//! What everybody may see of a product without asking its actor: description and figures, published after
//! each turn by the one writer and read without locks on the writer's way.
//!
//! The figures are a sequence lock of atomics: the writer marks the guard, writes, makes it another; a reader
//! that saw the guard change reads again. A reader gets the ticket of the newest turn with them, and must
//! wait until that is durable before it shows anything (INV-8): see [`crate::Engine::product`].
//!
//! A card has room for the variants that its product had when it was made. A turn that changes variants puts a new
//! card in its place; who fetched the old one sees what was true then.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, RwLock};

use holdfast_domain::product::{Description, Levels, Product, Status, VariantDescription, VariantNo};
use holdfast_domain::{ProductId, Sku, Timestamp, Units};
use holdfast_persistence::{Partition, Sequence, Ticket};

use crate::few::{Few, Rare};
use crate::outcome::{ProductFacts, VariantFacts};

/// In the guard: figures are being written.
const WRITING: u64 = 1;
/// In the guard: the product is gone.
const DELETED: u64 = 2;
const MARKS: u64 = WRITING | DELETED;
/// What one turn adds to the guard.
const TURN: u64 = MARKS + 1;

/// A product's public face.
#[derive(Debug)]
pub struct Card {
    /// Whose.
    pub id: ProductId,
    /// Where its records are.
    pub partition: Partition,
    info: RwLock<Arc<Info>>,
    figures: Figures,
    /// What lists were last told: [`Card::listed_as`].
    listed: AtomicU64,
    /// Whether the catalogue is going to look here anyway.
    is_noted: AtomicBool,
}

/// The part that seldom changes.
#[derive(Debug)]
pub struct Info {
    /// What it is called and costs.
    pub description: Arc<Description>,
    /// Whether its only variant's sku is its own.
    pub is_simple: bool,
    /// By number; removed ones keep their places, for who reads history.
    pub variants: Few<Arc<VariantDescription>>,
    /// Those that were removed; mostly none.
    pub removed: Rare<VariantNo>,
    /// Of the description.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the description last changed.
    pub updated_at: Timestamp,
}

/// The figures at one moment, all of the same turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Durable once this is.
    pub ticket: Ticket,
    /// The product's newest record.
    pub last_sequence: Sequence,
    /// Whether the product is gone.
    pub is_deleted: bool,
    /// By variant number.
    pub variants: Vec<VariantFigures>,
}

/// The figures of one variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VariantFigures {
    /// Where its units are.
    pub levels: Levels,
    /// Grows with each movement.
    pub version: u32,
    /// The time of the newest movement.
    pub updated_at: Timestamp,
}

#[derive(Debug)]
struct Figures {
    /// Marks in the lowest bits, and above them a count of turns.
    guard: AtomicU64,
    ticket: AtomicU64,
    last_sequence: AtomicU64,
    variants: Few<Cells>,
}

#[derive(Debug, Default)]
struct Cells {
    available: AtomicU32,
    reserved: AtomicU32,
    committed: AtomicU32,
    version: AtomicU32,
    updated_at: AtomicU64,
}

impl Card {
    /// The card of a product as it stands; nothing of it is older than `ticket`.
    #[must_use]
    pub fn new(
        id: ProductId,
        partition: Partition,
        product: &Product,
        ticket: Ticket,
        last_sequence: Sequence,
    ) -> Self {
        let card = Self {
            listed: AtomicU64::new(0),
            is_noted: AtomicBool::new(false),
            id,
            partition,
            info: RwLock::new(Arc::new(Info::of(product))),
            figures: Figures {
                guard: AtomicU64::new(0),
                ticket: AtomicU64::new(0),
                last_sequence: AtomicU64::new(0),
                variants: product.variants().iter().map(|_| Cells::default()).collect(),
            },
        };
        card.publish(Some(product), ticket, last_sequence);
        card
    }

    /// Publishes the product after a turn. Only its one writer calls this.
    pub fn publish(&self, product: Option<&Product>, ticket: Ticket, last_sequence: Sequence) {
        self.figures.write(product, ticket, last_sequence);
        // After the figures: whoever sees the new description also sees a ticket at least as new.
        if let Some(product) = product
            && product.version() != self.info().version
        {
            *self.info.write().expect("a panic aborts the process") = Arc::new(Info::of(product));
        }
    }

    /// The part that seldom changes. Read it before the figures, never after.
    #[must_use]
    pub fn info(&self) -> Arc<Info> {
        Arc::clone(&self.info.read().expect("a panic aborts the process"))
    }

    /// The figures at one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.figures.read(|figures| Snapshot {
            ticket: figures.ticket(),
            last_sequence: Sequence(figures.last_sequence.load(Ordering::Relaxed)),
            is_deleted: figures.is_deleted(),
            variants: figures.variants.iter().map(Cells::figures).collect(),
        })
    }

    /// Whether fewer than `wanted` units of an active product's variant are available, beyond doubt.
    ///
    /// `None` says: ask the actor. `Some` carries what an actor's turn would have found, and its ticket.
    #[must_use]
    pub fn sold_out(&self, variant: VariantNo, wanted: Units) -> Option<(Levels, Ticket)> {
        if self.info().description.status != Status::Active {
            return None;
        }
        self.figures.read(|figures| {
            let levels = figures.variants.get(variant.index())?.figures().levels;
            let is_short = levels.available < wanted && !figures.is_deleted();
            is_short.then(|| (levels, figures.ticket()))
        })
    }

    /// Whether the product is gone.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.figures.read(Figures::is_deleted)
    }

    /// Whether units of any variant are available.
    #[must_use]
    pub fn is_in_stock(&self) -> bool {
        self.figures
            .read(|figures| figures.variants.iter().any(|cells| cells.available.load(Ordering::Relaxed) > 0))
    }

    /// Whether lists were told of the product as it is: its description, and whether it is in stock.
    pub(crate) fn is_listed_as(&self, product: &Product) -> bool {
        let is_in_stock = product.variants().iter().any(|variant| variant.levels.available.0 > 0);
        self.listed.load(Ordering::Relaxed) == listed_as(product.version(), is_in_stock)
    }

    /// Notes that lists are told of the product as the card shows it. Only its one writer calls this.
    pub(crate) fn note_listed(&self) {
        self.listed.store(listed_as(self.info().version, self.is_in_stock()), Ordering::Relaxed);
    }

    /// Sets the mark that the catalogue is going to look here; true when it was not set. What was published before is
    /// seen by whoever takes the mark away.
    pub(crate) fn mark(&self) -> bool {
        !self.is_noted.swap(true, Ordering::AcqRel)
    }

    /// Takes the mark away, before the look.
    pub(crate) fn unmark(&self) {
        self.is_noted.swap(false, Ordering::AcqRel);
    }

    /// Adds what is available of each variant to `units`, in the order of [`Card::facts`], and says which ticket must be
    /// durable before that is shown; nothing when the product is gone or its description is not of that version.
    pub(crate) fn add_available(&self, version: u32, units: &mut Vec<u32>) -> Option<Ticket> {
        let info = self.info();
        if info.version != version {
            return None;
        }
        let before = units.len();
        let (is_deleted, ticket) = self.figures.read(|figures| {
            units.truncate(before);
            let available = |no: VariantNo| figures.variants[no.index()].available.load(Ordering::Relaxed);
            units.extend(info.live().map(|(no, _)| available(no)));
            (figures.is_deleted(), figures.ticket())
        });
        (!is_deleted).then_some(ticket)
    }

    /// Everything that can be seen of the product, and the ticket that must be durable before it is shown.
    #[must_use]
    pub fn facts(&self) -> Option<(ProductFacts, Ticket)> {
        let info = self.info();
        let snapshot = self.snapshot();
        if snapshot.is_deleted {
            return None;
        }
        let variant = |(description, figures): (&Arc<VariantDescription>, &VariantFigures)| VariantFacts {
            description: Arc::clone(description),
            levels: figures.levels,
            version: figures.version,
            updated_at: figures.updated_at,
        };
        let facts = ProductFacts {
            id: self.id,
            description: Arc::clone(&info.description),
            is_simple: info.is_simple,
            variants: info.live().map(|(no, it)| variant((it, &snapshot.variants[no.index()]))).collect(),
            version: info.version,
            created_at: info.created_at,
            updated_at: info.updated_at,
        };
        Some((facts, snapshot.ticket))
    }
}

fn listed_as(version: u32, is_in_stock: bool) -> u64 {
    u64::from(version) << 1 | u64::from(is_in_stock)
}

impl Info {
    fn of(product: &Product) -> Self {
        Self {
            description: Arc::clone(product.description()),
            is_simple: product.sku().is_some(),
            variants: product.variants().iter().map(|variant| Arc::clone(&variant.description)).collect(),
            removed: removed(product).collect(),
            version: product.version(),
            created_at: product.created_at(),
            updated_at: product.updated_at(),
        }
    }

    /// The variants that were not removed, with their numbers.
    pub fn live(&self) -> impl Iterator<Item = (VariantNo, &Arc<VariantDescription>)> {
        let numbered = |(index, variant)| (VariantNo::from_index(index), variant);
        self.variants.iter().enumerate().map(numbered).filter(|(no, _)| !self.removed.contains(no))
    }

    /// The number of the variant with that sku.
    #[must_use]
    pub fn find(&self, sku: &Sku) -> Option<VariantNo> {
        self.live().find(|(_, variant)| variant.sku == *sku).map(|(no, _)| no)
    }

    /// Whether the variant at that place was removed.
    pub(crate) fn is_removed(&self, index: usize) -> bool {
        self.removed.iter().any(|removed| removed.index() == index)
    }

    /// The variant of that number, unless it was removed.
    #[must_use]
    pub fn variant(&self, variant: VariantNo) -> Option<&Arc<VariantDescription>> {
        self.variants.get(variant.index()).filter(|_| !self.removed.contains(&variant))
    }

    /// The only variant of a product that has one.
    #[must_use]
    pub fn only_variant(&self) -> Option<VariantNo> {
        let mut live = self.live();
        match (live.next(), live.next()) {
            (Some((only, _)), None) => Some(only),
            _ => None,
        }
    }
}

fn removed(product: &Product) -> impl Iterator<Item = VariantNo> {
    let numbered = product.variants().iter().enumerate();
    numbered.filter(|(_, variant)| variant.is_removed).map(|(index, _)| VariantNo::from_index(index))
}

impl Figures {
    /// The one writer of the product writes; readers that overlap read again.
    fn write(&self, product: Option<&Product>, ticket: Ticket, last_sequence: Sequence) {
        let guard = self.guard.load(Ordering::Relaxed);
        self.guard.store(guard | WRITING, Ordering::Relaxed);
        fence(Ordering::Release);
        self.ticket.store(ticket.number(), Ordering::Relaxed);
        self.last_sequence.store(last_sequence.0, Ordering::Relaxed);
        let mut marks = guard & DELETED;
        match product {
            None => marks = DELETED,
            Some(product) => {
                for (cells, variant) in self.variants.iter().zip(product.variants()) {
                    cells.available.store(variant.levels.available.0, Ordering::Relaxed);
                    cells.reserved.store(variant.levels.reserved.0, Ordering::Relaxed);
                    cells.committed.store(variant.levels.committed.0, Ordering::Relaxed);
                    cells.version.store(variant.version, Ordering::Relaxed);
                    cells.updated_at.store(variant.updated_at.0, Ordering::Relaxed);
                }
            }
        }
        self.guard.store((guard & !MARKS).wrapping_add(TURN) | marks, Ordering::Release);
    }

    fn read<T>(&self, mut look: impl FnMut(&Self) -> T) -> T {
        loop {
            let before = self.guard.load(Ordering::Acquire);
            if before & WRITING == 0 {
                let seen = look(self);
                fence(Ordering::Acquire);
                if self.guard.load(Ordering::Relaxed) == before {
                    return seen;
                }
            }
            std::hint::spin_loop();
        }
    }

    /// Asked within a read, which looks at the same guard again.
    fn is_deleted(&self) -> bool {
        self.guard.load(Ordering::Relaxed) & DELETED != 0
    }

    fn ticket(&self) -> Ticket {
        Ticket::new(self.ticket.load(Ordering::Relaxed))
    }
}

impl Cells {
    fn figures(&self) -> VariantFigures {
        VariantFigures {
            levels: Levels {
                available: Units(self.available.load(Ordering::Relaxed)),
                reserved: Units(self.reserved.load(Ordering::Relaxed)),
                committed: Units(self.committed.load(Ordering::Relaxed)),
            },
            version: self.version.load(Ordering::Relaxed),
            updated_at: Timestamp(self.updated_at.load(Ordering::Relaxed)),
        }
    }
}
