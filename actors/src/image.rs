//! The state of each thing as bytes: what checkpoints are made of.
//!
//! An entry's key says what it is of ([`Key`]), its value is `version: u8 | postcard(…)`. As in [`crate::record`], the types are the
//! stored schema, and the golden bytes of every version stay in `actors/tests/golden/`.
//!
//! A product is several entries, so that a hot one with a million unshipped orders is no large value: its core, and one for each hold, for
//! each commitment and for each buyer who is counted. The commitment of a purchase to which nothing happened since ([`Bought`]) has no entry:
//! it follows from the order's. Purchases share descriptions, so these are entries of their own, named after what is in them, which
//! come before what refers to them in each file.

pub(crate) mod all;
pub(crate) mod key;
pub(crate) mod pack;
pub(crate) mod read;
mod stored;
pub(crate) mod touch;

#[cfg(test)]
mod tests;

use std::mem;

use holdfast_domain::account::session::FamilyId;
use holdfast_domain::{AccountId, Buyer, CartId, OrderId, ProductId, ReservationId, idempotency};
use holdfast_persistence::{Block, Partition};

use crate::mails::About;
use crate::record;
use crate::slots::Slots;

#[cfg(test)]
pub(crate) use all::{State, pack_all};
pub(crate) use all::{each_of_accounts, each_of_books, each_of_product, pack_into};
pub(crate) use key::{KeyHasher, KeyMap, KeySet};
pub(crate) use pack::Packer;
pub(crate) use read::{Image, Reader};

/// What an entry is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Key {
    /// A product: descriptions, figures, versions.
    Product(ProductId),
    /// Units that it holds.
    Hold(ProductId, ReservationId),
    /// Units of it that are committed to an order, unless the order is a purchase to which nothing happened since.
    Commitment(ProductId, OrderId),
    /// What a buyer is counted for, while there is a limit.
    Units(ProductId, Buyer),
    /// An order, or a purchase.
    Order(OrderId),
    /// A reservation.
    Reservation(ReservationId),
    /// A cart.
    Cart(CartId),
    /// An account.
    Account(AccountId),
    /// A session of an account.
    Session(FamilyId),
    /// The chain of the accounts' records.
    Accounts,
    /// All price rules, and the chain of their records.
    PriceRules,
    /// All categories, and the chain of their records.
    Categories,
    /// The outcome of a request with a key, in the partition of its record; never taken back.
    Request(idempotency::Key),
    /// A mail that is due and not known to be sent, in the partition that says that it was.
    Unsent(About),
    /// From where on mails are due.
    Mails,
    /// A cart whose lines another one has, in the partition of that other; never taken back.
    Absorbed(CartId),
    /// A product's description that purchases refer to, by its content; never taken back.
    Description(u128),
    /// A variant of a product with that description, by its content; never taken back.
    Variant(u128),
}

/// The version that is written today.
const IMAGE_VERSION: u8 = 1;

/// Where entries go.
pub(crate) trait Sink {
    /// Takes an entry; no value says that it is gone.
    fn push(&mut self, key: Key, value: Option<&[u8]>);
}

/// Entries in blocks, for a checkpoint file.
#[derive(Debug)]
pub(crate) struct Blocks {
    partition: Partition,
    full: Vec<Block>,
    open: Block,
}

/// An entry that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// Not the key of anything.
    #[error("the key of an entry is none of this program's: it is damaged, or a newer holdfast is needed")]
    Key,
    /// Nothing there.
    #[error("the entry of {0:?} is empty")]
    Empty(Key),
    /// Written by a newer program.
    #[error("version {1} of the entry of {0:?} is newer than this program reads (1): use a newer holdfast")]
    Version(Key, u8),
    /// Not the bytes of such a thing.
    #[error("the entry of {0:?} is not what it should be")]
    Bytes(Key, #[source] postcard::Error),
    /// More than such a thing.
    #[error("the entry of {0:?} goes on behind its end")]
    Rest(Key),
    /// A value that the rules do not allow.
    #[error("read the entry of {0:?}")]
    Value(Key, #[source] record::DecodeError),
    /// It refers to something that was not read before it.
    #[error("the entry of {0:?} refers to {1:?}, which does not come before it")]
    Missing(Key, Key),
}

/// Whether what `product` has committed to a purchase follows from the order's entry, as long as nothing happens to that. Orders
/// that are not in their product's partition are from old journals; a checkpoint reflects each partition for itself.
pub(crate) fn is_implied(slots: &Slots, product: ProductId, order: OrderId) -> bool {
    slots.partition(product.0) == slots.partition(order.0)
}

impl Blocks {
    fn new(partition: Partition) -> Self {
        Self { partition, full: Vec::new(), open: Block::new(partition) }
    }
}

impl Sink for Blocks {
    fn push(&mut self, key: Key, value: Option<&[u8]>) {
        self.open.push(key.to_bytes().as_ref(), value);
        if self.open.is_full() {
            let next = Block::new(self.partition);
            self.full.push(mem::replace(&mut self.open, next));
        }
    }
}
