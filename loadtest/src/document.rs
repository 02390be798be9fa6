//! Document: making, keeping and reading back what a run found out.
//!
//! Owns the file's form (JSON, one [`Document`]) and the histograms inside it; fills in the head that every document
//! has, from this machine's `/proc`. Knows no figure: `load`, `budget` and `contenders` fill them in, `compare` and
//! `page` show them.

#[cfg(test)]
pub(crate) mod sample;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::Deserialize;

use crate::results::{Document, FORMAT, Latency, Machine};
use crate::{numbers, wall_clock};

/// Far more than the largest document there is; a file beyond it is something else.
const FILE_BYTES_MAX: u64 = 256 << 20;
const PASSWORD: &str = "--password";
const HIDDEN: &str = "...";
const UNKNOWN: &str = "unknown";
const UNOPTIMISED: &str = "this load test was built without optimisation: generator, floor and fronts are many times too slow, and \
                           no ratio means anything (cargo run --release)";

/// A document without figures yet: this moment, this machine, and `command`, as [`std::env::args`] gives it.
///
/// The program is kept by its name without its folder, and a password not at all: documents are passed on.
///
/// The file system is that of the temporary folder, where servers keep their files unless told otherwise; see
/// [`file_system`].
pub(crate) fn begin(command: Vec<String>) -> Document {
    Document {
        format: FORMAT,
        command: to_pass_on(command),
        started_at: wall_clock::format(wall_clock::now()),
        machine: machine(&std::env::temp_dir()),
        rivals: Vec::new(),
        measurements: Vec::new(),
        budget: Vec::new(),
        notes: cfg!(debug_assertions).then(|| UNOPTIMISED.to_owned()).into_iter().collect(),
        violations: Vec::new(),
    }
}

fn to_pass_on(command: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(command.len());
    for (place, argument) in command.into_iter().enumerate() {
        let name = Path::new(&argument).file_name().and_then(|name| name.to_str());
        let is_secret = kept.last().is_some_and(|last| last == PASSWORD);
        kept.push(match (place, name) {
            (0, Some(name)) => name.to_owned(),
            _ if is_secret => HIDDEN.to_owned(),
            _ if argument.split_once('=').is_some_and(|(option, _)| option == PASSWORD) => {
                format!("{PASSWORD}={HIDDEN}")
            }
            _ => argument,
        });
    }
    kept
}

/// What `latencies`, in nanoseconds, say.
pub(crate) fn latency(latencies: &Histogram<u64>) -> Latency {
    let at = |quantile| numbers::float(latencies.value_at_quantile(quantile)) / 1e3;
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(latencies, &mut bytes)
        .expect("a histogram of at most five digits is written to memory");
    Latency {
        answers: latencies.len(),
        mean_us: if latencies.is_empty() { 0.0 } else { latencies.mean() / 1e3 },
        p50_us: at(0.5),
        p90_us: at(0.9),
        p99_us: at(0.99),
        p999_us: at(0.999),
        max_us: numbers::float(latencies.max()) / 1e3,
        histogram: STANDARD.encode(bytes),
    }
}

/// All the latencies behind `latency`, in nanoseconds.
///
/// # Errors
///
/// When its histogram is none.
pub(crate) fn histogram(latency: &Latency) -> anyhow::Result<Histogram<u64>> {
    let bytes = STANDARD.decode(&latency.histogram).context("a histogram that is no base64")?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| anyhow::anyhow!("a histogram that is none: {error:?}"))
}

/// Writes `document` to `file`, as [`read`] reads it.
///
/// # Errors
///
/// When it holds a figure that is no number, which JSON cannot say, or the file cannot be written.
pub(crate) fn write(document: &Document, file: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(document).context("write the results as JSON")?;
    // What is not finite is written as null: found out now, and not by whoever compares in a month.
    serde_json::from_str::<Document>(&text).context("the results hold a figure that is no number")?;
    text.push('\n');
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// When the file cannot be read, or holds something else: no JSON, another JSON, a later form of ours.
pub(crate) fn read(file: &Path) -> anyhow::Result<Document> {
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("open {}", file.display()))?;
    let length = opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("read {}", file.display()))?;
    ensure!(numbers::count(length) <= FILE_BYTES_MAX, "{} is too large to be results", file.display());
    parse(&text).with_context(|| format!("{} holds no results of a load test", file.display()))
}

