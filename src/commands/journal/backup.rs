//! `holdfast journal backup`: all of a journal in a new folder, while its server goes on.

use std::path::Path;

use serde_json::json;

use super::archive::End;
use super::newdir::NewDir;
use super::{Holder, moment, print, source, stream_of, verify};
use crate::cli::Failure;
use crate::config::Settings;
use holdfast_actors::persistence::{Folder, JournalId};

/// Copies checkpoints, frames and keys of a stopped folder or of a running server into a new folder, and verifies that.
///
/// # Errors
///
/// [`Exit::Failure`](crate::cli::Exit::Failure) when the new folder is there already or cannot be written,
/// [`Exit::VerificationFailed`](crate::cli::Exit::VerificationFailed) when the journal is not sound; nothing is left then.
pub fn run(settings: &Settings, into: &Path, is_verified: bool, as_json: bool) -> Result<(), Failure> {
    let new = NewDir::begin(into)?;
    let (about, end) = match Holder::of(settings)? {
        Holder::Us(folder) => source::piped(folder, None, |input| new.fill("copying", input))?,
        Holder::Server(socket) => {
            new.fill("copying", &mut stream_of(&socket, "GET", "/journal/archive", None)?)?
        }
    };
    if is_verified {
        verify::prove(&Folder::open(new.path()).map_err(super::explain)?)?;
    }
    new.finish()?;
    let End { frames, records, bytes, checkpoints, last, .. } = end;
    let (position, at) = last.unzip();
    print(
        &json!({
            "folder": into.display().to_string(),
            "journal_id": JournalId(about.journal_id).to_string(),
            "batches": frames,
            "records": records,
            "bytes": bytes,
            "checkpoints": checkpoints,
            "position": position,
            "at": at.map(moment),
            "verified": is_verified,
        }),
        as_json,
    )
}
