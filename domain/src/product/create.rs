//! Making a product.

use std::collections::BTreeSet;

use super::describe::{check_price, check_size};
use super::{Event, NewProduct, NewVariant, Reason, Refusal, VARIANTS_MAX, VariantNo};

/// The events that make `new`: its creation, then its first units.
///
/// The caller has claimed every sku.
///
/// # Errors
///
/// [`Refusal::OutOfBounds`], when it has no variants, too many, one sku twice, or is simple with several, or
/// when its price is none; [`Refusal::TooLarge`], when its texts do not fit; [`Refusal::StockOverflow`], when an
/// initial stock does not.
pub fn decide_create(new: &NewProduct) -> Result<Vec<Event>, Refusal> {
    check_variants(new)?;
    check_price(&new.description)?;
    check_size(&new.description, &mut new.variants.iter().map(|variant| &*variant.description))?;
    let created = Event::Created {
        description: new.description.clone(),
        is_simple: new.is_simple,
        variants: new.variants.iter().map(|variant| variant.description.clone()).collect(),
    };
    let mut events = vec![created];
    for (index, variant) in new.variants.iter().enumerate() {
        events.extend(received(VariantNo::from_index(index), variant)?);
    }
    Ok(events)
}

fn check_variants(new: &NewProduct) -> Result<(), Refusal> {
    let skus: BTreeSet<_> = new.variants.iter().map(|variant| &variant.description.sku).collect();
    let count_max = if new.is_simple { 1 } else { VARIANTS_MAX };
    let is_in_bounds = (1..=count_max).contains(&new.variants.len()) && skus.len() == new.variants.len();
    if is_in_bounds { Ok(()) } else { Err(Refusal::OutOfBounds) }
}

fn received(variant: VariantNo, new: &NewVariant) -> Result<Option<Event>, Refusal> {
    let Some(stock) = new.initial_stock else { return Ok(None) };
    let delta = i32::try_from(stock.get()).map_err(|_| Refusal::StockOverflow)?;
    Ok(Some(Event::Adjusted { variant, delta, reason: Reason::Received, reference: None, note: None }))
}
