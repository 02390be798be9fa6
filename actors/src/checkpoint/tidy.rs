//! What becomes of old files and frames: increments are merged into one whole file, and what nobody needs goes.

use holdfast_domain::Timestamp;
use holdfast_domain::idempotency::KEY_KEPT;
use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{Checkpoints, Error, Reader};

use super::CheckpointOptions;
use crate::image::{self, Image, Key};

/// A longer chain is merged.
const FILES_MAX: usize = 24;

/// Merges the newest chain where its increments outweigh the file that they build on, or are many, or when `is_wanted`.
///
/// What is of use for a day is held against the journal's time and not the clock's: where nothing happens for a day, the journal still
/// has it, and a checkpoint without it would be another state.
///
/// Nothing is merged where `has_room` says no to as many bytes as the chain has.
pub(crate) fn merge(
    files: &Checkpoints,
    is_wanted: bool,
    has_room: &dyn Fn(u64) -> bool,
) -> Result<Option<Info>, Error> {
    let Some(chain) = files.newest()? else { return Ok(None) };
    let bytes =
        |kind: Kind| chain.files().iter().filter(|it| it.kind == kind).map(|it| it.bytes).sum::<u64>();
    let is_due = bytes(Kind::Increment) > bytes(Kind::Whole) || chain.files().len() > FILES_MAX;
    if !is_due && !is_wanted || !has_room(bytes(Kind::Increment) + bytes(Kind::Whole)) {
        return Ok(None);
    }
    let times = chain.mark().head.partitions().iter().map(|partition| Timestamp(partition.time_ms));
    let now = times.max().unwrap_or_default();
    files.merge(&|key, value| is_worth_keeping(key, value, now))
}

/// Answers to requests, and carts that were absorbed, are of use for a day.
fn is_worth_keeping(key: &[u8], value: &[u8], now: Timestamp) -> bool {
    let at = match Key::from_bytes(key) {
        Some(Key::Request(_) | Key::Absorbed(_)) => match image::Reader::default().read(key, value) {
            Ok((_, Image::Request { at, .. } | Image::Absorbed { at, .. })) => at,
            // Whoever loads it says what is wrong with it.
            _ => return true,
        },
        _ => return true,
    };
    now.since(at) < KEY_KEPT
}

/// Removes files and frames that are not kept any more.
pub(super) fn let_go(options: &CheckpointOptions, reader: &Reader, now: Timestamp) -> Result<(), Error> {
    let Some(unneeded) =
        options.files.retain(options.retain, now.0, &|first| reader.frame_bytes_from(first))?
    else {
        return Ok(());
    };
    // First the files: no chain is left without what follows it.
    options.files.remove(&unneeded.files)?;
    if let Some(trimmer) = &options.trimmer {
        trimmer.remove_before(unneeded.first_needed)?;
    }
    Ok(())
}
