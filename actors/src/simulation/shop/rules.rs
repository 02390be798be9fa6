//! Price rules that come, change and go while everybody shops; and what must hold of prices whatever they say.

use holdfast_domain::account::Tier;
use holdfast_domain::price::{Kind, Off, StepKind, Terms};
use holdfast_domain::{Money, Order, Quantity, RuleId};

use crate::context::Context;
use crate::prices::Change;

use super::super::Rng;
use super::process::Process;

/// How many rules a world has at the most.
const RULES_MAX: u64 = 4;

impl Process {
    /// Somebody changes the price list in some way.
    pub(super) fn change_prices(&mut self, rng: &mut Rng) {
        let id = RuleId((1 + rng.below(RULES_MAX)).into());
        let turns = &self.door.shards[self.door.slots.shard(crate::slots::PRICES_PARTITION)].turns;
        let change = match (self.prices.list.get(id), rng.percent(30)) {
            (None, _) => Change::Create(id, any_terms(rng)),
            (Some(_), true) => Change::Delete(id, None),
            (Some(_), false) => Change::Revise(id, any_terms(rng), None),
        };
        let reply = self.prices.turn(turns, change, &Context::system(), None);
        assert!(reply.answered.is_ok(), "such rules are sound: {reply:?}");
    }
}

fn any_terms(rng: &mut Rng) -> Terms {
    let few = Quantity::new(u32::try_from(1 + rng.below(3)).expect("it is small")).expect("in range");
    let kind = match rng.below(3) {
        0 => Kind::Seasonal,
        1 => Kind::Bulk { min_quantity: few },
        _ => Kind::Tier { tier: Tier::Standard },
    };
    let off = match rng.below(2) {
        0 => Off::Percent(u16::try_from(1 + rng.below(10_000)).expect("it is small")),
        _ => Off::Amount(Money(i64::try_from(1 + rng.below(1_500)).expect("it is small"))),
    };
    let name = format!("rule {}", rng.below(1_000)).into();
    let at = super::super::START;
    let (starts_at, ends_at) = if rng.percent(50) { (Some(at), None) } else { (None, Some(at)) };
    let is_active = rng.percent(80);
    let (skus, categories) = (Vec::new(), Vec::new());
    Terms { name, kind, off, skus, categories, starts_at, ends_at, priority: 0, is_active }
}

/// What an order says of its money adds up.
pub(super) fn check_prices(order: &Order) {
    let placed = &order.placed;
    let mut subtotal = 0;
    for line in &placed.lines {
        let [base, rules @ ..] = &line.breakdown[..] else { panic!("a line has a base price: {line:?}") };
        assert_eq!(base.kind, StepKind::Base, "{line:?}");
        assert!(rules.iter().all(|step| step.rule.is_some() && step.amount.0 <= 0), "{line:?}");
        let unit: i64 = line.breakdown.iter().map(|step| step.amount.0).sum();
        assert_eq!(line.unit_price.0, unit, "{line:?}");
        assert_eq!(line.total, line.unit_price.times(line.item.quantity), "{line:?}");
        subtotal += base.amount.times(line.item.quantity).0;
    }
    let total: i64 = placed.lines.iter().map(|line| line.total.0).sum();
    let sums = (placed.subtotal.0, placed.discount.0, placed.total.0);
    assert_eq!(sums, (subtotal, subtotal - total, total), "{placed:?}");
}
