//! From a key to the thing that it is of, and into the packer, as the thing is now.
//!
//! What a turn is about to change it packs itself, by the functions at the end; the walker comes for the rest.

use holdfast_domain::order::{self, Placed};
use holdfast_domain::saga::Books;
use holdfast_domain::{CartId, OrderId, ProductId, ReservationId, Timestamp, cart, reservation};
use holdfast_persistence::Partition;

use super::changes::Changes;
use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::image::{Key, Packer, touch};
use crate::keys::Keys;
use crate::mails::Unsents;
use crate::prices::PriceBook;
use crate::slots::Slots;
use crate::turn::{Live, PartitionState, TurnContext};

/// Where a shard has what is not in the books of its partitions.
pub(crate) trait Things {
    /// Lends a product, wherever it is; none where there is none.
    fn look_at(&self, id: ProductId, look: &mut dyn FnMut(Option<&Live>));

    /// Lends what one shard keeps for the whole shop.
    fn look_at_office(&self, look: &mut dyn FnMut(Office<'_>));

    /// The outcomes of requests with keys.
    fn keys(&self) -> &Keys;

    /// The mails that are due.
    fn unsents(&self) -> &Unsents;
}

/// See [`Things::look_at_office`]; empty books on the other shards.
pub(crate) struct Office<'b> {
    pub(crate) accounts: &'b AccountBook,
    pub(crate) prices: &'b PriceBook,
    pub(crate) categories: &'b CategoryBook,
}

/// The cart that has the lines of another, and since when.
pub(crate) type Absorbed = (CartId, Timestamp);

/// What a key of a cart that was absorbed stands for.
pub(crate) fn absorbed_of(changes: &Changes, key: Key) -> Option<Absorbed> {
    match key {
        Key::Absorbed(from) => changes.absorbed(from),
        _ => None,
    }
}

/// Packs the thing of a key as it is, or that it is gone.
pub(crate) fn pack<T: Things + ?Sized>(
    packer: &mut Packer,
    key: Key,
    (turns, partition): (&TurnContext, Partition),
    things: &T,
    absorbed: Option<Absorbed>,
) {
    let state = turns.partition(partition);
    match key {
        Key::Product(id) | Key::Hold(id, _) | Key::Commitment(id, _) | Key::Units(id, _) => {
            let books = state.books.borrow();
            things.look_at(id, &mut |live| {
                let product = live.and_then(|live| Some((live.product.as_ref()?, live.last_sequence)));
                packer.of_product(key, product, &books.orders);
            });
        }
        Key::Order(_) | Key::Reservation(_) | Key::Cart(_) => packer.of_books(key, &state.books.borrow()),
        Key::Account(_) | Key::Session(_) | Key::Accounts | Key::PriceRules | Key::Categories => {
            things.look_at_office(&mut |Office { accounts, prices, categories }| match key {
                Key::PriceRules => packer.price_rules(&prices.list, prices.last_sequence),
                Key::Categories => packer.categories(&categories.categories, categories.last_sequence),
                _ => packer.of_accounts(key, &accounts.accounts, accounts.last_sequence),
            });
        }
        // Answered again after its day, the key may be another partition's by now.
        Key::Request(request) => match things.keys().get(request) {
            Some((request, kept, at)) if kept.position.partition == partition => {
                packer.request(request, &kept, at);
            }
            _ => packer.gone(key),
        },
        Key::Unsent(about) => match things.unsents().since(about) {
            Some(at) => packer.unsent(about, at),
            None => packer.gone(key),
        },
        Key::Mails => match things.unsents().begun() {
            Some(begun) => packer.mails(begun),
            None => packer.gone(key),
        },
        Key::Absorbed(from) => match absorbed {
            Some((to, at)) => packer.absorbed(from, to, at),
            // Known before the start, and the start closed it.
            None => packer.gone(key),
        },
        Key::Description(_) | Key::Variant(_) => unreachable!("they are packed with what refers to them"),
    }
}

impl PartitionState {
    /// Before a fact of a reservation is applied.
    pub(crate) fn touch_reservation(&self, books: &Books, id: ReservationId, event: &reservation::Event) {
        touch::reservation_event(id, event, |key| self.touch_books(books, key));
    }

    /// Before a new order is applied.
    pub(crate) fn touch_placed(&self, books: &Books, id: OrderId, placed: &Placed) {
        touch::placed(books, id, placed, |key| self.touch_books(books, key));
    }

    /// Before a fact of an order is applied.
    pub(crate) fn touch_order(&self, books: &Books, slots: &Slots, id: OrderId, event: &order::Event) {
        touch::order_event(books, slots, id, event, |key| self.touch_books(books, key));
    }

    /// Before a fact of a cart is applied.
    pub(crate) fn touch_cart(&self, books: &Books, id: CartId, event: &cart::Event, now: Timestamp) {
        touch::cart_event(id, event, |key| match (key, event) {
            (Key::Absorbed(from), _) => self.changes.note_absorbed(from, id, now),
            _ => self.touch_books(books, key),
        });
    }

    /// Before a thing in the books changes.
    pub(crate) fn touch_books(&self, books: &Books, key: Key) {
        self.changes.touch(key, |packer| match key {
            // It followed from the purchase until now.
            Key::Commitment(..) => packer.gone(key),
            _ => packer.of_books(key, books),
        });
    }
}

impl Live {
    /// Before a thing of the product changes.
    pub(crate) fn touch(&self, turns: &TurnContext, key: Key) {
        let state = turns.partition(self.partition);
        let before = |packer: &mut Packer| {
            let product = self.product.as_ref().map(|product| (product, self.last_sequence));
            packer.of_product(key, product, &state.books.borrow().orders);
        };
        match key {
            Key::Product(_) => state.changes.touch_again(&self.noted_in, key, before),
            _ => state.changes.touch(key, before),
        }
    }
}
