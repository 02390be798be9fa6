//! What a price rule is made with or changed to, field by field: a change tells the whole rule.

use std::collections::HashSet;
use std::hash::Hash;

use holdfast_actors::domain::price::rule::{BASIS_POINTS_MAX, CATEGORIES_MAX, SKUS_MAX};
use holdfast_actors::domain::price::{Kind, Off, Terms};
use holdfast_actors::domain::{CategoryId, Money};
use serde::{Deserialize, Serialize};
use utoipa::PartialSchema;
use utoipa::openapi::schema::ArrayBuilder;

use super::moment::When;
use super::words::{KindWord, TierWord};
use crate::http::check::Check;
use crate::http::field::{Fault, Field, Value};
use crate::http::json::Body;
use crate::http::openapi::inline::value_schemas;
use crate::http::values::{Category, Id, Sku, Text, Units, Whole};

type Name = Text<1, 100>;
type BasisPoints = Whole<1, 10_000>;
type Amount = Whole<1, { Money::PRICE_MAX }>;
type Priority = Whole<{ -1_000_000 }, 1_000_000>;

/// A whole rule. Exactly one of `percent_off` and `amount_off` says how much it takes off.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPriceRule)]
pub struct RuleBody {
    /// What quotes and orders call the step.
    name: Name,
    kind: KindWord,
    /// In basis points of the price before this step: 10000 is all of it.
    percent_off: Option<BasisPoints>,
    /// In minor units, of each unit that is bought; a price never falls below 0.
    amount_off: Option<Amount>,
    /// The units that it is for, besides those in its categories. Without either it is for everything.
    #[schema(required = false, value_type = Option<Skus>)]
    skus: Vec<Sku>,
    /// The categories that it is for, each with those below it.
    #[schema(required = false, value_type = Option<CategoryIds>)]
    category_ids: Vec<Id<Category>>,
    /// From how many units of a line on. Required for `bulk`, not allowed otherwise.
    min_quantity: Option<Units>,
    /// For whom. Required for `tier`, not allowed otherwise.
    tier: Option<TierWord>,
    /// The first moment at which it applies. A seasonal rule needs this, `ends_at` or both.
    starts_at: Option<When>,
    /// The first moment at which it no longer applies.
    ends_at: Option<When>,
    /// Of several rules of one kind that fit, the one with the lowest number applies, then the oldest; 0 by default.
    priority: Option<Priority>,
    /// Whether it applies at all; true by default.
    active: Option<bool>,
}

/// What a rule names, as it is described.
struct Skus;
struct CategoryIds;

value_schemas! {
    impl[] Skus as "rule_skus" => names::<Sku>(SKUS_MAX);
    impl[] CategoryIds as "rule_category_ids" => names::<Id<Category>>(CATEGORIES_MAX);
}

fn names<T: PartialSchema>(count_max: usize) -> ArrayBuilder {
    ArrayBuilder::new().items(T::schema()).max_items(Some(count_max)).unique_items(true)
}

/// As it came.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawRule {
    name: Field<Name>,
    kind: Field<KindWord>,
    percent_off: Field<BasisPoints>,
    amount_off: Field<Amount>,
    skus: Field<Vec<Field<Sku>>>,
    category_ids: Field<Vec<Field<Id<Category>>>>,
    min_quantity: Field<Units>,
    tier: Field<TierWord>,
    starts_at: Field<When>,
    ends_at: Field<When>,
    priority: Field<Priority>,
    active: Field<bool>,
}

impl Body for RuleBody {
    type Raw = RawRule;

    fn check(raw: RawRule, check: &mut Check) -> Option<Self> {
        let name = check.required("name", raw.name);
        let kind = check.required("kind", raw.kind);
        let percent_off = check.optional("percent_off", raw.percent_off);
        let amount_off = check.optional("amount_off", raw.amount_off);
        let skus = distinct("skus", raw.skus, SKUS_MAX, check);
        let category_ids = distinct("category_ids", raw.category_ids, CATEGORIES_MAX, check);
        let min_quantity = check.optional("min_quantity", raw.min_quantity);
        let tier = check.optional("tier", raw.tier);
        let starts_at = check.optional("starts_at", raw.starts_at);
        let ends_at = check.optional("ends_at", raw.ends_at);
        let priority = check.optional("priority", raw.priority);
        let active = check.optional("active", raw.active);
        // Each of these looks at what could be read: one answer names every wrong field.
        let is_whole = [
            one_of_two(percent_off, amount_off, check),
            needs(KindWord::Bulk, "min_quantity", kind, min_quantity, check),
            needs(KindWord::Tier, "tier", kind, tier, check),
            has_window(kind, starts_at, ends_at, check),
        ];
        Some(Self {
            name: name?,
            kind: kind?,
            percent_off: percent_off?,
            amount_off: amount_off?,
            skus: skus?,
            category_ids: category_ids?,
            min_quantity: min_quantity?,
            tier: tier?,
            starts_at: starts_at?,
            ends_at: ends_at?,
            priority: priority?,
            active: active?,
        })
        .filter(|_| is_whole == [true; 4])
    }
}

