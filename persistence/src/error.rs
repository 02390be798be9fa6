//! What can go wrong between this crate and the disk, told to the operator who must act.
//!
//! Refusals of a push are [`PushError`](crate::PushError), failures of a commit
//! [`AppendError`](crate::AppendError); all else is here. Nobody retries any of them.

use std::io;
use std::path::PathBuf;

use crate::folder::Holder;
use crate::frame::JournalId;
use crate::journal::Cause;
use crate::record::{BatchNumber, Partition, Sequence};
use crate::replay::Damage;

/// The world failed the journal. Each message says where, and what an operator can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a deed on a file or folder of the journal.
    #[error("{doing} {}{}", .path.display(), advice(.source))]
    Io {
        /// What was tried, as a verb: `create folder`, `sync`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },

    /// Another process works in the folder. Two writers would destroy the journal.
    #[error(
        "data folder {} is in use by {holder}: stop that process first, or choose another folder",
        .path.display()
    )]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// Who holds it, as far as its lock file says.
        holder: Holder,
    },

    /// The store under the journal failed to open, read or write.
    #[error(
        "{doing} in the journal's store {}: keep a copy of the folder, then restore it from a backup if a \
         second start fails as well",
        .path.display()
    )]
    Store {
        /// What was tried.
        doing: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: Cause,
    },

    /// The store under a work queue failed to open, read or write.
    #[error("{doing} the work queue {}", .path.display())]
    Work {
        /// What was tried.
        doing: &'static str,
        /// The queue's folder.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: Cause,
    },

    /// The journal was written by a newer release than this one.
    #[error(
        "journal {} has format {found}, this release knows up to {known}: start the release that wrote it, or a \
         newer one", .path.display()
    )]
    NewerFormat {
        /// The store's folder.
        path: PathBuf,
        /// The format found on disk.
        found: u8,
        /// The newest format known here.
        known: u8,
    },

    /// The journal's own description is missing or unreadable although there are, or were, frames.
    #[error(
        "journal {} has been written to but does not describe itself ({what}): restore the folder from a backup",
        .path.display()
    )]
    NoDescription {
        /// The store's folder.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },

    /// The end of the journal is gone although it had been acknowledged. Nothing was changed.
    #[error(
        "journal {} holds batches up to {found}, but batch {acknowledged} was acknowledged: its store lost the end; \
         keep a copy of the folder, then restore it from a backup; `holdfast journal repair` goes on without what is \
         lost", .path.display()
    )]
    Lost {
        /// The store's folder.
        path: PathBuf,
        /// The last batch known to be acknowledged.
        acknowledged: BatchNumber,
        /// The last batch found.
        found: BatchNumber,
    },

    /// The file that tells how far the journal was acknowledged is not what was once written.
    #[error(
        "{} is damaged: nobody can tell any more whether the journal lost its end; what the journal holds is whole in itself; \
         compare it with a backup; a start goes on with what is there and writes the file anew", .path.display()
    )]
    DamagedMark {
        /// The file.
        path: PathBuf,
    },

    /// A frame is not what was once written, and later frames depend on it. Nothing was changed.
    #[error(
        "batch {batch} of the journal is damaged: {what}; nothing was changed; run `holdfast journal verify`, then \
         restore the folder from a backup; `holdfast journal repair` tells what a cut would lose"
    )]
    Corrupt {
        /// The frame that is damaged or missing.
        batch: BatchNumber,
        /// What is wrong with it.
        what: Damage,
    },

    /// What was asked for is older than what is stored.
    #[error("the journal begins at batch {first}: what came before was trimmed")]
    Trimmed {
        /// The first frame stored.
        first: BatchNumber,
    },

    /// A journal was to be created where there is one.
    #[error("{} holds a journal already: choose an empty folder", .path.display())]
    Exists {
        /// The data folder.
        path: PathBuf,
    },

    /// The journal is no longer as a survey found it. Nothing was changed.
    #[error("journal {} has changed since it was looked at: look again", .path.display())]
    Changed {
        /// The store's folder.
        path: PathBuf,
    },

    /// The one who visits the records could not take one. Nothing was changed.
    #[error("take record {sequence} of partition {partition} in batch {batch}")]
    Visit {
        /// The frame the record lies in.
        batch: BatchNumber,
        /// The record's partition.
        partition: Partition,
        /// The record's place in it.
        sequence: Sequence,
        /// What the visitor said.
        #[source]
        source: Cause,
    },

    /// A checkpoint file is not what was once written. Nothing was changed.
    #[error(
        "checkpoint {} is damaged at byte {offset}: {what}; nothing was changed; check the disk, and restore the \
         folder from a backup if it does not start without this file", .path.display()
    )]
    DamagedCheckpoint {
        /// The file.
        path: PathBuf,
        /// Where the damaged part begins, counted from the file's start.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },

    /// A checkpoint file was written by a newer release than this one.
    #[error(
        "checkpoint {} has format {found}, this release knows up to {known}: start the release that wrote it, or a \
         newer one", .path.display()
    )]
    NewerCheckpoint {
        /// The file.
        path: PathBuf,
        /// The format found on disk.
        found: u8,
        /// The newest format known here.
        known: u8,
    },

    /// A checkpoint file belongs to another journal. Nothing was changed.
    #[error(
        "checkpoint {} is one of journal {found}, this is journal {expected}; nothing was changed; move the file to \
         the folder that it belongs to", .path.display()
    )]
    ForeignCheckpoint {
        /// The file.
        path: PathBuf,
        /// The journal that it says it is of.
        found: JournalId,
        /// The journal that it was found with.
        expected: JournalId,
    },

    /// A checkpoint file builds on one that is not there. Nothing was changed.
    #[error(
        "checkpoint {} builds on {}, which is missing; nothing was changed; put the missing file back from a \
         backup", .path.display(), .base.display()
    )]
    NoBase {
        /// The file.
        path: PathBuf,
        /// The file that is missing.
        base: PathBuf,
    },

    /// Another checkpoint is being taken, and only one can be.
    #[error("checkpoint {} is being written already: wait until it is finished", .path.display())]
    CheckpointBusy {
        /// The file in the making.
        path: PathBuf,
    },

    /// A file was to be removed that has to stay. Nothing was changed.
    #[error("{} belongs to the newest checkpoint or is none of this journal: it stays", .path.display())]
    CheckpointNeeded {
        /// The file.
        path: PathBuf,
    },

    /// The one who loads a checkpoint could not take an entry. Nothing was changed.
    #[error("take an entry of partition {partition} from checkpoint {}", .path.display())]
    Take {
        /// The file.
        path: PathBuf,
        /// The entry's partition.
        partition: Partition,
        /// What was said.
        #[source]
        source: Cause,
    },
}

impl Error {
    /// Whether the store under the journal is not what was once written, as far as the store itself can tell.
    pub fn is_of_damaged_store(&self) -> bool {
        let Error::Store { source, .. } = self else { return false };
        !matches!(source.downcast_ref::<sled::Error>(), Some(sled::Error::Io(_)))
    }

    /// Whether it is about what a checkpoint's files hold: a start may do with an older checkpoint then.
    pub fn is_of_checkpoint(&self) -> bool {
        matches!(
            self,
            Error::DamagedCheckpoint { .. }
                | Error::NewerCheckpoint { .. }
                | Error::ForeignCheckpoint { .. }
                | Error::NoBase { .. }
        )
    }
}

/// What an operator can do about an I/O error, where the kind of error tells.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": the disk is full, free some space",
        io::ErrorKind::PermissionDenied => {
            ": not permitted, give the folder to the user that runs this process"
        }
        io::ErrorKind::ReadOnlyFilesystem => ": the file system is read-only, remount it writable",
        io::ErrorKind::NotADirectory => ": a file is in the way, remove it or choose another folder",
        _ => "",
    }
}
