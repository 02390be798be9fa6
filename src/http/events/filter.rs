//! Which events somebody wants: by type, by sku.

use holdfast_actors::domain::Sku;
use holdfast_actors::{Engine, domain};
use serde::Deserialize;

use crate::facts::{Event, Subject, TYPES};
use crate::http::openapi::inline::value_schemas;
use crate::http::values::schema;

/// Longer lists name types more than once.
const TYPES_BYTES_MAX: usize = 2_048;

/// Types, comma separated; `order.*` is all that begin so.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::http) struct Types(Vec<&'static str>);

value_schemas! {
    impl[] Types as "event_types" => schema::text()
        .max_length(Some(TYPES_BYTES_MAX))
        .examples(["order.*,stock.purchased"]);
}

impl TryFrom<String> for Types {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > TYPES_BYTES_MAX {
            return Err(format!("must have at most {TYPES_BYTES_MAX} characters"));
        }
        let mut wanted = Vec::new();
        for word in text.split(',').map(str::trim) {
            let before = wanted.len();
            match word.strip_suffix(".*") {
                Some(family) => wanted.extend(TYPES.iter().filter(|kind| is_of(kind, family))),
                None => wanted.extend(TYPES.iter().filter(|kind| **kind == word)),
            }
            if wanted.len() == before {
                return Err(format!("`{word}` is no type of events"));
            }
        }
        Ok(Self(wanted))
    }
}

fn is_of(kind: &str, family: &str) -> bool {
    kind.split_once('.').is_some_and(|(of, _)| of == family)
}

/// What is wanted. Nothing given means everything.
#[derive(Clone, Default)]
pub(super) struct Filter {
    pub(super) types: Option<Types>,
    pub(super) sku: Option<Sku>,
}

impl Filter {
    /// Whether an event is wanted. A unit answers to every sku that it has now, and one that was removed to its last.
    pub(super) fn wants(&self, engine: &Engine, event: &Event) -> bool {
        if self.types.as_ref().is_some_and(|types| !types.0.contains(&event.kind)) {
            return false;
        }
        let Some(sku) = &self.sku else { return true };
        event.subjects.iter().any(|subject| match subject {
            Subject::Variant(product, variant) => engine.sku_of(*product, *variant).as_ref() == Some(sku),
            Subject::Product(product) => has(engine, *product, sku),
            Subject::Sku(other) => other == sku,
        })
    }
}

fn has(engine: &Engine, product: domain::ProductId, sku: &Sku) -> bool {
    engine.info(product).is_some_and(|info| info.variants.iter().any(|variant| variant.sku == *sku))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Result<usize, String> {
        Types::try_from(text.to_owned()).map(|types| types.0.len())
    }

    #[test]
    fn types_are_named_one_by_one_or_by_family_and_never_misspelt() {
        assert_eq!(count("order.placed"), Ok(1));
        assert_eq!(count("order.placed, order.confirmed"), Ok(2));
        let orders = TYPES.iter().filter(|kind| kind.starts_with("order.")).count();
        assert_eq!(count("order.*"), Ok(orders));
        assert_eq!(count("price_rule.*,order.*").map(|all| all > orders), Ok(true));
        for bad in ["", "order", "order.", "order.*.x", ".*", "*", "ord.*", "order.placed,", "order.place"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
