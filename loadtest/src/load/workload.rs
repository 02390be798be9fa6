//! Workload: what is asked, and which answers it is about.
//!
//! One workload is shared by all generator threads; what each draws from it is in `hand`.

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;
use serde_json::json;

use crate::numbers;
use crate::wire::{Call, Request, Sender, Style};

/// So many different batches are made before the load and then sent in turn: making one costs more than sending it.
const BATCHES: usize = 16;
const LIST_PAGE_ROWS: usize = 24;
/// What people filter and sort a shop by.
const LISTS: [&str; 8] = [
    "",
    "&sort=price",
    "&sort=-price",
    "&sort=-created_at",
    "&sort=name",
    "&in_stock=true",
    "&min_price=1000&max_price=5000",
    "&q=load%20test&in_stock=true&sort=-price",
];

/// Requests of one kind or several, drawn by chance; the same seed draws the same.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(super) style: Style,
    /// All equally long: requests are patched in place.
    pub(super) product_ids: Vec<String>,
    pub(super) chooser: Chooser,
    pub(super) purchase: Request,
    pub(super) read: Request,
    pub(super) mix: Mix,
    pub(super) judgement: Judgement,
}

/// How products are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Choice {
    Uniform,
    /// The n-th product is asked for n^-exponent times as often as the first.
    Zipf {
        exponent: f64,
    },
}

#[derive(Debug)]
pub(super) enum Chooser {
    One,
    Uniform(usize),
    /// By the alias method: exact, and a draw costs the same however many products there are.
    Weighted(WeightedAliasIndex<f64>),
}

/// Which requests.
#[derive(Debug)]
pub(super) enum Mix {
    Purchases,
    Reads,
    /// One purchase after so many reads, on the average.
    Mixed {
        reads_per_purchase: u32,
    },
    Browse {
        paths: Vec<String>,
        lists: Vec<Request>,
    },
    Batches(Vec<Batch>),
}

/// One request for many reservations.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) request: Request,
    /// For each reservation the index of its product.
    pub(super) products: Vec<usize>,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Purchase,
    Read,
    Page,
    Batch,
}

/// Outcomes by name: those it is about, and those that may be.
#[derive(Debug)]
pub(crate) struct Judgement {
    wanted: Vec<String>,
    expected: Vec<String>,
}

impl Workload {
    /// Purchases of one unit, `sold`. A refusal is unexpected: see [`Workload::expecting`].
    ///
    /// # Errors
    ///
    /// When there is no product, or their ids are not equally long.
    pub(crate) fn purchases(style: &Style, product_ids: Vec<String>, choice: Choice) -> anyhow::Result<Self> {
        Self::new(style, product_ids, choice, Mix::Purchases, Judgement::new(&["sold"], &[]))
    }

    /// Purchases of products that have nothing left: the answer it is about is `insufficient_stock`.
    ///
    /// # Errors
    ///
    /// As [`Workload::purchases`].
    pub(crate) fn refusals(style: &Style, product_ids: Vec<String>) -> anyhow::Result<Self> {
        let judgement = Judgement::new(&["insufficient_stock"], &[]);
        Self::new(style, product_ids, Choice::Uniform, Mix::Purchases, judgement)
    }

    /// Reads of single products, `read`.
    ///
    /// # Errors
    ///
    /// As [`Workload::purchases`].
    pub(crate) fn reads(style: &Style, product_ids: Vec<String>, choice: Choice) -> anyhow::Result<Self> {
        Self::new(style, product_ids, choice, Mix::Reads, Judgement::new(&["read"], &[]))
    }

    /// Reads of single products and pages of lists, filtered, sorted and leafed through.
    ///
    /// # Errors
    ///
    /// As [`Workload::purchases`].
    pub(crate) fn browse(style: &Style, product_ids: Vec<String>, choice: Choice) -> anyhow::Result<Self> {
        let paths: Vec<String> =
            LISTS.map(|filter| format!("/api/v1/products?limit={LIST_PAGE_ROWS}{filter}")).to_vec();
        let lists = paths.iter().map(|path| Request::get(style, path)).collect();
        let judgement = Judgement::new(&["read"], &[]);
        Self::new(style, product_ids, choice, Mix::Browse { paths, lists }, judgement)
    }

