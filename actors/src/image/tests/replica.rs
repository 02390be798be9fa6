//! A state that follows a journal record by record, and beside it the entries that checkpoints of it would have: only those are
//! packed again that were named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_domain::saga::Books;
use holdfast_domain::{CartId, OrderId, ProductId, Timestamp, cart, hold, product, reservation};
use holdfast_persistence::{Partition, Record};

use crate::accounts::AccountBook;
use crate::categories::CategoryBook;
use crate::image::pack::Packer;
use crate::image::{Image, Key, KeySet, Reader, State, pack_all, touch};
use crate::keys::Keys;
use crate::mails::{self, Fact};
use crate::prices::PriceBook;
use crate::record::{Entity, Events, OrderFact, StoredTurn};
use crate::slots::Slots;
use crate::turn::{self, Live};

/// Entries by key.
pub(super) type Entries = BTreeMap<Key, Box<[u8]>>;

/// See the module.
pub(super) struct Replica {
    slots: Slots,
    pub(super) products: BTreeMap<ProductId, Live>,
    pub(super) books: Vec<Books>,
    pub(super) accounts: AccountBook,
    pub(super) prices: PriceBook,
    pub(super) categories: CategoryBook,
    pub(super) keys: Arc<Keys>,
    pub(super) mails: mails::Recovered,
    times: Vec<Timestamp>,
    entries: Entries,
    named: KeySet,
    /// The kinds of facts that were met.
    pub(super) met: BTreeSet<String>,
}

impl Replica {
    pub(super) fn new(partitions: u16) -> Self {
        Self {
            slots: Slots::new(partitions, 1),
            products: BTreeMap::new(),
            books: vec![Books::default(); partitions.into()],
            accounts: AccountBook::default(),
            prices: PriceBook::default(),
            categories: CategoryBook::default(),
            keys: Arc::default(),
            mails: mails::Recovered::default(),
            times: vec![Timestamp::default(); partitions.into()],
            entries: Entries::new(),
            named: KeySet::default(),
            met: BTreeSet::new(),
        }
    }

    /// Takes a record of the journal as recovery does, and sees that all that changes was named.
    pub(super) fn take(&mut self, record: Record<'_>) {
        let epoch = record.header.epoch;
        let stored = StoredTurn::read(record).expect("it was written by us");
        let StoredTurn { turn, position, at } = &stored;
        let place = usize::from(position.partition.0);
        self.times[place] = *at;
        if let Some(keyed) = &turn.key {
            self.named.insert(Key::Request(keyed.key.key));
            self.keys.restore(keyed.clone(), *position, *at);
        }
        match (&turn.entity, &turn.events) {
            (Entity::Product(id), Events::Product(events)) => self.product(*id, events, &stored),
            (Entity::Reservations, Events::Reservations(facts)) => {
                for (id, event) in facts {
                    self.reservation(*id, event, &stored);
                }
            }
            (Entity::Order(id), Events::Order(facts)) => {
                for fact in facts {
                    self.order(*id, fact, &stored);
                }
            }
            (Entity::Cart(id), Events::Cart(events)) => {
                for event in events {
                    self.cart(*id, event, &stored);
                }
            }
            (Entity::PriceRules, Events::PriceRules(events)) => {
                self.named.insert(Key::PriceRules);
                self.prices.last_sequence = position.sequence;
                events.iter().for_each(|event| self.prices.list.apply(event, *at));
            }
            (Entity::Mails, Events::Mails(facts)) => {
                for fact in facts {
                    self.named.insert(touch::mail_fact(fact));
                    match fact {
                        Fact::Begun => self.mails.begun = Some(epoch),
                        Fact::Sent(about) => drop(self.mails.unsent.remove(about)),
                    }
                }
            }
            (entity, _) => panic!("these histories have no records of {entity:?}"),
        }
        let orders = &self.books[place].orders;
        let (named, unsent) = (&mut self.named, &mut self.mails.unsent);
        mails::due(
            turn,
            |id| orders.has_address(id),
            |about| {
                named.insert(Key::Unsent(about));
                unsent.insert(about, *at);
            },
        );
        self.check(position.partition);
    }

    /// Takes a fact of a product, at a time of its own.
    pub(super) fn product(&mut self, id: ProductId, events: &[product::Event], stored: &StoredTurn) {
        let StoredTurn { turn, position, at } = stored;
        let live = self.products.entry(id).or_insert_with(|| Live::new(id, position.partition));
        live.last_sequence = position.sequence;
        self.named.insert(Key::Product(id));
        for event in events {
            self.met.insert(name("product", event));
            let named = &mut self.named;
            touch::product_event(live.product.as_ref(), id, event, |key| note(named, key));
            product::apply(&mut live.product, event, *at);
            if let product::Event::Purchased { order, .. } = event {
                named.insert(touch::bought(*order));
                let bought = turn::bought(live, event, turn.actor.owner(), *at, position.sequence);
                self.books[usize::from(position.partition.0)].apply_bought(*order, bought);
            }
        }
    }

