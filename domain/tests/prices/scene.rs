//! A shop with a lamp in it, and rules for it.

use std::sync::Arc;

use holdfast_domain::account::Tier;
use holdfast_domain::category::{self, Categories};
use holdfast_domain::price::{Kind, Occasion, Off, Price, PriceList, StepKind, Terms};
use holdfast_domain::product::{Description, VariantDescription};
use holdfast_domain::{CategoryId, Currency, Money, Quantity, RuleId, Sku, Timestamp};

/// When everything happens that does not say otherwise.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Rules and categories, and somebody who asks what a lamp costs.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) list: PriceList,
    pub(crate) categories: Categories,
    pub(crate) price: i64,
    pub(crate) listed_in: Vec<CategoryId>,
    pub(crate) tier: Tier,
    pub(crate) at: Timestamp,
}

impl Scene {
    /// A shop without rules, where a lamp costs so much.
    pub(crate) fn lamp_for(price: i64) -> Self {
        let (list, categories) = (PriceList::default(), Categories::default());
        Self { list, categories, price, listed_in: Vec::new(), tier: Tier::Standard, at: NOW }
    }

    /// The same with one more rule, made at that moment.
    pub(crate) fn with_at(mut self, id: u128, terms: Terms, made_at: u64) -> Self {
        let event = self.list.decide_create(RuleId(id), terms, &self.categories).expect("a sound rule");
        self.list.apply(&event, Timestamp(made_at));
        self
    }

    pub(crate) fn with(self, id: u128, terms: Terms) -> Self {
        self.with_at(id, terms, NOW.0)
    }

    /// The same with a category, in another one.
    pub(crate) fn with_category(mut self, id: u128, parent: Option<u128>) -> Self {
        let slug = format!("category-{id}").into();
        let parent = parent.map(CategoryId);
        let description = category::Description { name: "Category".into(), slug, parent };
        let event = self.categories.decide_create(CategoryId(id), description).expect("it has a place");
        self.categories.apply(&event, NOW);
        self
    }

    pub(crate) fn listed_in(mut self, id: u128) -> Self {
        self.listed_in.push(CategoryId(id));
        self
    }

    pub(crate) fn bought_by(self, tier: Tier) -> Self {
        Self { tier, ..self }
    }

    pub(crate) fn at(self, at: u64) -> Self {
        Self { at: Timestamp(at), ..self }
    }

    pub(crate) fn occasion(&self) -> Occasion<'_> {
        Occasion { prices: &self.list, categories: &self.categories, tier: self.tier, at: self.at }
    }

    /// What so many lamps cost.
    pub(crate) fn quote(&self, units: u32) -> Price {
        self.occasion().price(&self.description(), &lamp(), quantity(units))
    }

    /// What one of so many lamps costs.
    pub(crate) fn unit(&self, units: u32) -> i64 {
        self.quote(units).unit.0
    }

    /// The breakdown, without names.
    pub(crate) fn steps(&self, units: u32) -> Vec<(StepKind, Option<u128>, i64)> {
        let steps = self.quote(units).breakdown;
        steps.into_iter().map(|step| (step.kind, step.rule.map(|rule| rule.0), step.amount.0)).collect()
    }

    pub(crate) fn description(&self) -> Description {
        Description {
            category_ids: self.listed_in.clone(),
            ..Description::plain("Lamp", Money(self.price), Currency::new("EUR").expect("three capitals"))
        }
    }
}

/// An active rule of everything that takes off so many basis points.
pub(crate) fn percent(kind: Kind, points: u16) -> Terms {
    let (starts_at, ends_at) = match kind {
        Kind::Seasonal => (Some(Timestamp(0)), None),
        _ => (None, None),
    };
    Terms {
        name: "Rule".into(),
        kind,
        off: Off::Percent(points),
        skus: Vec::new(),
        categories: Vec::new(),
        starts_at,
        ends_at,
        priority: 0,
        is_active: true,
    }
}

/// The same that takes off so many minor units.
pub(crate) fn amount(kind: Kind, minor: i64) -> Terms {
    Terms { off: Off::Amount(Money(minor)), ..percent(kind, 1) }
}

pub(crate) const fn tier(tier: Tier) -> Kind {
    Kind::Tier { tier }
}

pub(crate) fn bulk(min_quantity: u32) -> Kind {
    Kind::Bulk { min_quantity: quantity(min_quantity) }
}

pub(crate) fn quantity(units: u32) -> Quantity {
    Quantity::new(units).expect("in range")
}

pub(crate) fn sku(text: &str) -> Sku {
    Sku::new(text).expect("well formed")
}

pub(crate) fn lamp() -> Arc<VariantDescription> {
    Arc::new(VariantDescription::plain(sku("lamp")))
}
