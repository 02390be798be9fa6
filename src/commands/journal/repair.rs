//! `holdfast journal repair`: cuts off what keeps a journal from starting, after saying exactly what goes.
//!
//! The store as it was found and the checkpoints that reflect what goes are kept beside the data, under the name that is told, and so
//! are those that are damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use holdfast_actors::persistence::checkpoint::Info;
use holdfast_actors::persistence::{
    self, BatchNumber, Checkpoints, Folder, FrameHash, FrameSource as _, Head, LostFrame, RecordHeader,
    SledJournal, Survey,
};
use holdfast_actors::{Position, record};
use serde_json::{Value, json};

use super::verify::checkpoints::Sorted;
use super::{moment, now_ms, open, print, take_stopped, verdict, verify};
use crate::cli::{Exit, Failure};
use crate::config::Settings;
use crate::facts::{self, Secrets};
use crate::http::position as token;

/// Where checkpoints are, in the data and beside what was cut.
const CHECKPOINTS: &str = "checkpoints";
/// How their names end.
const CHECKPOINT_EXTENSION: &str = "checkpoint";

/// What has to be typed.
const WORD: &str = "cut";

/// What there is to do.
struct Diagnosis {
    survey: Survey,
    /// Checkpoints that reflect what would go, or what is gone.
    beyond: Vec<Info>,
    /// The numbers of checkpoints that no start can begin with.
    damaged: Vec<u64>,
    /// Whether frames before those that a start reads are damaged.
    is_past_damaged: bool,
}

/// Cuts a damaged end off, where there is one.
///
/// # Errors
///
/// [`Exit::Usage`] when nobody is there to be asked, [`Exit::Failure`] when they say no, [`Exit::Locked`] when a server holds the
/// folder, [`Exit::VerificationFailed`] when no cut makes it start, or what is left is not sound.
pub fn run(settings: &Settings, is_agreed: bool, as_json: bool) -> Result<(), Failure> {
    let folder = take_stopped(settings, "a server runs, so its journal is sound")?;
    let journal = open(&folder)?;
    let diagnosis = diagnose(&folder, &journal)?;
    let Diagnosis { survey, beyond, damaged, .. } = &diagnosis;
    if !survey.is_refused() && beyond.is_empty() {
        let mut document = sound(&diagnosis);
        if let Err(damage) = journal.check_mark() {
            document["damage"] = Value::from(damage.to_string());
        }
        return print(&document, as_json);
    }
    let lost = tell(&journal, &diagnosis, as_json)?;
    if !is_agreed {
        agree()?;
    }
    let now_ms = now_ms();
    let cutting = journal.cut(survey, now_ms).map_err(verdict)?;
    let aside: BTreeSet<u64> = beyond.iter().map(|info| info.number).chain(damaged.iter().copied()).collect();
    put_aside(&aside, &folder.path().join(CHECKPOINTS), &cutting.kept.join(CHECKPOINTS))?;
    let report = verify::prove(&folder)?.report;
    let missing = diagnosis.batches_missing();
    let document = json!({
        "kept": cutting.kept.display().to_string(),
        "last_batch": cutting.head.next_batch().0 - 1,
        "batches_lost": survey.loss.as_ref().map_or(0, |loss| (loss.last.0 + 1).saturating_sub(loss.first.0)),
        // Of batches that were there: what was in the others nobody knows.
        "records_lost": lost,
        "batches_missing": missing,
        "records_of_missing_batches": (missing > 0).then_some("unknown"),
        "checkpoints_put_aside": aside,
        "products": report.products,
        "orders": report.orders,
        "verdict": "every frame, the chain, the sequences and every invariant hold",
    });
    print(&document, as_json)
}

fn sound(diagnosis: &Diagnosis) -> Value {
    let torn = diagnosis.survey.loss.as_ref().map(|loss| loss.batches_damaged);
    let verdict = match (torn, diagnosis.is_past_damaged) {
        (Some(_), _) => {
            "the journal starts: its torn end was never acknowledged, and the next start cuts it off"
        }
        (None, true) => {
            "the journal starts from its newest checkpoint; frames before it are damaged: `holdfast journal verify` tells \
             which, `holdfast journal trim --retain 0s` lets them go"
        }
        (None, false) if !diagnosis.damaged.is_empty() => {
            "the journal is sound, and starts without the checkpoints that are damaged: `holdfast journal verify` tells where \
             they are"
        }
        (None, false) => "the journal is sound",
    };
    json!({
        "verdict": verdict,
        "torn_frames": torn.unwrap_or(0),
        "damaged_checkpoints": diagnosis.damaged,
        "changed": false,
    })
}

