//! From the entries back to the things.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use holdfast_domain::account::Account;
use holdfast_domain::account::session::Family;
use holdfast_domain::cart::Cart;
use holdfast_domain::order::Bought;
use holdfast_domain::price::PriceList;
use holdfast_domain::product::{Commitment, Core, Description, Reservation as Hold};
use holdfast_domain::reservation::Reservation;
use holdfast_domain::{CartId, Categories, Order, OrderId, Timestamp, idempotency};
use holdfast_persistence::{Epoch, Partition, Sequence};
use serde::Deserialize;

use super::key::KeyHasher;
use super::stored::{
    Sold, StoredAbsorbed, StoredCart, StoredCore, StoredFamily, StoredOrder, StoredPerson, StoredRequest,
    StoredReservation, StoredRules, StoredShare, StoredSold, StoredTree, description,
};
use super::{DecodeError, IMAGE_VERSION, Key};
use crate::outcome::Answered;
use crate::record::category::StoredCategory;
use crate::record::price::StoredRule;
use crate::{Position, record};

/// What an entry says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Image {
    /// Of [`Key::Product`], and the sequence of its newest record.
    Product(Core, Sequence),
    /// Of [`Key::Hold`].
    Hold(Hold),
    /// Of [`Key::Commitment`].
    Commitment(Commitment),
    /// Of [`Key::Units`].
    Units(u64),
    /// Of [`Key::Order`].
    Order(Box<Order>),
    /// Of [`Key::Order`]: a purchase that nothing happened to since. Where [`super::is_implied`] says so and no entry says
    /// otherwise, its product has [`Bought::commitment`] of it.
    Bought(Bought),
    /// Of [`Key::Reservation`].
    Reservation(Box<Reservation>),
    /// Of [`Key::Cart`].
    Cart(Cart),
    /// Of [`Key::Account`].
    Account(Box<Account>),
    /// Of [`Key::Session`].
    Session(Family),
    /// Of [`Key::Accounts`]: the sequence of their newest record.
    Accounts(Sequence),
    /// Of [`Key::PriceRules`].
    PriceRules(PriceList, Sequence),
    /// Of [`Key::Categories`].
    Categories(Categories, Sequence),
    /// Of [`Key::Request`].
    Request {
        /// Of the request.
        fingerprint: idempotency::Fingerprint,
        /// The answer.
        answered: Answered,
        /// Of its record.
        position: Position,
        /// When.
        at: Timestamp,
    },
    /// Of [`Key::Unsent`]: since when.
    Unsent(Timestamp),
    /// Of [`Key::Mails`].
    Mails(Epoch),
    /// Of [`Key::Absorbed`].
    Absorbed {
        /// The cart that has its lines.
        to: CartId,
        /// Since when.
        at: Timestamp,
    },
    /// Of [`Key::Description`] and [`Key::Variant`]: the reader keeps it, for the purchases that refer to it.
    Kept,
}

/// Reads the entries of one partition, or of several; it keeps what purchases refer to.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    descriptions: HashMap<u128, Arc<Description>, BuildHasherDefault<KeyHasher>>,
    sold: HashMap<u128, Sold, BuildHasherDefault<KeyHasher>>,
}

