//! A state put together from entries, in any order that files may have.

use std::collections::BTreeMap;

use holdfast_domain::product::{Commitment, Core, Reservation as Hold};
use holdfast_domain::saga::Books;
use holdfast_domain::{Buyer, OrderId, Product, ProductId, ReservationId, Timestamp};
use holdfast_persistence::{Partition, Sequence};

use super::replica::Entries;
use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::context::RequestKey;
use crate::image::{Image, Key, Reader, State, is_implied};
use crate::keys::Keys;
use crate::mails;
use crate::prices::PriceBook;
use crate::slots::Slots;
use crate::turn::Live;

/// See the module.
pub(super) struct Loaded {
    slots: Slots,
    parts: BTreeMap<ProductId, Parts>,
    pub(super) products: BTreeMap<ProductId, Live>,
    pub(super) books: Vec<Books>,
    pub(super) accounts: AccountBook,
    prices: PriceBook,
    pub(super) categories: CategoryBook,
    keys: Keys,
    mails: mails::Recovered,
    times: Vec<Timestamp>,
}

/// What was read of a product.
#[derive(Default)]
struct Parts {
    core: Option<(Core, Sequence)>,
    holds: Vec<(ReservationId, Hold)>,
    commitments: Vec<(OrderId, Commitment)>,
    units: Vec<(Buyer, u64)>,
}

impl Loaded {
    /// From the entries of a state at those times.
    pub(super) fn from(entries: &Entries, times: Vec<Timestamp>) -> Self {
        let partitions = u16::try_from(times.len()).expect("a few");
        let mut loaded = Self {
            slots: Slots::new(partitions, 1),
            parts: BTreeMap::new(),
            products: BTreeMap::new(),
            books: vec![Books::default(); times.len()],
            accounts: AccountBook::default(),
            prices: PriceBook::default(),
            categories: CategoryBook::default(),
            keys: Keys::default(),
            mails: mails::Recovered::default(),
            times,
        };
        let mut reader = Reader::default();
        let is_shared = |key: &Key| matches!(key, Key::Description(_) | Key::Variant(_));
        let (shared, things): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| is_shared(key));
        for (key, value) in shared.into_iter().chain(things) {
            let read = reader.read(key.to_bytes().as_ref(), value).expect("it was just packed");
            assert_eq!(read.0, *key);
            loaded.take(read);
        }
        loaded.finish();
        loaded
    }

    fn take(&mut self, (key, image): (Key, Image)) {
        let place = |id| usize::from(self.slots.partition(id).0);
        match (key, image) {
            (Key::Product(id), Image::Product(core, last)) => self.part(id).core = Some((core, last)),
            (Key::Hold(id, hold), Image::Hold(image)) => self.part(id).holds.push((hold, image)),
            (Key::Commitment(id, order), Image::Commitment(image)) => {
                self.part(id).commitments.push((order, image));
            }
            (Key::Units(id, buyer), Image::Units(units)) => self.part(id).units.push((buyer, units)),
            (Key::Order(id), Image::Order(order)) => self.books[place(id.0)].orders.restore(*order),
            (Key::Order(id), Image::Bought(bought)) => {
                self.books[place(id.0)].orders.restore_bought(id, bought);
            }
            (Key::Reservation(id), Image::Reservation(it)) => {
                self.books[place(id.0)].reservations.restore(id, *it);
            }
            (Key::Cart(id), Image::Cart(cart)) => self.books[place(id.0)].carts.restore(id, cart),
            (Key::Account(_), Image::Account(account)) => self.accounts.accounts.restore(*account),
            (Key::Session(id), Image::Session(it)) => self.accounts.accounts.restore_session(id, it),
            (Key::Accounts, Image::Accounts(last)) => self.accounts.last_sequence = last,
            (Key::PriceRules, Image::PriceRules(list, last_sequence)) => {
                self.prices = PriceBook { list, last_sequence, ..PriceBook::default() };
            }
            (Key::Categories, Image::Categories(categories, last_sequence)) => {
                self.categories = CategoryBook { categories, last_sequence, ..CategoryBook::default() };
            }
            (Key::Request(key), Image::Request { fingerprint, answered, position, at }) => {
                self.keys.restore_kept(RequestKey { key, fingerprint }, answered, position, at);
            }
            (Key::Unsent(about), Image::Unsent(at)) => drop(self.mails.unsent.insert(about, at)),
            (Key::Mails, Image::Mails(begun)) => self.mails.begun = Some(begun),
            (Key::Description(_) | Key::Variant(_), Image::Kept) => {}
            (key, image) => panic!("{key:?} is of something else: {image:?}"),
        }
    }

    fn part(&mut self, id: ProductId) -> &mut Parts {
        self.parts.entry(id).or_default()
    }

    /// All entries were read.
    fn finish(&mut self) {
        for (id, parts) in std::mem::take(&mut self.parts) {
            let (core, last_sequence) = parts.core.expect("parts are of a product that is there");
            let mut product = Product::restored(core);
            parts.holds.into_iter().for_each(|(hold, it)| product.restore_hold(hold, it));
            parts.commitments.into_iter().for_each(|(order, it)| product.restore_commitment(order, it));
            parts.units.into_iter().for_each(|(buyer, units)| product.restore_units(buyer, units));
            let partition = self.slots.partition(id.0);
            let live = Live { product: Some(product), last_sequence, ..Live::new(id, partition) };
            self.products.insert(id, live);
        }
        for ((books, partition), now) in self.books.iter_mut().zip((0..).map(Partition)).zip(&self.times) {
            books.reservations.restored(*now);
            for (id, bought) in books.orders.purchases() {
                let live = self.products.get_mut(&bought.item.product).expect("what was bought exists");
                let product = live.product.as_mut().expect("it was just put together");
                assert_eq!(self.slots.partition(id.0), partition);
                if is_implied(&self.slots, bought.item.product, id) {
                    product.restore_commitment(id, bought.commitment());
                }
            }
        }
        self.keys.restored(Timestamp::default());
    }

    pub(super) fn state(&self) -> State<'_> {
        State {
            products: self.products.values().collect(),
            books: &self.books,
            accounts: &self.accounts,
            prices: &self.prices,
            categories: &self.categories,
            keys: &self.keys,
            mails: &self.mails,
            times: self.times.clone(),
        }
    }

    /// Everything that can be compared without packing it.
    pub(super) fn assert_is(&self, state: &State<'_>) {
        let product = |live: &Live| (live.id, live.product.clone(), live.last_sequence);
        let found: Vec<_> = self.products.values().map(product).collect();
        let mut wanted: Vec<_> = state.products.iter().map(|live| product(live)).collect();
        wanted.retain(|(_, product, _)| product.is_some());
        wanted.sort_by_key(|(id, ..)| *id);
        assert_eq!(found, wanted);
        let mut books = state.books.to_vec();
        books.iter_mut().zip(&self.times).for_each(|(books, now)| books.reservations.restored(*now));
        assert_eq!(self.books, books);
        assert_eq!(self.accounts.accounts, state.accounts.accounts);
        assert_eq!(self.accounts.last_sequence, state.accounts.last_sequence);
        assert_eq!(self.prices.list, state.prices.list);
        assert_eq!(self.prices.last_sequence, state.prices.last_sequence);
        assert_eq!(self.categories.categories, state.categories.categories);
        assert_eq!(self.categories.last_sequence, state.categories.last_sequence);
        assert_eq!(self.mails, *state.mails);
    }
}
