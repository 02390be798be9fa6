//! Which products have which word.
//!
//! A word is a run of letters and digits in lower case. Terms are kept sorted in chunks, with the numbers of their
//! products beside them, so that all words with one beginning are one stretch of memory.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use crate::card::Info;
use crate::outcome::ProductFacts;

/// Of a longer word the rest plays no part.
const WORD_BYTES_MAX: usize = 64;

/// Beginnings of so many letters or fewer are terms of their own.
const SHORT_CHARACTERS_MAX: usize = 2;

/// Terms of one chunk; a full one is split in two.
const CHUNK_TERMS_MAX: usize = 256;

/// Products of a term that are kept as a plain list.
const FEW_MAX: usize = 32;

/// All words of all products.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// None of them is empty.
    chunks: Vec<Vec<Term>>,
}

#[derive(Debug)]
pub(super) struct Term {
    text: Box<str>,
    products: Products,
}

/// The numbers of the products that have a word. Most words are those of one product's sku.
#[derive(Debug)]
pub(super) enum Products {
    One(u32),
    /// Sorted. Boxed, for the sake of the many that are one.
    #[expect(clippy::box_collection, reason = "sixteen bytes a term instead of thirty-two")]
    Few(Box<Vec<u32>>),
    Many(Box<RoaringBitmap>),
}

impl Dictionary {
    /// A dictionary of sorted terms.
    pub(super) fn of_sorted(terms: Vec<Term>) -> Self {
        let mut chunks = Vec::new();
        let mut terms = terms.into_iter().peekable();
        while terms.peek().is_some() {
            chunks.push(terms.by_ref().take(CHUNK_TERMS_MAX / 4 * 3).collect());
        }
        Self { chunks }
    }

    pub(super) fn add(&mut self, word: &str, product: u32) {
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let (chunk, found) = self.place(word);
        let chunk = chunk.min(self.chunks.len() - 1);
        let terms = &mut self.chunks[chunk];
        match found {
            Ok(offset) => terms[offset].products.add(product),
            Err(offset) => {
                let offset = offset.min(terms.len());
                terms.insert(offset, Term { text: word.into(), products: Products::One(product) });
                if terms.len() > CHUNK_TERMS_MAX {
                    let upper = terms.split_off(CHUNK_TERMS_MAX / 2);
                    terms.shrink_to_fit();
                    self.chunks.insert(chunk + 1, upper);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, word: &str, product: u32) {
        let (chunk, Ok(offset)) = self.place(word) else { unreachable!("what is removed was added") };
        let terms = &mut self.chunks[chunk];
        if terms[offset].products.remove(product) {
            terms.remove(offset);
            if terms.is_empty() {
                self.chunks.remove(chunk);
            }
        }
    }

    /// The products that have the word.
    pub(super) fn exact(&self, word: &str) -> Option<&Products> {
        let (chunk, Ok(offset)) = self.place(word) else { return None };
        Some(&self.chunks[chunk][offset].products)
    }

    /// The products of every word that begins so; each may come several times.
    pub(super) fn beginning_with<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a Products> {
        let (chunk, found) = self.place(beginning);
        let (Ok(offset) | Err(offset)) = found;
        let last = self.chunks.len();
        let end = (chunk..last)
            .find(|chunk| {
                let text = self.chunks[*chunk].last().map_or("", |term| &term.text);
                text > beginning && !text.starts_with(beginning)
            })
            .unwrap_or(last);
        // Of the chunk where the stretch ends only the beginning belongs to it; of those between everything does, and
        // no text is looked at.
        let whole = move |it: usize| it < end;
        (chunk..last.min(end + 1)).flat_map(move |it| {
            let terms = &self.chunks[it];
            let from = if it == chunk { offset.min(terms.len()) } else { 0 };
            let to = if whole(it) {
                terms.len()
            } else {
                from + terms[from..].partition_point(|term| term.text.starts_with(beginning))
            };
            terms[from..to].iter().map(|term| &term.products)
        })
    }

    /// The chunk of a word, and its place there or the one where it would be.
    fn place(&self, word: &str) -> (usize, Result<usize, usize>) {
        let chunk = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| *last.text < *word));
        let found = match self.chunks.get(chunk) {
            Some(terms) => terms.binary_search_by(|term| (*term.text).cmp(word)),
            None => Err(usize::MAX),
        };
        (chunk, found)
    }
}

impl Term {
    /// A term of products that are sorted.
    pub(super) fn new(text: Box<str>, products: &[u32]) -> Self {
        let products = match products {
            [one] => Products::One(*one),
            few if few.len() <= FEW_MAX => Products::Few(Box::new(few.to_vec())),
            many => {
                let set = RoaringBitmap::from_sorted_iter(many.iter().copied());
                Products::Many(Box::new(set.expect("the numbers are sorted")))
            }
        };
        Self { text, products }
    }

