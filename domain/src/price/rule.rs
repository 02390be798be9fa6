//! A rule of the price list: for which lines, when, and what it takes off.

use crate::account::Tier;
use crate::{CategoryId, Money, Quantity, RuleId, Sku, Timestamp};

use super::StepKind;

/// How many bytes a rule's name may have.
pub const NAME_BYTES_MAX: usize = 400;
/// How many skus one rule may name.
pub const SKUS_MAX: usize = 500;
/// How many categories one rule may name.
pub const CATEGORIES_MAX: usize = 100;
/// All of a price, in basis points.
pub const BASIS_POINTS_MAX: u16 = 10_000;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Identity.
    pub id: RuleId,
    /// As an admin wants it.
    pub terms: Terms,
    /// Grows with each change; the first is 1.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The part that an admin edits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Shown in breakdowns.
    pub name: Box<str>,
    /// In which step it is looked at, and what that step asks.
    pub kind: Kind,
    /// What it takes off one unit.
    pub off: Off,
    /// For these; with no sku and no category for everything.
    pub skus: Vec<Sku>,
    /// For products in one of these, or in a descendant of one.
    pub categories: Vec<CategoryId>,
    /// The first moment at which it holds; always before where absent.
    pub starts_at: Option<Timestamp>,
    /// The first moment at which it holds no more.
    pub ends_at: Option<Timestamp>,
    /// Of several in one step the lowest wins, then the oldest.
    pub priority: i32,
    /// Whether it is looked at at all.
    pub is_active: bool,
}

/// In which step a rule is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// By time: it has a start, an end or both.
    Seasonal,
    /// By quantity.
    Bulk {
        /// For lines of at least so many units.
        min_quantity: Quantity,
    },
    /// By customer.
    Tier {
        /// For customers of this standing, and of no other.
        tier: Tier,
    },
}

/// What a rule takes off the price of one unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Off {
    /// So many basis points, 1 to [`BASIS_POINTS_MAX`].
    Percent(u16),
    /// So many minor units of the product's currency, at least 1.
    Amount(Money),
}

/// What decides between rules of one step: priority, then age.
pub(super) type Rank = (i32, Timestamp, RuleId);

impl Rule {
    /// Lower is first. Of two made in the same millisecond the lower id is the older one.
    pub(super) const fn rank(&self) -> Rank {
        (self.terms.priority, self.created_at, self.id)
    }
}

impl Terms {
    /// Whether the rules allow such a rule; the edge says which field is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_seasonal = matches!(self.kind, Kind::Seasonal);
        let has_window = self.starts_at.is_some() || self.ends_at.is_some();
        (1..=NAME_BYTES_MAX).contains(&self.name.len())
            && self.off.is_sound()
            && self.skus.len() <= SKUS_MAX
            && self.categories.len() <= CATEGORIES_MAX
            && (has_window || !is_seasonal)
            && self.starts_at.zip(self.ends_at).is_none_or(|(start, end)| start < end)
    }

    /// Whether it is for every line.
    #[must_use]
    pub const fn is_for_everything(&self) -> bool {
        self.skus.is_empty() && self.categories.is_empty()
    }

    /// Whether a line of so many units, bought then by a customer of that standing, meets its conditions.
    pub(super) fn is_met(&self, quantity: Quantity, tier: Tier, at: Timestamp) -> bool {
        let has_begun = self.starts_at.is_none_or(|start| start <= at);
        let is_over = self.ends_at.is_some_and(|end| end <= at);
        let is_meant = match self.kind {
            Kind::Seasonal => true,
            Kind::Bulk { min_quantity } => quantity >= min_quantity,
            Kind::Tier { tier: wanted } => tier == wanted,
        };
        is_meant && has_begun && !is_over
    }
}

impl Kind {
    /// The step in which it is looked at.
    #[must_use]
    pub const fn step(self) -> StepKind {
        match self {
            Self::Seasonal => StepKind::Seasonal,
            Self::Bulk { .. } => StepKind::Bulk,
            Self::Tier { .. } => StepKind::Tier,
        }
    }
}

impl Off {
    /// What one unit costs after it: never below zero, half a minor unit to the even neighbour.
    ///
    /// # Panics
    ///
    /// For prices below zero, which there are none of.
    #[must_use]
    pub fn taken_off(self, price: Money) -> Money {
        match self {
            Self::Percent(points) => {
                let left = BASIS_POINTS_MAX.saturating_sub(points);
                part(price, left)
            }
            Self::Amount(Money(amount)) => Money(price.0.saturating_sub(amount).max(0)),
        }
    }

    fn is_sound(self) -> bool {
        match self {
            Self::Percent(points) => (1..=BASIS_POINTS_MAX).contains(&points),
            Self::Amount(Money(amount)) => (1..=Money::PRICE_MAX).contains(&amount),
        }
    }
}

/// So many basis points of a price.
fn part(price: Money, points: u16) -> Money {
    let whole = i128::from(BASIS_POINTS_MAX);
    let product = i128::from(price.0) * i128::from(points);
    let (floor, rest) = (product / whole, product % whole);
    let is_up = match (2 * rest).cmp(&whole) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => floor % 2 == 1,
        std::cmp::Ordering::Greater => true,
    };
    let rounded = floor + i128::from(is_up);
    Money(i64::try_from(rounded).expect("a part of a price is no more than the price"))
}
