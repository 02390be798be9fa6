//! The index: a number for every product, sets of numbers for every filter, and an order for every sort.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use holdfast_domain::category::Categories;
use holdfast_domain::product::Status;
use holdfast_domain::{Money, ProductId};
use roaring::RoaringBitmap;

use super::branches::Branches;
use super::bulk;
use super::order::{Order, Place};
use super::query::{Found, FoundItem, Key, Mark, Query, SearchText, Sort, SortBy};
use super::words::{Dictionary, is_short, short_beginnings, sorted_words};
use crate::card::{Card, Info};
use crate::directory::Published;

/// Of so many matches the page is picked; of more the order is walked until the page is full.
const PICKED_MAX: u64 = 2_048;

/// Steps of a walk before membership is looked up in plain bits rather than in a compressed set.
const STEPS_COMPRESSED_MAX: usize = 4_096;

/// With so few matches left their prices are looked at one by one.
const PRICED_MAX: u64 = 1_024;

/// All products, ready to be listed.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By number.
    pub(super) ids: Vec<ProductId>,
    /// By number; none where the number is free.
    pub(super) infos: Vec<Option<Arc<Info>>>,
    pub(super) free: Vec<u32>,
    pub(super) by_id: Order,
    /// One for each of [`SortBy::ALL`].
    pub(super) orders: [Order; 4],
    /// By [`status_index`].
    pub(super) statuses: [RoaringBitmap; 3],
    pub(super) in_stock: RoaringBitmap,
    pub(super) branches: Branches,
    pub(super) words: Dictionary,
    /// The short beginnings of all words, as terms of their own: they are those of too many words to put together for
    /// each list.
    pub(super) beginnings: Dictionary,
}

/// One bit a product.
pub(super) struct Bits(Vec<u8>);

impl Index {
    pub(super) fn len(&self) -> usize {
        self.ids.len() - self.free.len()
    }

    /// Takes a new tree of categories.
    pub(super) fn take_categories(&mut self, categories: Arc<Published<Categories>>) {
        self.branches.take_categories(categories);
    }

    /// Looks at cards again, in the order in which they changed.
    pub(super) fn take(&mut self, cards: &[Arc<Card>]) {
        if bulk::is_worth_it(self, cards.len()) {
            cards.iter().for_each(|card| card.unmark());
            return bulk::fill(self, cards);
        }
        for card in cards {
            card.unmark();
            let number = self.by_id.find(|entry| self.ids[slot(entry)].cmp(&card.id));
            match (number, card.is_deleted()) {
                (Some(number), true) => self.leave(number),
                (Some(number), false) => self.change(number, card),
                (None, false) => self.enter(card),
                (None, true) => {}
            }
        }
    }

    /// The page that a query asks for.
    pub(super) fn find(&self, query: &Query) -> Found {
        let set = self.matching(query);
        let total = query.wants_total.then(|| set.len());
        let mut numbers =
            if set.len() <= PICKED_MAX { self.pick(&set, query) } else { self.walk(&set, query) };
        let has_more = numbers.len() > query.count;
        numbers.truncate(query.count);
        let last = numbers.last().filter(|_| has_more);
        let next = last.map(|number| query.sort.by.key(self.info(*number)).to_mark(self.ids[slot(*number)]));
        let item = |number: u32| FoundItem { id: self.ids[slot(number)], version: self.info(number).version };
        Found { items: numbers.into_iter().map(item).collect(), next, total }
    }

    fn enter(&mut self, card: &Card) {
        let info = card.info();
        let number = self.free.pop().unwrap_or_else(|| {
            self.ids.push(card.id);
            self.infos.push(None);
            u32::try_from(self.ids.len() - 1).expect("four thousand million products do not fit in memory")
        });
        self.ids[slot(number)] = card.id;
        self.infos[slot(number)] = Some(Arc::clone(&info));
        let ids = &self.ids;
        self.by_id.insert(number, |entry| ids[slot(entry)].cmp(&card.id));
        for by in SortBy::ALL {
            self.insert(by, number, &info);
        }
        self.statuses[status_index(info.description.status)].insert(number);
        self.branches.relist(number, &[], &info.description.category_ids);
        self.reword(number, &[], &sorted_words(&info));
        self.note_stock(number, card);
    }

    fn change(&mut self, number: u32, card: &Card) {
        let info = card.info();
        let before = Arc::clone(self.infos[slot(number)].as_ref().expect("the number is taken"));
        if !Arc::ptr_eq(&before, &info) {
            let moves = |by: &SortBy| by.key(&before).compare(by.key(&info)) != Ordering::Equal;
            let moved: Vec<SortBy> = SortBy::ALL.into_iter().filter(moves).collect();
            for by in &moved {
                self.remove(*by, number, &before);
            }
            self.infos[slot(number)] = Some(Arc::clone(&info));
            for by in moved {
                self.insert(by, number, &info);
            }
            self.statuses[status_index(before.description.status)].remove(number);
            self.statuses[status_index(info.description.status)].insert(number);
            self.branches.relist(number, &before.description.category_ids, &info.description.category_ids);
            self.reword(number, &sorted_words(&before), &sorted_words(&info));
        }
        self.note_stock(number, card);
    }

