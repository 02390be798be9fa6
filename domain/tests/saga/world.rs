//! A world of products and of those who own what they hold. Each step (a product's turn, an owner's record) may be the
//! last before a crash, be taken twice, or come after a rival who buys all that is free.
//!
//! Everything is one journal, in order; a crash keeps a head of it, and that is what the world is after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::order::{self, Bought, Claim, Placed, Status};
use holdfast_domain::product::{
    self, Command, Line, NewProduct, Product, Refusal, VariantNo, apply, decide_create, invariant,
};
use holdfast_domain::saga::{self, Books};
use holdfast_domain::{
    Buyer, CartId, Item, Order, OrderId, Owner, ProductId, ReservationId, Timestamp, cart, reservation,
};

use super::goods::{RIVAL, bought, units};

pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000);

/// How many orders a list is asked for: all.
const ALL: usize = usize::MAX;

/// The process is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crash;

/// What comes of something that a crash may cut short.
pub(crate) type Run<T> = Result<T, Crash>;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Product(ProductId, product::Event),
    Reservation(ReservationId, reservation::Event),
    Cart(CartId, cart::Event),
    Placed(OrderId, Arc<Placed>),
    Bought(OrderId, Bought),
    Order(OrderId, order::Event),
}

/// What goes wrong while something is done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Trouble {
    /// A crash, after so many steps.
    pub(crate) crash_after: Option<usize>,
    /// From that step on a rival comes before each, and buys all that is free.
    pub(crate) rival_from: Option<usize>,
    /// Each product is told everything twice.
    pub(crate) is_repeating: bool,
    /// What follows from a fact is told to the last product first.
    pub(crate) is_reversed: bool,
}

pub(crate) struct World {
    pub(crate) products: BTreeMap<ProductId, Product>,
    /// Two partitions: guests in the first, customers in the second.
    pub(crate) books: [Books; 2],
    pub(crate) now: Timestamp,
    pub(crate) trouble: Trouble,
    /// Since the trouble began.
    pub(crate) steps: usize,
    journal: Vec<(Timestamp, usize, Fact)>,
    ids: u128,
}

impl World {
    /// A world with one product for each of `stocks`, with that many units of each variant; the first is number 1.
    pub(crate) fn new(stocks: &[u32]) -> Self {
        let (products, books) = (BTreeMap::new(), [Books::default(), Books::default()]);
        let trouble = Trouble::default();
        let mut world =
            Self { products, books, now: START, trouble, steps: 0, journal: Vec::new(), ids: 1000 };
        for (id, stock) in (1..).map(ProductId).zip(stocks) {
            world.create(id, &super::goods::product(*stock));
        }
        world
    }

    fn create(&mut self, id: ProductId, new: &NewProduct) {
        for event in decide_create(new).expect("well formed") {
            self.keep(0, Fact::Product(id, event));
        }
    }

    /// An identity that nobody has.
    pub(crate) fn id(&mut self) -> u128 {
        self.ids += 1;
        self.ids
    }

    /// Which books are an owner's.
    pub(crate) fn home(owner: Owner) -> usize {
        usize::from(owner.account().is_some())
    }

    pub(crate) fn home_books(&self, owner: Owner) -> &Books {
        &self.books[Self::home(owner)]
    }

    /// Begins something in which all that may go wrong.
    pub(crate) fn begin(&mut self, trouble: Trouble) {
        (self.trouble, self.steps) = (trouble, 0);
    }

    /// Tells a product, and hears what it says.
    pub(crate) fn tell(&mut self, product: ProductId, command: &Command) -> Run<Result<(), Refusal>> {
        self.step()?;
        let answer = self.turn(product, command);
        if self.trouble.is_repeating {
            let again = self.turn(product, command);
            assert_eq!(again, answer, "the same again is the same answer: {command:?}");
        }
        Ok(answer)
    }

    /// Writes down what happened to an owner: one record, whole or not at all.
    pub(crate) fn record(&mut self, owner: Owner, facts: impl IntoIterator<Item = Fact>) -> Run<()> {
        self.step()?;
        for fact in facts {
            self.keep(Self::home(owner), fact);
        }
        Ok(())
    }

    /// Tells products what follows from an owner's fact: that is never refused.
    pub(crate) fn settle(&mut self, mut duties: Vec<(ProductId, Command)>) -> Run<()> {
        if self.trouble.is_reversed {
            duties.reverse();
        }
        for (product, command) in duties {
            let answer = self.tell(product, &command)?;
            assert_eq!(answer, Ok(()), "INV-10: an owner's units are with its products: {command:?}");
        }
        Ok(())
    }

