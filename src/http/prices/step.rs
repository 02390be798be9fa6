//! A step on the way to a price, as quotes and orders show it.

use holdfast_actors::domain::price::{Step, StepKind};
use serde::Serialize;
use uuid::Uuid;

use crate::http::openapi::inline::value_schemas;
use crate::http::values::{Id, Rule, schema};

/// A step: for the base what one unit costs, for a rule what it changed of that.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PriceStep<'a> {
    #[schema(value_type = StepWord)]
    step: &'static str,
    rule_id: Option<Id<Rule>>,
    rule: Option<&'a str>,
    amount: i64,
}

/// The words of [`word`].
enum StepWord {}

value_schemas! {
    impl[] StepWord as "step" => schema::text().enum_values(Some(["base", "seasonal", "bulk", "tier"]));
}

impl<'a> PriceStep<'a> {
    /// The view of a step.
    pub fn of(step: &'a Step) -> Self {
        Self {
            step: word(step.kind),
            rule_id: step.rule.map(|rule| Id::new(Uuid::from_u128(rule.0))),
            rule: step.name.as_deref(),
            amount: step.amount.0,
        }
    }
}

/// What a step is called.
pub(super) const fn word(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Base => "base",
        StepKind::Seasonal => "seasonal",
        StepKind::Bulk => "bulk",
        StepKind::Tier => "tier",
    }
}