impl RuleBody {
    /// The same for the actors.
    ///
    /// # Panics
    ///
    /// Never: what would be missing was refused.
    pub(super) fn to_actors(&self) -> Terms {
        Terms {
            name: self.name.as_str().into(),
            kind: match self.kind {
                KindWord::Seasonal => Kind::Seasonal,
                KindWord::Bulk => {
                    let min_quantity = self.min_quantity.expect("a bulk rule has one").to_domain();
                    Kind::Bulk { min_quantity }
                }
                KindWord::Tier => Kind::Tier { tier: self.tier.expect("a tier rule has one").into() },
            },
            off: match (self.percent_off, self.amount_off) {
                (Some(points), _) => Off::Percent(basis_points(points)),
                (None, amount) => Off::Amount(Money(amount.expect("there is one of the two").get())),
            },
            skus: self.skus.iter().map(Sku::to_domain).collect(),
            categories: self.category_ids.iter().map(|id| CategoryId(id.uuid().as_u128())).collect(),
            starts_at: self.starts_at.map(When::to_domain),
            ends_at: self.ends_at.map(When::to_domain),
            priority: self.priority.map_or(0, |it| i32::try_from(it.get()).expect("its bounds are smaller")),
            is_active: self.active.unwrap_or(true),
        }
    }
}

fn basis_points(points: BasisPoints) -> u16 {
    u16::try_from(points.get()).unwrap_or(BASIS_POINTS_MAX)
}

/// The values of an array that may be absent; none of them twice.
fn distinct<T: Eq + Hash + for<'de> Value<'de>>(
    name: &'static str,
    field: Field<Vec<Field<T>>>,
    count_max: usize,
    check: &mut Check,
) -> Option<Vec<T>> {
    let values = match field {
        Field::Absent | Field::Null => return Some(Vec::new()),
        field => check.values(name, field, 0..=count_max)?,
    };
    let mut seen = HashSet::with_capacity(values.len());
    let twins: Vec<usize> =
        values.iter().enumerate().filter(|(_, value)| !seen.insert(*value)).map(|(index, _)| index).collect();
    for index in &twins {
        check.refuse(&format!("{name}[{index}]"), Fault::new("duplicate", "Is in the list already."));
    }
    drop(seen);
    twins.is_empty().then_some(values)
}

fn one_of_two(
    percent_off: Option<Option<BasisPoints>>,
    amount_off: Option<Option<Amount>>,
    check: &mut Check,
) -> bool {
    match (percent_off, amount_off) {
        (Some(None), Some(None)) => {
            let detail = "Give `percent_off` (in basis points) or `amount_off` (in minor units).";
            check.refuse("percent_off", Fault::new("required", detail));
            false
        }
        (Some(Some(_)), Some(Some(_))) => {
            check.refuse(
                "amount_off",
                Fault::new("conflict", "Give `percent_off` or `amount_off`, not both."),
            );
            false
        }
        _ => true,
    }
}

/// Whether a field is there for rules of its kind, and for no others.
fn needs<T>(
    owner: KindWord,
    name: &str,
    kind: Option<KindWord>,
    value: Option<Option<T>>,
    check: &mut Check,
) -> bool {
    let (Some(kind), Some(value)) = (kind, value) else { return true };
    let fault = match (kind == owner, value) {
        (true, None) => Fault::new("required", "A rule of this kind needs it."),
        (false, Some(_)) => Fault::new("conflict", "A rule of this kind has none."),
        _ => return true,
    };
    check.refuse(name, fault);
    false
}

fn has_window(
    kind: Option<KindWord>,
    starts_at: Option<Option<When>>,
    ends_at: Option<Option<When>>,
    check: &mut Check,
) -> bool {
    match (kind, starts_at, ends_at) {
        (Some(KindWord::Seasonal), Some(None), Some(None)) => {
            let detail = "A seasonal rule needs `starts_at`, `ends_at` or both.";
            check.refuse("starts_at", Fault::new("required", detail));
            false
        }
        (_, Some(Some(start)), Some(Some(end))) if start >= end => {
            check.refuse("ends_at", Fault::new("out_of_range", "Must be after `starts_at`."));
            false
        }
        _ => true,
    }
}
