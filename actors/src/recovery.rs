//! From the newest checkpoint and the journal behind it back to the state in memory: load, replay, then the laws, then what
//! a crash left between owners and products, and only then anybody may ask.
//!
//! What must be told to products so that they have what their owners claim is found here and told by the shell. The same
//! path serves start, `holdfast journal verify` and the tests. It reads only, but for the torn tail that the store cuts off.
//!
//! Read in this order: one partition (`part`), all of them (`state`), the threads that bring them back (`load`, `workers`), which
//! checkpoint to begin with (`newest`), the proof (`verify`), and the past (`until`).

mod part;
mod state;

mod load;
mod workers;

mod newest;
mod until;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_domain::saga::Books;
use holdfast_domain::{Cart, CartId, Product, ProductId, Timestamp, hold, price, product};
use holdfast_persistence::{
    self as persistence, BatchNumber, Cause, Checkpoint, Cut, Epoch, FrameHash, FrameSource, Head, Record,
    Replayed, Store,
};

pub use self::newest::recover_newest;
pub use self::until::recover_until;
pub use self::verify::{Proof, Verified, verify};

use self::state::State;
use self::workers::{Stop, distribute};
use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::image::KeySet;
use crate::keys::Keys;
use crate::mails::{self, About};
use crate::prices::PriceBook;
use crate::slots::ACCOUNTS_PARTITION;
use crate::turn::Live;

/// How many records pass between two reports of the progress.
const PROGRESS_RECORDS: u64 = 64 * 1024;

/// How to recover.
#[derive(Clone, Copy)]
pub struct Plan<'p> {
    /// What to begin with; without it, with the first record.
    pub checkpoint: Option<&'p Checkpoint>,
    /// How many threads load, decode and apply, beside the one that reads. One does all of it by itself.
    pub threads: usize,
    /// Told now and then how far it is.
    pub progress: &'p (dyn Fn(Progress) + Sync),
}

/// How far a recovery is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many entries of the checkpoint are loaded.
    Loading {
        /// Entries.
        entries: u64,
    },
    /// So many records behind it are read.
    Replaying {
        /// Records.
        records: u64,
    },
    /// Everything is read; now the laws.
    Checking,
}

/// What a recovery changed behind the checkpoint that it began with: what the next increment must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Changed {
    /// There was no checkpoint.
    #[default]
    Everything,
    /// By partition.
    Keys(Vec<KeySet>),
}

/// Everything that the journal says.
pub struct Recovered {
    pub(crate) products: Vec<Live>,
    pub(crate) accounts: AccountBook,
    pub(crate) prices: PriceBook,
    pub(crate) categories: CategoryBook,
    pub(crate) keys: Arc<Keys>,
    /// Reservations, orders and carts, by partition.
    pub(crate) books: Vec<Books>,
    pub(crate) startup: Startup,
    pub(crate) mails: mails::Recovered,
    pub(crate) head: Head,
    pub(crate) changed: Changed,
    /// The checkpoint behind which that is.
    pub(crate) builds_on: Option<u64>,
    /// What was found.
    pub report: Report,
}

/// What the shell says before anybody may ask: what a crash kept it from saying.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Startup {
    /// To products, so that they have what their owners claim (INV-10).
    pub(crate) tell: BTreeMap<ProductId, Vec<product::Command>>,
    /// To the journal: carts that are closed, as the second has the lines of the first. The books say so already.
    pub(crate) close: Vec<(CartId, CartId)>,
    /// The same carts as the journal has them.
    pub(crate) open: Vec<(CartId, Cart)>,
}

