//! A journal on its way into another folder: its beginning, frames, checkpoint files and keys, in one stream.
//!
//! Backup and restore are both this: all of it, or what there was at a [`Moment`]. The stream goes through the control socket of a server,
//! or through a pipe from a stopped folder; [`super::newdir`] makes a folder of it.
//!
//! ```text
//! stream = about, frame*, (file, bytes*)*, end | failed
//! item   = kind: u8 | length: u32 | body: [u8; length]         little endian; all but frames and bytes are JSON
//! ```
//!
//! A stream without its end is not whole, however it stopped. Frames come before files, as only they tell which checkpoints are
//! within the moment.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::{Context as _, anyhow, bail};
use holdfast_actors::persistence::{BatchNumber, Epoch, FrameHash, Head, PartitionHead, Sequence};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cli::{Exit, Failure};

/// Larger items are none of ours: a frame has at most some 96 KiB.
const ITEM_BYTES_MAX: u32 = 1024 * 1024;

/// What is read of a file at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The journal's name.
    pub(crate) journal_id: [u8; 16],
    /// Slices of the journal.
    pub(crate) partitions: u16,
    /// Behind which its frames begin.
    pub(crate) begin: Begin,
    /// How many frames there are at most: for a bar.
    pub(crate) frames_max: u64,
}

/// A head of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) next_batch: u64,
    pub(crate) last_hash: [u8; 32],
    /// Sequence, epoch and time of each partition.
    pub(crate) partitions: Vec<(u64, u32, u64)>,
}

impl Begin {
    pub(crate) fn of(head: &Head) -> Self {
        let partition = |it: &PartitionHead| (it.sequence.0, it.epoch.0, it.time_ms);
        Self {
            next_batch: head.next_batch().0,
            last_hash: head.last_hash().0,
            partitions: head.partitions().iter().map(partition).collect(),
        }
    }

    pub(crate) fn head(&self) -> Head {
        let partition = |&(sequence, epoch, time_ms): &(u64, u32, u64)| PartitionHead {
            sequence: Sequence(sequence),
            epoch: Epoch(epoch),
            time_ms,
        };
        let partitions = self.partitions.iter().map(partition).collect();
        Head::new(BatchNumber(self.next_batch), FrameHash(self.last_hash), partitions)
    }
}

/// A file that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileHead {
    pub(crate) what: What,
    pub(crate) bytes: u64,
}

/// The files that a data folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// The checkpoint of this number.
    Checkpoint(u64),
    /// The keys that sign.
    Secret,
}

/// What a stream ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) frames: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    pub(crate) checkpoints: u64,
    /// The token and the time of the last record, where there is one.
    pub(crate) last: Option<(String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Failed {
    exit: u8,
    detail: String,
}

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    About(About),
    Frame(Vec<u8>),
    File(FileHead),
    Bytes(Vec<u8>),
    End(End),
}

const ABOUT: u8 = 1;
const FRAME: u8 = 2;
const FILE: u8 = 3;
const BYTES: u8 = 4;
const END: u8 = 5;
const FAILED: u8 = 6;

/// Writes a stream.
pub(crate) struct Sender<W> {
    out: W,
}

impl<W: Write> Sender<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self { out }
    }

    pub(crate) fn about(&mut self, about: &About) -> io::Result<()> {
        self.document(ABOUT, about)
    }

    pub(crate) fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.item(FRAME, bytes)
    }

    /// Sends a file, as long as it is now.
    ///
    /// # Errors
    ///
    /// What the file or the stream says.
    pub(crate) fn file(&mut self, what: What, mut file: File) -> anyhow::Result<u64> {
        let doing = || format!("read {what:?}");
        let bytes = file.metadata().with_context(doing)?.len();
        self.document(FILE, &FileHead { what, bytes })?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let wanted = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut chunk[..wanted]).with_context(doing)?;
            self.item(BYTES, &chunk[..wanted])?;
            left -= u64::try_from(wanted).expect("a length fits 64 bits");
        }
        Ok(bytes)
    }

    pub(crate) fn end(mut self, end: &End) -> io::Result<()> {
        self.document(END, end)?;
        self.out.flush()
    }

    /// Ends the stream with why there is no more of it.
    pub(crate) fn fail(mut self, failure: &Failure) -> io::Result<()> {
        let failed = Failed { exit: failure.exit.code(), detail: format!("{:#}", failure.error) };
        self.document(FAILED, &failed)?;
        self.out.flush()
    }

    fn document(&mut self, kind: u8, document: &impl Serialize) -> io::Result<()> {
        self.item(kind, &serde_json::to_vec(document)?)
    }

    fn item(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= ITEM_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("a part of the stream is too long"))?;
        self.out.write_all(&[kind])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(body)
    }
}