/// Finds the newest checkpoint that what is left leads on from, and what has to go.
fn diagnose(folder: &Folder, journal: &SledJournal) -> Result<Diagnosis, Failure> {
    let files = Checkpoints::open(folder, journal.id(), journal.partitions()).map_err(verdict)?;
    let sorted = Sorted::of(&files).map_err(verdict)?;
    // Those are passed over, as a start does.
    let damaged = sorted.unsound.iter().map(|(number, _)| *number).collect();
    let start = journal.start();
    let whole = journal.survey(start.clone()).map_err(verdict)?;
    let mut beyond = Vec::new();
    for (newest, _) in sorted.sound.iter().rev() {
        let head = &newest.mark.head;
        if head.next_batch() < start.next_batch() {
            // Of before what is stored: no frames lead on from it.
            continue;
        }
        if leads_to(journal, head).map_err(verdict)? {
            let survey = journal.survey(head.clone()).map_err(verdict)?;
            if is_within(newest, &survey.head) {
                let is_past_damaged = whole.is_refused() && !survey.is_refused();
                return Ok(Diagnosis { survey, beyond, damaged, is_past_damaged });
            }
        }
        beyond.push(newest.clone());
    }
    if start.next_batch() > BatchNumber::FIRST {
        return Err(no_beginning(&start, &sorted, &beyond));
    }
    Ok(Diagnosis { survey: whole, beyond, damaged, is_past_damaged: false })
}

/// Says that a journal was trimmed, and that nothing is left of what was before.
fn no_beginning(start: &Head, sorted: &Sorted, beyond: &[Info]) -> Failure {
    let beyond = beyond.iter().map(|info| {
        format!("checkpoint {} reflects what the journal does not have any more", info.path.display())
    });
    let why: Vec<_> = sorted.complaints().into_iter().chain(beyond).collect();
    let why = if why.is_empty() { "there is none".to_owned() } else { why.join("\n") };
    let error = anyhow!(
        "the journal begins with batch {}, what was before it was trimmed, and no checkpoint leads there: nothing can be cut to \
         make it start, and nothing was changed; keep a copy of the data folder and restore a backup\n{why}",
        start.next_batch()
    );
    Failure::new(Exit::VerificationFailed, error)
}

/// Whether the journal has what is right before a head, as it was when that was written down: a start asks for it.
fn leads_to(journal: &SledJournal, head: &Head) -> Result<bool, persistence::Error> {
    let start = journal.start();
    if head.next_batch() <= start.next_batch() {
        return Ok(head.last_hash() == start.last_hash());
    }
    let before = journal.frame(BatchNumber(head.next_batch().0 - 1))?;
    Ok(before.is_some_and(|frame| FrameHash::of(&frame.bytes) == head.last_hash()))
}

impl Diagnosis {
    /// How many batches are gone without a trace, as far as what was acknowledged and the checkpoints tell.
    fn batches_missing(&self) -> u64 {
        let loss = self.survey.loss.as_ref();
        let last = loss.map_or(self.survey.head.next_batch().0 - 1, |loss| loss.last.0);
        let reflected = self.beyond.iter().map(|info| info.mark.head.next_batch().0 - 1).max();
        let behind = reflected.unwrap_or_default().saturating_sub(last);
        loss.map_or(0, |loss| loss.batches_missing) + behind
    }
}

/// Whether a checkpoint reflects nothing but what a journal has that ends so.
fn is_within(info: &Info, head: &Head) -> bool {
    info.mark.head.next_batch() <= head.next_batch()
        && info.mark.reflects.iter().zip(head.partitions()).all(|(last, end)| *last <= end.sequence)
}

