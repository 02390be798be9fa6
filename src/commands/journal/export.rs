//! `holdfast journal export`: the whole journal as lines of JSON, from which `import` makes the same journal again.
//!
//! Reads the stream that a backup reads, so that it works on a stopped folder and beside a running server alike, and
//! changes neither.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use holdfast_actors::persistence::{
    self, BatchNumber, Checkpoint, Checkpoints, Folder, Frame, FrameHash, Head, JournalId,
};
use indicatif::ProgressBar;

use super::archive::{self, About, Contents, FileHead, Item, What};
use super::newdir::NewDir;
use super::unfinished::Unfinished;
use super::{Holder, explain, progress, source, stream_of, verdict};
use crate::cli::Failure;
use crate::config::Settings;
use crate::facts::file::{CheckpointHasher, CheckpointLine, End, Entry, Header, Line};
use crate::facts::line::RecordLine;

/// An export in the making.
struct Export<'o> {
    out: &'o mut dyn Write,
    /// Where the records that are written end.
    head: Head,
    done: End,
    /// Where the checkpoints are kept, of a journal whose beginning was trimmed.
    kept: Option<Kept>,
    bar: ProgressBar,
}

/// Checkpoints on their way: a chain is read from its newest file, and they come oldest first.
struct Kept {
    checkpoints: Checkpoints,
    /// The first frame that there is.
    first: BatchNumber,
    _folder: NewDir,
}

/// Writes the journal of a stopped folder or of a running server to a new file, or to stdout.
///
/// # Errors
///
/// [`Exit::Failure`](crate::cli::Exit::Failure) when the file is there already or cannot be written,
/// [`Exit::VerificationFailed`](crate::cli::Exit::VerificationFailed) when the journal is not sound; no file is left then.
pub fn run(settings: &Settings, out: Option<&Path>) -> Result<(), Failure> {
    let end = to_out(out, |sink| match Holder::of(settings)? {
        Holder::Us(folder) => source::piped(folder, None, |input| write(input, sink, out)),
        Holder::Server(socket) => write(&mut stream_of(&socket, "GET", "/journal/archive", None)?, sink, out),
    })?;
    let End { batches, records, events, .. } = end;
    eprintln!(
        "exported {batches} batches, {records} records, {events} events; the last hash is {}",
        end.hash()
    );
    Ok(())
}

/// Writes the journal that comes as a stream.
fn write(input: &mut impl Read, out: &mut dyn Write, path: Option<&Path>) -> Result<End, Failure> {
    let Item::About(about) = archive::receive(input)? else {
        return Err(anyhow!("the copy does not begin with what it is of").into());
    };
    let mut export = Export::begin(about, out, path)?;
    loop {
        match archive::receive(input)? {
            Item::Frame(bytes) => export.frame(&bytes)?,
            Item::File(head) => export.file(head, input)?,
            Item::End(_) => break,
            Item::About(_) | Item::Bytes(_) => {
                return Err(anyhow!("the parts of the copy are in a wrong order").into());
            }
        }
    }
    export.checkpoint()?;
    let done = export.done;
    export.line(&Line::End(done))?;
    export.bar.finish_and_clear();
    Ok(done)
}

impl<'o> Export<'o> {
    fn begin(about: About, out: &'o mut dyn Write, path: Option<&Path>) -> Result<Self, Failure> {
        let (id, head) = (JournalId(about.journal_id), about.begin.head());
        let header = Header::new(id, &head);
        let kept = match header.is_trimmed() {
            true => Some(Kept::begin(id, &head, path)?),
            false => None,
        };
        let bar = progress::steps("exporting", about.frames_max);
        let mut export = Self { out, done: End::behind(&head), head, kept, bar };
        export.line(&Line::Header(header))?;
        Ok(export)
    }

    fn frame(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let batch = self.head.next_batch();
        let frame = Frame::decode(bytes).map_err(|damage| corrupt(batch, damage))?;
        if (frame.batch(), frame.previous()) != (batch, self.head.last_hash()) {
            return Err(corrupt(batch, persistence::Damage::Chain));
        }
        for record in frame.records() {
            self.head.admit(&record.header).map_err(|damage| corrupt(batch, damage))?;
            let told = RecordLine::of(batch, record).with_context(|| {
                let (partition, sequence) = (record.header.partition, record.header.sequence);
                format!("tell record {sequence} of partition {partition} in batch {batch}")
            })?;
            self.done.records += 1;
            self.done.events += u64::try_from(told.events()).expect("a length fits 64 bits");
            self.line(&Line::Record(Box::new(told)))?;
        }
        let hash = FrameHash::of(bytes);
        self.head.pass(hash);
        self.done.pass(hash);
        self.bar.inc(1);
        Ok(())
    }