/// What a recovery went through.
#[derive(Clone, Debug)]
pub struct Report {
    /// Frames read behind the checkpoint, or all.
    pub batches: u64,
    /// Records read: one a turn.
    pub records: u64,
    /// Facts applied.
    pub events: u64,
    /// Products that exist.
    pub products: usize,
    /// Reservations that are active.
    pub reservations: usize,
    /// Orders, purchases included.
    pub orders: usize,
    /// Carts that are open.
    pub carts: usize,
    /// Accounts that exist.
    pub accounts: usize,
    /// Idempotency keys that are remembered.
    pub keys: usize,
    /// Bytes read.
    pub bytes: u64,
    /// The number of the checkpoint that it began with.
    pub checkpoint: Option<u64>,
    /// Entries loaded from it.
    pub loaded: u64,
    /// Records read that were in it already.
    pub left_out: u64,
    /// How long loading took.
    pub loading: Duration,
    /// How long replaying what is behind it took.
    pub replaying: Duration,
    /// How long all of it took, with the proof of the laws.
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
    /// What the journal begins with rests on what is not there any more.
    #[error(
        "the journal begins with batch {first}: what was before it was trimmed, and the recovery begins with batch {wanted}; \
         nothing was changed; restore a backup"
    )]
    Trimmed {
        /// Its first batch.
        first: BatchNumber,
        /// The batch that is needed.
        wanted: BatchNumber,
    },
    /// The entries of a checkpoint do not make a state.
    #[error("checkpoint {number} does not hold together; nothing was changed")]
    Checkpoint {
        /// The checkpoint.
        number: u64,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// A checkpoint and the journal do not say the same.
    #[error(
        "checkpoint {number} and what follows it lead to another state than the journal does: the first entry that differs is \
         {key}; nothing was changed; keep a copy of the data folder"
    )]
    Differs {
        /// The checkpoint.
        number: u64,
        /// What the entry is of.
        key: String,
    },
    /// A checkpoint reflects what the journal does not have.
    #[error(
        "checkpoint {number} reflects {what}: the journal lost its end, or the checkpoint belongs to another; nothing was \
         changed; keep a copy of the data folder and restore a backup"
    )]
    Beyond {
        /// The checkpoint.
        number: u64,
        /// What is not there.
        what: String,
    },
}

/// Reads a journal from a head on and lends each record; a store cuts its torn tail off as well.
type Read<'r> =
    dyn FnMut(Head, &mut persistence::journal::Visit<'_>) -> Result<Replayed, persistence::Error> + 'r;

/// A state, and how it came to be.
struct Rebuilt {
    state: State,
    startup: Startup,
    replayed: Replayed,
    report: Report,
}

/// What took how long.
struct Times {
    loaded: u64,
    loading: Duration,
    replaying: Duration,
    started: Instant,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self { checkpoint: None, threads: 1, progress: &|_| {} }
    }
}

/// Replays a whole journal and proves the result.
///
/// # Errors
///
/// [`Error::Journal`] when it cannot be read, [`Error::Trimmed`] when its beginning is gone, [`Error::Law`] when it leads to
/// wrong books.
pub fn recover<S: Store + ?Sized>(store: &mut S) -> Result<Recovered, Error> {
    recover_from(store, &Plan::default())
}

/// Loads a checkpoint, replays what is behind it, and proves the result.
///
/// # Errors
///
/// Those of [`recover`], and [`Error::Beyond`].
pub fn recover_from<S: Store + ?Sized>(store: &mut S, plan: &Plan<'_>) -> Result<Recovered, Error> {
    check_begin(&*store, plan)?;
    let rebuilt = rebuild(&Head::before(&*store), plan, &mut |from, visit| store.recover(from, visit))?;
    check_end(&rebuilt.replayed.head, plan)?;
    Ok(rebuilt.into_recovered())
}

