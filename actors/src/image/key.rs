//! Keys as bytes, and sets of keys.
//!
//! A key is `tag: u8 | ids, big endian`. The tags are stored and never change.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use holdfast_domain::account::session::FamilyId;
use holdfast_domain::{AccountId, Buyer, CartId, OrderId, ProductId, ReservationId, idempotency};

use super::Key;
use crate::mails::About;

/// The bytes of the longest key: a tag and two ids.
pub(crate) const KEY_BYTES_MAX: usize = 1 + 2 * ID_BYTES;

const ID_BYTES: usize = 16;

const PRODUCT: u8 = 1;
const HOLD: u8 = 2;
const COMMITMENT: u8 = 3;
const UNITS: u8 = 4;
const ORDER: u8 = 5;
const RESERVATION: u8 = 6;
const CART: u8 = 7;
const ACCOUNT: u8 = 8;
const SESSION: u8 = 9;
const ACCOUNTS: u8 = 10;
const PRICE_RULES: u8 = 11;
const CATEGORIES: u8 = 12;
const REQUEST: u8 = 13;
const UNSENT_REGISTERED: u8 = 14;
const UNSENT_CONFIRMED: u8 = 15;
const UNSENT_CANCELED: u8 = 16;
const UNSENT_EXPIRED: u8 = 17;
const MAILS: u8 = 18;
const ABSORBED: u8 = 19;
const DESCRIPTION: u8 = 20;
const VARIANT: u8 = 21;

/// Keys, with a hasher that is good enough for ids.
pub(crate) type KeySet = HashSet<Key, BuildHasherDefault<KeyHasher>>;

/// The same with something for each.
pub(crate) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<KeyHasher>>;

/// The bytes of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyBytes {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl KeyBytes {
    fn of<const IDS: usize>(tag: u8, ids: [u128; IDS]) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes[0] = tag;
        for (place, id) in bytes[1..].chunks_exact_mut(ID_BYTES).zip(ids) {
            place.copy_from_slice(&id.to_be_bytes());
        }
        Self { bytes, length: 1 + IDS * ID_BYTES }
    }
}

impl Key {
    /// The key as it is stored.
    pub(crate) fn to_bytes(self) -> KeyBytes {
        match self {
            Self::Product(ProductId(id)) => KeyBytes::of(PRODUCT, [id]),
            Self::Hold(ProductId(id), ReservationId(hold)) => KeyBytes::of(HOLD, [id, hold]),
            Self::Commitment(ProductId(id), OrderId(order)) => KeyBytes::of(COMMITMENT, [id, order]),
            Self::Units(ProductId(id), Buyer(buyer)) => KeyBytes::of(UNITS, [id, buyer]),
            Self::Order(OrderId(id)) => KeyBytes::of(ORDER, [id]),
            Self::Reservation(ReservationId(id)) => KeyBytes::of(RESERVATION, [id]),
            Self::Cart(CartId(id)) => KeyBytes::of(CART, [id]),
            Self::Account(AccountId(id)) => KeyBytes::of(ACCOUNT, [id]),
            Self::Session(FamilyId(id)) => KeyBytes::of(SESSION, [id]),
            Self::Accounts => KeyBytes::of(ACCOUNTS, []),
            Self::PriceRules => KeyBytes::of(PRICE_RULES, []),
            Self::Categories => KeyBytes::of(CATEGORIES, []),
            Self::Request(idempotency::Key(key)) => KeyBytes::of(REQUEST, [key]),
            Self::Unsent(About::Registered(AccountId(id))) => KeyBytes::of(UNSENT_REGISTERED, [id]),
            Self::Unsent(About::Confirmed(OrderId(id))) => KeyBytes::of(UNSENT_CONFIRMED, [id]),
            Self::Unsent(About::Canceled(OrderId(id))) => KeyBytes::of(UNSENT_CANCELED, [id]),
            Self::Unsent(About::Expired(OrderId(id))) => KeyBytes::of(UNSENT_EXPIRED, [id]),
            Self::Mails => KeyBytes::of(MAILS, []),
            Self::Absorbed(CartId(id)) => KeyBytes::of(ABSORBED, [id]),
            Self::Description(name) => KeyBytes::of(DESCRIPTION, [name]),
            Self::Variant(name) => KeyBytes::of(VARIANT, [name]),
        }
    }

