//! A large index made at once: sorting a million keys is cheaper than entering them one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread;

use holdfast_domain::ProductId;

use super::index::{Bits, Index, slot, status_index};
use super::order::Order;
use super::query::{Key, SortBy};
use super::words::{Dictionary, Term, beginnings_of, each_word};
use crate::card::{Card, Info};

/// Fewer changes than this are always entered one by one.
const CHANGES_MIN: usize = 4_096;

/// Bytes of a text that are compared as one number.
const HINT_BYTES: usize = 8;

/// What the index knows of a product: its description, and whether it is in stock.
type Product = (Arc<Info>, bool);

/// Whether to make a new index rather than enter so many changes one by one: entering one costs about as much as
/// eight in bulk.
pub(super) fn is_worth_it(index: &Index, changes: usize) -> bool {
    changes >= CHANGES_MIN && changes >= index.len() / 8
}

/// Makes the index anew, with what it has and what `cards` show.
pub(super) fn fill(index: &mut Index, cards: &[Arc<Card>]) {
    let sorted = sorted(index, cards);
    let mut branches = std::mem::take(&mut index.branches).emptied();
    let mut made = Index {
        ids: sorted.iter().map(|(id, _)| *id).collect(),
        infos: sorted.iter().map(|(_, (info, _))| Some(Arc::clone(info))).collect(),
        ..Index::default()
    };
    let numbers: Vec<u32> = (0..).take(sorted.len()).collect();
    for (number, (_, (info, is_in_stock))) in numbers.iter().zip(&sorted) {
        made.statuses[status_index(info.description.status)].insert(*number);
        if *is_in_stock {
            made.in_stock.insert(*number);
        }
        branches.list_only(*number, &info.description.category_ids);
    }
    branches.rebuild();
    let infos = || sorted.iter().map(|(_, (info, _))| &**info);
    let (orders, (words, beginnings)) = thread::scope(|scope| {
        let orders = scope.spawn(|| SortBy::ALL.map(|by| order(&made, by, &numbers)));
        let words = dictionaries(infos(), sorted.len());
        (orders.join().expect("a panic aborts the process"), words)
    });
    made.by_id = Order::of_sorted(&numbers);
    *index = Index { orders, words, beginnings, branches, ..made };
}

/// What there is, by id.
fn sorted(index: &Index, cards: &[Arc<Card>]) -> Vec<(ProductId, Product)> {
    let numbered = (0..).zip(index.ids.iter().zip(&index.infos));
    let present = |(number, (id, info)): (u32, (&ProductId, &Option<Arc<Info>>))| {
        let info = Arc::clone(info.as_ref()?);
        Some((*id, Some((info, index.in_stock.contains(number)))))
    };
    let shown = |card: &Arc<Card>| {
        let product = (!card.is_deleted()).then(|| (card.info(), card.is_in_stock()));
        (card.id, product)
    };
    // The newest first, so that of several with one id it is kept.
    let mut all: Vec<_> = cards.iter().rev().map(shown).chain(numbered.filter_map(present)).collect();
    all.sort_by_key(|(id, _)| *id);
    all.dedup_by_key(|(id, _)| *id);
    all.into_iter().filter_map(|(id, product)| Some((id, product?))).collect()
}

fn order(index: &Index, by: SortBy, numbers: &[u32]) -> Order {
    let info = |number: u32| index.infos[slot(number)].as_deref().expect("every number is taken");
    // With their keys beside them: a sort looks at each twenty times. Numbers are in the order of ids.
    let mut buffer = String::new();
    let keyed = |number: &u32| {
        let key = by.key(info(*number));
        (hint(key, &mut buffer), key, *number)
    };
    let mut keyed: Vec<_> = numbers.iter().map(keyed).collect();
    keyed.sort_unstable_by(|(hint, one, first), (other_hint, other, second)| {
        hint.cmp(other_hint).then_with(|| one.compare(*other)).then(first.cmp(second))
    });
    let sorted: Vec<u32> = keyed.into_iter().map(|(.., number)| number).collect();
    Order::of_sorted(&sorted)
}

/// What mostly decides how two keys compare, without a look at a name.
fn hint(key: Key<'_>, buffer: &mut String) -> u64 {
    match key {
        Key::Number(_) => 0,
        Key::Name(name) => {
            buffer.clear();
            buffer.extend(name.chars().take(HINT_BYTES).flat_map(char::to_lowercase));
            text_hint(buffer)
        }
    }
}

/// The first bytes of a text as a number that compares as the text does.
fn text_hint(text: &str) -> u64 {
    let mut bytes = [0; HINT_BYTES];
    let len = text.len().min(HINT_BYTES);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    u64::from_be_bytes(bytes)
}

/// The words of all products, which come by number, and their short beginnings.
fn dictionaries<'a>(infos: impl Iterator<Item = &'a Info>, count: usize) -> (Dictionary, Dictionary) {
    let mut places: HashMap<Box<str>, usize> = HashMap::new();
    let mut products: Vec<Vec<u32>> = Vec::new();
    let mut buffer = String::new();
    for (number, info) in (0..).zip(infos) {
        each_word(info, &mut buffer, |word| match places.get(word) {
            Some(place) => {
                if products[*place].last() != Some(&number) {
                    products[*place].push(number);
                }
            }
            None => {
                places.insert(word.into(), products.len());
                products.push(vec![number]);
            }
        });
    }
    let mut texts: Vec<(u64, Box<str>, usize)> =
        places.into_iter().map(|(text, place)| (text_hint(&text), text, place)).collect();
    texts.sort_unstable_by(|(hint, one, _), (other_hint, other, _)| {
        hint.cmp(other_hint).then_with(|| one.cmp(other))
    });
    let term =
        |(_, text, place): (u64, Box<str>, usize)| Term::new(text, &std::mem::take(&mut products[place]));
    let terms: Vec<Term> = texts.into_iter().map(term).collect();
    let beginnings = Dictionary::of_sorted(beginnings(&terms, count));
    (Dictionary::of_sorted(terms), beginnings)
}

/// The short beginnings of sorted terms: those that begin alike follow each other.
fn beginnings(terms: &[Term], count: usize) -> Vec<Term> {
    let mut found: BTreeMap<&str, Bits> = BTreeMap::new();
    let mut finished: Vec<Term> = Vec::new();
    for term in terms {
        let own: Vec<&str> = beginnings_of(term.text()).collect();
        // What does not go on is finished: only a few are open at a time, each with a bit for every product.
        let is_over = |text: &&str, _: &mut Bits| !own.contains(text);
        finished.extend(found.extract_if(.., is_over).map(|(text, bits)| Term::of_set(text, bits.to_set())));
        for text in own {
            let bits = found.entry(text).or_insert_with(|| Bits::none(count));
            term.products().each(|number| bits.set(number));
        }
    }
    finished.extend(found.into_iter().map(|(text, bits)| Term::of_set(text, bits.to_set())));
    finished.sort_unstable_by(|one, other| one.text().cmp(other.text()));
    finished
}
