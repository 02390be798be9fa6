//! A journal's life against the simplest model there is: appended, trimmed, read and reopened in any order.

use holdfast_persistence::{
    BatchNumber, Epoch, Error, Folder, Frame, FrameHash, Head, Options, OwnedRecord, Partition, Place, Queue,
    Reader, RecordHeader, Sequence, SledJournal, Store, Trimmer, Writer,
};
use proptest::prelude::*;

use crate::support::{ID, payload};

const PARTITIONS: u16 = 3;

#[derive(Debug, Clone)]
enum Deed {
    /// Frames of records: the partition, and how far its clock is off.
    Append(Vec<Vec<(u16, u8)>>),
    /// So many percent of what is stored go.
    Trim(u64),
    /// Closes and opens again, recovering from the beginning.
    Reopen,
    /// The same from the head that was marked last.
    ReopenFromMark,
    Mark,
}

/// What a journal must hold.
struct Model {
    /// All records ever written, in the journal's order.
    records: Vec<(Place, OwnedRecord)>,
    first: BatchNumber,
    next: BatchNumber,
    clock_ms: u64,
}

/// The journal itself, open.
struct Live {
    folder: Folder,
    reader: Reader,
    trimmer: Trimmer,
    queue: Queue,
    writer: Writer,
}

impl Live {
    /// Opens and recovers from a head; without one, or where that was trimmed, from the beginning.
    fn open(folder: Folder, mark: Option<&Head>, model: &Model) -> Live {
        let options = Options { partitions: PARTITIONS, id: Some(ID), ..Options::default() };
        let mut journal = SledJournal::open(&folder, options).expect("the folder is sound");
        let mut seen = Vec::new();
        let recover = |journal: &mut SledJournal, from: Head, seen: &mut Vec<OwnedRecord>| {
            journal.recover(from, &mut |record| {
                seen.push(record.to_owned());
                Ok(())
            })
        };
        let start = Head::before(&journal);
        assert_eq!(start.next_batch(), model.first);
        let from = match mark {
            Some(mark) if mark.next_batch() < model.first => {
                let refused = recover(&mut journal, mark.clone(), &mut seen);
                assert!(matches!(refused, Err(Error::Trimmed { first }) if first == model.first));
                start
            }
            mark => mark.cloned().unwrap_or(start),
        };
        let first = from.next_batch();
        let replayed = recover(&mut journal, from, &mut seen).expect("it is sound");
        let expected = model.records.iter().filter(|(place, _)| place.batch >= first);
        assert!(seen.iter().eq(expected.map(|(_, record)| record)));
        let (reader, trimmer) = (journal.reader(), journal.trimmer());
        let (queue, writer) = Writer::new(Box::new(journal), replayed.head);
        Live { folder, reader, trimmer, queue, writer }
    }

    fn close(self) -> Folder {
        self.folder
    }

    fn append(&mut self, frames: &[Vec<(u16, u8)>], model: &mut Model) {
        for frame in frames {
            for (record, (partition, skew)) in (0..).zip(frame) {
                model.clock_ms += u64::from(skew % 3);
                let record = model.record(*partition, *skew, Place { batch: model.next, record });
                self.queue.push(record.header, &record.payload).expect("the queue is open");
            }
            self.writer.commit().expect("the disk is well");
            model.next = model.next.next();
        }
    }

    fn trim(&self, percent: u64, model: &mut Model) {
        let end = BatchNumber(model.first.0 + (model.next.0 - model.first.0) * percent / 100);
        let removed = self.trimmer.remove_before(end).expect("it is sound");
        assert_eq!(removed.batches, end.0 - model.first.0);
        model.first = end;
    }
}

impl Model {
    fn record(&mut self, partition: u16, skew: u8, place: Place) -> OwnedRecord {
        let mut of_partition =
            self.records.iter().filter(|(_, record)| record.header.partition.0 == partition);
        let last =
            of_partition.next_back().map_or((0, 0), |(_, it)| (it.header.sequence.0, it.header.time_ms));
        let sequence = last.0 + 1;
        let header = RecordHeader {
            partition: Partition(partition),
            epoch: Epoch(7),
            sequence: Sequence(sequence),
            time_ms: last.1.max(self.clock_ms + u64::from(skew)),
        };
        let record = OwnedRecord { header, payload: payload(partition, sequence) };
        self.records.push((place, record.clone()));
        record
    }

    fn stored(&self) -> impl Iterator<Item = &(Place, OwnedRecord)> {
        self.records.iter().filter(|(place, _)| place.batch >= self.first)
    }

    /// What [`Reader::place_at_time`] must say: the place, or that it was trimmed.
    fn place_at(&self, time_ms: u64) -> Option<Place> {
        let younger = self.records.iter().find(|(_, record)| record.header.time_ms > time_ms);
        let place = younger.map_or(Place::before(self.next), |(place, _)| *place);
        (place.batch >= self.first).then_some(place)
    }