    /// Reads of single products, and one purchase for so many of them.
    ///
    /// # Errors
    ///
    /// As [`Workload::purchases`].
    pub(crate) fn mixed(
        style: &Style,
        product_ids: Vec<String>,
        choice: Choice,
        reads_per_purchase: u32,
    ) -> anyhow::Result<Self> {
        let mix = Mix::Mixed { reads_per_purchase };
        Self::new(style, product_ids, choice, mix, Judgement::new(&["sold", "read"], &[]))
    }

    /// Batches of `operations` reservations of one unit each, drawn evenly from `skus`, by whoever has `token`;
    /// `reserved`.
    ///
    /// # Errors
    ///
    /// When there is no product.
    pub(crate) fn batches(
        style: &Style,
        token: &str,
        skus: &[String],
        operations: usize,
        ttl_seconds: u32,
    ) -> anyhow::Result<Self> {
        ensure!(!skus.is_empty() && operations > 0, "a batch needs products and operations");
        let mut chance = StdRng::seed_from_u64(numbers::count(operations));
        let batches = (0..BATCHES).map(|_| {
            let products: Vec<usize> = (0..operations).map(|_| chance.random_range(0..skus.len())).collect();
            let reservation = |index: &usize| {
                json!({ "lines": [{ "sku": skus[*index], "quantity": 1 }], "ttl_seconds": ttl_seconds })
            };
            let body =
                json!({ "reservations": products.iter().map(reservation).collect::<Vec<_>>() });
            let call = Call {
                method: "POST",
                path: "/api/v1/reservations/batch",
                sender: Sender::Bearer(token),
                key: None,
                body: Some(&body),
            };
            Batch { request: Request::of(style, &call), products }
        });
        let mix = Mix::Batches(batches.collect());
        // Its products are named by sku inside the batches; the templates for single ones are never sent.
        let mut workload =
            Self::new(style, vec![String::new()], Choice::Uniform, mix, Judgement::new(&["reserved"], &[]))?;
        workload.product_ids = skus.to_vec();
        Ok(workload)
    }

    fn new(
        style: &Style,
        product_ids: Vec<String>,
        choice: Choice,
        mix: Mix,
        judgement: Judgement,
    ) -> anyhow::Result<Self> {
        let first = product_ids.first().context("a load needs a product")?;
        ensure!(
            product_ids.iter().all(|id| id.len() == first.len()),
            "the ids of products are not equally long"
        );
        let chooser = match choice {
            _ if product_ids.len() == 1 => Chooser::One,
            Choice::Uniform => Chooser::Uniform(product_ids.len()),
            Choice::Zipf { exponent } => {
                let ranks = (1..=numbers::count(product_ids.len())).map(numbers::float);
                let weights = ranks.map(|rank| rank.powf(-exponent)).collect();
                Chooser::Weighted(WeightedAliasIndex::new(weights).context("this exponent")?)
            }
        };
        let (purchase, read) = (Request::purchase(style, first, false), Request::product(style, first));
        Ok(Self { style: style.clone(), product_ids, chooser, purchase, read, mix, judgement })
    }

    /// Takes `outcome` for an expected one as well.
    pub(crate) fn expecting(mut self, outcome: &str) -> Self {
        self.judgement.expected.push(outcome.to_owned());
        self
    }

    /// What connections begin with: a request of the kind, to be sent as it is for a sample.
    pub(crate) fn template(&self) -> &Request {
        match &self.mix {
            Mix::Purchases => &self.purchase,
            Mix::Reads | Mix::Mixed { .. } | Mix::Browse { .. } => &self.read,
            Mix::Batches(batches) => &batches[0].request,
        }
    }

    /// Whether `outcome` is one that it is about, or that may be.
    pub(crate) fn expects(&self, outcome: &str) -> bool {
        self.judgement.of(outcome).is_expected
    }

