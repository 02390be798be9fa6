//! One partition in the making: everything whose records are in it, brought up to date one record at a time.
//!
//! Partitions do not look at each other, so that each may be replayed on a thread of its own. What old journals say of two
//! of them at once comes back as [`Elsewhere`].

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use holdfast_domain::order::Bought;
use holdfast_domain::saga::Books;
use holdfast_domain::{
    CartId, OrderId, ProductId, ReservationId, account, cart, category, price, product, reservation,
};
use holdfast_persistence::{Cause, Partition, Record, Sequence};

use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::image::{Key, KeyHasher, KeySet, touch};
use crate::keys::Keys;
use crate::mails;
use crate::prices::PriceBook;
use crate::record::{Entity, Events, OrderFact, StoredTurn};
use crate::slots::Slots;
use crate::turn::{self, Live};

/// Products by id, of which some bits are random.
pub(super) type Products = HashMap<ProductId, Live, BuildHasherDefault<KeyHasher>>;

/// What one partition holds.
pub(super) struct Part {
    pub(super) partition: Partition,
    pub(super) slots: Slots,
    pub(super) products: Products,
    pub(super) books: Books,
    /// Carts whose lines a cart of this partition has, and whose end was not read here.
    pub(super) absorbed: BTreeMap<CartId, CartId>,
    pub(super) mails: mails::Replay,
    /// Of the partition that has them; empty in the others.
    pub(super) accounts: AccountBook,
    pub(super) prices: PriceBook,
    pub(super) categories: CategoryBook,
    pub(super) keys: Arc<Keys>,
    /// The last record that is in the checkpoint which it begins with.
    pub(super) reflects: Sequence,
    /// What changed behind it; nothing is noted where there is none.
    pub(super) touched: Option<Touched>,
    pub(super) counts: Counts,
}

/// The keys of what changed behind a checkpoint.
#[derive(Default)]
pub(super) struct Touched(pub(super) KeySet);

impl Touched {
    fn note(&mut self, key: Key) {
        self.0.insert(key);
    }
}

/// What a partition went through.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Facts applied.
    pub(super) events: u64,
    /// Records that were in the checkpoint already.
    pub(super) left_out: u64,
}

/// A purchase whose order is of another partition: once, orders had any id.
pub(super) struct Elsewhere {
    pub(super) order: OrderId,
    pub(super) bought: Bought,
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

/// A change of an order that is not in the partition, or not yet: its purchase may be in another one.
#[derive(Debug, thiserror::Error)]
#[error("the record changes an order that was never placed")]
pub(super) struct NeverPlaced;

impl Part {
    /// A partition before its first record.
    pub(super) fn new(partition: Partition, slots: Slots, keys: Arc<Keys>) -> Self {
        Self {
            partition,
            slots,
            products: Products::default(),
            books: Books::default(),
            absorbed: BTreeMap::new(),
            mails: mails::Replay::default(),
            accounts: AccountBook::default(),
            prices: PriceBook::default(),
            categories: CategoryBook::default(),
            keys,
            reflects: Sequence::default(),
            touched: None,
            counts: Counts::default(),
        }
    }

    /// Takes the next record of the partition, unless it is in it already. What it says of other partitions' orders is
    /// given to `elsewhere`, in order.
    pub(super) fn take(
        &mut self,
        record: Record<'_>,
        elsewhere: &mut dyn FnMut(Elsewhere),
    ) -> Result<(), Cause> {
        if record.header.sequence <= self.reflects {
            self.counts.left_out += 1;
            return Ok(());
        }
        let epoch = record.header.epoch;
        let mut stored = StoredTurn::read(record)?;
        if let Some(keyed) = stored.turn.key.take() {
            self.touch(Key::Request(keyed.key.key));
            self.keys.restore(keyed, stored.position, stored.at);
        }
        match (stored.turn.entity, &stored.turn.events) {
            (Entity::Product(id), Events::Product(events)) => {
                self.apply_product(id, events, &stored, elsewhere)?
            }
            (Entity::Accounts, Events::Accounts(events)) => self.apply_accounts(events, &stored)?,
            (Entity::Reservations, Events::Reservations(facts)) => self.apply_reservations(facts, &stored),
            (Entity::Order(id), Events::Order(facts)) => self.apply_order(id, facts, &stored)?,
            (Entity::Cart(id), Events::Cart(events)) => self.apply_cart(id, events, &stored),
            (Entity::PriceRules, Events::PriceRules(events)) => self.apply_prices(events, &stored)?,
            (Entity::Categories, Events::Categories(events)) => self.apply_categories(events, &stored)?,
            (Entity::Mails, Events::Mails(facts)) => {
                self.count(facts);
                facts.iter().for_each(|fact| self.touch(touch::mail_fact(fact)));
            }
            (entity, _) => return Err(Foreign(entity).into()),
        }
        let has_address = |id| self.books.orders.has_address(id);
        if let Some(touched) = &mut self.touched {
            mails::due(&stored.turn, has_address, |about| touched.note(Key::Unsent(about)));
        }
        self.mails.take(epoch, stored.at, &stored.turn, has_address);
        Ok(())
    }

    /// Notes what is about to change.
    pub(super) fn touch(&mut self, key: Key) {
        if let Some(touched) = &mut self.touched {
            touched.note(key);
        }
    }

    /// Takes a purchase that a record of another partition speaks of.
    pub(super) fn take_foreign(&mut self, Elsewhere { order, bought }: Elsewhere) {
        self.touch(touch::bought(order));
        self.books.apply_bought(order, bought);
    }

