//! Programs: what is measured in process, by the examples of the actors, each in a process of its own.
//!
//! Starts them and reads the one line of JSON that they print; what is in it is the business of `rows`.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::{binary, guard};

/// An example of the crate `holdfast-actors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Throughput,
    Memory,
    Pauses,
    Recovery,
}

/// What a program said of itself, once.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) program: Program,
    /// How to do it again.
    pub(super) command: String,
    pub(super) said: serde_json::Value,
}

impl Program {
    pub(super) const ALL: [Self; 4] = [Self::Throughput, Self::Memory, Self::Pauses, Self::Recovery];

    const fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Memory => "memory",
            Self::Pauses => "pauses",
            Self::Recovery => "recovery",
        }
    }

    /// How often at the most: counted bytes are the same each time, and filling a journal takes minutes.
    pub(super) const fn rounds_max(self) -> u32 {
        match self {
            Self::Throughput | Self::Pauses => u32::MAX,
            Self::Memory | Self::Recovery => 1,
        }
    }

    const fn arguments(self, is_short: bool) -> &'static [&'static str] {
        match (self, is_short) {
            (Self::Throughput, false) => &["3", "10000", "16384"],
            (Self::Throughput, true) => &["1", "100", "4096"],
            (Self::Memory, false) => &["1000000"],
            (Self::Memory, true) => &["2000"],
            (Self::Pauses, false) => &["100000", "100000"],
            (Self::Pauses, true) => &["1000", "1000"],
            (Self::Recovery, false) => &["1000000", "10000000"],
            (Self::Recovery, true) => &["1000", "20000"],
        }
    }

    /// Runs it to its end, with its files below `folder`.
    ///
    /// # Errors
    ///
    /// When it cannot be built, fails, or says something else than one object in JSON.
    pub(super) fn run(self, is_short: bool, folder: &Path) -> anyhow::Result<Ran> {
        let (name, arguments) = (self.name(), self.arguments(is_short));
        let mut child = Command::new(binary::find_or_build_example(name)?)
            .args(arguments)
            .arg("--json")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("run {name}"))?;
        let mut stdout = child.stdout.take().context("a program's stdout is not a pipe")?;
        let process = guard::adopt(child);
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text);
        // It has closed its stdout: it is over, or as good as that.
        let _ended = guard::kill(process);
        read.with_context(|| format!("read what {name} says"))?;
        let said = parse(&text).with_context(|| format!("{name} failed, or said nothing of use"))?;
        let arguments = arguments.join(" ");
        let command =
            format!("cargo run --release -p holdfast-actors --example {name} -- {arguments} --json");
        Ok(Ran { program: self, command, said })
    }
}

/// The one line that a program prints.
fn parse(text: &str) -> anyhow::Result<serde_json::Value> {
    let said: serde_json::Value = serde_json::from_str(text).context("its output is no JSON")?;
    ensure!(said.is_object(), "its output is JSON, but no object");
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_what_a_program_says() {
        let said = parse("{\"products\":3,\"genesis_n\":{\"seconds\":0.25}}\n").expect("an object");
        assert_eq!(said.pointer("/genesis_n/seconds").and_then(serde_json::Value::as_f64), Some(0.25));
        for text in ["", "3\n", "3 products\n", "{} {}"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
