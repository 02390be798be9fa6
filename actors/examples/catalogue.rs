//! Measures the catalogue's lists: `cargo run --release -p holdfast-actors --example catalogue -- 1000000`.
//!
//! Makes that many products of an invented shop, builds the index over them, and asks for pages with every combination
//! of filters, sorts and totals. Prints milliseconds; what is printed on one machine is comparable with itself only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_actors::card::Card;
use holdfast_actors::catalogue::{Catalogue, News, Query, SearchText, Sort, SortBy};
use holdfast_actors::directory::Published;
use holdfast_actors::domain::category::{self, Categories};
use holdfast_actors::domain::product::{
    self, Command, Description, NewProduct, NewVariant, Product, ReserveOn, Status, VariantDescription,
    VariantNo,
};
use holdfast_actors::domain::{CategoryId, Currency, Money, ProductId, Quantity, Sku, Timestamp, Units};
use holdfast_actors::persistence::{Partition, Sequence, Ticket};

const PRODUCTS_DEFAULT: u32 = 1_000_000;
const VOCABULARY: u32 = 20_000;
const TOP_CATEGORIES: u32 = 10;
const MIDDLE_CATEGORIES: u32 = 100;
const LEAF_CATEGORIES: u32 = 1_000;
const PRICE_MAX: u32 = 100_000;
const DESCRIPTION_WORDS: u32 = 20;
const DRAWS: u32 = 5;
const CHANGES: u32 = 2_000;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Numbers that look random and are the same each time.
struct Dice(u64);

struct Shop {
    dice: Dice,
    words: Vec<String>,
    categories: Arc<Published<Categories>>,
    products: Vec<(Product, Arc<Card>)>,
    catalogue: Arc<Catalogue>,
}

/// How long queries of one kind took.
#[derive(Default)]
struct Times {
    all: Vec<Duration>,
    slowest: Option<(Duration, String)>,
}

/// A choice for each filter; by name.
#[derive(Clone, Copy, Debug)]
struct Kind {
    category: &'static str,
    text: &'static str,
    price: &'static str,
    in_stock: Option<bool>,
    sort: Sort,
    wants_total: bool,
    is_deep: bool,
}

fn main() {
    let count = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(PRODUCTS_DEFAULT);
    let mut shop = Shop::new(count);
    let before = resident_bytes();
    let started = Instant::now();
    shop.products.iter().for_each(|(_, card)| shop.catalogue.note(card, News::Listing));
    assert_eq!(shop.catalogue.len(), shop.products.len());
    let took = started.elapsed();
    let bytes = resident_bytes().saturating_sub(before) / shop.products.len().max(1);
    println!("{count} products: index built in {took:.2?}, {bytes} bytes a product\n");
    println!("{:<44} {:>8} {:>8} {:>8}", "milliseconds", "p50", "p99", "max");
    for (name, kind) in kinds() {
        let mut times = Times::default();
        (0..200).for_each(|_| shop.ask(kind, &mut times));
        times.print(name);
    }
    let mut times = Times::default();
    for kind in combinations() {
        (0..DRAWS).for_each(|_| shop.ask(kind, &mut times));
    }
    times.print("every combination");
    println!("slowest: {:?}", times.slowest);
    shop.change();
}

impl Shop {
    fn new(count: u32) -> Self {
        let mut dice = Dice(SEED);
        let words: Vec<String> = (0..VOCABULARY).map(|number| word(number, &mut dice)).collect();
        let categories = Arc::new(Published { value: tree(), ticket: Ticket::ZERO });
        let catalogue = Arc::new(Catalogue::default());
        catalogue.note_categories(Arc::clone(&categories));
        let mut shop = Self { dice, words, categories, products: Vec::new(), catalogue };
        for number in 1..=count {
            let product = shop.product(number);
            let id = ProductId(u128::from(number) << 64);
            let card = Arc::new(Card::new(id, Partition(0), &product, Ticket::ZERO, Sequence(1)));
            shop.products.push((product, card));
        }
        shop
    }

    fn product(&mut self, number: u32) -> Product {
        let name_words = 2 + self.dice.below(3);
        let name = self.text(name_words);
        let text = self.text(DESCRIPTION_WORDS);
        let description = Description {
            name: name.into(),
            text: Some(text.into()),
            status: if self.dice.below(10) == 0 { Status::Draft } else { Status::Active },
            price: Money(i64::from(self.dice.below(PRICE_MAX).min(self.dice.below(PRICE_MAX)))),
            currency: Currency::new("EUR").expect("three capitals"),
            category_ids: (0..=self.dice.below(2)).map(|_| leaf(self.dice.below(LEAF_CATEGORIES))).collect(),
            attributes: "{}".into(),
            reserve_on: ReserveOn::Cart,
            reservation_ttl: None,
            per_order_limit: None,
            per_customer_limit: None,
        };
        let variant = VariantDescription::plain(Sku::new(&format!("SKU-{number:08}")).expect("well formed"));
        let initial_stock = Quantity::new(self.dice.below(5));
        let variants = vec![NewVariant { description: Arc::new(variant), initial_stock }];
        let new = NewProduct { description: Arc::new(description), is_simple: true, variants };
        let mut slot = None;
        for event in product::decide_create(&new).expect("well formed") {
            product::apply(&mut slot, &event, Timestamp(1_700_000_000_000 + u64::from(number)));
        }
        slot.expect("made")
    }

