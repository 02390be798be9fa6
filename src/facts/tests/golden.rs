//! The schema stays: every kind of record that was ever stored has the same JSON for ever.
//!
//! The records are those of `actors/tests/golden/`. A line of `tests/golden/facts/` that changes is a decision, with a page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_actors::record;
use serde_json::Value;

use super::super::{Event, Secrets, TYPES, events_of};
use super::{line, payload};

/// Records in a form that is only read: their JSON carries the stored bytes.
const RETIRED: [&str; 5] = [
    "outcome-order-moved",
    "outcome-reservation-active",
    "outcome-reservation-confirmed",
    "outcome-reservation-expired",
    "outcome-reservation-released",
];

/// What only an export tells.
const SECRETS: [&str; 2] = ["password_hash", "token_hash"];

#[test]
fn every_stored_record_is_told_as_its_golden_line_says_and_read_back_to_the_bit() {
    let golden = std::fs::read_to_string(sources().join("tests/golden/facts/records.jsonl")).unwrap();
    let golden: BTreeMap<&str, &str> = golden.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let stored = stored();
    assert_eq!(golden.keys().copied().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>());
    let mut failures = Vec::new();
    for (name, bytes) in &stored {
        let told = line(bytes);
        if told != golden[name.as_str()] {
            failures.push(format!("{name} {told}"));
        }
        assert_eq!(payload(golden[name.as_str()]).as_deref(), Ok(&bytes[..]), "{name}");
        assert_eq!(told.contains(r#""payload":"#), RETIRED.contains(&name.as_str()), "{name}");
    }
    assert!(failures.is_empty(), "these are told otherwise:\n{}", failures.join("\n"));
}

#[test]
fn every_type_of_fact_has_its_golden_example() {
    let golden = std::fs::read_to_string(sources().join("tests/golden/facts/events.jsonl")).unwrap();
    let examples = examples();
    let told: Vec<String> = TYPES.iter().map(|kind| examples[*kind].clone()).collect();
    assert_eq!(told.join("\n"), golden.trim_end());
}

#[test]
fn types_are_listed_once_each_and_no_other_is_told() {
    assert_eq!(TYPES.iter().collect::<BTreeSet<_>>().len(), TYPES.len());
    let told: BTreeSet<String> = examples().into_keys().collect();
    assert_eq!(told, TYPES.iter().map(|kind| (*kind).to_owned()).collect());
}

#[test]
fn secrets_are_left_out_where_they_are_hidden_and_nothing_else_is() {
    let mut hidden_fields = BTreeSet::new();
    for (name, bytes) in stored() {
        let turn = record::decode(&bytes).unwrap();
        let pairs = events_of(&turn, Secrets::Shown).into_iter().zip(events_of(&turn, Secrets::Hidden));
        for (shown, hidden) in pairs {
            let mut fields = fields(&shown);
            for secret in SECRETS {
                hidden_fields.extend(fields.remove(secret).map(|_| secret));
            }
            assert_eq!(fields, self::fields(&hidden), "{name}");
        }
    }
    assert_eq!(hidden_fields, SECRETS.into());
}

#[test]
fn document_lists_every_type_with_its_fields() {
    let document = std::fs::read_to_string(sources().join("docs/events.md")).unwrap();
    let mut listed = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let names = |cell: &str| -> BTreeSet<String> {
            cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches('?').to_owned()).collect()
        };
        if TYPES.contains(&cells[1].trim_matches('`')) {
            listed.push((cells[1].trim_matches('`').to_owned(), names(cells[3])));
        }
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in every_event() {
        let names = fields(&event).into_iter().map(|(name, _)| name);
        found.entry(event.kind.to_owned()).or_default().extend(names);
    }
    let expected: Vec<_> = TYPES.iter().map(|kind| ((*kind).to_owned(), found[*kind].clone())).collect();
    assert_eq!(listed, expected);
}

/// One fact of each type, as JSON: the first that a golden record has.
fn examples() -> BTreeMap<String, String> {
    let mut examples = BTreeMap::new();
    for event in every_event() {
        let text = serde_json::to_string(&event).unwrap();
        examples.entry(event.kind.to_owned()).or_insert(text);
    }
    examples
}

fn every_event() -> Vec<Event> {
    stored().values().flat_map(|bytes| events_of(&record::decode(bytes).unwrap(), Secrets::Shown)).collect()
}

fn fields(event: &Event) -> serde_json::Map<String, Value> {
    serde_json::from_str(event.data.get()).unwrap()
}

/// The payloads of the golden records by name.
pub(super) fn stored() -> BTreeMap<String, Vec<u8>> {
    let folder = sources().join("actors/tests/golden/v1");
    let mut stored = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let digits: Vec<u8> = std::fs::read(&path).unwrap();
        let digits: Vec<u8> = digits.into_iter().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        stored.insert(name, digits.chunks(2).map(byte).collect());
    }
    stored
}

fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
