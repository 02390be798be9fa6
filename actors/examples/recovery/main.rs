//! How long a start takes: `recovery <products> <events> [folder] [--json]`.
//!
//! Fills a journal in a temporary folder through the encoder, in big frames: products, then events of all kinds that change stock. Then
//! each way to recover it runs in a process of its own: from the first record with one thread and with several, the first checkpoint, and
//! from that with a tail of a tenth more events. Prints seconds, megabytes, and the most memory each took.
//!
//! With `--json` it prints one line: how long the server's own two ways took from all events (`genesis_n`) and from a checkpoint of them
//! and a tenth more (`loaded`), opening the journal included.

mod history;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_actors::Clock as _;
use holdfast_actors::SystemClock;
use holdfast_actors::checkpoint::write_first;
use holdfast_actors::persistence::{self, Checkpoints, Folder, FrameSource as _, SledJournal};
use holdfast_actors::recovery::{self, Plan, Recovered};

use history::History;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MIB: u64 = 1024 * 1024;

/// Who reads what is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    People,
    Machines,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_json = arguments.extract_if(.., |it| it == "--json").count() > 0;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        ["phase", name, folder] if is_json => phase(name, Path::new(folder), Told::Machines),
        ["phase", name, folder] => phase(name, Path::new(folder), Told::People),
        [products, events] if is_json => {
            let folder = tempfile::tempdir()?;
            all_as_json(products.parse()?, events.parse()?, folder.path())
        }
        [products, events, folder] if is_json => {
            all_as_json(products.parse()?, events.parse()?, Path::new(folder))
        }
        [products, events] => {
            let folder = tempfile::tempdir()?;
            all(products.parse()?, events.parse()?, folder.path())
        }
        [products, events, folder] => all(products.parse()?, events.parse()?, Path::new(folder)),
        _ => Err("recovery <products> <events> [folder] [--json]".into()),
    }
}

fn all(products: u64, events: u64, folder: &Path) -> Result<(), Box<dyn Error>> {
    println!("{products} products, {events} events");
    let started = Instant::now();
    let mut history = History::new(products);
    history.fill(&mut open(folder)?, events)?;
    let disk = std::fs::metadata(folder.join("journal/db"))?.len() / MIB;
    println!("{:24} {:>8.2?}  {disk} MB on disk", "fill", started.elapsed());
    run(&["genesis-1", "genesis-n", "checkpoint", "loaded"], folder)?;
    history.fill(&mut open(folder)?, events / 10)?;
    println!("{} events more", events / 10);
    run(&["loaded-1", "loaded"], folder)
}

/// The same without what only people compare.
fn all_as_json(products: u64, events: u64, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut history = History::new(products);
    history.fill(&mut open(folder)?, events)?;
    let genesis = measured("genesis-n", folder)?;
    measured("checkpoint", folder)?;
    history.fill(&mut open(folder)?, events / 10)?;
    let loaded = measured("loaded", folder)?;
    println!("{{\"products\":{products},\"events\":{events},\"genesis_n\":{genesis},\"loaded\":{loaded}}}");
    Ok(())
}

/// What the phase says of itself, as JSON.
fn measured(name: &str, folder: &Path) -> Result<String, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).args(["phase", name, "--json"]).arg(folder).output()?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Each in a process of its own, so that its memory is its own.
fn run(phases: &[&str], folder: &Path) -> Result<(), Box<dyn Error>> {
    for name in phases {
        let status = Command::new(std::env::current_exe()?).args(["phase", name]).arg(folder).status()?;
        if !status.success() {
            return Err(format!("{name} failed").into());
        }
    }
    Ok(())
}

fn open(folder: &Path) -> Result<SledJournal, Box<dyn Error>> {
    Ok(SledJournal::open(&Folder::open(folder)?, persistence::Options::default())?)
}

fn phase(name: &str, path: &Path, told: Told) -> Result<(), Box<dyn Error>> {
    let folder = Folder::open(path)?;
    let started = Instant::now();
    let mut journal = SledJournal::open(&folder, persistence::Options::default())?;
    let opened = started.elapsed();
    let checkpoints = Checkpoints::open(&folder, journal.id(), journal.partitions())?;
    let threads = std::thread::available_parallelism()?.get();
    let plan = Plan { threads, ..Plan::default() };
    let mut recovered = match name {
        "genesis-1" => recovery::recover(&mut journal)?,
        "genesis-n" | "checkpoint" => recovery::recover_from(&mut journal, &plan)?,
        "loaded-1" => recovery::recover_newest(&mut journal, &checkpoints, 1, &|_| {})?,
        "loaded" => recovery::recover_newest(&mut journal, &checkpoints, threads, &|_| {})?,
        _ => return Err("there is no such phase".into()),
    };
    if told == Told::Machines {
        if name == "checkpoint" {
            write_first(&checkpoints, &mut recovered, SystemClock.now())?;
        }
        print_as_json(&recovered, opened)?;
    } else if name == "checkpoint" {
        let started = Instant::now();
        let info = write_first(&checkpoints, &mut recovered, SystemClock.now())?;
        println!(
            "{:24} {:>8.2?}  {} entries, {} MB, {} MB of memory at the most",
            "write the checkpoint",
            started.elapsed(),
            info.entries,
            info.bytes / MIB,
            memory()?
        );
    } else {
        print(name, &recovered, opened)?;
    }
    // Nobody waits for millions of small things to be freed.
    std::process::exit(0)
}

fn print(name: &str, recovered: &Recovered, opened: Duration) -> Result<(), Box<dyn Error>> {
    let report = &recovered.report;
    let proving = report.elapsed.saturating_sub(report.loading + report.replaying);
    println!(
        "{name:24} {:>8.2?}  loaded {} entries in {:.2?}, replayed {} events ({} MB) in {:.2?}, proven in {proving:.2?}, opened in \
         {opened:.2?}, {} MB of memory at the most",
        report.elapsed,
        report.loaded,
        report.loading,
        report.events,
        report.bytes / MIB,
        report.replaying,
        memory()?
    );
    Ok(())
}

fn print_as_json(recovered: &Recovered, opened: Duration) -> Result<(), Box<dyn Error>> {
    let report = &recovered.report;
    let micros = (opened + report.elapsed).as_micros();
    println!(
        "{{\"seconds\":{}.{:06},\"replayed_events\":{},\"memory_mib\":{}}}",
        micros / 1_000_000,
        micros % 1_000_000,
        report.events,
        memory()?
    );
    Ok(())
}

/// The most memory that this process had, in MB.
fn memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("the kernel tells no peak")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("a number")?.parse()?;
    Ok(kib / 1024)
}