    fn step(&mut self) -> Run<()> {
        if self.trouble.rival_from.is_some_and(|from| from <= self.steps) {
            self.snatch();
        }
        if self.trouble.crash_after == Some(self.steps) {
            return Err(Crash);
        }
        self.steps += 1;
        Ok(())
    }

    /// One turn of a product, with its laws checked after it; asked only, it changes nothing.
    pub(crate) fn turn(&mut self, id: ProductId, command: &Command) -> Result<(), Refusal> {
        let Some(product) = self.products.get(&id) else { return Err(Refusal::UnknownProduct) };
        let events = product.decide(command)?;
        assert!(events.is_empty() || !matches!(command, Command::Check(_)), "a check changes nothing");
        for event in events {
            self.keep(0, Fact::Product(id, event));
        }
        if let Some(product) = self.products.get(&id) {
            assert_eq!(invariant::check(product), Ok(()), "after {command:?}");
        }
        Ok(())
    }

    /// A purchase: one fact for product and order.
    pub(crate) fn purchase(&mut self, owner: Owner, item: Item) -> Result<OrderId, Refusal> {
        let order = OrderId(self.id());
        let command = Command::Purchase { order, buyer: owner.buyer(), line: item.line() };
        self.turn(item.product, &command)?;
        self.keep(Self::home(owner), Fact::Bought(order, bought(owner, item, self.now)));
        Ok(order)
    }

    /// The rival buys all that is free.
    fn snatch(&mut self) {
        let free = |(id, product): (&ProductId, &Product)| {
            let items = product.variants().iter().enumerate().filter_map(|(index, variant)| {
                let quantity = holdfast_domain::Quantity::new(variant.levels.available.0)?;
                Some(Item { product: *id, variant: VariantNo::from_index(index), quantity })
            });
            items.collect::<Vec<_>>()
        };
        let free: Vec<_> = self.products.iter().flat_map(free).collect();
        for item in free {
            // What is not sold, or not to one customer, stays.
            drop(self.purchase(RIVAL, item));
        }
    }

    fn keep(&mut self, home: usize, fact: Fact) {
        carry(&mut self.products, &mut self.books, home, &fact, self.now);
        self.journal.push((self.now, home, fact));
    }

    /// Starts again after a crash: tells products what owners claim.
    pub(crate) fn recover(&mut self) {
        self.restart();
        let told = self.mend().expect("every claim can be met");
        for (product, commands) in told {
            for command in commands {
                let known = self.journal.len();
                let answer = self.turn(product, &command);
                assert_eq!(answer, Ok(()), "what mends is never refused: {command:?}");
                assert!(self.journal.len() > known, "nothing is told that is so already: {command:?}");
            }
        }
        assert_eq!(self.mend(), Ok(BTreeMap::new()), "mended once, there is nothing to mend");
        self.check();
    }

    pub(crate) fn mend(&self) -> Result<BTreeMap<ProductId, Vec<Command>>, saga::Unmet> {
        saga::mend(self.products.iter().map(|(id, product)| (*id, product)), self.books.iter())
    }

    /// The journal is read: a cart that another absorbed, and that is still open, is closed.
    pub(crate) fn restart(&mut self) {
        self.trouble = Trouble::default();
        let absorbed = self.journal.iter().filter_map(|(_, _, fact)| match fact {
            Fact::Cart(to, cart::Event::Absorbed { from }) => Some((*from, *to)),
            _ => None,
        });
        for (from, to) in absorbed.collect::<Vec<_>>() {
            let is_open = |home: &usize| self.books[*home].carts.get(from).is_some();
            if let Some(home) = [0, 1].into_iter().find(is_open) {
                self.keep(home, Fact::Cart(from, cart::Event::Closed { to: Some(to) }));
            }
        }
    }

    /// Everything that must hold when nobody is in the middle of something.
    pub(crate) fn check(&self) {
        for (id, product) in &self.products {
            assert_eq!(invariant::check(product), Ok(()), "{id:?}");
        }
        assert_eq!(self.held(), self.claimed(), "held is exactly what owners claim");
        assert_eq!(self.committed(), self.sold(Claim::Committed), "committed is exactly what is sold");
        assert_eq!(self.mend(), Ok(BTreeMap::new()), "there is nothing to mend");
        self.check_shipped();
    }

