//! Which skus a turn takes for its product and which it sets free.
//!
//! A sku is taken before the turn's record is pushed and freed after: whoever takes it next pushes a later record of
//! the same journal, so at no point of it has a sku two owners.

use std::sync::Arc;

use holdfast_domain::product::{Event, Product, Refusal, VariantDescription};
use holdfast_domain::{ProductId, Sku};
use holdfast_persistence::Ticket;

use crate::directory::Directory;

/// Skus that change hands in one turn; none in almost every one.
#[derive(Debug, Default)]
pub(crate) struct SkuMoves {
    taken: Vec<Arc<VariantDescription>>,
    freed: Vec<Sku>,
}

impl SkuMoves {
    /// What `events` will change, from the state before them. Those of a creation are claimed by whoever asks for it, and
    /// a deletion takes its product off the directory.
    pub(crate) fn of(product: Option<&Product>, events: &[Event]) -> Self {
        let mut moves = Self::default();
        let Some(product) = product else { return moves };
        for event in events {
            match event {
                Event::VariantAdded { description, .. } => moves.taken.push(Arc::clone(description)),
                Event::VariantDescribed { variant, description, .. } => {
                    let before = &product.variants()[variant.index()].description.sku;
                    if *before != description.sku {
                        moves.freed.push(before.clone());
                        moves.taken.push(Arc::clone(description));
                    }
                }
                Event::VariantRemoved { variant, .. } => {
                    moves.freed.push(product.variants()[variant.index()].description.sku.clone());
                }
                _ => {}
            }
        }
        moves
    }

    /// Claims what is taken for `product`.
    ///
    /// # Errors
    ///
    /// [`Refusal::SkuTaken`]; nothing is claimed then.
    pub(crate) fn take(&self, directory: &Arc<Directory>, product: ProductId) -> Result<(), Refusal> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let claim = directory.claim(product, self.taken.clone());
        claim.map_err(|sku| Refusal::SkuTaken { sku })?.keep();
        Ok(())
    }

    /// Lets others have what `product` has not any more since the turn of `ticket`.
    pub(crate) fn give_back(&self, directory: &Directory, product: ProductId, ticket: Ticket) {
        self.freed.iter().for_each(|sku| directory.free(product, sku, ticket));
    }
}
