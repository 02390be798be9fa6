//! A stopped folder, recovered as a start would do it.

use std::num::NonZero;

use holdfast_actors::domain::product::VariantNo;
use holdfast_actors::domain::{ProductId, Sku};
use holdfast_actors::persistence::{Checkpoints, Folder, FrameSource as _};
use holdfast_actors::recovery;

use super::{open, verdict, verdict_of_proof};
use crate::cli::Failure;

/// The product and the variant that have a sku at the end of the journal.
///
/// # Errors
///
/// What keeps the journal from becoming a state.
pub(super) fn find(folder: &Folder, sku: &str) -> Result<Option<(ProductId, VariantNo)>, Failure> {
    let Some(sku) = Sku::new(sku) else { return Ok(None) };
    let mut journal = open(folder)?;
    let files = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let recovered =
        recovery::recover_newest(&mut journal, &files, threads, &|_| {}).map_err(verdict_of_proof)?;
    Ok(recovered.state().into_iter().find_map(|(id, product)| Some((id, product.find(&sku)?))))
}
