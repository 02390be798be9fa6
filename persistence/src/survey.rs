//! What a repair would do to a journal that does not open: from where on it would be cut, and what goes with that.
//!
//! A survey changes nothing. [`SledJournal::cut`](crate::SledJournal::cut) takes one, so that nothing is cut that nobody was told of,
//! and keeps the store as it was found beside the data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Error;
use crate::frame::{Frame, FrameDamage, Records};
use crate::journal::{FrameSource, StoredFrame};
use crate::keepsake;
use crate::record::{BatchNumber, Partition, RecordHeader, Sequence};
use crate::replay::{Damage, Head};
use crate::sled_journal::{Options, STORE_FOLDER, SledJournal};

/// How many records may be missing between the last that was seen and one that is believed.
const JUMP_MAX: u64 = 1_000_000;

/// How a journal is, as far as its frames tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Where the survey began.
    pub from: Head,
    /// Where it was told to end, sound or not.
    pub cut_at: Option<BatchNumber>,
    /// Where the good part ends.
    pub head: Head,
    /// The last batch that is known to be acknowledged.
    pub acknowledged: Option<BatchNumber>,
    /// What a cut would take; nothing where the journal is sound.
    pub loss: Option<Loss>,
}

/// What a cut takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The first frame that goes.
    pub first: BatchNumber,
    /// The last frame that goes, stored or only acknowledged.
    pub last: BatchNumber,
    /// What is wrong with the first; nothing where it and all behind it are gone already.
    pub damage: Option<Damage>,
    /// How many of them are whole and would be lost although they can be read.
    pub batches_sound: u64,
    /// How many of them are stored but cannot be read.
    pub batches_damaged: u64,
    /// How many of them are not stored.
    pub batches_missing: u64,
    /// The records that can still be read, by partition. Of a damaged frame those that its bytes still show.
    pub records: Vec<LostRecords>,
}

/// The records of one partition that go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRecords {
    /// Whose they are.
    pub partition: Partition,
    /// How many can be read.
    pub count: u64,
    /// The first that goes: the one behind the last that stays.
    pub first: Sequence,
    /// The last that can be read.
    pub last: Sequence,
    /// The time of the first that can be read.
    pub first_time_ms: u64,
    /// The time of the last that can be read.
    pub last_time_ms: u64,
}

/// One frame that would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFrame {
    /// Its number.
    pub batch: BatchNumber,
    /// What is wrong with it by itself; nothing where it only goes because it follows a damaged one.
    pub damage: Option<FrameDamage>,
    /// The records in it; those of a damaged frame are guessed.
    pub records: Vec<RecordHeader>,
}

/// What a cut did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cutting {
    /// The store as it was found.
    pub kept: PathBuf,
    /// Where the journal ends now.
    pub head: Head,
}

impl Survey {
    /// Whether the journal does not start by itself. A torn tail that was never acknowledged is cut at every start.
    pub fn is_refused(&self) -> bool {
        let Some(loss) = &self.loss else { return false };
        let is_torn = matches!(&loss.damage, Some(Damage::Frame(damage)) if damage.is_torn());
        let was_acknowledged = self.acknowledged.is_some_and(|last| last >= loss.first);
        was_acknowledged || !is_torn || loss.batches_sound > 0
    }
}

impl SledJournal {
    /// Tells how the journal is behind `from` and what a cut would take. Reads every frame; changes nothing. For a journal that was
    /// opened and not recovered.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store cannot read, [`Error::Trimmed`] when the journal begins behind `from`.
    pub fn survey(&self, from: Head) -> Result<Survey, Error> {
        self.survey_until(from, None)
    }

    /// As [`SledJournal::survey`], for a cut at `first` although the journal may be sound there.
    ///
    /// # Errors
    ///
    /// Those of [`SledJournal::survey`].
    pub fn survey_cut(&self, from: Head, first: BatchNumber) -> Result<Survey, Error> {
        self.survey_until(from, Some(first))
    }