fn parse(text: &str) -> anyhow::Result<Document> {
    #[derive(Deserialize)]
    struct Head {
        format: Option<u32>,
    }

    let value: serde_json::Value = serde_json::from_str(text).context("it is not JSON")?;
    ensure!(value.is_object(), "it is JSON, but not an object");
    match serde_json::from_value::<Head>(value).map(|head| head.format) {
        Ok(Some(FORMAT)) => {}
        Ok(Some(format)) if format > FORMAT => {
            bail!("its format is {format}, and this load test reads {FORMAT}: use the one that wrote it")
        }
        Ok(Some(format)) => bail!("its format is {format}, and this load test reads only {FORMAT}"),
        Ok(None) => bail!("it has no \"format\": those of --floor, --crash and the like cannot be compared"),
        Err(error) => return Err(error).context("its \"format\" is no number"),
    }
    serde_json::from_str(text).context("its format is ours, its contents are not")
}

/// The machine we are on, with the file system of `folder`.
fn machine(folder: &Path) -> Machine {
    let proc = |name: &str| fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let kernel = proc("sys/kernel/osrelease");
    let or_unknown = |found: Option<String>| found.unwrap_or_else(|| UNKNOWN.to_owned());
    Machine {
        processor: or_unknown(field(&proc("cpuinfo"), "model name", ':')),
        cores: std::thread::available_parallelism().map_or(1, |cores| numbers::count(cores.get())),
        memory_bytes: memory_bytes(&proc("meminfo")).unwrap_or(0),
        system: or_unknown(field(&release, "PRETTY_NAME", '=')),
        kernel: or_unknown(Some(kernel.trim().to_owned()).filter(|kernel| !kernel.is_empty())),
        file_system: file_system(folder),
    }
}

/// The kind of file system that `folder` is on, as the kernel calls it: `ext4`, `overlay`, `tmpfs`.
///
/// From the list of mounts and not by `statfs`: that gives ext2, ext3 and ext4 one number.
pub(crate) fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    file_system_in(&mounts, &folder).unwrap_or(UNKNOWN).to_owned()
}

/// Of the mount that is nearest above `folder`; the last of them, if several lie over each other.
fn file_system_in<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let nearest = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (point, kind) = (fields.next()?.replace("\\040", " "), fields.next()?);
            folder.starts_with(&point).then_some((point.len(), kind))
        })
        .max_by_key(|(length, _)| *length);
    nearest.map(|(_, kind)| kind)
}

