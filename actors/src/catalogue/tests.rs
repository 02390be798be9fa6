//! The index against a naive one: filter everything, sort everything, take the page.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_domain::category::{self, Categories};
use holdfast_domain::product::{
    self, Command, Description, NewProduct, NewVariant, Product, Reason, ReserveOn, Status,
    VariantDescription, VariantNo,
};
use holdfast_domain::{CategoryId, Currency, Money, ProductId, Quantity, Sku, Timestamp};
use holdfast_persistence::{Partition, Sequence, Ticket};
use proptest::prelude::*;

use super::*;
use crate::directory::Published;

/// Words that meet each other: in several cases, alphabets and lengths.
const WORDS: [&str; 12] =
    ["Lamp", "LAMPE", "red", "Red", "Öl", "öl", "straße", "Ωmega", "a", "ab", "abc", "x9"];
const CATEGORIES: u128 = 6;

/// A shop without actors: products as turns would leave them, told to the catalogue as turns do.
struct Stall {
    catalogue: Arc<Catalogue>,
    categories: Categories,
    products: BTreeMap<ProductId, (Product, Arc<Card>)>,
    now: u64,
}

/// What happens to one product.
#[derive(Clone, Debug)]
enum Deed {
    Put { id: u128, look: Look },
    Delete { id: u128 },
    Stock { id: u128, units: u8 },
    Move { category: u128, parent: u128 },
    Ask(Ask),
}

#[derive(Clone, Debug)]
struct Look {
    name: Vec<usize>,
    text: Vec<usize>,
    price: u8,
    status: u8,
    categories: Vec<u128>,
}

#[derive(Clone, Debug)]
struct Ask {
    status: Option<u8>,
    category: Option<u128>,
    text: Option<(Vec<usize>, usize)>,
    prices: (Option<u8>, Option<u8>),
    in_stock: Option<bool>,
    sort: (usize, bool),
    count: usize,
}

impl Stall {
    fn new() -> Self {
        let mut categories = Categories::default();
        for id in 1..=CATEGORIES {
            let description = category::Description {
                name: "c".into(),
                slug: format!("c{id}").into(),
                parent: (id > 1).then_some(CategoryId(id / 2)),
            };
            let event = categories.decide_create(CategoryId(id), description).expect("a small tree");
            categories.apply(&event, Timestamp(1));
        }
        let stall = Self { catalogue: Arc::default(), categories, products: BTreeMap::new(), now: 1_000 };
        stall.tell_categories();
        stall
    }

    fn tell_categories(&self) {
        let published = Published { value: self.categories.clone(), ticket: Ticket::ZERO };
        self.catalogue.note_categories(Arc::new(published));
    }

    fn put(&mut self, id: u128, look: &Look) {
        // Now and then two things happen in one millisecond.
        self.now += u64::from(look.price % 2);
        let now = Timestamp(self.now);
        let id = ProductId(id);
        match self.products.get_mut(&id) {
            None => {
                let new = new_product(id, look);
                let mut slot = None;
                for event in product::decide_create(&new).expect("well formed") {
                    product::apply(&mut slot, &event, now);
                }
                let product = slot.expect("made");
                let card = Arc::new(Card::new(id, Partition(0), &product, Ticket::ZERO, Sequence(1)));
                self.catalogue.note(&card, News::Listing);
                self.products.insert(id, (product, card));
            }
            Some(_) => {
                let description = Arc::new(description(look));
                self.carry_out(id, &Command::Describe { description, version: None });
            }
        }
    }

    fn stock(&mut self, id: u128, units: u8) {
        let id = ProductId(id);
        if self.products.contains_key(&id) {
            let on_hand = holdfast_domain::Units(u32::from(units));
            self.carry_out(id, &Command::Count { variant: VariantNo(0), on_hand, expected: None });
        }
    }

    fn delete(&mut self, id: u128) {
        let Some((_, card)) = self.products.remove(&ProductId(id)) else { return };
        card.publish(None, Ticket::ZERO, Sequence(1));
        self.catalogue.note(&card, News::Listing);
    }

    fn carry_out(&mut self, id: ProductId, command: &Command) {
        let now = Timestamp(self.now);
        let (product, card) = self.products.get_mut(&id).expect("it is there");
        let mut slot = Some(product.clone());
        for event in product.decide(command).expect("it may be done") {
            product::apply(&mut slot, &event, now);
        }
        *product = slot.expect("it stays");
        card.publish(Some(product), Ticket::ZERO, Sequence(1));
        self.catalogue.note(card, News::Listing);
    }

