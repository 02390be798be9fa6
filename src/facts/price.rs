//! Facts of the price rules, and the steps that rules make of a price.

use holdfast_actors::domain::price::{self, Event, Kind, Off, Terms};
use holdfast_actors::domain::{CategoryId, Money, RuleId, account};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::values::{Count, Moment, Sku, id, number, words};
use crate::http::values::{Category, Id, Rule};

/// What happens to a price rule.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum PriceFact {
    #[serde(rename = "price_rule.created")]
    Created(RuleTerms),
    #[serde(rename = "price_rule.changed")]
    Changed(RuleTerms),
    #[serde(rename = "price_rule.deleted")]
    Deleted {},
}

/// The part of a rule that an admin edits.
///
/// Derived as inherent functions (`remote`), so that the traits below may check what was read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct RuleTerms {
    name: Box<str>,
    kind: KindWord,
    percent_off: Option<u16>,
    amount_off: Option<i64>,
    skus: Vec<Sku>,
    category_ids: Vec<Id<Category>>,
    min_quantity: Option<Count>,
    tier: Option<Tier>,
    starts_at: Option<Moment>,
    ends_at: Option<Moment>,
    priority: i32,
    active: bool,
}

/// A step on the way to a price.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    step: StepWord,
    rule_id: Option<Id<Rule>>,
    rule: Option<Box<str>>,
    amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindWord {
    Seasonal,
    Bulk,
    Tier,
}

words! {
    /// The steps of a price.
    StepWord = price::StepKind { Base, Seasonal, Bulk, Tier }
    /// A customer's standing.
    Tier = account::Tier { Standard, Silver, Gold }
}

impl PriceFact {
    /// The fact that the event is.
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Created { terms, .. } => Self::Created(terms.into()),
            Event::Changed { terms, .. } => Self::Changed(terms.into()),
            Event::Deleted { .. } => Self::Deleted {},
        }
    }

    pub(super) fn into_event(self, id: RuleId) -> Event {
        match self {
            Self::Created(terms) => Event::Created { id, terms: terms.into() },
            Self::Changed(terms) => Event::Changed { id, terms: terms.into() },
            Self::Deleted {} => Event::Deleted { id },
        }
    }
}

impl From<&Terms> for RuleTerms {
    fn from(terms: &Terms) -> Self {
        let (kind, min_quantity, tier) = match terms.kind {
            Kind::Seasonal => (KindWord::Seasonal, None, None),
            Kind::Bulk { min_quantity } => (KindWord::Bulk, Some(Count(min_quantity)), None),
            Kind::Tier { tier } => (KindWord::Tier, None, Some(tier.into())),
        };
        let (percent_off, amount_off) = match terms.off {
            Off::Percent(points) => (Some(points), None),
            Off::Amount(Money(amount)) => (None, Some(amount)),
        };
        Self {
            name: terms.name.clone(),
            kind,
            percent_off,
            amount_off,
            skus: terms.skus.iter().cloned().map(Sku).collect(),
            category_ids: terms.categories.iter().map(|category| id(category.0)).collect(),
            min_quantity,
            tier,
            starts_at: terms.starts_at.map(Moment::from),
            ends_at: terms.ends_at.map(Moment::from),
            priority: terms.priority,
            active: terms.is_active,
        }
    }
}

impl From<RuleTerms> for Terms {
    fn from(terms: RuleTerms) -> Self {
        let reason = "what was read has what its kind asks for";
        let kind = match terms.kind {
            KindWord::Seasonal => Kind::Seasonal,
            KindWord::Bulk => Kind::Bulk { min_quantity: terms.min_quantity.expect(reason).0 },
            KindWord::Tier => Kind::Tier { tier: terms.tier.expect(reason).into() },
        };
        let amount = || Off::Amount(Money(terms.amount_off.expect(reason)));
        Self {
            name: terms.name,
            kind,
            off: terms.percent_off.map_or_else(amount, Off::Percent),
            skus: terms.skus.into_iter().map(|sku| sku.0).collect(),
            categories: terms.category_ids.into_iter().map(|category| CategoryId(number(category))).collect(),
            starts_at: terms.starts_at.map(Into::into),
            ends_at: terms.ends_at.map(Into::into),
            priority: terms.priority,
            is_active: terms.active,
        }
    }
}

impl Serialize for RuleTerms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RuleTerms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let terms = Self::deserialize(deserializer)?;
        if terms.percent_off.is_some() == terms.amount_off.is_some() {
            return Err(D::Error::custom("expected one of `percent_off` and `amount_off`"));
        }
        if terms.min_quantity.is_some() != (terms.kind == KindWord::Bulk) {
            return Err(D::Error::custom("`min_quantity` is for `bulk`, and for that alone"));
        }
        if terms.tier.is_some() != (terms.kind == KindWord::Tier) {
            return Err(D::Error::custom("`tier` is for the kind `tier`, and for that alone"));
        }
        Ok(terms)
    }
}

impl From<&price::Step> for Step {
    fn from(step: &price::Step) -> Self {
        Self {
            step: step.kind.into(),
            rule_id: step.rule.map(|rule| id(rule.0)),
            rule: step.name.clone(),
            amount: step.amount.0,
        }
    }
}

impl From<Step> for price::Step {
    fn from(step: Step) -> Self {
        Self {
            kind: step.step.into(),
            rule: step.rule_id.map(|rule| RuleId(number(rule))),
            name: step.rule,
            amount: Money(step.amount),
        }
    }
}
