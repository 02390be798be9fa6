//! The categories that a product's body names.

use holdfast_actors::domain::CategoryId;

use crate::http::check::Check;
use crate::http::field::{Fault, Field};
use crate::http::values::{Category, Id};

/// How many categories a product may be in.
pub(super) const CATEGORIES_MAX: usize = 50;

/// None where nothing is said; null says none at all. Whether they exist is for the product's turn to find out.
pub(super) fn check_categories(
    raw: Field<Vec<Field<Id<Category>>>>,
    check: &mut Check,
) -> Option<Option<Vec<Id<Category>>>> {
    match raw {
        Field::Absent => return Some(None),
        Field::Null => return Some(Some(Vec::new())),
        _ => {}
    }
    let ids = check.values("category_ids", raw, 0..=CATEGORIES_MAX)?;
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            let field = format!("category_ids[{index}]");
            check.refuse(&field, Fault::new("duplicate", "Is there already."));
        }
    }
    Some(Some(ids))
}

/// The same for the actors.
pub(in crate::http::products) fn domain_ids(ids: &[Id<Category>]) -> Vec<CategoryId> {
    ids.iter().map(|id| CategoryId(id.uuid().as_u128())).collect()
}
