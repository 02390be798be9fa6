//! What of the past is kept: which chains, and with them which files and frames. What goes, goes in an order that a crash may cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Checkpoints, FINISHED, Info, Retain, Unneeded, number_of};
use crate::error::Error;
use crate::folder::sync_folder;
use crate::record::BatchNumber;

/// Whole files that are kept between the oldest and the newest two.
const BETWEEN_MAX: u64 = 8;

/// Tells how many bytes the frames from one on take.
pub type BytesFrom<'f> = dyn Fn(BatchNumber) -> Result<u64, Error> + 'f;

/// A chain by what its files say.
struct Chain<'i> {
    end: &'i Info,
    files: Vec<&'i Info>,
}

impl Checkpoints {
    /// What need not be kept at `now_ms`; nothing when all is needed. `frame_bytes` is asked for [`Retain::Bytes`] only.
    ///
    /// An age keeps the newest chain that is so old, from which any moment since can be restored, and of all that are younger, whatever
    /// is asked for, the newest two whole files with what builds on them and some in between: others only shorten a restore.
    /// Files are to be removed before the frames, so that no chain is left without what follows it. A damaged file is needed by nobody
    /// and goes when the older ones do; the newest chain has to be sound.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoints::chain`] for the newest; [`Error::Io`]; what `frame_bytes` says.
    pub fn retain(
        &self,
        retain: Retain,
        now_ms: u64,
        frame_bytes: &BytesFrom<'_>,
    ) -> Result<Option<Unneeded>, Error> {
        let numbers = self.numbers()?;
        let Some(newest) = numbers.last().copied() else { return Ok(None) };
        self.chain(newest)?;
        let infos = self.sound_files(&numbers)?;
        let chains: Vec<_> = infos.values().rev().filter_map(|end| Chain::of(end, &infos)).collect();
        let times = times(&chains, now_ms);
        let oldest = match retain {
            Retain::All => None,
            Retain::Age(age) => {
                let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                let limit_ms = now_ms.saturating_sub(age_ms);
                times.iter().position(|at_ms| *at_ms <= limit_ms)
            }
            Retain::Bytes(bytes) => Some(fitting(&chains, bytes, frame_bytes)? - 1),
        };
        let kept = &chains[..oldest.map_or(chains.len(), |oldest| oldest + 1)];
        let spread = spread(kept, &times);
        let files = |is_wanted: &dyn Fn(u64) -> bool| -> BTreeSet<u64> {
            let chains = kept.iter().filter(|chain| is_wanted(chain.family()));
            chains.flat_map(|chain| &chain.files).map(|info| info.number).collect()
        };
        let (needed, passed) = (files(&|it| spread.contains(&it)), files(&|it| !spread.contains(&it)));
        let end = oldest.map_or(0, |oldest| kept[oldest].end.number);
        let is_unneeded =
            |number: &u64| (*number < end || passed.contains(number)) && !needed.contains(number);
        let files: Vec<_> = numbers.iter().filter(|it| is_unneeded(it)).map(|it| self.path_of(*it)).collect();
        if oldest.is_none() && files.is_empty() {
            return Ok(None);
        }
        let first_needed = kept.iter().map(|chain| chain.end.mark.head.next_batch()).min();
        let first_needed = oldest.and(first_needed).unwrap_or(BatchNumber::FIRST);
        Ok(Some(Unneeded { first_needed, files }))
    }