    /// True when requests are counted by what is in them.
    pub(super) fn is_of_batches(&self) -> bool {
        matches!(self.mix, Mix::Batches(_))
    }
}

impl Chooser {
    pub(super) fn draw(&self, chance: &mut StdRng) -> usize {
        match self {
            Self::One => 0,
            Self::Uniform(products) => chance.random_range(0..*products),
            Self::Weighted(weights) => weights.sample(chance),
        }
    }
}

impl Deed {
    pub(super) const ALL: [Self; 4] = [Self::Purchase, Self::Read, Self::Page, Self::Batch];

    pub(super) fn index(self) -> usize {
        match self {
            Self::Purchase => 0,
            Self::Read => 1,
            Self::Page => 2,
            Self::Batch => 3,
        }
    }

    /// What it is called when it succeeds.
    pub(super) fn success(self) -> &'static str {
        match self {
            Self::Purchase => "sold",
            Self::Read | Self::Page => "read",
            Self::Batch => "reserved",
        }
    }
}

impl Judgement {
    pub(super) fn new(wanted: &[&str], expected: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self { wanted: owned(wanted), expected: owned(expected) }
    }

    pub(super) fn of(&self, name: &str) -> super::outcomes::Verdict {
        let has = |names: &[String]| names.iter().any(|known| known == name);
        let is_wanted = has(&self.wanted);
        super::outcomes::Verdict {
            is_wanted,
            is_expected: is_wanted || has(&self.expected),
            is_short: name == "insufficient_stock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style() -> Style {
        Style { host: "127.0.0.1".into(), run: "00000000".into() }
    }

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("prod_{index:04}")).collect()
    }

    fn drawn(choice: Choice, seed: u64) -> Vec<usize> {
        let workload = Workload::purchases(&style(), ids(100), choice).expect("products");
        let mut chance = StdRng::seed_from_u64(seed);
        let mut times = vec![0; 100];
        (0..10_000).for_each(|_| times[workload.chooser.draw(&mut chance)] += 1);
        times
    }

    #[test]
    fn zipf_asks_for_the_first_most_and_uniform_for_all_alike() {
        let zipf = drawn(Choice::Zipf { exponent: 1.0 }, 7);
        // The hundredth harmonic number is 5.19: the first is asked for in 19.3 % of the requests, the second in half as many.
        assert!((1_750..2_100).contains(&zipf[0]), "{}", zipf[0]);
        assert!((800..1_150).contains(&zipf[1]), "{}", zipf[1]);
        assert_eq!(zipf, drawn(Choice::Zipf { exponent: 1.0 }, 7));
        assert_ne!(zipf, drawn(Choice::Zipf { exponent: 1.0 }, 8));
        let uniform = drawn(Choice::Uniform, 7);
        assert!(uniform.iter().all(|times| (50..160).contains(times)), "{uniform:?}");
    }

    #[test]
    fn load_without_products_or_with_ids_of_two_lengths_is_refused() {
        assert!(Workload::purchases(&style(), Vec::new(), Choice::Uniform).is_err());
        let uneven = vec!["prod_1".to_owned(), "prod_10".to_owned()];
        assert!(Workload::reads(&style(), uneven, Choice::Uniform).is_err());
        assert!(Workload::batches(&style(), "t", &[], 3, 60).is_err());
    }

    #[test]
    fn batch_holds_so_many_reservations_of_its_products() {
        let skus = ids(5);
        let workload = Workload::batches(&style(), "t", &skus, 30, 60).expect("products");
        let Mix::Batches(batches) = &workload.mix else { panic!("not batches") };
        assert_eq!(batches.len(), BATCHES);
        let text = str::from_utf8(batches[0].request.bytes()).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("POST /api/v1/reservations/batch ") && head.contains("Bearer t"));
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let sku = |index: usize| body["reservations"][index]["lines"][0]["sku"].clone();
        assert_eq!(body["reservations"].as_array().map(Vec::len), Some(30));
        assert!((0..30).all(|index| sku(index) == skus[batches[0].products[index]]));
    }
}