    fn leave(&mut self, number: u32) {
        let info = self.infos[slot(number)].clone().expect("the number is taken");
        for by in SortBy::ALL {
            self.remove(by, number, &info);
        }
        let (ids, id) = (&self.ids, self.ids[slot(number)]);
        self.by_id.remove(|entry| ids[slot(entry)].cmp(&id));
        self.statuses[status_index(info.description.status)].remove(number);
        self.branches.relist(number, &info.description.category_ids, &[]);
        self.reword(number, &sorted_words(&info), &[]);
        self.in_stock.remove(number);
        self.infos[slot(number)] = None;
        self.free.push(number);
    }

    fn reword(&mut self, number: u32, before: &[String], now: &[String]) {
        for word in before.iter().filter(|word| now.binary_search(word).is_err()) {
            self.words.remove(word, number);
        }
        for word in now.iter().filter(|word| before.binary_search(word).is_err()) {
            self.words.add(word, number);
        }
        let (before, now) = (short_beginnings(before), short_beginnings(now));
        for text in before.difference(&now) {
            self.beginnings.remove(text, number);
        }
        for text in now.difference(&before) {
            self.beginnings.add(text, number);
        }
    }

    fn note_stock(&mut self, number: u32, card: &Card) {
        if card.is_in_stock() {
            self.in_stock.insert(number);
        } else {
            self.in_stock.remove(number);
        }
    }

    fn insert(&mut self, by: SortBy, number: u32, info: &Info) {
        let mut order = std::mem::take(&mut self.orders[by.index()]);
        order.insert(number, |entry| self.compare(by, entry, by.key(info), self.ids[slot(number)]));
        self.orders[by.index()] = order;
    }

    fn remove(&mut self, by: SortBy, number: u32, info: &Info) {
        let mut order = std::mem::take(&mut self.orders[by.index()]);
        order.remove(|entry| self.compare(by, entry, by.key(info), self.ids[slot(number)]));
        self.orders[by.index()] = order;
    }

    /// How an entry stands to a key and an id.
    pub(super) fn compare(&self, by: SortBy, entry: u32, key: Key<'_>, id: ProductId) -> Ordering {
        by.key(self.info(entry)).compare(key).then_with(|| self.ids[slot(entry)].cmp(&id))
    }

    fn info(&self, number: u32) -> &Info {
        self.infos[slot(number)].as_ref().expect("a number in a set or an order is taken")
    }

    /// The numbers of all products that belong on the list.
    fn matching(&self, query: &Query) -> RoaringBitmap {
        let mut parts: Vec<Cow<'_, RoaringBitmap>> = Vec::new();
        match query.status {
            Some(status) => parts.push(Cow::Borrowed(&self.statuses[status_index(status)])),
            None => {
                let [one, two, three] = &self.statuses;
                parts.push(Cow::Owned(one | two | three));
            }
        }
        if query.in_stock == Some(true) {
            parts.push(Cow::Borrowed(&self.in_stock));
        }
        if let Some(category) = query.category {
            let Some(set) = self.branches.within(category) else { return RoaringBitmap::new() };
            parts.push(Cow::Borrowed(set));
        }
        if let Some(text) = &query.text {
            let Some(sets) = self.with_words(text) else { return RoaringBitmap::new() };
            parts.extend(sets.into_iter().map(Cow::Owned));
        }
        parts.sort_unstable_by_key(|part| part.len());
        let mut parts = parts.into_iter();
        let mut set = parts.next().map(Cow::into_owned).unwrap_or_default();
        for part in parts {
            set &= &*part;
        }
        if query.in_stock == Some(false) {
            set -= &self.in_stock;
        }
        self.within_prices(set, query.price_min, query.price_max)
    }

    /// The products of each word; none where a word is nobody's.
    fn with_words(&self, text: &SearchText) -> Option<Vec<RoaringBitmap>> {
        let beginning = text.beginning.as_deref()?;
        let mut sets = Vec::with_capacity(text.words.len() + 1);
        for word in &text.words {
            sets.push(self.words.exact(word)?.to_set());
        }
        if is_short(beginning) {
            sets.push(self.beginnings.exact(beginning)?.to_set());
            return Some(sets);
        }
        let mut terms = self.words.beginning_with(beginning);
        let first = terms.next()?;
        let Some(second) = terms.next() else {
            sets.push(first.to_set());
            return Some(sets);
        };
        let mut bits = Bits::none(self.ids.len());
        for term in [first, second].into_iter().chain(terms) {
            term.each(|number| bits.set(number));
        }
        sets.push(bits.to_set());
        Some(sets)
    }

