//! From the journal back to the state in memory: replay, then the laws, then what a crash left between owners and
//! products, and only then anybody may ask.
//!
//! What must be told to products so that they have what their owners claim is found here and told by the shell. The same path serves start, `holdfast journal verify` and the tests. It reads only, but for the torn tail that
//! the store cuts off.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_domain::hold::State;
use holdfast_domain::product::invariant::{self, Violation};
use holdfast_domain::saga::{self, Books, Unmet};
use holdfast_domain::{
    CartId, OrderId, Product, ProductId, ReservationId, Sku, Timestamp, account, cart, category, price,
    product, reservation,
};
use holdfast_persistence::{
    self as persistence, Cause, Cut, Epoch, FrameSource, Head, Partition, Record, Replayed, Sequence, Store,
};

use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::keys::Keys;
use crate::mails::{self, About};
use crate::prices::PriceBook;
use crate::record::{Entity, Events, OrderFact, StoredTurn};
use crate::slots::Slots;
use crate::turn::{self, Live};

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

/// A record whose events are not of what it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("the record of {0:?} holds events of something else")]
struct Foreign(Entity);

/// Replays a whole journal and proves the result.
///
/// # Errors
///
/// [`Error::Journal`] when it cannot be read, [`Error::Law`] when it leads to wrong books.
pub fn recover<S: Store + ?Sized>(store: &mut S) -> Result<Recovered, Error> {
    let started = Instant::now();
    let head = Head::before(&*store);
    let mut replay = Replay::new(&head);
    let replayed = store.recover(head, &mut |record| replay.take(record))?;
    let startup = replay.finish()?;
    let report = replay.report(&replayed, started.elapsed());
    let Replay { products, accounts, prices, categories, keys, books, mails, .. } = replay;
    let mails = mails.finish();
    let products = products.into_values().filter(|live| live.product.is_some()).collect();
    let head = replayed.head;
    Ok(Recovered { products, accounts, prices, categories, keys, books, startup, mails, head, report })
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
    let head = Head::before(source);
    let mut replay = Replay::new(&head);
    let replayed = persistence::replay(source, head, |record| replay.take(record))?;
    check_end(&replayed)?;
    // What a crash left to be told is no fault: a start would tell it.
    replay.finish().map(drop)?;
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

struct Replay {
    slots: Slots,
    products: HashMap<ProductId, Live>,
    accounts: AccountBook,
    prices: PriceBook,
    categories: CategoryBook,
    keys: Arc<Keys>,
    /// By partition.
    books: Vec<Books>,
    /// Carts whose lines another cart has, and whose end was not read yet.
    absorbed: BTreeMap<CartId, CartId>,
    mails: mails::Replay,
    events: u64,
}

impl Replay {
    fn new(head: &Head) -> Self {
        let partitions = head.partitions().len();
        let count = u16::try_from(partitions).expect("a journal counts its partitions in 16 bits");
        Self {
            // Which thread serves a partition is of no importance here.
            slots: Slots::new(count, 1),
            products: HashMap::new(),
            accounts: AccountBook::default(),
            prices: PriceBook::default(),
            categories: CategoryBook::default(),
            keys: Arc::default(),
            books: vec![Books::default(); partitions],
            absorbed: BTreeMap::new(),
            mails: mails::Replay::default(),
            events: 0,
        }
    }

    fn take(&mut self, record: Record<'_>) -> Result<(), Cause> {
        let epoch = record.header.epoch;
        let stored = StoredTurn::read(record)?;
        if let Some(keyed) = &stored.turn.key {
            self.keys.restore(keyed, stored.position, stored.at);
        }
        match (stored.turn.entity, &stored.turn.events) {
            (Entity::Product(id), Events::Product(events)) => self.apply_product(id, events, &stored)?,
            (Entity::Accounts, Events::Accounts(events)) => self.apply_accounts(events, &stored)?,
            (Entity::Reservations, Events::Reservations(facts)) => self.apply_reservations(facts, &stored),
            (Entity::Order(id), Events::Order(facts)) => self.apply_order(id, facts, &stored),
            (Entity::Cart(id), Events::Cart(events)) => self.apply_cart(id, events, &stored),
            (Entity::PriceRules, Events::PriceRules(events)) => self.apply_prices(events, &stored)?,
            (Entity::Categories, Events::Categories(events)) => self.apply_categories(events, &stored)?,
            (Entity::Mails, Events::Mails(facts)) => {
                self.events += u64::try_from(facts.len()).expect("a length")
            }
            (entity, _) => return Err(Foreign(entity).into()),
        }
        let orders = &self.books[index(stored.position.partition)].orders;
        self.mails.take(epoch, stored.at, &stored.turn, |id| orders.has_address(id));
        Ok(())
    }

    fn apply_product(
        &mut self,
        id: ProductId,
        events: &[product::Event],
        stored: &StoredTurn,
    ) -> Result<(), Gap> {
        let StoredTurn { turn, position, at } = stored;
        let live = self.products.entry(id).or_insert_with(|| Live::new(id, position.partition));
        // The actor of a product that does not exist, or not any more, leaves and takes the chain with it; a
        // request with a key that comes late begins another.
        let is_new_chain = turn.previous == 0 && live.product.is_none();
        if !is_new_chain {
            check_chain(stored, live.last_sequence)?;
        }
        live.last_sequence = position.sequence;
        for event in events {
            product::apply(&mut live.product, event, *at);
            if let product::Event::Purchased { order, .. } = event {
                let bought = turn::bought(live, event, turn.actor.owner(), *at, position.sequence);
                // Not always the product's: orders had ids of any partition once.
                let partition = self.slots.partition(order.0);
                self.books[index(partition)].apply_bought(*order, bought);
            }
            self.events += 1;
        }
        Ok(())
    }

    fn apply_accounts(&mut self, events: &[account::Event], stored: &StoredTurn) -> Result<(), Gap> {
        check_chain(stored, self.accounts.last_sequence)?;
        self.accounts.last_sequence = stored.position.sequence;
        for event in events {
            self.accounts.accounts.apply(event, stored.at);
            self.events += 1;
        }
        Ok(())
    }

    fn apply_prices(&mut self, events: &[price::Event], stored: &StoredTurn) -> Result<(), Gap> {
        check_chain(stored, self.prices.last_sequence)?;
        self.prices.last_sequence = stored.position.sequence;
        for event in events {
            self.prices.list.apply(event, stored.at);
            self.events += 1;
        }
        Ok(())
    }

    fn apply_categories(&mut self, events: &[category::Event], stored: &StoredTurn) -> Result<(), Gap> {
        check_chain(stored, self.categories.last_sequence)?;
        self.categories.last_sequence = stored.position.sequence;
        for event in events {
            self.categories.categories.apply(event, stored.at);
            self.events += 1;
        }
        Ok(())
    }

    fn apply_reservations(
        &mut self,
        facts: &[(ReservationId, reservation::Event)],
        StoredTurn { position, at, .. }: &StoredTurn,
    ) {
        let books = &mut self.books[index(position.partition)];
        for (id, event) in facts {
            books.apply_reservation(*id, event, *at, position.sequence.0);
            self.events += 1;
        }
    }

    fn apply_order(
        &mut self,
        id: OrderId,
        facts: &[OrderFact],
        StoredTurn { position, at, .. }: &StoredTurn,
    ) {
        let books = &mut self.books[index(position.partition)];
        let mark = position.sequence.0;
        for fact in facts {
            match fact {
                OrderFact::Placed(placed) => books.apply_placed(id, placed, *at, mark),
                OrderFact::Changed(event) => drop(books.apply_order(id, event, *at, mark)),
            }
            self.events += 1;
        }
    }

    fn apply_cart(
        &mut self,
        id: CartId,
        events: &[cart::Event],
        StoredTurn { position, at, .. }: &StoredTurn,
    ) {
        for event in events {
            match event {
                cart::Event::Absorbed { from } => drop(self.absorbed.insert(*from, id)),
                cart::Event::Closed { .. } => drop(self.absorbed.remove(&id)),
                _ => {}
            }
            self.books[index(position.partition)].apply_cart(id, event, *at);
            self.events += 1;
        }
    }

    /// Proves the laws, and finds what a crash kept from being said.
    fn finish(&mut self) -> Result<Startup, Error> {
        self.check()?;
        // First the carts: one that was absorbed claims nothing any more.
        let close = self.close_absorbed();
        let products = self.products.iter().filter_map(|(id, live)| Some((*id, live.product.as_ref()?)));
        let tell = saga::mend(products, self.books.iter()).map_err(unmet)?;
        Ok(Startup { tell, close })
    }

    /// Closes every cart that is still open though another has its lines.
    fn close_absorbed(&mut self) -> Vec<(CartId, CartId)> {
        let mut closed = Vec::new();
        for (from, to) in std::mem::take(&mut self.absorbed) {
            let books = &mut self.books[index(self.slots.partition(from.0))];
            let Some(cart) = books.carts.get(from) else { continue };
            let at = cart.updated_at;
            books.apply_cart(from, &cart::Event::Closed { to: Some(to) }, at);
            closed.push((from, to));
        }
        closed
    }

    fn report(&self, replayed: &Replayed, elapsed: Duration) -> Report {
        let reservations = self.books.iter().flat_map(|books| books.reservations.iter());
        Report {
            batches: replayed.batches,
            records: replayed.records,
            events: self.events,
            products: self.products.values().filter(|live| live.product.is_some()).count(),
            reservations: reservations.filter(|(_, it)| it.hold.state == State::Active).count(),
            orders: self.books.iter().map(|books| books.orders.len()).sum(),
            carts: self.books.iter().map(|books| books.carts.len()).sum(),
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
            if self.categories.categories.check_listing(&product.description().category_ids).is_err() {
                let found = String::from("it is listed in a category that does not exist");
                return Err(Error::Law { law: "known categories", whose: name(live.id), found });
            }
            for (_, variant) in product.live_variants() {
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

fn index(partition: Partition) -> usize {
    usize::from(partition.0)
}

/// A record names the one before it of the same product, of the accounts, or of the price rules.
fn check_chain(stored: &StoredTurn, last: Sequence) -> Result<(), Gap> {
    let claimed = stored.turn.previous;
    if claimed == last.0 { Ok(()) } else { Err(Gap { claimed, actual: last.0 }) }
}

fn law(product: ProductId, Violation { law, found }: Violation) -> Error {
    Error::Law { law, whose: name(product), found }
}

fn unmet(Unmet { product, found }: Unmet) -> Error {
    Error::Law { law: "INV-10", whose: name(product), found }
}

fn name(product: ProductId) -> String {
    format!("product {}", uuid::Uuid::from_u128(product.0))
}
