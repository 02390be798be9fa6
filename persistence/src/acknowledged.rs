//! How far the journal was ever acknowledged, kept outside of the store: what the store cannot lose unnoticed.
//!
//! sled opens a data file whose end is damaged or gone as if it had never been longer (a cut in the first segment gives an empty
//! store, without an error). The chain of frames cannot show that: a shorter chain is sound. So each commit
//! writes its batch number here once it is durable, and an opener who finds less than that refuses to start.
//!
//! Shape of `journal/acknowledged`, little endian: `id: [u8; 16] | batch: u64 | crc: u32`. It is written in place and not synced: it
//! survives the process, and after a power failure it may say less than was acknowledged, never more. Empty, it says nothing; what else
//! cannot be read is damage, which costs the proof that the end is there, and nothing that is there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::frame::JournalId;
use crate::record::BatchNumber;

/// The file's name within the store's folder.
pub(crate) const ACKNOWLEDGED_FILE: &str = "acknowledged";

const MARK_BYTES: usize = 16 + 8 + 4;

/// The last batch that was acknowledged, as far as the file knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) id: JournalId,
    pub(crate) batch: BatchNumber,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// That nothing is known.
    Nothing,
    /// Up to where.
    UpTo(Mark),
    /// What was never written.
    Damage,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    file: File,
}

impl Acknowledged {
    /// Opens the file of a store's folder, creates it where it is missing, and reads what it says.
    pub(crate) fn open(folder: &Path) -> io::Result<(Acknowledged, Said)> {
        let path = folder.join(ACKNOWLEDGED_FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut bytes = [0; MARK_BYTES];
        let said = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Mark::decode(&bytes).map_or(Said::Damage, Said::UpTo),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                if file.metadata()?.len() == 0 {
                    Said::Nothing
                } else {
                    Said::Damage
                }
            }
            Err(error) => return Err(error),
        };
        Ok((Acknowledged { file }, said))
    }

    /// Notes a batch that is durable.
    pub(crate) fn note(&self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&mark.encode(), 0)
    }

    /// Makes the file itself durable; its name is the folder's business.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Mark {
    fn encode(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..16].copy_from_slice(&self.id.0);
        bytes[16..24].copy_from_slice(&self.batch.0.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; MARK_BYTES]) -> Option<Mark> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        let (id, batch) = body.split_first_chunk::<16>()?;
        let is_sound = crc32fast::hash(body) == u32::from_le_bytes(*crc);
        is_sound.then_some(Mark {
            id: JournalId(*id),
            batch: BatchNumber(u64::from_le_bytes(batch.try_into().ok()?)),
        })
    }
}
