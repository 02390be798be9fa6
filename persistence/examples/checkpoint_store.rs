//! What a checkpoint costs as a file and as a sled tree: the measurement behind the decision for files.
//!
//! `cargo run --release -p holdfast-persistence --example checkpoint_store -- ENTRIES` writes and loads so many entries, a fifth of them
//! of 150 bytes and the others of 80, under keys without an order, in a temporary folder of the disk that `TMPDIR` names.

use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_persistence::checkpoint::{Info, Kind};
use holdfast_persistence::{
    Block, Checkpoint, Checkpoints, Folder, Head, JournalId, Mark, Partition, Sequence,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const ID: JournalId = JournalId([7; 16]);
const PARTITIONS: u16 = 16;
const THREADS: u16 = 2;
const DEFAULT_ENTRIES: u64 = 5_000_000;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// One in so many entries changes before the second checkpoint.
const CHANGED_OF: u64 = 20;

fn main() -> Outcome<()> {
    let entries = std::env::args().nth(1).map_or(Ok(DEFAULT_ENTRIES), |entries| entries.parse())?;
    println!("{entries} entries, {THREADS} threads load, one in {CHANGED_OF} changes\n");
    println!("{:<12} {:>9} {:>9} {:>9} {:>12} {:>12}", "", "write", "load", "second", "bytes", "with second");
    files(entries)?;
    tree(entries)
}

fn files(entries: u64) -> Outcome<()> {
    let data = tempfile::tempdir()?;
    let folder = Folder::open(data.path())?;
    let checkpoints = Checkpoints::open(&folder, ID, PARTITIONS)?;
    let begun = Instant::now();
    let whole = write_file(&checkpoints, Kind::Whole, 0..entries)?;
    let write = begun.elapsed();
    let newest = checkpoints.newest()?.ok_or("the checkpoint that was written is not there")?;
    forget(&data.path().join("checkpoints"))?;
    let begun = Instant::now();
    let loaded = load_files(&newest)?;
    let load = begun.elapsed();
    assert_eq!(loaded, entries, "all that was written is loaded");
    let begun = Instant::now();
    let second =
        write_file(&checkpoints, Kind::Increment, (0..entries).step_by(usize::try_from(CHANGED_OF)?))?;
    print_row("files", [write, load, begun.elapsed()], [whole.bytes, whole.bytes + second.bytes]);
    let begun = Instant::now();
    let newest = checkpoints.newest()?.ok_or("the checkpoint that was written is not there")?;
    assert_eq!(load_files(&newest)?, entries, "each key comes once");
    println!("{:<12} {:>9} {:>8.2}s", "  chain of 2", "", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    checkpoints.merge(&|_, _| true)?.ok_or("there were two files")?;
    println!("{:<12} {:>8.2}s", "  merged", begun.elapsed().as_secs_f64());
    Ok(())
}

fn write_file(checkpoints: &Checkpoints, kind: Kind, numbers: impl Iterator<Item = u64>) -> Outcome<Info> {
    let mut writer = checkpoints.begin(kind)?;
    let mut blocks: Vec<_> = (0..PARTITIONS).map(|at| Block::new(Partition(at))).collect();
    let mut buffer = Vec::new();
    for number in numbers {
        let (partition, key) = key_of(number);
        let block = &mut blocks[usize::from(partition)];
        block.push(&key, Some(value_of(number, &mut buffer)));
        if block.is_full() {
            writer.put(block)?;
            block.clear();
        }
    }
    for block in &blocks {
        writer.put(block)?;
    }
    let reflects = vec![Sequence(0); usize::from(PARTITIONS)];
    Ok(writer.finish(&Mark { head: Head::genesis(ID, PARTITIONS), reflects, at_ms: 0 })?)
}

fn load_files(newest: &Checkpoint) -> Outcome<u64> {
    let mut entries = 0;
    std::thread::scope(|scope| {
        let load = |mine: u16| {
            let mut entries = 0_u64;
            newest.load(&|partition| partition.0 % THREADS == mine, &mut |_, _, _| {
                entries += 1;
                Ok(())
            })?;
            Ok::<_, holdfast_persistence::Error>(entries)
        };
        let loads: Vec<_> = (0..THREADS).map(|mine| scope.spawn(move || load(mine))).collect();
        for load in loads {
            entries += load.join().map_err(|_| "a thread panicked")??;
        }
        Ok(entries)
    })
}

fn tree(entries: u64) -> Outcome<()> {
    let data = tempfile::tempdir()?;
    let config = || {
        sled::Config::new()
            .path(data.path())
            .flush_every_ms(None)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
    };
    let begun = Instant::now();
    let db = config().open()?;
    write_tree(&db, data.path(), 0..entries)?;
    let write = begun.elapsed();
    let bytes = db.size_on_disk()?;
    drop(db);
    forget(data.path())?;
    let begun = Instant::now();
    let db = config().open()?;
    let mut loaded = 0;
    for entry in db.iter() {
        entry?;
        loaded += 1;
    }
    let load = begun.elapsed();
    assert_eq!(loaded, entries, "all that was written is loaded");
    let begun = Instant::now();
    write_tree(&db, data.path(), (0..entries).step_by(usize::try_from(CHANGED_OF)?))?;
    print_row("sled tree", [write, load, begun.elapsed()], [bytes, db.size_on_disk()?]);
    Ok(())
}

/// Writes, and syncs as the journal does: sled's own flush leaves the drive's cache out.
fn write_tree(db: &sled::Db, path: &Path, numbers: impl Iterator<Item = u64>) -> Outcome<()> {
    let mut buffer = Vec::new();
    for number in numbers {
        let (partition, key) = key_of(number);
        let key = [partition.to_be_bytes().as_slice(), &key].concat();
        db.insert(key, value_of(number, &mut buffer))?;
    }
    db.flush()?;
    std::fs::File::open(path.join("db"))?.sync_data()?;
    Ok(())
}

/// Has the operating system forget what it keeps of the files in a folder, as after a restart of the machine.
fn forget(folder: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(folder)? {
        let file = std::fs::File::open(entry?.path())?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// A key as ids are: a kind and random bits; its partition follows from it.
fn key_of(number: u64) -> (u16, [u8; 17]) {
    let mut key = [1; 17];
    key[1..].copy_from_slice(&blake3::hash(&number.to_le_bytes()).as_bytes()[..16]);
    (u16::from(key[16]) % PARTITIONS, key)
}

fn value_of(number: u64, buffer: &mut Vec<u8>) -> &[u8] {
    buffer.clear();
    buffer.extend_from_slice(&number.to_le_bytes());
    buffer.resize(if number.is_multiple_of(5) { 150 } else { 80 }, 0x5a);
    buffer
}

fn print_row(name: &str, times: [Duration; 3], bytes: [u64; 2]) {
    let [write, load, second] = times.map(|time| time.as_secs_f64());
    let [first, both] = bytes;
    println!("{name:<12} {write:>8.2}s {load:>8.2}s {second:>8.2}s {first:>12} {both:>12}");
}
