//! What can go wrong between this crate and the disk, told to the operator who must act.
//!
//! Refusals of a push are [`PushError`](crate::PushError), failures of a commit
//! [`AppendError`](crate::AppendError); all else is here. Nobody retries any of them.

use std::io;
use std::path::PathBuf;

use crate::folder::Holder;
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
         keep a copy of the folder, then restore it from a backup; to go on without what is lost, delete the file \
         `acknowledged` in it", .path.display()
    )]
    Lost {
        /// The store's folder.
        path: PathBuf,
        /// The last batch known to be acknowledged.
        acknowledged: BatchNumber,
        /// The last batch found.
        found: BatchNumber,
    },

    /// A frame is not what was once written, and later frames depend on it. Nothing was changed.
    #[error(
        "batch {batch} of the journal is damaged: {what}; nothing was changed; run `holdfast journal verify`, then \
         restore the folder from a backup"
    )]
    Corrupt {
        /// The frame that is damaged or missing.
        batch: BatchNumber,
        /// What is wrong with it.
        what: Damage,
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
