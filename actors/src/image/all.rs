//! A whole state at once.

#[cfg(test)]
use std::collections::BTreeMap;

use holdfast_domain::account::Accounts;
use holdfast_domain::hold;
use holdfast_domain::idempotency::KEY_KEPT;
use holdfast_domain::reservation::CLOSED_KEPT;
use holdfast_domain::saga::Books;
use holdfast_domain::{Timestamp, reservation};

use super::pack::{Packer, explicit_commitment};
use super::{Key, Sink};
use crate::accounts::AccountBook;
use crate::categories::{CATEGORIES_PARTITION, CategoryBook};
use crate::keys::Keys;
use crate::mails::{self, MAILS_PARTITION};
use crate::prices::PriceBook;
use crate::recovery::Recovered;
use crate::slots::{ACCOUNTS_PARTITION, PRICES_PARTITION, Slots};
use crate::turn::Live;

/// All that a journal leads to.
pub(crate) struct State<'s> {
    /// Those that exist.
    pub(crate) products: Vec<&'s Live>,
    /// By partition.
    pub(crate) books: &'s [Books],
    pub(crate) accounts: &'s AccountBook,
    pub(crate) prices: &'s PriceBook,
    pub(crate) categories: &'s CategoryBook,
    pub(crate) keys: &'s Keys,
    pub(crate) mails: &'s mails::Recovered,
    /// By partition: when the newest record was.
    pub(crate) times: Vec<Timestamp>,
}

impl<'s> From<&'s Recovered> for State<'s> {
    fn from(recovered: &'s Recovered) -> Self {
        let Recovered { products, books, accounts, prices, categories, keys, mails, head, .. } = recovered;
        let times = head.partitions().iter().map(|it| Timestamp(it.time_ms)).collect();
        let products = products.iter().collect();
        Self { products, books, accounts, prices, categories, keys, mails, times }
    }
}

/// Packs a whole state into the packers of its partitions, in the order of their numbers.
///
/// What is forgotten only when something else happens, and is due to be, is left out; so two states of the same records are
/// the same here, whatever way they came about. Carts that recovery has just closed, as another one has their lines, are gone:
/// a checkpoint of that is none of the journal's, which does not say so before the start.
///
/// # Panics
///
/// Unless there is a packer for each partition.
pub(crate) fn pack_into<S: Sink>(state: &State<'_>, packers: &mut [Packer<S>]) {
    let State { products, books, times, keys, .. } = state;
    assert_eq!(packers.len(), books.len(), "each partition has its packer");
    for live in products {
        let place = usize::from(live.partition.0);
        pack_product(live, &books[place], &mut packers[place]);
    }
    for ((books, packer), now) in books.iter().zip(&mut *packers).zip(times) {
        pack_books(books, *now, packer);
    }
    pack_singles(state, packers);
    let latest = times.iter().copied().max().unwrap_or_default();
    keys.each(|request, kept, at| {
        if latest.since(at) < KEY_KEPT {
            packers[usize::from(kept.position.partition.0)].request(request, kept, at);
        }
    });
}

/// Tells `note` of every key that an entry of a product has. `books` are those of its partition.
pub(crate) fn each_of_product(live: &Live, books: &Books, mut note: impl FnMut(Key)) {
    let Some(product) = &live.product else { return };
    note(Key::Product(live.id));
    product.reservations().keys().for_each(|id| note(Key::Hold(live.id, *id)));
    let commitments = product.commitments().keys();
    let explicit = commitments.filter(|id| explicit_commitment(product, **id, &books.orders).is_some());
    explicit.for_each(|id| note(Key::Commitment(live.id, *id)));
    product.counted().keys().for_each(|buyer| note(Key::Units(live.id, *buyer)));
}

/// The same of orders, reservations and carts.
pub(crate) fn each_of_books(books: &Books, mut note: impl FnMut(Key)) {
    books.orders.purchases().for_each(|(id, _)| note(Key::Order(id)));
    books.orders.placed().for_each(|order| note(Key::Order(order.id)));
    books.reservations.iter().for_each(|(id, _)| note(Key::Reservation(id)));
    books.carts.iter().for_each(|(id, _)| note(Key::Cart(id)));
}

/// The same of accounts and sessions.
pub(crate) fn each_of_accounts(accounts: &Accounts, mut note: impl FnMut(Key)) {
    accounts.iter().for_each(|account| note(Key::Account(account.id)));
    accounts.sessions().iter().for_each(|(id, _)| note(Key::Session(id)));
}

/// All entries of a state: two states are the same when these are.
#[cfg(test)]
pub(crate) fn pack_all(state: &State<'_>) -> BTreeMap<Key, Box<[u8]>> {
    let mut packers: Vec<_> = state.books.iter().map(|_| Packer::into(BTreeMap::new())).collect();
    pack_into(state, &mut packers);
    packers.into_iter().flat_map(Packer::into_sink).collect()
}

#[cfg(test)]
impl Sink for BTreeMap<Key, Box<[u8]>> {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        match value {
            Some(value) => self.insert(key, value.into()),
            None => self.remove(&key),
        };
    }
}

fn pack_product<S: Sink>(live: &Live, books: &Books, packer: &mut Packer<S>) {
    let Some(product) = &live.product else { return };
    packer.product(live.id, product, live.last_sequence);
    for (id, hold) in product.reservations() {
        packer.hold(live.id, *id, hold);
    }
    for id in product.commitments().keys() {
        if let Some(commitment) = explicit_commitment(product, *id, &books.orders) {
            packer.commitment(live.id, *id, commitment);
        }
    }
    for (buyer, units) in product.counted() {
        packer.units(live.id, *buyer, *units);
    }
}

fn pack_books<S: Sink>(books: &Books, now: Timestamp, packer: &mut Packer<S>) {
    for (id, bought) in books.orders.purchases() {
        packer.bought(id, bought);
    }
    for order in books.orders.placed() {
        packer.order(order);
    }
    let is_forgotten = |reservation: &reservation::Reservation| {
        reservation.hold.state != hold::State::Active && now.since(reservation.updated_at) >= CLOSED_KEPT
    };
    for (id, reservation) in books.reservations.iter().filter(|(_, it)| !is_forgotten(it)) {
        packer.reservation(id, reservation);
    }
    for (id, cart) in books.carts.iter() {
        packer.cart(id, cart);
    }
}

/// What there is only once, and mails.
fn pack_singles<S: Sink>(state: &State<'_>, packers: &mut [Packer<S>]) {
    let count = u16::try_from(packers.len()).expect("a journal counts its partitions in 16 bits");
    let slots = Slots::new(count, 1);
    let State { accounts, prices, categories, mails, .. } = state;
    let packer = &mut packers[usize::from(ACCOUNTS_PARTITION.0)];
    packer.accounts(accounts.last_sequence);
    accounts.accounts.iter().for_each(|account| packer.account(account));
    accounts.accounts.sessions().iter().for_each(|(id, family)| packer.session(id, family));
    packers[usize::from(PRICES_PARTITION.0)].price_rules(&prices.list, prices.last_sequence);
    let packer = &mut packers[usize::from(CATEGORIES_PARTITION.0)];
    packer.categories(&categories.categories, categories.last_sequence);
    if let Some(begun) = mails.begun {
        packers[usize::from(MAILS_PARTITION.0)].mails(begun);
    }
    for (about, at) in &mails.unsent {
        packers[usize::from(about.partition(&slots).0)].unsent(*about, *at);
    }
}
