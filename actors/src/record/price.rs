//! Stored forms of price rules and of what happens to them.

use std::sync::Arc;

use holdfast_domain::price::{Event, Kind, Off, Refusal, Rule, Terms};
use holdfast_domain::{CategoryId, Money, RuleId, Sku, Timestamp};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::account::StoredTier;
use super::values::{Id, quantity, sku};

/// A stored fact about the price rules.
#[derive(Serialize, Deserialize)]
pub(crate) enum PriceEvent {
    /// See [`Event::Created`].
    Created(Id, StoredTerms),
    /// See [`Event::Changed`].
    Changed(Id, StoredTerms),
    /// See [`Event::Deleted`].
    Deleted(Id),
}

/// Stored form of the part of a rule that an admin edits.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredTerms {
    name: Box<str>,
    kind: StoredKind,
    off: StoredOff,
    skus: Vec<Box<str>>,
    categories: Vec<Id>,
    starts_at: Option<u64>,
    ends_at: Option<u64>,
    priority: i32,
    is_active: bool,
}

#[derive(Serialize, Deserialize)]
enum StoredKind {
    Seasonal,
    Bulk { min_quantity: u32 },
    Tier { tier: StoredTier },
}

#[derive(Serialize, Deserialize)]
enum StoredOff {
    Percent(u16),
    Amount(i64),
}

/// Stored form of a whole rule.
#[derive(Serialize, Deserialize)]
pub struct StoredRule {
    id: Id,
    terms: StoredTerms,
    version: u32,
    created_at: u64,
    updated_at: u64,
}

/// A stored no of the price list.
#[derive(Serialize, Deserialize)]
pub enum StoredPriceRefusal {
    /// See [`Refusal::Unknown`].
    Unknown,
    /// See [`Refusal::VersionMismatch`].
    VersionMismatch(u32, u32),
    /// See [`Refusal::TooMany`].
    TooMany,
    /// See [`Refusal::OutOfBounds`].
    OutOfBounds,
    /// See [`Refusal::UnknownCategories`].
    UnknownCategories(Vec<u32>),
}

impl PriceEvent {
    pub(crate) fn from_domain(event: &Event) -> Self {
        match event {
            Event::Created { id, terms } => {
                Self::Created(id.0.to_be_bytes(), StoredTerms::from_domain(terms))
            }
            Event::Changed { id, terms } => {
                Self::Changed(id.0.to_be_bytes(), StoredTerms::from_domain(terms))
            }
            Event::Deleted { id } => Self::Deleted(id.0.to_be_bytes()),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Event, DecodeError> {
        Ok(match self {
            Self::Created(id, terms) => Event::Created { id: rule_id(id), terms: terms.into_domain()? },
            Self::Changed(id, terms) => Event::Changed { id: rule_id(id), terms: terms.into_domain()? },
            Self::Deleted(id) => Event::Deleted { id: rule_id(id) },
        })
    }
}

impl StoredTerms {
    fn from_domain(terms: &Terms) -> Self {
        Self {
            name: terms.name.clone(),
            kind: match terms.kind {
                Kind::Seasonal => StoredKind::Seasonal,
                Kind::Bulk { min_quantity } => StoredKind::Bulk { min_quantity: min_quantity.get() },
                Kind::Tier { tier } => StoredKind::Tier { tier: StoredTier::from_domain(tier) },
            },
            off: match terms.off {
                Off::Percent(points) => StoredOff::Percent(points),
                Off::Amount(Money(amount)) => StoredOff::Amount(amount),
            },
            skus: terms.skus.iter().map(|sku| sku.as_str().into()).collect(),
            categories: terms.categories.iter().map(|id| id.0.to_be_bytes()).collect(),
            starts_at: terms.starts_at.map(|at| at.0),
            ends_at: terms.ends_at.map(|at| at.0),
            priority: terms.priority,
            is_active: terms.is_active,
        }
    }

    fn into_domain(self) -> Result<Terms, DecodeError> {
        let terms = Terms {
            name: self.name,
            kind: match self.kind {
                StoredKind::Seasonal => Kind::Seasonal,
                StoredKind::Bulk { min_quantity } => Kind::Bulk { min_quantity: quantity(min_quantity)? },
                StoredKind::Tier { tier } => Kind::Tier { tier: tier.into_domain() },
            },
            off: match self.off {
                StoredOff::Percent(points) => Off::Percent(points),
                StoredOff::Amount(amount) => Off::Amount(Money(amount)),
            },
            skus: self.skus.iter().map(|text| sku(text)).collect::<Result<Vec<Sku>, _>>()?,
            categories: self.categories.into_iter().map(|id| CategoryId(u128::from_be_bytes(id))).collect(),
            starts_at: self.starts_at.map(Timestamp),
            ends_at: self.ends_at.map(Timestamp),
            priority: self.priority,
            is_active: self.is_active,
        };
        // Prices are computed with what is in there: what no rule allows would panic later.
        if terms.is_sound() { Ok(terms) } else { Err(DecodeError::Value("price rule")) }
    }
}

impl StoredRule {
    pub(crate) fn from_domain(rule: &Rule) -> Self {
        Self {
            id: rule.id.0.to_be_bytes(),
            terms: StoredTerms::from_domain(&rule.terms),
            version: rule.version,
            created_at: rule.created_at.0,
            updated_at: rule.updated_at.0,
        }
    }

    pub(crate) fn into_domain(self) -> Result<Arc<Rule>, DecodeError> {
        Ok(Arc::new(Rule {
            id: rule_id(self.id),
            terms: self.terms.into_domain()?,
            version: self.version,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        }))
    }
}

impl StoredPriceRefusal {
    pub(crate) fn from_domain(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Unknown => Self::Unknown,
            Refusal::VersionMismatch { expected, actual } => Self::VersionMismatch(*expected, *actual),
            Refusal::TooMany => Self::TooMany,
            Refusal::OutOfBounds => Self::OutOfBounds,
            Refusal::UnknownCategories(places) => Self::UnknownCategories(places.clone()),
        }
    }

    pub(crate) fn into_domain(self) -> Refusal {
        match self {
            Self::Unknown => Refusal::Unknown,
            Self::VersionMismatch(expected, actual) => Refusal::VersionMismatch { expected, actual },
            Self::TooMany => Refusal::TooMany,
            Self::OutOfBounds => Refusal::OutOfBounds,
            Self::UnknownCategories(places) => Refusal::UnknownCategories(places),
        }
    }
}

const fn rule_id(id: Id) -> RuleId {
    RuleId(u128::from_be_bytes(id))
}