    /// Yields every stored frame that a cut would take. The records of a damaged one are those that its bytes still show.
    pub fn lost_frames(&self, survey: &Survey) -> impl Iterator<Item = Result<LostFrame, Error>> + '_ {
        let first = survey.loss.as_ref().map(|loss| loss.first);
        let mut next = Guess::behind(&survey.head);
        let frames = first.into_iter().flat_map(|first| self.frames(first));
        frames.map(move |stored| stored.map(|stored| next.look_at(&stored)))
    }

    /// Cuts the journal as a survey said, for good: what is left ends at [`Survey::head`] and opens again. The store as it was
    /// found is kept beside it as `journal.cut-<now_ms>`. No reader of the journal may live.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] when the journal is no longer as the survey found it; [`Error::Io`] when there is no room to keep the old
    /// store; otherwise those of [`SledJournal::open`]. Where the disk fails in the middle of the cut, another survey tells what is
    /// left to do.
    pub fn cut(self, survey: &Survey, now_ms: u64) -> Result<Cutting, Error> {
        self.expect_unchanged(survey)?;
        let (folder, path) = (self.store.folder.clone(), self.store.path.clone());
        // Dropped unproven, the store is as it was found again.
        drop(self);
        let kept = folder.path().join(format!("{STORE_FOLDER}.cut-{now_ms}"));
        keepsake::copy_whole(folder.path(), &path, &kept).map_err(|source| Error::Io {
            doing: "copy, before it is cut,",
            path: path.clone(),
            source,
        })?;
        let journal = SledJournal::open(&folder, Options::default())?;
        journal.expect_unchanged(survey)?;
        journal.accept()?;
        if let Some(loss) = &survey.loss {
            journal.remove_from(loss.first)?;
        }
        let last = BatchNumber(survey.head.next_batch().0 - 1);
        journal.acknowledge(last)?;
        Ok(Cutting { kept, head: survey.head.clone() })
    }

    fn expect_unchanged(&self, survey: &Survey) -> Result<(), Error> {
        let found = self.survey_until(survey.from.clone(), survey.cut_at)?;
        if found == *survey { Ok(()) } else { Err(Error::Changed { path: self.store.path.clone() }) }
    }

    fn survey_until(&self, from: Head, cut_at: Option<BatchNumber>) -> Result<Survey, Error> {
        let mut head = from.clone();
        let mut damage = None;
        let begins = self.start().next_batch();
        if from.next_batch() < begins {
            return Err(Error::Trimmed { first: begins });
        }
        for stored in self.frames(from.next_batch()) {
            if cut_at.is_some_and(|first| head.next_batch() >= first) {
                break;
            }
            let stored = stored?;
            if let Err(what) = head.pass_frame(stored.batch, &stored.bytes) {
                damage = Some(what);
                break;
            }
        }
        let mut survey = Survey { from, cut_at, head, acknowledged: self.acknowledged(), loss: None };
        let loss = self.loss_of(&survey, damage)?;
        survey.loss = (loss.last >= loss.first).then_some(loss);
        Ok(survey)
    }

    /// Tells what goes when a journal ends at the head of a survey. Without a last frame where nothing does.
    fn loss_of(&self, survey: &Survey, damage: Option<Damage>) -> Result<Loss, Error> {
        let first = survey.head.next_batch();
        let last = survey.acknowledged.unwrap_or_default().max(BatchNumber(first.0 - 1));
        let (batches_sound, batches_damaged) = (0, 0);
        let mut loss = Loss {
            first,
            last,
            damage,
            batches_sound,
            batches_damaged,
            batches_missing: 0,
            records: Vec::new(),
        };
        let mut records: BTreeMap<Partition, LostRecords> = BTreeMap::new();
        let mut next = Guess::behind(&survey.head);
        for stored in self.frames(first) {
            let frame = next.look_at(&stored?);
            loss.last = loss.last.max(frame.batch);
            *if frame.damage.is_some() { &mut loss.batches_damaged } else { &mut loss.batches_sound } += 1;
            for header in frame.records {
                let stays = survey.head.partition(header.partition).unwrap_or_default().sequence;
                let lost =
                    records.entry(header.partition).or_insert_with(|| LostRecords::from(&header, stays));
                lost.add(&header);
            }
        }
        let stored = loss.batches_sound + loss.batches_damaged;
        loss.batches_missing = (loss.last.0 + 1).saturating_sub(first.0).saturating_sub(stored);
        loss.records = records.into_values().collect();
        Ok(loss)
    }
}

impl LostRecords {
    fn from(header: &RecordHeader, stays: Sequence) -> LostRecords {
        let RecordHeader { partition, sequence, time_ms, .. } = *header;
        let (first_time_ms, last_time_ms) = (time_ms, time_ms);
        LostRecords { partition, count: 0, first: stays.next(), last: sequence, first_time_ms, last_time_ms }
    }

    fn add(&mut self, header: &RecordHeader) {
        self.count += 1;
        self.last = self.last.max(header.sequence);
        self.first_time_ms = self.first_time_ms.min(header.time_ms);
        self.last_time_ms = self.last_time_ms.max(header.time_ms);
    }
}

/// Reads what can be read of frames that follow a damaged one.
struct Guess {
    /// The last record of each partition that was seen.
    last: Vec<Sequence>,
}

impl Guess {
    fn behind(head: &Head) -> Guess {
        Guess { last: head.partitions().iter().map(|partition| partition.sequence).collect() }
    }

    fn look_at(&mut self, stored: &StoredFrame) -> LostFrame {
        let batch = stored.batch;
        let (damage, records) = match Frame::decode(&stored.bytes) {
            Ok(frame) => (None, frame.records().map(|record| record.header).collect()),
            Err(damage) => (Some(damage), self.guess(&stored.bytes)),
        };
        for header in &records {
            if let Some(last) = self.last.get_mut(usize::from(header.partition.0)) {
                *last = header.sequence;
            }
        }
        LostFrame { batch, damage, records }
    }

    /// The records that a damaged frame shows. A damaged number or length leads anywhere: what does not go on where its partition
    /// was is no record, and neither is anything behind it.
    fn guess(&self, frame: &[u8]) -> Vec<RecordHeader> {
        let mut here: BTreeMap<Partition, Sequence> = BTreeMap::new();
        let mut is_next = |header: &RecordHeader| {
            let earlier = here.insert(header.partition, header.sequence);
            let before = self.last.get(usize::from(header.partition.0));
            match (earlier, before) {
                (Some(last), _) => last.0.checked_add(1) == Some(header.sequence.0),
                // Frames before it may be missing.
                (None, Some(last)) => (1..=JUMP_MAX).contains(&header.sequence.0.saturating_sub(last.0)),
                (None, None) => false,
            }
        };
        Records::guess(frame).map(|record| record.header).take_while(|header| is_next(header)).collect()
    }
}
