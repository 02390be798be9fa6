//! What a list is asked for, and what is found.

use std::cmp::Ordering;

use holdfast_domain::category::Categories;
use holdfast_domain::product::Status;
use holdfast_domain::{CategoryId, Money, ProductId, Timestamp};

use super::words::{fold, word_list};
use crate::card::Info;
use crate::outcome::ProductFacts;

/// Of a name longer than this, in lower case, the rest plays no part in the order: products whose names begin alike
/// for so long are ordered by id.
const NAME_CHARACTERS_MAX: usize = 120;

/// Which products, in which order, from where on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// Only those.
    pub status: Option<Status>,
    /// Only those in this category or a descendant of it.
    pub category: Option<CategoryId>,
    /// Only those with these words.
    pub text: Option<SearchText>,
    /// Only those that cost at least so much.
    pub price_min: Option<Money>,
    /// Only those that cost at most so much.
    pub price_max: Option<Money>,
    /// Only those of which there are units, or none.
    pub in_stock: Option<bool>,
    /// In this order.
    pub sort: Sort,
    /// Only those that follow this place.
    pub after: Option<Mark>,
    /// Not more than that.
    pub count: usize,
    /// Whether to say how many there are on all pages.
    pub wants_total: bool,
}

/// The order of a list; products that are equal in it are ordered by id, the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Whether the greatest come first.
    pub is_descending: bool,
}

/// What a list is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortBy {
    /// When it was made.
    CreatedAt,
    /// What it costs, before the adjustment of a variant.
    Price,
    /// What it is called, in lower case.
    Name,
    /// When its description last changed.
    UpdatedAt,
}

/// The place of a product in a list: where the next page begins, whatever has changed by then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// By what the list is sorted.
    pub key: MarkKey,
    /// Which of those with the same key.
    pub id: ProductId,
}

/// The sort key of a product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MarkKey {
    /// A moment or a price.
    Number(i64),
    /// A name in lower case.
    Name(Box<str>),
}

/// Words that a product must have: in its name, its description, its skus or the names of its variants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchText {
    /// As they are.
    pub(super) words: Vec<String>,
    /// The last may be the beginning of a word; none where there is no word at all, and then nothing is found.
    pub(super) beginning: Option<String>,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// In their order.
    pub items: Vec<FoundItem>,
    /// The place of the last one, where more follow.
    pub next: Option<Mark>,
    /// How many there are on all pages.
    pub total: Option<u64>,
}

/// A product on a page, as the index knew it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundItem {
    /// Which.
    pub id: ProductId,
    /// Of the description that was looked at.
    pub version: u32,
}

/// A sort key where it lies.
#[derive(Clone, Copy)]
pub(super) enum Key<'a> {
    Number(i64),
    Name(&'a str),
}

impl Default for Query {
    fn default() -> Self {
        Self {
            status: None,
            category: None,
            text: None,
            price_min: None,
            price_max: None,
            in_stock: None,
            sort: Sort { by: SortBy::CreatedAt, is_descending: false },
            after: None,
            count: 50,
            wants_total: false,
        }
    }
}

impl Query {
    /// Whether a product belongs on the list as it is now; `version` is that of the description which was found to.
    #[must_use]
    pub fn accepts(&self, facts: &ProductFacts, version: u32, categories: &Categories) -> bool {
        if self.in_stock.is_some_and(|in_stock| in_stock != (facts.available() > 0)) {
            return false;
        }
        if facts.version == version {
            return true;
        }
        let description = &facts.description;
        let is_within = |wanted| description.category_ids.iter().any(|id| categories.is_within(*id, wanted));
        self.status.is_none_or(|status| description.status == status)
            && self.price_min.is_none_or(|min| description.price >= min)
            && self.price_max.is_none_or(|max| description.price <= max)
            && self.category.is_none_or(is_within)
            && self.text.as_ref().is_none_or(|text| text.is_in(&word_list(facts)))
    }
}

impl SearchText {
    /// The words of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut words = Vec::new();
        let mut buffer = String::new();
        fold(text, &mut buffer);
        super::words::split(&buffer, |word| words.push(word.to_owned()));
        let beginning = words.pop();
        Self { words, beginning }
    }

    /// Whether all words are in a sorted list of them.
    fn is_in(&self, sorted: &[String]) -> bool {
        let Some(beginning) = &self.beginning else { return false };
        let from = sorted.partition_point(|word| word < beginning);
        sorted.get(from).is_some_and(|word| word.starts_with(beginning.as_str()))
            && self.words.iter().all(|word| sorted.binary_search(word).is_ok())
    }
}

impl SortBy {
    /// All of them; the index has an order for each.
    pub(super) const ALL: [Self; 4] = [Self::CreatedAt, Self::Price, Self::Name, Self::UpdatedAt];

    /// The place in [`SortBy::ALL`].
    pub(super) const fn index(self) -> usize {
        match self {
            Self::CreatedAt => 0,
            Self::Price => 1,
            Self::Name => 2,
            Self::UpdatedAt => 3,
        }
    }

    /// The key of a product.
    pub(super) fn key(self, info: &Info) -> Key<'_> {
        let moment = |Timestamp(ms): Timestamp| Key::Number(i64::try_from(ms).unwrap_or(i64::MAX));
        match self {
            Self::CreatedAt => moment(info.created_at),
            Self::UpdatedAt => moment(info.updated_at),
            Self::Price => Key::Number(info.description.price.0),
            Self::Name => Key::Name(&info.description.name),
        }
    }
}

impl Key<'_> {
    pub(super) fn compare(self, other: Key<'_>) -> Ordering {
        match (self, other) {
            (Self::Number(one), Key::Number(other)) => one.cmp(&other),
            (Self::Name(one), Key::Name(other)) => compare_names(one, other),
            (Self::Number(_), Key::Name(_)) => Ordering::Less,
            (Self::Name(_), Key::Number(_)) => Ordering::Greater,
        }
    }

    pub(super) fn to_mark(self, id: ProductId) -> Mark {
        let key = match self {
            Self::Number(number) => MarkKey::Number(number),
            Self::Name(name) => MarkKey::Name(folded(name).collect::<String>().into()),
        };
        Mark { key, id }
    }
}

impl MarkKey {
    pub(super) fn as_key(&self) -> Key<'_> {
        match self {
            Self::Number(number) => Key::Number(*number),
            Self::Name(name) => Key::Name(name),
        }
    }
}

/// In lower case, without making the lower-case texts: names are compared twenty times for each that is entered.
fn compare_names(one: &str, other: &str) -> Ordering {
    let (a, b) = (one.as_bytes(), other.as_bytes());
    let plain = a.iter().zip(b).take(NAME_CHARACTERS_MAX);
    for (x, y) in plain {
        if !x.is_ascii() || !y.is_ascii() {
            return folded(one).cmp(folded(other));
        }
        let order = x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase());
        if order != Ordering::Equal {
            return order;
        }
    }
    folded(one).cmp(folded(other))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(char::to_lowercase).take(NAME_CHARACTERS_MAX)
}