/// The contents of a file in a stream.
pub(crate) struct Contents<'i, R> {
    input: &'i mut R,
    left: u64,
    chunk: Vec<u8>,
    taken: usize,
}

impl<'i, R: Read> Contents<'i, R> {
    pub(crate) const fn new(input: &'i mut R, head: FileHead) -> Self {
        Self { input, left: head.bytes, chunk: Vec::new(), taken: 0 }
    }
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.chunk.len() && self.left > 0 {
            let item = receive(self.input).map_err(|failure| io::Error::other(failure.error))?;
            let Item::Bytes(chunk) = item else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let count = u64::try_from(chunk.len()).expect("a length fits 64 bits");
            let left = self.left.checked_sub(count).filter(|_| count > 0);
            self.left = left.ok_or_else(|| io::Error::other("a file is longer than it was said to be"))?;
            (self.chunk, self.taken) = (chunk, 0);
        }
        let count = (&self.chunk[self.taken..]).read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

/// Reads the next part of a stream.
///
/// # Errors
///
/// What the sender said went wrong; or that the stream was cut off, or is none.
pub(crate) fn receive(input: &mut impl Read) -> Result<Item, Failure> {
    let (kind, body) = read_item(input).context("the copy was cut off before its end")?;
    Ok(match kind {
        ABOUT => Item::About(document(&body)?),
        FRAME => Item::Frame(body),
        FILE => Item::File(document(&body)?),
        BYTES => Item::Bytes(body),
        END => Item::End(document(&body)?),
        FAILED => {
            let Failed { exit, detail } = document(&body)?;
            return Err(Failure::new(Exit::of(exit), anyhow!("{detail}")));
        }
        kind => {
            return Err(anyhow!("part {kind} of a copy is unknown: is the server of another release?").into());
        }
    })
}

fn read_item(input: &mut impl Read) -> anyhow::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    if length > ITEM_BYTES_MAX {
        bail!("a part of {length} bytes is none of ours");
    }
    let mut body = vec![0; usize::try_from(length).expect("a megabyte fits memory")];
    input.read_exact(&mut body)?;
    Ok((kind, body))
}

fn document<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("read a part of the copy")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sender = Sender::new(&mut bytes);
        let begin = Begin { next_batch: 3, last_hash: [7; 32], partitions: vec![(1, 2, u64::MAX)] };
        sender.about(&About { journal_id: [1; 16], partitions: 1, begin, frames_max: 4 }).unwrap();
        sender.frame(b"a frame").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![9; CHUNK_BYTES + 1]).unwrap();
        sender.file(What::Secret, file.reopen().unwrap()).unwrap();
        sender.end(&End { frames: 1, last: Some(("AA".to_owned(), 5)), ..End::default() }).unwrap();
        bytes
    }

    #[test]
    fn what_was_sent_is_received() {
        let bytes = stream();
        let mut rest = bytes.as_slice();
        assert!(
            matches!(receive(&mut rest).unwrap(), Item::About(about) if about.begin.partitions[0].2 == u64::MAX)
        );
        assert_eq!(receive(&mut rest).unwrap(), Item::Frame(b"a frame".to_vec()));
        assert!(matches!(receive(&mut rest).unwrap(), Item::File(file) if file.bytes == 256 * 1024 + 1));
        assert_eq!(receive(&mut rest).unwrap(), Item::Bytes(vec![9; CHUNK_BYTES]));
        assert_eq!(receive(&mut rest).unwrap(), Item::Bytes(vec![9]));
        assert!(matches!(receive(&mut rest).unwrap(), Item::End(end) if end.frames == 1));
        assert!(rest.is_empty());
    }

    #[test]
    fn stream_that_is_cut_anywhere_is_not_whole() {
        let bytes = stream();
        for cut in (0..400).chain(bytes.len() - 100..bytes.len()) {
            let mut rest = &bytes[..cut];
            let last = std::iter::repeat_with(|| receive(&mut rest))
                .find(|item| !matches!(item, Ok(it) if !matches!(it, Item::End(_))));
            assert!(matches!(last, Some(Err(_))), "cut at {cut}");
        }
    }

    #[test]
    fn failure_of_the_sender_is_that_of_the_receiver() {
        let mut bytes = Vec::new();
        Sender::new(&mut bytes).fail(&Failure::new(Exit::NotFound, anyhow!("too old"))).unwrap();
        let failure = receive(&mut bytes.as_slice()).expect_err("it failed");
        assert_eq!((failure.exit, failure.error.to_string()), (Exit::NotFound, "too old".to_owned()));
        for bytes in [&[9, 0, 0, 0, 0][..], &[END, 255, 255, 255, 255], &[END, 1, 0, 0, 0, b'{']] {
            assert!(receive(&mut &*bytes).is_err());
        }
    }
}
