//! Changing description and variants together, in one turn.

use std::collections::BTreeSet;

use crate::Quantity;

use super::describe::{check_price, check_size};
use super::variants::{check_adjustment, received};
use super::{Event, Product, Refusal, Replacement, VARIANTS_MAX, VariantNo, WantedVariant};

impl Product {
    /// The events carry the same version: one command is one change. What is there already comes before what goes, so
    /// that the product has a variant at every moment.
    pub(super) fn decide_replace(&self, replacement: &Replacement) -> Result<Vec<Event>, Refusal> {
        self.check_version(replacement.version)?;
        check_wanted(replacement)?;
        let places = self.places(replacement);
        check_stocks(replacement, &places)?;
        let kept: BTreeSet<VariantNo> = places.iter().flatten().copied().collect();
        self.check_room(places.len() - kept.len(), places.len())?;
        let gone = self.live_variants().map(|(no, _)| no).filter(|no| !kept.contains(no));
        let gone: Vec<Event> = gone.map(|no| self.removed(no)).collect::<Result<_, _>>()?;

        let mut events = Vec::new();
        if replacement.description != self.description {
            events.push(Event::Described { description: replacement.description.clone() });
        }
        let mut next = self.variants.len();
        for (wanted, place) in replacement.variants.iter().zip(&places) {
            match place {
                Some(variant) => events.extend(self.described(*variant, wanted, replacement.is_simple)),
                None => {
                    events.extend(self.added(VariantNo::from_index(next), wanted, replacement.is_simple));
                    next += 1;
                }
            }
        }
        events.extend(gone);
        Ok(events)
    }

    /// Where each wanted variant is already.
    fn places(&self, replacement: &Replacement) -> Vec<Option<VariantNo>> {
        if let (true, Some(only)) = (replacement.is_simple, self.only_variant()) {
            return vec![Some(only)];
        }
        replacement.variants.iter().map(|wanted| self.find(&wanted.description.sku)).collect()
    }

    fn described(&self, variant: VariantNo, wanted: &WantedVariant, is_simple: bool) -> Option<Event> {
        let present = &self.variants[variant.index()].description;
        let is_changed = *present != wanted.description || self.is_simple != is_simple;
        let description = wanted.description.clone();
        let version = self.version + 1;
        is_changed.then_some(Event::VariantDescribed { variant, description, is_simple, version })
    }

    fn added(&self, variant: VariantNo, wanted: &WantedVariant, is_simple: bool) -> Vec<Event> {
        let description = wanted.description.clone();
        let added = Event::VariantAdded { variant, description, is_simple, version: self.version + 1 };
        // No stock is no receipt.
        let stock = wanted.initial_stock.and_then(|units| Quantity::new(units.0));
        [added].into_iter().chain(stock.map(|units| received(variant, units))).collect()
    }
}

fn check_wanted(replacement: &Replacement) -> Result<(), Refusal> {
    let Replacement { description, is_simple, variants, .. } = replacement;
    let skus: BTreeSet<_> = variants.iter().map(|variant| &variant.description.sku).collect();
    let count_max = if *is_simple { 1 } else { VARIANTS_MAX };
    let is_stock_in_bounds =
        |wanted: &WantedVariant| wanted.initial_stock.is_none_or(|units| units.0 <= Quantity::MAX);
    let is_in_bounds = (1..=count_max).contains(&variants.len())
        && skus.len() == variants.len()
        && variants.iter().all(is_stock_in_bounds);
    if !is_in_bounds {
        return Err(Refusal::OutOfBounds);
    }
    check_price(description)?;
    variants.iter().try_for_each(|wanted| check_adjustment(&wanted.description))?;
    check_size(description, &mut variants.iter().map(|wanted| &*wanted.description))
}

/// The stock of what exists is for adjustments to change.
fn check_stocks(replacement: &Replacement, places: &[Option<VariantNo>]) -> Result<(), Refusal> {
    let wanted = replacement.variants.iter().zip(places).enumerate();
    let fixed = wanted.filter(|(_, (wanted, place))| wanted.initial_stock.is_some() && place.is_some());
    let indexes: Vec<usize> = fixed.map(|(index, _)| index).collect();
    match indexes.as_slice() {
        [] => Ok(()),
        _ if replacement.is_simple => Err(Refusal::StockFixed { indexes: Vec::new() }),
        _ => Err(Refusal::StockFixed { indexes }),
    }
}
