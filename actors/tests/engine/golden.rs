//! The stored bytes of every kind of record: what was written once can be read for ever.
//!
//! One file a sample under `tests/golden/v1/`, as hex. Changing one is a decision, with a page; a new kind of
//! event, outcome or refusal does not compile here before it has a name, and fails before it has a sample.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use holdfast_actors::record::{DecodeError, PAYLOAD_VERSION, Turn, decode, encode};
use proptest::prelude::*;

use crate::golden_samples::{missing, samples};

/// Bytes on one line of a file, so that a difference can be seen.
const LINE_BYTES: usize = 32;

#[test]
fn every_record_is_written_and_read_as_its_golden_file_says() {
    let mut failures = String::new();
    for (name, turn) in samples() {
        let bytes = encode(&turn, Vec::new());
        let path = folder().join(format!("{name}.hex"));
        match std::fs::read_to_string(&path) {
            Err(error) => {
                write!(failures, "\n{}: {error}; it is\n{}", path.display(), hex(&bytes)).expect("a string");
            }
            Ok(text) => {
                let golden = from_hex(&text);
                if golden != bytes {
                    write!(failures, "\n{name} is written as\n{}", hex(&bytes)).expect("a string");
                }
                let read = decode(&golden).expect("a golden record can be read");
                assert_eq!(read, turn, "{name} is read as what it was");
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_golden_file_has_its_sample() {
    let names: BTreeSet<String> = samples().into_iter().map(|(name, _)| format!("{name}.hex")).collect();
    assert_eq!(names.len(), samples().len(), "a name is given once");
    let files = std::fs::read_dir(folder()).expect("the folder is part of the sources");
    let files: BTreeSet<String> = files
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("plain names"))
        .collect();
    assert_eq!(files, names);
}

#[test]
fn every_kind_of_event_outcome_refusal_and_asker_has_a_sample() {
    assert_eq!(missing(), Vec::<&str>::new());
}

#[test]
fn payload_of_another_version_is_refused_by_name() {
    for (_, turn) in samples() {
        let mut bytes = encode(&turn, Vec::new());
        bytes[0] = PAYLOAD_VERSION + 1;
        assert!(matches!(decode(&bytes), Err(DecodeError::Version(version)) if version == bytes[0]));
    }
    assert!(matches!(decode(&[]), Err(DecodeError::Empty)));
}

#[test]
fn payload_cut_short_is_refused() {
    for (name, turn) in samples() {
        let bytes = encode(&turn, Vec::new());
        for end in 1..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        round_trips(&bytes)?;
        let versioned: Vec<u8> = std::iter::once(PAYLOAD_VERSION).chain(bytes).collect();
        round_trips(&versioned)?;
    }

    #[test]
    fn damaged_records_are_read_or_refused(
        sample in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let samples = samples();
        let mut bytes = encode(&samples[sample.index(samples.len())].1, Vec::new());
        let place = place.index(bytes.len());
        bytes[place] = byte;
        round_trips(&bytes)?;
    }
}

/// Whatever can be read is a value that is written and read as itself.
fn round_trips(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(turn) = decode(bytes) {
        let again: Turn = decode(&encode(&turn, Vec::new())).expect("it was just written");
        prop_assert_eq!(again, turn);
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(LINE_BYTES) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").expect("a string takes everything"));
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|it| !it.is_whitespace())
        .map(|it| u8::try_from(it.to_digit(16).expect("a hex digit")).expect("below 16"))
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