/// What `name` is set to in lines like `model name : AMD EPYC` or `PRETTY_NAME="Debian"`.
pub(crate) fn field(text: &str, name: &str, mark: char) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(mark));
    let mut values = values.filter(|(found, _)| found.trim() == name).map(|(_, value)| value);
    values.next().map(|value| value.trim().trim_matches('"').to_owned()).filter(|value| !value.is_empty())
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kilobytes = field(meminfo, "MemTotal", ':')?;
    kilobytes.strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies() -> Histogram<u64> {
        let mut latencies = Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("valid");
        for micros in 1..=10_000_u64 {
            latencies.record(micros * 1_000).expect("in range");
        }
        latencies
    }

    #[test]
    fn latencies_survive_being_kept() {
        let before = latencies();
        let kept = latency(&before);
        let after = histogram(&kept).expect("ours");
        assert_eq!(after.len(), before.len());
        for quantile in [0.0, 0.1, 0.5, 0.99, 0.9999, 1.0] {
            let (after, before) = (after.value_at_quantile(quantile), before.value_at_quantile(quantile));
            assert!(before.abs_diff(after) <= before / 500, "{quantile}: {after} instead of {before}");
        }
        assert!((kept.p50_us - 5_000.0).abs() < 10.0 && (kept.mean_us - 5_000.5).abs() < 10.0, "{kept:?}");
        assert!((kept.max_us - 10_000.0).abs() < 10.0, "{kept:?}");
    }

    #[test]
    fn no_latencies_are_zeroes_and_not_nothing() {
        let kept = latency(&Histogram::new(3).expect("valid"));
        assert_eq!((kept.answers, kept.mean_us, kept.p99_us, kept.max_us), (0, 0.0, 0.0, 0.0));
        assert!(histogram(&kept).expect("ours").is_empty());
    }

    #[test]
    fn what_is_no_histogram_is_an_error() {
        let kept = latency(&latencies());
        for text in ["", "!", "AAAA", kept.histogram.get(..40).expect("longer")] {
            assert!(histogram(&Latency { histogram: text.to_owned(), ..kept.clone() }).is_err(), "{text}");
        }
    }

    #[test]
    fn document_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("results.json");
        let mut document = begin(vec!["load".to_owned(), "--scenario=flash \"hot\"".to_owned()]);
        document.violations.push("never oversold: 4 sold of 3".to_owned());
        write(&document, &file).expect("written");
        assert_eq!(read(&file).expect("ours"), document);
    }

    #[test]
    fn figure_that_is_no_number_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("results.json");
        let mut document = begin(Vec::new());
        document.budget.push(crate::results::BudgetRow {
            what: "x".to_owned(),
            must: f64::NAN,
            aim: 1.0,
            better: crate::results::Better::Higher,
            unit: "s".to_owned(),
            measured: vec![1.0],
            server_cpu_us: None,
            generator_cpu_us: None,
            note: String::new(),
        });
        let error = write(&document, &file).expect_err("refused");
        assert!(format!("{error:#}").contains("no number"), "{error:#}");
        assert!(!file.exists());
    }

    #[test]
    fn other_files_are_refused_with_their_reason() {
        for (text, reason) in [
            ("", "not JSON"),
            ("<html>", "not JSON"),
            ("[1]", "not an object"),
            ("{\"scenario\": \"floor\"}", "no \"format\""),
            ("{\"format\": \"one\"}", "is no number"),
            ("{\"format\": 0}", "reads only 1"),
            ("{\"format\": 2}", "use the one that wrote it"),
            ("{\"format\": 1}", "its contents are not"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(format!("{error:#}").contains(reason), "{text}: {error:#}");
        }
        let error = read(Path::new("/nowhere/results.json")).expect_err("absent");
        assert!(format!("{error:#}").contains("/nowhere/results.json"), "{error:#}");
    }

    #[test]
    fn head_knows_when_and_where() {
        let document = begin(Vec::new());
        assert_eq!(document.format, FORMAT);
        assert!(wall_clock::parse(&document.started_at).is_some(), "{}", document.started_at);
        let machine = document.machine;
        assert!(machine.cores > 0 && machine.memory_bytes > 1 << 20, "{machine:?}");
        assert!([&machine.kernel, &machine.file_system].iter().all(|text| *text != UNKNOWN), "{machine:?}");
    }

    #[test]
    fn command_is_kept_without_folder_and_password() {
        let kept =
            |arguments: &[&str]| begin(arguments.iter().map(|text| (*text).to_owned()).collect()).command;
        assert_eq!(kept(&[]), Vec::<String>::new());
        assert_eq!(
            kept(&["/home/us/target/release/loadtest", "load", "--data-parent", "/srv/x"]),
            ["loadtest", "load", "--data-parent", "/srv/x"]
        );
        assert_eq!(
            kept(&["loadtest", "--password", "secret", "--password=secret", "--passwords=x"]),
            ["loadtest", "--password", "...", "--password=...", "--passwords=x"]
        );
    }

    #[test]
    fn nearest_mount_is_the_folders() {
        let mounts = "\
            overlay / overlay rw 0 0\n\
            /dev/a /var ext4 rw 0 0\n\
            tmpfs /var/tmp tmpfs rw 0 0\n\
            /dev/b /var/tmp xfs rw 0 0\n\
            /dev/c /my\\040disk btrfs rw 0 0\n";
        for (folder, kind) in [
            ("/home/x", "overlay"),
            ("/var/lib", "ext4"),
            ("/variety", "overlay"),
            ("/var/tmp/x", "xfs"),
            ("/my disk/x", "btrfs"),
        ] {
            assert_eq!(file_system_in(mounts, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(file_system_in("", Path::new("/")), None);
    }

    #[test]
    fn lines_of_the_kernel_are_read() {
        assert_eq!(field("a: 1\nmodel name\t: AMD EPYC\n", "model name", ':').as_deref(), Some("AMD EPYC"));
        assert_eq!(field("PRETTY_NAME=\"Debian 12\"", "PRETTY_NAME", '=').as_deref(), Some("Debian 12"));
        assert_eq!(field("model name:", "model name", ':'), None);
        assert_eq!(memory_bytes("MemTotal:       2048 kB\n"), Some(2_097_152));
        assert_eq!(memory_bytes("MemTotal: many"), None);
    }
}