    fn move_category(&mut self, id: u128, parent: u128) {
        let (id, parent) = (CategoryId(id), (parent > 0).then_some(CategoryId(parent)));
        let description = category::Description {
            parent,
            ..self.categories.get(id).expect("all stay").description.clone()
        };
        if let Ok(Some(event)) = self.categories.decide_describe(id, description, None) {
            self.categories.apply(&event, Timestamp(2));
            self.tell_categories();
        }
    }

    /// Asks page after page, and compares all of them with the naive list.
    fn check(&self, ask: &Ask) -> Result<(), TestCaseError> {
        let expected = self.naive(ask);
        let mut query = ask.query();
        let mut seen = Vec::new();
        for _ in 0..=expected.len() {
            let found = self.catalogue.find(&query);
            prop_assert_eq!(found.total, Some(u64::try_from(expected.len()).expect("small")));
            prop_assert!(found.items.len() <= ask.count);
            prop_assert!(found.next.is_none() || found.items.len() == ask.count);
            for item in &found.items {
                prop_assert_eq!(item.version, self.products[&item.id].0.version());
                let facts = self.products[&item.id].1.facts().expect("it is there").0;
                prop_assert!(query.accepts(&facts, u32::MAX, &self.categories), "{:?}", facts);
            }
            seen.extend(found.items.iter().map(|item| item.id));
            query.after = found.next;
            if query.after.is_none() {
                break;
            }
        }
        prop_assert_eq!(seen, expected);
        Ok(())
    }

    fn naive(&self, ask: &Ask) -> Vec<ProductId> {
        let belongs = |product: &&Product| {
            let it = product.description();
            let words = naive_words(product);
            ask.status.is_none_or(|status| it.status == status_of(status))
                && ask.prices.0.is_none_or(|min| it.price.0 >= i64::from(min))
                && ask.prices.1.is_none_or(|max| it.price.0 <= i64::from(max))
                && ask.in_stock.is_none_or(|it| (product.variants()[0].levels.available.0 > 0) == it)
                && ask.category.is_none_or(|wanted| {
                    let branch = self.categories.with_descendants(CategoryId(wanted));
                    it.category_ids.iter().any(|id| branch.contains(id))
                })
                && ask.text.as_ref().is_none_or(|(whole, beginning)| {
                    let beginning = naive_fold(WORDS[*beginning]);
                    whole.iter().all(|word| words.contains(&naive_fold(WORDS[*word])))
                        && words.iter().any(|word| word.starts_with(&beginning))
                })
        };
        let mut found: Vec<(&ProductId, &Product)> = self
            .products
            .iter()
            .map(|(id, (product, _))| (id, product))
            .filter(|(_, it)| belongs(it))
            .collect();
        found.sort_by_key(|(id, product)| {
            let it = product.description();
            let moment = |Timestamp(ms)| (i64::try_from(ms).expect("small"), String::new());
            let key = match ask.sort.0 {
                0 => moment(product.created_at()),
                1 => (it.price.0, String::new()),
                2 => (0, naive_fold(&it.name)),
                _ => moment(product.updated_at()),
            };
            (key, **id)
        });
        if ask.sort.1 {
            found.reverse();
        }
        found.into_iter().map(|(id, _)| *id).collect()
    }
}

impl Ask {
    fn query(&self) -> Query {
        let text = |(whole, beginning): &(Vec<usize>, usize)| {
            let words: Vec<&str> = whole.iter().chain([beginning]).map(|word| WORDS[*word]).collect();
            SearchText::new(&words.join(" -/ "))
        };
        Query {
            status: self.status.map(status_of),
            category: self.category.map(CategoryId),
            text: self.text.as_ref().map(text),
            price_min: self.prices.0.map(|price| Money(i64::from(price))),
            price_max: self.prices.1.map(|price| Money(i64::from(price))),
            in_stock: self.in_stock,
            sort: Sort { by: SortBy::ALL[self.sort.0], is_descending: self.sort.1 },
            after: None,
            count: self.count,
            wants_total: true,
        }
    }
}

fn status_of(number: u8) -> Status {
    [Status::Active, Status::Draft, Status::Archived][usize::from(number % 3)]
}