    /// Removes files that [`Checkpoints::retain`] found unneeded; durable when it returns. A file that is gone already is no error.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointNeeded`], before any is removed, when one belongs to the newest chain or is no checkpoint of this journal's;
    /// those of [`Checkpoints::chain`] for the newest, and that of any damage within it; [`Error::Io`].
    pub fn remove(&self, files: &[PathBuf]) -> Result<(), Error> {
        let newest = self.newest()?;
        let needed = newest.as_ref().map(|chain| chain.files()).unwrap_or_default();
        let mut numbers = BTreeSet::new();
        for path in files {
            let number =
                self.number_at(path).filter(|number| needed.iter().all(|info| info.number != *number));
            numbers.insert(number.ok_or_else(|| Error::CheckpointNeeded { path: path.clone() })?);
        }
        // What goes cannot be had back, so what stays must be sound to its last byte.
        if !numbers.is_empty() {
            needed.iter().try_for_each(|info| self.check(info))?;
        }
        // The newest first: what a crash leaves are whole chains, not increments without their base.
        for number in numbers.into_iter().rev() {
            let path = self.path_of(number);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Io { doing: "remove checkpoint", path, source });
                }
                _ => {}
            }
        }
        sync_folder(&self.path)
    }

    fn number_at(&self, path: &Path) -> Option<u64> {
        if path.parent() != Some(&self.path) {
            return None;
        }
        number_of(path.file_name()?.to_str()?, FINISHED)
    }

    /// The files that can be read, by number.
    fn sound_files(&self, numbers: &[u64]) -> Result<BTreeMap<u64, Info>, Error> {
        let mut infos = BTreeMap::new();
        for number in numbers {
            match self.file_if_there(*number) {
                Ok(Some(file)) => {
                    infos.insert(*number, file.into_info());
                }
                Ok(None) => {}
                Err(Error::DamagedCheckpoint { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(infos)
    }
}

impl<'i> Chain<'i> {
    /// The number of its whole file.
    fn family(&self) -> u64 {
        self.files.last().unwrap_or(&self.end).number
    }

    /// The chain that ends with a file; nothing when one of its files is missing.
    fn of(end: &'i Info, infos: &'i BTreeMap<u64, Info>) -> Option<Chain<'i>> {
        let mut files = vec![end];
        while let Some(base) = files.last().and_then(|info| info.base) {
            files.push(infos.get(&base)?);
        }
        Some(Chain { end, files })
    }
}

/// When each chain was taken, as far as clocks can be believed: they may be set back and forth. None is older than one before it, and of
/// one from days to come nobody knows more than that it is there.
fn times(chains: &[Chain<'_>], now_ms: u64) -> Vec<u64> {
    let mut newest_ms = 0;
    let at_ms = |chain: &Chain<'_>| {
        let at_ms = chain.end.mark.at_ms;
        if at_ms > now_ms {
            return now_ms;
        }
        newest_ms = at_ms.max(newest_ms);
        newest_ms
    };
    let mut times: Vec<u64> = chains.iter().rev().map(at_ms).collect();
    times.reverse();
    times
}

/// Of chains, newest first, with their times, the whole files to keep: the newest two, the oldest, and at most [`BETWEEN_MAX`] in between,
/// as evenly as they lie.
fn spread(chains: &[Chain<'_>], times: &[u64]) -> BTreeSet<u64> {
    let mut families: Vec<(u64, u64)> = Vec::new();
    for (chain, at_ms) in chains.iter().zip(times) {
        match families.last_mut() {
            Some((family, oldest_ms)) if *family == chain.family() => *oldest_ms = *at_ms,
            _ => families.push((chain.family(), *at_ms)),
        }
    }
    let (Some(newest), Some(oldest)) = (families.first(), families.last()) else { return BTreeSet::new() };
    let apart_ms = newest.1.saturating_sub(oldest.1) / BETWEEN_MAX;
    let mut last_ms = oldest.1;
    let mut kept = BTreeSet::from([oldest.0]);
    for (place, (family, at_ms)) in families.iter().enumerate().rev() {
        if place < 2 || at_ms.saturating_sub(last_ms) >= apart_ms.max(1) {
            kept.insert(*family);
            last_ms = *at_ms;
        }
    }
    kept
}

/// How many chains, from the newest on, fit together with the frames that follow the oldest; at least one.
fn fitting(chains: &[Chain<'_>], bytes: u64, frame_bytes: &BytesFrom<'_>) -> Result<usize, Error> {
    let mut files = BTreeMap::new();
    for (older, chain) in chains.iter().enumerate() {
        files.extend(chain.files.iter().map(|info| (info.number, info.bytes)));
        let checkpoints = files.values().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
        let all = checkpoints.saturating_add(frame_bytes(chain.end.mark.head.next_batch())?);
        if all > bytes {
            return Ok(older.max(1));
        }
    }
    Ok(chains.len())
}