    /// Nothing was sold twice: what left the house is what shipped orders had.
    fn check_shipped(&self) {
        let mut shipped: BTreeMap<(ProductId, VariantNo), u64> = BTreeMap::new();
        for order in self.orders().filter(|order| order.standing.status == Status::Fulfilled) {
            for item in order.items() {
                *shipped.entry((item.product, item.variant)).or_default() += u64::from(item.quantity.get());
            }
        }
        for (id, product) in &self.products {
            for (index, variant) in product.variants().iter().enumerate() {
                let of = shipped.get(&(*id, VariantNo::from_index(index))).copied().unwrap_or(0);
                assert_eq!(variant.totals.fulfilled, of, "{id:?} {index}");
            }
        }
    }

    /// INV-7: the journal alone gives the state in memory.
    pub(crate) fn check_replay(&self) {
        let (mut products, mut books) = (BTreeMap::new(), [Books::default(), Books::default()]);
        for (at, home, fact) in &self.journal {
            carry(&mut products, &mut books, *home, fact, *at);
        }
        assert_eq!(products, self.products, "INV-7: replay gives the state in memory");
        assert_eq!(books, self.books, "INV-7: replay gives the state in memory");
    }

    pub(crate) fn orders(&self) -> impl Iterator<Item = Order> {
        let orders = |books: &Books| {
            let ids = books.orders.ids_before(None, None, OrderId(u128::MAX), ALL);
            ids.into_iter().map(|id| books.orders.get(id).expect("listed")).collect::<Vec<_>>()
        };
        self.books.iter().flat_map(orders).collect::<Vec<_>>().into_iter()
    }

    fn held(&self) -> BTreeMap<(ProductId, ReservationId), (Buyer, BTreeMap<VariantNo, u64>)> {
        let of = |(id, product): (&ProductId, &Product)| {
            let held = product.reservations().iter();
            held.map(|(name, hold)| ((*id, *name), (hold.buyer, units(&hold.lines)))).collect::<Vec<_>>()
        };
        self.products.iter().flat_map(of).collect()
    }

    fn committed(&self) -> BTreeMap<(ProductId, OrderId), BTreeMap<VariantNo, u64>> {
        let of = |(id, product): (&ProductId, &Product)| {
            let sold = product.commitments().iter();
            sold.map(|(order, sold)| ((*id, *order), units(&sold.lines))).collect::<Vec<_>>()
        };
        self.products.iter().flat_map(of).collect()
    }

    fn claimed(&self) -> BTreeMap<(ProductId, ReservationId), (Buyer, BTreeMap<VariantNo, u64>)> {
        let mut claims = Vec::new();
        for books in &self.books {
            for (name, it) in books.reservations.iter() {
                if it.hold.next_deadline().is_some() {
                    claims.extend(it.items.iter().map(|item| (name, it.owner, *item)));
                }
            }
            for (_, cart) in books.carts.iter() {
                for line in cart.lines.iter().filter(|line| line.is_held()) {
                    claims.push((cart.hold.expect("held under a name"), cart.owner, line.item));
                }
            }
        }
        for order in self.orders() {
            if let Claim::Held(name) = order.claim() {
                claims.extend(order.items().map(|item| (name, order.placed.owner, *item)));
            }
        }
        let mut found = BTreeMap::new();
        for (name, owner, item) in claims {
            let (buyer, claimed) =
                found.entry((item.product, name)).or_insert_with(|| (owner.buyer(), BTreeMap::new()));
            assert_eq!(*buyer, owner.buyer(), "a name is one owner's");
            *claimed.entry(item.variant).or_default() += u64::from(item.quantity.get());
        }
        found
    }

    fn sold(&self, claim: Claim) -> BTreeMap<(ProductId, OrderId), BTreeMap<VariantNo, u64>> {
        let mut found: BTreeMap<(ProductId, OrderId), Vec<Line>> = BTreeMap::new();
        for order in self.orders().filter(|order| order.claim() == claim) {
            for item in order.items() {
                found.entry((item.product, order.id)).or_default().push(item.line());
            }
        }
        found.into_iter().map(|(key, lines)| (key, units(&lines))).collect()
    }
}

fn carry(
    products: &mut BTreeMap<ProductId, Product>,
    books: &mut [Books; 2],
    home: usize,
    fact: &Fact,
    at: Timestamp,
) {
    let books = &mut books[home];
    match fact {
        Fact::Product(id, event) => {
            let mut slot = products.remove(id);
            apply(&mut slot, event, at);
            products.extend(slot.map(|product| (*id, product)));
        }
        Fact::Reservation(id, event) => books.apply_reservation(*id, event, at, 0),
        Fact::Cart(id, event) => books.apply_cart(*id, event, at),
        Fact::Placed(id, placed) => books.apply_placed(*id, placed, at, 0),
        Fact::Bought(id, bought) => books.apply_bought(*id, bought.clone()),
        Fact::Order(id, event) => drop(books.apply_order(*id, event, at, 0)),
    }
}