fn naive_fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn naive_words(product: &Product) -> Vec<String> {
    let description = product.description();
    let mut texts = vec![naive_fold(&description.name)];
    texts.extend(description.text.as_deref().map(naive_fold));
    for variant in product.variants() {
        texts.push(naive_fold(variant.description.sku.as_str()));
        texts.extend(variant.description.name.as_deref().map(naive_fold));
    }
    let is_end = |letter: char| !letter.is_alphanumeric();
    texts.iter().flat_map(|text| text.split(is_end)).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn joined(words: &[usize]) -> String {
    words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ")
}

fn description(look: &Look) -> Description {
    Description {
        name: joined(&look.name).into(),
        text: (!look.text.is_empty()).then(|| joined(&look.text).into()),
        status: status_of(look.status),
        price: Money(i64::from(look.price)),
        currency: Currency::new("EUR").expect("three capitals"),
        category_ids: look.categories.iter().copied().map(CategoryId).collect(),
        attributes: "{}".into(),
        reserve_on: ReserveOn::Cart,
        reservation_ttl: None,
        per_order_limit: None,
        per_customer_limit: None,
    }
}

fn new_product(id: ProductId, look: &Look) -> NewProduct {
    let variant = VariantDescription {
        sku: Sku::new(&format!("SKU-{}", id.0)).expect("well formed"),
        name: None,
        attributes: "{}".into(),
        price_adjustment: Money(0),
    };
    let initial_stock = Quantity::new(u32::from(look.price % 3));
    let variants = vec![NewVariant { description: Arc::new(variant), initial_stock }];
    NewProduct { description: Arc::new(description(look)), is_simple: true, variants }
}

fn looks() -> impl Strategy<Value = Look> {
    let words = || proptest::collection::vec(0..WORDS.len(), 0..3);
    let categories = proptest::collection::btree_set(1..=CATEGORIES, 0..3);
    // Mostly active, as in life.
    (words(), words(), 0..9_u8, 0..9_u8, categories).prop_map(|(name, text, price, status, categories)| {
        let status = if status < 7 { 0 } else { status };
        Look { name, text, price, status, categories: categories.into_iter().collect() }
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    let text = (proptest::collection::vec(0..WORDS.len(), 0..2), 0..WORDS.len());
    let maybe = proptest::option::of::<std::ops::Range<u8>>;
    (
        maybe(0..3),
        proptest::option::of(1..=CATEGORIES),
        proptest::option::of(text),
        (maybe(0..9), maybe(0..9)),
        proptest::option::of(any::<bool>()),
        (0..4_usize, any::<bool>()),
        1..5_usize,
    )
        .prop_map(|(status, category, text, prices, in_stock, sort, count)| Ask {
            status,
            category,
            text,
            prices,
            in_stock,
            sort,
            count,
        })
}

fn deeds(ids: u128) -> impl Strategy<Value = Deed> {
    let id = move || 1..=ids;
    prop_oneof![
        6 => (id(), looks()).prop_map(|(id, look)| Deed::Put { id, look }),
        1 => id().prop_map(|id| Deed::Delete { id }),
        2 => (id(), 0..2_u8).prop_map(|(id, units)| Deed::Stock { id, units }),
        1 => (1..=CATEGORIES, 0..=CATEGORIES).prop_map(|(category, parent)| Deed::Move { category, parent }),
        6 => asks().prop_map(Deed::Ask),
    ]
}

fn live(stall: &mut Stall, deeds: &[Deed]) -> Result<(), TestCaseError> {
    for deed in deeds {
        match deed {
            Deed::Put { id, look } => stall.put(*id, look),
            Deed::Delete { id } => stall.delete(*id),
            Deed::Stock { id, units } => stall.stock(*id, *units),
            Deed::Move { category, parent } => stall.move_category(*category, *parent),
            Deed::Ask(ask) => stall.check(ask)?,
        }
    }
    Ok(())
}

proptest! {
    /// Whatever happens to the products, a list shows those that belong on it, in their order, page after page.
    #[test]
    fn index_finds_what_a_naive_search_finds(deeds in proptest::collection::vec(deeds(20), 0..120)) {
        live(&mut Stall::new(), &deeds)?;
    }

    /// A product that nobody changes is seen exactly once on a walk through all pages, whatever happens to others.
    #[test]
    fn walk_sees_every_unchanged_product_once(
        looks in proptest::collection::vec(looks(), 40),
        deeds in proptest::collection::vec((1..=20_u128, looks(), 0..4_u8), 0..60),
        ask in asks(),
    ) {
        let mut stall = Stall::new();
        // The even ones stay as they are; the odd ones come, go and change between the pages.
        for (id, look) in (1..).zip(&looks) {
            stall.put(id, look);
        }
        let mut changes = deeds.iter();
        let mut query = ask.query();
        let mut seen: BTreeMap<ProductId, u32> = BTreeMap::new();
        loop {
            let found = stall.catalogue.find(&query);
            found.items.iter().for_each(|item| *seen.entry(item.id).or_default() += 1);
            query.after = found.next;
            if query.after.is_none() {
                break;
            }
            for (id, look, kind) in changes.by_ref().take(4) {
                match kind {
                    0 => stall.delete(id * 2 - 1),
                    1 => stall.stock(id * 2 - 1, look.price),
                    _ => stall.put(id * 2 - 1, look),
                }
            }
        }
        let expected: Vec<ProductId> = stall.naive(&ask).into_iter().filter(|id| id.0 % 2 == 0).collect();
        for id in &expected {
            prop_assert_eq!(seen.get(id), Some(&1), "{:?}", id);
        }
        let strangers = seen.keys().filter(|id| id.0 % 2 == 0 && !expected.contains(id)).count();
        prop_assert_eq!(strangers, 0);
    }
}

/// Enough products that the index is made in bulk, its chunks are split, and pages are walked to, not picked.
#[test]
fn large_index_finds_what_a_naive_search_finds() {
    let count = 9_000_u128;
    let seed = std::env::var("CATALOGUE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    println!("CATALOGUE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random =
        proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &bytes);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(ProptestConfig::default(), random);
    let mut draw =
        |deeds: BoxedStrategy<Deed>| deeds.new_tree(&mut runner).expect("nothing is rejected").current();
    let mut stall = Stall::new();
    for id in 1..=count {
        let Deed::Put { look, .. } = draw(looks().prop_map(|look| Deed::Put { id: 0, look }).boxed()) else {
            unreachable!("it was just made")
        };
        stall.put(id, &look);
    }
    assert_eq!(stall.catalogue.len(), 9_000);
    for round in 0..60 {
        for _ in 0..100 {
            let deed = draw(deeds(count + 500).boxed());
            if !matches!(deed, Deed::Ask(_)) {
                live(&mut stall, &[deed]).expect("only asking can fail");
            }
        }
        let Deed::Ask(ask) = draw(asks().prop_map(Deed::Ask).boxed()) else {
            unreachable!("it was just made")
        };
        // Mostly few filters: large sets are the ones that are walked.
        let ask = Ask { count: 450 + round, status: ask.status.filter(|_| round % 3 == 0), ..ask };
        let ask = if round % 2 == 0 { Ask { text: None, category: None, ..ask } } else { ask };
        stall.check(&ask).unwrap_or_else(|error| panic!("{ask:?}: {error}"));
    }
}

#[test]
fn last_word_may_be_a_beginning_and_the_others_may_not() {
    let mut stall = Stall::new();
    let look = Look { name: vec![0, 2], text: vec![6], price: 1, status: 0, categories: Vec::new() };
    stall.put(1, &look);
    let finds = |text: &str| {
        let query = Query { text: Some(SearchText::new(text)), ..Query::default() };
        stall.catalogue.find(&query).items.len()
    };
    for text in [
        "lamp",
        "LAM",
        "red l",
        "lamp red",
        "Lamp, RED!",
        "sku-1",
        "STRASS".to_lowercase().as_str(),
        "straß",
        "l",
    ] {
        let expected = usize::from(text != "strass");
        assert_eq!(finds(text), expected, "{text}");
    }
    for text in ["lam red", "amp", "lampe", "lamp blue", "!", " ", "lamp 2"] {
        assert_eq!(finds(text), 0, "{text}");
    }
}

#[test]
fn card_waits_once_however_often_it_changes() {
    let mut stall = Stall::new();
    let look = Look { name: vec![0], text: Vec::new(), price: 1, status: 0, categories: Vec::new() };
    stall.put(1, &look);
    for units in 0..100 {
        stall.stock(1, units % 2);
    }
    assert_eq!(stall.catalogue.queue().cards.len(), 1);
    assert_eq!(stall.catalogue.find(&Query { in_stock: Some(true), ..Query::default() }).items.len(), 1);
    assert_eq!(stall.catalogue.queue().cards.len(), 0);
}

#[test]
fn adjusted_to_nothing_is_out_of_stock() {
    let mut stall = Stall::new();
    let look = Look { name: vec![0], text: Vec::new(), price: 2, status: 0, categories: Vec::new() };
    stall.put(1, &look);
    let (reason, reference, note) = (Reason::Damaged, None, None);
    let command = Command::Adjust { variant: VariantNo(0), delta: -2, reason, reference, note };
    let in_stock = |stall: &Stall| stall.catalogue.find(&Query { in_stock: Some(true), ..Query::default() });
    assert_eq!(in_stock(&stall).items.len(), 1);
    stall.carry_out(ProductId(1), &command);
    assert_eq!(in_stock(&stall).items.len(), 0);
}
