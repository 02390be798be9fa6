//! What a variant is changed with, field by field.

use holdfast_actors::domain::product::VariantDescription;
use holdfast_actors::domain::{self, Money};
use serde::Serialize;

use crate::http::check::Check;
use crate::http::json::Body;
use crate::http::products::body::{Adjustment, Attributes, Name, RawVariant, refuse_fixed};
use crate::http::products::change::{AttributesPatch, Change, change, present};
use crate::http::values::Sku;

/// A change: what is absent stays.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantPatch {
    /// Another name for the same units; nobody is known by the old one then.
    #[schema(required = false, value_type = Sku)]
    sku: Option<Sku>,
    #[schema(required = false, value_type = Option<Name>)]
    name: Change<Name>,
    /// Merged into the present ones (RFC 7396): a member that is null goes. Null for none at all.
    #[schema(required = false, value_type = Option<Attributes>)]
    attributes: AttributesPatch,
    /// What it costs more than the product's `price`, or less; null for 0.
    #[schema(required = false, value_type = Option<Adjustment>)]
    price_adjustment: Change<Adjustment>,
}

impl Body for VariantPatch {
    type Raw = RawVariant;

    fn check(raw: RawVariant, check: &mut Check) -> Option<Self> {
        refuse_fixed("initial_stock", &raw.initial_stock, check);
        let attributes = AttributesPatch::check(raw.attributes, check);
        let sku = present("sku", raw.sku, check);
        let name = change("name", raw.name, check);
        let price_adjustment = change("price_adjustment", raw.price_adjustment, check);
        Some(Self { sku: sku?, name: name?, attributes: attributes?, price_adjustment: price_adjustment? })
    }
}

impl VariantPatch {
    /// The sku that it shall have, where another.
    pub(super) fn sku(&self) -> Option<domain::Sku> {
        self.sku.as_ref().map(Sku::to_domain)
    }

    /// The description with the change; runs in the turn of the product's actor.
    pub(super) fn apply(&self, present: &VariantDescription) -> VariantDescription {
        let adjustment = self.price_adjustment.over(&Some(present.price_adjustment), |it| Money(it.get()));
        VariantDescription {
            sku: self.sku().unwrap_or_else(|| present.sku.clone()),
            name: self.name.over(&present.name, |name| name.as_str().into()),
            attributes: self.attributes.over(&present.attributes),
            price_adjustment: adjustment.unwrap_or_default(),
        }
    }
}
