//! How much disk a journal takes while old frames go and new ones come, and how long it takes to open.
//!
//! `journal_space <folder> [records] [records per frame] [records kept]`: appends frames as the server makes them, trims behind, and
//! prints every so often the size of the store, the bytes of the frames in it, and how much was written for them. Then it opens the
//! journal twice: the first opening finds all that was written since it was created, the second only what the first wrote.

use std::collections::VecDeque;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use holdfast_persistence::{
    BatchNumber, Epoch, Folder, Head, Options, Partition, RecordHeader, Sequence, SledJournal, Store, Writer,
};

const RECORDS: u64 = 10_000_000;
const RECORDS_PER_FRAME: u64 = 64;
const RECORDS_KEPT: u64 = 1_000_000;
const PAYLOAD_BYTES: usize = 70;
const PARTITIONS: u16 = 16;
const PARTITION_COUNT: usize = 16;
const LINES: u64 = 20;
const MIB: u64 = 1024 * 1024;

struct Plan {
    folder: PathBuf,
    frames: u64,
    records_per_frame: u64,
    frames_kept: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::from_arguments()?;
    println!(
        "{:>12} {:>9} {:>9} {:>6} {:>9} {:>6}",
        "records", "disk MiB", "live MiB", "ratio", "sent MiB", "amp"
    );
    append_and_trim(&plan)?;
    for round in ["first", "second"] {
        let started = Instant::now();
        let mut journal = open(&plan.folder)?;
        let opened = started.elapsed();
        let from = Head::before(&journal);
        let replayed = journal.recover(from, &mut |_| Ok(()))?;
        println!(
            "{round} opening {opened:.1?}, recovery of {} records {:.1?}",
            replayed.records,
            started.elapsed() - opened
        );
    }
    Ok(())
}

impl Plan {
    fn from_arguments() -> Result<Plan, Box<dyn Error>> {
        let mut arguments = std::env::args().skip(1);
        let folder = arguments.next().ok_or("name a folder")?.into();
        let mut number = |usual: u64| arguments.next().map_or(Ok(usual), |text| text.parse());
        let (records, per_frame) = (number(RECORDS)?, number(RECORDS_PER_FRAME)?.max(1));
        let frames_kept = number(RECORDS_KEPT)? / per_frame;
        Ok(Plan { folder, frames: records / per_frame, records_per_frame: per_frame, frames_kept })
    }
}

fn open(folder: &Path) -> Result<SledJournal, Box<dyn Error>> {
    let options = Options { partitions: PARTITIONS, ..Options::default() };
    Ok(SledJournal::open(&Folder::open(folder)?, options)?)
}

fn append_and_trim(plan: &Plan) -> Result<(), Box<dyn Error>> {
    let mut journal = open(&plan.folder)?;
    let from = Head::before(&journal);
    let replayed = journal.recover(from, &mut |_| Ok(()))?;
    let (reader, trimmer) = (journal.reader(), journal.trimmer());
    let (queue, mut writer) = Writer::new(Box::new(journal), replayed.head);
    let (mut seed, mut sequences) = (1, [0; PARTITION_COUNT]);
    let (mut live, mut sent_before) = (VecDeque::new(), queue.commits().bytes);
    for frame in 1..=plan.frames {
        for _ in 0..plan.records_per_frame {
            let payload = noise(&mut seed);
            let number = usize::from(payload[0]) % sequences.len();
            sequences[number] += 1;
            let (partition, sequence) = (Partition(u16::try_from(number)?), Sequence(sequences[number]));
            queue.push(RecordHeader { partition, epoch: Epoch(1), sequence, time_ms: frame }, &payload)?;
        }
        writer.commit()?;
        let sent = queue.commits().bytes;
        live.push_back(sent - sent_before);
        sent_before = sent;
        // Now and then, as after a checkpoint.
        if u64::try_from(live.len())? > plan.frames_kept + plan.frames_kept / 4 {
            let end = BatchNumber(reader.end().batch.0 - plan.frames_kept);
            live.drain(..usize::try_from(trimmer.remove_before(end)?.batches)?);
        }
        if frame % (plan.frames / LINES).max(1) == 0 {
            let (disk, live) = (disk_bytes(&plan.folder)?, live.iter().sum::<u64>().max(1));
            let written = written_bytes()?;
            let (ratio, amplification) = (percent(disk, live), percent(written, sent));
            let records = frame * plan.records_per_frame;
            println!(
                "{records:>12} {:>9} {:>9} {ratio:>6} {:>9} {amplification:>6}",
                disk / MIB,
                live / MIB,
                sent / MIB
            );
        }
    }
    Ok(())
}

/// Bytes that no file system can make smaller.
fn noise(seed: &mut u64) -> [u8; PAYLOAD_BYTES] {
    let mut bytes = [0; PAYLOAD_BYTES];
    for chunk in bytes.chunks_mut(8) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        chunk.copy_from_slice(&seed.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

fn disk_bytes(folder: &Path) -> Result<u64, Box<dyn Error>> {
    Ok(std::fs::metadata(folder.join("journal/db"))?.len())
}

/// What this process has handed to the kernel so far.
fn written_bytes() -> Result<u64, Box<dyn Error>> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.ok_or("the kernel does not count")?.parse()?)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{}%", part * 100 / whole.max(1))
}