    /// The key of these bytes; none when they are not one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (ids, rest) = rest.as_chunks::<ID_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut ids = ids.iter().map(|id| u128::from_be_bytes(*id));
        let mut next = || ids.next();
        let key = match *tag {
            PRODUCT => Self::Product(ProductId(next()?)),
            HOLD => Self::Hold(ProductId(next()?), ReservationId(next()?)),
            COMMITMENT => Self::Commitment(ProductId(next()?), OrderId(next()?)),
            UNITS => Self::Units(ProductId(next()?), Buyer(next()?)),
            ORDER => Self::Order(OrderId(next()?)),
            RESERVATION => Self::Reservation(ReservationId(next()?)),
            CART => Self::Cart(CartId(next()?)),
            ACCOUNT => Self::Account(AccountId(next()?)),
            SESSION => Self::Session(FamilyId(next()?)),
            ACCOUNTS => Self::Accounts,
            PRICE_RULES => Self::PriceRules,
            CATEGORIES => Self::Categories,
            REQUEST => Self::Request(idempotency::Key(next()?)),
            UNSENT_REGISTERED => Self::Unsent(About::Registered(AccountId(next()?))),
            UNSENT_CONFIRMED => Self::Unsent(About::Confirmed(OrderId(next()?))),
            UNSENT_CANCELED => Self::Unsent(About::Canceled(OrderId(next()?))),
            UNSENT_EXPIRED => Self::Unsent(About::Expired(OrderId(next()?))),
            MAILS => Self::Mails,
            ABSORBED => Self::Absorbed(CartId(next()?)),
            DESCRIPTION => Self::Description(next()?),
            VARIANT => Self::Variant(next()?),
            _ => return None,
        };
        next().is_none().then_some(key)
    }
}

/// Hashes ids, of which some bits are random already: one multiplication for each word of 64 bits, and one at the end. Nobody
/// outside picks an id, and what they send is digested before it is a key.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct KeyHasher(u64);

/// Odd, with as many ones as zeros: the fraction of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        // Without this, ids that differ in a few bits only would share places.
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(SPREAD);
        mixed ^ mixed >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(size_of::<u64>()) {
            let mut word = [0; size_of::<u64>()];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(5) ^ word) * u128::from(SPREAD);
        let (low, high) = halves(product);
        self.0 = low ^ high;
    }

    fn write_u128(&mut self, id: u128) {
        let (low, high) = halves(id);
        self.write_u64(low);
        self.write_u64(high);
    }
}

fn halves(word: u128) -> (u64, u64) {
    let bytes = word.to_le_bytes();
    let (halves, _) = bytes.as_chunks::<{ size_of::<u64>() }>();
    (u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::BuildHasher;

    use super::*;

    /// Tables take some bits of a hash for the place, and others to compare.
    #[test]
    fn hashes_of_ids_are_spread_over_all_places() {
        let count = 1 << 16;
        let ids = |id: u32| {
            let clock = 0x0193_6f5e_7a5c_7000_8000_0000_0000_0000_u128;
            let id = u128::from(id);
            [
                Key::Order(OrderId(clock + id)),
                Key::Order(OrderId(clock + (id << 80))),
                Key::Cart(CartId(id << 64)),
            ]
        };
        let hashes = |kind: usize| (0..count).map(move |id| hash(ids(id)[kind]));
        for kind in 0..3 {
            let low: BTreeSet<u64> = hashes(kind).map(|hash| hash % u64::from(count)).collect();
            let high: BTreeSet<u64> = hashes(kind).map(|hash| hash >> 48).collect();
            // Of so many thrown at random, 63 in a hundred places are hit.
            for hit in [low.len(), high.len()] {
                assert!(hit * 100 > 60 * 65_536, "{hit} places of kind {kind}");
            }
        }
    }

    fn hash(key: Key) -> u64 {
        BuildHasherDefault::<KeyHasher>::default().hash_one(key)
    }
}
