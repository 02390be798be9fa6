//! From the things to their entries. Takes references and clones no state; what is written is as the thing is in that moment.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::mem;
use std::sync::Arc;

use holdfast_domain::account::session::{Family, FamilyId};
use holdfast_domain::account::{Account, Accounts};
use holdfast_domain::cart::Cart;
use holdfast_domain::order::{Bought, Orders};
use holdfast_domain::price::PriceList;
use holdfast_domain::product::{
    Commitment, Description, Product, Reservation as Hold, VariantDescription, VariantNo,
};
use holdfast_domain::reservation::Reservation;
use holdfast_domain::saga::Books;
use holdfast_domain::{Buyer, CartId, Categories, Order, OrderId, ProductId, ReservationId, Timestamp};
use holdfast_persistence::{Block, Epoch, Partition, Sequence};
use serde::Serialize;

use super::key::KeyHasher;
use super::stored::{
    StoredAbsorbed, StoredBought, StoredCart, StoredCore, StoredFamily, StoredHistory, StoredOrder,
    StoredPerson, StoredRequest, StoredReservation, StoredRules, StoredShare, StoredSold, StoredTree,
};
use super::{Blocks, IMAGE_VERSION, Key, Sink};
use crate::context::RequestKey;
use crate::keys::Kept;
use crate::mails::About;
use crate::record::category::StoredCategory;
use crate::record::outcome::StoredOutcome;
use crate::record::price::StoredRule;
use crate::record::values::StoredDescription;

/// How many variants a packer remembers by address. Beyond that it starts anew, and finds their names once more.
const SOLD_COUNT_MAX: usize = 4 * 1024;

/// How many names of what it packed a packer remembers: 2 MB at the most. Beyond that it packs some twice, which does no harm,
/// as the name says what is in them.
const NAMES_COUNT_MAX: usize = 64 * 1024;

/// Packs the entries of one partition, for one file of a chain. The order in which they come out is to be kept: purchases refer
/// to what was packed before them.
#[derive(Debug)]
pub(crate) struct Packer<S = Blocks> {
    sink: S,
    /// Of the value that is packed, so that its memory is used again.
    scratch: Vec<u8>,
    sold: HashMap<Address, Sold, BuildHasherDefault<KeyHasher>>,
    names: HashSet<u128, BuildHasherDefault<KeyHasher>>,
}

/// Where a purchase has its descriptions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Address {
    product: ProductId,
    variant: VariantNo,
    description: usize,
    shape: usize,
}

/// What was found at an [`Address`]; held, so that nothing else comes to be there.
#[derive(Debug)]
struct Sold {
    name: u128,
    _description: Arc<Description>,
    _shape: Arc<VariantDescription>,
}

impl Packer {
    /// Packs into blocks.
    pub(crate) fn new(partition: Partition) -> Self {
        Self::into(Blocks::new(partition))
    }

    /// Takes out the blocks that are full.
    pub(crate) fn take_full(&mut self) -> Vec<Block> {
        mem::take(&mut self.sink.full)
    }

    /// Takes out what is left.
    pub(crate) fn finish(self) -> Vec<Block> {
        let Blocks { mut full, open, .. } = self.sink;
        full.extend(Some(open).filter(|block| !block.is_empty()));
        full
    }

    /// The bytes that wait to be taken out.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.sink.full.iter().map(Block::bytes).sum::<usize>() + self.sink.open.bytes()
    }
}

impl<S> Packer<S> {
    /// What everything went into.
    pub(crate) fn into_sink(self) -> S {
        self.sink
    }
}

impl<S: Sink> Packer<S> {
    /// Packs into `sink`.
    pub(crate) fn into(sink: S) -> Self {
        let (scratch, sold, names) = (Vec::new(), HashMap::default(), HashSet::default());
        Self { sink, scratch, sold, names }
    }

    /// A product without those who have units of it.
    pub(crate) fn product(&mut self, id: ProductId, product: &Product, last_sequence: Sequence) {
        self.put(Key::Product(id), &StoredCore::from_domain(product, last_sequence));
    }

    /// Units that a product holds.
    pub(crate) fn hold(&mut self, product: ProductId, id: ReservationId, hold: &Hold) {
        self.put(Key::Hold(product, id), &StoredShare::from_domain(hold.buyer, &hold.lines));
    }

