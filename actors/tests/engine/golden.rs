//! The stored bytes of every kind of record: what was written once can be read for ever.
//!
//! One file a sample under `tests/golden/v1/`, as hex. Changing one is a decision, with a page; a new kind of
//! event, outcome or refusal does not compile here before it has a name, and fails before it has a sample. What is
//! not written any more stays, and is read as what took its place.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use holdfast_actors::persistence::RECORD_BYTES_MAX;
use holdfast_actors::record::{DecodeError, PAYLOAD_VERSION, Turn, decode, encode};
use proptest::prelude::*;

use crate::golden_samples::{missing, prices, retired, samples};

/// Bytes on one line of a file, so that a difference can be seen.
const LINE_BYTES: usize = 32;

/// The stored number of [`holdfast_actors::Outcome::Each`].
const EACH: u8 = 12;

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
fn retired_record_is_read_as_what_took_its_place() {
    for (name, turn) in retired() {
        assert_eq!(decode(&stored(name)).expect("it was written once"), turn, "{name}");
    }
}

#[test]
fn every_golden_file_has_its_sample() {
    let names = samples().into_iter().map(|(name, _)| name);
    let names = names.chain(retired().into_iter().map(|(name, _)| name.to_owned()));
    let names: BTreeSet<String> = names.map(|name| format!("{name}.hex")).collect();
    assert_eq!(names.len(), samples().len() + retired().len(), "a name is given once");
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

#[test]
fn largest_price_rule_fits_into_a_record() {
    assert!(encode(&prices::largest(), Vec::new()).len() < RECORD_BYTES_MAX);
}

/// Reading goes no deeper than the rules do, however often a damaged answer says that it holds answers.
#[test]
fn answers_within_answers_are_refused() {
    let bytes = stored("outcome-each");
    // The number of the answer, then how many it holds.
    let place = bytes.windows(2).position(|window| window == [EACH, 4]).expect("the sample has four");
    let mut nested = bytes[..place].to_vec();
    while nested.len() + 2 <= RECORD_BYTES_MAX {
        nested.extend([EACH, 1]);
    }
    assert!(matches!(decode(&nested), Err(DecodeError::Bytes(_))));
}

/// Each byte that is changed makes a text or a number that no value of the rules has.
#[test]
fn value_out_of_range_is_refused_by_name() {
    // 1 000 000 units as postcard writes them, and one more.
    let (most, too_many) = ([0xc0, 0x84, 0x3d], [0xc1, 0x84, 0x3d]);
    for name in [
        "event-reheld-released",
        "reservation-reserved",
        "order-placed-cart",
        "cart-line-set-held",
        "outcome-cart",
    ] {
        assert_refused(name, &most, &too_many, "quantity");
    }
    for name in ["order-placed-lines", "reservation-confirmed", "key-with-order"] {
        assert_refused(name, b"lamp.RED", b"lamp RED", "sku");
        assert_refused(name, b"EUR", b"eur", "currency");
    }
    // 10 000 basis points, and one more.
    assert_refused("price-created-seasonal", &[0x90, 0x4e], &[0x91, 0x4e], "price rule");
}

fn assert_refused(name: &str, value: &[u8], outside: &[u8], what: &str) {
    let bytes = stored(name);
    let place = bytes.windows(value.len()).position(|window| window == value);
    let place = place.unwrap_or_else(|| panic!("{name} has a {what}"));
    let mut bytes = bytes;
    bytes[place..place + value.len()].copy_from_slice(outside);
    let refused = decode(&bytes);
    assert!(
        matches!(refused, Err(DecodeError::Value(found)) if found == what),
        "{name}: {what}: {refused:?}"
    );
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
        let mut bytes = sample_bytes(&sample);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        round_trips(&bytes)?;
    }

    #[test]
    fn true_beginnings_with_random_ends_are_read_or_refused(
        sample in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        end in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let mut bytes = sample_bytes(&sample);
        bytes.truncate(place.index(bytes.len()));
        bytes.extend(end);
        round_trips(&bytes)?;
    }
}

/// A record of any kind, retired ones included.
fn sample_bytes(sample: &prop::sample::Index) -> Vec<u8> {
    let (samples, retired) = (samples(), retired());
    let index = sample.index(samples.len() + retired.len());
    match samples.get(index) {
        Some((_, turn)) => encode(turn, Vec::new()),
        None => stored(retired[index - samples.len()].0),
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

/// The bytes of a golden file.
fn stored(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.hex"));
    from_hex(&std::fs::read_to_string(path).expect("the file is part of the sources"))
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
