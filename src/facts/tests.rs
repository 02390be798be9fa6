//! Every stored record through its JSON and back, to the bit; and what is refused.

mod golden;
mod made_up;
mod refused;

use holdfast_actors::persistence::{BatchNumber, Epoch, Partition, Record, RecordHeader, Sequence};

use super::line::RecordLine;
use super::read;

/// Where the records of the tests are.
const HEADER: RecordHeader = RecordHeader {
    partition: Partition(3),
    epoch: Epoch(2),
    sequence: Sequence(7),
    time_ms: 1_764_000_000_123,
};

/// The line of a record with this payload.
fn line(payload: &[u8]) -> String {
    let line = RecordLine::of(BatchNumber(5), Record { header: HEADER, payload }).expect("it can be decoded");
    serde_json::to_string(&line).expect("a line can be written")
}

/// Reads a line; the payload of its record, or why there is none.
fn payload(line: &str) -> Result<Vec<u8>, String> {
    let line: RecordLine = read::parse(line).map_err(|fault| fault.to_string())?;
    let (batch, record) = line.record().map_err(|fault| fault.to_string())?;
    assert_eq!((batch, record.header), (BatchNumber(5), HEADER));
    Ok(record.payload)
}
