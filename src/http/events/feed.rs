//! Reading on in the journal: from a mark to events, a bounded piece at a time. Blocks on the disk.

use holdfast_actors::domain::Timestamp;
use holdfast_actors::persistence::place::Place;
use holdfast_actors::persistence::{self, Partition, Reader, RecordHeader, Sequence};
use holdfast_actors::{Engine, Position, record};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::filter::Filter;
use crate::facts::{self, Secrets};
use crate::http::position::Mark;
use crate::http::view::Moment;

/// Records that one piece goes through at the most, whether or not they hold what is wanted.
pub(super) const RECORDS_MAX: usize = 5_000;

/// A piece ends behind the event with which it has so many bytes.
const BYTES_MAX: usize = 512 * 1024;

/// How often the beginning is looked for while it is being trimmed.
const TRIES_MAX: u32 = 8;

/// The type of the event that says that there is a gap.
const RESET: &str = "reset";

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// With the oldest that is kept.
    Oldest,
    /// With what comes next.
    Latest,
    /// Behind this.
    After(Mark),
}

/// An event as it is told.
#[derive(Serialize)]
pub(super) struct Event {
    /// What a stream is resumed with: the position, and the check of its record.
    #[serde(skip)]
    pub(super) id: String,
    position: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    at: Moment,
    resource: Resource,
    data: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Resource {
    Fact(facts::Resource),
    Journal { r#type: &'static str },
}

/// Somebody's place in the journal.
#[derive(Clone)]
pub(super) struct Feed {
    place: Place,
    /// Events of the next record that were told already.
    told: usize,
    mark: Mark,
}

/// What was read on.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) events: Vec<Event>,
    /// There is nothing more that is durable.
    pub(super) is_at_end: bool,
}

/// The journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("read the journal")]
    Journal(#[from] persistence::Error),
    #[error("read record {sequence} of partition {partition}")]
    Record {
        partition: Partition,
        sequence: Sequence,
        #[source]
        source: record::DecodeError,
    },
}

/// Why there is a gap.
#[derive(Clone, Copy)]
enum Gap {
    Trimmed,
    Unknown,
}

impl Feed {
    /// Finds where to begin, with the event that says so when that place is not there any more.
    pub(super) fn open(
        engine: &Engine,
        reader: &Reader,
        start: Start,
    ) -> Result<(Self, Option<Event>), Error> {
        let mark = match start {
            Start::Oldest => return Ok((Self::oldest(reader)?, None)),
            Start::Latest => return Ok((Self::latest(reader)?, None)),
            Start::After(mark) => mark,
        };
        if let Some(batch) = mark.batch() {
            let place = Place::before(batch);
            return if place < reader.first_place() {
                Self::reset(engine, reader, Gap::Trimmed)
            } else if place > reader.end() {
                Self::reset(engine, reader, Gap::Unknown)
            } else {
                Ok((Self { place, told: 0, mark }, None))
            };
        }
        if mark.position.sequence == Sequence(0) {
            return Self::reset(engine, reader, Gap::Unknown);
        }
        match reader.place_of(mark.position.partition, mark.position.sequence) {
            Ok(Some(place)) => {
                let Some(check) = check_at(reader, place)? else {
                    return Self::reset(engine, reader, Gap::Trimmed);
                };
                if mark.check.is_some_and(|told| told != check) {
                    return Self::reset(engine, reader, Gap::Unknown);
                }
                let (place, told) = match mark.shown {
                    None => (place.behind(), 0),
                    Some(shown) => (place, usize::from(shown)),
                };
                Ok((Self { place, told, mark: mark.with_check(check) }, None))
            }
            Ok(None) => Self::reset(engine, reader, Gap::Unknown),
            Err(persistence::Error::Trimmed { .. }) => Self::reset(engine, reader, Gap::Trimmed),
            Err(error) => Err(error.into()),
        }
    }

    /// How far it was read, as a token.
    pub(super) fn token(&self) -> String {
        self.mark.token()
    }

    /// Reads on, up to `events_max` events that are wanted.
    pub(super) fn read(
        &mut self,
        engine: &Engine,
        reader: &Reader,
        filter: &Filter,
        events_max: usize,
    ) -> Result<Piece, Error> {
        let mut piece = Piece::default();
        match self.read_into(&mut piece, engine, reader, filter, events_max) {
            Err(Error::Journal(persistence::Error::Trimmed { .. })) => {
                // Trimmed while it was read: what was found before comes first, and the gap with the next piece.
                if piece.events.is_empty() {
                    let (feed, reset) = Self::reset(engine, reader, Gap::Trimmed)?;
                    *self = feed;
                    piece.events.extend(reset);
                }
                Ok(piece)
            }
            outcome => outcome.map(|()| piece),
        }
    }

