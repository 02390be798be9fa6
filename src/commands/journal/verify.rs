//! `holdfast journal verify`: proves frames, chain, checkpoints and invariants of a stopped folder.

pub(crate) mod checkpoints;

use std::num::NonZero;

use holdfast_actors::persistence::{Checkpoints, Folder, FrameSource as _};
use holdfast_actors::recovery::{self, Progress, Proof, Verified};
use serde_json::{Value, json};

use self::checkpoints::Sorted;
use super::{open, print, progress, take_stopped, verdict, verdict_of_proof};
use crate::cli::Failure;
use crate::config::Settings;

/// Proves frames, chain and invariants of the journal of a stopped folder.
///
/// # Errors
///
/// [`crate::cli::Exit::VerificationFailed`] with what is wrong, [`crate::cli::Exit::NotFound`] when there is none,
/// [`crate::cli::Exit::Locked`] when a server holds it.
pub fn run(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let why = "a running server changes its folder: verify one that `holdfast journal backup --into NEWDIR` makes of it";
    print(&document(&prove(&take_stopped(settings, why)?)?), as_json)
}

/// Proves the journal of a folder that is ours.
/// Every checkpoint file is read to its end, also those that no recovery begins with.
pub(super) fn prove(folder: &Folder) -> Result<Verified, Failure> {
    let journal = open(folder)?;
    let files = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
    Sorted::of(&files).map_err(verdict)?.must_be_sound()?;
    let bar = progress::spinner("verifying");
    let told = |progress: Progress| match progress {
        Progress::Loading { entries } => {
            bar.set_message(format!("verifying: {entries} entries of a checkpoint"))
        }
        Progress::Replaying { records } => bar.set_message(format!("verifying: {records} records")),
        Progress::Checking => bar.set_message("verifying: the books"),
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let proof = Proof { checkpoints: Some(&files), threads, progress: &told };
    let verified = recovery::verify(&journal, &proof, |replayed| journal.check_end(replayed));
    bar.finish_and_clear();
    let verified = verified.map_err(verdict_of_proof)?;
    // Last: what is damaged of the journal itself weighs more.
    journal.check_mark().and_then(|()| journal.accept()).map_err(verdict)?;
    Ok(verified)
}

fn document(Verified { report, checkpoints }: &Verified) -> Value {
    json!({
        "checkpoints": checkpoints,
        "verdict": "every frame, the chain, the sequences, every checkpoint and every invariant hold",
        "batches": report.batches,
        "records": report.records,
        "events": report.events,
        "bytes": report.bytes,
        "products": report.products,
        "active_reservations": report.reservations,
        "orders": report.orders,
        "carts": report.carts,
        "accounts": report.accounts,
        "idempotency_keys": report.keys,
        "torn_tail": report.cut.as_ref().map(|cut| json!({
            "first_batch": cut.first.0,
            "frames": cut.frames,
            "bytes": cut.bytes,
            "damage": cut.damage.to_string(),
        })),
        "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}