/// Says what goes, record by record, and how many those are.
fn tell(journal: &SledJournal, diagnosis: &Diagnosis, as_json: bool) -> Result<u64, Failure> {
    let Diagnosis { survey, beyond, damaged, .. } = diagnosis;
    let mut err = io::stderr().lock();
    let mut records = 0;
    let mut say = |line: String| writeln!(err, "{line}").context("say what goes");
    if let Some(loss) = &survey.loss {
        let why = loss
            .damage
            .as_ref()
            .map_or_else(|| "is not there".to_owned(), |damage| format!("is damaged: {damage}"));
        say(format!("batch {} {why}", loss.first))?;
        say(format!(
            "batches {} to {} go: {} that can be read, {} damaged, {} missing",
            loss.first, loss.last, loss.batches_sound, loss.batches_damaged, loss.batches_missing
        ))?;
        for partition in &loss.records {
            say(format!(
                "partition {}: {} records, {} to {}, of {} to {}",
                partition.partition,
                partition.count,
                partition.first,
                partition.last,
                moment(partition.first_time_ms),
                moment(partition.last_time_ms)
            ))?;
        }
        for frame in journal.lost_frames(survey) {
            let frame = frame.map_err(verdict)?;
            records += u64::try_from(frame.records.len()).expect("a length fits 64 bits");
            if !as_json {
                lines_of(journal, &frame)?.into_iter().try_for_each(&mut say)?;
            }
        }
    }
    let missing = diagnosis.batches_missing();
    if missing > 0 {
        say(format!("{missing} missing batches left no trace: how many records were in them is unknown"))?;
    }
    for info in beyond {
        say(format!("checkpoint {} reflects what goes, and is put aside", info.number))?;
    }
    for number in damaged {
        say(format!("checkpoint {number} is damaged, and is put aside"))?;
    }
    Ok(records)
}

/// A line for each record of a frame, with what it was about where that can be read.
fn lines_of(journal: &SledJournal, frame: &LostFrame) -> Result<Vec<String>, Failure> {
    let stored = journal.frame(frame.batch).map_err(verdict)?;
    let abouts: Vec<String> = match stored.as_ref().filter(|_| frame.damage.is_none()) {
        Some(stored) => persistence::Frame::decode(&stored.bytes)
            .map(|frame| frame.records().map(|record| about(record.payload)).collect())
            .unwrap_or_default(),
        None => Vec::new(),
    };
    let line = |(index, header): (usize, &RecordHeader)| {
        let place = Position { partition: header.partition, sequence: header.sequence };
        let about = abouts.get(index).map_or("cannot be read", String::as_str);
        let at = moment(header.time_ms);
        format!("goes: batch {}  {}  {at}  {about}", frame.batch, token::token(place))
    };
    Ok(frame.records.iter().enumerate().map(line).collect())
}

fn about(payload: &[u8]) -> String {
    let Ok(turn) = record::decode(payload) else { return "cannot be read".to_owned() };
    let events = facts::events_of(&turn, Secrets::Hidden);
    let word = |event: &facts::Event| {
        let resource = json!(event.resource);
        format!("{} {}", event.kind, resource["id"].as_str().unwrap_or_default())
    };
    let words: Vec<_> = events.iter().map(word).collect();
    if words.is_empty() { "the outcome of a request".to_owned() } else { words.join(", ") }
}

/// Asks whoever sits there.
fn agree() -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let error = anyhow!("nobody is there to be asked: look at what goes, then say --yes");
        return Err(Failure::new(Exit::Usage, error));
    }
    eprint!("Type `{WORD}` to let it go: ");
    let mut word = String::new();
    stdin.lock().read_line(&mut word).context("read the answer")?;
    if word.trim() == WORD { Ok(()) } else { Err(anyhow!("nothing was changed").into()) }
}

/// Moves checkpoints into another folder, durably. Newest first: where it is cut short, none is left without what it builds on.
fn put_aside(numbers: &BTreeSet<u64>, from: &Path, to: &Path) -> Result<(), Failure> {
    if numbers.is_empty() {
        return Ok(());
    }
    let moved = || -> io::Result<()> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let is_one = path.extension().is_some_and(|extension| extension == CHECKPOINT_EXTENSION);
            files.extend(number.filter(|number| is_one && numbers.contains(number)).map(|it| (it, path)));
        }
        fs::create_dir_all(to)?;
        for path in files.values().rev() {
            fs::rename(path, to.join(path.file_name().expect("a checkpoint has a name")))?;
        }
        File::open(to)?.sync_all()?;
        File::open(from)?.sync_all()
    };
    Ok(moved().with_context(|| format!("put checkpoints of {} aside", from.display()))?)
}