    fn check(&self, reader: &Reader) {
        assert_eq!(
            (reader.first_place(), reader.end()),
            (Place::before(self.first), Place::before(self.next))
        );
        self.check_scans(reader);
        for (place, record) in self.records.iter().step_by(1 + self.records.len() / 60) {
            let RecordHeader { partition, sequence, time_ms, .. } = record.header;
            let (found, read) = (reader.place_of(partition, sequence), reader.read(partition, sequence));
            if place.batch < self.first {
                assert!(matches!(found, Err(Error::Trimmed { first }) if first == self.first), "{found:?}");
                // The frame that was read last may still be in memory.
                assert!(
                    matches!(&read, Err(Error::Trimmed { .. }))
                        || read.expect("else") == Some(record.clone())
                );
            } else {
                assert_eq!(found.expect("it is sound"), Some(*place));
                assert_eq!(read.expect("it is sound").as_ref(), Some(record));
            }
            for time_ms in [time_ms.saturating_sub(1), time_ms, time_ms + 1] {
                match (self.place_at(time_ms), reader.place_at_time(time_ms)) {
                    (Some(expected), found) => assert_eq!(found.expect("it is sound"), expected),
                    (None, found) => assert!(matches!(found, Err(Error::Trimmed { .. })), "{found:?}"),
                }
            }
        }
        self.check_stat(reader);
    }

    fn check_scans(&self, reader: &Reader) {
        let scan = |from| reader.scan(from).collect::<Result<Vec<_>, _>>().expect("it is sound");
        assert!(scan(reader.first_place()).iter().eq(self.stored()));
        assert_eq!(scan(reader.end()), []);
        for (from, _) in self.stored().step_by(1 + self.records.len() / 5) {
            assert!(scan(*from).iter().eq(self.records.iter().filter(|(place, _)| place >= from)));
            assert!(scan(from.behind()).iter().eq(self.records.iter().filter(|(place, _)| place > from)));
        }
        if self.first > BatchNumber::FIRST {
            let mut early = reader.scan(Place::before(BatchNumber(self.first.0 - 1)));
            assert!(matches!(early.next_record(), Err(Error::Trimmed { first }) if first == self.first));
        }
    }

    fn check_stat(&self, reader: &Reader) {
        let stat = reader.stat().expect("it reads");
        let frames: Vec<_> =
            reader.frames_from(self.first).map(|stored| stored.expect("it reads").bytes).collect();
        let bytes: usize = frames.iter().map(|bytes| bytes.len()).sum();
        let (all, stored) = (self.records.len(), self.stored().count());
        let expected =
            [frames.len(), bytes, all, all - stored].map(|count| u64::try_from(count).expect("few"));
        assert_eq!([stat.batches, stat.frame_bytes, stat.records, stat.records_trimmed], expected);
        assert_eq!(stat.first_batch, (stat.batches > 0).then_some(self.first));
        let head = reader.head();
        assert_eq!(head.next_batch(), self.next);
        if let Some(last) = frames.last() {
            assert_eq!(head.last_hash(), FrameHash::of(last));
            assert_eq!(
                Frame::decode(&frames[0]).expect("it is sound").previous(),
                reader.start().last_hash()
            );
        }
        for partition in (0..PARTITIONS).map(Partition) {
            let last = self.records.iter().rev().find(|(_, record)| record.header.partition == partition);
            let expected = last.map_or(Sequence(0), |(_, record)| record.header.sequence);
            assert_eq!(head.partition(partition).expect("it exists").sequence, expected);
        }
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let frame = prop::collection::vec((0..PARTITIONS, 0..6_u8), 1..6);
    let deed = prop_oneof![
        5 => prop::collection::vec(frame, 1..150).prop_map(Deed::Append),
        3 => (0..=100_u64).prop_map(Deed::Trim),
        2 => Just(Deed::Reopen),
        2 => Just(Deed::ReopenFromMark),
        2 => Just(Deed::Mark),
    ];
    prop::collection::vec(deed, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn journal_is_what_was_appended_and_not_trimmed(deeds in deeds()) {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::open(data.path()).expect("it is free");
        let (first, next) = (BatchNumber::FIRST, BatchNumber::FIRST);
        let mut model = Model { records: Vec::new(), first, next, clock_ms: 1_000 };
        let mut live = Live::open(folder, None, &model);
        let mut mark = None;
        for deed in deeds {
            match deed {
                Deed::Append(frames) => live.append(&frames, &mut model),
                Deed::Trim(percent) => live.trim(percent, &mut model),
                Deed::Reopen => live = Live::open(live.close(), None, &model),
                Deed::ReopenFromMark => live = Live::open(live.close(), mark.as_ref(), &model),
                Deed::Mark => mark = Some(live.reader.head()),
            }
            model.check(&live.reader);
        }
    }
}