/// Refuses a journal that does not reach back to where the plan begins, or does not have what its checkpoint reflects.
fn check_begin<S: FrameSource + ?Sized>(source: &S, plan: &Plan<'_>) -> Result<(), Error> {
    let start = source.start();
    let (first, wanted) =
        (start.next_batch(), plan.checkpoint.map_or(BatchNumber::FIRST, |it| it.mark().head.next_batch()));
    if first > wanted {
        return Err(Error::Trimmed { first, wanted });
    }
    let Some(checkpoint) = plan.checkpoint else { return Ok(()) };
    let hash = match wanted.0.checked_sub(1).map(BatchNumber) {
        Some(last) if first < wanted => source.frame(last)?.map(|frame| FrameHash::of(&frame.bytes)),
        _ => Some(start.last_hash()),
    };
    if hash == Some(checkpoint.mark().head.last_hash()) {
        return Ok(());
    }
    let found = if hash.is_none() { "which is not there" } else { "but that is another" };
    let what = format!("the journal before batch {wanted}, {found}");
    Err(Error::Beyond { number: checkpoint.number(), what })
}

/// Refuses a journal that ends before what its checkpoint reflects.
fn check_end(end: &Head, plan: &Plan<'_>) -> Result<(), Error> {
    let Some(checkpoint) = plan.checkpoint else { return Ok(()) };
    let mut reflects = checkpoint.mark().reflects.iter().zip(end.partitions()).enumerate();
    match reflects.find(|(_, (reflected, end))| **reflected > end.sequence) {
        None => Ok(()),
        Some((partition, (reflected, end))) => {
            let what =
                format!("record {reflected} of partition {partition}, which ends with {}", end.sequence);
            Err(Error::Beyond { number: checkpoint.number(), what })
        }
    }
}

/// Brings a state back and proves it.
fn rebuild(start: &Head, plan: &Plan<'_>, read: &mut Read<'_>) -> Result<Rebuilt, Error> {
    let (mut state, replayed, times) = bring_back(start, plan, read)?;
    (plan.progress)(Progress::Checking);
    let startup = state.finish(&replayed.head)?;
    let report = state.report(&replayed, plan, &times);
    Ok(Rebuilt { state, startup, replayed, report })
}

/// Loads and replays.
fn bring_back(start: &Head, plan: &Plan<'_>, read: &mut Read<'_>) -> Result<(State, Replayed, Times), Error> {
    let started = Instant::now();
    let mut threads = plan.threads;
    loop {
        let partitions = u16::try_from(start.partitions().len());
        let mut state = State::new(partitions.expect("a journal counts its partitions in 16 bits"));
        let (from, loaded) = match plan.checkpoint {
            None => (start.clone(), 0),
            Some(checkpoint) => {
                let plan = Plan { threads, ..*plan };
                (checkpoint.mark().head.clone(), load::load(checkpoint, &mut state, &plan)?)
            }
        };
        let loading = started.elapsed();
        let Some(replayed) = replay(&mut state, &from, threads, plan.progress, read)? else {
            threads = 1;
            continue;
        };
        let replaying = started.elapsed().saturating_sub(loading);
        return Ok((state, replayed, Times { loaded, loading, replaying, started }));
    }
}

/// Replays everything behind `from`; nothing when that takes one thread, and there were more.
fn replay(
    state: &mut State,
    from: &Head,
    threads: usize,
    progress: &(dyn Fn(Progress) + Sync),
    read: &mut Read<'_>,
) -> Result<Option<Replayed>, persistence::Error> {
    let mut records = 0_u64;
    let mut count = || {
        records += 1;
        if records.is_multiple_of(PROGRESS_RECORDS) {
            progress(Progress::Replaying { records });
        }
    };
    if threads <= 1 {
        let mut take = |record: Record<'_>| {
            count();
            state.take(record)
        };
        return read(from.clone(), &mut take).map(Some);
    }
    let replayed = distribute(state, threads, |workers| {
        read(from.clone(), &mut |record| {
            count();
            workers.take(record)
        })
    });
    let mut refused = match replayed {
        Ok(replayed) => return replayed.map(Some),
        Err(Stop::TwoPartitions) => return Ok(None),
        Err(Stop::Refused(refused)) => refused,
    };
    // Which batch it is in and which of them comes first, a worker does not know: the reader meets it again.
    let mut meet = |record: Record<'_>| match refused.iter().position(|it| it.is(&record.header)) {
        Some(index) => Err(refused.swap_remove(index).cause),
        None => Ok(()),
    };
    read(from.clone(), &mut meet).map(Some)
}