    fn within_prices(&self, set: RoaringBitmap, min: Option<Money>, max: Option<Money>) -> RoaringBitmap {
        if min.is_none() && max.is_none() {
            return set;
        }
        let is_within =
            |price: Money| min.is_none_or(|min| price >= min) && max.is_none_or(|max| price <= max);
        if set.len() <= PRICED_MAX {
            return set.iter().filter(|number| is_within(self.info(*number).description.price)).collect();
        }
        let order = &self.orders[SortBy::Price.index()];
        let price = |entry: u32| self.info(entry).description.price;
        let from = min.map_or(order.start(), |min| order.place(|entry| price(entry).cmp(&min)));
        let to = max.map_or(order.end(), |max| {
            order.place(|entry| if price(entry) <= max { Ordering::Less } else { Ordering::Greater })
        });
        let inside = order.count(from, to);
        let mut bits = Bits::none(self.ids.len());
        if inside * 2 <= self.len() {
            order.upwards(from).take(inside).for_each(|number| bits.set(number));
            set & bits.to_set()
        } else {
            // The few outside are faster to strike out.
            order.downwards(from).for_each(|number| bits.set(number));
            order.upwards(to).for_each(|number| bits.set(number));
            set - bits.to_set()
        }
    }

    /// The first of a small set after the mark, one more than asked for.
    fn pick(&self, set: &RoaringBitmap, query: &Query) -> Vec<u32> {
        let Sort { by, is_descending } = query.sort;
        let keyed = |number: u32| (by.key(self.info(number)), self.ids[slot(number)], number);
        let follows = |(key, id, _): &(Key<'_>, ProductId, u32)| {
            query.after.as_ref().is_none_or(|mark| {
                directed(key.compare(mark.key.as_key()).then_with(|| id.cmp(&mark.id)), is_descending)
                    == Ordering::Greater
            })
        };
        let mut picked: Vec<_> = set.iter().map(keyed).filter(follows).collect();
        let compare = |one: &(Key<'_>, ProductId, u32), other: &(Key<'_>, ProductId, u32)| {
            directed(one.0.compare(other.0).then_with(|| one.1.cmp(&other.1)), is_descending)
        };
        if picked.len() > query.count + 1 {
            picked.select_nth_unstable_by(query.count, compare);
            picked.truncate(query.count + 1);
        }
        picked.sort_unstable_by(compare);
        picked.into_iter().map(|(_, _, number)| number).collect()
    }

    /// The same of a large set, along the order.
    fn walk(&self, set: &RoaringBitmap, query: &Query) -> Vec<u32> {
        let Sort { by, is_descending } = query.sort;
        let order = &self.orders[by.index()];
        if is_descending {
            let place = query.after.as_ref().map_or(order.end(), |mark| self.place(by, mark, false));
            self.collect(order.downwards(place), set, query.count + 1)
        } else {
            let place = query.after.as_ref().map_or(order.start(), |mark| self.place(by, mark, true));
            self.collect(order.upwards(place), set, query.count + 1)
        }
    }

    /// The place of a mark: behind the product that it names, or before it.
    fn place(&self, by: SortBy, mark: &Mark, is_behind: bool) -> Place {
        self.orders[by.index()].place(|entry| match self.compare(by, entry, mark.key.as_key(), mark.id) {
            Ordering::Equal if is_behind => Ordering::Less,
            order => order,
        })
    }

    fn collect(&self, entries: impl Iterator<Item = u32>, set: &RoaringBitmap, count: usize) -> Vec<u32> {
        let mut found = Vec::with_capacity(count);
        let mut entries = entries;
        found.extend(
            entries.by_ref().take(STEPS_COMPRESSED_MAX).filter(|entry| set.contains(*entry)).take(count),
        );
        if found.len() < count {
            let mut bits = Bits::none(self.ids.len());
            set.iter().for_each(|number| bits.set(number));
            found.extend(entries.filter(|entry| bits.has(*entry)).take(count - found.len()));
        }
        found
    }
}

impl Bits {
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(8)])
    }

    pub(super) fn set(&mut self, number: u32) {
        self.0[slot(number / 8)] |= 1 << (number % 8);
    }

    fn has(&self, number: u32) -> bool {
        self.0[slot(number / 8)] & 1 << (number % 8) != 0
    }

    pub(super) fn to_set(&self) -> RoaringBitmap {
        RoaringBitmap::from_lsb0_bytes(0, &self.0)
    }
}

/// The place of a number in what is kept by number.
pub(super) fn slot(number: u32) -> usize {
    usize::try_from(number).expect("usize holds u32 on every target of ours")
}

pub(super) const fn status_index(status: Status) -> usize {
    match status {
        Status::Draft => 0,
        Status::Active => 1,
        Status::Archived => 2,
    }
}

const fn directed(order: Ordering, is_descending: bool) -> Ordering {
    if is_descending { order.reverse() } else { order }
}
