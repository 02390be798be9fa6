//! Where a copy of a journal comes from, and where it ends: the sender's side of [`archive`](super::archive).
//!
//! Reads only. A stopped journal is never accepted here, so that its folder is put back as it was found.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use holdfast_actors::Position;
use holdfast_actors::persistence::checkpoint::Info as CheckpointInfo;
use holdfast_actors::persistence::{
    self, BatchNumber, Checkpoints, Damage, Folder, Frame, FrameHash, Head, JournalId, PartitionHead, Reader,
    Sequence, StoredFrame,
};

use super::archive::{About, Begin, End, Sender, What};
use super::restore::Moment;
use super::verify::checkpoints::Sorted;
use super::{moment, open, verdict};
use crate::auth::secret::SECRET_FILE;
use crate::cli::{Exit, Failure};
use crate::http::position as token;

/// What goes through a pipe or a socket at once.
pub(crate) const STREAM_BYTES: usize = 256 * 1024;

/// Gives stored frames from a batch on.
pub(crate) type Frames<'a> =
    dyn Fn(BatchNumber) -> Box<dyn Iterator<Item = Result<StoredFrame, persistence::Error>> + 'a> + 'a;

/// A journal that can be copied.
pub(crate) struct Source<'a> {
    /// Its name.
    pub(crate) id: JournalId,
    /// Behind which its frames begin.
    pub(crate) begin: Head,
    /// The first frame that is not of it any more.
    pub(crate) end: BatchNumber,
    /// Its frames.
    pub(crate) frames: Box<Frames<'a>>,
    /// Its checkpoints. Those that are not sound are passed over.
    pub(crate) checkpoints: Sorted,
    /// Where its keys are.
    pub(crate) data_dir: PathBuf,
}

