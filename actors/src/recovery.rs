//! From the journal back to the state in memory: replay, then the laws, and only then anybody may ask.
//!
//! The same path serves start, `holdfast journal verify` and the tests. It reads only, but for the torn tail that
//! the store cuts off.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_domain::product::invariant::{self, Violation};
use holdfast_domain::{Product, ProductId, Sku, Timestamp, product};
use holdfast_persistence::{
    self as persistence, Cause, Cut, Epoch, FrameSource, Head, Record, Replayed, Store,
};

use crate::keys::Keys;
use crate::position::Position;
use crate::record::{self, Entity, Events, Turn};
use crate::shard::AccountBook;
use crate::turn::Live;

/// Everything that the journal says.
pub struct Recovered {
    pub(crate) products: Vec<Live>,
    pub(crate) accounts: AccountBook,
    pub(crate) keys: Arc<Keys>,
    pub(crate) head: Head,
    /// What was found.
    pub report: Report,
}

/// What a recovery went through.
#[derive(Clone, Debug)]
pub struct Report {
    /// Frames read.
    pub batches: u64,
    /// Records read: one a turn.
    pub records: u64,
    /// Facts applied.
    pub events: u64,
    /// Products that exist.
    pub products: usize,
    /// Reservations that are active.
    pub reservations: usize,
    /// Accounts that exist.
    pub accounts: usize,
    /// Idempotency keys that are remembered.
    pub keys: usize,
    /// Bytes read.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// The torn tail, if a crash left one.
    pub cut: Option<Cut>,
}

/// The journal cannot become a state.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal cannot be read.
    #[error("replay the journal")]
    Journal(#[from] holdfast_persistence::Error),
    /// The state it leads to breaks a law.
    #[error(
        "{law} does not hold for {whose} after replay: {found}; nothing was changed; keep a copy of the data folder \
         and restore a backup"
    )]
    Law {
        /// `INV-1` and so on.
        law: &'static str,
        /// A product's id, or a sku.
        whose: String,
        /// What was found.
        found: String,
    },
}

/// A record that does not continue what was read before it.
#[derive(Debug, thiserror::Error)]
#[error("the record says that its entity's last one was {claimed}, but it was {actual}")]
struct Gap {
    claimed: u64,
    actual: u64,
}

/// Replays a whole journal and proves the result.
///
/// # Errors
///
/// [`Error::Journal`] when it cannot be read, [`Error::Law`] when it leads to wrong books.
pub fn recover<S: Store + ?Sized>(store: &mut S) -> Result<Recovered, Error> {
    let started = Instant::now();
    let mut replay = Replay::default();
    let head = Head::before(&*store);
    let replayed = store.recover(head, &mut |record| replay.take(record))?;
    replay.check()?;
    let report = replay.report(&replayed, started.elapsed());
    let products = replay.products.into_values().filter(|live| live.product.is_some()).collect();
    Ok(Recovered { products, accounts: replay.accounts, keys: replay.keys, head: replayed.head, report })
}

/// Proves a whole journal as [`recover`] does, and writes nothing: a torn tail stays where it is. `check_end` says
/// whether the journal may end where it does, as a chain cannot show that it was longer once.
///
/// # Errors
///
/// Those of [`recover`].
pub fn verify<S: FrameSource + ?Sized>(
    source: &S,
    check_end: impl FnOnce(&Replayed) -> Result<(), persistence::Error>,
) -> Result<Report, Error> {
    let started = Instant::now();
    let mut replay = Replay::default();
    let replayed = persistence::replay(source, Head::before(source), |record| replay.take(record))?;
    check_end(&replayed)?;
    replay.check()?;
    Ok(replay.report(&replayed, started.elapsed()))
}

impl Recovered {
    /// The products as replay left them (INV-7 compares them with those in memory).
    #[must_use]
    pub fn state(&self) -> BTreeMap<ProductId, Product> {
        self.products
            .iter()
            .filter_map(|live| live.product.clone().map(|product| (live.id, product)))
            .collect()
    }

    /// The epoch of the process that goes on from here: above every epoch in the journal.
    pub(crate) fn next_epoch(&self) -> Epoch {
        let last = self.head.partitions().iter().map(|partition| partition.epoch).max().unwrap_or_default();
        Epoch(last.0.checked_add(1).expect("2^32 starts outlast the disk"))
    }
}

#[derive(Default)]
struct Replay {
    products: HashMap<ProductId, Live>,
    accounts: AccountBook,
    keys: Arc<Keys>,
    events: u64,
}

impl Replay {
    fn take(&mut self, record: Record<'_>) -> Result<(), Cause> {
        let turn = record::decode(record.payload)?;
        let at = Timestamp(record.header.time_ms);
        let position = Position { partition: record.header.partition, sequence: record.header.sequence };
        if let Some(keyed) = &turn.key {
            self.keys.restore(keyed, position, at);
        }
        self.apply(&turn, position, at)
    }

    fn apply(&mut self, turn: &Turn, position: Position, at: Timestamp) -> Result<(), Cause> {
        let (last_sequence, exists) = match turn.entity {
            Entity::Product(id) => {
                let live = self.products.entry(id).or_insert_with(|| Live::new(id, position.partition));
                (&mut live.last_sequence, live.product.is_some())
            }
            Entity::Accounts => (&mut self.accounts.last_sequence, true),
        };
        // The actor of a product that does not exist, or not any more, leaves and takes the chain with it; a
        // request with a key that comes late begins another.
        let is_new_chain = turn.previous == 0 && !exists;
        if turn.previous != last_sequence.0 && !is_new_chain {
            return Err(Gap { claimed: turn.previous, actual: last_sequence.0 }.into());
        }
        *last_sequence = position.sequence;
        match &turn.events {
            Events::Product(events) => {
                let Entity::Product(id) = turn.entity else {
                    return Err("a record of the accounts holds a product's events".into());
                };
                let live = self.products.get_mut(&id).expect("entered above");
                for event in events {
                    product::apply(&mut live.product, event, at);
                    self.events += 1;
                }
            }
            Events::Accounts(events) => {
                for event in events {
                    self.accounts.accounts.apply(event);
                    self.events += 1;
                }
            }
        }
        Ok(())
    }

    fn report(&self, replayed: &Replayed, elapsed: Duration) -> Report {
        let products = || self.products.values().filter_map(|live| live.product.as_ref());
        Report {
            batches: replayed.batches,
            records: replayed.records,
            events: self.events,
            products: products().count(),
            reservations: products().map(|product| product.reservations().len()).sum(),
            accounts: self.accounts.accounts.len(),
            keys: self.keys.kept(),
            bytes: replayed.bytes,
            elapsed,
            cut: replayed.cut.clone(),
        }
    }

    /// The laws, for every product; and no sku may belong to two.
    fn check(&self) -> Result<(), Error> {
        let mut skus: HashMap<&Sku, ProductId> = HashMap::new();
        for live in self.products.values() {
            let Some(product) = &live.product else { continue };
            invariant::check(product).map_err(|violation| law(live.id, violation))?;
            for variant in product.variants() {
                let sku = &variant.description.sku;
                if skus.insert(sku, live.id).is_some() {
                    let found = String::from("two products have it");
                    return Err(Error::Law { law: "unique skus", whose: sku.to_string(), found });
                }
            }
        }
        Ok(())
    }
}

fn law(product: ProductId, violation: Violation) -> Error {
    let whose = format!("product {}", uuid::Uuid::from_u128(product.0));
    Error::Law { law: violation.law, whose, found: violation.found }
}
