//! The state as it was at a cut of the journal: for looking back, never for going on.

use holdfast_persistence::journal::Visit;
use holdfast_persistence::{
    self as persistence, Checkpoints, FrameSource, Head, PartitionHead, Replayed, Sequence,
};

use super::state::index;
use super::{Error, Plan, Progress, Recovered, check_begin, rebuild};

/// All that was wanted was read.
#[derive(Debug, thiserror::Error)]
#[error("the cut is reached")]
struct Reached;

/// The state that the records up to `ends` (by partition, inclusive) lead to; from the newest checkpoint within them, else from the
/// first record. Where the journal ends before that, as it is there.
///
/// The head of what comes back tells where its partitions end, and nothing of frames.
///
/// # Errors
///
/// Those of [`recover_from`](super::recover_from): among them [`Error::Trimmed`], when so early a state cannot be had any more.
pub fn recover_until<S: FrameSource + ?Sized>(
    source: &S,
    checkpoints: Option<&Checkpoints>,
    ends: &[Sequence],
    threads: usize,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Recovered, Error> {
    let checkpoint = checkpoints.map_or(Ok(None), |checkpoints| checkpoints.newest_within(ends))?;
    let plan = Plan { checkpoint: checkpoint.as_ref(), threads, progress };
    check_begin(source, &plan)?;
    let read = &mut |from: Head, visit: &mut Visit<'_>| read_until(source, from, ends, visit);
    Ok(rebuild(&Head::before(source), &plan, read)?.into_recovered())
}

pub(super) fn read_until<S: FrameSource + ?Sized>(
    source: &S,
    from: Head,
    ends: &[Sequence],
    visit: &mut Visit<'_>,
) -> Result<Replayed, persistence::Error> {
    let mut heads = from.partitions().to_vec();
    let end_of = |place: usize| ends.get(place).copied().unwrap_or_default();
    let mut missing = heads.iter().enumerate().filter(|(place, head)| head.sequence < end_of(*place)).count();
    let mut records = 0;
    let (next_batch, last_hash) = (from.next_batch(), from.last_hash());
    let outcome = if missing == 0 {
        Ok(None)
    } else {
        persistence::replay(source, from, |record| {
            let header = record.header;
            let place = index(header.partition);
            if header.sequence > end_of(place) {
                return Ok(());
            }
            visit(record)?;
            records += 1;
            heads[place] =
                PartitionHead { sequence: header.sequence, epoch: header.epoch, time_ms: header.time_ms };
            if header.sequence == end_of(place) {
                missing -= 1;
            }
            if missing == 0 { Err(Reached.into()) } else { Ok(()) }
        })
        .map(Some)
    };
    let head = Head::new(next_batch, last_hash, heads);
    match outcome {
        Ok(None) => Ok(Replayed { batches: 0, records, bytes: 0, head, cut: None }),
        Ok(Some(replayed)) => Ok(Replayed { records, head, ..replayed }),
        Err(persistence::Error::Visit { source, .. }) if source.is::<Reached>() => {
            Ok(Replayed { batches: 0, records, bytes: 0, head, cut: None })
        }
        Err(error) => Err(error),
    }
}