    /// Words as people use them: few often, many seldom.
    fn text(&mut self, count: u32) -> String {
        let words: Vec<&str> = (0..count)
            .map(|_| {
                let most = 1 + self.dice.below(VOCABULARY);
                let bound = 1 + self.dice.below(most);
                let place = usize::try_from(self.dice.below(bound)).expect("a small number");
                self.words[place].as_str()
            })
            .collect();
        words.join(" ")
    }

    fn ask(&mut self, kind: Kind, times: &mut Times) {
        let mut query = self.query(kind);
        if kind.is_deep {
            // The second page of a list that begins at a product drawn by lot.
            let place = self.dice.below(u32::try_from(self.products.len()).expect("counted in 32 bits"));
            query.after = self.mark(usize::try_from(place).expect("a small number"), query.sort);
        }
        let started = Instant::now();
        let found = self.catalogue.find(&query);
        let took = started.elapsed();
        times.all.push(took);
        if times.slowest.as_ref().is_none_or(|(slowest, _)| *slowest < took) {
            times.slowest = Some((took, format!("{kind:?}, {} found", found.items.len())));
        }
    }

    fn query(&mut self, kind: Kind) -> Query {
        let category = match kind.category {
            "leaf" => Some(leaf(self.dice.below(LEAF_CATEGORIES))),
            "top" => Some(CategoryId(1 + u128::from(self.dice.below(TOP_CATEGORIES)))),
            _ => None,
        };
        let place = |place: u32| usize::try_from(place).expect("a small number");
        let text = match kind.text {
            "rare word" => Some(self.words[place(VOCABULARY - 1 - self.dice.below(2_000))].clone()),
            "common word" => Some(self.words[place(self.dice.below(20))].clone()),
            "two words" => {
                let (one, other) = (place(self.dice.below(50)), place(self.dice.below(50)));
                Some(format!("{} {}", self.words[one], self.words[other]))
            }
            "one letter" => Some(self.words[place(self.dice.below(VOCABULARY))][..1].to_owned()),
            "all skus" => Some("0".to_owned()),
            "one sku" => Some(format!("SKU-{:08}", self.dice.below(1_000_000))),
            _ => None,
        };
        let from = self.dice.below(PRICE_MAX / 2);
        let (price_min, price_max) = match kind.price {
            "narrow" => (Some(from), Some(from + 1_000)),
            "wide" => (Some(1_000), Some(PRICE_MAX / 2)),
            "from" => (Some(from), None),
            _ => (None, None),
        };
        Query {
            status: Some(Status::Active),
            category,
            text: text.map(|text| SearchText::new(&text)),
            price_min: price_min.map(|price| Money(i64::from(price))),
            price_max: price_max.map(|price| Money(i64::from(price))),
            in_stock: kind.in_stock,
            sort: kind.sort,
            after: None,
            count: 50,
            wants_total: kind.wants_total,
        }
    }

    fn mark(&self, place: usize, sort: Sort) -> Option<holdfast_actors::catalogue::Mark> {
        use holdfast_actors::catalogue::{Mark, MarkKey};
        let (product, card) = &self.products[place];
        let moment = |Timestamp(ms)| MarkKey::Number(i64::try_from(ms).unwrap_or(i64::MAX));
        let key = match sort.by {
            SortBy::CreatedAt => moment(product.created_at()),
            SortBy::UpdatedAt => moment(product.updated_at()),
            SortBy::Price => MarkKey::Number(product.description().price.0),
            SortBy::Name => MarkKey::Name(product.description().name.to_lowercase().into()),
        };
        Some(Mark { key, id: card.id })
    }

    /// Changes one product at a time, and asks for a list after each.
    fn change(&mut self) {
        println!();
        let mut stock = Times::default();
        let mut description = Times::default();
        for number in 0..CHANGES {
            let place = self.dice.below(u32::try_from(self.products.len()).expect("counted in 32 bits"));
            let command = if number % 2 == 0 {
                let on_hand = Units(self.dice.below(2));
                Command::Count { variant: VariantNo(0), on_hand, expected: None }
            } else {
                let other = self.product(number);
                Command::Describe { description: Arc::clone(other.description()), version: None }
            };
            let (product, card) = &mut self.products[usize::try_from(place).expect("a small number")];
            let mut slot = Some(product.clone());
            for event in product.decide(&command).expect("it may be done") {
                product::apply(&mut slot, &event, Timestamp(1_800_000_000_000 + u64::from(number)));
            }
            *product = slot.expect("it stays");
            card.publish(Some(product), Ticket::ZERO, Sequence(1));
            let started = Instant::now();
            self.catalogue.note(card, News::Listing);
            assert!(!self.catalogue.is_empty());
            let times = if number % 2 == 0 { &mut stock } else { &mut description };
            times.all.push(started.elapsed());
        }
        stock.print("taking in one change of stock");
        description.print("taking in one change of a description");
        assert!(!self.categories.value.is_empty());
    }
}