    /// Units that a product has committed to an order. Not for what is implied by a purchase: see [`super::is_implied`].
    pub(crate) fn commitment(&mut self, product: ProductId, id: OrderId, commitment: &Commitment) {
        let stored = StoredShare::from_domain(commitment.buyer, &commitment.lines);
        self.put(Key::Commitment(product, id), &stored);
    }

    /// What a buyer is counted for.
    pub(crate) fn units(&mut self, product: ProductId, buyer: Buyer, units: u64) {
        self.put(Key::Units(product, buyer), &units);
    }

    /// An order.
    pub(crate) fn order(&mut self, order: &Order) {
        self.put(Key::Order(order.id), &StoredOrder::Placed(StoredHistory::from_domain(order)));
    }

    /// A purchase that nothing happened to since; before it, what it says of its product, unless that was packed before.
    pub(crate) fn bought(&mut self, id: OrderId, bought: &Bought) {
        let sold = self.sold(bought);
        self.put(Key::Order(id), &StoredOrder::Bought(StoredBought::from_domain(bought, sold)));
    }

    /// A reservation.
    pub(crate) fn reservation(&mut self, id: ReservationId, reservation: &Reservation) {
        self.put(Key::Reservation(id), &StoredReservation::from_domain(reservation));
    }

    /// A cart.
    pub(crate) fn cart(&mut self, id: CartId, cart: &Cart) {
        self.put(Key::Cart(id), &StoredCart::from_domain(cart));
    }

    /// An account.
    pub(crate) fn account(&mut self, account: &Account) {
        self.put(Key::Account(account.id), &StoredPerson::from_domain(account));
    }

    /// A session.
    pub(crate) fn session(&mut self, id: FamilyId, family: &Family) {
        self.put(Key::Session(id), &StoredFamily::from_domain(family));
    }

    /// The chain of the accounts' records.
    pub(crate) fn accounts(&mut self, last_sequence: Sequence) {
        self.put(Key::Accounts, &last_sequence.0);
    }

    /// All price rules.
    pub(crate) fn price_rules(&mut self, list: &PriceList, last_sequence: Sequence) {
        let rules = list.iter().map(|rule| StoredRule::from_domain(rule)).collect();
        self.put(Key::PriceRules, &StoredRules { rules, last_sequence: last_sequence.0 });
    }

    /// All categories.
    pub(crate) fn categories(&mut self, categories: &Categories, last_sequence: Sequence) {
        let categories = categories.iter().map(StoredCategory::from_domain).collect();
        self.put(Key::Categories, &StoredTree { categories, last_sequence: last_sequence.0 });
    }

    /// The outcome of a request with a key.
    pub(crate) fn request(&mut self, request: RequestKey, kept: &Kept, at: Timestamp) {
        let stored = StoredRequest {
            fingerprint: request.fingerprint.0.to_be_bytes(),
            answered: StoredOutcome::from_domain(&kept.answered),
            partition: kept.position.partition.0,
            sequence: kept.position.sequence.0,
            at: at.0,
        };
        self.put(Key::Request(request.key), &stored);
    }

    /// A mail that is due.
    pub(crate) fn unsent(&mut self, about: About, at: Timestamp) {
        self.put(Key::Unsent(about), &at.0);
    }

    /// From where on mails are due.
    pub(crate) fn mails(&mut self, begun: Epoch) {
        self.put(Key::Mails, &begun.0);
    }

    /// A cart whose lines another one has since then.
    pub(crate) fn absorbed(&mut self, from: CartId, to: CartId, at: Timestamp) {
        self.put(Key::Absorbed(from), &StoredAbsorbed { to: to.0.to_be_bytes(), at: at.0 });
    }

    /// Something that is not there any more, or not yet.
    pub(crate) fn gone(&mut self, key: Key) {
        self.sink.push(key, None);
    }

    /// The entry of a key of that product ([`Key::Product`], [`Key::Hold`], [`Key::Commitment`], [`Key::Units`]) as it is now,
    /// or that it is gone. `orders` are those of the product's partition.
    ///
    /// # Panics
    ///
    /// For another key.
    pub(crate) fn of_product(&mut self, key: Key, product: Option<(&Product, Sequence)>, orders: &Orders) {
        let packed = product.and_then(|(product, last_sequence)| match key {
            Key::Product(id) => {
                self.product(id, product, last_sequence);
                Some(())
            }
            Key::Hold(id, hold) => product.reservation(hold).map(|it| self.hold(id, hold, it)),
            Key::Commitment(id, order) => {
                let explicit = explicit_commitment(product, order, orders);
                explicit.map(|commitment| self.commitment(id, order, commitment))
            }
            Key::Units(id, buyer) => product.counted().get(&buyer).map(|units| self.units(id, buyer, *units)),
            _ => unreachable!("{key:?} is not of a product"),
        });
        packed.unwrap_or_else(|| self.gone(key));
    }