    /// Keeps a checkpoint where one is needed; keys are not exported.
    fn file(&mut self, head: FileHead, input: &mut impl Read) -> Result<(), Failure> {
        let mut contents = Contents::new(input, head);
        match (head.what, &self.kept) {
            (What::Checkpoint(number), Some(kept)) => {
                kept.checkpoints.import(number, &mut contents).map(drop).map_err(verdict)
            }
            _ => Ok(io::copy(&mut contents, &mut io::sink()).map(drop).context("read the copy")?),
        }
    }

    /// Writes the oldest checkpoint that a recovery can begin with, where the beginning was trimmed.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        let Some(kept) = self.kept.take() else { return Ok(()) };
        let chain = kept.oldest()?;
        let mut hasher = CheckpointHasher::default();
        let line = Line::Checkpoint(CheckpointLine::new(chain.mark()));
        hasher.take(&line);
        self.line(&line)?;
        chain
            .load(&|_| true, &mut |partition, key, value| {
                let line = Line::Entry(Entry::new(partition, key, value));
                hasher.take(&line);
                self.done.entries += 1;
                Ok(self.line(&line)?)
            })
            .map_err(verdict)?;
        self.done.pass_checkpoint(&hasher);
        Ok(())
    }

    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line).expect("a line can be written");
        text.push('\n');
        self.out.write_all(text.as_bytes()).context("write the export")
    }
}

impl Kept {
    /// Keeps checkpoints beside the file that is written, or, where there is none, where temporary files are.
    fn begin(id: JournalId, head: &Head, path: Option<&Path>) -> Result<Self, Failure> {
        let beside = path.map_or_else(|| std::env::temp_dir().join("holdfast-export"), Path::to_owned);
        let mut name = beside.into_os_string();
        name.push(".checkpoints");
        let new = NewDir::begin(Path::new(&name))?;
        let folder = Folder::open(new.path()).map_err(explain)?;
        let partitions = u16::try_from(head.partitions().len()).expect("partitions are counted in 16 bits");
        let checkpoints = Checkpoints::open(&folder, id, partitions).map_err(explain)?;
        Ok(Self { checkpoints, first: head.next_batch(), _folder: new })
    }

    /// The oldest of which all that follows is there.
    fn oldest(&self) -> Result<Checkpoint, Failure> {
        let list = self.checkpoints.list().map_err(verdict)?;
        let oldest = list.iter().find(|info| info.mark.head.next_batch() >= self.first);
        let oldest = oldest.context("there is no checkpoint that stands for the frames that were trimmed")?;
        self.checkpoints.chain(oldest.number).map_err(verdict)
    }
}

/// Has `write` write to a new file, or to stdout where none is named. A file that is not whole does not stay.
fn to_out<T>(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(path) = path else {
        let mut out = BufWriter::with_capacity(source::STREAM_BYTES, io::stdout().lock());
        let done = write(&mut out)?;
        out.flush().context("write the export")?;
        return Ok(done);
    };
    // Hashes of passwords and sessions are in there: for its owner alone.
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(already_there(path));
        }
        opened => opened.with_context(|| format!("create {}", path.display()))?,
    };
    let new = Unfinished::begin(path.to_owned());
    let mut out = BufWriter::with_capacity(source::STREAM_BYTES, file);
    let done = write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error);
    file.and_then(|file| file.sync_all()).with_context(|| format!("write {}", path.display()))?;
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("sync {}", parent.display()))?;
    new.keep(|_| Ok(())).context("keep the export")?;
    Ok(done)
}

fn already_there(path: &Path) -> Failure {
    anyhow!("{} is there already: nothing is overwritten, name another", path.display()).into()
}

fn corrupt(batch: BatchNumber, what: impl Into<persistence::Damage>) -> Failure {
    verdict(persistence::Error::Corrupt { batch, what: what.into() })
}
