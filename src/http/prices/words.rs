//! The words of price rules: kinds and customers' standings.

use holdfast_actors::domain::account::Tier;
use serde::{Deserialize, Serialize};

use crate::http::field::{Fault, Value};

/// The kind of a rule, and with it the step in which it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PriceRuleKind)]
pub(super) enum KindWord {
    /// In a window of time.
    Seasonal,
    /// From a quantity on.
    Bulk,
    /// For customers of a standing.
    Tier,
}

/// A customer's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CustomerTier)]
pub enum TierWord {
    /// Everybody.
    Standard,
    /// Better.
    Silver,
    /// Best.
    Gold,
}

impl Value<'_> for KindWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "seasonal" => Ok(Self::Seasonal),
            "bulk" => Ok(Self::Bulk),
            "tier" => Ok(Self::Tier),
            _ => Err(Fault::new("unknown_value", "Must be seasonal, bulk or tier.")),
        }
    }
}

impl Value<'_> for TierWord {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "standard" => Ok(Self::Standard),
            "silver" => Ok(Self::Silver),
            "gold" => Ok(Self::Gold),
            _ => Err(Fault::new("unknown_value", "Must be standard, silver or gold.")),
        }
    }
}

impl From<TierWord> for Tier {
    fn from(word: TierWord) -> Self {
        match word {
            TierWord::Standard => Self::Standard,
            TierWord::Silver => Self::Silver,
            TierWord::Gold => Self::Gold,
        }
    }
}

impl From<Tier> for TierWord {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Standard => Self::Standard,
            Tier::Silver => Self::Silver,
            Tier::Gold => Self::Gold,
        }
    }
}
