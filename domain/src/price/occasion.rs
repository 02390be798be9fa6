//! The moment, the buyer and the rules that make a price.

use crate::account::Tier;
use crate::category::Categories;
use crate::product::{Description, VariantDescription};
use crate::{Money, Quantity, Timestamp};

use super::rule::Rule;
use super::{Price, PriceList, Step, StepKind};

/// Everything besides the line itself that its price depends on.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// All rules.
    pub prices: &'a PriceList,
    /// All categories: a rule for one is a rule for its descendants.
    pub categories: &'a Categories,
    /// The buyer's standing.
    pub tier: Tier,
    /// When.
    pub at: Timestamp,
}

/// The steps that rules make, in the order of their application.
const RULED_STEPS: [StepKind; 3] = [StepKind::Seasonal, StepKind::Bulk, StepKind::Tier];

impl<'a> Occasion<'a> {
    /// What `quantity` units of a variant cost.
    #[must_use]
    pub fn price(
        &self,
        description: &Description,
        variant: &VariantDescription,
        quantity: Quantity,
    ) -> Price {
        let mut price = Price::of(description, variant, quantity);
        for rule in self.winners(description, variant, quantity).into_iter().flatten() {
            let amount = Money(rule.terms.off.taken_off(price.unit).0 - price.unit.0);
            let name = Some(rule.terms.name.clone());
            price.after(Step { kind: rule.terms.kind.step(), rule: Some(rule.id), name, amount }, quantity);
        }
        price
    }

    /// The rule of each step, where one is for this line.
    fn winners(
        &self,
        description: &Description,
        variant: &VariantDescription,
        quantity: Quantity,
    ) -> [Option<&'a Rule>; RULED_STEPS.len()] {
        let mut best: [Option<&'a Rule>; RULED_STEPS.len()] = [None; RULED_STEPS.len()];
        let look = |rule: &'a Rule| {
            if !rule.terms.is_met(quantity, self.tier, self.at) {
                return;
            }
            let step = rule.terms.kind.step();
            let place = RULED_STEPS.iter().position(|other| *other == step).expect("rules have these steps");
            if best[place].is_none_or(|other| rule.rank() < other.rank()) {
                best[place] = Some(rule);
            }
        };
        self.prices.look_at_candidates(&variant.sku, &description.category_ids, self.categories, look);
        best
    }
}