    /// The same of products in a set.
    pub(super) fn of_set(text: &str, products: RoaringBitmap) -> Self {
        if products.len() <= u64::try_from(FEW_MAX).unwrap_or(u64::MAX) {
            let few: Vec<u32> = products.iter().collect();
            return Self::new(text.into(), &few);
        }
        Self { text: text.into(), products: Products::Many(Box::new(products)) }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn products(&self) -> &Products {
        &self.products
    }
}

impl Products {
    pub(super) fn to_set(&self) -> RoaringBitmap {
        match self {
            Self::One(one) => RoaringBitmap::from_iter([*one]),
            Self::Few(few) => few.iter().copied().collect(),
            Self::Many(many) => (**many).clone(),
        }
    }

    pub(super) fn each(&self, mut take: impl FnMut(u32)) {
        match self {
            Self::One(one) => take(*one),
            Self::Few(few) => few.iter().copied().for_each(take),
            Self::Many(many) => many.iter().for_each(take),
        }
    }

    fn add(&mut self, product: u32) {
        match self {
            Self::One(one) if *one == product => {}
            Self::One(one) => {
                let (first, second) = ((*one).min(product), (*one).max(product));
                *self = Self::Few(Box::new(vec![first, second]));
            }
            Self::Few(few) => {
                if let Err(place) = few.binary_search(&product) {
                    few.insert(place, product);
                }
                if few.len() > FEW_MAX {
                    *self = Self::Many(Box::new(few.iter().copied().collect()));
                }
            }
            Self::Many(many) => drop(many.insert(product)),
        }
    }

    /// Takes a product out; true when none is left.
    fn remove(&mut self, product: u32) -> bool {
        match self {
            Self::One(one) => *one == product,
            Self::Few(few) => {
                few.retain(|it| *it != product);
                few.is_empty()
            }
            Self::Many(many) => {
                many.remove(product);
                many.is_empty()
            }
        }
    }
}

/// Calls `take` with every word of a product, as often as it is there.
pub(super) fn each_word(info: &Info, buffer: &mut String, mut take: impl FnMut(&str)) {
    let description = &info.description;
    let mut text = |text: &str| {
        buffer.clear();
        fold(text, buffer);
        split(buffer, &mut take);
    };
    text(&description.name);
    description.text.as_deref().into_iter().for_each(&mut text);
    for (_, variant) in info.live() {
        text(variant.sku.as_str());
        variant.name.as_deref().into_iter().for_each(&mut text);
    }
}

/// The words of a product as it is shown, sorted.
pub(super) fn word_list(facts: &ProductFacts) -> Vec<String> {
    let info = Info {
        description: std::sync::Arc::clone(&facts.description),
        is_simple: facts.is_simple,
        variants: facts.variants.iter().map(|it| std::sync::Arc::clone(&it.description)).collect(),
        removed: crate::few::Rare::default(),
        version: facts.version,
        created_at: facts.created_at,
        updated_at: facts.updated_at,
    };
    sorted_words(&info)
}

/// The words of a product, each once.
pub(super) fn sorted_words(info: &Info) -> Vec<String> {
    let mut words = Vec::new();
    each_word(info, &mut String::new(), |word| words.push(word.to_owned()));
    words.sort_unstable();
    words.dedup();
    words
}

/// The short beginnings of words.
pub(super) fn short_beginnings(words: &[String]) -> BTreeSet<&str> {
    words.iter().flat_map(|word| beginnings_of(word)).collect()
}

/// The short beginnings of one word, the shortest first.
pub(super) fn beginnings_of(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().skip(1).map(|(end, _)| end).chain([word.len()]);
    ends.take(SHORT_CHARACTERS_MAX).map(|end| &word[..end])
}

/// Whether a beginning is one of those.
pub(super) fn is_short(beginning: &str) -> bool {
    beginning.chars().nth(SHORT_CHARACTERS_MAX).is_none()
}

/// Appends a text in lower case, letter by letter: the same letter is the same everywhere in a word.
pub(super) fn fold(text: &str, buffer: &mut String) {
    if text.is_ascii() {
        let from = buffer.len();
        buffer.push_str(text);
        buffer[from..].make_ascii_lowercase();
    } else {
        buffer.extend(text.chars().flat_map(char::to_lowercase));
    }
}

/// Calls `take` with every word of a text in lower case.
pub(super) fn split(text: &str, take: impl FnMut(&str)) {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| &word[..word.floor_char_boundary(WORD_BYTES_MAX)]).for_each(take);
}