impl Rebuilt {
    fn into_recovered(self) -> Recovered {
        let Self { state, startup, replayed, report } = self;
        let is_from_checkpoint = report.checkpoint.is_some();
        let mut touched = Vec::with_capacity(state.parts.len());
        let mut recovered = Recovered {
            products: Vec::with_capacity(report.products),
            accounts: AccountBook::default(),
            prices: PriceBook::default(),
            categories: CategoryBook::default(),
            keys: state.keys,
            books: Vec::with_capacity(state.parts.len()),
            startup,
            mails: mails::Recovered::default(),
            head: replayed.head,
            changed: Changed::Everything,
            builds_on: report.checkpoint,
            report,
        };
        let mut mails = Vec::with_capacity(state.parts.len());
        for (number, part) in state.parts.into_iter().enumerate() {
            recovered.products.extend(part.products.into_values().filter(|live| live.product.is_some()));
            recovered.books.push(part.books);
            mails.push(part.mails);
            touched.extend(part.touched.map(|touched| touched.0));
            if number == state::index(ACCOUNTS_PARTITION) {
                recovered.accounts = part.accounts;
                recovered.prices = part.prices;
                recovered.categories = part.categories;
            }
        }
        if is_from_checkpoint {
            recovered.changed = Changed::Keys(touched);
        }
        recovered.mails = mails::Replay::finish(mails.into_iter());
        recovered
    }
}

impl Error {
    /// Whether it is about what a checkpoint holds, so that another one may do.
    fn is_of_checkpoint(&self) -> bool {
        match self {
            Self::Journal(persistence::Error::Take { .. }) | Self::Checkpoint { .. } => true,
            Self::Journal(error) => error.is_of_checkpoint(),
            _ => false,
        }
    }
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

    /// Reservations, orders and carts as replay left them, by partition (INV-7).
    #[must_use]
    pub fn owners(&self) -> &[Books] {
        &self.books
    }

    /// The mails that are due and not known to be sent, as replay left them (INV-7).
    #[must_use]
    pub const fn unsent(&self) -> &BTreeMap<About, Timestamp> {
        &self.mails.unsent
    }

    /// The price rules as replay left them (INV-7).
    #[must_use]
    pub const fn prices(&self) -> &price::PriceList {
        &self.prices.list
    }

    /// The epoch of the process that goes on from here: above every epoch in the journal.
    pub(crate) fn next_epoch(&self) -> Epoch {
        let last = self.head.partitions().iter().map(|partition| partition.epoch).max().unwrap_or_default();
        Epoch(last.0.checked_add(1).expect("2^32 starts outlast the disk"))
    }
}

impl State {
    fn report(&self, replayed: &Replayed, plan: &Plan<'_>, times: &Times) -> Report {
        let books = || self.parts.iter().map(|part| &part.books);
        let products = self.parts.iter().flat_map(|part| part.products.values());
        let reservations = books().flat_map(|books| books.reservations.iter());
        Report {
            batches: replayed.batches,
            records: replayed.records,
            events: self.parts.iter().map(|part| part.counts.events).sum(),
            products: products.filter(|live| live.product.is_some()).count(),
            reservations: reservations.filter(|(_, it)| it.hold.state == hold::State::Active).count(),
            orders: books().map(|books| books.orders.len()).sum(),
            carts: books().map(|books| books.carts.len()).sum(),
            accounts: self.parts.iter().map(|part| part.accounts.accounts.len()).sum(),
            keys: self.keys.kept(),
            bytes: replayed.bytes,
            checkpoint: plan.checkpoint.map(Checkpoint::number),
            loaded: times.loaded,
            left_out: self.parts.iter().map(|part| part.counts.left_out).sum(),
            loading: times.loading,
            replaying: times.replaying,
            elapsed: times.started.elapsed(),
            cut: replayed.cut.clone(),
        }
    }
}
