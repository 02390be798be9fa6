//! The variants that a product's body names, and what cannot be said beside them.

use holdfast_actors::domain::product::VARIANTS_MAX;

use super::{NewVariantBody, RawVariant};
use crate::http::check::Check;
use crate::http::field::{Fault, Field, Objects};
use crate::http::json::Body;
use crate::http::values::Sku;

pub(super) fn refuse_twins(variants: &[NewVariantBody], check: &mut Check) {
    for (index, variant) in variants.iter().enumerate() {
        if variants[..index].iter().any(|before| before.sku == variant.sku) {
            let field = format!("variants[{index}].sku");
            check.refuse(&field, Fault::new("duplicate", "Another variant of this product has it."));
        }
    }
}

/// The variants of a patch; none at all are an empty list.
pub(super) fn check_variants_patch(
    raw: Field<Objects<RawVariant, VARIANTS_MAX>>,
    check: &mut Check,
) -> Option<Option<Vec<NewVariantBody>>> {
    let variants = match raw {
        Field::Absent => return Some(None),
        Field::Null => Vec::new(),
        Field::Good(Objects(list)) if list.is_empty() => Vec::new(),
        variants => check.objects("variants", variants, NewVariantBody::check)?,
    };
    refuse_twins(&variants, check);
    Some(Some(variants))
}

pub(super) fn refuse_sku_beside(has_variants: bool, sku: &Field<Sku>, check: &mut Check) {
    if has_variants && matches!(sku, Field::Good(_)) {
        check.refuse("sku", Fault::new("conflict", "Each variant has a sku of its own; leave this out."));
    }
}
