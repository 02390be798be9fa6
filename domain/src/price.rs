//! What a line costs, and how that came about.

use crate::product::{Description, VariantDescription};
use crate::{Money, Quantity, RuleId};

/// One line's price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    /// For one unit, before any rule.
    pub base_unit: Money,
    /// For one unit.
    pub unit: Money,
    /// For all units.
    pub total: Money,
    /// Each step, in the order of application.
    pub breakdown: Vec<Step>,
}

/// One step on the way to a price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which.
    pub kind: StepKind,
    /// The rule that was applied.
    pub rule: Option<RuleId>,
    /// What the rule was called.
    pub name: Option<Box<str>>,
    /// What one unit costs after the step, for the base; what the step changed, for a rule.
    pub amount: Money,
}

/// The steps, in the order of their application.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StepKind {
    /// The product's price and the variant's adjustment.
    Base,
    /// By time.
    Seasonal,
    /// By quantity.
    Bulk,
    /// By customer.
    Tier,
}

impl Price {
    /// What `quantity` units of a variant cost.
    #[must_use]
    pub fn of(description: &Description, variant: &VariantDescription, quantity: Quantity) -> Self {
        let base = description.price.adjusted(variant.price_adjustment);
        let step = Step { kind: StepKind::Base, rule: None, name: None, amount: base };
        Self { base_unit: base, unit: base, total: base.times(quantity), breakdown: vec![step] }
    }
}