    fn reservation(
        &mut self,
        id: holdfast_domain::ReservationId,
        event: &reservation::Event,
        stored: &StoredTurn,
    ) {
        let StoredTurn { position, at, .. } = stored;
        self.met.insert(name("reservation", event));
        touch::reservation_event(id, event, |key| note(&mut self.named, key));
        self.books[usize::from(position.partition.0)].apply_reservation(id, event, *at, position.sequence.0);
    }

    pub(super) fn order(&mut self, id: OrderId, fact: &OrderFact, stored: &StoredTurn) {
        let StoredTurn { position, at, .. } = stored;
        let books = &mut self.books[usize::from(position.partition.0)];
        let (named, mark) = (&mut self.named, position.sequence.0);
        match fact {
            OrderFact::Placed(placed) => {
                self.met.insert(format!("placed {}", word(&placed.source)));
                touch::placed(books, id, placed, |key| note(named, key));
                books.apply_placed(id, placed, *at, mark);
            }
            OrderFact::Changed(event) => {
                self.met.insert(name("order", event));
                touch::order_event(books, &self.slots, id, event, |key| note(named, key));
                drop(books.apply_order(id, event, *at, mark));
            }
        }
    }

    fn cart(&mut self, id: CartId, event: &cart::Event, stored: &StoredTurn) {
        let StoredTurn { position, at, .. } = stored;
        self.met.insert(name("cart", event));
        touch::cart_event(id, event, |key| note(&mut self.named, key));
        self.books[usize::from(position.partition.0)].apply_cart(id, event, *at);
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

    /// Packs again what was named, and only that: then the entries are those of the state.
    pub(super) fn check(&mut self, partition: Partition) {
        let mut packer = Packer::into(std::mem::take(&mut self.entries));
        for key in self.named.drain() {
            let books = &self.books[usize::from(partition.0)];
            match key {
                Key::Product(id) | Key::Hold(id, _) | Key::Commitment(id, _) | Key::Units(id, _) => {
                    let live = self.products.get(&id);
                    let product = live.and_then(|live| Some((live.product.as_ref()?, live.last_sequence)));
                    packer.of_product(key, product, &books.orders);
                }
                Key::Order(_) | Key::Reservation(_) | Key::Cart(_) => packer.of_books(key, books),
                Key::PriceRules => packer.price_rules(&self.prices.list, self.prices.last_sequence),
                Key::Request(id) => {
                    let (request, kept, at) = self.keys.get(id).expect("it was just kept");
                    packer.request(request, &kept, at);
                }
                Key::Unsent(about) => match self.mails.unsent.get(&about) {
                    Some(at) => packer.unsent(about, *at),
                    None => packer.gone(key),
                },
                Key::Mails => packer.mails(self.mails.begun.expect("it was just said")),
                // Recovery keeps these until the end of the other cart is read.
                Key::Absorbed(_) => {}
                other => panic!("these histories do not change {other:?}"),
            }
        }
        self.entries = packer.into_sink();
        let full = pack_all(&self.state());
        let latest = self.times.iter().copied().max().expect("there are partitions");
        self.entries.retain(|key, value| full.contains_key(key) || !is_forgotten(*key, value, latest));
        assert_eq!(of_things(&self.entries), of_things(&full), "every entry that changes is named");
    }
}

/// What others refer to is never taken back.
fn of_things(entries: &Entries) -> BTreeMap<&Key, &[u8]> {
    let is_thing = |key: &Key| !matches!(key, Key::Description(_) | Key::Variant(_));
    // These are there from the beginning.
    let is_single = |key: &Key| matches!(key, Key::Accounts | Key::Categories | Key::PriceRules);
    let all = entries.iter().filter(|(key, _)| is_thing(key) && !is_single(key));
    all.map(|(key, value)| (key, &**value)).collect()
}

/// Whether an entry is one that nobody names when it is forgotten: a day has passed.
fn is_forgotten(key: Key, value: &[u8], now: Timestamp) -> bool {
    let day = reservation::CLOSED_KEPT;
    match Reader::default().read(key.to_bytes().as_ref(), value) {
        Ok((_, Image::Reservation(it))) => {
            it.hold.state != hold::State::Active && now.since(it.updated_at) >= day
        }
        Ok((_, Image::Request { at, .. })) => now.since(at) >= day,
        _ => false,
    }
}

fn note(named: &mut KeySet, key: Key) {
    named.insert(key);
}

/// The name of a fact's kind.
fn name(of: &str, event: &impl std::fmt::Debug) -> String {
    format!("{of} {}", word(event))
}

fn word(event: &impl std::fmt::Debug) -> String {
    let text = format!("{event:?}");
    text.chars().take_while(|letter| letter.is_alphanumeric()).collect()
}