    /// The same of [`Key::Order`], [`Key::Reservation`] and [`Key::Cart`].
    ///
    /// # Panics
    ///
    /// For another key.
    pub(crate) fn of_books(&mut self, key: Key, books: &Books) {
        let packed = match key {
            Key::Order(id) => match books.orders.order(id) {
                Some(order) => {
                    self.order(order);
                    Some(())
                }
                None => books.orders.bought(id).map(|bought| self.bought(id, bought)),
            },
            Key::Reservation(id) => books.reservations.get(id).map(|it| self.reservation(id, it)),
            Key::Cart(id) => books.carts.get(id).map(|cart| self.cart(id, cart)),
            _ => unreachable!("{key:?} is not of those who own units"),
        };
        packed.unwrap_or_else(|| self.gone(key));
    }

    /// The same of [`Key::Account`], [`Key::Session`] and [`Key::Accounts`].
    ///
    /// # Panics
    ///
    /// For another key.
    pub(crate) fn of_accounts(&mut self, key: Key, accounts: &Accounts, last_sequence: Sequence) {
        let packed = match key {
            Key::Account(id) => accounts.by_id(id).map(|account| self.account(account)),
            Key::Session(id) => accounts.sessions().get(id).map(|family| self.session(id, family)),
            Key::Accounts => {
                self.accounts(last_sequence);
                Some(())
            }
            _ => unreachable!("{key:?} is not of the accounts"),
        };
        packed.unwrap_or_else(|| self.gone(key));
    }

    /// The name of what a purchase says of its product, which is packed if it was not before.
    fn sold(&mut self, bought: &Bought) -> u128 {
        let Bought { item, description, variant, .. } = bought;
        let address = Address {
            product: item.product,
            variant: item.variant,
            description: Arc::as_ptr(description).addr(),
            shape: Arc::as_ptr(variant).addr(),
        };
        if let Some(sold) = self.sold.get(&address) {
            return sold.name;
        }
        let of = self.put_named(Key::Description, &StoredDescription::from_domain(description));
        let name = self.put_named(Key::Variant, &StoredSold::from_domain(item, of, variant));
        if self.sold.len() >= SOLD_COUNT_MAX {
            self.sold.clear();
        }
        let (_description, _shape) = (Arc::clone(description), Arc::clone(variant));
        self.sold.insert(address, Sold { name, _description, _shape });
        name
    }

    /// Packs what is named after its content, unless it was packed before.
    fn put_named(&mut self, key: impl Fn(u128) -> Key, stored: &impl Serialize) -> u128 {
        let bytes = encoded(stored, mem::take(&mut self.scratch));
        let name = name_of(&bytes);
        if self.names.len() >= NAMES_COUNT_MAX {
            self.names.clear();
        }
        if self.names.insert(name) {
            self.sink.push(key(name), Some(&bytes));
        }
        self.scratch = bytes;
        name
    }

    fn put(&mut self, key: Key, stored: &impl Serialize) {
        let bytes = encoded(stored, mem::take(&mut self.scratch));
        self.sink.push(key, Some(&bytes));
        self.scratch = bytes;
    }
}

/// What a product has committed to an order, unless it follows from a purchase in its partition.
pub(super) fn explicit_commitment<'p>(
    product: &'p Product,
    order: OrderId,
    orders: &Orders,
) -> Option<&'p Commitment> {
    let commitment = product.commitment(order)?;
    let is_implied = orders.bought(order).is_some_and(|bought| bought.implies(commitment));
    (!is_implied).then_some(commitment)
}

/// The value of an entry, in place of what is in `buffer`.
fn encoded(stored: &impl Serialize, mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.push(IMAGE_VERSION);
    postcard::to_extend(stored, buffer).expect("every stored type has a fixed schema")
}

/// As many bits as no two contents ever share.
fn name_of(bytes: &[u8]) -> u128 {
    let hash = blake3::hash(bytes);
    let (head, _) = hash.as_bytes().split_first_chunk().expect("a hash is longer than half of it");
    u128::from_be_bytes(*head)
}
