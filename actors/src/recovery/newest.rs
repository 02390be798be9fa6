//! Which checkpoint a start begins with: the newest that can be loaded, and an older one only where nothing is lost by it.

use holdfast_persistence::{Checkpoints, Store};

use super::{Changed, Error, Plan, Progress, Recovered, recover_from};

/// Recovers from the newest checkpoint that can be loaded.
///
/// Where one is damaged, an older one does as well, or none, as long as the journal reaches back to it: its records say the same. That is
/// logged, and then the next checkpoint must be a whole one.
///
/// # Errors
///
/// Those of [`recover_from`]. Where no older checkpoint will do, what is wrong with the newest.
pub fn recover_newest<S: Store + ?Sized>(
    store: &mut S,
    checkpoints: &Checkpoints,
    threads: usize,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Recovered, Error> {
    let mut older = checkpoints.numbers()?.into_iter().rev();
    let mut newest_failure: Option<Error> = None;
    loop {
        let number = older.next();
        let recovered = number.map(|number| checkpoints.chain(number)).transpose().map_err(Error::from);
        let recovered = recovered.and_then(|checkpoint| {
            recover_from(store, &Plan { checkpoint: checkpoint.as_ref(), threads, progress })
        });
        match (recovered, number) {
            (Ok(mut recovered), _) => {
                if newest_failure.is_some() {
                    recovered.changed = Changed::Everything;
                }
                return Ok(recovered);
            }
            (Err(error), Some(number)) if error.is_of_checkpoint() => {
                let reason = told(&error);
                tracing::warn!(number, reason, "a checkpoint cannot be loaded: trying what is before it");
                newest_failure.get_or_insert(error);
            }
            // The journal does not reach back so far.
            (Err(error @ Error::Trimmed { .. }), _) => return Err(newest_failure.unwrap_or(error)),
            (Err(error), _) => return Err(error),
        }
    }
}

/// An error with all its sources, for one line of the log.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {}", told(source)));
    format!("{error}{}", source.unwrap_or_default())
}