impl Times {
    fn print(&mut self, name: &str) {
        self.all.sort_unstable();
        let at = |hundredths: usize| self.all[(self.all.len() - 1) * hundredths / 100].as_secs_f64() * 1e3;
        println!("{name:<44} {:>8.3} {:>8.3} {:>8.3}", at(50), at(99), at(100));
    }
}

impl Dice {
    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(((self.0 >> 32) * u64::from(bound)) >> 32).expect("below a number of 32 bits")
    }
}

fn kinds() -> Vec<(&'static str, Kind)> {
    let sort = |by, is_descending| Sort { by, is_descending };
    let plain = Kind {
        category: "",
        text: "",
        price: "",
        in_stock: None,
        sort: sort(SortBy::CreatedAt, false),
        wants_total: false,
        is_deep: false,
    };
    vec![
        ("plain", plain),
        ("plain, deep", Kind { is_deep: true, ..plain }),
        ("plain, by name, deep", Kind { sort: sort(SortBy::Name, true), is_deep: true, ..plain }),
        ("plain, with total", Kind { wants_total: true, ..plain }),
        ("leaf category, by price", Kind { category: "leaf", sort: sort(SortBy::Price, false), ..plain }),
        ("top category, by price", Kind { category: "top", sort: sort(SortBy::Price, false), ..plain }),
        ("rare word, by name", Kind { text: "rare word", sort: sort(SortBy::Name, false), ..plain }),
        ("common word, by name", Kind { text: "common word", sort: sort(SortBy::Name, false), ..plain }),
        ("two words, newest first", Kind { text: "two words", sort: sort(SortBy::CreatedAt, true), ..plain }),
        ("one letter, by price", Kind { text: "one letter", sort: sort(SortBy::Price, false), ..plain }),
        (
            "the beginning of every sku, by price",
            Kind { text: "all skus", sort: sort(SortBy::Price, true), ..plain },
        ),
        ("one sku", Kind { text: "one sku", ..plain }),
        ("narrow prices, by name", Kind { price: "narrow", sort: sort(SortBy::Name, false), ..plain }),
        (
            "wide prices, newest change first",
            Kind { price: "wide", sort: sort(SortBy::UpdatedAt, true), ..plain },
        ),
        ("dearest, of the cheap", Kind { price: "narrow", sort: sort(SortBy::Price, true), ..plain }),
        (
            "out of stock, by name, with total",
            Kind { in_stock: Some(false), sort: sort(SortBy::Name, false), wants_total: true, ..plain },
        ),
    ]
}

fn combinations() -> Vec<Kind> {
    let mut all = Vec::new();
    let sorts = [SortBy::CreatedAt, SortBy::Price, SortBy::Name, SortBy::UpdatedAt];
    for category in ["", "leaf", "top"] {
        for text in ["", "rare word", "common word", "two words", "one letter", "all skus"] {
            for price in ["", "narrow", "wide", "from"] {
                for in_stock in [None, Some(true), Some(false)] {
                    for (by, is_descending) in sorts.into_iter().flat_map(|by| [(by, false), (by, true)]) {
                        for (wants_total, is_deep) in [(false, true), (true, false)] {
                            let sort = Sort { by, is_descending };
                            all.push(Kind { category, text, price, in_stock, sort, wants_total, is_deep });
                        }
                    }
                }
            }
        }
    }
    all
}

/// Three levels: each category at the top has ten below it, and each of those ten.
fn tree() -> Categories {
    let mut tree = Categories::default();
    let total = TOP_CATEGORIES + MIDDLE_CATEGORIES + LEAF_CATEGORIES;
    for id in 1..=total {
        let parent =
            (id > TOP_CATEGORIES).then(|| CategoryId(u128::from((id - TOP_CATEGORIES - 1) / 10 + 1)));
        let description =
            category::Description { name: "category".into(), slug: format!("c{id}").into(), parent };
        let event = tree.decide_create(CategoryId(u128::from(id)), description).expect("it has a place");
        tree.apply(&event, Timestamp(1));
    }
    tree
}

fn leaf(number: u32) -> CategoryId {
    CategoryId(u128::from(TOP_CATEGORIES + MIDDLE_CATEGORIES + 1 + number))
}

/// An invented word that can be pronounced.
fn word(number: u32, dice: &mut Dice) -> String {
    let (heads, tails) =
        (["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t"], ["a", "e", "i", "o", "u"]);
    let mut word = String::new();
    for _ in 0..2 + number % 3 {
        let (head, tail) = (dice.below(12), dice.below(5));
        word.push_str(heads[usize::try_from(head).expect("a small number")]);
        word.push_str(tails[usize::try_from(tail).expect("a small number")]);
    }
    word
}

/// Memory of this process that is in use, as Linux counts it; 0 elsewhere.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap_or(0) * 1024
}