impl Reader {
    /// Reads one entry.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: the bytes are of a newer version, damaged, hold a value that the rules do not allow, or refer to what was
    /// not read before.
    pub(crate) fn read(&mut self, key: &[u8], value: &[u8]) -> Result<(Key, Image), DecodeError> {
        let key = Key::from_bytes(key).ok_or(DecodeError::Key)?;
        let sound = |error| DecodeError::Value(key, error);
        let image = match key {
            Key::Product(_) => {
                let (core, last) = stored::<StoredCore>(key, value)?.into_domain().map_err(sound)?;
                Image::Product(core, last)
            }
            Key::Hold(..) => {
                let (buyer, lines) = stored::<StoredShare>(key, value)?.into_domain().map_err(sound)?;
                Image::Hold(Hold { buyer, lines })
            }
            Key::Commitment(..) => {
                let (buyer, lines) = stored::<StoredShare>(key, value)?.into_domain().map_err(sound)?;
                Image::Commitment(Commitment { buyer, lines })
            }
            Key::Units(..) => Image::Units(stored(key, value)?),
            Key::Order(id) => self.order(key, id, stored(key, value)?)?,
            Key::Reservation(_) => {
                let stored: StoredReservation = stored(key, value)?;
                Image::Reservation(Box::new(stored.into_domain().map_err(sound)?))
            }
            Key::Cart(_) => Image::Cart(stored::<StoredCart>(key, value)?.into_domain().map_err(sound)?),
            Key::Account(id) => {
                let account = stored::<StoredPerson>(key, value)?.into_domain();
                if account.id != id {
                    return Err(sound(record::DecodeError::Value("account's id")));
                }
                Image::Account(Box::new(account))
            }
            Key::Session(_) => Image::Session(stored::<StoredFamily>(key, value)?.into_domain()),
            Key::Accounts => Image::Accounts(Sequence(stored(key, value)?)),
            Key::PriceRules => rules(stored(key, value)?).map_err(sound)?,
            Key::Categories => tree(stored(key, value)?).map_err(sound)?,
            Key::Request(_) => request(stored(key, value)?).map_err(sound)?,
            Key::Unsent(_) => Image::Unsent(Timestamp(stored(key, value)?)),
            Key::Mails => Image::Mails(Epoch(stored(key, value)?)),
            Key::Absorbed(_) => {
                let StoredAbsorbed { to, at } = stored(key, value)?;
                Image::Absorbed { to: CartId(u128::from_be_bytes(to)), at: Timestamp(at) }
            }
            Key::Description(name) => {
                let description = description(stored(key, value)?).map_err(sound)?;
                self.descriptions.insert(name, description);
                Image::Kept
            }
            Key::Variant(name) => {
                let stored: StoredSold = stored(key, value)?;
                let of = stored.description();
                let found = self.descriptions.get(&of);
                let found = found.ok_or(DecodeError::Missing(key, Key::Description(of)))?;
                let sold = stored.into_domain(Arc::clone(found)).map_err(sound)?;
                self.sold.insert(name, sold);
                Image::Kept
            }
        };
        Ok((key, image))
    }

    fn order(&self, key: Key, id: OrderId, stored: StoredOrder) -> Result<Image, DecodeError> {
        let sound = |error| DecodeError::Value(key, error);
        match stored {
            StoredOrder::Bought(bought) => {
                let name = bought.sold();
                let sold = self.sold.get(&name).ok_or(DecodeError::Missing(key, Key::Variant(name)))?;
                bought.into_domain(sold).map(Image::Bought).map_err(sound)
            }
            StoredOrder::Placed(history) => {
                history.into_domain(id).map(|order| Image::Order(Box::new(order))).map_err(sound)
            }
        }
    }
}

fn rules(stored: StoredRules) -> Result<Image, record::DecodeError> {
    let rules = stored.rules.into_iter().map(StoredRule::into_domain).collect::<Result<Vec<_>, _>>()?;
    let list = PriceList::restored(rules).ok_or(record::DecodeError::Value("price list"))?;
    Ok(Image::PriceRules(list, Sequence(stored.last_sequence)))
}

fn tree(stored: StoredTree) -> Result<Image, record::DecodeError> {
    let categories = Categories::restored(stored.categories.into_iter().map(StoredCategory::into_domain));
    let categories = categories.ok_or(record::DecodeError::Value("tree of categories"))?;
    Ok(Image::Categories(categories, Sequence(stored.last_sequence)))
}

fn request(stored: StoredRequest) -> Result<Image, record::DecodeError> {
    let StoredRequest { fingerprint, answered, partition, sequence, at } = stored;
    Ok(Image::Request {
        fingerprint: idempotency::Fingerprint(u128::from_be_bytes(fingerprint)),
        answered: answered.into_domain()?,
        position: Position { partition: Partition(partition), sequence: Sequence(sequence) },
        at: Timestamp(at),
    })
}

/// The stored form of a value, and nothing behind it.
fn stored<'v, T: Deserialize<'v>>(key: Key, value: &'v [u8]) -> Result<T, DecodeError> {
    let (version, bytes) = value.split_first().ok_or(DecodeError::Empty(key))?;
    if *version != IMAGE_VERSION {
        return Err(DecodeError::Version(key, *version));
    }
    let (stored, rest) = postcard::take_from_bytes(bytes).map_err(|error| DecodeError::Bytes(key, error))?;
    if rest.is_empty() { Ok(stored) } else { Err(DecodeError::Rest(key)) }
}