    fn count<T>(&mut self, events: &[T]) {
        self.counts.events += u64::try_from(events.len()).expect("a length");
    }

    fn apply_product(
        &mut self,
        id: ProductId,
        events: &[product::Event],
        stored: &StoredTurn,
        elsewhere: &mut dyn FnMut(Elsewhere),
    ) -> Result<(), Gap> {
        self.count(events);
        self.touch(Key::Product(id));
        let StoredTurn { turn, position, at } = stored;
        let live = self.products.entry(id).or_insert_with(|| Live::new(id, position.partition));
        // The actor of a product that does not exist, or not any more, leaves and takes the chain with it; a
        // request with a key that comes late begins another.
        let is_new_chain = turn.previous == 0 && live.product.is_none();
        // A checkpoint does not hold where the chain of such a product was.
        let is_forgotten = live.product.is_none()
            && live.last_sequence == Sequence::default()
            && turn.previous <= self.reflects.0;
        if !is_new_chain && !is_forgotten {
            check_chain(stored, live.last_sequence)?;
        }
        live.last_sequence = position.sequence;
        for event in events {
            if let Some(touched) = &mut self.touched {
                touch::product_event(live.product.as_ref(), id, event, |key| touched.note(key));
            }
            product::apply(&mut live.product, event, *at);
            if let product::Event::Purchased { order, .. } = event {
                let bought = turn::bought(live, event, turn.actor.owner(), *at, position.sequence);
                if self.slots.partition(order.0) == self.partition {
                    if let Some(touched) = &mut self.touched {
                        touched.note(touch::bought(*order));
                    }
                    self.books.apply_bought(*order, bought);
                } else {
                    if let Some(touched) = &mut self.touched {
                        touched.note(Key::Commitment(id, *order));
                    }
                    elsewhere(Elsewhere { order: *order, bought });
                }
            }
        }
        Ok(())
    }

    fn apply_accounts(&mut self, events: &[account::Event], stored: &StoredTurn) -> Result<(), Gap> {
        self.count(events);
        check_chain(stored, self.accounts.last_sequence)?;
        self.touch(Key::Accounts);
        self.accounts.last_sequence = stored.position.sequence;
        let accounts = &mut self.accounts.accounts;
        for event in events {
            if let Some(touched) = &mut self.touched {
                touch::account_event(accounts, event, stored.at, |key| touched.note(key));
            }
            accounts.apply(event, stored.at);
        }
        Ok(())
    }

    fn apply_prices(&mut self, events: &[price::Event], stored: &StoredTurn) -> Result<(), Gap> {
        self.count(events);
        check_chain(stored, self.prices.last_sequence)?;
        self.touch(Key::PriceRules);
        self.prices.last_sequence = stored.position.sequence;
        events.iter().for_each(|event| self.prices.list.apply(event, stored.at));
        Ok(())
    }

    fn apply_categories(&mut self, events: &[category::Event], stored: &StoredTurn) -> Result<(), Gap> {
        self.count(events);
        check_chain(stored, self.categories.last_sequence)?;
        self.touch(Key::Categories);
        self.categories.last_sequence = stored.position.sequence;
        events.iter().for_each(|event| self.categories.categories.apply(event, stored.at));
        Ok(())
    }

    fn apply_reservations(
        &mut self,
        facts: &[(ReservationId, reservation::Event)],
        StoredTurn { position, at, .. }: &StoredTurn,
    ) {
        self.count(facts);
        for (id, event) in facts {
            if let Some(touched) = &mut self.touched {
                touch::reservation_event(*id, event, |key| touched.note(key));
            }
            self.books.apply_reservation(*id, event, *at, position.sequence.0);
        }
    }

    fn apply_order(
        &mut self,
        id: OrderId,
        facts: &[OrderFact],
        StoredTurn { position, at, .. }: &StoredTurn,
    ) -> Result<(), NeverPlaced> {
        self.count(facts);
        let mark = position.sequence.0;
        let Self { books, slots, touched, .. } = self;
        for fact in facts {
            match fact {
                OrderFact::Placed(placed) => {
                    if let Some(touched) = touched {
                        touch::placed(books, id, placed, |key| touched.note(key));
                    }
                    books.apply_placed(id, placed, *at, mark);
                }
                OrderFact::Changed(_) if !books.orders.is_known(id) => return Err(NeverPlaced),
                OrderFact::Changed(event) => {
                    if let Some(touched) = touched {
                        touch::order_event(books, slots, id, event, |key| touched.note(key));
                    }
                    books.apply_order(id, event, *at, mark);
                }
            }
        }
        Ok(())
    }

    fn apply_cart(&mut self, id: CartId, events: &[cart::Event], StoredTurn { at, .. }: &StoredTurn) {
        self.count(events);
        for event in events {
            match event {
                cart::Event::Absorbed { from } => drop(self.absorbed.insert(*from, id)),
                cart::Event::Closed { .. } => drop(self.absorbed.remove(&id)),
                _ => {}
            }
            if let Some(touched) = &mut self.touched {
                touch::cart_event(id, event, |key| touched.note(key));
            }
            self.books.apply_cart(id, event, *at);
        }
    }
}

/// A record names the one before it of the same product, of the accounts, or of the price rules.
fn check_chain(stored: &StoredTurn, last: Sequence) -> Result<(), Gap> {
    let claimed = stored.turn.previous;
    if claimed == last.0 { Ok(()) } else { Err(Gap { claimed, actual: last.0 }) }
}
