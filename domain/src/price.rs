//! What a line costs, and how that came about: base, then at most one rule of each kind, seasonal before bulk before
//! tier. Each step works on what the one before it left of the price of one unit.
//!
//! Read in this order: what a price is (here), what a rule is (`rule`), all rules of the shop (`list`), and how they
//! make a price (`occasion`).

pub mod list;
pub mod occasion;
pub mod rule;

use std::sync::Arc;

use crate::product::{Description, VariantDescription};
use crate::{Money, Quantity, RuleId};

pub use list::{Event, PriceList, Refusal};
pub use occasion::Occasion;
pub use rule::{Kind, Off, Rule, Terms};

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

/// The steps that rules made, in their order; none where no rule applied. Shared, as the fact of a purchase and the
/// order that it is speak of the same.
pub type Applied = Option<Arc<Vec<Step>>>;

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
    /// What `quantity` units of a variant cost, before any rule.
    #[must_use]
    pub fn of(description: &Description, variant: &VariantDescription, quantity: Quantity) -> Self {
        let base = description.price.adjusted(variant.price_adjustment);
        let step = Step { kind: StepKind::Base, rule: None, name: None, amount: base };
        Self { base_unit: base, unit: base, total: base.times(quantity), breakdown: vec![step] }
    }

    /// The price after one more step.
    fn after(&mut self, step: Step, quantity: Quantity) {
        self.unit = Money(self.unit.0 + step.amount.0);
        self.total = self.unit.times(quantity);
        self.breakdown.push(step);
    }

    /// The price that these steps once made of the base price.
    #[must_use]
    pub fn as_applied(
        description: &Description,
        variant: &VariantDescription,
        quantity: Quantity,
        applied: &Applied,
    ) -> Self {
        let mut price = Self::of(description, variant, quantity);
        for step in applied.iter().flat_map(|steps| steps.iter()) {
            price.after(step.clone(), quantity);
        }
        price
    }

    /// The steps that rules made.
    #[must_use]
    pub fn applied(&self) -> Applied {
        let rules = self.breakdown.iter().filter(|step| step.kind != StepKind::Base);
        let steps: Vec<Step> = rules.cloned().collect();
        (!steps.is_empty()).then(|| Arc::new(steps))
    }

    /// What all units would cost without any rule.
    #[must_use]
    pub fn subtotal(&self, quantity: Quantity) -> Money {
        self.base_unit.times(quantity)
    }
}