/// Sends a stopped folder, all of it or up to a moment, to one who takes it.
///
/// # Errors
///
/// What either of them says.
pub(super) fn piped<T>(
    folder: Folder,
    to: Option<Moment>,
    take: impl FnOnce(&mut BufReader<io::PipeReader>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (input, output) = io::pipe().context("make a pipe")?;
    let sender = std::thread::spawn(move || send_stopped(&folder, to, output));
    let mut input = BufReader::with_capacity(STREAM_BYTES, input);
    let taken = take(&mut input);
    // So that the sender stops where nobody takes any more.
    drop(input);
    sender.join().expect("the sender does not panic");
    taken
}

fn send_stopped(folder: &Folder, to: Option<Moment>, output: impl Write) {
    let output = BufWriter::with_capacity(STREAM_BYTES, output);
    match open(folder) {
        Ok(journal) => send(Source::stopped(folder, &journal), to, output),
        Err(failure) => send(Err(failure), to, output),
    }
}

/// Sends a source; what goes wrong is told in the stream. A receiver that is gone is told nothing.
pub(crate) fn send(source: Result<Source<'_>, Failure>, to: Option<Moment>, output: impl Write) {
    let mut sender = Sender::new(output);
    let sent = source.and_then(|source| source.send(to, &mut sender));
    let _is_gone = match sent {
        Ok(end) => sender.end(&end),
        Err(failure) => sender.fail(&failure),
    };
}

impl<'a> Source<'a> {
    /// The journal of a stopped folder, up to its good end.
    fn stopped(folder: &Folder, journal: &'a persistence::SledJournal) -> Result<Self, Failure> {
        use persistence::FrameSource as _;
        let begin = journal.start();
        let replayed = persistence::replay(journal, begin.clone(), |_| Ok(())).map_err(verdict)?;
        let end = replayed.head.next_batch();
        journal.check_end(&replayed).map_err(verdict)?;
        if let Err(damage) = journal.check_mark() {
            eprintln!("holdfast: {damage}; the copy has all that is there");
        }
        let checkpoints = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
        let checkpoints = Sorted::of(&checkpoints).map_err(verdict)?;
        for complaint in checkpoints.complaints() {
            eprintln!("holdfast: left out of the copy: {complaint}");
        }
        Ok(Self {
            id: journal.id(),
            frames: Box::new(move |first| journal.frames(first)),
            begin,
            end,
            checkpoints,
            data_dir: folder.path().to_owned(),
        })
    }

    /// The journal of a running server, from a head on that is pinned, up to what is durable now.
    pub(crate) fn running(
        reader: &'a Reader,
        begin: Head,
        files: Option<&Checkpoints>,
        data_dir: &Path,
    ) -> Result<Self, Failure> {
        // The files first: none of them may reflect what is behind the end.
        let checkpoints = files.map_or_else(|| Ok(Sorted::default()), Sorted::of).map_err(verdict)?;
        for complaint in checkpoints.complaints() {
            tracing::warn!(complaint, "a checkpoint is left out of a copy");
        }
        Ok(Self {
            id: reader.id(),
            begin,
            end: reader.end().batch,
            frames: Box::new(move |first| Box::new(reader.frames_from(first))),
            checkpoints,
            data_dir: data_dir.to_owned(),
        })
    }

    fn send(mut self, to: Option<Moment>, sender: &mut Sender<impl Write>) -> Result<End, Failure> {
        self.must_have(to)?;
        let mut copied = Copied::new(&self.begin, to);
        let partitions =
            u16::try_from(self.begin.partitions().len()).expect("a journal counts them in 16 bits");
        sender
            .about(&About {
                journal_id: self.id.0,
                partitions,
                begin: Begin::of(&self.begin),
                frames_max: self.end.0.saturating_sub(self.begin.next_batch().0),
            })
            .map_err(gone)?;
        for stored in (self.frames)(self.begin.next_batch()) {
            let stored = stored.map_err(verdict)?;
            if stored.batch >= self.end || copied.is_at_end {
                break;
            }
            let frame = copied.check(&stored)?;
            let count = copied.take(&frame);
            copied.sent += u64::from(count > 0);
            if count == frame.count() {
                sender.frame(&stored.bytes).map_err(gone)?;
            } else if count > 0 {
                let cut = frame.first_records(count).finish(frame.batch(), frame.previous());
                sender.frame(cut.bytes()).map_err(gone)?;
            }
        }
        self.must_have_arrived(&copied)?;
        let checkpoints = self.send_checkpoints(&copied, sender)?;
        let secret = self.data_dir.join(SECRET_FILE);
        let has_secret = secret.is_file();
        if has_secret {
            let file = File::open(&secret).with_context(|| format!("read {}", secret.display()))?;
            sender.file(What::Secret, file)?;
        }
        let Copied { sent, records, bytes, last, .. } = copied;
        let last = last.map(|(position, at)| (token::token(position), at));
        Ok(End {
            frames: sent,
            records,
            bytes,
            files: checkpoints + u64::from(has_secret),
            checkpoints,
            last,
        })
    }

    /// Sends the checkpoints that reflect nothing beyond what was copied.
    fn send_checkpoints(&mut self, copied: &Copied, sender: &mut Sender<impl Write>) -> Result<u64, Failure> {
        let is_within = |info: &CheckpointInfo| copied.reaches(&info.mark.reflects);
        let can_begin = |(info, _): &(CheckpointInfo, File)| is_within(info) && self.can_begin_with(info);
        if self.is_trimmed() && !self.checkpoints.sound.iter().any(can_begin) {
            return Err(self.too_old());
        }
        let mut sent = 0;
        for (info, file) in std::mem::take(&mut self.checkpoints.sound) {
            if is_within(&info) {
                sender.file(What::Checkpoint(info.number), file)?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// Refuses a moment that no frame can lead to.
    fn must_have(&self, to: Option<Moment>) -> Result<(), Failure> {
        let position = match to {
            None => return Ok(()),
            Some(Moment::Time(ms)) => {
                // What was trimmed is in the checkpoints, and no part of it can be taken out of them.
                let is_older = self.begin.partitions().iter().all(|partition| partition.time_ms <= ms);
                return if is_older { Ok(()) } else { Err(self.too_old()) };
            }
            Some(Moment::Position(position)) => position,
        };
        let Some(begin) = self.begin.partition(position.partition).filter(|_| position.sequence.0 > 0) else {
            let error = anyhow!("{} is a position of another journal", token::token(position));
            return Err(Failure::new(Exit::NotFound, error));
        };
        if position.sequence <= begin.sequence { Err(self.too_old()) } else { Ok(()) }
    }

    /// Refuses a moment that the frames did not lead to.
    fn must_have_arrived(&self, copied: &Copied) -> Result<(), Failure> {
        let sentence = match copied.to {
            Some(Moment::Position(position)) if !copied.is_at_end => {
                format!("the journal has not come to {}{}", token::token(position), copied.told())
            }
            Some(Moment::Time(ms)) if copied.last.is_none() && !self.is_trimmed() => {
                format!("nothing had happened at {}: the first record is younger", moment(ms))
            }
            _ => return Ok(()),
        };
        Err(Failure::new(Exit::NotFound, anyhow!("{sentence}")))
    }

    fn is_trimmed(&self) -> bool {
        self.begin.next_batch() > BatchNumber::FIRST
    }

    /// Whether a recovery can begin with this checkpoint and the frames that there are.
    fn can_begin_with(&self, info: &CheckpointInfo) -> bool {
        info.mark.head.next_batch() >= self.begin.next_batch()
    }

    /// Says that the moment is before what is kept, and what the oldest is that can be restored.
    fn too_old(&self) -> Failure {
        let can_begin = |(info, _): &(CheckpointInfo, File)| self.can_begin_with(info);
        if !self.checkpoints.unsound.is_empty() && !self.checkpoints.sound.iter().any(can_begin) {
            return self.checkpoints.failure();
        }
        let oldest = self.oldest().unwrap_or_else(|| "there is no checkpoint to begin with".to_owned());
        let error = anyhow!("the journal does not reach so far back: older frames were trimmed; {oldest}");
        Failure::new(Exit::NotFound, error)
    }

    fn oldest(&self) -> Option<String> {
        let (info, _) = self.checkpoints.sound.iter().find(|(info, _)| self.can_begin_with(info))?;
        let mut copied = Copied::new(&self.begin, None);
        let mut frames = (self.frames)(self.begin.next_batch());
        while !copied.reaches(&info.mark.reflects) {
            let stored = frames.next()?.ok()?;
            let frame = copied.check(&stored).ok()?;
            copied.take(&frame);
        }
        // All of a checkpoint is of before it was taken, in whatever order its records are.
        let at = moment(copied.time_ms_max.max(info.mark.at_ms));
        let position =
            copied.last.map_or_else(String::new, |(last, _)| format!(", position {}", token::token(last)));
        Some(format!("the oldest moment that can be restored is {at}{position}"))
    }
}

/// What went through so far.
struct Copied {
    to: Option<Moment>,
    /// Where the copy ends: number, hash and partitions, as the next frame must find them.
    next_batch: BatchNumber,
    last_hash: FrameHash,
    partitions: Vec<PartitionHead>,
    /// Whether the moment was passed.
    is_at_end: bool,
    sent: u64,
    records: u64,
    bytes: u64,
    /// The last record and its time.
    last: Option<(Position, u64)>,
    /// The youngest record's time.
    time_ms_max: u64,
}

impl Copied {
    fn new(begin: &Head, to: Option<Moment>) -> Self {
        Self {
            to,
            next_batch: begin.next_batch(),
            last_hash: begin.last_hash(),
            partitions: begin.partitions().to_vec(),
            is_at_end: false,
            sent: 0,
            records: 0,
            bytes: 0,
            last: None,
            time_ms_max: 0,
        }
    }

    /// Reads a frame and makes sure that it follows the one before.
    fn check<'f>(&mut self, stored: &'f StoredFrame) -> Result<Frame<'f>, Failure> {
        let batch = self.next_batch;
        let corrupt = |what: Damage| verdict(persistence::Error::Corrupt { batch, what });
        if stored.batch != batch {
            return Err(corrupt(Damage::Missing { found: stored.batch }));
        }
        let frame = Frame::decode(&stored.bytes).map_err(|damage| corrupt(damage.into()))?;
        if frame.batch() != batch || frame.previous() != self.last_hash {
            return Err(corrupt(Damage::Chain));
        }
        self.next_batch = batch.next();
        self.last_hash = FrameHash::of(&stored.bytes);
        self.bytes += u64::try_from(stored.bytes.len()).expect("a length fits 64 bits");
        Ok(frame)
    }

    /// Takes the records of a frame up to the moment; tells how many those are.
    fn take(&mut self, frame: &Frame<'_>) -> u32 {
        let mut count = 0;
        for record in frame.records() {
            let header = record.header;
            let position = Position { partition: header.partition, sequence: header.sequence };
            if matches!(self.to, Some(Moment::Time(ms)) if header.time_ms > ms) {
                self.is_at_end = true;
                break;
            }
            if let Some(head) = self.partitions.get_mut(usize::from(header.partition.0)) {
                *head =
                    PartitionHead { sequence: header.sequence, epoch: header.epoch, time_ms: header.time_ms };
            }
            self.last = Some((position, header.time_ms));
            self.time_ms_max = self.time_ms_max.max(header.time_ms);
            count += 1;
            if self.to == Some(Moment::Position(position)) {
                self.is_at_end = true;
                break;
            }
        }
        self.records += u64::from(count);
        count
    }

    /// Where it ended, for an error.
    fn told(&self) -> String {
        let Some((last, at)) = self.last else { return String::new() };
        format!(": it ends with {} of {}", token::token(last), moment(at))
    }

    /// Whether all of this was copied.
    fn reaches(&self, reflects: &[Sequence]) -> bool {
        let reached = |partition: usize| self.partitions.get(partition).map(|head| head.sequence);
        reflects.iter().enumerate().all(|(partition, last)| reached(partition).is_some_and(|it| *last <= it))
    }
}

/// The receiver is gone, and knows.
fn gone(error: io::Error) -> Failure {
    anyhow!(error).context("send the copy").into()
}