    fn read_into(
        &mut self,
        piece: &mut Piece,
        engine: &Engine,
        reader: &Reader,
        filter: &Filter,
        events_max: usize,
    ) -> Result<(), Error> {
        let mut scan = reader.scan(self.place);
        let mut bytes = 0;
        for _ in 0..RECORDS_MAX {
            let Some((place, record)) = scan.next_record()? else {
                piece.is_at_end = true;
                break;
            };
            let RecordHeader { partition, sequence, time_ms, .. } = record.header;
            let position = Position { partition, sequence };
            let turn = record::decode(record.payload).map_err(|source| Error::Record {
                partition,
                sequence,
                source,
            })?;
            let check = record.check();
            let facts = facts::events_of(&turn, Secrets::Hidden);
            let count = facts.len();
            for (index, fact) in facts.into_iter().enumerate().skip(self.told) {
                if !filter.wants(engine, &fact) {
                    continue;
                }
                let mark =
                    if index + 1 == count { Mark::after(position) } else { within(position, index + 1) };
                bytes += fact.data.get().len();
                let at = Moment(Timestamp(time_ms));
                let (resource, data) = (Resource::Fact(fact.resource), fact.data);
                let id = mark.with_check(check).token();
                piece.events.push(Event { id, position: mark.token(), kind: fact.kind, at, resource, data });
                if (piece.events.len() >= events_max || bytes >= BYTES_MAX) && index + 1 < count {
                    *self = Self { place, told: index + 1, mark: mark.with_check(check) };
                    return Ok(());
                }
            }
            let mark = Mark::after(position).with_check(check);
            *self = Self { place: place.behind(), told: 0, mark };
            if piece.events.len() >= events_max || bytes >= BYTES_MAX {
                break;
            }
        }
        Ok(())
    }

    fn oldest(reader: &Reader) -> Result<Self, Error> {
        let mut tries_left = TRIES_MAX;
        loop {
            tries_left -= 1;
            let place = reader.first_place();
            let mark = match reader.scan(place).next_record() {
                Ok(Some((_, record))) => within(position_of(&record.header), 0).with_check(record.check()),
                Ok(None) => Mark::before(place.batch),
                // The trimmer was faster.
                Err(persistence::Error::Trimmed { .. }) if tries_left > 0 => continue,
                Err(error) => return Err(error.into()),
            };
            return Ok(Self { place, told: 0, mark });
        }
    }

    fn latest(reader: &Reader) -> Result<Self, Error> {
        let Place { batch, .. } = reader.end();
        let last = persistence::BatchNumber(batch.0.saturating_sub(1));
        let first = reader.first_place();
        let mut scan = reader.scan(Place::before(last).max(first));
        // Where all was trimmed there is no record to name.
        let mut mark = Mark::before(scan.place().batch);
        while let Some((_, record)) = scan.next_record()? {
            mark = Mark::after(position_of(&record.header)).with_check(record.check());
        }
        Ok(Self { place: scan.place(), told: 0, mark })
    }

    fn reset(engine: &Engine, reader: &Reader, gap: Gap) -> Result<(Self, Option<Event>), Error> {
        let feed = Self::oldest(reader)?;
        let (reason, detail) = match gap {
            Gap::Trimmed => ("trimmed", "What follows that position was trimmed from the journal in part."),
            Gap::Unknown => (
                "unknown_position",
                "This journal has no such position; was it restored to an earlier moment?",
            ),
        };
        let oldest = feed.token();
        let data = json!({ "reason": reason, "detail": detail, "oldest": oldest });
        let event = Event {
            id: oldest.clone(),
            position: oldest,
            kind: RESET,
            at: Moment(engine.now()),
            resource: Resource::Journal { r#type: "journal" },
            data: serde_json::value::to_raw_value(&data).expect("a value can be written"),
        };
        Ok((feed, Some(event)))
    }
}

/// The check of the record at a place; none where it was trimmed meanwhile.
fn check_at(reader: &Reader, place: Place) -> Result<Option<u32>, Error> {
    match reader.scan(place).next_record() {
        Ok(found) => Ok(found.map(|(_, record)| record.check())),
        Err(persistence::Error::Trimmed { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn position_of(header: &RecordHeader) -> Position {
    Position { partition: header.partition, sequence: header.sequence }
}

fn within(position: Position, shown: usize) -> Mark {
    Mark::within(
        position,
        u16::try_from(shown).expect("a record has fewer events than its bytes, of which there are few"),
    )
}
